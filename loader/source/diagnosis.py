"""Finds the line of a matrix that cannot be read.

The fast reader only says that it failed. This one reads the file again line by line to find the
line, which is slow, but needed only for a broken file.
"""

import math
import re

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.listed import counted
from loader.source.layout import Layout
from loader.source.text import MatrixText
from loader.source.values import ANY_LENGTH, INFINITE, NULL_VALUES, NUMBER

CARRIAGE_RETURN = "\r"

# 1.234,5 and 1,234.5, also with a blank or an apostrophe between thousands.
_GROUPED = re.compile(
    r" *[+-]?[1-9][0-9]{0,2}([.,' \u2019\u00a0\u202f])[0-9]{3}(?:\1[0-9]{3})*(?:[.,][0-9]+)? *"
)


def diagnose(text: MatrixText, layout: Layout, reason: str) -> UserError:
    """The first fault of a matrix, as an error with file and line.

    reason  the fast reader's message, for a fault that this one does not find

    Returns 1002 for a line with another number of columns, an open quote or a stray carriage
    return, 1003 for bytes that are not UTF-8, 1004 for a value that is not a number, 2006 for an
    invalid gene id.
    """
    label = text.label
    with text.open_text() as file:
        for number, line in enumerate(file, start=text.first_line):
            if number >= layout.data_line and (error := _fault(line, layout, label, number)):
                return error
    return UserError("EXTRACTION_INVALID_FORMAT", reason, file=label)


def without_line_end(line: str) -> str:
    """A line without its line end, which is that of Unix or of Windows."""
    return line.removesuffix("\n").removesuffix(CARRIAGE_RETURN)


def stray_return(text: str, label: str, number: int) -> UserError:
    """1002 for a line with a carriage return before its line end: some readers see one line, others
    two."""
    return UserError(
        "EXTRACTION_INVALID_FORMAT",
        f"character {text.index(CARRIAGE_RETURN) + 1} of the line is a carriage return",
        file=label,
        line=number,
        expected="lines that end with a line feed, or with a carriage return and a line feed",
    )


def _fault(line: bytes, layout: Layout, label: str, number: int) -> UserError | None:
    # Cells that are not loaded may have any encoding.
    text = without_line_end(line.decode("utf-8", "surrogateescape"))
    if CARRIAGE_RETURN in text:
        return stray_return(text, label, number)
    try:
        cells = layout.cells(text)
    except ValueError as error:
        return UserError("EXTRACTION_INVALID_FORMAT", str(error), file=label, line=number)
    if len(cells) != len(layout.names):
        return UserError(
            "EXTRACTION_INVALID_FORMAT",
            f"the line has {counted(len(cells), 'column')}" if text else "there is an empty line",
            file=label,
            line=number,
            expected=f"{counted(len(layout.names), 'column')}, as in the header",
        )
    loaded = [layout.id_column, *layout.sample_columns]
    if any(_is_not_utf8(cells[column]) for column in loaded):
        return _encoding_error(line, label, number)
    gene = cells[layout.id_column]
    if gene.strip() and not ANY_LENGTH.fullmatch(gene):
        return UserError(
            "VALIDATION_INVALID_IDENTIFIER",
            f"the gene id is {gene!r}",
            file=label,
            line=number,
            expected="ASCII characters, no blank at either end",
        )
    for column in layout.sample_columns:
        if fault := _value_fault(cells[column], layout, layout.names[column], label, number):
            return fault
    return None


def _is_not_utf8(cell: str) -> bool:
    return any("\udc80" <= character <= "\udcff" for character in cell)


def _encoding_error(line: bytes, label: str, number: int) -> UserError:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        position = error.start + 1
    return UserError(
        "EXTRACTION_ENCODING_ERROR",
        f"byte {position} of the line is not UTF-8",
        file=label,
        line=number,
    )


def _value_fault(
    value: str, layout: Layout, sample: str, label: str, number: int
) -> UserError | None:
    if value in NULL_VALUES or INFINITE.fullmatch(value):
        return None
    plain = value.replace(",", ".", 1) if layout.decimal == "," and "." not in value else value
    if NUMBER.fullmatch(plain) and math.isfinite(float(plain)) and not _has_point(value, layout):
        return None
    sign = "comma" if layout.decimal == "," else "point"
    return UserError(
        "EXTRACTION_PARSE_ERROR",
        f"sample {sample} has the value {value!r}",
        file=label,
        line=number,
        expected=f"a finite number with a decimal {sign}, or an empty cell or NA if it is missing",
        action="Write the matrix again without thousands separators, and with one decimal sign"
        if _GROUPED.fullmatch(value)
        else None,
    )


def _has_point(value: str, layout: Layout) -> bool:
    return layout.decimal == "," and "." in value
