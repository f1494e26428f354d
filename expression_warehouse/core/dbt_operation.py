"""Operations of the dbt project, run from Python: `dbt run-operation`."""

import json
from collections.abc import Mapping
from typing import Any

from expression_warehouse.core.dbt_command import environment, invoke_dbt
from expression_warehouse.core.errors import UserError


def run_operation(
    name: str, arguments: Mapping[str, Any], target: str | None, run_id: str
) -> dict[str, int]:
    """Run a macro of macros/operations; return the counts that it reports (macro report_operation).

    Raises UserError 54303, with dbt's message, if it fails.
    """
    reported: list[dict[str, Any]] = []
    failures: list[str] = []

    def listen(event: Any) -> None:
        if event.info.name == "JinjaLogDebug" and event.data.msg.startswith("{"):
            reported.append(json.loads(event.data.msg))
        elif event.info.level == "error":
            failures.append(event.info.msg)

    command = ["run-operation", name, "--args", json.dumps(arguments)]
    with environment(EXPRESSION_RUN_ID=run_id):
        result = invoke_dbt(command, target, listen)
    if not result.success or not reported:
        message = str(result.exception or "\n".join(failures) or "it does not report its counts")
        raise UserError(
            "HOUSEKEEPING_PURGE_FAILED", f"{name}: {' '.join(message.split())}"
        ) from result.exception
    return reported[-1]["counts"]
