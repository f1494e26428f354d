"""Limits of requests: how large, how slow, how many."""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from expression_warehouse.api.access import client_of
from expression_warehouse.api.problems import problem

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]

# The longest review is 10,000 characters.
_BODY_BYTES = 64 * 1024
_BODY_SECONDS = 10
# Clients that are remembered; the one that came least recently is forgotten.
_CLIENTS = 10_000
_WRITES = ("POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Rate:
    """Requests per second on average, and at once."""

    per_second: float
    at_once: int


class Limits:
    """An ASGI layer: 413 for a body over 64 KB, 408 for one that takes over 10 s, 429 for a client
    with too many requests.

    reads, writes  per client address; None for no limit
    """

    def __init__(self, app: Any, reads: Rate | None, writes: Rate | None) -> None:
        self._app = app
        self._reads = _Buckets(reads) if reads else None
        self._writes = _Buckets(writes) if writes else None

    async def __call__(self, scope: Any, receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        buckets = self._writes if scope["method"] in _WRITES else self._reads
        if buckets and (wait := buckets.take(client_of(scope))):
            answer = problem(429, "Too many requests", "Wait, then ask again.")
            answer.headers["Retry-After"] = str(int(wait) + 1)
            await answer(scope, receive, send)
            return
        try:
            body = await asyncio.wait_for(_body(receive), _BODY_SECONDS)
        except TimeoutError:
            await problem(408, "Request too slow", "The body took over 10 s.")(scope, receive, send)
            return
        if body is None:
            await problem(413, "Request too large", "The body is over 64 KB.")(scope, receive, send)
            return
        await self._app(scope, _once(body, receive), send)


async def _body(receive: _Receive) -> bytes | None:
    """The whole body; None if it is too large."""
    parts, size, is_more = [], 0, True
    while is_more:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > _BODY_BYTES:
            return None
        is_more = message.get("more_body", False)
    return b"".join(parts)


def _once(body: bytes, receive: _Receive) -> _Receive:
    """Gives the body, then what the client does."""
    messages: list[_Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> _Message:
        return messages.pop() if messages else await receive()

    return next_message


class _Buckets:
    """Per client, how many requests it has left and when that was."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, client: str) -> float:
        """Take one request; 0 if there was one, else the seconds until there is."""
        now = time.monotonic()
        left, since = self._left.pop(client, (float(self._rate.at_once), now))
        left = min(self._rate.at_once, left + (now - since) * self._rate.per_second)
        is_allowed = left >= 1
        self._left[client] = (left - is_allowed, now)
        if len(self._left) > _CLIENTS:
            del self._left[next(iter(self._left))]
        return 0.0 if is_allowed else (1 - left) / self._rate.per_second
