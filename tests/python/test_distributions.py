"""The probability functions of macros/stats against the same functions with 50 digits.

DuckDB runs its own text of each macro, and the T-SQL text translated by sqlglot.
"""

import duckdb
import mpmath
import numpy as np
import pyarrow as pa
import pytest
import sqlglot
from conftest import PROJECT, examples
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mpf
from sqlfluff.core import FluffConfig, Linter

from expression_warehouse.core.warehouse.macros import statistics_macros

CALLS = {
    "scaled_erfc": ["x"],
    "two_sided_normal_p": ["x"],
    "normal_cdf": ["x"],
    "two_sided_t_p": ["x", "df"],
    "t_quantile_975": ["df"],
    "chi_square_sf": ["x", "df"],
}
DFS = [*range(1, 42), 50, 75, 99, 100, 101, 150, 199, 200, 300, 499, 500, 777, 999, 1000]


@pytest.fixture(autouse=True)
def fifty_digits():
    with mpmath.workdps(50):
        yield


def tsql(name: str) -> str:
    return getattr(statistics_macros("sqlserver"), name)(*CALLS[name])


def translated(name: str) -> str:
    """The T-SQL text as DuckDB reads it."""
    return sqlglot.transpile(f"select {tsql(name)}", read="tsql", write="duckdb")[0][7:]


TEXTS = {
    name: {
        "duckdb": getattr(statistics_macros("duckdb"), name)(*arguments),
        "sqlserver": translated(name),
    }
    for name, arguments in CALLS.items()
}


def compute(name: str, x: list, df: list | None = None, text: str = "duckdb") -> list:
    """The function for each row of arguments."""
    arguments = pa.table(
        {
            "i": pa.array(range(len(x)), pa.int32()),
            "x": pa.array(x, pa.float64()),
            "df": pa.array(df or [None] * len(x), pa.int32()),
        }
    )
    with duckdb.connect() as connection:
        connection.register("arguments", arguments)
        rows = connection.execute(f"select {TEXTS[name][text]} from arguments order by i")
        return [row[0] for row in rows.fetchall()]


def worst(results: list[float], expected: list[mpf]) -> float:
    """The largest relative error."""
    return max(
        float(abs(result / value - 1)) for result, value in zip(results, expected, strict=True)
    )


def normal_p(z: float) -> mpf:
    return mpmath.erfc(abs(mpf(z)) / mpmath.sqrt(2))


def t_p(t: float, df: int) -> mpf:
    x = df / (df + mpf(t) ** 2)
    return mpmath.betainc(mpf(df) / 2, mpf(1) / 2, 0, x, regularized=True)


def chi_square(q: float, df: int) -> mpf:
    return mpmath.gammainc(mpf(df) / 2, mpf(q) / 2, regularized=True)


def t_grid() -> tuple[list[float], list[int]]:
    """Around the centre, and out to p = 1e-30 and 1e-300."""
    arguments = []
    for df in DFS:
        tails = [
            np.sqrt(df * np.expm1(2 / df * min(exponent, 340 * df)))
            for exponent in (1, 5, 12, 20, 40, 69, 150, 300, 690)
        ]
        grid = [1e-12, 1e-8, 1e-4, *np.linspace(0.01, 9, 40), *tails]
        arguments += [(float(t), df) for t in grid]
    t, dfs = zip(*arguments, strict=True)
    return list(t), list(dfs)


def chi_square_grid() -> tuple[list[float], list[int]]:
    """Around the centre, around the seams between the formulas, and out to 1e-300."""
    arguments = []
    for df in DFS:
        seams = [np.nextafter(df, 0), df, np.nextafter(df, 1e9), df + 1e-6]
        bulk = df + np.sqrt(2 * df) * np.linspace(-4, 8, 25)
        grid = [
            1e-9,
            *df * np.linspace(0.01, 3, 30),
            *seams,
            *bulk,
            *(df + np.geomspace(1, 1500, 25)),
        ]
        arguments += [(float(q), df) for q in grid if q > 0 and chi_square(q, df) > 1e-300]
    q, dfs = zip(*arguments, strict=True)
    return list(q), list(dfs)


@pytest.fixture(scope="module")
def t_cases():
    with mpmath.workdps(50):
        t, df = t_grid()
        return t, df, [t_p(*case) for case in zip(t, df, strict=True)]


@pytest.fixture(scope="module")
def chi_square_cases():
    with mpmath.workdps(50):
        q, df = chi_square_grid()
        return q, df, [chi_square(*case) for case in zip(q, df, strict=True)]


Z = [*np.linspace(0, 37.5, 3001).tolist(), *np.geomspace(1e-12, 1, 200).tolist()]
both_texts = pytest.mark.parametrize("text", ["duckdb", "sqlserver"])


@both_texts
def test_scaled_erfc(text):
    x = [value * 0.7 for value in Z]
    expected = [mpmath.erfc(value) * mpmath.exp(mpf(value) ** 2) for value in x]
    assert worst(compute("scaled_erfc", x, text=text), expected) < 3e-15


@both_texts
def test_two_sided_normal_p(text):
    assert worst(compute("two_sided_normal_p", Z, text=text), [normal_p(z) for z in Z]) < 1e-14


@both_texts
def test_normal_cdf_in_both_tails(text):
    z = Z + [-value for value in Z]
    expected = [mpmath.ncdf(value) for value in z]
    assert worst(compute("normal_cdf", z, text=text), expected) < 1e-14


@both_texts
def test_two_sided_t_p(text, t_cases):
    t, df, expected = t_cases
    results = compute("two_sided_t_p", t, df, text=text)
    assert worst(results, expected) < 1e-12
    assert max(results) <= 1


@both_texts
def test_t_quantile_975(text):
    df = [*range(1, 45), 60, 100, 250, 1000, 5000]
    results = compute("t_quantile_975", [0.0] * len(df), df, text=text)
    for n, t in zip(df, map(mpf, results), strict=True):
        density = (
            mpmath.gamma(mpf(n + 1) / 2) / mpmath.gamma(mpf(n) / 2) / mpmath.sqrt(n * mpmath.pi)
        )
        density *= (1 + t**2 / n) ** (-mpf(n + 1) / 2)
        assert abs((t_p(t, n) - mpf("0.05")) / 2 / density / t) < 1e-12, n


@both_texts
def test_chi_square_sf(text, chi_square_cases):
    q, df, expected = chi_square_cases
    results = compute("chi_square_sf", q, df, text=text)
    assert worst(results, expected) < 1e-11
    assert max(results) <= 1


def rows(values: st.SearchStrategy) -> st.SearchStrategy:
    """Lists of (argument, degrees of freedom)."""
    return st.lists(st.tuples(values, st.integers(1, 1000)), min_size=1, max_size=60)


@settings(max_examples=examples(20), deadline=None)
@given(rows(st.floats(0, 1e6)))
def test_any_t(arguments):
    arguments = [case for case in arguments if t_p(*case) > 1e-300] or [(1.0, 1)]
    expected = [t_p(*case) for case in arguments]
    df = [n for _, n in arguments]
    for sign in (1, -1):
        results = compute("two_sided_t_p", [sign * t for t, _ in arguments], df)
        assert worst(results, expected) < 1e-12
        assert max(results) <= 1


@settings(max_examples=examples(20), deadline=None)
@given(rows(st.floats(1e-9, 2000)))
def test_any_q(arguments):
    arguments = [case for case in arguments if chi_square(*case) > 1e-300] or [(1.0, 1)]
    results = compute("chi_square_sf", [q for q, _ in arguments], [df for _, df in arguments])
    assert worst(results, [chi_square(*case) for case in arguments]) < 1e-11
    assert max(results) <= 1


@settings(max_examples=examples(20), deadline=None)
@given(st.lists(st.floats(-37.5, 37.5), min_size=1, max_size=60))
def test_any_z(z):
    assert worst(compute("two_sided_normal_p", z), [normal_p(value) for value in z]) < 1e-14
    assert worst(compute("normal_cdf", z), [mpmath.ncdf(value) for value in z]) < 1e-14


@both_texts
def test_nothing_is_above_one_near_zero(text):
    x = np.geomspace(1e-20, 1e-3, 500).tolist()
    assert max(compute("two_sided_normal_p", x, text=text)) <= 1
    for df in (1, 2, 3, 10, 15, 16, 50, 200, 1000):
        for name in ("two_sided_t_p", "chi_square_sf"):
            assert max(compute(name, x, [df] * len(x), text=text)) <= 1


EXTREME = [0.0, 1e308, -1e308, 1.7976931348623157e308, 1e-308, -1e-308]


@both_texts
def test_extremes_neither_fail_nor_leave_the_range(text):
    assert compute("two_sided_normal_p", EXTREME, text=text) == [1, 0, 0, 0, 1, 1]
    assert compute("two_sided_normal_p", [37.6, -37.6], text=text) == [0, 0]
    assert compute("normal_cdf", EXTREME, text=text) == [0.5, 1, 0, 1, 0.5, 0.5]
    for df in (1, 2, 15, 16, 1000, 1_000_000):
        dfs = [df] * len(EXTREME)
        assert compute("two_sided_t_p", EXTREME, dfs, text=text) == [1, 0, 0, 0, 1, 1]
        assert compute("chi_square_sf", EXTREME, dfs, text=text) == [1, 0, 1, 0, 1, 1]
    assert compute("chi_square_sf", [5000.0, 1400.0], [3, 1], text=text) == [
        0,
        pytest.approx(float(chi_square(1400, 1)), rel=1e-11, abs=0),
    ]


@both_texts
@pytest.mark.parametrize("name", CALLS)
def test_null_for_null_and_for_no_degrees_of_freedom(name, text):
    if "x" in CALLS[name]:
        assert compute(name, [None] * 3, [1, 20, None], text=text) == [None] * 3
    if "df" in CALLS[name]:
        assert compute(name, [1.0] * 4, [None, 0, -1, -20], text=text) == [None] * 4


@both_texts
def test_what_a_textbook_says(text):
    """Tables with the digits that are printed in them."""
    assert compute("two_sided_normal_p", [1.959964], text=text)[0] == pytest.approx(0.05, rel=1e-6)
    assert compute("two_sided_t_p", [12.706], [1], text=text)[0] == pytest.approx(0.05, rel=1e-4)
    assert compute("chi_square_sf", [18.307], [10], text=text)[0] == pytest.approx(0.05, rel=1e-4)
    assert compute("t_quantile_975", [0.0], [30], text=text)[0] == pytest.approx(2.0423, rel=1e-4)


def depth(text: str) -> int:
    """How many parentheses are open at once, at most."""
    steps = [(character == "(") - (character == ")") for character in text]
    return int(np.cumsum(steps).max())


@pytest.mark.parametrize("name", CALLS)
def test_clean_and_shallow_tsql(name):
    """SQL Server refuses expressions that are nested too deeply (errors 191 and 8631)."""
    text = tsql(name)
    assert depth(text) < 30
    linter = Linter(FluffConfig.from_path(str(PROJECT)))
    found = linter.lint_string(f"select {text} as p from dbo.arguments\n").get_violations()
    assert [v.desc() for v in found] == []


@pytest.mark.parametrize("name", CALLS)
def test_all_numbers_with_a_point_are_floats_in_tsql(name):
    """0.5 is a decimal there, 5e-1 a float."""
    numbers = [
        token.text
        for token in sqlglot.tokenize(tsql(name), read="tsql")
        if token.token_type == sqlglot.TokenType.NUMBER
    ]
    assert [n for n in numbers if "." in n and "e" not in n] == []
