"""`dbt run` of some models: `python -m bench.dbt_run TARGET_PATH VARS MODEL…`. The seconds are
those from the start of the first model to the end of the last: some run at the same time."""

import json
import sys

from dbt.cli.main import dbtRunner

from expression_warehouse.core.project import project_dir


def main(target_path: str, settings: str, *models: str) -> None:
    result = dbtRunner().invoke(
        ["--quiet", "run", "--target-path", target_path, "--vars", settings, "--select", *models],
        project_dir=str(project_dir()),
    )
    if not result.success:
        raise RuntimeError(result.exception or "a model failed")
    steps = [step for model in result.result for step in model.timing]
    start, end = min(step.started_at for step in steps), max(step.completed_at for step in steps)
    print(json.dumps({"seconds": (end - start).total_seconds()}))


main(*sys.argv[1:])
