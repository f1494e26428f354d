"""Reports for people: lines of text, and progress bars on a terminal."""

import string
import sys
from typing import Any, ClassVar

import rich.console
import rich.progress

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.listed import counted
from expression_warehouse.core.reporting import Reporter


class _Sentence(string.Formatter):
    """As str.format; `{row_count:n row}` is a count and what is counted: 1 row, 2 rows."""

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec.startswith("n "):
            return counted(value, format_spec.removeprefix("n "))
        return str(super().format_field(value, format_spec))


class TextReporter(Reporter):
    """A line per step on standard output; warnings and errors on standard error.

    Streams that are the terminal share one console with the progress bars: a second one would
    write between the bars, and their next refresh would erase what it wrote.
    """

    _SENTENCES: ClassVar = {
        "staged": "staged {row_count:n value}: {gene_count:n gene} × {sample_count:n sample}, "
        "{null_count:,} missing, unit {unit_tag}, gene ids {gene_id_form}, file {layout}, "
        "{seconds:.1f} s",
        "restaged": "staged again with new metadata or configuration, unit {unit_tag}",
        "skipped": "staged already (status {status})",
        "reviews_taken": "took {review_count:n review} into analytics.llm_reviews",
        "diseases_staged": "staged the diseases of pipeline.yaml: {diseases}",
        "ingest_ended": "{summary}; {next}",
        "doubted": "{study_accession} {error}",
        "passed_over": "{error}",
        "superseded": "{study_accession}: another load of the study is used, batch {current:.12}, "
        "because its download is newer, or equally new and staged later",
        "studies_unknown": "{file} configures studies that are neither in these downloads nor in "
        "the warehouse: {studies}",
        "found": "{study_accession_code} {validation_code}: {subject}: {finding} "
        "({finding_count:,} in all)",
        "findings": "{validation_code}: {finding_count:,} in {studies}",
        "node_failed": "{node}: {message}",
        "retrying": "attempt {attempt} failed, the next one starts in {seconds} s: {reason}",
        "built": "built in {seconds:.1f} s ({attempts:n attempt}): {failed_count:n node} failed, "
        "{warned_count:n test} with warnings",
        "unchanged": "nothing is new since the last build, {seconds:.1f} s",
        "run_ended": "{summary}; {next}",
        "quarantined": "{study_accession}: quarantined; its rows stay in staging until you act",
        "pairs_staged": "{file}: staged {row_count:n pair} of {disease}, of which "
        "{replaced_count:,} in place of an earlier load's, {seconds:.1f} s; dbt build brings the "
        "load into the fact",
        "pairs_skipped": "{file}: staged already",
        "columns_ignored": "{file}: ignored columns, which are no metrics: {columns}",
        "rows_repeated": "{file}: left out {row_count:n row} as a repetition of another one",
        "rows_without_values": "{file}: left out {row_count:n pair} without a value",
        "rows_override": "{file}: {override_count:n pair} with csv_override = 1, in place of what "
        "the studies give; the fact has {fact_row_count:n such row} now",
        "rows_unranked": "{file}: {row_count:n pair} without a q (q_ss), an I2 (dz_ss_i2) or a "
        "number of studies (n_studies_ss): will be in the fact, but not in the ranked views",
        "archive_purged": "{verb} {folder_count:n archived study} older than {days:n day}",
        "logs_purged": "{verb} {folder_count:n day} of logs older than {days:n day}",
        "staging_purged": "{verb} {row_count:n staged row} older than {days:n day}; batches "
        "purged: {purged_count:,}, removed from the register: {removed_count:,}",
        "db_logs_purged": "{verb} {step_count:n step} and {finding_count:n finding} older than "
        "{days:n day} from the logs of the warehouse",
        "backed_up": "{backup}: {megabytes:,} MB, {row_count:n row}, every block verified, "
        "{seconds:.1f} s",
        "backed_up_by_server": "the server wrote and verified {backup}, {seconds:.1f} s",
        "backup_removed": "removed {backup}",
        "restored": "{file}: restored from {backup}, {row_count:n row}, {seconds:.1f} s; the "
        "earlier file: {kept}",
        "compacted": "{file}: {megabytes:,} MB, {megabytes_before:,} MB before, {seconds:.1f} s",
        "rebuilt": "{file}: rebuilt {batch_count:n batch} from {archive}, {seconds:.1f} s; the "
        "earlier file: {kept}",
        "screened": "{slice}: {pair_count:n pair} of {gene_count:n gene} in "
        "{study_count:n study}: {contrasts}; {kept_count:,} kept, {significant_count:,} "
        "of them with q ≤ 0.05, {seconds:.1f} s; dbt build computes all their metrics",
        "calibrated": "{slice}: {null_hypothesis}: the default test found pairs in {draws_found:,} "
        "of {draws:n draw}; p < 0.05 in {share_p05:.1%} of pairs",
        "calibrated_level": "{slice}: {null_hypothesis}: p < 0.05 in {share_p05:.1%} of pairs by "
        "the default test",
        "calibrated_power": "{slice}: {null_hypothesis}: the default test found {power:.1%} of "
        "pairs whose Fisher z differs by {effect}",
        "correlated": "{cohort}: {found_count:,} of {pair_count:n pair} of {gene_count:n gene} "
        "have q ≤ {fdr}, in {file}, {seconds:.1f} s",
        "published": "{file}: {row_count:n significant pair} of {disease}",
        "nothing_significant": "no pair of {disease} is significant by the default settings: what "
        "is published has no rows; analytics.vw_pair_metrics_ranked with q = 1 shows what comes "
        "nearest",
        "publish_skipped": "{file}: already has the {row_count:n significant pair} of {disease}",
        "positives_missing": "{slice}: watched genes without a pair: {missing_count} of "
        "{watched_count}; the ranking learns from the others",
        "slice_not_built": "{slice}: the next dbt build computes its pairs anew and drops these "
        "scores, since a screen, a file of pairs or a study is not built yet: run dbt build first, "
        "then pairs rank again",
        "slice_skipped": "skipped a slice: {error}",
        "permutation_p_left_out": "{error}",
        "pairs_ranked": "{slice}: ranked {pair_count:n pair}, {positive_count} of the watch list "
        "as examples, {seconds:.1f} s; dbt build brings the scores into the fact",
        "studies_not_built": "what is published lacks changes of {studies}, since no dbt build has "
        "applied them; to publish them too, run dbt build and publish again",
        "slices_not_built": "what is published lacks the screen or file of pairs of {slices}, "
        "since no dbt build has applied it; to publish it too, run dbt build and publish again",
        "snapshot_published": "published snapshot {version}: {megabytes:,} MB in {seconds:.1f} s",
        "report_written": "{file}: {megabytes:,.1f} MB, data of {version}",
        "serving": "serving {url} until Ctrl-C",
        "annotation_downloaded": "{file}: downloaded {megabytes:,.1f} MB, {seconds:.1f} s",
        "annotation_loaded": "{bulk_file}: loaded {value_count:n value} of {gene_count:n gene} "
        "from {file}, {seconds:.1f} s",
        "annotation_unchanged": "{bulk_file}: {file} is loaded already",
        "annotation_absent": "not updated, because there is no file: {files}",
        "annotation_snapshot": "{file}: core values of {gene_count:n gene} by source, from "
        "{file_count:n file}, {seconds:.1f} s",
        "annotation_updated": "gene annotation: {loaded_count:n file} loaded, {unchanged_count} "
        "unchanged, {failed_count} failed, {seconds:.1f} s; {next}",
        "features_exported": "{file}: {row_count:n row}, {seconds:.1f} s",
    }

    def __init__(self, run_id: str | None = None) -> None:
        super().__init__(run_id)
        terminal = _console(stderr=not sys.stdout.isatty())
        self._out = terminal if sys.stdout.isatty() else _console(stderr=False)
        self._err = terminal if sys.stderr.isatty() else _console(stderr=True)
        self._bars = rich.progress.Progress(
            rich.progress.TextColumn("{task.description:<12}"),
            rich.progress.BarColumn(),
            rich.progress.TextColumn("{task.completed:,.0f} {task.fields[unit]}"),
            rich.progress.TimeElapsedColumn(),
            rich.progress.TimeRemainingColumn(),
            console=terminal,
            transient=True,
            disable=not terminal.is_terminal,
        )
        self._bars.start()

    def step(self, study: str | None, step: str, **fields: Any) -> None:
        if sentence := self._SENTENCES.get(step):
            subject = f"{study:<12} " if study else ""
            self._print(self._out, f"{subject}{_Sentence().format(sentence, **fields)}")

    def warned(self, step: str, **fields: Any) -> None:
        self._print(self._err, _Sentence().format(self._SENTENCES[step], **fields), "yellow")

    def failed(self, study: str | None, error: UserError) -> None:
        self._print(self._err, f"{study or ''} {error}".strip(), "red")

    def waiting(self, what: str) -> None:
        self._print(self._err, what)

    def stopped(self, reason: str, outcome: str) -> None:
        self._print(self._err, f"{reason}; {outcome}")

    def _print(self, console: rich.console.Console, text: str, style: str | None = None) -> None:
        # rich looks how many lines the bars have, and only then moves up by them. If a refresh took
        # a bar away in between, it would write over the last line of text.
        with self._bars.live._lock:
            console.print(text, style=style, markup=False)

    def begin(self, what: str, unit: str, total: int | None = None) -> rich.progress.TaskID:
        return self._bars.add_task(what, total=total, unit=unit)

    def advance(self, task: rich.progress.TaskID, count: int) -> None:
        self._bars.advance(task, count)

    def end(self, task: rich.progress.TaskID) -> None:
        self._bars.remove_task(task)

    def close(self) -> None:
        self._bars.stop()


def _console(stderr: bool) -> rich.console.Console:
    return rich.console.Console(stderr=stderr, highlight=False, soft_wrap=True)
