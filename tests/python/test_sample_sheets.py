"""A user's own matrix with a table of its samples: what a sheet may look like, which file is which,
and what must be said where the files do not say it."""

import codecs
import json
import re
import zipfile

import pytest
import yaml
from conftest import Study, events

from expression_warehouse.core.config import StudyConfig
from loader.source.sample_sheet import SampleSheet, organism_code

MATRIX = "gene,S1,S2,S3\nENSG00000000003,1.5,2,3\nENSG00000000005,4,5,6.25\n"
PLAIN = "sample,title,platform\nS1,healthy,HiSeq\nS2,sepsis,HiSeq\nS3,septic shock,HiSeq\n"
SETTINGS = "d: {units: LOG2}"

# The same three samples; the second column is the title.
SHEETS = {
    "commas": PLAIN,
    "semicolons": PLAIN.replace(",", ";"),
    "tabs": PLAIN.replace(",", "\t"),
    "CRLF": PLAIN.replace("\n", "\r\n"),
    "byte order mark": codecs.BOM_UTF8.decode() + PLAIN,
    "comments first": f"# made by hand\n{PLAIN}",
    "no last line end": PLAIN.rstrip("\n"),
    "empty lines": f"{PLAIN}\n,,\n",
    "quotes": '"sample","title","platform"\n"S1","healthy","HiSeq"\n"S2","sepsis","HiSeq"\n"S3","septic shock","Hi,Seq HiSeq"\n',
    "row names of R": 'title\tplatform\nS1\thealthy\tHiSeq\nS2\tsepsis\tHiSeq\nS3\tseptic shock\tHiSeq\n',
    "row names of R, quoted": '"","title","platform"\n"S1","healthy","HiSeq"\n"S2","sepsis","HiSeq"\n"S3","septic shock","HiSeq"\n',
    "other words": PLAIN.replace("sample,title,platform", "Sample_ID,Sample Title,Instrument Model"),
    "refine.bio": PLAIN.replace("sample,title,platform", "refinebio_accession_code,refinebio_title,refinebio_platform"),
    "SDRF": PLAIN.replace("sample,title,platform", "Assay Name,Comment [Sample_title],Comment[INSTRUMENT_MODEL]"),
    "titles above the header": f'"Table S1, patients",,\n,,\n{PLAIN}',
    "a title without delimiters": f"Patients\n{PLAIN}",
    "empty columns, one before the names of R": re.sub("^", ",", PLAIN.removeprefix("sample").replace(",", ",,"), flags=re.MULTILINE),
    "samples that the matrix lacks": f"{PLAIN}S4,sepsis,HiSeq\n",
    "lanes": PLAIN.replace("S1,healthy,HiSeq\n", "S1,healthy,HiSeq\nS1,healthy,MiSeq\n"),
}  # fmt: skip


def write(folder, sheet=PLAIN, matrix=MATRIX, sheet_name="samples.csv", matrix_name="counts.csv"):
    folder.mkdir(parents=True)
    (folder / sheet_name).write_text(sheet, newline="", encoding="utf-8")
    (folder / matrix_name).write_text(matrix)
    return folder


def ingest(warehouse, *paths, settings=SETTINGS):
    config = warehouse.folder / "pipeline.yaml"
    config.write_text(f"studies: {{{settings}}}" if settings else "")
    return warehouse.loader("ingest", *paths, "--config", config)


def failure_of(result) -> dict:
    assert result.exit_code == 1
    (failure,) = events(result, "failed")
    return failure


def titles(warehouse) -> dict[str, str]:
    ((document,),) = warehouse.query("select metadata_json from staging.study_metadata")
    samples = json.loads(document)["samples"]
    return {name: block["refinebio_title"] for name, block in samples.items()}


@pytest.mark.parametrize("kind", SHEETS)
def test_a_sheet_of_any_kind_is_read(warehouse, tmp_path, kind):
    result = ingest(warehouse, write(tmp_path / "d", SHEETS[kind]))
    assert result.exit_code == 0, result.output
    assert titles(warehouse) == {"S1": "healthy", "S2": "sepsis", "S3": "septic shock"}
    assert warehouse.query(
        "select sample_accession_code, sum(expression_value) from staging.expression_rows group by 1 order by 1"
    ) == [("S1", 5.5), ("S2", 7.0), ("S3", 9.25)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_sheet_in_any_encoding_of_excel(warehouse, tmp_path, encoding):
    folder = write(tmp_path / "d")
    text = PLAIN.replace("title", "Prüfgruppe").replace("healthy", "gesund, männlich – 60")
    text = text.replace("gesund, männlich – 60", '"gesund, männlich – 60"')
    (folder / "samples.csv").write_bytes(text.encode(encoding))
    settings = SETTINGS.replace("d: {", "d: {sheet_columns: {title: Prüfgruppe}, ")
    assert ingest(warehouse, folder, settings=settings).exit_code == 0
    assert titles(warehouse)["S1"] == "gesund, männlich – 60"


@pytest.mark.parametrize(
    ("sheet", "matrix"),
    [
        ("samplesheet.csv", "counts.csv"),
        ("sample_sheet.txt", "expression_matrix.txt"),
        ("coldata.tsv", "vst.tsv"),
        ("GSE5_metadata.csv", "GSE5_counts.csv"),
        ("my.samples.csv", "matrix.csv"),
        ("SraRunTable.txt", "counts.txt"),
        ("pheno_data.csv", "x.csv"),
    ],
)
def test_sheet_and_matrix_are_told_by_their_names(warehouse, tmp_path, sheet, matrix):
    folder = write(tmp_path / "d", sheet_name=sheet, matrix_name=matrix)
    (folder / "README.txt").write_text("no table")
    (folder / "analysis.R").write_text("no table")
    accession = "GSE5" if "GSE5" in sheet else "d"
    result = ingest(warehouse, folder, settings=f"{accession}: {{units: LOG2}}")
    (staged,) = events(result, "staged")
    assert staged["study_accession"] == accession


def test_columns_and_files_of_other_names_are_configured(warehouse, tmp_path):
    sheet = PLAIN.replace("sample,title,platform", "Barcode,Patient group,x")
    folder = write(tmp_path / "d", sheet, sheet_name="people.csv")
    (folder / "other.csv").write_text(MATRIX)
    assert failure_of(ingest(warehouse, folder))["error_code"] == 1001
    settings = (
        "MINE: {matrix: counts.csv, sample_sheet: people.csv, technology: RNA-SEQ, units: LOG2,"
        " sheet_columns: {sample: Barcode, title: Patient group}}"
    )
    result = ingest(warehouse, folder, settings=settings)
    (staged,) = events(result, "staged")
    assert staged["study_accession"] == "MINE"
    assert titles(warehouse)["S3"] == "septic shock"


def test_several_studies_lie_in_one_folder_with_their_sheets(warehouse, tmp_path):
    folder = write(tmp_path / "d", sheet_name="GSE5_samples.csv", matrix_name="GSE5_counts.csv")
    (folder / "GSE6_samples.csv").write_text(PLAIN)
    (folder / "GSE6.tsv").write_text(MATRIX.replace(",", "\t"))
    Study("GSE7").write(folder / "download")
    settings = "GSE5: {units: LOG2}, GSE6: {units: LOG2}"
    result = ingest(warehouse, folder, settings=settings)
    assert result.exit_code == 0, result.output
    staged = {event["study_accession"] for event in events(result, "staged")}
    assert staged == {"GSE5", "GSE6", "GSE7"}


def test_a_zip_and_a_file_are_read_like_their_folder(warehouse, tmp_path):
    folder = write(tmp_path / "d")
    with zipfile.ZipFile(tmp_path / "e.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"inner/{path.name}")
            archive.writestr(f"__MACOSX/inner/._{path.name}", "x")
    settings = "d: {units: LOG2}, e: {units: LOG2}"
    for path, accession in [(folder / "counts.csv", "d"), (tmp_path / "e.zip", "e")]:
        (staged,) = events(ingest(warehouse, path, settings=settings), "staged")
        assert staged["study_accession"] == accession
    assert events(ingest(warehouse, folder / "samples.csv", settings=settings), "skipped")


def without(column, sheet=PLAIN):
    place = sheet.splitlines()[0].split(",").index(column)
    rows = (line.split(",") for line in sheet.splitlines())
    return "".join(",".join(row[:place] + row[place + 1 :]) + "\n" for row in rows)


FAULTS = {
    "no sample column": (
        {"sheet": PLAIN.replace("sample", "x")}, SETTINGS, 1014, "no column", "sheet_columns"),
    "notes in a column without a name": (
        {"sheet": "Probe,title,,platform\nS1,healthy,x,HiSeq\nS2,sepsis,,HiSeq\n"}, SETTINGS, 1014,
        "columns are Probe, title, platform", "sample: Probe"),
    "no technology": ({"sheet": without("platform")}, SETTINGS, 1014, "technology", "RNA-SEQ"),
    "no organism": ({"matrix": MATRIX.replace("ENSG0", "G")}, SETTINGS, 1014, "organism", "HOMO"),
    "a column that the sheet lacks": (
        {}, "d: {units: LOG2, sheet_columns: {title: Group}}", 1014, "'Group'", "platform"),
    "no line": ({"sheet": "sample,title\n"}, SETTINGS, 1001, "no line with a sample", "one line"),
    "an empty sheet": ({"sheet": "\n"}, SETTINGS, 1001, "empty", ""),
    "a line with more cells": (
        {"sheet": PLAIN + "S4,sepsis,HiSeq,x\n"}, SETTINGS, 1002, "4 columns", "quotes"),
    "a sample that the sheet lacks": (
        {"matrix": MATRIX.replace("S3", "S9")}, SETTINGS, 54010, "S9", "skip_samples"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_missing_is_said_with_what_to_write(warehouse, tmp_path, fault):
    files, settings, code, found, action = FAULTS[fault]
    failure = failure_of(ingest(warehouse, write(tmp_path / "d", **files), settings=settings))
    assert failure["error_code"] == code
    assert found in failure["found"]
    assert action in failure["action"]
    assert warehouse.query("select count(*) from staging.batch where status = 'STAGED'") == [(0,)]


def test_two_tables_that_may_be_the_matrix_are_named(warehouse, tmp_path):
    folder = write(tmp_path / "d")
    (folder / "tpm.csv").write_text(MATRIX)
    failure = failure_of(ingest(warehouse, folder))
    assert failure["error_code"] == 1009
    assert "counts.csv, tpm.csv" in failure["found"]
    assert "{matrix: counts.csv}" in failure["action"]
    (staged,) = events(ingest(warehouse, folder / "tpm.csv"), "staged")
    assert staged["study_accession"] == "d"
    assert warehouse.query("select distinct file_name from staging.batch") == [("tpm.csv",)]


def test_a_matrix_without_a_sheet_says_what_to_write(warehouse, tmp_path):
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "counts.csv").write_text(MATRIX)
    assert "samples.csv" in failure_of(ingest(warehouse, folder))["action"]
    failure = failure_of(ingest(warehouse, folder / "counts.csv"))
    assert (failure["error_code"], "samples.csv" in failure["expected"]) == (1014, True)


# --- one file per sample

STAR = "N_unmapped\t9\t9\t9\nENSG00000000003\t{0}\t2\t3\nENSG00000000005\t7\t8\t9\n"
HTSEQ = "ENSG00000000003\t{0}\nENSG00000000005\t7\n__no_feature\t5\n"
RSEM = (
    "gene_id\ttranscript_id(s)\tlength\teffective_length\texpected_count\tTPM\tFPKM\n"
    "ENSG00000000003\tA\t1\t1\t{0}\t5\t6\nENSG00000000005\tB\t1\t1\t7\t5\t6\n"
)
FEATURE_COUNTS = (
    '# Program:featureCounts v2; Command:"x"\nGeneid\tChr\tStart\tEnd\tStrand\tLength\ts.bam\n'
    "ENSG00000000003\t1\t1\t2\t+\t9\t{0}\nENSG00000000005\t1\t1\t2\t+\t9\t7\n"
)
PER_SAMPLE = {
    "STAR": (STAR, "{}_ReadsPerGene.out.tab"),
    "HTSeq": (HTSEQ, "{}.htseq.txt"),
    "HTSeq with names": (HTSEQ.replace("\t", "\tNAME\t"), "{}.counts.txt"),
    "RSEM": (RSEM, "{}.genes.results"),
    "featureCounts": (FEATURE_COUNTS, "{}.txt"),
}


def write_per_sample(folder, kind):
    text, name = PER_SAMPLE[kind]
    folder.mkdir()
    (folder / "samples.csv").write_text(PLAIN)
    for number in (1, 2, 3):
        (folder / name.format(f"S{number}")).write_text(text.format(number * 10))
    return folder


@pytest.mark.parametrize("kind", PER_SAMPLE)
def test_files_of_one_sample_each_are_one_matrix(warehouse, tmp_path, kind):
    folder = write_per_sample(tmp_path / "d", kind)
    (folder / "S1_SJ.out.tab").write_text("x\t1\n")
    (folder / "S1.isoforms.results").write_text(
        "transcript_id\tgene_id\tlength\teffective_length\n"
    )
    (folder / "counts.txt.summary").write_text("x\n")
    result = ingest(warehouse, folder)
    assert result.exit_code == 0, result.output
    assert warehouse.query(
        "select sample_accession_code, gene_id, expression_value from staging.expression_rows order by all"
    ) == [
        (f"S{n}", gene, value)
        for n in (1, 2, 3)
        for gene, value in [("ENSG00000000003", n * 10.0), ("ENSG00000000005", 7.0)]
    ]
    assert events(ingest(warehouse, folder), "skipped")


@pytest.mark.parametrize(
    ("genes", "word", "line"),
    [
        ("ENSG00000000006 ENSG00000000003", "lacks gene ENSG00000000005, which", None),
        ("ENSG00000000003", "lacks gene ENSG00000000005, which", None),
        (
            "ENSG00000000003 ENSG00000000005 __no_feature ENSG00000000006",
            "has gene ENSG00000000006, which",
            4,
        ),
        (
            "ENSG00000000005 ENSG00000000003 ENSG00000000003",
            "gene ENSG00000000003 is on lines 2 and 3",
            3,
        ),
    ],
)
def test_files_with_other_genes_are_refused_with_the_gene(warehouse, tmp_path, genes, word, line):
    folder = write_per_sample(tmp_path / "d", "HTSeq")
    path = folder / "S2.htseq.txt"
    path.write_text("".join(f"{gene}\t7\n" for gene in genes.split()))
    failure = failure_of(ingest(warehouse, folder))
    assert (failure["error_code"], failure["file"]) == (1002, str(path))
    assert failure.get("line") == line
    assert word in failure["found"]


def test_files_with_the_same_genes_in_any_order_are_joined_by_gene(warehouse, tmp_path):
    folder = write_per_sample(tmp_path / "d", "HTSeq")
    path = folder / "S2.htseq.txt"
    path.write_text("".join(reversed(path.read_text().splitlines(keepends=True))))
    result = ingest(warehouse, folder)
    assert result.exit_code == 0, result.output
    assert warehouse.query(
        "select gene_id, expression_value from staging.expression_rows"
        " where sample_accession_code = 'S2' order by all"
    ) == [("ENSG00000000003", 20.0), ("ENSG00000000005", 7.0)]


@pytest.mark.parametrize(
    ("kind", "old", "new", "word"),
    [
        ("STAR", "\t8\t9", "\t8", "3 columns"),
        ("STAR", "\t8\t9", "\t8\t9\t9", "5 columns"),
        ("HTSeq", "05\t7", "05\t7\t8", "3 columns"),
        ("HTSeq", "ENSG00000000005", '"ENSG00000000005', "quote does not end"),
        ("HTSeq", "05\t7", "0\r5\t7", "carriage return"),
    ],
)
def test_a_wrong_line_in_the_file_of_one_sample_is_refused(
    warehouse, tmp_path, kind, old, new, word
):
    folder = write_per_sample(tmp_path / "d", kind)
    path = folder / PER_SAMPLE[kind][1].format("S2")
    text = path.read_text()
    assert old in text
    path.write_bytes(text.replace(old, new).encode())
    failure = failure_of(ingest(warehouse, folder))
    line = text[: text.index(old)].count("\n") + 1
    assert (failure["error_code"], failure["file"], failure["line"]) == (1002, str(path), line)
    assert word in failure["found"]


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda text: "\n" + text,
        lambda text: "".join(sorted(text.splitlines(keepends=True))),
        lambda text: re.sub(r"[^\t\n]+", r'"\g<0>"', text),
    ],
)
@pytest.mark.parametrize("kind", ["STAR", "HTSeq"])
def test_files_of_one_sample_may_be_sorted_or_quoted(warehouse, tmp_path, kind, rewrite):
    folder = write_per_sample(tmp_path / "d", kind)
    for path in folder.glob("S?[._]*"):
        path.write_text(rewrite(path.read_text()))
    result = ingest(warehouse, folder)
    assert result.exit_code == 0, result.output
    assert warehouse.query(
        "select gene_id, expression_value from staging.expression_rows"
        " where sample_accession_code = 'S2' order by all"
    ) == [("ENSG00000000003", 20.0), ("ENSG00000000005", 7.0)]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        *((name, "HOMO_SAPIENS") for name in ("human", " Human ", "H. sapiens", "Homo sapiens")),
        *((name, "HOMO_SAPIENS") for name in ("Homo sapiens (human)", "Human (Homo sapiens)")),
        ("mouse", "MUS_MUSCULUS"), ("M.musculus", "MUS_MUSCULUS"), ("Rat", "RATTUS_NORVEGICUS"),
        ("zebrafish", "DANIO_RERIO"), ("Gallus gallus", "GALLUS_GALLUS"), ("", ""),
    ],
)  # fmt: skip
def test_common_names_are_the_organism(name, code):
    assert organism_code(name) == code


@pytest.mark.parametrize(
    "name", ["gsm71247{}", "Srr71247{}", "ers71247{}", "samn71247{}", "samea71247{}"]
)
@pytest.mark.parametrize("matrix_is_lower", [True, False])
@pytest.mark.parametrize("sheet_is_lower", [True, False])
def test_public_accessions_are_capitals(warehouse, tmp_path, name, matrix_is_lower, sheet_is_lower):
    def rewrite(text, is_lower):
        written = name if is_lower else name.upper()
        return re.sub(r"\bS([1-3])\b", lambda match: written.format(match[1]), text)

    sheet, matrix = rewrite(PLAIN, sheet_is_lower), rewrite(MATRIX, matrix_is_lower)
    result = ingest(warehouse, write(tmp_path / "d", sheet, matrix))
    assert result.exit_code == 0, result.output
    said = [event["error"].split()[0] for event in events(result, "doubted")]
    assert said == (["54012"] if matrix_is_lower or sheet_is_lower else [])
    expected = [(name.upper().format(number),) for number in (1, 2, 3)]
    rows = "select distinct sample_accession_code from staging.expression_rows order by 1"
    assert warehouse.query(rows) == expected
    ((document,),) = warehouse.query("select metadata_json from staging.study_metadata")
    assert sorted(json.loads(document)["samples"]) == [code for (code,) in expected]


@pytest.mark.parametrize(
    "subject", ["Pat.-Nr.", "Pat-ID", "Patienten-ID", "Patient Nr.", "patient_id"]
)
@pytest.mark.parametrize("time", ["Tag", "Zeitpunkt", "time point"])
def test_headers_of_repeated_samples_in_german(subject, time):
    """If they were not known, repeated patients would count as several."""
    sheet = SampleSheet("sheet", ["sample", subject, time], [["S1", "7", "D1"]])
    fields = {"refinebio_subject": "7", "refinebio_time": "D1", "characteristics": {}}
    assert sheet.samples(StudyConfig(), "GSE1") == {"S1": fields}


@pytest.mark.parametrize(
    "absent",
    ["NA", "#N/A", "#NV", "#DIV/0!", "#NAME?", "#¡VALOR!", "#ÜBERLAUF!", "n.d.", "k. A.", "null"],
)
def test_cells_that_say_nothing_are_empty(absent):
    header = ["sample", "title", "group", "organism", "SOFA"]
    rows = [["S1", "x", "sepsis", "human", "9"], ["S1", absent, f" {absent}", absent, absent]]
    sheet = SampleSheet("sheet", header, [*rows, [absent, "mean", "", "", "8"]])
    assert sheet.contradictions(StudyConfig(), "GSE1") is None
    fields = {"title": "x", "disease": "sepsis", "organism": "HOMO_SAPIENS"}
    assert sheet.samples(StudyConfig(), "GSE1") == {
        "S1": {f"refinebio_{field}": value for field, value in fields.items()}
        | {"characteristics": {"sofa": "9"}}
    }


@pytest.mark.parametrize("text", ["-", "?", "ND", "KA", "none", "#1", "#A", "Nana", "unknown"])
def test_cells_that_may_say_something_are_kept(text):
    """Such as the finding -, or the group ND of patients who have no diabetes."""
    sheet = SampleSheet("sheet", ["sample", "group"], [["S1", text]])
    assert sheet.samples(StudyConfig(), "GSE1")["S1"]["refinebio_disease"] == text


@pytest.mark.parametrize("column", ["group", "Disease class", "patient_group", "infection status"])
def test_lines_that_differ_in_what_says_the_illness_are_said(column):
    header = ["sample", "diagnosis", column, "lane"]
    rows = [["S1", "sepsis", "mild", "1"], ["S1", "sepsis", "severe", "2"]]
    rows += [["S2", "sepsis", "mild", "1"], ["S2", "sepsis", "mild", "2"]]
    warning = SampleSheet("sheet", header, rows).contradictions(StudyConfig(), "GSE1")
    assert warning.code == 54017
    assert warning.found == f"lines of one sample differ: S1 ({column.lower()}: mild or severe)"


def test_lines_of_one_sample_that_do_not_agree_are_said(warehouse, tmp_path):
    sheet = (
        "sample,title,disease,lane\nS1,healthy,,1\nS1,,control,2\n"
        "S2,sepsis,sepsis,1\nS2,septic shock,sepsis,2\nS2,sepsis,sepsis,3\nS3,septic shock,,1\n"
    )
    folder = write(tmp_path / "d", sheet)
    settings = SETTINGS.replace("LOG2", "LOG2, technology: RNA-SEQ, organism: HOMO_SAPIENS")
    result = ingest(warehouse, folder, settings=settings)
    assert result.exit_code == 0, result.output
    (warning,) = (event["error"] for event in events(result, "doubted"))
    assert warning.startswith("54017")
    assert "S2 (title: sepsis or septic shock)" in warning
    assert "S1" not in warning
    ((document,),) = warehouse.query("select metadata_json from staging.study_metadata")
    samples = json.loads(document)["samples"]
    assert samples["S1"]["refinebio_title"] == "healthy"
    assert samples["S1"]["refinebio_disease"] == "control"
    assert "refinebio_title" not in samples["S2"]
    assert samples["S2"]["refinebio_disease"] == "sepsis"
    inspected = warehouse.loader("inspect", folder, "--config", warehouse.folder / "pipeline.yaml")
    assert "S2 (title: sepsis or septic shock)" in inspected.output


def test_tables_of_names_that_say_nothing_are_named_with_what_to_write(warehouse, tmp_path):
    matrix = MATRIX + "".join(f"ENSG{n:011d},1.5,2.5,3.5\n" for n in range(6, 30))
    names = {"sheet_name": "Patientenliste.csv", "matrix_name": "Expressionsdaten.csv"}
    folder = write(tmp_path / "d", matrix=matrix, **names)
    failure = failure_of(ingest(warehouse, folder))
    assert failure["error_code"] == 1001
    assert all(name in failure["action"] for name in names.values())
    written = failure["action"].partition("studies: ")[2].partition(", with the right")[0]
    settings = yaml.safe_load(written)["d"] | {"units": "LOG2"}
    assert ingest(warehouse, folder, settings=f"d: {json.dumps(settings)}").exit_code == 0
    assert titles(warehouse)["S3"] == "septic shock"


def write_nfcore(folder, **sheets):
    """The results of a run of nf-core/rnaseq, and sheets in the folder, by their stems."""
    (folder / "star_salmon").mkdir(parents=True)
    matrix = MATRIX.replace("gene,", "gene_id,").replace(",", "\t")
    (folder / "star_salmon" / "salmon.merged.gene_tpm.tsv").write_text(matrix)
    reads = "sample,fastq_1\n" + "".join(f"S{n},{n}_{lane}.fq.gz\n" for n in "123" for lane in "12")
    (folder / "pipeline_info").mkdir()
    for name in ("samplesheet.csv", "pipeline_info/samplesheet.valid.csv"):
        (folder / name).write_text(reads)
    for stem, sheet in sheets.items():
        (folder / f"{stem}.csv").write_text(sheet)
    return folder


@pytest.mark.parametrize("stem", ["metadata", "samples", "sepsis_metadata", "z_samplesheet"])
def test_the_sheet_beside_that_of_nfcore_is_read(warehouse, tmp_path, stem):
    """Whichever of the two names comes first."""
    folder = write_nfcore(tmp_path / "d", **{stem: PLAIN})
    assert ingest(warehouse, folder).exit_code == 0
    assert titles(warehouse)["S3"] == "septic shock"


def test_two_sheets_beside_that_of_nfcore_are_named(warehouse, tmp_path):
    folder = write_nfcore(tmp_path / "d", metadata=PLAIN, samples=PLAIN)
    failure = failure_of(ingest(warehouse, folder))
    assert failure["error_code"] == 1009
    assert "metadata.csv, samples.csv" in failure["found"]
    assert (
        ingest(warehouse, folder, settings="d: {sample_sheet: samples.csv, units: TPM}").exit_code
        == 0
    )
