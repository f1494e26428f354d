"""`backup`, `verify`, `restore` and `compact`: whole copies, also if a process dies, the disk is full or
blocks are damaged."""

import json
import random
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from conftest import PROJECT, TARGET, WarehouseUnderTest, events
from forked import Command, deaths
from warehouses import four_studies

from expression_warehouse.core.warehouse.block_checksums import damaged_blocks
from loader.backup import MANIFEST
from loader.restore import keep_beside

pytestmark = pytest.mark.skipif(TARGET != "duckdb", reason="works on DuckDB files")

HEADERS, BLOCK = 3 * 4096, 262_144


@pytest.fixture
def warehouse(copy_of, tmp_path) -> WarehouseUnderTest:
    return copy_of(four_studies, tmp_path)


def contents(path: Path) -> dict[str, tuple]:
    """Number of rows and order-free hash of every table."""
    with duckdb.connect(str(path), read_only=True) as connection:
        tables = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables()"
        ).fetchall()
        return {
            table: connection.execute(
                f"select count(*), coalesce(sum(hash(t)), 0) from {table} as t"
            ).fetchone()
            for (table,) in tables
        }


def backups(warehouse: WarehouseUnderTest) -> list[Path]:
    return sorted(warehouse.path.parent.glob(f"warehouse.backups/[0-9]*/{MANIFEST}"))


def back_up(warehouse: WarehouseUnderTest, *options: object) -> Path:
    result = warehouse.loader("backup", *options)
    assert result.exit_code == 0, result.output
    (event,) = events(result, "backed_up")
    return Path(event["backup"])


def checks(warehouse: WarehouseUnderTest, *file: object) -> tuple[int, dict[str, bool]]:
    result = warehouse.loader("verify", *file)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return result.exit_code, {line["name"]: line["is_passed"] for line in lines if "name" in line}


def error_of(result) -> int:
    (error,) = events(result, "failed")
    assert "Traceback" not in result.output
    return error["error_code"]


def damage(path: Path, block: int, dice: random.Random) -> None:
    """Overwrite 64 bytes of a block."""
    with path.open("r+b") as file:
        file.seek(HEADERS + block * BLOCK + dice.randrange(8, BLOCK - 64))
        file.write(dice.randbytes(64))


def used_blocks(path: Path) -> list[int]:
    """Blocks of rows and of the catalog."""
    with duckdb.connect(str(path), read_only=True) as connection:
        tables = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables()"
        ).fetchall()
        used = {
            b
            for (b,) in connection.execute("select block_id from pragma_metadata_info()").fetchall()
        }
        for (table,) in tables:
            query = f"select block_id, additional_block_ids from pragma_storage_info('{table}') where persistent"
            for block, more in connection.execute(query).fetchall():
                used |= {block, *(more or [])}
    # Constant values have no block, which is written as -1.
    return sorted(used - {-1})


def test_backup_damage_verify_restore(warehouse):
    before = contents(warehouse.path)
    made = back_up(warehouse)
    manifest = json.loads((made / MANIFEST).read_text())
    assert manifest["tables"] == {table: rows for table, (rows, _) in before.items()}
    assert manifest["bytes"] == (made / manifest["file"]).stat().st_size
    passed = dict.fromkeys(("blocks", "tables", "archive", "keys", "reconciliation"), True)
    assert checks(warehouse) == (0, passed)
    assert checks(warehouse, made) == (0, {"manifest": True, "row counts": True, **passed})
    damage(warehouse.path, used_blocks(warehouse.path)[-1], random.Random(1))
    exit_code, found = checks(warehouse)
    assert exit_code == 1
    assert not found["blocks"]
    assert error_of(warehouse.loader("backup")) == 4014
    assert len(backups(warehouse)) == 1
    damaged_file = warehouse.path.read_bytes()
    result = warehouse.loader("restore", made)
    assert result.exit_code == 0, result.output
    assert contents(warehouse.path) == before
    assert checks(warehouse) == (0, passed)
    (event,) = events(result, "restored")
    assert Path(event["kept"]).read_bytes() == damaged_file
    # The warehouse is one that builds go on with.
    warehouse.build_expression()


def test_every_damaged_block_in_use_is_found_and_none_is_backed_up(warehouse, tmp_path):
    assert damaged_blocks(warehouse.path) == []
    sound = warehouse.path.read_bytes()
    dice = random.Random(2)
    used = used_blocks(warehouse.path)
    assert len(used) > 20
    for block in used:
        damage(warehouse.path, block, dice)
        assert damaged_blocks(warehouse.path) == [block]
        warehouse.path.write_bytes(sound)
    for block in dice.sample(used, 4):
        damage(warehouse.path, block, dice)
        exit_code, found = checks(warehouse)
        assert (exit_code, found.get("blocks")) == (1, False)
        assert error_of(warehouse.loader("backup")) == 4014
        result = warehouse.loader("compact")
        assert result.exit_code == 1
        assert backups(warehouse) == []
        warehouse.path.write_bytes(sound)


def test_a_warehouse_with_any_damaged_block_is_restored(warehouse):
    """Blocks of rows, and of the catalog, without which the file cannot be opened."""
    made = back_up(warehouse)
    before, sound = contents(warehouse.path), warehouse.path.read_bytes()
    catalog = warehouse.query("select distinct block_id from pragma_metadata_info() order by 1")
    dice = random.Random(6)
    rows = dice.sample(used_blocks(warehouse.path), 3)
    for block in (*rows, *(block for (block,) in catalog)):
        damage(warehouse.path, block, dice)
        result = warehouse.loader("restore", made)
        assert result.exit_code == 0, (block, result.output)
        assert contents(warehouse.path) == before
        warehouse.path.write_bytes(sound)


def test_an_index_that_is_damaged_is_found_and_compact_mends_it(warehouse):
    """Tables of keys keep them in an index too, which reading the tables does not touch."""
    before = contents(warehouse.path)
    warehouse.query_write("checkpoint")
    sound = warehouse.path.read_bytes()
    unread = sorted(set(range(block_count(warehouse.path))) - set(used_blocks(warehouse.path)))
    dice = random.Random(3)
    written = [block for block in unread if any(sound[HEADERS + block * BLOCK :][:BLOCK])]
    assert written
    damage(warehouse.path, written[0], dice)
    exit_code, found = checks(warehouse)
    assert (exit_code, found["blocks"], found["tables"]) == (1, False, True)
    result = warehouse.loader("compact")
    assert result.exit_code == 0, result.output
    assert checks(warehouse)[0] == 0
    assert contents(warehouse.path) == before


def block_count(path: Path) -> int:
    return (path.stat().st_size - HEADERS) // BLOCK


def test_a_backup_that_changed_is_refused(warehouse):
    made = back_up(warehouse)
    before = warehouse.path.read_bytes()
    file = made / "warehouse.duckdb"
    damage(file, 3, random.Random(4))
    exit_code, found = checks(warehouse, made)
    assert (exit_code, found["manifest"]) == (1, False)
    assert error_of(warehouse.loader("restore", made)) == 54701
    (made / MANIFEST).write_text("{}")
    assert error_of(warehouse.loader("restore", made)) == 54701
    assert error_of(warehouse.loader("verify", made)) == 54701
    assert error_of(warehouse.loader("restore", made.parent / "none")) == 54701
    assert warehouse.path.read_bytes() == before


def test_whoever_could_not_read_the_warehouse_cannot_read_its_copies(warehouse):
    warehouse.path.chmod(0o600)
    made = back_up(warehouse)
    assert warehouse.loader("compact").exit_code == 0
    compacted = warehouse.path.stat().st_mode
    assert warehouse.loader("restore", made).exit_code == 0
    files = (made / "warehouse.duckdb", warehouse.path)
    assert [mode & 0o777 for mode in (compacted, *(file.stat().st_mode for file in files))] == [
        0o600
    ] * 3


def test_only_the_newest_backups_are_kept(warehouse, tmp_path):
    (tmp_path / "elsewhere" / "mine").mkdir(parents=True)
    made = [back_up(warehouse, tmp_path / "elsewhere", "--keep", 2) for _ in range(4)]
    assert [path.exists() for path in made] == [False, False, True, True]
    assert (tmp_path / "elsewhere" / "mine").exists()


def test_a_backup_beside_a_reader_and_what_a_killed_writer_committed(warehouse):
    """The write-ahead log has what was committed last; a reader does not keep a backup waiting."""
    code = (
        "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); c.execute('create table dim.late as select 7 as n');"
        " os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, warehouse.path], check=False)
    assert warehouse.path.with_name("warehouse.duckdb.wal").exists()
    with duckdb.connect(str(warehouse.path), read_only=True) as reader:
        made = back_up(warehouse)
        assert reader.execute("select n from dim.late").fetchall() == [(7,)]
    with duckdb.connect(str(made / "warehouse.duckdb"), read_only=True) as connection:
        assert connection.execute("select n from dim.late").fetchall() == [(7,)]


def test_restore_and_compact_refuse_or_wait_for_a_writer(warehouse):
    made = back_up(warehouse)
    holder = subprocess.Popen(
        [sys.executable, "-c", "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1, flush=True); input()", warehouse.path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    holder.stdout.readline()
    try:
        assert error_of(warehouse.loader("restore", made)) == 4010
    finally:
        holder.communicate("\n")
    assert warehouse.loader("restore", made).exit_code == 0


def test_a_broken_write_ahead_log_names_the_command_that_helps(warehouse):
    made = back_up(warehouse)
    before = contents(warehouse.path)
    code = (
        "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); c.execute('create table dim.late as select 7 as n');"
        " os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, warehouse.path], check=False)
    log = warehouse.path.with_name("warehouse.duckdb.wal")
    content = bytearray(log.read_bytes())
    content[len(content) // 2] ^= 0xFF
    log.write_bytes(content)
    for command in (["health"], ["backup"], ["compact"], ["housekeeping"]):
        result = warehouse.loader(*command)
        assert result.exit_code == 1
        found = [event for event in events(result, "failed") if event["error_code"] == 4014]
        assert found, result.output
        assert "restore BACKUP" in found[0]["action"]
        assert "Traceback" not in result.output
    result = warehouse.loader("restore", made)
    assert result.exit_code == 0, result.output
    assert not log.exists()
    assert contents(warehouse.path) == before


@pytest.mark.parametrize("header", [0, 4096])
def test_a_file_without_its_header_is_restored(warehouse, header):
    made = back_up(warehouse)
    before = contents(warehouse.path)
    with warehouse.path.open("r+b") as file:
        file.seek(header)
        file.write(b"\xff" * 8192)
    assert error_of(warehouse.loader("health")) == 4014
    assert warehouse.loader("verify").exit_code == 1
    assert warehouse.loader("restore", made).exit_code == 0
    assert contents(warehouse.path) == before


def test_compact_gives_the_space_of_deleted_rows_back(warehouse):
    warehouse.query_write(
        "create table dim.large as select hash(i) as number from range(5000000) as t (i)",
        "checkpoint",
        "delete from dim.large where number % 100 <> 0",
        "checkpoint",
    )
    before, size = contents(warehouse.path), warehouse.path.stat().st_size
    views = "select schema_name, view_name, sql, comment from duckdb_views() where not internal order by all"
    keys = "select schema_name, table_name, constraint_text from duckdb_constraints() order by all"
    described = warehouse.query(views), warehouse.query(keys)
    result = warehouse.loader("compact")
    assert result.exit_code == 0, result.output
    assert contents(warehouse.path) == before
    assert warehouse.path.stat().st_size < size / 2
    assert (warehouse.query(views), warehouse.query(keys)) == described
    warehouse.build_expression()


COMMANDS = ("backup", "restore", "compact")


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("count", [5, pytest.param(100, marks=pytest.mark.long)])
def test_a_kill_at_any_step_leaves_a_whole_warehouse(warehouse, manifests, tmp_path, name, count):
    made = back_up(warehouse)
    old = contents(warehouse.path)
    newer = tmp_path / "newer.duckdb"
    warehouse.query_write("create table dim.newer as select 1 as n", "checkpoint")
    shutil.copy(warehouse.path, newer)
    new = contents(newer)
    arguments = ("restore", str(made)) if name == "restore" else (name,)
    command = Command("loader", arguments, warehouse.env, manifests)
    durations = command.durations(tmp_path)
    for death in deaths(durations, min(count, len(durations) - 1), seed=5):
        shutil.copy(newer, warehouse.path)
        command.die(death)
        assert contents(warehouse.path) in ([new, old] if name == "restore" else [new]), death
        assert damaged_blocks(warehouse.path) == [], death
        for manifest in backups(warehouse)[-1:]:
            assert warehouse.loader("verify", manifest.parent).exit_code == 0, death
        again = warehouse.loader(*arguments)
        assert again.exit_code == 0, (death, again.output)
        assert contents(warehouse.path) == (old if name == "restore" else new), death


@pytest.mark.parametrize("name", COMMANDS)
def test_a_kill_between_any_two_files_leaves_a_whole_warehouse(
    warehouse, manifests, tmp_path, name
):
    """Death before each change of a file's name or each copy."""
    made = back_up(warehouse)
    old = contents(warehouse.path)
    warehouse.query_write("create table dim.newer as select 1 as n", "checkpoint")
    newer = warehouse.path.read_bytes()
    new = contents(warehouse.path)
    arguments = ("restore", str(made)) if name == "restore" else (name,)
    command = Command("loader", arguments, warehouse.env, manifests)
    for wanted in range(1, 12):
        warehouse.path.write_bytes(newer)
        is_dead = command.die_before_change(wanted, tmp_path / "output.txt")
        assert contents(warehouse.path) in ([new, old] if name == "restore" else [new]), wanted
        if name == "restore":
            files = warehouse.path.parent.glob("warehouse.duckdb*")
            assert newer in [path.read_bytes() for path in files if path.is_file()], wanted
        for manifest in backups(warehouse)[-1:]:
            assert warehouse.loader("verify", manifest.parent).exit_code == 0, wanted
        if not is_dead:
            assert wanted > 1
            break
    else:
        pytest.fail("the command never ended")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk(warehouse, name):
    """A process that may write no file of more than 2 MB stands for a full disk."""
    made = back_up(warehouse)
    before = warehouse.path.read_bytes()
    assert len(before) > 2_000_000
    arguments = ["restore", str(made)] if name == "restore" else [name]
    process = subprocess.run(
        [sys.executable, "-m", "loader", *arguments],
        env=warehouse.env, cwd=PROJECT, capture_output=True, text=True, check=False,
        preexec_fn=limit_files,
    )  # fmt: skip
    assert process.returncode == 1, process.stderr
    assert "Traceback" not in process.stderr + process.stdout
    (error,) = [
        line for line in map(json.loads, process.stdout.splitlines()) if line["step"] == "failed"
    ]
    assert error["error_code"] in (54302, 54700)
    assert warehouse.path.read_bytes() == before
    assert len(backups(warehouse)) == 1
    assert not list(warehouse.path.parent.glob("**/.unfinished-*"))


def limit_files() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))


def test_each_restore_keeps_the_file_before_it(warehouse):
    """The wrong backup first, then the right one: what was there before both is still there."""
    made = back_up(warehouse)
    warehouse.query_write("create table dim.precious as select 42 as n", "checkpoint")
    files, kept = [], []
    for _ in range(3):
        files.append(warehouse.path.read_bytes())
        result = warehouse.loader("restore", made)
        assert result.exit_code == 0, result.output
        (event,) = events(result, "restored")
        kept.append(Path(event["kept"]))
    names = [f"warehouse.duckdb.before_restore{number}" for number in ("", ".2", ".3")]
    assert [path.name for path in kept] == names
    assert [path.read_bytes() for path in kept] == files
    # Numbers follow time, also if somebody deleted older files.
    kept[0].unlink()
    kept[1].unlink()
    (event,) = events(warehouse.loader("restore", made), "restored")
    assert Path(event["kept"]).name == "warehouse.duckdb.before_restore.4"


def test_keeping_a_file_twice_uses_one_name(tmp_path):
    """A restore that died after it kept the file left a second name of the warehouse: the next one
    takes that name."""
    path = tmp_path / "warehouse.duckdb"
    path.write_bytes(b"first")
    (tmp_path / "warehouse.duckdb.wal").write_bytes(b"log")
    assert keep_beside(path) == keep_beside(path) == tmp_path / "warehouse.duckdb.before_restore"
    assert (tmp_path / "warehouse.duckdb.before_restore.wal").read_bytes() == b"log"
    (tmp_path / "new").write_bytes(b"second")
    (tmp_path / "new").replace(path)
    assert keep_beside(path) == tmp_path / "warehouse.duckdb.before_restore.2"
    assert (tmp_path / "warehouse.duckdb.before_restore").read_bytes() == b"first"


def test_keys_and_sums_that_are_wrong_are_found(warehouse):
    warehouse.query_write(
        "delete from fact.fact_gene_expression where gene_key = 1 and study_key = 1",
        "update fact.fact_gene_expression set sample_key = 999999 where gene_key = 2 and study_key = 2",
    )
    result = warehouse.loader("verify")
    lines = {line["name"]: line for line in map(json.loads, result.stdout.splitlines())}
    assert result.exit_code == 1
    assert lines["blocks"]["is_passed"] and lines["tables"]["is_passed"]
    assert (
        lines["keys"]["found"] == "not in dim_sample: 1 key of fact.fact_gene_expression.sample_key"
    )
    assert lines["reconciliation"]["found"].startswith("GSE1 ")


def test_without_a_warehouse(tmp_path):
    warehouse = WarehouseUnderTest(tmp_path)
    for command in ("backup", "verify", "compact"):
        assert error_of(warehouse.loader(command)) == 4008
    assert not warehouse.path.exists()


def test_a_path_that_is_no_backup_is_said_to_be_what_it_is(warehouse, tmp_path):
    older, newest = back_up(warehouse), back_up(warehouse)
    before = warehouse.path.read_bytes()
    loose, text, empty = tmp_path / "loose.duckdb", tmp_path / "f.txt", tmp_path / "empty"
    shutil.copy(warehouse.path, loose)
    text.write_text("hello\n")
    empty.mkdir()
    cases = [
        (("restore", tmp_path / "none"), "no such file or folder", ".backups"),
        (("verify", tmp_path / "none"), "no such file or folder", ".backups"),
        (("restore", text), "this is a file", "manifest.json"),
        (("verify", text), "no DuckDB file", "another backup"),
        (("restore", loose), "this is a file", "verify FILE"),
        (("restore", newest / "warehouse.duckdb"), "a file of a backup", str(newest)),
        (("restore", newest.parent), "has backups in it (2)", str(newest)),
        (("verify", newest.parent), "has backups in it (2)", str(newest)),
        (("restore", empty), "has no manifest.json", ".backups"),
        (("verify", empty), "has no manifest.json", ".backups"),
    ]
    for arguments, found, action in cases:
        result = warehouse.loader(*arguments)
        assert error_of(result) == 54701, arguments
        (error,) = events(result, "failed")
        assert found in error["found"] and action in error["action"], (arguments, error)
        assert str(older) not in error["action"]
    for folder in (text, text / "deeper"):
        result = warehouse.loader("backup", folder)
        assert error_of(result) == 54302
        (error,) = events(result, "failed")
        assert "this is a file" in error["found"] and error["file"] == str(text)
    assert warehouse.loader("verify", loose).exit_code == 0
    assert warehouse.path.read_bytes() == before


def test_a_server_makes_its_own_backup():
    """No server is at hand: the statements, and that they run outside a transaction."""
    from expression_warehouse.core.warehouse.macros import project_macros

    text = project_macros("sqlserver").backup_database("?")
    assert "backup database @database to disk = @file with copy_only, checksum" in text
    assert "restore verifyonly from disk = @file with checksum" in text
    assert text.count("?") == 1
