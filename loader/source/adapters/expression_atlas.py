"""An experiment of Expression Atlas: values per run or assay, and the table of its samples.

E-MTAB-1-raw-counts.tsv, -raw-counts.tsv.undecorated      counts per run
E-GEOD-1-A-AFFY-44-normalized-expressions.tsv             log2 values per assay of an array
E-MTAB-1.sdrf.txt, .condensed-sdrf.tsv, -experiment-design.tsv   samples; one of them
E-MTAB-1.idf.txt                                          the title, if it is there
"""

import re
from collections.abc import Collection
from pathlib import PurePosixPath

from expression_warehouse.core.config import PipelineConfig, StudyConfig
from expression_warehouse.core.errors import UserError
from loader.source.adapters.matrix_with_sheet import sheet_metadata
from loader.source.download import Download
from loader.source.metadata import StudyMetadata
from loader.source.sample_sheet import SampleSheet, read_sheet
from loader.source.study import StudySource
from loader.source.text import FileText

HAS_FOLDERS = False

_EXPERIMENT = re.compile(r"(?:ExpDesign-)?(?P<accession>E-[A-Z]{4}-[0-9]+)(?![0-9]).*")
# End of a name → unit; the first that an experiment has is loaded.
_MATRICES = {
    r".*-raw-counts\.tsv(?:\.undecorated)?": "COUNTS",
    r".*-normalized-expressions\.tsv(?:\.undecorated)?": "ARRAY_LOG2",
    # Refused with their name when they are read.
    r".*(?<!transcripts)-tpms\.tsv": "TPM",
    r".*-fpkms\.tsv": "FPKM",
}
_SHEETS = [r".*(?<!condensed)[.-]sdrf\.(?:txt|tsv)", r".*condensed-sdrf\.tsv", r"ExpDesign-.*\.tsv",
           r".*experiment-design(?:\.tsv)?"]  # fmt: skip


def recognises(names: Collection[str], config: PipelineConfig) -> bool:
    return any(_first_like(names, _SHEETS)) and any(_first_like(names, _MATRICES))


def studies(download: Download, config: PipelineConfig) -> list[StudySource]:
    accessions = dict.fromkeys(
        match["accession"]
        for name in download.names
        if (match := _EXPERIMENT.fullmatch(name)) and _first_like([name], _MATRICES)
    )
    return [_study(download, accession) for accession in accessions]


def _study(download: Download, accession: str) -> StudySource:
    names = [
        name
        for name in download.names
        if (match := _EXPERIMENT.fullmatch(name)) and match["accession"] == accession
    ]
    return StudySource(
        accession,
        download.label(_first_like(names, _SHEETS)),
        lambda config: _metadata(download, accession, names, config),
        lambda config: FileText(download, config.matrix or _first_like(names, _MATRICES)),
        metadata_files=[name for name in names if not _unit_of(name)],
        matrix_files=[name for name in names if _unit_of(name)],
    )


def _metadata(
    download: Download, accession: str, names: Collection[str], config: StudyConfig
) -> StudyMetadata:
    """Raises UserError 1014 if the experiment has no table of samples."""
    name = config.sample_sheet or _first_like(names, _SHEETS)
    if not name:
        raise UserError(
            "STUDY_UNDESCRIBED",
            f"the folder has no table of the samples of {accession}",
            file=download.label(""),
            expected=f"{accession}.sdrf.txt, {accession}.condensed-sdrf.tsv or "
            f"{accession}-experiment-design.tsv",
        )
    sheet = read_sheet(download, name)
    if "condensed" in name:
        sheet = _widened(sheet)
    metadata = sheet_metadata(sheet, accession, config, "Expression Atlas")
    unit = _unit_of(config.matrix or _first_like(names, _MATRICES))
    technology = "MICROARRAY" if unit == "ARRAY_LOG2" else "RNA-SEQ"
    title = _title(download, [name for name in names if name.endswith(".idf.txt")])
    return metadata.with_unit(unit).with_experiment(technology=technology, title=title)


def _widened(sheet: SampleSheet) -> SampleSheet:
    """A condensed SDRF has one line per run and property: accession, array, run, kind, property,
    value, term."""
    runs: dict[str, dict[str, str]] = {}
    for row in [sheet.header, *sheet.rows]:
        if len(row) > 5:
            runs.setdefault(row[2], {}).setdefault(row[4], row[5])
    properties = list(dict.fromkeys(key for run in runs.values() for key in run))
    rows = [[run, *(found.get(key, "") for key in properties)] for run, found in runs.items()]
    return SampleSheet(sheet.label, ["run", *properties], rows)


def _title(download: Download, names: Collection[str]) -> str:
    for name in names:
        with download.open_text(name) as file:
            for line in file:
                key, _, value = line.decode("utf-8", "replace").rstrip("\r\n").partition("\t")
                if key == "Investigation Title":
                    return value.strip().strip('"')
    return ""


def _unit_of(name: str) -> str | None:
    file = PurePosixPath(name).name
    return next((unit for end, unit in _MATRICES.items() if re.fullmatch(end, file)), None)


def _first_like(names: Collection[str], patterns: Collection[str]) -> str:
    """The first name that fits the first pattern that any fits; empty if there is none."""
    for pattern in patterns:
        for name in sorted(names):
            if re.fullmatch(pattern, name):
                return name
    return ""
