"""Files and folders that are kept have the rights that the user's umask leaves."""

import os
import stat

import pytest

from expression_warehouse.core.files import new_folder, write_once


@pytest.mark.parametrize(
    ("umask", "folder_mode", "file_mode"),
    [(0o022, 0o755, 0o444), (0o027, 0o750, 0o440), (0o077, 0o700, 0o400), (0o002, 0o775, 0o444)],
)
def test_the_umask_holds(tmp_path, umask, folder_mode, file_mode):
    before = os.umask(umask)
    try:
        with new_folder(tmp_path / "archive") as folder:
            (folder / "study.tsv").write_text("x")
        assert write_once(tmp_path / "artifact.json", b"{}")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / n).stat().st_mode) for n in ("archive", "artifact.json")]
    assert modes == [folder_mode, file_mode]
    assert not write_once(tmp_path / "artifact.json", b"other")
    assert (tmp_path / "artifact.json").read_bytes() == b"{}"
    assert len(list(tmp_path.iterdir())) == 2
