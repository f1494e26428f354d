"""`python -m loader load-pairs`: metrics from a file beside those of the studies. Which row wins,
what a later file replaces, what a build computes anew, and a named error for every mistake."""

import gzip
import io
import math
import os
import zipfile
from pathlib import Path
from unittest import mock

import duckdb
import numpy as np
import pytest
from conftest import Study, WarehouseUnderTest, events, moved
from hypothesis import given
from hypothesis import strategies as st
from test_pair_metrics import (
    AUDIT,
    IDENTITY,
    SCORES,
    SETTINGS,
    assert_recomputed,
    build_pairs,
    ingest,
    map_study,
    small_study,
    table,
    without,
)

from expression_warehouse.core.warehouse.duckdb import DuckDBPairLoad
from expression_warehouse.core.warehouse.target import open_warehouse
from expression_warehouse.pairs.ranking.slice_pairs import read_built_slices, read_slice_pairs
from expression_warehouse.pairs.slices import SliceFilter
from loader.pair_file.metrics import metrics
from loader.pair_file.numbers import read_numbers
from loader.pair_file.pair_id import parse_pair_id
from loader.pair_file.reader import PairFile

# Genes 1 to 7 are of a study without a disease, 8 to 13 those of the others, ENSG1 to ENSG6; the five
# most variable ones, 9 to 13, are candidates.
ANNOTATED = ("ENSG00000019582", "ENSG00000110079")
CANDIDATES = [(a, b) for a in range(9, 14) for b in range(a + 1, 14)]
RUN = ("feature_run_id", "etl_created_date")


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def load(warehouse: WarehouseUnderTest, path: Path, *options: str, disease: str = "SEPSIS"):
    return warehouse.loader("load-pairs", path, "--disease", disease, *options)


def staged(warehouse: WarehouseUnderTest) -> list[tuple]:
    return warehouse.query("select * from staging.pair_metrics order by all")


def fact(warehouse: WarehouseUnderTest, columns: str) -> dict[tuple, list[tuple]]:
    """(disease, technology) -> pair and the columns, of the rows that are from a file."""
    found: dict[tuple, list[tuple]] = {}
    for disease, technology, *row in warehouse.query(
        f"select disease_label, technology, pair_natural_key, {columns}"
        " from fact.fact_gene_pair_metrics inner join dim.dim_gene_pair using (pair_key)"
        " inner join dim.dim_disease using (disease_key)"
        " where metrics_source = 'CSV' order by gene_a_key, gene_b_key"
    ):
        found.setdefault((disease, technology), []).append(tuple(row))
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> WarehouseUnderTest:
    """Two studies of two technologies, before any file."""
    folder = tmp_path_factory.mktemp("built")
    warehouse = WarehouseUnderTest(folder)
    genes = [*ANNOTATED, *(f"ENSG0000020000{number}" for number in range(5))]
    values = [["1.5", "2", str(8 + number)] for number in range(len(genes))]
    other = Study("GSE9", ["GSM91", "GSM92", "GSM93"], genes, values)
    assert warehouse.loader("ingest", other.write(folder / "other")).exit_code == 0
    ingest(warehouse, folder, [small_study(2), small_study(3, "RNA-SEQ")])
    build_pairs(warehouse, **SETTINGS)
    pairs = warehouse.query("select distinct gene_a_key, gene_b_key from dim.dim_gene_pair")
    assert sorted(pairs) == CANDIDATES
    return warehouse


@pytest.fixture
def copy(built, tmp_path) -> WarehouseUnderTest:
    return moved(built, tmp_path)


FIRST = """\
pair_id,csv_override,dz_ss_mean,dz_ss_Q,dz_ss_I2,P_SS,q_ss,q_soth,neglog_q_soth,n_studies_ss,n_samples_sepsis,n_samples_control
9_10,1,-0.5,2.5,100,0.01,0.001,,7,4,20,30
12_11,0,0.5,2.5,10,0.01,0.02,,,4,20,30
2_1,,0.25,,,1e-320,,,,,,
"""


@pytest.fixture(scope="module")
def named(built, tmp_path_factory) -> WarehouseUnderTest:
    """The same with symbols: CAT2 to CAT6 of ENSG2 to ENSG6; ENSG2 was once CAT3; ENSG2 and ENSG4 are
    PET; a gene of no study is DOG, as ENSG5 was."""
    warehouse = moved(built, tmp_path_factory.mktemp("named"))
    hgnc = ("hgnc_complete_set", "HGNC")
    values = []
    for i in range(2, 7):
        values += [
            (*hgnc, f"HGNC:{i}", "ensembl_gene_id", "", f"ENSG{i}"),
            (*hgnc, f"HGNC:{i}", "entrez_id", "", f"{i}00"),
            (*hgnc, f"HGNC:{i}", "symbol", "", f"CAT{i}"),
        ]
    warehouse.annotate(
        *values,
        (*hgnc, "HGNC:2", "previous_symbol", "CAT3", "CAT3"),
        (*hgnc, "HGNC:2", "alias_symbol", "PET", "PET"),
        (*hgnc, "HGNC:4", "alias_symbol", "PET", "PET"),
        (*hgnc, "HGNC:4", "alias_symbol", "Old4", "Old4"),
        (*hgnc, "HGNC:7", "ensembl_gene_id", "", "ENSG77"),
        (*hgnc, "HGNC:7", "symbol", "", "DOG"),
        (*hgnc, "HGNC:5", "previous_symbol", "DOG", "DOG"),
    )
    warehouse.build("--select", "+gene_identifier", "dim_gene")
    return warehouse


def test_genes_are_named_by_symbol_or_id(named, tmp_path):
    """Names may be in either case, with a version, aliases or Entrez ids; a current symbol wins."""
    warehouse = moved(named, tmp_path)
    text = "gene_a,gene_b,q_ss\ncat3,CAT2,0.1\nold4,ENSG5.12,0.2\n600,HGNC:3,0.3\nensg00000019582,CAT6,0.4\n"
    result = load(warehouse, write(tmp_path / "f.csv", text), "--technology", "RNA-SEQ")
    assert result.exit_code == 0, result.output
    rows = warehouse.query(
        "select gene_a_key, gene_b_key, q_ss from staging.pair_metrics order by all"
    )
    assert rows == [(1, 13, 0.4), (9, 10, 0.1), (10, 13, 0.3), (11, 12, 0.2)]


@pytest.mark.parametrize(
    ("genes", "error", "message"),
    [
        ("PET,CAT3", "PAIR_GENE_AMBIGUOUS", "'PET' is a name of ENSG2, ENSG4"),
        ("CAT3,DOG", "PAIR_GENE_AMBIGUOUS", "'DOG' is a name of ENSG5, but alone means another gene"),
        ("CAT3,COW", "PAIR_GENEKEY_NOT_FOUND", "no gene 'COW' of HOMO_SAPIENS"),
        ("CAT3,300", "PAIR_ID_FORMAT_INVALID", "'CAT3' and '300' are one gene"),
    ],
)  # fmt: skip
def test_a_name_that_means_no_single_gene_is_refused(named, tmp_path, genes, error, message):
    warehouse = moved(named, tmp_path)
    text = f"gene_a,gene_b,q_ss\nCAT3,CAT2,0.1\n{genes},0.2\n"
    result = load(warehouse, write(tmp_path / "f.csv", text), "--technology", "RNA-SEQ")
    assert result.exit_code == 1
    (failed,) = events(result, "failed")
    assert failed["error_name"] == error
    assert message in failed["found"]
    assert failed["line"] == 3
    assert staged(warehouse) == []


@pytest.fixture(scope="module")
def loaded(built, tmp_path_factory) -> tuple[WarehouseUnderTest, dict]:
    """The same with a file for one of the two slices and one for a slice of its own, built, tests
    of the data among it; and what load-pairs said."""
    folder = tmp_path_factory.mktemp("loaded")
    warehouse = moved(built, folder)
    result = load(warehouse, write(folder / "first.csv", FIRST), "--technology", "MICROARRAY")
    assert result.exit_code == 0, result.output
    other = write(folder / "other.csv", "pair_id,technology,p_ss\n1_2,other,1\n")
    assert load(warehouse, other, disease="CONTROL").exit_code == 0
    warehouse.dbt("build", "--vars", str(SETTINGS))
    return warehouse, {event["step"]: event for event in events(result)}


def test_a_file_stands_beside_the_studies(loaded):
    """A pair of the studies is theirs, unless the file overrides; other pairs are the file's."""
    warehouse, _ = loaded
    columns = (
        "dz_ss_mean, abs_dz_ss, dz_ss_q, dz_ss_i2, p_ss, q_ss, neglog_q_ss, q_soth, neglog_q_soth"
    )
    assert fact(warehouse, columns) == {
        ("SEPSIS", "MICROARRAY"): [
            ("1_2", 0.25, 0.25, None, None, 1e-320, None, None, None, None),
            ("9_10", -0.5, 0.5, 2.5, 100.0, 0.01, 0.001, 3.0, None, 7.0),
        ],
        ("CONTROL", "OTHER"): [("1_2", *[None] * 4, 1.0, *[None] * 4)],
    }
    counts = "n_studies_ss, included_study_count, n_samples_sepsis, total_samples, pairs_tested"
    assert fact(warehouse, counts) == {
        ("SEPSIS", "MICROARRAY"): [("1_2", 0, 0, 0, 0, 0), ("9_10", 4, 4, 20, 50, 0)],
        ("CONTROL", "OTHER"): [("1_2", 0, 0, 0, 0, 0)],
    }


def test_rows_of_the_studies_stay_as_they_were(built, loaded):
    """Their false discovery rates too: they count the pairs tested, not the rows that are left. Only
    rank_score is a place among all rows."""
    before, after = table(built), table(loaded[0])
    assert after["SEPSIS", "RNA-SEQ"] == before["SEPSIS", "RNA-SEQ"]
    audit = (*RUN, "batch_id", "rank_score")
    old = without(before["SEPSIS", "MICROARRAY"], audit)
    new = without(after["SEPSIS", "MICROARRAY"], audit)
    assert set(new) == {*old, ANNOTATED}
    changed = {pair for pair in old if new[pair] != old[pair]}
    assert changed == {("ENSG2", "ENSG3")}  # 9_10
    assert {new[pair]["metrics_source"] for pair in set(old) - changed} == {"AGGREGATOR"}


def test_the_views_say_where_a_row_comes_from(loaded):
    query = "set variable k_min = 1; set variable i2_max = 100; set variable q = 1;"
    query += " select gene_a_id, metrics_source from analytics.vw_pair_metrics_significant"
    assert ("ENSG2", "CSV") in loaded[0].query(query)


def test_overrides_are_warned_of(loaded):
    _, said = loaded
    assert said["rows_override"]["level"] == "warning"
    assert (said["rows_override"]["override_count"], said["rows_override"]["fact_row_count"]) == (
        1,
        1,
    )
    assert (said["pairs_staged"]["row_count"], said["pairs_staged"]["metric_count"]) == (3, 10)


@pytest.mark.parametrize("missing", ["", "q_ss", "dz_ss_i2", "n_studies_ss"])
def test_pairs_that_will_not_be_ranked_are_counted(copy, tmp_path, missing):
    """Those that say so are in no ranked view with its default limits, and the others are."""
    cells = {"dz_ss_mean": 0.5, "q_ss": 0.01, "dz_ss_i2": 10, "n_studies_ss": 4, "csv_override": 1}
    kept = {name: value for name, value in cells.items() if name != missing}
    text = f"pair_id,{','.join(kept)}\n9_10,{','.join(map(str, kept.values()))}\n"
    result = load(copy, write(tmp_path / "f.csv", text), "--technology", "RNA-SEQ")
    warned = [event["row_count"] for event in events(result, "rows_unranked")]
    assert warned == ([1] if missing else [])
    build_pairs(copy, **SETTINGS)
    ranked = copy.query(
        "select metrics_source from analytics.vw_pair_metrics_ranked where metrics_source = 'CSV'"
    )
    assert len(ranked) == (0 if missing else 1)


def test_the_same_file_again_adds_nothing(loaded, tmp_path):
    warehouse = moved(loaded[0], tmp_path)
    before = staged(warehouse)
    again = load(warehouse, write(tmp_path / "renamed.csv", FIRST), "--technology", "MICROARRAY")
    assert [event["step"] for event in events(again)] == ["pairs_skipped"]
    assert staged(warehouse) == before


SECOND = "pair_id,dz_ss_mean,technology\n10_9,0.75,MICROARRAY\n8_9,1,\n"


@pytest.fixture(scope="module")
def replaced(loaded, tmp_path_factory) -> WarehouseUnderTest:
    """A second file takes over 9_10, without override, and brings 8_9."""
    folder = tmp_path_factory.mktemp("replaced")
    warehouse = moved(loaded[0], folder)
    path = write(folder / "second.csv", SECOND)
    result = load(warehouse, path, "--technology", "MICROARRAY")
    unranked, event = events(result)
    assert unranked["step"] == "rows_unranked"
    assert (event["row_count"], event["replaced_count"]) == (2, 1)
    build_pairs(warehouse, **SETTINGS)
    return warehouse


def test_a_later_file_replaces_pair_by_pair(replaced):
    assert fact(replaced, "dz_ss_mean, p_ss")["SEPSIS", "MICROARRAY"] == [
        ("1_2", 0.25, 1e-320),
        ("8_9", 1.0, None),
    ]
    rows = replaced.query(
        "select gene_a_key, gene_b_key, file_name, line_no from staging.pair_metrics"
        " where disease_label = 'SEPSIS' order by all"
    )
    assert rows == [
        (1, 2, "first.csv", 4), (8, 9, "second.csv", 3), (9, 10, "second.csv", 2), (11, 12, "first.csv", 3),
    ]  # fmt: skip


def test_the_studies_row_is_back_where_nothing_overrides_it(built, replaced):
    pair = ("ENSG2", "ENSG3")
    before, after = (table(one)["SEPSIS", "MICROARRAY"] for one in (built, replaced))
    assert_recomputed({pair: after[pair]}, {pair: before[pair]})


def test_a_file_touches_its_own_slice_only(loaded, replaced):
    before, after = table(loaded[0]), table(replaced)
    for name in [("SEPSIS", "RNA-SEQ"), ("CONTROL", "OTHER")]:
        assert after[name] == before[name]
    assert not any(
        row["etl_created_date"]
        in {old["etl_created_date"] for old in before["SEPSIS", "MICROARRAY"].values()}
        for row in after["SEPSIS", "MICROARRAY"].values()
    )


def test_a_file_that_comes_back_replaces_again(loaded, replaced, tmp_path):
    warehouse = moved(replaced, tmp_path)
    state = "select batch_id from staging.stg_slice where technology = 'MICROARRAY'"
    load(warehouse, write(tmp_path / "first.csv", FIRST), "--technology", "MICROARRAY")
    rows = warehouse.query(
        "select gene_a_key, gene_b_key, dz_ss_mean from staging.pair_metrics"
        " where file_name = 'first.csv' order by all"
    )
    assert rows == [(1, 2, 0.25), (9, 10, -0.5), (11, 12, 0.5)]
    states = {name.query(state)[0] for name in (loaded[0], replaced, warehouse)}
    assert len(states) == 3


def assert_slices_recomputed(found: dict, expected: dict) -> None:
    assert set(found) == set(expected)
    for name, rows in expected.items():
        assert_recomputed(found[name], rows)


def test_step_by_step_gives_what_a_build_from_nothing_gives(built, replaced, tmp_path):
    """The fact gone, its slices are all computed anew."""
    anew = moved(replaced, tmp_path)
    with duckdb.connect(str(anew.path)) as connection:
        for name in ("vw_pair_metrics_significant", "vw_pair_metrics_ranked"):
            connection.execute(f"drop view analytics.{name}")
        connection.execute("drop table fact.fact_gene_pair_metrics")
        connection.execute("drop table analytics.tbl_gene_pairs_materialized cascade")
    build_pairs(anew, **SETTINGS)
    assert_slices_recomputed(table(anew), table(replaced))


def test_rows_that_are_gone_from_staging_leave_the_fact(loaded, built, tmp_path):
    warehouse = moved(loaded[0], tmp_path)
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("delete from staging.pair_metrics")
    build_pairs(warehouse, **SETTINGS)
    assert_slices_recomputed(table(warehouse), table(built))


def test_a_slice_that_its_study_leaves_is_the_files(loaded, tmp_path):
    warehouse = moved(loaded[0], tmp_path)
    map_study(warehouse, "GSE2", "SEPTIC_SHOCK")
    build_pairs(warehouse, **SETTINGS)
    assert [row[0] for row in fact(warehouse, "p_ss")["SEPSIS", "MICROARRAY"]] == [
        "1_2",
        "9_10",
        "11_12",
    ]
    assert len(table(warehouse)["SEPSIS", "MICROARRAY"]) == 3


# By combined_effect_size and the least of all rates, the order would be another one.
RANKED = """\
pair_id,dz_ss_mean,dz_ss_ci_low,dz_ss_ci_high,dz_soth_mean,dz_soth_ci_low,dz_soth_ci_high,combined_effect_size,dz_ss_i2,dz_soth_i2,q_ss,q_ss_hk,n_studies_ss,power_score,consistency_score
9_10,0.1,-1,1,,,,0.9,10,,0.001,0.03,3,0.5,0.5
9_11,0.2,-1,1,0.7,-2,2,0.8,20,10,0.002,0.02,3,0.5,0.5
9_12,,,,-0.3,-2,2,-0.2,,10,0.003,0.01,3,0.5,0.5
9_13,,,,,,,0.4,10,10,0.004,,3,0.5,0.5
"""


def test_a_row_of_a_file_is_ranked_by_what_the_view_shows(loaded, tmp_path):
    warehouse = moved(loaded[0], tmp_path)
    load(warehouse, write(tmp_path / "ranked.csv", RANKED), "--technology", "OTHER")
    build_pairs(warehouse, **SETTINGS)
    shown = warehouse.query(
        "set variable q = 1; select effect, effect_ci_high, q_star, i2_star, rank_score"
        " from analytics.vw_pair_metrics_ranked where technology = 'OTHER' order by pair_key"
    )
    assert shown == [
        (0.1, 1, 0.03, 10, 0),
        (0.2, 1, 0.02, 10, pytest.approx(2 / 9)),
        (-0.3, 2, 0.01, 10, pytest.approx(4 / 9)),
        (0.4, None, 0.004, 10, pytest.approx(6 / 9)),
    ]
    with mock.patch.dict(os.environ, warehouse.env), open_warehouse() as opened:
        (slice_,) = read_built_slices(opened, SliceFilter("SEPSIS", "OTHER"))
        deciding = read_slice_pairs(opened, slice_).deciding
    assert deciding["effect"].tolist() == [row[0] for row in shown]
    assert deciding["q_star"].tolist() == [row[2] for row in shown]
    assert deciding["i2"].tolist() == [row[3] for row in shown]


def test_what_the_fact_gives_can_be_loaded_again(copy, tmp_path):
    """Every metric, by its name and to the last bit."""
    names = ", ".join(metrics())
    path = tmp_path / "export.csv"
    copy.query(
        f"copy (select p.pair_natural_key as pair_id, m.technology, 1 as csv_override, {names}"
        " from fact.fact_gene_pair_metrics m inner join dim.dim_gene_pair p using (pair_key))"
        f" to '{path}' (header)"
    )
    before = table(copy)
    result = load(copy, path)
    assert result.exit_code == 0, result.output
    build_pairs(copy, **SETTINGS)
    dropped = (*RUN, "batch_id", "metrics_source")
    assert {n: without(rows, dropped) for n, rows in table(copy).items()} == {
        n: without(rows, dropped) for n, rows in before.items()
    }


def test_staging_gets_the_columns_of_new_metrics(loaded, tmp_path):
    warehouse = moved(loaded[0], tmp_path)
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("alter table staging.pair_metrics drop column q_combined_dependent")
    text = "pair_id,q_combined_dependent\n1_2,0.5\n"
    result = load(warehouse, write(tmp_path / "f.csv", text), "--technology", "RNA-SEQ")
    assert result.exit_code == 0, result.output
    query = "select q_combined_dependent from staging.stg_pair_metrics where file_name = 'f.csv'"
    assert warehouse.query(query) == [(0.5,)]


def test_a_file_may_give_every_metric_of_the_fact(built):
    columns = [row[0] for row in built.query("describe fact.fact_gene_pair_metrics")]
    own = {*IDENTITY, *AUDIT, *SCORES}
    assert list(metrics()) == [name for name in columns if name not in own]


GOOD = "pair_id,dz_ss_mean,p_ss,n_studies_ss\n9_10,0.5,0.01,3\n11_12,-1,1,0\n"


def row(cells: str) -> str:
    """The good file with another second row."""
    return GOOD.replace("11_12,-1,1,0", cells)


def column(name: str, value: str) -> str:
    """A file with one metric, whose third row is at fault."""
    return f"pair_id,{name}\n9_10,\n9_11,NA\n9_12,{value}\n"


def _workbook() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("[Content_Types].xml", "<Types/>")
        file.writestr("xl/workbook.xml", "<workbook/>")
    return content.getvalue()


WORKBOOK = _workbook()

CASES: dict[str, tuple[str | bytes, int, int | None, str]] = {
    # what is wrong: (the file, code, line, words of what was found)
    "empty file": ("", 1001, None, "empty"),
    "empty header": ("\n9_10\n", 1002, 1, "header is empty"),
    "no header": ("9_10,0.5\n9_11,0.5\n", 1002, 1, "no header"),
    "no pair_id": ("pair,p_ss\n9_10,0.5\n", 1002, 1, "neither pair_id nor gene_a and gene_b"),
    "other words": ("gene1,gene2,effect\nA,B,1\n", 1002, 1, "columns are gene1, gene2, effect"),
    "spaces for commas": ("gene_a gene_b p_ss\nA B 1\n", 1002, 1, "only column is 'gene_a gene_b p_ss'"),
    "no metric": ("pair_id,effect\n9_10,1\n", 1002, 1, "no column is a metric; its columns are pair_id, effect"),
    "no value": ("pair_id,p_ss\n9_10,NA\n9_11,\n", 1002, 2, "no pair has a value"),
    "workbook": (WORKBOOK, 1002, None, "an Excel workbook"),
    "old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), 1013, None, "an Excel workbook"),
    "compressed": (gzip.compress(GOOD.encode()), 1002, None, "compressed with gzip"),
    "cut zip": (WORKBOOK[:60], 1002, None, "not a zip file"),
    "semicolons, a decimal comma": ("pair_id;p_ss\n9_10;0,5\n", 1004, 2, "column p_ss is '0,5'"),
    "header only": ("pair_id,p_ss\n", 1002, 2, "no pair"),
    "a column twice": ("pair_id,p_ss,P_SS\n9_10,0.5,0.5\n", 1002, 1, "p_ss is columns 2 and 3"),
    "short row": (row("11_12,-1,1"), 1002, 3, "3 cells"),
    "long row": (row("11_12,-1,1,0,"), 1002, 3, "5 cells"),
    "blank line": (row(""), 1002, 3, "empty line"),
    "bad UTF-8": (b"pair_id,p_ss\n9_10,1\n9_11,\xff\n", 1003, 3, "byte 6"),
    "bad UTF-8 in the header": (b"pair_id,n\xffte\n9_10,a\n", 1003, 1, "byte 10"),
    "UTF-16": (GOOD.encode("utf-16"), 1003, 1, "byte 1"),
    "open quote": (row('11_12,"-1,1,0'), 1004, 3, "not valid CSV"),
    "text after a quote": (row('11_12,"1"2,1,0'), 1004, 3, "not valid CSV"),
    "text for a number": (row("11_12,high,1,0"), 1004, 3, "column dz_ss_mean is 'high'"),
    "comma as decimal point": (row('11_12,"0,5",1,0'), 1004, 3, "'0,5'"),
    "text for a count": (row("11_12,-1,1,few"), 1004, 3, "column n_studies_ss is 'few'"),
    "text for an override": ("pair_id,csv_override,p_ss\n9_10,yes,1\n", 1004, 2, "csv_override"),
    "override of 2": ("pair_id,csv_override,p_ss\n9_10,2,1\n", 4004, 2, "csv_override"),
    "no pair": (row("ENSG1_ENSG2,-1,1,0"), 54201, 3, "'ENSG1_ENSG2'"),
    "one gene key": (row("11,-1,1,0"), 54201, 3, "'11'"),
    "three gene keys": (row("11_12_13,-1,1,0"), 54201, 3, "'11_12_13'"),
    "negative gene key": (row("-11_12,-1,1,0"), 54201, 3, "'-11_12'"),
    "no pair id": (row(",-1,1,0"), 54201, 3, "''"),
    "a gene with itself": (row("11_11,-1,1,0"), 54201, 3, "one gene twice"),
    "unknown gene": (row("11_999,-1,1,0"), 54200, 3, "no gene_key 999"),
    "gene key beyond range": (row("11_99999999999999999999,-1,1,0"), 54200, 3, "no gene_key 999999"),
    "gene key 0": (row("0_11,-1,1,0"), 54200, 3, "no gene_key 0"),
    "probability above 1": (row("11_12,-1,1.01,0"), 4004, 3, "column p_ss is '1.01'"),
    "probability below 0": (row("11_12,-1,-1e-9,0"), 4004, 3, "column p_ss"),
    "q above 1": (column("q_combined", "2"), 4004, 4, "q_combined"),
    "kappa above 1": (column("kappa_soth", "1.1"), 4004, 4, "kappa_soth"),
    "share below 0": (column("direction_consistency", "-0.1"), 4004, 4, "direction_consistency"),
    "I2 above 100": (column("dz_ss_I2", "100.5"), 4004, 4, "dz_ss_i2"),
    "correlation above 1": (column("r_sepsis", "1.5"), 4004, 4, "r_sepsis"),
    "correlation below -1": (column("r_septic_shock", "-1.5"), 4004, 4, "r_septic_shock"),
    "negative standard error": (column("se_r_control", "-1"), 4004, 4, "se_r_control"),
    "negative tau2": (column("dz_soth_tau2", "-1"), 4004, 4, "dz_soth_tau2"),
    "count with a fraction": (row("11_12,-1,1,2.5"), 4004, 3, "n_studies_ss is '2.5'"),
    "negative count": (row("11_12,-1,1,-1"), 4004, 3, "n_studies_ss is '-1'"),
    "count beyond range": (row("11_12,-1,1,4000000000"), 4004, 3, "n_studies_ss"),
    "infinite value": (row("11_12,-inf,1,0"), 4004, 3, "dz_ss_mean is '-inf'"),
    "value beyond range": (row("11_12,1e999,1,0"), 4004, 3, "dz_ss_mean is '1e999'"),
    "interval without its estimate": (
        "pair_id,dz_ss_mean,dz_ss_ci_low,dz_ss_ci_high\n9_10,1,1,1\n9_11,1,1.5,2\n", 4004, 3, "dz_ss_ci_low"
    ),
    "pair twice, with other values": (row("10_9,0.5,0.02,3"), 2008, 3, "line 2"),
    "pair twice, once without a value": (row("09_10,0.5,,3"), 2008, 3, "line 2"),
    "unknown technology": ("pair_id,technology,p_ss\n9_10,OTHER,1\n9_11,PCR,1\n", 4004, 3, "technology is 'PCR'"),
    "one word for an organism": ("pair_id,organism,p_ss\n9_10,,1\n9_11,human,1\n", 4004, 3, "organism is 'HUMAN'"),
    "no organism": ("pair_id,organism,p_ss\n9_10,,1\n9_11,9 mice,1\n", 4004, 3, "organism is '9_MICE'"),
    "a quote that swallows rows": (row('11_12,"' + "x\n" * 999 + '",1,0'), 1004, 3, "x\\n…'"),
    "the first of two faults": (row("11_12,-1,7,x\n9_13,-1,7"), 4004, 3, "p_ss"),
    "a fault behind a line break": (
        'pair_id,note,p_ss\n9_10,"two\n""lines""\r\nand more",1\n9_11,"a\nb",7\n', 4004, 5, "p_ss is '7'"
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def guarded(built, tmp_path_factory) -> WarehouseUnderTest:
    """A warehouse that no broken file may change, with rows of a file in staging."""
    folder = tmp_path_factory.mktemp("guarded")
    warehouse = moved(built, folder)
    assert (
        load(warehouse, write(folder / "good.csv", GOOD), "--technology", "RNA-SEQ").exit_code == 0
    )
    return warehouse


def refused(result, warehouse: WarehouseUnderTest, before: list[tuple]) -> dict:
    """The one error of a command that failed and changed nothing."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    (failure,) = events(result, "failed")
    assert failure["action"]
    assert staged(warehouse) == before
    return failure


@pytest.mark.parametrize("case", CASES)
def test_a_broken_file_changes_nothing(guarded, tmp_path, case):
    content, code, line, found = CASES[case]
    path = tmp_path / "broken.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = staged(guarded)
    failure = refused(load(guarded, path, "--technology", "RNA-SEQ"), guarded, before)
    assert (failure["error_code"], failure["line"]) == (code, line)
    assert found in failure["found"]
    assert "refine.bio" not in failure["action"], "a CSV is no download"
    assert failure["file"] == str(path)


@pytest.mark.parametrize(
    ("text", "line"), [(GOOD, 1), ("pair_id,technology,p_ss\n9_10,OTHER,1\n9_11,,1\n", 3)]
)
def test_nothing_says_the_technology(guarded, tmp_path, text, line):
    result = load(guarded, write(tmp_path / "f.csv", text))
    failure = refused(result, guarded, staged(guarded))
    assert (failure["error_code"], failure["line"]) == (54030, line)
    assert "--technology RNA-SEQ" in failure["action"]


@pytest.mark.parametrize(
    ("options", "disease", "code"),
    [
        (["--technology", "RNA-SEQ"], "GOUT", 54030),
        (["--technology", "RNA-SEQ"], "sepsis' or 1=1 --", 54030),
        (["--technology", "PCR"], "SEPSIS", 54030),
        (["--technology", "RNA-SEQ", "--organism", "x'y"], "SEPSIS", 54030),
        (["--technology", "RNA-SEQ", "--organism", ""], "SEPSIS", 54030),
        (["--technology", "RNA-SEQ", "--organism", "human"], "SEPSIS", 54030),
        (["--technology", "RNA-SEQ", "--target", "nowhere"], "SEPSIS", 4001),
        (["--technology", "RNA-SEQ", "--target", "fabric"], "SEPSIS", 4006),
    ],
)
def test_options_that_do_not_fit(guarded, tmp_path, options, disease, code):
    result = load(guarded, write(tmp_path / "f.csv", GOOD), *options, disease=disease)
    assert refused(result, guarded, staged(guarded))["error_code"] == code


def test_a_file_that_is_not_there(warehouse, tmp_path):
    result = load(warehouse, tmp_path / "nowhere.csv", "--technology", "RNA-SEQ")
    assert (result.exit_code, events(result)[0]["error_code"]) == (1, 1001)
    assert not warehouse.path.exists()


def test_a_warehouse_that_was_never_built(warehouse, tmp_path):
    result = load(warehouse, write(tmp_path / "f.csv", GOOD), "--technology", "RNA-SEQ")
    (failure,) = events(result, "failed")
    assert (result.exit_code, failure["error_code"]) == (1, 4008)
    assert failure["action"] == "Run dbt build first"


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_rows_are_read_in_batches(copy, guarded, tmp_path, monkeypatch, rows):
    monkeypatch.setattr("loader.pair_file.csv_rows._CHUNK_ROWS", rows)
    text = 'pair_id,note,p_ss\n9_10,"a\nb",0.5\n9_11,,0\n9_12,,1\n'
    assert load(copy, write(tmp_path / "f.csv", text), "--technology", "OTHER").exit_code == 0
    found = copy.query("select gene_b_key, p_ss, line_no from staging.pair_metrics order by all")
    assert found == [(10, 0.5, 2), (11, 0.0, 4), (12, 1.0, 5)]
    broken = write(tmp_path / "broken.csv", text + "9_13,,7\n9_13\n")
    failure = refused(load(guarded, broken, "--technology", "OTHER"), guarded, staged(guarded))
    assert (failure["error_code"], failure["line"]) == (4004, 6)


def test_a_row_that_stands_twice_is_left_out(copy, tmp_path):
    text = GOOD + "10_9,0.50,1e-2,3.0\n9_10, 0.5 ,0.01,3\n"
    result = load(copy, write(tmp_path / "f.csv", text), "--technology", "RNA-SEQ")
    said = {event["step"]: event for event in events(result)}
    assert (said["rows_repeated"]["row_count"], said["rows_repeated"]["level"]) == (2, "warning")
    assert said["pairs_staged"]["row_count"] == 2
    lines = copy.query("select line_no from staging.pair_metrics order by all")
    assert lines == [(2,), (3,)]


def test_a_pair_without_values_is_left_out_and_replaces_nothing(copy, tmp_path):
    assert load(copy, write(tmp_path / "f.csv", GOOD), "--technology", "RNA-SEQ").exit_code == 0
    text = GOOD.replace("9_10,0.5,0.01,3", "9_10,NA,,\n9_12,,0.5,")
    result = load(copy, write(tmp_path / "later.csv", text), "--technology", "RNA-SEQ")
    said = {event["step"]: event for event in events(result)}
    left_out = said["rows_without_values"]
    assert (left_out["row_count"], left_out["level"]) == (1, "warning")
    assert said["pairs_staged"]["row_count"] == 2
    found = copy.query("select gene_b_key, dz_ss_mean, p_ss from staging.pair_metrics order by all")
    assert found == [(10, 0.5, 0.01), (12, -1.0, 1.0), (12, None, 0.5)]


@pytest.mark.parametrize("sign", ["\t", ";"])
def test_cells_are_separated_as_the_header_is(copy, tmp_path, sign):
    text = GOOD.replace(",", sign).replace("pair_id", '"pair_id"')
    result = load(copy, write(tmp_path / "f.csv", text), "--technology", "RNA-SEQ")
    assert result.exit_code == 0, result.output
    found = copy.query("select gene_b_key, dz_ss_mean, p_ss from staging.pair_metrics order by all")
    assert found == [(10, 0.5, 0.01), (12, -1.0, 1.0)]


def test_one_pair_in_two_technologies_is_no_repetition(copy, tmp_path):
    text = "pair_id,p_ss,technology\n9_10,0.5,rna_seq\n9_10,0.25,Microarray\n"
    assert load(copy, write(tmp_path / "f.csv", text)).exit_code == 0
    found = copy.query(
        "select technology, p_ss, count(distinct batch_id) from staging.pair_metrics group by all order by all"
    )
    assert found == [("MICROARRAY", 0.25, 1), ("RNA-SEQ", 0.5, 1)]


def test_a_row_says_its_organism_before_the_option(copy, tmp_path):
    text = "pair_id,organism,p_ss\n9_10,Mus musculus,1\n9_10,,1\n"
    options = ("--technology", "RNA-SEQ", "--organism", "rattus norvegicus")
    result = load(copy, write(tmp_path / "f.csv", text), *options)
    assert result.exit_code == 0, result.output
    found = copy.query(
        "select organism, count(distinct batch_id) from staging.pair_metrics group by all order by 1"
    )
    assert found == [("MUS_MUSCULUS", 1), ("RATTUS_NORVEGICUS", 1)]
    build_pairs(copy, **SETTINGS)
    assert copy.query(
        "select organism, metrics_source from fact.fact_gene_pair_metrics"
        " where organism <> 'HOMO_SAPIENS' order by 1"
    ) == [("MUS_MUSCULUS", "CSV"), ("RATTUS_NORVEGICUS", "CSV")]


def test_a_pair_of_another_organism_is_not_replaced(copy, tmp_path):
    for organism in ("HOMO_SAPIENS", "MUS_MUSCULUS"):
        path = write(tmp_path / f"{organism}.csv", "pair_id,p_ss\n9_10,0.5\n")
        options = ("--technology", "RNA-SEQ", "--organism", organism)
        (said,) = events(load(copy, path, *options), "pairs_staged")
        assert (said["row_count"], said["replaced_count"]) == (1, 0)
    assert copy.query("select count(*) from staging.pair_metrics") == [(2,)]


def test_the_organism_is_that_of_the_studies(tmp_path):
    """If there are two organisms, the file has to name one; without studies it is human."""
    warehouse = WarehouseUnderTest(tmp_path)

    study, matrix = small_study(2)
    study.sample_fields = {s: {"refinebio_organism": "MUS_MUSCULUS"} for s in study.samples}
    ingest(warehouse, tmp_path, [(study, matrix)])
    build_pairs(warehouse, **SETTINGS)
    path = write(tmp_path / "f.csv", "pair_id,p_ss\n2_3,1\n")
    for technology in ("MICROARRAY", "OTHER"):
        assert load(warehouse, path, "--technology", technology).exit_code == 0
    found = "select technology, organism from staging.pair_metrics order by 1"
    expected = [("MICROARRAY", "MUS_MUSCULUS"), ("OTHER", "HOMO_SAPIENS")]
    assert warehouse.query(found) == expected
    ingest(warehouse, tmp_path, [small_study(3)])
    build_pairs(warehouse, **SETTINGS)
    failure = refused(
        load(warehouse, path, "--technology", "MICROARRAY"), warehouse, staged(warehouse)
    )
    assert (failure["error_code"], failure["line"]) == (54030, 2)
    assert failure["action"] == "Add --organism HOMO_SAPIENS (or MUS_MUSCULUS)"
    assert load(warehouse, path, "--technology", "OTHER").exit_code == 0


def test_columns_that_are_no_metrics_are_named(copy, tmp_path):
    long = "x" * 200_000
    text = f"\ufeffpair_id,Notes,p_ss,\r\n9_10,{long},0.5,\r\n"
    result = load(copy, write(tmp_path / "f.csv", text), "--technology", "other")
    (warning,) = events(result, "columns_ignored")
    assert (warning["columns"], warning["level"]) == ("Notes, ", "warning")
    assert copy.query("select p_ss from staging.pair_metrics") == [(0.5,)]


def test_people_read_it_as_text(copy, tmp_path):
    path = write(tmp_path / "f.csv", "pair_id,csv_override,note,p_ss\n9_10,1,x,1\n")
    result = load(copy, path, "--technology", "RNA-SEQ", "--log-format", "text")
    assert "staged 1 pair of SEPSIS" in result.stdout
    assert "1 pair with csv_override = 1" in result.stderr
    assert "ignored columns, which are no metrics: note" in result.stderr
    failed = load(
        copy, write(path, row("11_12,x,1,0")), "--technology", "OTHER", "--log-format", "text"
    )
    assert f"{path}:3: column dz_ss_mean is 'x'" in failed.stderr
    assert "Traceback" not in failed.output


@pytest.mark.parametrize("method", ["remove_repeated", "stage"])
def test_a_load_that_breaks_off_leaves_nothing(guarded, tmp_path, monkeypatch, method):
    before = staged(guarded)
    original = getattr(DuckDBPairLoad, method)

    def break_off(self: DuckDBPairLoad) -> None:
        original(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(DuckDBPairLoad, method, break_off)
    result = load(
        guarded,
        write(tmp_path / "f.csv", row("9_10,0,0,0").replace("9_10,0.5", "1_2,0.5")),
        "--technology",
        "RNA-SEQ",
    )
    assert result.exit_code == 130
    assert staged(guarded) == before


@given(st.integers(0, 10**30), st.integers(0, 10**30), st.integers(0, 3))
def test_a_pair_id_is_read_in_either_order(first, second, zeros):
    one, other = f"{'0' * zeros}{first}_{second}", f"{second}_{first}"
    expected = None if first == second else (min(first, second), max(first, second))
    assert parse_pair_id(one) == parse_pair_id(other) == expected


@given(st.text())
def test_any_text_is_a_pair_or_none(text):
    pair = parse_pair_id(text)
    assert pair is None or (text.count("_") == 1 and pair[0] < pair[1])


@given(st.lists(st.floats(allow_nan=False) | st.none()))
def test_numbers_are_read_to_the_last_bit(values):
    cells = ["" if value is None else f" {value!r} " for value in values]
    numbers, text = read_numbers(cells)
    assert text is None
    expected = [math.nan if value is None else value for value in values]
    assert numbers.tobytes() == np.array(expected, dtype=float).tobytes()


NEARLY_NUMBERS = st.from_regex(
    r"[+-]?[0-9.]{0,4}([eE][+-]?[0-9]{0,4})?|[+-]?(nan|inf|0x1|1_0|٣)", fullmatch=True
)


@given(st.lists(NEARLY_NUMBERS | st.text(max_size=3)))
def test_a_text_is_found_where_it_first_stands(cells):
    """A list is read as its cells are one by one, whichever of the two readers takes it."""
    alone = [read_numbers([cell, "x"]) for cell in cells]
    numbers, text = read_numbers(cells)
    assert text == next((i for i, (_, place) in enumerate(alone) if place == 0), None)
    for i in range(len(cells) if text is None else text):
        assert numbers[i] == alone[i][0][0] or (
            math.isnan(numbers[i]) and math.isnan(alone[i][0][0])
        )


def test_a_file_that_changes_while_it_is_read(copy, tmp_path, monkeypatch):
    path = write(tmp_path / "pairs.csv", FIRST)
    original = PairFile.batches

    def changed(self, *rest):
        write(path, FIRST.replace("0.25", "0.75"))
        return original(self, *rest)

    monkeypatch.setattr(PairFile, "batches", changed)
    result = load(copy, path, "--technology", "RNA-SEQ")
    (error,) = events(result, "failed")
    assert (result.exit_code, error["error_code"]) == (1, 1010)
    assert staged(copy) == []
