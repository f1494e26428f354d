"""`python -m pairs rank` of one technology, timed from after its imports:
`python -m bench.rank_run TECHNOLOGY`."""

import json
import sys
import time

import dbt.cli.main  # noqa: F401  (imports are reported apart)

import pairs.rank  # noqa: F401
from loader.warehouse import duckdb, profile, target  # noqa: F401
from pairs.cli import main

start = time.perf_counter()
try:
    main(["rank", "--technology", sys.argv[1], "--log-format", "json"])
except SystemExit as stop:
    if stop.code:
        raise
print(json.dumps({"seconds": time.perf_counter() - start}))
