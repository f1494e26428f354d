"""The API and its pages over a published snapshot: the warehouse's numbers, in each form; errors as
problems; readers and builds that do not wait for each other."""

import io
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from unittest import mock
from urllib.parse import quote
from xml.etree import ElementTree

import duckdb
import numpy as np
import openpyxl
import pyarrow.csv
import pyarrow.parquet
import pytest
from click.testing import CliRunner
from conftest import PROJECT, WarehouseUnderTest, events, examples
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from warehouses import FOUR_STUDIES_COHORTS as COHORTS
from warehouses import FOUR_STUDIES_GENES as GENES
from warehouses import four_studies

from expression_warehouse.api.app import create_app
from expression_warehouse.api.finding_groups import grouped_findings
from expression_warehouse.api.pair_estimates import pair_estimates
from expression_warehouse.api.plots.forest import PooledRow, StudyRow, forest_plot
from expression_warehouse.api.plots.heatmap import heatmap, heatmap_genes
from expression_warehouse.api.plots.scale import scale_over
from expression_warehouse.api.queries import PAIR_CONTRASTS
from expression_warehouse.api.queries_ranked import OF_VIEW
from expression_warehouse.api.rank_settings import RankSettings
from expression_warehouse.api.repool import pooled_without
from expression_warehouse.api.service_files import service_files
from expression_warehouse.api.store import open_store
from expression_warehouse.api.templates import render
from expression_warehouse.api.words import advice, heterogeneity, number_text, p_text, rationale
from expression_warehouse.cli import main as commands
from expression_warehouse.core.snapshot import TABLES, VIEWS, newest_snapshot, publish

pytestmark = pytest.mark.skipif(
    os.environ.get("EXPRESSION_TEST_TARGET") == "sqlserver",
    reason="the API on SQL Server reads the warehouse itself; these tests look at snapshots",
)

ALIASES = ["H2A/m", "FR\u03b3", "IFN alpha (a)"]
UNPAIRED = "HLA-A /// HLA-B?"
SLICE = {"disease": "SEPSIS", "technology": "MICROARRAY", "organism": "HOMO_SAPIENS"}


@pytest.fixture(scope="module")
def built(copy_of, tmp_path_factory: pytest.TempPathFactory) -> WarehouseUnderTest:
    """Four studies of eight genes, built and published; a contrast is defined no longer."""
    warehouse = copy_of(four_studies, tmp_path_factory.mktemp("api"))
    warehouse.query_write(
        "insert into dim.dim_contrast by name select * replace (99 as contrast_key,"
        " 'SEPSIS old' as contrast_natural_key, 'old' as contrast) from dim.dim_contrast"
        " where contrast_natural_key = 'SEPSIS ss'",
        # Aliases that HGNC has, and a gene of one study that no annotation knows.
        *(
            "insert into dim.gene_identifier (identifier_key, organism, id_type, gene_id,"
            " identifier, is_current, is_ambiguous)"
            f" values (upper('{name}'), 'HOMO_SAPIENS', 'ALIAS', '{GENES[2]}', '{name}', true, false)"
            for name in ALIASES
        ),
        "insert into dim.gene_identifier (identifier_key, organism, id_type, gene_id, identifier,"
        " is_current, is_ambiguous) values"
        " ('A1BG', 'HOMO_SAPIENS', 'SYMBOL', 'ENSG00000121410', 'A1BG', true, false),"
        f" ('TWICE', 'HOMO_SAPIENS', 'ALIAS', '{GENES[2]}', 'twice', true, true),"
        f" ('TWICE', 'HOMO_SAPIENS', 'ALIAS', '{GENES[3]}', 'twice', true, true)",
        "insert into dim.dim_gene by name select * replace (999 as gene_key,"
        f" '{UNPAIRED}' as gene_id, '{UNPAIRED}' as gene_symbol) from dim.dim_gene"
        f" where gene_id = '{GENES[2]}'",
        "insert into fact.fact_gene_expression by name select f.* replace (999 as gene_key)"
        " from fact.fact_gene_expression as f join dim.dim_study as s using (study_key)"
        f" join dim.dim_gene as g on f.gene_key = g.gene_key and g.gene_id = '{GENES[2]}'"
        " where s.study_accession_code = 'GSE1'",
    )
    publish(warehouse.path, print)
    return warehouse


@pytest.fixture(scope="module")
def client(built: WarehouseUnderTest) -> Iterator[TestClient]:
    with mock.patch.dict(os.environ, built.env, clear=True):
        yield TestClient(
            create_app(open_store(None), service_files(None)), base_url="http://127.0.0.1:8000"
        )


def fact(warehouse: WarehouseUnderTest, query: str, *settings: str) -> list[dict]:
    with duckdb.connect(str(warehouse.path), read_only=True) as connection:
        for setting in settings:
            connection.execute(setting)
        return connection.sql(query).to_arrow_table().to_pylist()


ALL = {"q": "1", "i2_max": "100", "limit": "1000"}


def test_top_pairs_are_those_of_the_view(built, client):
    found = client.get("/api/v1/analytics/pairs/top", params=ALL).json()
    expected = fact(
        built,
        "select * exclude (etl_created_date) from analytics.vw_pair_metrics_ranked"
        " order by technology, organism, pair_rank",
        "set variable q = 1",
        "set variable i2_max = 100",
    )
    assert len(expected) == math.comb(len(GENES), 2)
    assert [{key: row[key] for key in expected[0]} for row in found] == expected
    assert all(row["gene_a_id"] in row["rationale"] for row in found)
    assert client.get("/analytics/pairs/top", params=ALL).json() == found


@pytest.mark.parametrize("q_basis", ["hk", "spec", "dependent"])
@pytest.mark.parametrize("contrast", ["all", "ss", "soth", "sc"])
def test_ranks_of_the_snapshot_are_those_of_the_view(built, client, q_basis, contrast):
    """The snapshot has the pairs ranked; the settings leave rows out as those of the view do."""
    for q, i2_max, k_min, limit in (
        (1, 100, 3, 7),
        (0.6, 100, 4, 1000),
        (0.9, 40, 2, 5),
        (0.3, 75, 5, 9),
    ):
        names = {"q_basis": q_basis, "contrast": contrast, "q": q, "i2_max": i2_max, "k_min": k_min}
        found = client.get("/api/v1/analytics/pairs/top", params={**names, "limit": limit}).json()
        expected = fact(
            built,
            "select * exclude (etl_created_date) from analytics.vw_pair_metrics_ranked"
            f" where pair_rank <= {limit} order by technology, organism, pair_rank",
            *(f"set variable {name} = '{value}'" for name, value in names.items()),
        )
        assert [row["pair_key"] for row in found] == [row["pair_key"] for row in expected]
        for row, other in zip(found, expected, strict=True):
            assert {key: row[key] for key in other} == other


def test_estimates_of_studies_pool_to_the_fact(built, client):
    """The view of one pair takes the steps of the build: its estimates, pooled here as DerSimonian
    and Laird do, are the fact's."""
    contrasts = fact(
        built,
        "select n.contrast, c.* from fact.fact_gene_pair_contrast c"
        " inner join dim.dim_contrast n using (contrast_key)"
        " inner join dim.dim_disease d on c.disease_key = d.disease_key"
        " where d.disease_label = 'SEPSIS'",
    )
    assert len(contrasts) == 3 * math.comb(len(GENES), 2)
    for row in contrasts:
        studies = client.get(f"/api/v1/pairs/{row['pair_key']}/studies").json()
        own = [
            study
            for study in studies
            if (study["contrast"], study["disease_label"]) == (row["contrast"], "SEPSIS")
        ]
        theta, tau2, i2 = derSimonian_laird(own)
        assert row["n_studies"] == len(own) == 4
        assert row["theta_re"] == pytest.approx(theta, abs=1e-12)
        assert row["tau2"] == pytest.approx(tau2, abs=1e-12)
        assert row["i2"] == pytest.approx(i2, abs=1e-9)


def derSimonian_laird(studies: list[dict]) -> tuple[float, float, float]:  # noqa: N802
    theta, se = (np.array([study[name] for study in studies]) for name in ("theta", "se"))
    w = 1 / se**2
    q = np.sum(w * (theta - np.sum(w * theta) / w.sum()) ** 2)
    degrees = len(studies) - 1
    tau2 = max(0, (q - degrees) / (w.sum() - np.sum(w**2) / w.sum()))
    w = 1 / (se**2 + tau2)
    return np.sum(w * theta) / w.sum(), tau2, 100 * max(0, (q - degrees) / q)


def test_a_pair_has_its_rows_of_the_facts(built, client):
    found = client.get("/api/v1/pairs/1").json()
    contrasts = fact(built, "select * from fact.fact_gene_pair_contrast where pair_key = 1")
    cohorts = fact(built, "select * from fact.fact_gene_pair_cohort where pair_key = 1")
    assert {row["contrast_key"]: row["theta_re"] for row in found["contrasts"]} == {
        row["contrast_key"]: row["theta_re"] for row in contrasts
    }
    assert {row["illness_key"]: row["r"] for row in found["cohorts"]} == {
        row["illness_key"]: row["r"] for row in cohorts
    }


def test_estimates_of_a_page_are_those_of_the_views(built):
    with mock.patch.dict(os.environ, built.env, clear=True):
        edition = open_store(None).current()
    for pair_key in (1, 2):
        found = pair_estimates(edition, pair_key)
        for view, rows in (("vw_pair_cohort", found.cohorts), ("vw_pair_study", found.studies)):
            expected = edition.rows(
                f"select * from {{analytics}}.{view}", {}, {"pair_key": str(pair_key)}
            )
            assert len(rows) == len(expected) > 0
            picked = [{name: row[name] for name in rows[0]} for row in expected]
            assert sorted(rows, key=str) == sorted(picked, key=str)


def test_a_pair_pooled_again_over_all_studies_is_as_in_the_fact(built):
    with mock.patch.dict(os.environ, built.env, clear=True):
        edition = open_store(None).current()
    pooled = pooled_without(edition, 1, tuple(SLICE.values()), ["NO_SUCH"])
    assert sorted(pooled) == ["sc", "soth", "ss"]
    for row in edition.rows(PAIR_CONTRASTS, {"pair_key": 1}):
        again = pooled[row["contrast"]]
        assert {"n_studies", "cochran_q", "p_hk", "consistency_score"} <= set(again)
        assert again == pytest.approx({name: row[name] for name in again}, rel=1e-9, abs=1e-12)


def test_values_of_a_pair_are_the_samples_of_its_slice(built, client):
    found = client.get("/api/v1/pairs/1/values", params=SLICE).json()
    assert len(found) == 4 * sum(COHORTS.values())
    expected = {
        (row["study_key"], row["sample_key"]): row["expression_value"]
        for row in fact(
            built,
            "select e.* from fact.fact_gene_expression e inner join dim.dim_gene_pair p"
            " on e.gene_key = p.gene_a_key where p.pair_key = 1",
        )
    }
    assert sorted(row["value_a"] for row in found) == sorted(expected.values())


def test_an_organism_is_the_same_in_small_letters(client):
    large, small = (
        client.get("/api/v1/pairs", params={"organism": name}).json()
        for name in ("HOMO_SAPIENS", "homo_sapiens")
    )
    assert large == small and large


def test_a_contrast_and_a_test_are_the_same_in_capitals(client):
    large, small = (
        client.get("/api/v1/pairs", params={"contrast": contrast, "q_basis": q_basis}).json()
        for contrast, q_basis in (("SC", "DEPENDENT"), ("sc", "dependent"))
    )
    assert large == small and large


def test_a_name_that_is_not_there_is_no_empty_list(client):
    """It may be misspelt: the answer says which names there are."""
    for setting, name, known in (
        ("disease", "HOMO_SAPIEN", "SEPSIS"),
        ("contrast", "homo_sapien", "ss"),
        ("organism", "HOMO_SAPIEN", "HOMO_SAPIENS"),
    ):
        for path in ("/api/v1/pairs", "/api/v1/analytics/pairs/top"):
            answer = client.get(path, params={setting: "HOMO_SAPIEN"})
            assert answer.status_code == 404
            assert name in answer.json()["detail"] and known in answer.json()["detail"]
        page = client.get("/pairs", params={setting: "HOMO_SAPIEN"})
        assert page.status_code == 200 and "The warehouse has no" in page.text


def test_forms_have_the_same_rows(client):
    rows = client.get("/api/v1/analytics/pairs/top", params=ALL).json()

    def get(form: str) -> io.BytesIO:
        answer = client.get("/api/v1/analytics/pairs/top", params={**ALL, "format": form})
        assert f'filename="top.{form}"' in answer.headers["content-disposition"]
        return io.BytesIO(answer.content)

    csv = pyarrow.csv.read_csv(get("csv")).to_pylist()
    parquet = pyarrow.parquet.read_table(get("parquet")).to_pylist()
    first, *cells = openpyxl.load_workbook(get("xlsx")).active.iter_rows(values_only=True)
    xlsx = [dict(zip(first, row, strict=True)) for row in cells]
    for table in (csv, parquet, xlsx):
        assert [row["pair_key"] for row in table] == [row["pair_key"] for row in rows]
        # Excel keeps 15 to 16 digits.
        means = [row["dz_ss_mean"] for row in rows]
        assert [row["dz_ss_mean"] for row in table] == pytest.approx(means, rel=1e-15)
    accepted = client.get("/api/v1/studies", headers={"accept": "text/csv"})
    assert accepted.headers["content-type"].startswith("text/csv")


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/api/v1/analytics/pairs/top?limit=1001", 422, "limit"),
        ("/api/v1/analytics/pairs/top?limit=0", 422, "limit"),
        ("/api/v1/analytics/pairs/top?q_basis=best", 422, "q_basis"),
        ("/api/v1/analytics/pairs/top?q_bais=hk", 422, "q_bais"),
        ("/api/v1/analytics/pairs/top?disease=NONE", 404, "no disease NONE; it has "),
        ("/api/v1/analytics/pairs/top?contrast=xx", 404, "no contrast xx of SEPSIS; it has all, "),
        (
            "/api/v1/analytics/pairs/top?contrast=old",
            404,
            "no contrast old of SEPSIS; it has all, ",
        ),
        ("/api/v1/pairs/999999", 404, "pair 999999"),
        ("/api/v1/pairs/0", 422, "pair_key"),
        ("/api/v1/pairs/1'--", 422, "pair_key"),
        (
            "/api/v1/pairs/1/values?disease=sepsis&technology=MICROARRAY&organism=HOMO_SAPIENS",
            404,
            "no value of pair 1 in sepsis MICROARRAY HOMO_SAPIENS",
        ),
        ("/api/v1/pairs?disease=sepsis", 404, "no disease sepsis; it has "),
        ("/api/v1/pairs?contrast=xx", 404, "no contrast xx of SEPSIS; it has all, "),
        ("/api/v1/pairs?technology=microarray", 422, "technology"),
        ("/pairs/1?disease=sepsis", 404, "that slice"),
        ("/api/v1/genes/NO_SUCH", 404, "The warehouse has no gene NO_SUCH."),
        ("/api/v1/pairs?gene=NO_SUCH", 404, "The warehouse has no gene NO_SUCH."),
        ("/api/v1/genes/HGNC:0", 404, "The warehouse has no gene HGNC:0."),
        ("/api/v1/pairs?gene=MGI:0", 404, "The warehouse has no gene MGI:0."),
        ("/genes/Gt(NO)26Sor", 404, "The warehouse has no gene Gt(NO)26Sor."),
        ("/api/v1/studies/NO_SUCH", 404, "study NO_SUCH"),
        ("/api/v1/pairs/1?without=GSE900001", 422, "without: unknown; the parameters are: none"),
        ("/api/v1/studies?form=csv", 422, "the parameters are: format"),
        ("/api/v1/analytics/pairs/top?alpha=0.01", 422, "alpha"),
        ("/nowhere", 404, "Not Found"),
        ("/pairs/999999", 404, "pair 999999"),
        ("/pairs/1?technology=RNA-SEQ", 404, "that slice"),
        ("/pairs/1?without=NO_SUCH", 404, "no study NO_SUCH of pair 1 in that slice; it has GSE1"),
        ("/pairs/1?without=GSE1&without=gse2", 404, "no study gse2 of pair 1"),
    ],
)
def test_errors_are_problems(client, path, status, said):
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert said in answer.text


def test_a_browser_gets_an_error_as_a_page(client):
    browser = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    page = client.get("/genes/NO_SUCH", headers=browser)
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert int(page.headers["content-length"]) == len(page.content)
    assert "The warehouse has no gene NO_SUCH." in page.text
    assert 'action="/search"' in page.text
    assert "&lt;b&gt;" in render("problem.html", title="<b>", detail="", status=404)
    document = client.get("/api/v1/genes/NO_SUCH", headers=browser)
    assert document.headers["content-type"] == "application/problem+json"


def test_other_hosts_and_methods_are_refused(client):
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400
    assert client.post("/api/v1/studies").status_code == 405


def test_headers_and_version(client):
    answer = client.get("/")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    again = client.get("/", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


PAGES = [
    "/",
    "/pairs",
    "/pairs?q=1&i2_max=100",
    "/pairs/1",
    "/genes/" + GENES[0],
    "/studies/GSE1",
    "/runs",
]


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_well_formed_and_need_no_script(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    assert "<script" not in answer.text
    assert " style=" not in answer.text, "the content security policy forbids it"
    labels = re.findall(r'<(?:input|select)[^>]* name="(\w+)"', answer.text)
    assert labels, "the search field"
    for svg in re.findall(r"<svg.*?</svg>", answer.text, re.DOTALL):
        ElementTree.fromstring(svg)
    for target in re.findall(r'href="(/[^"#]*)"', answer.text):
        linked = client.get(target.replace("&amp;", "&"))
        assert linked.status_code == 200, target


def test_findings_that_differ_in_numbers_are_one_row():
    base = {
        "severity": "WARNING", "error_code": 2010, "validation_code": "V", "what_to_do": "Look",
        "created_at": datetime(2026, 3, 1, 10, 20),
    }  # fmt: skip
    findings = [
        {**base, "study_accession_code": study, "subject": subject, "finding": finding}
        for study, subject, finding in (
            ("GSE1", "GSM1", "1,200 of 2000 genes <b>"),
            ("GSE2", "GSM3", "900 of 2000 genes <b>"),
            ("GSE1", "GSM2", "7.5 of 2000 genes <b>"),
            ("GSE1", "GSM2", "no genes"),
        )
    ]
    groups = grouped_findings(findings)
    assert [[row["subject"] for row in group] for group in groups] == [
        ["GSM1", "GSM2"], ["GSM3"], ["GSM2"],
    ]  # fmt: skip
    page = render("runs.html", version="1", runs=[], jobs=[], findings=groups)
    table = ElementTree.fromstring(re.search(r"<table>.*?</table>", page, re.DOTALL)[0])
    rows = [
        [" ".join("".join(cell.itertext()).split()) for cell in row] for row in table.find("tbody")
    ]
    assert [row[4] for row in rows] == ["2 alike", "GSM3", "GSM2"]
    assert rows[0][5] == (
        "1,200 of 2000 genes <b>, and alike GSM1: 1,200 of 2000 genes <b> GSM2: 7.5 of 2000 genes <b>"
    )
    assert rows[1][5] == "900 of 2000 genes <b>"
    assert len(table.findall(".//details")) == 1


@contextmanager
def served(built: WarehouseUnderTest, copy: Path) -> Iterator[TestClient]:
    """A client of a changed copy of the warehouse, published."""
    publish(copy, print)
    env = {**built.env, "EXPRESSION_WAREHOUSE_DB": str(copy)}
    with mock.patch.dict(os.environ, env, clear=True):
        app = create_app(open_store(None), service_files(None))
        yield TestClient(app, base_url="http://127.0.0.1:8000")


def test_findings_that_no_longer_hold_are_left_out(built, tmp_path):
    """GSE1 was loaded after one finding and before another; the last build found nothing of the slice."""
    copy = tmp_path / "warehouse.duckdb"
    shutil.copy(built.path, copy)
    findings = [
        ("UNIT_UNDETECTED", 54020, "GSE1", "2020-01-01"),
        ("VALIDATION_KS_FAILED", 2009, "GSE1", "2999-01-01"),
        ("UNIT_UNDETECTED", 54020, "GSE404", "2020-01-01"),
        ("HETEROGENEITY_EXCESS", 54100, None, "2020-01-01"),
        ("AGG_SCREEN_STALE", 54403, None, "2999-01-01"),
    ]
    with duckdb.connect(str(copy)) as connection:
        connection.execute("delete from meta.meta_data_validation_log")
        for name, code, study, created_at in findings:
            details = {"study_accession": study, "error_code": code, "finding": "found"}
            connection.execute(
                "insert into meta.meta_data_validation_log"
                " (run_id, validation_code, severity, details, created_at)"
                " values ('r', ?, 'WARNING', ?, ?)",
                [name, json.dumps(details), created_at],
            )
    with served(built, copy) as client:
        rows = client.get("/api/v1/findings").json()
        assert "UNIT_UNDETECTED" not in client.get("/studies/GSE1").text
    found = {(row["study_accession_code"], row["error_code"]) for row in rows}
    assert found == {("GSE1", 2009), ("GSE404", 54020), (None, 54403)}
    assert all(row["what_to_do"] for row in rows)


def test_a_study_says_how_many_values_were_merged_and_left_out(built, tmp_path):
    """Lines times samples, as the register counts them."""
    copy = tmp_path / "warehouse.duckdb"
    shutil.copy(built.path, copy)
    with duckdb.connect(str(copy)) as connection:
        connection.execute("update staging.batch set merged_count = 24, dropped_count = 1")
    with served(built, copy) as client:
        page = client.get("/studies/GSE1").text
    assert "; 24 values merged into those of another line" in page
    assert "; 1 value left out, of lines that are no genes" in page


def test_a_study_says_how_many_samples_of_a_cohort_take_part(built, client, tmp_path):
    def usable(client: TestClient) -> dict[str, int]:
        rows = client.get("/api/v1/studies/GSE1").json()["cohorts"]
        return {row["illness_label"]: row["usable_count"] for row in rows}

    assert usable(client) == COHORTS
    copy = tmp_path / "warehouse.duckdb"
    shutil.copy(built.path, copy)
    with duckdb.connect(str(copy)) as connection:
        connection.execute(
            "update staging.stg_slice_cohort set is_large_enough = 0 where illness_label = 'SEPSIS'"
        )
    with served(built, copy) as changed:
        assert usable(changed) == {**COHORTS, "SEPSIS": 0}


def test_a_page_says_that_there_are_more_pairs(client):
    said = "2 pairs on this page; the next page has more."
    assert said in client.get("/pairs?disease=SEPSIS&q=1&i2_max=100&limit=2").text
    page = client.get("/pairs?disease=SEPSIS&q=1&i2_max=100&limit=1000").text
    assert "on this page" not in page


def test_settings_of_the_page_that_are_wrong_are_said(client):
    answer = client.get("/pairs?q=two&disease=%3Cb%3E")
    assert answer.status_code == 200
    assert 'role="alert"' in answer.text
    assert "<b>" not in answer.text


def test_search_finds_ids_and_studies(client):
    for text, path in ((GENES[2].lower(), f"/genes/{GENES[2]}"), ("GSE2", "/studies/GSE2")):
        answer = client.get("/search", params={"q": text}, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (307, path)
    assert client.get("/search", params={"q": "x' or 1=1"}).status_code == 404


@pytest.mark.parametrize("form", ["{}.16", " {} ", "\t{}.2_PAR_Y"])
def test_genes_are_named_with_a_version_and_blanks_too(client, form):
    name = form.format(GENES[2])
    for path in ("/api/v1/genes/{}", "/api/v1/genes/{}/expression", "/api/v1/pairs?gene={}"):
        answer = client.get(path.format(quote(name)))
        assert answer.status_code == 200, answer.text
        assert answer.content == client.get(path.format(GENES[2])).content
    found = client.get("/search", params={"q": name}, follow_redirects=False)
    assert found.headers["location"] == f"/genes/{GENES[2]}"


@pytest.mark.parametrize("name", ALIASES)
def test_genes_are_named_by_aliases_with_any_characters(client, name):
    for path in (
        "/genes/{}",
        "/api/v1/genes/{}",
        "/api/v1/genes/{}/expression",
        "/api/v1/pairs?gene={}",
    ):
        answer = client.get(path.format(quote(name, safe="")))
        assert answer.status_code == 200, answer.text
        assert answer.content == client.get(path.format(GENES[2])).content
    assert 'role="alert"' not in client.get("/pairs", params={"gene": name}).text
    found = client.get("/search", params={"q": name.lower()}, follow_redirects=False)
    assert found.headers["location"] == f"/genes/{GENES[2]}"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("A1BG", "The warehouse has no values of gene A1BG, a name of ENSG00000121410."),
        ("twice", f"no single gene twice: it is a name of {GENES[2]}, {GENES[3]}."),
        ("NO_SUCH", "The warehouse has no gene NO_SUCH."),
    ],
)
def test_why_a_gene_is_not_found(client, name, said):
    answer = client.get(f"/api/v1/genes/{name}")
    assert (answer.status_code, said in answer.text) == (404, True), answer.text
    page = client.get("/search", params={"q": name})
    # Names of genes in the warehouse are shown to choose from.
    assert (page.status_code, said in page.text) in ((404, True), (200, False))
    assert (page.status_code == 200) == (name == "twice")


def test_the_page_of_a_gene_without_pairs_says_why(client):
    page = client.get("/search", params={"q": UNPAIRED})
    assert (page.status_code, page.url.path) == (200, f"/genes/{UNPAIRED}")
    assert "No tested pair has this gene" in page.text
    said = " ".join(page.text.split())
    assert "have values of it: 1 of 4 in SEPSIS MICROARRAY HOMO_SAPIENS." in said
    assert client.get(f"/api/v1/genes/{quote(UNPAIRED)}/expression").json()
    listed = client.get("/search", params={"q": "hla-a"})
    assert quote(UNPAIRED) in listed.text
    assert client.get(f"/genes/{GENES[2]}").text.count("No tested pair") == 0


@settings(max_examples=examples(20), deadline=None)
@given(st.text(max_size=60))
def test_hostile_texts_are_answered(client, text):
    for path in ("/search", "/api/v1/analytics/pairs/top", "/pairs"):
        names = ("q",) if path == "/search" else ("disease", "contrast", "technology", "q", "k_min")
        for name in names:
            answer = client.get(path, params={name: text})
            assert answer.status_code in (200, 404, 422)
            assert "Traceback" not in answer.text


def test_a_snapshot_has_all_that_the_api_reads(built):
    """Every relation named in the API's queries is in the snapshot."""
    source = "".join(
        path.read_text() for path in (PROJECT / "expression_warehouse" / "api").glob("*.py")
    )
    read = set(re.findall(r"\{(dim|fact|staging|meta|analytics|seeds)\}\.(\w+)", source))
    ranks = {
        ("analytics", "pair_rank"),
        ("analytics", "pair_record"),
        ("analytics", "pair_row"),
        ("fact", "fact_gene_pair_metrics"),
    }
    kept = {(schema, name) for schema, name, _ in TABLES} | set(VIEWS) | ranks
    assert read <= kept
    snapshot = newest_snapshot(built.path)
    assert snapshot is not None
    with duckdb.connect(str(snapshot.path), read_only=True) as connection:
        for schema, name in kept:
            connection.execute(f"from {schema}.{name} limit 1")


def test_pair_metrics_of_a_snapshot_are_the_facts(built):
    """Their numbers are kept in one list per row, and read as the columns they were."""
    snapshot = newest_snapshot(built.path)
    own = {"disease_label", "gene_a_id", "gene_a_symbol", "gene_b_id", "gene_b_symbol"}
    query = "from fact.fact_gene_pair_metrics order by pair_key, technology"
    with duckdb.connect(str(snapshot.path), read_only=True) as connection:
        found = connection.sql(query).to_arrow_table()
    expected = duckdb.connect(str(built.path), read_only=True).sql(query).to_arrow_table()
    assert set(found.column_names) - set(expected.column_names) == own
    assert found.select(expected.column_names).equals(expected)
    assert expected.num_rows == math.comb(len(GENES), 2)


def test_a_new_snapshot_is_taken_up_and_readers_end_on_the_old_one(built):
    with mock.patch.dict(os.environ, built.env, clear=True):
        store = open_store(None)
        old = store.current()
        with old.warehouse.stream("select * from {analytics}.vw_expression_export") as batches:
            batches.read_next_batch()
            # The build can write, since nobody has the warehouse's file open.
            built.query_write("create or replace table meta.written as select 1 as one")
            published, _ = publish(built.path, print)
            publish(built.path, print)
            new = store.current()
            assert new.version > old.version
            remaining = sum(len(batch) for batch in batches)
        assert remaining >= 0
        assert old.rows(OF_VIEW, RankSettings().parameters, RankSettings().session) is not None
    assert len(list(published.path.parents[1].iterdir())) == 2, "older ones are removed"


def test_publish_leaves_the_earlier_snapshot_if_it_fails(built, tmp_path):
    copy = tmp_path / "warehouse.duckdb"
    shutil.copy(built.path, copy)
    earlier, _ = publish(copy, print)
    with duckdb.connect(str(copy)) as connection:
        connection.execute("drop view analytics.vw_pair_study")
    env = {**built.env, "EXPRESSION_WAREHOUSE_DB": str(copy)}
    result = CliRunner().invoke(commands, ["api", "publish"], env=env)
    assert result.exit_code == 1
    assert "4008" in result.stdout
    assert newest_snapshot(copy) == earlier
    assert [path.name for path in earlier.path.parents[1].iterdir()] == [earlier.version]


def test_a_study_that_is_not_built_yet_is_warned_of(built, tmp_path):
    copy = tmp_path / "warehouse.duckdb"
    shutil.copy(built.path, copy)
    with duckdb.connect(str(copy)) as connection:
        connection.execute(
            "update staging.batch set status = 'STAGED' where study_accession_code = 'GSE1'"
        )
    env = {**built.env, "EXPRESSION_WAREHOUSE_DB": str(copy)}
    result = CliRunner().invoke(commands, ["api", "publish", "--log-format", "text"], env=env)
    assert result.exit_code == 0, result.output
    assert "lacks changes of GSE1," in result.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "update meta.meta_etl_process_log set status = 'FAILED', error_message = 'disk full'"
            " where step = 'dbt build'",
            "the last build is FAILED: disk full",
        ),
        (
            "update staging.batch set status = 'QUARANTINED' where study_accession_code = 'GSE1'",
            "quarantined batches: 1",
        ),
    ],
)
def test_a_doubtful_warehouse_is_published_by_force_only(built, tmp_path, change, said):
    copy = tmp_path / "warehouse.duckdb"
    shutil.copy(built.path, copy)
    with duckdb.connect(str(copy)) as connection:
        connection.execute(change)
    env = {**built.env, "EXPRESSION_WAREHOUSE_DB": str(copy)}
    report = ["export", "--disease", "SEPSIS", str(tmp_path / "report.html")]
    for command in (["publish"], ["serve", "--port", "0"], report):
        refused = CliRunner().invoke(commands, ["api", *command], env=env)
        assert refused.exit_code == 1
        (error,) = events(refused, "failed")
        assert error["error_code"] == 54603
        assert said in error["found"]
    assert newest_snapshot(copy) is None
    forced = CliRunner().invoke(commands, ["api", "publish", "--force"], env=env)
    assert forced.exit_code == 0, forced.output
    assert newest_snapshot(copy) is not None


def test_serve_publishes_answers_and_stops(built, tmp_path):
    copy = tmp_path / "warehouse.duckdb"
    shutil.copy(built.path, copy)
    process = subprocess.Popen(
        [sys.executable, "-m", "expression_warehouse", "api", "serve", "--port", "0", "--log-format", "text"],
        env={**built.env, "EXPRESSION_WAREHOUSE_DB": str(copy), "PYTHONUNBUFFERED": "1"},
        cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert "published snapshot" in process.stdout.readline()
    url = re.search(r"http://\S+", process.stdout.readline())[0]
    with urllib.request.urlopen(f"{url}api/v1/health") as answer:
        assert b"healthy" in answer.read()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, "Traceback" in errors) == (130, False)


def test_serve_says_that_the_port_is_taken(built, tmp_path):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(commands, ["api", "serve", "--port", port], env=built.env)
    assert result.exit_code == 1
    assert "54602" in result.stdout


def test_a_forest_plot_is_deterministic_and_true_to_scale():
    studies = [
        StudyRow("GSE1 <b>", 40, 0.5, 0.1, 0.9, 0.75),
        StudyRow("GSE2", 20, -0.2, -1.0, 0.6, 0.25),
    ]
    pooled = [PooledRow("Hartung-Knapp 95 %", "diamond", 0.3, -0.4, 1.0)]
    plot = forest_plot("a & b", studies, pooled)
    assert plot == forest_plot("a & b", studies, pooled)
    root = ElementTree.fromstring(plot)
    names = {"svg": "http://www.w3.org/2000/svg"}
    squares = [float(rect.get("width")) for rect in root.iterfind(".//svg:rect", names)]
    assert squares[1] / squares[0] == pytest.approx((0.25 / 0.75) ** 0.5, abs=0.05), (
        "area by weight"
    )
    scale = scale_over([0.0, 0.1, 0.9, -1.0, 0.6, -0.4, 1.0], 190, 560)
    (first, _) = root.iterfind(".//svg:line[@class='interval']", names)
    assert float(first.get("x1")) == scale.pixel(0.1)
    assert "GSE1 &lt;b&gt;" in plot


def test_a_heatmap_has_every_pair_of_its_genes():
    names = ("A", "B", "C", "D")
    base = {"disease_label": "SEPSIS", "technology": "MICROARRAY", "organism": "HOMO_SAPIENS", "q_star": 0.1}  # fmt: skip
    rows = [
        {
            **base, "pair_key": number, "effect": effect, "gene_a_id": a, "gene_b_id": b,
            "gene_a_symbol": f"<{a}>", "gene_b_symbol": f"<{b}>",
        }
        for number, (a, b, effect) in enumerate(
            [("A", "B", 0.8), ("A", "C", -0.4), ("C", "D", 0.1), ("B", "D", -0.8)]
        )
    ]  # fmt: skip
    genes = heatmap_genes(rows[:3])
    assert list(genes) == ["A", "C", "B", "D"]
    assert heatmap_genes(rows[:1]) == {}
    plot = heatmap(dict.fromkeys(names, "gene"), rows, {0, 1})
    root = ElementTree.fromstring(plot)
    space = {"svg": "http://www.w3.org/2000/svg"}
    cells = {
        rect.find("svg:title", space).text: rect.get("class")
        for rect in root.iterfind(".//svg:rect", space)
    }
    assert len(root.findall(".//svg:rect", space)) == 4
    assert len(root.findall(".//svg:circle", space)) == 2, "A and D, B and C were not tested"
    assert set(cells.values()) <= {
        "higher step-4 listed", "lower step-2 listed", "higher step-1", "lower step-4",
    }  # fmt: skip


@pytest.mark.parametrize("contrast", ["all", "sc"])
def test_the_heatmap_of_a_page_has_all_tested_pairs(client, contrast):
    page = client.get(f"/pairs?q=1&i2_max=100&limit=5&contrast={contrast}").text
    (plot,) = re.findall(r'<svg class="plot heatmap".*?</svg>', page, re.DOTALL)
    genes = plot.count("<text") // 2
    assert plot.count("<rect") == math.comb(genes, 2)
    assert plot.count(" listed") == 5


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_scales_hold_all_values_and_few_ticks(values):
    scale = scale_over(values, 10, 100)
    assert all(10 <= scale.pixel(value) <= 100 for value in values)
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 7
    assert ticks == sorted(set(ticks))


def test_numbers_in_words():
    assert number_text(-1234.567) == "−1234.57"
    assert number_text(1234567) == "1,234,567"
    assert number_text(None) == "–"
    values = (0.4, 0.04567, 1.23e-9, 0.0, None)
    assert [p_text(value) for value in values] == ["0.40", "0.046", "1.2e-09", "0", "–"]
    assert heterogeneity(80, 3).startswith("The studies differ considerably")
    assert heterogeneity(0, 2) == "The studies agree (I² 0 %)."
    assert heterogeneity(0, 1) == "One study says nothing of heterogeneity."
    row = {
        "gene_a_symbol": "CD86", "gene_a_id": "E1", "gene_b_symbol": None, "gene_b_id": "E2",
        "contrast": "ss", "direction": "LOWER", "effect": -0.5, "effect_ci_low": -0.8,
        "effect_ci_high": -0.2, "included_study_count": 5, "q_star": 0.01, "i2_star": 12.0,
    }  # fmt: skip
    assert rationale(row) == (
        "The correlation of CD86 and E2 is lower in the cases of contrast ss: Fisher z differs by"
        " −0.50 (95 % interval −0.80 to −0.20) over 5 studies, q = 0.010. The studies agree (I² 12 %)."
    )
    only_z = {"n_studies": 3, "is_eligible": True, "q_hk": 0.2, "q": 0.01}
    assert "trust Hartung-Knapp" in advice(only_z)
    assert "there is no q" in advice({**only_z, "is_eligible": False})
    narrow = {**only_z, "q_hk": 0.01, "q": 0.2, "q_hk_adhoc": 0.2, "hk_se": 0.01, "se_re": 0.3}
    assert "may be too narrow" in advice(narrow)
    assert "may be too narrow" not in advice({**narrow, "q_hk_adhoc": 0.05})
    assert "may be too narrow" not in advice({**narrow, "hk_se": 0.4})


def test_a_report_says_which_data_it_shows(built, tmp_path):
    """Not those of the warehouse: a build alone publishes no snapshot."""
    arguments = ["api", "export", "--disease", "SEPSIS", "--q", "1", str(tmp_path / "report.html")]
    result = CliRunner().invoke(commands, [*arguments, "--log-format", "text"], env=built.env)
    assert result.exit_code == 0, result.output
    assert f"data of {newest_snapshot(built.path).version}" in result.output
    assert GENES[0] in (tmp_path / "report.html").read_text(encoding="utf-8")
