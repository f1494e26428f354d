"""What a computation leaves in meta_feature_run."""

import datetime
import importlib.metadata
import json
import platform
import uuid
from collections.abc import Mapping
from typing import Any

from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.warehouse.base import FeatureRun

_PACKAGES = ("expression-warehouse", "numpy", "numba", "scipy")


def feature_run(
    kind: str,
    disease_label: str | None,
    technology: str | None,
    *,
    parameters: Mapping[str, Any],
    study_count: int,
    gene_count: int,
    pairs_tested: int,
    started_at: datetime.datetime,
) -> FeatureRun:
    """The record of a run that ends now. It has no seed: nothing in it is left to chance."""
    versions = {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
    }
    return FeatureRun(
        feature_run_id=str(uuid.uuid4()),
        kind=kind,
        disease_label=disease_label,
        technology=technology,
        seed=None,
        parameters_json=json.dumps(parameters, sort_keys=True),
        versions_json=json.dumps(versions, sort_keys=True),
        study_count=study_count,
        gene_count=gene_count,
        pairs_tested=pairs_tested,
        started_at=started_at,
        ended_at=utc_now(),
    )
