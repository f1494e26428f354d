"""The fact model against hand-written SQL with the same joins, on copies of one staged file."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import rich.table

from bench.data import study
from bench.ingest import console
from expression_warehouse.core.project import project_dir

HAND_WRITTEN = """
select
    m.sample_key, g.gene_key, b.study_key, r.batch_id,
    r.expression_value as expression_value_raw, r.expression_value as expression_value,
    r.expression_value as expression_log2_value, cast(null as boolean) as is_significant,
    cast(now() at time zone 'utc' as timestamp) as etl_created_date
from staging.expression_rows as r
inner join dim.dim_study as b on r.batch_id = b.current_batch_id
inner join dim.dim_sample as m
    on r.sample_accession_code = m.sample_accession_code and b.study_key = m.study_key
inner join dim.dim_gene as g on r.gene_id = g.gene_id
where r.expression_value is not null {condition}
"""


def dbt(warehouse: Path, *arguments: str) -> dict[str, float]:
    """Run dbt on a file; return the seconds of each node."""
    target = warehouse.parent / "target"
    subprocess.run(
        [str(Path(sys.executable).parent / "dbt"), "--quiet", *arguments],
        env={
            **os.environ,
            "EXPRESSION_WAREHOUSE_DB": str(warehouse),
            "DBT_TARGET_PATH": str(target),
        },
        cwd=project_dir(),
        check=True,
    )
    results = json.loads((target / "run_results.json").read_text())["results"]
    return {result["unique_id"].split(".")[2]: result["execution_time"] for result in results}


def ingest(warehouse: Path, *arguments: Path | str) -> None:
    subprocess.run(
        [sys.executable, "-m", "loader", "ingest", *map(str, arguments)],
        env={**os.environ, "EXPRESSION_WAREHOUSE_DB": str(warehouse)},
        stdout=subprocess.DEVNULL,
        check=True,
    )


def time_sql(warehouse: Path, sql: str) -> float:
    with duckdb.connect(str(warehouse)) as connection:
        start = time.perf_counter()
        connection.execute(sql)
        return time.perf_counter() - start


def compare_fact_builds(genes: int, samples: int, repeats: int) -> None:
    """Print the seconds of the first build and of a second study's, and their ratios to SQL
    written by hand (CREATE TABLE AS; INSERT)."""
    first_build, first_hand, later_build, later_hand = [], [], [], []
    with tempfile.TemporaryDirectory() as scratch:
        staged, copy = Path(scratch) / "staged.duckdb", Path(scratch) / "copy.duckdb"
        before = ("--exclude", "fact_gene_expression+", "--resource-type", "model")
        seeds = ("--resource-type", "seed")
        ingest(staged, study(genes, samples))
        dbt(staged, "build", *before, *seeds)
        two_staged = Path(scratch) / "two_staged.duckdb"
        for _ in range(repeats):
            shutil.copy(staged, copy)
            create = "create schema if not exists fact; create table fact.by_hand as "
            first_hand.append(time_sql(copy, create + HAND_WRITTEN.format(condition="")))
            shutil.copy(staged, copy)
            first_build.append(
                dbt(copy, "run", "--select", "fact_gene_expression")["fact_gene_expression"]
            )
        ingest(copy, study(genes, samples, number=2))
        dbt(copy, "run", *before[:2])
        shutil.move(copy, two_staged)
        for _ in range(repeats):
            shutil.copy(two_staged, copy)
            insert = "insert into fact.fact_gene_expression " + HAND_WRITTEN.format(
                condition="and b.study_accession_code = 'GSE9002'"
            )
            later_hand.append(time_sql(copy, insert))
            shutil.copy(two_staged, copy)
            later_build.append(
                dbt(copy, "run", "--select", "fact_gene_expression")["fact_gene_expression"]
            )
    table = rich.table.Table(title=f"Fact build of {genes:,} genes × {samples:,} samples")
    for column in ("", "model, s", "by hand, s", "model / hand"):
        table.add_column(column, justify="left" if not column else "right", no_wrap=True)
    for name, model, hand in (
        ("first build / CREATE TABLE AS", first_build, first_hand),
        ("second study / INSERT", later_build, later_hand),
    ):
        table.add_row(
            name,
            f"{statistics.median(model):.2f}",
            f"{statistics.median(hand):.2f}",
            f"{statistics.median(model) / statistics.median(hand):.2f}",
        )
    console.print(table)
