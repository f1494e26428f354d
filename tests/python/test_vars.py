"""Vars that dbt would take as they are: a value that a var cannot have, a name that no var has."""

import pytest
import yaml
from conftest import PROJECT

VARS = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"]
# Vars that fisher_z.sql, gene_variability.sql or `pairs rank` checks, or that only tests set.
ELSEWHERE = {"spearman_se", "gene_filter_method", "rank_weights", "compile_as"}


def refused(warehouse, **variables) -> str:
    before = warehouse.query("select count(*) from meta.meta_etl_process_log")
    given = ("--vars", yaml.dump(variables))
    output = warehouse.dbt("seed", "--select", "unit", *given, succeeds=False)
    assert warehouse.query("select count(*) from meta.meta_etl_process_log") == before
    assert "54030 CONFIG_INVALID" in output
    return output


@pytest.fixture
def staged(warehouse):
    warehouse.dbt("seed", "--select", "unit")
    return warehouse


def test_a_var_that_does_not_exist_is_refused(staged):
    output = refused(staged, kmin=2)
    assert "there is no var kmin; there are " in output
    assert set(VARS) - ELSEWHERE <= set(output.replace(",", "").split())


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("k_min", "two", "a whole number from 1 to"),
        ("k_min", None, "a whole number from 1 to"),
        ("k_min", 0, "a whole number from 1 to"),
        ("min_cohort_samples", 8.5, "a whole number from 1 to"),
        ("gene_filter_top", True, "a whole number from 0 to"),
        ("detection_share_min", 20, "a number from 0 to 1"),
        ("null_share_max", float("nan"), "a number from 0 to 1"),
        ("profile_correlation_min", [0.2], "a number from -1 to 1"),
        ("keep_intermediate", "no", "true or false"),
    ],
)
def test_a_value_that_a_var_cannot_have_is_refused(staged, name, value, expected):
    assert f"var {name} is {value}; it must be {expected}" in refused(staged, **{name: value})


def test_values_in_other_forms_are_taken(staged):
    values = {"k_min": "2", "detection_share_min": 0, "profile_correlation_min": -1.0}
    staged.dbt("seed", "--select", "unit", "--vars", yaml.dump(values))


def test_each_var_is_judged():
    macro = (PROJECT / "macros/study/require_possible_vars.sql").read_text()
    assert {name for name in VARS if f"'{name}'" not in macro} == set()
