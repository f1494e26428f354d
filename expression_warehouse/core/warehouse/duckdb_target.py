"""A duckdb target of the dbt profile."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True)
class DuckDBTarget:
    """
    path      the file, as the profile has it
    settings  of each connection
    others    what else the profile says of it, which dbt alone uses; it can have secrets
    """

    type: ClassVar[str] = "duckdb"

    path: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """As dbt's credentials of other types give themselves."""
        return {**self.others, "path": self.path, "settings": dict(self.settings)}
