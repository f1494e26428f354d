"""All statistics of all pairs, in a file for each block of pairs.

Memory does not hold them, and false discovery rates need them all. In a file their codes lie place
by place, so that what lies in some places of all blocks is read at once: one part of each file.
"""

import errno
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numba
import numpy as np

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import (
    PAGE,
    forget,
    new_pages,
    open_atomically,
    pages_of,
    read_pages,
)
from expression_warehouse.pairs.screen.bins import places
from expression_warehouse.pairs.screen.buffers import BUFFERS
from expression_warehouse.pairs.screen.tally import Family, Tally
from expression_warehouse.pairs.settings import in_words

# A place, and how many statistics of the block lie there.
RUN = np.dtype([("place", "i4"), ("number", "i4")])
CODE = np.dtype("u4")
# How many of both a family has in a file.
_HEADER = np.dtype([("runs", "i8"), ("codes", "i8")])

# In the folder of the rank store.
_FOLDER = "statistics"
# Statistics read at a time.
PART = 1 << 23


class StatisticFiles:
    """The files of a screen.

    folder    of the rank store; they are in a folder in it
    blocks    all blocks, whose texts are names
    families  how many families of tests each has
    """

    def __init__(self, folder: Path, blocks: Sequence[object], families: int) -> None:
        self._folder = folder
        self._blocks = list(map(str, blocks))
        self._families = families

    def is_whole(self, block: str) -> bool:
        """Whether the file of a block is there, as long as it should be."""
        path = _path(self._folder, block)
        if not path.is_file() or path.stat().st_size < _HEADER.itemsize * self._families:
            return False
        header = self._header(path)
        return path.stat().st_size == header.nbytes + _length(header)

    def remove_half_written(self) -> None:
        """What processes that were killed have left, while no other writes."""
        for path in (self._folder / _FOLDER).glob("*.part"):
            path.unlink()

    def require_room(self, pairs: int) -> None:
        """Raise UserError 54404 where the disk has no room for what is still to be written of the
        statistics of so many pairs; of their codes, that is: runs are few beside them, unless there
        are hundreds of degrees of freedom."""
        written = sum(
            _path(self._folder, b).stat().st_size for b in self._blocks if self.is_whole(b)
        )
        required = pairs * self._families * CODE.itemsize - written
        free = shutil.disk_usage(self._folder).free
        if required > free:
            raise UserError(
                "PAIRS_DISK_EXCEEDED",
                f"the statistics of {pairs:,} pairs take {in_words(required)} more",
                file=str(self._folder),
                expected=f"what is free there, which is {in_words(free)}",
            )

    def parts(self, number: int, firsts: np.ndarray) -> "Parts":
        """A family's statistics in parts.

        number  of the family
        firsts  as of `first_places`
        """
        paths = [_path(self._folder, block) for block in self._blocks]
        return Parts([_Piece(path, *self._bounds(path, number, firsts)) for path in paths])

    def _bounds(self, path: Path, number: int, firsts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where runs and codes of the parts begin in a file, in bytes, and where the last ends."""
        header = self._header(path)
        start = header.nbytes + _length(header[:number])
        runs = np.fromfile(path, RUN, header["runs"][number], offset=start)
        run = np.searchsorted(runs["place"], firsts)
        before = np.insert(np.cumsum(runs["number"], dtype=np.int64), 0, 0)
        return start + run * RUN.itemsize, start + runs.nbytes + before[run] * CODE.itemsize

    def _header(self, path: Path) -> np.ndarray:
        return np.fromfile(path, _HEADER, self._families)


def first_places(counts: np.ndarray) -> np.ndarray:
    """The first places of parts of about PART statistics, one place at least, and the place after
    the last.

    counts  (places,): how many lie in each
    """
    before = np.cumsum(counts) - counts
    return np.append(np.flatnonzero(np.diff(before // PART, prepend=-1)), len(counts))


def write_statistics(folder: Path, block: str, tally: Tally) -> None:
    """Write all statistics of a block, and let go of them.

    The file takes its place in one step; `settle` waits until the disk has it.
    """
    path = _path(folder, block)
    path.parent.mkdir(exist_ok=True)
    runs = [_runs_of(family) for family in tally.families]
    header = [(len(own), own["number"].sum()) for own in runs]
    with open_atomically(path, sync=False) as file:
        file.write(np.array(header, _HEADER))
        for family, own in zip(tally.families, runs, strict=True):
            file.write(own)
            _write_in_order(family, file)
            family.seen.clear()
            file.flush()
            forget(file)


def settle(folder: Path, block: str) -> None:
    """Wait until the disk has the file of a block, and have the system let go of it. Where it would
    hold all files in memory, it would have less for the ranks, and on virtual machines new memory
    takes longer than the disk."""
    with _path(folder, block).open("r+b") as file:
        os.fsync(file.fileno())
        forget(file)


def is_full(error: OSError) -> bool:
    """Whether a disk had no room."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Part:
    """Statistics of a family in some places.

    codes   wherever they are
    starts  (runs,): where the codes of each run begin
    runs    (runs,): RUN; any place may come several times
    """

    codes: np.ndarray
    starts: np.ndarray
    runs: np.ndarray


class Parts:
    """The statistics of a family, part by part."""

    def __init__(self, pieces: Sequence["_Piece"]) -> None:
        self._pieces = pieces
        self._room = new_pages(0)

    def read(self, part: int) -> Part:
        """Read a part; the one before it is lost."""
        counts = [piece.page_count(part) for piece in self._pieces]
        if sum(counts) * PAGE > len(self._room):
            self._room = new_pages(sum(counts))
        ends = np.cumsum(counts) * PAGE
        found = [
            piece.read(part, self._room[end - count * PAGE : end], end - count * PAGE)
            for piece, count, end in zip(self._pieces, counts, ends, strict=True)
            if count
        ]
        runs = np.concatenate([np.empty(0, RUN), *(own for own, _ in found)])
        starts = np.concatenate([np.empty(0, np.int64), *(own for _, own in found)])
        return Part(self._room.view(CODE), starts, runs)


class _Piece:
    """What a file has of the parts."""

    def __init__(self, path: Path, runs: np.ndarray, codes: np.ndarray) -> None:
        self._path, self._runs, self._codes = path, runs, codes

    def page_count(self, part: int) -> int:
        """How many pages of the file the codes of a part lie in."""
        first, end = self._codes[part : part + 2]
        return pages_of(int(first), int(end - first))[1] if end > first else 0

    def read(self, part: int, room: np.ndarray, start: int) -> tuple[np.ndarray, np.ndarray]:
        """Read the codes of a part, which `room` takes; returns its runs, and where the codes of
        each begin, in memory that has the room at `start`."""
        first, size = int(self._codes[part]), int(self._codes[part + 1] - self._codes[part])
        page, _ = pages_of(first, size)
        if read_pages(self._path, page, room) < first - page * PAGE + size:
            raise EOFError(self._path)
        count = int(self._runs[part + 1] - self._runs[part]) // RUN.itemsize
        runs = np.fromfile(self._path, RUN, count, offset=int(self._runs[part]))
        before = np.cumsum(runs["number"], dtype=np.int64) - runs["number"]
        return runs, (start + first - page * PAGE) // CODE.itemsize + before


def _path(folder: Path, block: str) -> Path:
    return folder / _FOLDER / f"{block.replace(' ', '_')}.bin"


def _length(headers: np.ndarray) -> int:
    """Bytes of families with these headers."""
    return int(headers["runs"].sum()) * RUN.itemsize + int(headers["codes"].sum()) * CODE.itemsize


def _runs_of(family: Family) -> np.ndarray:
    counts = family.place_counts
    filled = np.flatnonzero(counts)
    runs = np.empty(len(filled), RUN)
    runs["place"], runs["number"] = filled, counts[filled]
    return runs


def _write_in_order(family: Family, file: BinaryIO) -> None:
    """The codes of a block by their places."""
    counts, next_of = family.place_counts, np.empty(len(family.counts), np.int64)
    next_of[places(family.degrees).bins] = np.cumsum(counts) - counts
    with BUFFERS.lend(family.seen.count) as ordered:
        _put_in_places(family.seen.codes, family.seen.runs, next_of, ordered)
        file.write(ordered)


@numba.njit(nogil=True, cache=True)
def _put_in_places(codes, runs, next_of, ordered):
    first = 0
    for run in range(len(runs)):
        own, number = runs[run].bin, runs[run].number
        place = next_of[own]
        for i in range(number):
            ordered[place + i] = codes[first + i]
        next_of[own] = place + number
        first += number
