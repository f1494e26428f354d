"""Reviews of pairs on their way to the warehouse: a file that is only appended to.

A warehouse can be locked for an hour by a build, or be made anew. The journal is a file of its own,
one line of JSON per review, on the disk before the API answers. The loader takes it into
analytics.llm_reviews at each ingest and never changes it.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from expression_warehouse.core.files import named_os_errors, sync_folder, unreadable

if TYPE_CHECKING:
    from expression_warehouse.core.warehouse.base import Warehouse

# Fields that a journal line has in addition to the columns of llm_reviews.
_REQUEST = ("idempotency_key", "request_hash")


class RepeatedKeyError(Exception):
    """An idempotency key came with another review than before."""


def journal_beside(warehouse: Path) -> Path:
    """The journal of a warehouse file, or of a database by its name."""
    return warehouse.with_name(f"{warehouse.stem}.reviews.jsonl")


class ReviewJournal:
    """The journal of one warehouse; several threads and processes can use it at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._read_to = 0
        self._reviews: list[dict[str, Any]] = []
        self._by_key: dict[tuple[str, str], dict[str, Any]] = {}

    @property
    def size(self) -> int:
        """Bytes of the journal: a larger number has more reviews."""
        return self._path.stat().st_size if self._path.exists() else 0

    def append(
        self, review: Mapping[str, Any], idempotency_key: str | None
    ) -> tuple[dict[str, Any], bool]:
        """Write a review, durably when this returns; return it and whether it is new. With an
        idempotency key that its api_key_id used before, nothing is written and the earlier review
        is returned.

        Raises RepeatedKeyError if that one is different, UserError 54302 if the file cannot be
        written.
        """
        said = {name: review[name] for name in sorted(review) if name not in _GIVEN}
        request_hash = hashlib.sha256(json.dumps(said).encode()).hexdigest()
        line = {**review, "idempotency_key": idempotency_key, "request_hash": request_hash}
        with named_os_errors(self._path), self._lock, FileLock(f"{self._path}.lock"):
            self._read_new()
            key = (review["api_key_id"], idempotency_key or "")
            if idempotency_key and (earlier := self._by_key.get(key)):
                if earlier["request_hash"] != request_hash:
                    raise RepeatedKeyError
                return _columns(earlier), False
            self._write(json.dumps(line))
            self._read_new()
        return dict(review), True

    def reviews(self, gene_ids: tuple[str, str] | None = None) -> list[dict[str, Any]]:
        """All reviews, or those of the pair of two genes, the oldest first; columns as in
        llm_reviews."""
        with self._lock:
            self._read_new()
            found = list(self._reviews)
        return [
            _columns(review)
            for review in found
            if gene_ids is None or {review["gene_a_id"], review["gene_b_id"]} == set(gene_ids)
        ]

    def _write(self, line: str) -> None:
        is_new = not self._path.exists()
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size = os.fstat(handle).st_size
            # A writer that was killed can leave a line without its end. It was never confirmed.
            torn = b"\n" if size and os.pread(handle, 1, size - 1) != b"\n" else b""
            content = torn + line.encode() + b"\n"
            if os.write(handle, content) != len(content):
                raise OSError("the disk is full")
            os.fsync(handle)
        finally:
            os.close(handle)
        if is_new:
            sync_folder(self._path.parent)

    def _read_new(self) -> None:
        """Read the complete lines that were appended since the last time.

        Raises UserError 1007 if the system refuses.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(self._read_to)
                content = file.read()
        except FileNotFoundError:
            return
        except OSError as error:
            raise unreadable(str(self._path), error) from error
        complete = content[: content.rfind(b"\n") + 1]
        self._read_to += len(complete)
        for review in _parsed(complete):
            self._reviews.append(review)
            if review["idempotency_key"]:
                self._by_key[review["api_key_id"], review["idempotency_key"]] = review


# What the API adds to a review: the same in no two requests.
_GIVEN = ("review_id", "created_at", "snapshot_version")


def take_reviews(warehouse: Warehouse) -> int:
    """Write the reviews of the journal that analytics.llm_reviews lacks; return how many.

    Raises UserError 4007 if the engine fails.
    """
    reviews = ReviewJournal(warehouse.review_journal).reviews()
    return warehouse.add_reviews([_typed(review) for review in reviews]) if reviews else 0


def _typed(review: dict[str, Any]) -> dict[str, Any]:
    return {**review, "created_at": datetime.datetime.fromisoformat(review["created_at"])}


def _columns(review: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in review.items() if name not in _REQUEST}


def _parsed(content: bytes) -> Iterator[dict[str, Any]]:
    for line in content.splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            # The torn line of a writer that was killed.
            continue
