"""The archive: a copy of each study that was staged, as it came.

archive/<accession>/<batch_id>/<accession>.tsv.gz and metadata.json
"""

import contextlib
import gzip
import re
from pathlib import Path

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import (
    UNFINISHED,
    named_os_errors,
    new_folder,
    remove_unfinished,
)
from loader.source.adapters import series_matrix
from loader.source.download import FolderDownload
from loader.source.text import FileText, MatrixText

_BLOCK_SIZE = 1 << 20

# Names in an accession's folder: batches, and copies that were left unfinished.
ARCHIVED = re.compile(rf"[0-9a-f]{{64}}|{re.escape(UNFINISHED)}.+")


def archive_matrix(
    text: MatrixText,
    accession: str,
    batch_id: str,
    file_hash: str,
    metadata_json: str,
    folder: Path,
) -> Path:
    """Archive the matrix and metadata of one study, whole or not at all; return their folder.

    file_hash      SHA-256 of the matrix, uncompressed, as it was staged
    metadata_json  the study's document of staging.study_metadata
    folder         the archive; created if absent

    A batch that is archived already is left as it is, since its name identifies its content.
    Raises UserError 54302 if the copy cannot be written, 1010 if the matrix has changed since it
    was staged, and what MatrixText.open raises if it cannot be read.
    """
    target = batch_folder(folder, accession, batch_id)
    if target.is_dir():
        return target
    remove_unfinished(target.parent)
    with new_folder(target) as unfinished:
        copied_hash = _copy_matrix(text, unfinished / _matrix_name(accession))
        check_unchanged(copied_hash, file_hash, text.label)
        with named_os_errors(unfinished):
            (unfinished / "metadata.json").write_text(metadata_json, encoding="utf-8")
    return target


def batch_folder(archive: Path, accession: str, batch_id: str) -> Path:
    """Where the archive has a batch, if it does."""
    return archive / accession / batch_id


def archived_matrix(archive: Path, accession: str, batch_id: str) -> Path:
    """The matrix of an archived batch, gzipped."""
    return batch_folder(archive, accession, batch_id) / _matrix_name(accession)


def _matrix_name(accession: str) -> str:
    return f"{accession}.tsv.gz"


def archived_text(folder: Path, accession: str, file_name: str) -> MatrixText:
    """The matrix of an archived batch.

    file_name  of the file that was staged, which says its format

    Raises what FileText raises.
    """
    download, name = FolderDownload(folder, has_folders=False), _matrix_name(accession)
    if "series_matrix" in file_name.lower():
        return series_matrix.table_text(download, name)
    return FileText(download, name)


def check_unchanged(read_hash: str, file_hash: str, label: str) -> None:
    """Raise UserError 1010 if the bytes read are not those that identify the batch."""
    if read_hash != file_hash:
        raise UserError("EXTRACTION_FILE_CHANGED", "the file changed while it was read", file=label)


def _copy_matrix(text: MatrixText, target: Path) -> str:
    """Copy the matrix; return the SHA-256 of its bytes, uncompressed."""
    with text.open() as source, contextlib.ExitStack() as stack:
        # MatrixText.open takes each OSError in its block for one of the file that it reads.
        with named_os_errors(target):
            file = stack.enter_context(target.open("wb"))
            # Without a name and a time in its header, equal matrices have equal copies.
            copy = gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0)
        while block := source.read(_BLOCK_SIZE):
            with named_os_errors(target):
                copy.write(block)
        with named_os_errors(target):
            copy.close()
            file.close()
        return source.sha256
