"""Rank transforms of each gene within one group of samples, made ready for inner products."""

import numba
import numpy as np

# Sums of products of doubled centred ranks are whole numbers, of at most n (n² - 1) / 3. Up to this
# n they stay below 2^24, so that 32-bit floats, which take half of the work, hold them exactly.
EXACT_FLOAT32_SAMPLES = 368

_SORTED_ROWS = 1024


def rank_transform(
    values: np.ndarray, genes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Transform some genes of a group of n samples.

    values  (all genes, n), NaN if missing
    genes   row numbers of the genes that take part

    Returns

    ranks    (genes, n): twice the average rank minus n + 1, a whole number; all 0 if the gene has
             no r with any other
    inverse  (genes,): 1 / √(sum of squares); NaN if the gene has no r
    partial  (genes,): whether some of its values are missing, but not all

    Spearman's r of genes a and b is ranks_a · ranks_b · inverse_a · inverse_b (Spearman 1904;
    average ranks for ties: Kendall 1948). A gene without variance has no r. Here, a gene with
    missing values has no r either: its ranks depend on the other gene
    (`spearman_complete_cases`).
    """
    samples = values.shape[1]
    dtype = np.float32 if samples <= EXACT_FLOAT32_SAMPLES else np.float64
    ranks = np.zeros((len(genes), samples), dtype)
    squares, partial = np.zeros(len(genes)), np.zeros(len(genes), bool)
    # In chunks that stay in the processor's cache; numpy sorts several times faster than numba.
    for start in range(0, len(genes), _SORTED_ROWS):
        rows = slice(start, start + _SORTED_ROWS)
        chunk = values[genes[rows]]
        present = np.count_nonzero(~np.isnan(chunk), axis=1)
        is_complete = present == samples
        partial[rows] = (present > 0) & ~is_complete
        _rank_rows(chunk, np.argsort(chunk, axis=1), is_complete, ranks[rows], squares[rows])
    inverse = np.full(len(genes), np.nan)
    np.divide(1.0, np.sqrt(squares), out=inverse, where=squares > 0)
    return ranks, inverse, partial


@numba.njit(nogil=True, cache=True)
def average_ranks(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Twice the average rank of each value, minus n + 1: whole numbers whose sum is 0.

    order  as of np.argsort
    """
    n = values.size
    ranks = np.empty(n)
    first = 0
    while first < n:
        last = first
        while last + 1 < n and values[order[last + 1]] == values[order[first]]:
            last += 1
        for i in range(first, last + 1):
            ranks[order[i]] = first + last + 1 - n
        first = last + 1
    return ranks


@numba.njit(nogil=True, cache=True)
def _rank_rows(values, order, is_complete, ranks, squares):
    for gene in range(len(values)):
        if is_complete[gene]:
            row = average_ranks(values[gene], order[gene])
            ranks[gene] = row
            squares[gene] = (row * row).sum()


# Sums of whole numbers are the same in any order.
@numba.njit(nogil=True, cache=True, fastmath=True)
def inner_products(ranks: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(pairs,): the inner product of the ranks of each gene of a with that of b."""
    products = np.empty(a.size)
    for pair in range(a.size):
        gene_a, gene_b = a[pair], b[pair]
        total = 0.0
        for sample in range(ranks.shape[1]):
            total += ranks[gene_a, sample] * ranks[gene_b, sample]
        products[pair] = total
    return products


@numba.njit(nogil=True, cache=True, error_model="numpy")
def spearman_complete_cases(
    values: np.ndarray, a: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Spearman's r of each gene of a with that of b, ranked on the samples that both have; NaN if
    either has no variance. And how many samples these are.

    values  (genes, samples), NaN if missing
    """
    samples = values.shape[1]
    r, n = np.empty(a.size), np.empty(a.size, np.int64)
    x, y = np.empty(samples), np.empty(samples)
    for pair in range(a.size):
        count = 0
        for sample in range(samples):
            value_a, value_b = values[a[pair], sample], values[b[pair], sample]
            if value_a == value_a and value_b == value_b:
                x[count], y[count] = value_a, value_b
                count += 1
        u = average_ranks(x[:count], np.argsort(x[:count]))
        v = average_ranks(y[:count], np.argsort(y[:count]))
        scale = (u * u).sum() * (v * v).sum()
        n[pair] = count
        r[pair] = (u * v).sum() / np.sqrt(scale) if scale > 0 else np.nan
    return r, n
