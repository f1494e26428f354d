"""From inner products of ranks to pooled contrasts, for a tile of gene pairs in one pass.

The definitions are those of macros/stats; here one function does them all, since a tile that stays
in the processor's cache is what makes 200 million pairs quick.
"""

import math

import numba
import numpy as np

from pairs.logarithm import half_log, split_ratio

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
    """Of NaN, some number: `max` returns its first argument unless the second is greater."""
    return min(max(-_R_MAX, r), _R_MAX)


@numba.njit(**_OPTIONS)
def _contrast(products, row, scale_a, scale_b, precision, ss, soth, ss_weight, soth_weight):
    """Both contrasts of one study for a row of the tile, and their weights as of `precision`; 0 and
    0 where there is none.

    atanh(r1) - atanh(r2) is half of one logarithm of a ratio, which is half of the work of two.
    """
    to_shock, to_sepsis, to_others = products[0, row], products[1, row], products[2, row]
    b_shock, b_sepsis, b_others = scale_b[0], scale_b[1], scale_b[2]
    a_shock, a_sepsis, a_others = scale_a[0, row], scale_a[1, row], scale_a[2, row]
    of_ss, of_soth = precision[0], precision[1]
    for j in range(ss.size):
        shock = to_shock[j] * (a_shock * b_shock[j])
        sepsis = to_sepsis[j] * (a_sepsis * b_sepsis[j])
        others = to_others[j] * (a_others * b_others[j])
        # NaN where either has no r, which `_clip` does not carry on to the other contrast.
        has_ss, has_soth = shock + sepsis, shock + others
        shock, sepsis, others = _clip(shock), _clip(sepsis), _clip(others)
        up, down = 1.0 + shock, 1.0 - shock
        d1, s1, k1 = split_ratio(up * (1.0 - sepsis), down * (1.0 + sepsis))
        d2, s2, k2 = split_ratio(up * (1.0 - others), down * (1.0 + others))
        inverse = 1.0 / (s1 * s2)
        one = half_log(d1 * (s2 * inverse), k1)
        two = half_log(d2 * (s1 * inverse), k2)
        ss[j] = one if has_ss == has_ss else 0.0
        soth[j] = two if has_soth == has_soth else 0.0
        ss_weight[j] = of_ss[j] if has_ss == has_ss else 0.0
        soth_weight[j] = of_soth[j] if has_soth == has_soth else 0.0


@numba.njit(**_OPTIONS)
def _weigh(products, other, row, scale_a, scale_b, error, slope, weight):
    """Weights 1/SE² of contrasts with group `other` whose SE grows with r, where `_contrast` found
    them."""
    to_shock, to_other = products[0, row], products[other, row]
    b_shock, b_other = scale_b[0], scale_b[other]
    e_shock, e_other = error[0], error[other]
    a_shock, a_other = scale_a[0, row], scale_a[other, row]
    for j in range(weight.size):
        r1 = _clip(to_shock[j] * (a_shock * b_shock[j]))
        r2 = _clip(to_other[j] * (a_other * b_other[j]))
        variance = e_shock[j] * (1.0 + slope * r1 * r1) + e_other[j] * (1.0 + slope * r2 * r2)
        weight[j] = 1.0 / variance if weight[j] > 0.0 else 0.0


@numba.njit(**_OPTIONS)
def _add_fixed(t0, t1, t2, t3, w0, w1, w2, w3, n0, n1, n2, n3, sum_w, sum_ww, sum_wt, k, samples):
    """Add four studies to the sums of the fixed-effect model. One at a time, most of what it takes
    would be to load and store the sums."""
    for j in range(sum_w.size):
        a, b, c, d = w0[j], w1[j], w2[j], w3[j]
        sum_w[j] += (a + b) + (c + d)
        sum_ww[j] += (a * a + b * b) + (c * c + d * d)
        sum_wt[j] += (a * t0[j] + b * t1[j]) + (c * t2[j] + d * t3[j])
        k[j] += (_if(a, 1.0) + _if(b, 1.0)) + (_if(c, 1.0) + _if(d, 1.0))
        samples[j] += (_if(a, n0[j]) + _if(b, n1[j])) + (_if(c, n2[j]) + _if(d, n3[j]))


@numba.njit(inline="always")
def _if(weight, value):
    return value if weight > 0.0 else 0.0


@numba.njit(**_OPTIONS)
def _add_residuals(t0, t1, t2, t3, w0, w1, w2, w3, mean, residual):
    for j in range(mean.size):
        a, b, c, d = t0[j] - mean[j], t1[j] - mean[j], t2[j] - mean[j], t3[j] - mean[j]
        residual[j] += (w0[j] * a * a + w1[j] * b * b) + (w2[j] * c * c + w3[j] * d * d)


@numba.njit(inline="always")
def _shrink(w0, w1, tau2):
    """Both w / (1 + w τ²), with one division."""
    one, two = 1.0 + w0 * tau2, 1.0 + w1 * tau2
    inverse = 1.0 / (one * two)
    return w0 * (two * inverse), w1 * (one * inverse)


@numba.njit(**_OPTIONS)
def _add_random(t0, t1, t2, t3, w0, w1, w2, w3, tau2, mean, sum_w, sum_wd, residual):
    """Add four studies to the sums of the random-effects model."""
    for j in range(mean.size):
        a, b = _shrink(w0[j], w1[j], tau2[j])
        c, d = _shrink(w2[j], w3[j], tau2[j])
        d0, d1, d2, d3 = t0[j] - mean[j], t1[j] - mean[j], t2[j] - mean[j], t3[j] - mean[j]
        wd0, wd1, wd2, wd3 = a * d0, b * d1, c * d2, d * d3
        sum_w[j] += (a + b) + (c + d)
        sum_wd[j] += (wd0 + wd1) + (wd2 + wd3)
        residual[j] += (wd0 * d0 + wd1 * d1) + (wd2 * d2 + wd3 * d3)


@numba.njit(**_OPTIONS)
def _pool(theta, weight, size, mean, variance, residual, k, samples, work):
    """DerSimonian & Laird (1986) over the first axis, and what Hartung & Knapp (2001) need.

    theta     (studies, pairs), of a multiple of four studies
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
    for s in range(0, studies, 4):
        _add_fixed(
            theta[s], theta[s + 1], theta[s + 2], theta[s + 3],
            weight[s], weight[s + 1], weight[s + 2], weight[s + 3],
            size[s], size[s + 1], size[s + 2], size[s + 3],
            sum_w, sum_ww, sum_wd, k, samples,
        )  # fmt: skip
    for j in range(pairs):
        mean[j] = sum_wd[j] / sum_w[j]
    for s in range(0, studies, 4):
        _add_residuals(
            theta[s], theta[s + 1], theta[s + 2], theta[s + 3],
            weight[s], weight[s + 1], weight[s + 2], weight[s + 3],
            mean, residual,
        )  # fmt: skip
    for j in range(pairs):
        excess = residual[j] - (k[j] - 1.0)
        between = excess / (sum_w[j] - sum_ww[j] / sum_w[j])
        tau2[j] = between if excess > 0.0 and k[j] > 1.0 else 0.0
        sum_w[j] = sum_wd[j] = residual[j] = 0.0
    for s in range(0, studies, 4):
        _add_random(
            theta[s], theta[s + 1], theta[s + 2], theta[s + 3],
            weight[s], weight[s + 1], weight[s + 2], weight[s + 3],
            tau2, mean, sum_w, sum_wd, residual,
        )  # fmt: skip
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
    # `_pool` takes four studies at a time; those that fill them up have no estimate.
    padded = (2, (studies + 3) // 4 * 4, pairs)
    theta, weight, sizes = np.zeros(padded), np.zeros(padded), np.zeros(padded)
    precision = np.empty((studies, 2, pairs))
    for s in range(studies):
        for c in range(2):
            for j in range(pairs):
                sizes[c, s, j] = size[s, 0, j] + size[s, c + 1, j]
                precision[s, c, j] = 1.0 / (error[s, 0, j] + error[s, c + 1, j])
    mean, variance = np.empty((2, pairs)), np.empty((2, pairs))
    residual, samples = np.empty(pairs), np.empty((2, pairs))
    work = np.empty((4, pairs))
    for i in range(rows):
        for s in range(studies):
            _contrast(
                products[s], i, scale_a[s], scale_b[s], precision[s],
                theta[0, s], theta[1, s], weight[0, s], weight[1, s],
            )  # fmt: skip
            if slope > 0.0:
                for c in range(2):
                    _weigh(
                        products[s], c + 1, i, scale_a[s], scale_b[s], error[s], slope, weight[c, s]
                    )
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
