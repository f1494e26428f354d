"""Three ways to say that a pair is unlike the others, and their sum.

Each takes z, an array of pairs × features (feature_scale.robust_z), and returns a number a pair,
the greater the more unusual. Numbers are the same for the same z and seed on one machine where
they run on one thread.
"""

from collections.abc import Mapping

import numpy as np
from scipy.stats import rankdata
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import LinearSVC

# Of the pairs that others are held against: more make it slower, not better (Zimek et al. 2013).
_REFERENCE_SIZE = 10_000
# Planted pairs are like one another: with fewer neighbours than there are of them, they hide one
# another.
_NEIGHBOURS = 100
_TREES = 200
_COMPARISONS = 5_000
# So small that the direction is close to the difference of the means: with a few weak positives a
# closer fit learns what is particular to their genes.
_SVM_C = 1e-6


def local_outlier_factor(z: np.ndarray, seed: int) -> np.ndarray:
    """How much thinner pairs lie about a pair than about its neighbours (Breunig et al. 2000)."""
    generator = np.random.Generator(np.random.PCG64(seed))
    reference = np.sort(generator.permutation(len(z))[:_REFERENCE_SIZE])
    model = LocalOutlierFactor(n_neighbors=min(_NEIGHBOURS, len(reference) - 1), novelty=True)
    model.fit(z[reference])
    found = -model.score_samples(z)
    # A pair is no neighbour of its own.
    found[reference] = -model.negative_outlier_factor_
    return found


def isolation_forest(z: np.ndarray, seed: int) -> np.ndarray:
    """How few random cuts set a pair apart (Liu, Ting & Zhou 2008)."""
    model = IsolationForest(n_estimators=_TREES, random_state=seed % 2**32)
    return -model.fit(z).score_samples(z)


def rank_svm(z: np.ndarray, positives: np.ndarray, negatives: np.ndarray, seed: int) -> np.ndarray:
    """Place along the direction that puts positives above negatives: a linear SVM on differences of
    the two, drawn at random (Herbrich, Graepel & Obermayer 2000; Joachims 2002).

    positives, negatives  numbers of rows of z
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
    """Place among the pairs in [0, 1]: 1 the greatest; ties take their mean."""
    return (rankdata(values) - 1) / max(1, len(values) - 1)


def tail_share(rank: np.ndarray) -> np.ndarray:
    """-log10 of the share of pairs from a pair on upwards, as a share of the greatest possible: 1
    for the first, 0.5 for the hundredth of 10,000. Like -log10 of a probability it tells the first
    pairs apart, and the rest hardly.

    rank  percentile ranks
    """
    tail = 1 - rank * len(rank) / (len(rank) + 1)
    return np.log10(tail) / np.log10(1 / (len(rank) + 1))


def stacked(scores: Mapping[str, np.ndarray]) -> np.ndarray:
    """Percentile rank of -sum ln(1 - u), u the percentile ranks of the models (Fisher's method).

    There are no labels that a second model could learn weights from. A mean of ranks would let a
    pair be held back by a model to which it is ordinary; here what is extreme to one model counts
    far more than who is ordinary to another.
    """
    count = len(next(iter(scores.values())))
    surprise = [-np.log1p(-percentile_rank(v) * count / (count + 1)) for v in scores.values()]
    return percentile_rank(np.sum(surprise, axis=0))
