"""Numbers in the cells of a CSV column."""

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loader.source.values import NULL_VALUES, NUMBER

_NOT_FINITE = re.compile(r"[+-]?(?:inf|infinity)", re.IGNORECASE)


def read_numbers(cells: Sequence[str]) -> tuple[np.ndarray, int | None]:
    """The numbers (nan if missing), and the index of the first cell that is no number, or None.

    Infinities, and numbers beyond the range of a double, are ±inf. Numbers after the first cell
    that is no number are undefined.
    """
    texts = pc.utf8_trim(pa.array(cells, pa.string()), " ")
    texts = pc.if_else(pc.is_in(texts, pa.array(NULL_VALUES)), pa.scalar(None, pa.string()), texts)
    try:
        numbers = texts.cast(pa.float64())
    except pa.ArrowInvalid:
        return _read_each(texts.to_pylist())
    values = numbers.to_numpy(zero_copy_only=False)
    # Arrow accepts 'nan(1)' and the like as a number.
    if np.isnan(values).sum() > numbers.null_count:
        return _read_each(texts.to_pylist())
    return values, None


def _read_each(texts: list[str | None]) -> tuple[np.ndarray, int | None]:
    """The same, cell by cell: slow, but needed only to find the fault of a broken file."""
    numbers = np.full(len(texts), np.nan)
    for index, text in enumerate(texts):
        if text is None:
            continue
        if not NUMBER.fullmatch(text) and not _NOT_FINITE.fullmatch(text):
            return numbers, index
        numbers[index] = float(text)
    return numbers, None
