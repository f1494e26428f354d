"""Rules for a batch that the loader can check at once, so that its message can say what to change.
models/validation has these rules and all others as views."""

from collections.abc import Iterator

from expression_warehouse.core.config import PipelineConfig, StudyConfig
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.listed import counted, listed
from expression_warehouse.core.project import read_seed
from expression_warehouse.core.warehouse.matrix_rows import MatrixSummary
from expression_warehouse.core.warehouse.study_load import StudyLoad, UnitLabels
from loader.source.gene_ids import is_ensembl
from loader.source.matrix import Matrix
from loader.source.metadata import StudyMetadata

# Most names of samples in a message; the output of `inspect` has all.
_NAMES = 20


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


def samples_without_values(matrix: Matrix, metadata: StudyMetadata) -> list[str]:
    """The samples of the metadata that the matrix lacks."""
    return sorted(set(metadata.samples) - set(matrix.header))


def sample_mismatch(
    matrix: Matrix, metadata: StudyMetadata, metadata_label: str, config: StudyConfig
) -> UserError | None:
    """54010 if the matrix has samples that the metadata do not know; with strict_samples, also if
    it lacks some."""
    skipped = set(config.skip_samples)
    unknown = sorted(set(matrix.header) - set(metadata.samples) - skipped)
    missing = sorted(set(samples_without_values(matrix, metadata)) - skipped)
    if not unknown and not (missing and config.strict_samples):
        return None
    in_rows = any(name in metadata.samples for name in matrix.first_ids)
    if in_rows or 2 * sum(map(is_ensembl, unknown)) > len(matrix.header):
        return UserError(
            "SOURCE_MISMATCH_SAMPLES",
            "the samples are in rows, and the genes in columns",
            file=matrix.label,
            line=matrix.layout.header_line,
            expected="one line per gene and one column per sample",
            action="Transpose the matrix",
        )
    parts = [
        f"only the {place} has {counted(len(names), 'sample')}: {listed(names, _NAMES)}"
        for names, place in ((unknown, "matrix"), (missing, "metadata"))
        if names
    ]
    if metadata.samples.keys().isdisjoint(matrix.header):
        parts.insert(0, "the matrix and the metadata have no sample in common")
    return UserError(
        "SOURCE_MISMATCH_SAMPLES",
        "; ".join(parts),
        file=matrix.label,
        line=matrix.layout.header_line,
        expected=f"the samples of {metadata.accession} in {metadata_label}",
    )


def missing_samples(matrix: Matrix, metadata: StudyMetadata) -> UserError | None:
    """54011, a warning, if the metadata have samples that the matrix lacks: refine.bio leaves out
    samples that it could not process, or that were not selected."""
    names = samples_without_values(matrix, metadata)
    if not names:
        return None
    return UserError(
        "SAMPLES_WITHOUT_VALUES",
        f"there are no values of {len(names)} of {counted(len(metadata.samples), 'sample')} of the "
        f"metadata: {listed(names, _NAMES)}",
        file=matrix.label,
        line=matrix.layout.header_line,
    )


def doubts(matrix: Matrix, summary: MatrixSummary) -> Iterator[UserError]:
    """Warnings about a matrix that was read to its end."""
    label, dropped = matrix.label, matrix.gene_ids.dropped
    if matrix.names_finding:
        yield matrix.names_finding
    # The missing line end is the only sign that a file was cut off within its last value.
    if matrix.is_cut_off:
        yield UserError(
            "EXTRACTION_NO_LAST_LINE_END",
            "the last line has no line end: the file may have been cut off",
            file=label,
            line=matrix.last_line,
        )
    if dropped:
        kinds = ", ".join(f"{count} {kind}" for kind, count in dropped.items())
        are = "line is no gene and was" if dropped.total() == 1 else "lines are no genes and were"
        yield UserError(
            "VALIDATION_LINES_DROPPED",
            f"{dropped.total()} {are} left out ({kinds})",
            file=label,
        )
    if summary.infinite_count:
        yield UserError(
            "VALIDATION_VALUES_INFINITE",
            f"{counted(summary.infinite_count, 'infinite value')}, taken as missing",
            file=label,
        )
    if shortened := matrix.gene_ids.shortened:
        yield UserError(
            "VALIDATION_IDS_SHORTENED",
            f"{counted(len(shortened), 'gene id')} of more than 50 characters: {shortened[0]}"
            f"{' …' if len(shortened) > 1 else ''}",
            file=label,
        )


def detect_unit(
    load: StudyLoad,
    matrix: Matrix,
    metadata: StudyMetadata,
    config: StudyConfig,
    summary: MatrixSummary,
) -> tuple[str | None, UserError | None]:
    """The study's unit, and the error: 54020 if it cannot be inferred or contradicts the values,
    54021 for values scaled per gene if the configuration refuses them, 2007 for values that cannot
    be of the unit, 2011 for impossible counts."""
    label = matrix.label
    processors = metadata.processor_names
    labels = UnitLabels(
        configured=config.units,
        stated=metadata.unit,
        technology=metadata.technology,
        first_processor=processors[0] if processors else None,
        last_processor=processors[-1] if processors else None,
        scale_by=metadata.scale_by,
    )
    verdict = load.judge_unit(labels, summary)
    if verdict.unit is None:
        return None, UserError(
            "UNIT_UNDETECTED",
            verdict.contradiction
            or f"technology {metadata.technology}, "
            f"processor {' and '.join(processors) or 'none'}, "
            f"{_range(summary)}: the unit cannot be inferred",
            file=label,
            line=matrix.layout.header_line + 1,
            action=_unit_action(metadata, processors, config),
        )
    if verdict.unit == "SCALED" and config.refuse_scaled:
        return verdict.unit, _scaled_values(matrix, metadata)
    if verdict.counts_fault:
        return verdict.unit, UserError(
            "VALIDATION_COUNTS_INVALID",
            f"the unit is {verdict.unit}, but there are {_range(summary)}",
            file=label,
            expected="counts from 0 to 2**53",
        )
    if verdict.domain_fault:
        return verdict.unit, UserError(
            "VALIDATION_EXPRESSION_DOMAIN", verdict.domain_fault, file=label
        )
    return verdict.unit, None


def unit_doubt(
    unit: str | None,
    matrix: Matrix,
    metadata: StudyMetadata,
    config: StudyConfig,
    summary: MatrixSummary,
) -> UserError | None:
    """A warning about the unit: 54021 for values scaled per gene, 54022 if the configuration names
    another one than the values look like."""
    if unit == "SCALED":
        return _scaled_values(matrix, metadata)
    looks_like = _other_scale(config.units, summary)
    if not looks_like:
        return None
    return UserError(
        "UNIT_DOUBTED",
        f"pipeline.yaml says {config.units}, but {looks_like}",
        file=matrix.label,
    )


def _other_scale(unit: str | None, summary: MatrixSummary) -> str | None:
    """What speaks for another scale than that of a unit; None if nothing does."""
    greatest, is_whole = summary.value_max, summary.is_whole_numbers
    if greatest is None:
        return None
    if unit in ("TPM", "FPKM", "CPM") and is_whole and greatest > 30:
        return f"all values are whole numbers up to {greatest:.0f}: perhaps they are counts"
    if unit in ("TPM", "FPKM", "CPM", "ESTIMATED_COUNTS") and not is_whole and greatest < 25:
        return f"no value is above {greatest:.4g}: perhaps they are logarithms"
    if unit == "COUNTS" and greatest < 25:
        return f"no value is above {greatest:.0f}: perhaps they are rounded logarithms"
    if unit in ("LOG2", "ARRAY_LOG2") and greatest > 30:
        return f"there are values up to {greatest:.4g}: perhaps they are no logarithms"
    return None


def _scaled_values(matrix: Matrix, metadata: StudyMetadata) -> UserError:
    """54021: the values say nothing about levels."""
    return UserError(
        "VALUES_SCALED",
        f"each gene was scaled (scale_by {metadata.scale_by or 'is not known'}): the values rank "
        "samples, but are not expression levels",
        file=matrix.label,
    )


def _unit_action(metadata: StudyMetadata, processors: list[str], config: StudyConfig) -> str:
    setting = f"studies: {{{metadata.accession}: {{units: …}}}}"
    if config.units:
        return f"Remove units of {metadata.accession} from pipeline.yaml, or write SCALED"
    if len(processors) > 1:
        return (
            "Load the samples of one processor (skip_samples leaves out the others), or write into "
            f"pipeline.yaml {setting}"
        )
    units = "; ".join(f"{row['unit_tag']}: {row['description']}" for row in read_seed("unit"))
    return f"Write into pipeline.yaml {setting} with the correct unit: {units}"


def _range(summary: MatrixSummary) -> str:
    if summary.value_min is None:
        return "no values"
    return f"values {summary.value_min} to {summary.value_max}"
