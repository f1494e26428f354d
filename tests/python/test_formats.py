"""The same studies in every format give the same warehouse."""

import dataclasses
import math

import numpy as np
import pytest
import yaml
from conftest import Study, events
from layouts import WRITERS, read_studies
from simulated_data import PANEL_CONFIG
from warehouses import staged_panel

VALUES = (
    "select study_accession_code, sample_accession_code, gene_id, expression_value_raw, expression_value, illness_label"
    " from analytics.vw_expression_long order by 2, 3, 1"
)


def write_all(studies, layout: str, folder, settings: dict) -> dict:
    """Write studies in a layout; return the settings under the accessions that they have there."""
    found = {}
    for study in studies:
        accession = WRITERS[layout](study, folder)
        own = {"technology": study.technology} | settings.get(study.accession, {})
        if study.technology == "MICROARRAY":
            # Only refine.bio's arrays can be in a format of RNA-seq.
            own = {"units": "ARRAY_LOG2"} | own
        found[accession] = own
    return {"studies": found}


SMALL = [("MICROARRAY", "GSE1"), ("RNA-SEQ", "GSE2")]
LABELLED = ("healthy", "Sepsis", "septic shock")


def write_small(folder, technology, accession) -> None:
    """Five genes, six samples, a missing value in each sample but one."""
    number = accession[-1]
    values = [
        ["NA" if g == n else f"{(g * 7 + n * 3) % 11}.{number}{g}{n}5" for n in range(6)]
        for g in range(5)
    ]
    Study(
        accession,
        [f"GSM{number}{n}" for n in range(6)],
        [f"ENSG{n:011d}" for n in range(1, 6)],
        values,
        [f"{LABELLED[n % 3]}, 3-{n}" for n in range(6)],
        technology,
    ).write(folder / accession)


def test_each_format_gives_the_values_and_cohorts_of_refinebio(warehouse):
    """One build for all: in each format, the studies have accessions of their own."""
    downloads = warehouse.folder / "refinebio"
    for technology, accession in SMALL:
        write_small(downloads, technology, accession)
    studies = [study for path in sorted(downloads.iterdir()) for study in read_studies(path)]
    settings = {study.accession: {"units": "LOG2"} for study in studies}
    paths = [downloads]
    written = {}
    for number, layout in enumerate(WRITERS, start=1):
        folder = warehouse.folder / layout
        renamed = [
            dataclasses.replace(study, accession=f"{study.accession}{number}00")
            for study in studies
        ]
        found = write_all(
            renamed, layout, folder, {s.accession: {"units": "LOG2"} for s in renamed}
        )
        written[layout] = list(found["studies"])
        settings |= found["studies"]
        paths.append(folder)
    config = warehouse.folder / "pipeline.yaml"
    config.write_text(yaml.safe_dump({"studies": settings}))

    result = warehouse.loader("ingest", *paths, "--config", config)

    assert result.exit_code == 0, result.output
    assert len(events(result, "staged")) == 14
    warehouse.build_expression()
    rows: dict[str, list[tuple]] = {}
    for study, *row in warehouse.query(VALUES):
        rows.setdefault(study, []).append(tuple(row))
    for _, accession in SMALL:
        assert len(rows[accession]) == 5 * 6 - 5
        assert {row[-1] for row in rows[accession]} == {"CONTROL", "SEPSIS", "SEPTIC_SHOCK"}
    for accessions in written.values():
        assert [rows[name] for name in accessions] == [rows["GSE1"], rows["GSE2"]]
    again = warehouse.loader("ingest", *paths, "--config", config)
    assert len(events(again, "skipped")) == 14


PAIRS = """
select a.gene_id, b.gene_id, m.technology, m.organism,
    dz_ss_mean, dz_ss_se, dz_soth_mean, dz_soth_se, r_control, r_sepsis, r_septic_shock
from fact.fact_gene_pair_metrics as m
inner join dim.dim_gene_pair as p on m.pair_key = p.pair_key
inner join dim.dim_gene as a on p.gene_a_key = a.gene_key
inner join dim.dim_gene as b on p.gene_b_key = b.gene_key
order by 1, 2, 3, 4
"""


@pytest.fixture(scope="module")
def panel(copy_of, shared_data, tmp_path_factory):
    """The ten published studies as refine.bio's download, built."""
    warehouse = copy_of(staged_panel, tmp_path_factory.mktemp("panel"))
    warehouse.build()
    studies = read_studies(shared_data / "sepsis_panel")
    return studies, warehouse.query(VALUES), warehouse.query(PAIRS)


def numbers_of(cells) -> list[float]:
    """Missing values as NaN."""
    return [math.nan if cell is None else cell for cell in cells]


@pytest.mark.long
@pytest.mark.parametrize("layout", WRITERS)
def test_ten_studies_in_a_format_give_the_same_pairs(panel, warehouse, layout):
    studies, values, pairs = panel
    configured = yaml.safe_load(PANEL_CONFIG.read_text())["studies"]
    folder = warehouse.folder / layout
    settings = write_all(studies, layout, folder, configured)
    config = warehouse.folder / "pipeline.yaml"
    config.write_text(yaml.safe_dump(settings))
    result = warehouse.loader("ingest", folder, "--config", config)
    assert result.exit_code == 0, result.output
    warehouse.build()

    found = warehouse.query(VALUES)
    assert [row[1:3] + row[5:] for row in found] == [row[1:3] + row[5:] for row in values]
    for column in (3, 4):
        mine, theirs = (numbers_of(row[column] for row in rows) for rows in (found, values))
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-12)
    found = warehouse.query(PAIRS)
    assert len(pairs) > 100
    assert [row[:4] for row in found] == [row[:4] for row in pairs]
    for mine, theirs in zip(found, pairs, strict=True):
        assert numbers_of(mine[4:]) == pytest.approx(
            numbers_of(theirs[4:]), rel=1e-9, abs=1e-12, nan_ok=True
        )
