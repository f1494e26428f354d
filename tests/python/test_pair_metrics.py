"""fact_gene_pair_metrics, every column: against a recomputation in numpy and scipy on ten published
studies and on three small ones with ties and gaps; and how it follows a change of its studies."""

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb
import numpy as np
import oracle
import pytest
import yaml
from conftest import Study, WarehouseUnderTest, moved
from warehouses import staged_panel

from expression_warehouse.core.project import read_seed

WATCHED = ["ENSG00000110079", "ENSG00000114013"]
WATCH_LIST = [gene["gene_id"] for gene in read_seed("watch_list")]
TITLES = {
    "CONTROL": "healthy",
    "NO_SEPSIS": "no sepsis",
    "SEPSIS": "sepsis",
    "SEPTIC_SHOCK": "septic shock",
    "UNKNOWN": "patient",
}
IDENTITY = {"pair_key", "metrics_scope", "metrics_source", "disease_key", "technology", "organism"}
LONG_IDENTITY = {"pair_key", "disease_key", "technology", "organism", "contrast_key", "illness_key"}
# agent_result_json is of reviews: tests of the API look at it.
AUDIT = {"feature_run_id", "batch_id", "etl_created_date", "rank_run_id", "agent_result_json"}
# Places among other pairs: of two that differ by rounding, either can be the first. test_features.py
# looks at them.
SCORES = {"metrics_score", "rank_score", "unsupervised_score", "new_rank_score"}

Rows = dict[tuple[str, str], dict[str, object]]


# The fact with all that it is made of, and the views of it: little more than half of the models.
PAIRS = (
    "--select", "+fact_gene_pair_metrics", "vw_pair_metrics_ranked", "vw_pair_metrics_significant",
)  # fmt: skip


def build(warehouse: WarehouseUnderTest, *arguments: str, **settings: object) -> str:
    return warehouse.build("--vars", yaml.dump(settings), *arguments)


def build_pairs(warehouse: WarehouseUnderTest, *arguments: str, **settings: object) -> str:
    return build(warehouse, *PAIRS, *arguments, **settings)


def table(warehouse: WarehouseUnderTest) -> dict[tuple[str, str], Rows]:
    """(disease, technology) -> (gene id, gene id) -> the row."""
    select = (
        "select d.disease_label, least(a.gene_id, b.gene_id), greatest(a.gene_id, b.gene_id), m.*"
        " from fact.fact_gene_pair_metrics m inner join dim.dim_disease d using (disease_key)"
        " inner join dim.dim_gene_pair p using (pair_key)"
        " inner join dim.dim_gene a on p.gene_a_key = a.gene_key"
        " inner join dim.dim_gene b on p.gene_b_key = b.gene_key"
    )
    names = [row[0] for row in warehouse.query(f"describe {select}")]
    slices: dict[tuple[str, str], Rows] = {}
    for values in warehouse.query(select):
        row = dict(zip(names[3:], values[3:], strict=True))
        pairs = slices.setdefault((values[0], row["technology"]), {})
        assert values[1:3] not in pairs, "a pair stands twice"
        pairs[values[1:3]] = row
    return slices


def long_table(
    warehouse: WarehouseUnderTest, fact: str, technology: str, disease: str = "SEPSIS"
) -> dict[tuple[str, str, str], dict[str, object]]:
    """(gene id, gene id, contrast or cohort) -> the row of a long fact."""
    dimension, name = {
        "fact_gene_pair_contrast": ("dim.dim_contrast c using (contrast_key)", "c.contrast"),
        "fact_gene_pair_cohort": (
            "dim.dim_illness c using (illness_key)",
            "lower(c.illness_label)",
        ),
    }[fact]
    select = (
        f"select least(a.gene_id, b.gene_id), greatest(a.gene_id, b.gene_id), {name}, m.*"
        f" from fact.{fact} m inner join {dimension}"
        " inner join dim.dim_disease d on m.disease_key = d.disease_key"
        " inner join dim.dim_gene_pair p using (pair_key)"
        " inner join dim.dim_gene a on p.gene_a_key = a.gene_key"
        " inner join dim.dim_gene b on p.gene_b_key = b.gene_key"
        f" where m.technology = '{technology}' and d.disease_label = '{disease}'"
    )
    names = [row[0] for row in warehouse.query(f"describe {select}")]
    return {row[:3]: dict(zip(names[3:], row[3:], strict=True)) for row in warehouse.query(select)}


def assert_slice(warehouse: WarehouseUnderTest, technology: str, expected: oracle.Slice) -> None:
    """All three facts of a slice of SEPSIS."""
    assert_as_expected(table(warehouse)["SEPSIS", technology], expected.wide)
    assert_long_facts(warehouse, technology, expected, "SEPSIS")


def assert_long_facts(
    warehouse: WarehouseUnderTest, technology: str, expected: oracle.Slice, disease: str
) -> None:
    for fact, rows in (
        ("fact_gene_pair_contrast", expected.contrasts),
        ("fact_gene_pair_cohort", expected.cohorts),
    ):
        found = long_table(warehouse, fact, technology, disease)
        assert set(found) == set(rows)
        columns = set(next(iter(found.values())))
        assert columns - LONG_IDENTITY - AUDIT == set(next(iter(rows.values())))
        wrong = differences(found, rows)
        assert not wrong, f"{fact}: {len(wrong)} in {sorted({w[3] for w in wrong})}: {wrong[:5]}"


def without(rows: Rows, columns: Iterable[str]) -> Rows:
    dropped = set(columns)
    return {
        pair: {name: value for name, value in row.items() if name not in dropped}
        for pair, row in rows.items()
    }


def is_probability(column: str) -> bool:
    return column in ("p", "q") or (
        column.startswith(("p_", "q_", "combined_p")) or column.endswith("_q_p")
    )


def differences(found: dict, expected: dict[tuple, oracle.Row]) -> list[tuple]:
    """Values that differ: by 1e-9 relative, p by 1e-8 down to 1e-300, and null against a value.

    The difference of two equal numbers leaves rounding of about 1e-15, whence 1e-12 absolute.
    """

    def equal(column: str, one: object, other: float | None) -> bool:
        if one is None or other is None:
            return one is other
        if is_probability(column):
            return math.isclose(one, other, rel_tol=1e-8, abs_tol=1e-300)
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)

    return [
        (*pair, column, found[pair][column], value)
        for pair, row in expected.items()
        for column, value in row.items()
        if not equal(column, found[pair][column], value)
    ]


def assert_as_expected(found: Rows, expected: dict[tuple[str, str], oracle.Row]) -> None:
    assert set(found) == set(expected)
    columns = set(next(iter(found.values())))
    assert columns - IDENTITY - AUDIT - SCORES == set(next(iter(expected.values())))
    wrong = differences(found, expected)
    assert not wrong, f"{len(wrong)} values in {sorted({w[2] for w in wrong})}: {wrong[:5]}"


def test_ten_published_studies(copy_of, shared_data, tmp_path):
    """The studies' own 40 most variable genes, whose cut the watch list crosses."""
    warehouse = copy_of(staged_panel, tmp_path)
    build_pairs(warehouse, gene_filter_top=40)
    studies = oracle.read_panel(shared_data / "sepsis_panel")
    found = table(warehouse)
    assert set(found) == {("SEPSIS", "MICROARRAY"), ("SEPSIS", "RNA-SEQ")}
    for (_, technology), rows in found.items():
        own = [study for study in studies if study.technology == technology]
        assert rows
        assert_slice(warehouse, technology, oracle.meta_analysis(own, top=40, watched=WATCH_LIST))


def as_text(value: float) -> str:
    return "NA" if math.isnan(value) else repr(float(value))


def study_of(
    accession: str,
    cohorts: dict[str, int],
    genes: Sequence[str],
    seed: int,
    decimals: int = 1,
    technology: str = "MICROARRAY",
) -> tuple[Study, oracle.Matrix]:
    """A study to be written and the same as the oracle reads it. Co-expression differs by cohort;
    few decimals make ties."""
    dice = np.random.default_rng(seed)
    labels = [cohort for cohort, n in cohorts.items() for _ in range(n)]
    loadings = {cohort: dice.normal(size=(len(genes), 2)) for cohort in TITLES}
    values = np.array([loadings[c] @ dice.normal(size=2) for c in labels]).T
    spread = np.linspace(0.3, 1.5, len(genes))[:, None]
    values = np.round(8 + spread * (values + dice.normal(size=values.shape)), decimals)
    study = Study(
        accession,
        samples=[f"{accession}S{i}" for i in range(len(labels))],
        genes=list(genes),
        values=[],
        titles=[TITLES[cohort] for cohort in labels],
        technology=technology,
    )
    return study, oracle.Matrix(accession, technology, list(genes), values, labels)


def ingest(
    warehouse: WarehouseUnderTest,
    folder: Path,
    studies: Iterable[tuple[Study, oracle.Matrix]],
    **config: object,
) -> None:
    """Write the studies as downloads, each with the disease SEPSIS, and stage them."""
    for study, matrix in studies:
        study.values = [[as_text(value) for value in line] for line in matrix.values]
        settings = {"disease": "SEPSIS", "units": "LOG2", **config}
        path = folder / f"{study.accession}.yaml"
        path.write_text(yaml.dump({"studies": {study.accession: settings}}))
        download = study.write(folder / f"download_{study.accession}")
        result = warehouse.loader("ingest", download, "--config", path)
        assert result.exit_code == 0, result.output


def test_ties_gaps_constant_genes_and_small_cohorts(warehouse, tmp_path):
    genes = [WATCHED[0], *(f"ENSG2{i:02d}" for i in range(14))]
    first = study_of(
        "GSE1",
        {"CONTROL": 12, "NO_SEPSIS": 8, "SEPSIS": 10, "SEPTIC_SHOCK": 9, "UNKNOWN": 3},
        genes,
        seed=1,
    )
    second = study_of(
        "GSE2", {"CONTROL": 10, "SEPSIS": 12, "SEPTIC_SHOCK": 10}, genes, seed=2, decimals=0
    )
    # Seven samples with sepsis are too few for a cohort, on either side of a contrast.
    third = study_of(
        "GSE3", {"CONTROL": 9, "SEPSIS": 7, "SEPTIC_SHOCK": 11}, genes, seed=3, decimals=2
    )
    studies = [first, second, third]
    dice = np.random.default_rng(4)
    for _, matrix in studies:
        matrix.values[dice.random(matrix.values.shape) < 0.02] = np.nan
        matrix.values[[0, 10]] = np.round(matrix.values[[0, 10]], 1)
        matrix.values[11] = 7.0  # constant everywhere
        matrix.values[13] = matrix.values[12]  # r is 1
    one, two, three = (matrix for _, matrix in studies)
    two.values[9] = 5.5  # constant in one study
    one.values[8, one.members["septic_shock"]] = 6.0  # constant in one cohort
    three.values[7, np.flatnonzero(three.members["control"])[:2]] = np.nan  # 7 values are left
    one.values[6, one.members["sepsis"]] = np.nan  # no value in a cohort
    three.values[5, ~three.members["septic_shock"]] = np.nan  # values in one cohort only
    # A gene that one study did not measure, and one that only one study did.
    del three.genes[14], third[0].genes[14]
    three.values = np.delete(three.values, 14, axis=0)
    for study, matrix in (first, third):
        del matrix.genes[4], study.genes[4]
        matrix.values = np.delete(matrix.values, 4, axis=0)
    for _, matrix in studies:
        matrix.__post_init__()

    ingest(warehouse, tmp_path, studies)
    build_pairs(warehouse, gene_filter_top=9, k_min=2, spearman_se="bonett_wright")

    matrices = [matrix for _, matrix in studies]
    whole = oracle.meta_analysis(
        matrices, top=9, k_min=2, spearman_se="bonett_wright", watched=WATCHED
    )
    assert_slice(warehouse, "MICROARRAY", whole)
    expected = whole.wide

    # The data have what this test is for.
    assert len({gene for pair in expected for gene in pair}) == 10
    assert WATCHED[0] not in oracle.candidate_genes(matrices, 9, 2, watched=[])
    seen = {
        column: {row[column] for row in expected.values()} for column in expected[pair_of(expected)]
    }
    assert {1, 2} <= seen["n_studies_ss"]
    assert {2, 3} <= seen["n_studies_soth"]
    assert None in seen["dz_ss_hk_se"]
    assert None in seen["dz_soth_pi_low"]
    assert max(seen["r_control"]) > 0.99
    assert len(seen["n_samples_control"]) > 2


def joined(
    accession: str,
    genes: Sequence[str],
    *parts: tuple[Study, oracle.Matrix, Iterable[int]],
) -> tuple[Study, oracle.Matrix]:
    """A study that has some samples of others."""
    chosen = [(study, matrix, i) for study, matrix, own in parts for i in own]
    samples = [study.samples[i] for study, _, i in chosen]
    titles = [study.titles[i] for study, _, i in chosen]
    labels = [matrix.cohorts[i] for _, matrix, i in chosen]
    values = np.array([matrix.values[:, i] for _, matrix, i in chosen]).T
    study = Study(accession, samples=samples, genes=list(genes), values=[], titles=titles)
    return study, oracle.Matrix(accession, "MICROARRAY", list(genes), values, labels, samples)


def test_shared_samples_and_subjects(warehouse, tmp_path):
    """A superseries with samples of its own, patients on several days, and a study that has some of
    these samples."""
    genes = [*WATCHED, *(f"ENSG4{i:02d}" for i in range(10))]
    cohorts = {"CONTROL": 10, "SEPSIS": 12, "SEPTIC_SHOCK": 11}
    by_day = {"CONTROL": 9, "SEPSIS": 48, "SEPTIC_SHOCK": 27}
    made = [study_of(f"GSE{n}", cohorts, genes, seed=n) for n in (1, 2, 6, 7)]
    made.append(study_of("GSE4", by_day, genes, seed=4))
    for number, (study, matrix) in enumerate(made, start=1):
        matrix.samples = study.samples = [
            f"GSM{1000 * number + i}" for i in range(len(study.samples))
        ]
    first, second, third, fourth, days = made
    # The sepsis samples of its own are too few for a cohort.
    above = joined(
        "GSE3",
        genes,
        (*first, range(33)),
        (*second, range(33)),
        (*third, [*range(15), *range(22, 33)]),
    )
    # Patients have three days each, the last of them first; the day of some samples is unknown.
    ill = np.flatnonzero(~days[1].members["control"]).tolist()
    subjects = {days[0].samples[i]: f"P{(i - 9) // 3}" for i in ill}
    times = {days[0].samples[i]: 24.0 * (3 - i % 3) for i in ill if i % 7}
    # It has all days of six patients, the first of which count here: it is the smaller study.
    some = joined(
        "GSE5",
        genes,
        (*fourth, [*range(8), *range(10, 15), *range(22, 31)]),
        (*days, range(12, 30)),
    )
    studies = [first, second, above, some, days]
    for study in studies:
        own = {sample for sample in study[0].samples if sample in subjects}
        ingest(
            warehouse, tmp_path, [study],
            **({"subjects": {s: subjects[s] for s in own}} if own else {}),
            **({"times": {s: times[s] for s in own if s in times}} if own else {}),
        )  # fmt: skip
    build_pairs(warehouse, gene_filter_top=9, k_min=2)

    timed = {s: (subject, times.get(s, math.inf)) for s, subject in subjects.items()}
    counted = oracle.counted([matrix for _, matrix in studies], timed)
    sizes = {
        matrix.accession: {
            name: int(own.sum()) for name, own in matrix.members.items() if own.any()
        }
        for matrix in counted
    }
    assert sizes == {
        "GSE1": {"control": 10, "sepsis": 12, "septic_shock": 11},
        "GSE2": {"control": 10, "sepsis": 12, "septic_shock": 11},
        "GSE3": {"control": 10, "sepsis": 5, "septic_shock": 11},
        "GSE4": {"control": 9, "sepsis": 10, "septic_shock": 9},
        "GSE5": {"control": 8, "sepsis": 11, "septic_shock": 9},
    }
    assert_slice(
        warehouse, "MICROARRAY", oracle.meta_analysis(counted, top=9, k_min=2, watched=WATCHED)
    )


def pair_of(rows: dict) -> tuple[str, str]:
    return next(iter(rows))


GENES = [f"ENSG{i}" for i in range(1, 7)]
COHORTS = {"CONTROL": 9, "SEPSIS": 9, "SEPTIC_SHOCK": 9}
SETTINGS = {"gene_filter_top": 5, "k_min": 2}


def small_study(number: int, technology: str = "MICROARRAY") -> tuple[Study, oracle.Matrix]:
    return study_of(f"GSE{number}", COHORTS, GENES, seed=10 + number, technology=technology)


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """Two studies of two technologies built; then a third, of the first one's technology."""
    folder = tmp_path_factory.mktemp("grown")
    warehouse = WarehouseUnderTest(folder)
    ingest(warehouse, folder, [small_study(2), small_study(3, "RNA-SEQ")])
    build_pairs(warehouse, **SETTINGS)
    before = table(warehouse)
    assert set(before) == {("SEPSIS", "MICROARRAY"), ("SEPSIS", "RNA-SEQ")}
    ingest(warehouse, folder, [small_study(1)])
    build_pairs(warehouse, **SETTINGS)
    return warehouse, before, table(warehouse)


def test_a_new_study_gives_what_a_build_from_nothing_gives(grown, warehouse, tmp_path):
    _, _, after = grown
    ingest(warehouse, tmp_path, [small_study(1), small_study(2), small_study(3, "RNA-SEQ")])
    build_pairs(warehouse, **SETTINGS)
    anew = table(warehouse)
    assert set(anew) == set(after)
    for name, rows in anew.items():
        # Keys follow the order in which studies came, and sums over studies that of their keys.
        assert set(rows) == set(after[name])
        assert not differences(after[name], without(rows, {*IDENTITY, *AUDIT, *SCORES}))


def assert_recomputed(found: Rows, expected: Rows) -> None:
    """The same rows: an engine may add up in another order, so the same but for rounding."""
    assert set(found) == set(expected)
    assert not differences(found, without(expected, {*IDENTITY, *AUDIT, *SCORES}))
    for pair, row in expected.items():
        assert {name: found[pair][name] for name in IDENTITY} == {
            name: row[name] for name in IDENTITY
        }


def test_a_build_logs_the_settings_of_its_slices(grown):
    warehouse, _, _ = grown
    ((text,),) = warehouse.query("select distinct settings from staging.stg_slice_studies")
    expected = {"gene_filter_method": "variance", "gene_filter_top": "5"}
    expected |= dict(setting.split("=") for setting in text.split(";"))
    contexts = warehouse.query(
        "select context_json from meta.meta_etl_process_log where step = 'dbt build'"
    )
    for (context,) in contexts:
        logged = json.loads(context)["settings"]
        assert {name: str(value) for name, value in logged.items()} == expected


def test_a_full_refresh_gives_the_same_rows(grown, tmp_path):
    warehouse, _, after = grown
    refreshed = moved(warehouse, tmp_path)
    build_pairs(refreshed, "--full-refresh", **SETTINGS)
    for name, rows in table(refreshed).items():
        assert_recomputed(rows, after[name])


def test_a_new_study_leaves_the_other_slice_alone(grown):
    _, before, after = grown
    assert after["SEPSIS", "RNA-SEQ"] == before["SEPSIS", "RNA-SEQ"]
    old, new = before["SEPSIS", "MICROARRAY"], after["SEPSIS", "MICROARRAY"]
    assert {row["included_study_count"] for row in old.values()} == {1}
    assert {row["included_study_count"] for row in new.values()} == {2}
    for pair in set(old) & set(new):
        assert new[pair]["pair_key"] == old[pair]["pair_key"]
        assert new[pair]["etl_created_date"] > old[pair]["etl_created_date"]


def test_a_second_build_changes_nothing(grown, tmp_path):
    warehouse, _, after = grown
    again = moved(warehouse, tmp_path)
    pairs = "select * from dim.dim_gene_pair order by pair_key"
    candidates = "select * from analytics.tbl_gene_pairs_materialized order by all"
    before = again.query(pairs), again.query(candidates)
    build_pairs(again, **SETTINGS)
    assert table(again) == after
    assert (again.query(pairs), again.query(candidates)) == before


def test_a_changed_setting_computes_all_slices_again(grown, tmp_path):
    warehouse, _, after = grown
    changed = moved(warehouse, tmp_path)
    build_pairs(changed, **SETTINGS, min_cohort_samples=10)
    for name, rows in table(changed).items():
        assert set(rows) == set(after[name])
        assert {row["included_study_count"] for row in rows.values()} == {0}


def mapping(warehouse: WarehouseUnderTest) -> list[tuple]:
    return warehouse.query("select * from dim.study_disease_map order by study_disease_map_key")


def map_study(warehouse: WarehouseUnderTest, study: str, disease: str, **options: bool) -> str:
    arguments = yaml.dump(
        {"study": study, "disease": disease, "actor": "anna"}, default_flow_style=True
    )
    return warehouse.dbt(
        "run-operation", "upsert_study_disease_map", "--args", arguments.strip(), **options
    )


def test_another_disease_moves_the_study(grown, tmp_path):
    warehouse, before, after = grown
    changed = moved(warehouse, tmp_path)
    map_study(changed, "GSE1", "SEPTIC_SHOCK")
    build_pairs(changed, **SETTINGS)
    found = table(changed)
    assert set(found) == {*after, ("SEPTIC_SHOCK", "MICROARRAY")}
    assert found["SEPSIS", "RNA-SEQ"] == after["SEPSIS", "RNA-SEQ"]
    # Without the study the slice is what it was before the study came.
    assert_recomputed(found["SEPSIS", "MICROARRAY"], before["SEPSIS", "MICROARRAY"])
    expected = oracle.meta_analysis([small_study(1)[1]], top=5, k_min=2).wide
    assert_as_expected(found["SEPTIC_SHOCK", "MICROARRAY"], expected)
    history = changed.query(
        "select disease_label, m.is_active, effective_to is null, m.created_by, updated_by"
        " from dim.study_disease_map m inner join dim.dim_disease using (disease_key)"
        " inner join dim.dim_study using (study_key) where study_accession_code = 'GSE1'"
        " order by study_disease_map_key"
    )
    assert history == [
        ("SEPSIS", 0, False, "pipeline.yaml", "anna"),
        ("SEPTIC_SHOCK", 1, True, "anna", None),
    ]


def test_a_study_without_one_disease_takes_no_part_and_holds_up_no_other(grown, tmp_path):
    """54001: GSE1 has none. 54002: GSE2 has two. GSE3 is of a slice of its own."""
    warehouse, _, after = grown
    changed = moved(warehouse, tmp_path)
    with duckdb.connect(str(changed.path)) as connection:
        keys = dict(
            connection.execute(
                "select study_accession_code, study_key from dim.dim_study"
            ).fetchall()
        )
        connection.execute(
            "update dim.study_disease_map set is_active = 0, effective_to = effective_from where study_key = ?",
            [keys["GSE1"]],
        )
        connection.execute(
            "insert into dim.study_disease_map by name"
            " select * replace (99 as study_disease_map_key) from dim.study_disease_map"
            " where study_key = ?",
            [keys["GSE2"]],
        )
    output = changed.dbt(
        "build", "--vars", yaml.dump(SETTINGS),
        succeeds=False,
    )  # fmt: skip
    assert "Warning in test 54001_AGG_MISSING_DISEASE_MAP" in output
    assert "Failure in test 54002_AGG_MULTI_DISEASE_MAP" in output
    assert "SKIP=0" in output
    found = table(changed)
    assert set(found) == {("SEPSIS", "RNA-SEQ")}
    assert found["SEPSIS", "RNA-SEQ"] == after["SEPSIS", "RNA-SEQ"]


@pytest.mark.parametrize(
    ("study", "disease", "error"),
    [
        ("GSE999", "SEPSIS", "54040 STUDY_NOT_FOUND: no study GSE999"),
        ("GSE1", "GOUT", "54030 CONFIG_INVALID: no active disease GOUT"),
        ("GSE1' or 1=1 --", "SEPSIS", "54030 CONFIG_INVALID"),
    ],
)
def test_an_unknown_study_or_disease_is_refused(grown, tmp_path, study, disease, error):
    changed = moved(grown[0], tmp_path)
    before = mapping(changed)
    assert error in map_study(changed, study, disease, succeeds=False)
    assert mapping(changed) == before


def test_a_study_without_a_disease_is_left_out(grown, tmp_path):
    warehouse, before, _ = grown
    changed = moved(warehouse, tmp_path)
    assert "GSE1 is mapped to no disease" in map_study(changed, "GSE1", "NONE")
    build_pairs(changed, **SETTINGS)
    found = table(changed)
    assert set(found) == set(before)
    assert_recomputed(found["SEPSIS", "MICROARRAY"], before["SEPSIS", "MICROARRAY"])
    active = "select count(*) from dim.study_disease_map m join dim.dim_study using (study_key)"
    active += " where study_accession_code = 'GSE1' and m.is_active = 1"
    assert changed.query(active) == [(0,)]
    map_study(changed, "GSE1", "SEPSIS")
    assert changed.query(active) == [(1,)]


def test_a_disease_that_is_not_given_is_named(grown, tmp_path):
    arguments = "{study: GSE1}"
    said = moved(grown[0], tmp_path).dbt(
        "run-operation", "upsert_study_disease_map", "--args", arguments, succeeds=False
    )
    assert "54030 CONFIG_INVALID: disease is missing" in said


def test_all_pairs_of_a_genome_are_in_range(grown, tmp_path):
    """A screen of 60,000 genes tests 1.8 thousand million pairs."""
    changed = moved(grown[0], tmp_path)
    changed.query_write("update fact.fact_gene_pair_metrics set pairs_tested = 1799970000")
    changed.dbt("test", "--select", "assert_pair_metrics_are_in_range")


def ranked(warehouse: WarehouseUnderTest, **settings: object) -> list[tuple]:
    """(technology, pair_key, contrast, included_study_count) of vw_pair_metrics_ranked in its order,
    under settings of a session."""
    with duckdb.connect(str(warehouse.path), read_only=True) as connection:
        for name, value in settings.items():
            connection.execute(f"set variable {name} = {value!r}")
        return connection.execute(
            "select technology, pair_key, contrast, included_study_count"
            " from analytics.vw_pair_metrics_ranked order by technology, pair_rank"
        ).fetchall()


def ranked_by(row: dict, own: dict[str, dict], contrast: str, q_basis: str) -> tuple | None:
    """The contrast that a pair is ranked by and its rate; None if it is not ranked."""
    if contrast != "all":
        rate = "q_hk" if q_basis == "hk" else "q"
        return (contrast, own[contrast][rate]) if contrast in own else None
    if q_basis == "hk":
        found = [(name, one["q_pair"]) for name, one in own.items() if one["is_deciding"]]
        return found[0] if found else None
    combined = {"spec": "q_combined", "dependent": "q_combined_dependent"}[q_basis]
    rates = [row[column] for column in (combined, "q_ss", "q_soth")]
    two = [name for name in ("ss", "soth") if name in own]
    name = min(two, key=lambda name: own[name]["p"], default=None)
    return name and (name, min(1.0 if rate is None else rate for rate in rates))


def expected_rank(
    warehouse: WarehouseUnderTest,
    q: float = 0.05,
    k_min: int = 3,
    i2_max: float = 75,
    contrast: str = "all",
    q_basis: str = "hk",
) -> list[tuple]:
    """What the view should give, from the facts, for SEPSIS."""
    found = []
    for (label, technology), rows in table(warehouse).items():
        contrasts = long_table(warehouse, "fact_gene_pair_contrast", technology)
        for pair, row in rows.items():
            own = {
                name: one
                for (a, b, name), one in contrasts.items()
                if (a, b) == pair and one["is_eligible"]
            }
            name, q_star = ranked_by(row, own, contrast, q_basis) or (None, None)
            if label != "SEPSIS" or q_star is None or q_star > q:
                continue
            one = own[name]
            if one["i2"] <= i2_max and one["n_studies"] >= k_min:
                order = (q_star, -one["power_score"], one["i2"], -one["kappa"])
                place = (technology, *order, -abs(one["theta_re"]), row["pair_key"])
                found.append((place, (technology, row["pair_key"], name, one["n_studies"])))
    return [row for _, row in sorted(found)]


ALL = {"k_min": 2, "q": 1, "i2_max": 100}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        ALL,
        {"k_min": 2, "q": 0.6},
        {"k_min": 2, "q": 1, "i2_max": 20},
        {"k_min": 3, "q": 1, "i2_max": 100},
        {**ALL, "contrast": "sc"},
        {**ALL, "contrast": "ss", "q": 0.9},
        {**ALL, "contrast": "soth", "q_basis": "spec"},
        {**ALL, "q_basis": "hk"},
        {**ALL, "q_basis": "spec"},
        {**ALL, "q_basis": "spec", "q": 0.05},
        {**ALL, "q_basis": "dependent", "q": 0.5},
    ],
)
def test_the_ranked_view_follows_the_session(grown, settings):
    warehouse, _, _ = grown
    assert ranked(warehouse, **settings) == expected_rank(warehouse, **settings)


def test_settings_as_text_and_in_capitals(grown):
    warehouse, _, _ = grown
    everything = ranked(warehouse, **ALL)
    assert ranked(warehouse, k_min="2", q="1", i2_max="100", q_basis="HK") == everything
    assert ranked(warehouse, **ALL, contrast="SC") == ranked(warehouse, **ALL, contrast="sc")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"q": "0,01"}, "q is 0,01, expected a number"),
        ({"k_min": "many"}, "k_min is many, expected a number"),
        ({"i2_max": ""}, "i2_max is , expected a number"),
        ({"q": "nan"}, "q is nan, expected a number"),
        ({"k_min": "-inf"}, "k_min is -inf, expected a number"),
        ({"i2_max": "1e400"}, "i2_max is 1e400, expected a number"),
        ({"q_basis": "hartung"}, "q_basis is hartung, expected hk, spec or dependent"),
        (
            {"disease": "MEASLES"},
            "disease is MEASLES, which has no pairs; there are pairs of SEPSIS",
        ),
        ({"disease": "sepsis"}, "disease is sepsis, which has no pairs; there are pairs of SEPSIS"),
        ({"disease": "RHEUMATOID_ARTHRITIS"}, "which has no pairs; there are pairs of SEPSIS"),
        (
            {"contrast": "sss"},
            "contrast is sss, which SEPSIS does not have; it has all, sc, soth, ss",
        ),
        ({"contrast": "cc"}, "contrast is cc, which SEPSIS does not have"),
    ],
)
def test_an_unknown_setting_of_the_ranked_view_is_an_error(grown, settings, message):
    with pytest.raises(duckdb.ConversionException, match=message):
        ranked(grown[0], **settings)


def test_before_the_first_pairs_the_ranked_view_is_empty(grown, tmp_path):
    warehouse = moved(grown[0], tmp_path)
    warehouse.query_write("delete from fact.fact_gene_pair_metrics")
    assert ranked(warehouse) == []
    with pytest.raises(duckdb.ConversionException, match="MEASLES, which has no pairs; there are"):
        ranked(warehouse, disease="MEASLES")


def test_settings_leave_out_some_pairs_and_not_all(grown):
    """What the tests above compare is not empty, and the slice of one study has no eligible pair."""
    warehouse, _, _ = grown
    everything = ranked(warehouse, **ALL)
    assert len(everything) == 10
    assert {technology for technology, *_ in everything} == {"MICROARRAY"}
    assert len({contrast for *_, contrast, _ in everything}) > 1
    assert 0 < len(ranked(warehouse, **{**ALL, "q": 0.6})) < len(everything)
    assert 0 < len(ranked(warehouse, **{**ALL, "i2_max": 20})) < len(everything)
    assert ranked(warehouse, **ALL, q_basis="spec") != everything
    assert ranked(warehouse) == []
    significant = warehouse.query("select count(*) from analytics.vw_pair_metrics_significant")
    assert significant == [(len(ranked(warehouse)),)]


def test_a_computed_pair_is_ranked_by_the_studies_of_its_contrast(grown, tmp_path):
    """A session's k_min filters; what var k_min left without a rate, it does not bring back."""
    changed = moved(grown[0], tmp_path)
    build_pairs(changed, **{**SETTINGS, "k_min": 3})
    for q_basis in ("hk", "spec", "dependent"):
        assert ranked(changed, k_min=1, q=1, i2_max=100, q_basis=q_basis) == []
