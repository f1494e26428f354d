"""Downloads as they lie on disks: samples that a matrix lacks, old metadata, folders at any depth,
and the true reason where there is no matrix."""

import json
import os
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import Study, WarehouseUnderTest, events


def edit_metadata(folder: Path, change) -> None:
    path = folder / "aggregated_metadata.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def failed(warehouse: WarehouseUnderTest, *paths: Path) -> dict:
    result = warehouse.loader("ingest", *paths)
    assert result.exit_code == 1
    (failure,) = events(result, "failed")
    return failure


def test_samples_without_values_are_named_and_the_study_loads(warehouse, tmp_path):
    names = [f"GSM{n}" for n in range(4, 17)]
    folder = Study(extra_listed=names).write(tmp_path / "d")
    blocks = {name: {"refinebio_title": "healthy"} for name in names}
    edit_metadata(folder, lambda document: document["samples"].update(blocks))

    result = warehouse.loader("ingest", folder)

    assert result.exit_code == 0
    assert len(events(result, "staged")) == 1
    ((code, details),) = warehouse.query(
        "select validation_code, details from meta.meta_data_validation_log"
    )
    assert code == "SAMPLES_WITHOUT_VALUES"
    found = json.loads(details)["finding"]
    assert found.startswith("there are no values of 13 of 16 samples of the metadata: ")
    assert set(found.split(": ")[1].split(", ")) == set(names)
    ((document,),) = warehouse.query("select metadata_json from staging.study_metadata")
    assert set(json.loads(document)["samples"]) == {"GSM1", "GSM2", "GSM3"}
    assert events(warehouse.loader("ingest", folder), "skipped")

    config = tmp_path / "pipeline.yaml"
    config.write_text("studies: {GSE1: {strict_samples: true}}")
    strict = warehouse.loader("ingest", folder, "--config", config)
    assert [failure["error_code"] for failure in events(strict, "failed")] == [54010]


def test_fields_of_old_downloads_are_read(warehouse, tmp_path):
    folder = Study(titles=["septic shock"] * 3, platform="Array (GPL570)").write(tmp_path / "d")

    def without_prefix(document: dict) -> None:
        for name, block in document["samples"].items():
            document["samples"][name] = {
                key.removeprefix("refinebio_"): value for key, value in block.items()
            }

    edit_metadata(folder, without_prefix)
    assert warehouse.loader("ingest", folder).exit_code == 0
    ((document,),) = warehouse.query("select metadata_json from staging.study_metadata")
    block = json.loads(document)["samples"]["GSM1"]
    assert block["refinebio_title"] == "septic shock"
    assert block["refinebio_platform"] == "Array (GPL570)"


def test_nan_in_the_metadata_is_null(warehouse, tmp_path):
    ages = {name: {"refinebio_age": float("nan")} for name in ("GSM1", "GSM2", "GSM3")}
    folder = Study(sample_fields=ages).write(tmp_path / "d")
    assert "NaN" in (folder / "aggregated_metadata.json").read_text()
    assert warehouse.loader("ingest", folder).exit_code == 0
    ((document,),) = warehouse.query("select metadata_json from staging.study_metadata")
    assert json.loads(document)["samples"]["GSM1"]["refinebio_age"] is None


def test_downloads_are_found_at_any_depth(warehouse, tmp_path):
    root = tmp_path / "all"
    Study("GSE1").write(root / "2026" / "may be" / "d")
    Study("GSE2", samples=["A", "B", "C"]).write(root / "2025" / "d")
    (root / "2024").mkdir()
    Study("GSE3", samples=["D", "E", "F"]).write_zip(root / "2024" / "d.zip")
    Study("GSE4", samples=["G", "H", "I"]).write(root / ".hidden" / "d")
    result = warehouse.loader("ingest", root)
    assert result.exit_code == 0
    assert {event["study_accession"] for event in events(result, "staged")} == {
        "GSE1", "GSE2", "GSE3",
    }  # fmt: skip


def test_zips_beside_an_unpacked_download_are_downloads(warehouse, tmp_path):
    """One zip was unpacked into the folder of all; a table may be in a zip of its own."""
    root = tmp_path / "all"
    study = Study("GSE1")
    study.write(root)
    study.write_zip(root / "unpacked.zip")
    Study("GSE2", samples=["A", "B", "C"]).write_zip(root / "other.zip")
    matrix = study.matrix(root)
    with zipfile.ZipFile(root / "GSE1.tsv.zip", "w") as packed:
        packed.write(matrix, matrix.name)
    matrix.unlink()
    result = warehouse.loader("ingest", root)
    assert result.exit_code == 0
    assert {event["study_accession"] for event in events(result, "staged")} == {"GSE1", "GSE2"}
    assert warehouse.query("select count(*) from staging.batch") == [(2,)]


def test_a_zip_of_zips_is_to_be_unpacked(warehouse, tmp_path):
    Study().write_zip(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as packed:
        packed.write(tmp_path / "a.zip", "mine/a.zip")
    action = failed(warehouse, tmp_path / "all.zip")["action"]
    assert action == "Unpack it and name the folder: it holds a.zip"


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS refuses such names")
def test_names_of_files_in_another_encoding(warehouse, tmp_path):
    """As a zip made on Windows unpacks them: a study loads, and one that fails is a finding."""
    config = tmp_path / "pipeline.yaml"
    of_study = {"technology": "MICROARRAY", "organism": "HOMO_SAPIENS"}
    config.write_text(json.dumps({"studies": {"a": of_study, "Gr_n": of_study}}))
    for folder, matrix, value in ((b"a", b"Z\xe4hl.csv", b"2.5"), (b"Gr\xfcn", b"m.csv", b"high")):
        path = Path(os.fsdecode(os.fsencode(tmp_path / "d") + b"/" + folder))
        path.mkdir(parents=True)
        (path / "samples.csv").write_bytes(b"sample,title\nS1,healthy\nS2,sepsis\nS3,sepsis\n")
        lines = b"gene,S1,S2,S3\nENSG00000000003,%b,3.5,4\nENSG00000000005,1.5,5,6.5\n" % value
        (path / os.fsdecode(matrix)).write_bytes(lines)
    result = warehouse.loader("ingest", tmp_path / "d", "--config", config)
    (failure,) = events(result, "failed")
    assert (failure["error_code"], Path(failure["file"]).name) == (1004, "m.csv")
    assert "Gr�n" in failure["file"]
    assert warehouse.query("select file_name from staging.batch") == [("Z�hl.csv",)]
    ((details,),) = warehouse.query(
        "select details from meta.meta_data_validation_log"
        " where validation_code = 'EXTRACTION_PARSE_ERROR'"
    )
    assert "Gr�n" in json.loads(details)["file"]
    found = warehouse.loader("inspect", tmp_path / "d", "--config", config)
    assert "Z�hl.csv" in {Path(json.loads(line).get("file") or "").name for line in
                          found.stdout.splitlines()}  # fmt: skip


def test_the_reason_why_there_is_no_matrix(warehouse, tmp_path):
    study = Study()
    folder = study.write(tmp_path / "quant")
    study.matrix(folder).rename(folder / "GSE1" / "SRR1_quant.sf")
    assert "tximport" in failed(warehouse, folder)["action"]

    folder = study.write(tmp_path / "metadata")
    study.matrix(folder).rename(folder / "GSE1" / "metadata_GSE1.tsv")
    assert "refine.bio made no matrix" in failed(warehouse, folder)["found"]

    workbook = folder / "GSE1" / "GSE1.xlsx"
    workbook.write_bytes(b"PK")
    failure = failed(warehouse, folder)
    assert failure["found"].endswith("its folder has GSE1.xlsx")
    assert "GSE1.tsv" in failure["action"]
    workbook.unlink()

    (folder / "aggregated_metadata.json").unlink()
    assert str(folder) in failed(warehouse, folder)["action"]


def test_a_single_file_of_a_download_names_its_folder(warehouse, tmp_path):
    study = Study()
    folder = study.write(tmp_path / "d")
    assert failed(warehouse, study.matrix(folder))["action"] == f"Name its folder: {folder}"


@pytest.mark.parametrize(
    "page",
    [
        "<?xml version='1.0'?><Error><Message>Request has expired</Message></Error>",
        "<!DOCTYPE html><html><body>Request has expired</body></html>",
        '{"detail": "Request has expired"}',
    ],
)
def test_an_error_page_in_place_of_a_zip(warehouse, tmp_path, page):
    path = tmp_path / "dataset.zip"
    path.write_text(page)
    failure = failed(warehouse, path)
    assert failure["error_code"] == 1006
    assert "Request has expired" in failure["found"]
    assert "expired" in failure["action"]
