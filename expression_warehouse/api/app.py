"""The service: REST and pages over one store."""

from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.staticfiles import StaticFiles

from expression_warehouse.api import pages, routes
from expression_warehouse.api.problems import handle_problems
from expression_warehouse.api.store import Store

# Other names that lead to this machine, as a web page could make them, are refused.
HOSTS = ("127.0.0.1", "localhost", "[::1]", "testserver")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def create_app(store: Store) -> FastAPI:
    """The app; each request reads `store.current()`."""
    app = FastAPI(
        title="Expression warehouse",
        version=version("expression-warehouse"),
        # The pages of both load their scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.state.store = store

    @app.middleware("http")
    async def add_headers(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        response = await call_next(request)
        response.headers.update(_HEADERS)
        if edition := getattr(request.state, "version", None):
            response.headers["ETag"] = f'W/"{edition}"'
            response.headers["Cache-Control"] = "no-cache"
        return response

    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS))
    handle_problems(app)
    app.include_router(routes.router, prefix="/api/v1")
    # The path that the requirement names.
    app.add_api_route(
        "/analytics/pairs/top", routes.top_pairs, summary="As /api/v1/analytics/pairs/top"
    )
    app.include_router(pages.router, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    return app
