"""A second column of ids gives symbols to genes that the annotation does not name."""

import pyarrow as pa
import pytest
from conftest import Study, WarehouseUnderTest

from loader.source.symbol_hints import SymbolHints

G1, G2, G3, G4 = (f"ENSG{n:011}" for n in range(1, 5))

# Layout → header, and what comes before the values on a line of (id, symbol).
LAYOUTS = {
    "nf-core": ("gene_id\tgene_name", "{gene}\t{symbol}"),
    "Expression Atlas": ("Gene ID\tGene Name", "{gene}\t{symbol}"),
    "symbols first": ("Gene Symbol\tensembl", "{symbol}\t{gene}"),
    "with other columns": ("gene_id\tLength\tgene_name", "{gene}\t100\t{symbol}"),
}
SYMBOLS = {G1: "CAT1", f"{G2}.7": "DOG1", G3: G3, G4: "NA"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_symbol_column_is_staged_and_said(warehouse, tmp_path, layout):
    header, ids = LAYOUTS[layout]
    study = Study(samples=["GSM1", "GSM2"])
    lines = [f"{header}\tGSM1\tGSM2"] + [
        ids.format(gene=gene, symbol=symbol) + f"\t{number}.5\t12"
        for number, (gene, symbol) in enumerate(SYMBOLS.items())
    ]
    study.values = [["1", "2"], ["1", "2"]]
    study.matrix(study.write(tmp_path / "in")).write_text("\n".join(lines) + "\n")

    result = warehouse.loader("ingest", tmp_path / "in")

    assert result.exit_code == 0, result.output
    assert "symbols in column" in warehouse.query("select layout from staging.batch")[0][0]
    assert warehouse.query("select line_no, gene_symbol from staging.symbol_hint order by 1") == [
        (2, "CAT1"), (3, "DOG1"),
    ]  # fmt: skip
    again = warehouse.loader("ingest", tmp_path / "in", "--reload")
    assert again.exit_code == 0, again.output
    assert warehouse.query("select count(*) from staging.symbol_hint") == [(2,)]


def test_what_is_no_symbol_is_left_out():
    genes = pa.array([f"ENSG{n:011}" for n in range(9)])
    cells = ["TP53", "", "NA", "1-Mar", "ENSG00000000004", "7157", "two words", "x" * 51, "HLA-A"]
    hints = SymbolHints()
    hints.add(genes, pa.array(cells), pa.array(range(2, 11)).to_numpy())
    assert hints.table().to_pydict() == {"line_no": [2, 10], "gene_symbol": ["TP53", "HLA-A"]}


def test_annotation_comes_before_the_symbol_of_a_matrix(warehouse: WarehouseUnderTest, tmp_path):
    study = Study(genes=[G1, G2], values=[["1.5", "2", "3"], ["4", "5", "6.25"]])
    matrix = study.matrix(study.write(tmp_path / "in"))
    matrix.write_text(
        f"gene_id\tgene_name\tGSM1\tGSM2\tGSM3\n{G1}\tCAT1\t1.5\t2\t3\n{G2}\tDOG1\t4\t5\t6.25\n"
    )
    assert warehouse.loader("ingest", tmp_path / "in").exit_code == 0
    symbols = "select gene_id, gene_symbol, symbol_source from dim.dim_gene order by 1"

    warehouse.build("--select", "+dim_gene")
    assert warehouse.query(symbols) == [(G1, "CAT1", "STUDY"), (G2, "DOG1", "STUDY")]

    ref = ("hgnc_complete_set", "HGNC", "HGNC:1")
    warehouse.annotate(
        (*ref, "symbol", "", "CATTUS"), (*ref, "ensembl_gene_id", "", G1), file_hash="h2"
    )
    warehouse.build("--select", "+dim_gene")
    assert warehouse.query(symbols) == [(G1, "CATTUS", "ANNOTATION"), (G2, "DOG1", "STUDY")]
