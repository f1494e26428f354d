"""Prometheus metrics of the service: requests by route, status and seconds."""

import time
from collections.abc import Awaitable, Callable

import prometheus_client
from fastapi import Request, Response


class Metrics:
    """Counters of one app."""

    def __init__(self) -> None:
        self._registry = prometheus_client.CollectorRegistry()
        # The process's own memory and time; where the system tells them.
        prometheus_client.ProcessCollector(registry=self._registry)
        self._seconds = prometheus_client.Histogram(
            "expression_warehouse_request_seconds",
            "Seconds until the answer, by route and status.",
            ["method", "route", "status"],
            buckets=(0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 10),
            registry=self._registry,
        )

    async def observe(
        self, request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """Answer a request and count it. Paths without a route are one series, so that nobody can
        make any number of them."""
        began = time.perf_counter()
        response = await call_next(request)
        route = getattr(request.scope.get("route"), "path", "none")
        self._seconds.labels(request.method, route, response.status_code).observe(
            time.perf_counter() - began
        )
        return response

    def text(self) -> Response:
        """All of it in Prometheus's text format."""
        return Response(
            prometheus_client.generate_latest(self._registry),
            media_type=prometheus_client.CONTENT_TYPE_LATEST,
        )
