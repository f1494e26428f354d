"""Ranks of each gene within one group of samples, made ready for inner products."""

from dataclasses import dataclass

import numba
import numpy as np

# Sums of products of doubled centred ranks are whole numbers, of at most n (n² - 1) / 3. Up to this
# n they stay below 2^24, where 32-bit floats have them exactly.
EXACT_FLOAT32_SAMPLES = 368

_SORTED_ROWS = 1024


@dataclass(frozen=True)
class GroupRanks:
    """The genes of one study in one group of n samples.

    ranks    (genes, n): twice the average rank less n + 1, a whole number; all 0 where the gene has
             no r with any other
    inverse  (genes,): 1 / √(sum of squares); NaN there
    partial  (genes,): whether some of its values are missing, but not all
    """

    ranks: np.ndarray
    inverse: np.ndarray
    partial: np.ndarray


def rank_group(values: np.ndarray, genes: np.ndarray, dtype: np.dtype) -> GroupRanks:
    """Rank some genes of a group: (all genes, samples), NaN where missing.

    Spearman's r of two genes is the inner product of their ranks times both `inverse` (Spearman
    1904; average ranks for ties: Kendall 1948). A gene without variance has no r, nor has here one
    with missing values: its ranks would depend on the other gene's.
    """
    ranks = np.zeros((len(genes), values.shape[1]), dtype)
    squares, partial = np.zeros(len(genes)), np.zeros(len(genes), bool)
    # So many at a time stay in the processor's cache; numpy sorts several times faster than what
    # numba has.
    for start in range(0, len(genes), _SORTED_ROWS):
        part = slice(start, start + _SORTED_ROWS)
        own = values[genes[part]]
        present = np.count_nonzero(~np.isnan(own), axis=1)
        is_complete = present == own.shape[1]
        partial[part] = (present > 0) & ~is_complete
        _rank_rows(own, np.argsort(own, axis=1), is_complete, ranks[part], squares[part])
    inverse = np.full(len(genes), np.nan)
    np.divide(1.0, np.sqrt(squares), out=inverse, where=squares > 0)
    return GroupRanks(ranks, inverse, partial)


@numba.njit(nogil=True, cache=True)
def average_ranks(values: np.ndarray) -> np.ndarray:
    """Twice the average rank of each value, less n + 1: whole numbers whose sum is 0."""
    return ranks_in_order(values, np.argsort(values))


@numba.njit(nogil=True, cache=True)
def ranks_in_order(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The same, of values whose ascending order is known."""
    n = values.size
    ranks = np.empty(n)
    first = 0
    while first < n:
        last = first
        while last + 1 < n and values[order[last + 1]] == values[order[first]]:
            last += 1
        for place in range(first, last + 1):
            ranks[order[place]] = first + last + 1 - n
        first = last + 1
    return ranks


@numba.njit(nogil=True, cache=True)
def _rank_rows(
    values: np.ndarray,
    order: np.ndarray,
    is_complete: np.ndarray,
    ranks: np.ndarray,
    squares: np.ndarray,
) -> None:
    for gene in range(len(values)):
        if is_complete[gene]:
            own = ranks_in_order(values[gene], order[gene])
            ranks[gene] = own
            squares[gene] = (own * own).sum()


# Sums of whole numbers are the same in any order.
@numba.njit(nogil=True, cache=True, fastmath=True)
def inner_products(ranks: np.ndarray, a: np.ndarray, b: np.ndarray, found: np.ndarray) -> None:
    """Write the inner product of the ranks of each gene of a with that of b."""
    for pair in range(a.size):
        one, other = a[pair], b[pair]
        total = 0.0
        for sample in range(ranks.shape[1]):
            total += ranks[one, sample] * ranks[other, sample]
        found[pair] = total
