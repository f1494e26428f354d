"""`dbt run` of some models: `python -m bench.dbt_run TARGET_PATH VARS MODEL…`. The seconds are
the sum of those that dbt gives for the models."""

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
    print(json.dumps({"seconds": sum(model.execution_time for model in result.result)}))


main(*sys.argv[1:])
