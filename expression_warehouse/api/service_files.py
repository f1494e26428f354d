"""What the service keeps beside a warehouse, which a rebuild of the warehouse leaves as it is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expression_warehouse.core.project import work_dir
from expression_warehouse.core.review_journal import journal_beside
from expression_warehouse.core.warehouse.duckdb import file_path
from expression_warehouse.core.warehouse.profile import read_profile


@dataclass(frozen=True)
class ServiceFiles:
    """reviews: the journal; keys: API keys; jobs: a folder with a file per job."""

    reviews: Path
    keys: Path
    jobs: Path


def service_files(target: str | None) -> ServiceFiles:
    """The files of a target: beside its DuckDB file; for a server's database, in work_dir().

    Raises UserError 4001 if the profile cannot be read, 4006 for a DuckDB path that is no file.
    """
    credentials: Any = read_profile(target).credentials
    if credentials.type == "duckdb":
        base = file_path(credentials)
    else:
        base = work_dir() / credentials.database
    return ServiceFiles(
        reviews=journal_beside(base),
        keys=base.with_name(f"{base.stem}.api-keys.json"),
        jobs=base.with_name(f"{base.stem}.jobs"),
    )
