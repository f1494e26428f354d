"""Large arrays that are used again: new memory of the system takes as long as to fill it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

_LEAST = 1 << 20


class Buffers:
    """Arrays of 32-bit numbers, for any thread of this process."""

    def __init__(self, least: int) -> None:
        self._least = least
        self._free: list[np.ndarray] = []
        self._lock = threading.Lock()

    def take(self, size: int) -> np.ndarray:
        """An array of that size or more, with anything in it: the longest there is, so that who
        wants more later has it."""
        with self._lock:
            self._free.sort(key=len)
            found = self._free.pop() if self._free else np.empty(0, np.uint32)
        return found if len(found) >= size else np.empty(max(size, self._least), np.uint32)

    def give_back(self, array: np.ndarray) -> None:
        """Of no use to the caller any more."""
        with self._lock:
            self._free.append(array)

    @contextmanager
    def lend(self, size: int) -> Iterator[np.ndarray]:
        """An array of exactly that size, for a while; an exception loses it."""
        array = self.take(size)
        yield array[:size]
        self.give_back(array)

    def clear(self) -> None:
        """Let the system have the memory."""
        self._free.clear()


# Of blocks, and of tiles, which stay in the processor's cache.
BUFFERS, SMALL_BUFFERS = Buffers(_LEAST), Buffers(1)
