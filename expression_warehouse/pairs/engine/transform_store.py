"""Rank transforms of all genes, studies and cohorts, in files that are mapped into memory.

So the memory that a screen needs does not grow with the number of genes. README.md describes the
files.
"""

import functools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from expression_warehouse.core.files import open_atomically
from expression_warehouse.pairs.contrasts import Contrast, Design
from expression_warehouse.pairs.engine.rank_transform import (
    inner_products,
    rank_transform,
    spearman_complete_cases,
)
from expression_warehouse.pairs.settings import Settings


@dataclass(frozen=True)
class StudyTransforms:
    """One study of a screen, cohort by cohort.

    ranks    [cohort]: (genes, samples), see rank_transform
    values   the same, if any are missing; else None
    inverse  (cohorts, genes); NaN if a gene has no r
    partial  (cohorts, genes): whether some of its values are missing
    samples  (cohorts,); 0 if a cohort is too small to take part
    """

    ranks: list[np.ndarray]
    values: list[np.ndarray] | None
    inverse: np.ndarray
    partial: np.ndarray
    samples: list[int]


@dataclass(frozen=True)
class TransformStore:
    """The genes of a screen, numbered from 0.

    settings decide weights and the smallest cohort
    design   the contrasts; their cohorts are those of the store
    """

    studies: list[StudyTransforms]
    settings: Settings
    design: Design

    @functools.cached_property
    def inverse(self) -> np.ndarray:
        """(studies, cohorts, genes)."""
        return np.array([study.inverse for study in self.studies])

    @functools.cached_property
    def samples(self) -> np.ndarray:
        """(studies, cohorts)."""
        return np.array([study.samples for study in self.studies])

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
        return np.result_type(*(ranks.dtype for study in self.studies for ranks in study.ranks))

    @functools.cached_property
    def is_partial(self) -> np.ndarray:
        """(genes,): whether a gene lacks some values anywhere. Its pairs take another path."""
        return np.logical_or.reduce([study.partial for study in self.studies], axis=(0, 1))

    @functools.cached_property
    def tile_scale(self) -> np.ndarray:
        """`inverse` of the genes without missing values; NaN for the others."""
        return np.where(self.is_partial, np.nan, self.inverse)

    def spearman_of_pairs(self, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """r of single pairs, and the samples it is based on: (studies, cohorts, pairs).

        A pair with missing values is ranked on its own samples. NaN if there is no r, or too few
        samples.
        """
        r = np.empty((*self.samples.shape, len(a)))
        n = np.repeat(self.samples[:, :, None], len(a), axis=2)
        for s, study in enumerate(self.studies):
            for g, ranks in enumerate(study.ranks):
                scale = study.inverse[g, a] * study.inverse[g, b]
                r[s, g] = inner_products(ranks, a, b) * scale
                if study.values:
                    anew = np.flatnonzero(study.partial[g, a] | study.partial[g, b])
                    own = spearman_complete_cases(study.values[g], a[anew], b[anew])
                    r[s, g, anew], n[s, g, anew] = own
        r[n < self.settings.min_samples] = np.nan
        return r, n


def transform_study(
    cohorts: list[np.ndarray], genes: np.ndarray, settings: Settings
) -> StudyTransforms:
    """Transform a study.

    cohorts  values of the design's cohorts, each (all genes, samples), NaN if missing
    genes    row numbers of the genes that take part
    """
    samples = [n if n >= settings.min_samples else 0 for n in (v.shape[1] for v in cohorts)]
    kept = [values[:, :count] for values, count in zip(cohorts, samples, strict=True)]
    ranks, inverse, partial = zip(*(rank_transform(values, genes) for values in kept), strict=True)
    return StudyTransforms(
        ranks=list(ranks),
        values=[values[genes] for values in kept] if np.any(partial) else None,
        inverse=np.array(inverse),
        partial=np.array(partial),
        samples=samples,
    )


def write_store(
    folder: Path, studies: Iterable[StudyTransforms], settings: Settings, design: Design
) -> None:
    """Write a store into a folder, study by study: only one is in memory at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    inverse, partial, samples = [], [], []
    for number, study in enumerate(studies):
        _save(folder, "ranks", number, study.ranks)
        _save(folder, "values", number, study.values or [])
        inverse.append(study.inverse)
        partial.append(study.partial)
        samples.append(study.samples)
        # Before the next one is made.
        del study
    np.save(folder / "inverse.npy", np.array(inverse))
    np.save(folder / "partial.npy", np.array(partial))
    head = {
        "samples": samples,
        "settings": vars(settings),
        "contrasts": [vars(contrast) for contrast in design.contrasts],
    }
    # Last, because it makes the store complete.
    with open_atomically(folder / "store.json") as file:
        file.write(json.dumps(head).encode())


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
    head = json.loads((folder / "store.json").read_text(encoding="utf-8"))
    samples = head["samples"]
    inverse, partial = (np.load(folder / f"{kind}.npy") for kind in ("inverse", "partial"))

    def mapped(kind: str, study: int) -> list[np.ndarray]:
        return [
            # An empty file cannot be mapped.
            np.load(_path(folder, kind, study, i), mmap_mode="r" if n else None).view(np.ndarray)
            for i, n in enumerate(samples[study])
        ]

    contrasts = (
        Contrast(each["name"], tuple(each["case"]), tuple(each["references"]))
        for each in head["contrasts"]
    )
    studies = [
        StudyTransforms(
            ranks=mapped("ranks", s),
            values=mapped("values", s) if partial[s].any() else None,
            inverse=inverse[s],
            partial=partial[s],
            samples=samples[s],
        )
        for s in range(len(samples))
    ]
    return TransformStore(studies, Settings(**head["settings"]), Design(tuple(contrasts)))


def _save(folder: Path, kind: str, study: int, cohorts: list[np.ndarray]) -> None:
    for number, array in enumerate(cohorts):
        np.save(_path(folder, kind, study, number), array)


def _path(folder: Path, kind: str, study: int, cohort: int) -> Path:
    return folder / f"{kind}_{study}_{cohort}.npy"
