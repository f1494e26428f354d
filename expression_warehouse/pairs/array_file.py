"""Files of arrays that an interrupted computation is resumed from."""

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from expression_warehouse.core.files import open_atomically

_State = TypeVar("_State")


def write_arrays(path: Path, head: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Replace the file in one step.

    head    what the file says besides, for JSON
    arrays  by name; none is called head
    """
    named: dict[str, Any] = {"head": np.array(json.dumps(head)), **arrays}
    with open_atomically(path) as file:
        np.savez(file, **named)


def read_arrays(
    path: Path, restore: Callable[[dict[str, Any], Mapping[str, np.ndarray]], _State | None]
) -> _State | None:
    """What `restore` makes of the head and the arrays of a file; None if the file is missing or
    damaged, or lacks what `restore` looks up."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return restore(json.loads(str(arrays["head"])), arrays)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None
