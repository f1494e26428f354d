"""A study in any format, damaged at random, is loaded with the values that a plain reader gives, or
refused for a true reason.

Each study is written from known values. The plain reader knows the format, and so needs to guess
nothing; it shares no code with the loader.
"""

import bz2
import gzip
import hashlib
import io
import lzma
import math
import re
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from conftest import WarehouseUnderTest, events
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

GENES, SAMPLES = 14, 4
Row = tuple[str, str, float | None]


@dataclass
class File:
    """One file of a study, and how it is laid out: what a mutation changes.

    lines      without line ends
    header     the place of the line of names among them; None if there is none
    first      that of the first line of values
    end        how many lines follow the last line of values
    ids        the column of the gene ids
    columns    column → sample
    is_table   whether it has all samples, and not one of them
    quotes     whether cells are in quotes
    """

    name: str
    lines: list[str]
    header: int | None
    first: int
    columns: dict[int, str]
    delimiter: str = "\t"
    decimal: str = "."
    ids: int = 0
    end: int = 0
    is_table: bool = True
    has_quotes: bool = False
    line_end: str = "\n"
    has_last_end: bool = True
    has_trailing_delimiter: bool = False
    encoding: str = "utf-8"
    compress: Callable[[bytes], bytes] = bytes
    is_cut: bool = False

    @property
    def content(self) -> bytes:
        text = self.line_end.join(self.lines) + (self.line_end if self.has_last_end else "")
        if self.encoding == "utf-8":
            raw = text.encode("utf-8", "surrogateescape")
        else:
            raw = text.encode(self.encoding, "replace")
        raw = self.compress(raw)
        return raw[: len(raw) // 2] if self.is_cut else raw

    @property
    def last(self) -> int:
        """The place of the line after the last one of values."""
        return len(self.lines) - self.end

    def cells(self, place: int) -> list[str]:
        return split(self.lines[place], self.delimiter)

    def set_cells(self, place: int, cells: list[str]) -> None:
        quoted = (
            f'"{cell}"' if self.has_quotes or self.delimiter in cell else cell for cell in cells
        )
        self.lines[place] = self.delimiter.join(quoted)


@dataclass
class Written:
    """A study in a format: the file that is damaged, the others, and its settings.

    others  the values that other files of the study have
    ids     the ids of their lines
    """

    accession: str
    file: File
    texts: dict[str, str]
    settings: str
    others: list[Row] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        home = folder / self.accession
        home.mkdir(parents=True)
        for name, content in {
            **{name: text.encode() for name, text in self.texts.items()},
            self.file.name: self.file.content,
        }.items():
            (home / name).parent.mkdir(exist_ok=True)
            (home / name).write_bytes(content)


def split(line: str, delimiter: str) -> list[str]:
    """The cells of a line; raises ValueError for quotes that are no quotes of a cell."""
    cells, rest = [], line
    while True:
        if rest.startswith('"'):
            match = re.match(r'"((?:[^"]|"")*)"', rest)
            if not match or rest[match.end() : match.end() + 1] not in ("", delimiter):
                raise ValueError("quote")
            cells.append(match[1].replace('""', '"'))
            rest = rest[match.end() :]
        else:
            cell, _, _ = rest.partition(delimiter)
            cells.append(cell)
            rest = rest[len(cell) :]
        if not rest:
            return cells
        rest = rest[1:]
        if not rest:
            return [*cells, ""]


# --- Valid studies in each format -----------------------------------------------------------------


def value_of(number: int, gene: int, sample: int) -> int:
    return (number * 7919 + gene * 104_729 + sample * 1_299_709) % 20_011


def ensembl(gene: int) -> str:
    return f"ENSG{gene * 7 + 3:011}"


COUNTS = "{technology: RNA-SEQ, organism: HOMO_SAPIENS, units: COUNTS}"
LOG2 = "{technology: MICROARRAY, organism: HOMO_SAPIENS, units: LOG2}"


def names_of(number: int) -> list[str]:
    return [f"S{number}x{n}" for n in range(SAMPLES)]


def sheet_of(samples: list[str]) -> str:
    return "sample,title\n" + "".join(f"{name},healthy {name}\n" for name in samples)


def grid(number: int, is_log: bool = False) -> list[list[str]]:
    """Cells, one row per gene; one is missing."""
    rows = [[value_of(number, g, s) for s in range(SAMPLES)] for g in range(GENES)]
    cells = [[f"{v / 1601:.3f}" if is_log else str(v) for v in row] for row in rows]
    cells[3][1] = "NA"
    return cells


def table(
    number: int,
    id_of: Callable[[int], str] = ensembl,
    *,
    is_log: bool = False,
    name: str = "counts.tsv",
    head: list[str] | None = None,
    **layout,
) -> Written:
    """A matrix with a sample sheet. `head`: the names before those of the samples."""
    samples, head = names_of(number), head or ["gene"]
    accession = f"T{number}"
    file = File(
        name, [], header=0, first=1, columns=dict(enumerate(samples, start=len(head))), **layout
    )
    decimal = file.decimal
    file.lines = [""] * (GENES + 1)
    file.set_cells(0, [*head, *samples])
    for g, cells in enumerate(grid(number, is_log), start=1):
        extra = [f"text, {g}é"] * (len(head) - 1)
        file.set_cells(g, [id_of(g), *extra, *(cell.replace(".", decimal) for cell in cells)])
    texts = {"samples.csv": sheet_of(samples)}
    return Written(accession, file, texts, LOG2 if is_log else COUNTS)


def series(number: int) -> Written:
    written = table(number, is_log=True, has_quotes=False, head=['"ID_REF"'])
    samples, file = names_of(number), written.file
    accession = f"GSE{number + 500_000}"
    quoted = "\t".join(f'"{name}"' for name in samples)
    before = [
        f'!Series_geo_accession\t"{accession}"',
        '!Series_type\t"Expression profiling by array"',
        f"!Sample_title\t{quoted}",
        f"!Sample_geo_accession\t{quoted}",
        "\t".join(["!Sample_organism_ch1", *['"Homo sapiens"'] * SAMPLES]),
        "!series_matrix_table_begin",
    ]
    file = replace(
        file,
        name=f"{accession}_series_matrix.txt",
        lines=[*before, *file.lines, "!series_matrix_table_end"],
        header=len(before),
        first=len(before) + 1,
        end=1,
    )
    return Written(accession, file, {}, LOG2)


def one_per_sample(number: int, kind: str) -> Written:
    """A file of each sample; the second is damaged."""
    accession, samples = f"P{number}", names_of(number)
    texts, others = {"samples.csv": sheet_of(samples)}, []
    suffix = {"HTSEQ": ".htseq.txt", "STAR": "_ReadsPerGene.out.tab", "FEATURES": ".txt"}[kind]
    for s, sample in enumerate(samples):
        lines: list[str] = []
        if kind == "STAR":
            lines = [f"N_{what}\t9\t9\t9" for what in ("unmapped", "multimapping")]
        if kind == "FEATURES":
            lines = [
                "# Program:featureCounts v2.0.1; Command:x",
                f"Geneid\tChr\tStart\tEnd\tStrand\tLength\t{sample}.bam",
            ]
        first = 2 if kind == "FEATURES" else 0
        for g in range(GENES):
            count = value_of(number, g, s)
            between = {"HTSEQ": "", "STAR": "", "FEATURES": "chr1\t5\t9\t+\t4\t"}[kind]
            after = f"\t{count // 2}\t{count // 3}" if kind == "STAR" else ""
            lines.append(f"{ensembl(g)}\t{between}{count}{after}")
            if s != 1:
                others.append((ensembl(g), sample, float(count)))
        if kind == "HTSEQ":
            lines += ["__no_feature\t5", "__ambiguous\t7"]
        if s == 1:
            value = 6 if kind == "FEATURES" else 1
            header = 1 if kind == "FEATURES" else None
            file = File(sample + suffix, lines, header, first, {value: sample}, is_table=False)
        else:
            texts[sample + suffix] = "\n".join(lines) + "\n"
    ids = [line.split("\t")[0] for line in file.lines[file.first :]]
    return Written(accession, file, texts, COUNTS, others, ids)


def nfcore(number: int) -> Written:
    written = table(number, head=["gene_id", "gene_name"])
    name = "star_salmon/salmon.merged.gene_counts.tsv"
    samples = names_of(number)
    sheet = "sample,fastq_1,fastq_2,strandedness\n"
    sheet += "".join(f"{name},{name}.fq.gz,,auto\n" for name in samples)
    settings = "{organism: HOMO_SAPIENS}"
    return Written(
        f"N{number}", replace(written.file, name=name), {"samplesheet.csv": sheet}, settings
    )


def atlas(number: int) -> Written:
    accession, samples = f"E-MTAB-{number}", names_of(number)
    file = replace(table(number, head=["Gene ID", "Gene Name"]).file)
    file.name = f"{accession}-raw-counts.tsv"
    sheet = "Source Name\tCharacteristics[organism]\tAssay Name\n"
    sheet += "".join(f"{name} 1\tHomo sapiens\t{name}\n" for name in samples)
    return Written(accession, file, {f"{accession}.sdrf.txt": sheet}, "{units: COUNTS}")


def packed(name: str) -> Callable[[bytes], bytes]:
    def zipped(raw: bytes) -> bytes:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr("counts.tsv", raw)
        return content.getvalue()

    return {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "zip": zipped}[name]


FORMS: dict[str, Callable[[int], Written]] = {
    "quoted CSV": lambda n: table(
        n, is_log=True, name="a.csv", delimiter=",", has_quotes=True, head=["gene", "description"]
    ),
    "semicolon": lambda n: table(n, is_log=True, name="a.csv", delimiter=";", decimal=","),
    "gzip": lambda n: table(n, name="counts.tsv.gz", compress=packed("gzip")),
    "UTF-16": lambda n: table(n, encoding="utf-16", head=["gene", "description"]),
    "latin-1": lambda n: table(n, encoding="latin-1", head=["gene", "description"]),
    "symbols": lambda n: table(n, lambda g: f"SYM{g}"),
    "versions": lambda n: table(n, lambda g: f"{ensembl(g)}.{g}"),
    "Entrez": lambda n: table(n, lambda g: str(100 * g + 7)),
    "series": series,
    "HTSeq": lambda n: one_per_sample(n, "HTSEQ"),
    "STAR": lambda n: one_per_sample(n, "STAR"),
    "featureCounts": lambda n: one_per_sample(n, "FEATURES"),
    "nf-core": nfcore,
    "Atlas": atlas,
}


# --- Mutations ------------------------------------------------------------------------------------

# Codes that a value may be refused with: it is no number, or not one of the unit.
VALUE = {1004, 54020, 2007, 2011}
# The line has other cells, or the files of samples have other genes.
LAYOUT = {1002, 1009}
ID = {2006, 1003, 1002}


@dataclass(frozen=True)
class Mutation:
    """One change of a file. `where` and `which` choose a line and a column."""

    kind: str
    where: int
    which: int
    text: str = ""

    @property
    def codes(self) -> frozenset[int]:
        """What the study may be refused for."""
        return frozenset(KINDS[self.kind][1])

    def apply(self, file: File) -> None:
        KINDS[self.kind][0](self, file)

    def place(self, file: File) -> int:
        """A line of values."""
        return file.first + self.where % (file.last - file.first)

    def column(self, file: File) -> int:
        return sorted(file.columns)[self.which % len(file.columns)]


def set_line_end(m: Mutation, file: File) -> None:
    file.line_end = "\r\n"


def add_blank_lines(m: Mutation, file: File) -> None:
    if not file.end:
        file.lines += [""] * (1 + m.where % 3)
        file.end += 1 + m.where % 3


def drop_last_end(m: Mutation, file: File) -> None:
    file.has_last_end = False


def end_lines_with_delimiter(m: Mutation, file: File) -> None:
    if file.header is not None and file.is_table:
        for place in (file.header, *range(file.first, file.last)):
            file.lines[place] += file.delimiter
        file.has_trailing_delimiter = True


def quote_all(m: Mutation, file: File) -> None:
    places = [*range(file.first, file.last)]
    if file.is_table and file.header is not None:
        places.append(file.header)
    file_cells = {place: file.cells(place) for place in places}
    file.has_quotes = True
    for place, cells in file_cells.items():
        file.set_cells(place, cells)


def quote_cell(m: Mutation, file: File) -> None:
    place = m.place(file)
    cells = file.cells(place)
    if not file.has_quotes and not any(file.delimiter in cell for cell in cells):
        at = (file.ids, m.column(file))[m.which % 2]
        cells[at] = f'"{cells[at]}"'
        file.lines[place] = file.delimiter.join(cells)


def mark_order(m: Mutation, file: File) -> None:
    if file.encoding == "utf-8":
        file.encoding = "utf-8-sig"


def set_encoding(m: Mutation, file: File) -> None:
    file.encoding = ("utf-16", "utf-16-le", "utf-16-be", "utf-8-sig")[m.which % 4]


def compress(m: Mutation, file: File) -> None:
    file.compress = packed(("gzip", "bzip2", "xz", "zip")[m.which % 4])


def cut_compressed(m: Mutation, file: File) -> None:
    file.compress = packed(("gzip", "bzip2", "xz")[m.which % 3])
    file.is_cut = True


def add_comments(m: Mutation, file: File) -> None:
    if not file.lines[0].startswith("!"):
        count = 1 + m.which % 2
        file.lines[:0] = ["# made by a pipeline"] * count
        file.first += count
        file.header = None if file.header is None else file.header + count


def swap_lines(m: Mutation, file: File) -> None:
    a, b = m.place(file), replace(m, where=m.where // 7).place(file)
    file.lines[a], file.lines[b] = file.lines[b], file.lines[a]


def repeat_line(m: Mutation, file: File) -> None:
    place = m.place(file)
    file.lines.insert(place, file.lines[place])


def delete_line(m: Mutation, file: File) -> None:
    del file.lines[m.place(file)]


def delete_header(m: Mutation, file: File) -> None:
    if file.header is not None:
        del file.lines[file.header]
        file.header, file.first = -1, file.first - 1


def insert_empty_line(m: Mutation, file: File) -> None:
    file.lines.insert(m.place(file), "")


def insert_return(m: Mutation, file: File) -> None:
    place = m.place(file)
    line = file.lines[place]
    at = 1 + m.which % (len(line) - 1)
    file.lines[place] = f"{line[:at]}\r{line[at:]}"


def open_quote(m: Mutation, file: File) -> None:
    place = m.place(file)
    file.lines[place] = f'"{file.lines[place].removeprefix(chr(34))}'.replace(
        f'"{file.delimiter}', file.delimiter, 1
    )


def delete_cell(m: Mutation, file: File) -> None:
    place = m.place(file)
    cells = file.cells(place)
    del cells[m.column(file)]
    file.set_cells(place, cells)


def repeat_cell(m: Mutation, file: File) -> None:
    place, column = m.place(file), m.column(file)
    cells = file.cells(place)
    file.set_cells(place, [*cells[: column + 1], *cells[column:]])


def delete_column(m: Mutation, file: File) -> None:
    if not file.is_table:
        return
    column = m.column(file)
    for place in (file.header, *range(file.first, file.last)):
        cells = file.cells(place)
        file.set_cells(place, cells[:column] + cells[column + 1 :])
    file.columns = {
        at - (at > column): sample for at, sample in file.columns.items() if at != column
    }


def repeat_column(m: Mutation, file: File) -> None:
    if not file.is_table:
        return
    column = m.column(file)
    for place in (file.header, *range(file.first, file.last)):
        cells = file.cells(place)
        file.set_cells(place, [*cells[: column + 1], *cells[column:]])
    file.columns = {at: s for at, s in file.columns.items() if at <= column} | {
        at + 1: s for at, s in file.columns.items() if at >= column
    }


def change_delimiter(m: Mutation, file: File) -> None:
    """Another one on all lines of a table, or on one line."""
    other = "\t;, "[m.which % 4]
    places = [m.place(file)]
    if m.where % 2 and file.is_table and not file.end:
        places = [file.header, *range(file.first, file.last)]
    before, cells = file.delimiter, {place: file.cells(place) for place in places}
    if len(places) > 1 and not any(other in cell for line in cells.values() for cell in line):
        file.delimiter = other
        for place, line in cells.items():
            file.set_cells(place, line)
    elif len(places) == 1:
        file.lines[places[0]] = file.lines[places[0]].replace(before, other)


def set_value(m: Mutation, file: File) -> None:
    place = m.place(file)
    # Without a header, a file of one sample is known by the value of its first line.
    if file.header is None and place == file.first and not m.text:
        return
    cells = file.cells(place)
    cells[m.column(file)] = m.text
    file.set_cells(place, cells)


def set_id(m: Mutation, file: File) -> None:
    place = m.place(file)
    cells = file.cells(place)
    cells[file.ids] = m.text.format(cells[file.ids])
    if file.encoding != "latin-1" or cells[file.ids].isascii():
        file.set_cells(place, cells)


def insert_byte(m: Mutation, file: File) -> None:
    """A byte that is not UTF-8, in an id."""
    if file.encoding == "utf-8":
        set_id(replace(m, text="{}\udcff"), file)


NUMBERS = ["0", "+7", "007", " 12 ", "1E1", "3.", "8.50", "1e-3", "-0", "-3", "1e300", "12,5", ".5"]
TEXTS = [
    "high", "1e999", "nAn", "-nan", "1,234", "1,234,567", "1.234,5", "0x1p3", "1_0", "--1", "1e", "1 5",
    "-", " ", "TRUE", "#DIV/0!", "<0.1", "1.5\u00a0", "\uff11", "12\x00", "2024-01-02", "1;5", "inf ", "5%",
]  # fmt: skip
MISSING = ["", "NA", "N/A", "#N/A", "na", "n/a", "NaN", "nan", "NAN", "NULL", "Null", "null"]
IDS = ["{}.3", "{}_at", "{} b", "NA", "", "__no_feature", "ERCC-00002", "AFFX-BioB", "{}" + "x" * 60,
       "gene, of {}", "{}'s", "NULL", "--", "ABC"]  # fmt: skip
NO_IDS = ["{} ", " {}", "{}é", "{}\x00", "{}\u00a0", "\u200b{}", "Sep-1", "1-Mar", "2.31E+13"]

# Kind → what it does, and what the study may be refused for.
KINDS: dict[str, tuple[Callable[[Mutation, File], None], set[int]]] = {
    "set_line_end": (set_line_end, set()),
    "add_blank_lines": (add_blank_lines, set()),
    "drop_last_end": (drop_last_end, set()),
    "end_lines_with_delimiter": (end_lines_with_delimiter, set()),
    "quote_all": (quote_all, set()),
    "quote_cell": (quote_cell, set()),
    "mark_order": (mark_order, set()),
    "set_encoding": (set_encoding, set()),
    "compress": (compress, set()),
    "cut_compressed": (cut_compressed, {1006}),
    "add_comments": (add_comments, set()),
    "swap_lines": (swap_lines, set()),
    "repeat_line": (repeat_line, {1002}),
    "delete_line": (delete_line, {1002}),
    "delete_header": (delete_header, {1001, 1002, 1009, 1014, 54010, 2004, 2006}),
    "insert_empty_line": (insert_empty_line, LAYOUT),
    "insert_return": (insert_return, LAYOUT),
    "open_quote": (open_quote, {1002, 1009}),
    "delete_cell": (delete_cell, LAYOUT),
    "repeat_cell": (repeat_cell, LAYOUT),
    "delete_column": (delete_column, set()),
    "repeat_column": (repeat_column, {2004}),
    "change_delimiter": (change_delimiter, LAYOUT),
    "set_number": (set_value, VALUE | {1002, 1009}),
    "set_text": (set_value, VALUE | {1002, 1009}),
    "set_missing": (set_value, set()),
    "set_infinite": (set_value, set()),
    "set_id": (set_id, LAYOUT),
    "set_no_id": (set_id, ID | {2014}),
    "insert_byte": (insert_byte, ID),
}
# Form and kind → what only they may be refused for as well: a series matrix has no values if an empty
# line follows its header, and in Latin-1 a text can be a byte that is not UTF-8.
OF_FORM = {("series", "insert_empty_line"): {1001}, ("latin-1", "set_text"): {1003}}
CHOICES = {
    "set_number": NUMBERS, "set_text": TEXTS, "set_missing": MISSING, "set_infinite": ["inf", "-Inf", "Infinity"],
    "set_id": IDS, "set_no_id": NO_IDS,
}  # fmt: skip

numbers = st.integers(0, 10_000)
mutations = st.sampled_from(list(KINDS)).flatmap(
    lambda kind: st.builds(
        Mutation, st.just(kind), numbers, numbers, st.sampled_from(CHOICES.get(kind, [""]))
    )
)


# --- The plain reader -----------------------------------------------------------------------------

NUMBER = re.compile(r" *[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)? *")
INFINITE = re.compile(r" *[-+]?inf(?:inity)? *", re.IGNORECASE)
NO_GENE = re.compile(r" *(?:NA|NaN|null)? *|__\w+|N_\w+|AFFX-.*|ERCC-[0-9]{5}")


class UnreadableError(Exception):
    """Why a file has no values."""


@dataclass
class Plain:
    """What a file says.

    rows         those of genes
    ids          of all lines
    is_infinite  whether a value is infinite, and so missing
    dropped      how many lines are no genes
    """

    rows: list[Row] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    is_infinite: bool = False
    dropped: int = 0


def read_plainly(file: File) -> Plain:
    """Raises UnreadableError for what no reader can know."""
    if file.is_cut:
        raise UnreadableError("cut off")
    if file.header == -1:
        raise UnreadableError("no header")
    plain = Plain()
    try:
        filled = (place for place in range(file.first, file.last) if file.lines[place])
        width = len(file.cells(next(filled) if file.header is None else file.header))
    except ValueError as error:
        raise UnreadableError(str(error)) from error
    if width <= max(file.columns):
        raise UnreadableError(f"{width} cells")
    for place in range(file.first, file.last):
        read_line(file, place, width, plain)
    return plain


def read_line(file: File, place: int, width: int, plain: Plain) -> None:
    line = file.lines[place]
    if not line and not file.is_table:
        return
    if "\r" in line:
        raise UnreadableError("carriage return")
    try:
        cells = file.cells(place)
    except ValueError as error:
        raise UnreadableError(str(error)) from error
    if len(cells) != width:
        raise UnreadableError(f"{len(cells)} cells")
    gene = cells[file.ids]
    plain.ids.append(gene)
    if NO_GENE.fullmatch(gene):
        gene = ""
        plain.dropped += 1
    elif not re.fullmatch(r"[!-~](?:[ -~]*[!-~])?", gene):
        raise UnreadableError(f"gene id {gene!r}")
    elif re.fullmatch(r"[A-Z][a-z]{2}-[0-9]+|[0-9]+-[A-Z][a-z]{2}|[0-9.]+E\+[0-9]+", gene):
        raise UnreadableError(f"date {gene}")
    if len(gene) > 50:
        gene = f"{gene[:33].rstrip()}~{hashlib.sha256(gene.encode()).hexdigest()[:16]}"
    # What is no number on a line that is dropped may be found or not.
    for column, sample in file.columns.items():
        text = cells[column]
        value = None
        if INFINITE.fullmatch(text):
            plain.is_infinite |= bool(gene)
        elif text not in MISSING and (gene or not re.fullmatch("-?nan|1e999", text, re.IGNORECASE)):
            value = number_of(text, file.decimal)
        if gene:
            plain.rows.append((gene, sample, value))


def number_of(text: str, decimal: str) -> float:
    if decimal == "," and "." in text:
        raise UnreadableError(f"point in {text!r}")
    text = text.replace(",", ".", 1) if decimal == "," else text
    if not NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise UnreadableError(f"value {text!r}")
    return float(text)


def expected_of(written: Written) -> Plain:
    """What a study says. Files of one sample each must have the same genes."""
    file = written.file
    samples = list(file.columns.values())
    if len(set(samples)) < len(samples):
        raise UnreadableError("sample twice")
    plain = read_plainly(file)
    if not file.is_table and sorted(plain.ids) != sorted(written.ids):
        raise UnreadableError("other genes")
    plain.rows += written.others
    return plain


# --- The property ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    form: str
    mutation: Mutation
    written: Written = field(repr=False)

    @property
    def codes(self) -> frozenset[int]:
        """What the study may be refused for."""
        return self.mutation.codes | OF_FORM.get((self.form, self.mutation.kind), set())


def draw_cases(count: int) -> list[Case]:
    cases: list[Case] = []

    @settings(
        max_examples=count, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.sampled_from(list(FORMS)), mutations)
    def draw(form: str, mutation: Mutation) -> None:
        written = FORMS[form](len(cases) + 1)
        mutation.apply(written.file)
        cases.append(Case(form, mutation, written))

    draw()
    return cases


def load(warehouse: WarehouseUnderTest, cases: list[Case]) -> list[dict]:
    """Ingest all studies; return what the loader printed."""
    config = warehouse.folder / "pipeline.yaml"
    lines = [f"  {case.written.accession}: {case.written.settings}\n" for case in cases]
    config.write_text("studies:\n" + "".join(lines))
    for case in cases:
        case.written.write(warehouse.folder / "downloads")
    result = warehouse.loader("ingest", warehouse.folder / "downloads", "--config", config)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return events(result)


@pytest.mark.parametrize("count", [30, pytest.param(1000, marks=pytest.mark.long)])
def test_a_mutated_study_is_loaded_as_a_plain_reader_has_it_or_refused(warehouse, count):
    cases = draw_cases(count)
    cases += [
        Case(form, Mutation("set_line_end", 0, 0), FORMS[form](count + n))
        for n, form in enumerate(FORMS, start=1)
    ]
    printed = load(warehouse, cases)
    staged: dict[str, list[Row]] = {}
    for accession, *row in warehouse.query(
        "select b.study_accession_code, r.gene_id, r.sample_accession_code, r.expression_value"
        " from staging.expression_rows as r inner join staging.batch as b on r.batch_id = b.batch_id"
        " where b.status = 'STAGED'"
    ):
        staged.setdefault(accession, []).append(tuple(row))
    faults = [
        fault
        for case in cases
        if (fault := fault_of(case, printed, staged.get(case.written.accession)))
    ]
    assert faults == []


def fault_of(case: Case, printed: list[dict], rows: list[Row] | None) -> object:
    """What is wrong with the outcome of a case; None if it is as it should be."""
    own = [event for event in printed if is_about(event, case.written.accession)]
    codes = [event["error_code"] for event in own if event["step"] == "failed"]
    doubts = {int(event["error"].split()[0]) for event in own if event["step"] == "doubted"}
    try:
        plain = expected_of(case.written)
    except UnreadableError as error:
        is_right = rows is None and len(codes) == 1 and set(codes) <= case.codes
        return None if is_right else (case, "unreadable", str(error), codes, doubts)
    if codes:
        is_right = rows is None and len(codes) == 1 and set(codes) <= case.codes - {1002}
        return None if is_right else (case, "refused", own[-1])
    if Counter(rows) != Counter(plain.rows):
        found, expected = Counter(rows), Counter(plain.rows)
        return case, "silent", (found - expected, expected - found)
    if (2016 in doubts) != plain.is_infinite or (plain.dropped and 2013 not in doubts):
        return case, "findings", doubts
    return None


def is_about(event: dict, accession: str) -> bool:
    return (
        event.get("study_accession") == accession
        or accession in Path(str(event.get("file") or "")).parts
    )
