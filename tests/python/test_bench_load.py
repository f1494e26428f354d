"""The load of `python -m bench api` goes on whatever the service does, and counts what failed."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.api import open_loop


class Service(BaseHTTPRequestHandler):
    """/slow waits for two requests at once, /503 is refused, /gone gets no answer."""

    both = threading.Barrier(2)

    def do_GET(self) -> None:
        if self.path == "/gone":
            return
        if self.path == "/slow":
            self.both.wait(timeout=20)
        self.send_response(503 if self.path == "/503" else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_failures_are_counted_and_slow_answers_hold_up_no_request(address):
    load = asyncio.run(open_loop(address, ["/slow", "/503", "/gone", "/", "/slow"], 20))
    assert len(load.seconds) == 3
    assert sorted(load.failures) == ["503 ", "RemoteProtocolError"]
    assert load.failures.total() == 2
    # The first waits for the last, which is sent 0.2 s later.
    assert max(load.seconds) >= 0.15
