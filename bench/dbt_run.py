"""`dbt run` or `build` of some models: `python -m bench.dbt_run COMMAND TARGET_PATH VARS MODEL…`.
The seconds are those from the start of the first model to the end of the last node: some run at the
same time."""

import json
import sys

from dbt.cli.main import dbtRunner

from expression_warehouse.core.project import project_dir


def main(command: str, target_path: str, settings: str, *models: str) -> None:
    options = ["--target-path", target_path, "--vars", settings]
    if command == "build":
        # Without the tests that compare these models with others, which are not built here.
        options += ["--indirect-selection=buildable", "--exclude-resource-type", "unit_test"]
    result = dbtRunner().invoke(
        ["--quiet", command, *options, "--select", *models], project_dir=str(project_dir())
    )
    if not result.success:
        raise RuntimeError(result.exception or "a model failed")
    steps = [step for model in result.result for step in model.timing]
    start, end = min(step.started_at for step in steps), max(step.completed_at for step in steps)
    print(json.dumps({"seconds": (end - start).total_seconds()}))


main(*sys.argv[1:])
