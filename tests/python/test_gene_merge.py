"""From the lines of a matrix to the genes of the fact: versions, PAR_Y, repeated ids, lines that are
no genes; what is read is what is kept, merged, dropped or missing."""

import math
from pathlib import Path

import pytest
from conftest import EXPRESSION, Study, WarehouseUnderTest

G1, G2, G3 = (f"ENSG{n:011}" for n in (182378, 5, 7))
PAR_Y = f"{G1}.15_PAR_Y"
# 1 line of G1, its copy on Y, G2 with a missing value, and twice the symbol TP53.
GENES = [f"{G1}.15", PAR_Y, f"{G2}.3", "TP53", "TP53"]
VALUES = [["8", "2", "1"], ["0", "4", "NA"], ["NA", "3", "5"], ["1", "2", "NA"], ["3", "8", "NA"]]
SUMMARY = ["__no_feature", "N_unmapped", "ERCC-00002", "AFFX-BioB-5_at", ""]


def study(accession: str, **fields) -> Study:
    return Study(
        accession,
        samples=[f"{accession}-{n}" for n in range(3)],
        genes=[*GENES, *SUMMARY],
        values=[*VALUES, *[["1000", "0", "7"]] * len(SUMMARY)],
        **fields,
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> WarehouseUnderTest:
    folder: Path = tmp_path_factory.mktemp("merge")
    warehouse = WarehouseUnderTest(folder)
    config = folder / "pipeline.yaml"
    config.write_text(
        "studies:\n"
        "  TPM1: {units: TPM}\n"
        "  COUNTS1: {units: COUNTS}\n"
        "  MAX1: {units: LOG2, duplicate_genes: max}\n"
        "  MEAN1: {units: COUNTS, duplicate_genes: mean}\n"
        "  REFUSED1: {units: LOG2, duplicate_genes: refuse}\n"
    )
    studies = [study("TPM1"), study("COUNTS1"), study("MAX1"), study("MEAN1")]
    # Versions of one gene: no id is repeated, so that the loader sees no fault.
    refused = Study("REFUSED1", genes=[f"{G1}.1", f"{G1}.2"])
    for member in [*studies, refused]:
        result = warehouse.loader(
            "ingest", member.write(folder / member.accession), "--config", config
        )
        assert result.exit_code == 0, result.output
    warehouse.build("--select", *EXPRESSION, "+vw_finding", "+rule_genes_merged")
    return warehouse


def raw_values(warehouse: WarehouseUnderTest, accession: str) -> dict[tuple[str, int], float]:
    """(gene, number of the sample) → value in the source's unit."""
    rows = warehouse.query(
        "select g.gene_id, s.sample_accession_code, f.expression_value_raw"
        " from fact.fact_gene_expression as f"
        " inner join dim.dim_gene as g on f.gene_key = g.gene_key"
        " inner join dim.dim_sample as s on f.sample_key = s.sample_key"
        " inner join dim.dim_study as t on f.study_key = t.study_key"
        f" where t.study_accession_code = '{accession}'"
    )
    return {(gene, int(sample[-1])): value for gene, sample, value in rows}


COMMON = {(G1, 2): 1, (G2, 1): 3, (G2, 2): 5}


@pytest.mark.parametrize(
    ("accession", "merged"),
    [
        ("TPM1", {(G1, 0): 4, (G1, 1): 3, ("TP53", 0): 2, ("TP53", 1): 5}),
        ("COUNTS1", {(G1, 0): 8, (G1, 1): 6, ("TP53", 0): 4, ("TP53", 1): 10}),
        ("MAX1", {(G1, 0): 8, (G1, 1): 4, ("TP53", 0): 3, ("TP53", 1): 8}),
        ("MEAN1", {(G1, 0): 4, (G1, 1): 3, ("TP53", 0): 2, ("TP53", 1): 5}),
    ],
)
def test_lines_of_one_gene_are_one_value(built, accession, merged):
    assert raw_values(built, accession) == {**COMMON, **merged}


def test_lines_that_are_no_genes_are_in_no_library_size(built):
    # The sample has 8 + 0 + 1 + 3 counts; each line that was left out has 1000.
    rows = built.query(
        "select f.expression_value from fact.fact_gene_expression as f"
        " inner join dim.dim_gene as g on f.gene_key = g.gene_key"
        " inner join dim.dim_sample as s on f.sample_key = s.sample_key"
        f" where g.gene_id = '{G1}' and s.sample_accession_code = 'COUNTS1-0'"
    )
    assert rows[0][0] == pytest.approx(math.log2(8 / 12 * 1e6 + 1), rel=1e-12)


def test_what_is_read_is_kept_merged_dropped_or_missing(built):
    kept = dict(
        built.query(
            "select b.study_accession_code, count(*) from fact.fact_gene_expression as f"
            " inner join staging.batch as b on f.batch_id = b.batch_id group by 1"
        )
    )
    register = built.query(
        "select study_accession_code, merged_count, dropped_count, null_count, status"
        " from staging.batch where study_accession_code <> 'REFUSED1' order by 1"
    )
    assert len(register) == 4
    lines = len(GENES) + len(SUMMARY)
    for accession, merged, dropped, missing, status in register:
        assert status == "LOADED"
        assert (merged, dropped, missing) == (4, 3 * len(SUMMARY), 4)
        assert 3 * lines == kept[accession] + merged + dropped + missing


def test_merged_lines_are_a_finding_and_refused_if_it_says_so(built):
    found = built.query(
        "select study_accession_code, validation_code, severity, finding from meta.vw_finding"
        " where validation_code in ('VALIDATION_GENES_MERGED', 'VALIDATION_DUPLICATE_GENES')"
        " order by 1"
    )
    assert [(row[0], row[2]) for row in found] == [
        ("COUNTS1", "WARNING"), ("MAX1", "WARNING"), ("MEAN1", "WARNING"),
        ("REFUSED1", "ERROR"), ("TPM1", "WARNING"),
    ]  # fmt: skip
    assert found[-1][3] == (
        f"4 lines are 2 genes (mean, of counts the sum), for example {G1} on lines 2 and 3"
    )
    assert built.query(
        "select status from staging.batch where study_accession_code = 'REFUSED1'"
    ) == [("QUARANTINED",)]


def test_the_form_of_the_ids_and_the_layout_are_in_the_register(built):
    assert built.query(
        "select gene_id_form, layout from staging.batch where study_accession_code = 'TPM1'"
    ) == [("MIXED", "tab-separated")]
