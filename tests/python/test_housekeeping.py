"""`python -m loader housekeeping`: what is old goes, the rest stays, artifacts always; the archive and
the log files that it works on."""

import datetime
import gzip
import hashlib
import json
import os
import time
from pathlib import Path

import duckdb
import pytest
from conftest import Study, WarehouseUnderTest, moved
from test_operations import built  # noqa: F401 (a fixture)

from expression_warehouse.core import log_files
from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.config import load_config
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.reporting import JsonReporter, Reporter, open_reporter
from expression_warehouse.core.text_reporter import TextReporter
from loader.housekeeping import housekeeping
from loader.source.archive import archive_matrix
from loader.source.download import Download, FolderDownload, ZipDownload
from loader.source.text import FileText

NOW = utc_now()
BATCHES = [f"{number:x}" * 64 for number in range(1, 6)]
NO_COUNTS = {
    "purge_staging": {"purged_count": 0, "removed_count": 0, "row_count": 0},
    "purge_db_logs": {"step_count": 0, "finding_count": 0},
}


class Recorder(JsonReporter):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[tuple] = []
        self.errors: list[UserError] = []

    def step(self, study, step, **fields):
        self.steps.append((step, fields))

    def failed(self, study, error):
        self.errors.append(error)


def keep(folder: Path, dry_run: bool = False, run_operation=None) -> tuple[bool, Recorder]:
    """Housekeeping by the folder's pipeline.yaml, without a warehouse."""
    recorder = Recorder()
    config = load_config(folder / "pipeline.yaml")
    operation = run_operation or (lambda name, arguments: NO_COUNTS[name])
    return housekeeping(config, operation, recorder, dry_run), recorder


def paths(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def put(path: Path, age_days: float = 0) -> None:
    """A file in a folder of that age."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    then = time.time() - age_days * 86400
    os.utime(path, (then, then))
    os.utime(path.parent, (then, then))


def day(age_days: int) -> str:
    return str(NOW.date() - datetime.timedelta(days=age_days))


@pytest.fixture
def tree(tmp_path, monkeypatch) -> Path:
    """Folders with files on both sides of each limit, on the same day until the test ends."""
    monkeypatch.setattr("loader.housekeeping.utc_now", lambda: NOW)
    (tmp_path / "pipeline.yaml").write_text(
        "folders: {archive: archive}\nretention: {archive_days: 10, logs_days: 20}\n"
    )
    put(tmp_path / f"archive/GSE1/{BATCHES[0]}/metadata.json", 10.01)
    put(tmp_path / f"archive/GSE1/{BATCHES[1]}/metadata.json", 9.99)
    put(tmp_path / f"archive/GSE2/{BATCHES[2]}/metadata.json", 400)
    put(tmp_path / "archive/GSE2/.unfinished-abc/metadata.json", 400)
    put(tmp_path / "archive/GSE3/notes/mine.txt", 400)
    put(tmp_path / "archive/readme.txt", 400)
    put(tmp_path / f"logs/{day(21)}/a.jsonl", 0)
    put(tmp_path / f"logs/{day(20)}/b.jsonl", 400)
    put(tmp_path / "logs/2001-02-30/c.jsonl", 400)
    put(tmp_path / "logs/2001-02-03-mine/d.jsonl", 400)
    put(tmp_path / "logs/dbt.log", 400)
    put(tmp_path / "artifacts/2001-01-01/e.parquet", 4000)
    return tmp_path


GONE = {
    f"archive/GSE1/{BATCHES[0]}/metadata.json",
    f"archive/GSE2/{BATCHES[2]}/metadata.json",
    "archive/GSE2/.unfinished-abc/metadata.json",
    f"logs/{day(21)}/a.jsonl",
}


def test_old_folders_go_and_nothing_else(tree):
    before = paths(tree)
    assert before >= GONE
    asked = []

    def operation(name, arguments):
        asked.append((name, dict(arguments)))
        return NO_COUNTS[name]

    done, recorder = keep(tree, run_operation=operation)
    assert done and recorder.errors == []
    assert paths(tree) == before - GONE
    assert not (tree / "archive/GSE2").exists()
    assert [(step, fields.get("folder_count")) for step, fields in recorder.steps] == [
        ("archive_purged", 3), ("logs_purged", 1), ("staging_purged", None), ("db_logs_purged", None),
    ]  # fmt: skip
    assert asked == [
        ("purge_staging", {"days": 7, "dry_run": False}),
        ("purge_db_logs", {"days": 180, "dry_run": False}),
    ]


def test_a_dry_run_tells_the_same_and_deletes_nothing(tree):
    before = paths(tree)
    asked = []

    def operation(name, arguments):
        asked.append(arguments["dry_run"])
        return NO_COUNTS[name]

    _, told = keep(tree, dry_run=True, run_operation=operation)
    assert paths(tree) == before
    assert asked == [True, True]
    _, done = keep(tree)
    changed = {"verb", "dry_run"}
    assert [(s, {k: v for k, v in f.items() if k not in changed}) for s, f in told.steps] == [
        (s, {k: v for k, v in f.items() if k not in changed}) for s, f in done.steps
    ]


def test_links_are_not_followed(tree):
    """Neither a link in the place of a batch or a day, nor one inside such a folder."""
    kept = tree / "artifacts" / "2001-01-01"
    (tree / f"logs/{day(30)}").symlink_to(kept)
    (tree / "archive/GSE9").symlink_to(tree / "artifacts")
    (tree / f"archive/GSE1/{BATCHES[3]}").symlink_to(kept)
    (tree / f"logs/{day(21)}/inside").symlink_to(kept)
    (tree / f"archive/GSE2/{BATCHES[2]}/inside").symlink_to(kept / "e.parquet")
    os.utime(tree / f"archive/GSE2/{BATCHES[2]}", (0, 0))
    done, _ = keep(tree)
    assert done
    assert (kept / "e.parquet").read_text() == "x"
    assert not (tree / f"archive/GSE2/{BATCHES[2]}").exists()
    assert not (tree / f"logs/{day(21)}").exists()


@pytest.mark.parametrize("name", ["archive", "logs"])
@pytest.mark.parametrize("leads_to", ["artifacts", "artifacts/deep", "."])
def test_folders_that_lead_to_the_artifacts_are_refused(tree, name, leads_to):
    """The link is made after pipeline.yaml was read, which refuses it too."""
    config = load_config(tree / "pipeline.yaml")
    put(tree / f"artifacts/{day(300)}/f.parquet")
    put(tree / f"artifacts/deep/{day(300)}/g.parquet")
    put(tree / f"artifacts/GSE1/{BATCHES[4]}/h.parquet", 400)
    (tree / name).rename(tree / "elsewhere")
    (tree / name).symlink_to(tree / leads_to)
    artifacts = paths(tree / "artifacts")
    recorder = Recorder()
    assert not housekeeping(config, lambda n, a: NO_COUNTS[n], recorder)
    assert [error.code for error in recorder.errors] == [54301]
    assert paths(tree / "artifacts") == artifacts
    # The rest was done.
    assert len(recorder.steps) == 3
    with pytest.raises(UserError, match="54030"):
        load_config(tree / "pipeline.yaml")


def test_what_cannot_be_deleted_is_named_and_the_rest_goes(tree, monkeypatch):
    from loader import housekeeping as module

    stuck = tree / f"archive/GSE1/{BATCHES[0]}"
    delete = module.shutil.rmtree

    def refuse_one(path):
        if path == stuck:
            raise PermissionError(13, "Permission denied", str(path))
        delete(path)

    monkeypatch.setattr(module.shutil, "rmtree", refuse_one)
    done, recorder = keep(tree)
    assert not done
    (error,) = recorder.errors
    assert (error.code, error.file) == (54300, str(stuck))
    assert stuck.exists() and not (tree / "archive/GSE2").exists()
    assert ("archive_purged", 2) in [(s, f.get("folder_count")) for s, f in recorder.steps]


def test_the_command_purges_the_warehouse_too(built, tmp_path):  # noqa: F811 (the fixture)
    warehouse = moved(built, tmp_path)
    config = tmp_path / "pipeline.yaml"
    config.write_text("retention: {staging_days: 1}\n")
    put(tmp_path / f"logs/{day(200)}/old.jsonl")
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("update staging.batch set loaded_at = loaded_at - interval 2 day")
        connection.execute(
            "insert into meta.meta_etl_process_log by name select 'old' as run_id, 'x' as step,"
            " 'SUCCESS' as status, 1 as attempt, timestamp '2001-01-01' as started_at"
        )

    def run(*options: str) -> dict[str, dict]:
        process = warehouse.loader_process("housekeeping", "--config", config, *options)
        output, errors = process.communicate()
        assert process.returncode == 0, output + errors
        lines = [json.loads(line) for line in output.splitlines()]
        (log,) = (tmp_path / "logs").glob(f"*/*_housekeeping_{lines[0]['run_id']}.jsonl")
        logged = [json.loads(line) for line in log.read_text().splitlines()]
        without_time = [{k: v for k, v in line.items() if k != "timestamp"} for line in lines]
        assert [
            {k: v for k, v in line.items() if k != "timestamp"} for line in logged
        ] == without_time
        return {line["step"]: line for line in lines}

    for options, verb, rows in ((["--dry-run"], "would delete", 18), ([], "deleted", 0)):
        said = run(*options)
        assert (said["logs_purged"]["folder_count"], said["logs_purged"]["verb"]) == (1, verb)
        assert said["staging_purged"]["purged_count"] == 3
        assert said["staging_purged"]["row_count"] == 18
        assert said["db_logs_purged"]["step_count"] == 1
        assert warehouse.query("select count(*) from staging.expression_rows") == [(rows,)]
        assert (tmp_path / f"logs/{day(200)}").exists() is bool(options)


def test_a_file_that_is_no_warehouse_is_named(tmp_path):
    warehouse = WarehouseUnderTest(tmp_path)
    warehouse.path.write_text("no warehouse")
    (tmp_path / "pipeline.yaml").write_text("")
    process = warehouse.loader_process("housekeeping", "--config", tmp_path / "pipeline.yaml")
    output, _ = process.communicate()
    assert process.returncode == 1
    assert {json.loads(line).get("error_code") for line in output.splitlines()} == {None, 4014}


def test_each_step_has_a_sentence(tree, capsys):
    (tree / "pipeline.yaml").write_text("folders: {archive: archive}\n")
    reporter = TextReporter()
    housekeeping(load_config(tree / "pipeline.yaml"), lambda n, a: NO_COUNTS[n], reporter, True)
    reporter.close()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "would delete 2 archived studies older than 180 days"
    assert len(lines) == 4


# --- the archive


def archived(download: Download, metadata_json: str, folder: Path, file_hash: str = "") -> Path:
    staged = file_hash or hashlib.sha256(Study().tsv().encode()).hexdigest()
    (name,) = (name for name in download.names if ".tsv" in name)
    text = FileText(download, name)
    return archive_matrix(text, "GSE1", BATCHES[0], staged, metadata_json, folder)


def test_an_archived_study_is_what_was_staged(tmp_path):
    study = Study()
    plain = FolderDownload(study.write(tmp_path / "plain"))
    zipped = ZipDownload(study.write_zip(tmp_path / "d.zip"))
    first = archived(plain, '{"a": "µ"}', tmp_path / "one")
    second = archived(zipped, '{"a": "µ"}', tmp_path / "two")
    assert first == tmp_path / "one" / "GSE1" / BATCHES[0]
    copy = (first / "GSE1.tsv.gz").read_bytes()
    assert gzip.decompress(copy).decode() == study.tsv()
    assert (second / "GSE1.tsv.gz").read_bytes() == copy
    assert (first / "metadata.json").read_text(encoding="utf-8") == '{"a": "µ"}'
    assert paths(tmp_path / "one") == {
        f"GSE1/{BATCHES[0]}/GSE1.tsv.gz",
        f"GSE1/{BATCHES[0]}/metadata.json",
    }


def test_what_is_archived_is_not_written_again(tmp_path):
    download = FolderDownload(Study().write(tmp_path / "d"))
    folder = archived(download, "{}", tmp_path / "archive")
    assert archived(download, "[]", tmp_path / "archive") == folder
    assert (folder / "metadata.json").read_text() == "{}"


def test_a_copy_that_breaks_off_leaves_nothing(tmp_path):
    # More than is read to recognise the file.
    study = Study(genes=[f"ENSG{n}" for n in range(90_000)], values=[["6", "7", "8"]] * 90_000)
    folder = study.write_gzipped(tmp_path / "d")
    matrix = folder / "GSE1" / "GSE1.tsv.gz"
    matrix.write_bytes(matrix.read_bytes()[:-9])
    with pytest.raises(UserError) as caught:
        archived(FolderDownload(folder), "{}", tmp_path / "archive")
    assert caught.value.code == 1006
    assert paths(tmp_path / "archive") == set()
    assert list((tmp_path / "archive/GSE1").iterdir()) == []


def test_a_matrix_that_changed_since_it_was_staged_is_not_archived(tmp_path):
    download = FolderDownload(Study().write(tmp_path / "d"))
    with pytest.raises(UserError) as caught:
        archived(download, "{}", tmp_path / "archive", file_hash="0" * 64)
    assert caught.value.code == 1010
    assert paths(tmp_path / "archive") == set()


def test_an_archive_that_cannot_be_written_is_named(tmp_path):
    download = FolderDownload(Study().write(tmp_path / "d"))
    (tmp_path / "archive").write_text("a file in its place")
    with pytest.raises(UserError) as caught:
        archived(download, "{}", tmp_path / "archive")
    assert caught.value.code == 54302


# --- log files


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def say(reporter: Reporter) -> None:
    task = reporter.begin("GSE1", "values")
    reporter.advance(task, 3)
    reporter.step("GSE1", "restaged", batch_id="b", unit_tag="TPM")
    reporter.warned("rows_repeated", file="µ", row_count=2)
    reporter.failed(None, UserError("CONFIG_INVALID", "x"))
    reporter.waiting("for it")


def test_a_log_file_has_the_lines_that_the_terminal_has_in_words(tmp_path, capsys):
    with open_reporter("text", tmp_path / "logs", "ingest") as reporter:
        say(reporter)
    (file,) = (tmp_path / "logs").glob("*/*")
    assert file.parent.name in (str(NOW.date()), str(utc_now().date()))
    assert file.name[6:] == f"_ingest_{reporter.run_id}.jsonl" and file.name[:6].isdigit()
    logged = lines_of(file)
    assert [line["step"] for line in logged] == ["restaged", "rows_repeated", "failed", "waiting"]
    assert {line["run_id"] for line in logged} == {reporter.run_id}
    assert logged[0]["unit_tag"] == "TPM" and logged[2]["error_code"] == 54030
    printed = capsys.readouterr()
    assert "unit TPM" in printed.out and "54030" in printed.err

    with open_reporter("json") as alone:
        say(alone)
    as_json = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    own = ("timestamp", "run_id")
    assert [{k: v for k, v in line.items() if k not in own} for line in as_json] == [
        {k: v for k, v in line.items() if k not in own} for line in logged
    ]


def test_large_logs_go_on_in_another_file(tmp_path, monkeypatch):
    monkeypatch.setattr(log_files, "_MAX_BYTES", 1000)
    with open_reporter("text", tmp_path, "ingest") as reporter:
        for _ in range(60):
            reporter.step("GSE1", "hashed", batch_id="b", bytes=1, seconds=1.0)
    files = sorted(tmp_path.glob("*/*"))
    assert len(files) == 6 and all(file.stat().st_size <= 1000 for file in files)
    assert all(line["step"] == "hashed" for file in files for line in lines_of(file))


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path, capsys):
    (tmp_path / "logs").write_text("a file in its place")
    with open_reporter("json", tmp_path / "logs", "ingest") as reporter:
        reporter.step("GSE1", "hashed")
    printed = capsys.readouterr()
    assert json.loads(printed.out)["step"] == "hashed"
    assert printed.err.startswith("no log is written to ")
    assert len(printed.err.splitlines()) == 1


def test_a_full_disk_is_told_once(tmp_path, capsys, monkeypatch):
    def refuse(handler, record):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(log_files.RotatingFileHandler, "shouldRollover", refuse)
    with open_reporter("json", tmp_path, "ingest") as reporter:
        reporter.step("GSE1", "hashed")
        reporter.step("GSE1", "hashed")
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 2
    assert printed.err.count("No space left on device") == 1 and "Traceback" not in printed.err
