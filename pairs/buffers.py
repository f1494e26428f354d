"""Large arrays that are used again: new memory of the system takes as long as to fill it."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

_LEAST = 1 << 20


class Buffers:
    """Arrays of 32-bit numbers, for any thread of this process."""

    def __init__(self) -> None:
        self._free: list[np.ndarray] = []

    def take(self, size: int) -> np.ndarray:
        """An array of that size or more, with anything in it."""
        try:
            found = self._free.pop()
        except IndexError:
            found = np.empty(0, np.uint32)
        return found if len(found) >= size else np.empty(max(size, _LEAST), np.uint32)

    def give_back(self, array: np.ndarray) -> None:
        """Of no use to the caller any more."""
        self._free.append(array)

    @contextmanager
    def lend(self, size: int) -> Iterator[np.ndarray]:
        """An array of exactly that size, for a while."""
        array = self.take(size)
        yield array[:size]
        self.give_back(array)

    def clear(self) -> None:
        """Let the system have the memory."""
        self._free.clear()


BUFFERS = Buffers()
