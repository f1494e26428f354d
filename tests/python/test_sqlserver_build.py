"""What is special about a build on SQL Server; needs the server of the environment."""

import pytest
from conftest import TARGET, Study

pytestmark = pytest.mark.skipif(TARGET != "sqlserver", reason="needs a SQL Server")

MARK = """
exec sp_addextendedproperty
    @name = N'dbt_full_refresh_incomplete', @value = '1',
    @level0type = N'SCHEMA', @level0name = N'fact', @level1type = N'TABLE', @level1name = N'{}'
"""


def test_a_first_build_that_was_broken_off_is_taken_up(warehouse, tmp_path):
    """As the adapter leaves it: an empty table that is marked. Batches are LOADED where there was a
    table before, which was dropped."""
    warehouse.loader("ingest", Study().write(tmp_path / "d"))
    warehouse.build()
    count = "select count(*) from fact.fact_gene_expression"
    before = warehouse.query(count)
    warehouse.query_write("delete from fact.fact_gene_expression")
    for table in ("fact_gene_expression", "fact_gene_pair_metrics"):
        warehouse.execute(MARK.format(table))
    warehouse.build()
    assert warehouse.query(count) == before
    assert before[0][0] > 0


def test_ids_that_differ_only_in_case_are_one(warehouse, tmp_path):
    """As the collation of the database has it: twice in a matrix, they keep it out of the fact."""
    study = Study(genes=["ENSG00000000001", "ensg00000000001"])
    warehouse.loader("ingest", study.write(tmp_path / "d"))
    warehouse.build("--select", "+int_source_finding")
    ((status, reason),) = warehouse.query("select status, quarantine_reason from staging.batch")
    assert status == "QUARANTINED"
    assert reason.startswith("2005 VALIDATION_DUPLICATE_GENES")
