"""`kill -9` at any moment of ingest or build: after one more plain run the warehouse equals that of
an undisturbed run, row for row."""

import random
import shutil
import time

import pytest
from conftest import Study, WarehouseUnderTest

TABLES = {
    "staging.batch": "staged_at, loaded_at, loaded_run_id",
    "staging.study_metadata": None,
    "staging.expression_rows": None,
    "dim.dim_study": "etl_created_date, etl_updated_date",
    "dim.dim_sample": "etl_created_date, etl_updated_date",
    "dim.dim_gene": "etl_created_date, etl_updated_date",
    "dim.dim_platform": "etl_created_date, etl_updated_date",
    "dim.dim_illness": "etl_created_date, etl_updated_date",
    "fact.fact_gene_expression": "etl_created_date",
    "fact.fact_gene_pair_metrics": "etl_created_date, feature_run_id",
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


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    folder = tmp_path_factory.mktemp("downloads")
    dice = random.Random(1)
    for number in range(1, 4):
        Study(
            accession=f"GSE{number}",
            samples=[f"S{number}_{i}" for i in range(60)],
            genes=[f"ENSG{i:011d}" for i in range(5000)],
            values=[[f"{dice.random() * 16:.6f}" for _ in range(60)] for _ in range(5000)],
            titles=[("sepsis", "healthy control", "septic shock")[i % 3] for i in range(60)],
        ).write(folder / f"d{number}")
    return folder


BUILD = ("build", "--resource-type", "seed", "--resource-type", "model")


@pytest.fixture(scope="module")
def undisturbed(downloads, tmp_path_factory):
    """A warehouse that nothing happened to: its staged state (a copy of the file), its contents
    when staged and when built, and the lines that its build printed."""
    warehouse = WarehouseUnderTest(tmp_path_factory.mktemp("undisturbed"))
    assert warehouse.loader_process("ingest", downloads).wait() == 0
    staged_file = warehouse.path.with_name("staged.duckdb")
    shutil.copy(warehouse.path, staged_file)
    staged = contents(warehouse, STAGING)
    printed = warehouse.dbt(*BUILD)
    return staged_file, staged, contents(warehouse, TABLES), len(printed.splitlines())


def bytes_on_disk(warehouse):
    return sum(file.stat().st_size for file in warehouse.path.parent.glob("warehouse.duckdb*"))


def test_ingest_killed_at_twenty_moments(undisturbed, downloads, tmp_path):
    """The moments: when the file has grown to a random share of its final size."""
    staged_file, expected, _, _ = undisturbed
    dice = random.Random(20)
    kills = 0
    for attempt in range(20):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        warehouse = WarehouseUnderTest(folder)
        process = warehouse.loader_process("ingest", downloads)
        size_to_die_at = dice.uniform(0, 1.0) * staged_file.stat().st_size
        while process.poll() is None and bytes_on_disk(warehouse) < size_to_die_at:
            time.sleep(0.001)
        kills += process.poll() is None
        process.kill()
        process.communicate()
        assert warehouse.loader("ingest", downloads).exit_code == 0
        assert contents(warehouse, STAGING) == expected
        shutil.rmtree(folder)
    assert kills >= 10


def test_build_killed_at_ten_moments(undisturbed, tmp_path):
    """The moments: a random time after a random line of what the build prints."""
    staged_file, _, expected, line_count = undisturbed
    dice = random.Random(10)
    kills = 0
    warehouse = WarehouseUnderTest(tmp_path)
    for _ in range(10):
        warehouse.path.unlink(missing_ok=True)
        warehouse.path.with_name("warehouse.duckdb.wal").unlink(missing_ok=True)
        shutil.copy(staged_file, warehouse.path)
        process = warehouse.dbt_process(*BUILD)
        for _ in range(dice.randint(5, line_count - 10)):
            process.stdout.readline()
        time.sleep(dice.uniform(0, 0.2))
        kills += process.poll() is None
        process.kill()
        process.communicate()
        warehouse.dbt(*BUILD)
        assert contents(warehouse, TABLES) == expected
    assert kills >= 5
