"""The closing line of `ingest` and `run`: how many studies are done, and what the others need."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.listed import counted, listed
from expression_warehouse.core.project import read_seed

# By the name of the error, what a study with it needs. Other errors are quoted by code and name.
_NEEDS = {
    "UNIT_UNDETECTED": "need units",
    "VALIDATION_EXPRESSION_DOMAIN": "need other units, or a release",
    "VALIDATION_COUNTS_INVALID": "need other units",
    "SOURCE_MISMATCH_SAMPLES": "need skip_samples, sample_names or another header",
    "STUDY_NOT_FOUND": "not found",
    "EXTRACTION_CORRUPT_ARCHIVE": "need a new download",
}


@dataclass
class Outcomes:
    """What became of each study, and of downloads that could not be read.

    staged     studies that were staged now
    unchanged  studies that were staged before and have not changed
    failed     study → name of the error
    downloads  names of the errors of unreadable downloads
    passed_over  how many folders have data, but no study that is read
    """

    staged: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    downloads: list[str] = field(default_factory=list)
    passed_over: int = 0

    def hold_back(self, reasons: Mapping[str, str]) -> None:
        """Take studies that a build quarantined for failed ones.

        reasons  study → quarantine reason, as of staging.batch
        """
        for study, reason in reasons.items():
            self.staged = [name for name in self.staged if name != study]
            self.unchanged = [name for name in self.unchanged if name != study]
            self.failed[study] = error_of(reason)

    def fields(self) -> dict[str, Any]:
        """The counts, for a JSON line."""
        return {
            "staged_count": len(self.staged),
            "unchanged_count": len(self.unchanged),
            "failed": self._failed_by_error(),
            "broken_download_count": len(self.downloads),
            "passed_over_count": self.passed_over,
        }

    def describe(self, is_built: bool) -> str:
        """In one line: '11 studies: 8 loaded, 3 need units: GSE185263, GSE2, GSE7'.

        is_built  whether the staged studies are loaded into the fact too
        """
        total = len(self.staged) + len(self.unchanged) + len(self.failed)
        groups = []
        if is_built and (loaded := self.staged + self.unchanged):
            groups.append(f"{len(loaded)} loaded")
        if not is_built and self.staged:
            groups.append(f"{len(self.staged)} staged")
        if not is_built and self.unchanged:
            groups.append(f"{len(self.unchanged)} staged before")
        for name, studies in self._failed_by_error().items():
            groups.append(f"{_count(len(studies), _need(name))}: {listed(studies)}")
        if self.downloads:
            errors = ", ".join(dict.fromkeys(map(_quoted, self.downloads)))
            groups.append(f"{counted(len(self.downloads), 'download')} unreadable: {errors}")
        if self.passed_over:
            groups.append(f"{counted(self.passed_over, 'folder')} passed over")
        return f"{counted(total, 'study')}: {', '.join(groups) or 'none loaded'}"

    def _failed_by_error(self) -> dict[str, list[str]]:
        groups: dict[str, list[str]] = defaultdict(list)
        for study, name in self.failed.items():
            groups[name].append(study)
        return {name: sorted(studies) for name, studies in sorted(groups.items())}


def error_of(quarantine_reason: str) -> str:
    """The name of the error: '54020 UNIT_UNDETECTED: no unit…' → 'UNIT_UNDETECTED'."""
    words = quarantine_reason.split(maxsplit=2)
    name = words[1].rstrip(":") if len(words) > 1 else ""
    return name if name in _catalog() else "LOAD_BATCH_QUARANTINED"


def quarantined(found: str, reason: str, file: str | None = None) -> UserError:
    """4009: what is quarantined, for this reason; that it can be released only if that is so."""
    action = None
    if _catalog()[error_of(reason)]["is_releasable"] == "1":
        advice = _catalog()["LOAD_BATCH_QUARANTINED"]["what_to_do"]
        action = f"{advice}, or release the batch: dbt run-operation release_batch"
    return UserError("LOAD_BATCH_QUARANTINED", found, file=file, action=action)


def _need(name: str) -> str:
    return _NEEDS.get(name) or f"failed with {_quoted(name)}"


def _quoted(name: str) -> str:
    return f"{_catalog()[name]['error_code']} {name}"


def _catalog() -> dict[str, dict[str, str]]:
    return {row["error_name"]: row for row in read_seed("error_code")}


def _count(count: int, need: str) -> str:
    return f"{count} {need.replace('need ', 'needs ', 1) if count == 1 else need}"
