"""False discovery rates over all pairs tested, of which only the best are known one by one.

Benjamini & Hochberg (1995): with m tests and R(x) of them with p ≤ x, q(p) is the least m x / R(x)
of all x ≥ p, and at most 1. m is all pairs that have the test.

Up to a certain x all tests are candidates, so R(x) is known. Beyond, the histogram gives N(x), the
number of tests in bins whose greatest p is at most x. No bin is wider than e^w, so

    R(x e^-w) ≤ N(x) ≤ R(x).

Hence m x / N(x) is never less than m x / R(x): no q is too small. If q(p) = m t / R(t), then t e^w
is one of the x, and m t e^w / N(t e^w) ≤ e^w m t / R(t): no q is above e^w times the exact one. As
the least over all x ≥ p, q never falls with p; as R(x) ≤ m, it is never below p.
"""

import numpy as np

from expression_warehouse.pairs.engine.tally import ROUNDING, Tally


def false_discovery_rates(tally: Tally, candidate_p: np.ndarray, p: np.ndarray) -> np.ndarray:
    """q of tests with such p; NaN if p is NaN.

    candidate_p  of tally.sorted_candidates, ascending
    p            may differ from that in the tally by rounding: it is looked up below, and q is as
                 much larger
    """
    exact = candidate_p[: np.searchsorted(candidate_p, tally.complete, side="right")]
    counts, greatest = tally.histogram.filled_bins()
    order = np.argsort(greatest)
    x = np.concatenate([exact, greatest[order]])
    if not len(x):
        return np.full(p.shape, np.nan)
    rank = np.concatenate([np.arange(1, len(exact) + 1), np.cumsum(counts[order])])
    by_x = np.argsort(x, kind="stable")
    x, rank = x[by_x], rank[by_x]
    least = np.minimum.accumulate((tally.histogram.total * x / rank)[::-1])[::-1]
    position = np.searchsorted(x, p * (1 - ROUNDING)).clip(max=len(x) - 1)
    q = np.minimum(least[position] * (1 + 3 * ROUNDING), 1.0)
    return np.where(np.isnan(p), np.nan, q)
