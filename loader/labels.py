"""Illness labels of a study's samples, before a build, by the rules of stg_sample_illness. Both
render the macro illness_matches."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from expression_warehouse.core.config import PipelineConfig
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import named_os_errors
from expression_warehouse.core.listed import listed
from expression_warehouse.core.project import read_seed
from expression_warehouse.core.warehouse.base import Warehouse
from expression_warehouse.core.warehouse.macros import project_macros
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


def infer_labels(metadata: StudyMetadata, pipeline: PipelineConfig) -> list[SampleLabel]:
    """The labels of the study's samples, in the order of the metadata."""
    config = pipeline.study(metadata.accession)
    disease = config.disease or DISEASE_OF_STUDIES_WITHOUT_ONE
    matches = _matches(_texts(metadata), list(_rules(disease, pipeline)))
    return [
        SampleLabel(sample, str(block.get("refinebio_title") or ""), *found)
        for sample, block in metadata.samples.items()
        for found in [
            (config.illness_overrides[sample], "override", "")
            if sample in config.illness_overrides
            else matches.get(sample, ("UNKNOWN", "none", ""))
        ]
    ]


def _texts(metadata: StudyMetadata) -> Iterator[tuple[str, int, str, str, str]]:
    """Sample, order and name of the source, name and value of the characteristic."""
    for sample, block in metadata.samples.items():
        for order, field in enumerate(_FIELDS):
            yield sample, order, field, "", str(block.get(f"refinebio_{field}") or "")
        for name, value in block.get("characteristics", {}).items():
            yield sample, len(_FIELDS), "characteristic", name, value


def _rules(disease: str, pipeline: PipelineConfig) -> Iterator[tuple[int, str, str | None, str]]:
    """Order, phrase and label of the rules for a disease, and the phrase that they negate."""
    seeds = {row["disease_label"]: row for row in read_seed("disease")}
    shared = seeds.get(disease, {}).get("shares_labels_with") or disease
    for row in read_seed("illness_rule"):
        if row["disease_label"] in ("", disease, shared):
            label = row["illness_label"] or None
            yield int(row["rule_order"]), row["phrase"], label, row["negates"]
    for name, definition in (pipeline.disease_definitions or {}).items():
        if name in (disease, shared):
            for phrase, rule in json.loads(definition).get("phrases", {}).items():
                yield int(rule["rule_order"]), phrase, rule["illness_label"], ""


def _matches(
    texts: Iterable[tuple[str, int, str, str, str]],
    rules: list[tuple[int, str, str | None, str]],
) -> dict[str, tuple[str, str, str]]:
    """Sample → label, source and phrase of the rule that decides."""
    if not (texts := list(texts)):
        return {}
    macros = project_macros("duckdb")
    words = [(row["phrase"],) for row in read_seed("illness_characteristic")]
    denials = [(row["denial"], int(row["denies_control"])) for row in read_seed("illness_denial")]
    refined = [(row["illness_label"], row["refines_label"]) for row in read_seed("illness")]
    tables = {
        "read_texts": _table(
            texts,
            "sample_accession_code source_order illness_source characteristic characteristic_value",
        ),
        "seed": _table(rules, "rule_order phrase illness_label negates"),
        "names": _table(words, "phrase"),
        "denials": _table(denials, "denial denies_control"),
        "illnesses": _table(refined, "illness_label refines_label"),
    }
    with duckdb.connect() as connection:
        for name, table in tables.items():
            connection.register(name, table)
        rows = connection.execute(
            f"""
            with sources as (select 0 as batch_id, * from read_texts),

            rules as (select 0 as batch_id, * from seed),

            texts as (
                select
                    batch_id,
                    sample_accession_code,
                    source_order,
                    illness_source,
                    characteristic_value as source_text
                from sources
                where characteristic = ''
                union all
                select
                    c.batch_id,
                    c.sample_accession_code,
                    c.source_order,
                    c.illness_source,
                    {macros.characteristic_text("c.characteristic", "c.characteristic_value")}
                        as source_text
                from sources as c
                where {macros.is_read_for_label("c", "names", "rules")}
            ),

            {macros.illness_matches("matches", "texts", "rules", "denials", "illnesses")}

            select sample_accession_code, illness_label, illness_source, phrase
            from matches
            where match_order = 1
            """
        ).fetchall()
    return {sample: (label, source, phrase) for sample, label, source, phrase in rows}


def _table(rows: Iterable[tuple[Any, ...]], columns: str) -> pa.Table:
    names = columns.split()
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows])


def staged_labels(
    warehouse: Warehouse, accession: str, pipeline: PipelineConfig
) -> list[SampleLabel]:
    """The labels of the newest download of a study in the warehouse, by the rules of today.

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
    return infer_labels(StudyMetadata(accession, **json.loads(documents[0])), pipeline)


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
