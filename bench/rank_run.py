"""`expression-warehouse pairs rank` of one technology, timed from after its imports:
`python -m bench.rank_run TECHNOLOGY`."""

import json
import sys
import time

import dbt.cli.main  # noqa: F401  (imports are reported apart)

import expression_warehouse.pairs.ranking.rank  # noqa: F401
from expression_warehouse.cli import main
from expression_warehouse.core.warehouse import duckdb, profile, target  # noqa: F401

start = time.perf_counter()
try:
    main(["pairs", "rank", "--technology", sys.argv[1], "--log-format", "json"])
except SystemExit as stop:
    if stop.code:
        raise
print(json.dumps({"seconds": time.perf_counter() - start}))
