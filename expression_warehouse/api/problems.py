"""Errors as problem documents (RFC 9457)."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from expression_warehouse.api.pair_list import InvalidCursorError
from expression_warehouse.api.reading import MissingError
from expression_warehouse.core.errors import UserError


class NotModifiedError(Exception):
    """The client has this version of the data."""


def problem(status: int, title: str, detail: str, **more: Any) -> JSONResponse:
    """A problem document; it names no file, query or line of code."""
    content = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return JSONResponse(content, status, media_type="application/problem+json")


def handle_problems(app: FastAPI) -> None:
    """Answer every error of the app with a problem document."""

    @app.exception_handler(MissingError)
    def _(_request: Request, error: MissingError) -> Response:
        return problem(404, "Not found", f"The warehouse does not have {error}.")

    @app.exception_handler(InvalidCursorError)
    def _(_request: Request, _error: InvalidCursorError) -> Response:
        detail = "cursor: take it from the header Link of the page before, with the same sort."
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
        return problem(
            503, error.name, "The warehouse cannot be read.", code=error.code, to_do=error.action
        )

    @app.exception_handler(Exception)
    def _(_request: Request, _error: Exception) -> Response:
        return problem(
            500, "Internal error", "The request failed; the log of the service says why."
        )
