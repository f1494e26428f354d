"""One study's values as a matrix, streamed from vw_expression_export."""

from dataclasses import dataclass

import numpy as np

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.warehouse.base import Warehouse


@dataclass(frozen=True)
class StudyMatrix:
    """The samples of a study whose illness is known.

    values  (genes, samples), NaN if missing; harmonised, log2 scale
    labels  (samples,): their illness labels
    """

    values: np.ndarray
    labels: np.ndarray

    def group(self, cohorts: tuple[str, ...]) -> np.ndarray:
        """(genes, samples): the values of the samples of these cohorts, contiguous."""
        members = np.isin(self.labels, cohorts)
        return np.ascontiguousarray(self.values[:, members])


def count_samples(warehouse: Warehouse, study: int) -> int:
    """How many samples of known illness a study has."""
    return len(_read_samples(warehouse, study)[0])


def read_study(warehouse: Warehouse, study: int, genes: np.ndarray) -> StudyMatrix:
    """The matrix of a study.

    study  its key
    genes  keys of the genes, ascending: the rows of the matrix
    """
    samples, labels = _read_samples(warehouse, study)
    values = np.full((len(genes), len(samples)), np.nan)
    with warehouse.stream(_VALUES, {}, {"study_key": study}) as batches:
        for batch in batches:
            row = np.searchsorted(genes, batch["gene_key"].to_numpy(zero_copy_only=False))
            column = np.searchsorted(samples, batch["sample_key"].to_numpy(zero_copy_only=False))
            values[row, column] = batch["expression_value"].to_numpy(zero_copy_only=False)
    return StudyMatrix(values, labels)


def _read_samples(warehouse: Warehouse, study: int) -> tuple[np.ndarray, np.ndarray]:
    table = warehouse.read(_SAMPLES, {}, {"study_key": study})
    keys = table["sample_key"].to_numpy()
    return keys, np.array(table["illness_label"].to_pylist(), dtype=np.str_)


def find_study(warehouse: Warehouse, accession: str) -> int:
    """The key of a study in the fact.

    Raises UserError 54040 if there is none.
    """
    query = """
        select distinct s.study_key, s.study_accession_code
        from {dim}.dim_study as s
        inner join {staging}.stg_loaded_batch as b
            on s.study_accession_code = b.study_accession_code
    """
    known = {
        row["study_accession_code"]: row["study_key"]
        for row in warehouse.read(query, {}).to_pylist()
    }
    if accession not in known:
        raise UserError(
            "STUDY_NOT_FOUND",
            f"the fact has no study {accession}",
            expected=f"one of {', '.join(sorted(known)) or 'none so far'}",
            action="Check the accession; ingest the study and run dbt build first",
        )
    return known[accession]


_SAMPLES = """
    select distinct e.sample_key, e.illness_label
    from {analytics}.vw_expression_export as e
    where e.study_key = $study_key and e.illness_label <> 'UNKNOWN'
    order by e.sample_key
"""

_VALUES = """
    select e.gene_key, e.sample_key, e.expression_value
    from {analytics}.vw_expression_export as e
    where e.study_key = $study_key and e.illness_label <> 'UNKNOWN'
"""
