"""A separate warehouse per test, downloads with chosen content, and the commands."""

import contextlib
import gzip
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import duckdb
import psutil
import pytest
from click.testing import CliRunner, Result
from dbt.cli.main import dbtRunner
from filelock import FileLock
from lean_dbt import lean_dbt
from manifest_cache import shared_manifests
from simulated_data import write_simulated_data

from expression_warehouse.core.dbt_command import close_connections

# A shell starts background jobs with SIGINT ignored, and their children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

PROJECT = Path(__file__).parents[2]
SHARED_DATA = PROJECT.parent / "shared" / "data"

STAGING = ("batch", "study_metadata", "expression_rows")

# The engine under test: duckdb, or with `make test-sqlserver` the server that the environment names.
TARGET = os.environ.get("EXPRESSION_TEST_TARGET", "duckdb")

# Modules that take more than 25 s, slowest first.
SLOW = [
    "test_step_by_step", "test_run", "test_api_writes", "test_readme", "test_current_build", "test_screen",
    "test_real_studies", "test_signals", "test_study_selection", "test_annotation_update", "test_pair_metrics",
    "test_writers", "test_backup", "test_load_pairs", "test_shared_samples", "test_features",
    "test_duplicate_samples", "test_crash", "test_unit_tests", "test_tsql", "test_seed_files",
    "test_quarantine", "test_api_browser", "test_wheel", "test_api_numbers", "test_calibrate", "test_bad_input",
    "test_rebuild", "test_operations", "test_dropped_tables", "test_dsl_golden", "test_api", "test_ingest",
    "test_annotation_sources", "test_diseases", "test_false_discovery", "test_illness_rules", "test_faults",
    "test_housekeeping", "test_contracts", "test_vars", "test_rank", "test_distributions",
]  # fmt: skip


_IN_LONG_RUN = False


def pytest_configure(config: pytest.Config) -> None:
    global _IN_LONG_RUN
    _IN_LONG_RUN = not config.option.markexpr.startswith("not long")
    if has_room_in_memory():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


# Linux's file system in memory. A build commits some 500 times, and waits for a disk each time.
MEMORY = Path("/dev/shm")


def has_room_in_memory() -> bool:
    """Whether the files of a session fit there, 1 GB or so, beside the tests themselves, and programs
    start from there."""
    return (
        MEMORY.is_dir()
        and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC
        and shutil.disk_usage(MEMORY).free > 4e9
        and psutil.virtual_memory().available > 8e9
    )


def examples(count: int) -> int:
    """How many examples Hypothesis draws: `count` in `make test`, 25 times as many in
    `make test-long`."""
    return count * 25 if _IN_LONG_RUN else count


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow modules first, so that the workers end at about the same time; `make test-quick` leaves
    them out."""
    order = {name: number for number, name in enumerate(SLOW)}
    items.sort(key=lambda item: order.get(item.path.stem, len(SLOW)))
    for item in items:
        if item.path.stem in order:
            item.add_marker("slow")


@dataclass
class Study:
    """A study to write as a download. `values` has one row per gene and one text per sample."""

    accession: str = "GSE1"
    samples: list[str] = field(default_factory=lambda: ["GSM1", "GSM2", "GSM3"])
    genes: list[str] = field(default_factory=lambda: ["ENSG1", "ENSG2"])
    values: list[list[str]] = field(default_factory=lambda: [["1.5", "2", "3"], ["4", "5", "6.25"]])
    titles: list[str] | None = None
    technology: str = "MICROARRAY"
    processor: str | None = None
    platform: str = "Array One (GPL1)"
    created_at: str = "2024-01-02T03:04:05"
    extra_listed: list[str] = field(default_factory=list)
    sample_fields: dict[str, dict[str, object]] = field(default_factory=dict)

    def tsv(self) -> str:
        lines = [
            ["Gene", *self.samples],
            *([g, *v] for g, v in zip(self.genes, self.values, strict=True)),
        ]
        return "".join("\t".join(line) + "\n" for line in lines)

    def metadata(self) -> dict[str, object]:
        titles = self.titles or ["healthy"] * len(self.samples)
        return {
            "aggregate_by": "EXPERIMENT",
            "created_at": self.created_at,
            "quantile_normalized": True,
            "experiments": {
                self.accession: {
                    "accession_code": self.accession,
                    "title": f"Study {self.accession}",
                    "description": "d" * 5000,
                    "pubmed_id": "",
                    "organisms": ["HOMO_SAPIENS"],
                    "technology": self.technology,
                    "source_first_published": "",
                    "source_last_modified": "2020-01-01T00:00:00",
                    "sample_accession_codes": self.samples + self.extra_listed,
                }
            },
            "samples": {
                sample: {
                    "refinebio_accession_code": sample,
                    "refinebio_title": title,
                    "refinebio_organism": "HOMO_SAPIENS",
                    "refinebio_platform": self.platform,
                    "refinebio_processed": True,
                    "refinebio_processor_name": self.processor,
                    **self.sample_fields.get(sample, {}),
                }
                for sample, title in zip(self.samples, titles, strict=True)
            },
        }

    def write(self, folder: Path) -> Path:
        """Write the download folder; return it."""
        (folder / self.accession).mkdir(parents=True)
        (folder / self.accession / f"{self.accession}.tsv").write_text(self.tsv(), encoding="utf-8")
        (folder / "aggregated_metadata.json").write_text(
            json.dumps(self.metadata()), encoding="utf-8"
        )
        return folder

    def write_gzipped(self, folder: Path) -> Path:
        self.write(folder)
        plain = self.matrix(folder)
        plain.with_suffix(".tsv.gz").write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
        return folder

    def write_zip(self, path: Path, inside: str = "") -> Path:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{inside}aggregated_metadata.json", json.dumps(self.metadata()))
            archive.writestr(f"{inside}{self.accession}/{self.accession}.tsv", self.tsv())
        return path

    def matrix(self, folder: Path) -> Path:
        return folder / self.accession / f"{self.accession}.tsv"


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this test session share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def shared_data(session_folder: Path) -> Path:
    """Real studies, which are no part of the project, or simulated ones in their place."""
    if SHARED_DATA.is_dir():
        return SHARED_DATA
    folder = session_folder / "simulated"
    with FileLock(folder.with_suffix(".lock")):
        if not folder.is_dir():
            write_simulated_data(folder)
    return folder


@pytest.fixture(scope="session", autouse=True)
def manifests(session_folder: Path) -> Iterator[Path]:
    """dbt parses the project and compiles its templates once per session; returns the folder of both."""
    folder = session_folder / "manifests"
    folder.mkdir(exist_ok=True)
    with shared_manifests(folder), lean_dbt(folder):
        yield folder


# The views of the expression fact, and all that they are made of.
EXPRESSION = ("+vw_expression_long", "+vw_expression_export")


class WarehouseUnderTest:
    """A DuckDB file or a database on the server, for one test, and the commands that use it.

    Queries are written in DuckDB's SQL and translated for a server.

    folder   takes the file and whatever commands write
    threads  of dbt
    views    arguments of the last build, whose views and seeds are there: all of them without an
             argument
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self.folder = folder
        self._path = folder / "warehouse.duckdb"
        self._server = None
        self.views: tuple[str, ...] | None = None
        self.target = folder / "target"
        self.env = {
            **os.environ,
            "EXPRESSION_WAREHOUSE_DB": str(self._path),
            "DBT_PROFILES_DIR": str(folder),
            "DBT_PROJECT_DIR": str(PROJECT),
            "DBT_TARGET_PATH": str(self.target),
            "DBT_LOG_PATH": str(folder / "logs"),
            "DBT_USE_COLORS": "false",
            # No test reads it, and writing it takes a tenth of a build.
            "DBT_LOG_LEVEL_FILE": "none",
            # A --select, unlike the default selector, selects those of its models too: most of a build.
            "DBT_EXCLUDE_RESOURCE_TYPES": "unit_test",
        }
        profiles = (PROJECT / "profiles.example.yml").read_text()
        # The threads of dbt take turns, as Python's do, and a sixth of a build to do so.
        profiles = profiles.replace("threads: 4", f"threads: {threads}")
        if TARGET == "sqlserver":
            from server import Database

            self._server = Database()
            self.env["EXPRESSION_SQLSERVER_DATABASE"] = self._server.name
            profiles = profiles.replace("target: duckdb", "target: sqlserver")
        (folder / "profiles.yml").write_text(profiles)

    @property
    def path(self) -> Path:
        """The DuckDB file, for tests that only DuckDB can pass."""
        if self._server:
            pytest.skip("looks at the DuckDB file")
        return self._path

    def loader(self, *arguments: object) -> Result:
        """`python -m loader …` in this process; JSON lines on stdout."""
        if arguments[0] in ("run", "rebuild", "restore"):
            self.views = None
        from loader.cli import main

        return CliRunner().invoke(main, [str(a) for a in arguments], env=self.env)

    def pairs(self, *arguments: object) -> Result:
        """`expression-warehouse pairs …` in this process; JSON lines on stdout."""
        from expression_warehouse.cli import main

        return CliRunner().invoke(main, ["pairs", *map(str, arguments)], env=self.env)

    def loader_process(self, *arguments: object) -> subprocess.Popen:
        """`python -m loader …` in a separate process."""
        return subprocess.Popen(
            [sys.executable, "-m", "loader", *map(str, arguments)],
            env=self.env, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def dbt_process(self, *arguments: object) -> subprocess.Popen:
        """The real `dbt` command."""
        return subprocess.Popen(
            [str(Path(sys.executable).parent / "dbt"), *map(str, arguments)],
            env=self.env, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def dbt(self, *arguments: object, succeeds: bool = True) -> str:
        """Run dbt to its end in this process, which saves importing and parsing; return its output."""
        if arguments[0] in ("build", "run", "seed", "retry"):
            self.views = None
        output = io.StringIO()
        with (
            mock.patch.dict(os.environ, self.env, clear=True),
            contextlib.chdir(PROJECT),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(output),
        ):
            try:
                result = dbtRunner().invoke([str(a) for a in arguments])
            finally:
                close_connections()
        said = f"{output.getvalue()}\n{result.exception or ''}"
        assert result.success is succeeds, said
        return said

    def dbt_command(self, *arguments: object) -> tuple[int, str]:
        """Run the real `dbt` command to its end; return its exit code and output."""
        process = self.dbt_process(*arguments)
        output, _ = process.communicate()
        return process.returncode, output

    def build(self, *arguments: object, succeeds: bool = True) -> str:
        """`dbt build` without data tests, for tests that look at the data themselves.

        With --select, a build leaves out views and seeds, a third of its time, if the last build
        made them.
        """
        kinds = ("--resource-type", "seed", "--resource-type", "model")
        views = tuple(map(str, arguments))
        are_made = views == self.views or (self.views == () and "--vars" not in views)
        # The views of rules name the studies selected.
        is_narrow = "--select" in views and "study:" not in str(views) and "--exclude" not in views
        without = ("--exclude", "config.materialized:view", "resource_type:seed")
        left_out = without if are_made and is_narrow else ()
        made = () if left_out and self.views == () else views
        # Writing dbt's record of the run takes a quarter of the time.
        command = ("build", "--no-write-json", *kinds, *arguments, *left_out)
        said = self.dbt(*command, succeeds=succeeds)
        self.views = made if succeeds else None
        return said

    def build_expression(self, *arguments: object) -> None:
        """`build` of EXPRESSION."""
        self.build("--select", *EXPRESSION, *arguments)

    def query(self, sql: str) -> list[tuple]:
        if self._server:
            return self._server.query(sql)
        with duckdb.connect(str(self._path), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def query_write(self, *statements: str) -> None:
        if self._server:
            for statement in statements:
                self._server.write(statement)
            return
        with duckdb.connect(str(self._path)) as connection:
            for statement in statements:
                connection.execute(statement)

    def annotate(self, *values: tuple[str, str, str, str, str, str], file_hash: str = "h1") -> None:
        """Stage gene annotation, each value as bulk_file, id_type, gene_ref, attribute, item, value.

        Values of these bulk files that were staged before are replaced.
        """
        statements = []
        for bulk_file in dict.fromkeys(value[0] for value in values):
            own = [value for value in values if value[0] == bulk_file]
            statements += [
                f"delete from staging.annotation_{table} where bulk_file = '{bulk_file}'"
                for table in ("file", "value")
            ]
            statements.append(
                "insert into staging.annotation_file (bulk_file, file_name, file_hash, file_size, parser_hash,"
                f" loaded_at, value_count, gene_count) values ('{bulk_file}', '{bulk_file}.txt',"
                f" '{file_hash}', 1, 'p1', cast('2026-01-01' as timestamp), {len(own)},"
                f" {len({value[2] for value in own})})"
            )
            for value in own:
                texts = ", ".join("'" + text.replace("'", "''") + "'" for text in value)
                number = value[-1] if value[-1].replace(".", "").isdigit() else "null"
                statements.append(
                    "insert into staging.annotation_value (bulk_file, id_type, gene_ref, attribute, item, value,"
                    f" number) values ({texts}, {number})"
                )
        self.query_write(*statements)

    def execute(self, tsql: str) -> None:
        """Run a statement in the server's own SQL."""
        self._server.execute(tsql)

    def staged(self) -> dict[str, list[tuple]]:
        """All rows of the staging tables, without the times of writing."""
        if not self._server and not self._path.exists():
            return {}
        return {name: self._table(f"staging.{name}") for name in STAGING}

    def _table(self, name: str) -> list[tuple]:
        if self._server:
            columns, rows = self._server.table(name)
        else:
            with duckdb.connect(str(self._path), read_only=True) as connection:
                result = connection.execute(f"select * from {name}")
                columns, rows = [column[0] for column in result.description], result.fetchall()
        kept = [i for i, column in enumerate(columns) if column != "staged_at"]
        return sorted((tuple(row[i] for i in kept) for row in rows), key=repr)


def moved(warehouse: WarehouseUnderTest, folder: Path) -> WarehouseUnderTest:
    """A copy of a warehouse in another folder, to be changed freely."""
    copy = WarehouseUnderTest(folder)
    shutil.copy(warehouse.path, copy.path)
    copy.views = warehouse.views
    return copy


def own_project(warehouse: WarehouseUnderTest) -> Path:
    """A project of the warehouse's own, with copies of the seeds and of dbt_project.yml to be changed."""
    project = warehouse.folder / "project"
    project.mkdir()
    for name in ("models", "macros", "tests", "selectors.yml"):
        (project / name).symlink_to(PROJECT / name)
    shutil.copytree(PROJECT / "seeds", project / "seeds")
    shutil.copy(PROJECT / "dbt_project.yml", project)
    warehouse.env["DBT_PROJECT_DIR"] = str(project)
    return project


def narrow_runs(monkeypatch: pytest.MonkeyPatch, *select: str) -> None:
    """Let `python -m loader run`, in this process, build only what dbt selects by `select` and the views
    that a run reads, with those tests of the data that look at nothing else."""
    import loader.build

    invoke = loader.build.invoke_dbt
    narrowly = (
        "--select", *select, "vw_quarantine", "+vw_finding", "--indirect-selection", "cautious",
    )  # fmt: skip

    def invoke_narrowly(command, *rest):
        return invoke([*command, *narrowly] if command[0] == "build" else command, *rest)

    monkeypatch.setattr(loader.build, "invoke_dbt", invoke_narrowly)


@pytest.fixture
def warehouse(tmp_path: Path) -> WarehouseUnderTest:
    return WarehouseUnderTest(tmp_path)


Make = Callable[[WarehouseUnderTest, Path], None]


@pytest.fixture(scope="session")
def copy_of(session_folder: Path, shared_data: Path) -> Callable[[Make, Path], WarehouseUnderTest]:
    """`copy_of(make, folder)`: a warehouse in `folder` as `make` fills it, to be changed freely. `make`,
    a function of a module, runs once per session; on a server, once per copy."""

    def copy(make: Make, folder: Path) -> WarehouseUnderTest:
        warehouse = WarehouseUnderTest(folder)
        if TARGET != "duckdb":
            make(warehouse, shared_data)
            return warehouse
        made = session_folder / "warehouses" / f"{make.__module__}.{make.__name__}"
        made.mkdir(parents=True, exist_ok=True)
        with FileLock(made / "lock"):
            if not (made / "complete").exists():
                # Threads as a user's, so that models of one build meet in these builds at least.
                template = WarehouseUnderTest(made, threads=4)
                make(template, shared_data)
                (made / "complete").write_text(json.dumps(template.views))
        shutil.copy(made / warehouse.path.name, warehouse.path)
        views = json.loads((made / "complete").read_text())
        warehouse.views = views if views is None else tuple(views)
        return warehouse

    return copy


def events(result: Result, step: str | None = None) -> list[dict]:
    """The JSON lines that a command printed; only those of `step` if given."""
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return [line for line in lines if step in (None, line["step"])]
