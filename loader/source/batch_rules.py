"""Rules for a batch that the loader can check at once, so that its message can say what to change.
models/validation has these rules and all others as views."""

from expression_warehouse.core.config import PipelineConfig, StudyConfig
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.project import read_seed
from expression_warehouse.core.warehouse.base import StudyLoad
from expression_warehouse.core.warehouse.matrix_rows import MatrixSummary
from loader.source.matrix import Matrix
from loader.source.metadata import StudyMetadata

# Above this, a double cannot represent every whole number.
_COUNT_MAX = 2**53


def check_named_samples(matrix: Matrix, metadata: StudyMetadata, pipeline: PipelineConfig) -> None:
    """Raises UserError 54030 if the configuration names a sample that the study does not have,
    or skips all that it has."""
    config = pipeline.study(metadata.accession)
    known = {*matrix.header, *metadata.samples}
    for sample, setting in config.named_samples().items():
        if sample not in known:
            raise UserError(
                "CONFIG_INVALID",
                f"studies.{metadata.accession}.{setting} names {sample}, "
                "which the study does not have",
                file=pipeline.label,
                line=pipeline.line("studies", metadata.accession, setting),
                action="Correct the accession in pipeline.yaml",
            )
    if not matrix.samples:
        raise UserError(
            "CONFIG_INVALID",
            f"studies.{metadata.accession}.skip_samples leaves no sample",
            file=pipeline.label,
            line=pipeline.line("studies", metadata.accession, "skip_samples"),
        )


def sample_mismatch(
    matrix: Matrix, metadata: StudyMetadata, metadata_label: str, config: StudyConfig
) -> UserError | None:
    """54010 if matrix and metadata have different samples."""
    in_matrix, in_metadata = set(matrix.header), set(metadata.samples)
    skipped = set(config.skip_samples)
    only_matrix = sorted(in_matrix - in_metadata - skipped)
    only_metadata = sorted(in_metadata - in_matrix - skipped)
    if not only_matrix and not only_metadata:
        return None
    return UserError(
        "SOURCE_MISMATCH_SAMPLES",
        f"{len(only_matrix)} samples are only in the matrix{_few(only_matrix)}, "
        f"{len(only_metadata)} only in the metadata{_few(only_metadata)}",
        file=matrix.label,
        line=1,
        expected=f"the samples of {metadata.accession} in {metadata_label}",
    )


def _few(names: list[str]) -> str:
    if not names:
        return ""
    return f" ({', '.join(names[:5])}{' …' if len(names) > 5 else ''})"


def unended_line(matrix: Matrix, summary: MatrixSummary) -> UserError | None:
    """1008, a warning, if the last line has no line end: a file that was cut off within its last
    value looks complete otherwise."""
    if not matrix.is_cut_off:
        return None
    return UserError(
        "EXTRACTION_NO_LAST_LINE_END",
        "the last line has no line end: the file may have been cut off",
        file=matrix.label,
        line=summary.gene_count + 1,
    )


def detect_unit(
    load: StudyLoad,
    matrix: Matrix,
    metadata: StudyMetadata,
    config: StudyConfig,
    summary: MatrixSummary,
) -> tuple[str | None, UserError | None]:
    """The study's unit, and the error: 54020 if it cannot be inferred, 2007 for negative values on
    a linear scale, 2011 for impossible counts."""
    label = matrix.label
    technology = metadata.technology
    unit = load.detect_unit(config.units, technology, metadata.processor_name, summary)
    if unit is None:
        return None, UserError(
            "UNIT_UNDETECTED",
            f"technology {technology}, processor {metadata.processor_name or 'none or several'}, "
            f"{_range(summary)}: the unit cannot be inferred",
            file=label,
            line=2,
            action=f"Write into pipeline.yaml: studies: {{{metadata.accession}: {{units: LOG2}}}}, "
            f"with the correct unit: {', '.join(row['unit_tag'] for row in read_seed('unit'))}",
        )
    (entry,) = (row for row in read_seed("unit") if row["unit_tag"] == unit)
    if unit == "COUNTS" and not _can_be_counts(summary):
        return unit, UserError(
            "VALIDATION_COUNTS_INVALID",
            f"the unit is COUNTS, but there are {_range(summary)}",
            file=label,
            expected="counts from 0 to 2**53",
        )
    if entry["is_log_scale"] == "0" and summary.value_min is not None and summary.value_min < 0:
        return unit, UserError(
            "VALIDATION_EXPRESSION_DOMAIN",
            f"the unit is {unit}, which is linear, but the smallest value is {summary.value_min}",
            file=label,
            expected="values of 0 and more",
        )
    return unit, None


def _can_be_counts(summary: MatrixSummary) -> bool:
    if summary.value_min is None or summary.value_max is None:
        return True
    return summary.value_min >= 0 and summary.value_max <= _COUNT_MAX


def _range(summary: MatrixSummary) -> str:
    if summary.value_min is None:
        return "no values"
    return f"values {summary.value_min} to {summary.value_max}"
