"""How much memory a computation on pairs takes, told before it begins."""

from expression_warehouse.core.errors import UserError
from expression_warehouse.pairs.screen.bins import BIN_COUNT
from expression_warehouse.pairs.screen.block import COLUMNS, block_shape
from expression_warehouse.pairs.screen.pooling import TESTS
from expression_warehouse.pairs.screen.statistic_files import PART
from expression_warehouse.pairs.screen.tally import PAIR
from expression_warehouse.pairs.settings import in_words

# Python, the libraries and the warehouse's own buffers.
_BASE = 600 * 10**6
_FAMILIES = len(TESTS)
# A pair that is kept, twice over before the rest is let go of.
_KEPT = 2 * PAIR.itemsize
# A statistic of a block: its code, with room for as many more, the same once more while that grows,
# and its code again as it is written.
_SEEN = 20
# What is read of them at a time, its bucket, what of it is looked at with its p, and what waits for
# the next part.
_PART = 4 + 2 + 3 * 8
# No bin has a larger share of normal or Student's statistics than 1 / this, unless nearly all are
# near 0.
_FULLEST = 64


def require_memory(
    memory: int, keep: int, genes: int, samples_of_largest: int, studies: int, threads: int
) -> None:
    """Tell whether a screen fits in a memory of so many bytes.

    keep                pairs that are to be kept by each test
    samples_of_largest  samples of the study that has most
    threads             blocks computed at a time in this process

    Raises UserError 54401 where it does not fit, with what would be enough.
    """
    # One study's values, the part of a group, and its ranks.
    preparing = 3 * 8 * genes * samples_of_largest
    # Counts, a few times over with those of blocks under way; six times as much are their places
    # and the coefficients of p.
    bins = 8 * BIN_COUNT * (_FAMILIES - 2 + 2 * studies)
    tile = 8 * block_shape(studies)[0] * COLUMNS * (3 * studies + 2 * _FAMILIES)
    block = _SEEN * _block_pairs(genes, studies) * _FAMILIES
    part = _part(genes)
    kept = keep * _KEPT * _FAMILIES
    computing = (
        (8 + 2 * threads) * bins + 2 * kept + max(threads * (tile + block), (threads + 1) * part)
    )
    required = _BASE + max(preparing, computing)
    if required > memory:
        raise UserError(
            "PAIRS_MEMORY_EXCEEDED",
            f"{genes:,} genes in {studies} studies, of {samples_of_largest:,} samples at most, "
            f"take {in_words(required)}",
            expected=f"at most --memory, which is {in_words(memory)}",
            action="Give it --memory, where the machine has it; or test fewer genes (--top-genes), "
            "or keep fewer pairs (--keep)",
        )


def plan_correlations(memory: int, genes: int, samples: int, threads: int) -> int:
    """How many correlations of one study are kept in a memory of so many bytes.

    Raises UserError 54401 where the study does not fit.
    """
    block = (PAIR.itemsize + _SEEN) * _block_pairs(genes, 1)
    required = _BASE + 3 * 8 * genes * samples + max(2 * threads * block, _part(genes))
    if required > memory:
        raise UserError(
            "PAIRS_MEMORY_EXCEEDED",
            f"{genes:,} genes of {samples:,} samples take {in_words(required)}",
            expected=f"at most --memory, which is {in_words(memory)}",
        )
    return max(1, (memory - required) // (3 * _KEPT))


def _block_pairs(genes: int, studies: int) -> int:
    rows, columns = block_shape(studies)
    return rows * min(genes, columns)


def _part(genes: int) -> int:
    return _PART * max(PART, genes * genes // 2 // _FULLEST)
