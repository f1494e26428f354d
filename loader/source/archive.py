"""The archive: a copy of each study that was staged, as it came.

archive/<accession>/<batch_id>/<accession>.tsv.gz and metadata.json
"""

import contextlib
import gzip
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from expression_warehouse.core.errors import UserError
from loader.source.download import Download

_BLOCK_SIZE = 1 << 20

# What stands in an accession's folder: a batch, or what a copy that was broken off left.
ARCHIVED = re.compile(r"[0-9a-f]{64}|\.unfinished-.+")


def archive_download(
    download: Download, accession: str, batch_id: str, metadata_json: str, folder: Path
) -> Path:
    """Copy one study of a download into the archive, whole or not at all; return its folder.

    metadata_json  the study's document of staging.study_metadata
    folder         the archive; made where it is absent

    A batch that is there already is left as it is: its content is what it is named after. Raises
    UserError 54302 where the copy cannot be written, and what Download.open raises where the
    matrix cannot be read.
    """
    target = folder / accession / batch_id
    if target.is_dir():
        return target
    unfinished = _make_folder(target.parent)
    try:
        _copy_matrix(download, accession, unfinished / f"{accession}.tsv.gz")
        with _named_errors(unfinished):
            (unfinished / "metadata.json").write_text(metadata_json, encoding="utf-8")
        _publish(unfinished, target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return target


def _make_folder(parent: Path) -> Path:
    with _named_errors(parent):
        parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".unfinished-", dir=parent))


def _copy_matrix(download: Download, accession: str, target: Path) -> None:
    with download.open(download.matrix(accession)) as source, contextlib.ExitStack() as stack:
        # Download.open takes each OSError in its block for one of the file that it reads.
        with _named_errors(target):
            file = stack.enter_context(target.open("wb"))
            # Without a name and a time in its header, equal matrices have equal copies.
            copy = gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0)
        while block := source.read(_BLOCK_SIZE):
            with _named_errors(target):
                copy.write(block)
        with _named_errors(target):
            copy.close()
            file.close()


def _publish(unfinished: Path, target: Path) -> None:
    with _named_errors(target):
        unfinished.chmod(0o755)
        try:
            unfinished.rename(target)
        except OSError:
            # Another process was quicker with the same batch.
            if not target.is_dir():
                raise


@contextlib.contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            "FOLDER_NOT_WRITABLE", str(error.strerror or error), file=str(path)
        ) from error
