"""The load of one study into staging."""

import dataclasses
import datetime
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.warehouse.matrix_rows import MatrixFile, MatrixSummary
from expression_warehouse.core.warehouse.session import Session


@dataclass(frozen=True)
class BatchKey:
    """The columns that are the same in all rows of a batch."""

    batch_id: str
    study_accession: str
    file: MatrixFile


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

    def __init__(self, session: Session, macros: Any) -> None:
        self._session = session
        self._macros = macros
        self._staging = macros.schema_name("staging")

    def remove_rows(self, batch_id: str) -> None:
        """Remove the staged rows of a batch that is staged again."""
        statements = self._macros.delete_expression_rows(self._staging, "batch_id = ?")
        for statement in statements.split(";"):
            self._session.change(statement, [batch_id])

    @abstractmethod
    def insert_rows(self, key: BatchKey, rows: Iterator[pa.RecordBatch]) -> int:
        """Stream rows of the schema matrix_rows.ROWS into staging.expression_rows; return how many.

        An exception raised by `rows` propagates unchanged.
        """

    def put_symbol_hints(self, batch_id: str, hints: pa.Table) -> None:
        """Replace the batch's rows of staging.symbol_hint with these (schema SYMBOL_HINTS)."""
        self._session.change(
            f"delete from {self._staging}.symbol_hint where batch_id = ?", [batch_id]
        )
        if hints.num_rows:
            self._insert_symbol_hints(batch_id, hints)

    @abstractmethod
    def _insert_symbol_hints(self, batch_id: str, hints: pa.Table) -> None: ...

    def put_metadata(self, key: BatchKey, metadata_json: str) -> None:
        """Write the batch's row of staging.study_metadata, or replace it."""
        self._session.put(
            f"{self._staging}.study_metadata",
            {"batch_id": key.batch_id},
            {"study_accession_code": key.study_accession, "metadata_json": metadata_json},
        )

    def put_batch(
        self, key: BatchKey, created_at: str, summary: MatrixSummary, config_snapshot: str
    ) -> None:
        """Write the batch's row of the register as STAGED, or replace it."""
        self._session.put(
            f"{self._staging}.batch",
            {"batch_id": key.batch_id},
            {
                "study_accession_code": key.study_accession,
                "file_name": key.file.name,
                "file_hash": key.file.sha256,
                "file_size": key.file.size,
                "created_at": self._instant(created_at),
                "staged_at": self._next_instant(key.study_accession),
                "row_count": summary.row_count,
                "gene_count": summary.gene_count,
                "sample_count": summary.sample_count,
                "null_count": summary.null_count,
                "zero_count": summary.zero_count,
                "value_min": summary.value_min,
                "value_max": summary.value_max,
                "is_whole_numbers": summary.is_whole_numbers,
                "above_30_count": summary.above_30_count,
                "dropped_count": summary.dropped_count,
                "merged_count": None,
                "layout": summary.layout,
                "gene_id_form": summary.gene_id_form,
                "status": "STAGED",
                "config_snapshot": config_snapshot,
                "quarantine_reason": None,
                "released_by": None,
            },
        )

    def _next_instant(self, study_accession: str) -> datetime.datetime:
        """Now, or if the clock was set back, just after the study's newest batch: of two batches,
        the one staged last is the one that counts."""
        (newest,) = self._session.only_row(
            f"select max(staged_at) from {self._staging}.batch where study_accession_code = ?",
            [study_accession],
        )
        now = utc_now()
        return max(now, newest + datetime.timedelta(microseconds=1)) if newest else now

    def _instant(self, text: str) -> Any:
        """The text as a timestamp; None if it is not one."""
        value = self._macros.try_instant(f"cast(? as {self._macros.type_text(100)})")
        return self._session.only_row(f"select {value} as instant", [text])[0]

    def quarantine(self, batch_id: str, reason: str) -> None:
        """Quarantine a batch: its rows stay in staging."""
        self._session.change(
            f"""
            update {self._staging}.batch
            set status = 'QUARANTINED', quarantine_reason = ?
            where batch_id = ?
            """,
            [reason, batch_id],
        )

    def restage(
        self, batch_id: str, config_snapshot: str, released_by: str | None
    ) -> MatrixSummary:
        """Give a registered batch another configuration and make it STAGED again, so that the next
        build loads it again; return the register's counts of its matrix."""
        (study_accession,) = self._session.only_row(
            f"select study_accession_code from {self._staging}.batch where batch_id = ?", [batch_id]
        )
        self._session.change(
            f"""
            update {self._staging}.batch
            set
                status = 'STAGED',
                staged_at = ?,
                config_snapshot = ?,
                quarantine_reason = null,
                released_by = ?
            where batch_id = ?
            """,
            [self._next_instant(study_accession), config_snapshot, released_by, batch_id],
        )
        row = self._session.only_row(
            f"""
            select
                sample_count, gene_count, null_count, zero_count, value_min, value_max,
                is_whole_numbers, above_30_count
            from {self._staging}.batch
            where batch_id = ?
            """,
            [batch_id],
        )
        return MatrixSummary(*row)

    def judge_unit(self, labels: UnitLabels, summary: MatrixSummary) -> UnitVerdict:
        """The study's unit by the SQL of macros/study/unit_tag.sql, and what speaks against it."""
        macros = self._macros
        value_signs = ("value_min", "value_max", "is_whole_numbers")
        signs = (
            "configured",
            "stated",
            macros.technology("technology"),
            macros.common_processor("first_processor", "last_processor"),
            "scale_by",
            *value_signs,
        )
        text, flag = macros.type_text(100), macros.type_flag()
        row = self._session.only_row(
            f"""
            select
                u.unit_tag,
                u.contradiction,
                {macros.domain_fault("u.unit_tag", *(f"u.{sign}" for sign in value_signs))},
                {macros.counts_fault("u.unit_tag", "u.value_min", "u.value_max")}
            from (
                select
                    judged.*,
                    {macros.unit_tag("contradiction", *signs)} as unit_tag
                from (
                    select
                        study.*,
                        {macros.unit_contradiction(*signs, share_above_30="share_above_30")}
                            as contradiction
                    from (
                        select
                            cast(? as {text}) as configured,
                            cast(? as {text}) as stated,
                            cast(? as {text}) as technology,
                            cast(? as {text}) as first_processor,
                            cast(? as {text}) as last_processor,
                            cast(? as {text}) as scale_by,
                            cast(? as float(53)) as value_min,
                            cast(? as float(53)) as value_max,
                            cast(? as {flag}) as is_whole_numbers,
                            cast(? as float(53)) as share_above_30
                    ) as study
                ) as judged
            ) as u
            """,
            [
                *dataclasses.astuple(labels),
                summary.value_min,
                summary.value_max,
                summary.is_whole_numbers,
                summary.share_above_30,
            ],
        )
        return UnitVerdict(*row)
