"""All draws of a calibration of one slice, in as many threads as there are processors; those so far
are in a file that an interrupted calibration is resumed from."""

import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np

from expression_warehouse.pairs.calibration.nulls import (
    EFFECTS,
    KINDS,
    Draw,
    SliceData,
    permute_genes,
    permute_labels,
    plant,
    sign_patterns,
)
from expression_warehouse.pairs.calibration.outcome import p_of_draw, summarise
from expression_warehouse.pairs.checkpoint import Checkpoint, State
from expression_warehouse.pairs.engine.scan import thread_count


def planted_null(effect: float) -> str:
    """The name of PLANTED with an effect."""
    return f"PLANTED_{effect}"


@dataclass
class Progress:
    """What the draws so far found.

    outcomes  name of a null → an outcome per draw, in order of the draws
    observed  (pairs,): p of `pair` in the studies as they are; NaN if a pair has none
    at_least  (pairs,): draws of LABELS in which the pair's p is as small
    least_p   per draw of LABELS, the least p of all pairs
    """

    observed: np.ndarray
    at_least: np.ndarray
    outcomes: dict[str, list[np.ndarray]] = field(default_factory=dict)
    least_p: list[float] = field(default_factory=list)

    def state(self) -> State:
        arrays = {f"outcomes_{null}": np.array(own) for null, own in self.outcomes.items()}
        return arrays | {"at_least": self.at_least, "least_p": np.array(self.least_p)}

    @staticmethod
    def restored(found: State | None, observed: np.ndarray) -> "Progress":
        """What a checkpoint says; no draws if there is none."""
        if not found:
            return Progress(observed, np.zeros(len(observed), np.int64))
        outcomes = {
            name.removeprefix("outcomes_"): list(own)
            for name, own in found.items()
            if name.startswith("outcomes_")
        }
        return Progress(observed, found["at_least"], outcomes, found["least_p"].tolist())


# The outcomes of one draw by the null's name; of LABELS, also p of `pair` of each pair.
Outcomes = tuple[dict[str, np.ndarray], np.ndarray | None]


def measure(
    data: SliceData, draws: int, seed: int, path: Path, advance: Callable[[int], None]
) -> Progress:
    """Make all draws, except those that an earlier call with this file has made.

    path     file of the progress so far
    advance  takes how many draws are done since it was last called

    The same seed gives the same bits: each draw has random numbers of its own, and the draws are
    added up in order.
    """
    original = data.draw(data.matrices)
    observed = p_of_draw(data, original)[data.design.pair]
    checkpoint = Checkpoint(path, _key(data, draws, seed))
    progress = Progress.restored(checkpoint.read(), observed)
    with ThreadPoolExecutor(thread_count()) as pool:
        for null, count, draw in _plan(data, original, draws, seed):
            done = len(progress.outcomes.get(null, ()))
            advance(done)
            for outcomes, p in _in_order(pool, draw, done, count):
                for name, outcome in outcomes.items():
                    progress.outcomes.setdefault(name, []).append(outcome)
                if p is not None:
                    progress.at_least += p <= observed
                    progress.least_p.append(float(np.nanmin(p, initial=1.0)))
                advance(1)
                checkpoint.write_if_due(progress.state)
    checkpoint.write(progress.state())
    return progress


def total_draws(data: SliceData, draws: int) -> int:
    """How many draws `measure` makes."""
    patterns = min(draws, 2 ** (len(data.matrices) - 1) - 1)
    return 2 * draws + patterns


def _plan(
    data: SliceData, original: Draw, draws: int, seed: int
) -> Iterator[tuple[str, int, Callable[[int], Outcomes]]]:
    """Each null: its name, its draws, and the function that makes one."""
    design, pairs = data.design, len(data.a)

    def dice(kind: str, draw: int) -> np.random.Generator:
        return np.random.default_rng([seed, KINDS.index(kind), draw])

    def labels(number: int) -> Outcomes:
        draw = permute_labels(data, dice("LABELS", number))
        p = p_of_draw(data, draw)
        outcomes = {"LABELS": summarise(design, p)}
        for effect in EFFECTS:
            changed, is_planted = plant(draw, pairs, effect, dice("PLANTED", number))
            affected = np.flatnonzero(is_planted.any(axis=0))
            p_planted = p.copy()
            p_planted[:, affected] = p_of_draw(data, changed, affected)
            outcomes[planted_null(effect)] = summarise(design, p_planted, is_planted)
        return outcomes, p[design.pair]

    def genes(number: int) -> Outcomes:
        draw = permute_genes(data, dice("GENES", number))
        return {"GENES": summarise(design, p_of_draw(data, draw))}, None

    patterns = sign_patterns(len(data.matrices), draws, dice("SIGNS", 0))

    def signs(number: int) -> Outcomes:
        draw = replace(original, sign=patterns[number])
        return {"SIGNS": summarise(design, p_of_draw(data, draw))}, None

    yield "LABELS", draws, labels
    yield "GENES", draws, genes
    yield "SIGNS", len(patterns), signs


def _in_order(
    pool: ThreadPoolExecutor, draw: Callable[[int], Outcomes], done: int, count: int
) -> Iterator[Outcomes]:
    """The draws from `done` on, a few at a time, so that their results do not pile up."""
    numbers = iter(range(done, count))
    while some := list(islice(numbers, 4 * thread_count())):
        yield from pool.map(draw, some)


def _key(data: SliceData, draws: int, seed: int) -> str:
    """Differs between calibrations whose draws must not be mixed."""
    digest = hashlib.sha256()
    for matrix in data.matrices:
        digest.update(matrix.values.tobytes())
        digest.update("\n".join(matrix.labels).encode())
        digest.update(f"{matrix.floor} {matrix.resolution}".encode())
    for side in (data.a, data.b):
        digest.update(side.tobytes())
    contrasts = [vars(contrast) for contrast in data.design.contrasts]
    version = importlib.metadata.version("expression-warehouse")
    digest.update(json.dumps([version, contrasts, vars(data.settings), draws, seed]).encode())
    return digest.hexdigest()
