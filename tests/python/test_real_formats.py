"""Files of other formats as their publishers have them, where they are at hand, against pandas."""

import gzip
import itertools
import json
import re
import shutil
from pathlib import Path

import pandas
import pytest
from conftest import SHARED_DATA, events

FORMATS = SHARED_DATA / "formats"

pytestmark = pytest.mark.skipif(not FORMATS.is_dir(), reason="the folder of formats is absent")


def sheet_of(samples: list[str], **columns: list[str]) -> str:
    table = pandas.DataFrame({"sample": samples, **columns})
    return table.to_csv(index=False)


def place(folder: Path, *names: str, sheet: str = "", sheet_name: str = "samples.csv") -> Path:
    """A folder with files of the formats, and perhaps a sample sheet."""
    folder.mkdir()
    for name in names:
        shutil.copy(FORMATS / name, folder)
    if sheet:
        (folder / sheet_name).write_text(sheet)
    return folder


def text_of(path: Path) -> str:
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode()


def staged(warehouse) -> pandas.DataFrame:
    """Genes × samples, lines in the file's order."""
    rows = warehouse.query(
        "select line_no, gene_id, sample_accession_code, expression_value from staging.expression_rows"
    )
    table = pandas.DataFrame(rows, columns=["line", "gene", "sample", "value"])
    return table.pivot(index=["line", "gene"], columns="sample", values="value").droplevel(0)


def check_equal(warehouse, expected: pandas.DataFrame) -> None:
    found = staged(warehouse)[list(expected.columns)]
    expected.index = expected.index.astype(str)
    pandas.testing.assert_frame_equal(
        found, expected.astype(float), check_names=False, check_exact=True
    )


def ingest(warehouse, folder: Path, settings: str = "", code: int = 0) -> list[dict]:
    config = warehouse.folder / "pipeline.yaml"
    config.write_text(f"studies: {{{settings}}}" if settings else "")
    result = warehouse.loader("ingest", folder, "--config", config)
    assert result.exit_code == code, result.output
    return events(result)


def genes_for_probes(text: str) -> str:
    """The text with an Ensembl id in place of each probe."""
    numbers = itertools.count(1)
    return re.sub(
        r'^("?)(?!AFFX)[^\s"]+_at(?=["\t])',
        lambda match: f"{match[1]}ENSG{next(numbers):011}",
        text,
        flags=re.MULTILINE,
    )


def steps(found: list[dict], step: str) -> list[dict]:
    return [event for event in found if event["step"] == step]


def codes(found: list[dict]) -> list[int]:
    return sorted(int(event["error"].split()[0]) for event in steps(found, "doubted"))


@pytest.mark.parametrize(("kind", "unit"), [("raw", "COUNTS"), ("tpm", "TPM")])
def test_counts_of_ncbi_beside_a_series_matrix(warehouse, tmp_path, kind, unit):
    name = f"gse201926_{kind}_counts.tsv.gz"
    folder = place(
        tmp_path / "d", "geo_ncbi_counts/gse201926_series_matrix.txt.gz", f"geo_ncbi_counts/{name}"
    )
    (event,) = steps(ingest(warehouse, folder), "staged")
    assert (event["study_accession"], event["unit_tag"], event["gene_id_form"]) == (
        "GSE201926", unit, "ENTREZ",
    )  # fmt: skip
    check_equal(warehouse, pandas.read_csv(folder / name, sep="\t", index_col=0))
    ((document,),) = warehouse.query("select metadata_json from staging.study_metadata")
    sample = json.loads(document)["samples"]["GSM6081173"]
    assert sample["refinebio_age"] == "26"
    assert sample["refinebio_disease"] == "endometrial endometrioid carcinoma"
    assert sample["characteristics"]["phenotype"] == "progestin insensitivity"
    assert sample["refinebio_platform"] == "BGISEQ-500 (GPL23227)"


def test_a_series_of_rna_seq_without_a_file_beside_it_says_what_to_get(warehouse, tmp_path):
    folder = place(tmp_path / "d", "geo_series_matrix/GSE157103_series_matrix.txt.gz")
    (failure,) = steps(ingest(warehouse, folder, code=1), "failed")
    assert failure["error_code"] == 1001
    assert "GSE157103_genes.ec.tsv.gz" in failure["found"]
    assert "NCBI" in failure["action"]


def test_the_table_of_an_author_beside_a_series_has_names_of_its_description(warehouse, tmp_path):
    """GSE157103 names its columns C1, C2 … in the descriptions of the samples."""
    folder = place(tmp_path / "d", "geo_series_matrix/GSE157103_series_matrix.txt.gz")
    lines = text_of(folder / "GSE157103_series_matrix.txt.gz").splitlines()
    fields = {}
    for line in lines:
        key, *cells = [cell.strip('"') for cell in line.split("\t")]
        fields.setdefault(key, []).append(cells)
    names, samples = fields["!Sample_description"][0], fields["!Sample_geo_accession"][0]
    table = pandas.DataFrame(
        [[float(10 * g + c % 7) for c in range(len(names))] for g in range(3)],
        index=[f"ENSG{g:011d}" for g in range(3)],
        columns=names,
    )
    table[names[::-1]].to_csv(folder / "GSE157103_genes.tpm.tsv.gz", sep="\t")
    found = ingest(warehouse, folder, "GSE157103: {units: TPM}")
    assert codes(found) == [54012]
    assert "the description" in steps(found, "doubted")[0]["error"]
    assert steps(found, "staged")[0]["unit_tag"] == "TPM"
    check_equal(warehouse, table.set_axis(samples, axis=1))


def test_the_table_of_a_series_matrix_is_read_to_its_end(warehouse, tmp_path):
    folder = place(tmp_path / "d", "geo_series_matrix/GSE39842_series_matrix.txt.gz")
    path = folder / "GSE39842_series_matrix.txt.gz"
    path.write_bytes(gzip.compress(genes_for_probes(text_of(path)).encode()))
    table = pandas.read_csv(path, sep="\t", comment="!", index_col=0)
    assert steps(ingest(warehouse, folder), "staged")
    check_equal(warehouse, table[~table.index.str.startswith("AFFX")])
    ((document,),) = warehouse.query("select metadata_json from staging.study_metadata")
    samples = json.loads(document)["samples"]
    # One line has the tissue of some samples and the genotype of others.
    assert (
        samples["GSM980277"]["characteristics"].keys()
        != samples["GSM980283"]["characteristics"].keys()
    )


def test_a_series_matrix_that_was_cut_off_is_refused(warehouse, tmp_path):
    folder = place(tmp_path / "d", "geo_series_matrix/GSE39842_series_matrix.txt.gz")
    path = folder / "GSE39842_series_matrix.txt.gz"
    text = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(text[: text.rindex(b"\n", 0, -200) + 1]))
    (failure,) = steps(ingest(warehouse, folder, code=1), "failed")
    assert (failure["error_code"], "was cut off" in failure["found"]) == (1006, True)


def test_tpm_of_nfcore(warehouse, tmp_path):
    samples = [f"CONTROL_REP{n}" for n in range(1, 5)]
    folder = place(
        tmp_path / "CDT",
        "nfcore_rnaseq/CDT.salmon.merged.gene_tpm.tsv",
        sheet=sheet_of(
            [s for s in samples for _ in "ab"], fastq_1=list("abcdefgh"), title=["x"] * 8
        ),
        sheet_name="samplesheet.csv",
    )
    (event,) = steps(
        ingest(warehouse, folder, "CDT: {organism: DROSOPHILA_MELANOGASTER}"), "staged"
    )
    assert event["unit_tag"] == "TPM"
    path = folder / "CDT.salmon.merged.gene_tpm.tsv"
    check_equal(warehouse, pandas.read_csv(path, sep="\t", index_col=0).drop(columns="gene_name"))


def test_runs_of_expression_atlas(warehouse, tmp_path):
    folder = place(
        tmp_path / "d",
        "expression_atlas/E-ERAD-475-raw-counts.tsv.undecorated",
        "expression_atlas/E-ERAD-475.condensed-sdrf.tsv",
        "expression_atlas/E-ERAD-475.idf.txt",
    )
    (event,) = steps(ingest(warehouse, folder), "staged")
    assert (event["sample_count"], event["unit_tag"]) == (360, "COUNTS")
    path = folder / "E-ERAD-475-raw-counts.tsv.undecorated"
    check_equal(warehouse, pandas.read_csv(path, sep="\t", index_col=0))
    ((document,),) = warehouse.query("select metadata_json from staging.study_metadata")
    document = json.loads(document)
    assert document["experiment"]["organisms"] == ["DANIO_RERIO"]
    assert document["experiment"]["title"].startswith("Baseline expression")


def test_a_matrix_of_featurecounts(warehouse, tmp_path):
    samples = [f"{kind}_{n}" for kind in ("HBR", "UHR") for n in (1, 2, 3)]
    name = "gene_biotype_or_other.featureCounts.txt"
    folder = place(tmp_path / "d", f"featurecounts/{name}", sheet=sheet_of(samples))
    found = ingest(warehouse, folder, "d: {organism: HOMO_SAPIENS}")
    assert codes(found) == [2013, 54012]
    assert steps(found, "staged")[0]["unit_tag"] == "COUNTS"
    table = pandas.read_csv(folder / name, sep="\t", comment="#", index_col=0).iloc[:, 5:]
    table = table[~table.index.str.startswith("ERCC-")]
    check_equal(warehouse, table.set_axis(samples, axis=1))


@pytest.mark.parametrize(("strand", "column"), [("unstranded", 1), ("forward", 2), ("reverse", 3)])
def test_files_of_star(warehouse, tmp_path, strand, column):
    """Two samples; the second has other counts."""
    sheet = sheet_of(["ERR458837", "B"], strandedness=[strand] * 2, organism=["Homo sapiens"] * 2)
    sheet = sheet.replace("sample,", "sample,file,", 1)
    folder = place(tmp_path / "d", "star/ERR458837_subsamp_1ReadsPerGene.out.tab.gz")
    first = folder / "ERR458837_subsamp_1ReadsPerGene.out.tab.gz"
    table = pandas.read_csv(first, sep="\t", header=None, index_col=0)
    (table + 3).to_csv(folder / "B_ReadsPerGene.out.tab", sep="\t", header=False)
    lines = [line.split(",", 1) for line in sheet.splitlines()]
    files = ["", first.name, "B_ReadsPerGene.out.tab"]
    text = [lines[0][0] + "," + lines[0][1]]
    text += [f"{s},{file},{rest}" for (s, rest), file in zip(lines[1:], files[1:], strict=True)]
    (folder / "samples.csv").write_text("\n".join(text) + "\n")
    assert codes(ingest(warehouse, folder)) == [2013]
    genes = table[column][4:]
    check_equal(warehouse, pandas.DataFrame({"ERR458837": genes, "B": genes + 3}))


def test_a_file_of_htseq(warehouse, tmp_path):
    name = "Count.genes.HTseq.232902658.txt.gz"
    sheet = f"sampleName,fileName,condition\nA,{name},sepsis\n"
    folder = place(tmp_path / "d", f"htseq/{name}", sheet=sheet, sheet_name="sampletable.csv")
    assert 2013 in codes(ingest(warehouse, folder))
    table = pandas.read_csv(folder / name, sep="\t", header=None, index_col=0)[:-5]
    check_equal(warehouse, table.set_axis(["A"], axis=1))


def test_a_matrix_of_grein(warehouse, tmp_path):
    folder = place(
        tmp_path / "d",
        "grein/GSE151347_GeneLevel_Raw_data.csv.gz",
        "grein/GSE151347_filtered_metadata.csv",
    )
    (event,) = steps(ingest(warehouse, folder, "GSE151347: {technology: RNA-SEQ}"), "staged")
    assert event["study_accession"] == "GSE151347"
    path = folder / "GSE151347_GeneLevel_Raw_data.csv.gz"
    check_equal(warehouse, pandas.read_csv(path, index_col=0).drop(columns="gene_symbol"))


def test_a_study_of_refinebio_without_its_json(warehouse, tmp_path):
    folder = place(tmp_path / "d", "refinebio/GSE12955.tsv", "refinebio/metadata_GSE12955.tsv")
    (event,) = steps(ingest(warehouse, folder), "staged")
    assert (event["study_accession"], event["unit_tag"]) == ("GSE12955", "ARRAY_LOG2")
    path = folder / "GSE12955.tsv"
    check_equal(warehouse, pandas.read_csv(path, sep="\t", index_col=0))


def test_a_gct_with_metadata_of_lines_and_columns(warehouse, tmp_path):
    """Its column `mean` has numbers, and describes genes."""
    samples = ["GSM1538541", "GSM1538542", "GSM1538543", "GSM1538547"]
    folder = place(tmp_path / "d", "gct/GSE63040.gct", sheet=sheet_of(samples))
    path = folder / "GSE63040.gct"
    path.write_text(genes_for_probes(path.read_text()))
    settings = "GSE63040: {technology: MICROARRAY, organism: HOMO_SAPIENS}"
    (event,) = steps(ingest(warehouse, folder, settings), "staged")
    assert (event["gene_count"], event["sample_count"]) == (10, 4)
    lines = text_of(folder / "GSE63040.gct").splitlines()
    rows = [line.split("\t") for line in lines[10:]]
    table = pandas.DataFrame([row[4:] for row in rows], [row[0] for row in rows], samples)
    check_equal(warehouse, table)


REFUSED = {
    "h5ad/airway.h5ad": (1013, "HDF5"),
    "recount3/sra.gene_sums.SRP014565.G026.gz": (1013, "base coverage of recount3"),
    "tximport/Sample_1.sf": (1013, "quant.sf of salmon"),
    "tximport/kallisto_abundance_1.tsv": (1013, "abundance.tsv of kallisto"),
    "geo_soft_family/GSE123753_family.soft.gz": (1013, "SOFT file of GEO"),
    "expression_atlas/E-ERAD-475-tpms.tsv": (1013, "five numbers per cell"),
    "expression_atlas/E-ERAD-475-fpkms.tsv": (1013, "five numbers per cell"),
    "expression_atlas/E-ERAD-475-transcripts-tpms.tsv": (1013, "transcripts of Expression Atlas"),
    "gct/GSE63040.gct": (2015, "probes of an Affymetrix array"),
    "featurecounts/CONTROL_REP1.featureCounts.txt.gz": (2015, "types of genes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_matrix_of_genes_is_refused_by_its_name(warehouse, tmp_path, name):
    code, word = REFUSED[name]
    folder = place(tmp_path / "d", name, sheet=sheet_of(["CONTROL_REP1"]))
    settings = f"d: {{technology: RNA-SEQ, organism: HOMO_SAPIENS, matrix: {Path(name).name}}}"
    (failure,) = steps(ingest(warehouse, folder, settings, 1), "failed")
    assert (failure["error_code"], word in failure["found"]) == (code, True), failure["found"]
    # The file by itself is refused in the same words, or for want of its samples.
    alone = place(tmp_path / "alone", name) / Path(name).name
    (failure,) = steps(ingest(warehouse, alone, code=1), "failed")
    assert failure["error_code"] in (code, 1014)
