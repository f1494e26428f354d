"""Folders beside studies that have data, but no study that can be read: said and counted."""

import errno
import gzip
import io
import json
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from conftest import Study, events

HDF5 = b"\x89HDF\r\n\x1a\n" + bytes(100)
MATRIX = b"gene\tS1\tS2\nENSG00000000003\t1.5\t2\nENSG00000000005\t3\t4\n"


def workbook(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("[Content_Types].xml", "")
        file.writestr("xl/workbook.xml", "")


def tar_of(content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("counts.tsv")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


@pytest.fixture
def folder(tmp_path) -> Path:
    Study("GSE1").write(tmp_path / "d" / "GSE1")
    return tmp_path / "d"


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


DATA = {
    "GSE2/counts.tsv": (MATRIX, "samples.csv"),
    "GSE2/deep/er/counts.txt": (b"g S1 S2 S3\nG1 1.5 2 0\nG2 4 7 1\n", "samples.csv"),
    "GSE2/htseq/S1.txt": (b"ENSG00000000003\t1\nENSG00000000005\t7\n", "samples.csv"),
    "GSE3/x.h5ad": (HDF5, "HDF5"),
    "GSE3/x.rds": (b"RDX3\nX", "R objects"),
    "GSE3/S1/quant.sf": (b"Name\tLength\tEffectiveLength\tTPM\tNumReads\nT1\t1\t1\t1\t1\n", "salmon"),
    "GSE3/matrix.mtx": (b"%%MatrixMarket matrix\n", "MatrixMarket"),
    "GSE3/GSE3_RAW.tar": (tar_of(MATRIX), "archive of several files"),
    "GSE3/GSE3.tar.gz": (gzip.compress(tar_of(MATRIX)), "archive of several files"),
    "GSE3/GSE3.7z": (b"7z\xbc\xaf\x27\x1c", "archive of several files"),
    "GSE3/counts.tsv.gz": (b"\x1f\x8b damaged", "damaged"),
}  # fmt: skip


@pytest.mark.parametrize("name", DATA)
def test_a_folder_with_data_is_said_and_stops_no_other(warehouse, folder, name):
    content, words = DATA[name]
    put(folder / name, content)
    result = warehouse.loader("inspect", folder)
    assert result.exit_code == 0
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [study["study"] for study in found] == ["GSE1", None]
    ((warning,),) = [study["warnings"] for study in found if study["study"] is None]
    assert warning.startswith("1015")
    assert words in warning
    assert name.split("/")[0] in warning


def test_ingest_counts_the_folders(warehouse, folder):
    put(folder / "GSE2/counts.tsv", MATRIX)
    put(folder / "GSE3/a/x.h5ad", HDF5)
    put(folder / "GSE3/b/y.h5ad", HDF5)
    (folder / "GSE4").mkdir()
    workbook(folder / "GSE4/samples.xlsx")
    result = warehouse.loader("ingest", folder)
    assert result.exit_code == 0
    said = [event["error"] for event in events(result, "passed_over")]
    assert len(said) == 3
    assert all(f"GSE{n}" in text for n, text in enumerate(said, start=2))
    assert "GSE3/b" in said[1]
    assert "Excel workbook" in said[2]
    (end,) = events(result, "ingest_ended")
    assert end["summary"] == "1 study: 1 staged, 3 folders passed over"
    assert end["passed_over_count"] == 3
    ((count,),) = warehouse.query(
        "select count(*) from meta.meta_data_validation_log"
        " where validation_code = 'EXTRACTION_FOLDER_PASSED_OVER' and severity = 'WARNING'"
    )
    assert count == 3

    alone = warehouse.loader("ingest", folder, "--study", "GSE1")
    assert events(alone, "passed_over") == []
    absent = warehouse.loader("ingest", folder, "--study", "GSE3")
    assert (absent.exit_code, len(events(absent, "passed_over"))) == (1, 3)


def refuse(monkeypatch, *folders: Path) -> None:
    """Let the system refuse to list these folders, whoever runs the tests."""
    for name in ("listdir", "scandir"):
        real = getattr(os, name)

        def listing(path=".", real=real):
            if Path(path) in folders:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return real(path)

        monkeypatch.setattr(os, name, listing)


def test_a_folder_that_cannot_be_read_stops_no_other(warehouse, folder, monkeypatch):
    (folder / "lost+found").mkdir()
    Study("GSE2", samples=["A", "B", "C"]).write(folder / "GSE2")
    refuse(monkeypatch, folder / "lost+found", folder / "GSE2" / "GSE2")
    result = warehouse.loader("ingest", folder)
    assert [event["study_accession"] for event in events(result, "staged")] == ["GSE1"]
    (failure,) = events(result, "failed")
    assert (failure["error_code"], failure["found"]) == (1007, "Permission denied")
    assert failure["file"] == str(folder / "GSE2" / "GSE2")
    (said,) = [event["error"] for event in events(result, "passed_over")]
    assert "lost+found" in said
    assert "Permission denied" in said


def test_folders_that_links_lead_to_are_said(warehouse, folder, tmp_path):
    """Not those that are read anyway, and no link leads a walk in circles."""
    elsewhere = tmp_path / "elsewhere"
    Study("GSE2").write(elsewhere / "GSE2")
    for name in ("zips", "empty"):
        (elsewhere / name).mkdir()
    Study("GSE3").write_zip(elsewhere / "zips" / "GSE3.zip")
    for name in ("GSE2", "zips", "empty"):
        (folder / f"link to {name}").symlink_to(elsewhere / name)
    (folder / "newest").symlink_to("GSE1")
    (folder / "circle").symlink_to(folder)
    result = warehouse.loader("ingest", folder)
    assert [event["study_accession"] for event in events(result, "staged")] == ["GSE1"]
    said = [event["error"] for event in events(result, "passed_over")]
    assert len(said) == 2
    for text, name in zip(said, ("GSE2", "zips"), strict=True):
        assert f"link to {name}" in text
        assert "links to folders are not followed" in text


def test_other_folders_are_not_said(warehouse, folder):
    batch = f"archive/GSE1/{'0' * 64}"
    for name, content in {
        "docs/README.md": b"text",
        "docs/notes.txt": b"Step 1 of 3\nThe 2 samples, and 5 more\n",
        "scripts/requirements.txt": b"numpy==1.2\npandas==2\n",
        "scripts/run.py": b"1\t2\t3\n",
        "logs/2024-01-01/x.jsonl": b"{}\n",
        "figures/plot.png": b"\x89PNG",
        f"{batch}/GSE1.tsv.gz": MATRIX,
        f"{batch}/metadata.json": b"{}",
        ".hidden/counts.tsv": MATRIX,
        "GSE1/extra/counts.tsv": MATRIX,
    }.items():
        put(folder / name, content)
    result = warehouse.loader("inspect", folder)
    assert [json.loads(line)["study"] for line in result.stdout.splitlines()] == ["GSE1"]


def test_without_any_study_the_folders_are_said_beside_the_error(warehouse, tmp_path):
    put(tmp_path / "d/GSE3/x.h5ad", HDF5)
    result = warehouse.loader("inspect", tmp_path / "d")
    assert result.exit_code == 1
    assert "HDF5" in result.stdout
