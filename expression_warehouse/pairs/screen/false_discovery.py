"""False discovery rates over all pairs tested, most of which are in files.

Benjamini & Hochberg (1995): with m tests, q of the i-th smallest p is the least of m p_(j) / j over
all j >= i, and at most 1. m is all pairs; one without a test counts as p = 1, as in
macros/stats/benjamini_hochberg.sql.

From the greatest p downwards, all p are read part by part, and their ranks known: of a part is
certain what is greater than any p that is still to come can be, and the rest waits for the next.
The least m p_(j) / j so far is q of the next p that is asked for. What cannot be one of those q is
counted, not sorted (buckets.py).

What is off is rounding, and what the codes of statistics leave out. If each p is off by a share of
itself at most, then so is each p_(j), and so is each q. Those p that are asked for are lowered by
`_slack`, so that in spite of it each finds itself among all; what comes between is as near, so a q
is too small by that share at most.
"""

import numba
import numpy as np

from expression_warehouse.pairs.screen.bins import p_value, places
from expression_warehouse.pairs.screen.buckets import Buckets
from expression_warehouse.pairs.screen.p_values import PValues
from expression_warehouse.pairs.screen.statistic_files import StatisticFiles, first_places
from expression_warehouse.pairs.screen.tally import PAIR, Family

# Of so many p at a time it is told whether they need be looked at.
_STEP = 32
# What is no greater waits for the end.
_LEAST_EDGE = 1e-300


def smallest(family: Family) -> tuple[np.ndarray, np.ndarray]:
    """The pairs that a family kept, and their p: from the smallest on; of equal ones the smaller
    gene numbers first, but for p too small for a number, where the greater statistic goes first.
    The family gives them up.

    The first `family.keep` are those of the smallest p among all tests: none is missing.
    """
    family.raise_least()
    kept = np.concatenate([np.empty(0, PAIR), *family.kept])
    family.kept = []
    p = p_value(kept["size"], np.array(family.degrees)[kept["row"]])
    # One sort of several keys would take ten times as long.
    by_pair = np.argsort(kept["gene_a"].astype(np.int64) << 32 | kept["gene_b"])
    order = by_pair[np.argsort(p[by_pair], kind="stable")]
    zeros = np.count_nonzero(p == 0)
    order[:zeros] = order[:zeros][np.argsort(-kept["size"][order[:zeros]], kind="stable")]
    return kept[order], p[order]


def false_discovery_rates(
    family: Family, files: StatisticFiles, number: int, p: np.ndarray, tests: int
) -> np.ndarray:
    """q of tests with such p; NaN where p is NaN, since there is no test.

    family  of which all pairs have been counted
    number  of the family in the files
    p       of any of its tests
    tests   how many pairs there were
    """
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]
    rates = _Rates(p[order], tests)
    counts = family.place_counts
    firsts = first_places(counts)
    parts, values = files.parts(number, firsts), PValues(family.degrees)
    before = np.insert(np.cumsum(counts), 0, 0)[firsts]
    greatest = np.insert(places(family.degrees).greatest_so_far(counts), 0, 0.0)[firsts]
    edges = np.log(np.maximum(greatest, _LEAST_EDGE))
    waiting = np.empty(0)
    for part in reversed(range(len(firsts) - 1)):
        small, new = values.split(parts.read(part))
        buckets = Buckets(np.append(waiting, small), new, *edges[part : part + 2])
        waiting = rates.descend(buckets, before[part], *edges[part : part + 2])
    q = np.full(len(p), np.nan)
    q[order] = rates.finish(waiting)
    return q


def _slack(p: np.ndarray) -> np.ndarray:
    """What codes leave out (bins.py), and for r = 0.999, as another processor may have computed it,
    the last bit, as a share of p."""
    return 1e-10 - 4e-12 * np.log(np.maximum(p, np.finfo(float).tiny))


class _Rates:
    """q of what is asked for, as one goes down all p.

    asked  p, ascending
    tests  m
    """

    def __init__(self, asked: np.ndarray, tests: int) -> None:
        self._asked, self._tests = asked * (1 - _slack(asked)), tests
        with np.errstate(divide="ignore"):
            self._logarithms = np.log(self._asked)
        self._found = np.empty(len(asked))
        # Those before `left` are not found yet; `least` is that of all m p / j so far.
        self._left, self._least = len(asked), 1.0

    def descend(self, buckets: Buckets, before: int, lowest: float, highest: float) -> np.ndarray:
        """Go down a part.

        buckets  of all p that there are, none of which is above `highest`; what is above `lowest`
                 is certain
        before   how many tests there are beside them that were not passed

        Returns ln p of what waits.
        """
        ends = before + np.cumsum(buckets.counts)
        own = slice(*np.searchsorted(self._logarithms, [lowest, highest], side="right"))
        chosen = buckets.choose(ends, self._tests, self._logarithms[own], self._least)
        few = buckets.collect(chosen)
        self._left, self._least = _descend_buckets(
            np.exp(few), np.where(chosen, buckets.counts, 0), ends,
            self._tests, self._asked, self._left, self._found, self._least,
        )  # fmt: skip
        return few[: buckets.counts[0]].copy()

    def finish(self, waiting: np.ndarray) -> np.ndarray:
        """q, where that is all that is left."""
        p = np.exp(waiting)
        self._left, self._least = _descend(
            p, len(p), self._tests, self._asked, self._left, self._found, self._least
        )
        self._found[: self._left] = self._least
        return self._found


@numba.njit(nogil=True, cache=True)
def _descend_buckets(p, counts, ends, tests, asked, left, found, least):
    """Go down all buckets but the first, as `_descend`.

    p       of all that is looked at, ascending
    counts  how many of them lie in each
    ends    the last rank in each
    """
    last = p.size
    for bucket in range(counts.size - 1, 0, -1):
        if counts[bucket]:
            first, rank = last - counts[bucket], ends[bucket]
            left, least = _descend(p[first:last], rank, tests, asked, left, found, least)
            last = first
    return left, least


@numba.njit(nogil=True, cache=True)
def _descend(p, rank, tests, asked, left, found, least):
    """Go down p of the ranks up to `rank`, and write the q of those asked for that are passed.

    asked  ascending; the first `left` of them are not found yet
    least  of all m p / j so far

    Returns both as they are then.
    """
    last = p.size
    while last > 0:
        first = max(0, last - _STEP)
        # Most steps hold nothing that is asked for, and nothing that m p / j could be less of.
        if (left and asked[left - 1] > p[first]) or p[first] * tests < least * rank:
            for i in range(last - 1, first - 1, -1):
                while left and asked[left - 1] > p[i]:
                    left -= 1
                    found[left] = least
                if p[i] * tests < least * (rank - (last - 1 - i)):
                    least = p[i] * tests / (rank - (last - 1 - i))
        rank -= last - first
        last = first
    return left, least
