"""One study's values as a matrix, streamed from vw_expression_export, and the choice of genes."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.reporting import Reporter
from expression_warehouse.core.warehouse.base import Warehouse
from expression_warehouse.pairs.slices import Slice, SliceStudies


@dataclass(frozen=True)
class StudyMatrix:
    """Samples of a study whose illness is known.

    values     (genes, samples), NaN if missing; harmonised, log2 scale
    labels     (samples,): their illness labels
    floor      values above it are detected, in the study's unit; None if the unit has no floor
    resolution least difference of values that means anything
    """

    values: np.ndarray
    labels: np.ndarray
    floor: float | None
    resolution: float

    @property
    def is_measured(self) -> np.ndarray:
        """(genes,): whether any sample has a value."""
        return ~np.isnan(self.values).all(axis=1)

    def cohort(self, label: str, share: float) -> np.ndarray:
        """(genes, samples): the values of a cohort, contiguous; all NaN for genes that are not
        expressed there, by the rule of macros/stats/detected_genes.sql: enough values lie above the
        floor, and they spread by the resolution or more.

        share  of the values that must be detected
        """
        values = np.ascontiguousarray(self.values[:, self.labels == label])
        known = np.count_nonzero(~np.isnan(values), axis=1)
        above = known if self.floor is None else np.count_nonzero(values > self.floor, axis=1)
        greatest = np.fmax.reduce(values, axis=1, initial=-np.inf)
        spread = greatest - np.fmin.reduce(values, axis=1, initial=np.inf)
        is_expressed = (spread >= self.resolution) & (above / np.maximum(known, 1) >= share)
        values[~is_expressed | (known == 0)] = np.nan
        return values


def count_samples(warehouse: Warehouse, study: int, slice_: Slice | None = None) -> int:
    """How many samples of known illness a study has in a slice, or in all."""
    return len(_read_samples(warehouse, study, slice_)[0])


def read_study(
    warehouse: Warehouse, study: int, genes: np.ndarray, slice_: Slice | None = None
) -> StudyMatrix:
    """The matrix of a study's samples in a slice, or of all of them.

    study  its key
    genes  keys of genes, ascending: the rows of the matrix
    """
    samples, labels = _read_samples(warehouse, study, slice_)
    values = np.full((len(genes), len(samples)), np.nan)
    with warehouse.stream(_VALUES, {"study_key": study}) as batches:
        for batch in batches:
            row = pc.index_in(batch["gene_key"], pa.array(genes))
            column = pc.index_in(batch["sample_key"], pa.array(samples))
            is_own = pc.and_(row.is_valid(), column.is_valid())
            places = (place.filter(is_own).to_numpy() for place in (row, column))
            value = batch["expression_value"].filter(is_own)
            values[*places] = value.to_numpy(zero_copy_only=False)
    (unit,) = warehouse.read(_UNIT, {"study_key": study}).to_pylist()
    return StudyMatrix(values, labels, unit["detection_floor"], unit["value_resolution"])


def read_studies(
    warehouse: Warehouse, members: SliceStudies, genes: np.ndarray, reporter: Reporter
) -> Iterator[StudyMatrix]:
    """The matrices of a slice's studies, one after the other; as `read_study`."""
    task = reporter.begin(str(members.slice), "values")
    for study in members.studies:
        matrix = read_study(warehouse, study, genes, members.slice)
        yield matrix
        reporter.advance(task, int(np.count_nonzero(~np.isnan(matrix.values))))
    reporter.end(task)


def _read_samples(
    warehouse: Warehouse, study: int, slice_: Slice | None
) -> tuple[np.ndarray, np.ndarray]:
    if slice_:
        table = warehouse.read(_SLICE_SAMPLES, {"study_key": study, **slice_.scope})
    else:
        table = warehouse.read(_SAMPLES, {"study_key": study})
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
        row["study_accession_code"]: row["study_key"] for row in warehouse.read(query).to_pylist()
    }
    if accession not in known:
        raise UserError(
            "STUDY_NOT_FOUND",
            f"the fact has no study {accession}",
            expected=f"one of {', '.join(sorted(known)) or 'none so far'}",
            action="Check the accession; ingest the study and run dbt build first",
        )
    return known[accession]


def variability(values: np.ndarray, method: str) -> np.ndarray:
    """How much each gene varies, as in macros/stats/gene_variability.sql; NaN if that is undefined
    (no value, or the variance of one value).

    values  (genes, samples), NaN if missing
    method  variance (n - 1), iqr (type 7 of Hyndman & Fan 1996) or mad (not scaled)
    """
    if not values.size:
        return np.full(len(values), np.nan)
    with warnings.catch_warnings():
        # numpy warns of genes for which it is undefined.
        warnings.simplefilter("ignore", RuntimeWarning)
        if method == "variance":
            return np.nanvar(values, axis=1, ddof=1)
        if method == "iqr":
            first, third = np.nanquantile(values, [0.25, 0.75], axis=1)
            return third - first
        middle = np.nanmedian(values, axis=1, keepdims=True)
        return np.nanmedian(np.abs(values - middle), axis=1)


def choose_genes(
    variabilities: np.ndarray,
    measured: np.ndarray,
    k_min: int,
    top: int | None,
    watched: np.ndarray,
) -> np.ndarray:
    """Row numbers of the genes that take part, ascending, by the rule of
    tbl_gene_pairs_materialized.

    variabilities  (studies, genes), NaN if undefined
    measured       (studies, genes): whether the study has a value of the gene
    k_min          studies that must have measured a gene; all studies if there are fewer
    top            how many of the genes that vary most, by the mean over studies; None is all
    watched        row numbers of genes that take part even if others vary more
    """
    known = np.count_nonzero(~np.isnan(variabilities), axis=0)
    mean = np.nansum(variabilities, axis=0) / np.maximum(known, 1)
    fits = (measured.sum(axis=0) >= min(k_min, len(measured))) & (mean > 0)
    if top is None:
        return np.flatnonzero(fits)
    order = np.argsort(-mean, kind="stable")
    chosen = order[fits[order]][:top]
    return np.union1d(chosen, watched[fits[watched]])


_SAMPLES = """
    select distinct e.sample_key, e.illness_label
    from {analytics}.vw_expression_export as e
    where e.study_key = $study_key and e.illness_label <> 'UNKNOWN'
    order by e.sample_key
"""

_SLICE_SAMPLES = """
    select s.sample_key, i.illness_label
    from {staging}.stg_slice_sample as s
    inner join {dim}.dim_disease as d on s.disease_key = d.disease_key
    inner join {dim}.dim_illness as i on s.illness_key = i.illness_key
    where
        s.study_key = $study_key
        and d.disease_label = $disease_label
        and s.technology = $technology
        and s.organism = $organism
    order by s.sample_key
"""

_UNIT = """
    select u.detection_floor, u.value_resolution
    from {dim}.dim_study as s
    inner join {seeds}.unit as u on s.study_unit_tag = u.unit_tag
    where s.study_key = $study_key
"""

_VALUES = """
    select e.gene_key, e.sample_key, e.expression_value
    from {analytics}.vw_expression_export as e
    where e.study_key = $study_key and e.illness_label <> 'UNKNOWN'
"""
