"""Brings gene annotation up to date: `expression-warehouse annotation update`."""

import datetime
import email.utils
import functools
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from expression_warehouse.annotation.cache import Cache, CachedFile
from expression_warehouse.annotation.catalog import AnnotationFile, annotation_files, choose
from expression_warehouse.annotation.download import Downloader
from expression_warehouse.annotation.folder import find_by_hand, list_files
from expression_warehouse.annotation.load import Candidate, is_loaded, load
from expression_warehouse.annotation.register import LoadedFile, loaded_files
from expression_warehouse.annotation.verify import check_header, check_whole, measure
from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.listed import listed
from expression_warehouse.core.process_log import OpenWarehouse, ProcessLog, Step, recorded_step
from expression_warehouse.core.reporting import Reporter, Stopwatch
from expression_warehouse.core.warehouse.base import Warehouse

# The file of a kind; None if there is none.
_Fetch = Callable[[AnnotationFile], Candidate | None]
# More names of files than these are too many for a message.
_MOST_PATTERNS = 10


@dataclass(frozen=True)
class UpdateOptions:
    """What the user asks for.

    sources     names of sources or of kinds of files; empty for all
    folder      with files downloaded by hand, which are taken in place of downloads; None is none
    is_offline  no downloads: what the folder lacks is taken from the cache
    """

    sources: tuple[str, ...]
    folder: Path | None
    is_offline: bool

    @property
    def is_local(self) -> bool:
        """Whether no request is sent."""
        return self.folder is not None or self.is_offline


@dataclass
class _Outcome:
    """Kinds of files by what became of them; `failed` are the errors."""

    loaded: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    absent: list[AnnotationFile] = field(default_factory=list)
    failed: list[UserError] = field(default_factory=list)


def update(
    options: UpdateOptions, cache: Cache, open_warehouse: OpenWarehouse, reporter: Reporter
) -> bool:
    """Fetch the files, and load those that are new. A file that fails stops no other.

    Returns whether none failed.
    """
    watch, outcome = Stopwatch(), _Outcome()
    folder = str(options.folder) if options.folder else None
    step = Step(
        "annotation update",
        {"sources": options.sources, "folder": folder, "is_offline": options.is_offline},
    )
    try:
        kinds = _wanted(options)
        with recorded_step(step, open_warehouse, reporter):
            with open_warehouse(reporter.waiting) as warehouse:
                loaded = loaded_files(warehouse)
            with _fetcher(options, cache, loaded, reporter) as fetch:
                candidates = _fetch_all(kinds, fetch, outcome, reporter)
                _require_named(options.sources, kinds, outcome, reporter)
            with open_warehouse(reporter.waiting) as warehouse:
                step.rows_written = _load_all(candidates, outcome, warehouse, reporter)
            if outcome.failed:
                step.error = outcome.failed[0]
    except UserError as error:
        reporter.failed(None, error)
        return False
    if absent := [kind.bulk_file for kind in outcome.absent if kind.is_default]:
        reporter.warned("annotation_absent", files=listed(absent))
    reporter.step(
        None,
        "annotation_updated",
        loaded_count=len(outcome.loaded),
        unchanged_count=len(outcome.unchanged),
        failed_count=len(outcome.failed),
        next="run dbt build to apply them" if outcome.loaded else "dbt build has nothing to apply",
        seconds=watch.seconds,
    )
    return not outcome.failed


def _wanted(options: UpdateOptions) -> tuple[AnnotationFile, ...]:
    """The kinds of files to look for. Of a folder or the cache, all kinds of the sources named, or
    of all sources; of servers, their default files, a kind that is named itself, and all kinds of a
    named source that has no default file.
    """
    kinds = choose(options.sources, annotation_files())
    if options.is_local:
        return kinds
    named = {name.casefold() for name in options.sources}
    with_default = {kind.source for kind in kinds if kind.is_default}
    return tuple(
        kind
        for kind in kinds
        if kind.is_default
        or kind.bulk_file.casefold() in named
        or (named and kind.source not in with_default)
    )


@contextmanager
def _fetcher(
    options: UpdateOptions, cache: Cache, loaded: Mapping[str, LoadedFile], reporter: Reporter
) -> Iterator[_Fetch]:
    """What fetches the file of a kind: from the folder, the cache or its address."""
    if not options.is_local:
        with cache.locked(reporter.waiting), Downloader(reporter) as downloader:
            yield functools.partial(
                _download, cache=cache, downloader=downloader, reporter=reporter
            )
        return
    paths = list_files(options.folder) if options.folder else []

    def at_hand(kind: AnnotationFile) -> Candidate | None:
        if path := find_by_hand(kind.reader, paths):
            candidate = Candidate(kind, path, measure(path))
            if not is_loaded(candidate, loaded.get(kind.bulk_file)):
                check_whole(path)
                check_header(kind.reader, path, path.name)
            return candidate
        return _cached(kind, cache) if options.is_offline else None

    yield at_hand


def _fetch_all(
    kinds: tuple[AnnotationFile, ...],
    fetch: _Fetch,
    outcome: _Outcome,
    reporter: Reporter,
) -> list[Candidate]:
    """The files that there are."""
    candidates = []
    for kind in kinds:
        try:
            if candidate := fetch(kind):
                candidates.append(candidate)
            else:
                outcome.absent.append(kind)
        except UserError as error:
            outcome.failed.append(error)
            reporter.failed(None, error)
    return candidates


def _require_named(
    names: Collection[str],
    kinds: tuple[AnnotationFile, ...],
    outcome: _Outcome,
    reporter: Reporter,
) -> None:
    """An absent file is an error if the user named its kind, or a source of which all are absent.

    Raises UserError 54506 if no name was given and all are absent.
    """
    if not names and len(outcome.absent) == len(kinds):
        raise _absent(kinds)
    for name in names:
        own = choose([name], kinds)
        if all(kind in outcome.absent for kind in own):
            outcome.absent = [kind for kind in outcome.absent if kind not in own]
            outcome.failed.append(_absent(own))
            reporter.failed(None, outcome.failed[-1])


def _absent(kinds: tuple[AnnotationFile, ...]) -> UserError:
    patterns = [pattern for kind in kinds for pattern in kind.reader.patterns]
    names = (
        "named " + " or ".join(patterns)
        if len(patterns) <= _MOST_PATTERNS
        else "that expression-warehouse annotation sources lists"
    )
    return UserError(
        "ANNOTATION_FILE_ABSENT",
        f"there is no file of {listed([kind.bulk_file for kind in kinds])}",
        expected=f"a file {names}, with or without .gz or .bgz",
        action=None
        if any(kind.url for kind in kinds)
        else "Put the file into a folder and name it with --from: it has no download",
    )


def _cached(kind: AnnotationFile, cache: Cache) -> Candidate | None:
    """The newest download of a kind; None if there is none.

    Raises UserError 54504 if its bytes are no longer those that were downloaded.
    """
    file = cache.find(kind.bulk_file)
    if file is None:
        return None
    path = cache.path(file)
    whole = measure(path)
    if whole.sha256 != file.sha256:
        raise UserError(
            "ANNOTATION_FILE_DAMAGED", "the file in the cache was changed", file=str(path)
        )
    published = _instant(file.last_modified)
    return Candidate(kind, path, whole, url=file.url, published_at=published)


def _download(
    kind: AnnotationFile, cache: Cache, downloader: Downloader, reporter: Reporter
) -> Candidate | None:
    """The newest file at the address of a kind; None if it has no address."""
    if kind.url is None:
        return None
    try:
        cached = _cached(kind, cache)
    except UserError:
        cached = None
    known = cache.find(kind.bulk_file) if cached else None
    now = utc_now()
    if known and known.url == kind.url and known.is_fresh(kind.ttl_hours, now):
        return cached
    watch = Stopwatch()
    download = downloader.fetch(kind.url, cache.unfinished(kind.bulk_file), known)
    if download is None:
        assert known is not None
        cache.renew(known, now)
        return cached
    try:
        check_whole(download.path)
        check_header(kind.reader, download.path, download.name)
    except UserError as error:
        download.path.unlink()
        raise UserError(
            error.name, error.found, file=kind.url, line=error.line, expected=error.expected
        ) from error
    whole = measure(download.path)
    file = CachedFile(
        bulk_file=kind.bulk_file,
        url=kind.url,
        name=download.name,
        sha256=whole.sha256,
        size=whole.size,
        etag=download.etag,
        last_modified=download.last_modified,
        asked_at=now,
    )
    path = cache.admit(download.path, file)
    megabytes = whole.size / 1e6
    reporter.step(
        None, "annotation_downloaded", file=file.name, megabytes=megabytes, seconds=watch.seconds
    )
    published = _instant(file.last_modified)
    return Candidate(kind, path, whole, url=kind.url, published_at=published)


def _load_all(
    candidates: list[Candidate], outcome: _Outcome, warehouse: Warehouse, reporter: Reporter
) -> int:
    """Load the files that are not loaded yet; return how many values. What is wrong with a file
    becomes a finding."""
    log = ProcessLog(warehouse, reporter.run_id)
    for error in outcome.failed:
        log.finding(None, None, error)
    loaded = loaded_files(warehouse)
    values = 0
    for candidate in candidates:
        name, file_name = candidate.kind.bulk_file, candidate.path.name
        if is_loaded(candidate, loaded.get(name)):
            outcome.unchanged.append(name)
            reporter.step(None, "annotation_unchanged", bulk_file=name, file=file_name)
            continue
        watch = Stopwatch()
        context = {"bulk_file": name, "file": file_name, "file_hash": candidate.whole.sha256}
        try:
            with log.step("annotation_load", context) as step:
                row = load(candidate, loaded.get(name), warehouse)
                step.rows_written = row.value_count
        except UserError as error:
            log.finding(None, None, error)
            outcome.failed.append(error)
            reporter.failed(None, error)
            continue
        values += row.value_count
        outcome.loaded.append(name)
        reporter.step(
            None,
            "annotation_loaded",
            bulk_file=name,
            file=file_name,
            version=row.version,
            value_count=row.value_count,
            gene_count=row.gene_count,
            seconds=watch.seconds,
        )
    return values


def _instant(http_date: str | None) -> datetime.datetime | None:
    """UTC without a time zone, as the warehouse stores it; None if it is not a date."""
    try:
        instant = email.utils.parsedate_to_datetime(http_date or "")
    except ValueError:
        return None
    return instant.astimezone(datetime.UTC).replace(tzinfo=None)
