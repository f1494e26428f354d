"""False discovery rates over all pairs tested, from a tally that kept the smallest p only.

Benjamini & Hochberg (1995): with m tests, q of the i-th smallest p is the least of m p_(j) / j over
all j >= i, and at most 1. m is all pairs; one without a test counts as p = 1, as in
macros/stats/benjamini_hochberg.sql.

What is exact, and why. Let p* be the least p that a statistic in a bin that was not kept could
have. Every test with p < p* was kept, so its rank is known, and so is m p_(j) / j. Beyond, only
bins are known. A test in a bin of p in [least, greatest] has a rank of at most C, the number of
tests that may have p <= greatest, so m p_(j) / j >= m least / C. Let `exact_below` be the least of
these bounds. The minimum over the kept j >= i, where it is <= exact_below, is the minimum over all
j >= i: that q is exact. Where it is greater, the true minimum may lie in the bins. For any bin
with greatest >= p_i: the last test with p <= greatest is test i or one after it, and its rank is
at least c, the number of tests in bins that lie at or below `greatest` wholly; so q is at most m
greatest / c, and at most the least of these over the bins. Such a q is an upper bound: too high by
a bin's width at most (where p is near 1e-4, about 3 %), never too low.
"""

from dataclasses import dataclass

import numpy as np

from pairs.bins import edges, p_value
from pairs.tally import PAIR, Family


@dataclass(frozen=True)
class FalseDiscoveryRates:
    """The rates of one family of tests.

    best         PAIR rows whose p are the smallest, from the smallest on; of equal ones the smaller
                 gene numbers first. Their ranks are their places.
    p            (best,): their p
    q            (best,): their q
    exact_below  a q up to this is exact, a greater one of a family that is not `is_complete` an
                 upper bound
    is_complete  whether all tests were kept, so that every q is exact
    """

    best: np.ndarray
    p: np.ndarray
    q: np.ndarray
    exact_below: float
    is_complete: bool
    _rest_p: np.ndarray
    _rest_q: np.ndarray

    def q_of(self, gene_a: np.ndarray, gene_b: np.ndarray, p: np.ndarray) -> np.ndarray:
        """q of any of the pairs tested; NaN where p is NaN, since there is no test."""
        order = np.argsort(key := _pair_key(self.best["gene_a"], self.best["gene_b"]))
        place = np.searchsorted(key, wanted := _pair_key(gene_a, gene_b), sorter=order)
        place = np.append(order, 0)[place]
        is_best = (np.append(key, -1)[place] == wanted) if len(key) else np.zeros(len(p), bool)
        q = np.append(self._rest_q, 1.0)[np.searchsorted(self._rest_p, p)]
        q[is_best] = self.q[place[is_best]]
        q[np.isnan(p)] = np.nan
        return q


def _in_order(kept: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Places by p; of equal ones by gene numbers, but for p too small for a number, where the
    greater statistic goes first. One sort of several keys would take ten times as long."""
    by_pair = np.argsort(_pair_key(kept["gene_a"], kept["gene_b"]))
    order = by_pair[np.argsort(p[by_pair], kind="stable")]
    zeros = np.count_nonzero(p == 0)
    order[:zeros] = order[:zeros][np.argsort(-kept["size"][order[:zeros]], kind="stable")]
    return order


def _pair_key(gene_a: np.ndarray, gene_b: np.ndarray) -> np.ndarray:
    return gene_a.astype(np.int64) << 32 | gene_b


def false_discovery_rates(family: Family, tests: int) -> FalseDiscoveryRates:
    """The rates of a family of which all pairs have been counted. It gives up what it kept.

    tests  how many pairs there were
    """
    family.raise_floor()
    kept = np.concatenate([np.empty(0, PAIR), *family.kept])
    family.kept = []
    rates = edges(family.degrees)
    p = p_value(kept["size"], np.array(family.degrees)[kept["row"]])
    place = np.arange(family.counts.shape[1])
    rest = np.where(place < family.floor[:, None], family.counts, 0)
    in_rest = rest > 0
    limit = rates.least[in_rest].min(initial=np.inf)

    # Kept ones beyond p* have no certain rank: they are counted with their bins.
    is_best = p < limit
    order = _in_order(kept, p)
    order = order[is_best[order]]
    best, p_best = kept[order], p[order]
    least = np.concatenate([rates.least[in_rest], p[~is_best]])
    greatest = np.concatenate([rates.greatest[in_rest], p[~is_best]])
    number = np.concatenate([rest[in_rest], np.ones(np.count_nonzero(~is_best), np.int64)])

    bound, rest_p, rest_q = _bounds_of_rest(least, greatest, number, len(best), tests)
    ratio = p_best * (tests / np.arange(1, len(best) + 1))
    q = np.minimum.accumulate(np.append(ratio, np.inf)[::-1])[::-1][:-1]
    q = np.minimum(q, min(1.0, rest_q[0] if len(rest_q) else 1.0))
    return FalseDiscoveryRates(best, p_best, q, bound, not in_rest.any(), rest_p, rest_q)


def _bounds_of_rest(
    least: np.ndarray, greatest: np.ndarray, number: np.ndarray, before: int, tests: int
) -> tuple[float, np.ndarray, np.ndarray]:
    """Of tests known by their bins: the least m p / j that any can have; and, for p in ascending
    order, the q that a test of up to that p has at most.

    before  tests with smaller p
    """
    by_least = np.argsort(least, kind="stable")
    cumulative = np.cumsum(number[by_least])
    at_most = before + cumulative[np.searchsorted(least[by_least], greatest, side="right") - 1]
    lower = (least * (tests / at_most)).min(initial=np.inf)

    by_greatest = np.argsort(greatest, kind="stable")
    at_least = before + np.cumsum(number[by_greatest])
    upper = np.minimum(1.0, greatest[by_greatest] * (tests / at_least))
    return float(lower), greatest[by_greatest], np.minimum.accumulate(upper[::-1])[::-1]
