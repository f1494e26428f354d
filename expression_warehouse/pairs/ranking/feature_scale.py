"""Features of pairs on one scale: what is extreme for the slice is far from 0."""

from collections.abc import Mapping

import numpy as np

from expression_warehouse.pairs.catalog import features

# In standard deviations of a normal distribution. Beyond it, further is no more unusual; planted
# pairs (bench rank) are found less well at 5.
CLIP = 10.0

# Of what is below it, only that it is small can be told.
_LEAST_P = 1e-300


def derived(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Features of the ranking that the warehouse does not hold: -log10 q_star,
    |combined_effect_size|, and -i2_star, all the greater the better."""
    q_star = least([columns[name] for name in ("q_combined", "q_ss", "q_soth")], 1.0)
    return {
        "neglog_q_star": -np.log10(np.maximum(q_star, _LEAST_P)),
        "abs_combined_effect_size": np.abs(columns["combined_effect_size"]),
        "neg_i2_star": -least([columns[name] for name in ("dz_ss_i2", "dz_soth_i2")], 100.0),
    }


def least(columns: list[np.ndarray], missing: float) -> np.ndarray:
    """The least value of each row, one that is missing counted as `missing`."""
    return np.min([np.where(np.isnan(column), missing, column) for column in columns], axis=0)


def oriented(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Features as the catalog's expected_scale has them read: a probability as -log10, what can be
    on either side of 0 by its size. The size of an effect tells pairs apart, its sign does not."""
    catalog = {feature.feature_name: feature for feature in features()}
    found = {}
    for name, values in columns.items():
        feature = catalog.get(name)
        if feature is None:
            found[name] = values
        elif feature.expected_scale == "probability":
            found[name] = -np.log10(np.maximum(values, _LEAST_P))
        else:
            found[name] = np.abs(values) if feature.is_signed else values
    return found


def robust_z(columns: Mapping[str, np.ndarray]) -> tuple[list[str], np.ndarray]:
    """(x - median) / (1.4826 MAD) of each feature, clipped at CLIP; a missing value is 0, the
    median. Where more than half the values are one, 1.2533 times the mean absolute deviation takes
    the MAD's place (Iglewicz & Hoaglin 1993).

    Returns the names of the features that vary, and an array of pairs × features. A feature
    without values or variation is left out.
    """
    names, scaled = [], []
    for name, values in columns.items():
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
