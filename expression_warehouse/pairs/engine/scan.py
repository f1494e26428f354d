"""Computes all blocks, on this machine or on a cluster, and resumes what was interrupted."""

import contextlib
import functools
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import threadpoolctl

from expression_warehouse.core.errors import UserError
from expression_warehouse.pairs.checkpoint import Checkpoint, State
from expression_warehouse.pairs.engine.block import Block, compute_block
from expression_warehouse.pairs.engine.tally import Tally

if TYPE_CHECKING:
    import distributed

# From a block, and tallies that tell what can be left out: the block's tallies.
Compute = Callable[[Block, list[Tally]], list[Tally]]


def thread_count() -> int:
    """Blocks that this machine computes at a time."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def scan(
    folder: Path,
    blocks: Sequence[Block],
    empty: list[Tally],
    client: "distributed.Client | None",
    advance: Callable[[int], None],
) -> list[Tally]:
    """Count all pairs, except those of blocks that an earlier call with this folder has done.

    folder   of the transform store; the checkpoint is written into it
    client   of a cluster; None computes in threads of this process
    advance  takes how many pairs of genes have been done since it was last called

    The result does not depend on the order in which blocks are done.
    """
    checkpoint = Checkpoint(folder / "checkpoint.npz", _key(empty, blocks))
    tallies, done = _restored(checkpoint, empty)
    advance(sum(block.pair_count for block in blocks if str(block) in done))

    def finish(block: Block) -> None:
        done.add(str(block))
        advance(block.pair_count)
        checkpoint.write_if_due(lambda: _state(tallies, done))

    left = [block for block in blocks if str(block) not in done]
    count_blocks(functools.partial(compute_block, folder), left, tallies, finish, client)
    checkpoint.write(_state(tallies, done))
    return tallies


def count_blocks(
    compute: Compute,
    blocks: Sequence[Block],
    tallies: list[Tally],
    finish: Callable[[Block], None],
    client: "distributed.Client | None" = None,
) -> None:
    """Compute blocks, and add what they count to the tallies.

    finish  is called with each block that is in the tallies

    A block is submitted late, when the tallies know best what can be left out.
    """
    with threadpoolctl.threadpool_limits(1, "blas"), _open_pool(client) as (pool, size):
        if client:
            compute = functools.partial(_with_one_thread, compute)
        waiting = list(reversed(blocks))
        running: dict[Future, Block] = {}
        while waiting or running:
            while waiting and len(running) < 2 * size:
                block = waiting.pop()
                empty = [tally.like() for tally in tallies]
                running[pool.submit(compute, block, empty)] = block
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                block = running.pop(future)
                for tally, other in zip(tallies, future.result(), strict=True):
                    tally.merge(other)
                finish(block)


def _restored(checkpoint: Checkpoint, empty: list[Tally]) -> tuple[list[Tally], set[str]]:
    """The tallies of the blocks that are done, and their names."""
    found = checkpoint.read()
    if not found:
        return empty, set()
    tallies = [
        tally.restored({name: found[f"{name}_{i}"] for name in tally.arrays()})
        for i, tally in enumerate(empty)
    ]
    return tallies, set(found["done"].tolist())


def _state(tallies: list[Tally], done: set[str]) -> State:
    arrays = {
        f"{name}_{i}": array
        for i, tally in enumerate(tallies)
        for name, array in tally.arrays().items()
    }
    return {"done": np.array(sorted(done), np.str_), **arrays}


def _key(tallies: list[Tally], blocks: Sequence[Block]) -> str:
    """Differs between scans whose checkpoints must not be mixed."""
    state = ([(tally.degrees, tally.factors, tally.keep) for tally in tallies], list(blocks))
    return hashlib.sha256(repr(state).encode()).hexdigest()


def connect(address: str) -> "distributed.Client":
    """The client of a dask.distributed scheduler, whose workers compute the same results. They need
    this package, and the folder of the transform store under the same path.

    Raises UserError 54402 if dask is not installed, no scheduler answers, or it has no worker.
    """
    try:
        import distributed
    except ImportError as error:
        raise UserError(
            "DASK_UNAVAILABLE",
            "dask.distributed is not installed",
            action="pip install 'expression-warehouse[dask]'",
        ) from error
    try:
        client = distributed.Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise UserError("DASK_UNAVAILABLE", f"{address}: {error}") from error
    if not client.nthreads():
        client.close()
        raise UserError("DASK_UNAVAILABLE", f"the scheduler at {address} has no worker")
    return client


@contextlib.contextmanager
def _open_pool(client: "distributed.Client | None") -> Iterator[tuple[Executor, int]]:
    """What computes blocks, and how many at a time."""
    if client:
        with client:
            yield client.get_executor(pure=False), sum(client.nthreads().values())
    else:
        pool = ThreadPoolExecutor(thread_count())
        try:
            yield pool, thread_count()
        finally:
            pool.shutdown(cancel_futures=True)


def _with_one_thread(compute: Compute, block: Block, empty: list[Tally]) -> list[Tally]:
    """Limit BLAS to one thread: the worker's other threads compute blocks of their own."""
    threadpoolctl.threadpool_limits(1, "blas")
    return compute(block, empty)
