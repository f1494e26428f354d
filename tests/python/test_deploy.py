"""The files of deploy/: each command in them exists, and the tools that read them accept them.

Not run here: an image is not built, a cluster does not start.
"""

import contextlib
import datetime
import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import httpx
import kubernetes_validate
import pytest
import yaml
from conftest import PROJECT

from expression_warehouse.api.metrics import Metrics
from expression_warehouse.cli import main
from loader.health_metrics import write_textfile

DEPLOY = PROJECT / "deploy"
UNITS = sorted(DEPLOY.glob("systemd/*.service"))
HADOLINT = Path(sys.executable).parent / "hadolint"
needs_prometheus = pytest.mark.skipif(
    not (shutil.which("promtool") and shutil.which("prometheus")),
    reason="needs prometheus and promtool",
)


def commands() -> Iterator[tuple[str, list[str]]]:
    """Where a command stands, and its arguments."""
    for unit in UNITS:
        (line,) = [line for line in unit.read_text().splitlines() if line.startswith("ExecStart=")]
        yield unit.name, shlex.split(line)[1:]
    for name, service in yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"].items():
        if name != "prometheus":
            yield f"compose {name}", service["command"]
    for path in sorted(DEPLOY.glob("kubernetes/*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            spec = document["spec"]
            spec = spec.get("jobTemplate", {}).get("spec", spec)
            for container in spec.get("template", {}).get("spec", {}).get("containers", []):
                yield path.name, container["args"]


@pytest.mark.parametrize(("where", "arguments"), list(commands()))
def test_each_command_exists_with_its_options(where, arguments):
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group):
        name, *arguments = arguments
        command = command.get_command(context, name)
        assert command is not None, f"{where}: {name}"
    # Parses the options, and does not run.
    command.make_context(where, list(arguments))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_accepts_the_units(tmp_path):
    shutil.copytree(DEPLOY / "systemd", tmp_path, dirs_exist_ok=True)
    for unit in tmp_path.glob("*.service"):
        # The program is not installed here.
        unit.write_text(
            unit.read_text().replace(
                "/opt/expression-warehouse/bin/expression-warehouse", "/bin/true"
            )
        )
    for unit in tmp_path.glob("expression-warehouse-*.*"):
        if unit.is_file():
            done = subprocess.run(
                ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False
            )  # fmt: skip
            assert [line for line in done.stderr.splitlines() if line.startswith(unit.name)] == []
            assert str(tmp_path) not in done.stderr


@pytest.mark.skipif(
    not HADOLINT.exists(), reason="needs hadolint, which has no wheel for this platform"
)
def test_the_image_file_follows_the_rules_for_such_files():
    run(HADOLINT, DEPLOY / "Dockerfile")


def run(*command: object) -> None:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "path", sorted(DEPLOY.glob("kubernetes/*.yaml")), ids=lambda path: path.name
)
def test_kubernetes_has_these_fields(path):
    documents = list(yaml.safe_load_all(path.read_text()))
    assert documents
    for document in documents:
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


@needs_prometheus
def test_prometheus_accepts_its_configuration(tmp_path):
    shutil.copytree(DEPLOY / "prometheus", tmp_path, dirs_exist_ok=True)
    config = tmp_path / "prometheus.yml"
    (tmp_path / "key").touch()
    config.write_text(config.read_text().replace("/etc/prometheus/api-key", "key"))
    run("promtool", "check", "config", config)


@needs_prometheus
def test_each_alert_fires_when_it_should():
    run("promtool", "test", "rules", DEPLOY / "prometheus" / "alerts_test.yml")
    (group,) = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    cases = yaml.safe_load((DEPLOY / "prometheus" / "alerts_test.yml").read_text())["tests"]
    asserted = [one for case in cases for one in case["alert_rule_test"]]
    alerts = {rule["alert"] for rule in group["rules"]}
    assert {one["alertname"] for one in asserted if "exp_alerts" in one} == alerts
    assert {one["alertname"] for one in asserted if "exp_alerts" not in one} == alerts


def test_each_timer_has_its_service():
    timers = {path.stem for path in DEPLOY.glob("systemd/*.timer")}
    assert timers and timers < {path.stem for path in UNITS}


def test_the_workflow_runs_no_action_that_can_change():
    text = (PROJECT / ".github" / "workflows" / "test.yml").read_text()
    used = re.findall(r"uses: \S+@(\S+)", text)
    assert used
    assert [version for version in used if not re.fullmatch("[0-9a-f]{40}", version)] == []


def test_the_image_copies_what_there_is():
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    assert "USER 10001:10001" in lines
    ignored = (PROJECT / ".dockerignore").read_text().split()
    assert not {"pyproject.toml", "setup.py", "models", "macros", "seeds", "tests"} & set(ignored)


@pytest.fixture
def told_lines(tmp_path) -> list[str]:
    """All metrics that `health` and the service tell, with their values."""
    path = tmp_path / "metrics" / "warehouse.prom"
    ended = datetime.datetime(2026, 1, 1)
    known = {"last_success_at": ended, "rows_per_second": 1e5, "damaged": []}
    write_textfile({"status": "healthy", **WHOLE, **known}, path)
    metrics = Metrics()
    metrics._seconds.labels("GET", "/", 500).observe(1)
    text = path.read_text() + metrics.text().body.decode()
    return [line for line in text.splitlines() if not line.startswith("#")]


@pytest.fixture
def told(told_lines) -> set[str]:
    """Their names."""
    return {line.split("{")[0].split(" ")[0] for line in told_lines}


def asked(expressions: list[str]) -> set[str]:
    return {
        name for text in expressions for name in re.findall("expression_warehouse_[a-z_]+", text)
    }


def test_the_alerts_ask_for_metrics_that_are_told(told):
    (group,) = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    names = asked([rule["expr"] for rule in group["rules"]])
    assert len(names) >= 5
    assert names <= told


def test_the_dashboard_shows_all_metrics_that_are_told(told):
    dashboard = json.loads((DEPLOY / "grafana" / "expression-warehouse.json").read_text())
    panels = dashboard["panels"]
    names = asked([target["expr"] for panel in panels for target in panel["targets"]])
    assert names <= told
    ours = {name for name in told if name.startswith("expression_warehouse_")}
    # When it was read is what Prometheus knows anyway; the service's histogram is shown by its counts.
    assert ours - names == {
        "expression_warehouse_checked_timestamp_seconds",
        "expression_warehouse_request_seconds_created",
        "expression_warehouse_request_seconds_sum",
    }
    places = [panel["gridPos"] for panel in panels]
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells)), "panels overlap"
    assert max(x for x, _ in cells) < 24


@pytest.fixture
def prometheus(told_lines, tmp_path) -> Iterator[Callable[[str], list]]:
    """A real Prometheus that has all metrics twice, a minute apart; asks it at the second time."""
    end = int(time.time()) - 3600
    lines = [f"{line} {at}" for line in sorted(told_lines) for at in (end - 60, end)]
    (tmp_path / "metrics.txt").write_text("\n".join([*lines, "# EOF"]) + "\n")
    data = tmp_path / "data"
    run("promtool", "tsdb", "create-blocks-from", "openmetrics", tmp_path / "metrics.txt", data)
    (tmp_path / "empty.yml").touch()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = subprocess.Popen(
        ["prometheus", f"--config.file={tmp_path / 'empty.yml'}", f"--storage.tsdb.path={data}",
         f"--web.listen-address={address}", "--log.level=error"]
    )  # fmt: skip

    def ask(query: str) -> list:
        asked = {"query": query, "time": end}
        answer = httpx.get(f"http://{address}/api/v1/query", params=asked).json()
        assert answer["status"] == "success", (query, answer)
        return answer["data"]["result"]

    try:
        ends = time.monotonic() + 30
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"http://{address}/-/ready").is_success:
                    break
            assert time.monotonic() < ends and process.poll() is None
            time.sleep(0.1)
        yield ask
    finally:
        process.terminate()
        process.wait()


@needs_prometheus
def test_each_query_of_the_dashboard_finds_something(prometheus):
    dashboard = json.loads((DEPLOY / "grafana" / "expression-warehouse.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(queries) > 10
    assert [query for query in queries if not prometheus(query)] == []
    assert prometheus("expression_warehouse_no_such_metric") == []


MACHINE = {
    "load_average": 1.5, "cores": 2, "memory_available_bytes": 3e9, "memory_total_bytes": 8e9,
    "disk_free_bytes": 4e9, "disk_total_bytes": 9e9,
}  # fmt: skip
WHOLE = {
    "unfinished_run_count": 0, "quarantined_batch_count": 2, "rows_per_second": None, "unknown_illness_share": 0.25,
    "runs_last_hour": 3, "failed_runs_last_day": 1,
    "last_success_at": None, "errors": [{"error_code": 1004, "error_name": "EXTRACTION_PARSE_ERROR", "error_count": 3}],
    "machine": MACHINE,
}  # fmt: skip


def metrics_of(health: dict, folder: Path) -> dict[str, float]:
    write_textfile(health, folder / "m.prom")
    lines = (folder / "m.prom").read_text().splitlines()
    return {
        k: float(v) for k, v in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    }


def test_metrics_of_a_warehouse(tmp_path):
    metrics = metrics_of({"status": "unhealthy", **WHOLE}, tmp_path)
    assert metrics.pop("expression_warehouse_checked_timestamp_seconds") > 1.7e9
    assert metrics == {
        "expression_warehouse_busy": 0,
        "expression_warehouse_healthy": 0,
        "expression_warehouse_unfinished_runs": 0,
        "expression_warehouse_quarantined_batches": 2,
        "expression_warehouse_unlabelled_ratio": 0.25,
        "expression_warehouse_runs_last_hour": 3,
        "expression_warehouse_failed_runs_last_day": 1,
        **{f"expression_warehouse_{name}": value for name, value in MACHINE.items()},
        'expression_warehouse_errors{code="1004",name="EXTRACTION_PARSE_ERROR"}': 3,
    }


def test_a_busy_warehouse_is_neither_healthy_nor_unhealthy(tmp_path):
    metrics = metrics_of({"status": "busy", "message": "held by 17", "machine": MACHINE}, tmp_path)
    assert "expression_warehouse_healthy" not in metrics
    assert metrics["expression_warehouse_busy"] == 1
