"""Rank transforms of all genes, studies and cohorts, in files that are mapped into memory.

So the memory that a screen needs does not grow with the number of genes. README.md describes the
files.
"""

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from expression_warehouse.core.files import open_atomically
from expression_warehouse.pairs.contrasts import Contrast, Design
from expression_warehouse.pairs.screen.rank_transform import (
    EXACT_FLOAT32_SAMPLES,
    inner_products,
    rank_transform,
    spearman_complete_cases,
)
from expression_warehouse.pairs.settings import Settings


@dataclass(frozen=True)
class TransformStore:
    """The genes of a screen, numbered from 0.

    ranks    [study][cohort]: (genes, samples), see RankTransform
    values   the same, of studies with missing values; else None
    inverse  (studies, cohorts, genes); NaN if a gene has no r
    partial  (studies, cohorts, genes): whether some of its values are missing
    samples  (studies, cohorts); 0 if a cohort is too small to take part
    settings decide weights and the smallest cohort
    design   the contrasts; their cohorts are those of the store
    """

    ranks: list[list[np.ndarray]]
    values: list[list[np.ndarray] | None]
    inverse: np.ndarray
    partial: np.ndarray
    samples: np.ndarray
    settings: Settings
    design: Design

    @property
    def gene_count(self) -> int:
        """How many genes there are."""
        return self.inverse.shape[2]

    @property
    def pair_count(self) -> int:
        """How many pairs of genes there are."""
        return self.gene_count * (self.gene_count - 1) // 2

    @functools.cached_property
    def product_type(self) -> np.dtype:
        """The type that holds all inner products of ranks exactly."""
        return np.result_type(*(ranks.dtype for cohorts in self.ranks for ranks in cohorts))

    @functools.cached_property
    def is_partial(self) -> np.ndarray:
        """(genes,): whether a gene lacks some values anywhere. Its pairs take another path."""
        return np.logical_or.reduce(self.partial, axis=(0, 1))

    @functools.cached_property
    def tile_scale(self) -> np.ndarray:
        """`inverse` of the genes without missing values; NaN for the others."""
        return np.where(self.is_partial, np.nan, self.inverse)

    def products(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """(studies, cohorts, pairs): inner products of the ranks of genes a and b."""
        products = np.empty((*self.samples.shape, len(a)), self.product_type)
        for s, cohorts in enumerate(self.ranks):
            for g, ranks in enumerate(cohorts):
                inner_products(ranks, a, b, products[s, g])
        return products

    def spearman_of_pairs(self, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """r of single pairs, and the samples it is based on: (studies, cohorts, pairs)."""
        r = self.products(a, b) * (self.inverse[:, :, a] * self.inverse[:, :, b])
        n = np.repeat(self.samples[:, :, None], len(a), axis=2)
        gene, other = (np.where(self.is_partial[a], *both) for both in ((a, b), (b, a)))
        for one in np.unique(gene[self.is_partial[gene]]):
            own = np.flatnonzero(gene == one)
            r[:, :, own], n[:, :, own] = self.spearman_of_gene(int(one), other[own])
        return r, n

    def spearman_of_gene(self, gene: int, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """r of a gene with others, and the samples it is based on: (studies, cohorts, others).

        A pair with missing values is ranked on its own samples. NaN if there is no r, or too few
        samples.
        """
        a = np.full(len(others), gene)
        r = self.products(a, others) * (self.inverse[:, :, [gene]] * self.inverse[:, :, others])
        n = np.repeat(self.samples[:, :, None], len(others), axis=2)
        for s, g in zip(*np.nonzero(self.samples), strict=True):
            if not (values := self.values[s]):
                continue
            is_anew = self.partial[s, g, others] | self.partial[s, g, gene]
            anew = others[is_anew]
            pair_r, pair_n = np.empty(len(anew)), np.empty(len(anew), np.int64)
            spearman_complete_cases(values[g][gene], values[g][anew], pair_r, pair_n)
            r[s, g, is_anew], n[s, g, is_anew] = pair_r, pair_n
        r[n < self.settings.min_samples] = np.nan
        return r, n


def weight_of(samples: np.ndarray, settings: Settings) -> np.ndarray:
    """1 / variance of Fisher's z of a Spearman r of 0; 0 if no r is defined."""
    return np.maximum(samples - 3.0, 0.0) / settings.se_factor


def limit_of(samples: np.ndarray) -> np.ndarray:
    """Greatest |r| of so many samples, as clip_r in macros/stats/fisher_z.sql; 0 without any."""
    n = samples.astype(float)
    steps = n * (n * n - 1)
    return np.where(n > 1, 1 - 6 / np.where(n > 1, steps, 1.0), 0.0)


@dataclass(frozen=True)
class StudyTransforms:
    """One study of a store, with the same names."""

    ranks: list[np.ndarray]
    values: list[np.ndarray] | None
    inverse: np.ndarray
    partial: np.ndarray
    samples: list[int]


def transform_study(
    cohorts: list[np.ndarray], genes: np.ndarray, settings: Settings
) -> StudyTransforms:
    """Transform a study.

    cohorts  values of the design's cohorts, each (all genes, samples), NaN if missing
    genes    row numbers of the genes that take part
    """
    counts = [values.shape[1] for values in cohorts]
    samples = [count if count >= settings.min_samples else 0 for count in counts]
    kept = [values[:, :count] for values, count in zip(cohorts, samples, strict=True)]
    transforms = [rank_transform(v, genes, _dtype(v.shape[1])) for v in kept]
    has_values = any(transform.partial.any() for transform in transforms)
    return StudyTransforms(
        ranks=[transform.ranks for transform in transforms],
        values=[values[genes] for values in kept] if has_values else None,
        inverse=np.array([transform.inverse for transform in transforms]),
        partial=np.array([transform.partial for transform in transforms]),
        samples=samples,
    )


def store_in_memory(
    studies: list[StudyTransforms], settings: Settings, design: Design
) -> TransformStore:
    """A store without files."""
    return TransformStore(
        ranks=[study.ranks for study in studies],
        values=[study.values for study in studies],
        inverse=np.array([study.inverse for study in studies]),
        partial=np.array([study.partial for study in studies]),
        samples=np.array([study.samples for study in studies]),
        settings=settings,
        design=design,
    )


class TransformWriter:
    """Writes a store into a folder, study by study."""

    def __init__(self, folder: Path, settings: Settings, design: Design) -> None:
        self._folder = folder
        self._settings = settings
        self._design = design
        self._inverse: list[np.ndarray] = []
        self._partial: list[np.ndarray] = []
        self._samples: list[list[int]] = []
        self._has_values: list[bool] = []
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, cohorts: list[np.ndarray], genes: np.ndarray) -> None:
        """Transform a study, as `transform_study`."""
        number = len(self._samples)
        study = transform_study(cohorts, genes, self._settings)
        for cohort, ranks in enumerate(study.ranks):
            np.save(_ranks_path(self._folder, number, cohort), ranks)
        for cohort, values in enumerate(study.values or []):
            np.save(_values_path(self._folder, number, cohort), values)
        self._inverse.append(study.inverse)
        self._partial.append(study.partial)
        self._samples.append(study.samples)
        self._has_values.append(study.values is not None)

    def finish(self) -> None:
        """Write the file that makes the store complete."""
        np.save(self._folder / "inverse.npy", np.array(self._inverse))
        np.save(self._folder / "partial.npy", np.array(self._partial))
        document = {
            "samples": self._samples,
            "has_values": self._has_values,
            "settings": vars(self._settings),
            "contrasts": [vars(contrast) for contrast in self._design.contrasts],
        }
        with open_atomically(_head_path(self._folder)) as file:
            file.write(json.dumps(document).encode())


def is_complete(folder: Path) -> bool:
    """Whether this folder has a store that was finished and can be read."""
    try:
        _read_store(folder)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return True


@functools.lru_cache(maxsize=1)
def open_store(folder: Path) -> TransformStore:
    """The store of a folder. A process that computes many blocks of it opens it once."""
    return _read_store(folder)


def _read_store(folder: Path) -> TransformStore:
    head = json.loads(_head_path(folder).read_text(encoding="utf-8"))
    samples = np.array(head["samples"])

    def mapped(path: Path, columns: int) -> np.ndarray:
        # An empty file cannot be mapped.
        return np.load(path, mmap_mode="r" if columns else None).view(np.ndarray)

    return TransformStore(
        ranks=[
            [mapped(_ranks_path(folder, s, g), n) for g, n in enumerate(study)]
            for s, study in enumerate(samples)
        ],
        values=[
            [mapped(_values_path(folder, s, g), n) for g, n in enumerate(study)] if has else None
            for s, (study, has) in enumerate(zip(samples, head["has_values"], strict=True))
        ],
        inverse=np.load(folder / "inverse.npy"),
        partial=np.load(folder / "partial.npy"),
        samples=samples,
        settings=Settings(**head["settings"]),
        design=Design(
            tuple(
                Contrast(each["name"], tuple(each["case"]), tuple(each["references"]))
                for each in head["contrasts"]
            )
        ),
    )


def _dtype(samples: int) -> np.dtype:
    """32-bit floats take half of the work, and are used while they hold all products exactly."""
    return np.dtype(np.float32 if samples <= EXACT_FLOAT32_SAMPLES else np.float64)


def _head_path(folder: Path) -> Path:
    return folder / "store.json"


def _ranks_path(folder: Path, study: int, cohort: int) -> Path:
    return folder / f"ranks_{study}_{cohort}.npy"


def _values_path(folder: Path, study: int, cohort: int) -> Path:
    return folder / f"values_{study}_{cohort}.npy"
