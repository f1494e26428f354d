"""What a new batch of a study replaces: the views show the newest one alone."""

import json
from dataclasses import dataclass

from expression_warehouse.core.config import StudyConfig
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.warehouse.base import Warehouse
from expression_warehouse.core.warehouse.matrix_rows import MatrixSummary
from expression_warehouse.core.warehouse.study_load import BatchKey

# A file with less than this share of genes or samples is taken for an incomplete one.
_MIN_SHARE = 0.8

# The order of macros/study/recency_of_batch.sql.
_EARLIER = """
select b.gene_count, m.metadata_json
from {staging}.batch as b
inner join {staging}.study_metadata as m on b.batch_id = m.batch_id
where
    b.study_accession_code = $study and b.batch_id <> $batch
    and b.status in ('STAGED', 'VALIDATED', 'LOADED', 'PURGED')
order by b.created_at desc, b.staged_at desc, b.batch_id
"""


@dataclass(frozen=True)
class EarlierBatch:
    """The newest batch of a study but for the one that is loaded.

    created_at  the time in its metadata, as text
    samples     those with values
    """

    created_at: str
    gene_count: int
    samples: list[str]

    def refuse_smaller(
        self, key: BatchKey, created_at: str, summary: MatrixSummary, config: StudyConfig
    ) -> None:
        """Raises UserError 2018 if a newer batch has far fewer genes or samples than this one."""
        if config.accept_smaller or created_at < self.created_at:
            return
        expected = len([name for name in self.samples if name not in config.skip_samples])
        counts = {
            "genes": (summary.gene_count, self.gene_count),
            "samples": (summary.sample_count, expected),
        }
        for what, (count, before) in counts.items():
            if count < _MIN_SHARE * before:
                raise UserError(
                    "VALIDATION_FILE_SMALLER",
                    f"it has {count} {what}, and the file before has {before}",
                    file=key.file.name,
                    expected=f"at least {_MIN_SHARE:.0%} of the {what} of the file before",
                    action="Check that the file is complete. If it is right, write into "
                    f"pipeline.yaml: studies: {{{key.study_accession}: {{accept_smaller: true}}}}; "
                    "to join parts of one selection, ingest all of them in one command",
                )

    def hidden_samples(
        self, key: BatchKey, created_at: str, samples: list[str], config: StudyConfig
    ) -> UserError | None:
        """54014, a warning, if samples of the older of the two batches are in it alone."""
        is_newer = created_at >= self.created_at
        old, new = (self.samples, samples) if is_newer else (samples, self.samples)
        gone = sorted(set(old) - set(new) - set(config.skip_samples))
        if not gone:
            return None
        what = (
            "samples of the file before that this one lacks are no longer shown"
            if is_newer
            else "a newer file was loaded before; samples that it lacks are not shown"
        )
        return UserError(
            "SAMPLES_REPLACED",
            f"{what} ({len(gone)}): {', '.join(gone)}",
            file=key.file.name,
        )


def find_earlier(warehouse: Warehouse, key: BatchKey) -> EarlierBatch | None:
    """The newest other batch of the study that breaks no rule; None if there is none."""
    parameters = {"study": key.study_accession, "batch": key.batch_id}
    rows = warehouse.read(_EARLIER, parameters).to_pylist()
    if not rows:
        return None
    document = json.loads(rows[0]["metadata_json"])
    created_at = str(document["download"].get("created_at") or "")
    return EarlierBatch(created_at, rows[0]["gene_count"], list(document["samples"]))
