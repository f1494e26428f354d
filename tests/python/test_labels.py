"""`labels`: the label of each sample before a build, and the overrides that it writes."""

import json

import pytest
import yaml
from conftest import Study, events

from loader.source.characteristics import characteristics

TITLES = ["Sepsis survivor, no shock", "HC_01", "PBMC_3", "SIRS", "Control of septic shock", "x: y"]
SAMPLES = [f"GSM{n}" for n in range(len(TITLES))]
LABELS = ["SEPSIS", "CONTROL", "SEPTIC_SHOCK", "NO_SEPSIS", "SEPTIC_SHOCK", "UNKNOWN"]


@pytest.fixture
def folder(tmp_path):
    annotations = [{"characteristics_ch1": ["disease state: Septic shock", "sex: control"]}]
    study = Study(
        samples=SAMPLES,
        titles=TITLES,
        values=[["6"] * len(SAMPLES)] * 2,
        sample_fields={"GSM2": {"refinebio_annotations": annotations}},
    )
    return study.write(tmp_path / "d")


def test_labels_are_those_of_a_build(warehouse, folder):
    assert warehouse.loader("ingest", folder).exit_code == 0
    result = warehouse.loader("labels", "GSE1")
    rows = [json.loads(line) for line in result.output.splitlines() if line.startswith('{"sample"')]
    assert [row["label"] for row in rows] == LABELS
    assert [(row["source"], row["phrase"]) for row in rows] == [
        ("title", "sepsis"), ("title", "hc"), ("characteristic", "shock"), ("title", "sirs"),
        ("title", "shock"), ("none", ""),
    ]  # fmt: skip
    assert "GSE1 has no disease (pipeline.yaml): labelled by the phrases of SEPSIS" in result.stderr

    result = warehouse.loader("run", folder)
    assert result.exit_code == 0, result.output
    built = warehouse.query(
        "select s.sample_accession_code, i.illness_label from dim.dim_sample as s"
        " inner join dim.dim_illness as i on s.illness_key = i.illness_key order by 1"
    )
    assert built == list(zip(SAMPLES, LABELS, strict=True))
    assert warehouse.query(
        "select subject, finding from meta.vw_finding"
        " where validation_code = 'TRANSFORMATION_ILLNESS_AMBIGUOUS'"
    ) == [
        (
            "GSM4",
            "Control of septic shock: by shock it is SEPTIC_SHOCK, by control it is CONTROL",
        )
    ]


LUPUS = """
diseases:
  LUPUS:
    phrases: {CASE: [survivor, pbmc]}
    contrasts: {cc: {case: [CASE], reference: [CONTROL]}}
studies: {GSE1: {disease: LUPUS}}
"""


def test_diseases_of_the_warehouse_count_without_pipeline_yaml(warehouse, folder, tmp_path):
    """What an earlier pipeline.yaml defined, and what upsert_study_disease_map changed."""
    config = tmp_path / "lupus.yaml"
    config.write_text(LUPUS)

    def labels(*options: object) -> list[str]:
        output = warehouse.loader("labels", "GSE1", *options).output.splitlines()
        return [json.loads(line)["label"] for line in output if line.startswith('{"sample"')]

    assert warehouse.loader("ingest", folder, "--config", config).exit_code == 0
    of_lupus = labels("--config", config)
    assert of_lupus[0] == of_lupus[2] == "CASE"
    assert labels() == LABELS

    warehouse.build()
    assert labels() == labels("--config", config) == of_lupus
    built = warehouse.query(
        "select i.illness_label from dim.dim_sample as s inner join dim.dim_illness as i"
        " on s.illness_key = i.illness_key order by s.sample_accession_code"
    )
    assert [label for (label,) in built] == of_lupus

    arguments = "{study: GSE1, disease: SEPSIS}"
    warehouse.dbt("run-operation", "upsert_study_disease_map", "--args", arguments)
    assert labels() == labels("--config", config) == LABELS


def test_overrides_are_written_for_editing(warehouse, folder, tmp_path):
    """The file is a valid pipeline.yaml, and decides once it is one."""
    assert warehouse.loader("ingest", folder).exit_code == 0
    file = tmp_path / "overrides.yaml"
    assert warehouse.loader("labels", "GSE1", "--write", file).exit_code == 0
    text = file.read_text(encoding="utf-8")
    assert "# x: y" in text
    config = tmp_path / "sepsis.yaml"
    config.write_text("studies: {GSE1: {disease: SEPSIS}}\n")
    named = warehouse.loader("labels", "GSE1", "--config", config)
    assert named.exit_code == 0 and "no disease" not in named.stderr
    overrides = yaml.safe_load(text)["studies"]["GSE1"]["illness_overrides"]
    assert overrides == dict(zip(SAMPLES, LABELS, strict=True))
    file.write_text(text.replace('"GSM5": UNKNOWN', '"GSM5": CONTROL'))
    output = warehouse.loader("labels", "GSE1", "--config", file).output
    (row,) = (json.loads(line) for line in output.splitlines() if '"GSM5"' in line)
    assert row == {
        "sample": "GSM5", "title": "x: y", "label": "CONTROL", "source": "override", "phrase": "",
    }  # fmt: skip
    again = warehouse.loader("labels", "GSE1", "--write", file)
    failure = json.loads(again.output.splitlines()[-1])
    assert (again.exit_code, failure["error_code"]) == (1, 54302)
    assert "new file" in failure["action"]
    nowhere = warehouse.loader("labels", "GSE1", "--write", tmp_path / "nowhere" / "o.yaml")
    assert "Make its folder" in json.loads(nowhere.output.splitlines()[-1])["action"]


def test_a_study_that_is_not_staged_is_named(warehouse, folder):
    warehouse.loader("ingest", folder)
    result = warehouse.loader("labels", "GSE7")
    (failure,) = events(result, "failed")
    assert (result.exit_code, failure["error_code"], failure["expected"]) == (
        1,
        54040,
        "one of GSE1",
    )


@pytest.mark.parametrize(
    ("annotations", "found"),
    [
        (
            [{"characteristics_ch1": ["Disease State: Sepsis", "age: 61", "age: 62", "no name"]}],
            {"disease state": "Sepsis", "age": "61; 62"},
        ),
        ([{"characteristic": [{"category": "disease", "value": "sepsis"}]}], {"disease": "sepsis"}),
        ([{"sample_group": "control", "title": "x", "age": 7}], {"sample_group": "control"}),
        ([{"characteristics_ch1": [": x", "a:", 7, {"b": 1}]}, "text", None], {}),
        ("text", {}),
        (None, {}),
        ({"characteristics_ch1": ["a: b"]}, {}),
    ],
)
def test_characteristics_of_any_shape(annotations, found):
    assert characteristics(annotations) == found
