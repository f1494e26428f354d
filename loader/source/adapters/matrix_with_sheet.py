"""A user's own matrix and a table of its samples, in one folder.

study/counts.tsv, study/samples.csv             one matrix and one sample sheet
GSE1/GSE1.tsv, GSE1/metadata_GSE1.tsv           a study of a refine.bio download by itself
study/A.genes.results, B.genes.results, …       one file per sample
"""

import re
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import PurePosixPath

from expression_warehouse.core.config import PipelineConfig, StudyConfig
from expression_warehouse.core.errors import UserError
from loader.source.count_file import read_count_file
from loader.source.download import Download
from loader.source.metadata import StudyMetadata
from loader.source.sample_sheet import SampleSheet, common_values, read_sheet, technology_of
from loader.source.side_by_side import Columns, SideBySide
from loader.source.study import StudySource
from loader.source.tables import stem_of, study_in, tables_in
from loader.source.text import FileText, MatrixText

HAS_FOLDERS = False

_SHEET = re.compile(
    r"(?:.*[._-])?(?:metadata|samples|samplesheet|sample[._-]?(?:sheet|table|info|annotation"
    r"|metadata)|coldata|col_data|pheno(?:type|data)?|pdata|targets|design|sraruntable)"
    r"(?:[._-].*)?\.(?:csv|tsv|txt)|sample\.(?:csv|tsv|txt)",
    re.IGNORECASE,
)
# A column with the file of each sample.
_FILE_COLUMNS = ("filename", "file", "path", "countsfile", "counts")


def recognises(names: Collection[str], config: PipelineConfig) -> bool:
    tables = tables_in(names)
    if _configured(names, config):
        return True
    return any(map(_is_sheet, tables)) and not all(map(_is_sheet, tables))


def studies(download: Download, config: PipelineConfig) -> list[StudySource]:
    configured = _configured(download.names, config)
    if configured:
        return [_study(download, accession) for accession in configured]
    tables = tables_in(download.names)
    sheets = [name for name in tables if _is_sheet(name)]
    matrices = [name for name in tables if not _is_sheet(name)]
    if len(sheets) == 1:
        accession = study_in(sheets[0]) or _only_study(matrices) or download.name
        return [_study(download, accession, sheets, matrices)]
    found: dict[str, tuple[list[str], list[str]]] = {}
    for sheet in sheets:
        accession = study_in(sheet) or download.name
        own = [name for name in matrices if study_in(name) == accession]
        found.setdefault(accession, ([], own or matrices))[0].append(sheet)
    return [_study(download, accession, *files) for accession, files in found.items()]


def _configured(names: Collection[str], config: PipelineConfig) -> list[str]:
    """The studies of pipeline.yaml whose matrix lies here."""
    return [study for study, settings in config.studies.items() if settings.matrix in names]


def _is_sheet(name: str) -> bool:
    return bool(_SHEET.fullmatch(PurePosixPath(name).name.removesuffix(".gz")))


def _only_study(names: Sequence[str]) -> str | None:
    found = {study_in(name) for name in names}
    return found.pop() if len(found) == 1 else None


def _study(
    download: Download,
    accession: str,
    sheets: Sequence[str] = (),
    matrices: Sequence[str] = (),
) -> StudySource:
    sheets = sheets or [name for name in tables_in(download.names) if _is_sheet(name)]

    @cache
    def sheet(name: str | None) -> SampleSheet:
        return read_sheet(download, name or only(download, accession, sheets, "sample_sheet"))

    def find_metadata(config: StudyConfig) -> StudyMetadata:
        return sheet_metadata(sheet(config.sample_sheet), accession, config)

    def find_text(config: StudyConfig) -> MatrixText:
        names = [config.matrix] if config.matrix else matrices
        return _find_text(download, accession, names, sheet(config.sample_sheet), config)

    return StudySource(
        accession,
        download.label(sheets[0] if sheets else ""),
        find_metadata,
        find_text,
        metadata_files=sheets,
        matrix_files=matrices,
    )


def sheet_metadata(
    sheet: SampleSheet, accession: str, config: StudyConfig, source: str = "matrix and sample sheet"
) -> StudyMetadata:
    """The samples of a sheet, and what they have in common."""
    samples = sheet.samples(config, accession)
    for sample, block in samples.items():
        block.setdefault("refinebio_accession_code", sample)
        block["refinebio_processed"] = True
    experiment = {
        "accession_code": accession,
        "title": "",
        "description": "",
        "organisms": common_values(samples, "organism"),
        "technology": technology_of(common_values(samples, "platform")),
        "sample_accession_codes": list(samples),
    }
    return StudyMetadata(
        accession, {"created_at": "", "format": source}, experiment, samples, is_complete=False,
        finding=sheet.contradictions(config, accession),
    )  # fmt: skip


def _find_text(
    download: Download,
    accession: str,
    names: Sequence[str],
    sheet: SampleSheet,
    config: StudyConfig,
) -> MatrixText:
    if listed := _listed_files(download, sheet, config, accession):
        parts = [_one_sample(download, name, sample, strand) for name, sample, strand in listed]
        return SideBySide(download.label(""), f"{accession}.tsv", parts)
    same_stem = [name for name in names if stem_of(name) == accession]
    if len(names) > 1 and len(same_stem) != 1:
        found = [read_count_file(download, name) for name in names]
        if (parts := [part for part in found if part]) and len(parts) == len(found):
            return SideBySide(download.label(""), f"{accession}.tsv", parts)
    name = only(download, accession, same_stem if len(same_stem) == 1 else names, "matrix")
    if part := read_count_file(download, name):
        return SideBySide(part.text.label, part.text.name, [part])
    return FileText(download, name)


def _listed_files(
    download: Download, sheet: SampleSheet, config: StudyConfig, accession: str
) -> list[tuple[str, str, str]]:
    """File, sample and strandedness of each line of a sheet that has a file per sample."""
    words = [re.sub(r"[^a-z]", "", name.lower()) for name in sheet.header]
    strand = words.index("strandedness") if "strandedness" in words else None
    for column in (words.index(word) for word in _FILE_COLUMNS if word in words):
        files = [row[column].strip() for row in sheet.rows]
        if len(files) > 1 and set(files) <= set(download.names) and len(set(files)) == len(files):
            place = sheet.sample_column(config, accession)
            return [
                (file, row[place], row[strand] if strand is not None else "")
                for file, row in zip(files, sheet.rows, strict=True)
            ]
    return []


def _one_sample(download: Download, name: str, sample: str, strandedness: str) -> Columns:
    part = read_count_file(download, name, sample, strandedness)
    if part is None:
        raise UserError(
            "EXTRACTION_INVALID_FORMAT",
            "the sample sheet names this file for one sample, and it has none of the layouts "
            "of such files",
            file=download.label(name),
            expected="a file of STAR, HTSeq, RSEM or featureCounts",
        )
    return part


def only(download: Download, accession: str, names: Sequence[str], setting: str) -> str:
    """The one of the files that a setting can name.

    Raises UserError 1001 if there is none, and 1009 if there are several.
    """
    if len(names) == 1:
        return names[0]
    what = setting.replace("_", " ")
    if not names:
        raise UserError(
            "EXTRACTION_FILE_NOT_FOUND",
            f"there is no {what} of study {accession}",
            file=download.label(""),
            action=f"Write into pipeline.yaml: studies: {{{accession}: {{{setting}: NAME}}}}, with "
            "the name of the file",
        )
    raise UserError(
        "EXTRACTION_LAYOUT_AMBIGUOUS",
        f"each of these may be the {what} of study {accession}: {', '.join(names)}",
        file=download.label(""),
        action=f"Write into pipeline.yaml: studies: {{{accession}: {{{setting}: {names[0]}}}}}, "
        "with the right one",
    )
