"""Illness labels of a study's samples, before a build, by the rules of stg_sample_illness."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from expression_warehouse.core.config import PipelineConfig
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import named_os_errors
from expression_warehouse.core.illness_rules import Decision, SourceText, decide, rules_for
from expression_warehouse.core.listed import listed
from expression_warehouse.core.warehouse.base import Warehouse
from loader.source.metadata import StudyMetadata

# As in stg_sample_illness.
DISEASE_OF_STUDIES_WITHOUT_ONE = "SEPSIS"
# The texts of a sample that are read for its label, most trusted first; then its characteristics.
_FIELDS = ("title", "disease", "disease_stage", "subject")


@dataclass(frozen=True)
class SampleLabel:
    """The label of one sample.

    label   UNKNOWN if no rule holds
    source  the text that says so: title, disease, disease_stage, subject, characteristic; override
            for pipeline.yaml's word; none
    phrase  the phrase of the rule; empty for an override or without a rule
    """

    sample: str
    title: str
    label: str
    source: str
    phrase: str


@dataclass(frozen=True)
class StudyLabels:
    """The labels of a staged study's samples, and the study's disease; None if it has none."""

    samples: list[SampleLabel]
    disease: str | None


def infer_labels(metadata: StudyMetadata, pipeline: PipelineConfig) -> list[SampleLabel]:
    """The labels of the study's samples, in the order of the metadata."""
    disease = pipeline.study(metadata.accession).disease
    return _labels(metadata, pipeline, disease, pipeline.disease_definitions or {})


def _labels(
    metadata: StudyMetadata,
    pipeline: PipelineConfig,
    disease: str | None,
    definitions: Mapping[str, str],
) -> list[SampleLabel]:
    config = pipeline.study(metadata.accession)
    rules = rules_for(disease or DISEASE_OF_STUDIES_WITHOUT_ONE, definitions)
    decided = decide(_texts(metadata), rules)
    labels = []
    for sample, block in metadata.samples.items():
        found = decided.get(sample, Decision("UNKNOWN", "none", ""))
        if sample in config.illness_overrides:
            found = Decision(config.illness_overrides[sample], "override", "")
        title = str(block.get("refinebio_title") or "")
        labels.append(SampleLabel(sample, title, found.label, found.source, found.phrase))
    return labels


def _texts(metadata: StudyMetadata) -> Iterator[SourceText]:
    for sample, block in metadata.samples.items():
        for order, field in enumerate(_FIELDS, 1):
            yield SourceText(sample, order, field, "", str(block.get(f"refinebio_{field}") or ""))
        for name, value in block.get("characteristics", {}).items():
            yield SourceText(sample, len(_FIELDS) + 1, "characteristic", name, value)


def staged_labels(warehouse: Warehouse, accession: str, pipeline: PipelineConfig) -> StudyLabels:
    """The labels of the newest download of a study in the warehouse, by the rules of today.

    As a build does, it takes the disease that the warehouse has for the study before that of
    pipeline.yaml, and the diseases defined in the warehouse if pipeline.yaml defines none.

    Raises UserError 54040 if no download of the study is staged.
    """
    # The order of macros/study/recency_of_batch.sql.
    query = """
        select m.metadata_json
        from {staging}.batch as b
        inner join {staging}.study_metadata as m on b.batch_id = m.batch_id
        where b.study_accession_code = $study
        order by b.created_at desc, b.staged_at desc, b.batch_id
    """
    documents = warehouse.read(query, {"study": accession})["metadata_json"].to_pylist()
    if not documents:
        known = warehouse.read(
            "select distinct study_accession_code as study from {staging}.batch order by study"
        )
        raise UserError(
            "STUDY_NOT_FOUND",
            f"no download of {accession} is staged",
            expected=f"one of {listed(known['study'].to_pylist(), 20)}" if len(known) else None,
        )
    metadata = StudyMetadata(accession, **json.loads(documents[0]))
    disease = _disease(warehouse, accession, pipeline)
    definitions = pipeline.disease_definitions
    if definitions is None:
        rows = warehouse.read_rows("select * from {staging}.disease_definition")
        definitions = {row["disease_label"]: row["definition_json"] for row in rows}
    return StudyLabels(_labels(metadata, pipeline, disease, definitions), disease)


def _disease(warehouse: Warehouse, accession: str, pipeline: PipelineConfig) -> str | None:
    query = """
        select d.disease_label, m.is_active
        from {dim}.study_disease_map as m
        inner join {dim}.dim_study as s on m.study_key = s.study_key
        inner join {dim}.dim_disease as d on m.disease_key = d.disease_key
        where s.study_accession_code = $study
        order by m.is_active desc
    """
    mapped = warehouse.read_rows_if_built(query, {"study": accession})
    if not mapped:
        return pipeline.study(accession).disease
    return mapped[0]["disease_label"] if mapped[0]["is_active"] else None


def print_labels(labels: list[SampleLabel], as_json: bool) -> None:
    """Print a line per sample: accession, label, the rule behind it, title."""
    if as_json:
        for label in labels:
            print(json.dumps(asdict(label), ensure_ascii=False))
        return
    rules = [f"{one.source}: {one.phrase}" if one.phrase else one.source for one in labels]
    rows = [(one.sample, one.label, rule) for one, rule in zip(labels, rules, strict=True)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row, label in zip(rows, labels, strict=True):
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        print("  ".join([*cells, label.title]))


def write_overrides(accession: str, labels: list[SampleLabel], file: Path) -> None:
    """Write the labels as illness_overrides of pipeline.yaml, each with its title as a comment.

    Raises UserError 54302 if the file exists or cannot be written.
    """
    lines = ["studies:", f"  {json.dumps(accession)}:", "    illness_overrides:"]
    for label in labels:
        title = " ".join(label.title.split())
        lines.append(f"      {json.dumps(label.sample)}: {label.label}  # {title}")
    with named_os_errors(file), file.open("x", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")
