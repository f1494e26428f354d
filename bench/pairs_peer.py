"""The pair metrics in numpy and scipy: `python -m bench.pairs_peer WAREHOUSE GENES`.

From the warehouse's expression values to a table of all columns of fact_gene_pair_metrics but
those of NO_SEPSIS, which the generated studies lack, in the DuckDB file EXPRESSION_WAREHOUSE_DB.
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
# Case and reference; sc is not in the wide table, but can be the contrast that decides.
CONTRASTS = {
    "ss": ("septic_shock", "sepsis"),
    "soth": ("septic_shock", "others"),
    "sc": ("sepsis", "control"),
}
WIDE = ("ss", "soth")
DIFFERENCES = (("septic_shock", "sepsis"), ("septic_shock", "control"), ("sepsis", "control"))
TESTS = {
    "q_ss": "p_ss",
    "q_soth": "p_soth",
    "q_combined": "combined_p_value",
    "q_combined_dependent": "combined_p_dependent",
    "q_ss_hk": "p_ss_hk",
    "q_soth_hk": "p_soth_hk",
}
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
        """Fisher's z of Spearman's r of all pairs, and the number of samples, by cohort."""
        found = {}
        for cohort, members in self.members.items():
            ranks = stats.rankdata(self.values[np.ix_(genes, members)], axis=1)
            u = ranks - ranks.mean(axis=1, keepdims=True)
            norm = np.sqrt((u * u).sum(axis=1))
            r = (u @ u.T / np.outer(norm, norm))[upper]
            n = int(members.sum())
            # Half a step of r below 1.
            greatest = 1 - 6 / (n * (n * n - 1))
            found[cohort] = np.arctanh(np.clip(r, -greatest, greatest)), n
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
    """The columns of a contrast, and what the wide table has of the contrast that decides."""
    k = len(theta)
    pooled = random_effects(theta, v)
    mean, se, q, w = (pooled[name] for name in ("mean", "se", "q", "w"))
    z = mean / se
    s2 = (w * (theta - mean) ** 2).sum(axis=0) / (k - 1)
    hk_se = se * np.sqrt(s2)
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
        "hk_se": hk_se, "hk_adhoc_se": se * np.sqrt(np.maximum(1, s2)),
        "hk_ci_low": mean - t_hk * hk_se, "hk_ci_high": mean + t_hk * hk_se,
        "pi_low": mean - half, "pi_high": mean + half,
        "loo_min": np.min(left_out, axis=0), "loo_max": np.max(left_out, axis=0),
    }  # fmt: skip
    p_hk = 2 * special.stdtr(k - 1, -np.abs(mean / hk_se))
    return {f"dz_{short}_{name}": values for name, values in columns.items()} | {
        f"p_{short}": two_sided_normal(z),
        f"p_{short}_hk": p_hk,
        f"kappa_{short}": (w * agrees).sum(axis=0) / w.sum(axis=0),
        f"abs_dz_{short}": np.abs(mean),
    }, {
        "p_hk": p_hk,
        "power_score": special.ndtr(np.abs(z) - Z975) + special.ndtr(-np.abs(z) - Z975),
        "direction_consistency": direction,
        "magnitude_consistency": magnitude,
        "consistency_score": np.sqrt(direction * magnitude),
    }


def metrics(z: dict[str, np.ndarray], n: dict[str, np.ndarray]) -> Columns:
    """All columns but the false discovery rates, from z (study, pair) and the studies' samples."""
    shape = z["sepsis"].shape
    v = {group: np.broadcast_to(1 / (counts - 3.0)[:, None], shape) for group, counts in n.items()}
    z, v, n = with_others(z, v, n)
    found: Columns = {}
    for cohort in COHORTS:
        pooled = random_effects(z[cohort], v[cohort])
        mean, se = pooled["mean"], pooled["se"]
        found |= {
            f"r_{cohort}": np.tanh(mean),
            f"z_{cohort}": mean,
            f"se_r_{cohort}": se,
            f"i2_{cohort}": 100 * np.maximum(0, (pooled["q"] - (shape[0] - 1)) / pooled["q"]),
            f"z_stat_{cohort}": mean / se,
            f"p_value_{cohort}": two_sided_normal(mean / se),
        }
    deciding: Columns = {}
    for short, (case, reference) in CONTRASTS.items():
        columns, own = contrast(short, z[case] - z[reference], v[case] + v[reference])
        if short in WIDE:
            found |= columns
        is_less = own["p_hk"] < deciding["p_hk"] if deciding else True
        deciding = {
            name: np.where(is_less, values, deciding.get(name)) for name, values in own.items()
        }
    del deciding["p_hk"]
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
    n1, n2 = (float(sum(n[side].sum() for side in CONTRASTS[short])) for short in WIDE)
    se1, se2 = found["dz_ss_se"], found["dz_soth_se"]
    weighted = np.sqrt(n1) * z1 + np.sqrt(n2) * z2
    rho = np.minimum(1, se2 / se1)
    combined = weighted / np.sqrt(n1 + n2)
    dependent = weighted / np.sqrt(n1 + n2 + 2 * rho * np.sqrt(n1 * n2))
    effect = found["dz_ss_mean"] / se1**2 + found["dz_soth_mean"] / se2**2
    for cohort in COHORTS:
        del found[f"z_{cohort}"]
    return found | deciding | {
        "combined_z_score": combined,
        "combined_p_value": two_sided_normal(combined),
        "combined_z_dependent": dependent,
        "combined_p_dependent": two_sided_normal(dependent),
        "combined_effect_size": effect / (1 / se1**2 + 1 / se2**2),
    }  # fmt: skip


def with_others(z: dict, v: dict, n: dict) -> tuple[dict, dict, dict]:
    """z, its variance and the samples, with those of controls and sepsis pooled within each study:
    the inverse-variance mean, not one group of samples."""
    w = {cohort: 1 / v[cohort] for cohort in ("control", "sepsis")}
    sum_w = sum(w.values())
    pooled = sum(w[cohort] * z[cohort] for cohort in w) / sum_w
    return (
        z | {"others": pooled},
        v | {"others": 1 / sum_w},
        n | {"others": n["control"] + n["sepsis"]},
    )


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
        for group, (values, count) in study.z(genes, upper).items():
            z[group][i], n[group][i] = values, count

    def block(start: int) -> Columns:
        part = slice(start, start + BLOCK)
        return metrics({group: values[:, part] for group, values in z.items()}, n)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        blocks = list(pool.map(block, range(0, pairs, BLOCK)))
    found = {name: np.concatenate([one[name] for one in blocks]) for name in blocks[0]}
    found |= {q: benjamini_hochberg(found[p]) for q, p in TESTS.items()}
    for short in WIDE:
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
