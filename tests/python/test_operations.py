"""Operations of retention: what they remove is what the requirements say, worked out here in Python
for a history of 200 runs over 400 days, and nothing else."""

import datetime
import json
import random

import duckdb
import pytest
from conftest import Study, WarehouseUnderTest, moved

RUNS = 200
DAY = datetime.timedelta(days=1)
# Distances to a limit at which a row is plainly on one side of it, whenever the test runs.
JUST = datetime.timedelta(minutes=20)
OPERATIONS = "('purge_staging', 'purge_db_logs', 'release_batch')"
OTHERS = {"meta.meta_etl_process_log": f"step not in {OPERATIONS}"}
STATUSES = ("STAGED", "VALIDATED", "LOADED", "QUARANTINED", "PURGED")


def execute(warehouse: WarehouseUnderTest, *statements: str) -> None:
    with duckdb.connect(str(warehouse.path)) as connection:
        for statement in statements:
            connection.execute(statement)


def ids(number: int) -> str:
    return f"{number:064x}"


def operate(warehouse: WarehouseUnderTest, name: str, succeeds: bool = True, **arguments) -> str:
    arguments = json.dumps(arguments)
    return warehouse.dbt("run-operation", name, "--args", arguments, succeeds=succeeds)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> WarehouseUnderTest:
    """Two studies that were ingested and built; GSE2 in two downloads, the older one first."""
    folder = tmp_path_factory.mktemp("built")
    warehouse = WarehouseUnderTest(folder)
    older = Study("GSE2", samples=["S4", "S5", "S6"])
    newer = Study("GSE2", samples=["S4", "S5", "S6"], created_at="2024-06-02T03:04:05")
    for study, name in ((Study("GSE1"), "a"), (older, "b")):
        assert warehouse.loader("ingest", study.write(folder / name)).exit_code == 0
    warehouse.build_expression()
    assert warehouse.loader("ingest", newer.write(folder / "c")).exit_code == 0
    warehouse.build_expression()
    return warehouse


@pytest.fixture(scope="module")
def history(built, tmp_path_factory) -> tuple[WarehouseUnderTest, datetime.datetime]:
    """The same after 200 runs in 400 days, each with a batch, its rows, steps and findings; and
    what time it is."""
    warehouse = moved(built, tmp_path_factory.mktemp("history"))
    dice = random.Random(7)
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    # From 400 days down, none at a limit; then eight at both sides of the limits.
    ages = [DAY * 400 * (1 - i / (RUNS - 8)) for i in range(RUNS - 8)]
    ages += [7 * DAY + JUST, 7 * DAY - JUST] * 2 + [180 * DAY + JUST, 180 * DAY - JUST] * 2
    batches, metadata, rows, steps, findings = [], [], [], [], []
    for i, age in enumerate(ages):
        study, status, at = f"H{dice.randrange(40)}", STATUSES[dice.randrange(5)], now - age
        is_loaded = status in ("LOADED", "PURGED") or dice.random() < 0.3
        created_at = None if dice.random() < 0.1 else now - DAY * dice.randrange(500)
        loaded_at = at + JUST / 2 if is_loaded and i % 3 else at if is_loaded else None
        batches.append((ids(i), study, created_at, at, status, loaded_at))
        metadata.append((ids(i), study, "{}"))
        if status != "PURGED":
            rows += [(ids(i), n) for n in range(1 + i % 4)]
        run = f"run-{i}"
        # No run of the last 190 days was successful: the last that was is old enough to go.
        outcome = "FAILED" if age < 190 * DAY else ("SUCCESS", "WARNING", "FAILED")[i % 3]
        steps += [(run, "dbt build", outcome, at), (run, "model.x", "SUCCESS", at + JUST / 2)]
        findings.append((run, ids(i), "UNIT_UNDETECTED", "ERROR", "{}", at))
        findings.append((run, None, "UNIT_UNDETECTED", "WARNING", "{}", at))
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.executemany(
            "insert into staging.batch by name select ? as batch_id, ? as study_accession_code,"
            " ?::timestamp as created_at, ?::timestamp as staged_at, ? as status, ?::timestamp as loaded_at,"
            " 'f' as file_name, 'h' as file_hash, 1 as file_size, 1 as row_count, 1 as gene_count,"
            " 1 as sample_count, 0 as null_count, 0 as zero_count, false as is_whole_numbers,"
            " '{}' as config_snapshot",
            batches,
        )
        connection.executemany("insert into staging.study_metadata values (?, ?, ?)", metadata)
        stage_rows(connection, rows)
        connection.execute("delete from meta.meta_etl_process_log")
        connection.execute("delete from meta.meta_data_validation_log")
        connection.executemany(
            "insert into meta.meta_etl_process_log by name select ? as run_id, ? as step, ? as status,"
            " 1 as attempt, ?::timestamp as started_at",
            steps,
        )
        connection.executemany(
            "insert into meta.meta_data_validation_log by name select ? as run_id, ? as batch_id,"
            " ? as validation_code, ? as severity, ? as details, ?::timestamp as created_at",
            findings,
        )
        connection.execute(
            "insert into staging.pair_metrics by name select 'p' as batch_id, 'SEPSIS' as disease_label,"
            " 'OTHER' as technology, 'HOMO_SAPIENS' as organism, 1 as gene_a_key, 2 as gene_b_key,"
            " false as csv_override, 2 as line_no, 'f' as file_name, 'h' as file_hash,"
            " ?::timestamp as staged_at",
            [now - 390 * DAY],
        )
    return warehouse, now


def stage_rows(connection: duckdb.DuckDBPyConnection, rows: list[tuple[str, int]]) -> None:
    """Stage one value of sample S for each batch and line."""
    connection.execute("create temp table added (batch_id varchar, line_no bigint)")
    connection.executemany("insert into added values (?, ?)", rows)
    keys = (
        "(select max(line_key) from staging.matrix_line) + row_number() over () as line_key,"
        " (select max(sample_key) from staging.matrix_sample)"
        " + dense_rank() over (order by batch_id) as sample_key"
    )
    connection.execute(f"create temp table keyed as select *, {keys} from added")
    connection.execute(
        "insert into staging.matrix_line by name"
        " select line_key, batch_id, line_no, concat('G', line_no) as gene_id from keyed"
    )
    connection.execute(
        "insert into staging.matrix_sample by name"
        " select distinct sample_key, batch_id, 'S' as sample_accession_code from keyed"
    )
    connection.execute(
        "insert into staging.matrix_value by name"
        " select line_key, sample_key, 1.0 as expression_value from keyed"
    )


def logged(warehouse: WarehouseUnderTest) -> list[tuple]:
    """What operations say of themselves in the process log."""
    return warehouse.query(
        f"select step, status, context_json from meta.meta_etl_process_log where step in {OPERATIONS}"
    )


def contents(warehouse: WarehouseUnderTest) -> dict[str, list[tuple]]:
    """All rows of the tables that operations may touch, and of one that they may not; of the
    process log without the rows of the operations themselves."""
    tables = {
        "staging.batch": "batch_id, study_accession_code, created_at, staged_at, status, loaded_at",
        "staging.study_metadata": "batch_id",
        "staging.expression_rows": "batch_id, gene_id, sample_accession_code",
        "staging.pair_metrics": "batch_id, staged_at",
        "meta.meta_etl_process_log": "run_id, step, status, started_at",
        "meta.meta_data_validation_log": "run_id, batch_id, severity, created_at",
    }
    return {
        table: warehouse.query(
            f"select {columns} from {table} where {OTHERS.get(table, 'true')} order by all"
        )
        for table, columns in tables.items()
    }


def expected_batches(batches: list[tuple], limit: datetime.datetime) -> tuple[set[str], set[str]]:
    """Which batches are purged, and which leave the register: batch by batch, as the policy reads."""

    def age_rank(batch: tuple) -> tuple:
        batch_id, _, created_at, staged_at, *_ = batch
        older_first = created_at or datetime.datetime.min
        return older_first, staged_at, -int(batch_id, 16)

    purged, removed = set(), set()
    for batch in batches:
        batch_id, study, _, staged_at, status, loaded_at = batch
        is_superseded = any(
            other[1] == study
            and other[5]
            and other[4] != "QUARANTINED"
            and age_rank(other) > age_rank(batch)
            for other in batches
        )
        is_old_load = status == "LOADED" and loaded_at < limit
        if status == "PURGED" or not (is_old_load or (is_superseded and staged_at < limit)):
            continue
        (removed if status == "QUARANTINED" or not loaded_at else purged).add(batch_id)
    return purged, removed


def test_purge_staging_removes_what_the_policy_says(history, tmp_path):
    warehouse, now = history
    warehouse = moved(warehouse, tmp_path)
    before = contents(warehouse)
    purged, removed = expected_batches(before["staging.batch"], now - 7 * DAY)
    rows = [row for row in before["staging.expression_rows"] if row[0] in purged | removed]
    sentence = (
        f"batches purged: {len(purged)}, removed: {len(removed)},"
        f" rows of staging.expression_rows deleted: {len(rows)}"
    )
    assert len(purged) > 20 and len(removed) > 20

    assert f"(dry run): {sentence}" in operate(warehouse, "purge_staging", dry_run=True)
    assert contents(warehouse) == before

    assert sentence in operate(warehouse, "purge_staging", days=7)
    after = contents(warehouse)
    assert after["staging.batch"] == sorted(
        (*b[:4], "PURGED" if b[0] in purged else b[4], b[5])
        for b in before["staging.batch"] if b[0] not in removed
    )  # fmt: skip
    gone = purged | removed
    assert after["staging.expression_rows"] == [
        row for row in before["staging.expression_rows"] if row[0] not in gone
    ]
    # The tables behind the view have no other rows.
    (left,) = warehouse.query(
        "select (select count(*) from staging.matrix_value), (select count(*) from staging.matrix_line),"
        " (select count(*) from staging.matrix_sample)"
    )
    kept = [row for row in before["staging.expression_rows"] if row[0] not in gone]
    assert left == (
        len(kept), len({row[:2] for row in kept}), len({(row[0], row[2]) for row in kept})
    )  # fmt: skip
    assert after["staging.study_metadata"] == [
        row for row in before["staging.study_metadata"] if row[0] not in removed
    ]
    untouched = (
        "staging.pair_metrics",
        "meta.meta_etl_process_log",
        "meta.meta_data_validation_log",
    )
    assert {table: after[table] for table in untouched} == {
        table: before[table] for table in untouched
    }
    # A second time there is nothing left to do.
    assert "batches purged: 0, removed: 0, rows" in operate(warehouse, "purge_staging")


def test_the_history_has_every_case(history):
    """What the test above compares is not empty on either side."""
    warehouse, now = history
    batches = contents(warehouse)["staging.batch"]
    purged, removed = expected_batches(batches, now - 7 * DAY)
    kept = {batch[0] for batch in batches} - purged - removed
    status = {batch[0]: batch[4] for batch in batches}
    assert {status[b] for b in purged} == {"STAGED", "VALIDATED", "LOADED"}
    assert {status[b] for b in removed} == {"STAGED", "VALIDATED", "QUARANTINED"}
    assert {status[b] for b in kept} == set(STATUSES)


def test_purge_staging_at_the_boundary(history, tmp_path):
    warehouse = moved(history[0], tmp_path)
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    execute(
        warehouse,
        "update staging.batch set status = 'STAGED', loaded_at = null",
        "delete from staging.batch where study_accession_code not in ('GSE1', 'GSE2')",
        f"update staging.batch set status = 'LOADED', loaded_at = '{now - 7 * DAY + JUST}'"
        " where study_accession_code = 'GSE1'",
        f"update staging.batch set status = 'LOADED', loaded_at = '{now - 7 * DAY - JUST}'"
        " where study_accession_code = 'GSE2' and created_at = '2024-06-02 03:04:05'",
    )
    assert "batches purged: 1, removed: 0" in operate(warehouse, "purge_staging", days=7)
    found = warehouse.query("select study_accession_code, status from staging.batch order by all")
    assert found == [("GSE1", "LOADED"), ("GSE2", "PURGED"), ("GSE2", "STAGED")]


def test_values_of_purged_batches_stay_and_a_rebuild_changes_nothing(built, tmp_path):
    warehouse = moved(built, tmp_path)
    views = "select * exclude etl_created_date from {} order by all"
    before = [warehouse.query(views.format(v)) for v in
              ("analytics.vw_expression_long", "fact.fact_gene_expression")]  # fmt: skip
    assert len(before[0]) == 12
    assert "batches purged: 3, removed: 0, rows of staging.expression_rows deleted: 18" in operate(
        warehouse, "purge_staging", days=0
    )
    warehouse.dbt("build")
    after = [warehouse.query(views.format(v)) for v in
             ("analytics.vw_expression_long", "fact.fact_gene_expression")]  # fmt: skip
    assert after == before
    assert warehouse.query("select count(*) from staging.expression_rows") == [(0,)]
    assert warehouse.query("select distinct status from staging.batch") == [("PURGED",)]


def test_a_purged_batch_can_be_staged_again_with_another_configuration(built, tmp_path):
    warehouse = moved(built, tmp_path)
    operate(warehouse, "purge_staging", days=0)
    config = tmp_path / "pipeline.yaml"
    config.write_text("studies: {GSE1: {skip_samples: [GSM3]}}\n")
    download = Study("GSE1").write(tmp_path / "again")
    assert warehouse.loader("ingest", download, "--config", config).exit_code == 0
    warehouse.build_expression()
    found = warehouse.query(
        "select count(*) from analytics.vw_expression_long where study_accession_code = 'GSE1'"
    )
    assert found == [(4,)]


def test_purge_db_logs_removes_what_the_policy_says(history, tmp_path):
    warehouse, now = history
    warehouse = moved(warehouse, tmp_path)
    before = contents(warehouse)
    limit = now - 180 * DAY
    steps, findings = before["meta.meta_etl_process_log"], before["meta.meta_data_validation_log"]
    builds = [s for s in steps if s[1] == "dbt build" and s[2] in ("SUCCESS", "WARNING")]
    last = max(builds, key=lambda step: step[3])[0]
    held = {batch[0] for batch in before["staging.batch"] if batch[4] == "QUARANTINED"}
    steps_kept = [s for s in steps if s[3] >= limit or s[0] == last]
    findings_kept = [f for f in findings if f[3] >= limit or f[0] == last or f[1] in held]
    assert len(steps_kept) > len([s for s in steps if s[3] >= limit])
    assert len(findings) > len(findings_kept) > len([f for f in findings if f[3] >= limit]) + 2
    sentence = (
        f"rows deleted: {len(steps) - len(steps_kept)} of meta_etl_process_log and"
        f" {len(findings) - len(findings_kept)} of meta_data_validation_log"
    )

    assert f"(dry run): {sentence}" in operate(warehouse, "purge_db_logs", dry_run=True)
    assert contents(warehouse) == before

    assert sentence in operate(warehouse, "purge_db_logs", days=180)
    ((step, status, context),) = logged(warehouse)
    assert (step, status) == ("purge_db_logs", "SUCCESS")
    assert json.loads(context)["step_count"] == len(steps) - len(steps_kept)
    assert contents(warehouse) == {
        **before,
        "meta.meta_etl_process_log": steps_kept,
        "meta.meta_data_validation_log": findings_kept,
    }


@pytest.mark.parametrize("days", [-1, "7; drop table staging.batch", 1.5, True])
def test_days_are_a_whole_number(built, tmp_path, days):
    output = operate(moved(built, tmp_path), "purge_staging", succeeds=False, days=days)
    assert "54030 CONFIG_INVALID: days is" in output


def quarantine(warehouse: WarehouseUnderTest, code: str) -> str:
    """Hold GSE1 back for a finding; return its batch_id."""
    ((batch_id,),) = warehouse.query(
        "select batch_id from staging.batch where study_accession_code = 'GSE1'"
    )
    execute(
        warehouse,
        "update staging.batch set status = 'QUARANTINED', quarantine_reason = 'x'"
        f" where batch_id = '{batch_id}'",
        "insert into meta.meta_data_validation_log by name select 'r' as run_id,"
        f" '{batch_id}' as batch_id, '{code}' as validation_code, 'ERROR' as severity,"
        " (now() at time zone 'utc')::timestamp as created_at",
    )
    return batch_id


def register(warehouse: WarehouseUnderTest) -> list[tuple]:
    return warehouse.query(
        "select status, quarantine_reason, released_by from staging.batch"
        " where study_accession_code = 'GSE1'"
    )


def test_a_released_batch_is_built(built, tmp_path):
    warehouse = moved(built, tmp_path)
    batch_id = quarantine(warehouse, "VALIDATION_EXPRESSION_DOMAIN")
    output = operate(warehouse, "release_batch", batch_id=batch_id[:8], actor="anna")
    assert f"batch {batch_id} of GSE1 is STAGED again, released by anna" in output
    assert "holds it back again" not in output
    assert register(warehouse) == [("STAGED", None, "anna")]
    ((step, status, context),) = logged(warehouse)
    assert (step, status) == ("release_batch", "SUCCESS")
    assert json.loads(context) == {"batch_id": batch_id, "study_accession": "GSE1", "actor": "anna"}
    warehouse.build_expression()
    assert register(warehouse) == [("LOADED", None, "anna")]


def test_a_batch_that_no_one_may_release_stays_held_back(built, tmp_path):
    warehouse = moved(built, tmp_path)
    batch_id = quarantine(warehouse, "SOURCE_MISMATCH_SAMPLES")
    output = operate(warehouse, "release_batch", succeeds=False, batch_id=batch_id)
    assert "54044 BATCH_NOT_RELEASABLE" in output
    assert "is quarantined for 54010 SOURCE_MISMATCH_SAMPLES" in output
    assert register(warehouse) == [("QUARANTINED", "x", None)]
    assert logged(warehouse) == []


def test_a_release_without_a_name_has_that_of_the_user(built, tmp_path):
    warehouse = moved(built, tmp_path)
    warehouse.env["USER"] = "berta"
    batch_id = quarantine(warehouse, "VALIDATION_EXPRESSION_DOMAIN")
    operate(warehouse, "release_batch", batch_id=batch_id)
    assert register(warehouse) == [("STAGED", None, "berta")]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"batch_id": "f" * 64}, "54042 BATCH_NOT_FOUND: no batches begin with"),
        ({"batch_id": "0" * 8}, "54042 BATCH_NOT_FOUND: 200 batches begin with 00000000"),
        ({"batch_id": "0" * 7}, "54030 CONFIG_INVALID"),
        ({}, "54030 CONFIG_INVALID"),
        ({"batch_id": "%" * 8}, "54030 CONFIG_INVALID"),
        ({"batch_id": "0" * 8 + "' or '1' = '1"}, "54030 CONFIG_INVALID"),
        ({"batch_id": "0" * 64, "actor": "x', status = 'LOADED"}, "54030 CONFIG_INVALID"),
    ],
)
def test_a_wrong_release_is_named_and_changes_nothing(history, arguments, error):
    warehouse, _ = history
    before = contents(warehouse)
    assert error in operate(warehouse, "release_batch", succeeds=False, **arguments)
    assert contents(warehouse) == before


def test_only_a_quarantined_batch_is_released(built):
    ((batch_id,),) = built.query(
        "select batch_id from staging.batch where study_accession_code = 'GSE1'"
    )
    output = operate(built, "release_batch", succeeds=False, batch_id=batch_id)
    assert "54043 BATCH_NOT_QUARANTINED" in output and "is LOADED" in output


def test_duckdb_has_no_roles(built):
    assert "54050 ROLES_UNSUPPORTED" in operate(built, "create_roles", succeeds=False)
