"""What a computation leaves in the warehouse: its record in meta_feature_run, and staged rows."""

import datetime
import importlib.metadata
import json
import platform
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.warehouse.staging_load import FeatureRun
from expression_warehouse.pairs.slices import Slice

# Columns of all staged rows of a slice.
RUN_COLUMNS = {
    "feature_run_id": pa.string(),
    "disease_label": pa.string(),
    "technology": pa.string(),
    "organism": pa.string(),
}

_BATCH_ROWS = 100_000


def feature_run(
    kind: str,
    slice_: Slice | None,
    *,
    parameters: Mapping[str, Any],
    gene_count: int,
    pairs_tested: int,
    started_at: datetime.datetime,
    study_count: int | None = None,
    seed: int | None = None,
    packages: tuple[str, ...] = ("expression-warehouse", "numpy", "numba", "scipy"),
) -> FeatureRun:
    """A run that ends now. One with a seed has the same id whenever its inputs are the same.

    packages  whose versions can change the result
    """
    versions = {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
    }
    identity = json.dumps([str(slice_), seed, parameters, versions], sort_keys=True)
    run_id = uuid.uuid4() if seed is None else uuid.uuid5(uuid.NAMESPACE_OID, identity)
    nowhere = {"disease_label": None, "technology": None, "organism": None}
    return FeatureRun(
        **(slice_.scope if slice_ else nowhere),
        feature_run_id=str(run_id),
        kind=kind,
        seed=seed,
        parameters_json=json.dumps(parameters, sort_keys=True),
        versions_json=json.dumps(versions, sort_keys=True),
        study_count=study_count,
        gene_count=gene_count,
        pairs_tested=pairs_tested,
        started_at=started_at,
        ended_at=utc_now(),
    )


def batches(schema: pa.Schema, columns: Mapping[str, Any]) -> Iterator[pa.RecordBatch]:
    """Rows of a staging table, or of a file.

    columns  by name, (rows,), NaN if missing; what is no array is the same in all rows
    """
    arrays = (np.ndarray, pa.Array)
    size = max(len(column) for column in columns.values() if isinstance(column, arrays))
    for start in range(0, size, _BATCH_ROWS):
        stop = min(start + _BATCH_ROWS, size)
        own = [
            pa.array(column[start:stop], from_pandas=True)
            if isinstance(column := columns[name], arrays)
            else pa.repeat(column, stop - start)
            for name in schema.names
        ]
        cast = [array.cast(type_) for array, type_ in zip(own, schema.types, strict=True)]
        yield pa.RecordBatch.from_arrays(cast, schema=schema)
