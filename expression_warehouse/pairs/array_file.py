"""Files of arrays that an interrupted computation is resumed from."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from expression_warehouse.core.files import open_atomically


def write_arrays(
    path: Path, key: str, head: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> None:
    """Replace the file in one step.

    key     of the computation: what its result depends on
    head    what the file says besides, for JSON
    arrays  by name; none is called head
    """
    named: dict[str, Any] = {"head": np.array(json.dumps({"key": key, **head})), **arrays}
    with open_atomically(path) as file:
        np.savez(file, **named)


def read_arrays(path: Path, key: str) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    """The head and the arrays of a file; None if it is missing, damaged or of another key."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        head = json.loads(str(arrays.pop("head")))
        return (head, arrays) if head["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None
