"""Studies of a refine.bio download written in other formats, for tests that compare what comes of
them. Nothing here uses the loader."""

import csv
import gzip
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_PLATFORMS = {"RNA-SEQ": "GPL24676", "MICROARRAY": "GPL570"}
_INSTRUMENTS = {"RNA-SEQ": "Illumina HiSeq 4000", "MICROARRAY": "Affymetrix array"}


@dataclass(frozen=True)
class WrittenStudy:
    """A study: cells of its matrix as text, one row per gene."""

    accession: str
    technology: str
    organism: str
    genes: list[str]
    samples: list[str]
    titles: list[str]
    cells: list[list[str]]


def read_studies(folder: Path) -> list[WrittenStudy]:
    """The studies of an unpacked download."""
    document = json.loads((folder / "aggregated_metadata.json").read_text())
    studies = []
    for accession, experiment in document["experiments"].items():
        with (folder / accession / f"{accession}.tsv").open(newline="") as file:
            header, *rows = csv.reader(file, delimiter="\t")
        titles = [document["samples"][name]["refinebio_title"] for name in header[1:]]
        studies.append(
            WrittenStudy(
                accession,
                experiment["technology"],
                experiment["organisms"][0],
                [row[0] for row in rows],
                header[1:],
                titles,
                [row[1:] for row in rows],
            )
        )
    return studies


def write_matrix_with_sheet(study: WrittenStudy, folder: Path) -> str:
    """A CSV with quotes, and a sheet in another order of samples."""
    home = folder / study.accession
    home.mkdir(parents=True)
    rows = [
        ["gene", *study.samples],
        *([g, *c] for g, c in zip(study.genes, study.cells, strict=True)),
    ]
    (home / "expression.csv").write_text(_csv(rows, ",", csv.QUOTE_ALL))
    members = sorted(zip(study.samples, study.titles, strict=True), reverse=True)
    instrument = _INSTRUMENTS[study.technology]
    sheet = [["sample_id", "title", "organism", "platform"]]
    sheet += [[name, title, study.organism, instrument] for name, title in members]
    (home / "samples.csv").write_text(_csv(sheet, ",", csv.QUOTE_MINIMAL))
    return study.accession


def write_columns_named_by_title(study: WrittenStudy, folder: Path) -> str:
    """Titles as R's make.names writes them in place of accessions, row names without a header."""
    home = folder / study.accession
    home.mkdir(parents=True)
    names = [make_names(f"{number} {title}") for number, title in enumerate(study.titles)]
    lines = ["\t".join(names)]
    lines += ["\t".join([g, *c]) for g, c in zip(study.genes, study.cells, strict=True)]
    (home / "counts.txt").write_text("\n".join(lines) + "\n")
    sheet = [["accession", "title", "label", "species", "instrument_model"]]
    sheet += [
        [name, title, f"{number} {title}", study.organism, _INSTRUMENTS[study.technology]]
        for number, (name, title) in enumerate(zip(study.samples, study.titles, strict=True))
    ]
    (home / "coldata.tsv").write_text(_csv(sheet, "\t", csv.QUOTE_MINIMAL))
    return study.accession


def write_series_matrix(study: WrittenStudy, folder: Path, beside: str = "") -> str:
    """GEO's series matrix; with `beside`, its table is empty and the values are in that file."""
    folder.mkdir(parents=True, exist_ok=True)
    kind = "array" if study.technology == "MICROARRAY" else "high throughput sequencing"
    count = len(study.samples)
    lines = [
        f'!Series_title\t"Study {study.accession}"',
        f'!Series_geo_accession\t"{study.accession}"',
        '!Series_last_update_date\t"Nov 30 2020"',
        f'!Series_type\t"Expression profiling by {kind}"',
        f'!Series_sample_id\t"{" ".join(study.samples)} "',
        "",
        _quoted("!Sample_title", study.titles),
        _quoted("!Sample_geo_accession", study.samples),
        _quoted("!Sample_organism_ch1", [study.organism.replace("_", " ").capitalize()] * count),
        # The key of a characteristic is that of its cell.
        _quoted(
            "!Sample_characteristics_ch1", [("age: 4:5", "batch: b")[i % 2] for i in range(count)]
        ),
        _quoted("!Sample_platform_id", [_PLATFORMS[study.technology]] * count),
        "!series_matrix_table_begin",
        _quoted('"ID_REF"', study.samples),
    ]
    rows = ["\t".join([f'"{g}"', *c]) for g, c in zip(study.genes, study.cells, strict=True)]
    if beside:
        header = "\t".join(["GeneID", *study.samples])
        plain = ["\t".join([g, *c]) for g, c in zip(study.genes, study.cells, strict=True)]
        text = "\n".join([header, *plain]) + "\n"
        (folder / f"{study.accession}_{beside}.tsv.gz").write_bytes(gzip.compress(text.encode()))
        rows = []
    text = "\n".join([*lines, *rows, "!series_matrix_table_end"]) + "\n"
    path = folder / f"{study.accession}_series_matrix.txt.gz"
    path.write_bytes(gzip.compress(text.encode()))
    return study.accession


def write_series_with_counts(study: WrittenStudy, folder: Path) -> str:
    """A series without values, and a file with them beside it."""
    return write_series_matrix(study, folder, "values")


def write_nfcore(study: WrittenStudy, folder: Path) -> str:
    """The results of nf-core/rnaseq; each sample has two lines in the sheet."""
    home = folder / study.accession
    (home / "star_salmon").mkdir(parents=True)
    (home / "multiqc").mkdir()
    (home / "multiqc" / "multiqc_data.tsv").write_text("a\tb\n")
    header = ["gene_id", "gene_name", *map(make_names, study.samples)]
    rows = [[g, f"N{n}", *c] for n, (g, c) in enumerate(zip(study.genes, study.cells, strict=True))]
    path = home / "star_salmon" / "salmon.merged.gene_tpm.tsv"
    path.write_text(_csv([header, *rows], "\t", csv.QUOTE_MINIMAL))
    sheet = [["sample", "fastq_1", "fastq_2", "strandedness", "title", "organism"]]
    for name, title in zip(study.samples, study.titles, strict=True):
        for lane in (1, 2):
            sheet.append([name, f"{name}_{lane}.fq.gz", "", "auto", title, study.organism])
    (home / "samplesheet.csv").write_text(_csv(sheet, ",", csv.QUOTE_MINIMAL))
    return study.accession


def write_expression_atlas(study: WrittenStudy, folder: Path) -> str:
    """An experiment of Expression Atlas, whose accession is its own."""
    accession = f"E-GEOD-{re.sub('[^0-9]', '', study.accession)}"
    home = folder / accession
    home.mkdir(parents=True)
    is_array = study.technology == "MICROARRAY"
    kind = "A-AFFY-44-normalized-expressions.tsv" if is_array else "raw-counts.tsv"
    rows = [["Gene ID", "Gene Name", *study.samples]]
    rows += [[g, "", *c] for g, c in zip(study.genes, study.cells, strict=True)]
    (home / f"{accession}-{kind}").write_text(_csv(rows, "\t", csv.QUOTE_MINIMAL))
    sheet = [
        ["Source Name", "Comment [Sample_title]", "Characteristics[organism]", "Protocol REF",
         "Protocol REF", "Assay Name", "FactorValue [disease]"]
    ]  # fmt: skip
    for name, title in zip(study.samples, study.titles, strict=True):
        organism = study.organism.replace("_", " ").capitalize()
        sheet += [[f"{name} 1", title, organism, "P-1", protocol, name, ""] for protocol in "ab"]
    (home / f"{accession}.sdrf.txt").write_text(_csv(sheet, "\t", csv.QUOTE_MINIMAL))
    (home / f"{accession}.idf.txt").write_text("Investigation Title\tA study\n")
    return accession


WRITERS: dict[str, Callable[[WrittenStudy, Path], str]] = {
    "matrix_with_sheet": write_matrix_with_sheet,
    "columns_named_by_title": write_columns_named_by_title,
    "series_matrix": write_series_matrix,
    "series_with_counts": write_series_with_counts,
    "nfcore_rnaseq": write_nfcore,
    "expression_atlas": write_expression_atlas,
}


def make_names(text: str) -> str:
    """R's make.names for one name."""
    name = re.sub(r"[^A-Za-z0-9._]", ".", text)
    return name if re.match(r"[A-Za-z]|\.(?![0-9])", name) else f"X{name}"


def _quoted(key: str, values: list[str]) -> str:
    return "\t".join([key, *(f'"{value}"' for value in values)])


def _csv(rows: list[list[str]], delimiter: str, quoting: int) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator="\n").writerows(rows)
    return text.getvalue()
