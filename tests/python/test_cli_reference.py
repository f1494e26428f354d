"""docs/cli.md says what the commands say of themselves."""

import importlib.util

from conftest import PROJECT


def test_reference_is_up_to_date():
    spec = importlib.util.spec_from_file_location(
        "cli_reference", PROJECT / "docs" / "cli_reference.py"
    )
    cli_reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cli_reference)
    written = cli_reference.REFERENCE.read_text(encoding="utf-8")
    assert written == cli_reference.reference(), "run `make cli-docs`"
