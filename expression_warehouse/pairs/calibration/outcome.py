"""What the tests and the ranked views find in one draw."""

import numpy as np

from expression_warehouse.pairs.calibration.nulls import Draw, SliceData
from expression_warehouse.pairs.contrasts import Design
from expression_warehouse.pairs.engine.pooled_pairs import PAIRS, p_values, pool_correlations

FALSE_DISCOVERY_RATE = 0.05
# Columns of an outcome: pairs that have the test, of them with p < 0.05 and p < 0.001, pairs found
# that have no planted contrast, pairs with one that the test is of, and of these those found.
FIELDS = ("tested", "below_05", "below_001", "found", "planted", "planted_found")


def views(design: Design) -> dict[str, tuple[str, ...]]:
    """The ranked views by their setting q_basis, and the tests the least q of which they take."""
    if not design.combined:
        return {"view_hk": ("pair",)}
    both = ("ss_z", "soth_z")
    return {
        "view_hk": ("pair",),
        "view_spec": (*both, "combined"),
        "view_dependent": (*both, "combined_dependent"),
    }


def rows_of(design: Design) -> tuple[str, ...]:
    """The names of an outcome's rows."""
    return (*design.tests, *views(design))


def p_of_draw(data: SliceData, draw: Draw, pairs: np.ndarray | None = None) -> np.ndarray:
    """p of all tests, (tests, pairs); NaN if a pair has none that is eligible.

    pairs  positions of some pairs; None is all
    """
    chosen = np.arange(len(data.a)) if pairs is None else pairs
    p = np.empty((len(data.design.tests), len(chosen)))
    for start in range(0, len(chosen), PAIRS):
        chunk = slice(start, start + PAIRS)
        pooled = pool_correlations(draw.store, *draw.correlate(data, chosen[chunk]))
        found, _ = p_values(pooled, data.design)
        p[:, chunk] = np.where(pooled.rows >= 0, found, np.nan)
    return p


def find(p: np.ndarray) -> np.ndarray:
    """Whether the false discovery rate is at most FALSE_DISCOVERY_RATE (Benjamini & Hochberg 1995).

    p  of all pairs, NaN if a pair has no test. Only the small ones are sorted: to sort all, test by
       test and draw by draw, would take as long as to compute them.
    """
    small = np.sort(p[p <= FALSE_DISCOVERY_RATE])
    tests = np.count_nonzero(~np.isnan(p))
    within = np.flatnonzero(small * tests <= FALSE_DISCOVERY_RATE * np.arange(1, len(small) + 1))
    return p <= small[within[-1]] if len(within) else np.zeros(len(p), bool)


def summarise(design: Design, p: np.ndarray, is_planted: np.ndarray | None = None) -> np.ndarray:
    """(rows, FIELDS): counts of `rows_of`.

    p           (tests, pairs), from `p_of_draw`
    is_planted  (contrasts, pairs)
    """
    if is_planted is None:
        is_planted = np.zeros((len(design.contrasts), p.shape[1]), bool)
    is_found = np.array([find(values) for values in p])
    # The pairs with a planted contrast that each test is of.
    of_test = np.empty(p.shape, bool)
    of_test[design.z] = of_test[design.hk] = of_test[design.adhoc] = is_planted
    of_test[design.pair] = is_planted.any(axis=0)
    of_test[design.combinations] = is_planted[list(design.combined)].any(axis=0)
    # What is planted for one contrast changes the others that have its cohorts.
    is_free = ~np.any(of_test, axis=0)
    counts: list[list[int]] = []
    for values, found, planted in zip(p, is_found, of_test, strict=True):
        shares = [int(np.count_nonzero(values < level)) for level in (0.05, 0.001)]
        tested = int(np.count_nonzero(~np.isnan(values)))
        counts.append([tested, *shares, *_found(found, planted, is_free)])
    for tests in views(design).values():
        own = [design.tests.index(test) for test in tests]
        found, planted = np.any(is_found[own], axis=0), np.any(of_test[own], axis=0)
        tested = int(np.count_nonzero(~np.isnan(p[own]).all(axis=0)))
        # A view has no p of its own.
        counts.append([tested, -1, -1, *_found(found, planted, is_free)])
    return np.array(counts, np.int64)


def _found(is_found: np.ndarray, is_planted: np.ndarray, is_free: np.ndarray) -> list[int]:
    """Pairs found without a planted contrast, pairs with one, and of these those found."""
    shown = (is_found & is_free, is_planted, is_found & is_planted)
    return [int(np.count_nonzero(pairs)) for pairs in shown]
