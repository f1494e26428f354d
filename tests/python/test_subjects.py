"""Subjects and times of samples, read from settings, titles and metadata."""

import pytest
import yaml
from pydantic import ValidationError

from expression_warehouse.core.config import StudyConfig
from expression_warehouse.core.errors import UserError
from loader.source.metadata import StudyMetadata
from loader.source.subjects import _hours, doubted_subjects, resolve_subjects


def metadata(**titles: str) -> StudyMetadata:
    return StudyMetadata("GSE1", {}, {}, {s: {"refinebio_title": t} for s, t in titles.items()})


@pytest.mark.parametrize(
    ("text", "hours"),
    [("3", 3), ("day 3", 72), ("D3", 72), ("24h", 24), ("24 hours", 24), ("T0", 0), ("30 min", 0.5),
     ("2 weeks", 336), ("-1 day", -24), ("day-1", 24), ("1.5", 1.5), ("discharge", None), ("", None),
     ("3rd day", 72), ("visit 2, day 7", 168), ("T1 (24h)", 24), ("24-48h", 48), ("day 8 pre-dose", 192),
     ("2 h before surgery", -2), ("H1N1 day 3", 72), ("minimal dose 2", 2), ("week.2", 336)],
)  # fmt: skip
def test_hours(text, hours):
    assert _hours(text) == hours


@pytest.mark.parametrize(
    "dates",
    [["28.01.2023", "03.02.2023", "1.3.2023"], ["28.1.23", "3.2.23", "01.03.23"],
     ["2023-01-28", "2023-02-03", "2023-03-01"], ["am 31.12.2022", "am 01.01.2023", "am 02.01.2023"],
     ["2023-02-01T23:10:00", "2023-02-02 08:00", "2023-02-02 17:30:10"], ["01.02.2023 9:05", "1.2.2023 10:00", "1.2.2023 23:59"]],
)  # fmt: skip
def test_dates_are_times_in_their_order(dates):
    first, second, third = map(_hours, dates)
    assert first < second < third
    assert _hours("24.12.2022") - _hours("2022-12-23") == 24


@pytest.mark.parametrize(
    "text",
    [
        "1/2/2023",
        "01-02-23",
        "13/2/2023 8:00",
        "1-Feb-23",
        "02/Mär/2023",
        "31.02.2023",
        "2023-13-01",
    ],
)
def test_dates_without_one_reading_are_no_time(text):
    assert _hours(text) is None


UNITS = {
    1 / 60: ["min", "mins", "minute", "minutes"],
    1: ["h", "hr", "hrs", "hour", "hours", "Std", "Stunde", "Stunden"],
    24: ["d", "day", "days", "Tag", "Tage"],
    168: ["w", "wk", "wks", "week", "weeks", "Woche", "Wochen"],
    730: ["mo", "mos", "month", "months", "Monat", "Monate"],
    8766: ["y", "yr", "yrs", "year", "years", "Jahr", "Jahre"],
}


@pytest.mark.parametrize(
    "words", ["", "within ", "hospital ", "ward ", "whole blood, ", "morning of ", "yellow_", "T"]
)
@pytest.mark.parametrize(
    "unit", [(unit, hours) for hours, units in UNITS.items() for unit in units]
)
def test_a_unit_is_a_whole_word_beside_the_number(words, unit):
    """Whatever letters the other words begin with, and in any case."""
    unit, hours = unit
    texts = [f"{words}3{unit}", f"{words}3 {unit}", f"{words}3-{unit} whole blood"]
    if words != "T":
        texts += [f"{words}{unit}3", f"{words}{unit} 3", f"{words}{unit}_3, whole blood"]
    for text in texts:
        assert (text, _hours(text)) == (text, pytest.approx(3 * hours))
        assert _hours(text.upper()) == pytest.approx(3 * hours)


@pytest.mark.parametrize(
    "text",
    ["baseline", "Base line", "Aufnahme", "admission", "at ICU admission", "enrolment", "Enrollment", "inclusion", "pre-op",
     "Pre", "pretreatment", "before surgery", "prior to infusion", "screening"],
)  # fmt: skip
def test_words_for_the_beginning_are_time_0(text):
    assert _hours(text) == 0


@pytest.mark.parametrize(
    "text", ["post-admission", "after inclusion", "follow-up", "discharge", "express"]
)
def test_other_words_are_no_time(text):
    assert _hours(text) is None


@pytest.mark.parametrize(
    ("times", "untimed"),
    [(["baseline", "day 3"], None), (["discharge", "recovery"], None), (["day 3", "discharge"], "B (discharge)"),
     (["", "day 3"], "A (P1 sample)"), (["day 1", 3], None), ([0, "day 3"], None)],
)  # fmt: skip
def test_a_subject_with_and_without_times_is_doubted(times, untimed):
    study = metadata(A="P1 sample", B="P1 sample")
    for sample, time in zip("AB", times, strict=True):
        study.samples[sample]["refinebio_time"] = time
    found = doubted_subjects(
        resolve_subjects(StudyConfig(subjects={"A": "P1", "B": "P1", "X": "P1"}), study), study, "f"
    )
    assert (found and found.name) == (untimed and "SUBJECTS_REPEATED")
    if untimed:
        assert f": {untimed}" in found.found
        settings = yaml.safe_load(found.action.partition("pipeline.yaml: ")[2])
        assert list(settings["studies"]["GSE1"]["times"]) == [untimed[0]]


def test_a_pattern_is_resolved():
    config = StudyConfig(subjects=r"^(?P<subject>P\d+) day (?P<time>\d+)")
    found = resolve_subjects(config, metadata(A="P1 day 1", B="P1 day 3", C="control"))
    assert found.subjects == {"A": "P1", "B": "P1"}
    assert found.times == {"A": 1, "B": 3}


def test_the_metadata_are_read_only_on_demand():
    """Real downloads have tissues in refinebio_subject, such as `brain`."""
    study = metadata(A="a", B="b", C="c")
    study.samples["A"] |= {"refinebio_subject": "P1", "refinebio_time": "day 2"}
    study.samples["B"] |= {"refinebio_subject": "", "refinebio_time": 5}
    assert resolve_subjects(StudyConfig(), study) == StudyConfig()
    found = resolve_subjects(StudyConfig(subjects="refinebio_subject"), study)
    assert (found.subjects, found.times) == ({"A": "P1"}, {"A": 48})
    given = StudyConfig(subjects={"A": "X", "B": "X"}, times={"A": 7})
    assert resolve_subjects(given, study).times == {"A": 7, "B": 5}


@pytest.mark.parametrize(
    "word", ["NA", "n/a", "#NV", "n.d.", "k. A.", "-", "?", "unknown", "Not applicable", "missing"]
)
def test_words_for_an_unknown_subject_are_no_subject(word):
    """As one subject, all samples with the word but the first would be left out."""
    study = with_subjects([("P1", "day 1"), (word, "day 1"), (word, "day 2"), (f" {word} ", "")])
    assert doubted_subjects(StudyConfig(), study, "f") is None
    found = resolve_subjects(StudyConfig(subjects="refinebio_subject"), study)
    assert found.subjects == {"S0": "P1"}


def test_a_pattern_that_fits_no_title_is_an_error():
    with pytest.raises(UserError, match="fits no sample"):
        resolve_subjects(StudyConfig(subjects="^(?P<subject>Q)$"), metadata(A="P1"))


@pytest.mark.parametrize("pattern", ["P1", "(?P<subject>", "(?P<time>x)"])
def test_a_pattern_without_a_subject_is_refused(pattern):
    with pytest.raises(ValidationError):
        StudyConfig(subjects=pattern)


@pytest.mark.parametrize(
    ("first", "second"),
    [("P1 day 1", "P1 day 3"), ("Patient 7, Tag 1", "Patient 7, Tag 3"), ("P1_D1", "P1_D3"), ("sepsis, patient 12, 0h", "sepsis, patient 12, 24h"),
     ("Patient 7 time point 1 PBMC", "Patient 7 time point 2 PBMC"), ("S12 rep1", "S12 rep2"),
     ("P1 Visit 1", "P1 visit 2"), ("Patient 12 (rep 1)", "Patient 12 (rep 2)"), ("P1_D1_PBMC", "P1_D3_PBMC"),
     ("control, technical replicate 1", "control, technical replicate 2"), ("P1_techrep1", "P1_techrep2"),
     ("RNASeq iPSC WT rep1 Lane 1", "RNASeq iPSC WT rep1 Lane 2"), ("sepsis_L001_R1", "sepsis_L002_R1")],
)  # fmt: skip
def test_repeated_titles_are_found(first, second):
    study = metadata(A=first, B=second)
    found = doubted_subjects(StudyConfig(), study, "aggregated_metadata.json")
    pattern = found.action.split("subjects: '")[1].split("'}")[0]
    resolved = resolve_subjects(StudyConfig(subjects=pattern), study)
    assert len(set(resolved.subjects.values())) == 1
    assert resolved.times["A"] < resolved.times["B"]


def test_names_stand_in_for_titles():
    """A user's own sheet need not have a column of titles."""
    study = StudyMetadata("GSE1", {}, {}, {"P001_T1": {}, "P001_T3": {}, "P002_T1": {}})
    found = doubted_subjects(StudyConfig(), study, "samples.csv")
    pattern = found.action.split("subjects: '")[1].split("'}")[0]
    resolved = resolve_subjects(StudyConfig(subjects=pattern), study)
    assert resolved.subjects == {"P001_T1": "P001", "P001_T3": "P001", "P002_T1": "P002"}
    assert resolved.times["P001_T1"] < resolved.times["P001_T3"]


@pytest.mark.parametrize(
    "titles",
    [("healthy day 1", "healthy day 3"), ("P1 sepsis", "P2 sepsis"), ("P1 day 1", "P2 day 1"),
     ("P1 day 1 CD4", "P1 day 3 CD8"), ("C57BL/6 biological replicate 1", "C57BL/6 biological replicate 2"),
     ("B6_bio_rep1", "B6_bio_rep2"), ("sepsis rep1", "sepsis rep2"), ("P1_L1", "P1_L2"), ("P1 rep1a", "P1 rep2b"), ("INFG_139 Healthy control", "INFG_140 Healthy control")],
)  # fmt: skip
def test_other_titles_are_not_doubted(titles):
    study = metadata(A=titles[0], B=titles[1])
    assert doubted_subjects(StudyConfig(), study, "aggregated_metadata.json") is None


def with_subjects(samples: list[tuple[str, object]]) -> StudyMetadata:
    study = metadata(**{f"S{n}": "blood" for n in range(len(samples))})
    for block, (subject, time) in zip(study.samples.values(), samples, strict=True):
        block |= {"refinebio_subject": subject, "refinebio_time": time}
    return study


@pytest.mark.parametrize(
    "samples",
    [[("P1", "day 1"), ("P1", "day 3")], [("donor A", "baseline"), ("donor B", "baseline"), ("donor B", "24h")],
     [(7, 0), (7, 3)], [("P1", time) for time in ("D1", "D1", "D3", "D3")],
     [("P1", ""), ("P2", ""), ("P2", "")], [("P1", "D1"), ("P2", "D1"), ("P2", "D1")]],
)  # fmt: skip
def test_subjects_of_the_metadata_with_several_samples_are_doubted(samples):
    study = with_subjects(samples)
    found = doubted_subjects(StudyConfig(), study, "f")
    assert found.name == "TRANSFORMATION_SUBJECTS_REPEATED"
    settings = yaml.safe_load(found.action.partition("pipeline.yaml: ")[2])
    config = StudyConfig(**settings["studies"]["GSE1"])
    assert doubted_subjects(resolve_subjects(config, study), study, "f") is None


@pytest.mark.parametrize(
    "samples",
    [[("brain", ""), ("brain", "")], [("P1", "day 1"), ("P2", "day 3")], [("P1", "Day 1"), ("P1", "day 1 ")],
     [(tissue, time) for tissue in ("brain", "liver") for time in ("0h", "6h") for _ in range(3)],
     [("P1", "day 1"), ("P1", None)]],
)  # fmt: skip
def test_tissues_and_subjects_of_one_time_are_not_doubted(samples):
    assert doubted_subjects(StudyConfig(), with_subjects(samples), "f") is None
