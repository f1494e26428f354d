"""Findings that say the same of several samples or genes, as one row of a page."""

import re
from typing import Any

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_KIND = ("severity", "error_code", "validation_code", "study_accession_code", "what_to_do")


def grouped_findings(findings: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Groups of rows of FINDINGS, in the order of their first rows.

    The rows of a group are of one study, and their messages differ in numbers at most.
    """
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in findings:
        message = _NUMBER.sub("#", row["finding"] or "")
        groups.setdefault((*(row[name] for name in _KIND), message), []).append(row)
    return list(groups.values())
