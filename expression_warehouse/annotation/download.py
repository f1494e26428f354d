"""Downloads of bulk files: conditional, resumed where they broke off, and polite to the servers."""

import contextlib
import datetime
import email.message
import email.utils
import importlib.metadata
import json
import os
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import httpx
import tenacity

from expression_warehouse.annotation.cache import CachedFile
from expression_warehouse.annotation.compressed import is_gzip, plain_name
from expression_warehouse.core import signals
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import named_os_errors
from expression_warehouse.core.listed import counted
from expression_warehouse.core.reporting import Reporter

_ATTEMPTS = 5
# A host that cannot be reached at all, as behind a firewall, is rarely reached soon.
_UNREACHABLE = (httpx.ConnectError, httpx.ConnectTimeout)
_CONNECT_ATTEMPTS = 2
_CONNECT_S = 10
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 120.0
_SILENCE_S = 60.0
# A transfer slower than this over _SILENCE_S counts as broken off.
_SLOWEST_BYTES_PER_S = 1000
_BUSY = (408, 425, 429, 500, 502, 503, 504)
# Errors of the address or of a redirect, which stay the same.
_LASTING = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)

# https://www.ncbi.nlm.nih.gov/books/NBK25497/: 3 requests a second, 10 with a key.
_NCBI = ".ncbi.nlm.nih.gov"
_NCBI_KEY_VARIABLE = "NCBI_API_KEY"
_INTERVAL_S = 0.34
_INTERVAL_WITH_KEY_S = 0.1


@dataclass(frozen=True)
class Download:
    """A downloaded file, whole as far as its length tells.

    path  where it is, until the cache takes it in
    name  which the server gives it
    """

    path: Path
    name: str
    etag: str | None
    last_modified: str | None


class Downloader:
    """An HTTP client. Proxies and certificates are those of the environment: HTTPS_PROXY, NO_PROXY,
    SSL_CERT_FILE."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        version = importlib.metadata.version("expression-warehouse")
        self._client = httpx.Client(
            follow_redirects=True,
            timeout=httpx.Timeout(_SILENCE_S, connect=_CONNECT_S),
            # Bytes as they are in the file, so that lengths and ranges count the same.
            headers={
                "User-Agent": f"expression-warehouse/{version}",
                "Accept-Encoding": "identity",
            },
        )
        self._next_request: dict[str, float] = {}
        # Host → why.
        self._unreachable: dict[str, str] = {}

    def __enter__(self) -> "Downloader":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def fetch(self, url: str, unfinished: Path, known: CachedFile | None) -> Download | None:
        """Download a file; None if the server says that the known one is still its newest.

        unfinished  path of the download while it is under way; an earlier one is resumed if the
                    file has not changed in the meantime
        known       the newest download of the same kind

        Raises UserError 54502 if the file cannot be had, and 54302 if it cannot be written.
        """
        host = httpx.URL(url).host
        if host in self._unreachable:
            raise UserError("ANNOTATION_DOWNLOAD_FAILED", self._unreachable[host], file=url)
        part = _Part(unfinished, url)
        conditions = _conditions(known) if known and known.url == url else {}
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_passes),
            wait=_wait,
            stop=_stop,
            sleep=signals.sleep,
            reraise=True,
        )
        try:
            return retrying(self._attempt, url, part, conditions)
        except (httpx.HTTPError, _AttemptError) as error:
            found = _described(error)
            if isinstance(error, _UNREACHABLE):
                self._unreachable[host] = found
            raise UserError("ANNOTATION_DOWNLOAD_FAILED", found, file=url) from error

    def _attempt(self, url: str, part: "_Part", conditions: dict[str, str]) -> Download | None:
        self._wait_turn(httpx.URL(url).host)
        headers = part.range() or conditions
        with self._client.stream("GET", url, headers=headers, auth=_NcbiKey()) as response:
            if response.status_code == httpx.codes.NOT_MODIFIED:
                return None
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                part.discard()
                raise _AttemptError("the server does not have the rest of the file")
            if response.status_code in _BUSY:
                raise _AttemptError(
                    f"the server answered {response.status_code} {response.reason_phrase}",
                    _retry_after(response.headers.get("Retry-After")),
                )
            if not response.is_success:
                raise UserError(
                    "ANNOTATION_DOWNLOAD_FAILED",
                    f"the server answered {response.status_code} {response.reason_phrase}",
                    file=url,
                )
            return part.receive(response, self._reporter)

    def _wait_turn(self, host: str) -> None:
        interval = _INTERVAL_S
        if host.endswith(_NCBI) and os.environ.get(_NCBI_KEY_VARIABLE):
            interval = _INTERVAL_WITH_KEY_S
        due = self._next_request.get(host, 0.0)
        now = time.monotonic()
        if due > now:
            signals.sleep(due - now)
        self._next_request[host] = time.monotonic() + interval


class _AttemptError(Exception):
    """An attempt failed in a way that another one may not.

    wait_s  after how many seconds, if the server says so
    """

    def __init__(self, found: str, wait_s: float | None = None) -> None:
        super().__init__(found)
        self.wait_s = wait_s


class _NcbiKey(httpx.Auth):
    """Adds the user's key to requests to NCBI's E-utilities, and to no others."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        key = os.environ.get(_NCBI_KEY_VARIABLE)
        if key and request.url.host.endswith(_NCBI) and request.url.path.startswith("/entrez/"):
            request.url = request.url.copy_set_param("api_key", key)
        yield request


class _Part:
    """An unfinished download, and a note beside it that says whether it can be resumed."""

    def __init__(self, path: Path, url: str) -> None:
        self._path = path
        self._url = url
        self._note = path.with_name(f"{path.name}.json")

    def range(self) -> dict[str, str]:
        """Headers that ask for the rest, or for the whole if the file has changed; empty if no
        download can be resumed."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            size = self._path.stat().st_size
        except (OSError, ValueError):
            return {}
        if note["url"] != self._url or not note["validator"] or not size:
            return {}
        return {"Range": f"bytes={size}-", "If-Range": note["validator"]}

    def discard(self) -> None:
        with named_os_errors(self._path):
            self._path.unlink(missing_ok=True)
            self._note.unlink(missing_ok=True)

    def receive(self, response: httpx.Response, reporter: Reporter) -> Download:
        """Write the body of a response; raise _AttemptError if some of it is missing."""
        if response.status_code == httpx.codes.PARTIAL_CONTENT:
            start, total = _content_range(response)
            if start != self._path.stat().st_size:
                self.discard()
                raise _AttemptError("the server sent another part of the file than the missing one")
        else:
            start, total = 0, _length(response)
            self._begin(response)
        task = reporter.begin(self._path.name, "bytes", total)
        reporter.advance(task, start)
        try:
            with named_os_errors(self._path), self._path.open("ab") as file:
                for chunk in _at_least_slowly(response):
                    file.write(chunk)
                    reporter.advance(task, len(chunk))
                file.flush()
                os.fsync(file.fileno())
                size = file.tell()
        except UserError:
            # The disk is full: leave the space to smaller files.
            self.discard()
            raise
        finally:
            reporter.end(task)
        if total is not None and size < total:
            raise _AttemptError(f"the connection ended after {size:,} of {total:,} bytes")
        if total is not None and size > total:
            self.discard()
            raise _AttemptError(f"the server sent {counted(size, 'byte')} of a file of {total:,}")
        with named_os_errors(self._note):
            self._note.unlink(missing_ok=True)
        return Download(
            path=self._path,
            name=self._name(response),
            etag=response.headers.get("ETag"),
            last_modified=response.headers.get("Last-Modified"),
        )

    def _begin(self, response: httpx.Response) -> None:
        etag = response.headers.get("ETag", "")
        # A weak ETag is of the same content, not of the same bytes.
        is_strong = etag and not etag.startswith("W/")
        validator = etag if is_strong else response.headers.get("Last-Modified")
        self.discard()
        with named_os_errors(self._note):
            self._note.write_text(
                json.dumps({"url": self._url, "validator": validator}), encoding="utf-8"
            )

    def _name(self, response: httpx.Response) -> str:
        message = email.message.Message()
        message["Content-Disposition"] = response.headers.get("Content-Disposition", "")
        sent = PurePosixPath((message.get_filename() or "").replace("\\", "/")).name
        name = sent.lstrip(".") or PurePosixPath(httpx.URL(self._url).path).name or "download"
        is_bare = plain_name(name) == name and is_gzip(self._path)
        return f"{name}.gz" if is_bare else name


def _conditions(known: CachedFile) -> dict[str, str]:
    headers = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
    return {name: value for name, value in headers.items() if value}


def _length(response: httpx.Response) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None


def _content_range(response: httpx.Response) -> tuple[int, int | None]:
    """First byte and size of the whole file, of `bytes 100-199/200`."""
    unit, _, rest = response.headers.get("Content-Range", "").partition(" ")
    span, _, total = rest.partition("/")
    start = span.partition("-")[0]
    if unit != "bytes" or not start.isdigit():
        return -1, None
    return int(start), int(total) if total.isdigit() else None


def _at_least_slowly(response: httpx.Response) -> Iterator[bytes]:
    """The raw body; raises _AttemptError if it comes too slowly to arrive at all."""
    since, received = time.monotonic(), 0
    for chunk in response.iter_raw():
        if (seconds := time.monotonic() - since) > _SILENCE_S:
            if received < seconds * _SLOWEST_BYTES_PER_S:
                raise _AttemptError(
                    f"the server sent {counted(received, 'byte')} in {seconds:.0f} s"
                )
            since, received = time.monotonic(), 0
        yield chunk
        received += len(chunk)


def _retry_after(value: str | None) -> float | None:
    """Seconds, of a number or of a date; None if it is neither."""
    if not value:
        return None
    if value.strip().isdigit():
        return float(value)
    with contextlib.suppress(ValueError, TypeError):
        due = email.utils.parsedate_to_datetime(value)
        return max(0.0, (due - datetime.datetime.now(datetime.UTC)).total_seconds())
    return None


def _passes(error: BaseException) -> bool:
    if isinstance(error, _AttemptError):
        return (error.wait_s or 0) <= _LONGEST_WAIT_S
    return isinstance(error, httpx.TransportError) and not isinstance(error, _LASTING)


def _stop(state: Any) -> bool:
    is_unreachable = isinstance(state.outcome.exception(), _UNREACHABLE)
    return state.attempt_number >= (_CONNECT_ATTEMPTS if is_unreachable else _ATTEMPTS)


def _wait(state: Any) -> float:
    wait_s = getattr(state.outcome.exception(), "wait_s", None)
    if wait_s is not None:
        return wait_s
    backoff = tenacity.wait_exponential(multiplier=_FIRST_WAIT_S, max=30)
    return (backoff + tenacity.wait_random(0, _FIRST_WAIT_S))(state)


def _described(error: Exception) -> str:
    """What went wrong, without the address, which can hold a key."""
    if isinstance(error, _AttemptError):
        if (error.wait_s or 0) > _LONGEST_WAIT_S:
            return f"{error} and asks to wait {error.wait_s:,.0f} s"
        return str(error)
    if isinstance(error, httpx.TimeoutException):
        return f"the server did not answer in time ({type(error).__name__})"
    return f"{type(error).__name__}: {error}"
