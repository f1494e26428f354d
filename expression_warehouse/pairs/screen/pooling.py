"""From inner products of rank transforms to pooled contrasts, for a tile of gene pairs in one pass.

The definitions are those of macros/stats. One function computes them all, because a tile that stays
in the processor's cache is what makes 200 million pairs feasible.
"""

import math

import numba
import numpy as np

from expression_warehouse.pairs.screen.logarithm import half_log, split_ratio

# As clip_r in macros/stats/fisher_z.sql.
_R_MAX = 1 - 1e-12
# As in macros/stats/hartung_knapp.sql.
_EQUAL = 1e-12

_OPTIONS = {"nogil": True, "cache": True, "error_model": "numpy", "fastmath": {"contract"}}


@numba.njit(**_OPTIONS)
def _correlate(products, row, scale_a, scale_b, r):
    """r (groups, pairs), written: Spearman's r of a row of the tile in one study, clipped."""
    for g in range(len(r)):
        of_a = scale_a[g, row]
        for j in range(r.shape[1]):
            r[g, j] = min(max(-_R_MAX, products[g, row, j] * (of_a * scale_b[g, j])), _R_MAX)


@numba.njit(**_OPTIONS)
def _estimate(r, contrasts, s, theta, work):
    """The contrasts of study s for a row of the tile.

    r          (groups, pairs)
    contrasts  (contrasts, 2): case and reference group
    theta      (contrasts, studies, pairs), written: atanh r of the case - atanh r of the reference
    work       (2, pairs)

    The difference is half of one logarithm of a ratio, and two contrasts share one division. In two
    loops, because one would be too long for the processor to overlap consecutive pairs.
    """
    for c in range(0, len(contrasts), 2):
        d = min(c + 1, len(contrasts) - 1)
        case_1, reference_1 = r[contrasts[c, 0]], r[contrasts[c, 1]]
        case_2, reference_2 = r[contrasts[d, 0]], r[contrasts[d, 1]]
        for j in range(r.shape[1]):
            d1, s1, k1 = split_ratio(
                (1.0 + case_1[j]) * (1.0 - reference_1[j]),
                (1.0 - case_1[j]) * (1.0 + reference_1[j]),
            )
            d2, s2, k2 = split_ratio(
                (1.0 + case_2[j]) * (1.0 - reference_2[j]),
                (1.0 - case_2[j]) * (1.0 + reference_2[j]),
            )
            inverse = 1.0 / (s1 * s2)
            theta[c, s, j], theta[d, s, j] = d1 * (s2 * inverse), d2 * (s1 * inverse)
            work[0, j], work[1, j] = k1, k2
        for j in range(r.shape[1]):
            theta[c, s, j] = half_log(theta[c, s, j], work[0, j])
        if d > c:
            for j in range(r.shape[1]):
                theta[d, s, j] = half_log(theta[d, s, j], work[1, j])


@numba.njit(**_OPTIONS)
def _weigh(r_case, r_reference, error_case, error_reference, slope, at_zero, weight):
    """Weights 1/SE² of a contrast whose SE grows with r; 0 if they are `at_zero`."""
    for j in range(weight.size):
        of_case = error_case[j] * (1.0 + slope * r_case[j] * r_case[j])
        of_reference = error_reference[j] * (1.0 + slope * r_reference[j] * r_reference[j])
        weight[j] = 1.0 / (of_case + of_reference) if at_zero[j] > 0.0 else 0.0


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
def _test(mean, sum_w, residual, k, z, t):
    """z of the mean, and Hartung-Knapp's t; NaN if there is none."""
    for j in range(z.size):
        z[j] = mean[j] * math.sqrt(sum_w[j])
        degrees = k[j] - 1.0
        # Equal estimates scatter only by rounding.
        is_scattered = degrees > 0.0 and residual[j] > _EQUAL * _EQUAL * z[j] * z[j] * degrees
        t[j] = z[j] * math.sqrt(degrees / residual[j]) if is_scattered else np.nan


@numba.njit(**_OPTIONS)
def _combine(ss, soth, root, sum_w, combined, dependent):
    """Two contrasts combined, weighted by the roots of their samples."""
    for j in range(ss.size):
        w_ss, w_soth = root[0, j], root[1, j]
        total = (w_ss * ss[j] if w_ss > 0.0 else 0.0) + (w_soth * soth[j] if w_soth > 0.0 else 0.0)
        # Both contrasts share the samples with septic shock.
        rho = min(1.0, math.sqrt(sum_w[0, j] / sum_w[1, j]))
        shared = 2.0 * rho * w_ss * w_soth if w_ss * w_soth > 0.0 else 0.0
        variance = w_ss * w_ss + w_soth * w_soth
        combined[j] = total / math.sqrt(variance)
        dependent[j] = total / math.sqrt(variance + shared)


@numba.njit(**_OPTIONS)
def _fill(scale, known, filled):
    """Tell where the scale is known, and put 0 where it is not."""
    for s in range(len(scale)):
        for g in range(scale.shape[1]):
            for i in range(scale.shape[2]):
                known[s, g, i] = scale[s, g, i] == scale[s, g, i]
                filled[s, g, i] = scale[s, g, i] if known[s, g, i] else 0.0


@numba.njit(**_OPTIONS)
def _differs(known, i):
    """Whether gene i is known in other groups than the gene before it."""
    for s in range(len(known)):
        for g in range(known.shape[1]):
            if known[s, g, i] != known[s, g, i - 1]:
                return True
    return False


@numba.njit(**_OPTIONS)
def pool_tile(products, scale_a, scale_b, error, slope, size, contrasts, statistics, k):
    """The statistics of a tile of pairs, a genes × b genes.

    products    (studies, groups, a, b): inner products of rank transforms
    scale_a     (studies, groups, a): factors that make them r; NaN if a gene has no r
    scale_b     (studies, groups, b)
    error       (studies, groups, b): variance of Fisher's z at r = 0
    slope       how much it grows with r²
    size        (studies, groups, b): samples
    contrasts   (contrasts, 2), int: case and reference group of each; two or more
    statistics  (tests, a, b), written: cohorts.TESTS; NaN if there is no test
    k           (contrasts, a, b), int32, written: studies that have the contrast
    """
    studies, groups, rows, pairs = products.shape
    count = len(contrasts)
    has_a, a = np.empty(scale_a.shape, np.bool_), np.empty(scale_a.shape)
    has_b, b = np.empty(scale_b.shape, np.bool_), np.empty(scale_b.shape)
    _fill(scale_a, has_a, a)
    _fill(scale_b, has_b, b)
    # `_pool` takes four studies at a time; padding studies have no estimate.
    padded = (count, (studies + 3) // 4 * 4, pairs)
    theta, weight = np.zeros(padded), np.zeros(padded)
    of_b, sizes = np.zeros(padded), np.zeros(padded)
    for s in range(studies):
        for c in range(count):
            case, reference = contrasts[c]
            for j in range(pairs):
                both = has_b[s, case, j] and has_b[s, reference, j]
                of_b[c, s, j] = 1.0 / (error[s, case, j] + error[s, reference, j]) if both else 0.0
                sizes[c, s, j] = size[s, case, j] + size[s, reference, j]
    root, studies_of = np.empty((count, pairs)), np.empty((count, pairs))
    inverse_w, inverse_c = np.empty((count, pairs)), np.empty((count, pairs))
    mean, sum_w, residual = np.empty(pairs), np.empty((count, pairs)), np.empty(pairs)
    r, work = np.empty((groups, pairs)), np.empty((2, pairs))
    for i in range(rows):
        # Rows of genes that the same studies have differ in θ alone.
        weighs = i == 0 or slope > 0.0 or _differs(has_a, i)
        for s in range(studies):
            _correlate(products[s], i, a[s], b[s], r)
            _estimate(r, contrasts, s, theta, work)
            if weighs:
                for c in range(count):
                    case, reference = contrasts[c]
                    if not (has_a[s, case, i] and has_a[s, reference, i]):
                        weight[c, s] = 0.0
                    elif slope > 0.0:
                        _weigh(
                            r[case], r[reference], error[s, case], error[s, reference], slope,
                            of_b[c, s], weight[c, s],
                        )  # fmt: skip
                    else:
                        weight[c, s] = of_b[c, s]
        for c in range(count):
            if weighs:
                _add_up(weight[c], sizes[c], root[c], studies_of[c], inverse_w[c], inverse_c[c])
            _pool(
                theta[c], weight[c], studies_of[c], inverse_w[c], inverse_c[c],
                mean, sum_w[c], residual, work,
            )  # fmt: skip
            _test(
                mean, sum_w[c], residual, studies_of[c], statistics[c, i], statistics[count + c, i]
            )
            for j in range(pairs):
                k[c, i, j] = np.int32(studies_of[c, j])
        _combine(
            statistics[0, i], statistics[1, i], root, sum_w,
            statistics[2 * count, i], statistics[2 * count + 1, i],
        )  # fmt: skip
