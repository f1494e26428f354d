"""Slices of the warehouse (disease × technology × organism), their studies and their genes."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from expression_warehouse.core.diseases import require_disease
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import named_os_errors
from expression_warehouse.core.process_log import OpenWarehouse, Step, recorded_step
from expression_warehouse.core.reporting import Reporter
from expression_warehouse.core.warehouse.base import Warehouse
from expression_warehouse.core.warehouse.staging_load import FeatureRun
from expression_warehouse.pairs.contrasts import Design
from expression_warehouse.pairs.settings import Settings, parse_settings


@dataclass(frozen=True)
class SliceFilter:
    """The slices that the user asks for; None is any."""

    disease: str | None = None
    technology: str | None = None
    organism: str | None = None

    @property
    def context(self) -> dict[str, str | None]:
        """For the log of a step, and as parameters of a query."""
        return asdict(self)


@dataclass(frozen=True)
class Slice:
    """One disease, technology and organism of the meta-analysis."""

    disease_label: str
    technology: str
    organism: str

    def __str__(self) -> str:
        return f"{self.disease_label} {self.technology} {self.organism}"

    @property
    def scope(self) -> dict[str, str]:
        """The columns that are the same in all rows of the slice."""
        return {
            "disease_label": self.disease_label,
            "technology": self.technology,
            "organism": self.organism,
        }

    def fits(self, wanted: SliceFilter) -> bool:
        """Whether the user asks for it."""
        sides = zip(wanted.context.values(), self.scope.values(), strict=True)
        return all(asked in (None, own) for asked, own in sides)

    @property
    def file_name(self) -> str:
        """Its part of the names of files and folders."""
        return "-".join(self.scope.values())


@dataclass(frozen=True)
class SliceStudies:
    """The studies of a slice.

    studies       their keys, ascending
    accessions    their accessions
    settings      the vars that the warehouse was built with
    studies_hash  of their data and the settings, from stg_slice_studies: it changes if they do
    """

    slice: Slice
    studies: tuple[int, ...]
    accessions: tuple[str, ...]
    settings: Settings
    studies_hash: str

    def parameters(self, design: Design) -> dict[str, Any]:
        """For a feature run: what decides the result besides the user's options."""
        return {
            **asdict(self.settings),
            "contrasts": [asdict(contrast) for contrast in design.contrasts],
            "studies": list(self.accessions),
            "studies_hash": self.studies_hash,
        }

    def constants(self, run: FeatureRun) -> dict[str, str]:
        """The columns that are the same in all staged rows of a run."""
        return {
            **self.slice.scope,
            "feature_run_id": run.feature_run_id,
            "studies_hash": self.studies_hash,
        }


def find_slices(warehouse: Warehouse, wanted: SliceFilter) -> tuple[SliceStudies, ...]:
    """The slices that studies have, in order of disease, technology and organism.

    Raises UserError 54030 if dim_disease lacks the disease, 54001 if no study has it, and 4008 if
    the warehouse was not built.
    """
    if wanted.disease is not None:
        require_disease(warehouse, wanted.disease)
    rows = warehouse.read(_STUDIES, wanted.context).to_pylist()
    if not rows:
        raise UserError(
            "AGG_MISSING_DISEASE_MAP",
            f"no study of {' and '.join(filter(None, wanted.context.values()))} is in the fact",
            action="Give studies the disease in pipeline.yaml, ingest them and run dbt build",
        )
    by_slice: dict[Slice, list[dict]] = {}
    for row in rows:
        slice_ = Slice(row["disease_label"], row["technology"], row["organism"])
        by_slice.setdefault(slice_, []).append(row)
    return tuple(
        SliceStudies(
            slice=slice_,
            studies=tuple(row["study_key"] for row in members),
            accessions=tuple(row["study_accession_code"] for row in members),
            settings=parse_settings(members[0]["settings"]),
            studies_hash=members[0]["studies_hash"],
        )
        for slice_, members in by_slice.items()
    )


def compute_slices(
    command: str,
    wanted: SliceFilter,
    work: Path,
    compute: Callable[[SliceStudies], int],
    open_warehouse: OpenWarehouse,
    reporter: Reporter,
) -> None:
    """Compute slices, except those that cannot be tested, which are reported.

    work     folder for the files of `compute`
    compute  returns how many rows it wrote

    Raises UserError 54400 if no slice can be tested. The warehouse is open only to find the slices;
    `compute` opens it for itself.
    """
    step = Step(command, wanted.context)
    with recorded_step(step, open_warehouse, reporter):
        with open_warehouse(reporter.waiting) as warehouse:
            slices = find_slices(warehouse, wanted)
        rows_written, skipped = 0, []
        for members in slices:
            try:
                with named_os_errors(work):
                    rows_written += compute(members)
            except UserError as error:
                if error.name != "PAIRS_NOTHING_TO_TEST":
                    raise
                skipped.append(error)
        if not rows_written and skipped:
            raise skipped[0]
        for reason in skipped:
            reporter.warned("slice_skipped", error_code=reason.code, error=str(reason))
        step.rows_written = rows_written


def testable_contrasts(
    design: Design, members: SliceStudies, labels: Sequence[np.ndarray]
) -> Design:
    """The contrasts that enough studies of a slice have.

    labels  per study, those of its samples

    Raises UserError 54400 if there is none, with how many studies each has.
    """
    least, min_samples = members.settings.k_min, members.settings.min_samples
    sizes = [[np.count_nonzero(own == label) for label in design.cohorts] for own in labels]
    takes_part = np.array(sizes) >= min_samples
    tested = design.with_studies(takes_part, least)
    if tested.contrasts:
        return tested
    counts = design.count_studies(takes_part)
    found = ", ".join(f"{name} {count}" for name, count in counts.items())
    raise UserError(
        "PAIRS_NOTHING_TO_TEST",
        f"{members.slice}: no contrast has {least} studies with both sides ({found})",
        expected=f"{least} (var k_min) with {min_samples} samples (var min_cohort_samples) or more "
        "of a cohort on each side",
        action="Add studies, or lower k_min with dbt build --vars",
    )


def read_genes(warehouse: Warehouse) -> pa.Table:
    """gene_key and gene_id of all genes, by key."""
    return warehouse.read("select gene_key, gene_id from {dim}.dim_gene order by gene_key")


def read_watched(warehouse: Warehouse, disease: str | None = None) -> np.ndarray:
    """Keys of the watched genes of a disease, or of all diseases, ascending."""
    query = """
        select distinct gene_key
        from {staging}.stg_watched_gene
        where gene_key is not null and disease_label = coalesce($disease_label, disease_label)
    """
    found = warehouse.read(query, {"disease_label": disease})
    return np.sort(found["gene_key"].to_numpy())


_STUDIES = """
    select
        d.disease_label,
        m.technology,
        m.organism,
        m.study_key,
        s.study_accession_code,
        h.settings,
        h.studies_hash
    from {staging}.stg_slice_study as m
    inner join {staging}.stg_slice_studies as h
        on
            m.disease_key = h.disease_key
            and m.technology = h.technology
            and m.organism = h.organism
    inner join {dim}.dim_disease as d on m.disease_key = d.disease_key
    inner join {dim}.dim_study as s on m.study_key = s.study_key
    where
        d.disease_label = coalesce($disease, d.disease_label)
        and m.technology = coalesce($technology, m.technology)
        and m.organism = coalesce($organism, m.organism)
    order by d.disease_label, m.technology, m.organism, m.study_key
"""
