"""The layout of a matrix, decided once from its first lines; the reader then parses by it.

Gene<TAB>GSM1<TAB>GSM2             the plain layout of refine.bio
"GSM1" "GSM2"                      R's write.table: quotes, and a header that is one name short
gene_id;gene_name;GSM1             other delimiters, columns that are no samples
#1.2 / 60<TAB>2 / Name …           GCT
Table S2 / <TAB>Control<TAB><TAB>Sepsis / Gene<TAB>GSM1 …  titles above the header
"""

import csv
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.printable import printable
from loader.source.encoding import UTF_8
from loader.source.values import NULL_VALUES, NUMBER

# The layout is decided from this many bytes, or from _MIN_LINES lines if they need more.
_HEAD_SIZE = 1 << 16
_MIN_LINES = 8
_MAX_LINES = 60

# What `file_format` of a layout can be.
GCT, FEATURE_COUNTS = "GCT", "featureCounts"

_DELIMITERS = {"\t": "tab", ";": "semicolon", ",": "comma", " ": "space"}

_COMMA_NUMBER = re.compile(r" *[+-]?(?:[0-9]+,[0-9]+|,[0-9]+)(?:[eE][+-]?[0-9]+)? *")
_POINT_NUMBER = re.compile(r" *[+-]?[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)? *")
_THOUSANDS = re.compile(r" *[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+ *")
_POINT_THOUSANDS = re.compile(r" *[+-]?[1-9][0-9]{0,2}\.[0-9]{3} *")
_BELOW_THOUSAND = re.compile(r" *[1-9][0-9]{0,2} *")
# If so many numbers have three decimals, and none has fewer, that is no chance.
_FEWEST_GROUPED = 10
_ENSEMBL = re.compile(r"ENS[A-Z]*G[0-9]{5,}.*")
# Share of the values other than 0 that must have a comma before it counts as a decimal comma.
_MIN_COMMA_SHARE = 0.1
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?')

# Headers, in lower case and without punctuation, of columns of gene ids.
_ID_NAMES = {
    "",
    *("gene", "genes", "geneid", "geneids", "genename", "genesymbol", "symbol", "id", "ids"),
    *("name", "feature", "featureid", "idref", "ensembl", "ensemblid", "ensemblgeneid"),
    *("entrez", "entrezid", "entrezgeneid", "hgncsymbol", "probe", "probeid", "rownames"),
}
# Headers of columns that describe genes, whatever they hold.
_ANNOTATION_NAMES = {
    *("genename", "genesymbol", "symbol", "hgncsymbol", "externalgenename", "geneid", "geneids"),
    *("ensemblgeneid", "entrezid", "entrezgeneid", "description", "genedescription", "desc"),
    *("biotype", "genebiotype", "genetype", "chr", "chrom", "chromosome", "chromosomename"),
    *("seqnames", "start", "end", "startposition", "endposition", "strand", "length"),
    *("genelength", "effectivelength", "efflength", "width", "gc", "gccontent", "transcriptids"),
}
# Those of them that name columns of symbols.
_SYMBOL_NAMES = {"genename", "genesymbol", "symbol", "hgncsymbol", "externalgenename"}
# Under any other name, so many numbers in a row are no Entrez ids, which begin 1, 2, 3, 9.
_FEWEST_ROW_NUMBERS = 10
_ROW_NUMBER_NAMES = {"", "x", "v1", "index", "rownames", "unnamed0"}


@dataclass(frozen=True)
class Layout:
    """How a matrix is laid out. Lines are counted from 1, columns from 0.

    compression   as `compression_of`, empty if there is none
    encoding      as `detect_encoding`
    delimiter     between two cells
    is_quoted     whether cells are in double quotes
    data_line     the first line after the header
    header_line   the line of the header
    names         the names of all columns of a line
    id_column     the column of the gene ids
    ignored       columns that are neither gene ids nor samples
    symbol_column one of them, with symbols of the genes; None if there is none
    is_header_short          whether the header has no name for the first column
    has_trailing_delimiter   whether lines end with a delimiter
    decimal       the decimal point or comma
    file_format   GCT or FEATURE_COUNTS; empty for any other
    line_count    how many lines the file says it has after the header; None if it does not say
    annotation_count  how many columns after the first the file says are no samples
    """

    delimiter: str
    names: tuple[str, ...]
    compression: str = ""
    encoding: str = UTF_8
    is_quoted: bool = False
    header_line: int = 1
    data_line: int = 2
    id_column: int = 0
    ignored: tuple[int, ...] = ()
    symbol_column: int | None = None
    is_header_short: bool = False
    has_trailing_delimiter: bool = False
    decimal: str = "."
    file_format: str = ""
    line_count: int | None = None
    annotation_count: int = 0

    @property
    def sample_columns(self) -> list[int]:
        """The columns that are samples."""
        other = {self.id_column, *self.ignored}
        return [column for column in range(len(self.names)) if column not in other]

    def describe(self) -> str:
        """In one line, all that differs from the plain layout."""
        names = [printable(name) for name in self.names]
        parts = [f"{self.file_format} " if self.file_format else ""]
        parts[0] += f"{_DELIMITERS[self.delimiter]}-separated"
        if self.compression:
            parts.append(self.compression)
        if self.encoding != UTF_8:
            parts.append(self.encoding)
        if self.is_quoted:
            parts.append("quoted")
        if self.decimal == ",":
            parts.append("decimal comma")
        if self.header_line > 1:
            parts.append(f"header on line {self.header_line}")
        if self.is_header_short:
            parts.append("no name for the first column")
        if self.has_trailing_delimiter:
            parts.append(f"{_DELIMITERS[self.delimiter]} at the end of lines")
        if self.id_column or _word(self.names[0]) not in _ID_NAMES:
            name = names[self.id_column]
            parts.append(f"gene ids in column {self.id_column + 1}{f' ({name})' if name else ''}")
        if self.symbol_column is not None:
            name = names[self.symbol_column]
            parts.append(f"symbols in column {self.symbol_column + 1} ({name})")
        dropped = [
            names[column]
            for column in self.ignored
            if names[column] and column != self.symbol_column
        ]
        if dropped:
            parts.append(f"not loaded: {', '.join(dropped[:8])}{' …' if len(dropped) > 8 else ''}")
        return ", ".join(parts)

    def cells(self, line: str) -> list[str]:
        """The cells of a line without its line end. Raises ValueError for a quote that does not
        end, and for one that ends within a cell."""
        try:
            return next(csv.reader([line], delimiter=self.delimiter, strict=True), [""])
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise ValueError("a quote does not end on its line") from error
            raise ValueError("a cell goes on after its closing quote") from error


@dataclass(frozen=True)
class _Reading:
    """The first lines of a file, split by one delimiter. `width`: cells of most data lines."""

    delimiter: str
    header: list[str]
    rows: list[list[str]]
    width: int

    def column(self, index: int) -> list[str]:
        return [row[index] for row in self.rows if len(row) == self.width]


def read_head(file: BinaryIO) -> bytes:
    """The bytes that `decide_layout` looks at: whole lines, from the start of the file."""
    head = file.read(_HEAD_SIZE)
    head += file.readline()
    while head.count(b"\n") < _MIN_LINES and (line := file.readline()):
        head += line
    return head


def decide_layout(head: bytes, samples: Collection[str], label: str) -> Layout:
    """The layout of the file that begins with `head`, which is UTF-8 or nearly so.

    samples  accessions that the metadata know: columns of these names are always samples

    What cannot be read in any layout gets the plain one, so that the reader names its first fault.
    Raises UserError 1009 if two layouts fit, or the decimal sign is unclear, and 1002 if the
    first column has row numbers.
    """
    lines = head.decode("utf-8", "surrogateescape").split("\n")
    lines = [line.removesuffix("\r") for line in lines[: 4 * _MAX_LINES]]
    start, layout = _skip_preamble(lines, samples)
    body = [line for line in lines[start:] if line][: _MAX_LINES + 1]
    if not body:
        return layout
    reading = _choose(body, layout.delimiter if start and layout.delimiter != "\t" else "", label)
    layout = replace(
        layout,
        delimiter=reading.delimiter,
        names=tuple(reading.header),
        is_quoted=any(f'{reading.delimiter}"' in f"{reading.delimiter}{line}" for line in body),
        header_line=start + 1,
        data_line=start + layout.data_line,
    )
    if not reading.rows:
        return layout
    layout = _align_header(layout, reading, samples, label)
    if len(layout.names) != reading.width:
        return layout
    layout = _find_columns(layout, reading, samples, label)
    return replace(layout, decimal=_decimal(layout, reading, label))


def first_ids(head: bytes, layout: Layout) -> Iterator[str]:
    """The gene ids within `head`."""
    lines = head.decode("utf-8", "surrogateescape").split("\n")
    for line in lines[layout.data_line - layout.header_line :]:
        cells = split_line(line.removesuffix("\r"), layout.delimiter)
        if len(cells) == len(layout.names):
            yield cells[layout.id_column]


def _skip_preamble(lines: Sequence[str], samples: Collection[str]) -> tuple[int, Layout]:
    """How many lines are before the header, and a layout with what they say. Its data_line counts
    from the header: 2, or more for lines of column metadata."""
    plain = Layout("\t", ("",))
    if re.fullmatch(r"#1\.[23]\s*", lines[0]) and len(lines) > 2:
        sizes = [int(text) for text in re.findall(r"\d+", lines[1])]
        # 1.3 says how many columns describe genes and how many lines describe samples.
        annotation_count, metadata_lines = sizes[2:4] if len(sizes) > 3 else (0, 0)
        return 2, replace(
            plain,
            file_format=GCT,
            line_count=sizes[0] if sizes else None,
            data_line=2 + metadata_lines,
            annotation_count=annotation_count,
        )
    if match := _SEPARATOR_LINE.fullmatch(lines[0]):
        return 1, replace(plain, delimiter=match[1] if match[1] in _DELIMITERS else "\t")
    if lines[0].startswith("# Program:featureCounts"):
        plain = replace(plain, file_format=FEATURE_COUNTS)
    start = 0
    while start + 1 < len(lines) and lines[start].startswith("#"):
        following = lines[start + 1]
        if not following.startswith("#") and _is_header(lines[start], following, samples):
            break
        start += 1
    return start + _titles_before_header(lines[start : start + _MIN_LINES], samples), plain


def _titles_before_header(lines: Sequence[str], samples: Collection[str]) -> int:
    """How many lines are titles or merged cells, as spreadsheets have them: lines without values,
    before the first one that names two samples. 0 if none does."""
    named = {name for name in samples if not _is_number(name)}
    if len(named) < 2:
        return 0
    for place, line in enumerate(lines):
        readings = [split_line(line, sign) for sign in _DELIMITERS]
        if any(len(named.intersection(cells)) > 1 for cells in readings):
            return place
        if any(map(_has_values, readings, _DELIMITERS)):
            return 0
    return 0


def _has_values(cells: Sequence[str], delimiter: str) -> bool:
    """Whether cells of a line are values. Titles have single numbers, as in Table 2."""
    count = sum(_is_number(cell) or (cell != "" and cell in NULL_VALUES) for cell in cells)
    return count > (delimiter == " ")


def _is_header(line: str, following: str, samples: Collection[str]) -> bool:
    """Whether a line that begins with # names the columns of the line after it: that has numbers.
    Samples can be named by numbers, so of the two lines the one that has samples is the header."""
    for delimiter in _DELIMITERS:
        names, cells = split_line(line, delimiter), split_line(following, delimiter)
        if len(cells) > 1 and len(cells) == len(names):
            if any(name in samples for name in names):
                return True
            has_numbers = any(map(_is_number, cells[1:]))
            return has_numbers and not any(cell in samples for cell in cells)
    return False


def split_line(line: str, delimiter: str) -> list[str]:
    """The cells of a line without its line end; wrong quotes are part of a cell."""
    if '"' not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter), [""])
    except csv.Error:
        return line.split(delimiter)


def _choose(body: Sequence[str], stated: str, label: str) -> _Reading:
    """The body by the delimiter that fits."""
    readings = [_read(body, delimiter) for delimiter in ([stated] if stated else _DELIMITERS)]
    fitting = [reading for reading in readings if _fits(reading)]
    if with_header := [r for r in fitting if r.delimiter in body[0]]:
        fitting = with_header
    if len(fitting) > 1:
        raise UserError(
            "EXTRACTION_LAYOUT_AMBIGUOUS",
            "two layouts fit: "
            + ", or ".join(
                f"{_DELIMITERS[r.delimiter]}-separated with the first line {r.rows[0][:3]}"
                for r in fitting[:2]
            ),
            file=label,
            line=1,
            expected="one delimiter between cells, which occurs in no cell",
            action="Save the matrix as tab-separated text",
        )
    if fitting:
        return fitting[0]
    # No delimiter makes a matrix of it: the most frequent one shows the fault best.
    return max(readings, key=lambda reading: (reading.width, len(reading.header)))


def _read(body: Sequence[str], delimiter: str) -> _Reading:
    header, *rows = (split_line(line, delimiter) for line in body)
    widths = [len(row) for row in rows]
    return _Reading(delimiter, header, rows, max(widths, key=widths.count, default=0))


def _fits(reading: _Reading) -> bool:
    """Whether most lines have as many cells as the header, or one more or less, and a column has
    numbers alone."""
    if reading.width < 2 or abs(len(reading.header) - reading.width) > 1:
        return False
    rows = [row for row in reading.rows if len(row) == reading.width]
    return 2 * len(rows) > len(reading.rows) and any(
        all(_is_number(row[column]) or row[column] in NULL_VALUES for row in rows)
        and any(_is_number(row[column]) for row in rows)
        for column in range(1, reading.width)
    )


def _is_number(cell: str) -> bool:
    return bool(NUMBER.fullmatch(cell) or _COMMA_NUMBER.fullmatch(cell))


def _align_header(
    layout: Layout, reading: _Reading, samples: Collection[str], label: str
) -> Layout:
    """The layout with a name for each column of a line, if the header can have it."""
    header, width = reading.header, reading.width
    if len(header) == width + 1 and not header[-1]:
        return replace(layout, names=tuple(header[:-1]), has_trailing_delimiter=True)
    if len(header) != width - 1:
        return layout
    is_last_empty = not any(reading.column(width - 1))
    is_id_name = _word(header[0]) in _ID_NAMES and header[0] not in samples
    # Ids in the second column of a line: the first name is that of this column.
    if is_id_name and not _is_text(reading.column(1)):
        # A header that lacks a name elsewhere is a fault, for the reader to name.
        return replace(layout, names=(*header, "")) if is_last_empty else layout
    if is_last_empty and header[0] not in samples:
        raise UserError(
            "EXTRACTION_LAYOUT_AMBIGUOUS",
            f"the lines have one cell more than the header, and it is empty: either "
            f"{header[0]!r} is the name of the gene column and lines end with a delimiter, or it "
            f"is a sample and {header[-1]!r} has no value",
            file=label,
            line=layout.header_line,
            expected="a name for each column",
        )
    return replace(layout, names=("", *header), is_header_short=True)


def _find_columns(
    layout: Layout, reading: _Reading, samples: Collection[str], label: str
) -> Layout:
    """The layout with its gene ids, and the columns that are no samples."""
    names, width = layout.names, reading.width
    padding = width
    while padding > 2 and not names[padding - 1] and not any(reading.column(padding - 1)):
        padding -= 1
    annotation = [
        column
        for column in range(1, padding)
        if names[column] not in samples
        and (
            column <= layout.annotation_count
            or _word(names[column]) in _ANNOTATION_NAMES
            or _is_text(reading.column(column))
        )
    ]
    leading = [column for place, column in enumerate(annotation, start=1) if column == place]
    id_column = _choose_id_column(layout, reading, leading, label)
    if names[id_column] in samples and not layout.is_header_short:
        raise UserError(
            "EXTRACTION_INVALID_FORMAT",
            f"the first column is sample {names[id_column]}: there is no column of gene ids",
            file=label,
            line=layout.header_line,
            expected="gene ids in the first column",
            action="Write the matrix again with its gene ids (in R: row names)",
        )
    ignored = sorted({0, *annotation, *range(padding, width)} - {id_column})
    symbol_names = {*_SYMBOL_NAMES, *(["description"] if layout.file_format == "GCT" else [])}
    symbols = (column for column in ignored if _word(names[column]) in symbol_names)
    return replace(
        layout,
        id_column=id_column,
        ignored=tuple(ignored),
        symbol_column=next(symbols, None),
        has_trailing_delimiter=layout.has_trailing_delimiter or padding < width,
    )


def _is_text(cells: Sequence[str]) -> bool:
    """Whether there are values, none of them a number."""
    values = [cell for cell in cells if cell not in NULL_VALUES]
    return bool(values) and not any(map(_is_number_like, values))


def _is_number_like(cell: str) -> bool:
    return _is_number(cell) or cell.strip().lower().lstrip("+-") in ("inf", "infinity")


def _choose_id_column(layout: Layout, reading: _Reading, leading: Sequence[int], label: str) -> int:
    """The first column, unless it has row numbers or another has Ensembl ids."""
    first = reading.column(0)
    is_unnamed = _word(layout.names[0]) in _ROW_NUMBER_NAMES
    are_row_numbers = len(first) > (2 if is_unnamed else _FEWEST_ROW_NUMBERS - 1) and first in (
        [str(n + start) for n in range(len(first))] for start in (0, 1)
    )
    texts = [column for column in leading if not all(map(_is_number, reading.column(column)))]
    candidates = [*([] if are_row_numbers else [0]), *texts]
    if not candidates:
        raise UserError(
            "EXTRACTION_INVALID_FORMAT",
            "the first column has row numbers, and no other column has gene ids",
            file=label,
            line=layout.data_line,
            expected="one column of gene ids",
            action="Write the matrix again with the gene ids as first column",
        )
    for column in candidates:
        if _share(reading.column(column), _ENSEMBL) >= 0.9:
            return column
    return candidates[0]


def _share(cells: Sequence[str], pattern: re.Pattern) -> float:
    return sum(bool(pattern.fullmatch(cell)) for cell in cells) / max(1, len(cells))


def _decimal(layout: Layout, reading: _Reading, label: str) -> str:
    """The decimal sign of the values."""
    columns = [reading.column(column) for column in layout.sample_columns]
    cells = [cell for column in columns for cell in column]
    with_comma = [cell for cell in cells if "," in cell and _COMMA_NUMBER.fullmatch(cell)]
    grouped = [cell for cell in cells if "," in cell and _THOUSANDS.fullmatch(cell)]
    # Beside decimal commas, 1.234 has a point between thousands: the reader refuses it by its line.
    if not with_comma or any(
        _POINT_NUMBER.fullmatch(cell) and not _POINT_THOUSANDS.fullmatch(cell) for cell in cells
    ):
        _refuse_point_thousands(columns, layout, label)
        return "."
    if len(with_comma) == sum(bool(_THOUSANDS.fullmatch(cell)) for cell in with_comma):
        example = grouped[0].strip()
        raise UserError(
            "EXTRACTION_LAYOUT_AMBIGUOUS",
            f"{example} is {example.replace(',', '.')} with a decimal comma, or "
            f"{example.replace(',', '')} with a comma between thousands",
            file=label,
            line=layout.data_line,
            expected="numbers with a decimal point and without commas",
        )
    # Single ones among whole numbers are damaged values.
    values = [cell for cell in cells if _is_number(cell) and cell.strip("0 ")]
    return "," if len(with_comma) >= _MIN_COMMA_SHARE * len(values) else "."


def _refuse_point_thousands(columns: Sequence[Sequence[str]], layout: Layout, label: str) -> None:
    """Raises UserError 1009 for 1.092 and 4.699 beside 999, which can be 1092 and 4699: all numbers
    with a point have three decimals and no 0 before it, and half of the columns or more have whole
    numbers below 1,000, too."""
    with_point = [cell for column in columns for cell in column if _POINT_NUMBER.fullmatch(cell)]
    are_grouped = all(_POINT_THOUSANDS.fullmatch(cell) for cell in with_point)
    have_whole = sum(any(_BELOW_THOUSAND.fullmatch(cell) for cell in column) for column in columns)
    if len(with_point) >= _FEWEST_GROUPED and are_grouped and 2 * have_whole >= len(columns):
        example = with_point[0].strip()
        raise UserError(
            "EXTRACTION_LAYOUT_AMBIGUOUS",
            f"{example} has three decimals, or is {example.replace('.', '')} with a point between "
            "thousands: all numbers with a point have three decimals, and others have none",
            file=label,
            line=layout.data_line,
            expected="numbers with a decimal point, and nothing between thousands",
            action="Write the matrix again without thousands separators, or with more decimals",
        )


def _word(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
