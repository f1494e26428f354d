"""Opens the target of the dbt profile."""

from loader.errors import LoaderError
from loader.warehouse.base import Warehouse
from loader.warehouse.profile import read_profile


def open_warehouse(target: str | None = None) -> Warehouse:
    """Open a target of the dbt profile (the profile's default without a name).

    Raises LoaderError 4001 where the profile or the target cannot be read or opened, and 4006
    for a type of target that the loader cannot write to.
    """
    profile = read_profile(target)
    if profile.credentials.type == "duckdb":
        from loader.warehouse.duckdb import DuckDBWarehouse

        return DuckDBWarehouse(profile.credentials)
    raise LoaderError(
        "LOAD_TARGET_UNSUPPORTED",
        f"target '{profile.target_name}' is of the type {profile.credentials.type}",
    )
