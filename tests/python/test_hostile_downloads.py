"""Downloads that change while they are read, that can be read in two ways, or that are made to fill memory:
a named error, no row, in bounded memory."""

import bz2
import functools
import gzip
import json
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import PROJECT, Study, WarehouseUnderTest, events

from loader import study_loader
from loader.source import archive
from loader.source.matrix import Matrix


def failed(warehouse: WarehouseUnderTest, *arguments: object) -> dict:
    result = warehouse.loader("ingest", *arguments)
    assert result.exit_code == 1, result.output
    (failure,) = events(result, "failed")
    return failure


def staged_rows(warehouse: WarehouseUnderTest) -> tuple[int, int]:
    if not warehouse.path.exists():
        return 0, 0
    return tuple(
        warehouse.query(f"select count(*) from staging.{table}")[0][0]
        for table in ("expression_rows", "batch")
    )


def config(folder: Path, text: str) -> tuple[str, Path]:
    path = folder / "pipeline.yaml"
    path.write_text(text)
    return "--config", path


# Files that change


def larger(genes: int = 40) -> Study:
    values = [[str(n / 4 + sample) for sample in (1, 2, 3)] for n in range(genes)]
    return Study(genes=[f"ENSG{n}" for n in range(genes)], values=values)


@pytest.mark.parametrize("moment", ["before the header is read", "before the rows are read"])
def test_a_copy_that_is_still_running(warehouse, tmp_path, monkeypatch, moment):
    """Lines are appended after the hash was taken."""
    folder = larger().write(tmp_path / "d")
    path = larger().matrix(folder)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])

    def completed(self, *rest):
        path.write_bytes(whole)
        return original(self, *rest)

    if moment == "before the header is read":
        original = study_loader.StudySource.read
        monkeypatch.setattr(study_loader.StudySource, "read", completed)
    else:
        original = Matrix.melt
        monkeypatch.setattr(Matrix, "melt", completed)
    failure = failed(warehouse, folder)
    assert (failure["error_code"], failure["file"]) == (1010, str(path))
    assert staged_rows(warehouse) == (0, 0)
    monkeypatch.undo()
    assert warehouse.loader("ingest", folder).exit_code == 0
    assert staged_rows(warehouse) == (120, 1)


def test_a_file_that_changes_before_it_is_archived(warehouse, tmp_path, monkeypatch):
    folder = larger().write(tmp_path / "d")
    path = larger().matrix(folder)
    original = archive._copy_matrix

    def changed(*rest):
        path.write_text(path.read_text().replace("\t1.5\t", "\t1.75\t"))
        return original(*rest)

    monkeypatch.setattr(archive, "_copy_matrix", changed)
    options = config(tmp_path, "folders: {archive: archive}\n")
    assert failed(warehouse, folder, *options)["error_code"] == 1010
    assert staged_rows(warehouse) == (0, 0)
    assert list((tmp_path / "archive" / "GSE1").iterdir()) == []


# Downloads that can be read in two ways


def beside(name: str):
    def make(study: Study, folder: Path) -> Path:
        study.write(folder)
        other = folder / name
        other.parent.mkdir(exist_ok=True)
        content = study.matrix(folder).read_bytes()
        other.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return folder

    return make


def other_metadata(study: Study, folder: Path) -> Path:
    study.write(folder)
    Study("GSE2").write(folder / "older")
    return folder


def zip_of(*entries: str):
    def make(study: Study, folder: Path) -> Path:
        path = folder.with_suffix(".zip")
        with zipfile.ZipFile(path, "w") as packed:
            for name in entries:
                is_metadata = name.endswith(".json")
                packed.writestr(name, json.dumps(study.metadata()) if is_metadata else study.tsv())
        return path

    return make


AMBIGUOUS = {
    "X.tsv beside X.tsv.gz": (beside("GSE1/GSE1.tsv.gz"), "GSE1/GSE1.tsv, GSE1/GSE1.tsv.gz"),
    "the matrix in two folders": (beside("copy/GSE1.tsv"), "GSE1/GSE1.tsv, copy/GSE1.tsv"),
    "a download in another": (other_metadata, "older/aggregated_metadata.json"),
    "a zip of two downloads": (
        zip_of("a/aggregated_metadata.json", "a/GSE1/GSE1.tsv", "b/aggregated_metadata.json"),
        "a/aggregated_metadata.json and b/aggregated_metadata.json",
    ),
    "two entries of one name": (
        zip_of("aggregated_metadata.json", "GSE1/GSE1.tsv", "GSE1/GSE1.tsv"),
        "two entries named GSE1/GSE1.tsv",
    ),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("how", AMBIGUOUS)
def test_a_download_that_can_be_read_in_two_ways(warehouse, tmp_path, how):
    make, found = AMBIGUOUS[how]
    failure = failed(warehouse, make(Study(), tmp_path / "d"))
    assert (failure["error_code"], found in failure["found"]) == (1012, True), failure
    assert staged_rows(warehouse) == (0, 0)


def test_a_text_of_the_same_name_is_no_second_matrix(warehouse, tmp_path):
    folder = Study().write(tmp_path / "d")
    (folder / "GSE1" / "GSE1.txt").write_text("a note")
    assert warehouse.loader("ingest", folder).exit_code == 0


def test_a_link_out_of_the_folder(warehouse, tmp_path):
    folder = Study().write(tmp_path / "d")
    elsewhere = tmp_path / "elsewhere.tsv"
    Study().matrix(folder).rename(elsewhere)
    Study().matrix(folder).symlink_to(elsewhere)
    failure = failed(warehouse, folder)
    assert (failure["error_code"], str(elsewhere) in failure["found"]) == (1005, True)
    allowed = config(tmp_path, "limits: {follow_links: true}\n")
    assert warehouse.loader("ingest", folder, *allowed).exit_code == 0


def test_a_link_within_the_folder(warehouse, tmp_path):
    folder = Study().write(tmp_path / "d")
    Study().matrix(folder).rename(folder / "GSE1" / "values")
    Study().matrix(folder).symlink_to("values")
    assert warehouse.loader("ingest", folder).exit_code == 0


# Files made to fill memory


def bzip2_of_zeros(folder: Path) -> Path:
    """A zip of 1 kB whose matrix is 800 MB of zeros, without a line end."""
    packed = bz2.BZ2Compressor()
    block = bytes(8_000_000)
    content = b"".join([*(packed.compress(block) for _ in range(100)), packed.flush()])
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as download:
        download.writestr("aggregated_metadata.json", json.dumps(Study().metadata()))
        download.writestr("GSE1/GSE1.tsv.bz2", content)
    return path


def gzip_of_lines(folder: Path) -> Path:
    """A matrix of 400 MB whose lines are all the same."""
    Study().write(folder)
    plain = Study().matrix(folder)
    lines = b"ENSG1\t1\t2\t3\n" * 80_000
    with gzip.open(plain.with_suffix(".tsv.gz"), "wb") as packed:
        packed.write(b"Gene\tGSM1\tGSM2\tGSM3\n")
        for _ in range(400):
            packed.write(lines)
    plain.unlink()
    return folder


def columns(count: int, folder: Path) -> Path:
    Study().write(folder)
    lines = [["Gene", *(f"GSM{number}" for number in range(count))], ["ENSG1", *["1"] * count]]
    Study().matrix(folder).write_text("".join("\t".join(line) + "\n" for line in lines))
    return folder


def long_string(folder: Path) -> Path:
    Study().write(folder)
    (folder / "aggregated_metadata.json").write_bytes(b'{"a": "' + b"x" * 200_000_000 + b'"}')
    return folder


BOMBS = {
    "bzip2 of zeros": (bzip2_of_zeros, "limits.compression_ratio"),
    "gzip of equal lines": (gzip_of_lines, "limits.compression_ratio"),
    "a million columns": (functools.partial(columns, 1_000_000), "limits.columns"),
    "150,000 columns": (functools.partial(columns, 150_000), "limits.columns"),
    "a JSON string of 200 MB": (long_string, "limits.metadata_mb"),
}
_MOST_MIB = 800
_MOST_SECONDS = 30


def limit_memory_and_time() -> None:
    """Seconds of the processor, since others depend on what else the machine does."""
    resource.setrlimit(resource.RLIMIT_DATA, (_MOST_MIB << 20,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (_MOST_SECONDS,) * 2)


@pytest.mark.parametrize("how", BOMBS)
def test_what_would_fill_memory_is_refused_before(warehouse, tmp_path, how):
    make, setting = BOMBS[how]
    path = make(tmp_path / "d")
    process = subprocess.Popen(
        [sys.executable, "-m", "loader", "ingest", str(path)],
        env=warehouse.env, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=limit_memory_and_time,
    )  # fmt: skip
    output, errors = process.communicate()
    assert process.returncode == 1, errors
    (failure,) = (
        line for line in map(json.loads, output.splitlines()) if line["event"] == "failed"
    )
    assert (failure["error_code"], setting in failure["action"]) == (1011, True), failure
    assert staged_rows(warehouse) == (0, 0)


def test_a_limit_can_be_raised_and_lowered(warehouse, tmp_path):
    folder = Study().write(tmp_path / "d")
    assert (
        failed(warehouse, folder, *config(tmp_path, "limits: {columns: 3}\n"))["error_code"] == 1011
    )
    assert (
        failed(warehouse, folder, *config(tmp_path, "limits: {matrix_gb: 0.00000001}\n"))[
            "error_code"
        ]
        == 1011
    )
    assert (
        warehouse.loader("ingest", folder, *config(tmp_path, "limits: {columns: 4}\n")).exit_code
        == 0
    )
