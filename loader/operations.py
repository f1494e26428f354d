"""Operations of the dbt project, run from Python: `dbt run-operation`."""

import json
from collections.abc import Mapping
from typing import Any

from loader.errors import LoaderError
from loader.project import project_dir
from loader.warehouse.profile import profiles_dir


def run_operation(name: str, arguments: Mapping[str, Any], target: str | None) -> dict[str, int]:
    """Run a macro of macros/operations; return the counts that it reports (macro report_operation).

    Raises LoaderError 54303, with dbt's message, where it fails.
    """
    # dbt takes a second to import.
    from dbt.cli.main import dbtRunner

    reported: list[dict[str, Any]] = []
    failures: list[str] = []

    def listen(event: Any) -> None:
        if event.info.name == "JinjaLogDebug" and event.data.msg.startswith("{"):
            reported.append(json.loads(event.data.msg))
        elif event.info.level == "error":
            failures.append(event.info.msg)

    command = ["--log-level", "none", "run-operation", name, "--args", json.dumps(arguments)]
    command += ["--project-dir", str(project_dir()), "--profiles-dir", str(profiles_dir())]
    command += ["--target", target] if target else []
    result = dbtRunner(callbacks=[listen]).invoke(command)
    if not result.success or not reported:
        message = str(result.exception or "\n".join(failures) or "it reports nothing")
        raise LoaderError(
            "HOUSEKEEPING_PURGE_FAILED", f"{name}: {' '.join(message.split())}"
        ) from result.exception
    return reported[-1]["counts"]
