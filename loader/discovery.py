"""Which studies the downloads hold."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from expression_warehouse.core import signals
from expression_warehouse.core.config import Limits, StudyConfig
from expression_warehouse.core.errors import UserError
from loader.source.download import Download, find_downloads, open_download
from loader.source.matrix import Matrix, read_matrix
from loader.source.metadata import AggregatedMetadata, StudyMetadata

# The study, if the error concerns one, and the error.
Failure = tuple[str | None, UserError]


@dataclass(frozen=True)
class StudySource:
    """One study of one download."""

    accession: str
    download: Download
    metadata: AggregatedMetadata

    def read(self, config: StudyConfig) -> tuple[StudyMetadata, Matrix]:
        """The study's metadata, and its matrix up to the header.

        Raises what AggregatedMetadata.study and read_matrix raise.
        """
        metadata = self.metadata.study(self.accession)
        matrix = read_matrix(
            self.download,
            self.accession,
            config.skip_samples,
            metadata.samples.keys(),
            config.duplicate_genes == "refuse",
        )
        return metadata, matrix


def discover(
    paths: Iterable[Path], accessions: Iterable[str], limits: Limits
) -> tuple[list[StudySource], list[Failure]]:
    """The studies to load from all paths, and the downloads and accessions that failed.

    accessions  only these studies; all studies if empty
    """
    sources: list[StudySource] = []
    failures: list[Failure] = []
    wanted = list(accessions)
    for download in _open_downloads(paths, limits):
        signals.check()
        if isinstance(download, UserError):
            failures.append((None, download))
            continue
        try:
            metadata = AggregatedMetadata(download)
        except UserError as error:
            failures.append((None, error))
            continue
        # A matrix that the metadata do not name counts as a study, so that loading it fails.
        names = dict.fromkeys([*metadata.accessions, *download.matrices()])
        sources += [
            StudySource(name, download, metadata) for name in names if name in wanted or not wanted
        ]
    for missing in sorted(set(wanted) - {source.accession for source in sources}):
        not_found = UserError("STUDY_NOT_FOUND", f"none of the downloads has the study {missing}")
        failures.append((missing, not_found))
    return sources, failures


def _open_downloads(paths: Iterable[Path], limits: Limits) -> Iterator[Download | UserError]:
    """Each download, or the error in its place: a broken download does not stop the others."""
    for path in paths:
        try:
            candidates = find_downloads(path)
        except UserError as error:
            yield error
            continue
        for candidate in candidates:
            try:
                yield open_download(candidate, limits)
            except UserError as error:
                yield error
