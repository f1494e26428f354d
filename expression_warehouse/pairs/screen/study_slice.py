"""What the warehouse has to screen: the studies of one disease and technology, and their genes."""

from dataclasses import dataclass

import numpy as np

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.warehouse.base import Warehouse
from expression_warehouse.pairs.settings import Settings, parse_settings


@dataclass(frozen=True)
class StudySlice:
    """A slice of the meta-analysis.

    studies       keys of its studies, ascending
    accessions    their accessions
    settings      the vars that the warehouse was built with
    studies_hash  stg_slice_studies' word for their data and the settings: another one, other
                  results
    """

    disease_label: str
    technology: str
    studies: tuple[int, ...]
    accessions: tuple[str, ...]
    settings: Settings
    studies_hash: str


def find_slices(
    warehouse: Warehouse, disease: str, technology: str | None
) -> tuple[StudySlice, ...]:
    """The slices of a disease, or the one of a technology, in order of the technology.

    Raises UserError 54030 for a disease that dim_disease does not have, 54001 where no study is
    about it, 4008 where no build has made the warehouse.
    """
    known = warehouse.read("select disease_label from {dim}.dim_disease", {})["disease_label"]
    if disease not in (labels := sorted(known.to_pylist())):
        raise UserError(
            "CONFIG_INVALID",
            f"dim_disease has no {disease!r}",
            expected=f"one of {', '.join(labels)}",
            action="Correct --disease, or add the disease to seeds/disease.csv and run dbt build",
        )
    rows = warehouse.read(_STUDIES, {}).to_pylist()
    found: dict[str, list[dict]] = {}
    for row in rows:
        if row["disease_label"] == disease and technology in (None, row["technology"]):
            found.setdefault(row["technology"], []).append(row)
    if not found:
        raise UserError(
            "AGG_MISSING_DISEASE_MAP",
            f"no study of {disease}{f' and {technology}' if technology else ''} is in the fact",
            action="Give studies the disease in pipeline.yaml, ingest them and run dbt build",
        )
    return tuple(
        StudySlice(
            disease_label=disease,
            technology=name,
            studies=tuple(row["study_key"] for row in members),
            accessions=tuple(row["study_accession_code"] for row in members),
            settings=parse_settings(members[0]["settings"]),
            studies_hash=members[0]["studies_hash"],
        )
        for name, members in found.items()
    )


def read_genes(warehouse: Warehouse) -> np.ndarray:
    """Keys of all genes, ascending."""
    table = warehouse.read("select gene_key from {dim}.dim_gene order by gene_key", {})
    return table["gene_key"].to_numpy()


def read_watched(warehouse: Warehouse) -> np.ndarray:
    """Keys of the genes of seed watch_list."""
    query = """
        select distinct g.gene_key
        from {dim}.dim_gene as g
        inner join {seeds}.watch_list as w on g.gene_id = w.gene_id
    """
    return np.sort(warehouse.read(query, {})["gene_key"].to_numpy())


_STUDIES = """
    select d.disease_label, m.technology, m.study_key, s.study_accession_code, h.settings,
        h.studies_hash
    from {staging}.stg_slice_study as m
    inner join {staging}.stg_slice_studies as h
        on m.disease_key = h.disease_key and m.technology = h.technology
    inner join {dim}.dim_disease as d on m.disease_key = d.disease_key
    inner join {dim}.dim_study as s on m.study_key = s.study_key
    order by m.technology, m.study_key
"""
