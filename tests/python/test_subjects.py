"""Subjects and times of samples, read from settings, titles and metadata."""

import pytest
from pydantic import ValidationError

from expression_warehouse.core.config import StudyConfig
from expression_warehouse.core.errors import UserError
from loader.source.metadata import StudyMetadata
from loader.source.subjects import _hours, repeated_titles, resolve_subjects


def metadata(**titles: str) -> StudyMetadata:
    return StudyMetadata("GSE1", {}, {}, {s: {"refinebio_title": t} for s, t in titles.items()})


@pytest.mark.parametrize(
    ("text", "hours"),
    [("3", 3), ("day 3", 72), ("D3", 72), ("24h", 24), ("24 hours", 24), ("T0", 0), ("30 min", 0.5),
     ("2 weeks", 336), ("-1 day", -24), ("day-1", 24), ("1.5", 1.5), ("admission", None), ("", None)],
)  # fmt: skip
def test_hours(text, hours):
    assert _hours(text) == hours


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


def test_a_pattern_that_fits_no_title_is_an_error():
    with pytest.raises(UserError, match="fits no sample"):
        resolve_subjects(StudyConfig(subjects="^(?P<subject>Q)$"), metadata(A="P1"))


@pytest.mark.parametrize("pattern", ["P1", "(?P<subject>", "(?P<time>x)"])
def test_a_pattern_without_a_subject_is_refused(pattern):
    with pytest.raises(ValidationError):
        StudyConfig(subjects=pattern)


@pytest.mark.parametrize(
    ("first", "second"),
    [("P1 day 1", "P1 day 3"), ("P1_D1", "P1_D3"), ("sepsis, patient 12, 0h", "sepsis, patient 12, 24h"),
     ("Patient 7 time point 1 PBMC", "Patient 7 time point 2 PBMC"), ("S12 rep1", "S12 rep2"),
     ("P1 Visit 1", "P1 visit 2")],
)  # fmt: skip
def test_repeated_titles_are_found(first, second):
    study = metadata(A=first, B=second)
    found = repeated_titles(StudyConfig(), study, "aggregated_metadata.json")
    pattern = found.action.split("subjects: '")[1].split("'}")[0]
    resolved = resolve_subjects(StudyConfig(subjects=pattern), study)
    assert len(set(resolved.subjects.values())) == 1
    assert resolved.times["A"] < resolved.times["B"]


@pytest.mark.parametrize(
    "titles",
    [("healthy day 1", "healthy day 3"), ("P1 sepsis", "P2 sepsis"), ("P1 day 1", "P2 day 1"),
     ("P1 day 1 CD4", "P1 day 3 CD8"), ("INFG_139 Healthy control", "INFG_140 Healthy control")],
)  # fmt: skip
def test_other_titles_are_not_doubted(titles):
    study = metadata(A=titles[0], B=titles[1])
    assert repeated_titles(StudyConfig(), study, "aggregated_metadata.json") is None
