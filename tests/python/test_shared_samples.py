"""Samples of several studies: which names mean the same sample, and how often it counts."""

import json

import duckdb
import pytest
import yaml
from conftest import Study, WarehouseUnderTest
from warehouses import without_rows

LABELS = (
    "select study_accession_code, sample_accession_code, illness_label from dim.dim_sample"
    " inner join dim.dim_study using (study_key) inner join dim.dim_illness using (illness_key)"
    " order by 1, 2"
)
FINDINGS = (
    "select json_extract_string(details, '$.error_code'), json_extract_string(details, '$.study_accession'),"
    " json_extract_string(details, '$.subject'), json_extract_string(details, '$.finding')"
    " from meta.meta_data_validation_log order by all"
)

# The findings and all that they are made of, and the values: no features.
RELATIONS = ("--select", "+validation_finding", "vw_expression_long")


@pytest.fixture
def loaded(copy_of, tmp_path):
    """Ingests studies with their settings, and builds."""
    warehouse = copy_of(without_rows, tmp_path)

    def load(*studies: Study, settings: dict[str, dict] | None = None) -> WarehouseUnderTest:
        config = tmp_path / "pipeline.yaml"
        named = {
            study.accession: {
                "disease": "SEPSIS",
                "units": "LOG2",
                **(settings or {}).get(study.accession, {}),
            }
            for study in studies
        }
        config.write_text(yaml.dump({"studies": named}))
        for study in studies:
            folder = tmp_path / study.accession
            if not folder.exists():
                study.write(folder)
        arguments = [tmp_path / study.accession for study in studies]
        for folder in arguments:
            result = warehouse.loader("ingest", folder, "--config", config)
            assert result.exit_code == 0, result.stdout
        warehouse.build(*RELATIONS)
        return warehouse

    return load


def findings(warehouse: WarehouseUnderTest, code: int) -> list[tuple]:
    return [row[1:] for row in warehouse.query(FINDINGS) if row[0] == str(code)]


def test_names_that_are_no_accession_belong_to_their_study(loaded):
    """Both studies have S0 to S2; each keeps its own labels and values."""
    names = ["S0", "S1", "S2"]
    sick = Study("GSE1", samples=names, titles=["septic shock"] * 3, values=[["6", "7", "8"]] * 2)
    well = Study("GSE2", samples=names, titles=["healthy"] * 3, values=[["4", "5", "6"]] * 2)
    warehouse = loaded(sick, well)
    assert warehouse.query(LABELS) == [
        *(("GSE1", name, "SEPTIC_SHOCK") for name in names),
        *(("GSE2", name, "CONTROL") for name in names),
    ]
    assert warehouse.query(
        "select illness_label, sum(expression_value_raw) from analytics.vw_expression_long"
        " group by all order by 1"
    ) == [("CONTROL", 30), ("SEPTIC_SHOCK", 42)]
    assert findings(warehouse, 3006) == []


def test_studies_that_label_a_shared_sample_differently(loaded):
    """A finding has both texts; an override under either study decides."""
    names = ["GSM1", "GSM2", "GSM3"]
    older = Study("GSE1", samples=names, titles=["sepsis"] * 3, created_at="2023-01-01T00:00:00")
    newer = Study("GSE2", samples=names[:1], titles=["healthy"], values=[["6"], ["7"]])
    warehouse = loaded(older, newer)
    labels = (
        "select sample_accession_code, illness_label from dim.dim_sample"
        " inner join dim.dim_illness using (illness_key) order by 1"
    )
    assert warehouse.query(labels) == [("GSM1", "CONTROL"), ("GSM2", "SEPSIS"), ("GSM3", "SEPSIS")]
    said = 'SEPSIS by "sepsis"; GSE2 has CONTROL by "healthy", which applies'
    assert findings(warehouse, 3006) == [("GSE1", "GSM1", said)]
    loaded(older, newer, settings={"GSE1": {"illness_overrides": {"GSM1": "SEPTIC_SHOCK"}}})
    assert warehouse.query(labels)[0] == ("GSM1", "SEPTIC_SHOCK")
    assert len(findings(warehouse, 3006)) == 1


def test_keys_of_an_earlier_version_stay(loaded):
    """An earlier dim_sample has no natural keys: it has one row per sample name."""
    study = Study("GSE2", samples=["GSM1", "S1", "S2"])
    warehouse = loaded(study)
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute(
            "create or replace table dim.dim_sample as"
            " select * exclude sample_natural_key replace (100 - sample_key as sample_key) from dim.dim_sample"
        )
        connection.execute("alter table dim.dim_sample add unique (sample_accession_code)")
    keys = "select sample_natural_key, sample_key from dim.dim_sample order by 1"
    expected = [("GSE2 S1", 99), ("GSE2 S2", 98), ("GSM1", 97)]
    warehouse.build(*RELATIONS)
    assert warehouse.query(keys) == expected
    loaded(study, Study("GSE1", samples=["GSM1", "S1", "S2"]))
    assert warehouse.query(keys) == [("GSE1 S1", 100), ("GSE1 S2", 101), *expected]


COUNTED = (
    "select study_accession_code, illness_label, count(*) from staging.stg_slice_sample"
    " inner join dim.dim_study using (study_key) inner join dim.dim_illness using (illness_key)"
    " group by all order by all"
)


def sepsis(accession: str, *numbers: int) -> Study:
    """A study of the samples GSM1 …; those with odd numbers have sepsis."""
    return Study(
        accession,
        samples=[f"GSM{number}" for number in numbers],
        titles=["sepsis" if number % 2 else "healthy" for number in numbers],
        values=[[str(number + gene) for number in numbers] for gene in range(2)],
    )


def test_a_superseries_gives_way_to_its_parts(loaded):
    """It has three samples of its own, too few for a cohort."""
    first, second = range(1, 17), range(17, 33)
    parts = [sepsis("GSE8", *first), sepsis("GSE9", *second)]
    warehouse = loaded(*parts)
    hashes = "select studies_hash from staging.stg_slice_studies"
    alone = warehouse.query(hashes)
    assert findings(warehouse, 54102) == []
    loaded(*parts, sepsis("GSE1", *first, *second, 33, 35, 37))
    assert warehouse.query(COUNTED) == [
        ("GSE1", "SEPSIS", 3), *((f"GSE{n}", label, 8) for n in (8, 9) for label in ("CONTROL", "SEPSIS")),
    ]  # fmt: skip
    assert warehouse.query("select count(*) from dim.dim_sample") == [(35,)]
    assert warehouse.query("select count(*) from fact.fact_gene_expression") == [(134,)]
    where = "in SEPSIS MICROARRAY HOMO_SAPIENS"
    assert sorted(findings(warehouse, 54102)) == [
        ("GSE1", "CONTROL", f"0 of its 16 samples {where} are left, fewer than the 8 that a cohort needs: it takes no part"),
        ("GSE1", "GSE8", f"16 of its 35 samples {where} count in GSE8, which has them too: GSM1 to GSM9"),
        ("GSE1", "GSE9", f"16 of its 35 samples {where} count in GSE9, which has them too: GSM17 to GSM32"),
        ("GSE1", "SEPSIS", f"3 of its 19 samples {where} are left, fewer than the 8 that a cohort needs: it takes no part"),
    ]  # fmt: skip
    ((accessions,),) = warehouse.query(
        "select string_agg(distinct study_accession_code order by study_accession_code)"
        " from analytics.vw_contrast_study"
    )
    assert accessions == "GSE8,GSE9"
    assert warehouse.query(hashes) != alone


def test_the_hash_of_a_slice_follows_its_samples(loaded):
    """Two samples swap their labels: the cohorts are as large as before."""
    study = sepsis("GSE1", *range(1, 17))
    warehouse = loaded(study)
    state = "select studies_hash, batch_id from staging.stg_slice_studies inner join staging.stg_slice using (disease_key)"
    before = warehouse.query(state)
    loaded(study)
    assert warehouse.query(state) == before
    swapped = {"illness_overrides": {"GSM1": "CONTROL", "GSM2": "SEPSIS"}}
    loaded(study, settings={"GSE1": swapped})
    after = warehouse.query(state)
    assert warehouse.query(COUNTED) == [("GSE1", "CONTROL", 8), ("GSE1", "SEPSIS", 8)]
    assert (after[0][0] != before[0][0], after[0][1] != before[0][1]) == (True, True)


def patients(*titles: str) -> Study:
    numbers = range(1, len(titles) + 1)
    return Study(
        "GSE1",
        samples=[f"GSM{100 + number}" for number in numbers],
        titles=list(titles),
        values=[[str(number + gene) for number in numbers] for gene in range(2)],
    )


# Two samples of each patient; the later one comes first.
REPEATED = [f"sepsis_P{p}_D{day}" for p in range(1, 9) for day in (3, 1)]
PATTERN = r"^sepsis_(?P<subject>P\d+)_D(?P<time>\d+)$"


def test_one_sample_per_subject_takes_part(loaded):
    warehouse = loaded(patients(*REPEATED), settings={"GSE1": {"subjects": PATTERN}})
    assert warehouse.query(
        "select sample_accession_code, sample_subject, sample_time from dim.dim_sample order by 1 limit 2"
    ) == [("GSM101", "GSE1 P1", 3), ("GSM102", "GSE1 P1", 1)]
    assert warehouse.query("select count(*) from dim.dim_sample") == [(16,)]
    assert warehouse.query(
        "select sample_accession_code from staging.stg_slice_sample"
        " inner join dim.dim_sample using (sample_key) order by 1"
    ) == [(f"GSM{number}",) for number in range(102, 117, 2)]
    assert findings(warehouse, 54103) == [
        (
            "GSE1",
            "SEPSIS MICROARRAY HOMO_SAPIENS",
            "8 of 16 samples take no part, because the same cohort has an earlier sample of the subject"
            " (without times: the first by accession)",
        )
    ]
    assert findings(warehouse, 3007) == []


def test_the_baseline_comes_before_days_and_what_cannot_be_read_is_said(loaded):
    """By accession, the baseline would be last."""
    titles = [
        f"sepsis_P{p}_{time}" for p in range(1, 9) for time in ("discharge", "D3", "baseline")
    ]
    pattern = r"^sepsis_(?P<subject>P\d+)_(?P<time>\w+)$"
    warehouse = loaded(patients(*titles), settings={"GSE1": {"subjects": pattern}})
    assert warehouse.query(
        "select distinct sample_title from dim.dim_sample inner join staging.stg_slice_sample"
        " using (sample_key) order by 1"
    ) == [(f"sepsis_P{p}_baseline",) for p in range(1, 9)]
    said = [finding for _, subject, finding in findings(warehouse, 54103) if subject is None]
    assert [text.partition(",")[0] for text in said] == ["8 samples without a readable time"]
    assert "GSM101 (sepsis_P1_discharge)" in said[0]


def test_titles_equal_but_for_a_day_are_doubted(loaded):
    """The warning names a pattern; with it, the warning is gone and one sample per patient counts."""
    study = patients(*REPEATED)
    warehouse = loaded(study)
    assert warehouse.query("select count(*) from staging.stg_slice_sample") == [(16,)]
    ((_, _, found),) = findings(warehouse, 3007)
    assert "16 samples seem to be of 8 subjects, for example 'sepsis_P1'" in found
    ((details,),) = warehouse.query(
        "select details from meta.meta_data_validation_log where validation_code like '%SUBJECTS%'"
    )
    suggested = json.loads(details)["action"].split("subjects: '")[1].split("'}")[0]
    loaded(study, settings={"GSE1": {"subjects": suggested}})
    assert warehouse.query("select count(*) from staging.stg_slice_sample") == [(8,)]
    assert len(findings(warehouse, 3007)) == 1
