"""All compiled T-SQL is parsed with Microsoft's own parser, ScriptDom, which the formatter maxdop contains:
as SQL Server 2022, and what is compiled for Fabric Warehouse with that one's grammar.

The parser looks at syntax alone. Names are resolved by test_tsql_binder.py; no test checks types.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from compiled_tsql import compiled_operations, compiled_project, project_nodes, sql_files, table_ddl

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="maxdop has no wheel for macOS")

MAXDOP = Path(sys.executable).parent / "maxdop"
GRAMMARS = {"sqlserver": "2022", "fabric": "fabricdw"}

# What is wrong -> a statement, correct but for that.
SYNTAX_ERRORS = {
    "a missing comma": "select a b c from t;",
    "a clause without an expression": "select a from t where;",
    "an open parenthesis": "select (a + b from t;",
    "case without end": "select case when a = 1 then 2 from t;",
    "case with a bare condition": "select case when a then 1 end as b from t;",
    "a condition as a value": "select a > 1 as b from t;",
    "limit": "select a from t order by a limit 1;",
    "join … using": "select t.a from t inner join u using (a);",
    "qualify": "select a from t qualify row_number() over (order by a) = 1;",
    "filter of an aggregate": "select sum(a) filter (where a > 1) as b from t;",
    "is distinct without from": "select a from t where a is distinct b;",
    "a window without order": "select a from t order by row_number() over order by a;",
    "a reserved word as a name": "select a as order from t;",
    "create table if not exists": "create table if not exists t (a int);",
    "merge without a final semicolon": "merge t using u on t.a = u.a when matched then delete",
    "insert without values": "insert into t (a);",
    "a CTE without a query": "with x as (select 1 as a);",
    "if without a statement": "if object_id('t') is null",
    "a text that does not end": "select 'a from t;",
}


def syntax_errors(files: dict[str, str], grammar: str, folder: Path) -> dict[str, str]:
    """File -> the parser's message, for the files that it cannot parse."""
    for name, sql in files.items():
        path = folder / "sql" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(sql)
    config = folder / "maxdop.json"
    config.write_text(json.dumps({"parserVersion": grammar, "initialQuotedIdentifiers": True}))
    process = subprocess.run(
        [str(MAXDOP), "--check", "--config", str(config), str(folder / "sql")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    # It reports each file that is in another style than the formatter's, as all of ours are: a file
    # without a line was not read.
    lines = [line for line in process.stderr.splitlines() if f"{folder}/sql/" in line]
    assert len(lines) == len(files), process.stderr
    found = {}
    for line in lines:
        name, message = line.split(f"{folder}/sql/")[1].split(".sql", 1)
        if "could not be parsed" in message:
            found[f"{name}.sql"] = message.split("unchanged. ")[1]
        else:
            assert message == " would be reformatted"
    return found


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, dict[str, str]]:
    """Target -> file -> SQL: models, tests, hooks (as a first and as a later build), operations; for
    SQL Server the tables of contracts too."""
    found = {}
    for target in GRAMMARS:
        builds = ("full", "incremental") if target == "sqlserver" else ("full",)
        found[target] = {
            f"{build}/{name}": sql
            for build in builds
            for name, sql in sql_files(compiled_project(tmp_path_factory, target, build)).items()
        }
        operations = compiled_operations(tmp_path_factory, target)
        found[target] |= {f"operations/{name}.sql": sql for name, sql in operations.items()}
    tables = table_ddl(project_nodes(compiled_project(tmp_path_factory)))
    found["sqlserver"] |= {f"tables/{name}.sql": sql for name, sql in tables.items()}
    return found


@pytest.mark.parametrize("target", GRAMMARS)
def test_every_file_is_parsed(files, target, tmp_path):
    kinds = {name.split("/")[1] for name in files[target]}
    assert {"models", "seeds", "tests", "dbt_project.yml", "lock_keys.sql"} <= kinds
    assert syntax_errors(files[target], GRAMMARS[target], tmp_path) == {}


@pytest.mark.parametrize("target", GRAMMARS)
def test_a_defect_in_any_kind_of_file_is_found(files, target, tmp_path):
    """In a model, a test, a hook and an operation, a keyword is taken out or misspelt."""
    defects = {
        "full/models/dim/dim_gene.sql": (r"^ *from ", ""),
        "full/models/fact/fact_gene_pair_metrics.sql": (r"\bend as\b", "as"),
        "full/models/staging/stg_batch.sql": (r"^ *select\b", "selec"),
        "full/tests/dbt/assert_pair_metrics_are_in_range.sql": (r"^where\b", "were"),
        "full/dbt_project.yml/hooks/expression_warehouse-on-run-start-1.sql": ("not null", "not"),
        "operations/mark_batch_released.sql": (r"^ *set\b", ""),
    }
    broken = {
        name: re.sub(*defect, files[target][name], count=1, flags=re.MULTILINE)
        for name, defect in defects.items()
    }
    errors = syntax_errors({**files[target], **broken}, GRAMMARS[target], tmp_path)
    assert errors.keys() == defects.keys()


@pytest.mark.parametrize("grammar", GRAMMARS.values())
def test_every_kind_of_syntax_error_is_found(grammar, tmp_path):
    files = {f"{what}.sql": sql for what, sql in SYNTAX_ERRORS.items()}
    assert syntax_errors(files, grammar, tmp_path).keys() == files.keys()


def test_each_target_has_its_grammar(tmp_path):
    files = {
        "clone.sql": "select a from t; create table t as clone of u;",
        "json.sql": "select json_object('a': b) as c from t;",
    }
    refused = {
        grammar: set(syntax_errors(files, grammar, tmp_path))
        for grammar in ("2019", *GRAMMARS.values())
    }
    assert refused == {"2019": {"clone.sql", "json.sql"}, "2022": {"clone.sql"}, "fabricdw": set()}
