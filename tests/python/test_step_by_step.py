"""A warehouse that changed step by step is as one that is built from the same inputs and settings at once."""

import pytest
from conftest import TARGET, Study, WarehouseUnderTest
from test_pair_metrics import build_pairs
from test_validation_rules import KnownStudy, changed
from warehouses import four_studies, without_rows

from expression_warehouse.api import queries

pytestmark = pytest.mark.skipif(TARGET != "duckdb", reason="changes seeds, and reads all columns")

# Contrasts of the same cohorts, of which the primary one decides.
ONE_REFERENCE = "update seeds.contrast set reference_labels = 'SEPSIS' where contrast = 'soth'"


def rows(warehouse: WarehouseUnderTest, table: str) -> list[tuple]:
    """Rows without the times and runs that wrote them; numbers to 9 digits, since sums can run in another order."""
    found = warehouse.query(
        "select columns(lambda c: c not in ('etl_created_date', 'collected_at', 'batch_id', 'feature_run_id', 'rank_run_id'))"
        f" from {table}"
    )
    return sorted(
        (tuple(f"{x:.9g}" if isinstance(x, float) else x for x in row) for row in found), key=repr
    )


def pair_facts(warehouse: WarehouseUnderTest) -> list[list[tuple]]:
    return [
        rows(warehouse, f"fact.fact_gene_pair_{fact}") for fact in ("metrics", "contrast", "cohort")
    ]


@pytest.mark.parametrize(
    "change",
    [
        "update seeds.unit set value_resolution = 4.5",
        "update seeds.contrast set is_primary = case when contrast = 'soth' then 1 else 0 end",
        pytest.param("update seeds.unit set detection_floor = 8", marks=pytest.mark.long),
        pytest.param(
            "update seeds.contrast set case_labels = 'SEPSIS' where contrast = 'soth'",
            marks=pytest.mark.long,
        ),
        pytest.param("delete from seeds.contrast where contrast = 'sc'", marks=pytest.mark.long),
        pytest.param(
            "update seeds.illness_rule set illness_label = 'NO_SEPSIS' where phrase = 'healthy'",
            marks=pytest.mark.long,
        ),
    ],
)
def test_pairs_follow_the_seeds(copy_of, tmp_path, change):
    """A slice is computed again if a seed changes on which its pairs depend."""
    warehouse = copy_of(four_studies, tmp_path)
    build_pairs(warehouse)
    # Builds of the same nodes leave seeds as they are.
    warehouse.query_write(ONE_REFERENCE)
    build_pairs(warehouse)
    before = pair_facts(warehouse)
    warehouse.query_write(change)
    build_pairs(warehouse)
    after = pair_facts(warehouse)
    assert after != before
    warehouse.query_write("delete from fact.fact_gene_pair_metrics")
    build_pairs(warehouse)
    assert after == pair_facts(warehouse)


CURRENT = "select validation_code, subject from meta.vw_finding_current order by all"


def ingest(
    warehouse: WarehouseUnderTest, study: Study, unit: str = "LOG2", exit_code: int = 0
) -> None:
    config = warehouse.folder / "pipeline.yaml"
    config.write_text(f"studies: {{{study.accession}: {{disease: SEPSIS, units: {unit}}}}}\n")
    number = len(list(warehouse.folder.glob("download_*")))
    folder = study.write(warehouse.folder / f"download_{number}")
    result = warehouse.loader("ingest", folder, "--config", config)
    assert result.exit_code == exit_code, result.output


@pytest.mark.parametrize(
    "ended_after", [("+fact_gene_expression",), ("+fact_feature_values", "+meta_study_qc")]
)
def test_a_run_that_ended_early_is_made_up_for(copy_of, tmp_path, ended_after):
    """A study is loaded in another unit, and the run ends before it has judged the values."""
    odd = changed("GSE1", "30", genes=4)
    (tmp_path / "once").mkdir()
    once = copy_of(without_rows, tmp_path / "once")
    ingest(once, odd, "TPM")
    once.build()

    (tmp_path / "twice").mkdir()
    twice = copy_of(without_rows, tmp_path / "twice")
    ingest(twice, KnownStudy("GSE1"))
    twice.build()
    odd.created_at = "2025-01-01T00:00:00"
    ingest(twice, odd)
    twice.build()
    ingest(twice, odd, "TPM")
    twice.build("--select", *ended_after)
    twice.build()
    for table in ("meta.meta_study_qc", "fact.fact_feature_values"):
        assert rows(twice, table) == rows(once, table)
    assert ("VALIDATION_EXPRESSION_OUTLIERS", "GSE1-1") in once.query(CURRENT)
    assert twice.query(CURRENT) == once.query(CURRENT)


def test_a_finding_ends_with_its_cause(copy_of, tmp_path):
    """A file is refused. The finding ends when the loaded file comes again, or a corrected one; and it stays ended when
    staged rows are deleted."""
    warehouse = copy_of(without_rows, tmp_path)
    good, broken = KnownStudy("GSE1"), changed("GSE1", "high")
    ingest(warehouse, good)
    warehouse.build()
    before = warehouse.query(CURRENT)
    ingest(warehouse, broken, exit_code=1)
    assert ("EXTRACTION_PARSE_ERROR", None) in warehouse.query(CURRENT)
    ingest(warehouse, good)
    assert warehouse.query(CURRENT) == before
    ingest(warehouse, broken, exit_code=1)
    ingest(warehouse, changed("GSE1", "7.5"))
    warehouse.build()
    assert ("EXTRACTION_PARSE_ERROR", None) not in warehouse.query(CURRENT)
    warehouse.query_write("update staging.batch set loaded_at = loaded_at - interval 30 day")
    warehouse.dbt("run-operation", "purge_staging")
    assert ("EXTRACTION_PARSE_ERROR", None) not in warehouse.query(CURRENT)


def test_a_corrected_batch_is_no_longer_in_quarantine(copy_of, tmp_path):
    warehouse = copy_of(without_rows, tmp_path)
    held = "select study_accession_code from meta.vw_quarantine"
    ingest(warehouse, changed("GSE1", "90"), exit_code=1)
    assert warehouse.query(held) == [("GSE1",)]
    ingest(warehouse, KnownStudy("GSE1"))
    assert warehouse.query(held) == [("GSE1",)]
    warehouse.build_expression()
    assert warehouse.query(held) == []


def test_samples_that_a_study_no_longer_has_are_not_counted(copy_of, tmp_path):
    warehouse = copy_of(without_rows, tmp_path)
    titles = [*["healthy"] * 4, "patient"]
    ingest(warehouse, KnownStudy("GSE1", titles=titles))
    warehouse.build()
    unknown = "select unknown_illness_share from meta.vw_health"
    assert warehouse.query(unknown) == [(0.2,)]
    samples = [f"GSE1-{number}" for number in range(1, 5)]
    ingest(warehouse, KnownStudy("GSE1", samples=samples, created_at="2025-01-01T00:00:00"))
    warehouse.build()
    assert warehouse.query(unknown) == [(0,)]
    cohorts = queries.STUDY_COHORTS.format(dim="dim", staging="staging")
    assert [row[:3] for row in warehouse.query(cohorts.replace("$study", "'GSE1'"))] == [
        ("CONTROL", "title", 4)
    ]
