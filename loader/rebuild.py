"""Makes a warehouse anew from the archive: decisions, then archived studies, then dbt build.

Fact rows come from the archived files; the keys are those of the decisions. Downloads of a study
that replaced each other are built one after the other, as they were.
"""

import contextlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import yaml
from dbt.config.profile import read_profile as read_profiles_file

from expression_warehouse.core import signals
from expression_warehouse.core.config import PipelineConfig, StudyConfig
from expression_warehouse.core.dbt_command import environment
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import named_os_errors, unfinished_folder
from expression_warehouse.core.listed import counted
from expression_warehouse.core.reporting import Reporter, Stopwatch
from expression_warehouse.core.warehouse.duckdb_file import (
    copy_file,
    put_in_place,
    require_sound,
    run,
    sole_access,
)
from expression_warehouse.core.warehouse.macros import project_macros
from expression_warehouse.core.warehouse.matrix_rows import MatrixFile, MatrixSummary
from expression_warehouse.core.warehouse.profile import PROFILE, profiles_dir, read_profile
from expression_warehouse.core.warehouse.study_load import BatchKey
from expression_warehouse.core.warehouse.target import open_warehouse
from loader.build import build
from loader.decisions import FILE
from loader.restore import keep_beside
from loader.source.archive import archived_text, batch_folder, check_unchanged
from loader.source.metadata import StudyMetadata
from loader.source.study import StudySource
from loader.target_file import target_file

_Batch = dict[str, Any]


@signals.held()
def rebuild(config: PipelineConfig, target: str | None, reporter: Reporter) -> bool:
    """Make the warehouse anew in a new file and rename that over the warehouse in one step. The
    file that was there stays beside it (`keep_beside`).

    Returns whether it is done. Raises Stopped if a signal came.
    """
    watch = Stopwatch()
    try:
        warehouse = target_file(target)
        archive = config.folder("archive")
        if archive is None or not (archive / FILE).is_file():
            raise _incomplete(f"there is no file {FILE}", archive)
        with (
            sole_access(warehouse, reporter.waiting),
            unfinished_folder(warehouse.parent) as unfinished,
        ):
            new = unfinished / warehouse.name
            copy_file(archive / FILE, new)
            with _profile_of(new, target):
                count = _Rebuild(new, archive, config, target, reporter).make()
            require_sound(new)
            kept = keep_beside(warehouse)
            put_in_place(new, warehouse)
    except UserError as error:
        reporter.failed(None, error)
        return False
    reporter.step(
        None,
        "rebuilt",
        file=str(warehouse),
        archive=str(archive),
        batch_count=count,
        kept=str(kept or "none"),
        seconds=watch.seconds,
    )
    return True


class _Rebuild:
    """A rebuild in a file that holds the decisions so far.

    target  of the profile, whose path is that file
    """

    def __init__(
        self,
        path: Path,
        archive: Path,
        config: PipelineConfig,
        target: str | None,
        reporter: Reporter,
    ) -> None:
        self._path = path
        self._archive = archive
        self._config = config
        self._target = target
        self._reporter = reporter
        self._staging = project_macros("duckdb").schema_name("staging")

    def make(self) -> int:
        """Returns the number of batches. Raises UserError 54703 if one is not archived, 4011 if a
        build fails."""
        batches = self._take_register()
        self._require_archived(batches)
        for generation in _generations(batches):
            for batch in generation:
                signals.check()
                self._stage(batch)
            self._build()
        return len(batches)

    def _take_register(self) -> list[_Batch]:
        """The rows of the register, which is empty then. A quarantined batch that was not archived,
        because it broke a rule when it was staged, is left out: an ingest takes it in again."""
        with contextlib.closing(duckdb.connect(str(self._path))) as connection:
            rows = run(
                connection,
                self._path,
                f"select b.*, m.metadata_json from {self._staging}.batch as b"
                f" inner join {self._staging}.study_metadata as m on b.batch_id = m.batch_id"
                " order by b.staged_at, b.batch_id",
            )
            names = [column[0] for column in rows.description]
            batches = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
            run(connection, self._path, f"delete from {self._staging}.batch")
            run(connection, self._path, f"delete from {self._staging}.study_metadata")
        return [
            batch
            for batch in batches
            if batch["status"] != "QUARANTINED" or self._folder(batch).is_dir()
        ]

    def _folder(self, batch: _Batch) -> Path:
        return batch_folder(self._archive, batch["study_accession_code"], batch["batch_id"])

    def _require_archived(self, batches: list[_Batch]) -> None:
        absent = [self._folder(batch) for batch in batches if not self._folder(batch).is_dir()]
        if absent:
            listed = ", ".join(f"{path.parent.name} {path.name:.12}" for path in absent)
            raise _incomplete(
                f"the archive lacks {counted(len(absent), 'batch')}: {listed}", self._archive
            )

    def _stage(self, batch: _Batch) -> None:
        """Stage the rows of the archived file, and register the batch as it was staged."""
        accession, folder = batch["study_accession_code"], self._folder(batch)
        text = archived_text(folder, accession, batch["file_name"])
        settings = json.loads(batch["config_snapshot"])
        known = {key: value for key, value in settings.items() if key in StudyConfig.model_fields}
        metadata = StudyMetadata(accession, **json.loads(batch["metadata_json"]))
        source = StudySource(accession, str(folder), lambda _: metadata, lambda _: text)
        # Valid when it was staged; pipeline.yaml can have lost a disease since.
        _, matrix, _ = source.read(StudyConfig.model_construct(**known))
        file = MatrixFile(batch["file_name"], batch["file_hash"], batch["file_size"])
        key = BatchKey(batch["batch_id"], accession, file)
        summary = MatrixSummary(sample_count=len(matrix.samples))
        rows = matrix.melt(self._config.defaults.chunk_size, summary)
        with (
            open_warehouse(self._target, self._reporter.waiting) as warehouse,
            warehouse.load_study() as load,
        ):
            written = load.insert_rows(key, rows)
            check_unchanged(matrix.sha256, file.sha256, matrix.label)
            load.put_metadata(key, batch["metadata_json"])
            load.put_symbol_hints(batch["batch_id"], matrix.symbol_hints.table())
        if written != batch["row_count"]:
            raise UserError(
                "LOAD_RECONCILIATION_FAILED",
                f"staged {counted(batch['row_count'], 'row')}, archived {written:,}",
                file=matrix.label,
            )
        self._put(batch)

    def _put(self, batch: _Batch) -> None:
        row = {**batch, "status": "STAGED", "loaded_at": None, "quarantine_reason": None}
        del row["metadata_json"]
        columns, values = ", ".join(row), ", ".join("?" for _ in row)
        with contextlib.closing(duckdb.connect(str(self._path))) as connection:
            statement = f"insert into {self._staging}.batch ({columns}) values ({values})"
            run(connection, self._path, statement, list(row.values()))

    def _build(self) -> None:
        def wait_until_free() -> None:
            open_warehouse(self._target, self._reporter.waiting).close()

        result = build([], self._target, wait_until_free, self._reporter)
        if result.failed:
            node, message = next(iter(result.failed.items()))
            raise UserError("BUILD_FAILED", f"{len(result.failed)} failed, first {node}: {message}")


def _generations(batches: list[_Batch]) -> Iterator[list[_Batch]]:
    """First the first download of each study that was loaded, then the second …; downloads that no
    build has loaded come last."""
    loaded: Mapping[str, list[_Batch]] = defaultdict(list)
    for batch in sorted(batches, key=lambda each: str(each["loaded_at"] or "~")):
        loaded[batch["study_accession_code"]].append(batch)
    for number in range(max(map(len, loaded.values()), default=0)):
        yield [of_study[number] for of_study in loaded.values() if number < len(of_study)]


@contextlib.contextmanager
def _profile_of(path: Path, target: str | None) -> Iterator[None]:
    """Within the block, the target of the dbt profile is another file."""
    profile = read_profile(target)
    profiles = read_profiles_file(str(profiles_dir()))[PROFILE]
    output = {**profiles["outputs"][profile.target_name], "path": str(path)}
    document = {"target": profile.target_name, "outputs": {profile.target_name: output}}
    with named_os_errors(path):
        text = yaml.safe_dump({PROFILE: document})
        (path.parent / "profiles.yml").write_text(text)
        (path.parent / "profiles.yml").chmod(0o600)
    with environment(DBT_PROFILES_DIR=str(path.parent)):
        yield


def _incomplete(found: str, archive: Path | None) -> UserError:
    return UserError("REBUILD_INCOMPLETE", found, file=str(archive) if archive else None)
