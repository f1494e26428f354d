"""The unit tests that stand beside the models, in their yml: they need relations, and no rows."""

from conftest import WarehouseUnderTest


def test_unit_tests(warehouse: WarehouseUnderTest):
    warehouse.dbt("seed")
    warehouse.dbt("run")
    del warehouse.env["DBT_EXCLUDE_RESOURCE_TYPES"]
    output = warehouse.dbt("test", "--select", "test_type:unit")
    assert "Completed successfully" in output
    assert "Nothing to do" not in output
