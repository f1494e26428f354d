"""The compiled T-SQL of each model against the same model's DuckDB SQL, on one DuckDB file and the same
data. sqlglot translates; both must give the same rows, floats within 1e-12.

What is not run here: T-SQL itself, nor the models of CANNOT, which sqlglot does not translate or
translates wrongly. All models were run on an engine that speaks T-SQL; see CONTRIBUTING.md.
"""

import json
import math
import random
import re
from dataclasses import replace

import duckdb
import pytest
import sqlglot
from conftest import PROJECT, Study, WarehouseUnderTest
from sqlglot import exp

# Each was run on a T-SQL engine, except stg_sample_characteristic, which is stg_sample once more.
CANNOT = {
    "stg_annotation_state": "hashbytes, and its hexadecimal text",
    "stg_contrast": "openjson",
    "stg_illness": "openjson",
    "stg_illness_rule": "openjson",
    "stg_sample": "openjson",
    "stg_sample_characteristic": "openjson",
    "stg_sample_config": "openjson",
    "stg_study": "openjson",
    "stg_slice": "hashbytes, and its hexadecimal text",
    "stg_slice_studies": "hashbytes, and its hexadecimal text",
}

# Written by the clock or the run.
VOLATILE = {
    "etl_created_date", "etl_updated_date", "effective_from", "created_at", "collected_at", "feature_run_id",
    "loaded_at", "last_at",
}  # fmt: skip

RUN_ID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")

COHORTS = {"healthy": 9, "no sepsis": 9, "sepsis": 10, "septic shock": 10}


def study(accession: str, seed: int, **settings: object) -> Study:
    """Correlated genes, one value missing, values that repeat."""
    dice = random.Random(seed)
    titles = [title for title, count in COHORTS.items() for _ in range(count)]
    is_counts = settings.pop("counts", False)
    rows = []
    common = [dice.gauss(0, 1) for _ in titles]
    for gene in range(24):
        values = [8 + (gene % 4) * 0.3 * c + dice.gauss(0, 1) for c in common]
        rows.append([str(int(2 ** (1.3 * v))) if is_counts else f"{v:.1f}" for v in values])
    if is_counts:
        rows[0][0] = "0"
    rows[1][3] = "NA"
    return Study(
        accession=accession,
        samples=[f"{accession}_{i}" for i in range(len(titles))],
        genes=[f"ENSG{i:011d}" for i in range(24)],
        values=rows,
        titles=titles,
        **settings,
    )


def copy_of(source: Study, accession: str) -> Study:
    """Two samples of another study, under new names."""
    columns = [20, 30]
    return replace(
        source,
        accession=accession,
        samples=[f"copy_{i}" for i in columns],
        titles=[source.titles[i] for i in columns],
        values=[[line[i] for i in columns] for line in source.values],
    )


def annotation(count: int) -> list[tuple[str, str, str, str, str, str]]:
    """Of the first genes of `study`: two sources, a retired gene, an ambiguous alias, a mouse gene."""
    values = []
    for i in range(count):
        hgnc, gene = ("hgnc_complete_set", "HGNC", f"HGNC:{i}"), f"ENSG{i:011d}"
        table = ("gene_table", "ENSEMBL", gene)
        values += [
            (*hgnc, "ensembl_gene_id", "", gene),
            (*hgnc, "entrez_id", "", f"{100 + i}"),
            (*hgnc, "symbol", "", f"SYM{i}"),
            (*hgnc, "alias_symbol", f"alias{i // 2}", f"alias{i // 2}"),
            (*table, "symbol", "", f"OTHER{i}"),
            (*table, "biotype", "", "protein_coding"),
            (*table, "chromosome", "", "1"),
            (*table, "start_position", "", f"{i + 1}"),
            (*table, "end_position", "", f"{i + 9}"),
            (*table, "strand", "", "+"),
            (*table, "is_retired", "", f"{int(i == 3)}"),
            ("clinvar_gene_summary", "ENTREZ", f"{100 + i}", "pathogenic_alleles", "", f"{i}"),
            ("gtex_median_tpm", "ENSEMBL", gene, "median_tpm", "Lung", f"{i}.5"),
            ("gtex_median_tpm", "ENSEMBL", gene, "median_tpm", "Liver", f"{9 - i}.25"),
        ]
    mouse = ("mgi_marker", "MGI", "MGI:1")
    return [
        *values,
        (*mouse, "ensembl_gene_id", "", "ENSMUSG1"),
        (*mouse, "symbol", "", "Sym1"),
        (*mouse, "human_orthologue", "HGNC:1", "HGNC:1"),
        (*mouse, "human_orthologue", "HGNC:2", "HGNC:2"),
    ]


@pytest.fixture(scope="module")
def staged(tmp_path_factory) -> WarehouseUnderTest:
    folder = tmp_path_factory.mktemp("twin")
    warehouse = WarehouseUnderTest(folder)
    config = folder / "pipeline.yaml"
    accessions = [f"GSE{i}" for i in range(1, 6)]
    config.write_text(
        "studies:\n"
        + "".join(f"  {name}: {{disease: SEPSIS}}\n" for name in accessions)
        .replace("GSE2: {", "GSE2: {illness_overrides: {GSE2_0: SEPSIS}, exclude: [GSE2_1], ")
    )  # fmt: skip
    copy_of(study("GSE1", 0), "GSE5").write(folder / "downloads" / "GSE5")
    for number, name in enumerate(accessions[:4]):
        is_counts = number == 3
        study(
            name,
            number,
            counts=is_counts,
            technology="RNA-SEQ" if is_counts else "MICROARRAY",
            platform="Illumina HiSeq 2500 (IlluminaHiSeq2500)" if is_counts else "Array One (GPL1)",
        ).write(folder / "downloads" / name)
    if is_counts:
        text = config.read_text().replace("GSE4: {", "GSE4: {units: COUNTS, ")
        config.write_text(text)
    result = warehouse.loader("ingest", folder / "downloads", "--config", config)
    assert result.exit_code == 0, result.stdout
    warehouse.annotate(*annotation(10))
    warehouse.dbt("seed")
    return warehouse


@pytest.fixture(scope="module")
def compiled(staged) -> dict[str, dict[str, str]]:
    """target -> model -> SQL of a first build."""
    found = {}
    for target in ("duckdb", "sqlserver"):
        folder = staged.path.parent / target
        staged.env["DBT_TARGET_PATH"] = str(folder)
        staged.dbt(
            "compile", "--target", target, "--no-introspect", "--no-populate-cache", "--select",
            "resource_type:model",
        )  # fmt: skip
        manifest = json.loads((folder / "manifest.json").read_text())
        models = folder / "compiled" / "expression_warehouse"
        found[target] = {
            # Rows of a run carry its id.
            node["name"]: RUN_ID.sub("a run", (models / node["original_file_path"]).read_text())
            for node in manifest["nodes"].values()
            if node["resource_type"] == "model"
        }
        found["nodes"] = manifest["nodes"]
    return found


def translated(tsql: str) -> str:
    """T-SQL as DuckDB SQL: without the database's name, and with types that mean the same. sqlglot
    takes T-SQL's float for one of 32 bits, bit for a string of bits, and max for a number."""
    (tree,) = sqlglot.parse(tsql, read="tsql")
    for table in tree.find_all(exp.Table):
        table.set("catalog", None)
    for kind in list(tree.find_all(exp.DataType)):
        if kind.is_type(exp.DataType.Type.FLOAT):
            kind.replace(exp.DataType.build("double"))
        elif kind.is_type(exp.DataType.Type.BIT):
            kind.replace(exp.DataType.build("boolean"))
        elif any(str(size).lower() == "max" for size in kind.expressions):
            kind.replace(exp.DataType.build("text"))
    # DuckDB compares byte by byte of itself.
    for collated in list(tree.find_all(exp.Collate)):
        collated.replace(collated.this)
    return tree.sql(dialect="duckdb")


# T-SQL functions whose meaning DuckDB has under another name.
FUNCTIONS = """
create temp macro sysutcdatetime() as cast(now() at time zone 'utc' as timestamp);
create temp macro session_context(name) as getvariable(name);
"""


def in_order(nodes: dict) -> list[dict]:
    """Models, each after those that it reads."""
    ordered: dict[str, dict] = {}

    def visit(key: str) -> None:
        if key in nodes and nodes[key]["resource_type"] == "model" and key not in ordered:
            for parent in nodes[key]["depends_on"]["nodes"]:
                visit(parent)
            ordered[key] = nodes[key]

    for key in sorted(nodes):
        visit(key)
    return list(ordered.values())


def rows_of(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple]:
    result = connection.execute(sql)
    kept = [i for i, column in enumerate(result.description) if column[0].lower() not in VOLATILE]
    return sorted((tuple(row[i] for i in kept) for row in result.fetchall()), key=repr_of)


def repr_of(row: tuple) -> str:
    return repr([f"{value:.9g}" if isinstance(value, float) else value for value in row])


def is_same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-12)
    return one == other


@pytest.fixture(scope="module")
def outcome(staged, compiled) -> dict[str, str]:
    """model -> what is different; empty where nothing is. Each model is made from its DuckDB SQL, so
    that both have the same input."""
    found = {}
    with duckdb.connect(str(staged.path)) as connection:
        connection.execute(FUNCTIONS)
        for node in in_order(compiled["nodes"]):
            name, relation = node["name"], f"{node['schema']}.{node['name']}"
            # All batches at once.
            native = compiled["duckdb"][name].replace("is /* batch */ null", "is not null")
            try:
                expected = rows_of(connection, native)
                got = rows_of(connection, translated(compiled["sqlserver"][name]))
                same = len(got) == len(expected) and all(
                    len(a) == len(b) and all(map(is_same, a, b))
                    for a, b in zip(got, expected, strict=True)
                )
                found[name] = "" if same else f"other rows: {got[:1]} for {expected[:1]}"
            except (duckdb.Error, sqlglot.errors.SqlglotError) as error:
                found[name] = str(error).splitlines()[0]
            kind = "view" if node["config"]["materialized"] == "view" else "table"
            connection.execute(f"create schema if not exists {node['schema']}")
            connection.execute(f"create {kind} {relation} as {native}")
            if name == "int_source_finding":
                connection.execute("update staging.batch set status = 'VALIDATED'")
            elif name == "fact_gene_expression":
                connection.execute(
                    "update staging.batch set status = 'LOADED', loaded_at = '2024-01-01'"
                )
        found["pairs"] = connection.execute(
            "select count(*) from fact.fact_gene_pair_metrics where dz_ss_mean is not null"
        ).fetchone()[0]
        found["duplicates"] = connection.execute(
            "select count(*) from fact.fact_duplicate_sample"
        ).fetchone()[0]
    return found


def models() -> list[str]:
    return sorted(path.stem for path in (PROJECT / "models").rglob("*.sql"))


@pytest.mark.parametrize("name", [name for name in models() if name not in CANNOT])
def test_tsql_gives_the_same_rows(outcome, name):
    assert outcome[name] == ""


@pytest.mark.parametrize("name", CANNOT)
def test_what_sqlglot_cannot_translate_differs(outcome, name):
    """A model that has become translatable leaves the list."""
    assert outcome[name] != "", CANNOT[name]


def test_the_data_reach_the_end(outcome):
    assert outcome["pairs"] > 0
    assert outcome["duplicates"] == 2


def test_no_model_is_on_the_list_that_is_none():
    assert set(CANNOT) <= set(models())
