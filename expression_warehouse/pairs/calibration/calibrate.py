"""How often the tests err on the studies of a slice: `expression-warehouse pairs calibrate`."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import open_atomically
from expression_warehouse.core.process_log import OpenWarehouse
from expression_warehouse.core.reporting import Reporter, Stopwatch
from expression_warehouse.core.warehouse.base import Warehouse
from expression_warehouse.core.warehouse.staging_load import FeatureRun
from expression_warehouse.pairs.calibration.measure import (
    Progress,
    measure,
    planted_null,
    total_draws,
)
from expression_warehouse.pairs.calibration.nulls import EFFECTS, SliceData
from expression_warehouse.pairs.calibration.outcome import FIELDS, rows_of
from expression_warehouse.pairs.contrasts import Design, read_design
from expression_warehouse.pairs.expression import StudyMatrix, read_studies
from expression_warehouse.pairs.run_record import RUN_COLUMNS, feature_run
from expression_warehouse.pairs.slices import (
    SliceFilter,
    SliceStudies,
    compute_slices,
    testable_contrasts,
)

# Columns of staging.calibration.
SCHEMA = pa.schema(
    {
        **RUN_COLUMNS,
        "studies_hash": pa.string(),
        "null_hypothesis": pa.string(),
        "planted_effect": pa.float64(),
        "test": pa.string(),
        "draws": pa.int32(),
        "pairs_tested": pa.float64(),
        "share_p05": pa.float64(),
        "share_p05_error": pa.float64(),
        "share_p001": pa.float64(),
        "share_p001_error": pa.float64(),
        "draws_found": pa.int32(),
        "mean_found": pa.float64(),
        "power": pa.float64(),
        "power_error": pa.float64(),
    }
)


# Below eight studies there are too few patterns of signs to count draws that find something.
_FEWEST_PATTERNS = 2 ** (8 - 1) - 1
_UNSAID = {"draws_found": None, "mean_found": None}


@dataclass(frozen=True)
class CalibrateOptions:
    """What the user asks for.

    contrast  the only one to test; None tests all
    work      folder for the file that an interrupted calibration is resumed from
    output    folder for Parquet files; None writes no files
    """

    contrast: str | None
    draws: int
    seed: int
    work: Path
    output: Path | None


def calibrate(
    wanted: SliceFilter,
    options: CalibrateOptions,
    open_warehouse: OpenWarehouse,
    reporter: Reporter,
) -> None:
    """Calibrate slices on their candidate pairs; as `compute_slices`."""
    compute_slices(
        "calibrate",
        wanted,
        options.work,
        lambda members: _calibrate_slice(members, options, open_warehouse, reporter),
        open_warehouse,
        reporter,
    )


def _calibrate_slice(
    members: SliceStudies,
    options: CalibrateOptions,
    open_warehouse: OpenWarehouse,
    reporter: Reporter,
) -> int:
    """Calibrate one slice and stage the result; return how many rows."""
    watch, started = Stopwatch(), utc_now()
    with open_warehouse(reporter.waiting) as warehouse:
        data, keys, are_screened = read_slice(warehouse, members, options.contrast, reporter)
    folder = options.work / members.slice.file_name
    folder.mkdir(parents=True, exist_ok=True)
    task = reporter.begin(str(members.slice), "draws", total_draws(data, options.draws))
    progress = measure(
        data,
        options.draws,
        options.seed,
        folder / "progress.npz",
        lambda done: reporter.advance(task, done),
    )
    reporter.end(task)
    run = feature_run(
        "CALIBRATE",
        members.slice,
        parameters={**members.parameters(data.design), "draws": options.draws},
        study_count=len(members.studies),
        gene_count=len(data.matrices[0].values),
        pairs_tested=len(data.a),
        started_at=started,
        seed=options.seed,
    )
    table = result_table(data.design, progress, members, run)
    with open_warehouse(reporter.waiting) as warehouse, warehouse.load_staging() as load:
        load.put_run(run)
        rows = load.replace_rows(
            "calibration", members.slice.scope, SCHEMA, iter(table.to_batches())
        )
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        _write_file(options.output / f"calibration-{members.slice.file_name}.parquet", table)
        path = options.output / f"permutation_p-{members.slice.file_name}.parquet"
        if are_screened:
            _leave_out_permutations(path, members, reporter)
        else:
            _write_file(path, permutation_table(progress, keys))
    shutil.rmtree(folder)
    _report(members, table, run, watch.seconds, reporter)
    return rows


def read_slice(
    warehouse: Warehouse, members: SliceStudies, contrast: str | None, reporter: Reporter
) -> tuple[SliceData, np.ndarray, bool]:
    """What a slice is calibrated with. Also of its candidate pairs: the keys of their genes,
    (2, pairs), and whether a screen chose them, by the labels that a calibration permutes.

    Raises UserError 54400 if no pair or no contrast can be tested, and 54030 if the disease lacks
    the contrast.
    """
    slice_, settings = members.slice, members.settings
    candidates = warehouse.read(_PAIRS, slice_.scope)
    if not candidates.num_rows:
        raise UserError(
            "PAIRS_NOTHING_TO_TEST",
            f"{slice_} has no candidate pairs",
            action="Run dbt build, which chooses them",
        )
    keys = np.array([candidates[side].to_numpy() for side in ("gene_a_key", "gene_b_key")])
    genes = np.unique(keys)
    matrices = tuple(read_studies(warehouse, members, genes, reporter))
    design = _design(read_design(warehouse, slice_.disease_label), members, contrast, matrices)
    a, b = np.searchsorted(genes, keys)
    are_screened = "screen" in candidates["pair_source"].unique().to_pylist()
    return SliceData(matrices, a, b, design, settings), keys, are_screened


def _design(
    design: Design, members: SliceStudies, contrast: str | None, matrices: tuple[StudyMatrix, ...]
) -> Design:
    """The contrasts that enough studies have, or of these the one that is asked for."""
    if contrast is not None:
        chosen = tuple(each for each in design.contrasts if each.name == contrast)
        if not chosen:
            raise UserError(
                "CONFIG_INVALID",
                f"{members.slice.disease_label} has no contrast {contrast!r}",
                expected=f"one of {', '.join(each.name for each in design.contrasts)}",
            )
        design = Design(chosen)
    return testable_contrasts(design, members, [matrix.labels for matrix in matrices])


def result_table(
    design: Design, progress: Progress, members: SliceStudies, run: FeatureRun
) -> pa.Table:
    """Rows of SCHEMA: of each null hypothesis and test, how often it rejected."""
    effect_of = {planted_null(effect): effect for effect in EFFECTS}
    rows = []
    for null, outcomes in progress.outcomes.items():
        own = {
            **members.constants(run),
            "null_hypothesis": "PLANTED" if null in effect_of else null,
            "planted_effect": effect_of.get(null),
        }
        unsaid = _UNSAID if null == "SIGNS" and len(outcomes) < _FEWEST_PATTERNS else {}
        counts = np.array(outcomes, float).transpose(1, 2, 0)
        for test, of_test in zip(rows_of(design), counts, strict=True):
            measured = dict(zip(FIELDS, of_test, strict=True))
            measures = _measures(measured, has_p=not test.startswith("view_"))
            rows.append({**own, "test": test, **measures, **unsaid})
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _measures(counts: dict[str, np.ndarray], has_p: bool) -> dict[str, Any]:
    """The columns of SCHEMA from the counts of each draw."""
    tested = counts["tested"]
    power, power_error = _share(counts["planted_found"], counts["planted"])
    measures = {
        "draws": len(tested),
        "pairs_tested": tested.mean(),
        "draws_found": int(np.count_nonzero(counts["found"])),
        "mean_found": counts["found"].mean(),
        "power": power,
        "power_error": power_error,
    }
    for level in ("05", "001") if has_p else ():
        share, error = _share(counts[f"below_{level}"], tested)
        measures |= {f"share_p{level}": share, f"share_p{level}_error": error}
    return measures


def _share(part: np.ndarray, whole: np.ndarray) -> tuple[float | None, float | None]:
    """Mean over the draws of part / whole, and its Monte Carlo error; None if no draw has any.

    Pairs of one draw depend on one another, draws do not: the error is that of a mean of draws.
    """
    shares = part[whole > 0] / whole[whole > 0]
    mean = float(shares.mean()) if len(shares) else None
    error = float(shares.std(ddof=1) / np.sqrt(len(shares))) if len(shares) > 1 else None
    return mean, error


def permutation_table(progress: Progress, keys: np.ndarray) -> pa.Table:
    """p by permutation of labels: of each candidate pair by itself, and over all pairs.

    permutation_p  share of the draws in which the pair's p was as small as it is, the studies as
                   they are counted as one draw (Phipson & Smyth 2010)
    familywise_p   share of the draws in which any pair's p was as small (Westfall & Young 1993,
                   single-step min-P)
    """
    draws = len(progress.least_p)
    as_small = np.searchsorted(np.sort(progress.least_p), progress.observed, side="right")
    familywise = (1 + as_small) / (1 + draws)
    return pa.table(
        {
            "gene_a_key": pa.array(keys[0], pa.int32()),
            "gene_b_key": pa.array(keys[1], pa.int32()),
            "p": progress.observed,
            "permutation_p": (1 + progress.at_least) / (1 + draws),
            "familywise_p": np.where(np.isnan(progress.observed), np.nan, familywise),
        }
    )


def _write_file(path: Path, table: pa.Table) -> None:
    with open_atomically(path) as file:
        pq.write_table(table, file)


def _leave_out_permutations(path: Path, members: SliceStudies, reporter: Reporter) -> None:
    """Warn, and delete the file of an earlier calibration. p by permutation would be too small: the
    pairs were chosen by the labels as they are, and not again in each draw."""
    path.unlink(missing_ok=True)
    error = UserError(
        "PERMUTATION_P_OF_SCREEN",
        f"{members.slice}: a screen chose the candidate pairs; their permutation p is left out",
    )
    reporter.warned("permutation_p_left_out", error_code=error.code, error=str(error))


def _report(
    members: SliceStudies, table: pa.Table, run: FeatureRun, seconds: float, reporter: Reporter
) -> None:
    """Say what the default test found, under each null hypothesis."""
    rows = {
        (row["null_hypothesis"], row["planted_effect"], row["test"]): row
        for row in table.to_pylist()
    }
    for (null, effect, test), row in rows.items():
        if test != "view_hk":
            continue
        if null == "PLANTED":
            sentence = "calibrated_power"
        else:
            sentence = "calibrated" if row["draws_found"] is not None else "calibrated_level"
        reporter.step(
            None,
            sentence,
            slice=str(members.slice),
            feature_run=run.feature_run_id,
            null_hypothesis=null,
            effect=effect,
            draws=row["draws"],
            draws_found=row["draws_found"],
            share_p05=rows[null, effect, "pair"]["share_p05"],
            power=row["power"],
            seconds=seconds,
        )


_PAIRS = """
    select t.gene_a_key, t.gene_b_key, t.pair_source
    from {analytics}.tbl_gene_pairs_materialized as t
    inner join {dim}.dim_disease as d on t.disease_key = d.disease_key
    where
        d.disease_label = $disease_label
        and t.technology = $technology
        and t.organism = $organism
    order by t.gene_a_key, t.gene_b_key
"""
