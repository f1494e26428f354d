"""SQL that all engines share. Values are bound to `?`; a flag is compared with 1."""

import dataclasses
import datetime
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pyarrow as pa

from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.redact import Redactor
from expression_warehouse.core.warehouse.base import (
    BatchKey,
    FeatureRun,
    Finding,
    PairLoad,
    RegisteredBatch,
    Staged,
    StagingLoad,
    StepRecord,
    StudyLoad,
    UnitLabels,
    UnitVerdict,
    Warehouse,
)
from expression_warehouse.core.warehouse.matrix_rows import MatrixSummary


class Session(ABC):
    """Statements of one transaction."""

    @abstractmethod
    def execute(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """Run a statement; return the driver's cursor."""

    @abstractmethod
    def change(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run a statement that changes rows; return how many."""

    @abstractmethod
    def wait_for(self, lock: str) -> None:
        """Take a lock, as macro lock_until_commit writes it; empty if the engine has none."""

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple]:
        """The rows of a query."""
        return [tuple(row) for row in self.execute(query, values).fetchall()]

    def row(self, query: str, values: Sequence[Any] = ()) -> tuple | None:
        """The first row of a query; None if it has none."""
        first = self.execute(query, values).fetchone()
        return None if first is None else tuple(first)

    def only_row(self, query: str, values: Sequence[Any] = ()) -> tuple:
        """The row of a query that has exactly one."""
        (row,) = self.rows(query, values)
        return tuple(row)

    def columns(self, table: str) -> list[str]:
        """The names of a table's columns."""
        described = self.execute(f"select * from {table} where 1 = 0").description
        return [column[0] for column in described]

    def insert(self, table: str, row: dict[str, Any]) -> None:
        """Write one row."""
        columns, values = ", ".join(row), ", ".join("?" for _ in row)
        self.change(f"insert into {table} ({columns}) values ({values})", list(row.values()))

    def put(self, table: str, key: dict[str, Any], row: dict[str, Any]) -> None:
        """Write one row; it replaces the row with this key, if there is one."""
        columns = ", ".join(f"{name} = ?" for name in row)
        condition = " and ".join(f"{name} = ?" for name in key)
        if not self.change(
            f"update {table} set {columns} where {condition}", [*row.values(), *key.values()]
        ):
            self.insert(table, key | row)


class SchemaNames(dict[str, str]):
    """dim → the schema's name in this warehouse, for str.format_map."""

    def __init__(self, macros: Any) -> None:
        super().__init__()
        self._macros = macros

    def __missing__(self, name: str) -> str:
        return self._macros.schema_name(name)


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


class SqlStudyLoad(StudyLoad):
    """All writes of a load except its rows, which each engine writes differently."""

    def __init__(self, session: Session, macros: Any) -> None:
        self._session = session
        self._macros = macros
        self._staging = macros.schema_name("staging")

    def remove_rows(self, batch_id: str) -> None:
        statements = self._macros.delete_expression_rows(self._staging, "batch_id = ?")
        for statement in statements.split(";"):
            self._session.change(statement, [batch_id])

    def put_symbol_hints(self, batch_id: str, hints: pa.Table) -> None:
        self._session.change(
            f"delete from {self._staging}.symbol_hint where batch_id = ?", [batch_id]
        )
        if hints.num_rows:
            self._insert_symbol_hints(batch_id, hints)

    @abstractmethod
    def _insert_symbol_hints(self, batch_id: str, hints: pa.Table) -> None: ...

    def put_metadata(self, key: BatchKey, metadata_json: str) -> None:
        self._session.put(
            f"{self._staging}.study_metadata",
            {"batch_id": key.batch_id},
            {"study_accession_code": key.study_accession, "metadata_json": metadata_json},
        )

    def put_batch(
        self, key: BatchKey, created_at: str, summary: MatrixSummary, config_snapshot: str
    ) -> None:
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


class SqlPairLoad(PairLoad):
    """A load of pair metrics, whose rows are in the table `taken` until they are staged."""

    # A pair of one slice, in staging and in the rows taken in.
    _KEY = ("disease_label", "technology", "organism", "gene_a_key", "gene_b_key")

    def __init__(self, session: Session, macros: Any, taken: str) -> None:
        self._session = session
        self._macros = macros
        self._table = f"{macros.schema_name('staging')}.pair_metrics"
        self._taken = taken

    def organisms(self, disease: str) -> dict[str, list[str]]:
        if not self._has_table("staging", "stg_slice_study"):
            return {}
        staging, dim = self._macros.schema_name("staging"), self._macros.schema_name("dim")
        rows = self._session.rows(
            f"""
            select distinct s.technology, s.organism
            from {staging}.stg_slice_study as s
            inner join {dim}.dim_disease as d on s.disease_key = d.disease_key
            where d.disease_label = ?
            order by s.technology, s.organism
            """,
            [disease],
        )
        found: dict[str, list[str]] = {}
        for technology, organism in rows:
            found.setdefault(technology, []).append(organism)
        return found

    def gene_keys(self) -> np.ndarray:
        keys = self._session.rows(f"select gene_key from {self._dimension('dim_gene')}")
        return np.array([key for (key,) in keys], dtype=np.int32)

    def _dimension(self, name: str) -> str:
        if not self._has_table("dim", name):
            raise UserError(
                "LOAD_WAREHOUSE_NOT_BUILT", f"the warehouse has no table {name} to look keys up in"
            )
        return f"{self._macros.schema_name('dim')}.{name}"

    def _has_table(self, schema: str, name: str) -> bool:
        query = """
            select count(*) as table_count
            from information_schema.tables
            where table_schema = ? and table_name = ?
        """
        return self._session.only_row(query, [self._macros.schema_name(schema), name])[0] > 0

    def find_conflict(self) -> tuple[int, int] | None:
        compared = [
            column
            for column in self._session.columns(self._taken)
            if column not in ("line_no", *self._KEY)
        ]
        return self._session.row(
            f"""
            with repeated as (
                select {", ".join(self._KEY)}, min(line_no) as line_no
                from {self._taken}
                group by {", ".join(self._KEY)}
                having count(*) > 1
            )
            select f.line_no as first_line, t.line_no as second_line
            from repeated as r
            inner join {self._taken} as f on r.line_no = f.line_no
            inner join {self._taken} as t on {self._same_pair("r", "t")}
            where exists (
                select {", ".join(f"f.{column}" for column in compared)}
                except
                select {", ".join(f"t.{column}" for column in compared)}
            )
            order by t.line_no
            """
        )

    def remove_repeated(self) -> int:
        return self._session.change(
            f"""
            delete from {self._taken}
            where line_no not in (
                select min(t.line_no)
                from {self._taken} as t
                group by {", ".join(f"t.{column}" for column in self._KEY)}
            )
            """
        )

    def count_overrides(self) -> tuple[int, int]:
        (overrides,) = self._session.only_row(
            f"select count(*) as override_count from {self._taken} where csv_override = 1"
        )
        if not overrides or not self._has_table("fact", "fact_gene_pair_metrics"):
            return overrides, 0
        dim, fact = self._macros.schema_name("dim"), self._macros.schema_name("fact")
        (rows,) = self._session.only_row(
            f"""
            select count(*) as row_count
            from {self._taken} as t
            inner join {dim}.dim_disease as d on t.disease_label = d.disease_label
            inner join {dim}.dim_gene_pair as p
                on t.gene_a_key = p.gene_a_key and t.gene_b_key = p.gene_b_key
            inner join {fact}.fact_gene_pair_metrics as f
                on
                    f.pair_key = p.pair_key and f.disease_key = d.disease_key
                    and f.technology = t.technology and f.organism = t.organism
            where t.csv_override = 1
            """
        )
        return overrides, rows

    def stage(self) -> Staged:
        (new,) = self._session.only_row(
            f"""
            select count(*) as row_count
            from {self._taken} as t
            where not exists (
                select 1
                from {self._table} as s
                where {self._same_pair("s", "t")} and s.batch_id = t.batch_id
            )
            """
        )
        if not new:
            return Staged(0, 0)
        # Rows of this file go too: a batch whose rows were all staged at one time is what tells
        # the build that the slice is another one now.
        removed = self._session.change(
            f"""
            delete from {self._table}
            where exists (
                select 1 from {self._taken} as t where {self._same_pair(self._table, "t")}
            )
            """
        )
        columns = ", ".join(self._session.columns(self._taken))
        written = self._session.change(
            f"insert into {self._table} ({columns}) select {columns} from {self._taken}"
        )
        return Staged(new, removed - (written - new))

    def _same_pair(self, one: str, other: str) -> str:
        return " and ".join(f"{one}.{column} = {other}.{column}" for column in self._KEY)


class SqlStagingLoad(StagingLoad):
    """One transaction."""

    def __init__(self, session: Session, macros: Any) -> None:
        self._session = session
        self._macros = macros

    def put_run(self, run: FeatureRun) -> None:
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


class SqlWarehouse(Warehouse):
    """The register and the logs.

    macros    the project's, for the engine
    redacted  replaces secrets in a text
    """

    def __init__(self, macros: Any, redacted: Redactor) -> None:
        self._macros = macros
        self._redacted = redacted
        self._staging = macros.schema_name("staging")
        self._meta = macros.schema_name("meta")

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[Session]:
        """A transaction, committed when the block ends and rolled back if it raises.

        Raises UserError 4007 if the engine fails.
        """

    def find_batch(self, batch_id: str) -> RegisteredBatch | None:
        query = f"""
            select b.status, b.config_snapshot, m.metadata_json, b.quarantine_reason, b.released_by
            from {self._staging}.batch as b
            inner join {self._staging}.study_metadata as m on b.batch_id = m.batch_id
            where b.batch_id = ?
        """
        with self._transaction() as session:
            row = session.row(query, [batch_id])
        return RegisteredBatch(*row) if row else None

    def read_whole(self, schema: str, table: str) -> None:
        self.read(self._macros.read_whole(f'"{schema}"."{table}"'))

    def replace_diseases(self, definitions: Mapping[str, str]) -> bool:
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

    def add_reviews(self, reviews: Sequence[Mapping[str, Any]]) -> int:
        table = f"{self._macros.schema_name('analytics')}.llm_reviews"
        with self._transaction() as session:
            session.wait_for(self._macros.lock_until_commit("reviews"))
            known = {review_id for (review_id,) in session.rows(f"select review_id from {table}")}
            missing = [row for row in reviews if row["review_id"] not in known]
            for row in missing:
                session.insert(table, {**row, "loaded_at": utc_now()})
        return len(missing)

    def record_step(self, record: StepRecord) -> None:
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
        with self._transaction() as session:
            session.change(
                ending_running_steps(self._meta), [ended_at, self._redacted(message), run_id]
            )

    def record_finding(self, finding: Finding) -> None:
        row = dataclasses.asdict(finding) | {"created_at": utc_now()}
        row["details"] = self._redacted(finding.details)
        with self._transaction() as session:
            session.insert(f"{self._meta}.meta_data_validation_log", row)
