"""benjamini_hochberg against scipy and the definition; its DuckDB SQL, and its T-SQL as sqlglot
translates it."""

import numpy as np
import pytest
from test_dsl_golden import Engine


@pytest.fixture(scope="module", params=["duckdb", "sqlserver"])
def engine(request) -> Engine:
    return Engine(request.param)


def q_values(engine: Engine, rows: list[tuple], number_tested="tested", partition_by=("g",)):
    """(g, i, p, tested) rows -> {(g, i): q}."""
    engine.load("tests", "g integer, i integer, p double, tested bigint", rows)
    sql = engine.macros.benjamini_hochberg("tests", list(partition_by), "p", number_tested)
    result = engine.query(f"with adjusted as ({sql}) select g, i, p, q, q_rank from adjusted")
    assert len(result) == len(rows)
    return {(row["g"], row["i"]): row["q"] for row in result}


def adjusted(p: list[float | None], number_tested: int) -> list[float | None]:
    """The definition, by hand: the missing tests stand at 1, behind all that are given."""
    given = sorted(x for x in p if x is not None)
    result = []
    for x in p:
        if x is None:
            result.append(None)
            continue
        candidates = [y * number_tested / (j + 1) for j, y in enumerate(given) if y >= x]
        result.append(min([1.0, *candidates]))
    return result


def random_p(generator, size: int) -> list[float]:
    """Small and large p, many of them equal, some 0 or 1."""
    p = generator.choice([1e-300, 1e-12, 1e-5, 0.01, 1.0], size) * generator.random(size)
    p = np.where(generator.random(size) < 0.4, np.round(p, 2), p)
    return [float(x) for x in p]


def test_all_tests_given_is_scipys_result(engine):
    false_discovery_control = pytest.importorskip("scipy.stats").false_discovery_control
    generator = np.random.default_rng(1)
    for size in (1, 2, 5, 100, 1000):
        p = random_p(generator, size)
        q = q_values(engine, [(1, i, x, size) for i, x in enumerate(p)])
        expected = false_discovery_control(p, method="bh")
        assert [q[1, i] for i in range(size)] == pytest.approx(list(expected), rel=1e-12, abs=0)


@pytest.mark.parametrize("threshold", [1e-6, 1e-3, 0.2])
def test_a_q_up_to_the_smallest_p_left_out_is_exact(engine, threshold):
    """A greater q is never too low."""
    false_discovery_control = pytest.importorskip("scipy.stats").false_discovery_control
    generator = np.random.default_rng(2)
    # Most are null tests.
    p = [*random_p(generator, 300), *map(float, generator.random(2000))]
    among_all = false_discovery_control(p, method="bh")
    kept = [i for i, x in enumerate(p) if x < threshold]
    left_out = min(x for x in p if x >= threshold)
    q = q_values(engine, [(1, i, p[i], len(p)) for i in kept])
    exact = [i for i in kept if q[1, i] <= left_out]
    assert len(exact) > 50
    assert [q[1, i] for i in exact] == pytest.approx([among_all[i] for i in exact], rel=1e-12)
    assert all(q[1, i] >= among_all[i] * (1 - 1e-12) for i in kept)


def test_ties_nulls_and_more_tests_than_rows(engine):
    generator = np.random.default_rng(3)
    families = {}
    for g in range(50):
        p = [
            None if generator.random() < 0.2 else x
            for x in random_p(generator, int(generator.integers(1, 40)))
        ]
        families[g] = (p, len(p) + int(generator.integers(0, 1000)))
    rows = [(g, i, x, tested) for g, (p, tested) in families.items() for i, x in enumerate(p)]
    q = q_values(engine, rows)
    for g, (p, tested) in families.items():
        assert [q[g, i] for i in range(len(p))] == [
            None if x is None else pytest.approx(x, rel=1e-12, abs=0) for x in adjusted(p, tested)
        ]


def test_q_is_monotone_in_p_and_at_most_one(engine):
    generator = np.random.default_rng(4)
    p = random_p(generator, 500)
    q = q_values(engine, [(1, i, x, 10**7) for i, x in enumerate(p)])
    ordered = [q[1, i] for i in sorted(range(500), key=lambda i: p[i])]
    assert ordered == sorted(ordered)
    assert max(ordered) <= 1
    assert all(q[1, i] == q[1, j] for i in range(500) for j in range(500) if p[i] == p[j])


def test_no_q_is_below_its_p(engine):
    """The greatest p of a family is its own q: p * 300 / 300 would be less for some."""
    generator = np.random.default_rng(5)
    p = [float(x) for x in generator.random(300)]
    q = q_values(engine, [(1, i, x, 300) for i, x in enumerate(p)])
    assert all(q[1, i] >= p[i] for i in range(300))


def test_the_examples_of_the_header(engine):
    q = q_values(engine, [(1, i, x, 60) for i, x in enumerate([0.001, 0.002, 0.002, 0.5, None])])
    assert list(dict(sorted(q.items())).values()) == [pytest.approx(0.04)] * 3 + [1, None]


def test_one_family_and_a_number_as_text(engine):
    q = q_values(engine, [(g, g, 0.01, 0) for g in range(4)], "2 * 4", partition_by=())
    assert set(q.values()) == {0.02}


def test_the_columns_of_the_relation_stay_and_names_are_free(engine):
    engine.load("tests", "g integer, p_ss double, p_hk double", [(1, 0.01, 0.02), (1, 0.5, None)])
    first = engine.macros.benjamini_hochberg("tests", ["g"], "p_ss", "10", "q_ss")
    second = engine.macros.benjamini_hochberg("a", ["g"], "p_hk", "10", "q_hk")
    rows = engine.query(f"with a as ({first}), b as ({second}) select * from b order by p_ss")
    assert rows == [
        {"g": 1, "p_ss": 0.01, "p_hk": 0.02, "q_ss_rank": 1, "q_ss": 0.1, "q_hk_rank": 1, "q_hk": 0.2},
        {"g": 1, "p_ss": 0.5, "p_hk": None, "q_ss_rank": 2, "q_ss": 1.0, "q_hk_rank": None, "q_hk": None},
    ]  # fmt: skip
