"""Axes: from values to pixels, and round numbers for the ticks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scale:
    """A linear axis.

    low, high    values at its ends, low < high
    start, stop  their pixels
    """

    low: float
    high: float
    start: float
    stop: float

    def pixel(self, value: float) -> float:
        """Where a value lies; values outside lie on the nearest end."""
        inside = min(max(value, self.low), self.high)
        share = (inside - self.low) / (self.high - self.low)
        return round(self.start + share * (self.stop - self.start), 1)

    def pixels(self, values: Sequence[float]) -> list[float]:
        """Where each of many values lies, as `pixel`, which is slow for thousands."""
        share = (np.clip(values, self.low, self.high) - self.low) / (self.high - self.low)
        return np.round(self.start + share * (self.stop - self.start), 1).tolist()

    def ticks(self, most: int = 6) -> list[float]:
        """Multiples of 1, 2 or 5 times a power of ten, `most` + 1 of them or fewer."""
        raw = (self.high - self.low) / most
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(
            factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9)
        )
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        digits = 1 - math.floor(math.log10(step))
        return [round(number * step, digits) for number in range(first, last + 1)]


def scale_over(values: list[float], start: float, stop: float) -> Scale:
    """An axis that holds all values, with a margin of a twentieth on each side."""
    low, high = min(values), max(values)
    # Smaller differences are rounding.
    margin = (high - low) / 20 if high - low > 1e-11 else 0.5
    return Scale(low - margin, high + margin, start, stop)
