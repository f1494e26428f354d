"""The interface of a warehouse, whatever its engine."""

import datetime
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.warehouse.matrix_rows import MatrixFile, MatrixSummary

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


@dataclass(frozen=True)
class BatchKey:
    """The columns that are the same in all rows of a batch."""

    batch_id: str
    study_accession: str
    file: MatrixFile


@dataclass(frozen=True)
class PairSource:
    """The file of a load of pair metrics: its name and the hash of its bytes."""

    name: str
    sha256: str


@dataclass(frozen=True)
class UnitLabels:
    """What is said about a study's values. Each may be None.

    configured       the unit in pipeline.yaml
    stated           the unit that the format of the files says
    technology       refine.bio's word
    first_processor  the least and the greatest name of the samples' processors
    last_processor
    scale_by         how refine.bio scaled each gene
    """

    configured: str | None
    stated: str | None
    technology: str | None
    first_processor: str | None
    last_processor: str | None
    scale_by: str | None


@dataclass(frozen=True)
class UnitVerdict:
    """A unit, and what speaks against it. Each text is None if nothing does.

    unit           None if it is unknown
    contradiction  why labels and values contradict each other
    domain_fault   why the values cannot be of that unit
    counts_fault   why the values cannot be counts
    """

    unit: str | None
    contradiction: str | None
    domain_fault: str | None
    counts_fault: str | None


class StudyLoad(ABC):
    """The writes of one study's load. They become visible together, or not at all."""

    @abstractmethod
    def remove_rows(self, batch_id: str) -> None:
        """Remove the staged rows of a batch that is staged again."""

    @abstractmethod
    def insert_rows(self, key: BatchKey, rows: Iterator[pa.RecordBatch]) -> int:
        """Stream rows of the schema matrix.ROWS into staging.expression_rows; return how many.

        An exception raised by `rows` propagates unchanged.
        """

    @abstractmethod
    def put_symbol_hints(self, batch_id: str, hints: pa.Table) -> None:
        """Replace the batch's rows of staging.symbol_hint with these (schema SYMBOL_HINTS)."""

    @abstractmethod
    def put_metadata(self, key: BatchKey, metadata_json: str) -> None:
        """Write the batch's row of staging.study_metadata, or replace it."""

    @abstractmethod
    def put_batch(
        self, key: BatchKey, created_at: str, summary: MatrixSummary, config_snapshot: str
    ) -> None:
        """Write the batch's row of the register as STAGED, or replace it."""

    @abstractmethod
    def quarantine(self, batch_id: str, reason: str) -> None:
        """Quarantine a batch: its rows stay in staging."""

    @abstractmethod
    def restage(
        self, batch_id: str, config_snapshot: str, released_by: str | None
    ) -> MatrixSummary:
        """Give a registered batch another configuration and make it STAGED again, so that the next
        build loads it again; return the register's counts of its matrix."""

    @abstractmethod
    def judge_unit(self, labels: UnitLabels, summary: MatrixSummary) -> UnitVerdict:
        """The study's unit by the SQL of macros/study/unit_tag.sql, and what speaks against it."""


@dataclass(frozen=True)
class Staged:
    """What became of a file's rows.

    staged    rows that are new, or replace those of another load
    replaced  rows of other loads that were replaced
    """

    staged: int
    replaced: int


class PairLoad(ABC):
    """The writes of one load of pair metrics. They become visible together, or not at all."""

    @abstractmethod
    def organisms(self, disease: str) -> dict[str, list[str]]:
        """Technology → organisms of the studies of a disease, in order of their names."""

    @abstractmethod
    def gene_keys(self) -> np.ndarray:
        """Keys of dim_gene. Raises UserError 4008 if no build has made it."""

    @abstractmethod
    def take(self, schema: pa.Schema, rows: Iterator[pa.RecordBatch], file: PairSource) -> int:
        """Write rows with columns of staging.pair_metrics to a temporary table; return how many.

        An exception raised by `rows` propagates unchanged.
        """

    @abstractmethod
    def find_conflict(self) -> tuple[int, int] | None:
        """Lines of two rows taken in that have different metrics for one pair and slice."""

    @abstractmethod
    def remove_repeated(self) -> int:
        """Keep the first row taken in for a pair and slice; return how many were removed."""

    @abstractmethod
    def count_overrides(self) -> tuple[int, int]:
        """How many of the rows taken in override the fact's, and how many rows the fact has now
        for those pairs and slices."""

    @abstractmethod
    def stage(self) -> Staged:
        """Stage the rows taken in; they replace rows of the same pair and slice. If all of them are
        staged already, change nothing."""


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

    @abstractmethod
    def put_run(self, run: FeatureRun) -> None:
        """Write the run's row of meta_feature_run, or replace it."""

    @abstractmethod
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


def no_rows() -> UserError:
    """The error of a query that is a statement without rows, as `checkpoint`."""
    return UserError(
        "QUERY_FAILED", "the statement returns no rows", action="Write a query, such as select"
    )


class Warehouse(ABC):
    """An open target. Close it with `with`.

    engine  the type of the target, as duckdb
    """

    engine: str

    @abstractmethod
    def find_batch(self, batch_id: str) -> RegisteredBatch | None:
        """The register's row of a batch; None if it has none."""

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

    @abstractmethod
    def replace_diseases(self, definitions: Mapping[str, str]) -> bool:
        """Replace all diseases of staging.disease_definition by these; return whether they differ.

        definitions  disease label → definition_json

        Raises UserError 4007 if the engine fails; the earlier ones stay then.
        """

    @abstractmethod
    def record_step(self, record: StepRecord) -> None:
        """Write a row of the process log at once; it replaces the row RUNNING of the same step.

        Raises UserError 4007 if the engine refuses it.
        """

    @abstractmethod
    def end_running_steps(self, run_id: str, ended_at: datetime.datetime, message: str) -> None:
        """Write FAILED and the message for all steps of a run that are RUNNING in the process log.

        Raises UserError 4007 if the engine refuses it.
        """

    def mark_alive(self, run_id: str) -> list[str]:
        """Mark a run as alive for as long as its command lasts; return earlier runs that had been
        marked and whose process died. An engine of which this cannot be known returns none."""
        return []

    @abstractmethod
    def record_finding(self, finding: Finding) -> None:
        """Write a row of the validation log at once.

        Raises UserError 4007 if the engine refuses it.
        """

    @property
    @abstractmethod
    def review_journal(self) -> Path:
        """The file to which the API appends reviews of this warehouse (core/review_journal.py)."""

    @abstractmethod
    def add_reviews(self, reviews: Sequence[Mapping[str, Any]]) -> int:
        """Write the reviews that analytics.llm_reviews lacks; return how many.

        reviews  each as column → value, without loaded_at

        Raises UserError 4007 if the engine fails; none is written then.
        """

    def read(
        self,
        query: str,
        parameters: Mapping[str, str | int | None] | None = None,
        settings: Mapping[str, str] | None = None,
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
        self,
        query: str,
        parameters: Mapping[str, str | int | None] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        """As `read`, each row as column → value: for few rows, as a page of the API reads them."""
        return self.read(query, parameters, settings).to_pylist()

    @abstractmethod
    def read_whole(self, schema: str, table: str) -> None:
        """Read every block of a table, which the engine verifies.

        Raises UserError 4012 if one is damaged.
        """

    @abstractmethod
    def stream(
        self,
        query: str,
        parameters: Mapping[str, str | int | None] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> AbstractContextManager[pa.RecordBatchReader]:
        """The rows of a query as `read` takes it, batch by batch, for results larger than memory.

        Raises UserError 4008 if a table or view of the query does not exist, 4017 if it returns
        no rows.
        """

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> "Warehouse":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
