"""The feature catalog: seed feature_catalog, as Python sees it."""

import functools
from dataclasses import dataclass
from typing import Any

from expression_warehouse.core.project import read_seed


@dataclass(frozen=True)
class Feature:
    """A row of the catalog, with its columns; a missing bound is None."""

    feature_name: str
    entity_scope: str
    description: str
    formula: str
    expected_scale: str
    scale_min: float | None
    scale_max: float | None
    null_policy: str
    source_model: str

    @property
    def is_signed(self) -> bool:
        """Whether values on both sides of 0 are possible."""
        return self.scale_min is None or self.scale_min < 0


@functools.cache
def features() -> tuple[Feature, ...]:
    """All features, in the catalog's order."""
    rows: list[dict[str, Any]] = [dict(row) for row in read_seed("feature_catalog")]
    for row in rows:
        for bound in ("scale_min", "scale_max"):
            row[bound] = float(row[bound]) if row[bound] else None
    return tuple(Feature(**row) for row in rows)


def features_of(*models: str) -> tuple[Feature, ...]:
    """The features that these models compute."""
    return tuple(feature for feature in features() if feature.source_model in models)
