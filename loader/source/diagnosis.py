"""Finds the line of a matrix that cannot be read.

The fast reader only says that it failed. This one reads the file again line by line to find the
line, which is slow, but needed only for a broken file.
"""

import math

from expression_warehouse.core.errors import UserError
from loader.source.download import Download
from loader.source.values import IDENTIFIER, NULL_VALUES, NUMBER

CARRIAGE_RETURN = "\r"


def diagnose(download: Download, name: str, header: list[str], reason: str) -> UserError:
    """The first fault of a matrix, as an error with file and line.

    header  samples of the columns after the first
    reason  the fast reader's message, for a fault that this one does not find

    Returns 1002 for a line with another number of columns or a stray carriage return, 1003 for
    bytes that are not UTF-8, 1004 for a value that is not a finite number, 2006 for an invalid
    gene id.
    """
    label = download.label(name)
    with download.open(name) as file:
        for number, line in enumerate(file, start=1):
            if number > 1 and (error := _fault(line, header, label, number)):
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


def _fault(line: bytes, header: list[str], label: str, number: int) -> UserError | None:
    try:
        text = without_line_end(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return UserError(
            "EXTRACTION_ENCODING_ERROR",
            f"byte {error.start + 1} of the line is not UTF-8",
            file=label,
            line=number,
        )
    if CARRIAGE_RETURN in text:
        return stray_return(text, label, number)
    gene, *values = text.split("\t")
    if len(values) != len(header):
        found = f"{len(values) + 1} columns" if gene or values else "an empty line"
        return UserError(
            "EXTRACTION_INVALID_FORMAT",
            f"the line has {found}" if gene or values else found,
            file=label,
            line=number,
            expected=f"{len(header) + 1} columns, as in the header",
        )
    if not IDENTIFIER.fullmatch(gene):
        return UserError(
            "VALIDATION_INVALID_IDENTIFIER",
            f"the gene id is {gene!r}" if gene else "the gene id is empty",
            file=label,
            line=number,
            expected="1 to 50 ASCII characters, no blank at either end",
        )
    for sample, value in zip(header, values, strict=True):
        if value in NULL_VALUES:
            continue
        if not NUMBER.fullmatch(value) or not math.isfinite(float(value)):
            return UserError(
                "EXTRACTION_PARSE_ERROR",
                f"sample {sample} has the value {value!r}",
                file=label,
                line=number,
                expected="a finite number, or an empty cell or NA if it is missing",
            )
    return None
