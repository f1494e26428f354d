"""The state of the warehouse, for probes (exit code, JSON) and people (text)."""

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rich.console

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.listed import counted
from expression_warehouse.core.warehouse.base import Warehouse
from loader.machine import read_machine

_HEALTH = "select * from {meta}.vw_health"
_ERRORS = "select * from {meta}.vw_error_histogram order by error_count desc, error_code"
_TABLES = """
    select table_schema, table_name
    from information_schema.tables
    where table_type = 'BASE TABLE'
    order by table_schema, table_name
"""
_QUARANTINE = "select * from {meta}.vw_quarantine order by study_accession_code, batch_id"


def read_health(
    open_warehouse: Callable[[], Warehouse], folder: Path, is_deep: bool = False
) -> dict[str, Any]:
    """The row of vw_health, with `errors` (of the last 30 days), `quarantine` and, if asked for,
    `damaged` tables as lists, and `machine` (read_machine).

    folder   where the warehouse is, or if it is on a server, where commands work
    is_deep  every block of every table is read

    status  'healthy', 'unhealthy', 'busy' if another process has the warehouse open, or 'not
            built' before the first build; the last two come with a `message` and `machine` only

    Raises UserError 4001 if the warehouse cannot be opened.
    """
    return {**_read_warehouse(open_warehouse, is_deep), "machine": read_machine(folder)}


def _read_warehouse(open_warehouse: Callable[[], Warehouse], is_deep: bool) -> dict[str, Any]:
    try:
        with open_warehouse() as warehouse:
            (health,) = warehouse.read(_HEALTH).to_pylist()
            errors = warehouse.read(_ERRORS).to_pylist()
            quarantine = warehouse.read(_QUARANTINE).to_pylist()
    except UserError as error:
        if error.name == "LOAD_WAREHOUSE_NOT_BUILT":
            return {"status": "not built", "message": _message(error)}
        if error.name == "LOAD_WAREHOUSE_BUSY":
            return {"status": "busy", "message": _message(error)}
        raise
    if is_deep:
        health["damaged"] = find_damaged(open_warehouse)
    is_healthy = health.pop("is_healthy") and not health.get("damaged")
    status = "healthy" if is_healthy else "unhealthy"
    return {"status": status, **health, "errors": errors, "quarantine": quarantine}


def find_damaged(open_warehouse: Callable[[], Warehouse]) -> list[dict[str, str]]:
    """The tables that cannot be read, with what the engine says."""
    with open_warehouse() as warehouse:
        tables = warehouse.read(_TABLES).to_pylist()
    damaged = []
    while tables:
        # A damaged block can end the connection: the tables after it need another one.
        with open_warehouse() as warehouse:
            while tables:
                table = tables.pop()
                schema, name = table["table_schema"], table["table_name"]
                try:
                    warehouse.read_whole(schema, name)
                except UserError as error:
                    damaged.append({"table": f"{schema}.{name}", "message": error.found})
                    break
    return sorted(damaged, key=lambda each: each["table"])


def print_health(health: dict[str, Any], as_json: bool) -> None:
    """Print one JSON object, or lines of text."""
    if as_json:
        print(json.dumps(health, default=datetime.datetime.isoformat))
        return
    console = rich.console.Console(highlight=False, soft_wrap=True)
    for line in _lines(health):
        console.print(line, markup=False)


def _lines(health: dict[str, Any]) -> list[str]:
    machine = _machine(health["machine"])
    if "message" in health:
        return [f"{health['status']}: {health['message']}", machine]
    lines = [health["status"]]
    if health["last_run_id"]:
        lines.append(
            "last run: {last_command} {last_status}, {last_started_at:%F %T} UTC".format(**health)
        )
        lines.append(f"  {health['last_run_id']}")
    if health["last_error_message"]:
        lines.append(f"  {health['last_error_message']}")
    if health["last_build_status"] == "FAILED":
        lines.append(
            "last build: FAILED, {last_build_at:%F %T} UTC: {last_build_error_message}".format(
                **health
            )
        )
    lines += ["damaged: {table}: {message}".format(**table) for table in health.get("damaged", [])]
    if health["last_success_at"]:
        lines.append(f"last success: {health['last_success_at']:%F %T} UTC")
    if health["rows_per_second"] is not None:
        lines.append(f"staging: {health['rows_per_second']:,.0f} rows per second")
    if health["unknown_illness_share"] is not None:
        lines.append(f"samples without an illness label: {health['unknown_illness_share']:.1%}")
    if health["unfinished_run_count"]:
        lines.append(f"runs that have not ended: {health['unfinished_run_count']}")
    lines.append(
        "runs of the last hour: {runs_last_hour}; failed in 24 hours:"
        " {failed_runs_last_day}".format(**health)
    )
    lines.append(machine)
    for batch in health["quarantine"]:
        lines.append(
            "quarantined: {study_accession_code} {batch_id:.12}: {quarantine_reason}".format(
                **batch
            )
        )
    for error in health["errors"]:
        lines.append(
            "in 30 days: {error_count} x {error_code} {error_name}, in {runs}".format(
                **error, runs=counted(error["run_count"], "run")
            )
        )
    return lines


def _machine(machine: dict[str, float | None]) -> str:
    """One line; what is not known is left out."""
    told = []
    if (load := machine["load_average"]) is not None:
        told.append(f"load {load:.1f} on {machine['cores']} cores")
    for kind, left in (("memory", "available"), ("disk", "free")):
        free, total = machine[f"{kind}_{left}_bytes"], machine[f"{kind}_total_bytes"]
        if free is not None and total is not None:
            told.append(f"{kind} {free / 1e9:.1f} of {total / 1e9:.1f} GB {left}")
    return "machine: " + ", ".join(told)


def _message(error: UserError) -> str:
    return f"{error.file}: {error.found}"
