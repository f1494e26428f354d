"""Seeds that a user changed: what a build would take for something else is refused."""

import pytest
from conftest import own_project
from warehouses import without_rows


@pytest.fixture
def warehouse(copy_of, tmp_path):
    return copy_of(without_rows, tmp_path)


def sides_exchanged(text):
    """As a spreadsheet moves a column with its header."""
    lines = [line.split(",", 4) for line in text.splitlines()]
    return "".join(",".join([a, b, d, c, e]) + "\n" for a, b, c, d, e in lines)


@pytest.mark.parametrize(
    ("change", "columns"),
    [
        (sides_exchanged, "disease_label, contrast, reference_labels, case_labels, "),
        (lambda text: text.replace("case_labels", "case_label", 1), "case_label, "),
        (lambda text: text.replace(",", ";"), "disease_label;contrast;case_labels;"),
    ],
    ids=["exchanged", "misspelt", "semicolons"],
)
def test_other_columns_are_refused(warehouse, change, columns):
    """DuckDB fills a table that is there by the positions of the columns."""
    before = warehouse.query("select * from seeds.contrast")
    file = own_project(warehouse) / "seeds" / "contrast.csv"
    file.write_text(change(file.read_text()))
    output = warehouse.dbt("seed", "--select", "contrast", succeeds=False)
    assert "54030 CONFIG_INVALID: seeds/contrast.csv has the columns " in output
    assert columns in output
    assert "it must have disease_label, contrast, case_labels, reference_labels, " in output
    assert warehouse.query("select * from seeds.contrast") == before


def test_a_file_of_excel_with_its_mark_and_line_ends_is_taken(warehouse):
    before = warehouse.query("select * from seeds.contrast")
    file = own_project(warehouse) / "seeds" / "contrast.csv"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    warehouse.dbt("seed", "--select", "contrast")
    assert warehouse.query("select * from seeds.contrast") == before


def test_a_watched_gene_needs_no_commas_for_what_it_lacks(warehouse):
    file = own_project(warehouse) / "seeds" / "watch_list.csv"
    before = warehouse.query("select * from seeds.watch_list")
    file.write_text(file.read_text() + "SEPSIS,ENSG00000100000\nSEPSIS,,CD8A\n")
    warehouse.dbt("seed", "--select", "watch_list")
    assert warehouse.query("select * from seeds.watch_list") == [
        *before,
        ("SEPSIS", "ENSG00000100000", None, None),
        ("SEPSIS", None, "CD8A", None),
    ]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (
            "SEPSIS,sc,SEPSIS,CONTROL,0,again",
            "stg_contrast.contrast_natural_key breaks unique: 1 value, for example 'SEPSIS sc'",
        ),
        ("SEPSIS,xx,SEPTIC_SHOK,CONTROL,0,misspelt", "assert_contrasts_have_cohorts"),
        ("SEPSIS,xx,SEPSIS,CONTROL SEPSI,0,misspelt", "assert_contrasts_have_cohorts"),
    ],
)
def test_a_contrast_twice_or_of_unknown_cohorts_fails(warehouse, line, found):
    """Twice, its studies would count twice; of unknown cohorts, it would have none."""
    tests = ("stg_contrast", "assert_contrasts_have_cohorts")
    file = own_project(warehouse) / "seeds" / "contrast.csv"
    warehouse.dbt("test", "--select", *tests)
    file.write_text(file.read_text() + line + "\n")
    warehouse.dbt("seed", "--select", "contrast")
    output = warehouse.dbt("test", "--select", *tests, succeeds=False)
    assert found in output
    assert " ERROR=1 " in output
