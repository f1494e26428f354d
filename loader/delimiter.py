"""The sign between two cells, as the first line of a table shows it."""

import csv


def likeliest_delimiter(line: str, signs: str) -> str:
    """The sign that makes the most cells of a line; the first of them if none makes several."""
    return max(signs, key=lambda sign: len(next(csv.reader([line], delimiter=sign), [])))
