"""The service: REST and pages over one store."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.metadata import version
from pathlib import Path

import anyio.to_thread
import fastapi_offline
from fastapi import Depends, FastAPI, Request, Response
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.staticfiles import StaticFiles

from expression_warehouse.api import job_routes, pages, reviews, routes, service_routes
from expression_warehouse.api.access import NoKeyError, NoScopeError, check_reader
from expression_warehouse.api.answers import TABLE
from expression_warehouse.api.jobs import JobQueue
from expression_warehouse.api.keys import KeyFile
from expression_warehouse.api.limits import Limits, Rate
from expression_warehouse.api.metrics import Metrics
from expression_warehouse.api.parameters import refuse_unknown
from expression_warehouse.api.problems import RESPONSES, access_problem, handle_problems
from expression_warehouse.api.service_files import ServiceFiles
from expression_warehouse.api.store import Store
from expression_warehouse.core.review_journal import ReviewJournal

# Other host names are refused, because a web page could make one lead to this machine.
HOSTS = ("127.0.0.1", "localhost", "[::1]", "testserver")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
# The page of the REST API is the only one with a script, which also writes styles.
_DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# What Kubernetes and the like ask to see whether the service lives; they send no key.
_PROBE = "/api/v1/health"
# Requests that are answered at the same time; the others wait. More of them would end no sooner and
# keep more rows and pages in memory.
_AT_ONCE = 8
_READS, _WRITES = Rate(per_second=50, at_once=200), Rate(per_second=10, at_once=30)


def create_app(
    store: Store, files: ServiceFiles, is_public: bool = False, jobs: JobQueue | None = None
) -> FastAPI:
    """The app; each request reads `store.current()`.

    is_public  other hosts can reach it: reading needs a key, and each client has a rate
    """
    app = FastAPI(
        title="Expression warehouse",
        version=version("expression-warehouse"),
        description="Gene pairs whose co-expression changes with illness.",
        # Their pages load scripts from elsewhere; pages.py has one that does not.
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        responses=RESPONSES,
        lifespan=_limited_threads,
    )
    app.state.store = store
    app.state.keys = KeyFile(files.keys)
    app.state.journal = ReviewJournal(files.reviews)
    app.state.jobs = jobs
    app.state.metrics = Metrics()

    @app.middleware("http")
    async def check_and_add_headers(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        try:
            is_read = request.method in ("GET", "HEAD")
            if is_public and is_read and request.url.path != _PROBE:
                check_reader(request)
            response = await app.state.metrics.observe(request, call_next)
        except (NoKeyError, NoScopeError) as error:
            response = access_problem(error)
        response.headers.update(_HEADERS)
        if request.url.path == "/docs":
            response.headers["Content-Security-Policy"] = _DOCS_POLICY
        if edition := getattr(request.state, "version", None):
            response.headers["ETag"] = f'W/"{edition}"'
            response.headers["Cache-Control"] = "private, no-cache" if is_public else "no-cache"
        return response

    if not is_public:
        # A public service needs no such check: each request needs a key, which the page lacks.
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS))
    app.add_middleware(Limits, reads=_READS if is_public else None, writes=_WRITES)
    handle_problems(app)
    checks = [Depends(refuse_unknown)]
    for module in (routes, reviews, job_routes):
        app.include_router(module.router, prefix="/api/v1", dependencies=checks)
    app.include_router(service_routes.router)
    # Paths fixed by the project's requirements; the same routes as under /api/v1.
    app.add_api_route(
        "/analytics/pairs/top",
        routes.top_pairs,
        dependencies=checks,
        summary="As /api/v1/analytics/pairs/top",
        responses=TABLE,
    )
    app.add_api_route(
        "/analytics/pairs/{pair_key}/review",
        reviews.add_review,
        dependencies=checks,
        methods=["POST"],
        status_code=201,
        summary="As /api/v1/analytics/pairs/{pair_key}/review",
    )
    app.include_router(pages.router, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    app.mount("/swagger", StaticFiles(directory=Path(fastapi_offline.__file__).parent / "static"))
    return app


@contextlib.asynccontextmanager
async def _limited_threads(_app: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = _AT_ONCE
    yield
