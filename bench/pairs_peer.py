"""The pair metrics in numpy and scipy: `python -m bench.pairs_peer WAREHOUSE GENES`.

From the warehouse's expression values to a table of all columns of fact_gene_pair_metrics but
those of NO_SEPSIS, which the generated studies lack, and of what the long facts have besides
(contrast sc, ad hoc Hartung-Knapp, p and q per pair), in the DuckDB file EXPRESSION_WAREHOUSE_DB.
Column least_difference is the least |θ| of a study and contrast: the sign of a 0 depends on
rounding.
Vectorised over blocks of pairs, on all cores. It makes use of what it knows of the studies: no
value is missing, and each has all three cohorts, large enough.
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import duckdb
import numpy as np
import pyarrow as pa
from scipy import special, stats

BLOCK = 4096
COHORTS = ("control", "sepsis", "septic_shock")
# Case cohort and reference cohorts; the primary contrast first.
CONTRASTS = {
    "ss": ("septic_shock", ["sepsis"]),
    "soth": ("septic_shock", ["control", "sepsis"]),
    "sc": ("sepsis", ["control"]),
}
DIFFERENCES = (("septic_shock", "sepsis"), ("septic_shock", "control"), ("sepsis", "control"))
TESTS = {"q_combined": "combined_p_value", "q_combined_dependent": "combined_p_dependent"} | {
    f"q_{short}{kind}": f"p_{short}{kind}"
    for short in CONTRASTS
    for kind in ("", "_hk", "_hk_adhoc")
}
# What the wide fact takes from the contrast that decides.
DECIDING = ("power_score", "direction_consistency", "magnitude_consistency", "consistency_score")
Z975 = float(stats.norm.ppf(0.975))

Columns = dict[str, np.ndarray]


def two_sided_normal(z: np.ndarray) -> np.ndarray:
    return special.erfc(np.abs(z) * np.sqrt(0.5))


class Study:
    """Expression values, a line a gene, and the cohort of each column."""

    def __init__(self, values: np.ndarray, labels: np.ndarray) -> None:
        self.values = values
        self.members = {cohort: labels == cohort.upper() for cohort in COHORTS}

    def z(self, genes: np.ndarray, upper: tuple[np.ndarray, np.ndarray]) -> dict[str, tuple]:
        """Fisher's z of Spearman's r of all pairs, and the number of samples, by cohort.

        |r| is held half a step below 1."""
        found = {}
        for cohort, members in self.members.items():
            ranks = stats.rankdata(self.values[np.ix_(genes, members)], axis=1)
            u = ranks - ranks.mean(axis=1, keepdims=True)
            norm = np.sqrt((u * u).sum(axis=1))
            r = (u @ u.T / np.outer(norm, norm))[upper]
            n = int(members.sum())
            limit = 1 - 6 / (n * (n * n - 1))
            found[cohort] = np.arctanh(np.clip(r, -limit, limit)), n
        return found


def read_studies(warehouse: str) -> tuple[np.ndarray, list[Study]]:
    """The keys of the genes, and the studies."""
    with duckdb.connect(warehouse, read_only=True) as connection:
        rows = connection.execute(
            "select study_key, gene_key, illness_label, expression_value"
            " from analytics.vw_expression_export order by study_key, gene_key, sample_key"
        ).fetchnumpy()
    genes = np.unique(rows["gene_key"])
    studies = []
    for study in np.unique(rows["study_key"]):
        own = rows["study_key"] == study
        values = rows["expression_value"][own].reshape(len(genes), -1)
        labels = rows["illness_label"][own][: values.shape[1]].astype(str)
        studies.append(Study(values, labels))
    return genes, studies


def random_effects(theta: np.ndarray, v: np.ndarray) -> Columns:
    """DerSimonian and Laird over the first axis."""
    k = len(theta)
    w = 1 / v
    sum_w = w.sum(axis=0)
    d = theta - (w * theta).sum(axis=0) / sum_w
    q = (w * d * d).sum(axis=0)
    c = sum_w - (w * w).sum(axis=0) / sum_w
    tau2 = np.maximum(0, q - (k - 1)) / c if k > 1 else np.zeros_like(q)
    w = 1 / (v + tau2)
    sum_w = w.sum(axis=0)
    return {"q": q, "tau2": tau2, "w": w, "mean": (w * theta).sum(axis=0) / sum_w,
            "se": np.sqrt(1 / sum_w)}  # fmt: skip


def contrast(short: str, theta: np.ndarray, v: np.ndarray) -> tuple[Columns, Columns]:
    """The columns of a contrast, and those that count if it decides."""
    k = len(theta)
    pooled = random_effects(theta, v)
    mean, se, q, w = (pooled[name] for name in ("mean", "se", "q", "w"))
    z = mean / se
    s2 = (w * (theta - mean) ** 2).sum(axis=0) / (k - 1)
    hk_se = se * np.sqrt(s2)
    hk_adhoc_se = se * np.sqrt(np.maximum(1, s2))
    t_hk = stats.t.ppf(0.975, k - 1)
    half = stats.t.ppf(0.975, k - 2) * np.sqrt(pooled["tau2"] + se * se)
    left_out = [
        random_effects(np.delete(theta, i, axis=0), np.delete(v, i, axis=0))["mean"]
        for i in range(k)
    ]
    agrees = np.sign(theta) == np.sign(mean)
    size = np.abs(theta)
    direction = agrees.mean(axis=0)
    magnitude = 1 - np.minimum(1, size.std(axis=0, ddof=1) / size.mean(axis=0))
    columns = {
        "mean": mean, "se": se, "ci_low": mean - Z975 * se, "ci_high": mean + Z975 * se,
        "q": q, "q_p": special.chdtrc(k - 1, q), "tau2": pooled["tau2"], "z": z,
        "i2": 100 * np.maximum(0, (q - (k - 1)) / q),
        "hk_se": hk_se, "hk_adhoc_se": hk_adhoc_se,
        "hk_ci_low": mean - t_hk * hk_se, "hk_ci_high": mean + t_hk * hk_se,
        "pi_low": mean - half, "pi_high": mean + half,
        "loo_min": np.min(left_out, axis=0), "loo_max": np.max(left_out, axis=0),
    }  # fmt: skip
    return {f"dz_{short}_{name}": values for name, values in columns.items()} | {
        f"p_{short}": two_sided_normal(z),
        f"p_{short}_hk": 2 * special.stdtr(k - 1, -np.abs(mean / hk_se)),
        f"p_{short}_hk_adhoc": 2 * special.stdtr(k - 1, -np.abs(mean / hk_adhoc_se)),
        f"kappa_{short}": (w * agrees).sum(axis=0) / w.sum(axis=0),
        f"abs_dz_{short}": np.abs(mean),
    }, {
        "power_score": special.ndtr(np.abs(z) - Z975) + special.ndtr(-np.abs(z) - Z975),
        "direction_consistency": direction,
        "magnitude_consistency": magnitude,
        "consistency_score": np.sqrt(direction * magnitude),
    }


def metrics(z: dict[str, np.ndarray], n: dict[str, np.ndarray]) -> Columns:
    """All columns but the false discovery rates, from z (study, pair) and the studies' samples."""
    shape = z["control"].shape
    w = {cohort: np.broadcast_to((counts - 3.0)[:, None], shape) for cohort, counts in n.items()}
    found: Columns = {}
    for cohort in COHORTS:
        pooled = random_effects(z[cohort], 1 / w[cohort])
        mean, se = pooled["mean"], pooled["se"]
        found |= {
            f"r_{cohort}": np.tanh(mean),
            f"z_{cohort}": mean,
            f"se_r_{cohort}": se,
            f"i2_{cohort}": 100 * np.maximum(0, (pooled["q"] - (shape[0] - 1)) / pooled["q"]),
            f"z_stat_{cohort}": mean / se,
            f"p_value_{cohort}": two_sided_normal(mean / se),
        }
    decides, found["least_difference"] = [], np.full(shape[1], np.inf)
    for short, (case, references) in CONTRASTS.items():
        weight = sum(w[cohort] for cohort in references)
        z_reference = sum(w[cohort] * z[cohort] for cohort in references) / weight
        theta = z[case] - z_reference
        found["least_difference"] = np.minimum(found["least_difference"], np.abs(theta).min(axis=0))
        columns, deciding = contrast(short, theta, 1 / w[case] + 1 / weight)
        found |= columns
        decides.append(deciding)
    p_hk = np.array([found[f"p_{short}_hk"] for short in CONTRASTS])
    found["p_pair"] = np.minimum(1, len(CONTRASTS) * p_hk.min(axis=0))
    for name in DECIDING:
        values = np.array([deciding[name] for deciding in decides])
        found[name] = np.take_along_axis(values, p_hk.argmin(axis=0)[None], axis=0)[0]
    for first, second in DIFFERENCES:
        z_diff = (found[f"z_{first}"] - found[f"z_{second}"]) / np.hypot(
            found[f"se_r_{first}"], found[f"se_r_{second}"]
        )
        found |= {
            f"delta_r_{first}_{second}": found[f"r_{first}"] - found[f"r_{second}"],
            f"z_diff_{first}_{second}": z_diff,
            f"p_diff_{first}_{second}": two_sided_normal(z_diff),
        }
    z1, z2 = found["dz_ss_z"], found["dz_soth_z"]
    n1, n2 = (
        float(sum(n[cohort] for cohort in (case, *references)).sum())
        for case, references in (CONTRASTS["ss"], CONTRASTS["soth"])
    )
    se1, se2 = found["dz_ss_se"], found["dz_soth_se"]
    weighted = np.sqrt(n1) * z1 + np.sqrt(n2) * z2
    rho = np.minimum(1, se2 / se1)
    combined = weighted / np.sqrt(n1 + n2)
    dependent = weighted / np.sqrt(n1 + n2 + 2 * rho * np.sqrt(n1 * n2))
    effect = found["dz_ss_mean"] / se1**2 + found["dz_soth_mean"] / se2**2
    for cohort in COHORTS:
        del found[f"z_{cohort}"]
    return found | {
        "combined_z_score": combined,
        "combined_p_value": two_sided_normal(combined),
        "combined_z_dependent": dependent,
        "combined_p_dependent": two_sided_normal(dependent),
        "combined_effect_size": effect / (1 / se1**2 + 1 / se2**2),
    }


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    order = np.argsort(p)
    steps = p[order] * (len(p) / np.arange(1, len(p) + 1))
    q = np.empty_like(p)
    q[order] = np.minimum(1, np.minimum.accumulate(steps[::-1])[::-1])
    return q


def compute(warehouse: str, top: int) -> Columns:
    keys, studies = read_studies(warehouse)
    variance = np.mean([study.values.var(axis=1, ddof=1) for study in studies], axis=0)
    genes = np.sort(np.argsort(-variance, kind="stable")[:top])
    upper = np.triu_indices(len(genes), 1)
    pairs = len(upper[0])
    z = {cohort: np.empty((len(studies), pairs)) for cohort in COHORTS}
    n = {cohort: np.empty(len(studies)) for cohort in COHORTS}
    for i, study in enumerate(studies):
        for cohort, (values, count) in study.z(genes, upper).items():
            z[cohort][i], n[cohort][i] = values, count

    def block(start: int) -> Columns:
        part = slice(start, start + BLOCK)
        return metrics({cohort: values[:, part] for cohort, values in z.items()}, n)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        blocks = list(pool.map(block, range(0, pairs, BLOCK)))
    found = {name: np.concatenate([one[name] for one in blocks]) for name in blocks[0]}
    found |= {q: benjamini_hochberg(found[p]) for q, p in TESTS.items()}
    found["q_pair"] = benjamini_hochberg(found["p_pair"])
    for short in CONTRASTS:
        found[f"neglog_q_{short}"] = -np.log10(np.maximum(found[f"q_{short}"], 1e-300))
    return {"gene_a_key": keys[genes[upper[0]]], "gene_b_key": keys[genes[upper[1]]]} | found


def main(warehouse: str, top: str) -> None:
    start = time.perf_counter()
    found = pa.table(compute(warehouse, int(top)))  # noqa: F841
    with duckdb.connect(os.environ["EXPRESSION_WAREHOUSE_DB"]) as connection:
        connection.execute("create table metrics as from found")
    print(json.dumps({"seconds": time.perf_counter() - start}))


if __name__ == "__main__":
    main(*sys.argv[1:])
