"""Bad input: a named error with file and line, exit code 1, the warehouse exactly as before, and
the other studies of the same command loaded."""

import bz2
import datetime
import gzip
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from conftest import Study, WarehouseUnderTest, events

from expression_warehouse.core import clock
from expression_warehouse.core.warehouse import study_load

Break = Callable[[Study, Path], object]


def edit(old: str, new: str) -> Break:
    """Replace text in the matrix."""

    def change(study: Study, folder: Path) -> None:
        path = study.matrix(folder)
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return change


def write_bytes(content: bytes) -> Break:
    return lambda study, folder: study.matrix(folder).write_bytes(content)


def edit_metadata(change: Callable[[dict], object]) -> Break:
    def apply(study: Study, folder: Path) -> None:
        path = folder / "aggregated_metadata.json"
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))

    return apply


def write_metadata(content: bytes) -> Break:
    return lambda study, folder: (folder / "aggregated_metadata.json").write_bytes(content)


def edit_text(old: str, new: str) -> Break:
    """Replace text in the metadata."""

    def change(study: Study, folder: Path) -> None:
        path = folder / "aggregated_metadata.json"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    return change


def set_in_all(document: dict, name: str, value: object, technology: str) -> None:
    """Set a field of all samples, and the study's technology."""
    document["experiments"]["GSE1"]["technology"] = technology
    for block in document["samples"].values():
        block[name] = value


def truncate_gzip(study: Study, folder: Path) -> None:
    plain = study.matrix(folder)
    packed = gzip.compress(plain.read_bytes() * 1, mtime=0)
    plain.with_suffix(".tsv.gz").write_bytes(packed[: len(packed) // 2])
    plain.unlink()


def compress_twice(study: Study, folder: Path) -> None:
    path = study.matrix(folder)
    path.write_bytes(gzip.compress(bz2.compress(path.read_bytes())))


def excel_workbook(study: Study, folder: Path) -> None:
    with zipfile.ZipFile(study.matrix(folder), "w") as archive:
        archive.writestr("[Content_Types].xml", "")
        archive.writestr("xl/workbook.xml", "")


def rename_study(document: dict) -> None:
    document["experiments"] = {"GSE999": document["experiments"].pop("GSE1")}


MATRIX = "GSE1.tsv"
METADATA = "aggregated_metadata.json"

CASES: dict[str, tuple[Break, int, str, int | None]] = {
    # what is broken: (how, code, file, line)
    "missing file": (lambda s, f: s.matrix(f).unlink(), 1001, MATRIX, None),
    "empty file": (write_bytes(b""), 1001, MATRIX, None),
    "no header": (write_bytes(b"ENSG1\t1\t2\t3\nENSG2\t4\t5\t6\n"), 1002, MATRIX, 1),
    "empty header": (write_bytes(b"\nENSG1\t1\t2\t3\n"), 1002, MATRIX, 1),
    "one column": (write_bytes(b"Gene\nENSG1\nENSG2\n"), 1002, MATRIX, 1),
    "header only": (write_bytes(b"Gene\tGSM1\tGSM2\tGSM3\n"), 1002, MATRIX, 2),
    "duplicate sample column": (edit("GSM2", "GSM1"), 2004, MATRIX, 1),
    "short row": (edit("\t6.25", ""), 1002, MATRIX, 3),
    "long row": (edit("6.25", "6.25\t7"), 1002, MATRIX, 3),
    "blank line": (edit("ENSG2", "\nENSG2"), 1002, MATRIX, 3),
    "text in a value cell": (edit("6.25", "high"), 1004, MATRIX, 3),
    "value beyond range": (edit("6.25", "1e999"), 1004, MATRIX, 3),
    "value that is nearly NaN": (edit("6.25", "nAn"), 1004, MATRIX, 3),
    "comma as decimal point": (edit("6.25", "6,25"), 1004, MATRIX, 3),
    "gene id with a blank at its end": (edit("ENSG2", "ENSG2 "), 2006, MATRIX, 3),
    "gene id that is not ASCII": (edit("ENSG2", "IFN-\u03b3"), 2006, MATRIX, 3),
    "no line with a gene id": (write_bytes(b"Gene\tGSM1\tGSM2\tGSM3\n\t1\t2\t3\n"), 1002, MATRIX, 2),
    "names that Excel made dates": (edit("ENSG2", "2-Sep"), 2014, MATRIX, 3),
    "probes": (write_bytes(b"Gene\tGSM1\tGSM2\tGSM3\n1007_s_at\t1\t2\t3\n"), 2015, MATRIX, 2),
    "two delimiters that fit": (write_bytes(b"g;a,b\nG;1,5\nH;2,5\n"), 1009, MATRIX, 1),
    "a decimal comma or thousands": (write_bytes(b"Gene\tGSM1\tGSM2\tGSM3\nENSG1\t1,234\t2,500\t3,125\n"), 1009, MATRIX, 2),
    "quote that does not end": (edit("ENSG2", '"ENSG2'), 1002, MATRIX, 3),
    "id that goes on after its quote": (edit("ENSG2", '"ENSG2\t"a'), 1002, MATRIX, 3),
    "Excel workbook": (excel_workbook, 1002, MATRIX, None),
    "empty sample accession": (edit("GSM2", ""), 2006, MATRIX, 1),
    "byte order mark before the first gene": (edit("ENSG1", "\ufeffENSG1"), 2006, MATRIX, 2),
    "carriage return for a line end": (write_bytes(b"Gene\tGSM1\nENSG1\t1\rENSG2\t2\n"), 1002, MATRIX, 2),
    "two carriage returns in a line end": (write_bytes(b"Gene\tGSM1\r\nENSG1\t1\r\r\nENSG2\t2\r\n"), 1002, MATRIX, 2),
    "carriage returns alone": (write_bytes(b"Gene\tGSM1\rENSG1\t1\r"), 1002, MATRIX, 1),
    "bad UTF-8 in a gene id": (write_bytes(b"Gene\tGSM1\tGSM2\tGSM3\nA\t1\t2\t3\n\xff\t1\t2\t3\n"), 1003, MATRIX, 3),
    "bad UTF-8 in the header": (write_bytes(b"Gene\tGSM1\tGSM\xff2\tGSM3\nA\t1\t2\t3\n"), 1003, MATRIX, 1),
    "bad UTF-8 in a value": (write_bytes(b"Gene\tGSM1\tGSM2\tGSM3\nA\t1\t\xff\t3\n"), 1003, MATRIX, 2),
    "truncated gzip": (truncate_gzip, 1006, MATRIX + ".gz", None),
    "compressed twice": (compress_twice, 1013, MATRIX, None),
    "JSON that is not JSON": (write_metadata(b'{"experiments": {},\n"samples": nope}'), 1004, METADATA, 2),
    "JSON cut short": (write_metadata(b'{"experiments": {\n'), 1004, METADATA, 2),
    "JSON with a key twice": (edit_text('"technology"', '"technology": "RNA-SEQ", "technology"'), 1004, METADATA, None),
    "JSON with a number beyond range": (edit_text("true", "1e999"), 1004, METADATA, None),
    "JSON with half a character": (edit_text("healthy", r"\ud83d"), 1004, METADATA, None),
    "JSON with a list for a processor": (
        edit_metadata(lambda d: set_in_all(d, "refinebio_processor_name", ["Tximport"], technology="RNA-SEQ")), 54020, MATRIX, 2
    ),
    "JSON with a number for a technology": (
        edit_metadata(lambda d: d["experiments"]["GSE1"].update(technology=10**50)), 54020, MATRIX, 2
    ),
    "JSON with bad UTF-8": (write_metadata(b'{\n"a": "\xff"}'), 1003, METADATA, 2),
    "empty JSON": (write_metadata(b" "), 1001, METADATA, None),
    "JSON of another layout": (write_metadata(b"[1, 2]"), 1002, METADATA, None),
    "JSON without the study": (edit_metadata(rename_study), 54040, METADATA, None),
    "JSON aggregated by species": (edit_metadata(lambda d: d.update(aggregate_by="SPECIES")), 1001, "HOMO_SAPIENS/HOMO_SAPIENS.tsv", None),
    "JSON without a sample": (edit_metadata(lambda d: d["samples"].pop("GSM2")), 54010, MATRIX, 1),
    "unit that can't be told": (
        edit_metadata(lambda d: d["experiments"]["GSE1"].update(technology="RNA-SEQ")), 54020, MATRIX, 2
    ),
}  # fmt: skip


# Rules that whole data break: the study is staged to be looked at, and goes no further.
QUARANTINED = (54010, 54020)


def quarantined(warehouse: WarehouseUnderTest) -> list[tuple[str, int]]:
    """Accession and error code of the quarantined batches."""
    return warehouse.query(
        "select study_accession_code, split_part(quarantine_reason, ' ', 1)::integer"
        " from staging.batch where status = 'QUARANTINED' order by all"
    )


def without_quarantine(staged: dict[str, list[tuple]]) -> dict[str, list[tuple]]:
    """The rows of the staging tables that are no quarantined batch's."""
    held = {row[0] for row in staged["batch"] if "QUARANTINED" in row}
    return {name: [row for row in rows if not held & set(row)] for name, rows in staged.items()}


@pytest.mark.parametrize("case", CASES)
def test_a_broken_study_changes_nothing_and_stops_no_other(warehouse, tmp_path, case):
    break_it, code, file, line = CASES[case]
    before = Study(accession="GSE3", samples=["A", "B", "C"])
    assert warehouse.loader("ingest", before.write(tmp_path / "before")).exit_code == 0
    staged_before = warehouse.staged()
    broken = Study()
    folder = broken.write(tmp_path / "broken")
    break_it(broken, folder)

    alone = warehouse.loader("ingest", folder)

    assert alone.exit_code == 1
    assert alone.exception is None or isinstance(alone.exception, SystemExit)
    failures = events(alone, "failed")
    # A study under another name is two mistakes: a matrix and a metadata block without a partner.
    assert code in [failure["error_code"] for failure in failures]
    failure = next(failure for failure in failures if failure["error_code"] == code)
    assert failure["file"].endswith(file)
    assert failure["line"] == line
    assert failure["action"]
    if code in QUARANTINED:
        assert quarantined(warehouse) == [("GSE1", code)]
    else:
        assert quarantined(warehouse) == []
    assert without_quarantine(warehouse.staged()) == staged_before

    good = Study(accession="GSE2", samples=["D", "E", "F"]).write(tmp_path / "good")
    together = warehouse.loader("ingest", folder, good)

    assert together.exit_code == 1
    # The reason stands in the database too.
    logged = warehouse.query(
        "select validation_code, details ->> 'finding' from meta.meta_data_validation_log"
    )
    assert (failure["error_name"], failure["found"]) in logged
    assert [event["study_accession"] for event in events(together, "staged")] == ["GSE2"]


def test_a_value_is_named_with_its_sample(warehouse, tmp_path):
    study = Study()
    folder = study.write(tmp_path / "d")
    edit("\t5\t", "\tfive\t")(study, folder)
    failure = events(warehouse.loader("ingest", folder), "failed")[0]
    assert failure["found"] == "sample GSM2 has the value 'five'"


@pytest.mark.parametrize(("share", "code"), [(0.5, 1006), (0.98, 1006), (0.0, 1001)])
def test_a_truncated_zip(warehouse, tmp_path, share, code):
    whole = Study().write_zip(tmp_path / "whole.zip").read_bytes()
    path = tmp_path / "cut.zip"
    path.write_bytes(whole[: int(len(whole) * share)])
    result = warehouse.loader("ingest", path)
    assert (result.exit_code, events(result)[0]["error_code"]) == (1, code)
    assert events(result)[0]["file"] == str(path)


def test_a_zip_with_a_damaged_matrix(warehouse, tmp_path):
    path = Study(genes=[f"G{i}" for i in range(500)], values=[["6", "7", "8"]] * 500).write_zip(
        tmp_path / "d.zip"
    )
    with zipfile.ZipFile(path) as archive:
        offset = archive.getinfo("GSE1/GSE1.tsv").header_offset
    raw = bytearray(path.read_bytes())
    raw[offset + 100 : offset + 110] = b"\xff" * 10
    path.write_bytes(raw)
    result = warehouse.loader("ingest", path)
    assert (result.exit_code, events(result)[0]["error_code"]) == (1, 1006)


@pytest.mark.parametrize(
    "member", ["../evil.tsv", "/etc/evil", "a/../../evil", "..\\evil", "C:/evil"]
)
def test_a_zip_with_a_path_that_climbs_out(warehouse, tmp_path, member):
    path = Study().write_zip(tmp_path / "d.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(member, "x")
    result = warehouse.loader("ingest", path)
    assert (result.exit_code, events(result)[0]["error_code"]) == (1, 1005)
    assert not warehouse.path.exists()


def test_a_path_that_is_not_there(warehouse, tmp_path):
    result = warehouse.loader("ingest", tmp_path / "nowhere")
    assert (result.exit_code, events(result)[0]["error_code"]) == (1, 1001)


def test_a_folder_without_a_download(warehouse, tmp_path):
    (tmp_path / "empty").mkdir()
    result = warehouse.loader("ingest", tmp_path / "empty")
    assert (result.exit_code, events(result)[0]["error_code"]) == (1, 1001)


def test_a_file_that_is_no_download(warehouse, tmp_path):
    path = tmp_path / "matrix.tsv"
    path.write_text("Gene\tA\n")
    result = warehouse.loader("ingest", path)
    assert (result.exit_code, events(result)[0]["error_code"]) == (1, 1014)
    path = path.rename(tmp_path / "notes.pdf")
    result = warehouse.loader("ingest", path)
    assert (result.exit_code, events(result)[0]["error_code"]) == (1, 1002)


def test_a_study_that_no_download_has(warehouse, tmp_path):
    folder = Study().write(tmp_path / "d")
    result = warehouse.loader("ingest", folder, "--study", "GSE7")
    assert (result.exit_code, events(result)[0]["error_code"]) == (1, 54040)


def test_a_configuration_with_an_unknown_key(warehouse, tmp_path):
    folder = Study().write(tmp_path / "d")
    config = tmp_path / "pipeline.yaml"
    config.write_text("studies:\n  GSE1:\n    unit: LOG2\n")
    result = warehouse.loader("ingest", folder, "--config", config)
    assert result.exit_code == 1
    assert (events(result)[0]["error_code"], events(result)[0]["line"]) == (54030, 3)
    assert not warehouse.path.exists()


@pytest.mark.parametrize(
    "setting", ["illness_overrides: {GSMX: CONTROL}", "skip_samples: [GSMX]", "exclude: [GSMX]"]
)
def test_a_configuration_that_names_a_sample_the_study_does_not_have(warehouse, tmp_path, setting):
    folder = Study().write(tmp_path / "d")
    config = tmp_path / "pipeline.yaml"
    config.write_text(f"studies:\n  GSE1:\n    {setting}\n")
    result = warehouse.loader("ingest", folder, "--config", config)
    failure = events(result, "failed")[0]
    assert (result.exit_code, failure["error_code"], failure["line"]) == (1, 54030, 3)


def test_negative_values_on_a_linear_scale(warehouse, tmp_path):
    folder = Study(
        technology="RNA-SEQ", processor="Tximport", values=[["1", "2.5", "-3"], ["4", "5", "60"]]
    ).write(tmp_path / "d")
    result = warehouse.loader("ingest", folder)
    assert (result.exit_code, events(result, "failed")[0]["error_code"]) == (1, 2007)
    assert quarantined(warehouse) == [("GSE1", 2007)]


def test_counts_that_nobody_can_have_counted(warehouse, tmp_path):
    """The sum of such a sample is no finite number: its counts per million would all be 0."""
    study = Study(technology="RNA-SEQ", values=[["1e308", "2", "0"], ["1e308", "5", "6"]])
    failure = events(warehouse.loader("ingest", study.write(tmp_path / "d")), "failed")[0]
    assert failure["error_code"] == 2011
    assert failure["found"] == "the unit is COUNTS, but there are values 0.0 to 1e+308"
    assert quarantined(warehouse) == [("GSE1", 2011)]


WHOLE, LOGARITHMS = [["0", "2", "300"], ["4", "50", "6"]], [["0.5", "2", "13"], ["4", "5", "6.25"]]


@pytest.mark.parametrize(
    ("unit", "values", "found"),
    [
        ("TPM", WHOLE, "TPM, but all values are whole numbers up to 300: perhaps they are counts"),
        ("CPM", LOGARITHMS, "CPM, but no value is above 13: perhaps they are logarithms"),
        ("COUNTS", [["0", "2", "13"]] * 2, "COUNTS, but no value is above 13: perhaps they are "),
        ("LOG2", [["0.5", "2", "40"]] * 2, "LOG2, but there are values up to 40: perhaps they"),
        ("COUNTS", WHOLE, None),
        ("LOG2", LOGARITHMS, None),
        ("TPM", [["0.5", "2", "300"]] * 2, None),
        ("INTENSITY", WHOLE, None),
        (None, WHOLE, None),
    ],
)
def test_a_unit_that_the_values_do_not_look_like_is_doubted(
    warehouse, tmp_path, unit, values, found
):
    """Counts as TPM would be compared without the size of their library."""
    folder = Study(technology="RNA-SEQ", values=values).write(tmp_path / "d")
    config = tmp_path / "pipeline.yaml"
    config.write_text(f"studies: {{GSE1: {{units: {unit}}}}}" if unit else "")
    result = warehouse.loader("ingest", folder, "--config", config)
    assert result.exit_code == 0, result.output
    said = [event["error"] for event in events(result, "doubted")]
    shown = warehouse.loader("inspect", folder, "--config", config).stdout
    assert [text for text in said if "54022" in text] == said
    if found:
        (text,) = said
        assert f"pipeline.yaml says {found}" in text
        assert found in shown
    else:
        assert not said
        assert "perhaps" not in shown


def test_a_profile_without_the_target(warehouse, tmp_path):
    folder = Study().write(tmp_path / "d")
    result = warehouse.loader("ingest", folder, "--target", "nowhere")
    assert (result.exit_code, events(result)[0]["error_code"]) == (1, 4001)


def test_people_read_the_error_as_text(warehouse, tmp_path):
    study = Study()
    folder = study.write(tmp_path / "d")
    edit("6.25", "high")(study, folder)
    result = warehouse.loader("ingest", folder, "--log-format", "text")
    assert result.exit_code == 1
    assert "1004 EXTRACTION_PARSE_ERROR" in result.stderr
    assert f"{study.matrix(folder)}:3: sample GSM3 has the value 'high'" in result.stderr
    assert "Traceback" not in result.output


def test_a_file_that_may_have_been_cut_off(warehouse, tmp_path):
    """Its last value reads as a whole one: 6.2 of 6.25. A warning, for other programs write files
    without a last line end too."""
    folder = Study().write(tmp_path / "d")
    matrix = Study().matrix(folder)
    matrix.write_text(matrix.read_text()[:-2])
    result = warehouse.loader("ingest", folder)
    assert result.exit_code == 0
    assert "GSE1.tsv:3: the last line has no line end" in events(result, "doubted")[0]["error"]
    assert warehouse.query(
        "select validation_code, severity, details ->> 'line' from meta.meta_data_validation_log"
    ) == [("EXTRACTION_NO_LAST_LINE_END", "WARNING", "3")]


def test_a_study_that_nobody_knows_in_the_configuration(warehouse, tmp_path):
    folder = Study().write(tmp_path / "d")
    config = tmp_path / "pipeline.yaml"
    config.write_text("studies: {GSE1: {}, GES2: {disease: SEPSIS}}\n")
    result = warehouse.loader("ingest", folder, "--config", config)
    assert result.exit_code == 0
    assert [event["studies"] for event in events(result, "studies_unknown")] == ["GES2"]


def test_each_download_that_cannot_be_read_is_in_the_log(warehouse, tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.zip").write_text("no zip")
    paths = [Study().write(tmp_path / "d"), tmp_path / "a.zip", tmp_path / "b.zip"]
    assert warehouse.loader("ingest", *paths).exit_code == 1
    assert (
        warehouse.query(
            "select step, status, error_code from meta.meta_etl_process_log where step = 'find_study'"
        )
        == [("find_study", "FAILED", 1006)] * 2
    )


def test_an_older_file_of_a_study_does_not_take_its_place_again(warehouse, tmp_path):
    older = Study(genes=["ENSG1"], values=[["7", "8", "9"]]).write(tmp_path / "older")
    newer = Study().write(tmp_path / "newer")
    for folder in (older, newer):
        assert warehouse.loader("ingest", folder).exit_code == 0
        # The one that the next build shows, whatever the views show until then.
        assert not events(warehouse.loader("ingest", folder), "superseded")
        warehouse.build_expression()
    result = warehouse.loader("ingest", older)
    assert result.exit_code == 0
    ((shown,),) = warehouse.query("select batch_id from staging.stg_loaded_batch")
    assert [event["current"] for event in events(result, "superseded")] == [shown]
    assert not events(warehouse.loader("ingest", newer), "superseded")


def test_a_corrected_download_is_shown_although_the_clock_was_set_back(warehouse, tmp_path):
    wrong = Study().write(tmp_path / "wrong")
    right = Study(values=[["1.5", "2", "3"], ["4", "5", "7.25"]]).write(tmp_path / "right")
    values = (
        "select expression_value_raw from fact.fact_gene_expression"
        " inner join staging.stg_loaded_batch using (batch_id) order by 1"
    )
    assert warehouse.loader("ingest", wrong).exit_code == 0
    warehouse.build_expression()
    hour = datetime.timedelta(hours=1)
    with mock.patch.object(study_load, "utc_now", lambda: clock.utc_now() - hour):
        assert warehouse.loader("ingest", right).exit_code == 0
    warehouse.build_expression()
    assert [value for (value,) in warehouse.query(values)] == [1.5, 2, 3, 4, 5, 7.25]
    # Back and forth, as long as the clock is wrong.
    with mock.patch.object(study_load, "utc_now", lambda: clock.utc_now() - 2 * hour):
        other = tmp_path / "pipeline.yaml"
        other.write_text("studies: {GSE1: {units: LOG2}}")
        assert warehouse.loader("ingest", right, "--config", other).exit_code == 0
    warehouse.build_expression()
    assert warehouse.query(
        "select count(*) from staging.batch where status = 'LOADED' and loaded_at is not null"
        " and batch_id = (select batch_id from staging.stg_loaded_batch)"
    ) == [(1,)]
