"""The phrases of seeds/illness_rule.csv find what the regular expressions that they stand for find,
on any title of letters, digits, blanks, `_` and `-`, if `_` separates words as `-` does."""

import random
import re

import pytest
from conftest import Study

from expression_warehouse.core.config import PipelineConfig
from loader.labels import infer_labels
from loader.source.metadata import StudyMetadata

NO_SHOCK = r"\b((no|non|without|not)( septic)?|not in) shock\b"
NO_SEPSIS = [
    "no sepsis", "non sepsis", "not sepsis", "without sepsis", "nonsepsis", "nosepsis", "non septic", "not septic",
    "nonseptic",
]  # fmt: skip
CONTROL = r"\b(controls?|healthy|ctrl|hc|volunteers?|normal donors?)\b"
PIECES = [
    "septic", "shock", "sshock", "sepsis", "no", "non", "control", "healthy", "Septic", "SHOCK",
    "Sepsis", "x", "7", "_", "-", " ", " ", " ", "  ", "_", "-", "a", "No", "NON", "without", "not",
    "in", "HC", "ctrl",
]  # fmt: skip


def expected(title):
    # A regular expression takes `_` for a letter.
    text = re.sub("[_-]", " ", title.lower())
    # Titles made of these pieces have only one denial: `no` as the last word of a clause.
    clauses = re.sub("[ _-]+", " ", title.lower().replace(" - ", " ; ") + " ; ")

    def says(*phrases):
        return any(
            re.search(rf"\b{phrase}\b", text) and not re.search(rf"\b{phrase} (; )?no ;", clauses)
            for phrase in phrases
        )

    if says("sshock", "septicshock") or (says("shock") and not re.search(NO_SHOCK, text)):
        return "SEPTIC_SHOCK"
    if says(*NO_SEPSIS):
        return "NO_SEPSIS"
    no_sepsis = re.search(r"\b(no|non|not|without) sepsis\b", text)
    if (says("sepsis") and not no_sepsis) or says("septicemia", "septic without shock"):
        return "SEPSIS"
    return "CONTROL" if re.search(CONTROL, text) else "UNKNOWN"


# With `*` for the illness.
DENIED = [
    "*: no", "*:no", "* = no", "*=0", "*: 0", "*: FALSE", "* = false", "*: none", "*: negative", "*: Absent",
    "*: not present", "*_N", "*-no", "*_negative_3", "PBMC, *: no, day: 3", "*: no (day 3)", "*: n; age: 30",
    "day=1 *=no sex=f", "*: no - rep 2", "* (ruled out)", "* ruled out", "* (excluded)", "*, excluded", "* (no)",
    "* suspected, later ruled out", "suspected * (not confirmed)", "P7 w/o *", "no evidence of *", "* status: no",
]  # fmt: skip
SAID = [
    "*: yes", "*=1", "*: 1", "* no. 7", "* 0 h", "*_0h", "*_0", "*: day 0", "* n=5", "*, no antibiotics", "*: no CRP",
    "*, excluded from analysis", "*, fungal infection ruled out", "*: negative culture", "no CRP, *", "* patient N 3",
    "infection: no, *: yes", "*_rep1",
]  # fmt: skip


def labels(titles):
    samples = {title: {"refinebio_title": title} for title in titles}
    metadata = StudyMetadata("GSE1", {}, {}, samples)
    return {label.title: label.label for label in infer_labels(metadata, PipelineConfig())}


@pytest.mark.parametrize(
    ("illness", "label"),
    [
        ("shock", "SEPTIC_SHOCK"),
        ("septic shock", "SEPTIC_SHOCK"),
        ("Sepsis", "SEPSIS"),
        ("septicemia", "SEPSIS"),
        ("trauma", "NO_SEPSIS"),
    ],
)
def test_an_illness_that_a_title_denies_is_no_label(illness, label):
    said = {title.replace("*", illness): label for title in SAID}
    # Who is without sepsis has a label of its own.
    other = "NO_SEPSIS" if illness == "Sepsis" else "UNKNOWN"
    denied = {
        title.replace("*", illness): other if "w/o" in title else "UNKNOWN" for title in DENIED
    }
    assert labels(said | denied) == said | denied


def test_what_a_title_says_beside_a_denial_holds():
    titles = {
        "septic patient w/o shock": "SEPSIS",
        "septic patient 3": "UNKNOWN",
        "sepsis=yes shock=no": "SEPSIS",
        "Sepsis, shock ruled out": "SEPSIS",
        "Sepsis: no shock": "SEPSIS",
        "healthy control, sepsis: no": "CONTROL",
        # A title of two fields.
        "shock=no sepsis=yes": "UNKNOWN",
    }
    assert labels(titles) == titles


@pytest.mark.parametrize(
    "denial",
    [
        "keine *", "ohne *", "*: nein", "*=nein", "sans *", "pas de *", "* : non", "sin *", "geen *",
        "zonder *", "*: nee", "nicht-*", "Ausschluss *", "kein Hinweis auf *", "* ausgeschlossen",
        "* (ausgeschlossen)", "V. a. * (nicht bestätigt)", "* nicht gesichert",
    ],
)  # fmt: skip
@pytest.mark.parametrize("illness", ["Sepsis", "shock"])
def test_denials_of_other_languages(denial, illness):
    title = denial.replace("*", illness)
    assert labels([title]) == {title: "UNKNOWN"}
    # The rest of the title still counts.
    assert labels([f"Sepsis, {denial.replace('*', 'shock')}"]).popitem()[1] == "SEPSIS"


def test_a_finer_label_of_another_text_holds():
    """As the model's unit test, for `labels` and `inspect`."""
    samples = {
        "shock": {"refinebio_title": "Sepsis 1", "refinebio_disease_stage": "septic shock"},
        "both": {"refinebio_title": "Sepsis 2", "refinebio_disease_stage": "sepsis, septic shock"},
        "yes": {"refinebio_disease": "sepsis", "characteristics": {"Septic_Shock": "yes"}},
        "ja": {"refinebio_disease": "Sepsis", "characteristics": {"Schock": "ja"}},
        "oui": {"refinebio_disease": "sepsis", "characteristics": {"septic shock": "Oui"}},
        "no": {"refinebio_disease": "sepsis", "characteristics": {"Septic_Shock": "no"}},
        "nein": {"refinebio_disease": "Sepsis", "characteristics": {"Schock": "nein"}},
        "missing": {"refinebio_disease": "sepsis", "characteristics": {"Septic_Shock": "NA"}},
        "index": {"refinebio_disease": "sepsis", "characteristics": {"shock index": "1"}},
    }
    metadata = StudyMetadata("GSE1", {}, {}, samples)
    found = {label.sample: label.label for label in infer_labels(metadata, PipelineConfig())}
    shocks = {"shock", "yes", "ja", "oui"}
    assert found == {name: "SEPTIC_SHOCK" if name in shocks else "SEPSIS" for name in samples}


def test_denials_of_controls():
    titles = {
        "healthy: no": "UNKNOWN",
        "control=FALSE": "UNKNOWN",
        "Control, negative": "CONTROL",
        "negative control": "CONTROL",
        "control: none": "CONTROL",
        "HC_N": "CONTROL",
        "Control_0": "CONTROL",
    }
    assert labels(titles) == titles


def test_other_kinds_of_shock_are_not_septic():
    kinds = [
        "anaphylactic", "hemorrhagic", "haemorrhagic", "cardiogenic", "hypovolemic", "hypovolaemic", "neurogenic",
    ]  # fmt: skip
    assert set(labels(f"{kind.title()} shock patient 1" for kind in kinds).values()) == {"UNKNOWN"}


def test_shock_in_german():
    titles = {
        "septischer Schock": "SEPTIC_SHOCK",
        "Sepsis mit Schock": "SEPTIC_SHOCK",
        "Sepsis/septischer Schock": "SEPTIC_SHOCK",
        "Pat. 7, im septischen Schock": "SEPTIC_SHOCK",
        "Sepsis ohne Schock": "SEPSIS",
        "Sepsis, kein septischer Schock": "SEPSIS",
        "Sepsis ohne septischen Schock": "SEPSIS",
        "Sepsis, Schock: nein": "SEPSIS",
        "Sepsis, nicht im Schock": "SEPSIS",
        "Schock ausgeschlossen": "UNKNOWN",
        "Hämorrhagischer Schock": "UNKNOWN",
        "kardiogener Schock": "UNKNOWN",
        "Schockraum": "UNKNOWN",
    }
    assert labels(titles) == titles


def test_phrases_equal_the_regular_expressions(warehouse, tmp_path):
    dice = random.Random(20240919)
    titles = ["".join(dice.choices(PIECES, k=dice.randint(1, 9))) for _ in range(20_000)]
    titles += [
        "post_sepsis",
        "sepsis_1",
        "PBMC_healthy",
        "septic-shock",
        "septicshock",
        "no--sepsis",
        "no  sepsis",
        "Non-Sepsis",
        "Severe sepsis without shock",
        "Sepsis survivor, no shock",
        "septic patient, non-septic shock",
        "HC_01",
        "Healthy volunteers",
        "normal donor",
        "shock no",
        "Sepsis - no",
        "septic without shock",
    ]
    samples = [f"S{i}" for i in range(len(titles))]
    study = Study(samples=samples, genes=["G"], values=[["6"] * len(titles)], titles=titles)
    assert warehouse.loader("ingest", study.write(tmp_path / "d")).exit_code == 0
    warehouse.dbt(
        "build",
        "--select",
        "+stg_sample_illness",
        "--resource-type",
        "model",
        "--resource-type",
        "seed",
    )
    found = dict(
        warehouse.query(
            "select sample_accession_code, illness_label from staging.stg_sample_illness"
        )
    )
    wrong = {
        title: (found[sample], expected(title))
        for sample, title in zip(samples, titles, strict=True)
        if found[sample] != expected(title)
    }
    assert wrong == {}
    assert len({expected(title) for title in titles}) == 5
