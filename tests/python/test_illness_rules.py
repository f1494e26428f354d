"""The phrases of seeds/illness_rule.csv find what the regular expressions that they stand for find,
on any title of letters, digits, blanks, `_` and `-`, if `_` separates words as `-` does."""

import random
import re

from conftest import Study

NO_SHOCK = r"\b((no|non|without|not)( septic)?|not in) shock\b"
NO_SEPSIS = r"\b((no|non|not|without) sepsis|nonsepsis|nosepsis|(non|not) septic|nonseptic)\b"
CONTROL = r"\b(controls?|healthy|ctrl|hc|volunteers?|normal donors?)\b"
PIECES = [
    "septic", "shock", "sshock", "sepsis", "no", "non", "control", "healthy", "Septic", "SHOCK",
    "Sepsis", "x", "7", "_", "-", " ", " ", " ", "  ", "_", "-", "a", "No", "NON", "without", "not",
    "in", "HC", "ctrl",
]  # fmt: skip


def expected(title):
    # A regular expression takes `_` for a letter.
    text = re.sub("[_-]", " ", title.lower())
    shock = r"\b(sshock|septicshock)\b"
    if not re.search(NO_SHOCK, text):
        shock += r"|\bshock\b"
    if re.search(shock, text):
        return "SEPTIC_SHOCK"
    if re.search(NO_SEPSIS, text):
        return "NO_SEPSIS"
    if re.search(r"\b(sepsis|septica?emia)\b", text):
        return "SEPSIS"
    return "CONTROL" if re.search(CONTROL, text) else "UNKNOWN"


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
