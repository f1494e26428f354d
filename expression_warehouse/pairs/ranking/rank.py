"""From the features of a slice's pairs to their scores: `expression-warehouse pairs rank`."""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.listed import counted
from expression_warehouse.core.process_log import OpenWarehouse, ProcessLog, Step, recorded_step
from expression_warehouse.core.reporting import Reporter, Stopwatch
from expression_warehouse.core.warehouse.base import Warehouse
from expression_warehouse.core.warehouse.staging_load import FeatureRun
from expression_warehouse.pairs.ranking.ensemble import (
    isolation_forest,
    local_outlier_factor,
    percentile_rank,
    rank_svm,
    stacked,
    tail_share,
)
from expression_warehouse.pairs.ranking.feature_scale import derived, oriented, robust_z
from expression_warehouse.pairs.ranking.slice_pairs import (
    BuiltSlice,
    SlicePairs,
    read_built_slices,
    read_slice_pairs,
    read_watched_genes,
)
from expression_warehouse.pairs.run_record import RUN_COLUMNS, batches, feature_run
from expression_warehouse.pairs.settings import resolve_vars
from expression_warehouse.pairs.slices import SliceFilter

# With fewer pairs, outliers cannot be told from ordinary pairs.
LEAST_PAIRS = 50
# Most pairs of a watched gene are like any other; only the strongest are informative.
POSITIVE_COUNT = 20
# -log10 q_star is cut off here.
EVIDENCE_MAX = 10.0

# Errors that mean that a slice's pairs give no ranking; other errors are failures.
_NO_RANKING = ("RANK_TOO_FEW_PAIRS", "RANK_WITHOUT_POSITIVES", "RANK_FEATURES_CONSTANT")

_SHARES = ("evidence", "unsupervised", "consistency", "power")
_PACKAGES = ("expression-warehouse", "numpy", "scipy", "scikit-learn")

_SCORES = pa.schema(
    {
        **RUN_COLUMNS,
        "batch_id": pa.string(),
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
class Scores:
    """Numbers in [0, 1] per pair, 1 for the first.

    models     lof_score, isolation_forest_score, rank_svm_score
    positives  row numbers of the pairs that the rank-SVM learned from
    """

    models: dict[str, np.ndarray]
    unsupervised_score: np.ndarray
    new_rank_score: np.ndarray
    positives: np.ndarray


def rank_slices(
    wanted: SliceFilter,
    seed: int,
    variables: str | None,
    open_warehouse: OpenWarehouse,
    reporter: Reporter,
) -> bool:
    """Score the pairs of slices, and stage the scores for the next build.

    A slice whose pairs give no ranking is skipped: it loses the scores that it has, and the others
    are still ranked. If all slices are skipped, each is an error.

    variables  YAML text of --vars

    Returns whether a slice was ranked and none failed.
    """
    weights = rank_weights(resolve_vars(variables))
    step = Step("rank", {**wanted.context, "seed": seed})
    step.rows_written = 0
    skipped: list[UserError] = []
    failed: list[UserError] = []
    with recorded_step(step, open_warehouse, reporter):
        with open_warehouse(reporter.waiting) as warehouse:
            slices = read_built_slices(warehouse, wanted)
        for slice_ in slices:
            try:
                step.rows_written += _rank_slice(slice_, seed, weights, open_warehouse, reporter)
            except UserError as error:
                with open_warehouse(reporter.waiting) as warehouse:
                    ProcessLog(warehouse, reporter.run_id).finding(None, None, error)
                (skipped if error.name in _NO_RANKING else failed).append(error)
        if not step.rows_written:
            skipped, failed = [], skipped + failed
        for reason in skipped:
            reporter.warned("slice_skipped", error_code=reason.code, error=str(reason))
        for reason in failed:
            reporter.failed(None, reason)
        step.error = next(iter(failed), None)
    return step.error is None


def rank_weights(variables: Mapping[str, Any]) -> dict[str, float]:
    """var rank_weights, scaled to a sum of 1.

    Raises UserError 54030 if they are not weights of the four shares.
    """
    given = variables.get("rank_weights")
    if not (
        isinstance(given, dict)
        and set(given) == set(_SHARES)
        and all(isinstance(w, int | float) and 0 <= w < float("inf") for w in given.values())
        and sum(given.values()) > 0
    ):
        raise UserError(
            "CONFIG_INVALID",
            f"var rank_weights is {given}",
            expected=f"a number ≥ 0 for each of {', '.join(_SHARES)}, at least one above 0",
            action="Correct rank_weights in dbt_project.yml or --vars",
        )
    return {share: given[share] / sum(given.values()) for share in _SHARES}


def _rank_slice(
    slice_: BuiltSlice,
    seed: int,
    weights: Mapping[str, float],
    open_warehouse: OpenWarehouse,
    reporter: Reporter,
) -> int:
    """Rank one slice; return how many pairs. The warehouse is open only to be read and written.

    Raises UserError if it cannot be ranked; its staged scores are removed then.
    """
    watch, started_at = Stopwatch(), utc_now()
    with open_warehouse(reporter.waiting) as warehouse:
        # Its pairs as they are now: a build may have replaced them.
        (slice_,) = read_built_slices(warehouse, SliceFilter(*slice_.scope.values()))
        if not slice_.is_current:
            reporter.warned("slice_not_built", slice=str(slice_))
        pairs = read_slice_pairs(warehouse, slice_)
        watched = read_watched_genes(warehouse, slice_)
    try:
        positives, missing = find_positives(pairs, slice_, watched)
        if missing:
            reporter.step(
                None,
                "positives_missing",
                slice=str(slice_),
                missing_count=len(missing),
                watched_count=len(watched),
                genes=", ".join(missing),
            )
        scores = compute_scores(pairs, positives, seed, weights, slice_)
    except UserError:
        with open_warehouse(reporter.waiting) as warehouse:
            _stage(warehouse, slice_)
        raise
    genes = (pairs.keys[side].to_numpy() for side in ("gene_a_key", "gene_b_key"))
    run = feature_run(
        "RANK",
        slice_,
        parameters={
            "batch_id": slice_.batch_id,
            "weights": weights,
            "positive_pair_keys": pairs.keys["pair_key"].to_numpy()[scores.positives].tolist(),
            "features_sha256": _digest(pairs.features | pairs.deciding),
        },
        gene_count=len(np.union1d(*genes)),
        pairs_tested=len(pairs),
        started_at=started_at,
        seed=seed,
        packages=_PACKAGES,
    )
    with open_warehouse(reporter.waiting) as warehouse:
        _stage(warehouse, slice_, run, *_rows(slice_, run, pairs, scores))
    reporter.step(
        None,
        "pairs_ranked",
        slice=str(slice_),
        pair_count=len(pairs),
        positive_count=len(scores.positives),
        feature_run_id=run.feature_run_id,
        seconds=watch.seconds,
    )
    return len(pairs)


def find_positives(
    pairs: SlicePairs, slice_: BuiltSlice, watched: Mapping[str, Sequence[str]]
) -> tuple[np.ndarray, list[str]]:
    """(pairs,) whether a pair holds a watched gene, and the names of those that no pair holds.

    watched  name → ids of the gene

    Raises UserError 54110 for fewer than LEAST_PAIRS pairs, and 54111 if no pair, or every pair,
    holds a watched gene.
    """
    if len(pairs) < LEAST_PAIRS:
        raise UserError(
            "RANK_TOO_FEW_PAIRS",
            f"{slice_} has {counted(len(pairs), 'pair')} with a contrast that enough studies have "
            "(k_min)",
            expected=f"{LEAST_PAIRS} or more",
        )
    is_positive = np.zeros(len(pairs), dtype=bool)
    missing = []
    for name, gene_ids in watched.items():
        held = pairs.holding(gene_ids)
        is_positive |= held
        if not held.any():
            missing.append(name)
    if not is_positive.any() or is_positive.all():
        raise UserError(
            "RANK_WITHOUT_POSITIVES",
            f"{slice_}: {is_positive.sum()} of {len(pairs)} pairs hold a gene of "
            f"{slice_.disease_label} in seed watch_list ({counted(len(watched), 'gene')})",
            expected="some pairs that do, and some that do not",
        )
    return is_positive, missing


def compute_scores(
    pairs: SlicePairs,
    is_positive: np.ndarray,
    seed: int,
    weights: Mapping[str, float],
    slice_: BuiltSlice,
) -> Scores:
    """Scores of the pairs of a slice.

    is_positive  (pairs,): whether the rank-SVM may learn from the pair; it takes the POSITIVE_COUNT
                 with the smallest q_star

    Raises UserError 54112 if no feature varies.
    """
    more = derived(pairs.deciding)
    names, z = robust_z(oriented(pairs.features) | more)
    if not names:
        raise UserError("RANK_FEATURES_CONSTANT", f"{slice_}: all pairs have the same features")
    candidates = np.flatnonzero(is_positive)
    strongest = np.argsort(-more["neglog_q_star"][candidates], kind="stable")[:POSITIVE_COUNT]
    positives = candidates[strongest]
    # The sum of several threads depends on how many there are.
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
    # Pair metrics from a file may lack a share; a missing share counts as 0.
    blend = sum(weights[name] * np.nan_to_num(share) for name, share in shares.items())
    return Scores(ranks, unsupervised, blend, positives)


def _stage(
    warehouse: Warehouse,
    slice_: BuiltSlice,
    run: FeatureRun | None = None,
    scores: Iterable[pa.RecordBatch] = (),
    values: Iterable[pa.RecordBatch] = (),
) -> None:
    """Replace the rows of earlier rankings of the slice; without a run, only remove them."""
    earlier = warehouse.read(_EARLIER_RUNS, slice_.scope)["feature_run_id"].to_pylist()
    with warehouse.load_staging() as load:
        for feature_run_id in earlier:
            scope = {"feature_run_id": feature_run_id}
            load.replace_rows("feature_values", scope, _VALUES, iter(()))
        if run:
            load.put_run(run)
            scope = {"feature_run_id": run.feature_run_id}
            load.replace_rows("feature_values", scope, _VALUES, iter(values))
        load.replace_rows("pair_scores", slice_.scope, _SCORES, iter(scores))


def _rows(
    slice_: BuiltSlice, run: FeatureRun, pairs: SlicePairs, scores: Scores
) -> tuple[Iterator[pa.RecordBatch], Iterator[pa.RecordBatch]]:
    """Rows of _SCORES, and of _VALUES: one per pair and model."""
    constants = {"feature_run_id": run.feature_run_id, "batch_id": slice_.batch_id}
    of_pairs = {
        **constants,
        **slice_.scope,
        "pair_key": pairs.keys["pair_key"].to_numpy(),
        "unsupervised_score": scores.unsupervised_score,
        "new_rank_score": scores.new_rank_score,
    }
    of_values = {
        **constants,
        "entity_scope": "GENE_PAIR",
        "entity_id_1": pairs.keys["gene_a_key"].to_numpy(),
        "entity_id_2": pairs.keys["gene_b_key"].to_numpy(),
    }
    values = (
        batches(_VALUES, {**of_values, "feature_name": name, "feature_value": of_model})
        for name, of_model in scores.models.items()
    )
    return batches(_SCORES, of_pairs), itertools.chain.from_iterable(values)


_EARLIER_RUNS = """
    select feature_run_id
    from {meta}.meta_feature_run
    where
        kind = 'RANK'
        and disease_label = $disease_label
        and technology = $technology
        and organism = $organism
"""


def _digest(columns: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name, values in columns.items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
