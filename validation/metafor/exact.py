"""Writes exact.csv: the pooled quantities of studies.csv from their definitions, in 60 digits.

    python -m validation.metafor.exact

DerSimonian and Laird 1986, https://doi.org/10.1016/0197-2456(86)90046-2; Hartung and Knapp 2001,
https://doi.org/10.1002/sim.791; prediction interval of Higgins, Thompson and Spiegelhalter 2009,
https://doi.org/10.1111/j.1467-985X.2008.00552.x
"""

import csv
from itertools import groupby
from pathlib import Path
from typing import Any

from mpmath import betainc, erfc, erfinv, findroot, gammainc, mp, mpf, sqrt

FOLDER = Path(__file__).parent
Study = tuple[float, float]


def read_studies(file: Path = FOLDER / "studies.csv") -> dict[str, list[Study]]:
    """label -> [(theta, se), …]"""
    with file.open(newline="") as lines:
        return {
            label: [(float(row["theta"]), float(row["se"])) for row in rows]
            for label, rows in groupby(csv.DictReader(lines), key=lambda row: row["label"])
        }


def t_tails(t: Any, df: int) -> Any:
    """P(|T| > t) for Student's t."""
    return betainc(mpf(df) / 2, mpf(1) / 2, 0, df / (df + t**2), regularized=True)


def t_quantile(df: int) -> Any:
    """The 97.5 % quantile of Student's t."""
    if df == 1:
        return mp.tan(mp.pi * mpf("0.475"))
    return findroot(lambda t: t_tails(t, df) - mpf("0.05"), mpf(2.5) if df > 2 else mpf(4))


def pool(studies: list[Study]) -> dict[str, Any]:
    """The quantities of one case; without those that so few studies do not have."""
    theta = [mpf(t) for t, _ in studies]
    variance = [mpf(se) ** 2 for _, se in studies]
    k = len(studies)

    def mean(weights: list[Any]) -> Any:
        return sum(w * t for w, t in zip(weights, theta, strict=True)) / sum(weights)

    def squares(weights: list[Any]) -> Any:
        if len(set(theta)) == 1:
            return mpf(0)
        center = mean(weights)
        return sum(w * (t - center) ** 2 for w, t in zip(weights, theta, strict=True))

    fixed = [1 / v for v in variance]
    q = squares(fixed) if k > 1 else mpf(0)
    c = sum(fixed) - sum(w**2 for w in fixed) / sum(fixed)
    tau2 = max(mpf(0), (q - (k - 1)) / c) if k > 1 else mpf(0)
    weights = [1 / (v + tau2) for v in variance]
    theta_re, se_re = mean(weights), 1 / sqrt(sum(weights))
    half = sqrt(mpf(2)) * erfinv(mpf("0.95")) * se_re
    z = theta_re / se_re
    pooled = {
        "theta_re": theta_re,
        "se_re": se_re,
        "ci_low": theta_re - half,
        "ci_high": theta_re + half,
        "q": q,
        "q_p": gammainc(mpf(k - 1) / 2, q / 2, mp.inf, regularized=True) if k > 1 else mpf(1),
        "i2": max(mpf(0), (q - (k - 1)) / q) * 100 if q else mpf(0),
        "tau2": tau2,
        "z": z,
        "p": erfc(abs(z) / sqrt(mpf(2))),
    }
    if k > 1:
        s2 = squares(weights) / (k - 1)
        hk_se = se_re * sqrt(s2)
        half = t_quantile(k - 1) * hk_se
        pooled |= {"hk_se": hk_se, "hk_ci_low": theta_re - half, "hk_ci_high": theta_re + half}
        if hk_se:
            pooled["hk_p"] = t_tails(theta_re / hk_se, k - 1)
        pooled["hk_adhoc_se"] = se_re * sqrt(max(mpf(1), s2))
    if k > 2:
        half = t_quantile(k - 2) * sqrt(tau2 + se_re**2)
        pooled |= {"pi_low": theta_re - half, "pi_high": theta_re + half}
    return pooled


def exact_values() -> list[tuple[str, str, float]]:
    """(label, quantity, value rounded to double) of all cases."""
    with mp.workdps(60):
        return [
            (label, quantity, float(value))
            for label, studies in read_studies().items()
            for quantity, value in pool(studies).items()
        ]


def main() -> None:
    with (FOLDER / "exact.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["label", "quantity", "exact"])
        writer.writerows((label, name, repr(value)) for label, name, value in exact_values())


if __name__ == "__main__":
    main()
