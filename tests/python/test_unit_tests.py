"""The unit tests in the yml files of the models: they need relations, and no rows. Only a command that asks
for them runs them."""

from conftest import WarehouseUnderTest
from warehouses import without_rows

UNIT_TESTS = ("ls", "--resource-type", "unit_test")


def with_unit_tests(warehouse: WarehouseUnderTest) -> WarehouseUnderTest:
    del warehouse.env["DBT_EXCLUDE_RESOURCE_TYPES"]
    return warehouse


def test_unit_tests(copy_of, tmp_path):
    warehouse = with_unit_tests(copy_of(without_rows, tmp_path))
    output = warehouse.dbt("test", "--select", "test_type:unit")
    assert "Completed successfully" in output
    assert "Nothing to do" not in output
    # Models that read the facts of an earlier build ignore them in a full refresh, but not those
    # that a unit test gives.
    models = "int_slice", "int_feature_slice", "int_feature_study"
    warehouse.dbt("build", "--full-refresh", "--select", *models)


def test_build_leaves_them_out(warehouse: WarehouseUnderTest):
    with_unit_tests(warehouse)
    for selection in ((), ("--select", "study:GSE1"), ("--select", "+study:GSE1+")):
        assert "unit_test:" not in warehouse.dbt(*UNIT_TESTS, *selection)
    for selection in (("--select", "test_type:unit"), ("--select", "dim_study")):
        assert "unit_test:" in warehouse.dbt(*UNIT_TESTS, *selection)
