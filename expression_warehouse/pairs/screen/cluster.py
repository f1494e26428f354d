"""A dask.distributed cluster that computes blocks: the same function, the same results.

Its workers need this package, and the folder of the transform store under the same path.
"""

from collections.abc import Callable
from typing import Any

from expression_warehouse.core.errors import UserError
from expression_warehouse.pairs.screen.tally import Tally


class Cluster:
    """The workers of a scheduler.

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

    def submit(self, function: Callable[..., list[Tally]], *arguments: object) -> Any:
        """Compute on a worker; returns a future."""
        return self._client.submit(_with_one_thread, function, *arguments, pure=False)

    def wait_first(self, futures: list[Any]) -> set[Any]:
        """Wait until a future is done; returns those that are."""
        return self._distributed.wait(futures, return_when="FIRST_COMPLETED").done

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()


def _with_one_thread(function: Callable[..., list[Tally]], *arguments: object) -> list[Tally]:
    """Limit BLAS to one thread: the worker's other threads compute blocks of their own."""
    import threadpoolctl

    threadpoolctl.threadpool_limits(1, "blas")
    return function(*arguments)
