"""The warehouse from Python and from the shell: what it reads is the warehouse's, and it changes
nothing. The examples of the docs run."""

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path
from unittest import mock

import duckdb
import nbformat
import pyarrow.csv
import pyarrow.parquet
import pytest
from click.testing import CliRunner
from conftest import PROJECT, WarehouseUnderTest
from nbclient import NotebookClient
from warehouses import built_demo

from expression_warehouse import open_warehouse, run_pipeline
from expression_warehouse.api.reading import MissingError
from expression_warehouse.cli import main
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.view_settings import NUMBERS, TEXTS, check_settings
from expression_warehouse.core.warehouse.read_only import count_statements

pytestmark = pytest.mark.skipif(
    os.environ.get("EXPRESSION_TEST_TARGET") == "sqlserver", reason="compares with the DuckDB file"
)


@pytest.fixture(scope="module")
def demo(copy_of, tmp_path_factory) -> WarehouseUnderTest:
    return copy_of(built_demo, tmp_path_factory.mktemp("demo"))


@pytest.fixture
def in_demo(demo):
    with mock.patch.dict(os.environ, demo.env, clear=True):
        yield demo


def fact(warehouse: WarehouseUnderTest, query: str, *settings: str):
    with duckdb.connect(str(warehouse.path), read_only=True) as connection:
        for setting in settings:
            connection.execute(setting)
        return connection.sql(query).to_arrow_table()


def test_ranked_pairs_are_those_of_the_view(in_demo):
    found = open_warehouse().ranked_pairs("SEPSIS", q=1, i2_max=100, technology="RNA-SEQ", limit=30)
    expected = fact(
        in_demo,
        "from analytics.vw_pair_metrics_ranked where technology = 'RNA-SEQ' and pair_rank <= 30"
        " order by pair_rank",
        "set variable q = 1",
        "set variable i2_max = 100",
    )
    assert found.equals(expected)


def test_ranked_pairs_are_all_rows_unless_limited(in_demo):
    widest = {"q": 1, "i2_max": 100, "k_min": 2}
    warehouse = open_warehouse()
    found = warehouse.ranked_pairs("SEPSIS", **widest)
    expected = fact(
        in_demo,
        "from analytics.vw_pair_metrics_ranked order by technology, organism, pair_rank",
        *(f"set variable {name} = {value}" for name, value in widest.items()),
    )
    assert found.equals(expected)
    assert max(found["pair_rank"].to_pylist()) > 1000
    few = warehouse.ranked_pairs("SEPSIS", limit=1500, **widest)
    assert max(few["pair_rank"].to_pylist()) == 1500


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"q_bais": "hk"}, "there is no setting q_bais\n  expected: one of disease, technology"),
        ({"q": "abc"}, "q is 'abc': Input should be a valid number"),
        ({"limit": 0}, "limit is 0: Input should be greater than or equal to 1"),
        ({"q_basis": "best"}, "q_basis is 'best': Input should be 'hk', 'spec' or 'dependent'"),
    ],
)
def test_settings_that_are_wrong_are_named_in_plain_words(in_demo, settings, said):
    with pytest.raises(UserError, match="54030") as error:
        open_warehouse().ranked_pairs("SEPSIS", **settings)
    assert said in str(error.value)
    assert "http" not in str(error.value)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda w: w.ranked_pairs("sepsis"), "The warehouse has no disease sepsis; it has "),
        (
            lambda w: w.ranked_pairs(contrast="xx"),
            "The warehouse has no contrast xx of SEPSIS; it has all, ",
        ),
        (lambda w: w.expression(["CD86"], "septic"), "The warehouse has no cohort septic; it has "),
        (lambda w: w.expression(["NOPE"]), "The warehouse has no gene NOPE"),
        *(
            (call, f"The warehouse has no gene {name!r}: names of genes are texts")
            for name in (None, float("nan"), 942)
            for call in (
                lambda w, name=name: w.expression(name),
                lambda w, name=name: w.expression(["CD86", name]),
                lambda w, name=name: w.pair_studies("CD86", name),
            )
        ),
        (lambda w: w.expression([" "]), "The warehouse has no gene with an empty name"),
    ],
)
def test_what_is_missing_is_a_sentence(in_demo, call, said):
    with pytest.raises(MissingError) as error:
        call(open_warehouse())
    text = str(error.value)
    assert text == said or (text.startswith(said) and said.endswith((" has ", ", ")))


def test_studies_of_a_pair_by_symbols_in_any_order(in_demo):
    warehouse = open_warehouse(in_demo.path)
    found = warehouse.pair_studies("cd86", "MS4A4A")
    assert found.equals(warehouse.pair_studies("MS4A4A", "CD86"))
    (key,) = set(found["pair_key"].to_pylist())
    symbols = fact(in_demo, f"from dim.dim_gene_pair where pair_key = {key}").to_pylist()[0]
    assert {symbols["gene_a_symbol"], symbols["gene_b_symbol"]} == {"CD86", "MS4A4A"}
    with pytest.raises(MissingError):
        warehouse.pair_studies("CD86", "NO_SUCH")


def test_expression_of_genes_and_cohorts(in_demo):
    found = open_warehouse().expression(["CD86", "MS4A4A"], ["SEPTIC_SHOCK"])
    expected = fact(
        in_demo,
        "select count(*) as n, sum(expression_value) as total from analytics.vw_expression_export"
        " inner join dim.dim_gene using (gene_key)"
        " where gene_symbol in ('CD86', 'MS4A4A') and illness_label = 'SEPTIC_SHOCK'",
    ).to_pylist()[0]
    assert len(found) == expected["n"] > 0
    assert sum(found["expression_value"].to_pylist()) == pytest.approx(expected["total"])
    with pytest.raises(MissingError, match="cohort SEPTIC_SHOK"):
        open_warehouse().expression(["CD86"], cohorts=["SEPTIC_SHOK"])


def test_each_gene_is_there_once_by_whatever_names(in_demo):
    warehouse = open_warehouse()
    expected = warehouse.expression(["CD86"], ["CONTROL"])
    assert len(expected)
    (gene_id,) = set(expected["gene_id"].to_pylist())
    names = ["CD86", "cd86", " CD86 ", gene_id, f"{gene_id}.16", f" {gene_id.lower()}.2\n"]
    for genes in (*names, names, iter(names)):
        assert warehouse.expression(genes, "CONTROL").equals(expected)
    both = warehouse.expression(["MS4A4A", "CD86", "MS4A4A"], ["CONTROL"])
    assert both.slice(len(both) - len(expected)).equals(expected)
    assert len(both) == 2 * len(expected)


def test_without_genes_the_table_is_empty(in_demo):
    found = open_warehouse().expression([])
    assert (len(found), found.schema) == (0, open_warehouse().expression("CD86").schema)


@pytest.mark.parametrize("given", ["downloads", Path("downloads"), ["downloads"]])
def test_the_pipeline_takes_one_path_and_one_study(given, tmp_path, monkeypatch):
    called = mock.Mock(return_value=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("expression_warehouse.library.run", called)
    assert run_pipeline(given, studies="GSE1")
    paths, studies, *_ = called.call_args.args
    assert (paths, studies) == ([Path("downloads")], ["GSE1"])


def test_a_reader_keeps_no_build_out(in_demo):
    warehouse = open_warehouse()
    warehouse.sql("select 1 as one")
    with duckdb.connect(str(in_demo.path)) as writer:
        writer.execute("create or replace table meta.written as select 1 as one")
        # DuckDB lets one process open a file more than once; another process is refused.
        code = (
            "from expression_warehouse import open_warehouse\n"
            "from expression_warehouse.core.errors import UserError\n"
            "try:\n    open_warehouse().sql('select 1')\nexcept UserError as error:\n    print(error.code)"
        )
        said = subprocess.run([sys.executable, "-c", code], env=in_demo.env, capture_output=True, text=True)  # fmt: skip
    assert said.stdout == "4010\n"


@pytest.mark.parametrize(
    "query",
    [
        "delete from dim.dim_gene",
        "create table meta.mine as select 1 as one",
        "copy dim.dim_gene to '{folder}/genes.csv'",
        "attach '{folder}/other.duckdb' as other",
        "from read_csv('{folder}/profiles.yml')",
        "set enable_external_access = true",
        "select 1 as one; drop table dim.dim_gene",
    ],
)
def test_queries_only_read(in_demo, query):
    before = in_demo.path.read_bytes()
    with pytest.raises(UserError) as error:
        open_warehouse().sql(query.format(folder=in_demo.folder))
    assert error.value.code == 4017
    assert in_demo.path.read_bytes() == before
    assert not (in_demo.folder / "genes.csv").exists()


def test_sql_command_prints_and_writes(in_demo, tmp_path):
    query = "select gene_id, gene_symbol, 1.5 as number, null as nothing from dim.dim_gene order by gene_id limit 2"

    def run(*arguments: object):
        result = CliRunner().invoke(main, ["sql", query, *map(str, arguments)], env=in_demo.env)
        assert result.exit_code == 0, result.output
        return result.stdout

    expected = fact(in_demo, query)
    first, *lines = run().splitlines()
    assert first.split() == expected.column_names
    assert [line.split()[0] for line in lines] == expected["gene_id"].to_pylist()
    assert run("--format", "csv").splitlines()[0] == '"gene_id","gene_symbol","number","nothing"'
    run("--output", tmp_path / "genes.parquet")
    assert (
        pyarrow.parquet.read_table(tmp_path / "genes.parquet").to_pylist() == expected.to_pylist()
    )
    run("--output", tmp_path / "genes.csv")
    assert pyarrow.csv.read_csv(tmp_path / "genes.csv")["gene_id"].equals(expected["gene_id"])


@pytest.mark.parametrize(
    ("query", "printed"),
    [
        ("select 1 as a, 2 as a", ["a  a", "1  2"]),
        (
            "select x.*, y.* from (values (1, 'one')) as x(n, t), (values (2, 'two')) as y(n, t)",
            ["n  t    n  t", "1  one  2  two"],
        ),
        ("select 1 as a, 2 as a where false", ["a  a"]),
    ],
)
def test_columns_of_one_name_are_all_printed(in_demo, query, printed):
    result = CliRunner().invoke(main, ["sql", query], env=in_demo.env)
    assert (result.exit_code, result.stdout.splitlines()) == (0, printed)


def test_sql_command_takes_settings_and_names_errors(in_demo):
    count = "select count(*) as n from analytics.vw_pair_metrics_ranked"

    def run(*arguments: str):
        return CliRunner().invoke(main, ["sql", *arguments], env=in_demo.env)

    few, all_ = (int(run(count, *more).stdout.split()[1]) for more in ((), ("--set", "q=1")))
    assert 0 < few < all_
    for arguments, code, text in (
        (["select {x}"], 1, "4017 QUERY_FAILED"),
        (["from no.such"], 1, "4017 QUERY_FAILED"),
        (["select no_such from dim.dim_gene"], 1, "4017 QUERY_FAILED"),
        ([count, "--set", "q=abc"], 1, "q is abc, expected a number from 0 to 1"),
        ([count, "--set", "q=0,01"], 1, "q is 0,01, expected a number"),
        ([count, "--set", "k_min="], 1, "k_min is , expected a whole number from 2 to 10000"),
        ([count, "--set", "q_basis=foo"], 1, "q_basis is foo, expected hk"),
        ([count, "--set", "nope=1"], 1, "no view has the setting nope"),
        ([count, "--set", "q"], 2, "NAME=VALUE"),
        ([count, "--output", "x.txt"], 2, ".parquet"),
    ):
        result = run(*arguments)
        assert result.exit_code == code
        assert text in result.output


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e400", "-1", "99999999999", "1e", ""])
def test_numbers_of_settings_have_the_ranges_of_the_service(in_demo, name, text):
    with pytest.raises(UserError, match=rf"54030 CONFIG_INVALID\s+{name} is {text}, expected a "):
        open_warehouse().sql("select 1 as a", **{name: text})


@pytest.mark.parametrize(
    ("name", "text", "is_right"),
    [
        ("k_min", "2.5", False), ("k_min", "1", False), ("k_min", "3.0", True), ("q", "1", True),
        ("pair_key", "1.5", False), ("i2_max", "100.01", False), ("i2_max", "7.5e1", True),
    ],
)  # fmt: skip
def test_numbers_of_settings(name, text, is_right):
    with contextlib.nullcontext() if is_right else pytest.raises(UserError, match="54030"):
        check_settings({name: text})


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "the query has no statement"),
        (" ; ", "the query has no statement"),
        ("-- select 1", "the query has no statement"),
        ("/* none */", "the query has no statement"),
        ("select 1; select 2", "the query has 2 statements"),
        ("set variable q = 1; select 1;", "the query has 2 statements"),
        ("selec 1", "syntax error"),
    ],
)
def test_what_is_not_one_query_is_refused(in_demo, query, said):
    result = CliRunner().invoke(main, ["sql", "--", query], env=in_demo.env)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "4017 QUERY_FAILED" in result.stderr and said in result.stderr


@pytest.mark.parametrize("engine", ["duckdb", "sqlserver"])
def test_statements_are_counted(engine):
    for query, count in (
        ("", 0), ("-- a; b", 0), ("/* a; b */;", 0), ("select 1; -- end", 1), ("; select 1", 1),
        ("select 'a;b' as \"c;d\"", 1), ("with a as (select 1 as n) select n from a;", 1),
        ("select 1; select 2", 2), ("select 1;;select 2;select 3", 3),
    ):  # fmt: skip
        assert count_statements(engine, query) == count, query


def test_settings_are_those_that_the_models_read():
    models = (path.read_text() for path in (PROJECT / "models").rglob("*.sql"))
    read = {name for text in models for name in re.findall(r"session_\w+\('(\w+)'", text)}
    assert read == {*NUMBERS, *TEXTS}


def test_tsql_that_changes_something_is_refused():
    from expression_warehouse.core.warehouse.read_only import refuse_changes

    refuse_changes("select [update], 'delete' as \"drop\" from dim.dim_gene -- insert")
    for query in ("select 1 commit", "with x as (select 1) DELETE from x", "exec sp_who"):
        with pytest.raises(UserError, match="54030"):
            refuse_changes(query)


def test_example_of_the_docs_runs(in_demo):
    (code,) = re.findall(r"```python\n(.*?)```", (PROJECT / "docs" / "python.md").read_text(), re.S)
    assert len([line for line in code.splitlines() if line]) <= 10
    names: dict = {}
    exec(code, names)
    assert len(names["pairs"]) and len(names["studies"]) and len(names["runs"])
    assert names["means"].shape == (4, 3)


def test_notebook_runs(in_demo):
    notebook = nbformat.read(PROJECT / "docs" / "python.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "kept without outputs"
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs[-1].output_type == "execute_result"
