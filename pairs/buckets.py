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

# So many counts stay in a processor's L2 cache.
_BUCKETS = 1 << 16
# Rounding, as a share of p, of edges and of what is asked for, which another processor may have
# computed: of r = 0.999 the last bit is 6e-11 of p.
SLACK = 1e-10
# Of ln p, so that buckets have a width where all p are equal.
_NARROWEST = 1e-6


class Buckets:
    """Buckets of ln p: the first has what is at or below `lowest`, and is always looked at; the
    others are of the same width, up to `highest`.

    counts  how many lie in each
    """

    def __init__(self, logarithms: np.ndarray, lowest: float, highest: float) -> None:
        self._logarithms, self._lowest = logarithms, lowest
        self._scale = (_BUCKETS - 2) / max(highest - lowest, _NARROWEST)
        self._places = self._places_of(logarithms)
        self.counts = _count(self._places, _BUCKETS)

    def choose(self, ends: np.ndarray, tests: int, asked: np.ndarray, least: float) -> np.ndarray:
        """Which are to be looked at.

        ends   the last rank in each
        tests  m
        asked  ln p of what is asked for
        least  of all m p / rank above the buckets
        """
        upper = tests * np.exp(self._lowest + np.arange(_BUCKETS) / self._scale)
        has_asked = _count(self._places_of(asked), _BUCKETS) > 0
        return _choose(self.counts, ends, upper, has_asked, least)

    def collect(self, chosen: np.ndarray) -> np.ndarray:
        """What lies in those, ascending."""
        found = np.empty(self.counts[chosen].sum())
        _collect(self._logarithms, self._places, chosen, found)
        found.sort()
        return found

    def _places_of(self, logarithms: np.ndarray) -> np.ndarray:
        found = np.empty(len(logarithms), np.uint16)
        _place(logarithms, self._lowest, self._scale, _BUCKETS - 1.0, found)
        return found


@numba.njit(nogil=True, cache=True)
def _place(logarithms, lowest, scale, last, found):
    for i in range(logarithms.size):
        # ln 0 is -inf. By way of 32 bits, which the processor converts several of at a time.
        place = min(max((logarithms[i] - lowest) * scale + 1.0, 0.0), last)
        found[i] = np.uint16(np.int32(place))


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
            lower = upper[i - 1] / ends[i] * (1.0 - SLACK)
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
