"""Formats that are recognised by their first bytes, and refused by name with what helps."""

import re

from expression_warehouse.core.errors import UserError

_TRANSCRIPTS = "Sum transcripts to genes first (in R: tximport with tx2gene)"
_FIVE = rb"[0-9.eE+-]+(?:,[0-9.eE+-]+){4}"

# Pattern of the first bytes; the format; what to do.
_FORMATS = [
    (
        re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        "an Excel workbook (.xls) or another file of Office",
        "Save the table as text: tab-separated, or CSV",
    ),
    (
        re.compile(rb"\x1f\x8b|BZh[1-9]1AY|\xfd7zXZ\x00|PK\x03\x04"),
        "a text that was compressed twice",
        "Unpack it once",
    ),
    (
        re.compile(rb"(?s:.{257}ustar)|7z\xbc\xaf\x27\x1c|Rar!\x1a\x07"),
        "an archive of several files (tar, 7z, rar)",
        "Unpack it, and name the folder",
    ),
    (
        re.compile(rb"\x89HDF\r\n\x1a\n"),
        "an HDF5 file, such as .h5ad of AnnData or .h5 of recount3 and 10x",
        "Write its matrix and its table of samples as text (in Python: adata.to_df().T.to_csv and "
        "adata.obs.to_csv)",
    ),
    (
        re.compile(rb"RD[AX][23]\n|[AX]\n\x00\x00\x00[\x02\x03]"),
        "a file of R objects (.rds, .RData)",
        "Write its matrix and its table of samples as text (in R: write.table)",
    ),
    (
        re.compile(rb"\^(?:DATABASE|SERIES|PLATFORM|SAMPLE) = "),
        "a SOFT file of GEO",
        "Download the series matrix of the study in its place",
    ),
    (
        re.compile(rb"%%MatrixMarket"),
        "a sparse MatrixMarket file of single cells",
        "Sum cells to samples first, and write one line per gene",
    ),
    (
        re.compile(rb"##annotation=\S+\r?\n##date\.generated="),
        "base coverage of recount3 (gene_sums), which is no count of reads",
        "Divide it by the read lengths first (in R: recount3::compute_read_counts), and write "
        "the counts as text",
    ),
    (
        re.compile(rb"Name\tLength\tEffectiveLength\tTPM\tNumReads"),
        "quant.sf of salmon: its lines are transcripts",
        _TRANSCRIPTS,
    ),
    (
        re.compile(rb"target_id\tlength\teff_length\test_counts\ttpm"),
        "abundance.tsv of kallisto: its lines are transcripts",
        _TRANSCRIPTS,
    ),
    (
        re.compile(
            rb"[^\n]*\babundance\.[^\n]*\bcounts\.[^\n]*\blength\.[^\n]*countsFromAbundance"
        ),
        "the whole list of tximport: abundances, counts and lengths in one table",
        "Write its counts alone (in R: write.csv(txi$counts)), with units: ESTIMATED_COUNTS in "
        "pipeline.yaml",
    ),
    (
        re.compile(rb"transcript_id\tgene_id\tlength\teffective_length"),
        "isoforms.results of RSEM: its lines are transcripts",
        "Load genes.results in its place",
    ),
    (
        re.compile(rb"Gene ID\tGene Name\tGeneID\t"),
        "transcripts of Expression Atlas: its lines are transcripts",
        "Load the raw counts per gene of the experiment in its place",
    ),
    (
        re.compile(rb"[^\n]*\n[^\n\t]*\t(?:[^\n\t]*\t)?" + _FIVE + rb"(?:\t" + _FIVE + rb")*\r?\n"),
        "a table of Expression Atlas with five numbers per cell (minimum, quartiles, maximum of a "
        "group of runs), which has no samples",
        "Load the raw counts of the experiment (…-raw-counts.tsv) in its place",
    ),
]


_NAMES = re.compile(
    r".*\.(?:h5ad|h5|hdf5|loom|rds|rdata|rda|xlsx?|mtx|soft|tar|7z|rar)(?:\.gz)?|.*\.tgz|quant\.sf",
    re.IGNORECASE,
)


def is_of_other_format(name: str) -> bool:
    """Whether a file has the name of a known format that is no matrix."""
    return bool(_NAMES.fullmatch(name))


def refuse_other_formats(head: bytes, label: str) -> None:
    """Raises UserError 1013 if a text that begins with `head` is no matrix, but a known format."""
    for pattern, name, action in _FORMATS:
        if pattern.match(head):
            raise UserError(
                "EXTRACTION_FORMAT_UNSUPPORTED", f"this is {name}", file=label, action=action
            )
