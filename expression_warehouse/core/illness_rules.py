"""Which rule for illness labels decides for a text, before a build.

This and the model stg_sample_illness render the same macro, illness_matches.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from expression_warehouse.core.project import read_seed
from expression_warehouse.core.warehouse.macros import project_macros


@dataclass(frozen=True)
class SourceText:
    """A text of a sample.

    order           1 for the sample's most trusted text
    source          what the text is: title, disease, disease_stage, subject, characteristic
    characteristic  the characteristic's name; empty for other texts
    """

    sample: str
    order: int
    source: str
    characteristic: str
    text: str


@dataclass(frozen=True)
class Decision:
    """A sample's label by the rules, the source of the text that decides, and the rule's phrase."""

    label: str
    source: str
    phrase: str


Rule = tuple[int, str, str | None, str]


def rules_for(disease: str, definitions: Mapping[str, str]) -> Iterator[Rule]:
    """Order, phrase and label of the rules for a disease, and the phrase that they negate.

    definitions  disease → DiseaseConfig.definition_json
    """
    seeds = {row["disease_label"]: row for row in read_seed("disease")}
    shared = seeds.get(disease, {}).get("shares_labels_with") or disease
    for row in read_seed("illness_rule"):
        if row["disease_label"] in ("", disease, shared):
            label = row["illness_label"] or None
            yield int(row["rule_order"]), row["phrase"], label, row["negates"]
    for name, definition in definitions.items():
        if name in (disease, shared):
            for phrase, rule in json.loads(definition)["phrases"].items():
                yield int(rule["rule_order"]), phrase, rule["illness_label"], ""


def decide(texts: Iterable[SourceText], rules: Iterable[Rule]) -> dict[str, Decision]:
    """Sample → what decides. A sample for which no rule holds is left out."""
    rows = [
        (text.sample, text.order, text.source, text.characteristic, text.text) for text in texts
    ]
    if not rows:
        return {}
    macros = project_macros("duckdb")
    words = [(row["phrase"],) for row in read_seed("illness_characteristic")]
    denials = [(row["denial"], int(row["denies_control"])) for row in read_seed("illness_denial")]
    refined = [(row["illness_label"], row["refines_label"]) for row in read_seed("illness")]
    tables = {
        "read_texts": _table(
            rows,
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
        found = connection.execute(
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
    return {sample: Decision(*decision) for sample, *decision in found}


def _table(rows: Iterable[tuple[Any, ...]], columns: str) -> pa.Table:
    names = columns.split()
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows])
