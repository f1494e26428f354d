"""REST: loads of the inbox."""

import dataclasses

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from expression_warehouse.api.access import RunKey
from expression_warehouse.api.answers import json_answer
from expression_warehouse.api.jobs import JobQueue
from expression_warehouse.api.parameters import JobId
from expression_warehouse.api.reading import MissingError
from expression_warehouse.core.errors import UserError

router = APIRouter()


@router.post(
    "/etl/run", summary="Load the inbox and build", status_code=202, response_class=JSONResponse
)
def run(request: Request, key: RunKey) -> Response:
    """One load runs at a time; others wait. The folder is `folders: inbox` of pipeline.yaml."""
    jobs: JobQueue | None = request.app.state.jobs
    if jobs is None:
        raise UserError("INBOX_NOT_CONFIGURED", "pipeline.yaml has no folders: inbox")
    job = jobs.submit(key.key_id)
    answer = json_answer(dataclasses.asdict(job))
    answer.status_code = 202
    answer.headers["Location"] = f"/api/v1/jobs/{job.job_id}"
    return answer


@router.get("/jobs", summary="Loads that were asked for, the newest first")
def jobs(request: Request) -> Response:
    found: JobQueue | None = request.app.state.jobs
    return json_answer([dataclasses.asdict(job) for job in found.all()] if found else [])


@router.get("/jobs/{job_id}", summary="A load that was asked for")
def job(request: Request, job_id: JobId) -> Response:
    found: JobQueue | None = request.app.state.jobs
    one = found.find(job_id) if found else None
    if one is None:
        raise MissingError(f"job {job_id}")
    return json_answer(dataclasses.asdict(one))
