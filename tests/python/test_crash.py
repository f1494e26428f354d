"""`kill -9` at any step of ingest or build: after one more plain run the warehouse equals that of an
undisturbed run, row for row."""

import random
import shutil

import pytest
from conftest import Study, WarehouseUnderTest
from forked import Command, deaths

TABLES = {
    # Builds of the expression fact alone judge no values.
    "staging.batch": "staged_at, loaded_at, loaded_run_id, fact_checked_at, values_judged_at, values_judged_by",
    "staging.study_metadata": None,
    "staging.expression_rows": None,
    "dim.dim_study": "etl_created_date, etl_updated_date",
    "dim.dim_sample": "etl_created_date, etl_updated_date",
    "dim.dim_gene": "etl_created_date, etl_updated_date",
    "dim.dim_platform": "etl_created_date, etl_updated_date",
    "dim.dim_illness": "etl_created_date, etl_updated_date",
    "fact.fact_gene_expression": "etl_created_date",
}

STAGING = [table for table in TABLES if table.startswith("staging")]


def contents(warehouse, tables):
    """Number of rows and order-free hash of each table, without the times of writing."""
    result = {}
    for table in tables:
        without = f"exclude ({TABLES[table]})" if TABLES[table] else ""
        result[table] = warehouse.query(
            f"select count(*), bit_xor(hash(t)), sum(hash(t)) from (select * {without} from {table}) as t"
        )
    return result


# More rows than a row group of DuckDB has (122,880): it then writes before the transaction ends.
GENES, SAMPLES = 2500, 60


def metrics(warehouse):
    """Pair metrics but for the rounding of sums in another order."""
    return warehouse.query(
        "select pair_key, technology, n_studies_ss, pairs_tested, round(dz_ss_mean, 9), round(dz_ss_se, 9),"
        " round(p_ss, 9), round(q_soth, 9) from fact.fact_gene_pair_metrics order by all"
    )


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    folder = tmp_path_factory.mktemp("downloads")
    dice = random.Random(1)
    for number in range(1, 4):
        Study(
            accession=f"GSE{number}",
            samples=[f"S{number}_{i}" for i in range(SAMPLES)],
            genes=[f"ENSG{i:011d}" for i in range(GENES)],
            values=[[f"{dice.random() * 16:.6f}" for _ in range(SAMPLES)] for _ in range(GENES)],
            titles=[("sepsis", "healthy control", "septic shock")[i % 3] for i in range(SAMPLES)],
        ).write(folder / f"d{number}")
    studies = ", ".join(f"GSE{number}: {{disease: SEPSIS}}" for number in range(1, 4))
    (folder / "pipeline.yaml").write_text(f"studies: {{{studies}}}")
    return folder


# The pair metrics and all that they are made of: every table of TABLES.
BUILD = (
    "build", "--resource-type", "seed", "--resource-type", "model", "--no-write-json",
    "--select", "+fact_gene_pair_metrics", "--vars", "{gene_filter_top: 40}",
)  # fmt: skip


def arguments(downloads):
    return "ingest", str(downloads), "--config", str(downloads / "pipeline.yaml")


def ingest(warehouse, downloads, manifests):
    return Command("loader", arguments(downloads), warehouse.env, manifests)


def build(warehouse, manifests):
    return Command("dbt", BUILD, warehouse.env, manifests)


@pytest.fixture(scope="module")
def undisturbed(downloads, manifests, tmp_path_factory):
    """What an ingest and a build give if they run to the end: the staged file, and per command the
    contents and the seconds of each step."""
    folder = tmp_path_factory.mktemp("undisturbed")
    warehouse = WarehouseUnderTest(folder, threads=4)
    ingest_steps = ingest(warehouse, downloads, manifests).durations(folder)
    staged_file = shutil.copy(warehouse.path, folder / "staged.duckdb")
    staged = contents(warehouse, STAGING)
    build_steps = build(warehouse, manifests).durations(folder)
    built = contents(warehouse, TABLES), metrics(warehouse)
    return staged_file, (staged, ingest_steps), (built, build_steps)


@pytest.mark.parametrize("count", [10, pytest.param(200, marks=pytest.mark.long)])
def test_ingest_killed_at_any_step(undisturbed, downloads, manifests, tmp_path, count):
    _, (expected, durations), _ = undisturbed
    assert expected["staging.expression_rows"][0][0] == 3 * GENES * SAMPLES
    for number, death in enumerate(deaths(durations, min(count, len(durations)), seed=20)):
        folder = tmp_path / str(number)
        folder.mkdir()
        warehouse = WarehouseUnderTest(folder)
        ingest(warehouse, downloads, manifests).die(death)
        again = warehouse.loader(*arguments(downloads))
        assert again.exit_code == 0, (death, again.output)
        assert contents(warehouse, STAGING) == expected, death
        shutil.rmtree(folder)


@pytest.mark.parametrize("count", [6, pytest.param(100, marks=pytest.mark.long)])
def test_build_killed_at_any_step(undisturbed, manifests, tmp_path, count):
    staged_file, _, (expected, durations) = undisturbed
    assert all(rows for ((rows, *_),) in expected[0].values())
    assert len(expected[1]) == 40 * 39 / 2
    warehouse = WarehouseUnderTest(tmp_path, threads=4)
    for death in deaths(durations, count, seed=10):
        warehouse.path.with_name("warehouse.duckdb.wal").unlink(missing_ok=True)
        shutil.copy(staged_file, warehouse.path)
        build(warehouse, manifests).die(death)
        warehouse.dbt(*BUILD)
        assert (contents(warehouse, TABLES), metrics(warehouse)) == expected, death
