"""A file of arrays that an interrupted computation is resumed from."""

import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from expression_warehouse.core.files import open_atomically

# A kill costs at most this, and the work under way.
CHECKPOINT_S = 30.0

# Arrays by name; none may be called key.
State = Mapping[str, np.ndarray]


class Checkpoint:
    """The state of a computation, in a file that is replaced in one step.

    key  of the computation: what its result depends on
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self._key = key
        self._written = time.monotonic()

    def read(self) -> State | None:
        """The state; None if the file is missing, damaged or of another key."""
        try:
            with np.load(self._path, allow_pickle=False) as file:
                arrays = dict(file)
            return arrays if str(arrays.pop("key")) == self._key else None
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            return None

    def write(self, state: State) -> None:
        named: dict[str, Any] = {"key": np.array(self._key), **state}
        with open_atomically(self._path) as file:
            np.savez(file, **named)
        self._written = time.monotonic()

    def write_if_due(self, state: Callable[[], State]) -> None:
        """Write if CHECKPOINT_S have passed since the last time."""
        if time.monotonic() - self._written > CHECKPOINT_S:
            self.write(state())
