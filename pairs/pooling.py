"""From inner products of ranks to pooled contrasts, for a tile of gene pairs in one pass.

The definitions are those of macros/stats; here one function does them all, since a tile that stays
in the processor's cache is what makes 200 million pairs quick.
"""

import math

import numba
import numpy as np

from pairs.logarithm import log

# As clip_r in macros/stats/fisher_z.sql.
_R_MAX = 1 - 1e-12
# As in macros/stats/hartung_knapp.sql.
_EQUAL = 1e-12

# What is tested, in the order of the first axis of `statistics`: z of both contrasts, their
# Hartung-Knapp t, and both contrasts in one, as if independent and not.
TESTS = ("ss", "soth", "ss_hk", "soth_hk", "combined", "combined_dependent")

_OPTIONS = {"nogil": True, "cache": True, "error_model": "numpy", "fastmath": {"contract"}}


@numba.njit(inline="always")
def _clip(r: float) -> float:
    return min(max(r, -_R_MAX), _R_MAX)


@numba.njit(**_OPTIONS)
def _contrast(products, row, scale_a, scale_b, error, slope, ss, soth, ss_weight, soth_weight):
    """Both contrasts of one study for a row of the tile, and their weights 1/SE²; 0 and 0 where
    there is none.

    atanh(r1) - atanh(r2) is half of one logarithm of a ratio, which is half of the work of two.
    """
    to_shock, to_sepsis, to_others = products[0, row], products[1, row], products[2, row]
    b_shock, b_sepsis, b_others = scale_b[0], scale_b[1], scale_b[2]
    e_shock, e_sepsis, e_others = error[0], error[1], error[2]
    a_shock, a_sepsis, a_others = scale_a[0, row], scale_a[1, row], scale_a[2, row]
    for j in range(ss.size):
        shock = to_shock[j] * (a_shock * b_shock[j])
        sepsis = to_sepsis[j] * (a_sepsis * b_sepsis[j])
        others = to_others[j] * (a_others * b_others[j])
        # NaN where either has no r; `log` and the comparisons of `_clip` do not carry it on.
        has_ss, has_soth = shock + sepsis, shock + others
        shock, sepsis, others = _clip(shock), _clip(sepsis), _clip(others)
        up, down = 1.0 + shock, 1.0 - shock
        one = 0.5 * log((up * (1.0 - sepsis)) / (down * (1.0 + sepsis)))
        two = 0.5 * log((up * (1.0 - others)) / (down * (1.0 + others)))
        of_shock = e_shock[j] * (1.0 + slope * shock * shock)
        weight_one = 1.0 / (of_shock + e_sepsis[j] * (1.0 + slope * sepsis * sepsis))
        weight_two = 1.0 / (of_shock + e_others[j] * (1.0 + slope * others * others))
        ss[j] = one if has_ss == has_ss else 0.0
        soth[j] = two if has_soth == has_soth else 0.0
        ss_weight[j] = weight_one if has_ss == has_ss else 0.0
        soth_weight[j] = weight_two if has_soth == has_soth else 0.0


@numba.njit(**_OPTIONS)
def _pool(theta, weight, size, mean, variance, residual, k, samples, work):
    """DerSimonian & Laird (1986) over the first axis, and what Hartung & Knapp (2001) need.

    theta     (studies, pairs)
    weight    the same, 1/SE²; 0 where the study has no estimate
    size      (studies, pairs): samples of both groups
    mean, variance, residual, k, samples
              (pairs,), written: the estimate, its variance, Σ w*(θ - mean)², studies, samples
    work      (4, pairs)

    Sums are over deviations from the fixed-effect mean, never differences of large sums.
    """
    studies, pairs = theta.shape
    sum_w, sum_wd, sum_ww, tau2 = work[0], work[1], work[2], work[3]
    for j in range(pairs):
        sum_w[j] = sum_wd[j] = sum_ww[j] = k[j] = samples[j] = residual[j] = 0.0
    for s in range(studies):
        estimate, precision, n = theta[s], weight[s], size[s]
        for j in range(pairs):
            w = precision[j]
            sum_w[j] += w
            sum_ww[j] += w * w
            sum_wd[j] += w * estimate[j]
            k[j] += 1.0 if w > 0.0 else 0.0
            samples[j] += n[j] if w > 0.0 else 0.0
    for j in range(pairs):
        mean[j] = sum_wd[j] / sum_w[j]
    for s in range(studies):
        estimate, precision = theta[s], weight[s]
        for j in range(pairs):
            d = estimate[j] - mean[j]
            residual[j] += precision[j] * d * d
    for j in range(pairs):
        excess = residual[j] - (k[j] - 1.0)
        between = excess / (sum_w[j] - sum_ww[j] / sum_w[j])
        tau2[j] = between if excess > 0.0 and k[j] > 1.0 else 0.0
        sum_w[j] = sum_wd[j] = residual[j] = 0.0
    for s in range(studies):
        estimate, precision = theta[s], weight[s]
        for j in range(pairs):
            d = estimate[j] - mean[j]
            w = precision[j] / (1.0 + precision[j] * tau2[j])
            wd = w * d
            sum_w[j] += w
            sum_wd[j] += wd
            residual[j] += wd * d
    for j in range(pairs):
        shift = sum_wd[j] / sum_w[j]
        residual[j] -= shift * sum_wd[j]
        mean[j] += shift
        variance[j] = 1.0 / sum_w[j]


@numba.njit(**_OPTIONS)
def pool_tile(products, scale_a, scale_b, error, slope, size, statistics, k):
    """The statistics of a tile of pairs, a genes × b genes.

    products    (studies, 3, a, b): inner products of ranks with septic shock, sepsis, and others
    scale_a     (studies, 3, a): what makes them r; NaN where a gene has no r
    scale_b     (studies, 3, b)
    error       (studies, 3, b): variance of Fisher's z at r = 0
    slope       how much it grows with r²
    size        (studies, 3, b): samples
    statistics  (6, a, b), written: TESTS; NaN where there is no test
    k           (2, a, b), written: studies of either contrast
    """
    studies, _, rows, pairs = products.shape
    theta, weight = np.empty((2, studies, pairs)), np.empty((2, studies, pairs))
    sizes = np.empty((2, studies, pairs))
    for s in range(studies):
        for j in range(pairs):
            sizes[0, s, j] = size[s, 0, j] + size[s, 1, j]
            sizes[1, s, j] = size[s, 0, j] + size[s, 2, j]
    mean, variance = np.empty((2, pairs)), np.empty((2, pairs))
    residual, samples = np.empty(pairs), np.empty((2, pairs))
    work = np.empty((4, pairs))
    for i in range(rows):
        for s in range(studies):
            _contrast(
                products[s], i, scale_a[s], scale_b[s], error[s], slope,
                theta[0, s], theta[1, s], weight[0, s], weight[1, s],
            )  # fmt: skip
        for c in range(2):
            _pool(
                theta[c], weight[c], sizes[c], mean[c], variance[c], residual,
                k[c, i], samples[c], work,
            )  # fmt: skip
            for j in range(pairs):
                studies_less_1 = k[c, i, j] - 1.0
                scatter = residual[j] / studies_less_1
                z = mean[c, j] / math.sqrt(variance[c, j])
                statistics[c, i, j] = z
                # Estimates that are equal have no scatter but what rounding leaves.
                is_scattered = studies_less_1 > 0.0 and scatter > _EQUAL * _EQUAL * z * z
                statistics[2 + c, i, j] = z / math.sqrt(scatter) if is_scattered else np.nan
        for j in range(pairs):
            ss, soth = statistics[0, i, j], statistics[1, i, j]
            n1 = samples[0, j] if ss == ss else 0.0
            n2 = samples[1, j] if soth == soth else 0.0
            total = (math.sqrt(n1) * ss if n1 > 0.0 else 0.0) + (
                math.sqrt(n2) * soth if n2 > 0.0 else 0.0
            )
            # Both contrasts share the samples with septic shock.
            rho = min(1.0, math.sqrt(variance[1, j] / variance[0, j]))
            shared = 2.0 * rho * math.sqrt(n1 * n2) if n1 * n2 > 0.0 else 0.0
            statistics[4, i, j] = total / math.sqrt(n1 + n2)
            statistics[5, i, j] = total / math.sqrt(n1 + n2 + shared)
