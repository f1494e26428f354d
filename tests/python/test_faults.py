"""An error of the disk or of DuckDB at each call of a command: no traceback, a named error, and each table
and file is as before or as after; the same command, run again, completes it.

`make test` lets some calls of each command fail, `make test-faults` every one, but of a run a sample.
"""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result
from conftest import EXPRESSION, TARGET, Study, WarehouseUnderTest, events, narrow_runs
from faults import Faults, injected
from small_catalog import small_catalog, table
from warehouses import built_demo, four_studies

from expression_warehouse.cli import main

pytestmark = pytest.mark.skipif(TARGET != "duckdb", reason="wraps DuckDB")


def ingest(warehouse: WarehouseUnderTest) -> Result:
    return with_config(warehouse, "ingest", warehouse.folder / "download")


def run(warehouse: WarehouseUnderTest) -> Result:
    return with_config(warehouse, "run", warehouse.folder / "download")


def publish(warehouse: WarehouseUnderTest) -> Result:
    return with_config(warehouse, "publish", "--disease", "SEPSIS")


def backup(warehouse: WarehouseUnderTest) -> Result:
    return warehouse.loader("backup", "--keep", 1)


def with_config(warehouse: WarehouseUnderTest, *arguments: object) -> Result:
    return warehouse.loader(*arguments, "--config", warehouse.folder / "pipeline.yaml")


def screen(warehouse: WarehouseUnderTest) -> Result:
    work = warehouse.folder / "work"
    return warehouse.pairs("screen", "--disease", "SEPSIS", "--keep", 5, "--work", work)


def correlate(warehouse: WarehouseUnderTest) -> Result:
    output = warehouse.folder / "artifacts" / "pairs.parquet"
    return warehouse.pairs(
        "correlate", "--study", "GSE1", "--cohort", "SEPSIS", "--fdr", 1, "--output", output
    )


def rank(warehouse: WarehouseUnderTest) -> Result:
    # One slice: each is committed by itself.
    return warehouse.pairs("rank", "--disease", "SEPSIS", "--technology", "MICROARRAY")


def export_features(warehouse: WarehouseUnderTest) -> Result:
    return warehouse.pairs("export-features", warehouse.folder / "artifacts")


def load_pairs(warehouse: WarehouseUnderTest) -> Result:
    options = ("--disease", "SEPSIS", "--technology", "MICROARRAY")
    return warehouse.loader("load-pairs", warehouse.folder / "pairs.csv", *options)


def restore(warehouse: WarehouseUnderTest) -> Result:
    (made,) = (warehouse.folder / "warehouse.backups").iterdir()
    return warehouse.loader("restore", made)


def publish_snapshot(warehouse: WarehouseUnderTest) -> Result:
    return CliRunner().invoke(main, ["api", "publish", "--log-format", "json"], env=warehouse.env)


def annotation(warehouse: WarehouseUnderTest) -> Result:
    env = warehouse.env | {"EXPRESSION_ANNOTATION_CACHE": str(warehouse.folder / "cache")}
    update = ["annotation", "update", "--from", str(warehouse.folder / "annotation")]
    with small_catalog({"scores": "https://example.org/scores.tsv"}):
        return CliRunner().invoke(main, update, env=env)


def tables(warehouse: WarehouseUnderTest) -> dict[str, tuple]:
    """Each table with rows, without times and ids of runs: count and hash of its rows. Not the logs,
    nor what is needed only during a build."""
    if not warehouse.path.exists():
        return {}
    with duckdb.connect(str(warehouse.path), read_only=True) as connection:
        found = connection.execute(
            "select table_schema || '.' || table_name, list(column_name)"
            " from information_schema.columns natural join information_schema.tables"
            " where table_type = 'BASE TABLE' and table_schema <> 'meta' and not starts_with(table_name, 'int_')"
            " and data_type not like 'TIMESTAMP%' and not contains(column_name, 'run_id')"
            " group by all order by all"
        ).fetchall()
        hashes = {
            name: connection.execute(
                f"select count(*), bit_xor(hash(t)) from (select {', '.join(columns)} from {name}) as t"
            ).fetchone()
            for name, columns in found
        }
    return {name: each for name, each in hashes.items() if each[0]}


def files(warehouse: WarehouseUnderTest) -> set[str]:
    """Archived studies, artifacts, backups and snapshots, without the times in their names."""
    kept = (
        "archive/**/*", "artifacts/*", "warehouse.backups/[0-9]*/warehouse.duckdb",
        "warehouse.snapshots/[0-9]*/snapshot.duckdb",
    )  # fmt: skip
    paths = [path for pattern in kept for path in warehouse.folder.glob(pattern)]
    return {
        path.name
        for path in paths
        if path.is_file() and not path.name.startswith(("decisions.duckdb", ".unfinished"))
    }


@dataclass
class Case:
    """A command and the folder that it starts from; `work` is a copy of it for each run."""

    command: Callable[[WarehouseUnderTest], Result]
    folder: Path
    warehouse: WarehouseUnderTest = field(init=False)

    def begin(self) -> None:
        work = self.folder / "work"
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(self.folder / "start", work)
        self.warehouse = WarehouseUnderTest(work)
        # A lock that is not released shows as an error.
        self.warehouse.env["EXPRESSION_WAIT_S"] = "5"

    def state(self) -> tuple[dict[str, tuple], set[str]]:
        return tables(self.warehouse), files(self.warehouse)

    def run(self, at: int | None = None) -> tuple[Result, list[str]]:
        """Run the command with a fault; return its result and its calls."""
        self.begin()
        faults = Faults(self.folder / "work", at)
        with injected(faults):
            return self.command(self.warehouse), faults.calls


@pytest.fixture
def case(request, copy_of, tmp_path) -> Case:
    start = tmp_path / "start"
    start.mkdir()
    command = request.param
    if command in (rank, export_features):
        copy_of(built_demo, start)
    elif command in (publish, backup, restore, screen, correlate, load_pairs, publish_snapshot):
        warehouse = copy_of(four_studies, start)
        (start / "pairs.csv").write_text(PAIRS)
        (start / "artifacts").mkdir()
        if command is restore:
            assert backup(warehouse).exit_code == 0
            warehouse.query_write("create table dim.newer as select 1 as n")
    elif command is annotation:
        (start / "annotation").mkdir()
        (start / "annotation" / "scores.tsv").write_bytes(table(300))
    else:
        values = [[f"{(7 * g + 3 * s) % 97 / 8}" for s in range(9)] for g in range(5)]
        names = [f"ENSG{number:011d}" for number in range(5)]
        titles = ["sepsis", "control", "septic shock"] * 3
        study = Study("GSE1", [f"S{s}" for s in range(9)], names, values, titles)
        study.write(start / "download")
    (start / "pipeline.yaml").write_text("folders: {archive: archive, artifacts: artifacts}\n")
    return Case(command, tmp_path)


PAIRS = "gene_a,gene_b,dz_ss_mean,p_ss\n" + "".join(
    f"ENSG{a:011d},ENSG{b:011d},0.5,0.1\n" for a in range(1, 9) for b in range(a + 1, 9)
)

# How many calls fail in `make test`; in the long run, all, except of a run.
SOME = {
    ingest: 3, annotation: 2, publish: 1, backup: 1, restore: 1, screen: 1, correlate: 1, rank: 1,
    export_features: 1, load_pairs: 2, publish_snapshot: 1,
}  # fmt: skip
ALL = {**dict.fromkeys(SOME), run: 40}


@pytest.mark.parametrize(
    ("case", "count"),
    [
        *(pytest.param(each, count, id=each.__name__) for each, count in SOME.items()),
        *(
            pytest.param(each, count, id=f"{each.__name__} in full", marks=pytest.mark.long)
            for each, count in ALL.items()
        ),
    ],
    indirect=["case"],
)
def test_an_error_at_a_call(case, count, monkeypatch):
    if case.command is run:
        narrow_runs(monkeypatch, *EXPRESSION)
    case.begin()
    before = case.state()
    result, calls = case.run()
    assert result.exit_code == 0, result.output
    after = case.state()
    assert after != before
    numbers = range(len(calls))
    if count:
        numbers = sorted(random.Random(len(calls)).sample(numbers, count))
    print(f"{len(numbers)} of {len(calls)} calls")
    for number in numbers:
        check(case, number, before, after)


def check(case: Case, number: int, before: tuple, after: tuple) -> None:
    result, calls = case.run(number)
    fault = f"{case.command.__name__}, call {number}: {calls[number:][:1]}\n{result.output}"
    assert result.exception is None or isinstance(result.exception, SystemExit), (
        fault, result.exception, result.exc_info,
    )  # fmt: skip
    assert "Traceback" not in result.output, fault
    found = case.state()
    if result.exit_code == 0:
        # A message or a file that nobody needs.
        assert found == after, fault
    else:
        assert result.exit_code == 1, fault
        assert events(result, "failed") or events(result, "node_failed"), fault
        # What a run staged stays, and it builds what does not depend on a study that failed.
        assert case.command is run or found[0] in (before[0], after[0]), fault
        assert before[1] <= found[1] <= after[1], fault
    again = case.command(case.warehouse)
    assert again.exit_code == 0, (fault, again.output)
    assert case.state() == after, fault
