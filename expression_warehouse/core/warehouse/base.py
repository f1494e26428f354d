"""A warehouse, whatever its engine. SQL that all engines share binds values to `?`, and compares a
flag with 1."""

import dataclasses
import datetime
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.redact import Redactor
from expression_warehouse.core.warehouse.pair_load import PairLoad
from expression_warehouse.core.warehouse.session import Session
from expression_warehouse.core.warehouse.staging_load import StagingLoad
from expression_warehouse.core.warehouse.study_load import StudyLoad

# A value per $name in a query; the session settings of views. None means that there are none.
Parameters = Mapping[str, str | int | None] | None
Settings = Mapping[str, str] | None

# The message of steps in the log that ended with their process.
PROCESS_DIED = "the process died"


@dataclass(frozen=True)
class RegisteredBatch:
    """The register's row of a known batch."""

    status: str
    config_snapshot: str
    metadata_json: str
    quarantine_reason: str | None
    released_by: str | None


@dataclass(frozen=True)
class StepRecord:
    """One row of meta_etl_process_log; each field is a column."""

    run_id: str
    batch_id: str | None
    step: str
    status: str
    started_at: datetime.datetime
    ended_at: datetime.datetime | None
    rows_read: int | None
    rows_written: int | None
    error_code: int | None
    error_message: str | None
    context_json: str
    attempt: int = 1


@dataclass(frozen=True)
class Finding:
    """One row of meta_data_validation_log; each field is a column."""

    run_id: str
    batch_id: str | None
    validation_code: str
    severity: str
    details: str


def no_rows() -> UserError:
    """The error of a query that is a statement without rows, as `checkpoint`."""
    return UserError(
        "QUERY_FAILED", "the statement returns no rows", action="Write a query, such as select"
    )


def ending_running_steps(meta: str) -> str:
    """The statement that writes FAILED for the steps of a run that are RUNNING; it takes when they
    ended, the message and the run's id.

    meta  the schema of the log
    """
    return f"""
        update {meta}.meta_etl_process_log
        set status = 'FAILED', ended_at = ?, error_message = ?
        where run_id = ? and status = 'RUNNING'
    """


class Warehouse(ABC):
    """An open target. Close it with `with`.

    engine    the type of the target, as duckdb
    macros    the project's, for the engine
    redacted  replaces secrets in a text
    """

    engine: str

    def __init__(self, macros: Any, redacted: Redactor) -> None:
        self._macros = macros
        self._redacted = redacted
        self._staging = macros.schema_name("staging")
        self._meta = macros.schema_name("meta")

    def find_batch(self, batch_id: str) -> RegisteredBatch | None:
        """The register's row of a batch; None if it has none."""
        query = f"""
            select b.status, b.config_snapshot, m.metadata_json, b.quarantine_reason, b.released_by
            from {self._staging}.batch as b
            inner join {self._staging}.study_metadata as m on b.batch_id = m.batch_id
            where b.batch_id = ?
        """
        with self._transaction() as session:
            row = session.row(query, [batch_id])
        return RegisteredBatch(*row) if row else None

    @abstractmethod
    def load_study(self) -> AbstractContextManager[StudyLoad]:
        """A load, published when the block ends and undone if it raises. Blocks of several
        threads can be open at a time.

        Raises UserError 4007 if the engine fails.
        """

    @abstractmethod
    def load_pairs(self) -> AbstractContextManager[PairLoad]:
        """A load of pair metrics, published when the block ends and undone if it raises.

        Raises UserError 4007 if the engine fails.
        """

    @abstractmethod
    def load_staging(self) -> AbstractContextManager[StagingLoad]:
        """The results of a feature run or the values of a file, published when the block ends and
        undone if it raises.

        Raises UserError 4007 if the engine fails.
        """

    def replace_diseases(self, definitions: Mapping[str, str]) -> bool:
        """Replace all diseases of staging.disease_definition by these; return whether they differ.

        definitions  disease label → definition_json

        Raises UserError 4007 if the engine fails; the earlier ones stay then.
        """
        table = f"{self._staging}.disease_definition"
        with self._transaction() as session:
            session.wait_for(self._macros.lock_until_commit("diseases"))
            earlier = dict(session.rows(f"select disease_label, definition_json from {table}"))
            for label in earlier.keys() - definitions.keys():
                session.change(f"delete from {table} where disease_label = ?", [label])
            # Updated, not deleted and inserted: DuckDB refuses a key that the same transaction
            # deleted.
            for label in definitions.keys() - earlier.keys():
                session.insert(
                    table, {"disease_label": label, "definition_json": definitions[label]}
                )
            for label in definitions.keys() & earlier.keys():
                if definitions[label] != earlier[label]:
                    session.change(
                        f"update {table} set definition_json = ? where disease_label = ?",
                        [definitions[label], label],
                    )
        return earlier != dict(definitions)

    def record_step(self, record: StepRecord) -> None:
        """Write a row of the process log at once; it replaces the row RUNNING of the same step.

        Raises UserError 4007 if the engine refuses it.
        """
        row = dataclasses.asdict(record)
        row["error_message"] = self._redacted(record.error_message)
        with self._transaction() as session:
            session.change(
                f"""
                delete from {self._meta}.meta_etl_process_log
                where
                    run_id = ?
                    and step = ?
                    and coalesce(batch_id, '') = ?
                    and started_at = ?
                    and status = 'RUNNING'
                """,
                [record.run_id, record.step, record.batch_id or "", record.started_at],
            )
            session.insert(f"{self._meta}.meta_etl_process_log", row)

    def end_running_steps(self, run_id: str, ended_at: datetime.datetime, message: str) -> None:
        """Write FAILED and the message for all steps of a run that are RUNNING in the process log.

        Raises UserError 4007 if the engine refuses it.
        """
        with self._transaction() as session:
            session.change(
                ending_running_steps(self._meta), [ended_at, self._redacted(message), run_id]
            )

    def mark_alive(self, run_id: str) -> list[str]:
        """Mark a run as alive for as long as its command lasts; return earlier runs that had been
        marked and whose process died. An engine of which this cannot be known returns none."""
        return []

    def record_finding(self, finding: Finding) -> None:
        """Write a row of the validation log at once.

        Raises UserError 4007 if the engine refuses it.
        """
        row = dataclasses.asdict(finding) | {"created_at": utc_now()}
        row["details"] = self._redacted(finding.details)
        with self._transaction() as session:
            session.insert(f"{self._meta}.meta_data_validation_log", row)

    @property
    @abstractmethod
    def review_journal(self) -> Path:
        """The file to which the API appends reviews of this warehouse (core/review_journal.py)."""

    def add_reviews(self, reviews: Sequence[Mapping[str, Any]]) -> int:
        """Write the reviews that analytics.llm_reviews lacks; return how many.

        reviews  each as column → value, without loaded_at

        Raises UserError 4007 if the engine fails; none is written then.
        """
        table = f"{self._macros.schema_name('analytics')}.llm_reviews"
        with self._transaction() as session:
            session.wait_for(self._macros.lock_until_commit("reviews"))
            known = {review_id for (review_id,) in session.rows(f"select review_id from {table}")}
            missing = [row for row in reviews if row["review_id"] not in known]
            for row in missing:
                session.insert(table, {**row, "loaded_at": utc_now()})
        return len(missing)

    def read(
        self, query: str, parameters: Parameters = None, settings: Settings = None
    ) -> pa.Table:
        """The rows of a query.

        query       SQL that all engines take; the name of a schema is in braces and a parameter
                    after $, as in `select * from {dim}.dim_gene where gene_id = $gene_id`
        parameters  a value per $name in the query, which the engine binds
        settings    session settings, as disease of vw_pair_metrics_ranked; all others have their
                    defaults

        Raises UserError 4008 if a table or view of the query does not exist, 4012 if the engine
        cannot read it.
        """
        with self.stream(query, parameters, settings) as batches:
            return batches.read_all()

    def read_rows(
        self, query: str, parameters: Parameters = None, settings: Settings = None
    ) -> list[dict[str, Any]]:
        """As `read`, each row as column → value: for few rows, as a page of the API reads them."""
        return self.read(query, parameters, settings).to_pylist()

    def read_rows_if_built(self, query: str, parameters: Parameters = None) -> list[dict[str, Any]]:
        """As `read_rows`; none if a table or view of the query does not exist yet."""
        try:
            return self.read_rows(query, parameters)
        except UserError as error:
            if error.name != "LOAD_WAREHOUSE_NOT_BUILT":
                raise
            return []

    def read_whole(self, schema: str, table: str) -> None:
        """Read every block of a table, which the engine verifies.

        Raises UserError 4012 if one is damaged.
        """
        self.read(self._macros.read_whole(f'"{schema}"."{table}"'))

    @abstractmethod
    def stream(
        self, query: str, parameters: Parameters = None, settings: Settings = None
    ) -> AbstractContextManager[pa.RecordBatchReader]:
        """The rows of a query as `read` takes it, batch by batch, for results larger than memory.

        Raises UserError 4008 if a table or view of the query does not exist, 4017 if it returns
        no rows.
        """

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[Session]:
        """A transaction, committed when the block ends and rolled back if it raises.

        Raises UserError 4007 if the engine fails.
        """

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> "Warehouse":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
