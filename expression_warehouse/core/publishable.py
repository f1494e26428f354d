"""Whether the results of a warehouse may be published: as a file, or as a snapshot for the API."""

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.listed import listed
from expression_warehouse.core.reporting import Reporter
from expression_warehouse.core.warehouse.base import Warehouse

# Reads a table that every warehouse has, even if its first build failed.
_LAST_BUILD = """
    select status, error_message
    from (
        select
            status,
            error_message,
            row_number() over (order by started_at desc, attempt desc) as recency
        from {meta}.meta_etl_process_log
        where step in ('dbt build', 'dbt run', 'dbt retry')
    ) as b
    where recency = 1
"""
_QUARANTINED = "select batch_id from {meta}.vw_quarantine"
_NOT_BUILT = """
    select study_accession_code
    from {staging}.stg_batch
    where status in ('STAGED', 'VALIDATED')
    union
    select s.study_accession_code
    from {dim}.study_disease_map as m
    inner join {dim}.dim_study as s on m.study_key = s.study_key
    where
        coalesce(m.updated_at, m.created_at) > (
            select max(ended_at)
            from {meta}.meta_etl_process_log
            where step in ('dbt build', 'dbt run', 'dbt retry')
        )
    order by study_accession_code
"""
# stg_slice has the state that the next build would compute the pairs of a slice from.
_SLICES_NOT_BUILT = """
    select distinct d.disease_label, s.technology, s.organism
    from {staging}.stg_slice as s
    inner join {dim}.dim_disease as d on s.disease_key = d.disease_key
    inner join {fact}.fact_gene_pair_metrics as m
        on s.disease_key = m.disease_key and s.technology = m.technology and s.organism = m.organism
    where s.batch_id <> m.batch_id
    order by d.disease_label, s.technology, s.organism
"""


def check_publishable(warehouse: Warehouse, is_forced: bool) -> str | None:
    """The error that makes the results doubtful; None if there is no such error.

    Raises UserError 54603 for one, unless the user forces it.
    """
    found = None
    for build in warehouse.read(_LAST_BUILD).to_pylist():
        if build["status"] != "SUCCESS":
            found = f"the last build is {build['status']}: {build['error_message'] or 'unfinished'}"
    if not found and (count := warehouse.read(_QUARANTINED).num_rows):
        found = f"quarantined batches: {count}"
    if found and not is_forced:
        raise UserError("PUBLISH_REFUSED", found)
    return found


def warn_of_changes_not_built(warehouse: Warehouse, reporter: Reporter) -> None:
    """Warn about what no build has brought into the results: studies with a staged change or
    another disease, and slices with another screen or file of pairs."""
    studies = warehouse.read(_NOT_BUILT)["study_accession_code"].to_pylist()
    if studies:
        reporter.warned("studies_not_built", studies=listed(studies))
    rows = warehouse.read(_SLICES_NOT_BUILT).to_pylist()
    if slices := [" ".join(row.values()) for row in rows]:
        reporter.warned("slices_not_built", slices=listed(slices))
