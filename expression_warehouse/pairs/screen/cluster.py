"""A dask.distributed cluster as a place to compute blocks: the same function, the same results.

Its workers need this package and the folder of the rank store, under the same path.
"""

from collections.abc import Callable
from typing import Any

from expression_warehouse.core.errors import UserError
from expression_warehouse.pairs.screen.tally import Tally


class Cluster:
    """A scheduler's workers.

    size  threads that they have together

    Raises UserError 54402 where dask is not installed, no scheduler answers, or it has no worker.
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

    def submit(self, function: Callable[..., Tally], *arguments: object) -> Any:
        """Have a worker compute; returns a future."""
        return self._client.submit(_with_one_thread, function, *arguments, pure=False)

    def wait_first(self, futures: list[Any]) -> set[Any]:
        """The futures that are done, once one is."""
        return self._distributed.wait(futures, return_when="FIRST_COMPLETED").done

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()


def _with_one_thread(function: Callable[..., Tally], *arguments: object) -> Tally:
    """For BLAS, in a worker: its other threads have blocks of their own."""
    import threadpoolctl

    threadpoolctl.threadpool_limits(1, "blas")
    return function(*arguments)
