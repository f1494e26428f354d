"""Computes all blocks, on this machine or on a cluster, and resumes what was interrupted."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl

from expression_warehouse.core.errors import UserError
from expression_warehouse.pairs.array_file import read_arrays, write_arrays
from expression_warehouse.pairs.screen.block import Block
from expression_warehouse.pairs.screen.tally import Tally, merge_all

# A kill costs at most this, and the blocks under way.
CHECKPOINT_S = 30.0

# From the folder of the transform store, a block, and tallies that tell what can be left out: the
# block's tallies.
Compute = Callable[[Path, Block, list[Tally]], list[Tally]]


@dataclass(frozen=True)
class Checkpoint:
    """The state of a scan: the tallies of the blocks that are done, and their names."""

    tallies: list[Tally]
    done: set[str]

    def write(self, path: Path, blocks: Sequence[Block]) -> None:
        """Replace the file in one step."""
        arrays: dict[str, np.ndarray] = {}
        for i, tally in enumerate(self.tallies):
            arrays |= {f"{name}_{i}": array for name, array in tally.arrays().items()}
        head = {"key": _key(self.tallies, blocks), "done": sorted(self.done)}
        write_arrays(path, head, arrays)

    @staticmethod
    def read(path: Path, empty: list[Tally], blocks: Sequence[Block]) -> "Checkpoint":
        """The state in the file; nothing done if it is missing, damaged, or of another scan."""

        def restore(head: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> Checkpoint | None:
            if head["key"] != _key(empty, blocks):
                return None
            tallies = [
                tally.restored({name: arrays[f"{name}_{i}"] for name in tally.arrays()})
                for i, tally in enumerate(empty)
            ]
            return Checkpoint(tallies, set(head["done"]))

        return read_arrays(path, restore) or Checkpoint(empty, set())


def _key(tallies: list[Tally], blocks: Sequence[Block]) -> str:
    """Differs between scans whose checkpoints must not be mixed."""
    state = [
        [(tally.degrees, tally.factors, tally.keep) for tally in tallies],
        [str(block) for block in blocks],
    ]
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()


def thread_count() -> int:
    """Blocks that this machine computes at a time."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def scan(
    compute: Compute,
    folder: Path,
    blocks: Sequence[Block],
    empty: list[Tally],
    cluster: "Cluster | None",
    advance: Callable[[int], None],
) -> list[Tally]:
    """Count all pairs, except those of blocks that an earlier call with this folder has done.

    compute  counts a block
    folder   of the transform store; the checkpoint is written into it
    cluster  where to compute; None is in threads of this process
    advance  takes how many pairs of genes have been done since it was last called

    The result does not depend on the order in which blocks are done.
    """
    path = folder / "checkpoint.npz"
    state = Checkpoint.read(path, empty, blocks)
    advance(sum(block.pair_count for block in blocks if str(block) in state.done))
    left = [block for block in blocks if str(block) not in state.done]
    written = time.monotonic()
    with threadpoolctl.threadpool_limits(1, "blas"):
        for block, tallies in _compute(compute, folder, left, state.tallies, cluster):
            merge_all(state.tallies, tallies)
            state.done.add(str(block))
            advance(block.pair_count)
            if time.monotonic() - written > CHECKPOINT_S:
                state.write(path, blocks)
                written = time.monotonic()
    state.write(path, blocks)
    return state.tallies


def _compute(
    compute: Compute,
    folder: Path,
    blocks: Sequence[Block],
    tallies: list[Tally],
    cluster: "Cluster | None",
) -> Iterator[tuple[Block, list[Tally]]]:
    """Blocks with their tallies, as they are done. A block is submitted late, when `tallies` know
    best what can be left out."""
    with cluster or _Threads() as pool:
        waiting = list(reversed(blocks))
        running: dict[Any, Block] = {}
        while waiting or running:
            while waiting and len(running) < 2 * pool.size:
                block = waiting.pop()
                empty = [tally.like() for tally in tallies]
                running[pool.submit(compute, folder, block, empty)] = block
            for future in pool.wait_first(list(running)):
                yield running.pop(future), future.result()


class _Threads:
    """The processors of this machine."""

    def __init__(self) -> None:
        self.size = thread_count()
        self._pool = ThreadPoolExecutor(self.size)

    def submit(self, function: Compute, *arguments: Any) -> Future:
        return self._pool.submit(function, *arguments)

    def wait_first(self, futures: list[Future]) -> set[Future]:
        return wait(futures, return_when=FIRST_COMPLETED).done

    def __enter__(self) -> "_Threads":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)


class Cluster:
    """The workers of a dask.distributed scheduler. They compute the same results, and need this
    package, and the folder of the transform store under the same path.

    size  their threads

    Raises UserError 54402 if dask is not installed, no scheduler answers, or it has no worker.
    """

    def __init__(self, address: str) -> None:
        try:
            import distributed
        except ImportError as error:
            raise UserError(
                "DASK_UNAVAILABLE",
                "dask.distributed is not installed",
                action="pip install 'expression-warehouse[dask]'",
            ) from error
        self._distributed = distributed
        try:
            self._client = distributed.Client(address, timeout=10)
        except (OSError, ValueError) as error:
            raise UserError("DASK_UNAVAILABLE", f"{address}: {error}") from error
        self.size = sum(self._client.nthreads().values())
        if not self.size:
            self._client.close()
            raise UserError("DASK_UNAVAILABLE", f"the scheduler at {address} has no worker")

    def submit(self, function: Compute, *arguments: Any) -> Any:
        """Compute on a worker; returns a future."""
        return self._client.submit(_with_one_thread, function, *arguments, pure=False)

    def wait_first(self, futures: list[Any]) -> set[Any]:
        """Wait until a future is done; returns those that are."""
        return self._distributed.wait(futures, return_when="FIRST_COMPLETED").done

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()


def _with_one_thread(function: Compute, *arguments: Any) -> list[Tally]:
    """Limit BLAS to one thread: the worker's other threads compute blocks of their own."""
    import threadpoolctl

    threadpoolctl.threadpool_limits(1, "blas")
    return function(*arguments)
