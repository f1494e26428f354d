"""`python -m loader publish`: each version is written once, is what its name says, and stays."""

import hashlib
import json
import stat
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from conftest import WarehouseUnderTest, events, moved
from test_operations import execute
from test_pair_metrics import SETTINGS, build_pairs, ingest, small_study

from expression_warehouse.core.files import write_once
from loader import publish as module
from loader.publish import Series, Version

FACT = "fact.fact_gene_pair_contrast"


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> WarehouseUnderTest:
    """Two technologies with significant pairs."""
    folder = tmp_path_factory.mktemp("built")
    warehouse = WarehouseUnderTest(folder)
    ingest(warehouse, folder, [small_study(2), small_study(3, "RNA-SEQ")])
    build_pairs(warehouse, "vw_contrast_study", "vw_quarantine", **SETTINGS)
    execute(
        warehouse,
        f"update {FACT} set n_studies = 3, is_eligible = 1, q_pair = 0.01, i2 = 10",
    )
    return warehouse


@pytest.fixture
def warehouse(built, tmp_path) -> WarehouseUnderTest:
    copy = moved(built, tmp_path)
    (tmp_path / "pipeline.yaml").write_text("folders: {artifacts: published}\n")
    return copy


def publish(warehouse: WarehouseUnderTest, *options: str, disease: str = "SEPSIS"):
    config = warehouse.path.parent / "pipeline.yaml"
    return warehouse.loader("publish", "--disease", disease, "--config", config, *options)


def folder(warehouse: WarehouseUnderTest) -> Path:
    return warehouse.path.parent / "published"


def files(warehouse: WarehouseUnderTest) -> dict[str, bytes]:
    if not folder(warehouse).is_dir():
        return {}
    return {path.name: path.read_bytes() for path in sorted(folder(warehouse).iterdir())}


def versions(warehouse: WarehouseUnderTest) -> list[str]:
    return [name.split("_")[4] for name in files(warehouse) if name.endswith(".parquet")]


def test_an_artifact_has_all_rows_of_the_view_in_order(warehouse):
    result = publish(warehouse)
    assert result.exit_code == 0, result.output
    (published,) = events(result, "published")
    (name,) = [name for name in files(warehouse) if name.endswith(".parquet")]
    path = folder(warehouse) / name
    with duckdb.connect(str(warehouse.path), read_only=True) as connection:
        expected = connection.sql(
            "select * from analytics.vw_pair_metrics_significant order by technology, pair_rank"
        ).to_arrow_table()
    table = pq.read_table(path)
    assert table.num_rows == published["row_count"] == 20
    assert table.column_names == expected.column_names
    assert table.to_pylist() == expected.to_pylist()
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert name == f"pair_metrics_significant_SEPSIS_v1.0_{sha256[:16]}.parquet"

    metadata = {k.decode(): v.decode() for k, v in pq.read_schema(path).metadata.items()}
    metadata.pop("ARROW:schema", None)
    assert set(metadata) == {"settings", "package", "package_version", "content_sha256"}
    assert json.loads(metadata["settings"]) == {
        "disease": "SEPSIS", "contrast": "all", "q_basis": "hk", "q": "0.05", "k_min": "3", "i2_max": "75",
    }  # fmt: skip
    sidecar = json.loads(files(warehouse)["pair_metrics_significant_SEPSIS_v1.0.json"])
    assert sidecar["file"] == name and sidecar["file_sha256"] == sha256
    assert sidecar["run_id"] == published["run_id"]
    assert sidecar["content_sha256"] == metadata["content_sha256"]
    with duckdb.connect(str(warehouse.path), read_only=True) as connection:
        batches = connection.sql(
            "select study_accession_code, file_name, file_hash from staging.batch order by 1"
        ).fetchall()
    assert [tuple(study.values()) for study in sidecar["studies"]] == batches


def test_artifacts_are_read_only(warehouse):
    publish(warehouse)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder(warehouse).iterdir()}
    assert modes == {0o444}


def test_the_same_pairs_are_published_once(warehouse):
    publish(warehouse)
    before = files(warehouse)
    for options in ([], ["--major"]):
        result = publish(warehouse, *options)
        assert result.exit_code == 0
        assert len(events(result, "publish_skipped")) == 1
        assert files(warehouse) == before


def test_the_same_pairs_are_the_same_bytes(warehouse, built, tmp_path):
    publish(warehouse)
    again = tmp_path / "again"
    again.mkdir()
    other = moved(built, again)
    (again / "pipeline.yaml").write_text("folders: {artifacts: published}\n")
    publish(other)
    parquet = [
        {n: c for n, c in files(w).items() if n.endswith(".parquet")} for w in (warehouse, other)
    ]
    assert parquet[0] == parquet[1] and len(parquet[0]) == 1


def test_other_pairs_are_another_version_and_the_older_ones_stay(warehouse):
    publish(warehouse)
    kept = files(warehouse)
    for number, (options, expected) in enumerate(
        [([], "v1.1"), (["--major"], "v2.0"), ([], "v2.1")], start=2
    ):
        execute(warehouse, f"update {FACT} set q_pair = 0.01 / {number}")
        assert publish(warehouse, *options).exit_code == 0
        now = files(warehouse)
        assert len(now) == 2 * number
        assert {name: now[name] for name in kept} == kept
        assert versions(warehouse)[-1] == expected
        kept = now


def test_versions_are_counted_as_numbers(tmp_path):
    for name in ("v1.9", "v1.10", "v1.2"):
        (tmp_path / f"pair_metrics_significant_A_{name}.json").write_text("{}")
    (tmp_path / "pair_metrics_significant_A_B_v3.0.json").write_text("{}")
    (tmp_path / "pair_metrics_significant_A_v4.0.json.bak").write_text("{}")
    assert Series(tmp_path, "A").newest() == Version(1, 10)


def test_each_disease_has_its_own_versions(warehouse):
    publish(warehouse)
    before = files(warehouse)
    failed = publish(warehouse, disease="SEPTIC_SHOCK")
    assert (failed.exit_code, files(warehouse)) == (1, before)
    (error,) = events(failed, "failed")
    assert error["error_name"] == "CONFIG_INVALID"
    assert (
        error["found"] == "disease is SEPTIC_SHOCK, which has no pairs; there are pairs of SEPSIS"
    )
    execute(
        warehouse,
        *(
            f"update {fact} set disease_key ="
            " (select disease_key from dim.dim_disease where disease_label = 'SEPTIC_SHOCK')"
            " where technology = 'RNA-SEQ'"
            for fact in (FACT, "fact.fact_gene_pair_metrics")
        ),
    )
    result = publish(warehouse, disease="SEPTIC_SHOCK")
    assert events(result, "published")[0]["row_count"] == 10
    assert "pair_metrics_significant_SEPTIC_SHOCK_v1.0.json" in files(warehouse)


def test_two_processes_do_not_take_one_version(warehouse, monkeypatch):
    """Another process publishes other pairs after this one has looked for the newest version."""
    publish(warehouse)
    execute(warehouse, f"update {FACT} set q_pair = 0.02")
    look, taken = Series.newest, []

    def look_and_be_late(series: Series):
        newest = look(series)
        if not taken:
            taken.append(series.sidecar(Version(1, 1)))
            taken[0].write_text('{"content_sha256": "other", "file_sha256": "0"}')
        return newest

    monkeypatch.setattr(Series, "newest", look_and_be_late)
    assert publish(warehouse).exit_code == 0
    assert taken[0].read_text() == '{"content_sha256": "other", "file_sha256": "0"}'
    assert versions(warehouse) == ["v1.0", "v1.2"]


def test_a_publication_that_broke_off_is_finished(warehouse, monkeypatch):
    write = module.write_once

    def break_off(path, content):
        if path.suffix == ".parquet":
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(module, "write_once", break_off)
    result = publish(warehouse)
    assert result.exit_code == 1
    assert events(result)[0]["error_code"] == 54302
    assert versions(warehouse) == []
    monkeypatch.setattr(module, "write_once", write)
    assert len(events(publish(warehouse), "published")) == 1
    assert versions(warehouse) == ["v1.0"]


def test_a_file_is_never_overwritten(tmp_path):
    path = tmp_path / "a"
    path.write_text("first")
    assert not write_once(path, b"second")
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disease_that_is_unknown_is_named(warehouse):
    for disease in ("FLU", "../SEPSIS"):
        result = publish(warehouse, disease=disease)
        assert result.exit_code == 1
        assert events(result)[0]["error_code"] == 54030
    assert files(warehouse) == {}


def test_a_disease_that_no_file_can_be_named_after_is_named(warehouse):
    execute(warehouse, "update dim.dim_disease set disease_label = 'A/B' where disease_key = 3")
    result = publish(warehouse, disease="A/B")
    assert result.exit_code == 1
    (error,) = events(result, "failed")
    assert error["error_code"] == 54030
    assert error["found"] == "'A/B' cannot be part of a file name"
    assert files(warehouse) == {}


def test_a_warehouse_that_is_not_built_is_named(tmp_path):
    warehouse = WarehouseUnderTest(tmp_path)
    (tmp_path / "pipeline.yaml").write_text("")
    result = publish(warehouse)
    assert result.exit_code == 1
    assert events(result)[0]["error_code"] == 4008


def test_a_view_that_is_missing_is_named(warehouse):
    execute(warehouse, "drop view analytics.vw_pair_metrics_significant")
    result = publish(warehouse)
    assert events(result)[0]["error_code"] == 4008
    assert files(warehouse) == {}


def test_a_warehouse_whose_build_failed_is_refused(warehouse):
    warehouse.query_write(
        "update meta.meta_etl_process_log set status = 'FAILED', error_message = 'disk full'"
        " where step like 'dbt %'"
    )
    result = publish(warehouse)
    assert result.exit_code == 1
    (error,) = events(result, "failed")
    assert (error["error_code"], error["found"]) == (54603, "the last build is FAILED: disk full")
    assert files(warehouse) == {}

    assert publish(warehouse, "--force").exit_code == 0
    (sidecar,) = (content for name, content in files(warehouse).items() if name.endswith(".json"))
    assert json.loads(sidecar)["known_errors"] == "the last build is FAILED: disk full"
    ((context,),) = warehouse.query(
        "select context_json from meta.meta_etl_process_log"
        " where step = 'publish' and status = 'SUCCESS'"
    )
    assert json.loads(context)["known_errors"] == "the last build is FAILED: disk full"


def test_a_warehouse_with_a_quarantined_batch_is_refused(warehouse):
    warehouse.query_write(
        "update staging.batch set status = 'QUARANTINED', quarantine_reason = '54020: x'"
        " where batch_id = (select min(batch_id) from staging.batch)"
    )
    (error,) = events(publish(warehouse), "failed")
    assert (error["error_code"], error["found"]) == (54603, "quarantined batches: 1")
    assert publish(warehouse, "--force").exit_code == 0


def test_studies_with_a_change_that_is_not_built_are_named(warehouse):
    """Not those of which a newer batch is in the fact."""
    assert events(publish(warehouse), "studies_not_built") == []
    first, second, *_ = (
        study
        for (study,) in warehouse.query("select study_accession_code from staging.batch order by 1")
    )
    copy_row = (
        "insert into staging.batch by name (select * replace ('x' as batch_id, 'STAGED' as status,"
        " {created_at} as created_at), from staging.batch where study_accession_code = '{study}')"
    )
    warehouse.query_write(
        f"update staging.batch set status = 'STAGED' where study_accession_code = '{second}'",
        copy_row.format(study=first, created_at="timestamp '1999-01-01'"),
    )
    result = publish(warehouse)
    assert result.exit_code == 0, result.output
    (warning,) = events(result, "studies_not_built")
    assert (warning["studies"], warning["level"]) == (second, "warning")
    assert f"lacks changes of {second}" in publish(warehouse, "--log-format", "text").stderr


def test_a_version_without_rows_is_said(warehouse):
    assert events(publish(warehouse), "nothing_significant") == []
    execute(warehouse, f"update {FACT} set q_pair = 0.9")
    result = publish(warehouse)
    assert result.exit_code == 0, result.output
    (warning,) = events(result, "nothing_significant")
    assert (warning["disease"], warning["level"]) == ("SEPSIS", "warning")
    (published,) = events(result, "published")
    assert published["row_count"] == 0
    assert "no pair of SEPSIS is significant" in publish(warehouse, "--log-format", "text").stderr


def test_a_slice_with_a_file_of_pairs_that_is_not_built_is_named(warehouse, tmp_path):
    assert events(publish(warehouse), "slices_not_built") == []
    ((pair, technology),) = warehouse.query(
        "select concat(gene_a_key, '_', gene_b_key), m.technology from dim.dim_gene_pair"
        " inner join fact.fact_gene_pair_metrics as m using (pair_key) order by pair_key limit 1"
    )
    file = tmp_path / "pairs.csv"
    file.write_text(f"pair_id,dz_ss_mean\n{pair},0.5\n")
    loaded = warehouse.loader("load-pairs", file, "--disease", "SEPSIS", "--technology", technology)
    assert loaded.exit_code == 0, loaded.output
    (warning,) = events(publish(warehouse), "slices_not_built")
    assert warning["slices"] == f"SEPSIS {technology} HOMO_SAPIENS"


@pytest.mark.parametrize("disease", ["SEPTIC_SHOCK", "NONE"])
def test_a_study_that_was_moved_since_the_build_is_named(warehouse, disease):
    study = warehouse.query("select min(study_accession_code) from dim.dim_study")[0][0]
    move = json.dumps({"study": study, "disease": disease})
    warehouse.dbt("run-operation", "upsert_study_disease_map", "--args", move)
    (warning,) = events(publish(warehouse), "studies_not_built")
    assert warning["studies"] == study
