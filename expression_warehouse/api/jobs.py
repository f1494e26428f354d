"""Jobs: loads of the inbox that were asked for, one at a time, each in a process of its own.

A job is a file, so that a service that starts again goes on with what waits. A load that was
running when the service was killed goes on by itself; what it loads is whole or absent.
"""

import contextlib
import dataclasses
import json
import queue
import subprocess
import sys
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import named_os_errors, open_atomically

_MOST_WAITING = 10


@dataclass(frozen=True)
class Job:
    """status      QUEUED, RUNNING, SUCCESS, FAILED, or INTERRUPTED if the service ended first
    run_id      of the load, in schema meta; None until it ends
    summary     what became of the studies; None until it ends
    api_key_id  who asked for it
    created_at, started_at, ended_at  UTC, as ISO text
    """

    job_id: str
    status: str
    created_at: str
    api_key_id: str
    started_at: str | None = None
    ended_at: str | None = None
    exit_code: int | None = None
    run_id: str | None = None
    summary: str | None = None


class JobQueue:
    """The jobs of one warehouse.

    folder   of their files
    command  what a job runs: a load that prints JSON lines; the last has run_id and summary
    """

    def __init__(self, folder: Path, command: list[str]) -> None:
        self._folder = folder
        self._command = command
        self._lock = threading.Lock()
        self._jobs = _read(folder)
        self._waiting: queue.Queue[str] = queue.Queue()
        for job in self.all():
            if job.status == "RUNNING":
                self._put(dataclasses.replace(job, status="INTERRUPTED", ended_at=_now()))
            elif job.status == "QUEUED":
                self._waiting.put(job.job_id)
        threading.Thread(target=self._work, daemon=True, name="jobs").start()

    def submit(self, api_key_id: str) -> Job:
        """Add a job; it is on the disk when this returns.

        Raises UserError 54613 if too many wait, 54302 if the folder cannot be written.
        """
        with self._lock:
            if sum(job.status == "QUEUED" for job in self._jobs.values()) >= _MOST_WAITING:
                raise UserError("JOB_QUEUE_FULL", f"{_MOST_WAITING} jobs wait")
            job = Job(uuid.uuid4().hex, "QUEUED", _now(), api_key_id)
            self._put(job)
        self._waiting.put(job.job_id)
        return job

    def find(self, job_id: str) -> Job | None:
        """A job; None if there is none of this id."""
        return self._jobs.get(job_id)

    def all(self) -> list[Job]:
        """All jobs, the newest first."""
        return sorted(self._jobs.values(), key=lambda job: job.created_at, reverse=True)

    def _put(self, job: Job) -> None:
        with named_os_errors(self._folder):
            self._folder.mkdir(exist_ok=True)
            with open_atomically(self._folder / f"{job.job_id}.json") as file:
                file.write(json.dumps(dataclasses.asdict(job)).encode())
        self._jobs[job.job_id] = job

    def _work(self) -> None:
        while True:
            self._load(self._jobs[self._waiting.get()])

    def _load(self, job: Job) -> None:
        """Run a job and keep what became of it, also if its file can no longer be written."""
        running = dataclasses.replace(job, status="RUNNING", started_at=_now())
        try:
            self._put(running)
            exit_code, last = self._run(job.job_id)
        except (OSError, UserError) as error:
            exit_code, last = 1, {"summary": f"the job failed: {error}"}
        ended = dataclasses.replace(
            running,
            status="FAILED" if exit_code else "SUCCESS",
            ended_at=_now(),
            exit_code=exit_code,
            run_id=last.get("run_id"),
            summary=last.get("summary"),
        )
        self._jobs[job.job_id] = ended
        with contextlib.suppress(UserError):
            self._put(ended)

    def _run(self, job_id: str) -> tuple[int, dict[str, Any]]:
        """Run the load; return its exit code and the last line that it printed."""
        log = self._folder / f"{job_id}.log"
        with log.open("wb") as file:
            ended = subprocess.run(
                self._command, stdout=file, stderr=subprocess.STDOUT, check=False
            )
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        for line in reversed(lines):
            try:
                return ended.returncode, json.loads(line)
            except ValueError:
                continue
        return ended.returncode, {}


def load_command(inbox: Path, config: Path | None, target: str | None) -> list[str]:
    """The command that loads a folder and builds the warehouse."""
    command = [
        sys.executable,
        "-m",
        "expression_warehouse",
        "run",
        str(inbox),
        "--log-format",
        "json",
    ]
    for option, value in (("--config", config), ("--target", target)):
        command += [option, str(value)] if value else []
    return command


def _read(folder: Path) -> dict[str, Job]:
    jobs = [Job(**json.loads(path.read_bytes())) for path in sorted(folder.glob("*.json"))]
    return {job.job_id: job for job in jobs}


def _now() -> str:
    return utc_now().isoformat()
