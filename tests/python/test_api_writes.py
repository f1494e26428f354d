"""What the API writes: reviews that no kill, lock or rebuild loses, keys that leak nowhere, jobs that
run one at a time."""

import base64
import json
import logging
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import duckdb
import httpx
import pytest
from click.testing import CliRunner
from conftest import PROJECT, WarehouseUnderTest, examples
from fastapi.testclient import TestClient
from warehouses import four_studies, ingest_four_studies

from expression_warehouse.api import jobs, limits
from expression_warehouse.api.app import create_app
from expression_warehouse.api.jobs import JobQueue
from expression_warehouse.api.keys import KeyFile
from expression_warehouse.api.service_files import service_files
from expression_warehouse.api.store import open_store
from expression_warehouse.cli import main
from expression_warehouse.core.review_journal import ReviewJournal, journal_beside
from expression_warehouse.core.snapshot import newest_snapshot, publish

pytestmark = pytest.mark.skipif(
    os.environ.get("EXPRESSION_TEST_TARGET") == "sqlserver", reason="looks at the DuckDB file"
)

REVIEW = {"verdict": "SUPPORTED", "rationale": "Both <b>rise</b> in shock.", "reviewer": "Ada"}
PATH = "/api/v1/analytics/pairs/1/review"


@pytest.fixture
def warehouse(copy_of, tmp_path) -> Iterator[WarehouseUnderTest]:
    made = copy_of(four_studies, tmp_path)
    with mock.patch.dict(os.environ, made.env, clear=True):
        publish(made.path, print)
        yield made


@pytest.fixture
def keys(warehouse) -> dict[str, str]:
    """Scope → the text of a key that has only this scope."""
    file = KeyFile(service_files(None).keys)
    return {scope: file.create(scope, (scope,)) for scope in ("read", "review", "run")}


def client(jobs: JobQueue | None = None, is_public: bool = False) -> TestClient:
    app = create_app(open_store(None), service_files(None), is_public, jobs)
    return TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)


def bearer(key: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}", **more}


def fact(warehouse: WarehouseUnderTest, query: str) -> list[dict]:
    with duckdb.connect(str(warehouse.path), read_only=True) as connection:
        return connection.sql(query).to_arrow_table().to_pylist()


def take(warehouse: WarehouseUnderTest) -> None:
    """An ingest in which there is no new study."""
    ingest_four_studies(warehouse, Path(tempfile.mkdtemp(dir=warehouse.folder)))


def test_a_review_is_in_the_audit_table_the_fact_and_the_page(warehouse, keys):
    api = client()
    answer = api.post(PATH, json={**REVIEW, "model": "m1"}, headers=bearer(keys["review"]))
    assert answer.status_code == 201
    review = answer.json()
    assert api.get(answer.headers["location"]).json() == [review]
    page = api.get("/pairs/1").text
    assert "Both &lt;b&gt;rise&lt;/b&gt; in shock." in page
    take(warehouse)
    take(warehouse)
    (row,) = fact(warehouse, "from analytics.llm_reviews")
    names = (
        "review_id",
        "pair_key",
        "verdict",
        "rationale",
        "reviewer",
        "model",
        "snapshot_version",
    )
    assert {name: row[name] for name in names} == {name: review[name] for name in names}
    assert row["snapshot_version"] == newest_snapshot(warehouse.path).version
    warehouse.build()
    reviewed = fact(
        warehouse, "select agent_result_json as j, pair_key from fact.fact_gene_pair_metrics"
    )
    (content,) = [json.loads(row["j"]) for row in reviewed if row["pair_key"] == 1]
    assert (content["review_id"], content["model"]) == (review["review_id"], "m1")
    assert not any(row["j"] for row in reviewed if row["pair_key"] != 1)


def test_the_newest_review_is_in_the_fact(warehouse, keys):
    api = client()
    for verdict in ("SUPPORTED", "REJECTED"):
        api.post(PATH, json={**REVIEW, "verdict": verdict}, headers=bearer(keys["review"]))
    take(warehouse)
    warehouse.build()
    (row,) = fact(warehouse, "from fact.fact_gene_pair_metrics where pair_key = 1")
    assert json.loads(row["agent_result_json"])["verdict"] == "REJECTED"
    # A build that changes nothing leaves it.
    warehouse.build()
    assert fact(warehouse, "from fact.fact_gene_pair_metrics where pair_key = 1") == [row]


def test_reviews_survive_a_new_warehouse(warehouse, keys):
    review = client().post(PATH, json=REVIEW, headers=bearer(keys["review"])).json()
    warehouse.path.unlink()
    take(warehouse)
    warehouse.build()
    reviewed = fact(
        warehouse,
        "select a.gene_id as a, b.gene_id as b, m.agent_result_json as j"
        " from fact.fact_gene_pair_metrics m inner join dim.dim_gene_pair p using (pair_key)"
        " inner join dim.dim_gene a on a.gene_key = p.gene_a_key"
        " inner join dim.dim_gene b on b.gene_key = p.gene_b_key where m.agent_result_json is not null",
    )
    (row,) = reviewed
    assert {row["a"], row["b"]} == {review["gene_a_id"], review["gene_b_id"]}
    assert json.loads(row["j"])["review_id"] == review["review_id"]


def test_reviews_are_taken_while_the_warehouse_is_locked(warehouse, keys):
    with duckdb.connect(str(warehouse.path)):
        answer = client().post(PATH, json=REVIEW, headers=bearer(keys["review"]))
    assert answer.status_code == 201


def test_a_repeated_request_writes_nothing(warehouse, keys):
    api, other = client(), client()
    sent = bearer(keys["review"], **{"Idempotency-Key": "k1"})
    first = api.post(PATH, json=REVIEW, headers=sent)
    with ThreadPoolExecutor(8) as pool:
        again = list(pool.map(lambda _: other.post(PATH, json=REVIEW, headers=sent), range(16)))
    assert {answer.json()["review_id"] for answer in again} == {first.json()["review_id"]}
    changed = api.post(PATH, json={**REVIEW, "verdict": "REJECTED"}, headers=sent)
    assert (changed.status_code, "Idempotency-Key" in changed.text) == (422, True)
    assert len(api.get("/api/v1/pairs/1/reviews").json()) == 1
    more = api.post(PATH, json=REVIEW, headers=bearer(keys["review"])).json()
    assert more["review_id"] != first.json()["review_id"]


@pytest.mark.parametrize(
    "body",
    [
        {**REVIEW, "verdict": "MAYBE"},
        {**REVIEW, "rationale": ""},
        {**REVIEW, "rationale": "x" * 10_001},
        {**REVIEW, "rationale": "null \x00 byte"},
        {**REVIEW, "reviewer": None},
        {**REVIEW, "more": 1},
        [],
        None,
    ],
)
def test_invalid_reviews_are_refused(warehouse, keys, body):
    api = client()
    answer = api.post(PATH, json=body, headers=bearer(keys["review"]))
    assert (answer.status_code, answer.json()["title"]) == (422, "Invalid parameters")
    assert api.get("/api/v1/pairs/1/reviews").json() == []


def test_a_review_of_no_pair_and_lone_surrogates(warehouse, keys):
    api = client()
    assert api.post("/api/v1/analytics/pairs/999/review", json=REVIEW, headers=bearer(keys["review"])).status_code == 404  # fmt: skip
    text = '{"verdict": "SUPPORTED", "reviewer": "Ada", "rationale": "\\ud800"}'
    sent = bearer(keys["review"], **{"Content-Type": "application/json"})
    assert api.post(PATH, content=text, headers=sent).status_code == 422


def test_writes_need_a_key_with_the_scope(warehouse, keys):
    api = client()

    def status(**headers: str) -> int:
        return api.post(PATH, json=REVIEW, headers=headers).status_code

    assert status() == 401
    assert status(Authorization="Bearer x") == 401
    assert status(**bearer(keys["review"][:-1] + "x")) == 401
    assert status(**bearer(keys["read"])) == 403
    assert status(**bearer(keys["run"])) == 403
    # A browser would send it for other sites, too.
    basic = base64.b64encode(f"a:{keys['review']}".encode()).decode()
    assert status(Authorization=f"Basic {basic}") == 401
    assert status(**bearer(keys["review"])) == 201
    assert api.post("/api/v1/etl/run", headers=bearer(keys["review"])).status_code == 403
    file = KeyFile(service_files(None).keys)
    file.revoke(keys["review"].split("_")[1])
    assert status(**bearer(keys["review"])) == 401, "for a running service too"


def test_other_hosts_need_a_key_to_read(warehouse, keys):
    api = client(is_public=True)
    for path in (
        "/",
        "/pairs",
        "/api/v1/studies",
        "/metrics",
        "/docs",
        "/static/style.css",
        "/none",
    ):
        answer = api.get(path)
        assert (answer.status_code, "Basic" in answer.headers["www-authenticate"]) == (401, True)
        assert api.get(path, headers=bearer(keys["run"])).status_code == 403
        assert api.get(path, headers=bearer(keys["read"])).status_code in (200, 404)
        assert api.get(path, auth=("any", keys["read"])).status_code in (200, 404)
    assert api.get("/", headers={"Authorization": "Basic !!"}).status_code == 401
    assert api.get("/api/v1/health").json()["status"] == "healthy", "a probe has no key"
    assert api.get("/", auth=("any", keys["read"])).headers["cache-control"].startswith("private")


def test_too_many_and_too_large_requests_are_refused(warehouse, keys, monkeypatch):
    # Time stands still: on a slow machine, the allowance would grow as fast as it is used.
    monkeypatch.setattr(limits, "time", SimpleNamespace(monotonic=lambda: 0.0))
    api = client(is_public=True)
    statuses = [
        api.get("/static/style.css", headers=bearer(keys["read"])).status_code for _ in range(400)
    ]
    assert statuses[:200] == [200] * 200
    assert 429 in statuses
    large = api.post(PATH, content=b"x" * 70_000, headers=bearer(keys["review"]))
    assert large.status_code == 413

    # Without a length in the header.
    parts = iter([b"x" * 1000] * 100)
    assert api.post(PATH, content=parts, headers=bearer(keys["review"])).status_code == 413
    writes = [api.post(PATH).status_code for _ in range(60)]
    assert 429 in writes


def test_a_key_leaks_nowhere(warehouse, keys, caplog):
    caplog.set_level(logging.DEBUG)
    api = client(is_public=True)
    secret = keys["review"].split("_", 2)[2]
    answers = [
        api.post(PATH, json=REVIEW, headers=bearer(keys["review"])),
        api.post(PATH, json={"verdict": keys["review"][:20]}, headers=bearer(keys["review"])),
        api.get("/pairs/1", auth=("any", keys["read"])),
        api.get("/metrics", headers=bearer(keys["read"])),
        api.get("/none", headers=bearer(keys["review"])),
    ]
    listed = CliRunner().invoke(main, ["api", "keys", "list"], env=warehouse.env)
    take(warehouse)
    warehouse.build()
    publish(warehouse.path, print)
    said = [answer.text + str(answer.headers) for answer in answers] + [caplog.text, listed.stdout]
    assert not any(secret in text for text in said)
    written = [path for path in warehouse.folder.rglob("*") if path.is_file()]
    assert not [path for path in written if secret.encode() in path.read_bytes()]
    (key_file,) = [path for path in written if path.name.endswith("api-keys.json")]
    assert key_file.stat().st_mode & 0o077 == 0


def test_keys_are_created_listed_and_revoked(warehouse):
    def run(*arguments: str):
        return CliRunner().invoke(main, ["api", "keys", *arguments], env=warehouse.env)

    key = run("create", "anna", "--scope", "read", "--scope", "review").stdout.strip()
    key_id = key.split("_")[1]
    assert f"{key_id}  " in run("list").stdout
    assert "read+review  valid  anna" in run("list").stdout
    assert KeyFile(service_files(None).keys).find(key).scopes == ("read", "review")
    assert run("revoke", key_id).exit_code == 0
    assert "revoked" in run("list").stdout
    assert KeyFile(service_files(None).keys).find(key) is None
    unknown = run("revoke", "00000000")
    assert (unknown.exit_code, "54610" in unknown.output) == (1, True)


def test_serve_refuses_other_hosts_without_a_key(warehouse):
    arguments = ["api", "serve", "--host", "0.0.0.0", "--port", "0"]
    result = CliRunner().invoke(main, arguments, env=warehouse.env)
    assert (result.exit_code, "54611" in result.output) == (1, True)


def test_a_service_without_an_inbox_says_so(warehouse, keys):
    answer = client().post("/api/v1/etl/run", headers=bearer(keys["run"]))
    assert (answer.status_code, answer.json()["code"]) == (409, 54612)


def test_jobs_run_one_at_a_time_and_survive_the_service(warehouse, keys, tmp_path):
    """A load is stood in for by a shell that notes when it began and ended."""
    marks = tmp_path / "marks"
    script = f'echo b >> {marks}; sleep 0.2; echo e >> {marks}; echo \'{{"run_id": "r", "summary": "s"}}\''
    queue = JobQueue(service_files(None).jobs, ["sh", "-c", script])
    api = client(queue)
    made = [api.post("/api/v1/etl/run", headers=bearer(keys["run"])) for _ in range(3)]
    assert [answer.status_code for answer in made] == [202] * 3
    addresses = [answer.headers["location"] for answer in made]
    wait_until(lambda: api.get(addresses[2]).json()["status"] == "SUCCESS")
    assert marks.read_text().split() == ["b", "e"] * 3
    job = api.get(addresses[0]).json()
    assert (job["exit_code"], job["run_id"], job["summary"]) == (0, "r", "s")
    assert len(api.get("/api/v1/jobs").json()) == 3
    assert api.get("/api/v1/jobs/" + "0" * 32).status_code == 404
    for status, place in (("QUEUED", 0), ("RUNNING", 1)):
        path = service_files(None).jobs / f"{addresses[place].rsplit('/', 1)[1]}.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "status": status}))
    again = JobQueue(service_files(None).jobs, ["sh", "-c", script])
    wait_until(lambda: again.find(addresses[0].rsplit("/", 1)[1]).status == "SUCCESS")
    assert again.find(addresses[1].rsplit("/", 1)[1]).status == "INTERRUPTED"


def test_a_full_queue_refuses(warehouse, keys):
    queue = JobQueue(service_files(None).jobs, ["sh", "-c", "sleep 1000"])
    api = client(queue)
    statuses = []
    for _ in range(13):
        answer = api.post("/api/v1/etl/run", headers=bearer(keys["run"]))
        statuses.append(answer.status_code)
    assert statuses[:10] == [202] * 10
    assert (answer.status_code, answer.json()["code"]) == (503, 54613)


def test_jobs_go_on_after_one_whose_file_cannot_be_written(tmp_path):
    """A full disk, or a folder that is gone, must not end the thread that runs all jobs."""
    folder = tmp_path / "jobs"
    queue = JobQueue(folder, ["sh", "-c", f"rm -r {folder}; touch {folder}; echo '{{}}'"])
    for _ in range(2):
        job = queue.submit("0").job_id
        wait_until(lambda job=job: queue.find(job).ended_at)
        assert queue.find(job).status == "FAILED"
        folder.unlink()


def test_a_job_loads_the_inbox_and_publishes(warehouse, keys, tmp_path, monkeypatch):
    """The real command. It publishes, since a snapshot was published before."""
    from test_pair_metrics import study_of
    from warehouses import FOUR_STUDIES_COHORTS, FOUR_STUDIES_GENES

    inbox = tmp_path / "inbox"
    study, matrix = study_of("GSE5", FOUR_STUDIES_COHORTS, FOUR_STUDIES_GENES, seed=5)
    study.values = [[str(value) for value in line] for line in matrix.values]
    study.write(inbox / "five")
    config = tmp_path / "pipeline.yaml"
    settings = "{disease: SEPSIS, units: LOG2}"
    config.write_text(f"folders: {{inbox: inbox}}\nstudies: {{GSE5: {settings}}}\n")
    monkeypatch.chdir(PROJECT)
    before = newest_snapshot(warehouse.path).version
    queue = JobQueue(service_files(None).jobs, jobs.load_command(inbox, config, None))
    api = client(queue)
    made = api.post("/api/v1/etl/run", headers=bearer(keys["run"]))
    wait_until(lambda: api.get(made.headers["location"]).json()["ended_at"], 240)
    job = api.get(made.headers["location"]).json()
    assert (job["status"], job["exit_code"]) == ("SUCCESS", 0)
    assert job["summary"]
    assert newest_snapshot(warehouse.path).version > before
    assert "GSE5" in [row["study_accession_code"] for row in api.get("/api/v1/studies").json()]
    assert job["run_id"] in [row["run_id"] for row in api.get("/api/v1/runs").json()]


def wait_until(is_done, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not is_done():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)


def builds(count: int):
    return pytest.param(count, marks=[pytest.mark.long] if count > 1 else [])


@pytest.mark.parametrize("count", [builds(1), builds(10)])
def test_reads_during_a_build_neither_fail_nor_wait(warehouse, count):
    """A read that waited for the warehouse's file would take as long as the build."""
    api, dbt = client(), Path(sys.executable).parent / "dbt"
    paths = ["/", "/pairs", "/pairs/1", "/api/v1/analytics/pairs/top", "/api/v1/pairs/1/studies"]
    for _ in range(count):
        began, taken = time.monotonic(), []
        build = subprocess.Popen([dbt, "--quiet", "build"], env=warehouse.env, cwd=PROJECT)
        while build.poll() is None:
            asked = time.monotonic()
            assert api.get(paths[len(taken) % len(paths)]).status_code == 200
            taken.append(time.monotonic() - asked)
        assert build.returncode == 0
        assert len(taken) >= 20
        assert max(taken) < (time.monotonic() - began) / 4
        publish(warehouse.path, print)


# A process is forked from one that has imported these and nothing else: it has no threads.
_FORKS = get_context("forkserver")
_FORKS.set_forkserver_preload(["expression_warehouse.api.app", "expression_warehouse.api.store"])


def serve(listening: socket.socket, env: dict[str, str]) -> None:
    """The service, in a process of its own."""
    import uvicorn

    os.environ.update(env)
    app = create_app(open_store(None), service_files(None))
    uvicorn.Server(uvicorn.Config(app, log_level="critical")).run([listening])


def kills(count: int):
    return pytest.param(count, marks=[pytest.mark.long] if count > 20 else [])


@pytest.mark.parametrize("count", [kills(20), kills(200)])
def test_every_confirmed_review_is_in_the_audit_table_once(warehouse, keys, count):
    """The service is killed while reviews come; what it confirmed is taken over by later ingests."""
    dice, confirmed = random.Random(20), []
    for number in range(count):
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        process = _FORKS.Process(target=serve, args=(listening, warehouse.env))
        process.start()
        listening.close()
        sender = threading.Thread(
            target=send_reviews, args=(port, keys["review"], number, confirmed)
        )
        sender.start()
        so_far = len(confirmed)
        wait_until(lambda so_far=so_far: len(confirmed) > so_far)
        time.sleep(dice.random() * 0.03)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        sender.join()
        if number % 10 == 5:
            take(warehouse)
    take(warehouse)
    rows = fact(
        warehouse, "select review_id, count(*) as n from analytics.llm_reviews group by all"
    )
    assert {row["n"] for row in rows} == {1}
    assert set(confirmed) <= {row["review_id"] for row in rows}
    assert len(confirmed) >= count
    # A review can be kept that was not confirmed; at most the one under way per kill.
    assert len(rows) <= len(confirmed) + count


def send_reviews(port: int, key: str, number: int, confirmed: list[str]) -> None:
    """Send reviews until the service is gone."""
    limits = httpx.Limits(max_connections=1)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", limits=limits, timeout=20) as api:
        for sent in range(1000):
            headers = bearer(key, **{"Idempotency-Key": f"{number}-{sent}"})
            try:
                answer = api.post(
                    PATH, json={**REVIEW, "rationale": f"{number} {sent}"}, headers=headers
                )
            except httpx.TransportError:
                return
            if answer.status_code == 201:
                confirmed.append(answer.json()["review_id"])


def test_a_torn_line_hides_no_other_review(tmp_path):
    path = journal_beside(tmp_path / "w.duckdb")
    row = {
        "review_id": "r1",
        "gene_a_id": "a",
        "gene_b_id": "b",
        "api_key_id": "k",
        "created_at": "t",
    }
    ReviewJournal(path).append(row, "i1")
    with path.open("ab") as file:
        file.write(b'{"review_id": "torn')
    journal = ReviewJournal(path)
    assert journal.reviews() == [row]
    assert journal.append({**row, "review_id": "r2"}, "i1") == (row, False)
    other = {**row, "review_id": "r3", "gene_a_id": "c"}
    assert journal.append(other, None) == (other, True)
    assert ReviewJournal(path).reviews() == [row, other] == journal.reviews()
    assert journal.reviews(("b", "a")) == [row]
    assert Path(path).stat().st_mode & 0o077 == 0


def test_keys_of_any_text_are_refused_in_silence(tmp_path):
    file = KeyFile(tmp_path / "keys.json")
    file.create("a", ("read",))
    dice = random.Random(1)
    for _ in range(examples(40)):
        text = "".join(chr(dice.randrange(32, 0x2FF)) for _ in range(dice.randrange(80)))
        assert file.find(text) is None
        assert file.find(f"ewk_{text}") is None
