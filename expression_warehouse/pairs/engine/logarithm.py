"""Half the natural logarithm of a ratio, as arithmetic that the compiler can vectorise.

For `math.log`, LLVM calls the C library once per number: with it, a block of 20 studies takes 1.6
times as long (540 instead of 330 ns per pair).
"""

import numba
import numpy as np

_HALF_LN2 = 0.34657359027997264
_HALF_EXPONENT = 1 << 51


@numba.njit(inline="always")
def bits_of(number: float) -> np.int64:
    """The 64 bits of a float, as a whole number."""
    return np.float64(number).view(np.int64)


@numba.njit(inline="always")
def half_log_ratio(a: float, b: float) -> float:
    """ln(a / b) / 2. Relative error at most 6e-16.

    For positive, normal numbers; meaningless for any other, NaN included. A k is chosen that brings
    2^k b within a factor of 1.51 of a: the bits of a float, as a whole number, are its logarithm to
    base 2 within 0.09 (Mitchell 1962), so k is the rounded difference of bits. The difference of
    numbers so close is exact (Sterbenz 1974). The result is atanh of difference / sum, plus
    k ln 2 / 2. The coefficients interpolate (atanh(s)/s - 1)/s² at the Chebyshev nodes of s² below
    0.0403.
    """
    k = (bits_of(a) - bits_of(b) + _HALF_EXPONENT) >> 52
    b = np.int64(bits_of(b) + (k << 52)).view(np.float64)
    quotient = (a - b) / (a + b)
    s = quotient * quotient
    tail = 0.09092326940775801 + s * (0.0764132067982866 + s * 0.07564052597042638)
    series = 0.14285714421441292 + s * (0.11111090979536245 + s * tail)
    series = 0.33333333333333476 + s * (0.19999999999657492 + s * series)
    return k * _HALF_LN2 + (quotient + quotient * (s * series))
