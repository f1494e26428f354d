"""Which of very many tests can matter for the false discovery rates of a few.

They are counted in buckets of ln p, so that the last rank in each is known without sorting. With
that rank, m p / rank of the lower edge is no more than that of any test in the bucket, and that of
the upper edge no less than that of its last test. q of a test that is asked for is the least m p /
rank from there on. So a bucket need not be looked at

- where above it there is less already: no q comes from it;
- where none of its tests is asked for, and there is less in a bucket between it and the next one
  below that has such a test, or in that one: no q of those comes from it, and those further below
  have no greater q.

Left are the buckets with tests that are asked for, and few just above them.
"""

import numba
import numpy as np

from expression_warehouse.pairs.screen.p_values import Codes, log_p

# So many counts stay in a processor's L2 cache.
_BUCKETS = 1 << 16
# Rounding, as a share of p, of edges.
_ROUNDING = 1e-10
# Of ln p, so that buckets have a width where all p are equal.
_NARROWEST = 1e-6


class Buckets:
    """Buckets of ln p: the first has what is at or below `lowest`, and is always looked at; the
    others are of the same width, up to `highest`.

    counts  how many lie in each
    """

    def __init__(self, waiting: np.ndarray, new: Codes, lowest: float, highest: float) -> None:
        """Of ln p that are known, and of others."""
        self._waiting, self._new, self._lowest = waiting, new, lowest
        self._scale = (_BUCKETS - 2) / max(highest - lowest, _NARROWEST)
        self._places = np.empty(len(waiting) + new.numbers.sum(), np.uint16)
        own = self._places[: len(waiting)], self._places[len(waiting) :]
        self._waiting_places, self._new_places = own
        _place(waiting, lowest, self._scale, _BUCKETS - 1.0, own[0])
        _place_codes(
            new.codes, new.starts, new.numbers, new.bins, new.table,
            lowest, self._scale, _BUCKETS - 1.0, own[1],
        )  # fmt: skip
        self.counts = _count(self._places, _BUCKETS)

    def choose(self, ends: np.ndarray, tests: int, asked: np.ndarray, least: float) -> np.ndarray:
        """Which are to be looked at.

        ends   the last rank in each
        tests  m
        asked  ln p of what is asked for
        least  of all m p / rank above the buckets
        """
        upper = tests * np.exp(self._lowest + np.arange(_BUCKETS) / self._scale)
        has_asked = np.zeros(_BUCKETS, np.bool_)
        places = np.empty(len(asked), np.uint16)
        _place(asked, self._lowest, self._scale, _BUCKETS - 1.0, places)
        has_asked[places] = True
        return _choose(self.counts, ends, upper, has_asked, least)

    def collect(self, chosen: np.ndarray) -> np.ndarray:
        """What lies in those, ascending."""
        found = np.empty(self.counts[chosen].sum())
        size = _collect(self._waiting, self._waiting_places, chosen, found)
        _collect_codes(
            self._new.codes, self._new.starts, self._new.numbers, self._new.bins, self._new.table,
            self._new_places, chosen, found[size:],
        )  # fmt: skip
        found.sort()
        return found


@numba.njit(inline="always")
def _place_of(logarithm, lowest, scale, last):
    """By way of 32 bits, which the processor converts several of at a time. ln 0 is -inf."""
    return np.uint16(np.int32(min(max((logarithm - lowest) * scale + 1.0, 0.0), last)))


@numba.njit(nogil=True, cache=True)
def _place(logarithms, lowest, scale, last, found):
    for i in range(logarithms.size):
        found[i] = _place_of(logarithms[i], lowest, scale, last)


@numba.njit(nogil=True, cache=True)
def _place_codes(codes, starts, numbers, bins, table, lowest, scale, last, found):
    first = 0
    for run in range(bins.size):
        own = codes[starts[run] : starts[run] + numbers[run]]
        _place_run(own, table[bins[run]], lowest, scale, last, found[first : first + own.size])
        first += own.size


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _place_run(codes, c, lowest, scale, last, found):
    """Of a run; a function of its own, which the compiler has work on several at a time."""
    c0, c1, c2, c3, c4, c5, c6 = c[0], c[1], c[2], c[3], c[4], c[5], c[6]
    for i in range(codes.size):
        logarithm = log_p(codes[i], c0, c1, c2, c3, c4, c5, c6)
        found[i] = _place_of(logarithm, lowest, scale, last)


@numba.njit(nogil=True, cache=True)
def _count(places, size):
    counts = np.zeros(size, np.int64)
    for i in range(places.size):
        counts[places[i]] += 1
    return counts


@numba.njit(nogil=True, cache=True)
def _choose(counts, ends, upper, has_asked, least):
    """upper  m p of the upper edges."""
    chosen, above = np.zeros(counts.size, np.bool_), np.empty(counts.size)
    for i in range(counts.size - 1, 0, -1):
        above[i] = least
        if counts[i]:
            least = min(least, upper[i] / ends[i])
    chosen[0], below = True, np.inf
    for i in range(1, counts.size):
        if has_asked[i]:
            below = np.inf
        if counts[i]:
            lower = upper[i - 1] / ends[i] * (1.0 - _ROUNDING)
            chosen[i] = lower <= above[i] and lower < below
            below = min(below, upper[i] / ends[i])
    return chosen


@numba.njit(nogil=True, cache=True)
def _collect(logarithms, places, chosen, found):
    size = 0
    for i in range(logarithms.size):
        if chosen[places[i]]:
            found[size] = logarithms[i]
            size += 1
    return size


@numba.njit(nogil=True, cache=True)
def _collect_codes(codes, starts, numbers, bins, table, places, chosen, found):
    size, first = 0, 0
    for run in range(bins.size):
        c = table[bins[run]]
        for i in range(numbers[run]):
            if chosen[places[first + i]]:
                code = codes[starts[run] + i]
                found[size] = log_p(code, c[0], c[1], c[2], c[3], c[4], c[5], c[6])
                size += 1
        first += numbers[run]
