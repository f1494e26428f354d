"""Secrets from files, as container platforms and systemd give them."""

import os
from pathlib import Path


def read_secret_files() -> None:
    """For each EXPRESSION_NAME_FILE in the environment, set EXPRESSION_NAME to the file's text.

    Ends the process with a sentence if the file cannot be read, or both variables are set.
    """
    for variable, file in list(os.environ.items()):
        name = variable.removesuffix("_FILE")
        if name == variable or not name.startswith("EXPRESSION_"):
            continue
        if name in os.environ:
            raise SystemExit(f"{variable} and {name} are both set: set one of them")
        try:
            os.environ[name] = Path(file).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise SystemExit(f"{variable}: {file} cannot be read: {error}") from error
        # Processes that this one starts find the secret itself.
        del os.environ[variable]
