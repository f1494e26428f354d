"""Which studies the paths hold, whatever their formats."""

import contextlib
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from expression_warehouse.core import signals
from expression_warehouse.core.config import PipelineConfig
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import os_message, unreadable
from expression_warehouse.core.listed import listed
from loader.source.adapters import ADAPTERS, Adapter, find_adapter
from loader.source.archive import ARCHIVED
from loader.source.download import METADATA, Download, FolderDownload, ZipDownload
from loader.source.refused import is_of_other_format, refuse_other_formats
from loader.source.study import StudySource
from loader.source.tables import has_numbers, stem_of, tables_in

# The downloads of each study, by its accession.
Sources = dict[str, list[StudySource]]
# The study, if the error concerns one, and the error.
Failure = tuple[str | None, UserError]

_EXPECTED = (
    "a refine.bio download (the zip, or the folder it unpacks to), or another format that "
    "docs/formats.md shows"
)


def discover(
    paths: Iterable[Path], accessions: Iterable[str], config: PipelineConfig
) -> tuple[Sources, list[Failure], list[UserError]]:
    """The studies to load from all paths, the downloads and accessions that failed, and warnings
    (1015) of folders that are passed over though they have data.

    accessions  only these studies, without the warnings if all are found; all studies if empty
    """
    sources: Sources = {}
    failures: list[Failure] = []
    passed_over: list[UserError] = []
    wanted = list(accessions)
    for path in paths:
        for found in _studies_at(path, config):
            signals.check()
            if isinstance(found, UserError) and found.severity == "WARNING":
                passed_over.append(found)
            elif isinstance(found, UserError):
                failures.append((None, found))
            elif found.accession in wanted or not wanted:
                sources.setdefault(found.accession, []).append(found)
    absent = sorted(set(wanted) - set(sources))
    for missing in absent:
        not_found = UserError("STUDY_NOT_FOUND", f"none of the downloads has the study {missing}")
        failures.append((missing, not_found))
    return sources, failures, passed_over if absent or not wanted else []


def _studies_at(path: Path, config: PipelineConfig) -> Iterator[StudySource | UserError]:
    """Each study, or the error in its place: a broken download does not stop the others."""
    try:
        if path.is_file() and not _is_zip(path):
            yield from _studies_of_file(path, config)
            return
        downloads, passed_over = find_downloads(path, config)
        yield from filter(None, (_passed_over(folder, path) for folder in passed_over))
        if not downloads:
            raise _unrecognised(path)
    except UserError as error:
        yield error
        return
    except OSError as error:
        yield unreadable(str(path), error)
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
    if found := next((at for at in path.resolve().parents[:2] if (at / METADATA).exists()), None):
        raise UserError(
            "EXTRACTION_INVALID_FORMAT",
            "this is one file of a refine.bio download",
            file=str(path),
            expected="the folder or the zip of the download",
            action=f"Name its folder: {found}",
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


def find_downloads(path: Path, config: PipelineConfig) -> tuple[list[Path], list[Path]]:
    """The downloads at a path, which are the path itself or those in a folder, at any depth; and
    the folders outside of downloads that have none.

    Raises UserError 1001 if the path does not exist, and 1007 if it cannot be read.
    """
    try:
        if not path.exists():
            raise UserError("EXTRACTION_FILE_NOT_FOUND", "no such file or folder", file=str(path))
        return ([path], []) if path.is_file() else _downloads_in(path, config)
    except OSError as error:
        raise unreadable(str(path), error) from error


def _downloads_in(folder: Path, config: PipelineConfig) -> tuple[list[Path], list[Path]]:
    """The folder if it has a study, the zips in it, and the folders in it unless they are part of
    that study's download; and the topmost folders that are no part of a download and have none.
    Names that begin with a dot are hidden."""
    children = [child for child in sorted(folder.iterdir()) if not child.name.startswith(".")]
    adapter = find_adapter({_name_of(child) for child in children}, config)
    # A download is often unpacked beside the zips of others. A table can be in a zip of its own.
    downloads = [folder] if adapter else []
    downloads += [
        child for child in children if _is_zip(child) and not (adapter and stem_of(child.name))
    ]
    others: list[Path] = []
    if adapter and adapter.HAS_FOLDERS:
        return downloads, others
    for child in children:
        if child.is_dir() and not _is_zip(child):
            found: list[Path] = []
            others_within: list[Path] = []
            # A link may lead to a folder that it is in; `_passed_over` names what cannot be read.
            if not child.is_symlink():
                with contextlib.suppress(OSError):
                    found, others_within = _downloads_in(child, config)
            downloads += found
            if found:
                others += others_within
            elif not adapter:
                others.append(child)
    return downloads, others


def _passed_over(folder: Path, path: Path) -> UserError | None:
    """1015 if a folder cannot be read, or has a matrix or a known format that is not read, at any
    depth; None if it has none, for the archive, and for a link to a folder at `path`, which is
    read."""
    if folder.is_symlink() and folder.resolve().is_relative_to(path.resolve()):
        return None
    with_data: list[UserError] = []
    errors: list[OSError] = []
    for place, folders, files in os.walk(folder, onerror=errors.append):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and not ARCHIVED.fullmatch(name)
        )
        download = FolderDownload(Path(place), has_folders=False)
        if any(_is_data(download, name) for name in files if not name.startswith(".")):
            with_data.append(_unrecognised(Path(place)))
    if errors:
        return UserError(
            "EXTRACTION_FOLDER_PASSED_OVER",
            f"passed over, the folder cannot be read: {os_message(errors[0])}",
            file=str(errors[0].filename),
            action="Check its permissions",
        )
    if not with_data:
        return None
    if folder.is_symlink():
        return UserError(
            "EXTRACTION_FOLDER_PASSED_OVER",
            "passed over: links to folders are not followed",
            file=str(folder),
            action=f"Name the folder in the command: {folder.resolve()}",
        )
    first, *more = with_data
    others = listed([str(error.file) for error in more])
    return UserError(
        "EXTRACTION_FOLDER_PASSED_OVER",
        f"passed over, no study is read from it: {first.found}"
        + (f"; the same holds for {others}" if more else ""),
        file=first.file,
        action=first.action,
    )


def _is_data(download: Download, name: str) -> bool:
    # A zip is a download, but not one in a folder that a link leads to.
    if is_of_other_format(name) or _is_zip(Path(name)):
        return True
    try:
        return bool(tables_in([name])) and has_numbers(download.head(name))
    except UserError:
        return True


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
        raise _unrecognised(path, [name for name in download.names if _is_zip(Path(name))])
    return download, adapter


def _is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip"


def _unrecognised(path: Path, zips: Sequence[str] = ()) -> UserError:
    """The error for a folder or zip of no known format; for one that can be named, its own.

    zips  names of zips in a zip
    """
    action = f"Unpack it and name the folder: it holds {listed(zips)}" if zips else None
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
            if len(tables) > 1:
                sheet, *_, matrix = sorted(tables, key=lambda name: (path / name).stat().st_size)
                action = (
                    "If two of these are a matrix and a table of its samples, write into "
                    f"pipeline.yaml: studies: {{{path.name}: {{matrix: {matrix}, "
                    f"sample_sheet: {sheet}}}}}, with the right ones of {listed(tables)}"
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
