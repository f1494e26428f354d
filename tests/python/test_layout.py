"""How the layout of a matrix is decided, and what is refused because two layouts fit."""

import cProfile
import pstats

import pytest
from test_melt import matrix_of

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.warehouse.matrix_rows import MatrixSummary
from loader.source.layout import decide_layout

SAMPLES = ["GSM1", "GSM2"]


def table(text: str, samples: list[str] | None = None) -> dict[str, dict[str, float | None]]:
    """Gene → sample → value."""
    matrix = matrix_of(text.encode(), samples or [])
    summary = MatrixSummary(sample_count=len(matrix.samples))
    found: dict[str, dict[str, float | None]] = {}
    for batch in matrix.melt(1_000, summary):
        for row in batch.to_pylist():
            values = found.setdefault(row["gene_id"], {})
            values[row["sample_accession_code"]] = row["expression_value"]
    return found


def layout_of(text: str, samples: list[str] | None = None) -> str:
    return decide_layout(text.encode(), samples or [], "file").describe()


GOOD = {
    "ENSG00000000003": {"GSM1": 1.5, "GSM2": 2},
    "ENSG00000000005": {"GSM1": None, "GSM2": 0.25},
}

LAYOUTS = {
    "plain": (
        "Gene\tGSM1\tGSM2\nENSG00000000003\t1.5\t2\nENSG00000000005\tNA\t0.25\n",
        "tab-separated",
    ),
    "first name empty": (
        "\tGSM1\tGSM2\nENSG00000000003\t1.5\t2\nENSG00000000005\t\t0.25\n",
        "tab-separated",
    ),
    "R's write.table": (
        '"GSM1" "GSM2"\n"ENSG00000000003" 1.5 2\n"ENSG00000000005" NA 0.25\n',
        "space-separated, quoted, no name for the first column",
    ),
    "R's write.csv": (
        '"","GSM1","GSM2"\n"ENSG00000000003",1.5,2\n"ENSG00000000005",NA,0.25\n',
        "comma-separated, quoted",
    ),
    "R's write.csv2": (
        '"";"GSM1";"GSM2"\n"ENSG00000000003";1,5;2\n"ENSG00000000005";NA;0,25\n',
        "semicolon-separated, quoted, decimal comma",
    ),
    "trailing tabs": (
        "Gene\tGSM1\tGSM2\t\t\nENSG00000000003\t1.5\t2\t\t\nENSG00000000005\t\t0.25\t\t\n",
        "tab-separated, tab at the end of lines",
    ),
    "trailing tabs of lines alone": (
        "Gene\tGSM1\tGSM2\nENSG00000000003\t1.5\t2\t\nENSG00000000005\t\t0.25\t\n",
        "tab-separated, tab at the end of lines",
    ),
    "trailing tab of the header alone": (
        "Gene\tGSM1\tGSM2\t\nENSG00000000003\t1.5\t2\nENSG00000000005\t\t0.25\n",
        "tab-separated, tab at the end of lines",
    ),
    "GCT 1.2": (
        "#1.2\n2\t2\nName\tDescription\tGSM1\tGSM2\n"
        "ENSG00000000003\tTSPAN6\t1.5\t2\nENSG00000000005\tna\tNA\t0.25\n",
        "GCT tab-separated, header on line 3, symbols in column 2 (Description)",
    ),
    "GCT 1.3 with column metadata": (
        "#1.3\n2\t2\t1\t1\nid\tsymbol\tGSM1\tGSM2\ntissue\tna\tblood\tblood\n"
        "ENSG00000000003\tTSPAN6\t1.5\t2\nENSG00000000005\tTNMD\tNA\t0.25\n",
        "GCT tab-separated, header on line 3, symbols in column 2 (symbol)",
    ),
    "featureCounts": (
        "# Program:featureCounts v2; Command:\"x\"\nGeneid\tChr\tStart\tEnd\tStrand\tLength\tGSM1\tGSM2\n"
        "ENSG00000000003\tX;X\t1;5\t3;9\t-;-\t7\t1.5\t2\nENSG00000000005\tX\t1\t3\t+\t3\tNA\t0.25\n",
        "featureCounts tab-separated, header on line 2, not loaded: Chr, Start, End, Strand, Length",
    ),
    "Expression Atlas": (
        "Gene ID\tGene Name\tGSM1\tGSM2\nENSG00000000003\tTSPAN6\t1.5\t2\nENSG00000000005\t\t\t0.25\n",
        "tab-separated, symbols in column 2 (Gene Name)",
    ),
    "symbol first": (
        "gene_name\tgene_id\tGSM1\tGSM2\nTSPAN6\tENSG00000000003\t1.5\t2\nTNMD\tENSG00000000005\tNA\t0.25\n",
        "tab-separated, gene ids in column 2 (gene_id), symbols in column 1 (gene_name)",
    ),
    "row numbers first": (
        ",gene,GSM1,GSM2\n1,ENSG00000000003,1.5,2\n2,ENSG00000000005,,0.25\n3,,1,1\n",
        "comma-separated, gene ids in column 2 (gene)",
    ),
    "header with #": (
        "# made on Monday\n#gene\tGSM1\tGSM2\nENSG00000000003\t1.5\t2\nENSG00000000005\tNA\t0.25\n",
        "tab-separated, header on line 2",
    ),
    "Excel's separator line": (
        "sep=;\nGene;GSM1;GSM2\nENSG00000000003;1.5;2\nENSG00000000005;;0.25\n",
        "semicolon-separated, header on line 2",
    ),
    "description with any delimiter": (
        "Gene\tDescription\tGSM1\tGSM2\nENSG00000000003\ta, b; c d\t1.5\t2\nENSG00000000005\tx,y;z\tNA\t0.25\n",
        "tab-separated, not loaded: Description",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LAYOUTS)
def test_the_values_are_the_same_in_each_layout(case):
    text, described = LAYOUTS[case]
    assert table(text) == GOOD
    assert layout_of(text) == described


TITLES = {
    "a title": "Table S2. Expression, of 2 samples\n",
    "a title and an empty line": "Table 2\n\n",
    "a title with the delimiters of all columns": "Table S2\t\t\n",
    "merged cells": "\tControl\t\n",
    "an empty first line": "\n",
    "titles of the samples": "Gene\thealthy\tseptic shock\n",
}


@pytest.mark.parametrize("case", TITLES)
def test_titles_above_the_header_are_passed_over(case):
    text, _ = LAYOUTS["plain"]
    title = TITLES[case]
    assert table(title + text, SAMPLES) == GOOD
    assert layout_of(title + text, SAMPLES).endswith(f"header on line {title.count(chr(10)) + 1}")


@pytest.mark.parametrize(
    "line", ["ENSG00000000007\t1.5\t2\n", "ENSG00000000007\tNA\tNA\n", "ENSG00000000007 1.5 2\n"]
)
def test_values_above_the_header_are_never_passed_over(line):
    text, _ = LAYOUTS["plain"]
    with pytest.raises(UserError) as caught:
        table(line + text, SAMPLES)
    assert (caught.value.code, caught.value.line) in ((1002, 1), (1004, 2))


@pytest.mark.parametrize("case", ["plain", "R's write.table", "featureCounts", "GCT 1.2"])
def test_windows_line_ends(case):
    text, described = LAYOUTS[case]
    assert table(text.replace("\n", "\r\n")) == GOOD
    assert layout_of(text.replace("\n", "\r\n")) == described


REFUSED = {
    "two delimiters": ("g;a,b\nG;1,5\nH;2,5\n", 1009, "semicolon-separated"),
    "thousands": ("Gene\tA\tB\nG\t1,234\t2,345\n", 1009, "1234 with a comma between thousands"),
    "points between thousands": (
        "g;a;b\nG;999;7\n" + "".join(f"G{i};{i + 1}.0{i + 10};4.{i + 100}\n" for i in range(12)),
        1009,
        "1010 with a point between thousands",
    ),
    "empty last cells": ("A\tB\nG\t1\t\nH\t2\t\n", 1009, "'A' is the name of the gene column"),
    "a name too few": ("Gene\tA\tB\nG\t1\t2\t3\nH\t1\t2\t3\n", 1002, "the line has 4 columns"),
    "row numbers alone": ("\tA\tB\n1\t1.5\t2.5\n2\t1.5\t2.5\n3\t1.5\t2.5\n", 1002, "row numbers"),
    "row numbers alone under a name": (
        "Gene\tA\tB\n" + "".join(f"{n}\t1.5\t2.5\n" for n in range(1, 11)),
        1002,
        "row numbers",
    ),
    "GCT cut off": ("#1.2\n3\t1\nName\tA\nG\t1\nH\t2\n", 1002, "3 lines of values, and it has 2"),
    "both decimal signs": ("Gene\tA\tB\nG\t1,5\t2.5\n", 1004, "'1,5'"),
    "decimal point later": ("Gene\tA\n" + "G,\t1,5\n" * 300 + "H\t2.5\n", 1004, "'2.5'"),
    "no header": ("G\t1\t2\nH\t3\t4\n", 1002, "there is no header"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    text, code, words = REFUSED[case]
    with pytest.raises(UserError) as caught:
        table(text)
    assert caught.value.code == code
    assert words in caught.value.found


@pytest.mark.parametrize(
    "value",
    [
        "1.234,5",
        "1.234",
        "12.345.678,9",
        "1,234.5",
        "1'234.5",
        "1\u2019234",
        "1 234,5",
        "1\u202f234,5",
    ],
)
@pytest.mark.parametrize("place", [2, 200])
def test_thousands_separators_are_named(value, place):
    """Within the first lines, from which the layout is decided, and after them."""
    sign = "." if value.endswith(".5") else ","
    lines = [f"G{n};{n}{sign}5;0{sign}25" for n in range(place)]
    with pytest.raises(UserError) as caught:
        table("\n".join(["g;A;B", *lines, f"H;{value};7", ""]))
    assert (caught.value.code, caught.value.line) == (1004, place + 2)
    assert repr(value) in caught.value.found
    assert "without thousands separators" in caught.value.action


@pytest.mark.parametrize(
    "cells",
    [("1.092", "0.314"), ("1.092", "2.19"), ("1.092", "14.169"), ("1.092", "1000"), ("7", "999")],
)
def test_three_decimals_alone_are_no_thousands(cells):
    """A number below 1, one of fewer decimals, or no whole number below 1,000; nor is a single
    sample of whole numbers."""
    lines = "".join(f"G{i};{cells[0]};{cells[1]}\n" for i in range(12))
    assert table(f"g;GSM1;GSM2\n{lines}")["G3"] == dict(
        zip(("GSM1", "GSM2"), map(float, cells), strict=True)
    )
    lines = "".join(f"G{i};7.{i + 100};8.{i + 200};9\n" for i in range(12))
    assert table(f"g;GSM1;GSM2;GSM3\n{lines}")["G3"]["GSM1"] == 7.103


def test_a_column_of_the_metadata_is_a_sample_whatever_its_name():
    text = "Gene\tLength\tGSM2\nG\t1\t2\nH\t3\t4\n"
    assert table(text, ["Length", "GSM2"])["H"] == {"Length": 3, "GSM2": 4}
    assert table(text)["H"] == {"GSM2": 4}
    # A header that names samples alone is one name short.
    assert layout_of("Gene\tB\nG\t1\t2\nH\t1\t2\n", ["Gene", "B"]) == (
        "tab-separated, no name for the first column"
    )


def test_a_matrix_without_its_gene_ids_is_refused():
    with pytest.raises(UserError) as caught:
        table("GSM1\tGSM2\n1.5\t2\n2.5\t3\n", SAMPLES)
    assert caught.value.code == 1002
    assert "the first column is sample GSM1" in caught.value.found


def test_cells_that_are_not_loaded_may_have_any_encoding():
    content = "Gene\tDescription\tGSM1\nG\t\u03b1-\u00e4\t1\nH\tb\t2\n"
    matrix = matrix_of(content.encode("iso8859-7", "replace"))
    summary = MatrixSummary(sample_count=1)
    assert sum(batch.num_rows for batch in matrix.melt(1_000, summary)) == 2
    assert "an encoding other than UTF-8" in summary.layout


@pytest.mark.parametrize("name", [b"G\xe8ne", b"Ge\xf1"])
def test_a_name_that_is_not_utf8_is_described_as_text(name):
    described = decide_layout(name + b"\tGSM1\nG\t1\nH\t2\n", ["GSM1"], "file").describe()
    described.encode()
    assert f"({name.decode(errors='replace')})" in described


def calls_to_decide(columns: int, lines: int) -> int:
    header = "\t".join(f"GSM{n}" for n in range(columns))
    line = "\t".join(f"{n % 17}.{n}" for n in range(columns))
    text = f"Gene\t{header}\n" + "".join(f"ENSG{n:011}\t{line}\n" for n in range(lines))
    profile = cProfile.Profile()
    profile.runcall(decide_layout, text.encode(), [], "file")
    return pstats.Stats(profile).total_calls


def test_deciding_grows_with_the_columns_and_not_with_the_lines():
    """Calls rather than seconds, which depend on what else the machine does."""
    calls = calls_to_decide(500, 80)
    # 131,113 or 161,112, by the order in which a set is looked through.
    assert calls < 170_000
    assert 1.9 < calls_to_decide(1_000, 80) / calls < 2.1
    assert calls_to_decide(500, 800) < 1.01 * calls


@pytest.mark.parametrize(
    ("text", "samples", "header_line"),
    [
        ("# made by a tool\nGene gene_name GSM 0 \nENSG1 A 0.5 0.5 \n", ["GSM", "0"], 2),
        ("#1\n#2, 3\nGene,0\nENSG1,0.5\n", ["0"], 3),
        ("#gene,0,1\nENSG1,0,5\n", ["0", "1"], 1),
        ("#gene,GSM1\nENSG1,0\n", [], 1),
    ],
)
def test_of_a_comment_and_a_header_with_numbers_the_header_has_the_samples(
    text, samples, header_line
):
    layout = decide_layout(text.encode(), samples, "file")
    assert layout.header_line == header_line
    assert [layout.names[column] for column in layout.sample_columns] == (samples or ["GSM1"])


def test_single_commas_among_whole_numbers_are_no_decimal_commas():
    lines = [f"ENSG{n:011d}\t{n}\t{n + 7}\n" for n in range(1, 31)]
    lines[4] = "ENSG00000000005\t2,5\t12\n"
    layout = decide_layout("".join(["Gene\tGSM1\tGSM2\n", *lines]).encode(), ["GSM1", "GSM2"], "f")
    assert layout.decimal == "."


def test_samples_can_be_named_by_numbers_that_the_metadata_know():
    text = "Gene\t101\t102\nENSG00000000003\t1.5\t2\nENSG00000000005\tNA\t0.25\n"
    assert table(text, ["101", "102"]) == {
        "ENSG00000000003": {"101": 1.5, "102": 2},
        "ENSG00000000005": {"101": None, "102": 0.25},
    }
    with pytest.raises(UserError, match="there is no header"):
        table(text)
    with pytest.raises(UserError, match=r"numbers \(101, 102\) .* other names \(0101, 0102\)"):
        table(text, ["0101", "0102"])


def test_genes_may_be_named_by_the_first_entrez_ids():
    genes = ("1", "2", "9", "10", "12", "13", "14", "15", "16", "18")
    assert len(table("Gene\tGSM1\n" + "".join(f"{gene}\t1.5\n" for gene in genes))) == len(genes)
    assert len(table("Gene\tGSM1\n1\t1.5\n2\t1.5\n3\t1.5\n")) == 3
