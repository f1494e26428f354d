"""How often the tests find something where nothing is: ten published studies whose labels or genes
are shuffled, and simulated studies that disagree. The arithmetic is that of a screen, which
test_screen.py compares with the models."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import oracle
import pytest
from scipy import stats
from test_false_discovery import exact_p
from test_pair_numbers import settings_of, store_of, study_of

from expression_warehouse.pairs.contrasts import Contrast, Design
from expression_warehouse.pairs.engine.pooled_pairs import pool_pairs

COHORTS = ("SEPTIC_SHOCK", "SEPSIS", "CONTROL", "NO_SEPSIS")
# As in the seed contrast, all of which a study of each technology has.
DESIGN = Design(
    (
        Contrast("ss", ("SEPTIC_SHOCK",), ("SEPSIS",)),
        Contrast("soth", ("SEPTIC_SHOCK",), ("CONTROL", "NO_SEPSIS", "SEPSIS")),
        Contrast("sc", ("SEPSIS",), ("CONTROL", "NO_SEPSIS")),
    )
)
Shuffle = Callable[[np.random.Generator, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def labels_shuffled(dice, values, labels):
    """Which samples are ill is chance, so that no contrast is anything else. Co-expression stays."""
    return values, dice.permutation(labels)


def genes_shuffled(dice, values, labels):
    """Each gene by itself within each cohort: there is no co-expression, but means differ still."""
    shuffled = values.copy()
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        shuffled[:, own] = dice.permuted(values[:, own], axis=1)
    return shuffled, labels


class Panel:
    """The studies of a technology on the genes that are the candidates of a build."""

    def __init__(self, studies: Sequence[oracle.Matrix]) -> None:
        self.studies = studies
        self.genes = oracle.candidate_genes(studies, 300, 3, [])

    def p_values(
        self, folder: Path, dice: np.random.Generator, shuffle: Shuffle, k_min: int
    ) -> dict[str, np.ndarray]:
        """p of each test of all pairs; NaN if a pair does not have it."""
        cohorts = []
        for study in self.studies:
            values = np.full((len(self.genes), len(study.cohorts)), np.nan)
            own = [gene for gene in self.genes if gene in study.place]
            rows = [self.genes.index(gene) for gene in own]
            values[rows] = study.values[[study.place[gene] for gene in own]]
            known = study.known
            values, labels = shuffle(dice, values[:, known], np.array(study.cohorts)[known])
            cohorts.append([values[:, labels == label] for label in COHORTS])
        # The order of the design's cohorts.
        order = [COHORTS.index(label) for label in DESIGN.cohorts]
        cohorts = [[study[i] for i in order] for study in cohorts]
        store = store_of(folder, cohorts, settings_of(k_min), DESIGN)
        p = exact_p(store, pool_pairs(store, *np.triu_indices(len(self.genes), 1)))
        return dict(zip(DESIGN.tests, p, strict=True))


@pytest.fixture(scope="module", params=["MICROARRAY", "RNA-SEQ"])
def panel(request, shared_data) -> Panel:
    studies = oracle.read_panel(shared_data / "sepsis_panel")
    return Panel([study for study in studies if study.technology == request.param])


def count_found(p: np.ndarray) -> int:
    """Pairs with a false discovery rate of at most 0.05."""
    tested = p[~np.isnan(p)]
    return int(np.count_nonzero(stats.false_discovery_control(tested) <= 0.05))


def test_labels_shuffled(panel, tmp_path):
    """The default test finds anything in at most 4 of 30 draws (1.5 are expected)."""
    dice = np.random.default_rng(20)
    found = [
        count_found(panel.p_values(tmp_path, dice, labels_shuffled, 3)["pair"]) for _ in range(30)
    ]
    print(f"found in {np.count_nonzero(found)} of 30 draws: {found}")
    assert np.count_nonzero(found) <= 4


def test_genes_shuffled(panel, tmp_path):
    """Septic shock against all others: cohorts correlated one by one reject as often as they say,
    although their means differ."""
    dice = np.random.default_rng(21)
    draws = [panel.p_values(tmp_path, dice, genes_shuffled, 1) for _ in range(5)]
    for test in ("soth_z", "sc_z", "sc_hk"):
        p = np.concatenate([draw[test] for draw in draws])
        p = p[~np.isnan(p)]
        share = np.mean(p < 0.05)
        print(f"{test}: {100 * share:.1f} % of {len(p):,} pairs have p < 0.05")
        assert 0.03 < share < 0.065


def test_studies_that_disagree(tmp_path):
    """Genes that follow a factor in septic shock only, each in a direction that is chance in each
    study: z finds pairs in most draws, Hartung-Knapp in few."""
    dice = np.random.default_rng(22)
    found = {"ss_z": 0, "pair": 0}
    upper = np.triu_indices(60, 1)
    for _ in range(30):
        studies = []
        for _ in range(5):
            shock, sepsis, control = study_of(dice, 60, 30, 30, 20, spread=0.0)
            factor = dice.normal(size=30)
            loadings = np.where(np.arange(60) < 15, dice.choice([-1.0, 1.0], 60), 0.0)
            studies.append([shock + np.outer(loadings, factor), sepsis, control])
        store = store_of(tmp_path, studies, settings_of(3))
        p = exact_p(store, pool_pairs(store, *upper))
        for test in found:
            found[test] += count_found(p[store.design.tests.index(test)]) > 0
    print(f"found in so many of 30 draws: {found}")
    assert found["pair"] <= 4
    assert found["ss_z"] >= 15
