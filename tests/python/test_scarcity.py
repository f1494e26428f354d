"""Too little room on the disk or too little memory: a named error and exit code 1, and the next command
is whole."""

import contextlib
import os
import resource
import subprocess
import sys

import pytest
from conftest import PROJECT, Study, events
from test_screen import refused, screen
from warehouses import four_studies


@pytest.fixture
def copied(copy_of, tmp_path):
    return copy_of(four_studies, tmp_path)


@contextlib.contextmanager
def small_disk(folder, kilobytes: int):
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    if os.getuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("cannot mount a small file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk(copied):
    """At the first file, in the middle and near the end."""
    work = copied.folder / "work"
    for kilobytes in (4, 20, 40):
        with small_disk(work, kilobytes):
            result = screen(copied, "--keep", 5)
        work.rmdir()
        refused(result, "FOLDER_NOT_WRITABLE")
    result = screen(copied, "--keep", 5)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("megabytes", [60, 150, 550, 1000, 1300, 1600])
def test_address_space_that_is_limited(warehouse, megabytes):
    """The libraries would abort, or hang, each in a way of its own."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))

    command = [
        sys.executable, "-m", "expression_warehouse", "pairs", "screen", "--disease", "SEPSIS",
    ]  # fmt: skip
    ended = subprocess.run(
        command, preexec_fn=limit, cwd=PROJECT, env=warehouse.env, capture_output=True, text=True, timeout=60
    )  # fmt: skip
    assert ended.returncode == 1
    first, found, advice = ended.stderr.splitlines()
    assert first == "4015 MEMORY_EXHAUSTED"
    assert f"limited to {(megabytes << 20) // 1_000_000:,} MB" in found
    assert advice.startswith("  to do: Give it more memory")


def test_memory_of_the_engine_that_is_limited(warehouse, tmp_path):
    profile = tmp_path / "profiles.yml"
    profile.write_text(
        profile.read_text().replace("threads: 1\n", "threads: 1\n      settings: {memory_limit: 1MB}\n", 1)
    )  # fmt: skip
    result = warehouse.loader("ingest", Study().write(tmp_path / "d"))
    failed = events(result, "failed")
    assert (result.exit_code, {event["error_code"] for event in failed}) == (1, {4015})
    assert all("Out of Memory" in event["found"] for event in failed)
