"""Which limit of |r| is right before Fisher's z? Level and power of a contrast of two cohorts.

    python -m validation.correlation_limit

Spearman's r of n samples moves in steps of 12 / (n (n² - 1)) next to 1, and atanh(1) is infinite,
so macro fisher_z limits |r|. Compared are 1 - 1e-12, half a step and a whole step below 1. Two
genes are bivariate normal with the same correlation rho in both cohorts (level), or with rho in one
and 0 in the other (power). Contrasts of k studies are pooled by DerSimonian and Laird; the table
has the share of simulations with p <= 0.01 by the z test and by Hartung and Knapp's t test.
"""

from collections.abc import Callable

import numpy as np
from scipy import stats

LIMITS: dict[str, Callable[[int], float]] = {
    "1 - 1e-12": lambda n: 1 - 1e-12,
    "half step": lambda n: 1 - 6 / (n * (n * n - 1)),
    "step": lambda n: 1 - 12 / (n * (n * n - 1)),
}
ALPHA = 0.01
REPEATS = 20_000
SEED = 1


def correlations(
    rng: np.random.Generator, rho: float, n: int, shape: tuple[int, int]
) -> np.ndarray:
    """Spearman's r of n bivariate normal samples with correlation rho, per simulation and study."""
    x, noise = rng.standard_normal((2, *shape, n))
    y = rho * x + np.sqrt(1 - rho * rho) * noise
    difference = x.argsort(-1).argsort(-1) - y.argsort(-1).argsort(-1)
    return 1 - 6 * (difference**2).sum(-1) / (n * (n * n - 1))


def p_values(
    case: np.ndarray, reference: np.ndarray, n: int, limit: float
) -> dict[str, np.ndarray]:
    """p per simulation (rows) of the contrast of two cohorts of n samples, pooled over studies.

    case, reference  (simulations, studies): Spearman's r
    """
    theta = np.arctanh(np.clip(case, -limit, limit)) - np.arctanh(np.clip(reference, -limit, limit))
    k, variance = theta.shape[1], 2 / (n - 3)
    # All studies have the same standard error, so the fixed effect is the mean.
    mean = theta.mean(1)
    squares = ((theta - mean[:, None]) ** 2).sum(1)
    q = squares / variance
    tau2 = np.maximum(0, (q - (k - 1)) * variance / (k - 1))
    z = mean / np.sqrt((variance + tau2) / k)
    knapp = np.sqrt(squares / (k - 1) / k)
    # All studies can have the same difference; SQL gives such a pair no Hartung-Knapp test.
    has_spread = knapp > 1e-12
    t = np.divide(mean, knapp, out=np.zeros_like(mean), where=has_spread)
    return {"z": 2 * stats.norm.sf(abs(z)), "Hartung-Knapp": 2 * stats.t.sf(abs(t), k - 1)}


def rejections(rho: float, other: float, n: int, k: int) -> dict[tuple[str, str], float]:
    """(limit, test) → share of simulations with p <= ALPHA."""
    rng = np.random.default_rng([SEED, n, k, round(10 * rho), round(10 * other)])
    case = correlations(rng, rho, n, (REPEATS, k))
    reference = correlations(rng, other, n, (REPEATS, k))
    return {
        (name, test): float(np.mean(p <= ALPHA))
        for name, limit in LIMITS.items()
        for test, p in p_values(case, reference, n, limit(n)).items()
    }


def main() -> None:
    """Print one row per setting: level or power in per cent, per limit and test."""
    columns = [(limit, test) for test in ("z", "Hartung-Knapp") for limit in LIMITS]
    header = "".join(f"{f'{test[:4].strip()} {limit}':>16}" for limit, test in columns)
    print(f"share of p <= {ALPHA} in %, {REPEATS:,} simulations; level: same rho, power: rho and 0")
    print(f"{'':8}{'rho':>5}{'n':>4}{'k':>3}{header}")
    for rho in (0.0, 0.5, 0.9):
        for other in sorted({rho, 0.0}, reverse=True):
            for n in (8, 10, 15, 20):
                for k in (3, 5):
                    shares = rejections(rho, other, n, k)
                    cells = "".join(f"{100 * shares[column]:16.2f}" for column in columns)
                    kind = "level" if rho == other else "power"
                    print(f"{kind:8}{rho:5.1f}{n:4}{k:3}{cells}", flush=True)


if __name__ == "__main__":
    main()
