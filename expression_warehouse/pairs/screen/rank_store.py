"""Ranks of all genes, studies and groups in files that are mapped into memory, so that what a
screen needs at a time does not grow with the number of genes."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from expression_warehouse.core.files import open_atomically
from expression_warehouse.pairs.screen.pairwise import correlate_pairwise
from expression_warehouse.pairs.screen.ranks import (
    EXACT_FLOAT32_SAMPLES,
    inner_products,
    rank_group,
)
from expression_warehouse.pairs.settings import Settings


@dataclass(frozen=True)
class RankStore:
    """The genes of a screen, by their numbers from 0.

    ranks    [study][group]: (genes, samples), see ranks.rank_group
    values   the same, of studies with missing values; else none
    inverse  (studies, groups, genes); NaN where a gene has no r
    partial  (studies, groups, genes): whether some of its values are missing
    samples  (studies, groups); 0 for a group that is too small to take part
    settings what decides errors and the smallest group
    """

    ranks: list[list[np.ndarray]]
    values: list[list[np.ndarray] | None]
    inverse: np.ndarray
    partial: np.ndarray
    samples: np.ndarray
    settings: Settings

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
        """The type that has all inner products of ranks exactly."""
        return np.result_type(*(ranks.dtype for groups in self.ranks for ranks in groups))

    @functools.cached_property
    def is_partial(self) -> np.ndarray:
        """(genes,): whether a gene lacks some values anywhere. Its pairs take another path."""
        return self.partial.any(axis=(0, 1))

    @functools.cached_property
    def tile_scale(self) -> np.ndarray:
        """`inverse` for the pairs of genes without missing values; NaN for the others."""
        return np.where(self.is_partial, np.nan, self.inverse)

    @functools.cached_property
    def error(self) -> np.ndarray:
        """(studies, groups): variance of Fisher's z at r = 0, where no value is missing."""
        return error_of(self.samples, self.settings)

    def products(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """(studies, groups, pairs): inner products of the ranks of genes a and b."""
        found = np.empty((*self.samples.shape, len(a)), self.product_type)
        for s, groups in enumerate(self.ranks):
            for g, ranks in enumerate(groups):
                inner_products(ranks, a, b, found[s, g])
        return found

    def correlate_pairs(self, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """r of single pairs, and the samples it is of: (studies, groups, pairs)."""
        r = self.products(a, b) * (self.inverse[:, :, a] * self.inverse[:, :, b])
        n = np.repeat(self.samples[:, :, None], len(a), axis=2)
        for i in np.flatnonzero(self.is_partial[a] | self.is_partial[b]):
            r[:, :, [i]], n[:, :, [i]] = self.correlate(int(a[i]), b[[i]])
        return r, n

    def correlate(self, gene: int, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """r of a gene with others, and the samples it is of: (studies, groups, others).

        A pair with missing values is ranked on its own samples. NaN where there is no r, or too
        few samples.
        """
        one = np.full(len(others), gene)
        r = self.products(one, others) * (self.inverse[:, :, [gene]] * self.inverse[:, :, others])
        n = np.repeat(self.samples[:, :, None], len(others), axis=2)
        for s, g in zip(*np.nonzero(self.samples), strict=True):
            if not (values := self.values[s]):
                continue
            anew = others if self.partial[s, g, gene] else others[self.partial[s, g, others]]
            where = np.isin(others, anew)
            own_r, own_n = np.empty(len(anew)), np.empty(len(anew), np.int64)
            correlate_pairwise(values[g][gene], values[g][anew], own_r, own_n)
            r[s, g, where], n[s, g, where] = own_r, own_n
        r[n < self.settings.min_samples] = np.nan
        return r, n


def error_of(samples: np.ndarray, settings: Settings) -> np.ndarray:
    """Variance of Fisher's z of a Spearman r of 0; infinite where no r is defined."""
    degrees = np.maximum(samples - 3.0, 0.0)
    return np.divide(
        settings.se_factor, degrees, out=np.full(degrees.shape, np.inf), where=degrees > 0
    )


class RankStoreWriter:
    """Makes a store in a folder, study by study."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder = folder
        self._settings = settings
        self._inverse: list[list[np.ndarray]] = []
        self._partial: list[list[np.ndarray]] = []
        self._samples: list[list[int]] = []
        self._has_values: list[bool] = []
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, groups: list[np.ndarray], genes: np.ndarray) -> None:
        """Rank a study.

        groups  each (all genes, samples), NaN where missing
        genes   places of the genes that take part
        """
        study = len(self._samples)
        inverse, partial, samples = [], [], []
        for g, values in enumerate(groups):
            takes_part = values.shape[1] >= self._settings.min_samples
            own = values if takes_part else values[:, :0]
            ranked = rank_group(own, genes, _dtype(own.shape[1]))
            np.save(_ranks_path(self._folder, study, g), ranked.ranks)
            inverse.append(ranked.inverse)
            partial.append(ranked.partial)
            samples.append(own.shape[1])
        has_values = any(map(np.any, partial))
        for g, values in enumerate(groups):
            if has_values:
                np.save(_values_path(self._folder, study, g), values[genes][:, : samples[g]])
        self._inverse.append(inverse)
        self._partial.append(partial)
        self._samples.append(samples)
        self._has_values.append(has_values)

    @property
    def has_contrast(self) -> bool:
        """Whether a study has septic shock and something to hold it against."""
        return any(shock and max(rest) for shock, *rest in self._samples)

    def finish(self) -> None:
        """Write what says that the store is whole."""
        np.save(self._folder / "inverse.npy", np.array(self._inverse))
        np.save(self._folder / "partial.npy", np.array(self._partial))
        document = {
            "samples": self._samples,
            "has_values": self._has_values,
            "settings": vars(self._settings),
        }
        with open_atomically(_head_path(self._folder)) as file:
            file.write(json.dumps(document).encode())


def is_whole(folder: Path) -> bool:
    """Whether a store in this folder has been finished."""
    return _head_path(folder).is_file()


@functools.lru_cache(maxsize=1)
def open_store(folder: Path) -> RankStore:
    """The store of a folder. A process that computes many blocks of it opens it once."""
    head = json.loads(_head_path(folder).read_text())
    samples = np.array(head["samples"])

    def mapped(path: Path, columns: int) -> np.ndarray:
        # No memory can be mapped to nothing.
        return np.load(path, mmap_mode="r" if columns else None).view(np.ndarray)

    return RankStore(
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
    )


def _dtype(samples: int) -> np.dtype:
    """32-bit floats are half of the work, where they have the sums of products exactly."""
    return np.dtype(np.float32 if samples <= EXACT_FLOAT32_SAMPLES else np.float64)


def _head_path(folder: Path) -> Path:
    return folder / "store.json"


def _ranks_path(folder: Path, study: int, group: int) -> Path:
    return folder / f"ranks_{study}_{group}.npy"


def _values_path(folder: Path, study: int, group: int) -> Path:
    return folder / f"values_{study}_{group}.npy"
