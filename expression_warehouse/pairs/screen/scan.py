"""Computes all blocks of a screen, on this machine or on others, so that it can be broken off and
taken up again."""

import os
import pickle
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import threadpoolctl

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import open_atomically
from expression_warehouse.pairs.screen.block import Block
from expression_warehouse.pairs.screen.buffers import BUFFERS
from expression_warehouse.pairs.screen.cluster import Cluster
from expression_warehouse.pairs.screen.statistic_files import (
    StatisticFiles,
    is_full,
    settle,
    write_statistics,
)
from expression_warehouse.pairs.screen.tally import Tally

# What a kill costs at most, beside the blocks under way. To write what has been counted takes a
# fraction of a second.
CHECKPOINT_S = 30.0
# Files that the system is given the time to write before they are waited for.
_FRESH = 8


# From the folder of the rank store, a block, and a tally that knows what need not be kept: counts,
# and all statistics of the block.
Compute = Callable[[Path, Block, Tally], Tally]


@dataclass(frozen=True)
class Checkpoint:
    """What a file says of a scan: it is replaced in one step.

    tally  of the blocks that are done
    done   their names
    """

    tally: Tally
    done: set[str]

    def write(self, path: Path) -> None:
        """Replace the file."""
        with open_atomically(path) as file:
            pickle.dump((self.tally, self.done), file, protocol=5)

    @staticmethod
    def read(path: Path, empty: Tally) -> "Checkpoint":
        """What the file says; nothing done where there is none."""
        if not path.is_file():
            return Checkpoint(empty, set())
        with path.open("rb") as file:
            return Checkpoint(*pickle.load(file))


def thread_count() -> int:
    """Blocks that this machine computes at a time."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def scan(
    compute: Compute,
    folder: Path,
    blocks: Sequence[Block],
    empty: Tally,
    cluster: Cluster | None,
    advance: Callable[[int], None],
) -> Tally:
    """Count all pairs, and write all their statistics; what an earlier call with this folder has
    done is not done again.

    compute  counts a block
    folder   of the rank store; the checkpoint is written beside it, statistics into a folder in it
    cluster  where to compute; without one, in threads of this process
    advance  takes how many pairs of genes have been done since it was last called

    The result does not depend on the order in which blocks are done.

    Raises UserError 54404 where the disk has no room for the statistics.
    """
    path = folder / "checkpoint.pickle"
    files = StatisticFiles(folder, blocks, len(empty.families))
    state = Checkpoint.read(path, empty)
    if not (state.done <= set(map(str, blocks)) and all(map(files.is_whole, state.done))):
        state = Checkpoint(empty, set())
    advance(sum(block.pair_count for block in blocks if str(block) in state.done))
    if not cluster:
        files.remove_half_written()
    left = [block for block in blocks if str(block) not in state.done]
    files.require_room(sum(block.pair_count for block in blocks))
    written, fresh = time.monotonic(), deque()
    try:
        with threadpoolctl.threadpool_limits(1, "blas"):
            for block, tally in _compute(compute, folder, left, state.tally, cluster):
                state.tally.merge(tally)
                state.done.add(str(block))
                if not cluster:
                    fresh.append(str(block))
                advance(block.pair_count)
                is_due = time.monotonic() - written > CHECKPOINT_S
                while len(fresh) > (0 if is_due else _FRESH):
                    settle(folder, fresh.popleft())
                if is_due:
                    state.write(path)
                    written = time.monotonic()
        while fresh:
            settle(folder, fresh.popleft())
        state.write(path)
    except OSError as error:
        if not is_full(error):
            raise
        raise UserError("PAIRS_DISK_EXCEEDED", str(error.strerror), file=str(folder)) from error
    finally:
        BUFFERS.clear()
    return state.tally


def _count(compute: Compute, folder: Path, block: Block, empty: Tally) -> Tally:
    tally = compute(folder, block, empty)
    write_statistics(folder, str(block), tally)
    return tally


def _count_elsewhere(compute: Compute, folder: Path, block: Block, empty: Tally) -> Tally:
    """On the machine that wrote a file, which another one may not see at once."""
    tally = _count(compute, folder, block, empty)
    settle(folder, str(block))
    return tally


def _compute(
    compute: Compute,
    folder: Path,
    blocks: Sequence[Block],
    tally: Tally,
    cluster: Cluster | None,
) -> Iterator[tuple[Block, Tally]]:
    """Blocks with their results, as they come. A block is handed out late, when the tally knows
    best what need not be kept."""
    count = _count_elsewhere if cluster else _count
    with cluster or _Threads() as pool:
        waiting, running = list(reversed(blocks)), {}
        while waiting or running:
            while waiting and len(running) < 2 * pool.size:
                block = waiting.pop()
                running[pool.submit(count, compute, folder, block, tally.like())] = block
            for future in pool.wait_first(list(running)):
                yield running.pop(future), future.result()


class _Threads:
    """The processors of this machine."""

    def __init__(self) -> None:
        self.size = thread_count()
        self._pool = ThreadPoolExecutor(self.size)

    def submit(self, function: Callable[..., Tally], *arguments: object) -> Future:
        return self._pool.submit(function, *arguments)

    def wait_first(self, futures: list[Future]) -> set[Future]:
        return wait(futures, return_when=FIRST_COMPLETED).done

    def __enter__(self) -> "_Threads":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
