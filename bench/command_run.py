"""Runs `expression-warehouse ARGUMENT…` and prints its seconds, without those of the imports."""

import json
import sys
import time

import dbt.cli.main  # noqa: F401  (imports are reported apart)

import loader.ingest  # noqa: F401
from expression_warehouse.cli import main
from expression_warehouse.core.warehouse import duckdb, profile, target  # noqa: F401

start = time.perf_counter()
try:
    main([*sys.argv[1:], "--log-format", "json"])
except SystemExit as stop:
    if stop.code:
        raise
print(json.dumps({"seconds": time.perf_counter() - start}))
