"""From inner products of ranks to pooled contrasts, for a tile of gene pairs in one pass.

The definitions are those of macros/stats; here one function does them all, since a tile that stays
in the processor's cache is what makes 200 million pairs quick.
"""

import math

import numba
import numpy as np

from expression_warehouse.pairs.screen.logarithm import half_log, split_ratio
from expression_warehouse.pairs.screen.prefetch import LINE, prefetch

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
    return min(max(-_R_MAX, r), _R_MAX)


@numba.njit(**_OPTIONS)
def _contrast(products, row, scale_a, scale_b, theta, work):
    """Both contrasts of all studies for a row of the tile.

    theta  (2, studies, pairs), written
    work   (2, pairs)

    atanh(r1) - atanh(r2) is half of one logarithm of a ratio, which is half of the work of two.
    In two loops, since one would be too long for the processor to begin with the next pairs before
    it has ended with the last.
    """
    following = min(row + 1, products.shape[2] - 1)
    for s in range(len(products)):
        for g in range(3):
            for j in range(0, theta.shape[2], LINE):
                prefetch(products, s, g, following, j)
        a_shock, a_sepsis, a_others = scale_a[s, 0, row], scale_a[s, 1, row], scale_a[s, 2, row]
        for j in range(theta.shape[2]):
            shock = _clip(products[s, 0, row, j] * (a_shock * scale_b[s, 0, j]))
            sepsis = _clip(products[s, 1, row, j] * (a_sepsis * scale_b[s, 1, j]))
            others = _clip(products[s, 2, row, j] * (a_others * scale_b[s, 2, j]))
            up, down = 1.0 + shock, 1.0 - shock
            d1, s1, k1 = split_ratio(up * (1.0 - sepsis), down * (1.0 + sepsis))
            d2, s2, k2 = split_ratio(up * (1.0 - others), down * (1.0 + others))
            inverse = 1.0 / (s1 * s2)
            theta[0, s, j], theta[1, s, j] = d1 * (s2 * inverse), d2 * (s1 * inverse)
            work[0, j], work[1, j] = k1, k2
        for j in range(theta.shape[2]):
            theta[0, s, j] = half_log(theta[0, s, j], work[0, j])
            theta[1, s, j] = half_log(theta[1, s, j], work[1, j])


@numba.njit(**_OPTIONS)
def _weigh(products, other, row, scale_a, scale_b, error, slope, at_zero, weight):
    """Weights 1/SE² of contrasts with group `other`, whose SE grows with r; 0 where they are
    `at_zero`."""
    to_shock, to_other = products[0, row], products[other, row]
    b_shock, b_other = scale_b[0], scale_b[other]
    e_shock, e_other = error[0], error[other]
    a_shock, a_other = scale_a[0, row], scale_a[other, row]
    for j in range(weight.size):
        r1 = _clip(to_shock[j] * (a_shock * b_shock[j]))
        r2 = _clip(to_other[j] * (a_other * b_other[j]))
        variance = e_shock[j] * (1.0 + slope * r1 * r1) + e_other[j] * (1.0 + slope * r2 * r2)
        weight[j] = 1.0 / variance if at_zero[j] > 0.0 else 0.0


@numba.njit(**_OPTIONS)
def _add_up(weight, size, root, k, inverse_w, inverse_c):
    """What the weights alone decide.

    root                  (pairs,), written: of the number of samples
    k                     (pairs,), written
    inverse_w, inverse_c  (pairs,), written: 1 / Σw, and 1 / (Σw - Σw²/Σw)
    """
    for j in range(k.size):
        root[j] = k[j] = inverse_w[j] = inverse_c[j] = 0.0
    for s in range(len(weight)):
        for j in range(k.size):
            w = weight[s, j]
            root[j] += size[s, j] if w > 0.0 else 0.0
            k[j] += 1.0 if w > 0.0 else 0.0
            inverse_w[j] += w
            inverse_c[j] += w * w
    for j in range(k.size):
        inverse_c[j] = 1.0 / (inverse_w[j] - inverse_c[j] / inverse_w[j])
        inverse_w[j] = 1.0 / inverse_w[j]
        root[j] = math.sqrt(root[j])


@numba.njit(**_OPTIONS)
def _pool(theta, weight, k, inverse_w, inverse_c, mean, sum_w, residual, work):
    """DerSimonian & Laird (1986) over the first axis, and what Hartung & Knapp (2001) need.

    theta     (studies, pairs), of a multiple of four studies: taken one at a time, most of the work
              would be to load and store the sums
    weight    the same, 1/SE²; 0 where the study has no estimate
    k, inverse_w, inverse_c
              (pairs,): as of `_add_up`
    mean, sum_w, residual
              (pairs,), written: the estimate, Σw* = 1 / its variance, and Σ w*(θ - mean)²
    work      (2, pairs)

    Sums are over deviations from the fixed-effect mean, never differences of large sums.
    """
    studies, pairs = theta.shape
    sum_wd, tau2 = work[0], work[1]
    for j in range(pairs):
        sum_wd[j] = residual[j] = 0.0
    for s in range(0, studies, 4):
        for j in range(pairs):
            sum_wd[j] += (weight[s, j] * theta[s, j] + weight[s + 1, j] * theta[s + 1, j]) + (
                weight[s + 2, j] * theta[s + 2, j] + weight[s + 3, j] * theta[s + 3, j]
            )
    for j in range(pairs):
        mean[j] = sum_wd[j] * inverse_w[j]
    for s in range(0, studies, 4):
        for j in range(pairs):
            d0, d1 = theta[s, j] - mean[j], theta[s + 1, j] - mean[j]
            d2, d3 = theta[s + 2, j] - mean[j], theta[s + 3, j] - mean[j]
            residual[j] += (weight[s, j] * d0 * d0 + weight[s + 1, j] * d1 * d1) + (
                weight[s + 2, j] * d2 * d2 + weight[s + 3, j] * d3 * d3
            )
    for j in range(pairs):
        excess = residual[j] - (k[j] - 1.0)
        tau2[j] = excess * inverse_c[j] if excess > 0.0 and k[j] > 1.0 else 0.0
        sum_w[j] = sum_wd[j] = residual[j] = 0.0
    for s in range(0, studies, 4):
        for j in range(pairs):
            w0, w1, w2, w3 = _shrink(
                weight[s, j], weight[s + 1, j], weight[s + 2, j], weight[s + 3, j], tau2[j]
            )
            d0, d1 = theta[s, j] - mean[j], theta[s + 1, j] - mean[j]
            d2, d3 = theta[s + 2, j] - mean[j], theta[s + 3, j] - mean[j]
            wd0, wd1, wd2, wd3 = w0 * d0, w1 * d1, w2 * d2, w3 * d3
            sum_w[j] += (w0 + w1) + (w2 + w3)
            sum_wd[j] += (wd0 + wd1) + (wd2 + wd3)
            residual[j] += (wd0 * d0 + wd1 * d1) + (wd2 * d2 + wd3 * d3)
    for j in range(pairs):
        shift = sum_wd[j] / sum_w[j]
        residual[j] -= shift * sum_wd[j]
        mean[j] += shift


@numba.njit(inline="always")
def _shrink(w0, w1, w2, w3, tau2):
    """All w / (1 + w τ²), with one division."""
    a, b, c, d = 1.0 + w0 * tau2, 1.0 + w1 * tau2, 1.0 + w2 * tau2, 1.0 + w3 * tau2
    ab, cd = a * b, c * d
    inverse = 1.0 / (ab * cd)
    of_ab, of_cd = inverse * cd, inverse * ab
    return w0 * (b * of_ab), w1 * (a * of_ab), w2 * (d * of_cd), w3 * (c * of_cd)


@numba.njit(**_OPTIONS)
def _test(mean, sum_w, residual, k, z, t):
    """z of the mean, and Hartung-Knapp's t; NaN where there is none."""
    for j in range(z.size):
        z[j] = mean[j] * math.sqrt(sum_w[j])
        degrees = k[j] - 1.0
        # Estimates that are equal have no scatter but what rounding leaves.
        is_scattered = degrees > 0.0 and residual[j] > _EQUAL * _EQUAL * z[j] * z[j] * degrees
        t[j] = z[j] * math.sqrt(degrees / residual[j]) if is_scattered else np.nan


@numba.njit(**_OPTIONS)
def _combine(ss, soth, root, sum_w, combined, dependent):
    """Both contrasts in one, weighted by the roots of their samples."""
    for j in range(ss.size):
        one, two = root[0, j], root[1, j]
        total = (one * ss[j] if one > 0.0 else 0.0) + (two * soth[j] if two > 0.0 else 0.0)
        # Both contrasts share the samples with septic shock.
        rho = min(1.0, math.sqrt(sum_w[0, j] / sum_w[1, j]))
        shared = 2.0 * rho * one * two if one * two > 0.0 else 0.0
        variance = one * one + two * two
        combined[j] = total / math.sqrt(variance)
        dependent[j] = total / math.sqrt(variance + shared)


@numba.njit(**_OPTIONS)
def _known(scale, known, filled):
    """Where there is a scale; and it, or 0."""
    for s in range(len(scale)):
        for g in range(3):
            for i in range(scale.shape[2]):
                known[s, g, i] = scale[s, g, i] == scale[s, g, i]
                filled[s, g, i] = scale[s, g, i] if known[s, g, i] else 0.0


@numba.njit(**_OPTIONS)
def _is_other(known, i):
    """Whether i is known elsewhere than the one before it."""
    for s in range(len(known)):
        for g in range(3):
            if known[s, g, i] != known[s, g, i - 1]:
                return True
    return False


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
    k           (2, a, b), int32, written: studies of either contrast
    """
    studies, _, rows, pairs = products.shape
    has_a, a = np.empty(scale_a.shape, np.bool_), np.empty(scale_a.shape)
    has_b, b = np.empty(scale_b.shape, np.bool_), np.empty(scale_b.shape)
    _known(scale_a, has_a, a)
    _known(scale_b, has_b, b)
    # `_pool` takes four studies at a time; those that fill them up have no estimate.
    padded = (2, (studies + 3) // 4 * 4, pairs)
    theta, weight, of_b, sizes = (
        np.zeros(padded),
        np.zeros(padded),
        np.zeros(padded),
        np.zeros(padded),
    )
    for s in range(studies):
        for c in range(2):
            for j in range(pairs):
                both = has_b[s, 0, j] and has_b[s, c + 1, j]
                of_b[c, s, j] = 1.0 / (error[s, 0, j] + error[s, c + 1, j]) if both else 0.0
                sizes[c, s, j] = size[s, 0, j] + size[s, c + 1, j]
    root, studies_of = np.empty((2, pairs)), np.empty((2, pairs))
    inverse_w, inverse_c = np.empty((2, pairs)), np.empty((2, pairs))
    mean, sum_w, residual = np.empty(pairs), np.empty((2, pairs)), np.empty(pairs)
    work = np.empty((2, pairs))
    for i in range(rows):
        _contrast(products, i, a, b, theta, work)
        # Rows of genes that the same studies have differ in θ alone.
        if i == 0 or slope > 0.0 or _is_other(has_a, i):
            for c in range(2):
                for s in range(studies):
                    if not (has_a[s, 0, i] and has_a[s, c + 1, i]):
                        weight[c, s] = 0.0
                    elif slope > 0.0:
                        _weigh(
                            products[s], c + 1, i, a[s], b[s], error[s], slope, of_b[c, s],
                            weight[c, s],
                        )  # fmt: skip
                    else:
                        weight[c, s] = of_b[c, s]
                _add_up(weight[c], sizes[c], root[c], studies_of[c], inverse_w[c], inverse_c[c])
        for c in range(2):
            _pool(
                theta[c], weight[c], studies_of[c], inverse_w[c], inverse_c[c],
                mean, sum_w[c], residual, work,
            )  # fmt: skip
            _test(mean, sum_w[c], residual, studies_of[c], statistics[c, i], statistics[2 + c, i])
            for j in range(pairs):
                k[c, i, j] = np.int32(studies_of[c, j])
        _combine(
            statistics[0, i], statistics[1, i], root, sum_w, statistics[4, i], statistics[5, i]
        )
