"""How often the tests reject where nothing is, if samples or patients count several times or take the
labels of another study; and with the samples and labels that the warehouse gives each study."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from conftest import Study, WarehouseUnderTest
from oracle import Matrix
from test_pair_metrics import TITLES, ingest

from expression_warehouse.pairs.calibration.nulls import SliceData
from expression_warehouse.pairs.calibration.outcome import p_of_draw
from expression_warehouse.pairs.contrasts import Contrast, Design
from expression_warehouse.pairs.expression import StudyMatrix
from expression_warehouse.pairs.settings import Settings

DESIGN = Design((Contrast("ss", ("SEPTIC_SHOCK",), ("SEPSIS",)),))
# Pairs of genes that have no other gene in common: as many independent draws.
PAIRS = 4_000
ERROR = np.sqrt(0.05 * 0.95 / PAIRS)
# Study -> sample -> label.
Labels = dict[str, dict[str, str]]


@dataclass
class Scenario:
    """Studies without a contrast.

    labels    as their downloads have them
    subjects  sample -> patient
    before    labels of the samples if each counts as often as it occurs
    values    makes (genes, samples) of some samples of a study with these labels
    """

    labels: Labels
    subjects: dict[str, str]
    before: Labels
    values: Callable[[np.random.Generator, str, dict[str, str]], np.ndarray]


def cohorts(first: int, **sizes: int) -> dict[str, str]:
    labels = [label for label, size in sizes.items() for _ in range(size)]
    return {f"GSM{first + i}": label for i, label in enumerate(labels)}


def superseries() -> Scenario:
    """The third study has the samples of the other two."""
    parts = {f"GSE{n}1": cohorts(1000 * n, SEPTIC_SHOCK=20, SEPSIS=20) for n in (2, 3)}
    labels = {"GSE11": parts["GSE21"] | parts["GSE31"], **parts}
    made: dict[str, np.ndarray] = {}

    def values(dice, study, own):
        for sample in own:
            if sample not in made:
                made[sample] = dice.normal(size=2 * PAIRS)
        return np.array([made[sample] for sample in own]).T

    return Scenario(labels, {}, labels, values)


def same_names() -> Scenario:
    """All studies name their samples S0 to S59; a table of samples that is keyed by the name alone
    has the labels of the first. Means differ, co-expression doesn't."""
    shock_first = ["SEPTIC_SHOCK"] * 20 + ["SEPSIS"] * 40
    labels = {
        study: {f"S{i}": label for i, label in enumerate(order)}
        for study, order in [
            ("GSE12", shock_first),
            ("GSE22", shock_first[::-1]),
            ("GSE32", shock_first[::-1]),
        ]
    }

    def values(dice, study, own):
        shift = [1.5 * (labels[study][sample] == "SEPTIC_SHOCK") for sample in own]
        return dice.normal(size=(2 * PAIRS, len(shift))) + shift

    return Scenario(labels, {}, dict.fromkeys(labels, labels["GSE12"]), values)


def repeated_subjects() -> Scenario:
    """One study: 20 patients per cohort, three days each, intraclass correlation 0.5."""
    labels = {"GSE13": cohorts(1, SEPTIC_SHOCK=60, SEPSIS=60)}
    subjects = {s: f"P{i // 3}" for i, s in enumerate(labels["GSE13"])}

    def values(dice, study, own):
        patient = dice.normal(size=(2 * PAIRS, 40))[:, np.arange(120) // 3]
        every = np.sqrt(0.5) * (patient + dice.normal(size=patient.shape))
        return every[:, [list(labels[study]).index(sample) for sample in own]]

    return Scenario(labels, subjects, labels, values)


SCENARIOS = {each.__name__: each() for each in (superseries, same_names, repeated_subjects)}


@pytest.fixture(scope="module")
def counted(tmp_path_factory) -> Labels:
    """The samples of all scenarios that take part, according to the warehouse."""
    folder = tmp_path_factory.mktemp("independence")
    warehouse, dice = WarehouseUnderTest(folder), np.random.default_rng(1)
    genes = [f"ENSG5{i:02d}" for i in range(30)]
    for scenario in SCENARIOS.values():
        for accession, labels in scenario.labels.items():
            titles = [TITLES[label] for label in labels.values()]
            study = Study(accession, list(labels), genes, [], titles)
            values = dice.normal(8, 1, (len(genes), len(labels)))
            subjects = {s: scenario.subjects[s] for s in labels if s in scenario.subjects}
            matrix = Matrix(accession, "MICROARRAY", genes, values, list(labels.values()))
            config = {"subjects": subjects} if subjects else {}
            ingest(warehouse, folder, [(study, matrix)], **config)
    warehouse.build("--select", "+fact_gene_expression", "+stg_slice_sample")
    found: Labels = {}
    for study, sample, label in warehouse.query(
        "select study_accession_code, sample_accession_code, illness_label"
        " from staging.stg_slice_sample s inner join dim.dim_sample m using (sample_key)"
        " inner join dim.dim_study d on s.study_key = d.study_key"
        " inner join dim.dim_illness i on s.illness_key = i.illness_key"
    ):
        found.setdefault(study, {})[sample] = label
    return found


def shares(scenario: Scenario, labels: Labels, seed: int) -> dict[str, float]:
    """Test -> share of pairs with p < 0.05."""
    dice = np.random.default_rng(seed)
    matrices = tuple(
        StudyMatrix(scenario.values(dice, study, own), np.array(list(own.values())), None, 0.05)
        for study, own in labels.items()
    )
    a = np.arange(0, 2 * PAIRS, 2)
    data = SliceData(matrices, a, a + 1, DESIGN, Settings(1, 8, "fisher", 0.2))
    p = dict(zip(DESIGN.tests, p_of_draw(data, data.draw(data.matrices)), strict=True))
    return {test: float(np.mean(p[test] < 0.05)) for test in ("ss_z", "ss_hk")}


@pytest.mark.parametrize(
    ("name", "sizes", "before_z", "before_hk"),
    [
        ("superseries", {"GSE21": 40, "GSE31": 40}, 0.14, 0.21),
        ("same_names", {"GSE12": 60, "GSE22": 60, "GSE32": 60}, 0.2, 0.08),
        ("repeated_subjects", {"GSE13": 40}, 0.09, None),
    ],
)
def test_level(counted, name, sizes, before_z, before_hk):
    """p < 0.05 in 5 % of pairs. z is conservative with two or three studies that agree, because
    their variance is estimated as 0 or more."""
    scenario = SCENARIOS[name]
    own = {study: counted[study] for study in scenario.labels if study in counted}
    assert {study: len(labels) for study, labels in own.items()} == sizes
    before, after = (shares(scenario, labels, 5) for labels in (scenario.before, own))
    print(f"{name}: {before} -> {after}")
    assert before["ss_z"] > before_z
    if before_hk is None:
        assert abs(after["ss_z"] - 0.05) <= 3 * ERROR
    else:
        assert before["ss_hk"] > before_hk
        assert abs(after["ss_hk"] - 0.05) <= 3 * ERROR
        assert 0.03 < after["ss_z"] <= 0.05 + 3 * ERROR
