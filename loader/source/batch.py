"""The identity of what is loaded: one study of one download, one slice of one file of pairs."""

import hashlib

from expression_warehouse.core.warehouse.matrix_rows import MatrixFile

SEPARATOR = "||"


def batch_id(file: MatrixFile, study_accession: str, created_at: str) -> str:
    """SHA-256, 64 hex digits, of `file_hash||study_accession||created_at||file_size`.

    created_at is the text of the download, never the clock: the same input gives the same batch.
    """
    parts = (file.sha256, study_accession, created_at, str(file.size))
    return hashlib.sha256(SEPARATOR.join(parts).encode()).hexdigest()


def pair_batch_id(file_hash: str, disease: str, technology: str) -> str:
    """SHA-256, 64 hex digits, of `file_hash||disease||technology`: one slice of one file."""
    return hashlib.sha256(SEPARATOR.join((file_hash, disease, technology)).encode()).hexdigest()
