"""Expression values: a Gaussian matrix with the planted correlations, then the study's scale.

Every step from the Gaussian to the values is monotone within a gene, so that rank correlations
are those of the Gaussian but for ties. Nothing here is a matrix product: BLAS sums in an order
that depends on the machine, and the same seed must give the same files everywhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from demo.design import STUDIES, Organism, Study

PLANTED_CORRELATION = 0.9
# Standard deviation, between studies, of a planted pair's Fisher z in each cohort.
HETEROGENEITY = 0.05

_MODULE_COUNT = 4
_MODULE_SIZE = 6


@dataclass(frozen=True)
class GeneTraits:
    """Properties of an organism's genes, the same in all studies; one value per gene.

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
    """Yield the studies; the same for the same seed. Rows are in the order of the organism's genes.

    correlation  of the planted pairs in their cohorts, but for its sign

    Raises ValueError for a negative seed.
    """
    shared, *per_study = np.random.SeedSequence(seed).spawn(1 + len(studies))
    rng = _generator(shared)
    organisms = {study.organism.name: study.organism for study in studies}
    traits = {name: _gene_traits(organism, rng) for name, organism in sorted(organisms.items())}
    for study, stream in zip(studies, per_study, strict=True):
        rng = _generator(stream)
        labels = [label for label, count in study.cohorts.items() for _ in range(count)]
        illness = [labels[i] for i in rng.permutation(len(labels))]
        of_genes = traits[study.organism.name]
        latent = _latent(study.organism, illness, of_genes, correlation, rng)
        values = _to_scale(latent, study.scale, of_genes, rng)
        values[rng.random(values.shape) < study.missing_share] = np.nan
        yield SimulatedStudy(study, illness, latent, values)


def _generator(stream: np.random.SeedSequence) -> np.random.Generator:
    # Not default_rng: its bit generator may change with the release of numpy.
    return np.random.Generator(np.random.PCG64(stream))


def _gene_traits(organism: Organism, rng: np.random.Generator) -> GeneTraits:
    planted = frozenset().union(*(pair.genes for pair in organism.planted))
    count = len(organism.genes)
    is_planted = np.array([gene in planted for gene in organism.genes])
    level = rng.random(count)
    # Zeros would blur the planted correlations.
    level[is_planted] = 0.4 + 0.4 * level[is_planted]

    module = np.full(count, -1)
    members = rng.permutation(np.flatnonzero(~is_planted))[: _MODULE_COUNT * _MODULE_SIZE]
    module[members] = np.arange(len(members)) % _MODULE_COUNT

    loading = rng.uniform(0.4, 0.8, count) * np.where(rng.random(count) < 0.2, -1, 1)
    return GeneTraits(level, module, np.where(module >= 0, loading, 0.0))


def _latent(
    organism: Organism,
    illness: list[str],
    traits: GeneTraits,
    correlation: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """One row per gene, one column per sample. Modules are correlated in all cohorts, planted pairs
    in theirs."""
    noise = rng.standard_normal((len(organism.genes), len(illness)))
    modules = rng.standard_normal((_MODULE_COUNT, len(illness)))
    loading = traits.loading[:, np.newaxis]
    # Module -1 picks the last module, with a loading of 0.
    latent = loading * modules[traits.module] + np.sqrt(1 - loading**2) * noise

    row = {gene: i for i, gene in enumerate(organism.genes)}
    for label in sorted(set(illness)):
        columns = np.flatnonzero(np.array(illness) == label)
        for pair in organism.planted:
            z = pair.sign * np.arctanh(correlation) if pair.is_correlated_in(label) else 0.0
            r = np.tanh(z + HETEROGENEITY * rng.standard_normal())
            a, b = latent[row[pair.gene_a], columns], noise[row[pair.gene_b], columns]
            latent[row[pair.gene_b], columns] = r * a + np.sqrt(1 - r**2) * b
    return latent


def _to_scale(
    latent: np.ndarray, scale: str, traits: GeneTraits, rng: np.random.Generator
) -> np.ndarray:
    """Map latent values to the study's scale, with a level and spread per gene."""
    # Studies agree on which genes are strongly expressed, but not in detail.
    level = np.clip(traits.level + 0.05 * rng.standard_normal(len(latent)), 0, 1)[:, np.newaxis]
    spread = rng.uniform(0.7, 1.3, (len(latent), 1))
    if scale == "LOG2":
        # A scanner's range, 2 to 16, has an end on both sides.
        return 2 + 14 / (1 + np.exp(-(3.2 * (level - 0.5) + 0.18 * spread * latent)))
    if scale == "TPM":
        return np.maximum(np.exp2(0.6 + 9 * level + 0.7 * spread * latent) - 1, 0)
    return np.floor(np.exp2(0.6 + 14 * level + 0.7 * spread * latent))
