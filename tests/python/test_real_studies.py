"""Genuine downloads and ten published sepsis studies, from file to fact, held against readers that
share nothing with the loader."""

import csv
import io
import random
import zipfile
from collections import Counter
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner
from conftest import SHARED_DATA, WarehouseUnderTest, events
from test_annotation_sources import (
    clingen_validity_again,
    clinvar_again,
    compared,
    gtex_again,
    hgnc_again,
    hpo_again,
    real,
)
from warehouses import staged_panel

from expression_warehouse.cli import main as commands

ANNOTATION = SHARED_DATA / "annotation"
PANEL_CONFIG = Path(__file__).parent / "data" / "sepsis_panel.yaml"


@pytest.fixture(scope="module")
def genuine(shared_data, tmp_path_factory):
    """SRP164913 as refine.bio ships it, ingested and built."""
    warehouse = WarehouseUnderTest(tmp_path_factory.mktemp("genuine"))
    result = warehouse.loader("ingest", shared_data / "refinebio" / "SRP164913.zip")
    assert result.exit_code == 0
    warehouse.dbt("build")
    return warehouse


def test_the_genuine_download_is_in_the_fact_value_for_value(genuine, shared_data):
    with (
        zipfile.ZipFile(shared_data / "refinebio" / "SRP164913.zip") as archive,
        archive.open("SRP164913/SRP164913.tsv") as raw,
    ):
        lines = csv.reader(io.TextIOWrapper(raw, encoding="utf-8"), delimiter="\t")
        samples = next(lines)[1:]
        totals = [0.0] * len(samples)
        genes = 0
        for line in lines:
            genes += 1
            for column, value in enumerate(line[1:]):
                totals[column] += float(value)
    sums = dict(
        genuine.query(
            "select sample_accession_code, sum(expression_value_raw) from analytics.vw_expression_long"
            " group by all"
        )
    )
    rows = genuine.query("select count(*) from fact.fact_gene_expression")
    assert rows == [(genes * 88,)]
    assert genes >= 2000
    assert set(sums) == set(samples)
    for sample, total in zip(samples, totals, strict=True):
        assert sums[sample] == pytest.approx(total, rel=1e-11)


def test_only_the_samples_of_the_download_count(genuine):
    """Its experiment lists 106 samples; the download has 88."""
    ((listed,),) = genuine.query(
        "select json_array_length(metadata_json, '$.experiment.sample_accession_codes')"
        " from staging.study_metadata"
    )
    assert listed == 106
    assert genuine.query("select count(*) from dim.dim_sample") == [(88,)]


def test_the_genuine_platform_is_taken_apart(genuine):
    assert genuine.query(
        "select platform_accession, platform_name, manufacturer, measurement_technology from dim.dim_platform"
    ) == [("IlluminaHiSeq2500", "Illumina HiSeq 2500", "Illumina", "RNA-SEQ")]


def test_a_second_ingest_and_build_add_nothing(genuine, shared_data):
    everything = (
        "select (select count(*) from fact.fact_gene_expression),"
        " (select max(etl_created_date) from fact.fact_gene_expression),"
        " (select max(etl_updated_date) from dim.dim_gene),"
        " (select max(etl_updated_date) from dim.dim_sample),"
        " (select max(etl_updated_date) from dim.dim_study),"
        " (select max(staged_at) from staging.batch)"
    )
    before = genuine.query(everything)
    again = genuine.loader("ingest", shared_data / "refinebio" / "SRP164913.zip")
    assert [event["step"] for event in events(again)] == ["hashed", "skipped", "ingest_ended"]
    genuine.dbt("build")
    assert genuine.query(everything) == before


needs_annotation = pytest.mark.skipif(not ANNOTATION.is_dir(), reason="needs real files")


@needs_annotation
def test_every_gene_of_the_genuine_download_is_named(genuine):
    """After `annotation update` and a build: no row of the expression fact is written again."""
    rows = (
        "select count(*), max(etl_created_date), sum(hash(sample_key, gene_key, rowid)),"
        " (select sum(hash(gene_key, gene_id)) from dim.dim_gene) from fact.fact_gene_expression"
    )
    before = genuine.query(rows)
    update = ["annotation", "update", "--from", str(ANNOTATION)]
    result = CliRunner().invoke(commands, update, env=genuine.env)
    assert result.exit_code == 0, result.output
    genuine.build()
    assert genuine.query(rows) == before
    assert genuine.query(
        "select count(*), count(*) filter (is_retired) from dim.dim_gene"
        " where gene_name is not null and gene_type is not null"
    ) == [(43_363, 1_218)]
    assert genuine.query(
        "select gene_id from dim.gene_identifier where identifier_key = 'TNF' and not is_ambiguous"
        " and organism = 'HOMO_SAPIENS'"
    ) == [("ENSG00000232810",)]


@needs_annotation
def test_awkward_genes_in_the_warehouse(genuine):
    """By name: two HGNC ids, the pseudoautosomal region, a retired id with the symbol of a current
    one, lower case, an ambiguous alias, a symbol that is another's synonym, Plus Clinical."""

    def named(name: str) -> list[str]:
        return [
            gene
            for (gene,) in genuine.query(
                f"select distinct gene_id from dim.gene_identifier where identifier_key = '{name}'"
                " and organism = 'HOMO_SAPIENS' and not is_ambiguous"
            )
        ]

    assert named("HGNC:31430") == named("HGNC:45111") == ["ENSG00000230417"]
    genes = (
        "select gene_symbol, gene_type, chromosome, hgnc_id, entrez_id, is_retired from dim.dim_gene"
        " where gene_id in ('ENSG00000182378', 'ENSG00000112096') order by gene_id"
    )
    assert genuine.query(genes) == [
        ("SOD2", "protein_coding", "6", None, None, True),
        ("PLCXD1", "protein_coding", "X", "HGNC:23148", "55344", False),
    ]
    assert named("SOD2") == ["ENSG00000291237"]
    assert named("C9ORF72") == ["ENSG00000147894"]
    assert named("P40") == []
    assert (named("PKD1"), named("PRKD1")) == (["ENSG00000008710"], ["ENSG00000184304"])
    plus = "select count(*) from fact.fact_gene_annotation where attribute = 'mane_plus_clinical'"
    assert genuine.query(plus) == [(74,)]


@needs_annotation
@pytest.mark.parametrize(
    ("bulk_file", "pattern", "again", "id_column"),
    [
        ("gtex_median_tpm", "gtex/*.gct.gz", gtex_again, None),
        ("hpo_genes_to_phenotype", "hpo/genes_to_phenotype.txt.gz", hpo_again, "entrez_id"),
        (
            "clinvar_gene_summary",
            "clinvar/gene_specific_summary.txt.gz",
            clinvar_again,
            "entrez_id",
        ),
        ("clingen_validity", "clingen/Clingen-Gene-*.csv.gz", clingen_validity_again, "hgnc_id"),
    ],
)
def test_200_genes_in_the_fact_equal_an_independent_reading(
    genuine, bulk_file, pattern, again, id_column
):
    """Ids are mapped by HGNC's file, read once more."""
    hgnc = hgnc_again(real("hgnc/hgnc_complete_set.txt.gz")).pivot_table(
        index="gene_ref", columns="attribute", values="value", aggfunc="first"
    )
    hgnc["hgnc_id"] = hgnc.index
    hgnc = hgnc[hgnc["ensembl_gene_id"].notna() & ~hgnc["ensembl_gene_id"].duplicated(keep=False)]
    values = again(real(pattern))
    if id_column:
        genes = hgnc.dropna(subset=id_column).drop_duplicates(id_column, keep=False)
        genes = genes.set_index(id_column)["ensembl_gene_id"]
        values = values.assign(gene_ref=values["gene_ref"].map(genes)).dropna(subset="gene_ref")
    measured = {gene for (gene,) in genuine.query("select gene_id from dim.dim_gene")}
    candidates = sorted(measured & set(values["gene_ref"]))
    genes = random.Random(bulk_file).sample(candidates, 200)
    with duckdb.connect(str(genuine.path), read_only=True) as connection:
        found = connection.execute(
            "select gene_id as gene_ref, attribute, item, value from fact.fact_gene_annotation"
            " inner join dim.dim_gene using (gene_key) where bulk_file = ?",
            [bulk_file],
        ).df()
    assert compared(found, genes) == compared(values, genes)


@pytest.fixture(scope="module")
def panel(copy_of, tmp_path_factory):
    """The ten studies, GSE154918 built alone before the others."""
    warehouse = copy_of(staged_panel, tmp_path_factory.mktemp("panel"))
    warehouse.dbt("build", "--select", "study:GSE154918")
    assert fact_rows_by_study(warehouse) == {"GSE154918": 55 * 79}
    warehouse.dbt("build")
    return warehouse


def fact_rows_by_study(warehouse):
    return dict(
        warehouse.query(
            "select study_accession_code, count(*) from fact.fact_gene_expression"
            " inner join dim.dim_study using (study_key) group by all"
        )
    )


def test_the_panel_has_the_illness_of_its_labels(panel, shared_data):
    with (shared_data / "sepsis_panel" / "labels.tsv").open() as file:
        labels = list(csv.DictReader(file, delimiter="\t"))
    in_warehouse = dict(
        panel.query(
            "select sample_accession_code, illness_label from dim.dim_sample"
            " inner join dim.dim_illness using (illness_key)"
        )
    )
    assert in_warehouse == {row["sample"]: row["suggested_cohort"] for row in labels}
    counts = panel.query(
        "select study_accession_code, illness_label, count(*) from dim.dim_sample"
        " inner join dim.dim_study using (study_key) inner join dim.dim_illness using (illness_key)"
        " group by all"
    )
    assert {(study, label): n for study, label, n in counts} == Counter(
        (row["study"], row["suggested_cohort"]) for row in labels
    )
    with (shared_data / "sepsis_panel" / "provenance.tsv").open() as file:
        shapes = {
            row["study"]: int(row["genes"]) * int(row["samples"])
            for row in csv.DictReader(file, delimiter="\t")
        }
    assert fact_rows_by_study(panel) == shapes


def test_no_sample_of_the_panel_is_taken_for_another(panel, genuine):
    """All samples count; those of the genuine download too."""
    panel.build()
    pairs = "select count(*) from fact.fact_duplicate_sample"
    assert panel.query(pairs) == genuine.query(pairs) == [(0,)]
    counted = "select count(*), sum(cast(is_duplicate as integer)) from staging.stg_slice_member"
    taking_part = "select count(*), 0 from staging.stg_slice_sample"
    assert panel.query(counted) == panel.query(taking_part)
    assert panel.query(counted) == panel.query("select count(*), 0 from dim.dim_sample")


def test_building_one_study_again_touches_no_other(panel, shared_data, tmp_path):
    """GSE154918 gets another unit: only its rows are written again."""
    others = (
        "select * from fact.fact_gene_expression inner join dim.dim_study using (study_key)"
        " where study_accession_code {} 'GSE154918' order by all"
    )
    before = panel.query(others.format("<>"))
    own_before = panel.query(others.format("="))
    samples = "select * from dim.dim_sample order by sample_key"
    samples_before = panel.query(samples)
    config = tmp_path / "pipeline.yaml"
    config.write_text(
        PANEL_CONFIG.read_text().replace(
            "GSE154918:\n    disease: SEPSIS\n    units: LOG2", "GSE154918:\n    units: TPM"
        )
    )
    panel.loader("ingest", shared_data / "sepsis_panel", "--config", config, "--study", "GSE154918")

    panel.dbt("build", "--select", "study:GSE154918")

    assert panel.query(others.format("<>")) == before
    own = panel.query(others.format("="))
    assert len(own) == len(own_before)
    assert own != own_before
    assert panel.query(samples) == samples_before


def test_an_accession_that_is_not_staged_is_refused(panel):
    before = panel.staged()
    output = panel.dbt("build", "--select", "study:GSE1", succeeds=False)
    assert "54040 STUDY_NOT_FOUND: no staged batch for GSE1" in output
    assert "GSE154918" in output
    assert panel.staged() == before
