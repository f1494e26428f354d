"""Columns of a matrix that have other names than the samples."""

import json
import re

import pytest
from conftest import Study, events, examples
from hypothesis import given, settings
from hypothesis import strategies as st

from expression_warehouse.core.config import StudyConfig
from expression_warehouse.core.errors import UserError
from loader.source.sample_names import match_samples

# Titles that differ in their letters and digits.
WORD = st.from_regex(r"[A-Za-z0-9]{1,8}", fullmatch=True)
TITLES = st.lists(
    st.lists(WORD, min_size=1, max_size=4).map(" ".join),
    min_size=2,
    max_size=8,
    unique_by=lambda title: title.casefold(),
)

# How others write a title or an accession: title, accession → column.
WRITERS = {
    "title": lambda title, _: title,
    "make.names": lambda title, _: re.sub(r"^(?=[0-9])", "X", re.sub(r"[^\w.]", ".", title)),
    "X before everything": lambda _, accession: f"X{accession}",
    "underscores": lambda title, _: title.replace(" ", "_").upper(),
    "CEL file": lambda title, accession: f"{accession}_{title.replace(' ', '-')}.CEL.gz",
    "path": lambda _, accession: f"/data/run 1/{accession}.sorted.bam",
    "STAR": lambda _, accession: f"{accession}ReadsPerGene.out.tab",
}


def blocks_of(titles):
    return {f"GSM{n}": {"refinebio_title": title} for n, title in enumerate(titles, start=100)}


def matched(columns, blocks, **settings):
    return match_samples(columns, blocks, StudyConfig(**settings), "GSE1", "GSE1.tsv")


@settings(max_examples=examples(60), deadline=None)
@given(titles=TITLES, writer=st.sampled_from(sorted(WRITERS)), order=st.randoms())
def test_columns_are_matched_to_their_samples(titles, writer, order):
    blocks = blocks_of(titles)
    samples = list(blocks)
    order.shuffle(samples)
    columns = [WRITERS[writer](blocks[s]["refinebio_title"], s) for s in samples]
    try:
        found = matched(columns, blocks)
    except UserError as error:
        # A title can be another sample's accession, or its name in another case.
        assert error.code == 54013
        return
    assert found.samples == samples
    assert found.finding.code == 54012
    assert found.finding.found.startswith(f"{len(columns)} columns have ")
    assert f"{columns[0]} is {samples[0]}" in found.finding.found


@pytest.mark.parametrize(
    ("columns", "titles"),
    [
        (["a 1", "b 1", "unknown"], ["a 1", "b 1", "c 1"]),
        (["a", "a"], ["a", "b"]),
        (["a"], ["a", "a"]),
        (["a-b", "a b"], ["a.b", "a+b"]),
    ],
)
def test_what_does_not_fit_as_a_whole_keeps_its_names(columns, titles):
    found = matched(columns, blocks_of(titles))
    assert found.samples == columns
    assert found.finding is None


def test_accessions_are_never_matched_to_anything_else():
    blocks = {"1": {"refinebio_title": "2"}, "2": {"refinebio_title": "1"}}
    assert matched(["1", "2"], blocks).samples == ["1", "2"]


def test_samples_with_their_accession_are_not_taken_twice():
    blocks = blocks_of(["GSM101", "b"])
    found = matched(["GSM101", "GSM100_x.CEL"], blocks)
    assert found.samples == ["GSM101", "GSM100"]


def test_two_assignments_are_refused_with_both():
    blocks = {
        "GSM1": {"refinebio_title": "7", "rank": 8},
        "GSM2": {"refinebio_title": "8", "rank": 7},
    }
    with pytest.raises(UserError) as caught:
        matched(["7", "8"], blocks)
    assert caught.value.code == 54013
    assert "the title or the rank" in caught.value.found
    assert "7 is GSM1 or GSM2" in caught.value.found
    assert "sample_names: {7: GSM1, …}" in caught.value.action


def test_the_settings_decide():
    blocks = {"GSM1": {"refinebio_title": "7", "r": 8}, "GSM2": {"refinebio_title": "8", "r": 7}}
    assert matched(["7", "8"], blocks, sample_names={"7": "GSM2", "8": "GSM1"}).samples == [
        "GSM2",
        "GSM1",
    ]
    pattern = r"^counts_(?P<sample>GSM\d+)_"
    assert matched(["counts_GSM2_x", "GSM1"], blocks, sample_names=pattern).samples == [
        "GSM2",
        "GSM1",
    ]
    # What the pattern finds may be a title too.
    blocks = blocks_of(["a", "b"])
    assert matched(["n.b", "n.a"], blocks, sample_names=r"n\.(?P<sample>.)").samples == [
        "GSM101",
        "GSM100",
    ]


@pytest.mark.parametrize("names", [{"absent": "GSM1"}, r"^none(?P<sample>.)"])
def test_settings_that_fit_no_column_are_refused(names):
    with pytest.raises(UserError) as caught:
        matched(["x", "y"], blocks_of(["a", "b"]), sample_names=names)
    assert caught.value.code == 54030


def test_a_matrix_with_titles_is_staged_under_its_accessions(warehouse, tmp_path):
    study = Study(titles=["healthy 1", "sepsis 1", "septic shock 1"])
    folder = study.write(tmp_path / "d")
    text = "Gene\tseptic.shock.1\thealthy.1\tsepsis.1\nENSG1\t8.5\t6.5\t7.5\n"
    study.matrix(folder).write_text(text)

    result = warehouse.loader("ingest", folder)

    assert result.exit_code == 0
    assert [event["error"].split()[0] for event in events(result, "doubted")] == ["54012"]
    values = (
        "select sample_accession_code, expression_value from staging.expression_rows order by 1"
    )
    assert warehouse.query(values) == [("GSM1", 6.5), ("GSM2", 7.5), ("GSM3", 8.5)]
    assert events(warehouse.loader("ingest", folder), "skipped")

    # Other samples for the same columns: the rows are written again.
    config = tmp_path / "pipeline.yaml"
    names = {"septic.shock.1": "GSM1", "healthy.1": "GSM3", "sepsis.1": "GSM2"}
    config.write_text(json.dumps({"studies": {"GSE1": {"sample_names": names}}}))
    assert events(warehouse.loader("ingest", folder, "--config", config), "staged")
    assert warehouse.query(values) == [("GSM1", 8.5), ("GSM2", 7.5), ("GSM3", 6.5)]


def test_columns_that_fit_in_two_ways_load_nothing(warehouse, tmp_path):
    fields = {"GSM1": {"n": "8"}, "GSM2": {"n": "7"}, "GSM3": {"n": "9"}}
    study = Study(titles=["7", "8", "9"], sample_fields=fields)
    folder = study.write(tmp_path / "d")
    study.matrix(folder).write_text("Gene\t7\t8\t9\nENSG1\t3\t1\t2\n")
    result = warehouse.loader("ingest", folder)
    assert [event["error_code"] for event in events(result, "failed")] == [54013]
    assert warehouse.query("select count(*) from staging.batch") == [(0,)]


@settings(max_examples=examples(60), deadline=None)
@given(
    control=st.characters(min_codepoint=0, max_codepoint=31)
    | st.just("\x7f")
    # Bytes that are not UTF-8: no setting could be written with them.
    | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF, categories=["Cs"]),
    position=st.integers(0, 6),
)
def test_a_name_with_a_damaged_character_is_no_sample(control, position):
    name = "GSM100"[:position] + control + "GSM100"[position:]
    assert matched([name], blocks_of(["healthy"])).samples == [name]
