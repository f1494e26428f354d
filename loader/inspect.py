"""Reports what ingest would load; needs no warehouse."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import rich.console

from expression_warehouse.core.config import PipelineConfig, StudyConfig
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.warehouse.duckdb import DuckDBSession, DuckDBStudyLoad
from expression_warehouse.core.warehouse.macros import project_macros
from expression_warehouse.core.warehouse.matrix_rows import MatrixSummary
from expression_warehouse.core.warehouse.numbered_rows import MatrixKeys
from loader.discovery import discover, unknown_studies
from loader.labels import infer_labels
from loader.source.batch_rules import (
    check_named_samples,
    detect_unit,
    doubts,
    missing_samples,
    sample_mismatch,
    samples_without_values,
    unit_doubt,
)
from loader.source.joined import join_parts
from loader.source.matrix import Matrix
from loader.source.metadata import StudyMetadata
from loader.source.study import StudySource
from loader.source.subjects import doubted_subjects, resolve_subjects


def inspect_paths(
    paths: Iterable[Path], accessions: Iterable[str], config: PipelineConfig
) -> Iterator[dict[str, Any]]:
    """What each study of the paths is, as `inspect_study` says; a study or download that cannot be
    read has `errors`. Last, `warnings` of folders that are passed over and of pipeline.yaml."""
    accessions = list(accessions)
    sources, failures, passed_over = discover(paths, accessions, config)
    for study, error in failures:
        yield {"study": study, "errors": [str(error)]}
    for accession, parts in sources.items():
        for source in join_parts(parts, config.study(accession)):
            yield inspect_study(source, config)
    for warning in passed_over:
        yield {"study": None, "file": warning.file, "errors": [], "warnings": [str(warning)]}
    unknown = unknown_studies(config, {*sources, *(study for study, _ in failures if study)})
    if unknown and not accessions:
        text = (
            "configures studies that are not in these downloads, which is right only if the "
            f"warehouse has them: {', '.join(unknown)}"
        )
        yield {"study": None, "file": config.label, "errors": [], "warnings": [text]}


def inspect_study(source: StudySource, pipeline: PipelineConfig) -> dict[str, Any]:
    """Layout, gene ids, unit, cohorts, what matches and what is missing; `errors` would stop an
    ingest, and `warnings` would not."""
    found: dict[str, Any] = {"study": source.accession, "errors": [], "warnings": []}
    said = [str(source.finding)] if source.finding else []
    config = pipeline.study(source.accession)
    try:
        metadata, matrix, config = source.read(config)
        said += [str(metadata.finding)] if metadata.finding else []
        found |= _described(matrix, metadata, source.metadata_label, config)
        check_named_samples(matrix, metadata, pipeline)
        present = metadata.without(
            [*config.skip_samples, *samples_without_values(matrix, metadata)]
        )
        config = resolve_subjects(config, present)
        doubted = doubted_subjects(config, present, source.metadata_label)
        said += [str(doubted)] if doubted else []
        labels = infer_labels(present, pipeline)
        found["cohorts"] = dict(Counter(label.label for label in labels).most_common())
        summary = MatrixSummary(sample_count=len(matrix.samples))
        for _ in matrix.melt(pipeline.defaults.chunk_size, summary):
            pass
        found |= _measured(matrix, summary)
        with duckdb.connect() as connection:
            load = DuckDBStudyLoad(
                DuckDBSession(connection), project_macros("duckdb"), MatrixKeys()
            )
            unit, error = detect_unit(load, matrix, present, config, summary)
        found["unit"] = unit
        found["unit_reason"] = _unit_reason(unit, present, config, summary)
        if error:
            found["errors"].append(str(error))
        elif doubt := unit_doubt(unit, matrix, present, config, summary):
            found["warnings"].append(str(doubt))
        found["warnings"] += [*said, *(str(doubt) for doubt in doubts(matrix, summary))]
    except UserError as error:
        found["errors"].append(str(error))
    return found


def _described(
    matrix: Matrix, metadata: StudyMetadata, metadata_label: str, config: StudyConfig
) -> dict[str, Any]:
    mismatch = sample_mismatch(matrix, metadata, metadata_label, config)
    missing = missing_samples(matrix, metadata.without(config.skip_samples))
    return {
        "file": matrix.label,
        "layout": matrix.layout.describe(),
        "matched_samples": len(set(matrix.samples) & set(metadata.samples)),
        "samples_without_metadata": sorted(set(matrix.samples) - set(metadata.samples)),
        "samples_without_values": samples_without_values(matrix, metadata),
        "errors": [str(mismatch)] if mismatch else [],
        "warnings": [str(missing)] if missing and not mismatch else [],
    }


def _measured(matrix: Matrix, summary: MatrixSummary) -> dict[str, Any]:
    return {
        "gene_id_form": summary.gene_id_form,
        "gene_count": summary.gene_count,
        "sample_count": summary.sample_count,
        "null_count": summary.null_count,
        "value_min": summary.value_min,
        "value_max": summary.value_max,
        "lines_left_out": dict(matrix.gene_ids.dropped),
    }


def _unit_reason(
    unit: str | None, metadata: StudyMetadata, config: StudyConfig, summary: MatrixSummary
) -> str:
    if config.units:
        return "pipeline.yaml says so"
    if unit and metadata.unit == unit:
        return "the format says so"
    processor = " and ".join(metadata.processor_names) or "no processor"
    values = f"values {summary.value_min} to {summary.value_max}"
    if unit == "SCALED":
        return f"scale_by {metadata.scale_by}"
    if unit == "COUNTS":
        values = f"whole numbers up to {summary.value_max}"
    return f"{metadata.technology or 'no technology'}, {processor}, {values}"


def print_inspected(found: Iterable[dict[str, Any]], as_json: bool) -> bool:
    """Print one JSON line per study, or lines of text; return whether none has an error."""
    console = rich.console.Console(highlight=False, soft_wrap=True)
    is_good = True
    for study in found:
        is_good &= not study["errors"]
        if as_json:
            print(json.dumps(study))
            continue
        for line in _lines(study):
            console.print(line, markup=False)
    return is_good


def _lines(study: dict[str, Any]) -> Iterator[str]:
    yield study["study"] or study.get("file", "download")
    if "layout" in study:
        yield f"  file     {study['file']}"
        yield f"  layout   {study['layout']}"
    if "gene_count" in study:
        yield f"  genes    {study['gene_count']:,}, ids {study['gene_id_form']}"
    if "matched_samples" in study:
        yield (
            f"  samples  {study['matched_samples']:,} with values and metadata, "
            f"{len(study['samples_without_metadata']):,} without metadata, "
            f"{len(study['samples_without_values']):,} without values"
        )
    if "cohorts" in study:
        cohorts = ", ".join(f"{label} {count}" for label, count in study["cohorts"].items())
        yield f"  cohorts  {cohorts or 'none'}"
    if "unit" in study:
        yield f"  unit     {study['unit'] or 'unknown'}: {study['unit_reason']}"
    for kind in ("warnings", "errors"):
        for text in study.get(kind, []):
            yield f"  {kind[:-1]:<8} " + text.replace("\n", "\n         ")
