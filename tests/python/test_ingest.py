"""What ingest stages, and what a second one does."""

import gzip
import hashlib
import json
import re
import subprocess
import sys

import duckdb
import pytest
from conftest import PROJECT, Study, events

from expression_warehouse.core.project import read_seed
from expression_warehouse.core.warehouse.matrix_rows import MatrixFile
from loader.source.batch import batch_id


def config_file(folder, text):
    path = folder / "pipeline.yaml"
    path.write_text(text)
    return path


def test_batch_id_is_the_hash_of_the_input():
    file = MatrixFile("GSE1.tsv", "ab" * 32, 123)
    expected = hashlib.sha256(f"{'ab' * 32}||GSE1||2024-01-01T00:00:00||123".encode()).hexdigest()
    assert batch_id(file, "GSE1", "2024-01-01T00:00:00") == expected


def test_a_study_is_staged_whole(warehouse, tmp_path):
    study = Study(values=[["1.5", "", "3"], ["0", "5", "NA"]], extra_listed=["GSM8", "GSM9"])
    folder = study.write(tmp_path / "d")
    result = warehouse.loader("ingest", folder)
    assert result.exit_code == 0
    assert warehouse.query(
        "select gene_id, sample_accession_code, expression_value, line_no, file_name"
        " from staging.expression_rows order by gene_id, sample_accession_code"
    ) == [
        ("ENSG1", "GSM1", 1.5, 2, "GSE1.tsv"),
        ("ENSG1", "GSM2", None, 2, "GSE1.tsv"),
        ("ENSG1", "GSM3", 3.0, 2, "GSE1.tsv"),
        ("ENSG2", "GSM1", 0.0, 3, "GSE1.tsv"),
        ("ENSG2", "GSM2", 5.0, 3, "GSE1.tsv"),
        ("ENSG2", "GSM3", None, 3, "GSE1.tsv"),
    ]
    (register,) = warehouse.query(
        "select batch_id, file_hash, file_size, row_count, gene_count, sample_count, null_count,"
        " zero_count, value_min, value_max, is_whole_numbers, status from staging.batch"
    )
    raw = study.matrix(folder).read_bytes()
    sha256 = hashlib.sha256(raw).hexdigest()
    expected_id = batch_id(MatrixFile("GSE1.tsv", sha256, len(raw)), "GSE1", study.created_at)
    assert register == (expected_id, sha256, len(raw), 6, 2, 3, 2, 1, 0.0, 5.0, False, "STAGED")
    ((document,),) = warehouse.query("select metadata_json from staging.study_metadata")
    metadata = json.loads(document)
    assert metadata["experiment"] == study.metadata()["experiments"]["GSE1"]
    assert metadata["samples"] == study.metadata()["samples"]
    assert metadata["download"]["created_at"] == study.created_at


def test_a_log_line_a_step_with_ids_counts_and_times(warehouse, tmp_path):
    result = warehouse.loader("ingest", Study().write(tmp_path / "d"))
    hashed, staged, ended = events(result)
    assert (hashed["step"], staged["step"]) == ("hashed", "staged")
    assert hashed["run_id"] == staged["run_id"] == ended["run_id"]
    assert ended["summary"] == "1 study: 1 staged"
    assert hashed["batch_id"] == staged["batch_id"]
    assert staged["study_accession"] == "GSE1"
    assert (staged["row_count"], staged["gene_count"], staged["sample_count"]) == (6, 2, 3)
    assert staged["seconds"] > 0


def test_folder_zip_and_gzip_are_one_batch(warehouse, tmp_path):
    study = Study()
    sources = [
        study.write(tmp_path / "folder"),
        study.write_gzipped(tmp_path / "gzipped"),
        study.write_zip(tmp_path / "flat.zip"),
        study.write_zip(tmp_path / "nested.zip", inside="some/folder/"),
    ]
    for source in sources:
        assert warehouse.loader("ingest", source).exit_code == 0
    assert warehouse.query("select count(*) from staging.batch") == [(1,)]
    assert warehouse.query("select count(*) from staging.expression_rows") == [(6,)]


def test_the_same_study_twice_in_one_command_is_one_batch(warehouse, tmp_path):
    one = Study().write(tmp_path / "one")
    two = Study().write_zip(tmp_path / "two.zip")
    result = warehouse.loader("ingest", one, two)
    assert result.exit_code == 0
    assert [event["step"] for event in events(result)] == [
        "hashed",
        "staged",
        "hashed",
        "skipped",
        "ingest_ended",
    ]


def test_a_folder_of_downloads_is_ingested_whole(warehouse, tmp_path):
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    for number in range(1, 4):
        Study(accession=f"GSE{number}", samples=[f"S{number}{c}" for c in "abc"]).write(
            downloads / f"d{number}"
        )
    Study(accession="GSE4").write_zip(downloads / "d4.zip")
    result = warehouse.loader("ingest", downloads)
    assert result.exit_code == 0
    assert {event["study_accession"] for event in events(result, "staged")} == {
        "GSE1",
        "GSE2",
        "GSE3",
        "GSE4",
    }


def test_a_warehouse_of_an_earlier_version_is_refused(warehouse, tmp_path):
    """Its expression_rows is a table, which would lack newly staged rows."""
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("create schema staging")
        connection.execute("create table staging.expression_rows (batch_id varchar)")
    result = warehouse.loader("ingest", Study().write(tmp_path / "d"))
    assert result.exit_code == 1
    (failed,) = events(result, "failed")
    assert (failed["error_code"], failed["error_name"]) == (4016, "LOAD_WAREHOUSE_OUTDATED")
    said = warehouse.dbt("run", "--select", "stg_batch", succeeds=False)
    assert "4016 LOAD_WAREHOUSE_OUTDATED" in said
    assert "expression-warehouse rebuild" in said


def test_study_restricts_to_accessions(warehouse, tmp_path):
    a = Study(accession="GSE1").write(tmp_path / "a")
    b = Study(accession="GSE2", samples=["X", "Y", "Z"]).write(tmp_path / "b")
    result = warehouse.loader("ingest", a, b, "--study", "GSE2")
    assert [event["study_accession"] for event in events(result, "staged")] == ["GSE2"]


def test_the_archive_gets_what_is_staged(warehouse, tmp_path):
    folder = Study().write(tmp_path / "d")
    config = config_file(tmp_path, "folders: {archive: kept}")
    assert warehouse.loader("ingest", folder, "--config", config).exit_code == 0
    ((batch,),) = warehouse.query("select batch_id from staging.batch")
    archived = tmp_path / "kept" / "GSE1" / batch
    assert gzip.decompress((archived / "GSE1.tsv.gz").read_bytes()) == Study().tsv().encode()
    assert (
        json.loads((archived / "metadata.json").read_text())["experiment"]["title"] == "Study GSE1"
    )


def test_a_second_ingest_adds_nothing(warehouse, tmp_path):
    folder = Study().write(tmp_path / "d")
    warehouse.loader("ingest", folder)
    before = warehouse.staged()
    again = warehouse.loader("ingest", folder)
    assert again.exit_code == 0
    assert [event["step"] for event in events(again)] == ["hashed", "skipped", "ingest_ended"]
    assert warehouse.staged() == before


def test_a_new_unit_stages_the_batch_again_without_its_rows(warehouse, tmp_path):
    folder = Study().write(tmp_path / "d")
    warehouse.loader("ingest", folder)
    config = config_file(
        tmp_path, "studies: {GSE1: {units: LOG2, illness_overrides: {GSM1: SEPSIS}}}"
    )
    again = warehouse.loader("ingest", folder, "--config", config)
    assert again.exit_code == 0
    assert [event["step"] for event in events(again)] == ["hashed", "restaged", "ingest_ended"]
    ((snapshot,),) = warehouse.query("select config_snapshot from staging.batch")
    assert json.loads(snapshot)["units"] == "LOG2"
    assert warehouse.query("select count(*) from staging.expression_rows") == [(6,)]
    assert events(warehouse.loader("ingest", folder, "--config", config))[-2]["step"] == "skipped"


def test_corrected_metadata_stage_the_batch_again(warehouse, tmp_path):
    """The batch is known by its matrix, but a title that was mended in the JSON must arrive."""
    warehouse.loader("ingest", Study().write(tmp_path / "d"))
    mended = Study(titles=["healthy", "sepsis", "healthy"]).write(tmp_path / "mended")
    again = warehouse.loader("ingest", mended)
    assert [event["step"] for event in events(again)] == ["hashed", "restaged", "ingest_ended"]
    ((document,),) = warehouse.query("select metadata_json from staging.study_metadata")
    assert json.loads(document)["samples"]["GSM2"]["refinebio_title"] == "sepsis"


def test_the_processor_that_some_samples_name_is_the_study_s(warehouse, tmp_path):
    folder = Study(
        technology="RNA-SEQ",
        processor="Tximport",
        values=[["1", "2", "300.5"], ["4", "5", "6"]],
        sample_fields={"GSM2": {"refinebio_processor_name": ""}},
    ).write(tmp_path / "d")
    assert events(warehouse.loader("ingest", folder), "staged")[0]["unit_tag"] == "TPM"


def test_skip_samples_replaces_the_rows_and_heals_a_mismatch(warehouse, tmp_path):
    study = Study()
    folder = study.write(tmp_path / "d")
    warehouse.loader("ingest", folder)
    config = config_file(tmp_path, "studies: {GSE1: {skip_samples: [GSM2]}}")
    result = warehouse.loader("ingest", folder, "--config", config)
    assert events(result, "staged")[0]["row_count"] == 4
    assert warehouse.query("select distinct sample_accession_code from staging.expression_rows order by 1") == [
        ("GSM1",), ("GSM3",)
    ]  # fmt: skip
    ((document,),) = warehouse.query("select metadata_json from staging.study_metadata")
    assert set(json.loads(document)["samples"]) == {"GSM1", "GSM3"}

    metadata = json.loads((folder / "aggregated_metadata.json").read_text())
    del metadata["samples"]["GSM2"]
    (folder / "aggregated_metadata.json").write_text(json.dumps(metadata))
    assert warehouse.loader("ingest", folder).exit_code == 1
    assert warehouse.loader("ingest", folder, "--config", config).exit_code == 0


def test_a_failed_restage_leaves_the_batch_as_it_was(warehouse, tmp_path):
    folder = Study(values=[["1", "-2", "3"], ["4", "5", "6"]]).write(tmp_path / "d")
    warehouse.loader("ingest", folder)
    before = warehouse.staged()
    config = config_file(tmp_path, "studies: {GSE1: {units: TPM}}")
    assert warehouse.loader("ingest", folder, "--config", config).exit_code == 1
    assert warehouse.staged() == before


@pytest.mark.parametrize(
    ("technology", "processor", "values", "unit"),
    [
        ("MICROARRAY", None, [["1", "2", "30"], ["4", "5", "6"]], "ARRAY_LOG2"),
        ("MICROARRAY", None, [["1", "2", "1001"], ["4", "5", "6"]], "INTENSITY"),
        ("RNA-SEQ", "Tximport", [["1", "2", "300.5"], ["4", "5", "6"]], "TPM"),
        ("RNA-SEQ", "HTSeq", [["1", "2", "31"], ["4", "5", "6"]], "COUNTS"),
        ("MICROARRAY", None, [["1", "2", "31"], ["4", "5", "6"]], None),
        ("MICROARRAY", None, [["1", "2", "4.9"], ["4", "4", "3"]], None),
        ("RNA-SEQ", "Tximport", [["1", "2", "24.9"], ["4", "5", "6"]], None),
        ("RNA-SEQ", "Tximport", [["1", "2", "3000"], ["4", "5", "6"]], None),
        ("RNA-SEQ", "HTSeq", [["0", "2.5", "10001"], ["4", "5", "6"]], None),
        ("RNA-SEQ", "HTSeq", [["0", "2", "30"], ["4", "5", "6"]], None),
        ("OTHER", None, [["0", "2", "3"], ["4", "5", "6"]], None),
    ],
)
def test_units_are_detected(warehouse, tmp_path, technology, processor, values, unit):
    folder = Study(technology=technology, processor=processor, values=values).write(tmp_path / "d")
    result = warehouse.loader("ingest", folder)
    if unit:
        assert events(result, "staged")[0]["unit_tag"] == unit
    else:
        assert events(result, "failed")[0]["error_code"] == 54020


@pytest.mark.parametrize(
    ("technology", "processor", "damaged"),
    [("MICROARRAY", None, "7512"), ("MICROARRAY", None, "41"), ("RNA-SEQ", "Tximport", "7512")],
)
def test_a_damaged_value_does_not_make_intensities_of_logarithms(
    warehouse, tmp_path, technology, processor, damaged
):
    """One value of 1,001 has lost its point."""
    values = [[f"{5 + i / 100:.2f}", *["7.5"] * 10] for i in range(91)]
    values[3][4] = damaged
    study = Study(
        genes=[f"ENSG{i}" for i in range(91)], samples=[f"GSM{i}" for i in range(11)],
        technology=technology, processor=processor, values=values,
    )  # fmt: skip
    folder = study.write(tmp_path / "d")
    (failed,) = events(warehouse.loader("ingest", folder), "failed")
    assert failed["error_code"] == 54020
    assert f"the greatest {damaged}" in failed["found"]

    config = config_file(tmp_path, "studies: {GSE1: {units: LOG2}}")
    # pipeline.yaml's word counts, except that no logarithm is as great as 7512 (2007).
    result = warehouse.loader("ingest", folder, "--config", config)
    assert result.exit_code == (0 if damaged == "41" else 1)


def test_a_matrix_of_missing_values_needs_a_word_on_its_unit(warehouse, tmp_path):
    folder = Study(values=[["", "", ""], ["NA", "", ""]]).write(tmp_path / "d")
    assert events(warehouse.loader("ingest", folder), "failed")[0]["error_code"] == 54020
    config = config_file(tmp_path, "studies: {GSE1: {units: LOG2}}")
    assert warehouse.loader("ingest", folder, "--config", config).exit_code == 0
    assert warehouse.query("select row_count, null_count, value_min from staging.batch") == [
        (6, 6, None)
    ]


def test_five_thousand_samples(warehouse, tmp_path):
    samples = [f"GSM{i:07d}" for i in range(5000)]
    genes = [f"ENSG{i:011d}" for i in range(40)]
    values = [[f"{(g * 5000 + s) % 997 / 64:.6f}" for s in range(5000)] for g in range(40)]
    folder = Study(samples=samples, genes=genes, values=values).write(tmp_path / "d")
    config = config_file(tmp_path, "defaults: {chunk_size: 10000}")
    assert warehouse.loader("ingest", folder, "--config", config).exit_code == 0
    ((count, total),) = warehouse.query(
        "select count(*), sum(expression_value) from staging.expression_rows"
    )
    assert count == 200_000
    assert total == pytest.approx(sum(float(v) for row in values for v in row), rel=1e-12)
    assert warehouse.query(
        "select expression_value, line_no from staging.expression_rows"
        " where gene_id = 'ENSG00000000017' and sample_accession_code = 'GSM0004321'"
    ) == [(float(values[17][4321]), 19)]


def test_two_processes_at_once(warehouse, tmp_path):
    """Loads of different studies both succeed; of one study, one does and the other finds it known."""
    genes = [f"G{i}" for i in range(4000)]
    values = [["6.25"] * 100] * 4000
    a = Study("GSE1", [f"A{i}" for i in range(100)], genes, values).write(tmp_path / "a")
    b = Study("GSE2", [f"B{i}" for i in range(100)], genes, values).write(tmp_path / "b")
    processes = [warehouse.loader_process("ingest", folder) for folder in (a, b, a, b)]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0, 0]
    last_steps = sorted(json.loads(output.splitlines()[-2])["step"] for output in outputs)
    assert last_steps == ["skipped", "skipped", "staged", "staged"]
    assert warehouse.query("select count(*) from staging.expression_rows") == [(800_000,)]


def test_a_wrong_path_is_told_before_dbt_is_imported(tmp_path):
    code = (
        "import sys, click.testing, loader.cli as cli\n"
        f"result = click.testing.CliRunner().invoke(cli.main, ['ingest', {str(tmp_path / 'nowhere')!r}])\n"
        "print(result.exit_code, [name for name in sys.modules if name.split('.')[0] == 'dbt'])"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True
    ).stdout
    assert output == "1 []\n"


def test_every_error_of_the_loader_is_in_the_catalog():
    known = {row["error_name"] for row in read_seed("error_code")}
    files = [*(PROJECT / "loader").rglob("*.py"), *(PROJECT / "expression_warehouse").rglob("*.py")]
    source = "".join(path.read_text() for path in files)
    used = set(re.findall(r'UserError\(\s*"([A-Z_]+)"', source))
    assert len(used) > 10
    assert used <= known


def test_every_error_of_the_macros_is_in_the_catalog():
    known = {(row["error_code"], row["error_name"]) for row in read_seed("error_code")}
    source = "".join(path.read_text() for path in sorted((PROJECT / "macros").rglob("*.sql")))
    used = set(re.findall(r"raise_error\((\d+), '([A-Z_]+)'", source))
    assert used
    assert used <= known


def test_a_changed_title_changes_its_row_and_no_key(warehouse, tmp_path):
    """Type 1: the dimension row is overwritten, keeps its key, and is not written twice."""
    rows = "select sample_key, sample_title, illness_label from dim.dim_sample inner join dim.dim_illness using (illness_key) order by 1"
    warehouse.loader("ingest", Study().write(tmp_path / "d"))
    warehouse.build_expression()
    assert warehouse.query(rows) == [
        (1, "healthy", "CONTROL"),
        (2, "healthy", "CONTROL"),
        (3, "healthy", "CONTROL"),
    ]
    warehouse.loader(
        "ingest", Study(titles=["healthy", "septic shock", "healthy"]).write(tmp_path / "mended")
    )
    warehouse.build_expression()
    assert warehouse.query(rows) == [
        (1, "healthy", "CONTROL"),
        (2, "septic shock", "SEPTIC_SHOCK"),
        (3, "healthy", "CONTROL"),
    ]
    assert warehouse.query("select count(*) from fact.fact_gene_expression") == [(6,)]


def test_a_name_of_the_gene_column_that_is_not_utf8_is_registered(warehouse, tmp_path):
    folder = Study().write(tmp_path / "d")
    matrix = folder / "GSE1" / "GSE1.tsv"
    matrix.write_bytes(matrix.read_bytes().replace(b"Gene", b"G\xe8ne"))
    result = warehouse.loader("ingest", folder)
    assert result.exit_code == 0, result.output
    ((layout,),) = warehouse.query("select layout from staging.batch")
    assert layout.endswith("gene ids in column 1 (G\ufffdne)")


def test_a_newer_download_of_a_study_takes_its_place_in_the_views(warehouse, tmp_path):
    """Both batches stay in the fact; the views show the one that was made last."""
    warehouse.loader("ingest", Study().write(tmp_path / "old"))
    warehouse.build_expression()
    newer = Study(created_at="2025-01-01T00:00:00", values=[["7", "7", "7"], ["8", "8", "8"]])
    warehouse.loader("ingest", newer.write(tmp_path / "new"))
    warehouse.build_expression()
    assert warehouse.query(
        "select count(*), count(distinct batch_id) from fact.fact_gene_expression"
    ) == [(12, 2)]
    assert warehouse.query(
        "select distinct expression_value_raw from analytics.vw_expression_long order by 1"
    ) == [(7.0,), (8.0,)]
    warehouse.loader("ingest", Study(created_at="2020-01-01T00:00:00").write(tmp_path / "older"))
    warehouse.build_expression()
    assert warehouse.query("select count(*) from fact.fact_gene_expression") == [(12,)]


def test_a_broken_download_in_a_folder_stops_no_other(warehouse, tmp_path):
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    Study().write(downloads / "good")
    (downloads / "aaa").mkdir()
    (downloads / "aaa" / "aggregated_metadata.json").write_text("{")
    (downloads / "broken.zip").write_bytes(b"PK\x03\x04 cut")
    result = warehouse.loader("ingest", downloads)
    assert result.exit_code == 1
    assert sorted(event["error_code"] for event in events(result, "failed")) == [1004, 1006]
    assert [event["study_accession"] for event in events(result, "staged")] == ["GSE1"]


def test_a_study_accession_that_dbt_could_not_select_is_refused(warehouse, tmp_path):
    result = warehouse.loader("ingest", Study(accession="T 21").write(tmp_path / "d"))
    assert events(result, "failed")[0]["error_code"] == 2006


def test_the_views_show_a_study_until_its_newer_batch_is_built(warehouse, tmp_path):
    """A build that stops after the dimensions takes nothing out of the views."""
    count = "select count(*) from analytics.vw_expression_export"
    warehouse.loader("ingest", Study().write(tmp_path / "old"))
    warehouse.build_expression()
    warehouse.loader("ingest", Study(created_at="2025-01-01T00:00:00").write(tmp_path / "new"))
    warehouse.dbt("run", "--select", "dim_study")
    assert warehouse.query(count) == [(6,)]


def test_a_full_refresh_keeps_superseded_batches(warehouse, tmp_path):
    warehouse.loader("ingest", Study().write(tmp_path / "old"))
    warehouse.build_expression()
    warehouse.loader("ingest", Study(created_at="2025-01-01T00:00:00").write(tmp_path / "new"))
    warehouse.build_expression("--full-refresh")
    assert warehouse.query("select count(*) from fact.fact_gene_expression") == [(12,)]


def test_the_order_of_a_list_in_the_configuration_says_nothing(warehouse, tmp_path):
    folder = Study().write(tmp_path / "d")
    config = config_file(tmp_path, "studies: {GSE1: {exclude: [GSM1, GSM2]}}")
    warehouse.loader("ingest", folder, "--config", config)
    config = config_file(tmp_path, "studies: {GSE1: {exclude: [GSM2, GSM1]}}")
    assert events(warehouse.loader("ingest", folder, "--config", config))[-2]["step"] == "skipped"


def test_a_snapshot_of_another_version_is_understood(warehouse, tmp_path):
    folder = Study().write(tmp_path / "d")
    warehouse.loader("ingest", folder)
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("""update staging.batch set config_snapshot = '{"old_key": 1}'""")
    assert events(warehouse.loader("ingest", folder))[-2]["step"] == "restaged"


def test_a_path_that_is_no_file_is_refused(warehouse, tmp_path):
    assert warehouse.path  # what follows is DuckDB's
    warehouse.env["EXPRESSION_WAREHOUSE_DB"] = ":memory:"
    result = warehouse.loader("ingest", Study().write(tmp_path / "d"))
    assert events(result, "failed")[0]["error_code"] == 4006


def test_a_folder_that_is_not_there_is_told_at_once(warehouse, tmp_path):
    """Even where its name holds the word lock."""
    assert warehouse.path  # what follows is DuckDB's
    warehouse.env["EXPRESSION_WAREHOUSE_DB"] = str(tmp_path / "clock" / "w.duckdb")
    result = warehouse.loader("ingest", Study().write(tmp_path / "d"))
    assert events(result, "failed")[0]["error_code"] == 4001
