"""Which genes are paired with one another."""

import numpy as np


def variability(values: np.ndarray, method: str) -> np.ndarray:
    """How much each gene varies, as macros/stats/gene_variability.sql has it; NaN where it has none
    (no value, or one value and no variance).

    values  (genes, samples), NaN where missing
    method  variance (n - 1), iqr (type 7 of Hyndman & Fan 1996) or mad (not scaled)
    """
    found = np.full(len(values), np.nan)
    is_measured = ~np.isnan(values).all(axis=1)
    own = values[is_measured]
    if not len(own):
        return found
    if method == "variance":
        several = np.count_nonzero(~np.isnan(own), axis=1) > 1
        spread = np.full(len(own), np.nan)
        spread[several] = np.nanvar(own[several], axis=1, ddof=1)
    elif method == "iqr":
        first, third = np.nanquantile(own, [0.25, 0.75], axis=1)
        spread = third - first
    else:
        middle = np.nanmedian(own, axis=1, keepdims=True)
        spread = np.nanmedian(np.abs(own - middle), axis=1)
    found[is_measured] = spread
    return found


def choose_genes(
    variabilities: np.ndarray,
    measured: np.ndarray,
    k_min: int,
    top: int | None,
    watched: np.ndarray,
) -> np.ndarray:
    """Places of the genes that take part, ascending, by the rule of tbl_gene_pairs_materialized.

    variabilities  (studies, genes), NaN where there is none
    measured       (studies, genes): whether the study has a value of the gene
    k_min          studies that must have measured a gene, all where there are fewer
    top            of those that vary, how many by their mean over studies; all where it is none
    watched        places of genes that take part all the same
    """
    known = np.count_nonzero(~np.isnan(variabilities), axis=0)
    mean = np.nansum(variabilities, axis=0) / np.maximum(known, 1)
    fits = (measured.sum(axis=0) >= min(k_min, len(measured))) & (mean > 0)
    if top is None:
        return np.flatnonzero(fits)
    order = np.lexsort((np.arange(len(mean)), -mean))
    chosen = order[fits[order]][:top]
    return np.union1d(chosen, watched[fits[watched]])
