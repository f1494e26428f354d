"""The state of the warehouse as metrics, in a file for the textfile collector of Prometheus."""

import datetime
import time
from pathlib import Path
from typing import Any

import prometheus_client

from expression_warehouse.core.files import named_os_errors, open_atomically

_PREFIX = "expression_warehouse_"
_MACHINE = {
    "load_average": "Processes that run or wait, over a minute.",
    "cores": "Cores of the machine.",
    "memory_available_bytes": "Memory that programs can get.",
    "memory_total_bytes": "Memory of the machine.",
    "disk_free_bytes": "Free space of the disk with the warehouse.",
    "disk_total_bytes": "Size of the disk with the warehouse.",
}


def write_textfile(health: dict[str, Any], path: Path) -> None:
    """Replace `path` by the metrics of `health`, as read_health returns it; what is not known, as
    that of a busy warehouse, has no metric.

    Raises UserError 54302 if the file cannot be written.
    """
    registry = prometheus_client.CollectorRegistry()

    def tell(name: str, about: str, value: float | None) -> None:
        if value is not None:
            prometheus_client.Gauge(_PREFIX + name, about, registry=registry).set(value)

    status = health["status"]
    tell("checked_timestamp_seconds", "When this was read.", time.time())
    tell("busy", "1 while a process has the warehouse open.", status == "busy")
    tell("healthy", "1 if healthy.", None if status == "busy" else status == "healthy")
    tell("last_success_timestamp_seconds", "End of the last successful run.", _unix(health))
    tell("unfinished_runs", "Runs that died.", health.get("unfinished_run_count"))
    tell("quarantined_batches", "Batches held back.", health.get("quarantined_batch_count"))
    tell("staged_rows_per_second", "Rows per second and study.", health.get("rows_per_second"))
    tell("unlabelled_ratio", "Samples without a label.", health.get("unknown_illness_share"))
    tell("runs_last_hour", "Runs that began within an hour.", health.get("runs_last_hour"))
    tell("failed_runs_last_day", "Runs of a day that failed.", health.get("failed_runs_last_day"))
    for name, value in health["machine"].items():
        tell(name, _MACHINE[name], value)
    if "damaged" in health:
        tell("damaged_tables", "Tables that cannot be read.", len(health["damaged"]))
    if "errors" in health:
        counts = prometheus_client.Gauge(
            f"{_PREFIX}errors", "Errors of 30 days.", ["code", "name"], registry=registry
        )
        for error in health["errors"]:
            counts.labels(error["error_code"], error["error_name"]).set(error["error_count"])
    with named_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_atomically(path) as file:
            file.write(prometheus_client.generate_latest(registry))


def _unix(health: dict[str, Any]) -> float | None:
    ended = health.get("last_success_at")
    return ended.replace(tzinfo=datetime.UTC).timestamp() if ended else None
