"""The 134 features: the catalog against what the models make, both ways, on the simulated and on ten
published studies; and each that SQL computes against numpy."""

import math
from collections.abc import Iterator
from pathlib import Path

import oracle
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import WarehouseUnderTest, events
from sklearn.metrics import average_precision_score
from test_pair_metrics import WATCH_LIST, ingest, small_study
from warehouses import built_demo, staged_panel

from demo.design import PLANTED_PAIRS
from expression_warehouse.core.warehouse.macros import project_macros, render_macros
from expression_warehouse.pairs.catalog import features
from expression_warehouse.pairs.feature_export import DICTIONARY, ENTITIES

PANEL_CONFIG = Path(__file__).parent / "data" / "sepsis_panel.yaml"
TOP = 25
PAIR_COUNT = TOP * (TOP - 1) // 2
SETTINGS = ("--vars", yaml.dump({"gene_filter_top": TOP}))
# All that follows a ranking.
SCORES = (
    "--select",
    "int_slice",
    "int_feature_study+",
    "int_feature_slice+",
    "fact_gene_pair_metrics",
)
CATALOGUE_TESTS = (
    "test", "--select", "assert_features_are_catalogued", "test_name:nulls_as_catalogued",
)  # fmt: skip
NAMES = {feature.feature_name for feature in features()}
RANKED = {f.feature_name for f in features() if f.null_policy == "NOT_RANKED"}


@pytest.fixture(scope="module")
def demo(copy_of, tmp_path_factory) -> WarehouseUnderTest:
    """The simulated studies, built, ranked and built again."""
    warehouse = copy_of(built_demo, tmp_path_factory.mktemp("demo"))
    # As long as the int_..._feature models hold what was computed.
    warehouse.dbt(*CATALOGUE_TESTS)
    result = warehouse.pairs("rank")
    assert result.exit_code == 0, result.output
    # No pair of mice holds a gene of the watch list.
    (skipped,) = events(result, "slice_skipped")
    assert skipped["error_code"] == 54111
    assert "MOUSE_COLITIS RNA-SEQ MUS_MUSCULUS" in skipped["error"]
    assert len(events(result, "pairs_ranked")) == 2
    warehouse.build(*SCORES)
    return warehouse


@pytest.fixture(scope="module")
def panel(copy_of, tmp_path_factory) -> WarehouseUnderTest:
    """Ten published studies."""
    warehouse = copy_of(staged_panel, tmp_path_factory.mktemp("panel"))
    warehouse.build(*SETTINGS)
    warehouse.dbt(*CATALOGUE_TESTS, *SETTINGS)
    result = warehouse.pairs("rank")
    assert result.exit_code == 0, result.output
    warehouse.build(*SETTINGS, *SCORES)
    return warehouse


def without_values(warehouse: WarehouseUnderTest) -> set[str]:
    found = warehouse.query("select distinct feature_name from analytics.vw_feature_long")
    return NAMES - {name for (name,) in found}


def out_of_scale(warehouse: WarehouseUnderTest) -> list[tuple]:
    return warehouse.query(
        "select feature_name, entity_scope, min(feature_value), max(feature_value)"
        " from analytics.vw_feature_long left join meta.meta_feature_catalog as c"
        " using (feature_name, entity_scope)"
        " where c.feature_name is null or feature_value < scale_min or feature_value > scale_max"
        " or not isfinite(feature_value) group by all"
    )


def test_the_catalog_has_134_features():
    assert len(features()) == len(NAMES) == 134
    scopes = {feature.entity_scope for feature in features()}
    assert scopes == {"GENE", "GENE_PAIR", "GENE_PAIR_META", "SAMPLE", "STUDY_COHORT"}
    for feature in features():
        texts = (feature.description, feature.formula, feature.expected_scale)
        assert all(texts), feature.feature_name


def test_the_catalog_has_the_bounds_of_the_fact():
    """These bounds are the ones that files of pair metrics and the fact are checked against."""
    folder = Path(__file__).parents[2] / "macros" / "study"
    scores = render_macros([folder / "feature_columns.sql"], "duckdb").pair_score_columns()
    lines = f"{project_macros('duckdb').pair_metric_columns()}\n{scores}".split("\n")
    bounds = {
        name: tuple(None if bound == "-" else float(bound) for bound in rest[1:])
        for name, *rest in (line.split() for line in lines if line.strip())
    }
    catalog = {
        f.feature_name: (f.scale_min, f.scale_max)
        for f in features()
        if f.source_model == "fact_gene_pair_metrics"
    }
    assert catalog == bounds


def test_both_ways_on_the_simulated_studies(demo):
    """Seven of either technology: some pair has every feature."""
    assert without_values(demo) == set()
    assert out_of_scale(demo) == []
    demo.dbt(*CATALOGUE_TESTS)


def test_both_ways_on_ten_published_studies(panel):
    """No technology has three studies with septic shock and sepsis, or with shock and others: both
    contrasts have no false discovery rate. Values are on log scales."""
    few = {
        *("ONE_STUDY_SS", "TWO_STUDIES_SS", "NO_HK_SE_SS", "NOT_ELIGIBLE_SS", "NO_HK_Q_SS"),
        *("TWO_STUDIES_SOTH", "NOT_ELIGIBLE_SOTH", "NO_HK_Q_SOTH", "NOT_ELIGIBLE", "LOG_SCALE"),
    }
    assert without_values(panel) == {f.feature_name for f in features() if f.null_policy in few}
    assert out_of_scale(panel) == []
    panel.dbt(*CATALOGUE_TESTS, *SETTINGS)


@pytest.mark.parametrize("technology", ["MICROARRAY", "RNA-SEQ"])
def test_the_ranking_finds_the_planted_pairs(demo, technology):
    """Nearly as well as -log10 q_star does, or better: which trees are grown decides on single places."""
    rows = demo.query(
        "select a.gene_id, b.gene_id, unsupervised_score, new_rank_score,"
        " -coalesce(c.q_pair, 1)"
        " from fact.fact_gene_pair_metrics as m"
        " inner join dim.dim_gene_pair as p on m.pair_key = p.pair_key"
        " left join fact.fact_gene_pair_contrast as c on c.is_deciding = 1"
        " and m.pair_key = c.pair_key and m.disease_key = c.disease_key"
        " and m.technology = c.technology and m.organism = c.organism"
        " inner join dim.dim_gene as a on p.gene_a_key = a.gene_key"
        " inner join dim.dim_gene as b on p.gene_b_key = b.gene_key"
        f" where m.technology = '{technology}' and m.organism = 'HOMO_SAPIENS'"
    )
    planted = {pair.genes for pair in PLANTED_PAIRS}
    label = [frozenset(row[:2]) in planted for row in rows]
    assert sum(label) == len(PLANTED_PAIRS)
    scores = zip(*(row[2:] for row in rows), strict=True)
    unsupervised, blend, evidence = (average_precision_score(label, score) for score in scores)
    assert unsupervised >= max(0.95, evidence - 0.01)
    assert blend >= 0.9


def test_what_is_not_as_catalogued_is_found(demo, tmp_path):
    broken = copied(demo, tmp_path)
    values = "update fact.fact_feature_values set"
    broken.query_write(
        f"{values} feature_value = 1.5 where feature_name = 'gene_zero_share'",
        f"{values} feature_name = 'gene_gini' where feature_name = 'gene_missing_share'",
        "update fact.fact_gene_pair_metrics set p_soth_hk = null, n_studies_ss = 1"
        " where organism = 'HOMO_SAPIENS'",
        "insert into staging.int_sample_feature by name select 1 as is_log_scale, 5.0 as sample_library_size",
    )
    broken.dbt(*CATALOGUE_TESTS, "--store-failures", succeeds=False)
    tables = broken.query(
        "select table_schema || '.' || table_name from information_schema.tables"
        " where table_schema like '%dbt_test__audit'"
    )
    findings = str([broken.query(f"from {table}") for (table,) in tables])
    for name in ("gene_zero_share', 'out of bounds", "gene_gini', 'values without an entry"):
        assert name in findings
    # Nulls and values where there should be none, by columns of the catalog's condition.
    for name in ("p_soth_hk', 'NO_HK_SE_SOTH", "dz_ss_loo_min', 'ONE_STUDY_SS", "LOG_SCALE"):
        assert name in findings


def copied(warehouse: WarehouseUnderTest, folder: Path) -> WarehouseUnderTest:
    copy = WarehouseUnderTest(folder)
    copy.path.write_bytes(warehouse.path.read_bytes())
    return copy


def expected_features(
    studies: list[oracle.Matrix],
) -> Iterator[tuple[str, tuple[str, ...], oracle.Row]]:
    """scope, what it is of, and the features of it."""
    for study in studies:
        for gene, row in oracle.gene_features(study).items():
            yield "GENE", (study.accession, gene), row
        for sample, row in oracle.sample_features(study, outlier_mad_max=5).items():
            yield "SAMPLE", (study.accession, sample), row
        for cohort, row in oracle.cohort_features(study, outlier_mad_max=5).items():
            yield "STUDY_COHORT", (study.accession, cohort), row
    for technology in sorted({study.technology for study in studies}):
        own = [study for study in studies if study.technology == technology]
        found = oracle.meta_analysis(own, top=TOP, watched=WATCH_LIST)
        metrics = found.wide
        for gene, row in oracle.hub_features(metrics).items():
            yield "GENE", (technology, gene), row
        scores = oracle.pooled_scores(found)
        for pair, row in metrics.items():
            yield "GENE_PAIR_META", (technology, *pair), row | scores[pair]
        for pair, row in oracle.context_features(own, metrics).items():
            yield "GENE_PAIR", (technology, *pair), row


FOUND = """
select
    f.feature_name,
    coalesce(s.study_accession_code, f.technology),
    case f.entity_scope when 'SAMPLE' then m.sample_accession_code when 'STUDY_COHORT' then i.illness_label
        when 'GENE' then g.gene_id else least(a.gene_id, b.gene_id) end,
    case when f.entity_scope in ('GENE_PAIR', 'GENE_PAIR_META') then greatest(a.gene_id, b.gene_id) end,
    f.feature_value
from analytics.vw_feature_long as f
left join dim.dim_study as s on f.study_key = s.study_key
left join dim.dim_sample as m on f.entity_scope = 'SAMPLE' and f.entity_id_1 = m.sample_key
left join dim.dim_illness as i on f.entity_scope = 'STUDY_COHORT' and f.entity_id_2 = i.illness_key
left join dim.dim_gene as g on f.entity_scope = 'GENE' and f.entity_id_1 = g.gene_key
left join dim.dim_gene_pair as p on case f.entity_scope when 'GENE_PAIR_META' then f.entity_id_1 = p.pair_key
    when 'GENE_PAIR' then f.entity_id_1 = p.gene_a_key and f.entity_id_2 = p.gene_b_key end
left join dim.dim_gene as a on p.gene_a_key = a.gene_key
left join dim.dim_gene as b on p.gene_b_key = b.gene_key
"""


def test_every_feature_that_sql_computes_is_what_numpy_computes(panel, shared_data):
    """From the matrices of the ten studies; all of them, so any twenty drawn at random too."""
    studies = oracle.read_panel(shared_data / "sepsis_panel")
    expected = {
        (name, *((*of, None)[:3])): value
        for _, of, row in expected_features(studies)
        for name, value in row.items()
        if value is not None
    }
    found = {tuple(row[:4]): row[4] for row in panel.query(FOUND) if row[0] not in RANKED}
    assert {key[0] for key in expected} == NAMES - RANKED - without_values(panel)
    assert set(found) == set(expected)
    wrong = [
        (key, value, expected[key])
        for key, value in found.items()
        # p of a test of far out, and sums of shares: as in test_pair_metrics.py.
        if not math.isclose(value, expected[key], rel_tol=1e-8, abs_tol=1e-11)
    ]
    assert not wrong, f"{len(wrong)} values in {sorted({w[0][0] for w in wrong})}: {wrong[:5]}"


def values_of(warehouse: WarehouseUnderTest) -> list[tuple]:
    return warehouse.query("from fact.fact_feature_values order by all")


def test_a_second_build_changes_nothing(panel, tmp_path):
    again = copied(panel, tmp_path)
    scores = "select * from fact.fact_gene_pair_metrics order by all"
    before = values_of(again), again.query(scores)
    again.build(*SETTINGS)
    assert (values_of(again), again.query(scores)) == before


def test_a_study_that_is_loaded_again_is_computed_again_and_its_slice(panel, shared_data, tmp_path):
    """GSE154918, RNA-SEQ, gets another unit: the other studies and the other slice stay, and the scores
    of its slice go until it is ranked again."""
    changed = copied(panel, tmp_path)
    before = values_of(changed)
    config = tmp_path / "pipeline.yaml"
    config.write_text(
        PANEL_CONFIG.read_text().replace(
            "GSE154918:\n    disease: SEPSIS\n    units: LOG2", "GSE154918:\n    disease: SEPSIS\n    units: TPM"
        )
    )  # fmt: skip
    folder = shared_data / "sepsis_panel"
    changed.loader("ingest", folder, "--config", config, "--study", "GSE154918")
    changed.build(*SETTINGS)
    after = values_of(changed)
    ((own,),) = changed.query(
        "select study_key from dim.dim_study where study_accession_code = 'GSE154918'"
    )

    def others(rows: list[tuple]) -> list[tuple]:
        return [row for row in rows if row[5] != own and row[7] != "RNA-SEQ"]

    assert others(after) == others(before)
    assert any(row[5] == own and row[3] == "sample_library_size" for row in after)
    assert not set(after) & {row for row in before if row[5] == own or row[7] == "RNA-SEQ"}
    scored = (
        "select technology, count(*), count(new_rank_score) from fact.fact_gene_pair_metrics"
        " group by all order by 1"
    )
    (_, pairs, of_microarrays), (_, _, of_rna_seq) = changed.query(scored)
    assert pairs >= PAIR_COUNT
    assert (of_microarrays, of_rna_seq) == (pairs, 0)
    assert {row[7] for row in after if row[3] in RANKED} == {"MICROARRAY"}


def test_a_slice_that_is_computed_again_leaves_those_of_other_organisms(warehouse, tmp_path):
    """Two slices of one technology: a second study of the one must not cost the other its features."""
    mouse, _ = mouse_study = small_study(2)
    mouse.sample_fields = {s: {"refinebio_organism": "MUS_MUSCULUS"} for s in mouse.samples}
    ingest(warehouse, tmp_path, [small_study(1), mouse_study])
    warehouse.build()
    of_organism = (
        "select feature_name, count(*) from fact.fact_feature_values"
        " where study_key is null and organism = 'MUS_MUSCULUS' group by all order by all"
    )
    before = warehouse.query(of_organism)
    assert before
    ingest(warehouse, tmp_path, [small_study(3)])
    warehouse.build()
    assert warehouse.query(of_organism) == before


def test_a_full_refresh_keeps_the_ranking(panel, tmp_path):
    refreshed = copied(panel, tmp_path)
    scores = (
        "select pair_key, technology, unsupervised_score, new_rank_score, rank_run_id"
        " from fact.fact_gene_pair_metrics order by 2, 1"
    )
    before = refreshed.query(scores)
    count = len(values_of(refreshed))
    refreshed.build("--full-refresh", *SETTINGS)
    assert refreshed.query(scores) == before
    assert len(values_of(refreshed)) == count


def test_features_are_exported_a_row_an_entity(panel, tmp_path):
    for name in ("one", "two"):
        result = panel.pairs("export-features", tmp_path / name)
        assert result.exit_code == 0, result.output
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == sorted([*(f"{entity.name}.parquet" for entity in ENTITIES), DICTIONARY])
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()

    ((values,),) = panel.query("select count(*) from analytics.vw_feature_long")
    exported = columns = 0
    for entity in ENTITIES:
        table = pq.read_table(tmp_path / "one" / f"{entity.name}.parquet")
        assert table.schema == entity.schema
        keys = table.select(list(entity.keys))
        assert keys.group_by(keys.column_names).aggregate([]).num_rows == table.num_rows > 0
        names = [feature.feature_name for feature in entity.features]
        columns += len(names)
        exported += sum(table.num_rows - table[name].null_count for name in names)
    assert (exported, columns) == (values, 134)

    dictionary = (tmp_path / "one" / DICTIONARY).read_text().splitlines()
    assert len(dictionary) == 1 + sum(len(entity.schema) for entity in ENTITIES)
    assert dictionary[0].startswith("file,column,dtype,")
    assert any(line.startswith("gene_pair.parquet,n_studies_ss,int64,") for line in dictionary)


def test_a_folder_that_cannot_be_written_is_a_named_error(panel, tmp_path):
    (tmp_path / "file").write_text("")
    result = panel.pairs("export-features", tmp_path / "file" / "below")
    assert result.exit_code == 1
    assert "FOLDER_NOT_WRITABLE" in result.stdout
