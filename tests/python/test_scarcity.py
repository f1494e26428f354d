"""`pairs screen` with too little room on the disk or too little memory: a named error and exit code 1,
and the next screen is whole."""

import contextlib
import os
import resource
import subprocess
import sys

import pytest
from conftest import PROJECT
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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("megabytes", [60, 200, 400])
def test_memory_that_is_limited(copied, megabytes):
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))

    command = [
        sys.executable, "-m", "expression_warehouse", "pairs", "screen", "--disease", "SEPSIS",
    ]  # fmt: skip
    ended = subprocess.run(
        command, preexec_fn=limit, cwd=PROJECT, env=copied.env, capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert "4015 MEMORY_EXHAUSTED" in ended.stderr
    assert "Traceback" not in ended.stderr
