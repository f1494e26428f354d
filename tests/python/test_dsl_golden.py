"""The meta-analysis macros (dsl_pool, leave_one_out, consistency, stouffer) against R's metafor,
60-digit arithmetic, an implementation in numpy, and their own symmetries.

Each runs on DuckDB: its DuckDB SQL, and its T-SQL as sqlglot translates it. Pooling runs a third time,
with one column per study (pool_columns).
"""

import csv
import itertools
import math
from collections import Counter, defaultdict
from fractions import Fraction

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from expression_warehouse.core.warehouse.macros import statistics_macros
from validation.metafor import exact

# Column of dsl_pool -> relative tolerance, absolute tolerance. The absolute one is in units of the
# pooled standard error (its square for tau2) if that is the natural scale: an end of an interval may
# be 0 by cancellation.
GOLDEN = {
    "theta_re": (1e-9, "1e-12 * se"),
    "se_re": (1e-9, "0"),
    "ci_low": (1e-9, "1e-12 * se"),
    "ci_high": (1e-9, "1e-12 * se"),
    "q": (1e-9, "1e-14"),
    "q_p": (1e-8, "1e-300"),
    "i2": (1e-9, "1e-12"),
    "tau2": (1e-9, "1e-12 * se * se"),
    "z": (1e-9, "1e-12"),
    "p": (1e-8, "1e-300"),
    "hk_se": (1e-9, "1e-12 * se"),
    "hk_ci_low": (1e-9, "1e-12 * se"),
    "hk_ci_high": (1e-9, "1e-12 * se"),
    "hk_p": (1e-8, "1e-300"),
    "pi_low": (1e-9, "1e-12 * se"),
    "pi_high": (1e-9, "1e-12 * se"),
    "hk_adhoc_se": (1e-9, "0"),
}


# What pool_estimates gives beside the columns of dsl_pool.
AGREEMENT = (
    "loo_min", "loo_max", "kappa", "direction_consistency", "magnitude_consistency",
    "consistency_score",
)  # fmt: skip


class Engine:
    """DuckDB that runs the macros' SQL for `dialect`, 'duckdb' or 'sqlserver', and pools by rows or
    by columns."""

    def __init__(self, dialect: str, pools: str = "by rows") -> None:
        self.dialect = dialect
        self.macros = statistics_macros(dialect)
        self.pools = pools
        self.connection = duckdb.connect()

    def load(self, table: str, columns: str, rows: list[tuple]) -> None:
        names = [column.split()[0] for column in columns.split(", ")]
        data = pa.table(list(map(pa.array, zip(*rows, strict=True))), names)
        self.connection.execute(f"create or replace table {table} ({columns})")
        self.connection.execute(f"insert into {table} from data")
        assert data.num_rows == len(rows)

    def query(self, sql: str) -> list[dict[str, float | None]]:
        if self.dialect == "sqlserver":
            sqlglot = pytest.importorskip("sqlglot")
            (sql,) = sqlglot.transpile(sql, read="tsql", write="duckdb")
            sql = sql.replace("REAL(53)", "DOUBLE")
            assert "REAL" not in sql
        result = self.connection.execute(sql)
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def pool(self, studies: list[tuple[int, float | None, float | None]]) -> dict[int, dict]:
        """dsl_pool of (group, theta, se) rows, by group."""
        if self.pools == "by columns":
            pooled = self.pool_estimates(studies)
            return {
                group: {name: value for name, value in row.items() if name not in AGREEMENT}
                for group, row in pooled.items()
            }
        self.load("studies", "pair_key integer, theta double, se double", studies)
        steps = self.macros.dsl_pool("pooled", "studies", ["pair_key"], "theta", "se")
        return {row["pair_key"]: row for row in self.query(f"with {steps} select * from pooled")}

    def pool_estimates(
        self, studies: list[tuple[int, float | None, float | None]]
    ) -> dict[int, dict]:
        """pool_estimates of the same rows, the studies of a group in their order. By columns: groups of
        few studies apart from those of many, which are pooled by rows."""
        sizes = Counter(group for group, *_ in studies)
        numbers = defaultdict(lambda: itertools.count(1))
        rows = [(group, next(numbers[group]), *study) for group, *study in studies]
        limits = [0, 4, 12, 32, math.inf] if self.pools == "by columns" else [0, math.inf]
        found = {}
        for low, high in itertools.pairwise(limits):
            part = [row for row in rows if low < sizes[row[0]] <= high]
            if part:
                found |= self._pool_estimates(part, None if high == math.inf else high)
        return found

    def _pool_estimates(self, rows: list[tuple], study_count: int | None) -> dict[int, dict]:
        columns = "pair_key integer, study_no integer, theta double, se double, n integer"
        rows = [(*row, 10 + row[1]) for row in rows]
        self.load("studies", columns, rows)
        steps = self.macros.pool_estimates("pooled", "studies", ["pair_key"], study_count)
        found = {row["pair_key"]: row for row in self.query(f"with {steps} select * from pooled")}
        samples = Counter()
        for group, *_, n in rows:
            samples[group] += n
        for group, row in found.items():
            assert row.pop("n_samples") == samples[group]
        return found


@pytest.fixture(
    scope="module",
    params=[("duckdb", "by rows"), ("duckdb", "by columns"), ("sqlserver", "by rows")],
    ids=" ".join,
)
def engine(request) -> Engine:
    return Engine(*request.param)


def read_golden(name: str) -> list[dict[str, str]]:
    with (exact.FOLDER / name).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def golden() -> dict[str, dict]:
    """By label: `studies` [(theta, se), …], the exact `quantities`, and in `loo` {number of the study
    left out: pooled estimate} by metafor."""
    cases = {
        label: {"studies": studies, "quantities": {}, "loo": {}}
        for label, studies in exact.read_studies().items()
    }
    for row in read_golden("exact.csv"):
        cases[row["label"]]["quantities"][row["quantity"]] = float(row["exact"])
    for row in read_golden("left_out.csv"):
        cases[row["label"]]["loo"][int(row["study"])] = float(row["theta_re"])
    return cases


def test_golden_cases_are_what_the_definitions_give():
    found = [
        (row["label"], row["quantity"], float(row["exact"])) for row in read_golden("exact.csv")
    ]
    assert found == exact.exact_values()


# In double precision metafor subtracts nearly equal numbers here.
METAFOR_IS_OFF = [("span6_homog", "q"), ("p_near_one", "hk_")]


def test_golden_cases_are_metafors(golden):
    rows = read_golden("pooled.csv")
    assert len(rows) == 720
    compared = 0
    for row in rows:
        label, column, value = row["label"], row["quantity"], float(row["metafor"])
        truth = golden[label]["quantities"]
        if any(label == case and column.startswith(stem) for case, stem in METAFOR_IS_OFF):
            continue
        if column not in truth:  # p of an infinite t
            assert (column, truth["hk_se"]) == ("hk_p", 0), label
            continue
        compared += 1
        tolerance = {"rel": 1e-6, "abs": 1e-9 * truth["se_re"]}
        assert value == pytest.approx(truth[column], **tolerance), (label, column)
    assert compared == 709


@pytest.fixture(scope="module")
def golden_pooled(engine, golden) -> dict[str, dict]:
    labels = list(golden)
    pooled = engine.pool(
        [(labels.index(label), *study) for label in labels for study in golden[label]["studies"]]
    )
    return {labels[key]: row for key, row in pooled.items()}


@pytest.mark.parametrize("column", GOLDEN)
def test_golden_cases(golden, golden_pooled, column):
    relative, absolute = GOLDEN[column]
    wrong = {}
    compared = 0
    for label, case in golden.items():
        truth, got = case["quantities"].get(column), golden_pooled[label][column]
        if truth is None:
            assert got is None, label
        elif column == "hk_p" and golden_pooled[label]["hk_se"] == 0:
            assert got is None, label  # all estimates equal: t is infinite, and no p is given
        else:
            slack = eval(absolute, {"se": case["quantities"]["se_re"]})
            compared += 1
            if got is None or not abs(got - truth) <= relative * abs(truth) + slack:
                wrong[label] = (got, truth)
    assert wrong == {}
    assert compared >= 39


def test_golden_number_of_studies(golden, golden_pooled):
    assert {label: row["k"] for label, row in golden_pooled.items()} == {
        label: len(case["studies"]) for label, case in golden.items()
    }


def pooled_exactly(studies: list[tuple[float, float]]) -> float:
    """theta_re in rational arithmetic."""
    theta = [Fraction(t) for t, _ in studies]
    variance = [Fraction(s) ** 2 for _, s in studies]

    def mean(weights):
        return sum(w * t for w, t in zip(weights, theta, strict=True)) / sum(weights)

    w = [1 / v for v in variance]
    q = sum(wi * (t - mean(w)) ** 2 for wi, t in zip(w, theta, strict=True))
    c = sum(w) - sum(wi**2 for wi in w) / sum(w)
    tau2 = max(Fraction(0), (q - (len(w) - 1)) / c)
    return float(mean([1 / (v + tau2) for v in variance]))


LEAVE_ONE_OUT_COLUMNS = "pair_key integer, study_key integer, theta double, se double"
LEAVE_ONE_OUT_ARGUMENTS = ("studies", ["pair_key"], "study_key", "theta", "se")


def test_golden_leave_one_out(engine, golden):
    cases = [label for label in golden if golden[label]["loo"]]
    assert len(cases) > 20
    rows = [
        (key, number, *study)
        for key, label in enumerate(cases)
        for number, study in enumerate(golden[label]["studies"], start=1)
    ]
    engine.load("studies", LEAVE_ONE_OUT_COLUMNS, rows)
    steps = engine.macros.leave_one_out("loo", *LEAVE_ONE_OUT_ARGUMENTS)
    each = {
        (row["pair_key"], row["left_out"]): row["theta_re"]
        for row in engine.query(f"with {steps} select * from loo_pooled_effect")
    }
    ranges = {row["pair_key"]: row for row in engine.query(f"with {steps} select * from loo")}
    for key, label in enumerate(cases):
        case = golden[label]
        order = sorted(case["loo"])
        got = [each[key, study] for study in order]
        truth = [case["loo"][i] for i in order]
        if label == "tiny_se_one":  # a weight of 1e16 beside 100: metafor is off by 7e-4 here
            others = [[s for j, s in enumerate(case["studies"], 1) if j != i] for i in order]
            exact = [pooled_exactly(studies) for studies in others]
            assert exact != pytest.approx(truth, rel=1e-5)
            truth = exact
        scale = case["quantities"]["se_re"]
        assert got == pytest.approx(truth, rel=1e-9, abs=1e-10 * scale), label
        assert ranges[key]["loo_min"] == pytest.approx(min(truth), rel=1e-9, abs=1e-10 * scale)
        assert ranges[key]["loo_max"] == pytest.approx(max(truth), rel=1e-9, abs=1e-10 * scale)


def random_studies(seed: int, groups: int = 1000) -> list[tuple[int, float, float]]:
    """Groups of 1 to 12 studies, with heterogeneity from none to much, se over two decades."""
    generator = np.random.default_rng(seed)
    rows = []
    for group in range(groups):
        k = int(generator.integers(1, 13))
        se = 10 ** generator.uniform(-2, 0, k)
        tau = generator.choice([0.0, 0.1, 0.5])
        theta = generator.normal() + generator.normal(size=k) * np.sqrt(se**2 + tau**2)
        rows += [(group, float(t), float(s)) for t, s in zip(theta, se, strict=True)]
    return rows


def by_group(rows: list[tuple[int, float, float]]) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    groups: dict[int, list[tuple[float, float]]] = {}
    for group, theta, se in rows:
        groups.setdefault(group, []).append((theta, se))
    return {
        group: tuple(np.array(column, dtype=np.longdouble) for column in zip(*studies, strict=True))
        for group, studies in groups.items()
    }


def pooled_by_numpy(theta: np.ndarray, se: np.ndarray) -> dict[str, float]:
    """The textbook formulas, in 80-bit arithmetic."""
    k = len(theta)
    w = 1 / se**2
    theta_f = (w * theta).sum() / w.sum()
    q = (w * (theta - theta_f) ** 2).sum() if k > 1 else 0.0
    c = w.sum() - (w**2).sum() / w.sum()
    tau2 = max(0.0, (q - (k - 1)) / c) if k > 1 else 0.0
    w = 1 / (se**2 + tau2)
    theta_re = (w * theta).sum() / w.sum()
    se_re = np.sqrt(1 / w.sum())
    result = {
        "theta_re": theta_re,
        "se_re": se_re,
        "q": q,
        "i2": max(0.0, (q - (k - 1)) / q) * 100 if q > 0 else 0.0,
        "tau2": tau2,
        "z": theta_re / se_re,
    }
    if k > 1:
        s2 = (w * (theta - theta_re) ** 2).sum() / (k - 1)
        result["hk_se"] = se_re * np.sqrt(s2)
        result["hk_adhoc_se"] = se_re * np.sqrt(max(1.0, s2))
    return {name: float(value) for name, value in result.items()}


def test_a_thousand_random_groups_against_numpy(engine):
    rows = random_studies(1)
    pooled = engine.pool(rows)
    assert len(pooled) == 1000
    for group, (theta, se) in by_group(rows).items():
        for column, truth in pooled_by_numpy(theta, se).items():
            assert pooled[group][column] == pytest.approx(truth, rel=1e-9, abs=1e-12), column


def test_p_and_intervals_of_random_groups_against_scipy(engine):
    stats = pytest.importorskip("scipy.stats")
    for row in engine.pool(random_studies(2)).values():
        k, theta, se = row["k"], row["theta_re"], row["se_re"]
        truth = {
            "ci_low": theta + stats.norm.ppf(0.025) * se,
            "ci_high": theta + stats.norm.ppf(0.975) * se,
            "q_p": stats.chi2.sf(row["q"], k - 1) if k > 1 else 1.0,
            "p": 2 * stats.norm.sf(abs(row["z"])),
        }
        if k > 1:
            t, hk_se = stats.t.ppf(0.975, k - 1), row["hk_se"]
            truth["hk_ci_low"], truth["hk_ci_high"] = theta - t * hk_se, theta + t * hk_se
            truth["hk_p"] = 2 * stats.t.sf(abs(theta) / hk_se, k - 1)
        if k > 2:
            half = stats.t.ppf(0.975, k - 2) * math.sqrt(row["tau2"] + se**2)
            truth["pi_low"], truth["pi_high"] = theta - half, theta + half
        for column, value in truth.items():
            slack = 1e-300 if column in ("p", "q_p", "hk_p") else 1e-12
            assert row[column] == pytest.approx(value, rel=1e-8, abs=slack), column


ENDS = ("theta_re", "ci_low", "ci_high", "hk_ci_low", "hk_ci_high", "pi_low", "pi_high")
WIDTHS = ("se_re", "hk_se", "hk_adhoc_se")
PURE = ("k", "q", "q_p", "i2")
TESTS = ("z", "p", "hk_p")


def assert_same(got, expected, columns, slack=1e-9):
    for column in columns:
        if expected[column] is None:
            assert got[column] is None, column
        else:
            assert got[column] == pytest.approx(expected[column], rel=1e-7, abs=slack), column


def test_the_sign_of_all_estimates_turns_the_result_round(engine):
    rows = random_studies(3, 200)
    before = engine.pool(rows)
    after = engine.pool([(group, -theta, se) for group, theta, se in rows])
    opposite = {"low": "high", "high": "low"}
    for group, row in before.items():
        mirrored = dict(row)
        for column in ENDS:
            stem, _, end = column.rpartition("_")
            other = f"{stem}_{opposite[end]}" if end in opposite else column
            mirrored[column] = None if row[other] is None else -row[other]
        mirrored["z"] = -row["z"]
        assert_same(after[group], mirrored, (*ENDS, *WIDTHS, *PURE, *TESTS, "tau2"))


@pytest.mark.parametrize("shift", [1.0, -30.0, 1e6])
def test_a_constant_added_to_all_estimates_moves_only_the_place(engine, shift):
    # Steps of 2^-20, so that the shifted estimates are exact.
    rows = [(g, round(t * 2**20) / 2**20, s) for g, t, s in random_studies(4, 200)]
    before = engine.pool(rows)
    after = engine.pool([(group, theta + shift, se) for group, theta, se in rows])
    for group, row in before.items():
        moved = {**row, **{c: None if row[c] is None else row[c] + shift for c in ENDS}}
        assert_same(after[group], moved, (*ENDS, *WIDTHS, *PURE, "tau2"))


@pytest.mark.parametrize("scale", [0.25, 1024.0])
def test_another_unit_scales_the_result(engine, scale):
    rows = random_studies(5, 200)
    before = engine.pool(rows)
    after = engine.pool([(group, theta * scale, se * scale) for group, theta, se in rows])
    for group, row in before.items():
        scaled = dict(row)
        for column in (*ENDS, *WIDTHS):
            scaled[column] = None if row[column] is None else row[column] * scale
        scaled["tau2"] = row["tau2"] * scale**2
        assert_same(after[group], scaled, (*ENDS, *WIDTHS, *PURE, *TESTS, "tau2"))


def test_the_order_of_the_studies_does_not_matter(engine):
    rows = random_studies(6, 200)
    before, after = engine.pool(rows), engine.pool(rows[::-1])
    for group, row in before.items():
        assert_same(after[group], row, row)


def test_the_example_of_the_header(engine):
    row = engine.pool([(7, 0.5, 0.2), (7, 0.1, 0.1)])[7]
    expected = {"theta_re": 0.2625, "se_re": 0.196, "q": 3.2, "q_p": 0.074, "tau2": 0.055,
                "i2": 68.75, "z": 1.34, "p": 0.18}  # fmt: skip
    assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-2)


def test_a_single_study_is_its_own_result(engine):
    row = engine.pool([(1, 0.3, 0.1)])[1]
    undefined = (
        "hk_se", "hk_ci_low", "hk_ci_high", "hk_p", "hk_adhoc_se", "hk_adhoc_p", "pi_low", "pi_high",
    )  # fmt: skip
    assert {name for name, value in row.items() if value is None} == set(undefined)
    assert (row["k"], row["theta_re"], row["tau2"], row["i2"], row["q"], row["q_p"]) == (
        1, 0.3, 0, 0, 0, 1,
    )  # fmt: skip
    assert row["se_re"] == pytest.approx(0.1, rel=1e-15)
    assert row["p"] == pytest.approx(0.0026997960632601866, rel=1e-8)


def test_the_prediction_interval_needs_three_studies(engine):
    pooled = engine.pool([(k, 0.1 * i, 0.1) for k in (2, 3) for i in range(k)])
    assert pooled[2]["hk_p"] is not None
    assert (pooled[2]["pi_low"], pooled[2]["pi_high"]) == (None, None)
    assert pooled[3]["pi_low"] < pooled[3]["ci_low"] < pooled[3]["ci_high"] < pooled[3]["pi_high"]


def test_equal_estimates_have_no_heterogeneity(engine):
    generator = np.random.default_rng(10)
    thetas = [float(theta) for theta in generator.normal(size=300)]
    pooled = engine.pool(
        [(g, theta, float(se)) for g, theta in enumerate(thetas) for se in generator.random(10)]
    )
    for g, theta in enumerate(thetas):
        row = pooled[g]
        assert row["theta_re"] == theta
        assert (row["q"], row["q_p"], row["i2"], row["tau2"], row["hk_se"]) == (0, 1, 0, 0, 0)
        assert row["hk_p"] is None


def test_estimates_that_differ_in_their_last_digits_only(engine):
    generator = np.random.default_rng(11)
    step = 2.0**-33  # the distance of neighbouring doubles at 1e6
    rows = [
        (g, 1e6 + int(generator.integers(0, 6)) * step, step * float(generator.uniform(0.5, 2)))
        for g in range(100)
        for _ in range(8)
    ]
    pooled = engine.pool(rows)
    for group, (theta, se) in by_group(rows).items():
        truth = pooled_by_numpy(theta - 1000000, se)
        for column in ("se_re", "q", "i2", "tau2", "hk_se", "hk_adhoc_se"):
            slack = {"tau2": 1e-12 * step**2, "i2": 1e-12}.get(column, 0)
            assert pooled[group][column] == pytest.approx(truth[column], rel=1e-9, abs=slack)


def test_studies_without_estimate_or_standard_error_take_no_part(engine):
    whole = [(1, 0.5, 0.2), (1, 0.1, 0.1), (2, 0.4, 0.3)]
    broken = [(1, None, 0.1), (1, 0.9, None), (1, 0.9, 0.0), (2, 0.1, -1.0), (3, None, None)]
    assert engine.pool(whole + broken) == engine.pool(whole)


def test_groups_of_several_columns(engine):
    rows = random_studies(7, 40)
    names = ["RNA-SEQ", "MICROARRAY"]
    engine.load(
        "studies",
        "disease_key integer, technology varchar, pair_key integer, theta double, se double",
        [(g % 5, names[g % 2], g // 10, theta, se) for g, theta, se in rows],
    )
    steps = engine.macros.dsl_pool(
        "pooled", "studies", ["disease_key", "technology", "pair_key"], "theta", "se"
    )
    got = {
        (row.pop("disease_key"), row.pop("technology"), row.pop("pair_key")): row
        for row in engine.query(f"with {steps} select * from pooled")
    }
    expected = {
        (g % 5, names[g % 2], g // 10): {name: row[name] for name in row if name != "pair_key"}
        for g, row in engine.pool(rows).items()
    }
    assert len(got) == 40
    assert got.keys() == expected.keys()
    for key, row in expected.items():
        assert_same(got[key], row, row)


def test_two_poolings_stand_in_one_chain(engine):
    engine.load("studies", "g integer, a double, sa double, b double, sb double",
        [(1, 0.5, 0.2, 1.5, 0.2), (1, 0.1, 0.1, 1.1, 0.1)])  # fmt: skip
    first = engine.macros.dsl_pool("ss", "components", ["g"], "a", "sa")
    second = engine.macros.dsl_pool("soth", "components", ["g"], "b", "sb")
    rows = engine.query(
        f"with components as (select g, a, sa, b, sb from studies), {first}, {second} "
        "select ss.theta_re as a, soth.theta_re as b from ss inner join soth on ss.g = soth.g"
    )
    assert len(rows) == 1
    assert rows[0]["b"] - rows[0]["a"] == pytest.approx(1)


def test_leave_one_out(engine):
    engine.load("studies", LEAVE_ONE_OUT_COLUMNS,
        [(1, 1, 0.5, 0.2), (1, 2, 0.1, 0.1), (2, 1, 0.4, 0.3), (3, 1, 0.1, 0.1),
         (3, 2, 0.1, 0.1), (3, 3, None, 0.1)])  # fmt: skip
    steps = engine.macros.leave_one_out("loo", *LEAVE_ONE_OUT_ARGUMENTS)
    rows = engine.query(f"with {steps} select * from loo order by pair_key")
    assert rows == [
        {"pair_key": 1, "loo_min": 0.1, "loo_max": 0.5},
        {"pair_key": 3, "loo_min": 0.1, "loo_max": 0.1},
    ]


def test_leave_one_out_of_random_groups_against_numpy(engine):
    rows = random_studies(8, 200)
    numbered = [(group, number, *study) for number, (group, *study) in enumerate(rows)]
    engine.load("studies", LEAVE_ONE_OUT_COLUMNS, numbered)
    steps = engine.macros.leave_one_out("loo", *LEAVE_ONE_OUT_ARGUMENTS)
    got = {row["pair_key"]: row for row in engine.query(f"with {steps} select * from loo")}
    groups = {g: studies for g, studies in by_group(rows).items() if len(studies[0]) > 1}
    assert got.keys() == groups.keys()
    for group, (theta, se) in groups.items():
        each = [
            pooled_by_numpy(np.delete(theta, i), np.delete(se, i))["theta_re"]
            for i in range(len(theta))
        ]
        assert got[group]["loo_min"] == pytest.approx(min(each), rel=1e-9, abs=1e-12)
        assert got[group]["loo_max"] == pytest.approx(max(each), rel=1e-9, abs=1e-12)


def test_pooling_with_ranges_and_agreement(engine, golden):
    """pool_estimates against leave_one_out and consistency, and by columns against by rows."""
    labels = list(golden)
    rows = random_studies(12, 300) + [
        (1000 + labels.index(label), *study)
        for label in labels
        for study in golden[label]["studies"]
    ]
    rows += [(2000, 0.0, 0.1), (2000, 0.0, 0.2), (2001, 0.4, 0.1), (2002, None, 0.1)]
    got = engine.pool_estimates(rows)
    expected = Engine("duckdb").pool_estimates(rows)
    assert 2002 not in got
    assert got.keys() == expected.keys()
    agreement = consistency(Engine("duckdb"), rows)
    for group, row in expected.items():
        scale = abs(row["theta_re"]) + row["se_re"]
        assert set(got[group]) == set(row)
        for column, value in row.items():
            found = got[group][column]
            if value is None:
                assert found is None, (group, column)
            else:
                slack = 1e-11 * max(1.0, scale if column != "tau2" else scale**2)
                assert found == pytest.approx(value, rel=1e-8, abs=slack), (group, column)
        for column, value in agreement[group].items():
            assert got[group][column] == pytest.approx(value, rel=1e-9, abs=1e-7), column


def consistency(engine, rows) -> dict[int, dict]:
    engine.load("studies", "pair_key integer, theta double, se double", rows)
    arguments = ("studies", ["pair_key"], "theta", "se")
    steps = engine.macros.dsl_pool("pooled", *arguments)
    sql = engine.macros.consistency(*arguments, "pooled")
    return {
        row["pair_key"]: row
        for row in engine.query(f"with {steps}, agreement as ({sql}) select * from agreement")
    }


def test_consistency_against_numpy(engine):
    rows = random_studies(9, 300)
    got = consistency(engine, rows)
    for group, (theta, se) in by_group(rows).items():
        pooled = pooled_by_numpy(theta, se)
        w = 1 / (se**2 + pooled["tau2"])
        agrees = np.sign(theta) == np.sign(pooled["theta_re"])
        size = np.abs(theta)
        magnitude = 1 - min(1, size.std(ddof=1) / size.mean()) if len(theta) > 1 else 1
        expected = {
            "kappa": (w * agrees).sum() / w.sum(),
            "direction_consistency": agrees.mean(),
            "magnitude_consistency": magnitude,
            "consistency_score": math.sqrt(agrees.mean() * magnitude),
        }
        for column, value in expected.items():
            truth = pytest.approx(float(value), rel=1e-9, abs=1e-7)
            assert got[group][column] == truth, column


@pytest.mark.parametrize(
    ("thetas", "expected"),
    [
        ([0.4], (1, 1, 1, 1)),
        ([-0.4], (1, 1, 1, 1)),
        ([0.0], (1, 1, 1, 1)),
        ([0.0, 0.0], (1, 1, 1, 1)),
        ([0.4, 0.3, -0.2], (2 / 3, 2 / 3, 2 / 3, 2 / 3)),
        ([0.5, 0.5, -0.5, 0.5], (0.75, 0.75, 1, math.sqrt(0.75))),
        ([0.001, 0.001, 0.001, 5.0], (1, 1, 0, 0)),
    ],
)
def test_consistency_at_its_ends(engine, thetas, expected):
    row = consistency(engine, [(1, theta, 0.1) for theta in thetas])[1]
    assert tuple(row.values())[1:] == pytest.approx(expected)


def test_stouffer_over_rows(engine):
    engine.load("tests", "g integer, z double, n integer",
        [(1, 1, 9), (1, 2, 16), (1, None, 100), (1, 5, None), (2, None, 4), (3, -1.5, 7)])  # fmt: skip
    combined = engine.macros.stouffer("z", "sqrt(n)")
    rows = engine.query(f"select g, {combined} as z from tests group by g order by g")
    assert [row["z"] for row in rows] == pytest.approx([2.2, None, -1.5])


def test_stouffer_over_columns(engine):
    engine.load("tests", "z_ss double, n_ss integer, z_soth double, n_soth integer",
        [(1, 9, 2, 16), (1, 9, None, None), (None, 9, 2, None), (None, None, -3, 5)])  # fmt: skip
    combined = engine.macros.stouffer_of(["z_ss", "z_soth"], ["sqrt(n_ss)", "sqrt(n_soth)"])
    rows = engine.query(f"select 2 * {combined} as z from tests")
    assert [row["z"] for row in rows] == pytest.approx([4.4, 2, None, -6])


def test_stouffer_of_dependent_z(engine):
    engine.load("tests", "z_ss double, n_ss integer, z_soth double, n_soth integer",
        [(1, 9, 2, 16), (1, 9, None, None), (None, 9, 2, 16), (None, None, None, 5)])  # fmt: skip
    for rho, expected in (("1e0", 11 / 7), ("0e0", 11 / 5), ("0.5e0", 11 / 37**0.5)):
        combined = engine.macros.stouffer_of_dependent(
            "z_ss", "z_soth", "sqrt(n_ss)", "sqrt(n_soth)", rho
        )
        rows = engine.query(f"select {combined} as z from tests")
        assert [row["z"] for row in rows] == pytest.approx([expected, 1, 2, None])


def test_the_tsql_of_stouffer_is_clean():
    from test_tsql import violations

    rendered = statistics_macros("sqlserver")
    for expression in (
        rendered.stouffer("t.z", "sqrt(t.n)"),
        rendered.stouffer_of(["t.z", "t.y"], ["sqrt(t.n)", "sqrt(t.m)"]),
    ):
        assert violations(f"select {expression} as z\nfrom fact.t as t\n", is_ours=True) == []
