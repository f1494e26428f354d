"""Parts of one study in several downloads, as one study."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from expression_warehouse.core.config import StudyConfig
from expression_warehouse.core.errors import UserError
from loader.source.matrix import Matrix
from loader.source.metadata import StudyMetadata
from loader.source.sample_sheet import FIELDS
from loader.source.side_by_side import Columns, SideBySide, aligned
from loader.source.study import StudySource
from loader.source.values import NULL_VALUES

_Read = tuple[StudyMetadata, Matrix]

# What must be equal in the downloads of a selection.
_SETTINGS = ("quantile_normalized", "scale_by", "aggregate_by", "quant_sf_only")


# What must be equal of a sample: all that its label, subject and slice are read from.
_COMPARED = [f"refinebio_{field}" for field in FIELDS if field != "processor_name"]
_COMPARED.append("characteristics")


def join_parts(sources: Sequence[StudySource], config: StudyConfig) -> list[StudySource]:
    """Sources of one study as one, if each has samples of its own and they agree in their genes and
    in the values and fields of samples that several have; otherwise the sources as they are, the
    last with the reason as its finding."""
    if len(sources) < 2:
        return list(sources)
    try:
        parts = [source.read(config)[:2] for source in sources]
    except UserError:
        # The load of the source itself reports the error.
        return list(sources)
    if any(_is_within_others(part, parts) for part in parts):
        return list(sources)
    try:
        difference = _find_difference(parts)
    except UserError as error:
        difference = error.found
    if difference:
        finding = UserError(
            "DOWNLOADS_DIFFER",
            f"{len(sources)} downloads have different samples of the study and are not joined: "
            f"{difference}",
            file=sources[-1].metadata_label,
        )
        return [*sources[:-1], dataclasses.replace(sources[-1], finding=finding)]
    return [_joined(sources, parts)]


def _is_within_others(part: _Read, parts: Sequence[_Read]) -> bool:
    others = {name for other in parts if other is not part for name in other[1].header}
    return set(part[1].header) <= others


def _find_difference(parts: Sequence[_Read]) -> str | None:
    """What the parts do not agree in; None if they are of one selection."""
    (first, matrix), *others = parts
    known: dict[str, dict[str, Any]] = {}
    for metadata, _ in parts:
        if difference := _find_different_field(known, metadata.samples):
            return difference
        known |= metadata.samples
    for metadata, other in others:
        for setting in _SETTINGS:
            values = [study.download.get(setting) for study in (first, metadata)]
            if values[0] != values[1]:
                return f"{setting} is {values[0]} and {values[1]}"
        if first.technology != metadata.technology:
            return f"the technology is {first.technology} and {metadata.technology}"
        if first.unit != metadata.unit or matrix.layout.decimal != other.layout.decimal:
            return "their values are written in different ways"
        if difference := _find_different_value(matrix, other):
            return difference
    return None


def _find_different_field(
    known: Mapping[str, Mapping[str, Any]], samples: Mapping[str, Mapping[str, Any]]
) -> str | None:
    for sample in sorted(samples.keys() & known.keys()):
        for field in _COMPARED:
            values = [block.get(field) or None for block in (known[sample], samples[sample])]
            if values[0] != values[1]:
                what = field.removeprefix("refinebio_")
                return f"sample {sample} has the {what} {values[0]} and {values[1]}"
    return None


def _find_different_value(first: Matrix, second: Matrix) -> str | None:
    shared = [name for name in first.header if name in set(second.header)]
    places = [[matrix.header.index(name) for name in shared] for matrix in (first, second)]
    part, other = _columns(first), _columns(second)
    with part.rows() as rows, other.by_gene() as lines:
        for row, same in aligned(part, rows, [(other, lines)]):
            for sample, place, other_place in zip(shared, *places, strict=True):
                values = row[2][place], same[2][other_place]
                if not _is_same(*values):
                    return (
                        f"sample {sample} has the values {values[0]} and {values[1]} "
                        f"of gene {row[1]}"
                    )
    return None


def _is_same(value: str, other: str) -> bool:
    if value == other or (value in NULL_VALUES and other in NULL_VALUES):
        return True
    try:
        return float(value) == float(other)
    except ValueError:
        return False


def _columns(matrix: Matrix, without: Sequence[str] = ()) -> Columns:
    """The samples of a matrix, without those that another part has."""
    layout = matrix.layout
    wanted = [column for column in layout.sample_columns if layout.names[column] not in without]
    names = [layout.names[column] for column in wanted]
    return Columns(
        matrix.text,
        names,
        layout.data_line,
        layout.delimiter,
        layout.id_column,
        wanted,
        len(layout.names),
        matrix.unit,
    )


def _joined(sources: Sequence[StudySource], parts: Sequence[_Read]) -> StudySource:
    columns: list[Columns] = []
    for _, matrix in parts:
        known = [name for part in columns for name in part.names]
        columns.append(_columns(matrix, known))
    accession = sources[0].accession
    newest = max((metadata for metadata, _ in parts), key=lambda metadata: metadata.created_at)
    samples = {name: block for metadata, _ in parts for name, block in metadata.samples.items()}
    metadata = dataclasses.replace(newest, samples=samples)
    label = " + ".join(matrix.label for _, matrix in parts)
    counts = " and ".join(str(len(part.names)) for part in columns)
    finding = UserError(
        "DOWNLOADS_JOINED",
        f"{len(parts)} downloads have parts of the study and were joined: {counts} samples",
        file=label,
    )
    text = SideBySide(label, f"{accession}.tsv", columns)
    metadata_label = " + ".join(source.metadata_label for source in sources)
    return StudySource(
        accession, metadata_label, lambda _: metadata, lambda _: text, finding=finding
    )
