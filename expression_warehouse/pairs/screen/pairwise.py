"""Spearman's r of genes with missing values: ranked anew for each pair, on the samples of both."""

import numba
import numpy as np

from expression_warehouse.pairs.screen.ranks import average_ranks


@numba.njit(nogil=True, cache=True, error_model="numpy")
def correlate_pairwise(one: np.ndarray, others: np.ndarray, r: np.ndarray, n: np.ndarray) -> None:
    """r of a gene with each of others, and the number of samples that have both values.

    one     (samples,), NaN where missing
    others  (genes, samples)
    r       (genes,), written: NaN where either side has no variance
    n       (genes,), written
    """
    samples = one.size
    x, y = np.empty(samples), np.empty(samples)
    for gene in range(len(others)):
        count = 0
        for sample in range(samples):
            if one[sample] == one[sample] and others[gene, sample] == others[gene, sample]:
                x[count] = one[sample]
                y[count] = others[gene, sample]
                count += 1
        u, v = average_ranks(x[:count]), average_ranks(y[:count])
        scale = (u * u).sum() * (v * v).sum()
        n[gene] = count
        r[gene] = (u * v).sum() / np.sqrt(scale) if scale > 0 else np.nan
