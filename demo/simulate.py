"""Expression values: a Gaussian matrix with the planted correlations, then the study's scale.

Every step from the Gaussian to the values is monotone within a gene, so that rank correlations
are those of the Gaussian but for ties. Nothing here is a matrix product: BLAS sums in an order
that depends on the machine, and the same seed must give the same files everywhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from demo.design import GENES, PLANTED_GENES, PLANTED_PAIRS, STUDIES, Study

PLANTED_CORRELATION = 0.85
# Standard deviation, between studies, of a planted pair's Fisher z in each cohort.
HETEROGENEITY = 0.05

_MODULE_COUNT = 4
_MODULE_SIZE = 30


@dataclass(frozen=True)
class GeneTraits:
    """Properties of the genes, the same in all studies; arrays of len(GENES).

    level    how strongly a gene is expressed, 0 (hardly) to 1
    module   its co-expression module, -1 for none
    loading  its correlation with the module, 0 without one
    """

    level: np.ndarray
    module: np.ndarray
    loading: np.ndarray


@dataclass(frozen=True)
class SimulatedStudy:
    """One study's data.

    illness  illness label of each sample
    latent   one row per gene, one column per sample; standard normal in each gene and cohort
    values   the same shape, in the study's scale; NaN where missing
    """

    study: Study
    illness: list[str]
    latent: np.ndarray
    values: np.ndarray


def simulate(
    seed: int, studies: Sequence[Study] = STUDIES, correlation: float = PLANTED_CORRELATION
) -> Iterator[SimulatedStudy]:
    """Yield the studies; the same for the same seed. Rows are in the order of design.GENES.

    correlation  of the planted pairs in septic shock, but for its sign

    Raises ValueError for a negative seed.
    """
    shared, *per_study = np.random.SeedSequence(seed).spawn(1 + len(studies))
    traits = _gene_traits(_generator(shared))
    for study, stream in zip(studies, per_study, strict=True):
        rng = _generator(stream)
        labels = [label for label, count in study.cohorts.items() for _ in range(count)]
        illness = [labels[i] for i in rng.permutation(len(labels))]
        latent = _latent(illness, traits, correlation, rng)
        values = _to_scale(latent, study.scale, traits, rng)
        values[rng.random(values.shape) < study.missing_share] = np.nan
        yield SimulatedStudy(study, illness, latent, values)


def _generator(stream: np.random.SeedSequence) -> np.random.Generator:
    # Not default_rng: its bit generator may change with the release of numpy.
    return np.random.Generator(np.random.PCG64(stream))


def _gene_traits(rng: np.random.Generator) -> GeneTraits:
    is_planted = np.array([gene in PLANTED_GENES for gene in GENES])
    level = rng.random(len(GENES))
    # Zeros would blur the planted correlations.
    level[is_planted] = 0.4 + 0.4 * level[is_planted]

    module = np.full(len(GENES), -1)
    members = rng.permutation(np.flatnonzero(~is_planted))[: _MODULE_COUNT * _MODULE_SIZE]
    module[members] = np.arange(len(members)) % _MODULE_COUNT

    loading = rng.uniform(0.4, 0.8, len(GENES)) * np.where(rng.random(len(GENES)) < 0.2, -1, 1)
    return GeneTraits(level, module, np.where(module >= 0, loading, 0.0))


def _latent(
    illness: list[str], traits: GeneTraits, correlation: float, rng: np.random.Generator
) -> np.ndarray:
    """A row a gene, a column a sample. Modules hold in all cohorts, planted pairs in one."""
    noise = rng.standard_normal((len(GENES), len(illness)))
    modules = rng.standard_normal((_MODULE_COUNT, len(illness)))
    loading = traits.loading[:, np.newaxis]
    # Module -1 picks the last module, with a loading of 0.
    latent = loading * modules[traits.module] + np.sqrt(1 - loading**2) * noise

    row = {gene: i for i, gene in enumerate(GENES)}
    for label in sorted(set(illness)):
        columns = np.flatnonzero(np.array(illness) == label)
        for pair in PLANTED_PAIRS:
            z = pair.sign * np.arctanh(correlation) if label == "SEPTIC_SHOCK" else 0.0
            r = np.tanh(z + HETEROGENEITY * rng.standard_normal())
            a, b = latent[row[pair.gene_a], columns], noise[row[pair.gene_b], columns]
            latent[row[pair.gene_b], columns] = r * a + np.sqrt(1 - r**2) * b
    return latent


def _to_scale(
    latent: np.ndarray, scale: str, traits: GeneTraits, rng: np.random.Generator
) -> np.ndarray:
    """Map latent values to the study's scale, with a level and spread per gene."""
    # Studies agree on which genes are strongly expressed, but not in detail.
    level = np.clip(traits.level + 0.05 * rng.standard_normal(len(GENES)), 0, 1)[:, np.newaxis]
    spread = rng.uniform(0.7, 1.3, (len(GENES), 1))
    if scale == "LOG2":
        # A scanner's range, 2 to 16, has an end on both sides.
        return 2 + 14 / (1 + np.exp(-(3.2 * (level - 0.5) + 0.18 * spread * latent)))
    if scale == "TPM":
        return np.maximum(np.exp2(0.6 + 9 * level + 0.7 * spread * latent) - 1, 0)
    return np.floor(np.exp2(0.6 + 14 * level + 0.7 * spread * latent))
