"""Publishes results as files that are written once and never changed.

artifacts/pair_metrics_significant_SEPSIS_v1.0_0123456789abcdef.parquet  the pairs, and the first
                                                                         digits of its SHA-256
artifacts/pair_metrics_significant_SEPSIS_v1.0.json                      its provenance
"""

import datetime
import hashlib
import importlib.metadata
import json
import re
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from expression_warehouse.core import signals
from expression_warehouse.core.diseases import require_disease
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import named_os_errors, remove_unfinished, write_once
from expression_warehouse.core.process_log import OpenWarehouse, ProcessLog
from expression_warehouse.core.publishable import (
    check_publishable,
    warn_of_changes_not_built,
)
from expression_warehouse.core.reporting import Reporter, Stopwatch
from expression_warehouse.core.view_settings import named_refusals
from expression_warehouse.core.warehouse.base import Warehouse

_PAIRS = """
    select *
    from {analytics}.vw_pair_metrics_significant
    order by technology, organism, pair_rank
"""
_STUDIES = """
    select distinct c.study_accession_code, b.file_name, b.file_hash
    from {analytics}.vw_contrast_study as c
    inner join {dim}.dim_study as s on c.study_key = s.study_key
    inner join {staging}.batch as b on s.current_batch_id = b.batch_id
    where c.disease_label = $disease
    order by c.study_accession_code
"""
# Which pairs are significant: the defaults of the view, named in the log and the file.
SETTINGS = {"contrast": "all", "q_basis": "hk", "q": "0.05", "k_min": "3", "i2_max": "75"}
_ROW_GROUP_SIZE = 100_000


@dataclass(frozen=True)
class PublishOptions:
    """What the user asks for.

    is_major   v2.0 after v1.3, not v1.4
    is_forced  a warehouse with errors is published too, and the version's .json says so
    """

    disease: str
    is_major: bool = False
    is_forced: bool = False


@signals.held()
def publish(
    options: PublishOptions,
    folder: Path,
    open_warehouse: OpenWarehouse,
    reporter: Reporter,
) -> bool:
    """Write the significant pairs of a disease as the next version, unless the newest one has the
    same pairs.

    folder          for the artifacts; created if absent
    open_warehouse  its argument takes what to tell the user while it waits

    Returns whether the newest version has these pairs now. Raises Stopped if a signal came.
    """
    watch, disease = Stopwatch(), options.disease
    try:
        with open_warehouse(reporter.waiting) as warehouse:
            log = ProcessLog(warehouse, reporter.run_id)
            with log.step("publish", {"disease": disease, **SETTINGS}) as step:
                pairs = read_pairs(warehouse, disease)
                studies = warehouse.read_rows(_STUDIES, {"disease": disease})
                known_errors = check_publishable(warehouse, options.is_forced)
                step.context["known_errors"] = known_errors
                warn_of_changes_not_built(warehouse, reporter)
                if not pairs.num_rows:
                    reporter.warned("nothing_significant", disease=disease)
                content = Content(disease, pairs)
                signals.check()
                with named_os_errors(folder):
                    folder.mkdir(parents=True, exist_ok=True)
                    remove_unfinished(folder)
                    series = Series(folder, disease)
                    sidecar: dict[str, Any] = {"run_id": reporter.run_id, "studies": studies}
                    if known_errors:
                        sidecar["known_errors"] = known_errors
                    path, is_new = _write_version(series, content, options.is_major, sidecar)
                step.context |= {"file_name": path.name, "file_hash": content.file_sha256}
                step.rows_written = pairs.num_rows if is_new else 0
    except UserError as error:
        reporter.failed(None, error)
        return False
    reporter.step(
        None,
        "published" if is_new else "publish_skipped",
        file=str(path),
        file_hash=content.file_sha256,
        disease=disease,
        row_count=pairs.num_rows,
        seconds=watch.seconds,
    )
    return True


def read_pairs(warehouse: Warehouse, disease: str) -> pa.Table:
    """The rows of vw_pair_metrics_significant by slice and rank, with SETTINGS.

    Raises UserError 54030 for a disease that the warehouse does not know, that has no pairs or that
    no file can be named after, and 4008 if the warehouse is not built.
    """
    require_disease(warehouse, disease)
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", disease):
        raise UserError(
            "CONFIG_INVALID",
            f"{disease!r} cannot be part of a file name",
            expected="a disease of letters, digits, '_', '.' and '-'",
            action="Rename it in seeds/disease.csv and run dbt build",
        )
    with named_refusals():
        return warehouse.read(_PAIRS, settings={"disease": disease, **SETTINGS})


class Content:
    """Pairs as the bytes of a Parquet file. It holds no time and no run id, so equal pairs give
    equal bytes.

    content_sha256  of the file without its metadata: the pairs alone
    file_sha256     of the file
    """

    def __init__(self, disease: str, pairs: pa.Table) -> None:
        self.row_count = pairs.num_rows
        self.content_sha256 = _sha256(_parquet(pairs, {}))
        self.metadata = {
            "settings": json.dumps({"disease": disease, **SETTINGS}),
            "package": "expression-warehouse",
            "package_version": importlib.metadata.version("expression-warehouse"),
            "content_sha256": self.content_sha256,
        }
        self.file = _parquet(pairs, self.metadata)
        self.file_sha256 = _sha256(self.file)


def _parquet(pairs: pa.Table, metadata: dict[str, str]) -> bytes:
    buffer = BytesIO()
    # In one chunk, since the engine's chunks vary.
    table = pairs.combine_chunks().replace_schema_metadata(metadata)
    pq.write_table(table, buffer, compression="zstd", row_group_size=_ROW_GROUP_SIZE)
    return buffer.getvalue()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, order=True)
class Version:
    """v1.0 is the first."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"v{self.major}.{self.minor}"

    def next(self, is_major: bool) -> "Version":
        return Version(self.major + 1, 0) if is_major else Version(self.major, self.minor + 1)


@dataclass(frozen=True)
class Series:
    """The versions of one disease's pairs. Writing its .json reserves a version: that name does not
    depend on the content, so two processes cannot both reserve it."""

    folder: Path
    disease: str

    @property
    def _name(self) -> str:
        return f"pair_metrics_significant_{self.disease}"

    def sidecar(self, version: Version) -> Path:
        return self.folder / f"{self._name}_{version}.json"

    def pairs(self, version: Version, file_sha256: str) -> Path:
        return self.folder / f"{self._name}_{version}_{file_sha256[:16]}.parquet"

    def newest(self) -> Version | None:
        """The newest version that has at least one of its two files."""
        pattern = re.compile(
            re.escape(self._name) + r"_v(\d+)\.(\d+)(?:\.json|_[0-9a-f]{16}\.parquet)"
        )
        matches = (pattern.fullmatch(path.name) for path in self.folder.iterdir())
        return max((Version(int(m[1]), int(m[2])) for m in matches if m), default=None)

    def describe(self, version: Version) -> dict[str, Any]:
        """The version's .json; empty if it is missing or cannot be read."""
        try:
            description = json.loads(self.sidecar(version).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return description if isinstance(description, dict) else {}


def _write_version(
    series: Series, content: Content, is_major: bool, sidecar: dict[str, Any]
) -> tuple[Path, bool]:
    """The file of the newest version with this content, and whether it was written now.

    sidecar  what the version's .json says of this run
    """
    while True:
        newest = series.newest()
        description = series.describe(newest) if newest else {}
        if newest and description.get("content_sha256") == content.content_sha256:
            path = series.pairs(newest, description["file_sha256"])
            if path.exists():
                return path, False
            if description["file_sha256"] == content.file_sha256:
                # A publish that was stopped between its two files.
                write_once(path, content.file)
                return path, True
        version = newest.next(is_major) if newest else Version(1, 0)
        path = series.pairs(version, content.file_sha256)
        if write_once(series.sidecar(version), _describe(version, path, content, sidecar)):
            write_once(path, content.file)
            return path, True


def _describe(version: Version, path: Path, content: Content, sidecar: dict[str, Any]) -> bytes:
    description = {
        "version": str(version),
        "file": path.name,
        "file_sha256": content.file_sha256,
        "row_count": content.row_count,
        **sidecar,
        "created_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **content.metadata,
    }
    return (json.dumps(description, indent=2) + "\n").encode()
