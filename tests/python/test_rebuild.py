"""`rebuild`: a warehouse made anew from its archive has the same keys, decisions and values."""

import random
import shutil
from pathlib import Path

import duckdb
import pytest
from conftest import TARGET, Study, WarehouseUnderTest, events

from demo.download import CONFIG_FILE, write_downloads

pytestmark = pytest.mark.skipif(TARGET != "duckdb", reason="works on DuckDB files")

# Tables whose rows are the same, without the times of writing. Columns named batch_id of tables of pairs and
# features identify a build.
EXACT = (
    "dim.dim_study", "dim.dim_sample", "dim.dim_gene", "dim.dim_gene_pair", "dim.dim_platform",
    "dim.dim_illness", "dim.dim_disease", "dim.dim_contrast", "dim.study_disease_map",
    "dim.gene_identifier", "fact.fact_gene_expression", "fact.fact_gene_annotation",
    "fact.fact_duplicate_sample", "staging.batch", "staging.study_metadata", "staging.pair_metrics",
    "staging.expression_rows", "analytics.llm_reviews", "meta.meta_study_qc",
)  # fmt: skip
OF_BUILDS = (
    "fact.fact_gene_pair_metrics", "fact.fact_gene_pair_contrast", "fact.fact_gene_pair_cohort",
    "fact.fact_feature_values", "analytics.tbl_gene_pairs_materialized",
)  # fmt: skip
TIMES = {
    "etl_created_date",
    "etl_updated_date",
    "loaded_at",
    "loaded_run_id",
    "fact_checked_at",
    "values_judged_at",
    "values_judged_by",
    "collected_at",
}


def contents(path: Path) -> dict[str, list[tuple]]:
    """Rows of all tables; floats of those of builds to 9 digits, since sums can run in another order."""
    found = {}
    with duckdb.connect(str(path), read_only=True) as connection:
        for table in (*EXACT, *OF_BUILDS):
            without = TIMES | ({"batch_id", "feature_run_id"} if table in OF_BUILDS else set())
            columns = connection.execute(f"select * from {table} limit 0").description
            rounded = [
                f"round({name}, 9)" if str(kind) == "DOUBLE" and table in OF_BUILDS else f'"{name}"'
                for name, kind, *_ in columns
                if name not in without
            ]
            query = f"select {', '.join(rounded)} from {table} order by all"
            found[table] = connection.execute(query).fetchall()
    return found


def loader(warehouse: WarehouseUnderTest, *arguments: object) -> list[dict]:
    result = warehouse.loader(*arguments)
    assert result.exit_code == 0, result.output
    return events(result)


def study(number: int, created_at: str = "2024-01-02T03:04:05", seed: int = 0) -> Study:
    dice = random.Random(number + 10 * seed)
    samples = [f"GSM{number}{i:02d}" for i in range(30)]
    genes = [f"ENSG{i:011d}" for i in range(number, number + 6)]
    values = [[f"{dice.random() * 16:.6f}" for _ in samples] for _ in genes]
    titles = [("sepsis", "healthy control", "septic shock")[i % 3] for i in range(30)]
    return Study(f"GSE{number}", samples, genes, values, titles, created_at=created_at)


@pytest.fixture(scope="module")
def past(tmp_path_factory) -> Path:
    """The folder of a warehouse with a past, and its pipeline.yaml: studies that came one by one, of
    which one was replaced and one released from quarantine; a disease that an analyst mapped; a
    review."""
    folder = tmp_path_factory.mktemp("past")
    warehouse, config = WarehouseUnderTest(folder), folder / "pipeline.yaml"
    studies = ", ".join(f"GSE{number}: {{disease: SEPSIS}}" for number in (1, 2))
    config.write_text(
        "folders: {archive: archive}\n"
        f"studies: {{{studies}, GSE3: {{disease: SEPSIS, units: ARRAY_LOG2}}}}\n"
    )
    # Its values are too large for a logarithm.
    large = study(3)
    large.values[0][0] = "90"
    warehouse.build("--select", "error_code")
    assert warehouse.loader("ingest", large.write(folder / "a"), "--config", config).exit_code == 1
    ((batch, status),) = warehouse.query("select batch_id, status from staging.batch")
    assert status == "QUARANTINED"
    warehouse.dbt(
        "run-operation", "release_batch", "--args", f"{{batch_id: '{batch}', actor: anna}}"
    )
    # Keys are given in the order of arrival, which is not that of the names.
    warehouse.build_expression()
    for name, part in (
        ("b", study(2)), ("c", study(1)), ("d", study(2, "2025-01-01T00:00:00", 1)),
    ):  # fmt: skip
        loader(warehouse, "ingest", part.write(folder / name), "--config", config)
        warehouse.build_expression("study_disease_map")
    warehouse.dbt(
        "run-operation", "upsert_study_disease_map", "--args",
        "{study: GSE3, disease: SEPTIC_SHOCK, actor: anna}",
    )  # fmt: skip
    warehouse.query_write(
        "insert into analytics.llm_reviews by name select 'r1' as review_id, 1 as pair_key, 'ENSG1' as gene_a_id,"
        " 'ENSG2' as gene_b_id, 'PLAUSIBLE' as verdict, 'x' as rationale, 'anna' as reviewer, 'v' as snapshot_version,"
        " 'k' as api_key_id, timestamp '2026-01-01' as created_at, timestamp '2026-01-01' as loaded_at"
    )
    warehouse.build()
    loader(warehouse, "backup", "--config", config)
    return folder


@pytest.fixture
def lived(past, tmp_path) -> tuple[WarehouseUnderTest, Path]:
    shutil.copytree(past, tmp_path, dirs_exist_ok=True)
    return WarehouseUnderTest(tmp_path), tmp_path / "pipeline.yaml"


def test_a_rebuild_has_the_same_keys_decisions_and_values(lived):
    warehouse, config = lived
    before = contents(warehouse.path)
    loaded = "select count(distinct batch_id) from fact.fact_gene_expression"
    assert warehouse.query(loaded) == [(4,)]
    released = "select study_accession_code from staging.batch where released_by = 'anna'"
    assert warehouse.query(released) == [("GSE3",)]
    assert before["fact.fact_gene_pair_metrics"]
    warehouse.path.write_bytes(b"gone")
    (event,) = [
        e for e in loader(warehouse, "rebuild", "--config", config) if e["step"] == "rebuilt"
    ]
    assert event["batch_count"] == 4
    assert Path(event["kept"]).read_bytes() == b"gone"
    after = contents(warehouse.path)
    for table, rows in before.items():
        assert after[table] == rows, table
    assert warehouse.loader("verify", "--config", config).exit_code == 0
    # Life goes on: the next study gets the next keys.
    (highest,) = warehouse.query("select max(study_key) from dim.dim_study")[0]
    new = study(4).write(config.parent / "e")
    loader(warehouse, "ingest", new, "--config", config)
    warehouse.build_expression()
    key = "select study_key from dim.dim_study where study_accession_code = 'GSE4'"
    assert warehouse.query(key) == [(highest + 1,)]


def test_what_a_rebuild_lacks_is_named_and_the_warehouse_stays(lived):
    warehouse, config = lived
    before = warehouse.path.read_bytes()
    (matrix,) = config.parent.glob("archive/GSE1/*/GSE1.tsv.gz")
    matrix.parent.rename(config.parent / "aside")
    for found in ("the archive lacks 1 batch: GSE1 ", "there is no file decisions.duckdb"):
        result = warehouse.loader("rebuild", "--config", config)
        (error,) = events(result, "failed")
        assert (result.exit_code, error["error_code"]) == (1, 54703)
        assert error["found"].startswith(found)
        assert warehouse.path.read_bytes() == before
        (config.parent / "archive" / "decisions.duckdb").unlink(missing_ok=True)
    assert not list(config.parent.glob("**/.unfinished-*"))


@pytest.mark.long
def test_the_demo_is_rebuilt(warehouse, tmp_path):
    write_downloads(tmp_path / "demo", seed=1)
    config = tmp_path / "demo" / CONFIG_FILE
    config.write_text(f"folders: {{archive: archive}}\n{config.read_text()}")
    loader(warehouse, "run", tmp_path / "demo", "--config", config)
    before = contents(warehouse.path)
    assert len(before["fact.fact_gene_expression"]) > 50_000
    # `run` has written the decisions.
    loader(warehouse, "rebuild", "--config", config)
    after = contents(warehouse.path)
    for table, rows in before.items():
        assert after[table] == rows, table
