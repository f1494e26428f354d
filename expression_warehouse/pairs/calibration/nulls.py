"""The studies of a slice, changed so that what a test should find is known.

LABELS   labels permuted within each study: no contrast is real, co-expression is as it was.
SIGNS    all r of a study, in some studies, with the other sign: contrasts of whole studies point in
         a direction that is chance. The studies stay as different as they are.
GENES    each gene permuted by itself within each cohort: no co-expression; means differ as before.
PLANTED  LABELS, and some pairs whose Fisher z is larger by `effect` in the cohorts of a case.
"""

from dataclasses import dataclass, replace

import numpy as np

from expression_warehouse.pairs.contrasts import CASE, Design
from expression_warehouse.pairs.engine.transform_store import (
    TransformStore,
    transform_study,
)
from expression_warehouse.pairs.expression import StudyMatrix
from expression_warehouse.pairs.settings import Settings

KINDS = ("LABELS", "SIGNS", "GENES", "PLANTED")
# Fisher z of a planted contrast: r of 0.3, 0.54 and 0.72 against 0.
EFFECTS = (0.3, 0.6, 0.9)
# One of so many pairs gets a planted contrast; at least one pair per contrast.
_PLANTED_EVERY = 100


@dataclass(frozen=True)
class SliceData:
    """What a calibration of a slice computes with.

    matrices  one per study; their rows are the genes of the pairs
    a, b      (pairs,): rows of their genes
    """

    matrices: tuple[StudyMatrix, ...]
    a: np.ndarray
    b: np.ndarray
    design: Design
    settings: Settings

    def draw(self, matrices: tuple[StudyMatrix, ...]) -> "Draw":
        """Studies like these, whose r are not changed."""
        share, genes = self.settings.detection_share_min, np.arange(len(matrices[0].values))
        studies = [
            transform_study(
                [matrix.cohort(label, share) for label in self.design.cohorts], genes, self.settings
            )
            for matrix in matrices
        ]
        store = TransformStore(studies, self.settings, self.design)
        return Draw(store, np.ones(len(matrices)))


@dataclass(frozen=True)
class Draw:
    """Studies whose r are changed after they are computed.

    sign   (studies,): what r of each study is multiplied by; of SIGNS, one of `sign_patterns`
    shift  (cohorts, pairs): what is added to Fisher's z; None is nothing
    """

    store: TransformStore
    sign: np.ndarray
    shift: np.ndarray | None = None

    def correlate(self, data: SliceData, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """r of some pairs, and the samples it is of: (studies, cohorts, pairs).

        pairs  their positions in data.a
        """
        r, n = self.store.spearman_of_pairs(data.a[pairs], data.b[pairs])
        r *= self.sign[:, None, None]
        if self.shift is not None:
            with np.errstate(divide="ignore"):
                r = np.tanh(np.arctanh(np.clip(r, -1, 1)) + self.shift[:, pairs])
        return r, n


def permute_labels(data: SliceData, dice: np.random.Generator) -> Draw:
    """A draw of LABELS."""
    matrices = tuple(
        replace(matrix, labels=dice.permutation(matrix.labels)) for matrix in data.matrices
    )
    return data.draw(matrices)


def permute_genes(data: SliceData, dice: np.random.Generator) -> Draw:
    """A draw of GENES."""

    def permuted(matrix: StudyMatrix) -> StudyMatrix:
        values = matrix.values.copy()
        for label in np.unique(matrix.labels):
            own = np.flatnonzero(matrix.labels == label)
            values[:, own] = dice.permuted(values[:, own], axis=1)
        return replace(matrix, values=values)

    matrices = tuple(map(permuted, data.matrices))
    return data.draw(matrices)


def sign_patterns(studies: int, draws: int, dice: np.random.Generator) -> np.ndarray:
    """(patterns, studies): 1 or -1. All that are neither the same nor the other way round as they
    are or as one another; if these are more than `draws`, so many of them, each once."""
    every = 2 ** (studies - 1) - 1
    if every <= draws:
        numbers = np.arange(1, every + 1)
    else:
        chosen: dict[int, None] = {}
        while len(chosen) < draws:
            chosen[int(dice.integers(1, min(every, 2**62), endpoint=True))] = None
        numbers = np.array(list(chosen))
    bits = numbers[:, None] >> np.arange(studies - 1) & 1
    return np.hstack([np.ones((len(numbers), 1)), 1.0 - 2.0 * bits])


def plant(
    draw: Draw, pairs: int, effect: float, dice: np.random.Generator
) -> tuple[Draw, np.ndarray]:
    """A draw of PLANTED from one of LABELS; and (contrasts, pairs): where a contrast was planted,
    in either direction."""
    design = draw.store.design
    chosen = dice.permutation(pairs)[: max(len(design.contrasts), pairs // _PLANTED_EVERY)]
    is_planted = np.zeros((len(design.contrasts), pairs), bool)
    shift = np.zeros((len(design.cohorts), pairs))
    for contrast, own in enumerate(np.array_split(chosen, len(design.contrasts))):
        is_planted[contrast, own] = True
        cohorts = np.flatnonzero(design.sides[contrast] == CASE)
        shift[np.ix_(cohorts, own)] = effect * dice.choice([-1.0, 1.0], len(own))
    return replace(draw, shift=shift), is_planted
