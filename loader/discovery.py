"""Which studies the paths hold, whatever their formats."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from expression_warehouse.core import signals
from expression_warehouse.core.config import PipelineConfig
from expression_warehouse.core.errors import UserError
from loader.source.adapters import ADAPTERS, Adapter, find_adapter
from loader.source.download import METADATA, Download, FolderDownload, ZipDownload, unreadable
from loader.source.refused import refuse_other_formats
from loader.source.study import StudySource
from loader.source.tables import tables_in

# The study, if the error concerns one, and the error.
Failure = tuple[str | None, UserError]

_EXPECTED = (
    "a refine.bio download (the zip, or the folder it unpacks to), or another format that "
    "docs/formats.md shows"
)


def discover(
    paths: Iterable[Path], accessions: Iterable[str], config: PipelineConfig
) -> tuple[list[StudySource], list[Failure]]:
    """The studies to load from all paths, and the downloads and accessions that failed.

    accessions  only these studies; all studies if empty
    """
    sources: list[StudySource] = []
    failures: list[Failure] = []
    wanted = list(accessions)
    for path in paths:
        for found in _studies_at(path, config):
            signals.check()
            if isinstance(found, UserError):
                failures.append((None, found))
            elif found.accession in wanted or not wanted:
                sources.append(found)
    for missing in sorted(set(wanted) - {source.accession for source in sources}):
        not_found = UserError("STUDY_NOT_FOUND", f"none of the downloads has the study {missing}")
        failures.append((missing, not_found))
    return sources, failures


def _studies_at(path: Path, config: PipelineConfig) -> Iterator[StudySource | UserError]:
    """Each study, or the error in its place: a broken download does not stop the others."""
    try:
        if path.is_file() and not _is_zip(path):
            yield from _studies_of_file(path, config)
            return
        downloads = find_downloads(path, config)
    except UserError as error:
        yield error
        return
    for candidate in downloads:
        try:
            download, adapter = open_download(candidate, config)
            yield from adapter.studies(download, config)
        except UserError as error:
            yield error


def _studies_of_file(path: Path, config: PipelineConfig) -> list[StudySource]:
    """The studies that a file belongs to, with the files beside it.

    Raises UserError 1002, 1013 or 1014 if it belongs to none.
    """
    try:
        download = FolderDownload(path.parent, config.limits, has_folders=False)
        for adapter in ADAPTERS:
            if adapter.HAS_FOLDERS or not adapter.recognises(download.top_names, config):
                continue
            for source in adapter.studies(download, config):
                if path.name in source.metadata_files:
                    return [source]
                if path.name in source.matrix_files:
                    return [source.with_matrix(path.name)]
        _refuse_by_name(download, path.name)
    except OSError as error:
        raise unreadable(str(path), error) from error
    if not tables_in([path.name]):
        raise UserError(
            "EXTRACTION_INVALID_FORMAT",
            "this is neither a folder nor a zip nor a table",
            file=str(path),
            expected=_EXPECTED,
            action="Give the zip from refine.bio, or the folder it unpacks to",
        )
    raise UserError(
        "STUDY_UNDESCRIBED",
        "there is no table of the samples beside this matrix",
        file=str(path),
        expected="a sample sheet in the same folder, as samples.csv with columns sample and title",
        action="Write one, or name it in pipeline.yaml (docs/formats.md)",
    )


def _refuse_by_name(download: Download, name: str) -> None:
    refuse_other_formats(download.head(name), download.label(name))


def find_downloads(path: Path, config: PipelineConfig) -> list[Path]:
    """The downloads at a path: the path itself, or those in a folder, at any depth.

    Raises UserError 1001 if the path does not exist or has no download.
    """
    try:
        if not path.exists():
            raise UserError("EXTRACTION_FILE_NOT_FOUND", "no such file or folder", file=str(path))
        downloads = [path] if path.is_file() else list(_downloads_in(path, config))
        if not downloads:
            raise _unrecognised(path)
    except OSError as error:
        raise unreadable(str(path), error) from error
    return downloads


def _downloads_in(folder: Path, config: PipelineConfig) -> Iterator[Path]:
    """The folder if it has a study, and the folders in it unless they are part of that study's
    download; names that begin with a dot are hidden."""
    children = [child for child in sorted(folder.iterdir()) if not child.name.startswith(".")]
    adapter = find_adapter({_name_of(child) for child in children}, config)
    if adapter:
        yield folder
        if adapter.HAS_FOLDERS:
            return
    for child in children:
        if _is_zip(child):
            yield child
        elif child.is_dir() and not child.is_symlink():
            yield from _downloads_in(child, config)


def _name_of(path: Path) -> str:
    return f"{path.name}/" if path.is_dir() else path.name


def open_download(path: Path, config: PipelineConfig) -> tuple[Download, Adapter]:
    """Open one download, a folder or a zip, with the adapter that reads it.

    Raises UserError 1001 if it is of no known format, 1012 if it is two downloads, and 1005, 1006
    or 1007 if it cannot be read.
    """
    try:
        if path.is_dir():
            adapter = find_adapter({_name_of(child) for child in path.iterdir()}, config)
            if adapter:
                return FolderDownload(path, config.limits, adapter.HAS_FOLDERS), adapter
            raise _unrecognised(path)
        if path.stat().st_size == 0:
            raise UserError("EXTRACTION_FILE_NOT_FOUND", "the file is empty", file=str(path))
        download = ZipDownload(path, config.limits)
    except OSError as error:
        raise unreadable(str(path), error) from error
    adapter = find_adapter(download.top_names, config)
    if adapter is None:
        raise _unrecognised(path)
    return download, adapter


def _is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip"


def _unrecognised(path: Path) -> UserError:
    """The error for a folder or zip of no known format; for one that can be named, its own."""
    action = None
    if path.is_dir():
        files = [child for child in sorted(path.iterdir()) if child.is_file()]
        download = FolderDownload(path, has_folders=False)
        for file in files:
            try:
                _refuse_by_name(download, file.name)
            except UserError as error:
                return error
        own_metadata = next(iter(sorted(path.rglob("metadata_*.tsv"))), None)
        if own_metadata:
            action = (
                f"{METADATA} is in the zip of the same download, beside the folder "
                f"{own_metadata.parent.name}: copy it to {own_metadata.parent.parent}"
            )
        elif tables := tables_in(file.name for file in files):
            action = (
                f"If {tables[0]} is a matrix, put a table of its samples beside it, as samples.csv "
                "with the columns sample and title"
            )
    return UserError(
        "EXTRACTION_FILE_NOT_FOUND",
        f"there is no {METADATA}, and no other format is recognised",
        file=str(path),
        expected=_EXPECTED,
        action=action,
    )


def unknown_studies(config: PipelineConfig, known: Collection[str]) -> list[str]:
    """The configured accessions that are none of the known ones, in order; with the one that is
    meant if they differ by their case only: 'gse1 (did you mean GSE1?)'."""
    by_word = {accession.casefold(): accession for accession in known}
    unknown = sorted(set(config.studies) - set(known))
    return [
        f"{accession} (did you mean {by_word[word]}?)" if word in by_word else accession
        for accession in unknown
        for word in [accession.strip().casefold()]
    ]
