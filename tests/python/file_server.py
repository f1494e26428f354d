"""A local HTTP server that misbehaves on request."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """A file.

    faults  what happens to the next requests, one each: a function that takes the request's handler,
            and returns whether it has answered
    """

    content: bytes
    etag: str | None = '"1"'
    last_modified: str | None = "Wed, 01 Jan 2025 00:00:00 GMT"
    name: str | None = None
    redirect: str | None = None
    faults: list[Callable[["Handler"], bool]] = field(default_factory=list)


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    status: int = 0
    at: float = field(default_factory=time.monotonic)


class FileServer(ThreadingHTTPServer):
    """Serves `files`, by path; `requests` are those that came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, Served] = {}
        self.requests: list[Request] = []
        self.seconds_per_chunk = 0.0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def statuses(self) -> list[int]:
        return [request.status for request in self.requests]

    def handle_error(self, *_: object) -> None:
        """Clients that die are no error."""


class Handler(BaseHTTPRequestHandler):
    server: FileServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None: ...

    def send_response(self, code: int, message: str | None = None) -> None:
        self.server.requests[-1].status = code
        super().send_response(code, message)

    def do_GET(self) -> None:
        self.server.requests.append(Request(self.path, dict(self.headers)))
        served = self.server.files.get(self.path.partition("?")[0])
        if served is None:
            self.answer(404)
            return
        if served.faults and served.faults.pop(0)(self):
            return
        if served.redirect:
            self.answer(302, {"Location": served.redirect})
            return
        known = self.headers.get("If-None-Match"), self.headers.get("If-Modified-Since")
        if (served.etag and known[0] == served.etag) or (
            not known[0] and served.last_modified and known[1] == served.last_modified
        ):
            self.answer(304)
            return
        headers = {"ETag": served.etag, "Last-Modified": served.last_modified}
        if served.name:
            headers["Content-Disposition"] = f'attachment; filename="{served.name}"'
        start = self.range_start(served)
        if start is not None and start >= len(served.content):
            self.answer(416)
            return
        body = served.content[start or 0 :]
        if start is not None:
            headers["Content-Range"] = (
                f"bytes {start}-{len(served.content) - 1}/{len(served.content)}"
            )
        self.answer(200 if start is None else 206, headers, body)

    def range_start(self, served: Served) -> int | None:
        wanted = self.headers.get("Range")
        if not wanted or self.headers.get("If-Range") not in (
            None,
            served.etag,
            served.last_modified,
        ):
            return None
        return int(wanted.removeprefix("bytes=").rstrip("-"))

    def answer(
        self,
        status: int,
        headers: dict[str, str | None] | None = None,
        body: bytes = b"",
        length: int | None = None,
    ) -> None:
        """Send a response; `length` is what it says of the body's length."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            if value is not None:
                self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body) if length is None else length))
        if length is not None:
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        for begin in range(0, len(body), 1000):
            self.wfile.write(body[begin : begin + 1000])
            time.sleep(self.server.seconds_per_chunk)


def status(code: int, **headers: str) -> Callable[[Handler], bool]:
    """Answer with an error."""

    def fault(handler: Handler) -> bool:
        handler.answer(code, {name.replace("_", "-"): value for name, value in headers.items()})
        return True

    return fault


def truncated(size: int) -> Callable[[Handler], bool]:
    """Send the first bytes of the file, and close the connection."""

    def fault(handler: Handler) -> bool:
        served = handler.server.files[handler.path]
        headers = {"ETag": served.etag, "Last-Modified": served.last_modified}
        start = handler.range_start(served)
        if start is None:
            handler.answer(200, headers, served.content[:size], len(served.content))
        else:
            total = len(served.content)
            headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
            handler.answer(206, headers, served.content[start : start + size], total - start)
        return True

    return fault


def silent(seconds: float) -> Callable[[Handler], bool]:
    """Say nothing for a while, and close the connection."""

    def fault(handler: Handler) -> bool:
        time.sleep(seconds)
        handler.close_connection = True
        return True

    return fault


def web_page(handler: Handler) -> bool:
    """Send a page with status 200, as a proxy that asks for a login does."""
    page = b"\n<!DOCTYPE html><html><body>Please log in</body></html>"
    handler.answer(200, {"Content-Type": "text/html"}, page)
    return True


def ignoring_range(handler: Handler) -> bool:
    """Send the whole file, whatever is asked for."""
    served = handler.server.files[handler.path]
    handler.answer(
        200, {"ETag": served.etag, "Last-Modified": served.last_modified}, served.content
    )
    return True


@contextlib.contextmanager
def serving() -> Iterator[FileServer]:
    server = FileServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
