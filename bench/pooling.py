"""Pooling alone, by ours and by its peers: `python -m bench.pooling NAME GROUPS STUDIES`.

Each gets the estimates as it likes them best, and ends with those of all groups. A loop over single
groups does LOOPED of them, and its seconds are multiplied.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from expression_warehouse.core.warehouse.macros import statistics_macros

LOOPED = 300

METAFOR = """
suppressMessages(library(metafor))
rows <- read.csv(commandArgs(TRUE)[1], header = FALSE)
start <- proc.time()[["elapsed"]]
beta <- sapply(split(rows, rows$V1), function(g) rma(g$V2, sei = g$V3, method = "DL")$beta)
cat(proc.time()[["elapsed"]] - start, format(beta, digits = 17), sep = "\\n")
"""


def estimates(groups: int, studies: int) -> tuple[np.ndarray, np.ndarray]:
    """theta and se, (study, group)."""
    dice = np.random.default_rng(1)
    se = dice.uniform(0.1, 0.3, (studies, groups))
    tau = dice.choice([0.0, 0.2], groups)
    return dice.normal(0.1, 0.2, groups) + dice.normal(size=se.shape) * np.hypot(se, tau), se


def by_our_macro(theta: np.ndarray, se: np.ndarray) -> tuple[float, np.ndarray]:
    import duckdb

    studies, groups = theta.shape
    long = {  # noqa: F841
        "pair_key": np.tile(np.arange(groups), studies),
        "theta": theta.ravel(),
        "se": se.ravel(),
    }
    connection = duckdb.connect(os.environ["EXPRESSION_WAREHOUSE_DB"])
    connection.execute("create table studies as from long order by pair_key")
    macros = statistics_macros("duckdb")
    steps = macros.dsl_pool("pooled", "studies", ["pair_key"], "theta", "se")
    start = time.perf_counter()
    connection.execute(f"create table result as with {steps} select * from pooled")
    seconds = time.perf_counter() - start
    found = connection.execute("select theta_re from result order by pair_key").fetchnumpy()
    return seconds, found["theta_re"]


def by_numpy(theta: np.ndarray, se: np.ndarray) -> tuple[float, np.ndarray]:
    """The same 20 columns, in blocks on all cores."""
    from concurrent.futures import ThreadPoolExecutor

    from scipy import special, stats

    from bench.pairs_peer import BLOCK, Z975, random_effects, two_sided_normal

    k = len(theta)

    def block(first: int) -> dict[str, np.ndarray]:
        part = slice(first, first + BLOCK)
        own = theta[:, part]
        pooled = random_effects(own, se[:, part] ** 2)
        mean, own_se, q = pooled["mean"], pooled["se"], pooled["q"]
        s2 = (pooled.pop("w") * (own - mean) ** 2).sum(axis=0) / (k - 1)
        hk_se = own_se * np.sqrt(s2)
        t_hk = stats.t.ppf(0.975, k - 1) * hk_se
        half = stats.t.ppf(0.975, k - 2) * np.sqrt(pooled["tau2"] + own_se**2)
        return pooled | {
            "ci_low": mean - Z975 * own_se, "ci_high": mean + Z975 * own_se,
            "q_p": special.chdtrc(k - 1, q), "i2": 100 * np.maximum(0, (q - (k - 1)) / q),
            "z": mean / own_se, "p": two_sided_normal(mean / own_se),
            "hk_se": hk_se, "hk_adhoc_se": own_se * np.sqrt(np.maximum(1, s2)),
            "hk_ci_low": mean - t_hk, "hk_ci_high": mean + t_hk,
            "hk_p": 2 * special.stdtr(k - 1, -np.abs(mean / hk_se)),
            "pi_low": mean - half, "pi_high": mean + half,
        }  # fmt: skip

    start = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        blocks = list(pool.map(block, range(0, theta.shape[1], BLOCK)))
    found = {name: np.concatenate([one[name] for one in blocks]) for name in blocks[0]}
    return time.perf_counter() - start, found["mean"]


def by_pymare(theta: np.ndarray, se: np.ndarray) -> tuple[float, np.ndarray]:
    """theta_re, tau2 and the Hartung-Knapp covariance of theta_re; neither p nor intervals."""
    from pymare.estimators import DerSimonianLaird

    start = time.perf_counter()
    fitted = DerSimonianLaird().fit(y=theta, v=se**2, X=np.ones((len(theta), 1)))
    return time.perf_counter() - start, fitted.params_["fe_params"][0]


def by_statsmodels(theta: np.ndarray, se: np.ndarray) -> tuple[float, np.ndarray]:
    from statsmodels.stats.meta_analysis import combine_effects

    warnings.simplefilter("ignore")
    start = time.perf_counter()
    found = [combine_effects(theta[:, i], se[:, i] ** 2, method_re="dl") for i in range(LOOPED)]
    seconds = (time.perf_counter() - start) * theta.shape[1] / LOOPED
    # It takes a negative tau^2 for what it is, where all others take 0.
    means = [one.mean_effect_re if one.tau2 >= 0 else np.nan for one in found]
    return seconds, np.array(means)


def by_metafor(theta: np.ndarray, se: np.ndarray) -> tuple[float, np.ndarray]:
    with tempfile.TemporaryDirectory() as scratch:
        rows, script = Path(scratch) / "rows.csv", Path(scratch) / "loop.R"
        script.write_text(METAFOR)
        with rows.open("w") as file:
            for i in range(LOOPED):
                for t, s in zip(theta[:, i], se[:, i], strict=True):
                    file.write(f"{i},{float(t)!r},{float(s)!r}\n")
        output = subprocess.run(
            ["Rscript", script, rows], check=True, stdout=subprocess.PIPE, text=True
        ).stdout
    seconds, *beta = map(float, output.split())
    return seconds * theta.shape[1] / LOOPED, np.array(beta)


OURS = "dsl_pool (DuckDB)"
CONTESTANTS = {
    OURS: by_our_macro,
    "numpy, in blocks": by_numpy,
    "PyMARE DerSimonianLaird": by_pymare,
    "statsmodels combine_effects": by_statsmodels,
    "metafor rma": by_metafor,
}
LOOPS = ("statsmodels combine_effects", "metafor rma")


def missing(name: str) -> str | None:
    """What a contestant lacks to be run here."""
    module = {"PyMARE DerSimonianLaird": "pymare", "statsmodels combine_effects": "statsmodels"}
    if name in module and not importlib.util.find_spec(module[name]):
        return f"{module[name]} is not installed"
    if name == "metafor rma":
        if not shutil.which("Rscript"):
            return "no Rscript on the PATH"
        if subprocess.run(["Rscript", "-e", "library(metafor)"], capture_output=True).returncode:
            return "R has no metafor"
    return None


def main(name: str, groups: str, studies: str) -> None:
    from bench.pairs_peer import random_effects

    theta, se = estimates(int(groups), int(studies))
    seconds, means = CONTESTANTS[name](theta, se)
    expected = random_effects(theta[:, : len(means)], se[:, : len(means)] ** 2)["mean"]
    given = ~np.isnan(means)
    np.testing.assert_allclose(means[given], expected[given], rtol=1e-9, atol=1e-12)
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
