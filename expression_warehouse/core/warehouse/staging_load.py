"""The load of computed or downloaded rows into staging."""

import dataclasses
import datetime
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from expression_warehouse.core.warehouse.session import Session


@dataclass(frozen=True)
class FeatureRun:
    """One row of meta_feature_run, a computation outside SQL; each field is a column."""

    feature_run_id: str
    kind: str
    disease_label: str | None
    technology: str | None
    organism: str | None
    seed: int | None
    parameters_json: str
    versions_json: str
    study_count: int | None
    gene_count: int | None
    pairs_tested: int | None
    started_at: datetime.datetime
    ended_at: datetime.datetime


class StagingLoad(ABC):
    """The results of one feature run, or the values of one file. They become visible together, or
    not at all."""

    def __init__(self, session: Session, macros: Any) -> None:
        self._session = session
        self._macros = macros

    def put_run(self, run: FeatureRun) -> None:
        """Write the run's row of meta_feature_run, or replace it."""
        row = dataclasses.asdict(run)
        table = f"{self._macros.schema_name('meta')}.meta_feature_run"
        self._session.put(table, {"feature_run_id": row.pop("feature_run_id")}, row)

    def replace_rows(
        self,
        table: str,
        scope: Mapping[str, str | int],
        schema: pa.Schema,
        rows: Iterator[pa.RecordBatch],
    ) -> int:
        """Replace the rows of a staging table that have the scope's values; return the number of
        new rows. Two loads that replace rows of the same table wait for each other.

        table   its name in schema staging; columns that `schema` lacks are null
        scope   column → value, as {'disease_label': 'SEPSIS', 'technology': 'RNA-SEQ'}

        An exception raised by `rows` propagates unchanged.
        """
        name = f"{self._macros.schema_name('staging')}.{table}"
        condition = " and ".join(f"{column} = ?" for column in scope)

        def remove() -> None:
            # Two loads at once would both keep their rows.
            self._session.wait_for(self._macros.lock_until_commit(f"rows of {table}"))
            self._session.change(f"delete from {name} where {condition}", list(scope.values()))

        return self._replace(name, remove, schema, rows)

    @abstractmethod
    def _replace(
        self,
        table: str,
        remove: Callable[[], None],
        schema: pa.Schema,
        rows: Iterator[pa.RecordBatch],
    ) -> int:
        """Remove rows of a table and write others; return how many are written."""
