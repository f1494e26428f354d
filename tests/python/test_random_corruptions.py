"""A corrupted study is either loaded with exactly the values of its file, or held back for a true
reason: no wrong number ever stands in the fact.

Real values of a published study, damaged at random. A strict reader of the test's own, which shares
nothing with the loader, reads each damaged download and lists all that is wrong with it.
"""

import csv
import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from conftest import WarehouseUnderTest, events
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

LOADED = 0
SAMPLE_COUNT = 30
BOM = b"\xef\xbb\xbf"


@dataclass
class Files:
    """One study's download as it will be written: what a corruption changes."""

    accession: str
    matrix: bytes
    metadata: bytes

    def write(self, folder: Path) -> None:
        (folder / self.accession).mkdir(parents=True)
        (folder / self.accession / f"{self.accession}.tsv").write_bytes(self.matrix)
        (folder / "aggregated_metadata.json").write_bytes(self.metadata)

    @property
    def lines(self) -> list[bytes]:
        return self.matrix.splitlines(keepends=True)

    @lines.setter
    def lines(self, lines: list[bytes]) -> None:
        self.matrix = b"".join(lines)

    @property
    def table(self) -> list[list[str]]:
        return [line.split("\t") for line in self.matrix.decode().splitlines()]

    @table.setter
    def table(self, table: list[list[str]]) -> None:
        self.matrix = "".join("\t".join(line) + "\n" for line in table).encode()

    def edit_metadata(self, change: Callable[[dict], object]) -> None:
        document = json.loads(self.metadata)
        change(document)
        self.metadata = json.dumps(document, indent=1).encode()

    def map_values(self, function: Callable[[float], float]) -> None:
        header, *lines = self.table
        self.table = [
            header,
            *([gene, *(repr(function(float(v))) for v in line)] for gene, *line in lines),
        ]


# --- What is real ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class RealStudy:
    """The first samples of GSE28750: log2 intensities of 55 genes as its publisher gave them."""

    table: list[list[str]]
    experiment: dict[str, Any]
    samples: dict[str, dict[str, Any]]
    download: dict[str, Any]

    @classmethod
    def read(cls, panel: Path) -> "RealStudy":
        text = (panel / "GSE28750" / "GSE28750.tsv").read_text(encoding="utf-8")
        table = [line.split("\t")[: SAMPLE_COUNT + 1] for line in text.splitlines()]
        document = json.loads((panel / "aggregated_metadata.json").read_text(encoding="utf-8"))
        samples, experiments = document.pop("samples"), document.pop("experiments")
        kept = {name: samples[name] for name in table[0][1:]}
        return cls(table, experiments["GSE28750"], kept, document)

    def under(self, accession: str, form: str) -> Files:
        """The study under another accession, its samples under names that no other study has.

        form  as an ARRAY, or the same values as refine.bio's RNA-seq pipeline gives them, TPM,
              or as read COUNTS
        """
        names = {name: f"{accession}_{name}" for name in self.samples}
        header, *lines = self.table
        technology = "MICROARRAY" if form == "ARRAY" else "RNA-SEQ"
        blocks = {
            names[name]: block | {"refinebio_accession_code": names[name]}
            for name, block in self.samples.items()
        }
        if form == "TPM":
            blocks = {
                name: block | {"refinebio_processor_name": "Tximport"}
                for name, block in blocks.items()
            }
        experiment = self.experiment | {
            "accession_code": accession,
            "technology": technology,
            "sample_accession_codes": list(names.values()),
        }
        document = self.download | {"experiments": {accession: experiment}, "samples": blocks}
        files = Files(accession, b"", json.dumps(document, indent=1).encode())
        files.table = [["Gene", *(names[name] for name in header[1:])], *lines]
        if form == "TPM":
            files.map_values(lambda x: round(2**x, 3))
        if form == "COUNTS":
            files.map_values(lambda x: max(0, round(2**x) - 8))
        return files


# --- What is corrupted ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Corruption:
    """Damage to a download. Lines and columns count from 1.

    outcomes  what may become of the study: LOADED, where a reader of the file cannot know better,
              and the codes of the errors that it may be held back for
    place     the one line that a fault of the matrix may be reported on; None for any
    """

    outcomes: ClassVar[frozenset[int]]

    @property
    def place(self) -> int | None:
        return None

    def apply(self, files: Files) -> None:
        raise NotImplementedError


# What another value in a cell leads to where it is a number: perhaps it no longer fits the unit.
VALUE = {LOADED, 54020, 2007, 2011}
INFINITE = re.compile(r" *[-+]?inf(inity)? *", re.IGNORECASE)
# What any other bytes in the matrix may lead to.
TEXT = {LOADED, 1002, 1003, 1004, 2004, 2006, 2014, 54010, 54020, 2007, 2011}


@dataclass(frozen=True)
class SetByte(Corruption):
    position: int
    byte: int
    outcomes = frozenset(TEXT)

    def apply(self, files: Files) -> None:
        raw = bytearray(files.matrix)
        raw[self.position % len(raw)] = self.byte
        files.matrix = bytes(raw)


@dataclass(frozen=True)
class InsertBytes(Corruption):
    position: int
    content: bytes
    outcomes = frozenset(TEXT)

    def apply(self, files: Files) -> None:
        at = self.position % (len(files.matrix) + 1)
        files.matrix = files.matrix[:at] + self.content + files.matrix[at:]


@dataclass(frozen=True)
class CutMatrix(Corruption):
    """A file that ends within a value is, to its reader, a file with another value."""

    position: int
    outcomes = frozenset(TEXT | {1001})

    def apply(self, files: Files) -> None:
        files.matrix = files.matrix[: self.position % len(files.matrix)]


@dataclass(frozen=True)
class DeleteLine(Corruption):
    """Without its header a matrix is none; without a gene it is another one."""

    line: int

    @property
    def outcomes(self) -> frozenset[int]:
        return frozenset({1002} if self.line == 1 else VALUE)

    def apply(self, files: Files) -> None:
        files.lines = [line for n, line in enumerate(files.lines, start=1) if n != self.line]


@dataclass(frozen=True)
class DuplicateLine(Corruption):
    line: int

    @property
    def outcomes(self) -> frozenset[int]:
        return frozenset({1004} if self.line == 1 else {LOADED})

    @property
    def place(self) -> int:
        return self.line + 1

    def apply(self, files: Files) -> None:
        lines = files.lines
        lines.insert(self.line, lines[self.line - 1])
        files.lines = lines


@dataclass(frozen=True)
class SwapLines(Corruption):
    """Genes stand in any order; the header stands first."""

    line: int
    other: int

    @property
    def outcomes(self) -> frozenset[int]:
        is_moved = 1 in (self.line, self.other) and self.line != self.other
        return frozenset({1002} if is_moved else {LOADED})

    def apply(self, files: Files) -> None:
        lines, a, b = files.lines, self.line - 1, self.other - 1
        lines[a], lines[b] = lines[b], lines[a]
        files.lines = lines


@dataclass(frozen=True)
class DeleteCell(Corruption):
    """The lines no longer have the columns of the header: the line itself, or all others. Without
    the name of the genes' column, the header is that of R."""

    line: int
    column: int

    @property
    def outcomes(self) -> frozenset[int]:
        return frozenset({LOADED} if self.line == self.column == 1 else {1002})

    @property
    def place(self) -> int:
        return max(self.line, 2)

    def apply(self, files: Files) -> None:
        table = files.table
        del table[self.line - 1][self.column - 1]
        files.table = table


@dataclass(frozen=True)
class DuplicateCell(Corruption):
    line: int
    column: int

    @property
    def outcomes(self) -> frozenset[int]:
        return frozenset({1002} if self.line > 1 or self.column == 1 else {2004})

    @property
    def place(self) -> int:
        return 2 if self.line == 1 and self.column == 1 else self.line

    def apply(self, files: Files) -> None:
        table = files.table
        table[self.line - 1].insert(self.column, table[self.line - 1][self.column - 1])
        files.table = table


@dataclass(frozen=True)
class DeleteColumn(Corruption):
    """A sample may be missing; the genes may not."""

    column: int

    @property
    def outcomes(self) -> frozenset[int]:
        return frozenset({1002} if self.column == 1 else VALUE)

    def apply(self, files: Files) -> None:
        at = self.column - 1
        files.table = [line[:at] + line[at + 1 :] for line in files.table]


@dataclass(frozen=True)
class DuplicateColumn(Corruption):
    """Genes that stand twice: the second time they are a description."""

    column: int

    @property
    def outcomes(self) -> frozenset[int]:
        return frozenset({LOADED} if self.column == 1 else {2004})

    def apply(self, files: Files) -> None:
        files.table = [[*line[: self.column], *line[self.column - 1 :]] for line in files.table]


@dataclass(frozen=True)
class SetCell(Corruption):
    """Another text for a value."""

    line: int
    column: int
    text: str

    @property
    def outcomes(self) -> frozenset[int]:
        is_readable = self.text in NUMBERS or self.text in MISSING or INFINITE.fullmatch(self.text)
        return frozenset(VALUE if is_readable else {1004, 1002})

    @property
    def place(self) -> int:
        return self.line

    def apply(self, files: Files) -> None:
        table = files.table
        table[self.line - 1][self.column - 1] = self.text
        files.table = table


@dataclass(frozen=True)
class NegateCell(Corruption):
    line: int
    column: int
    outcomes = frozenset(VALUE)

    def apply(self, files: Files) -> None:
        table = files.table
        table[self.line - 1][self.column - 1] = "-" + table[self.line - 1][self.column - 1]
        files.table = table


@dataclass(frozen=True)
class QuoteCell(Corruption):
    line: int
    column: int
    outcomes = frozenset({LOADED})

    @property
    def place(self) -> int:
        return self.line

    def apply(self, files: Files) -> None:
        table = files.table
        table[self.line - 1][self.column - 1] = f'"{table[self.line - 1][self.column - 1]}"'
        files.table = table


@dataclass(frozen=True)
class ReplaceTabs(Corruption):
    line: int
    separator: str
    outcomes = frozenset({1002})

    def apply(self, files: Files) -> None:
        lines = files.lines
        lines[self.line - 1] = lines[self.line - 1].replace(b"\t", self.separator.encode())
        files.lines = lines


@dataclass(frozen=True)
class EndLines(Corruption):
    """Line ends of other systems. Those of Windows are common; the rest are not lines."""

    end: bytes

    @property
    def outcomes(self) -> frozenset[int]:
        return frozenset({LOADED} if self.end == b"\r\n" else {1002})

    def apply(self, files: Files) -> None:
        files.matrix = files.matrix.replace(b"\n", self.end)


@dataclass(frozen=True)
class EndLine(Corruption):
    line: int
    end: bytes

    @property
    def outcomes(self) -> frozenset[int]:
        return frozenset({LOADED} if self.end == b"\r\n" else {LOADED, 1002})

    def apply(self, files: Files) -> None:
        lines = files.lines
        lines[self.line - 1] = lines[self.line - 1].rstrip(b"\n") + self.end
        files.lines = lines


@dataclass(frozen=True)
class ByteOrderMark(Corruption):
    """It may stand before the file, and is a strange character anywhere else."""

    line: int

    @property
    def outcomes(self) -> frozenset[int]:
        return frozenset({LOADED} if self.line == 1 else {2006})

    @property
    def place(self) -> int:
        return self.line

    def apply(self, files: Files) -> None:
        lines = files.lines
        lines[self.line - 1] = BOM + lines[self.line - 1]
        files.lines = lines


@dataclass(frozen=True)
class Recode(Corruption):
    """The file in another encoding."""

    encoding: str
    outcomes = frozenset({LOADED, 1003, 1002, 2006})

    def apply(self, files: Files) -> None:
        files.matrix = files.matrix.decode().encode(self.encoding)


@dataclass(frozen=True)
class RenameGene(Corruption):
    """Text around a gene id. {} stands for the id."""

    line: int
    name: str

    @property
    def outcomes(self) -> frozenset[int]:
        if self.name == "Sep-1":
            return frozenset({2014})
        return frozenset({LOADED} if self.name in GENE_NAMES else {LOADED, 2006})

    @property
    def place(self) -> int:
        return self.line

    def apply(self, files: Files) -> None:
        table = files.table
        table[self.line - 1][0] = self.name.format(table[self.line - 1][0])
        files.table = table


@dataclass(frozen=True)
class RenameSample(Corruption):
    """{} stands for the sample's accession."""

    column: int
    name: str
    outcomes = frozenset({LOADED, 54010, 2006, 2004})

    @property
    def place(self) -> int:
        return 1

    def apply(self, files: Files) -> None:
        table = files.table
        table[0][self.column - 1] = self.name.format(table[0][self.column - 1])
        files.table = table


@dataclass(frozen=True)
class MapValues(Corruption):
    """All values on another scale: told by their range, or taken for what it could be."""

    scale: str
    outcomes = frozenset(VALUE)

    def apply(self, files: Files) -> None:
        files.map_values(SCALES[self.scale])


SCALES: dict[str, Callable[[float], float]] = {
    "2**x": lambda x: 2 ** min(x, 500.0),
    "-x": lambda x: -x,
    "log2": lambda x: math.log2(x + 1),
    "round": round,
    "0": lambda x: 0.0,
    "1e6 x": lambda x: 1e6 * x,
}


@dataclass(frozen=True)
class RemoveFromMetadata(Corruption):
    """A sample that the matrix has and the metadata have not: its block, or its place in the list."""

    sample: int
    part: str
    outcomes = frozenset({54010})

    @property
    def place(self) -> int:
        return 1

    def apply(self, files: Files) -> None:
        def change(document: dict) -> None:
            name = list(document["samples"])[self.sample]
            if self.part == "samples":
                del document["samples"][name]
            else:
                document["experiments"][files.accession]["sample_accession_codes"].remove(name)

        files.edit_metadata(change)


@dataclass(frozen=True)
class AddToMetadata(Corruption):
    """A sample that the matrix has not: one of those that were not processed."""

    is_listed: bool
    has_block: bool

    @property
    def outcomes(self) -> frozenset[int]:
        return frozenset({LOADED})

    def apply(self, files: Files) -> None:
        def change(document: dict) -> None:
            name = f"{files.accession}_NEW"
            if self.has_block:
                document["samples"][name] = next(iter(document["samples"].values()))
            if self.is_listed:
                document["experiments"][files.accession]["sample_accession_codes"].append(name)

        files.edit_metadata(change)


@dataclass(frozen=True)
class SetField(Corruption):
    """Another value of one field of the metadata, as JSON text."""

    name: str
    value: str
    outcomes = frozenset({LOADED, 54020, 2007, 2011, 1001, 1002, 1003, 1004, 54010})

    def apply(self, files: Files) -> None:
        mark = "what stands here"

        def change(document: dict) -> None:
            samples = list(document["samples"].values())
            places = {
                "experiment": [document["experiments"][files.accession]],
                "download": [document],
                "samples": samples,
                "sample": samples[:1],
            }
            where, name = self.name.split(".")
            for block in places[where]:
                block[name] = mark

        files.edit_metadata(change)
        files.metadata = files.metadata.replace(f'"{mark}"'.encode(), self.value.encode())


@dataclass(frozen=True)
class CutMetadata(Corruption):
    position: int
    outcomes = frozenset({1001, 1004})

    def apply(self, files: Files) -> None:
        files.metadata = files.metadata[: self.position % len(files.metadata)]


@dataclass(frozen=True)
class SetMetadataByte(Corruption):
    position: int
    byte: int
    outcomes = frozenset({LOADED, 1001, 1002, 1003, 1004, 54010, 54020, 54040, 2007, 2011})

    def apply(self, files: Files) -> None:
        raw = bytearray(files.metadata)
        raw[self.position % len(raw)] = self.byte
        files.metadata = bytes(raw)


@dataclass(frozen=True)
class DuplicateKey(Corruption):
    """A key that stands twice says two things, and nobody knows which one is meant."""

    key: str
    outcomes = frozenset({1004})

    def apply(self, files: Files) -> None:
        start = files.metadata.index(f'"{self.key}":'.encode())
        files.metadata = (
            files.metadata[:start] + f'"{self.key}": "x",\n'.encode() + files.metadata[start:]
        )


# --- How they are drawn ---------------------------------------------------------------------------

MISSING = ["", "NA", "N/A", "#N/A", "na", "n/a", "NaN", "nan", "NAN", "NULL", "Null", "null"]
NUMBERS = [
    "0",
    "-0",
    "-7.25",
    "1e308",
    " 1.5 ",
    "+1.5",
    "1.",
    ".5",
    "1E1",
    "1e-400",
    "007",
    "1e-3  ",
]
NO_NUMBERS = [
    "high", "1e999", "-1e999", "inf", "-inf", "Infinity", "0x1p3", "1,5", "1.5,", "1_0", "١٢", "\uff11\uff12",
    "\u22121", "--1", "+-1", "1e", "1d5", "1.5f", "1 5", ".", "-", " ", "TRUE", "1.5\u00a0", "\u20091.5",
    "1.5\x00", "\x00", "1.5\x0b", "\x0c1.5", "1.5\r", "1\r5", "nAn", "NA ", "-NA", "'1.5'", "1.5\\n",
    "9" * 400, "1.5\u2028", "#DIV/0!", "=1+1", "<0.1", "1.5\ufeff", "2024-01-02", "½", "\ud7ff",
]  # fmt: skip
GENE_NAMES = ["{}.1", "{} b", "Sep-1", '"{}"', "{}'", "--", "NA", "1.5"]
NO_GENE_NAMES = [
    "{} ", " {}", "{}\u00a0", "\u200b{}", "\ufeff{}", "{}" + "x" * 36, "x" * 5000, "", " ", "{}é",
    "{}\x00", "{}\x7f", "{}\x1f",
]  # fmt: skip
SAMPLE_NAMES = [
    "{}x",
    "{} ",
    "\u00a0{}",
    "",
    "{}\x00",
    "GSM1",
    "{}" + "x" * 50,
    "1.5",
    "NA",
    '"{}"',
]
JSON_VALUES = [
    "null", "true", "0", "-1.5", "1e999", "-1e999", "NaN", "[]", "{}", '[1, "a"]', '{"a": {"b": []}}',
    '""', '" "', r'"\u0000"', r'"\ud800"', r'"a\udc00b"', r'"\ud83d\ude00"', '"é"', '"\'"', r'"\""', "1" * 400,
    "[[[[[[[[[[]]]]]]]]]]", '"' + "x" * 70000 + '"',
]  # fmt: skip
TECHNOLOGIES = [
    '"RNA-SEQ"', '"rna-seq"', '"RNA SEQ"', '"MICROARRAY"', '"Microarray"', '"MICROARRAY "', '"ARRAY"',
    '["MICROARRAY"]', '["RNA-SEQ"]', '"RNA\u2010SEQ"',
]  # fmt: skip
PROCESSORS = [
    '"Tximport"',
    '"tximport 1.2"',
    '"TXIMPORT"',
    '["Tximport"]',
    '"Salmon"',
    '" Tximport"',
    '"SCAN.UPC"',
]
DATES = [
    '"yesterday"', '"2024-02-30T00:00:00"', '"9999-12-31T23:59:59"', '"99999-01-01"', '"infinity"',
    '"-infinity"', '"epoch"', '"2024-01-01T00:00:00+14:00"', '"0001-01-01"', '"4713-01-01 (BC)"',
    '"2024-01-01 24:00:00"', '"290000-01-01"', '"2024-01-01T00:00:60Z"', "1704067200", '"1704067200"',
    '"0000-00-00"', '"20240101"', '"2024-01-01T00:00:00.123456789Z"',
]  # fmt: skip
FIELDS = {
    "experiment.technology": TECHNOLOGIES,
    "samples.refinebio_processor_name": PROCESSORS,
    "sample.refinebio_processor_name": PROCESSORS,
    "download.created_at": DATES,
    "experiment.source_first_published": DATES,
    "experiment.title": [],
    "experiment.description": [],
    "experiment.organisms": [],
    "experiment.pubmed_id": ['"' + "1" * 21 + '"'],
    "experiment.sample_accession_codes": [],
    "experiment.accession_code": [],
    "samples.refinebio_title": [],
    "samples.refinebio_platform": [],
    "sample.refinebio_disease": [],
    "sample.refinebio_subject": [],
    "sample.refinebio_processed": [],
    "sample.refinebio_accession_code": [],
    "download.ks_pvalue": ['"0.5"', "0.5"],
    "download.ks_statistic": ['"0.5"', "0.5"],
    "download.ks_warning": ["false"],
    "download.quantile_normalized": [],
    "download.aggregate_by": ['"SPECIES"', '"EXPERIMENT"'],
}
KEYS = [
    "technology",
    "samples",
    "experiments",
    "refinebio_title",
    "created_at",
    "refinebio_processor_name",
]


def corruptions(study: RealStudy) -> st.SearchStrategy[Corruption]:
    """Any kind of damage, each about as often as any other."""
    last_line, last_column = len(study.table), len(study.table[0])
    lines, genes = st.integers(1, last_line), st.integers(2, last_line)
    columns, samples = st.integers(1, last_column), st.integers(2, last_column)
    positions, bytes_ = st.integers(0, 20_000), st.integers(0, 255)
    separating = st.sampled_from(list(b"\t\n\r -.,e0\x00\xff\"'"))
    kinds = [
        st.builds(SetByte, positions, bytes_ | separating),
        st.builds(InsertBytes, positions, st.sampled_from([b"\x00", b"\r", b"\n", b"\t", BOM, b"\x1a", b"\x85", b"\xed\xa0\x80"])),
        st.builds(CutMatrix, positions),
        st.builds(DeleteLine, lines),
        st.builds(DuplicateLine, lines),
        st.builds(SwapLines, lines, lines),
        st.builds(DeleteCell, lines, columns),
        st.builds(DuplicateCell, lines, columns),
        st.builds(DeleteColumn, columns),
        st.builds(DuplicateColumn, columns),
        st.builds(SetCell, genes, samples, st.sampled_from(NUMBERS + MISSING)),
        st.builds(SetCell, genes, samples, st.sampled_from(NO_NUMBERS)),
        st.builds(NegateCell, genes, samples),
        st.builds(QuoteCell, genes, samples),
        st.builds(ReplaceTabs, lines, st.sampled_from([",", " ", ";", "  "])),
        st.builds(EndLines, st.sampled_from([b"\r\n", b"\r", b"\r\r\n", b"\n\n"])),
        st.builds(EndLine, lines, st.sampled_from([b"\r\n", b"\r", b"\r\r\n", b"\n\n", b""])),
        st.builds(ByteOrderMark, lines),
        st.builds(Recode, st.sampled_from(["utf-16", "utf-16-le", "utf-32"])),
        st.builds(RenameGene, genes, st.sampled_from(GENE_NAMES + NO_GENE_NAMES)),
        st.builds(RenameSample, samples, st.sampled_from(SAMPLE_NAMES)),
        st.builds(MapValues, st.sampled_from(list(SCALES))),
        st.builds(RemoveFromMetadata, st.integers(0, SAMPLE_COUNT - 1), st.sampled_from(["samples", "listed"])),
        st.builds(AddToMetadata, st.booleans(), st.booleans()),
        st.sampled_from(list(FIELDS)).flatmap(
            lambda name: st.builds(SetField, st.just(name), st.sampled_from(FIELDS[name] + JSON_VALUES))
        ),
        st.builds(SetField, st.just("experiment.technology"), st.sampled_from(TECHNOLOGIES)),
        st.builds(SetField, st.just("download.created_at"), st.sampled_from(DATES)),
        st.builds(CutMetadata, st.integers(0, 60_000)),
        st.builds(SetMetadataByte, st.integers(0, 60_000), bytes_ | separating),
        st.builds(DuplicateKey, st.sampled_from(KEYS)),
    ]  # fmt: skip
    return st.one_of(kinds)


# --- What a strict reader sees --------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """Something wrong with a download: an error's code, its line, and words that must name it."""

    code: int
    line: int | None = None
    words: tuple[str, ...] = ()

    def is_told_by(self, details: dict[str, Any]) -> bool:
        """Whether a finding of the validation log says just this."""
        return (
            details["error_code"] == self.code
            and details["line"] == self.line
            and all(word in details["finding"] for word in self.words)
        )


@dataclass
class Reading:
    """What a download says.

    values  by gene and sample, one for each line of the gene; missing ones are left out
    unit    table "Units" of docs/architecture.md; None where it is none of these
    """

    faults: list[Fault] = field(default_factory=list)
    values: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    unit: str | None = None

    @property
    def all_values(self) -> list[float]:
        return [value for values in self.values.values() for value in values]

    @property
    def facts(self) -> dict[tuple[str, str], float]:
        """The value of each gene: of its lines the mean, of counts the sum."""
        return {
            key: sum(values) if self.unit == "COUNTS" else sum(values) / len(values)
            for key, values in self.values.items()
        }


IDENTIFIER = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
NUMBER = re.compile(r"[ ]*[-+]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][-+]?[0-9]+)?[ ]*")
NO_GENE = ("", "NA", " ")


def read(files: Files) -> Reading:
    """Read a download by the book."""
    reading = Reading()
    metadata = read_metadata(files, reading)
    in_metadata = metadata[2] if metadata else set()
    samples = read_table(as_utf8(files.matrix), in_metadata, reading)
    if metadata is None or samples is None:
        return reading
    technology, processors, _ = metadata
    if unknown := set(samples) - in_metadata:
        reading.faults.append(Fault(54010, 1, tuple(sorted(unknown)[:1])))
    values = reading.all_values
    reading.unit = unit_of(technology, processors, values)
    if reading.unit is None:
        reading.faults.append(Fault(54020, 2))
        return reading
    if not values:
        return reading
    smallest, largest = min(values), max(values)
    if reading.unit == "COUNTS" and (smallest < 0 or largest > 2**53):
        reading.faults.append(Fault(2011, None, ("COUNTS", repr(smallest), repr(largest))))
    elif reading.unit == "TPM" and smallest < 0:
        reading.faults.append(Fault(2007, None, ("TPM", repr(smallest))))
    return reading


def as_utf8(raw: bytes) -> bytes:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", "replace").encode()
    if len(raw) > 3 and raw[0] and raw[2] and not any(raw[1:64:2]):
        return raw.decode("utf-16-le", "replace").encode()
    return raw.removeprefix(BOM)


def read_table(raw: bytes, in_metadata: set[str], reading: Reading) -> list[str] | None:
    """The matrix's samples; its values and faults go into `reading`."""
    if not raw:
        reading.faults.append(Fault(1001))
        return None
    lines = raw.removesuffix(b"\n").split(b"\n")
    while len(lines) > 1 and lines[-1] in (b"", b"\r"):
        lines.pop()
    header, *rows = (
        cells_of(line.removesuffix(b"\r"), number, reading)
        for number, line in enumerate(lines, start=1)
    )
    if header is None:
        return None
    whole = [row for row in rows if row is not None]
    widths = [len(row) for row in whole]
    width = max(widths, key=widths.count, default=0)
    if len(header) == width - 1 and header[0] != "Gene":
        header = ["", *header]
    if header[0] in in_metadata:
        reading.faults.append(Fault(1002, 1, (header[0],)))
        return None
    columns = [
        column
        for column in range(1, len(header))
        if header[column] in in_metadata
        or len(header) != width
        or not is_text(whole, column, width)
    ]
    names = [header[column] for column in columns]
    samples = [meant_by(name, in_metadata - set(names)) or name for name in names]
    reading.faults += header_faults(samples)
    if not samples:
        return None
    for number, row in enumerate(rows, start=2):
        if row is not None:
            read_gene(number, row, len(header), dict(zip(columns, samples, strict=True)), reading)
    if len(lines) == 1:
        reading.faults.append(Fault(1002, 2))
    return samples


def meant_by(name: str, samples: set[str]) -> str | None:
    """The sample whose accession a column has but for case and punctuation, or R's X before it."""
    if re.search(r"[\x00-\x1f\x7f\udc80-\udcff]", name):
        return None
    folded = re.split(r"[\W_]+", name.strip(" \u00a0").lower())
    for sample in samples:
        parts = re.split(r"[\W_]+", sample.lower())
        if [part for part in folded if part] == parts or name == f"X{sample}":
            return sample
    return None


def is_text(rows: list[list[str]], column: int, width: int) -> bool:
    """Whether a column describes genes: it has texts, and none of them is a number."""
    texts = [row[column] for row in rows if len(row) == width and row[column] not in MISSING]
    return bool(texts) and not any(NUMBER.fullmatch(t) or INFINITE.fullmatch(t) for t in texts)


def cells_of(line: bytes, number: int, reading: Reading) -> list[str] | None:
    """The cells of a line, or its fault in `reading`."""
    if not line:
        reading.faults.append(Fault(1002, number, ("empty",)))
    elif b"\r" in line:
        reading.faults.append(Fault(1002, number, ("carriage return",)))
    else:
        try:
            # Cells that are not loaded may have any encoding.
            text = line.decode("utf-8", "surrogateescape")
            (cells,) = csv.reader([text], delimiter="\t", strict=True)
            return cells
        except csv.Error:
            reading.faults.append(Fault(1002, number, () if number == 1 else ("quote",)))
    return None


def header_faults(samples: list[str]) -> Iterator[Fault]:
    if all(NUMBER.fullmatch(sample) or sample in MISSING for sample in samples):
        yield Fault(1002, 1)
    for sample in samples:
        if is_not_utf8(sample):
            yield Fault(1003, 1)
        elif not IDENTIFIER.fullmatch(sample) or len(sample) > 50:
            yield Fault(2006, 1, (repr(sample),))
        if samples.count(sample) > 1:
            yield Fault(2004, 1, (sample,))


def read_gene(
    number: int, cells: list[str], width: int, samples: dict[int, str], reading: Reading
) -> None:
    """samples  column → sample"""
    gene = cells[0]
    if len(cells) != width:
        reading.faults.append(Fault(1002, number, (f"{len(cells)} column",)))
        return
    if any(is_not_utf8(cells[column]) for column in (0, *samples)):
        reading.faults.append(Fault(1003, number))
        return
    if gene not in NO_GENE and not IDENTIFIER.fullmatch(gene):
        reading.faults.append(Fault(2006, number, (repr(gene),)))
    if re.fullmatch("[A-Z][a-z]{2}-[0-9]+", gene):
        reading.faults.append(Fault(2014, number, (gene,)))
    for column, sample in samples.items():
        text = cells[column]
        if text in MISSING or INFINITE.fullmatch(text):
            continue
        if not NUMBER.fullmatch(text) or not math.isfinite(float(text)):
            reading.faults.append(Fault(1004, number, (sample, repr(text))))
        elif gene not in NO_GENE:
            reading.values.setdefault((resolved(gene), sample), []).append(float(text))


def is_not_utf8(cell: str) -> bool:
    return any("\udc80" <= character <= "\udcff" for character in cell)


def resolved(gene: str) -> str:
    """The gene of an id."""
    if len(gene) > 50:
        gene = f"{gene[:33].rstrip()}~{hashlib.sha256(gene.encode()).hexdigest()[:16]}"
    return re.split("[._|]", gene)[0] if re.match("ENS.*G00", gene) else gene


def read_metadata(files: Files, reading: Reading) -> tuple[Any, Any, set[str]] | None:
    """Technology, the processors in order and the samples; faults go into `reading`."""

    def refuse(text: str) -> float:
        raise ValueError(text)

    def finite(text: str) -> float:
        return float(text) if math.isfinite(float(text)) else refuse(text)

    def unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
        return dict(members) if len(dict(members)) == len(members) else refuse("twice")

    if not files.metadata.strip():
        reading.faults.append(Fault(1001))
        return None
    try:
        text = files.metadata.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        reading.faults.append(Fault(1003, files.metadata[: error.start].count(b"\n") + 1))
        return None
    try:
        document = json.loads(
            text, parse_constant=lambda _: None, parse_float=finite, object_pairs_hook=unique
        )
        json.dumps(document, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        reading.faults.append(Fault(1004, error.lineno))
        return None
    except ValueError:
        reading.faults.append(Fault(1004))
        return None
    try:
        experiment, blocks = document["experiments"], document["samples"]
        blocks = {name: dict(**block) for name, block in blocks.items()}
        experiment = {name: dict(**block) for name, block in experiment.items()}
    except (KeyError, TypeError, AttributeError):
        reading.faults.append(Fault(1002))
        return None
    if (document.get("aggregate_by") or "EXPERIMENT") != "EXPERIMENT":
        # There is no matrix of the species or of all.
        reading.faults.append(Fault(1001, None, ("aggregated by",)))
        return None
    if files.accession not in experiment:
        reading.faults.append(Fault(54040, None, (files.accession,)))
        return None
    experiment = experiment[files.accession]
    listed = experiment.get("sample_accession_codes")
    if not isinstance(listed, list):
        reading.faults.append(Fault(1002, None, ("sample_accession_codes",)))
        return None
    blocks = {name: block for name, block in blocks.items() if name in map(str, listed)}
    processors = [block.get("refinebio_processor_name") for block in blocks.values()]
    known = sorted({str(name) for name in processors if name not in (None, "")})
    return experiment.get("technology"), known, set(blocks)


def unit_of(technology: Any, processors: list[str], values: list[float]) -> str | None:
    """The table "Units" of docs/architecture.md."""
    if not values:
        return None
    word = technology.upper() if isinstance(technology, str) and technology.isascii() else ""
    sequencing = any("tximport" in name.lower() or "salmon" in name.lower() for name in processors)
    is_whole = all(value.is_integer() for value in values)
    if word == "MICROARRAY" and not sequencing and not 0 <= min(values) <= max(values) < 5:
        if max(values) <= 30:
            return "ARRAY_LOG2"
        return "INTENSITY" if min(values) >= 0 and max(values) > 1000 else None
    if word not in ("RNA-SEQ", "RNASEQ", "RNA_SEQ", "RNA SEQ"):
        return None
    if any("scan" in name.lower() for name in processors):
        return None
    if len(processors) == 1 and processors[0].lower().startswith("tximport"):
        return "TPM" if max(values) >= 25 and not is_whole else None
    return "COUNTS" if is_whole and max(values) > 30 else None


def harmonised(reading: Reading) -> dict[tuple[str, str], float | None]:
    """Each value on the scale that studies are compared on."""
    totals: dict[str, float] = {}
    for (_, sample), values in reading.values.items():
        totals[sample] = totals.get(sample, 0.0) + sum(values)
    return {
        (gene, sample): harmonise(value, reading.unit, totals[sample])
        for (gene, sample), value in reading.facts.items()
    }


def harmonise(value: float, unit: str | None, total: float) -> float | None:
    if unit == "ARRAY_LOG2":
        return value
    if unit == "INTENSITY":
        return float(np.log2(max(value, 1)))
    if unit == "TPM":
        return float(np.log2(value + 1))
    return float(np.log2(value / total * 1e6 + 1)) if total else None


# --- The property ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One corrupted download of its own."""

    form: str
    corruption: Corruption
    files: Files = field(repr=False)


def draw_cases(study: RealStudy, count: int) -> list[Case]:
    cases: list[Case] = []

    @settings(
        max_examples=count, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.sampled_from(["ARRAY", "TPM", "COUNTS"]), corruptions(study))
    def draw(form: str, corruption: Corruption) -> None:
        files = study.under(f"GSE9{len(cases):05}", form)
        corruption.apply(files)
        cases.append(Case(form, corruption, files))

    draw()
    return cases


@dataclass
class Outcome:
    """What became of a case.

    unit      of dim_study; None where the study is not there
    facts     raw and harmonised value by gene and sample
    findings  the errors of the validation log
    events    what the ingest printed of it
    """

    unit: str | None = None
    facts: dict[tuple[str, str], tuple[float, float | None]] = field(default_factory=dict)
    findings: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)


def outcomes(
    warehouse: WarehouseUnderTest, folder: Path, printed: list[dict]
) -> Callable[[str], Outcome]:
    """What became of each study, by its accession."""
    found: dict[str, Outcome] = {}

    def of(accession: str) -> Outcome:
        return found.setdefault(accession, Outcome())

    for accession, unit in warehouse.query(
        "select study_accession_code, study_unit_tag from dim.dim_study"
    ):
        of(accession).unit = unit
    for accession, gene, sample, raw, value in warehouse.query(
        "select study_accession_code, gene_id, sample_accession_code, expression_value_raw, expression_value"
        " from fact.fact_gene_expression inner join dim.dim_study using (study_key)"
        " inner join dim.dim_gene using (gene_key) inner join dim.dim_sample using (sample_key)"
    ):
        assert (gene, sample) not in of(accession).facts
        of(accession).facts[gene, sample] = raw, value
    for name, severity, text in warehouse.query(
        "select validation_code, severity, details from meta.meta_data_validation_log"
    ):
        details = json.loads(text)
        if severity == "ERROR":
            of(concerned(details, folder)).findings.append(details | {"name": name})
    for event in printed:
        of(concerned(event, folder)).events.append(event)
    return of


def concerned(details: dict[str, Any], folder: Path) -> str:
    """The study that a finding or an event is about: the folder of the file that it names, for a
    download whose studies nobody can read."""
    if details.get("file"):
        file = Path(details["file"])
        assert file.is_relative_to(folder), details
        return file.relative_to(folder).parts[0]
    return details.get("study_accession") or ""


@pytest.fixture(scope="module")
def study(shared_data):
    return RealStudy.read(shared_data / "sepsis_panel")


@pytest.mark.parametrize("count", [30, pytest.param(1000, marks=pytest.mark.long)])
def test_a_corrupted_study_is_loaded_as_it_stands_or_held_back(study, tmp_path, count):
    warehouse = WarehouseUnderTest(tmp_path)
    downloads = tmp_path / "downloads"
    cases = draw_cases(study, count)
    cases.append(Case("ARRAY", SwapLines(2, 3), study.under("GSE900", "ARRAY")))
    for case in cases:
        case.files.write(downloads / case.files.accession)

    result = warehouse.loader("ingest", downloads)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    warehouse.build()

    of = outcomes(warehouse, downloads, events(result))
    readings = {case.files.accession: read(case.files) for case in cases}
    for case in cases:
        check(case, readings[case.files.accession], of(case.files.accession))
    assert result.exit_code == (1 if any(reading.faults for reading in readings.values()) else 0)


def check(case: Case, reading: Reading, outcome: Outcome) -> None:
    """Assert that the outcome is what the files should give, and is one that the corruption allows."""
    failed = [event for event in outcome.events if event["step"] == "failed"]
    if not reading.faults:
        assert LOADED in case.corruption.outcomes, case
        assert (failed, outcome.findings) == ([], []), case
        check_facts(case, reading, outcome)
        return
    assert (outcome.unit, outcome.facts) == (None, {}), (case, reading.faults)
    assert failed, (case, reading.faults)
    assert [finding["error_code"] for finding in outcome.findings] == [
        event["error_code"] for event in failed
    ], case
    for finding in outcome.findings:
        assert any(fault.is_told_by(finding) for fault in reading.faults), (
            case,
            finding,
            reading.faults[:5],
        )
        assert finding["error_code"] in case.corruption.outcomes, (case, finding)
        assert case.corruption.place in (None, finding["line"]) or finding["error_code"] in (
            54020,
            2007,
            2011,
        ), (case, finding)


def check_facts(case: Case, reading: Reading, outcome: Outcome) -> None:
    assert outcome.unit == reading.unit, case
    assert {key: raw for key, (raw, _) in outcome.facts.items()} == reading.facts, case
    expected = harmonised(reading)
    for key, (_, value) in outcome.facts.items():
        assert value == pytest.approx(expected[key], rel=1e-12, abs=1e-12), (case, key)
