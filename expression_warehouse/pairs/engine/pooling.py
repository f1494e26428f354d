"""From inner products of rank transforms to pooled contrasts, for a tile of gene pairs in one pass.

The definitions are those of macros/stats. One function computes them all, because a tile that stays
in the processor's cache is what makes 200 million pairs feasible.
"""

import math

import numba
import numpy as np

from expression_warehouse.pairs.engine.logarithm import half_log_ratio

# Pairs per row of a tile: what a row needs stays in a processor's L2 cache. Measured by
# `python -m bench screen`.
COLUMNS = 256

# As in macros/stats/hartung_knapp.sql.
_EQUAL = 1e-12

_OPTIONS = {"nogil": True, "cache": True, "error_model": "numpy", "fastmath": {"contract"}}


@numba.njit(**_OPTIONS)
def _correlate(product, of_a, scale_b, limit, r, z):
    """r and z (pairs,), written: of a row of the tile in one cohort, Spearman's r, |r| at most
    limit, and its atanh, which is half of the logarithm of a ratio."""
    for j in range(r.size):
        r[j] = min(max(-limit, product[j] * (of_a * scale_b[j])), limit)
        z[j] = half_log_ratio(1.0 + r[j], 1.0 - r[j])


@numba.njit(**_OPTIONS)
def _weigh(r, known, weight, slope, size, side, share, precision, samples, work):
    """What a contrast of one study takes of each cohort, for a row of the tile.

    r          (cohorts, pairs)
    known      (cohorts,): whether gene a has an r there
    weight     (cohorts, pairs): 1 / variance of z at r = 0; 0 if gene b has no r there
    slope      relative growth of that variance per r²
    size       (cohorts, pairs): samples
    side       (cohorts,): 1 case, -1 reference, 0 neither
    share      (cohorts, pairs), written: signed share of z within the side; 0 if a side is missing
    precision  (pairs,), written: 1 / variance of the difference of sides; 0 if there is none
    samples    (pairs,), written: those of both sides
    work       (2, pairs)
    """
    case, reference = work
    case[:], reference[:], samples[:] = 0.0, 0.0, 0.0
    for g in range(len(side)):
        total = case if side[g] > 0 else reference
        if side[g] != 0 and known[g]:
            for j in range(precision.size):
                share[g, j] = weight[g, j] / (1.0 + slope * r[g, j] * r[g, j])
                total[j] += share[g, j]
                samples[j] += size[g, j] if weight[g, j] > 0.0 else 0.0
        else:
            share[g] = 0.0
    for j in range(precision.size):
        both = case[j] > 0.0 and reference[j] > 0.0
        precision[j] = case[j] * reference[j] / (case[j] + reference[j]) if both else 0.0
    for g in range(len(side)):
        total = case if side[g] > 0 else reference
        if side[g] != 0 and known[g]:
            for j in range(precision.size):
                share[g, j] = side[g] * share[g, j] / total[j] if precision[j] > 0.0 else 0.0


@numba.njit(**_OPTIONS)
def _contrast(z, share, side, known, theta):
    """theta (pairs,), written: the difference of sides."""
    theta[:] = 0.0
    for g in range(len(side)):
        if side[g] != 0 and known[g]:
            for j in range(theta.size):
                theta[j] += share[g, j] * z[g, j]


@numba.njit(**_OPTIONS)
def _add_up(weight, size, root, k, inverse_w, inverse_c):
    """Sums that depend on the weights alone.

    root                  (pairs,), written: square root of the number of samples
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
    """DerSimonian & Laird (1986) over the first axis, and the residual for Hartung & Knapp (2001).

    theta     (studies, pairs); a multiple of four studies, since with one at a time most of the
              work would be to load and store the sums
    weight    the same, 1/SE²; 0 if the study has no estimate
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
def _test(mean, sum_w, residual, k, z, t, t_adhoc):
    """z of the mean, Hartung-Knapp's t and its ad hoc t, whose SE is never below that of z; NaN if
    there is none."""
    for j in range(z.size):
        z[j] = mean[j] * math.sqrt(sum_w[j])
        degrees = k[j] - 1.0
        # Equal estimates scatter only by rounding.
        is_scattered = degrees > 0.0 and residual[j] > _EQUAL * _EQUAL * z[j] * z[j] * degrees
        t[j] = z[j] * math.sqrt(degrees / residual[j]) if is_scattered else np.nan
        smaller = t[j] if is_scattered and residual[j] > degrees else z[j]
        t_adhoc[j] = smaller if degrees > 0.0 else np.nan


@numba.njit(**_OPTIONS)
def _combine(ss, soth, root_ss, root_soth, sum_w_ss, sum_w_soth, combined, dependent):
    """Two contrasts combined, weighted by the roots of their samples."""
    for j in range(ss.size):
        w_ss, w_soth = root_ss[j], root_soth[j]
        total = (w_ss * ss[j] if w_ss > 0.0 else 0.0) + (w_soth * soth[j] if w_soth > 0.0 else 0.0)
        # Both contrasts have the samples with septic shock, and the reference of soth includes that
        # of ss: their correlation is SE(soth) / SE(ss).
        rho = min(1.0, math.sqrt(sum_w_ss[j] / sum_w_soth[j]))
        shared = 2.0 * rho * w_ss * w_soth if w_ss * w_soth > 0.0 else 0.0
        variance = w_ss * w_ss + w_soth * w_soth
        combined[j] = total / math.sqrt(variance)
        dependent[j] = total / math.sqrt(variance + shared)


@numba.njit(**_OPTIONS)
def pool_tile(
    products, scale_a, scale_b, weight, limit, size, slope, sides, combined,
    of_z, of_hk, of_adhoc, of_combinations, k,
):  # fmt: skip
    """The statistics of a tile of pairs, a genes × b genes.

    products    (studies, cohorts, a, b): inner products of rank transforms
    scale_a     (studies, cohorts, a): factors that make them r; NaN if a gene has no r
    scale_b     (studies, cohorts, b)
    weight      (studies, cohorts, b): 1 / variance of Fisher's z at r = 0; 0 without samples
    limit       (studies, cohorts): greatest |r|
    size        (studies, cohorts, b): samples
    slope       how much that variance grows with r²
    sides       (contrasts, cohorts), int: Design.sides
    combined    positions of the two contrasts to combine, or empty
    of_z, of_hk, of_adhoc, of_combinations
                (…, a, b), written: statistics of Design.tests by kind; NaN if there is no test
    k           (contrasts, a, b), int32, written: studies that have the contrast
    """
    studies, cohorts, rows, pairs = products.shape
    count = len(sides)
    has_a, has_b = ~np.isnan(scale_a), ~np.isnan(scale_b)
    a, b = np.where(has_a, scale_a, 0.0), np.where(has_b, scale_b, 0.0)
    weight = np.where(has_b, weight, 0.0)
    for s in range(studies):
        for g in range(cohorts):
            if weight[s, g].max() <= 0.0:
                has_a[s, g] = False
    # `_pool` takes four studies at a time; padding studies have no estimate.
    padded = (count, (studies + 3) // 4 * 4, pairs)
    theta, precision, samples = np.zeros(padded), np.zeros(padded), np.zeros(padded)
    share = np.zeros((count, studies, cohorts, pairs))
    root, studies_of = np.empty((count, pairs)), np.empty((count, pairs))
    inverse_w, inverse_c = np.empty((count, pairs)), np.empty((count, pairs))
    mean, sum_w, residual = np.empty(pairs), np.empty((count, pairs)), np.empty(pairs)
    r, z = np.zeros((cohorts, pairs)), np.zeros((cohorts, pairs))
    work = np.empty((2, pairs))
    for i in range(rows):
        # If the cohorts have the same genes as in the row before, and SE does not depend on r, only
        # θ differs: the weights stay.
        weighs = False
        for s in range(studies):
            known = has_a[s, :, i]
            for g in range(cohorts):
                if known[g]:
                    _correlate(products[s, g, i], a[s, g, i], b[s, g], limit[s, g], r[g], z[g])
            differs = slope > 0.0 or i == 0 or (known != has_a[s, :, i - 1]).any()
            weighs |= differs
            for c in range(count):
                if differs:
                    _weigh(
                        r, known, weight[s], slope, size[s], sides[c],
                        share[c, s], precision[c, s], samples[c, s], work,
                    )  # fmt: skip
                _contrast(z, share[c, s], sides[c], known, theta[c, s])
        for c in range(count):
            if weighs:
                _add_up(
                    precision[c], samples[c], root[c], studies_of[c], inverse_w[c], inverse_c[c]
                )
            _pool(
                theta[c], precision[c], studies_of[c], inverse_w[c], inverse_c[c],
                mean, sum_w[c], residual, work,
            )  # fmt: skip
            _test(
                mean, sum_w[c], residual, studies_of[c], of_z[c, i], of_hk[c, i], of_adhoc[c, i]
            )  # fmt: skip
            k[c, i] = studies_of[c]
        if len(combined) == 2:
            c, d = combined
            _combine(
                of_z[c, i], of_z[d, i], root[c], root[d], sum_w[c], sum_w[d],
                of_combinations[0, i], of_combinations[1, i],
            )  # fmt: skip
