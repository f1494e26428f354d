"""Limits how many threads run something at the same time; one can also run alone."""

import contextlib
import threading
from collections.abc import Iterator


class Turns:
    """A limit of how many threads run something at the same time.

    most  threads that run it beside one another
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._free = threading.Semaphore(most)
        # Two threads that collect all turns would wait for each other's.
        self._collecting = threading.Lock()

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """Run beside others."""
        with self._free:
            yield

    @contextlib.contextmanager
    def all(self) -> Iterator[None]:
        """Run alone, once those that run now have ended."""
        with self._collecting, contextlib.ExitStack() as turns:
            for _ in range(self._most):
                turns.enter_context(self._free)
            yield
