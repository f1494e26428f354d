"""From the features of a slice's pairs to their scores: `expression-warehouse pairs rank`."""

import hashlib
import importlib.metadata
import json
import platform
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import yaml
from threadpoolctl import threadpool_limits

from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.process_log import OpenWarehouse, ProcessLog
from expression_warehouse.core.project import project_dir, read_seed
from expression_warehouse.core.reporting import Reporter, Stopwatch
from expression_warehouse.core.warehouse.base import FeatureRun, Warehouse
from expression_warehouse.pairs.ranking.ensemble import (
    isolation_forest,
    local_outlier_factor,
    percentile_rank,
    rank_svm,
    stacked,
    tail_share,
)
from expression_warehouse.pairs.ranking.feature_scale import derived, oriented, robust_z
from expression_warehouse.pairs.ranking.slices import Pairs, Slice, read_pairs, read_slices

# With fewer, what is usual cannot be told.
LEAST_PAIRS = 50
# Most pairs of a watched gene are like any other: only the strongest say anything.
POSITIVE_COUNT = 20
# -log10 q_star above it counts no more.
EVIDENCE_MAX = 10.0

_SHARES = ("evidence", "unsupervised", "consistency", "power")
_PACKAGES = ("expression-warehouse", "numpy", "scipy", "scikit-learn")

_SCORES = pa.schema(
    {
        "feature_run_id": pa.string(),
        "batch_id": pa.string(),
        "disease_label": pa.string(),
        "technology": pa.string(),
        "pair_key": pa.int32(),
        "unsupervised_score": pa.float64(),
        "new_rank_score": pa.float64(),
    }
)
_VALUES = pa.schema(
    {
        "feature_run_id": pa.string(),
        "batch_id": pa.string(),
        "entity_scope": pa.string(),
        "entity_id_1": pa.int64(),
        "entity_id_2": pa.int64(),
        "feature_name": pa.string(),
        "feature_value": pa.float64(),
    }
)


@dataclass(frozen=True)
class Ranking:
    """A number in [0, 1] a pair, 1 the first.

    models     lof_score, isolation_forest_score, rank_svm_score
    positives  pairs that the rank-SVM learned from, as numbers of rows
    """

    models: dict[str, np.ndarray]
    unsupervised_score: np.ndarray
    new_rank_score: np.ndarray
    positives: np.ndarray


def rank(
    disease: str | None,
    technology: str | None,
    seed: int,
    open_warehouse: OpenWarehouse,
    reporter: Reporter,
) -> bool:
    """Rank the pairs of all slices, or of those named, and stage the scores for the next build.

    A slice that cannot be ranked loses the scores that it has; the others are ranked all the same.

    Returns whether each was ranked.
    """
    try:
        weights = read_weights()
        with open_warehouse(reporter.waiting) as warehouse:
            log = ProcessLog(warehouse, reporter.run_id)
            context = {"disease": disease, "technology": technology, "seed": seed}
            with log.step("rank", context) as step:
                step.rows_written = 0
                for one in read_slices(warehouse, disease, technology):
                    try:
                        step.rows_written += _rank_slice(warehouse, one, seed, weights, reporter)
                    except UserError as error:
                        step.error = step.error or error
                        log.finding(None, None, error)
                        reporter.failed(None, error)
    except UserError as error:
        reporter.failed(None, error)
        return False
    return step.error is None


def read_weights() -> dict[str, float]:
    """var rank_weights of dbt_project.yml, so that they sum to 1.

    Raises UserError 54030 where they are no weights of the four shares.
    """
    path = project_dir() / "dbt_project.yml"
    given = yaml.safe_load(path.read_text(encoding="utf-8"))["vars"].get("rank_weights")
    is_valid = (
        isinstance(given, dict)
        and set(given) == set(_SHARES)
        and all(isinstance(w, int | float) and 0 <= w < float("inf") for w in given.values())
        and sum(given.values()) > 0
    )
    if not is_valid:
        raise UserError(
            "CONFIG_INVALID",
            f"var rank_weights is {given}",
            file=str(path),
            expected=f"a number from 0 on for each of {', '.join(_SHARES)}, one of them above 0",
            action="Correct rank_weights",
        )
    return {share: given[share] / sum(given.values()) for share in _SHARES}


def _rank_slice(
    warehouse: Warehouse, one: Slice, seed: int, weights: Mapping[str, float], reporter: Reporter
) -> int:
    """Rank one slice; return how many pairs.

    Raises UserError where it cannot be ranked; what was staged of it is gone then.
    """
    watch, started_at = Stopwatch(), utc_now()
    pairs = read_pairs(warehouse, one)
    try:
        positives, missing = find_positives(pairs, one)
        if missing:
            reporter.warned("positives_missing", slice=str(one), genes=", ".join(missing))
        ranking = compute_ranking(pairs, positives, seed, weights, one)
    except UserError:
        _stage(warehouse, one, None, {}, [])
        raise
    parameters = {
        "batch_id": one.batch_id,
        "weights": weights,
        "positive_pair_keys": pairs.keys["pair_key"].to_numpy()[ranking.positives].tolist(),
        "features_sha256": _digest(pairs.features),
    }
    versions = {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
    }
    run = FeatureRun(
        # Of the same features, seed and versions it is the same run.
        feature_run_id=str(
            uuid.uuid5(uuid.NAMESPACE_OID, json.dumps([str(one), seed, parameters, versions]))
        ),
        kind="RANK",
        disease_label=one.disease_label,
        technology=one.technology,
        seed=seed,
        parameters_json=json.dumps(parameters),
        versions_json=json.dumps(versions),
        study_count=None,
        gene_count=len(
            np.union1d(pairs.keys["gene_a_key"].to_numpy(), pairs.keys["gene_b_key"].to_numpy())
        ),
        pairs_tested=len(pairs),
        started_at=started_at,
        ended_at=utc_now(),
    )
    _stage(
        warehouse,
        one,
        run,
        {"unsupervised_score": ranking.unsupervised_score, "new_rank_score": ranking.new_rank_score}
        | {"pair_key": pairs.keys["pair_key"].to_numpy()},
        [_value_rows(run, one, pairs, name, v) for name, v in ranking.models.items()],
    )
    reporter.step(
        None,
        "pairs_ranked",
        slice=str(one),
        pair_count=len(pairs),
        positive_count=len(ranking.positives),
        feature_run_id=run.feature_run_id,
        seconds=watch.seconds,
    )
    return len(pairs)


def find_positives(pairs: Pairs, one: Slice) -> tuple[np.ndarray, list[str]]:
    """The pairs that hold a gene of seed watch_list, and the genes of it that no pair holds.

    Raises UserError 54110 for fewer than LEAST_PAIRS pairs, and 54111 where no pair holds one of
    the genes.
    """
    if len(pairs) < LEAST_PAIRS:
        raise UserError(
            "RANK_TOO_FEW_PAIRS",
            f"{one} has {len(pairs)} pairs with a contrast",
            expected=f"{LEAST_PAIRS} or more",
        )
    is_positive = np.zeros(len(pairs), dtype=bool)
    missing = []
    for gene in read_seed("watch_list"):
        held = pairs.holding(gene["gene_id"])
        is_positive |= held
        if not held.any():
            missing.append(gene["gene_symbol"])
    if not is_positive.any() or is_positive.all():
        raise UserError(
            "RANK_WITHOUT_POSITIVES",
            f"{one}: {int(is_positive.sum())} of {len(pairs)} pairs hold a gene of seed watch_list",
            expected="some that do, and some that do not",
        )
    return is_positive, missing


def compute_ranking(
    pairs: Pairs,
    is_positive: np.ndarray,
    seed: int,
    weights: Mapping[str, float],
    one: Slice,
) -> Ranking:
    """Scores of the pairs of a slice.

    is_positive  pairs that the rank-SVM may learn from; it takes the POSITIVE_COUNT of least q_star

    Raises UserError 54112 where no feature varies.
    """
    more = derived(pairs.features)
    names, z = robust_z(oriented(pairs.features) | more)
    if not names:
        raise UserError("RANK_FEATURES_CONSTANT", f"{one}: all pairs have the same features")
    candidates = np.flatnonzero(is_positive)
    strongest = np.argsort(-more["neglog_q_star"][candidates], kind="stable")[:POSITIVE_COUNT]
    positives = candidates[strongest]
    # Sums of several threads differ with their number.
    with threadpool_limits(1):
        models = {
            "lof_score": local_outlier_factor(z, seed),
            "isolation_forest_score": isolation_forest(z, seed),
            "rank_svm_score": rank_svm(z, positives, np.flatnonzero(~is_positive), seed),
        }
    ranks = {name: percentile_rank(values) for name, values in models.items()}
    unsupervised = stacked(models)
    shares = {
        "evidence": np.minimum(more["neglog_q_star"] / EVIDENCE_MAX, 1.0),
        "unsupervised": tail_share(unsupervised),
        "consistency": pairs.features["consistency_score"],
        "power": pairs.features["power_score"],
    }
    # What a file of pair metrics does not give counts as nothing.
    blend = sum(weights[name] * np.nan_to_num(share) for name, share in shares.items())
    return Ranking(ranks, unsupervised, blend, positives)


def _stage(
    warehouse: Warehouse,
    one: Slice,
    run: FeatureRun | None,
    scores: Mapping[str, Any],
    values: list[pa.RecordBatch],
) -> None:
    """Put a run's rows in the place of those of earlier rankings of the slice; without a run, only
    remove these."""
    scope = {"disease_label": one.disease_label, "technology": one.technology}
    earlier = _earlier_runs(warehouse, one)
    with warehouse.load_features() as load:
        for feature_run_id in earlier:
            load.replace_rows(
                "feature_values", {"feature_run_id": feature_run_id}, _VALUES, iter(())
            )
        if run is None:
            load.replace_rows("pair_scores", scope, _SCORES, iter(()))
            return
        load.put_run(run)
        own = {"feature_run_id": run.feature_run_id}
        load.replace_rows("feature_values", own, _VALUES, iter(values))
        columns = own | scope | {"batch_id": one.batch_id} | scores
        load.replace_rows("pair_scores", scope, _SCORES, _batch(_SCORES, columns))


def _earlier_runs(warehouse: Warehouse, one: Slice) -> list[str]:
    query = "select feature_run_id, disease_label, technology from {meta}.meta_feature_run"
    rows = warehouse.read(f"{query} where kind = 'RANK'", {}).to_pylist()
    slice_of_run = (one.disease_label, one.technology)
    return [
        row["feature_run_id"]
        for row in rows
        if (row["disease_label"], row["technology"]) == slice_of_run
    ]


def _value_rows(
    run: FeatureRun, one: Slice, pairs: Pairs, name: str, values: np.ndarray
) -> pa.RecordBatch:
    columns = {
        "feature_run_id": run.feature_run_id,
        "batch_id": one.batch_id,
        "entity_scope": "GENE_PAIR",
        "entity_id_1": pairs.keys["gene_a_key"].to_numpy(),
        "entity_id_2": pairs.keys["gene_b_key"].to_numpy(),
        "feature_name": name,
        "feature_value": values,
    }
    return next(_batch(_VALUES, columns))


def _batch(schema: pa.Schema, columns: Mapping[str, Any]) -> Iterator[pa.RecordBatch]:
    """One batch; a text is the same in all of its rows."""
    count = max(len(v) for v in columns.values() if not isinstance(v, str))
    arrays = [
        pa.repeat(columns[field.name], count)
        if isinstance(columns[field.name], str)
        else pa.array(columns[field.name]).cast(field.type)
        for field in schema
    ]
    yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _digest(columns: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name, values in columns.items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
