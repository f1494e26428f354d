"""Downloads of refine.bio: aggregated_metadata.json, and a matrix per study or per species."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import PurePosixPath

from expression_warehouse.core.config import PipelineConfig, StudyConfig
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import unreadable
from expression_warehouse.core.listed import counted, listed
from loader.source.download import METADATA, Download
from loader.source.metadata import AggregatedMetadata
from loader.source.study import StudySource
from loader.source.tables import stem_of
from loader.source.text import FileText

HAS_FOLDERS = True


def recognises(names: Collection[str], config: PipelineConfig) -> bool:
    return METADATA in names


def studies(download: Download, config: PipelineConfig) -> list[StudySource]:
    """Raises what AggregatedMetadata raises."""
    metadata = AggregatedMetadata(download)
    if metadata.aggregate_by != "EXPERIMENT":
        found = [_part(download, metadata, accession) for accession in metadata.accessions]
    else:
        # A matrix that the metadata do not name counts as a study, so that loading it fails.
        accessions = dict.fromkeys([*metadata.accessions, *_matrices(download)])
        found = [_study(download, metadata, accession) for accession in accessions]
    return [replace(study, finding=_unused_settings(study, config)) for study in found]


def _unused_settings(study: StudySource, config: PipelineConfig) -> UserError | None:
    """54018 if the study has settings that are for other formats."""
    settings = config.study(study.accession)
    unused = [
        name for name in ("matrix", "sample_sheet", "sheet_columns") if getattr(settings, name)
    ]
    if not unused:
        return None
    return UserError(
        "SETTINGS_WITHOUT_EFFECT",
        f"{', '.join(unused)} of {study.accession}: a download of refine.bio has its own matrix "
        f"and {METADATA}",
        file=config.label,
        line=config.line("studies", study.accession, unused[0]),
    )


def _study(download: Download, metadata: AggregatedMetadata, accession: str) -> StudySource:
    return StudySource(
        accession,
        metadata.label,
        lambda _: metadata.study(accession),
        lambda _: FileText(download, _find_matrix(download, accession)),
    )


def _part(download: Download, metadata: AggregatedMetadata, accession: str) -> StudySource:
    """A study whose samples are in the matrix of a species or of all."""

    def find_text(_: StudyConfig) -> FileText:
        organisms = metadata.study(accession).experiment.get("organisms") or [""]
        matrix = "ALL" if metadata.aggregate_by == "ALL" else str(organisms[0])
        for name in download.names:
            if stem_of(name) == matrix:
                return FileText(download, name)
        raise UserError(
            "EXTRACTION_FILE_NOT_FOUND",
            f"the samples are aggregated by {metadata.aggregate_by}, and the matrix {matrix} "
            "is missing",
            file=download.label(f"{matrix}/{matrix}.tsv"),
            action="Download again with the samples aggregated by experiment",
        )

    return StudySource(
        accession,
        metadata.label,
        lambda _: metadata.study(accession),
        find_text,
        other_samples=metadata.samples,
    )


def _matrices(download: Download) -> list[str]:
    """Accessions that the download has a matrix for: `X/X.tsv`, under any name of a text."""
    return [
        stem
        for name in download.names
        if (stem := stem_of(name)) and PurePosixPath(name).parent.name == stem
    ]


def _find_matrix(download: Download, accession: str) -> str:
    """Raises UserError 1001 if the download has no such matrix, and 1012 if it has several."""
    names = [name for name in download.names if stem_of(name) == accession]
    names = [name for name in names if ".tsv" in PurePosixPath(name).suffixes] or names
    if len(names) > 1:
        raise UserError(
            "EXTRACTION_DOWNLOAD_AMBIGUOUS",
            f"{counted(len(names), 'file')} can be the matrix of {accession}: "
            f"{', '.join(sorted(names))}",
            file=str(download.path),
            expected="one matrix per study",
            action="Remove or rename all but one",
        )
    if names:
        return names[0]
    if error := next(iter(download.unreadable), None):
        raise unreadable(str(error.filename), error)
    folder = f"{accession}/"
    inside = [PurePosixPath(name).name for name in download.names if folder in f"/{name}"]
    found = f"the metadata name study {accession}, but its matrix is missing"
    action = (
        "Download the study again, or leave it out with --study; matrices found: "
        f"{', '.join(_matrices(download)) or 'none'}"
    )
    if any(name.endswith("quant.sf") for name in inside):
        found = f"study {accession} has files quant.sf of salmon, and no matrix"
        action = (
            "Download it without quant_sf_only, or make a matrix of them (in R: tximport) "
            f"and save it as {folder}{accession}.tsv"
        )
    elif others := [name for name in inside if not name.startswith("metadata_")]:
        found += f"; its folder has {listed(others)}"
        action = (
            "If this is the matrix, save it as text"
            if len(others) == 1
            else "If one of them is the matrix, save it as text"
        ) + f" under the name {accession}.tsv; else download the study again"
    elif inside:
        found = f"refine.bio made no matrix of study {accession}: its folder has metadata alone"
        action = (
            "Leave it out with --study: refine.bio could process none of its samples, and "
            "another download has no matrix either"
        )
    raise UserError(
        "EXTRACTION_FILE_NOT_FOUND",
        found,
        file=download.label(f"{accession}/{accession}.tsv"),
        action=action,
    )
