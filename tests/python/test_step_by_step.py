"""A warehouse that changed step by step is as one that is built from the same inputs and settings at once."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import TARGET, Study, WarehouseUnderTest
from test_pair_metrics import build_pairs, study_of
from test_validation_rules import KnownStudy, changed
from warehouses import four_studies, without_rows

from expression_warehouse.api import queries

pytestmark = pytest.mark.skipif(TARGET != "duckdb", reason="changes seeds, and reads all columns")

# Contrasts of the same cohorts, of which the primary one decides.
ONE_REFERENCE = "update seeds.contrast set reference_labels = 'SEPSIS' where contrast = 'soth'"


def rows(warehouse: WarehouseUnderTest, table: str) -> list[tuple]:
    """Rows without the times and runs that wrote them; numbers to 9 digits, since sums can run in another order."""
    found = warehouse.query(
        "select columns(lambda c: c not in ('etl_created_date', 'collected_at', 'batch_id', 'feature_run_id', 'rank_run_id'))"
        f" from {table}"
    )
    return sorted(
        (tuple(f"{x:.9g}" if isinstance(x, float) else x for x in row) for row in found), key=repr
    )


# Natural keys, in place of surrogate keys, which follow the order of the builds.
NATURAL_KEYS = {
    "gene": "select gene_key, gene_id from dim.dim_gene",
    "sample": "select sample_key, sample_natural_key from dim.dim_sample",
    "study": "select study_key, study_accession_code from dim.dim_study",
    "platform": "select platform_key, platform_accession from dim.dim_platform",
    "disease": "select disease_key, disease_label from dim.dim_disease",
    "illness": "select illness_key, illness_label from dim.dim_illness",
    "contrast": "select contrast_key, contrast from dim.dim_contrast",
    "pair": "select pair_key, least(a.gene_id, b.gene_id) || ' ' || greatest(a.gene_id, b.gene_id)"
    " from dim.dim_gene_pair inner join dim.dim_gene as a on gene_a_key = a.gene_key"
    " inner join dim.dim_gene as b on gene_b_key = b.gene_key",
}
KEY = re.compile(rf"({'|'.join(NATURAL_KEYS)})(_[ab])?_key(_[12])?")
ENTITIES = {
    "GENE": ("gene", None),
    "SAMPLE": ("sample", None),
    "STUDY_COHORT": ("study", "illness"),
    "GENE_PAIR": ("gene", "gene"),
}
# Times and runs, and what is made of surrogate keys.
LEFT_OUT = re.compile(
    r"etl_.*|created_at|staged_at|updated_at|collected_at|effective_.*|.*run_id|(current_)?batch_id|pair_natural_key|study_disease_map_key"
)
# Pairs that are tested no more stay in dim_gene_pair, as keys do.
TABLES = """
select table_schema, table_name from information_schema.tables
where
    (table_schema in ('dim', 'fact') and table_name <> 'dim_gene_pair')
    or (table_schema = 'meta' and table_name in (
        'meta_study_qc', 'meta_study_likeness', 'meta_gene_id', 'meta_compared_gene', 'vw_finding_current', 'vw_quarantine'
    ))
    or (table_schema = 'analytics' and table_name = 'tbl_gene_pairs_materialized')
"""


def contents(warehouse: WarehouseUnderTest, prefix: str = "") -> dict[str, list[tuple]]:
    """The rows of all dimensions, facts and tables of results, by table. Numbers have 9 digits, since sums can run in
    another order.

    prefix  of the schemas
    """

    def query(sql: str) -> list[tuple]:
        return warehouse.query(
            re.sub(r"\b(dim|fact|meta|analytics)\b(?=[.'])", rf"{prefix}\1", sql)
        )

    keys = {name: dict(query(select)) for name, select in NATURAL_KEYS.items()}
    found = {}
    for schema, table in query(TABLES):
        names = [row[0] for row in warehouse.query(f"describe {schema}.{table}")]
        rows = [
            dict(zip(names, row, strict=True)) for row in warehouse.query(f"from {schema}.{table}")
        ]
        found[table] = sorted((natural(row, keys) for row in rows), key=repr)
    return found


def natural(row: dict, keys: dict[str, dict]) -> tuple:
    """A row with natural keys. Of two genes, samples or studies, the order of the names decides which is the first."""
    values = {}
    for name, value in row.items():
        if key := KEY.fullmatch(name):
            values[name] = keys[key[1]].get(value)
        elif name.startswith("entity_id_"):
            kind = ENTITIES[row["entity_scope"]][int(name[-1]) - 1]
            values[name] = keys[kind][value] if kind else value
        elif not LEFT_OUT.fullmatch(name):
            values[name] = f"{value:.9g}" if isinstance(value, float) else value
    for first, second in (
        ("gene_a_key", "gene_b_key"), ("sample_key_1", "sample_key_2"), ("study_key_1", "study_key_2"),
        *([("entity_id_1", "entity_id_2")] if row.get("entity_scope") == "GENE_PAIR" else []),
    ):  # fmt: skip
        if first in values and values[first] > values[second]:
            sides = ("_a_", "_b_") if "_a_" in first else ("_1", "_2")
            values = {
                name.replace(*sides) if sides[0] in name else name.replace(*reversed(sides)): value
                for name, value in values.items()
            }
            break
    return tuple(sorted(values.items()))


def assert_same(found: dict[str, list[tuple]], expected: dict[str, list[tuple]]) -> None:
    assert found.keys() == expected.keys()
    differences = {}
    for table, rows in expected.items():
        is_one, other = Counter(found[table]), Counter(rows)
        if is_one != other:
            differences[table] = [*(is_one - other), "instead of", *(other - is_one)]
    assert not differences


def two_copies(copy_of, folder: Path, *makes: Callable) -> list[WarehouseUnderTest]:
    copies = []
    for number, make in enumerate(makes):
        (folder / str(number)).mkdir()
        copies.append(copy_of(make, folder / str(number)))
    return copies


def pair_facts(warehouse: WarehouseUnderTest) -> list[list[tuple]]:
    return [
        rows(warehouse, f"fact.fact_gene_pair_{fact}") for fact in ("metrics", "contrast", "cohort")
    ]


@pytest.mark.parametrize(
    "change",
    [
        "update seeds.unit set value_resolution = 4.5",
        "update seeds.contrast set is_primary = case when contrast = 'soth' then 1 else 0 end",
        pytest.param("update seeds.unit set detection_floor = 8", marks=pytest.mark.long),
        pytest.param(
            "update seeds.contrast set case_labels = 'SEPSIS' where contrast = 'soth'",
            marks=pytest.mark.long,
        ),
        pytest.param("delete from seeds.contrast where contrast = 'sc'", marks=pytest.mark.long),
        pytest.param(
            "update seeds.illness_rule set illness_label = 'NO_SEPSIS' where phrase = 'healthy'",
            marks=pytest.mark.long,
        ),
    ],
)
def test_pairs_follow_the_seeds(copy_of, tmp_path, change):
    """A slice is computed again if a seed changes on which its pairs depend."""
    warehouse = copy_of(four_studies, tmp_path)
    build_pairs(warehouse)
    # Builds of the same nodes leave seeds as they are.
    warehouse.query_write(ONE_REFERENCE)
    build_pairs(warehouse)
    before = pair_facts(warehouse)
    warehouse.query_write(change)
    build_pairs(warehouse)
    after = pair_facts(warehouse)
    assert after != before
    warehouse.query_write("delete from fact.fact_gene_pair_metrics")
    build_pairs(warehouse)
    assert after == pair_facts(warehouse)


CURRENT = "select validation_code, subject from meta.vw_finding_current order by all"


def ingest(
    warehouse: WarehouseUnderTest, study: Study, unit: str = "LOG2", exit_code: int = 0
) -> None:
    config = warehouse.folder / "pipeline.yaml"
    config.write_text(f"studies: {{{study.accession}: {{disease: SEPSIS, units: {unit}}}}}\n")
    number = len(list(warehouse.folder.glob("download_*")))
    folder = study.write(warehouse.folder / f"download_{number}")
    result = warehouse.loader("ingest", folder, "--config", config)
    assert result.exit_code == exit_code, result.output


@pytest.mark.parametrize(
    "ended_after", [("+fact_gene_expression",), ("+fact_feature_values", "+meta_study_qc")]
)
def test_a_run_that_ended_early_is_made_up_for(copy_of, tmp_path, ended_after):
    """A study is loaded in another unit, and the run ends before it has judged the values."""
    odd = changed("GSE1", "30", genes=4)
    (tmp_path / "once").mkdir()
    once = copy_of(without_rows, tmp_path / "once")
    ingest(once, odd, "TPM")
    once.build()

    (tmp_path / "twice").mkdir()
    twice = copy_of(without_rows, tmp_path / "twice")
    ingest(twice, KnownStudy("GSE1"))
    twice.build()
    odd.created_at = "2025-01-01T00:00:00"
    ingest(twice, odd)
    twice.build()
    ingest(twice, odd, "TPM")
    twice.build("--select", *ended_after)
    twice.build()
    for table in ("meta.meta_study_qc", "fact.fact_feature_values"):
        assert rows(twice, table) == rows(once, table)
    assert ("VALIDATION_EXPRESSION_OUTLIERS", "GSE1-1") in once.query(CURRENT)
    assert twice.query(CURRENT) == once.query(CURRENT)


def test_a_finding_ends_with_its_cause(copy_of, tmp_path):
    """A file is refused. The finding ends when the loaded file comes again, or a corrected one; and it stays ended when
    staged rows are deleted."""
    warehouse = copy_of(without_rows, tmp_path)
    good, broken = KnownStudy("GSE1"), changed("GSE1", "high")
    ingest(warehouse, good)
    warehouse.build()
    before = warehouse.query(CURRENT)
    ingest(warehouse, broken, exit_code=1)
    assert ("EXTRACTION_PARSE_ERROR", None) in warehouse.query(CURRENT)
    ingest(warehouse, good)
    assert warehouse.query(CURRENT) == before
    ingest(warehouse, broken, exit_code=1)
    ingest(warehouse, changed("GSE1", "7.5"))
    warehouse.build()
    assert ("EXTRACTION_PARSE_ERROR", None) not in warehouse.query(CURRENT)
    warehouse.query_write("update staging.batch set loaded_at = loaded_at - interval 30 day")
    warehouse.dbt("run-operation", "purge_staging")
    assert ("EXTRACTION_PARSE_ERROR", None) not in warehouse.query(CURRENT)


def test_a_corrected_batch_is_no_longer_in_quarantine(copy_of, tmp_path):
    warehouse = copy_of(without_rows, tmp_path)
    held = "select study_accession_code from meta.vw_quarantine"
    ingest(warehouse, changed("GSE1", "90"), exit_code=1)
    assert warehouse.query(held) == [("GSE1",)]
    ingest(warehouse, KnownStudy("GSE1"))
    assert warehouse.query(held) == [("GSE1",)]
    warehouse.build_expression()
    assert warehouse.query(held) == []


def test_samples_that_a_study_no_longer_has_are_not_counted(copy_of, tmp_path):
    warehouse = copy_of(without_rows, tmp_path)
    titles = [*["healthy"] * 4, "patient"]
    ingest(warehouse, KnownStudy("GSE1", titles=titles))
    warehouse.build()
    unknown = "select unknown_illness_share from meta.vw_health"
    assert warehouse.query(unknown) == [(0.2,)]
    samples = [f"GSE1-{number}" for number in range(1, 5)]
    ingest(warehouse, KnownStudy("GSE1", samples=samples, created_at="2025-01-01T00:00:00"))
    warehouse.build()
    assert warehouse.query(unknown) == [(0,)]
    cohorts = queries.STUDY_COHORTS.format(dim="dim", staging="staging")
    assert [row[:3] for row in warehouse.query(cohorts.replace("$study", "'GSE1'"))] == [
        ("CONTROL", "title", 4)
    ]


COHORTS = {"CONTROL": 10, "SEPSIS": 12, "SEPTIC_SHOCK": 14}

# Vars that change numbers or findings, and a value of each that changes some.
SETTINGS = {
    "spearman_se": "bonett_wright",
    "gene_filter_method": "mad",
    "gene_filter_top": 12,
    "k_min": 5,
    "min_cohort_samples": 11,
    "detection_share_min": 0.95,
    "outlier_mad_max": 2,
    "outlier_sample_share_max": 0.01,
    "profile_correlation_min": 0.99,
    "repeated_gene_share_max": 0.9,
    "null_share_max": 0.0001,
    "gene_count_share_min": 0.99,
    "ks_pvalue_min": 0.9,
    "illness_coverage_min": 0.999,
    "shared_gene_share_min": 0.999,
    "study_likeness_min": 100,
}


@dataclass
class FaultyStudy(KnownStudy):
    ks_pvalue: float = 0.5

    def metadata(self) -> dict[str, object]:
        return {**super().metadata(), "ks_pvalue": self.ks_pvalue}


def faulty_studies() -> list[FaultyStudy]:
    """Four studies on whose rows and findings each setting has a say, and three of which have each gene."""
    genes = ["ENSG00000110079", *(f"ENSG{gene:011d}" for gene in range(1, 40))]
    studies, values = [], {}
    for number in range(1, 5):
        study, matrix = study_of(f"GSE{number}", COHORTS, genes, seed=number, decimals=6)
        # Genes that are hardly expressed, outliers, genes that repeat another, and in the last study a sample of the
        # first.
        of_study = 2 ** (matrix.values - 2)
        of_study[12:16] /= 2**9
        of_study[:8, 0] *= 50
        of_study[24:36] = of_study[8]
        values[number] = np.round(of_study, 4)
        if number == 4:
            values[4][:, -1] = values[1][:, 1]
        # The last has the fewest genes, and one that no other has.
        names = [*genes[:-1], "ENSG00000000099"] if number == 4 else genes
        lacks = {*range(number, 40, 9), *(range(5, 40, 9) if number == 4 else ())}
        kept = [place for place in range(40) if place not in lacks]
        lines = [[repr(float(value)) for value in values[number][place]] for place in kept]
        lines[8][5] = ""
        studies.append(
            FaultyStudy(
                study.accession, study.samples, [names[place] for place in kept], lines,
                [*study.titles[:-1], "patient"],
                created_at=f"202{number}-01-01T00:00:00", ks_warning="Failed",
            )
        )  # fmt: skip
    return studies


def staged_with_faults(warehouse: WarehouseUnderTest, _shared_data: Path) -> None:
    for study in faulty_studies():
        ingest(warehouse, study, "TPM")


def built_with_faults(warehouse: WarehouseUnderTest, shared_data: Path) -> None:
    staged_with_faults(warehouse, shared_data)
    warehouse.build()


@pytest.mark.parametrize(
    "name",
    [
        "outlier_mad_max",
        *(pytest.param(n, marks=pytest.mark.long) for n in SETTINGS if n != "outlier_mad_max"),
    ],
)
def test_a_setting_changes_between_builds(copy_of, tmp_path, name):
    """As if it had had its last value from the first build on."""
    twice, once = two_copies(copy_of, tmp_path, built_with_faults, staged_with_faults)
    # The method has a choice only if fewer genes are wanted than there are.
    others = {"gene_filter_top": 12} if name == "gene_filter_method" else {}
    if others:
        twice.build("--vars", yaml.dump(others))
    before = contents(twice)
    for warehouse in (twice, once):
        warehouse.build("--vars", yaml.dump({**others, name: SETTINGS[name]}))
    assert contents(twice) != before
    assert_same(contents(twice), contents(once))
    twice.build("--vars", yaml.dump(others))
    assert_same(contents(twice), before)


def test_the_scale_of_a_unit_changes_between_builds(copy_of, tmp_path):
    warehouse = copy_of(built_with_faults, tmp_path)
    before = contents(warehouse)
    sizes = (
        "select count(*) from fact.fact_feature_values where feature_name = 'sample_library_size'"
    )
    assert warehouse.query(sizes) == [(144,)]
    for is_log_scale, count in ((1, 0), (0, 144)):
        warehouse.query_write(
            f"update seeds.unit set is_log_scale = {is_log_scale} where unit_tag = 'TPM'"
        )
        # Builds of some nodes leave seeds as they are.
        warehouse.build("--select", "+int_target_finding", "+meta_study_qc")
        assert warehouse.query(sizes) == [(count,)]
        assert (contents(warehouse) == before) is (not is_log_scale)


@pytest.mark.parametrize(
    "order", [(4, 2, 3, 1), pytest.param((1, 2, 3, 4), marks=pytest.mark.long)]
)
def test_studies_are_built_one_by_one(copy_of, tmp_path, order):
    """Scores of pairs do not depend on the order either, which surrogate keys follow."""
    one_by_one, once = two_copies(copy_of, tmp_path, staged_with_faults, built_with_faults)
    for number in order:
        one_by_one.build("--select", f"study:GSE{number}")
    assert_same(contents(one_by_one), contents(once))
    for warehouse in (one_by_one, once):
        result = warehouse.pairs("rank")
        assert result.exit_code == 0, result.output
        warehouse.build()
    ranked = contents(once)
    assert "'new_rank_score', '0." in str(ranked["fact_gene_pair_metrics"])
    assert_same(contents(one_by_one), ranked)


@pytest.mark.long
def test_schemas_with_a_prefix(copy_of, tmp_path):
    """A sandbox that grows in two builds, beside a warehouse with the same studies."""
    warehouse = copy_of(built_with_faults, tmp_path)
    before = contents(warehouse)
    warehouse.env["EXPRESSION_SCHEMA_PREFIX"] = "anna_"
    for number, study in enumerate(faulty_studies()):
        ingest(warehouse, study, "TPM")
        if number % 2:
            warehouse.build()
    assert_same(contents(warehouse, "anna_"), before)
    assert_same(contents(warehouse), before)


ESTIMATES = (
    "int_slice", "int_slice_pair", "int_slice_study", "int_slice_value", "int_study_pair_cohort",
    "int_pair_cohort", "int_pair_contrast",
)  # fmt: skip


@pytest.mark.long
def test_intermediate_tables_are_kept_and_then_emptied(copy_of, tmp_path):
    warehouse = copy_of(built_with_faults, tmp_path)
    before = contents(warehouse)
    for is_kept in (True, False):
        # Another k_min, so that both builds compute all pairs.
        settings = {"keep_intermediate": True, "k_min": 2} if is_kept else {}
        warehouse.build("--vars", yaml.dump(settings))
        counts = [warehouse.query(f"select count(*) from staging.{name}") for name in ESTIMATES]
        assert [count > 0 for ((count,),) in counts] == [is_kept] * len(ESTIMATES)
    assert_same(contents(warehouse), before)


def test_two_studies_are_compared_by_their_own_genes(copy_of, tmp_path):
    """Whichever others are loaded with them. Each chooses 64 of 120 genes, and has a sample of the first study."""
    twice, once = two_copies(copy_of, tmp_path, without_rows, without_rows)
    studies = []
    for number in range(1, 4):
        dice = np.random.default_rng(number)
        values = np.round(5 + 3 * dice.random((120, 6)), 4)
        values[dice.random(values.shape) < 0.3] = 0
        if studies:
            values[:, 5] = [float(line[0]) for line in studies[0].values]
        genes = [f"ENSG{gene:011d}" for gene in range(120)]
        lines = [[repr(float(value)) for value in line] for line in values]
        names = [f"GSE{number}S{place}" for place in range(6)]
        studies.append(KnownStudy(f"GSE{number}", samples=names, genes=genes, values=lines))
    for study in studies:
        ingest(once, study)
    for study in (studies[2], *studies[:2]):
        ingest(twice, study)
        if study is not studies[0]:
            twice.build("--select", "+fact_duplicate_sample")
    once.build("--select", "+fact_duplicate_sample")
    found = contents(once)
    assert len(found["fact_duplicate_sample"]) == 3
    assert_same(contents(twice), found)
