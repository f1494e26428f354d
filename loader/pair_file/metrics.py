"""The metrics that a file of gene pairs may have, with their types and bounds.

Their list is in macros/study/pair_metric_columns.sql.
"""

import functools
import math
from dataclasses import dataclass

import pyarrow as pa

from expression_warehouse.core.warehouse.macros import project_macros


@dataclass(frozen=True)
class Metric:
    """A metric that a file may have, and the values allowed."""

    name: str
    is_whole: bool = False
    least: float = -math.inf
    greatest: float = math.inf

    @property
    def type(self) -> pa.DataType:
        return pa.int32() if self.is_whole else pa.float64()

    @property
    def expected(self) -> str:
        """The values allowed, in words."""
        number = "a whole number" if self.is_whole else "a finite number"
        if self.greatest < math.inf:
            return f"{number} from {self.least:g} to {self.greatest:.0f}"
        return f"{number} of {self.least:g} or more" if self.least > -math.inf else number


CSV_OVERRIDE = Metric("csv_override", is_whole=True, least=0, greatest=1)


@functools.cache
def metrics() -> dict[str, Metric]:
    """All metrics by name, in the order of the fact."""
    lines = project_macros("duckdb").pair_metric_columns().split("\n")
    of_lines = (
        Metric(
            name,
            sql_type == "integer",
            -math.inf if least == "-" else float(least),
            math.inf if greatest == "-" else float(greatest),
        )
        for name, sql_type, least, greatest in (line.split() for line in lines if line)
    )
    return {metric.name: metric for metric in of_lines}


@functools.cache
def orders() -> list[list[str]]:
    """Pairs of metrics of which the first is never above the second."""
    lines = project_macros("duckdb").pair_metric_orders().split("\n")
    return [line.split() for line in lines if line]
