"""Other diseases than sepsis, from downloads to facts: rheumatoid arthritis by the seeds, a disease
of mice by pipeline.yaml alone."""

import json
import re
from pathlib import Path

import duckdb
import numpy as np
import oracle
import pytest
from conftest import Study, WarehouseUnderTest, events
from test_pair_metrics import assert_long_facts, build_pairs, ranked

from expression_warehouse import open_warehouse
from expression_warehouse.api.list_page import list_values
from expression_warehouse.api.reading import MissingError
from expression_warehouse.api.store import Edition
from expression_warehouse.core.warehouse.read_only import open_read_only

GENES = [f"ENSG{number:011d}" for number in range(1, 9)]
MOUSE_GENES = [f"ENSMUSG{number:011d}" for number in range(1, 9)]
CONTROL_COUNT, CASE_COUNT = 11, 13
LABELS = ["CONTROL"] * CONTROL_COUNT + ["CASE"] * CASE_COUNT

# All keys of a genuine sample, most of them empty, as in most downloads.
EMPTY_FIELDS = dict.fromkeys(
    [
        "refinebio_age",
        "refinebio_cell_line",
        "refinebio_compound",
        "refinebio_disease",
        "refinebio_disease_stage",
        "refinebio_genetic_information",
        "refinebio_race",
        "refinebio_sex",
        "refinebio_specimen_part",
        "refinebio_subject",
        "refinebio_time",
        "refinebio_treatment",
    ],
    "",
) | {"refinebio_annotations": [], "refinebio_developmental_stage": None}

# What a study's samples say, in the layouts that submitters choose: title, and other fields.
# Titles alone; the field disease with titles that say nothing; the disease beside a control whose
# title alone says so; and a title with the other label's word inside a longer one.
ARTHRITIS = {
    "GSE1": {
        "CONTROL": ("PBMC healthy donor {}", {}),
        "CASE": ("PBMC RA patient {}", {}),
    },
    "GSE2": {
        "CONTROL": ("synovium {}", {"refinebio_disease": "Healthy"}),
        "CASE": ("synovium {}", {"refinebio_disease": "Rheumatoid Arthritis"}),
    },
    "GSE3": {
        "CONTROL": ("Control-{}", {"refinebio_subject": "volunteer"}),
        "CASE": ("whole blood, rheumatoid-arthritis, week 0 [{}]", {"refinebio_age": 61.0}),
    },
}
LUPUS = {
    "SRP1": {
        "CONTROL": ("kidney_{} C57BL/6", {"refinebio_genetic_information": "C57BL/6"}),
        "CASE": ("kidney_{} MRL/lpr", {"refinebio_genetic_information": "MRL/lpr"}),
    },
    "SRP2": {
        "CONTROL": ("Wild-Type {}", {}),
        "CASE": ("(NZBxNZW)F1 rep {}", {"refinebio_developmental_stage": "adult"}),
    },
    "SRP3": {
        "CONTROL": ("s{}", {"refinebio_disease": "control"}),
        "CASE": ("s{}", {"refinebio_disease": "lupus, nephritis"}),
    },
}
LUPUS_CONFIG = """\
diseases:
  MURINE_LUPUS:
    ontology: MONDO:0007915
    labels:
      LUPUS_NEPHRITIS: Mouse of a strain that develops lupus nephritis
    phrases:
      LUPUS_NEPHRITIS: [MRL/lpr, (nzbxnzw)f1, lupus]
      CONTROL: [C57BL/6, wild type]
    contrasts:
      lc: {case: [LUPUS_NEPHRITIS], reference: [CONTROL], description: Lupus against controls}
studies:
  SRP1: {disease: MURINE_LUPUS, units: LOG2}
  SRP2: {disease: MURINE_LUPUS, units: LOG2}
  SRP3: {disease: MURINE_LUPUS, units: LOG2}
"""


def study_of(
    accession: str, layout: dict, genes: list[str], organism: str, technology: str, seed: int
) -> tuple[Study, oracle.Matrix]:
    """A study with co-expression of its cases, and the same as the oracle reads it."""
    dice = np.random.default_rng(seed)
    is_case = np.array(LABELS) == "CASE"
    factor = dice.standard_normal(len(LABELS)) * is_case
    loading = dice.normal(size=(len(genes), 1))
    noise = dice.standard_normal((len(genes), len(LABELS)))
    values = np.round(
        8 + np.linspace(0.5, 1.5, len(genes))[:, None] * (loading * factor + noise), 2
    )
    samples = [f"{accession.replace('GSE', 'GSM').replace('SRP', 'SRR')}0{i}" for i in range(24)]
    titles, fields = [], {}
    for number, (sample, label) in enumerate(zip(samples, LABELS, strict=True)):
        title, extra = layout[label]
        titles.append(title.format(number))
        fields[sample] = {**EMPTY_FIELDS, **extra, "refinebio_organism": organism}
    study = Study(
        accession,
        samples=samples,
        genes=genes,
        values=[[repr(float(value)) for value in row] for row in values],
        titles=titles,
        technology=technology,
        # Listed, but not processed.
        extra_listed=[f"{samples[0]}9"],
        sample_fields=fields,
    )
    return study, oracle.Matrix(accession, technology, genes, values, LABELS, samples)


def write(study: Study, folder: Path, organism: str) -> Path:
    download = study.write(folder)
    path = download / "aggregated_metadata.json"
    metadata = json.loads(path.read_text())
    metadata["experiments"][study.accession]["organisms"] = [organism]
    metadata |= {"ks_pvalue": None, "ks_statistic": None, "ks_warning": None}
    path.write_text(json.dumps(metadata))
    return download


def ingest_and_build(
    warehouse: WarehouseUnderTest, folder: Path, studies: list[Study], organism: str, config: str
) -> None:
    (folder / "pipeline.yaml").write_text(config)
    downloads = [write(study, folder / study.accession, organism) for study in studies]
    result = warehouse.loader("ingest", *downloads, "--config", folder / "pipeline.yaml")
    assert result.exit_code == 0, result.output
    build_pairs(warehouse, gene_filter_top=len(GENES))


def expected_slice(
    monkeypatch: pytest.MonkeyPatch, matrices: list[oracle.Matrix], contrast: str, case: str
) -> oracle.Slice:
    """A slice with the one contrast of cases against controls, which the requirement's wide table lacks."""
    monkeypatch.setattr(oracle, "COHORTS", ("control", case))
    monkeypatch.setattr(oracle, "CONTRASTS", {contrast: ((case,), ("control",))})
    monkeypatch.setattr(oracle, "WIDE", ())
    monkeypatch.setattr(oracle, "DIFFERENCES", ())
    for matrix in matrices:
        matrix.cohorts = [case.upper() if label == "CASE" else label for label in matrix.cohorts]
        matrix.__post_init__()
    return oracle.meta_analysis(matrices, top=len(GENES))


def labels(warehouse: WarehouseUnderTest) -> list[tuple]:
    return warehouse.query(
        "select study_accession_code, illness_label, count(*) from dim.dim_sample"
        " inner join dim.dim_study using (study_key) inner join dim.dim_illness using (illness_key)"
        " group by all order by all"
    )


def assert_ranked_by(warehouse: WarehouseUnderTest, disease: str, contrast: str) -> None:
    """Each pair is ranked by the disease's contrast, with the long fact's numbers."""
    names = "q_pair, theta_re, hk_ci_low, hk_ci_high, n_studies, i2"
    fact = warehouse.query(
        f"select pair_key, {names} from fact.fact_gene_pair_contrast where is_deciding = 1 order by 1"
    )
    with duckdb.connect(str(warehouse.path), read_only=True) as connection:
        for name, value in {"disease": disease, "q": 1, "i2_max": 100}.items():
            connection.execute(f"set variable {name} = ?", [value])
        view = connection.execute(
            "select pair_key, q_star, effect, effect_ci_low, effect_ci_high, included_study_count,"
            " i2_star, contrast from analytics.vw_pair_metrics_ranked order by 1"
        ).fetchall()
    assert view == [(*row, contrast) for row in fact]
    assert len(view) == len(GENES) * (len(GENES) - 1) // 2


def test_rheumatoid_arthritis_by_the_seeds(warehouse, tmp_path, monkeypatch):
    made = [
        study_of(accession, layout, GENES, "HOMO_SAPIENS", "MICROARRAY", seed)
        for seed, (accession, layout) in enumerate(ARTHRITIS.items())
    ]
    config = "studies:\n" + "".join(
        f"  {accession}: {{disease: RHEUMATOID_ARTHRITIS, units: LOG2}}\n"
        for accession in ARTHRITIS
    )
    ingest_and_build(warehouse, tmp_path, [study for study, _ in made], "HOMO_SAPIENS", config)
    assert labels(warehouse) == [
        (accession, label, count)
        for accession in ARTHRITIS
        for label, count in (("CASE", CASE_COUNT), ("CONTROL", CONTROL_COUNT))
    ]
    expected = expected_slice(monkeypatch, [matrix for _, matrix in made], "cc", "case")
    assert_long_facts(warehouse, "MICROARRAY", expected, "RHEUMATOID_ARTHRITIS")
    assert_ranked_by(warehouse, "RHEUMATOID_ARTHRITIS", "cc")
    assert_what_no_pair_can_meet_is_said(warehouse, monkeypatch)


def assert_what_no_pair_can_meet_is_said(
    warehouse: WarehouseUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the view and by readers of it: the default disease, and a q_basis of contrasts of sepsis."""
    view = "from analytics.vw_pair_metrics_ranked"
    disease, dependent = {"disease": "RHEUMATOID_ARTHRITIS"}, {"q_basis": "dependent"}
    for settings, said in (
        ({}, "disease is SEPSIS, which has no pairs; there are pairs of RHEUMATOID_ARTHRITIS"),
        ({**disease, "contrast": "ss"}, "which RHEUMATOID_ARTHRITIS does not have; it has all, cc"),
        ({**disease, **dependent}, "is of ss and soth; RHEUMATOID_ARTHRITIS has cc"),
    ):
        with duckdb.connect(str(warehouse.path), read_only=True) as connection:
            for name, value in settings.items():
                connection.execute(f"set variable {name} = ?", [value])
            with pytest.raises(duckdb.ConversionException, match=said):
                connection.execute(view).fetchall()
    for name, value in warehouse.env.items():
        monkeypatch.setenv(name, value)
    reader = open_warehouse(warehouse.path)
    with pytest.raises(MissingError, match="pair of SEPSIS; it has pairs of RHEUMATOID_ARTHRITIS"):
        reader.ranked_pairs()
    with pytest.raises(MissingError, match="no contrast ss or soth of RHEUMATOID_ARTHRITIS, which"):
        reader.ranked_pairs(**disease, **dependent)
    widest = {**disease, "q": 1, "i2_max": 100, "contrast": "CC", "q_basis": "Dependent"}
    assert reader.ranked_pairs(**widest).num_rows
    with open_read_only(None, warehouse.path) as opened:
        page = list_values(Edition(opened, "", has_ranks=False), {"q": "1", "i2_max": "100"})
    assert (page["settings"].disease, page["error"]) == ("RHEUMATOID_ARTHRITIS", None)
    assert page["rows"]


def test_a_disease_without_phrases_has_those_of_any_disease_alone(warehouse, tmp_path):
    """Not those of sepsis; cases get their label by overrides."""
    titles = ["control_1", "healthy 2", "septic shock 3", "sepsis 4", "patient 5"]
    samples = [f"GSM{number}" for number in range(1, 6)]
    study = Study(samples=samples, values=[["1.5"] * 5, ["2"] * 5], titles=titles)
    (tmp_path / "pipeline.yaml").write_text(
        "diseases:\n"
        "  MEASLES: {contrasts: {cc: {case: [CASE], reference: [CONTROL]}}}\n"
        "studies:\n"
        "  GSE1: {disease: MEASLES, units: LOG2, illness_overrides: {GSM5: CASE}}\n"
    )
    config = ("--config", tmp_path / "pipeline.yaml")
    result = warehouse.loader("ingest", study.write(tmp_path / "d"), *config)
    assert result.exit_code == 0, result.output
    warehouse.dbt(
        "build", "--select", "+dim_sample", "--resource-type", "model", "--resource-type", "seed"
    )
    found = warehouse.query(
        "select sample_accession_code, illness_label from dim.dim_sample"
        " inner join dim.dim_illness using (illness_key) order by all"
    )
    labels = ["CONTROL", "CONTROL", "UNKNOWN", "UNKNOWN", "CASE"]
    assert found == list(zip(samples, labels, strict=True))


@pytest.fixture
def lupus(warehouse, tmp_path) -> list[oracle.Matrix]:
    """Three studies of mice in the warehouse, and as the oracle reads them."""
    made = [
        study_of(accession, layout, MOUSE_GENES, "MUS_MUSCULUS", "RNA-SEQ", 10 + seed)
        for seed, (accession, layout) in enumerate(LUPUS.items())
    ]
    studies = [study for study, _ in made]
    ingest_and_build(warehouse, tmp_path, studies, "MUS_MUSCULUS", LUPUS_CONFIG)
    return [matrix for _, matrix in made]


def test_a_disease_of_mice_by_the_configuration(warehouse, lupus, monkeypatch):
    assert labels(warehouse) == [
        (accession, label, count)
        for accession in LUPUS
        for label, count in (("CONTROL", CONTROL_COUNT), ("LUPUS_NEPHRITIS", CASE_COUNT))
    ]
    expected = expected_slice(monkeypatch, lupus, "lc", "lupus_nephritis")
    assert_long_facts(warehouse, "RNA-SEQ", expected, "MURINE_LUPUS")
    assert_ranked_by(warehouse, "MURINE_LUPUS", "lc")
    assert warehouse.query("select distinct organism from fact.fact_gene_pair_contrast") == [
        ("MUS_MUSCULUS",)
    ]
    assert warehouse.query(
        "select disease_ontology from dim.dim_disease where disease_label = 'MURINE_LUPUS'"
    ) == [("MONDO:0007915",)]


def test_another_definition_computes_the_slice_again(warehouse, lupus, tmp_path):
    """Without the data being read again: a phrase and a contrast are other ones now."""
    before = warehouse.query("select distinct batch_id from fact.fact_gene_pair_contrast")
    text = LUPUS_CONFIG.replace("wild type]", "wild type, never]").replace("      lc:", "      ln:")
    (tmp_path / "pipeline.yaml").write_text(text)
    downloads = [tmp_path / accession for accession in LUPUS]
    result = warehouse.loader("ingest", *downloads, "--config", tmp_path / "pipeline.yaml")
    assert [event["step"] for event in events(result)].count("skipped") == len(LUPUS)
    build_pairs(warehouse, gene_filter_top=len(GENES))
    assert warehouse.query("select distinct batch_id from fact.fact_gene_pair_contrast") != before
    assert_ranked_by(warehouse, "MURINE_LUPUS", "ln")
    gone = {"disease": "MURINE_LUPUS", "contrast": "lc"}
    with pytest.raises(
        duckdb.ConversionException, match=r"54030 .*lc, which MURINE_LUPUS does not"
    ):
        ranked(warehouse, **gone)


def test_a_disease_that_is_defined_no_longer_takes_no_new_study(warehouse, tmp_path):
    study = Study().write(tmp_path / "d")

    def is_active_after(definitions: str) -> list[tuple]:
        (tmp_path / "pipeline.yaml").write_text(definitions)
        result = warehouse.loader("ingest", study, "--config", tmp_path / "pipeline.yaml")
        assert result.exit_code == 0, result.output
        warehouse.build("--select", "+dim_disease", "+study_disease_map")
        return warehouse.query(
            "select cast(is_active as integer) from dim.dim_disease"
            " where disease_label = 'MURINE_LUPUS'"
        )

    defined = LUPUS_CONFIG.partition("studies:")[0] + "studies: {GSE1: {units: LOG2}}\n"
    assert is_active_after(defined) == [(1,)]
    assert is_active_after("diseases: {}\nstudies: {GSE1: {units: LOG2}}\n") == [(0,)]
    arguments = "{study: GSE1, disease: MURINE_LUPUS}"
    said = warehouse.dbt(
        "run-operation", "upsert_study_disease_map", "--args", arguments, succeeds=False
    )
    assert "54030 CONFIG_INVALID: no active disease MURINE_LUPUS" in said
    assert is_active_after(defined) == [(1,)]


def test_correlations_of_a_cohort_of_any_label(warehouse, lupus, tmp_path):
    output = tmp_path / "r.parquet"
    arguments = ("correlate", "--study", "SRP1", "--output", output, "--cohort")
    result = warehouse.pairs(*arguments, "LUPUS_NEPHRITIS")
    assert result.exit_code == 0, result.output
    assert output.exists()
    (failure,) = events(warehouse.pairs(*arguments, "SEPSIS"), "failed")
    assert failure["found"] == "the study has 0 samples of SEPSIS"
    assert re.search(r": CONTROL \(\d+\), LUPUS_NEPHRITIS \(\d+\)$", failure["action"])
