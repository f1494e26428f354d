"""From a CSV of pair metrics to staged rows, in one transaction."""

from pathlib import Path

from expression_warehouse.core import signals
from expression_warehouse.core.diseases import require_disease
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.genes import GeneNames
from expression_warehouse.core.process_log import OpenWarehouse, ProcessLog
from expression_warehouse.core.reporting import Reporter, Stopwatch
from expression_warehouse.core.warehouse.pair_load import PairLoad, PairSource
from loader.pair_file.reader import PairFile


@signals.held()
def load_pairs(
    path: Path,
    disease: str,
    technology: str | None,
    organism: str | None,
    open_warehouse: OpenWarehouse,
    reporter: Reporter,
) -> bool:
    """Stage the file's rows; they replace those of earlier loads for the same pairs and slices.

    technology      for rows without one of their own
    organism        for rows without one of their own; None: that of the studies, else human
    open_warehouse  its argument takes what to tell the user while it waits

    Returns whether the rows are staged now, or were before. Raises Stopped if a signal came.
    """
    try:
        file = PairFile(path, disease, technology, organism)
        with open_warehouse(reporter.waiting) as warehouse:
            log = ProcessLog(warehouse, reporter.run_id)
            context = {"file_name": file.name, "file_hash": file.sha256, "disease": disease}
            with log.step("load-pairs", context) as step:
                require_disease(warehouse, disease)
                names = GeneNames(warehouse) if file.has_gene_names else None
                with warehouse.load_pairs() as load:
                    step.rows_written = _load(file, disease, names, load, reporter)
    except UserError as error:
        reporter.failed(None, error)
        return False
    return True


def _load(
    file: PairFile, disease: str, names: GeneNames | None, load: PairLoad, reporter: Reporter
) -> int:
    """Stage the file's rows; return how many.

    names  of the genes, if the file names them
    """
    watch = Stopwatch()
    if file.ignored:
        reporter.warned("columns_ignored", file=file.label, columns=", ".join(file.ignored))
    rows = file.batches(names or load.gene_keys(), load.organisms(disease))
    taken = load.take(file.schema, rows, PairSource(file.name, file.sha256))
    file.check_unchanged()
    if file.no_values:
        reporter.warned("rows_without_values", file=file.label, row_count=file.no_values)
    if conflict := load.find_conflict():
        first, second = conflict
        raise UserError(
            "VALIDATION_DUPLICATE_PAIRS",
            f"the pair is already on line {first}, with different values",
            file=file.label,
            line=second,
            expected="one line per pair, technology and organism, its genes in either order",
        )
    if repeated := load.remove_repeated():
        reporter.warned("rows_repeated", file=file.label, row_count=repeated)
    overrides, fact_rows = load.count_overrides()
    unranked = load.count_unranked()
    signals.check()
    staged = load.stage()
    if not staged.staged:
        reporter.step(None, "pairs_skipped", file=file.label, file_hash=file.sha256)
        return 0
    if overrides:
        reporter.warned(
            "rows_override", file=file.label, override_count=overrides, fact_row_count=fact_rows
        )
    if unranked:
        reporter.warned("rows_unranked", file=file.label, row_count=unranked)
    reporter.step(
        None,
        "pairs_staged",
        file=file.label,
        file_hash=file.sha256,
        disease=disease,
        row_count=taken - repeated,
        replaced_count=staged.replaced,
        metric_count=len(file.metric_names),
        seconds=watch.seconds,
    )
    return staged.staged
