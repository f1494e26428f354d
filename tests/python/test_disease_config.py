"""`diseases:` of pipeline.yaml: every mistake is named with its line; what is right is staged."""

import json
import subprocess
import sys

import pytest
from conftest import PROJECT, Study, events

from expression_warehouse.core.config import load_config
from expression_warehouse.core.disease_config import normalized_phrase
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.warehouse.macros import project_macros

LUPUS = """diseases:
  MURINE_LUPUS:
    ontology: MONDO:0007915
    labels:
      FLARE: Mouse with nephritis
    phrases:
      FLARE: [Nephritis, pre-nephritic]
      CASE: [MRL/lpr]
    contrasts:
      fc: {case: [FLARE], reference: [CONTROL]}
      fo:
        case: [FLARE]
        reference: [CONTROL, CASE]
        is_primary: true
        description: Nephritis against all others
studies:
  GSE1:
    disease: MURINE_LUPUS
    illness_overrides: {GSM1: FLARE}
"""


def config_of(tmp_path, text):
    path = tmp_path / "pipeline.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def changed(old, new):
    assert old in LUPUS
    return LUPUS.replace(old, new)


def test_the_definition_is_what_staging_takes(tmp_path):
    definitions = config_of(tmp_path, LUPUS).disease_definitions
    assert json.loads(definitions["MURINE_LUPUS"]) == {
        "ontology": "MONDO:0007915",
        "labels": {"FLARE": "Mouse with nephritis"},
        "phrases": {
            "nephritis": {"rule_order": -3, "illness_label": "FLARE"},
            "pre nephritic": {"rule_order": -2, "illness_label": "FLARE"},
            "mrl lpr": {"rule_order": -1, "illness_label": "CASE"},
        },
        "contrasts": {
            "fc": {
                "case_labels": "FLARE",
                "reference_labels": "CONTROL",
                "is_primary": 0,
                "description": "FLARE against CONTROL",
            },
            "fo": {
                "case_labels": "FLARE",
                "reference_labels": "CONTROL CASE",
                "is_primary": 1,
                "description": "Nephritis against all others",
            },
        },
    }


def test_without_a_primary_contrast_the_first_is_primary(tmp_path):
    text = changed("        is_primary: true\n", "")
    contrasts = json.loads(config_of(tmp_path, text).disease_definitions["MURINE_LUPUS"])[
        "contrasts"
    ]
    assert {name: contrast["is_primary"] for name, contrast in contrasts.items()} == {
        "fc": 1,
        "fo": 0,
    }


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        (changed("  MURINE_LUPUS:\n", "  lupus:\n"), 2, "'lupus' is not a name of 1 to 64"),
        (
            changed("      FLARE: Mouse", "      Flare: Mouse"),
            5,
            "'Flare' is not a name of 1 to 50",
        ),
        (changed("Mouse with nephritis", "''"), 5, "expected one line of text"),
        (changed("      fc:", "      FC:"), 10, "'FC' is not a name of 1 to 16 characters of a-z"),
        (changed("      fc:", f"      {'f' * 17}:"), 10, "is not a name of 1 to 16"),
        (changed("      fc:", "      all:"), 10, "all means every contrast, in settings"),
        (changed("      fc:", "      view:"), 10, "view means the ranked views, in meta_calib"),
        (
            changed("      CASE: [", "      PROTEINURIA: ["),
            8,
            "'PROTEINURIA' is not one of CONTROL",
        ),
        (changed("      CASE: [MRL", "      SEPSIS: [MRL"), 8, "'SEPSIS' is not one of CONTROL"),
        (changed("case: [FLARE], ref", "case: [FLAIR], ref"), 10, "'FLAIR' is not one of CONTROL"),
        (changed("[CONTROL, CASE]", "[CONTROL, UNKNOWN]"), 13, "'UNKNOWN' is not one of"),
        (changed("[CONTROL, CASE]", "[CONTROL, FLARE]"), 11, "FLARE is on both sides"),
        (changed("[CONTROL, CASE]", "[CONTROL, CONTROL]"), 11, "CONTROL is on one side twice"),
        (changed("[CONTROL, CASE]", "[]"), 13, "the list is empty"),
        (changed("        case: [FLARE]\n", ""), 11, "the key is missing"),
        (changed("is_primary: true", "is_primary: 1"), 14, "neither true nor false"),
        (
            changed("reference: [CONTROL]}", "reference: [CONTROL], is_primary: true}"),
            14,
            "already",
        ),
        (changed("pre-nephritic", "'--'"), 7, "'--' has no word"),
        (changed("pre-nephritic", "x" * 101), 7, "has more than 100 characters"),
        (changed("MRL/lpr", "'(nephritis)'"), 8, "'nephritis' is a phrase of FLARE already"),
        (
            changed("MRL/lpr", "'late-nephritis'"),
            8,
            "'late nephritis' never decides: 'nephritis' of FLARE precedes it",
        ),
        (
            changed("MRL/lpr", "pooled MRL").replace(
                "FLARE: [N", "UNKNOWN: [pooled]\n      FLARE: [N"
            ),
            9,
            "'pooled mrl' never decides: 'pooled' of UNKNOWN precedes it",
        ),
        (changed("    ontology", "    ontologies"), 3, "unknown key"),
        (
            changed("    labels:\n", "    labels:\n      CASE: Mouse\n"),
            5,
            "seeds/illness.csv has the label CASE already",
        ),
        (changed("disease: MURINE_LUPUS", "disease: LUPUS"), 18, "'LUPUS' is not one of SEPSIS"),
        (changed("GSM1: FLARE", "GSM1: FLAIR"), 19, "'FLAIR' is not one of CONTROL"),
        (changed("disease: MURINE_LUPUS", "disease: murine_lupus"), 18, "'murine_lupus' is not"),
        (changed("GSM1: FLARE", "GSM1: flare"), 19, "'flare' is not one of CONTROL"),
        (changed("case: [FLARE], ref", "case: [flare], ref"), 10, "'flare' is not one of CONTROL"),
        ("diseases:\n  FLU:\n    labels: {A: b}\n", 2, "FLU has no contrasts"),
        ("diseases:\n  SEPSIS:\n    ontology: X:1\n", 3, "seeds/disease.csv has the ontology"),
        (
            "diseases:\n  SEPSIS:\n    contrasts:\n"
            "      ss: {case: [SEPTIC_SHOCK], reference: [CONTROL]}\n",
            4,
            "ss of SEPSIS is SEPTIC_SHOCK against SEPSIS",
        ),
        ("diseases: [FLU]\n", 1, "diseases"),
        ("diseases:\n  FLU: CASE\n", 2, "diseases.FLU"),
        (
            "diseases:\n  A: {labels: {X: x}, contrasts: {c: {case: [X], reference: [CONTROL]}}}\n"
            "  B: {labels: {X: x}, contrasts: {c: {case: [X], reference: [CONTROL]}}}\n",
            3,
            "X is a label of A already",
        ),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path, text, line, found):
    with pytest.raises(UserError) as caught:
        config_of(tmp_path, text)
    assert caught.value.name == "CONFIG_INVALID"
    assert found in caught.value.found
    assert caught.value.line == line


@pytest.mark.parametrize("name", ["42", "1.5", "2020", "yes", "~"])
@pytest.mark.parametrize("place", ["MURINE_LUPUS:", "FLARE:"])
def test_a_name_that_yaml_does_not_read_as_text(tmp_path, name, place):
    """The study still names the disease and the label as before, which no longer exist."""
    with pytest.raises(UserError) as caught:
        config_of(tmp_path, LUPUS.replace(place, f"{name}:", 1))
    assert caught.value.name == "CONFIG_INVALID"
    assert "is no text" in caught.value.found


@pytest.mark.parametrize(
    "phrase", ["nephritisX", "X nephriti s", "no sign of nephritis", "nephritis: no"]
)
def test_a_phrase_that_texts_can_have_without_an_earlier_one(tmp_path, phrase):
    """A part of a word is another word, and a denied phrase does not count."""
    config_of(tmp_path, changed("MRL/lpr", f"'{phrase}'"))


def test_a_phrase_with_an_earlier_one_of_the_same_label(tmp_path):
    config_of(tmp_path, changed("pre-nephritic", "lupus nephritis"))


def test_pipeline_yaml_is_read_without_the_engine(tmp_path):
    """Every command reads it, and DuckDB takes most of that time to import."""
    file = tmp_path / "pipeline.yaml"
    file.write_text(LUPUS.replace("pre-nephritic", "proteinuria"), encoding="utf-8")
    code = (
        "import sys; from pathlib import Path;"
        " from expression_warehouse.core.config import load_config;"
        f" load_config(Path({str(file)!r})); print('duckdb' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.check_output(command, cwd=PROJECT, text=True) == "False\n"


def test_a_disease_of_the_seeds_gets_phrases_of_its_own(tmp_path):
    text = "diseases:\n  SEPSIS:\n    phrases: {NO_SEPSIS: [trauma], UNKNOWN: [recovery]}\n"
    definition = json.loads(config_of(tmp_path, text).disease_definitions["SEPSIS"])
    assert definition["phrases"]["recovery"] == {"rule_order": -1, "illness_label": "UNKNOWN"}
    assert definition["contrasts"] == {}


def test_a_disease_of_the_seeds_can_have_fewer_contrasts_and_others(tmp_path):
    text = """
diseases:
  SEPSIS:
    contrasts:
      soth: {case: [SEPTIC_SHOCK], reference: [SEPSIS, CONTROL, NO_SEPSIS]}
      shock: {case: [SEPTIC_SHOCK], reference: [CONTROL]}
"""
    definition = json.loads(config_of(tmp_path, text).disease_definitions["SEPSIS"])
    assert list(definition["contrasts"]) == ["shock", "soth"]


def test_a_disease_has_the_labels_that_it_shares(tmp_path):
    text = "diseases:\n  {}:\n    phrases: {{SEPSIS: [sirs]}}\n"
    assert config_of(tmp_path, text.format("SEPTIC_SHOCK")).disease_definitions
    with pytest.raises(UserError, match="'SEPSIS' is not one of CONTROL, CASE"):
        config_of(tmp_path, text.format("RHEUMATOID_ARTHRITIS"))


def test_without_the_key_no_disease_is_replaced(tmp_path):
    assert config_of(tmp_path, "studies: {}\n").disease_definitions is None
    assert config_of(tmp_path, "diseases: {}\n").disease_definitions == {}


def test_phrases_are_prepared_as_the_texts_are(warehouse):
    phrase = 'It\'s A-B_c/D  (e) [F] \\ "G" ?!'
    text = "'" + phrase.replace("'", "''") + "'"
    warehouse.query_write("create table t as select 1 as x")
    words = project_macros("duckdb").illness_words(text)
    ((prepared,),) = warehouse.query(f"select {words} as words")
    assert prepared.strip(" ") == normalized_phrase(phrase)


def test_ingest_stages_the_diseases_and_replaces_them(warehouse, tmp_path):
    download = Study().write(tmp_path / "d")
    path = tmp_path / "pipeline.yaml"

    def staged_after(text):
        path.write_text(text, encoding="utf-8")
        result = warehouse.loader("ingest", download, "--config", path)
        assert result.exit_code == 0, result.stdout
        rows = warehouse.query("select disease_label from staging.disease_definition order by 1")
        return [label for (label,) in rows], len(events(result, "diseases_staged"))

    two = LUPUS.replace("studies:", "  SEPSIS: {phrases: {CASE: [trauma]}}\nstudies:")
    assert staged_after(two) == (["MURINE_LUPUS", "SEPSIS"], 1)
    assert staged_after(two) == (["MURINE_LUPUS", "SEPSIS"], 0)
    assert staged_after(LUPUS.replace("Nephritis", "renal")) == (["MURINE_LUPUS"], 1)
    ((definition,),) = warehouse.query("select definition_json from staging.disease_definition")
    assert "renal" in json.loads(definition)["phrases"]
    assert staged_after("studies: {}\n") == (["MURINE_LUPUS"], 0)
    assert staged_after("diseases: {}\n") == ([], 1)
