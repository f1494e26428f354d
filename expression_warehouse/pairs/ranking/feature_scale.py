"""Features of pairs on one scale: values that are extreme for the slice are far from 0."""

from collections.abc import Mapping

import numpy as np

from expression_warehouse.pairs.catalog import features

# In standard deviations of a normal distribution. With 5 instead, fewer planted pairs are found
# (python -m bench rank).
CLIP = 10.0

# Smaller p are treated as equal to it.
_LEAST_P = 1e-300


def derived(deciding: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Features of the contrast that decides: -log10 q_star, |effect| and -i2_star; greater is
    better.

    deciding  q_star, effect and i2, one value per pair
    """
    return {
        "neglog_q_star": -np.log10(np.maximum(deciding["q_star"], _LEAST_P)),
        "abs_effect": np.abs(deciding["effect"]),
        "neg_i2_star": -deciding["i2"],
    }


def oriented(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Features by the catalog's expected_scale: probabilities as -log10, signed ones as absolute
    values, because the size of an effect tells pairs apart and its sign does not."""
    catalog = {feature.feature_name: feature for feature in features()}
    scaled = {}
    for name, values in columns.items():
        feature = catalog.get(name)
        if feature is None:
            scaled[name] = values
        elif feature.expected_scale == "probability":
            scaled[name] = -np.log10(np.maximum(values, _LEAST_P))
        else:
            scaled[name] = np.abs(values) if feature.is_signed else values
    return scaled


def robust_z(columns: Mapping[str, np.ndarray]) -> tuple[list[str], np.ndarray]:
    """(x - median) / (1.4826 MAD) of each feature, clipped at CLIP; a missing value is 0, the
    median. If the MAD is 0, 1.2533 times the mean absolute deviation replaces it (Iglewicz &
    Hoaglin 1993).

    Values are rounded first: of a feature whose values are equal, rounding errors would be the
    spread.

    Returns the names of the features that vary, and an array of pairs × features. A feature
    without values or variation is left out.
    """
    names, scaled = [], []
    for name, exact in columns.items():
        values = np.round(exact, 9)
        known = values[np.isfinite(values)]
        if known.size == 0:
            continue
        deviation = np.abs(known - np.median(known))
        scale = 1.4826 * np.median(deviation) or 1.2533 * np.mean(deviation)
        if scale > 0:
            z = (values - np.median(known)) / scale
            names.append(name)
            scaled.append(np.clip(np.where(np.isfinite(z), z, 0.0), -CLIP, CLIP))
    return names, np.array(scaled).T if scaled else np.empty((0, 0))
