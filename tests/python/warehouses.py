"""Warehouses that several modules start from; `copy_of` of conftest.py makes each once per session.

def test_of_mine(copy_of, tmp_path):
    warehouse = copy_of(built_demo, tmp_path)
"""

from pathlib import Path

from click.testing import CliRunner
from conftest import WarehouseUnderTest, events
from simulated_data import PANEL_CONFIG

from demo.download import CONFIG_FILE, write_downloads
from expression_warehouse.cli import main


def without_rows(warehouse: WarehouseUnderTest, _shared_data: Path) -> None:
    """All relations, built of no study."""
    warehouse.build()


def built_demo(warehouse: WarehouseUnderTest, _shared_data: Path) -> None:
    """What `make demo` runs before its report, with all tests of the data."""
    downloads = warehouse.folder / "downloads"
    write_downloads(downloads, seed=1)
    result = warehouse.loader("ingest", downloads, "--config", downloads / CONFIG_FILE)
    assert result.exit_code == 0, result.output
    update = ["annotation", "update", "--from", str(downloads / "annotation")]
    result = CliRunner().invoke(main, update, env=warehouse.env)
    assert result.exit_code == 0, result.output
    warehouse.dbt("build")


FOUR_STUDIES_GENES = [f"ENSG{number:011d}" for number in range(1, 9)]
FOUR_STUDIES_COHORTS = {"SEPTIC_SHOCK": 14, "SEPSIS": 12, "CONTROL": 10}


def ingest_four_studies(warehouse: WarehouseUnderTest, folder: Path) -> None:
    """Ingest four studies of eight genes, whose downloads are written into the folder."""
    # It imports this module.
    from test_pair_metrics import ingest, study_of

    studies = [
        study_of(f"GSE{number}", FOUR_STUDIES_COHORTS, FOUR_STUDIES_GENES, seed=number)
        for number in range(1, 5)
    ]
    ingest(warehouse, folder, studies)


def four_studies(warehouse: WarehouseUnderTest, _shared_data: Path) -> None:
    """These four studies, built."""
    ingest_four_studies(warehouse, warehouse.folder)
    warehouse.build()


def staged_panel(warehouse: WarehouseUnderTest, shared_data: Path) -> None:
    """The ten published studies, ingested."""
    folder = shared_data / "sepsis_panel"
    result = warehouse.loader("ingest", folder, "--config", PANEL_CONFIG)
    assert result.exit_code == 0, result.output
    assert len(events(result, "staged")) == 10
