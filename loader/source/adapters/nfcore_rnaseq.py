"""The results folder of nf-core/rnaseq: genes as TPM or counts, and the sample sheet of the run.

results/star_salmon/salmon.merged.gene_tpm.tsv     loaded, as refine.bio has TPM of salmon too
results/star_salmon/salmon.merged.gene_counts.tsv  loaded if there is no TPM, or …_length_scaled
results/pipeline_info/samplesheet.valid.csv        or any sample sheet in the folder
"""

import re
from collections.abc import Collection
from pathlib import PurePosixPath

from expression_warehouse.core.config import PipelineConfig, StudyConfig
from expression_warehouse.core.errors import UserError
from loader.source.adapters.matrix_with_sheet import only, sheet_metadata
from loader.source.download import Download
from loader.source.metadata import StudyMetadata
from loader.source.sample_sheet import read_sheet
from loader.source.study import StudySource
from loader.source.text import FileText

HAS_FOLDERS = True

_FOLDER = re.compile(r"(?:star_salmon|star_rsem|salmon|kallisto|hisat2|pipeline_info)/")
_MATRIX = re.compile(
    r".*merged\.gene_(?P<kind>tpm|counts(?:_length_scaled|_scaled)?)\.tsv(?:\.gz)?"
)
_SHEET = re.compile(
    r"(?:.*[._-])?(?:samplesheet|sample_sheet|samples|metadata)(?:[._-].*)?\.(?:csv|tsv)", re.I
)
# Kind of a matrix → unit; the first that a run has is loaded.
_UNITS = {
    "tpm": "TPM",
    "counts": "ESTIMATED_COUNTS",
    "counts_length_scaled": "ESTIMATED_COUNTS",
    "counts_scaled": "ESTIMATED_COUNTS",
}


def recognises(names: Collection[str], config: PipelineConfig) -> bool:
    return any(_FOLDER.fullmatch(name) or _MATRIX.fullmatch(name) for name in names)


def studies(download: Download, config: PipelineConfig) -> list[StudySource]:
    accession = download.name
    return [
        StudySource(
            accession,
            download.label(""),
            lambda settings: _metadata(download, accession, settings),
            lambda settings: FileText(download, _matrix(download, accession, settings)),
        )
    ]


def _metadata(download: Download, accession: str, config: StudyConfig) -> StudyMetadata:
    sheets = [name for name in download.names if _is_sheet(name)]
    if config.sample_sheet:
        sheets = [config.sample_sheet]
    if not sheets:
        raise UserError(
            "STUDY_UNDESCRIBED",
            "there is no sample sheet",
            file=download.label(""),
            expected="the sample sheet of the run, in the folder or in pipeline_info",
            action="Copy the sample sheet into the folder, with a column title or disease",
        )
    found = {name: read_sheet(download, name) for name in sheets}
    # A sheet that users put there says more than that of the pipeline, which has files of reads.
    ranks = {
        name: ("fastq_1" in sheet.header, name.count("/"), ".valid" in name)
        for name, sheet in found.items()
    }
    best = [name for name in sheets if ranks[name] == min(ranks.values())]
    sheet = found[only(download, accession, best, "sample_sheet")]
    metadata = sheet_metadata(sheet, accession, config, "nf-core/rnaseq")
    unit = _UNITS.get(_kind(_matrix(download, accession, config)) or "")
    return metadata.with_unit(unit).with_experiment(technology="RNA-SEQ")


def _matrix(download: Download, accession: str, config: StudyConfig) -> str:
    names = [config.matrix] if config.matrix else [n for n in download.names if _kind(n)]
    if not names:
        raise UserError(
            "EXTRACTION_FILE_NOT_FOUND",
            "there is no merged.gene_tpm.tsv and no merged.gene_counts.tsv",
            file=download.label(""),
            action="Name the results folder (--outdir) of a run that has ended",
        )
    best = min(_rank(name) for name in names)
    chosen = [name for name in names if _rank(name) == best]
    if len(chosen) > 1:
        raise UserError(
            "EXTRACTION_LAYOUT_AMBIGUOUS",
            f"several quantifications are here: {', '.join(chosen)}",
            file=download.label(""),
            action=f"Write into pipeline.yaml: studies: {{{accession}: {{matrix: {chosen[0]}}}}}",
        )
    return chosen[0]


def _rank(name: str) -> int:
    kind = _kind(name)
    return list(_UNITS).index(kind) if kind else len(_UNITS)


def _kind(name: str) -> str | None:
    match = _MATRIX.fullmatch(PurePosixPath(name).name)
    return match["kind"] if match else None


def _is_sheet(name: str) -> bool:
    return name.count("/") <= 1 and bool(_SHEET.fullmatch(PurePosixPath(name).name))
