"""Errors as problem documents (RFC 9457), and as pages for who reads pages."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from expression_warehouse.api.access import CHALLENGE, NoKeyError, NoScopeError
from expression_warehouse.api.pair_list import InvalidCursorError
from expression_warehouse.api.reading import MissingError
from expression_warehouse.api.templates import render
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.review_journal import RepeatedKeyError

# Errors that do not concern the warehouse.
_STATUS = {
    "FOLDER_NOT_WRITABLE": (503, "The service cannot write what it has to keep."),
    "INBOX_NOT_CONFIGURED": (409, "No inbox is configured."),
    "JOB_QUEUE_FULL": (503, "Too many jobs wait."),
}


_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "integer", "description": "A code of seed error_code."},
        "to_do": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}
_MEANINGS = {
    400: "Invalid host or request",
    401: "No valid API key",
    403: "The API key lacks the scope",
    404: "The warehouse does not have what is named",
    408: "The body took too long",
    409: "Not configured",
    413: "The body is too large",
    422: "Invalid parameters",
    429: "Too many requests",
    500: "Internal error",
    503: "The warehouse cannot be read, or too much waits",
}
# What every operation can answer with, for the OpenAPI document.
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": meaning,
        "content": {"application/problem+json": {"schema": _SCHEMA}},
    }
    for status, meaning in _MEANINGS.items()
}


class NotModifiedError(Exception):
    """The client has this version of the data."""


class _Problem(JSONResponse):
    """A problem document; the same as a page where a browser asked for a page."""

    media_type = "application/problem+json"

    def __init__(self, content: dict[str, Any], status: int) -> None:
        super().__init__(content, status)
        self._content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _wants_page(Request(scope)):
            text = render("problem.html", **self._content)
            others = {k: v for k, v in self.headers.items() if not k.startswith("content-")}
            await HTMLResponse(text, self.status_code, others)(scope, receive, send)
            return
        await super().__call__(scope, receive, send)


def _wants_page(request: Request) -> bool:
    is_rest = request.url.path.startswith(("/api/", "/analytics/"))
    return not is_rest and "text/html" in request.headers.get("accept", "")


def problem(status: int, title: str, detail: str, **more: Any) -> JSONResponse:
    """A problem document; it names no file, query or line of code."""
    content = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return _Problem(content, status)


def access_problem(error: NoKeyError | NoScopeError) -> JSONResponse:
    """401 without a valid key, 403 if it lacks the scope."""
    if isinstance(error, NoScopeError):
        return problem(403, "Forbidden", f"The API key lacks the scope {error}.")
    answer = problem(401, "Unauthorized", "Send a valid API key: Authorization: Bearer KEY.")
    answer.headers["WWW-Authenticate"] = CHALLENGE
    return answer


def handle_problems(app: FastAPI) -> None:
    """Answer every error of the app with a problem document."""

    @app.exception_handler(MissingError)
    def _(_request: Request, error: MissingError) -> Response:
        return problem(404, "Not found", f"{error}.")

    @app.exception_handler(InvalidCursorError)
    def _(_request: Request, _error: InvalidCursorError) -> Response:
        detail = "cursor: take it from the header Link of the page before, with the same sort."
        return problem(422, "Invalid parameters", detail)

    @app.exception_handler(NoKeyError)
    @app.exception_handler(NoScopeError)
    def _(_request: Request, error: NoKeyError | NoScopeError) -> Response:
        return access_problem(error)

    @app.exception_handler(RepeatedKeyError)
    def _(_request: Request, _error: RepeatedKeyError) -> Response:
        detail = "Idempotency-Key: it came with another review before; use a new one."
        return problem(422, "Invalid parameters", detail)

    @app.exception_handler(NotModifiedError)
    def _(_request: Request, _error: NotModifiedError) -> Response:
        return Response(status_code=304)

    @app.exception_handler(RequestValidationError)
    def _(_request: Request, error: RequestValidationError) -> Response:
        errors = [
            {"parameter": str(item["loc"][-1]), "message": item["msg"]} for item in error.errors()
        ]
        detail = "; ".join(f"{item['parameter']}: {item['message']}" for item in errors)
        return problem(422, "Invalid parameters", detail, errors=errors)

    @app.exception_handler(HTTPException)
    def _(_request: Request, error: HTTPException) -> Response:
        return problem(error.status_code, str(error.detail), str(error.detail))

    @app.exception_handler(UserError)
    def _(_request: Request, error: UserError) -> Response:
        status, detail = _STATUS.get(error.name, (503, "The warehouse cannot be read."))
        return problem(status, error.name, detail, code=error.code, to_do=error.action)

    @app.exception_handler(Exception)
    def _(_request: Request, _error: Exception) -> Response:
        return problem(
            500, "Internal error", "The request failed; the log of the service says why."
        )
