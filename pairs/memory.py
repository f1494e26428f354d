"""How much memory a computation on pairs takes, told before it begins."""

from dataclasses import dataclass

from loader.errors import LoaderError
from pairs.bins import BIN_COUNT
from pairs.block import COLUMNS, ROWS
from pairs.pooling import TESTS
from pairs.tally import PAIR

# Python, the libraries and the warehouse's own buffers.
_BASE = 600 * 10**6
_FAMILIES = len(TESTS)
# A statistic that is kept, twice over before the rest is let go of.
_KEPT = 2 * PAIR.itemsize


@dataclass(frozen=True)
class Plan:
    """What fits.

    keep      statistics kept of each family of tests
    required  bytes, about
    """

    keep: int
    required: int


def plan_memory(
    memory: int, keep: int, genes: int, samples_of_largest: int, studies: int, threads: int
) -> Plan:
    """What a screen keeps in a memory of so many bytes.

    keep                pairs that are to be kept by each test
    samples_of_largest  samples of the study that has most
    threads             blocks computed at a time in this process

    Raises LoaderError 54401 where it does not fit, with what would be enough.
    """
    # One study's values, the part of a group, and its ranks.
    preparing = 3 * 8 * genes * samples_of_largest
    bins = 8 * BIN_COUNT * (_FAMILIES - 2 + 2 * studies)
    tile = 8 * ROWS * COLUMNS * (3 * studies + 2 * _FAMILIES)
    block = PAIR.itemsize * ROWS * genes * _FAMILIES
    # Its own bins and the edges, beside those of each block.
    fixed = _BASE + 3 * bins + threads * (bins + tile + block)
    of_kept = keep * _KEPT * _FAMILIES
    required = max(_BASE + preparing, fixed + of_kept)
    if required > memory:
        raise LoaderError(
            "PAIRS_MEMORY_EXCEEDED",
            f"{genes:,} genes in {studies} studies, of {samples_of_largest:,} samples at most, "
            f"take {in_words(required)}",
            expected=f"at most --memory, which is {in_words(memory)}",
            action="Give it --memory, where the machine has it; or test fewer genes (--top-genes), "
            "or keep fewer pairs (--keep)",
        )
    # A third of what is left: what is kept is sorted in the end.
    spare = (memory - fixed - of_kept) // 3
    return Plan(keep + spare // (_KEPT * _FAMILIES), required)


def plan_correlations(memory: int, genes: int, samples: int, threads: int) -> int:
    """How many correlations of one study are kept in a memory of so many bytes.

    Raises LoaderError 54401 where the study does not fit.
    """
    required = _BASE + 3 * 8 * genes * samples + 4 * threads * PAIR.itemsize * ROWS * genes
    if required > memory:
        raise LoaderError(
            "PAIRS_MEMORY_EXCEEDED",
            f"{genes:,} genes of {samples:,} samples take {in_words(required)}",
            expected=f"at most --memory, which is {in_words(memory)}",
        )
    return max(1, (memory - required) // (3 * _KEPT))


def in_words(size: int) -> str:
    """Bytes as --memory takes them."""
    return f"{size / 1e9:.1f}GB" if size >= 10**9 else f"{size / 1e6:.0f}MB"
