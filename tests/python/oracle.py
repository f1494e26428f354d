"""A meta-analysis of gene-pair co-expression in numpy and scipy, from matrices and cohort labels to
each column of fact_gene_pair_metrics, and to the features of genes, pairs, samples and cohorts. It shares nothing with the project's SQL and is written for
legibility, one pair at a time."""

import csv
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy import stats

COHORTS = ("control", "no_sepsis", "sepsis", "septic_shock")
# Contrast -> its case and reference cohorts.
CONTRASTS = {
    "ss": (("septic_shock",), ("sepsis",)),
    "soth": (("septic_shock",), ("control", "no_sepsis", "sepsis")),
    "sc": (("sepsis",), ("control", "no_sepsis")),
}
# Contrasts of the requirement's wide table.
WIDE = ("ss", "soth")
DETECTION_SHARE, RESOLUTION = 0.2, 0.05
DIFFERENCES = (("septic_shock", "sepsis"), ("septic_shock", "control"), ("sepsis", "control"))
Z975 = stats.norm.ppf(0.975)

Row = dict[str, float | None]
Estimate = tuple[float, float]


@dataclass
class Matrix:
    """A study: `values` has a line a gene and a column a sample, nan where missing, on the scale
    that studies are compared on; `cohorts` has the label of each sample. A gene is expressed
    above `floor`, if the unit has one."""

    accession: str
    technology: str
    genes: list[str]
    values: np.ndarray
    cohorts: list[str]
    samples: list[str] = field(default_factory=list)
    floor: float | None = None

    def __post_init__(self) -> None:
        labels = np.char.lower(np.array(self.cohorts))
        self.place = {gene: i for i, gene in enumerate(self.genes)}
        self.known = labels != "unknown"
        self.members = {cohort: labels == cohort for cohort in COHORTS}

    def variances(self) -> dict[str, float]:
        """Variance (n - 1) of each measured gene over all samples with a known label."""
        return {
            gene: float(np.var(values[~np.isnan(values)], ddof=1))
            for gene, values in zip(self.genes, self.values[:, self.known], strict=True)
            if np.sum(~np.isnan(values)) > 0
        }


def read_panel(folder: Path) -> list[Matrix]:
    """The studies of a folder of matrices with labels.tsv and provenance.tsv, all on a log scale."""

    def rows(name: str) -> list[dict[str, str]]:
        with (folder / name).open(newline="") as file:
            return list(csv.DictReader(file, delimiter="\t"))

    label = {row["sample"]: row["suggested_cohort"] for row in rows("labels.tsv")}
    studies = []
    for row in rows("provenance.tsv"):
        accession = row["study"]
        with (folder / accession / f"{accession}.tsv").open(newline="") as file:
            header, *lines = csv.reader(file, delimiter="\t")
        values = np.array([[float(x or "nan") for x in line[1:]] for line in lines])
        studies.append(
            Matrix(
                accession,
                row["tech"],
                [line[0] for line in lines],
                values,
                [label[sample] for sample in header[1:]],
                header[1:],
            )
        )
    return studies


def counted(studies: Sequence[Matrix], subjects: dict[str, tuple[str, float]]) -> list[Matrix]:
    """The studies with the samples that count in their slice.

    subjects  sample -> its subject and time

    Of a subject in a cohort of a study, the earliest sample; of a sample of several studies, that
    in the study which has the fewest left, the first by accession of equal ones.
    """
    own: dict[str, list[str]] = {}
    for study in studies:
        first: dict[tuple[str, str], tuple[float, str]] = {}
        for sample, cohort in zip(study.samples, study.cohorts, strict=True):
            if cohort.lower() in COHORTS:
                subject, time = subjects.get(sample, (sample, 0.0))
                key = (cohort, subject)
                first[key] = min(first.get(key, (math.inf, "")), (time, sample))
        own[study.accession] = [sample for _, sample in first.values()]
    keeper: dict[str, str] = {}
    for accession in sorted(own, key=lambda accession: (len(own[accession]), accession)):
        for sample in own[accession]:
            keeper.setdefault(sample, accession)
    found = []
    for study in studies:
        kept = [
            i
            for i, sample in enumerate(study.samples)
            if sample in own[study.accession] and keeper[sample] == study.accession
        ]
        if kept:
            found.append(
                Matrix(
                    study.accession,
                    study.technology,
                    study.genes,
                    study.values[:, kept],
                    [study.cohorts[i] for i in kept],
                    [study.samples[i] for i in kept],
                )
            )
    return found


def candidate_genes(
    studies: Sequence[Matrix], top: int, k_min: int, watched: Collection[str]
) -> list[str]:
    """Genes of which pairs are made: of those that min(k_min, studies) studies or more measured and
    that vary, the `top` by mean variance over the studies, and the watched ones."""
    variances = [study.variances() for study in studies]
    mean = {}
    for gene in {gene for found in variances for gene in found}:
        own = [found[gene] for found in variances if gene in found]
        if len(own) >= min(k_min, len(studies)) and np.nanmean(own) > 0:
            mean[gene] = np.nanmean(own)
    ordered = sorted(mean, key=lambda gene: (-mean[gene], gene))
    return sorted({*ordered[:top], *(gene for gene in ordered if gene in watched)})


def spearman(a: np.ndarray, b: np.ndarray) -> tuple[float, int] | None:
    """r on the samples that have both values, and their number; None where a side is constant.

    Twice the average ranks are whole numbers, so their products are exact: what is 0 is 0.
    """
    both = ~(np.isnan(a) | np.isnan(b))
    n = int(both.sum())
    if n < 2:
        return None
    u = np.rint(2 * stats.rankdata(a[both])) - (n + 1)
    v = np.rint(2 * stats.rankdata(b[both])) - (n + 1)
    scale = float(u @ u) * float(v @ v)
    return (float(u @ v) / math.sqrt(scale), n) if scale else None


def detected(values: np.ndarray, floor: float | None) -> bool:
    """Whether a gene with these values in a cohort counts as expressed there."""
    values = values[~np.isnan(values)]
    if not values.size or values.max() - values.min() < RESOLUTION:
        return False
    return floor is None or bool(np.mean(values > floor) >= DETECTION_SHARE)


def fisher(r: float, n: int, method: str) -> Estimate:
    """z and its standard error; |r| is at most half a step of Spearman's r below 1."""
    limit = 1 - 6 / (n * (n * n - 1))
    r = min(max(r, -limit), limit)
    variance = {"fisher": 1.0, "fieller": 1.06, "bonett_wright": 1 + r * r / 2}[method] / (n - 3)
    return math.atanh(r), math.sqrt(variance)


@dataclass
class Pooled:
    """Random-effects pooling of estimates with their standard errors."""

    theta: np.ndarray
    se: np.ndarray

    def __post_init__(self) -> None:
        self.k = k = len(self.theta)
        w = 1 / self.se**2
        fixed = (w @ self.theta) / w.sum()
        self.q = float(w @ (self.theta - fixed) ** 2) if k > 1 else 0.0
        excess = max(0.0, self.q - (k - 1))
        self.tau2 = excess / (w.sum() - (w @ w) / w.sum()) if k > 1 else 0.0
        self.i2 = 100 * excess / self.q if excess > 0 else 0.0
        self.weights = 1 / (self.se**2 + self.tau2)
        self.mean = float(self.weights @ self.theta / self.weights.sum())
        self.mean_se = math.sqrt(1 / self.weights.sum())
        self.z = self.mean / self.mean_se
        self.p = float(2 * stats.norm.sf(abs(self.z)))

    def interval(self, half: float) -> Estimate:
        return self.mean - half, self.mean + half

    def hartung_knapp(self) -> dict[str, float | None]:
        if self.k < 2:
            return dict.fromkeys(["hk_se", "hk_adhoc_se", "hk_ci_low", "hk_ci_high", "hk_p"])
        s2 = float(self.weights @ (self.theta - self.mean) ** 2) / (self.k - 1)
        se = self.mean_se * math.sqrt(s2)
        low, high = self.interval(float(stats.t.ppf(0.975, self.k - 1)) * se)
        return {
            "hk_se": se,
            "hk_adhoc_se": self.mean_se * math.sqrt(max(1.0, s2)),
            "hk_ci_low": low,
            "hk_ci_high": high,
            "hk_p": float(2 * stats.t.sf(abs(self.mean / se), self.k - 1)) if se > 0 else None,
        }

    def adhoc_p(self) -> float | None:
        """Two-sided p of Hartung-Knapp's test whose standard error is never below the usual one."""
        if self.k < 2:
            return None
        t = self.mean / self.hartung_knapp()["hk_adhoc_se"]
        return float(2 * stats.t.sf(abs(t), self.k - 1))

    def power(self) -> float:
        """Power of a two-sided z test of the pooled estimate at level 0.05."""
        return float(stats.norm.cdf(abs(self.z) - Z975) + stats.norm.cdf(-abs(self.z) - Z975))

    def prediction_interval(self) -> tuple[float | None, float | None]:
        if self.k < 3:
            return None, None
        t = float(stats.t.ppf(0.975, self.k - 2))
        return self.interval(t * math.sqrt(self.tau2 + self.mean_se**2))

    def leave_one_out(self) -> tuple[float | None, float | None]:
        if self.k < 2:
            return None, None
        keep = ~np.eye(self.k, dtype=bool)
        means = [Pooled(self.theta[rest], self.se[rest]).mean for rest in keep]
        return min(means), max(means)

    def agreement(self) -> dict[str, float]:
        agrees = np.sign(self.theta) == np.sign(self.mean)
        size = np.abs(self.theta)
        direction = float(agrees.mean())
        magnitude = 1.0
        if self.k > 1 and size.max() > 0:
            magnitude = 1 - min(1.0, float(size.std(ddof=1) / size.mean()))
        return {
            "kappa": float(self.weights @ agrees / self.weights.sum()),
            "direction_consistency": direction,
            "magnitude_consistency": magnitude,
            "consistency_score": math.sqrt(direction * magnitude),
        }


def pool(estimates: Sequence[Estimate]) -> Pooled | None:
    return Pooled(*map(np.array, zip(*estimates, strict=True))) if estimates else None


def contrast_columns(short: str, pooled: Pooled | None) -> Row:
    """The columns of one contrast; None all over where no study has it."""
    prefix = f"dz_{short}_"
    if pooled is None:
        names = ["mean", "se", "ci_low", "ci_high", "q", "q_p", "i2", "tau2", "z", "hk_se"]
        names += ["hk_adhoc_se", "hk_ci_low", "hk_ci_high", "pi_low", "pi_high"]
        names += ["loo_min", "loo_max"]
        row: Row = dict.fromkeys(prefix + name for name in names)
        row |= dict.fromkeys([f"p_{short}", f"p_{short}_hk", f"kappa_{short}", f"abs_dz_{short}"])
        return row | {f"n_studies_{short}": 0}
    low, high = pooled.interval(Z975 * pooled.mean_se)
    knapp = pooled.hartung_knapp()
    p_hk = knapp.pop("hk_p")
    pi_low, pi_high = pooled.prediction_interval()
    loo_min, loo_max = pooled.leave_one_out()
    columns = {
        "mean": pooled.mean,
        "se": pooled.mean_se,
        "ci_low": low,
        "ci_high": high,
        "q": pooled.q,
        "q_p": float(stats.chi2.sf(pooled.q, pooled.k - 1)) if pooled.k > 1 else 1.0,
        "i2": pooled.i2,
        "tau2": pooled.tau2,
        "z": pooled.z,
        "pi_low": pi_low,
        "pi_high": pi_high,
        "loo_min": loo_min,
        "loo_max": loo_max,
        **knapp,
    }
    return {
        **{prefix + name: value for name, value in columns.items()},
        f"p_{short}": pooled.p,
        f"p_{short}_hk": p_hk,
        f"kappa_{short}": pooled.agreement()["kappa"],
        f"abs_dz_{short}": abs(pooled.mean),
        f"n_studies_{short}": pooled.k,
    }


@dataclass
class Pair:
    """The estimates of a pair: cohort or contrast -> (z or difference, SE, samples) per study."""

    cohorts: dict[str, list[tuple[float, float, int]]]
    contrasts: dict[str, list[tuple[float, float, int]]]
    included: int


def stratified(parts: Sequence[tuple[float, float, int]]) -> tuple[float, float, int]:
    """Inverse-variance mean of cohorts that were correlated one by one, its SE, and samples."""
    weights = np.array([1 / se**2 for _, se, _ in parts])
    mean = float(weights @ [z for z, _, _ in parts] / weights.sum())
    return mean, math.sqrt(1 / weights.sum()), sum(n for _, _, n in parts)


def estimate_pair(
    studies: Sequence[Matrix], a: str, b: str, min_cohort: int, spearman_se: str
) -> Pair:
    pair = Pair({name: [] for name in COHORTS}, {name: [] for name in CONTRASTS}, 0)
    for study in studies:
        if a not in study.place or b not in study.place:
            continue
        x, y = study.values[study.place[a]], study.values[study.place[b]]
        found = {}
        for cohort, members in study.members.items():
            if members.sum() < max(min_cohort, 4):
                continue
            if not (detected(x[members], study.floor) and detected(y[members], study.floor)):
                continue
            r_n = spearman(x[members], y[members])
            if r_n and r_n[1] >= max(min_cohort, 4):
                found[cohort] = (*fisher(*r_n, spearman_se), r_n[1])
        for cohort, estimate in found.items():
            pair.cohorts[cohort].append(estimate)
        for name, sides in CONTRASTS.items():
            case, reference = ([found[c] for c in side if c in found] for side in sides)
            if case and reference:
                (z1, se1, n1), (z2, se2, n2) = stratified(case), stratified(reference)
                pair.contrasts[name].append((z1 - z2, math.hypot(se1, se2), n1 + n2))
        pair.included += bool(found)
    return pair


def pooled_of(estimates: Sequence[tuple[float, float, int]]) -> Pooled | None:
    return pool([(theta, se) for theta, se, _ in estimates])


def contrast_row(pooled: Pooled, samples: int, k_min: int) -> Row:
    """The columns of fact_gene_pair_contrast that need no other pair."""
    wide = contrast_columns("x", pooled)
    names = {
        "theta_re": "dz_x_mean", "se_re": "dz_x_se", "ci_low": "dz_x_ci_low",
        "ci_high": "dz_x_ci_high", "cochran_q": "dz_x_q", "cochran_q_p": "dz_x_q_p",
        "i2": "dz_x_i2", "tau2": "dz_x_tau2", "z": "dz_x_z", "p": "p_x", "hk_se": "dz_x_hk_se",
        "hk_ci_low": "dz_x_hk_ci_low", "hk_ci_high": "dz_x_hk_ci_high", "p_hk": "p_x_hk",
        "hk_adhoc_se": "dz_x_hk_adhoc_se", "pi_low": "dz_x_pi_low", "pi_high": "dz_x_pi_high",
        "loo_min": "dz_x_loo_min", "loo_max": "dz_x_loo_max", "n_studies": "n_studies_x",
    }  # fmt: skip
    return {
        **{name: wide[column] for name, column in names.items()},
        **pooled.agreement(),
        "n_samples": samples,
        "p_hk_adhoc": pooled.adhoc_p(),
        "power_score": pooled.power(),
        "is_eligible": int(pooled.k >= k_min),
    }


def cohort_row(pooled: Pooled, samples: int) -> Row:
    """The columns of fact_gene_pair_cohort."""
    return {
        "n_studies": pooled.k,
        "n_samples": samples,
        "z_re": pooled.mean,
        "se_re": pooled.mean_se,
        "r": math.tanh(pooled.mean),
        "cochran_q": pooled.q,
        "i2": pooled.i2,
        "tau2": pooled.tau2,
        "z_stat": pooled.z,
        "p": pooled.p,
    }


def wide_row(pair: Pair, deciding: Row | None) -> Row:
    """The columns of fact_gene_pair_metrics that need no other pair."""
    contrasts = {name: pooled_of(pair.contrasts[name]) for name in WIDE}
    cohorts = {name: pooled_of(estimates) for name, estimates in pair.cohorts.items()}
    samples = {name: sum(n for *_, n in own) for name, own in pair.cohorts.items()}
    row: Row = {"total_samples": sum(samples.values()), "included_study_count": pair.included}
    for name, pooled in contrasts.items():
        row |= contrast_columns(name, pooled)
    row |= combined_columns(
        contrasts, {name: sum(n for *_, n in pair.contrasts[name]) for name in WIDE}
    )
    names = ["power_score", "direction_consistency", "magnitude_consistency", "consistency_score"]
    row |= {name: deciding and deciding[name] for name in names}
    for cohort, pooled in cohorts.items():
        row |= {
            f"r_{cohort}": pooled and math.tanh(pooled.mean),
            f"se_r_{cohort}": pooled and pooled.mean_se,
            f"i2_{cohort}": pooled and pooled.i2,
            f"z_stat_{cohort}": pooled and pooled.z,
            f"p_value_{cohort}": pooled and pooled.p,
            f"n_samples_{cohort}": samples[cohort],
            f"n_studies_{cohort}": pooled.k if pooled else 0,
        }
    for first, second in DIFFERENCES:
        one, two = cohorts[first], cohorts[second]
        delta = z_diff = p_diff = None
        if one and two:
            delta = math.tanh(one.mean) - math.tanh(two.mean)
            z_diff = (one.mean - two.mean) / math.hypot(one.mean_se, two.mean_se)
            p_diff = float(2 * stats.norm.sf(abs(z_diff)))
        row |= {
            f"delta_r_{first}_{second}": delta,
            f"z_diff_{first}_{second}": z_diff,
            f"p_diff_{first}_{second}": p_diff,
        }
    return row


def combined_columns(pooled: dict[str, Pooled | None], samples: dict[str, int]) -> Row:
    """Both contrasts of the requirement in one."""
    present = [(one, samples[short]) for short, one in pooled.items() if one]
    if not present:
        names = ["combined_z_score", "combined_p_value", "combined_effect_size"]
        return dict.fromkeys([*names, "combined_z_dependent", "combined_p_dependent"])
    z = sum(math.sqrt(n) * one.z for one, n in present) / math.sqrt(sum(n for _, n in present))
    # Both contrasts of a study share its samples: their covariance is the variance of dz_soth.
    rho = 1.0 if len(present) < 2 else min(1.0, pooled["soth"].mean_se / pooled["ss"].mean_se)
    covariance = np.full((len(present), len(present)), rho)
    np.fill_diagonal(covariance, 1.0)
    weights = np.sqrt([n for _, n in present])
    dependent = weights @ [one.z for one, _ in present] / math.sqrt(weights @ covariance @ weights)
    precision = [1 / one.mean_se**2 for one, _ in present]
    effect = sum(w * one.mean for w, (one, _) in zip(precision, present, strict=True))
    return {
        "combined_z_score": z,
        "combined_p_value": float(2 * stats.norm.sf(abs(z))),
        "combined_z_dependent": dependent,
        "combined_p_dependent": float(2 * stats.norm.sf(abs(dependent))),
        "combined_effect_size": effect / sum(precision),
    }


def benjamini_hochberg(p: Sequence[float | None], tests: int) -> list[float | None]:
    order = sorted((i for i, value in enumerate(p) if value is not None), key=lambda i: p[i])
    q: list[float | None] = [None] * len(p)
    least = 1.0
    for rank, i in reversed(list(enumerate(order, start=1))):
        least = min(least, p[i] * tests / rank)
        q[i] = least
    return q


Key = tuple[str, str]


@dataclass
class Slice:
    """The rows of one slice. A key has both gene ids, in alphabetical order, then the contrast's or
    the cohort's name."""

    wide: dict[Key, Row]
    contrasts: dict[tuple[str, str, str], Row]
    cohorts: dict[tuple[str, str, str], Row]


def add_rates(rows: Collection[Row], q: str, p: str, eligible: str = "is_eligible") -> int:
    """Benjamini-Hochberg over the eligible rows that have p; returns how many these are."""
    tested = [row for row in rows if row[eligible] and row[p] is not None]
    values = benjamini_hochberg([row[p] for row in tested], len(tested))
    for row in rows:
        row[q] = None
    for row, value in zip(tested, values, strict=True):
        row[q] = value
    return len(tested)


def meta_analysis(
    studies: Sequence[Matrix],
    *,
    top: int,
    k_min: int = 3,
    min_cohort: int = 8,
    spearman_se: str = "fisher",
    watched: Collection[str] = (),
) -> Slice:
    """All rows of one slice."""
    genes = candidate_genes(studies, top, k_min, watched)
    pairs = {
        (a, b): estimate_pair(studies, a, b, min_cohort, spearman_se)
        for a, b in combinations(genes, 2)
    }
    contrasts, cohorts = {}, {}
    for key, pair in pairs.items():
        for name, estimates in pair.contrasts.items():
            if pooled := pooled_of(estimates):
                samples = sum(n for *_, n in estimates)
                contrasts[*key, name] = contrast_row(pooled, samples, k_min)
        for name, estimates in pair.cohorts.items():
            if pooled := pooled_of(estimates):
                cohorts[*key, name] = cohort_row(pooled, sum(n for *_, n in estimates))
    for name in CONTRASTS:
        own = [row for key, row in contrasts.items() if key[2] == name]
        add_rates(own, "q", "p")
        add_rates(own, "q_hk_adhoc", "p_hk_adhoc")
        tests = add_rates(own, "q_hk", "p_hk")
        for row in own:
            row["pairs_tested"] = tests if row["q_hk"] is not None else None

    # One p per pair, of the eligible Hartung-Knapp test that is smallest; the primary one of equals.
    deciding = {}
    for key in pairs:
        own = [contrasts[*key, name] for name in CONTRASTS if (*key, name) in contrasts]
        tested = [row for row in own if row["is_eligible"] and row["p_hk"] is not None]
        for row in own:
            row |= {"is_deciding": 0, "p_pair": None, "q_pair": None}
        if tested:
            first = min(tested, key=lambda row: row["p_hk"])
            first |= {"is_deciding": 1, "p_pair": min(1.0, len(tested) * first["p_hk"])}
            deciding[key] = first
    add_rates(list(deciding.values()), "q_pair", "p_pair", "is_deciding")

    wide = {key: wide_row(pair, deciding.get(key)) for key, pair in pairs.items()}
    eligible = 0
    for key, row in wide.items():
        own = {name: contrasts.get((*key, name)) for name in CONTRASTS}
        for name in WIDE:
            row[f"q_{name}"] = own[name] and own[name]["q"]
            row[f"q_{name}_hk"] = own[name] and own[name]["q_hk"]
        eligible += any(one and one["is_eligible"] for one in own.values())
        row["is_eligible"] = any(own[name] and own[name]["is_eligible"] for name in WIDE)
    add_rates(list(wide.values()), "q_combined", "combined_p_value")
    add_rates(list(wide.values()), "q_combined_dependent", "combined_p_dependent")
    for row in wide.values():
        del row["is_eligible"]
        row["pairs_tested"] = eligible
        for name in WIDE:
            q = row[f"q_{name}"]
            row[f"neglog_q_{name}"] = None if q is None else -math.log10(max(q, 1e-300))
    return Slice(wide, contrasts, cohorts)


def percent_rank(values: Sequence[float]) -> np.ndarray:
    """Share of the others that are less, by more than rounding."""
    return (stats.rankdata(np.round(values, 9), method="min") - 1) / max(1, len(values) - 1)


def gene_features(study: Matrix) -> dict[str, Row]:
    """Features of each measured gene in a study of a log-scale unit."""
    rows: dict[str, Row] = {}
    for gene, line in zip(study.genes, study.values, strict=True):
        values = line[~np.isnan(line)]
        if values.size:
            middle = float(np.median(values))
            rows[gene] = {
                "gene_mean_expression": float(values.mean()),
                "gene_sd_expression": float(values.std(ddof=1)) if values.size > 1 else None,
                "gene_median_expression": middle,
                "gene_mad_expression": float(np.median(np.abs(values - middle))),
                "gene_zero_share": float(np.mean(values == 0)),
                "gene_missing_share": 1 - values.size / line.size,
            }
    places = percent_rank([row["gene_mean_expression"] for row in rows.values()])
    for row, place in zip(rows.values(), places, strict=True):
        row["gene_expression_percentile"] = float(place)
    return rows


def sample_features(study: Matrix, outlier_mad_max: float) -> dict[str, Row]:
    """Features of each sample of a study of a log-scale unit."""
    genes = gene_features(study)
    middle = np.array([genes[gene]["gene_median_expression"] for gene in study.genes])
    mad = np.array([genes[gene]["gene_mad_expression"] for gene in study.genes])
    cohorts = np.array(study.cohorts)
    rows: dict[str, Row] = {}
    for i, sample in enumerate(study.samples):
        values = study.values[:, i]
        known = ~np.isnan(values)
        far = np.abs(values - middle) > outlier_mad_max * 1.4826 * mad
        others = study.values[:, (cohorts == cohorts[i]) & (np.arange(len(cohorts)) != i)]
        shared = known & (~np.isnan(others)).any(axis=1)
        x, y = values[shared], np.nanmean(others[shared], axis=1)
        rows[sample] = {
            "sample_library_size": None,
            "sample_zero_share": float(np.mean(values[known] == 0)),
            "sample_missing_share": float(np.mean(~known)),
            "sample_outlier_gene_share": float(np.mean(far[known & (mad > 0)])),
            "sample_median_expression": float(np.median(values[known])),
            "sample_profile_correlation": float(np.corrcoef(x, y)[0, 1]),
        }
    return rows


def cohort_features(study: Matrix, outlier_mad_max: float) -> dict[str, Row]:
    """Features of each cohort, UNKNOWN too."""
    samples = sample_features(study, outlier_mad_max)
    cohorts = np.array(study.cohorts)
    rows: dict[str, Row] = {}
    for cohort in set(study.cohorts):
        own = [samples[s] for s, c in zip(study.samples, study.cohorts, strict=True) if c == cohort]
        rows[cohort] = {
            "cohort_sample_count": len(own),
            "cohort_mean_expression": float(np.nanmean(study.values[:, cohorts == cohort])),
            "cohort_profile_correlation": float(
                np.mean([row["sample_profile_correlation"] for row in own])
            ),
        }
    return rows


def present(rows: Sequence[Row], column: str) -> np.ndarray:
    """Sizes of the values that are there."""
    return np.abs([row[column] for row in rows if row[column] is not None])


def hub_features(pairs: dict[tuple[str, str], Row]) -> dict[str, Row]:
    """Features of each gene of a slice, of its pairs."""
    found: dict[str, Row] = {}
    for gene in {gene for pair in pairs for gene in pair}:
        own = [row for pair, row in pairs.items() if gene in pair]
        r, dz = present(own, "r_septic_shock"), present(own, "dz_ss_mean")
        found[gene] = {
            "gene_pair_count": len(own),
            "gene_mean_abs_r_septic_shock": float(r.mean()) if r.size else None,
            "gene_mean_abs_dz_ss": float(dz.mean()) if dz.size else None,
            "gene_significant_pair_count": int(np.sum(present(own, "q_ss") <= 0.05)),
        }
    return found


def context_features(
    studies: Sequence[Matrix], pairs: dict[tuple[str, str], Row]
) -> dict[tuple[str, str], Row]:
    """Features of each pair beside the other pairs of its genes."""
    genes = {gene for pair in pairs for gene in pair}
    own = {gene: {p: row for p, row in pairs.items() if gene in p} for gene in genes}
    by_study = [gene_features(study) for study in studies]
    level = {
        gene: float(np.mean([f[gene]["gene_expression_percentile"] for f in by_study if gene in f]))
        for gene in genes
    }
    mean_r = present(list(pairs.values()), "r_septic_shock").mean()

    def place(gene: str, pair: tuple[str, str], column: str) -> int:
        return 1 + int(
            np.sum(present(list(own[gene].values()), column) > abs(pairs[pair][column]) + 5e-13)
        )

    def surprise(gene: str, x: float) -> float:
        others = present(list(own[gene].values()), "dz_ss_mean")
        spread = others.std(ddof=1) if others.size > 1 else 0.0
        return max(0.0, (x - others.mean()) / spread) if spread else 0.0

    found: dict[tuple[str, str], Row] = {}
    for pair, row in pairs.items():
        ranks = {
            cohort: None
            if row[f"r_{cohort}"] is None
            else math.sqrt(math.prod(place(gene, pair, f"r_{cohort}") for gene in pair))
            for cohort in ("sepsis", "septic_shock")
        }
        clr = apc = ratio = None
        if row["dz_ss_mean"] is not None:
            clr = math.hypot(*(surprise(gene, abs(row["dz_ss_mean"])) for gene in pair))
        if row["r_septic_shock"] is not None:
            means = [present(list(own[g].values()), "r_septic_shock").mean() for g in pair]
            apc = abs(row["r_septic_shock"]) - math.prod(means) / mean_r
        if None not in ranks.values():
            ratio = math.log2(ranks["sepsis"] / ranks["septic_shock"])
        found[pair] = {
            "mutual_rank_sepsis": ranks["sepsis"],
            "mutual_rank_septic_shock": ranks["septic_shock"],
            "mutual_rank_log_ratio": ratio,
            "clr_dz_ss": clr,
            "apc_r_septic_shock": apc,
            "expression_percentile_difference": abs(level[pair[0]] - level[pair[1]]),
        }
    return found


def pooled_scores(slice_: Slice) -> dict[Key, Row]:
    """metrics_score and rank_score, of the contrast that decides."""
    found: dict[Key, Row] = {
        pair: {"metrics_score": None, "rank_score": None} for pair in slice_.wide
    }
    deciding = {key[:2]: row for key, row in slice_.contrasts.items() if row["is_deciding"]}
    for pair, row in deciding.items():
        shares = [row["power_score"], row["consistency_score"], 1 - row["i2"] / 100]
        found[pair]["metrics_score"] = float(np.mean(shares))
    places = np.mean(
        [
            percent_rank(values)
            for values in (
                [-math.log10(max(row["q_pair"], 1e-300)) for row in deciding.values()],
                [abs(row["theta_re"]) for row in deciding.values()],
                [found[pair]["metrics_score"] for pair in deciding],
            )
        ],
        axis=0,
    )
    for pair, place in zip(deciding, places, strict=True):
        found[pair]["rank_score"] = float(place)
    return found
