"""The load of a file of pair metrics into staging."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.warehouse.session import Session


@dataclass(frozen=True)
class PairSource:
    """The file of a load of pair metrics: its name and the hash of its bytes."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Staged:
    """What became of a file's rows.

    staged    rows that are new, or replace those of another load
    replaced  rows of other loads that were replaced
    """

    staged: int
    replaced: int


class PairLoad(ABC):
    """The writes of one load of pair metrics. They become visible together, or not at all. Its rows
    are in the table `taken` until they are staged."""

    # A pair of one slice, in staging and in the rows taken in.
    _KEY = ("disease_label", "technology", "organism", "gene_a_key", "gene_b_key")

    def __init__(self, session: Session, macros: Any, taken: str) -> None:
        self._session = session
        self._macros = macros
        self._table = f"{macros.schema_name('staging')}.pair_metrics"
        self._taken = taken

    def organisms(self, disease: str) -> dict[str, list[str]]:
        """Technology → organisms of the studies of a disease, in order of their names."""
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
        """Keys of dim_gene. Raises UserError 4008 if no build has made it."""
        if not self._has_table("dim", "dim_gene"):
            raise UserError(
                "LOAD_WAREHOUSE_NOT_BUILT", "the warehouse has no table dim_gene to look keys up in"
            )
        dim = self._macros.schema_name("dim")
        keys = self._session.rows(f"select gene_key from {dim}.dim_gene")
        return np.array([key for (key,) in keys], dtype=np.int32)

    @abstractmethod
    def take(self, schema: pa.Schema, rows: Iterator[pa.RecordBatch], file: PairSource) -> int:
        """Write rows with columns of staging.pair_metrics to a temporary table; return how many.

        An exception raised by `rows` propagates unchanged.
        """

    def _has_table(self, schema: str, name: str) -> bool:
        query = """
            select count(*) as table_count
            from information_schema.tables
            where table_schema = ? and table_name = ?
        """
        return self._session.only_row(query, [self._macros.schema_name(schema), name])[0] > 0

    def find_conflict(self) -> tuple[int, int] | None:
        """Lines of two rows taken in that have different metrics for one pair and slice."""
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
        """Keep the first row taken in for a pair and slice; return how many were removed."""
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
        """How many of the rows taken in override the fact's, and how many rows the fact has now
        for those pairs and slices."""
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

    def count_unranked(self) -> int:
        """How many of the rows taken in lack what the limits of the ranked views ask for: a false
        discovery rate, an I2 or a number of studies."""
        (rows,) = self._session.only_row(
            f"""
            select count(*) as row_count
            from {self._taken}
            where
                coalesce(q_ss_hk, q_soth_hk, q_ss, q_soth, q_combined, q_combined_dependent) is null
                or coalesce(dz_ss_i2, dz_soth_i2) is null
                or coalesce(included_study_count, n_studies_ss, n_studies_soth) is null
            """
        )
        return rows

    def stage(self) -> Staged:
        """Stage the rows taken in; they replace rows of the same pair and slice. If all of them are
        staged already, change nothing."""
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
