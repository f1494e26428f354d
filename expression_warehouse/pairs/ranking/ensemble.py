"""Three measures of how much a pair differs from the others, and their combination.

Each takes z, an array of pairs × features (feature_scale.robust_z), and returns one number per
pair; greater is more unusual. In one thread, the same z and seed give the same numbers on one
machine.
"""

from collections.abc import Mapping

import numpy as np
from scipy.stats import rankdata
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import LinearSVC

# Pairs that all pairs are compared with: more are slower, not better (Zimek et al. 2013).
_REFERENCE_SIZE = 10_000
# Unusual pairs that resemble each other look ordinary if there are more of them than neighbours.
_NEIGHBOURS = 100
_TREES = 200
_COMPARISONS = 5_000
# Small, so that the direction stays close to the difference of the means: with few, weak positives
# a tighter fit learns peculiarities of their genes.
_SVM_C = 1e-6


def local_outlier_factor(z: np.ndarray, seed: int) -> np.ndarray:
    """How much lower the density is around a pair than around its neighbours (Breunig 2000)."""
    generator = np.random.Generator(np.random.PCG64(seed))
    reference = np.sort(generator.permutation(len(z))[:_REFERENCE_SIZE])
    model = LocalOutlierFactor(n_neighbors=min(_NEIGHBOURS, len(reference) - 1), novelty=True)
    model.fit(z[reference])
    scores = -model.score_samples(z)
    # Scored as if it were a new pair, a reference pair would be its own neighbour.
    scores[reference] = -model.negative_outlier_factor_
    return scores


def isolation_forest(z: np.ndarray, seed: int) -> np.ndarray:
    """How few random cuts isolate a pair (Liu, Ting & Zhou 2008)."""
    model = IsolationForest(n_estimators=_TREES, random_state=seed)
    return -model.fit(z).score_samples(z)


def rank_svm(z: np.ndarray, positives: np.ndarray, negatives: np.ndarray, seed: int) -> np.ndarray:
    """Position along the direction that puts positives above negatives: a linear SVM on random
    differences of the two (Herbrich, Graepel & Obermayer 2000; Joachims 2002).

    positives, negatives  row numbers of z
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    better = z[generator.choice(positives, _COMPARISONS)]
    worse = z[generator.choice(negatives, _COMPARISONS)]
    sign = np.where(np.arange(_COMPARISONS) % 2, 1, -1)
    model = LinearSVC(C=_SVM_C, fit_intercept=False, dual=False)
    model.fit(sign[:, np.newaxis] * (better - worse), sign)
    # Not a matrix product: BLAS sums in an order that depends on the machine.
    return np.sum(z * model.coef_[0], axis=1)


def percentile_rank(values: np.ndarray) -> np.ndarray:
    """Percentile rank in [0, 1]; the greatest is 1, ties take their mean."""
    return (rankdata(values) - 1) / max(1, len(values) - 1)


def tail_share(rank: np.ndarray) -> np.ndarray:
    """-log10 of the share of pairs ranked at or above a pair, divided by its maximum: 1 for the
    first, 0.5 for the hundredth of 10,000. Like -log10 of a probability, it separates the first
    pairs and hardly the rest.

    rank  percentile ranks
    """
    tail = 1 - rank * len(rank) / (len(rank) + 1)
    return np.log10(tail) / np.log10(1 / (len(rank) + 1))


def stacked(scores: Mapping[str, np.ndarray]) -> np.ndarray:
    """Percentile rank of -sum ln(1 - u), u the percentile ranks of the models (Fisher's method).

    There are no labels to learn weights from. In a mean of ranks, one model that finds a pair
    ordinary would hold it back; here, being extreme in one model counts far more.
    """
    count = len(next(iter(scores.values())))
    surprise = [-np.log1p(-percentile_rank(v) * count / (count + 1)) for v in scores.values()]
    return percentile_rank(np.sum(surprise, axis=0))
