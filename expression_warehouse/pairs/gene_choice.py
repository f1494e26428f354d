"""Which genes are paired with one another."""

import numpy as np


def variability(values: np.ndarray, method: str) -> np.ndarray:
    """How much each gene varies, as in macros/stats/gene_variability.sql; NaN if that is undefined
    (no value, or the variance of one value).

    values  (genes, samples), NaN if missing
    method  variance (n - 1), iqr (type 7 of Hyndman & Fan 1996) or mad (not scaled)
    """
    result = np.full(len(values), np.nan)
    is_measured = ~np.isnan(values).all(axis=1)
    known = values[is_measured]
    if not len(known):
        return result
    if method == "variance":
        several = np.count_nonzero(~np.isnan(known), axis=1) > 1
        spread = np.full(len(known), np.nan)
        spread[several] = np.nanvar(known[several], axis=1, ddof=1)
    elif method == "iqr":
        first, third = np.nanquantile(known, [0.25, 0.75], axis=1)
        spread = third - first
    else:
        middle = np.nanmedian(known, axis=1, keepdims=True)
        spread = np.nanmedian(np.abs(known - middle), axis=1)
    result[is_measured] = spread
    return result


def choose_genes(
    variabilities: np.ndarray,
    measured: np.ndarray,
    k_min: int,
    top: int | None,
    watched: np.ndarray,
) -> np.ndarray:
    """Row numbers of the genes that take part, ascending, by the rule of
    tbl_gene_pairs_materialized.

    variabilities  (studies, genes), NaN if undefined
    measured       (studies, genes): whether the study has a value of the gene
    k_min          studies that must have measured a gene; all studies if there are fewer
    top            how many of the genes that vary most, by the mean over studies; None is all
    watched        row numbers of genes that take part even if others vary more
    """
    known = np.count_nonzero(~np.isnan(variabilities), axis=0)
    mean = np.nansum(variabilities, axis=0) / np.maximum(known, 1)
    fits = (measured.sum(axis=0) >= min(k_min, len(measured))) & (mean > 0)
    if top is None:
        return np.flatnonzero(fits)
    order = np.lexsort((np.arange(len(mean)), -mean))
    chosen = order[fits[order]][:top]
    return np.union1d(chosen, watched[fits[watched]])
