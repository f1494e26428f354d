"""Seed watch_list: its genes are the ones that it names, and real panels can be ranked with it."""

import csv
import gzip
from collections import Counter

import pytest
from conftest import SHARED_DATA, WarehouseUnderTest, events
from test_pair_metrics import ingest, small_study
from warehouses import staged_panel

from expression_warehouse.core.project import read_seed

REAL = SHARED_DATA / "annotation"


@pytest.mark.skipif(not REAL.is_dir(), reason="needs real files")
def test_each_id_is_that_of_its_symbol():
    """As HGNC says, and GENCODE: the gene is current."""
    with gzip.open(REAL / "hgnc" / "hgnc_complete_set.txt.gz", "rt", encoding="utf-8") as file:
        hgnc = {
            row["symbol"]: row["ensembl_gene_id"] for row in csv.DictReader(file, delimiter="\t")
        }
    reference = REAL / "ensembl_gencode" / "human_gene_reference.tsv.gz"
    with gzip.open(reference, "rt", encoding="utf-8") as file:
        release = {
            row["ensembl_gene_id"]: row["source"] for row in csv.DictReader(file, delimiter="\t")
        }
    entries = read_seed("watch_list")
    assert len(entries) == 34
    for entry in entries:
        gene = entry["gene_id"]
        assert (entry["gene_symbol"], gene) == (entry["gene_symbol"], hgnc[entry["gene_symbol"]])
        assert (gene, release[gene]) == (gene, "GENCODE48")


def test_each_entry_is_there_once_and_says_why():
    entries = read_seed("watch_list")
    assert max(Counter((row["disease"], row["gene_id"]) for row in entries).values()) == 1
    assert {row["disease"] for row in entries} == {"SEPSIS"}
    assert all(row["comment"] for row in entries)


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="needs real studies")
def test_the_published_panels_are_ranked(copy_of, tmp_path):
    warehouse = copy_of(staged_panel, tmp_path)
    warehouse.build()
    result = warehouse.pairs("rank")
    assert result.exit_code == 0, result.output
    assert events(result, "slice_skipped") == []
    ranked = {each["slice"]: each for each in events(result, "pairs_ranked")}
    assert set(ranked) == {"SEPSIS MICROARRAY HOMO_SAPIENS", "SEPSIS RNA-SEQ HOMO_SAPIENS"}
    assert all(each["positive_count"] == 20 for each in ranked.values())


def test_a_changed_list_is_applied_by_the_next_build(tmp_path):
    """The gene of an entry by symbol is one that a study names so; an unknown symbol is a finding."""
    warehouse = WarehouseUnderTest(tmp_path)
    ingest(warehouse, tmp_path, [small_study(number) for number in (1, 2, 3)])
    warehouse.build("--vars", "gene_filter_top: 2")
    pairs = "select count(*) from analytics.tbl_gene_pairs_materialized"
    assert warehouse.query(pairs) == [(1,)]
    gene = warehouse.query(
        "select gene_id from dim.dim_gene where gene_key not in"
        " (select gene_a_key from analytics.tbl_gene_pairs_materialized union"
        " select gene_b_key from analytics.tbl_gene_pairs_materialized) order by 1 limit 1"
    )[0][0]
    warehouse.query_write(
        f"insert into seeds.watch_list values ('SEPSIS', null, '{gene}', ''),"
        f" (null, '', 'NO_GENE', ''), ('RHEUMATOID_ARTHRITIS', '{gene}', '', '')"
    )
    warehouse.build("--vars", "gene_filter_top: 2", "--exclude", "watch_list")
    assert warehouse.query(pairs) == [(3,)]
    assert warehouse.query(
        "select validation_code, details ->> '$.subject', details ->> '$.finding'"
        " from meta.meta_data_validation_log where validation_code like 'WATCHED%'"
    ) == [
        (
            "WATCHED_GENE_UNRESOLVED",
            "NO_GENE",
            "the symbol cannot be looked up, because no gene annotation is loaded",
        )
    ]
