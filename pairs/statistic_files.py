"""All statistics of all pairs, in a file for each block of pairs.

Memory does not hold them, and false discovery rates need them all. In a file they lie place by
place, so that what lies in some places of all blocks is read at once: one part of each file.
"""

import contextlib
import errno
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numba
import numpy as np

from loader.errors import LoaderError
from pairs.files import forget, open_atomically, read_no_further
from pairs.settings import in_words
from pairs.tally import Family, Seen, Tally

# A place, and how many statistics of the block lie there.
RUN = np.dtype([("place", "i4"), ("number", "i4")])
_SIZE = np.dtype("f8")
# How many of both a family has in a file.
_HEADER = np.dtype([("runs", "i8"), ("sizes", "i8")])

# In the folder of the rank store.
_FOLDER = "statistics"
# Statistics read at a time.
PART = 1 << 23

# Files that this process wrote last, which the system is still writing to the disk.
_RECENT = 8
_recent: list[Path] = []


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
        """Raise LoaderError 54404 where the disk has no room for the statistics of so many pairs
        more."""
        required = pairs * self._families * _SIZE.itemsize
        free = shutil.disk_usage(self._folder).free
        if required > free:
            raise LoaderError(
                "PAIRS_DISK_EXCEEDED",
                f"the statistics of {pairs:,} pairs take {in_words(required)}",
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
        """Where runs and sizes of the parts begin in a file, in bytes, and where the last ends."""
        header = self._header(path)
        start = header.nbytes + _length(header[:number])
        runs = np.fromfile(path, RUN, header["runs"][number], offset=start)
        run = np.searchsorted(runs["place"], firsts)
        before = np.insert(np.cumsum(runs["number"], dtype=np.int64), 0, 0)
        return start + run * RUN.itemsize, start + runs.nbytes + before[run] * _SIZE.itemsize

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

    The file takes its place in one step, but is not waited for: that would cost more than to begin
    anew after a crash of the machine, which may have cut it short.
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
    _recent.append(path)
    if len(_recent) > _RECENT:
        _forget_written(_recent.pop(0))


def _forget_written(path: Path) -> None:
    """The disk has it by now. Where the system would hold all files in memory, it would have less
    for the ranks, and on virtual machines new memory takes longer than the disk."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        forget(file)


def is_full(error: OSError) -> bool:
    """Whether a disk had no room."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


class Parts:
    """The statistics of a family, part by part."""

    def __init__(self, pieces: Sequence["_Piece"]) -> None:
        self._pieces = pieces

    def size_count(self, part: int) -> int:
        """How many statistics a part has."""
        return sum(piece.size_count(part) for piece in self._pieces)

    def read(self, part: int, sizes: np.ndarray) -> np.ndarray:
        """Fill in the statistics of a part; returns the runs that they lie in."""
        runs = np.empty(sum(piece.run_count(part) for piece in self._pieces), RUN)
        run = size = 0
        for piece in self._pieces:
            own_runs = runs[run : (run := run + piece.run_count(part))]
            own_sizes = sizes[size : (size := size + piece.size_count(part))]
            piece.read(part, own_runs, own_sizes)
        return runs


class _Piece:
    """What a file has of the parts."""

    def __init__(self, path: Path, runs: np.ndarray, sizes: np.ndarray) -> None:
        self._path, self._runs, self._sizes = path, runs, sizes

    def run_count(self, part: int) -> int:
        return int(self._runs[part + 1] - self._runs[part]) // RUN.itemsize

    def size_count(self, part: int) -> int:
        return int(self._sizes[part + 1] - self._sizes[part]) // _SIZE.itemsize

    def read(self, part: int, runs: np.ndarray, sizes: np.ndarray) -> None:
        if not len(runs):
            return
        with self._path.open("rb", buffering=0) as file:
            read_no_further(file)
            for place, wanted in ((self._runs[part], runs), (self._sizes[part], sizes)):
                file.seek(place)
                if file.readinto(wanted) != wanted.nbytes:
                    raise EOFError(self._path)
            forget(file, self._sizes[part], sizes.nbytes)


def _path(folder: Path, block: str) -> Path:
    return folder / _FOLDER / f"{block.replace(' ', '_')}.bin"


def _length(headers: np.ndarray) -> int:
    """Bytes of families with these headers."""
    return int(headers["runs"].sum()) * RUN.itemsize + int(headers["sizes"].sum()) * _SIZE.itemsize


def _runs_of(family: Family) -> np.ndarray:
    filled = np.flatnonzero(family.counts)
    runs = np.empty(len(filled), RUN)
    runs["place"], runs["number"] = filled, family.counts[filled]
    return runs


def _write_in_order(family: Family, file: BinaryIO) -> None:
    """The statistics of a block by their places."""
    ordered = Seen()
    sizes, _ = ordered.room(family.seen.count)
    next_of = np.cumsum(family.counts) - family.counts
    _arrange(family.seen.sizes, family.seen.places, next_of, sizes)
    file.write(sizes)
    ordered.clear()


@numba.njit(nogil=True, cache=True)
def _arrange(sizes, found, next_of, ordered):
    for i in range(sizes.size):
        place = found[i]
        ordered[next_of[place]] = sizes[i]
        next_of[place] += 1
