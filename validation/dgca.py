"""What the z-score of DGCA finds on the studies of a warehouse, beside the tests of this project.

    python -m validation.dgca SEPSIS MICROARRAY sc --draws 1000

DGCA (McKenzie et al. 2016, BMC Systems Biology 10:106) compares Spearman's r of two cohorts of one
data set by z = (atanh r1 - atanh r2) / sqrt(1.06 / (n1 - 3) + 1.06 / (n2 - 3)). Here the z of the
studies are combined by Stouffer, each with the same weight, and several cohorts of a side by their
inverse variances. The draws are those of `expression-warehouse pairs calibrate` with the same seed:
labels permuted within studies (level), signs of studies flipped (level where studies disagree), and
contrasts planted in one of 100 pairs (power at a false discovery rate of 0.05).
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy import stats

from expression_warehouse.core.reporting import JsonReporter
from expression_warehouse.core.warehouse.target import open_warehouse
from expression_warehouse.pairs.calibration.calibrate import read_slice
from expression_warehouse.pairs.calibration.nulls import (
    EFFECTS,
    KINDS,
    Draw,
    SliceData,
    permute_labels,
    plant,
    sign_patterns,
)
from expression_warehouse.pairs.calibration.outcome import find, p_of_draw
from expression_warehouse.pairs.contrasts import CASE, REFERENCE
from expression_warehouse.pairs.engine.pooled_pairs import limit_of
from expression_warehouse.pairs.slices import SliceFilter, find_slices

DGCA = "dgca"
# Variance of Fisher's z of Spearman's r, times n - 3 (Fieller, Hartley & Pearson 1957).
SPEARMAN_FACTOR = 1.06


def dgca_p(side: np.ndarray, r: np.ndarray, n: np.ndarray, least: int) -> np.ndarray:
    """(pairs,): p of the z-scores of a contrast, combined over the studies that have both sides.

    side   (cohorts,): CASE, REFERENCE or 0, a row of Design.sides
    r, n   (studies, cohorts, pairs): Spearman's r and its samples; NaN if there is no r
    least  a pair of fewer studies has no p
    """
    z = np.arctanh(np.clip(r, -limit_of(n), limit_of(n)))
    weight = np.where(np.isnan(r), 0.0, (n - 3) / SPEARMAN_FACTOR)
    difference, variance = 0.0, 0.0
    for sign in (CASE, REFERENCE):
        own = side == sign
        with np.errstate(divide="ignore", invalid="ignore"):
            total = weight[:, own].sum(axis=1)
            difference += sign * np.nansum(weight[:, own] * z[:, own], axis=1) / total
            variance += 1 / total
    score = difference / np.sqrt(variance)
    has_both = np.isfinite(variance)
    k = np.count_nonzero(has_both, axis=0)
    combined = np.where(has_both, score, 0.0).sum(axis=0) / np.sqrt(np.maximum(k, 1))
    return np.where(k >= least, 2 * stats.norm.sf(np.abs(combined)), np.nan)


def compared(data: SliceData, contrast: str) -> tuple[str, ...]:
    """The tests that are compared, DGCA's last."""
    both = ("combined_dependent",) if data.design.combined else ()
    return (f"{contrast}_z", f"{contrast}_hk", *both, DGCA)


def p_of_tests(data: SliceData, draw: Draw, contrast: str, pairs: np.ndarray) -> np.ndarray:
    """(tests, pairs): p of `compared`."""
    own = p_of_draw(data, draw, pairs)
    names = [each.name for each in data.design.contrasts]
    side = data.design.sides[names.index(contrast)]
    dgca = dgca_p(side, *draw.correlate(data, pairs), data.settings.k_min)
    chosen = [own[data.design.tests.index(test)] for test in compared(data, contrast)[:-1]]
    return np.array([*chosen, dgca])


def measure(data: SliceData, contrast: str, draws: int, seed: int) -> dict[str, np.ndarray]:
    """Per measure, its mean over the draws for each of `compared`.

    LABELS, SIGNS  share of pairs with p < 0.05
    found          share of the draws of LABELS in which any pair is found
    an effect      share of the pairs with this planted contrast that are found
    """
    names = [each.name for each in data.design.contrasts]
    every = np.arange(len(data.a))

    def dice(kind: str, number: int) -> np.random.Generator:
        return np.random.default_rng([seed, KINDS.index(kind), number])

    def shares(p: np.ndarray) -> np.ndarray:
        return (p < 0.05).sum(axis=1) / np.count_nonzero(~np.isnan(p), axis=1)

    def of_labels(number: int) -> Iterator[tuple[str, np.ndarray]]:
        draw = permute_labels(data, dice("LABELS", number))
        p = p_of_tests(data, draw, contrast, every)
        yield "LABELS", shares(p)
        yield "found", np.array([find(own).any() for own in p])
        for effect in EFFECTS:
            changed, is_planted = plant(draw, len(data.a), effect, dice("PLANTED", number))
            affected = np.flatnonzero(is_planted.any(axis=0))
            planted = p.copy()
            planted[:, affected] = p_of_tests(data, changed, contrast, affected)
            own = is_planted[names.index(contrast)] & ~np.isnan(planted).any(axis=0)
            if own.any():
                yield str(effect), np.array([find(values)[own].mean() for values in planted])

    measured: dict[str, list[np.ndarray]] = {}
    for number in range(draws):
        for name, values in of_labels(number):
            measured.setdefault(name, []).append(values)
    original = data.draw(data.matrices)
    for pattern in sign_patterns(len(data.matrices), draws, dice("SIGNS", 0)):
        p = p_of_tests(data, replace(original, sign=pattern), contrast, every)
        measured.setdefault("SIGNS", []).append(shares(p))
    return {name: np.mean(values, axis=0) for name, values in measured.items()}


def main() -> None:
    """Print a row per test."""
    parser = argparse.ArgumentParser(prog="python -m validation.dgca")
    parser.add_argument("disease")
    parser.add_argument("technology")
    parser.add_argument("contrast")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with open_warehouse() as warehouse:
        (members,) = find_slices(warehouse, SliceFilter(chosen.disease, chosen.technology))
        # Only a design with ss and soth has the dependent test.
        alone = None if chosen.contrast in ("ss", "soth") else chosen.contrast
        data, *_ = read_slice(warehouse, members, alone, JsonReporter())
    measured = measure(data, chosen.contrast, chosen.draws, chosen.seed)
    print(f"{members.slice} {chosen.contrast}: {len(data.a):,} pairs, {chosen.draws:,} draws, in %")
    print(f"{'':20}" + "".join(f"{name:>9}" for name in measured))
    for row, test in enumerate(compared(data, chosen.contrast)):
        print(f"{test:20}" + "".join(f"{100 * own[row]:9.2f}" for own in measured.values()))


if __name__ == "__main__":
    main()
