"""A gene-expression warehouse for cross-study meta-analysis of gene-pair co-expression.

`open_warehouse` reads a warehouse, `run_pipeline` loads and builds one (`library`).

Wings stand on `core` and know nothing of each other: `pairs` is numeric work that SQL cannot do at
scale, `api` the service. Package `loader`, beside this one, moves data in. `cli` puts all commands
together.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from expression_warehouse.library import open_warehouse, run_pipeline

__all__ = ["open_warehouse", "run_pipeline"]


def __getattr__(name: str) -> Any:
    # Commands import this package, and should not wait for all that the library imports.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from expression_warehouse import library

    return getattr(library, name)
