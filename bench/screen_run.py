"""A screen of simulated studies: `python -m bench.screen_run GENES STUDIES SAMPLES FOLDER`.

Prints the seconds of each part as JSON. `blas` is R Rᵀ of each study and cohort, in bands that fit
in memory. `products` are the screen's own matrix products, tile by tile on the same threads, each
pair once, and nothing else: what no screen can be faster than.
"""

import json
import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import threadpoolctl

from expression_warehouse.pairs.contrasts import Contrast, Design
from expression_warehouse.pairs.engine.block import Block, blocks_of, new_tallies, tiles
from expression_warehouse.pairs.engine.memory import require_memory
from expression_warehouse.pairs.engine.scan import scan, thread_count
from expression_warehouse.pairs.engine.tally import Tally
from expression_warehouse.pairs.engine.transform_store import (
    StudyTransforms,
    TransformStore,
    open_store,
    transform_study,
    write_store,
)
from expression_warehouse.pairs.screened_pairs import ScreenedPairs, collect
from expression_warehouse.pairs.settings import resolve_vars, settings_of

# As in the seed contrast.
DESIGN = Design(
    (
        Contrast("ss", ("SEPTIC_SHOCK",), ("SEPSIS",)),
        Contrast("soth", ("SEPTIC_SHOCK",), ("SEPSIS", "CONTROL")),
        Contrast("sc", ("SEPSIS",), ("CONTROL",)),
    )
)
MEMORY, KEEP = 2 * 10**9, 60_000
_FACTORS = 20
_BAND = 2048


def simulate(genes: int, studies: int, samples: int) -> Iterator[list[np.ndarray]]:
    """Per study: septic shock, sepsis and controls. Genes share a few factors, whose strength
    differs between studies and cohorts."""
    rng = np.random.default_rng(7)
    loadings = rng.standard_normal((genes, _FACTORS)) * (rng.random((genes, _FACTORS)) < 0.1)
    for _ in range(studies):
        cohorts = []
        for _ in range(3):
            strength = rng.normal(0.6, 0.2, (_FACTORS, 1))
            factors = strength * rng.standard_normal((_FACTORS, samples))
            cohorts.append(loadings @ factors + rng.standard_normal((genes, samples)))
        yield cohorts


class Clock:
    """Seconds of wall and of all processors, part by part: where others use the processors too, the
    first say little."""

    def __init__(self) -> None:
        self.parts: dict[str, dict[str, float]] = {}
        self._start = self._now()

    def lap(self, name: str) -> None:
        """Add the time since the last lap to the part `name`."""
        now, part = self._now(), self.parts.setdefault(name, {"wall": 0.0, "cpu": 0.0})
        part["wall"] += now[0] - self._start[0]
        part["cpu"] += now[1] - self._start[1]
        self._start = now

    @staticmethod
    def _now() -> tuple[float, float]:
        return time.perf_counter(), time.process_time()


def main(genes: int, studies: int, samples: int, folder: Path) -> None:
    _warm_up(folder, samples)
    settings, clock = settings_of(resolve_vars()), Clock()

    def transforms() -> Iterator[StudyTransforms]:
        for cohorts in simulate(genes, studies, samples):
            clock.lap("simulation")
            yield transform_study(cohorts, np.arange(genes), settings)
            clock.lap("ranks")

    write_store(folder, transforms(), settings, DESIGN)
    store = open_store(folder)
    keep = min(KEEP, store.pair_count)
    require_memory(MEMORY, keep, genes, 3 * samples, studies, DESIGN, thread_count())
    clock.lap("ranks")
    _blas(store)
    clock.lap("blas")
    _products(store)
    clock.lap("products")
    tallies = _scan(store, folder, keep)
    clock.lap("scan")
    found = _collect(store, tallies)
    clock.lap("rates")
    seconds = sum(clock.parts[part]["wall"] for part in ("ranks", "scan", "rates"))
    report = {
        "seconds": seconds,
        "parts": clock.parts,
        "kept": len(found.gene_a),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(report))


def _warm_up(folder: Path, samples: int) -> None:
    """Compile the kernels, which a screen does once."""
    small, settings = folder / "small", settings_of(resolve_vars())
    studies = (transform_study(own, np.arange(20), settings) for own in simulate(20, 4, samples))
    write_store(small, studies, settings, DESIGN)
    store = open_store(small)
    _collect(store, _scan(store, small, 10))
    open_store.cache_clear()


def _scan(store: TransformStore, folder: Path, keep: int) -> list[Tally]:
    blocks = blocks_of(store)
    return scan(folder, blocks, new_tallies(store, keep), None, lambda _: None)


def _collect(store: TransformStore, tallies: list[Tally]) -> ScreenedPairs:
    return collect(store, tallies, np.empty(0, int), np.arange(store.gene_count))


def _blas(store: TransformStore) -> None:
    room = np.empty((_BAND, store.gene_count), store.product_type)
    for study in store.studies:
        for ranks in study.ranks:
            for start in range(0, store.gene_count, _BAND):
                band = ranks[start : start + _BAND]
                np.matmul(band, ranks.T, out=room[: len(band)])


def _products(store: TransformStore) -> None:
    def multiply(block: Block) -> None:
        for _ in tiles(store, block):
            pass

    with threadpoolctl.threadpool_limits(1, "blas"), ThreadPoolExecutor(thread_count()) as pool:
        list(pool.map(multiply, blocks_of(store)))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]), Path(sys.argv[4]))
