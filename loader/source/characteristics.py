"""Characteristics of a sample: what its submitter says of it."""

from collections.abc import Iterator
from typing import Any

_NAME_LENGTH, _VALUE_LENGTH = 100, 500


def characteristics(annotations: Any) -> dict[str, str]:
    """Name in lower case → value; several values of one name are joined by '; '.

    GEO has lists of `name: value` under characteristics_ch1 and _ch2, ArrayExpress lists of objects
    with category and value, SRA plain attributes. What has another shape is passed over.

    [{"characteristics_ch1": ["disease state: Sepsis", "age: 61"]}]
        → {"disease state": "Sepsis", "age": "61"}
    """
    found: dict[str, dict[str, None]] = {}
    for name, value in _pairs(annotations if isinstance(annotations, list) else []):
        name, value = name.strip().lower()[:_NAME_LENGTH], value.strip()
        if name and value:
            found.setdefault(name, {})[value] = None
    return {name: "; ".join(values)[:_VALUE_LENGTH] for name, values in found.items()}


def _pairs(annotations: list[Any]) -> Iterator[tuple[str, str]]:
    for annotation in annotations:
        if not isinstance(annotation, dict):
            continue
        for name, content in annotation.items():
            if name.startswith("characteristic") and isinstance(content, list):
                yield from _listed(content)
            elif isinstance(content, str) and name != "title":
                yield name, content


def _listed(items: list[Any]) -> Iterator[tuple[str, str]]:
    for item in items:
        if isinstance(item, str) and ":" in item:
            name, _, value = item.partition(":")
            yield name, value
        elif isinstance(item, dict) and {"category", "value"} <= set(item):
            yield str(item["category"]), str(item["value"])
