"""Several downloads of one study: parts that are joined, and files that would replace larger ones."""

import dataclasses
import json

import pytest
from conftest import Study, WarehouseUnderTest, events, examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

VALUES = "select sample_accession_code, gene_id, expression_value from staging.expression_rows order by all"
GENES = [f"ENSG{n:011d}" for n in range(1, 11)]


def study(samples, created_at="2026-01-01T00:00:00", **fields) -> Study:
    """Values that say their gene and sample."""
    values = [
        [f"{g}.{int(sample.removeprefix('GSM')):03d}" for sample in samples]
        for g in range(1, len(GENES) + 1)
    ]
    return dataclasses.replace(
        Study(samples=samples, genes=GENES, values=values, created_at=created_at), **fields
    )


def names(*numbers):
    return [f"GSM{n}" for n in numbers]


def doubts(result):
    return [int(event["error"].split()[0]) for event in events(result, "doubted")]


@settings(
    max_examples=examples(12),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    parts=st.lists(st.sets(st.integers(1, 9), min_size=1), min_size=2, max_size=3),
    orders=st.lists(st.permutations(range(len(GENES))), min_size=3, max_size=3),
)
def test_parts_are_joined_to_the_whole(tmp_path_factory, parts, orders):
    """The genes of each part may have an order of their own."""
    others = [set().union(*(p for p in parts if p is not part)) for part in parts]
    if any(part <= other for part, other in zip(parts, others, strict=True)):
        return
    tmp_path = tmp_path_factory.mktemp("parts")
    for number, part in enumerate(parts):
        whole = study(names(*sorted(part)), f"2026-01-0{number + 1}")
        genes, values = zip(*((GENES[g], whole.values[g]) for g in orders[number]), strict=True)
        shuffled = dataclasses.replace(whole, genes=list(genes), values=list(values))
        shuffled.write(tmp_path / f"d{number}")
    warehouse = WarehouseUnderTest(tmp_path)
    result = warehouse.loader("ingest", tmp_path)
    assert result.exit_code == 0
    assert doubts(result) == [54015]
    everything = study(names(*sorted(set().union(*parts))))
    expected = sorted(
        (sample, gene, float(value))
        for gene, row in zip(GENES, everything.values, strict=True)
        for sample, value in zip(everything.samples, row, strict=True)
    )
    assert warehouse.query(VALUES) == expected
    ((created,),) = warehouse.query("select created_at::varchar from staging.batch")
    assert created.startswith(f"2026-01-0{len(parts)}")
    assert events(warehouse.loader("ingest", tmp_path), "skipped")


def different(field):
    if field.startswith(("refinebio_", "characteristics")):
        fields = {"GSM3": {field: {"state": "sepsis"} if field == "characteristics" else "sepsis"}}
        return study(names(3, 4, 5), "2026-01-02", sample_fields=fields)
    if field == "values":
        changed = study(names(3, 4, 5), "2026-01-02")
        return dataclasses.replace(changed, values=[["9.5", *row[1:]] for row in changed.values])
    if field == "genes":
        return dataclasses.replace(
            study(names(3, 4, 5), "2026-01-02"), genes=[*GENES[:-1], "ENSG00000000099"]
        )
    return study(names(3, 4, 5), "2026-01-02", technology="RNA-SEQ", processor="Tximport")


@pytest.mark.parametrize(
    ("field", "word"),
    [
        ("values", "sample GSM3 has the values 1.003 and 9.5 of gene ENSG00000000001"),
        ("genes", "the file lacks gene ENSG00000000010, which"),
        ("technology", "the technology is MICROARRAY and RNA-SEQ"),
        ("refinebio_title", "sample GSM3 has the title healthy and sepsis"),
        ("refinebio_disease", "sample GSM3 has the disease None and sepsis"),
        ("refinebio_subject", "sample GSM3 has the subject None and sepsis"),
        ("characteristics", "sample GSM3 has the characteristics None and {'state': 'sepsis'}"),
    ],
)
def test_parts_that_differ_are_not_joined(warehouse, tmp_path, field, word):
    study(names(1, 2, 3)).write(tmp_path / "old")
    different(field).write(tmp_path / "new")
    config = tmp_path / "pipeline.yaml"
    config.write_text("studies: {GSE1: {units: LOG2}}")
    paths = [tmp_path / "old", tmp_path / "new"]
    result = warehouse.loader("ingest", *paths, "--config", config)
    assert result.exit_code == 0
    assert doubts(result) == [54016, 54014]
    first, second = (event["error"] for event in events(result, "doubted"))
    assert word in first
    assert "that this one lacks are no longer shown (2): GSM1, GSM2" in second
    assert warehouse.query("select count(*) from staging.batch") == [(2,)]


def test_a_later_download_of_the_whole_replaces_without_a_word(warehouse, tmp_path):
    study(names(1, 2)).write(tmp_path / "old")
    study(names(1, 2, 3), "2026-01-02").write(tmp_path / "new")
    result = warehouse.loader("ingest", tmp_path / "old", tmp_path / "new")
    assert doubts(result) == []
    assert len(events(result, "staged")) == 2


@pytest.mark.parametrize("what", ["samples", "genes"])
def test_a_far_smaller_file_replaces_nothing_unless_it_may(warehouse, tmp_path, what):
    folder = study(names(*range(1, 11))).write(tmp_path / "old")
    assert warehouse.loader("ingest", folder).exit_code == 0
    before = warehouse.staged()
    smaller = study(names(*range(1, 8)), "2026-01-02")
    if what == "genes":
        whole = study(names(*range(1, 11)), "2026-01-02")
        smaller = dataclasses.replace(whole, genes=GENES[:7], values=whole.values[:7])
    folder = smaller.write(tmp_path / "new")

    result = warehouse.loader("ingest", folder)

    (failure,) = events(result, "failed")
    assert (result.exit_code, failure["error_code"]) == (1, 2018)
    assert failure["found"] == f"it has 7 {what}, and the file before has 10"
    assert "accept_smaller: true" in failure["action"]
    after = warehouse.staged()
    assert after["batch"] == before["batch"]
    assert after["expression_rows"] == before["expression_rows"]

    config = tmp_path / "pipeline.yaml"
    config.write_text("studies: {GSE1: {accept_smaller: true}}")
    result = warehouse.loader("ingest", folder, "--config", config)
    assert result.exit_code == 0
    assert doubts(result) == ([54014] if what == "samples" else [])


def test_skipped_samples_are_not_missed(warehouse, tmp_path):
    everything = names(*range(1, 11))
    assert warehouse.loader("ingest", study(everything).write(tmp_path / "old")).exit_code == 0
    config = tmp_path / "pipeline.yaml"
    config.write_text(f"studies: {{GSE1: {{skip_samples: [{', '.join(everything[5:])}]}}}}")
    folder = study(everything, "2026-01-02").write(tmp_path / "new")
    result = warehouse.loader("ingest", folder, "--config", config)
    assert (result.exit_code, doubts(result)) == (0, [])


def test_an_older_file_may_be_smaller_and_says_what_is_not_shown(warehouse, tmp_path):
    newer = study(names(1, 2, 3), "2026-01-02").write(tmp_path / "new")
    older = study(names(3, 4)).write(tmp_path / "old")
    assert warehouse.loader("ingest", newer).exit_code == 0
    result = warehouse.loader("ingest", older)
    assert (result.exit_code, doubts(result)) == (0, [54014])
    (event,) = events(result, "doubted")
    assert "samples that it lacks are not shown (1): GSM4" in event["error"]


# --- samples aggregated by species


def shared(folder, aggregate_by, matrix):
    """Two studies, one of arrays and one of RNA-seq, with one matrix."""

    arrays = study(names(1, 2))
    reads = study(names(3, 4), technology="RNA-SEQ", processor="Tximport", accession="SRP1")
    document = arrays.metadata()
    other = reads.metadata()
    document["aggregate_by"] = aggregate_by
    document["experiments"] |= other["experiments"]
    document["samples"] |= other["samples"]
    both = study(names(3, 1, 4, 2))
    (folder / matrix).mkdir(parents=True)
    (folder / matrix / f"{matrix}.tsv").write_text(both.tsv())
    (folder / "aggregated_metadata.json").write_text(json.dumps(document))
    return folder


@pytest.mark.parametrize(("by", "matrix"), [("SPECIES", "HOMO_SAPIENS"), ("ALL", "ALL")])
def test_a_matrix_of_a_species_is_split_by_study(warehouse, tmp_path, by, matrix):
    config = tmp_path / "pipeline.yaml"
    config.write_text("studies: {SRP1: {units: LOG2}}")
    result = warehouse.loader("ingest", shared(tmp_path / "d", by, matrix), "--config", config)
    assert result.exit_code == 0
    assert doubts(result) == []
    found = warehouse.query(
        "select study_accession_code, sample_accession_code, count(*), max(expression_value)"
        " from staging.expression_rows group by all order by all"
    )
    assert found == [
        ("GSE1", "GSM1", 10, 10.001),
        ("GSE1", "GSM2", 10, 10.002),
        ("SRP1", "GSM3", 10, 10.003),
        ("SRP1", "GSM4", 10, 10.004),
    ]


def test_of_equally_new_downloads_the_least_id_is_the_newest(warehouse, tmp_path):
    """For the loader, as for the views (a unit test of stg_batch)."""
    for number in (4, 3, 2):  # The last has the least id.
        folder = study(names(1, number)).write(tmp_path / str(number))
        assert warehouse.loader("ingest", folder).exit_code == 0
    warehouse.query_write("update staging.batch set staged_at = '2026-01-02'")
    batches = warehouse.query(
        "select metadata_json from staging.batch inner join staging.study_metadata using (batch_id)"
        " order by batch_id"
    )
    newest, *_ = (list(json.loads(document)["samples"]) for (document,) in batches)
    labelled = warehouse.loader("labels", "GSE1").output
    assert [name for name in names(1, 2, 3, 4) if f'"{name}"' in labelled] == newest
    result = warehouse.loader("ingest", study(names(1, 5), "2026-01-03").write(tmp_path / "new"))
    (event,) = events(result, "doubted")
    assert f"are no longer shown (1): {newest[1]}" in event["error"]
