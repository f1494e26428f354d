"""How much memory a computation on pairs takes, estimated before it begins."""

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.listed import counted
from expression_warehouse.pairs.contrasts import Design
from expression_warehouse.pairs.engine.block import block_shape
from expression_warehouse.pairs.engine.histogram import PAGE, PAGES
from expression_warehouse.pairs.engine.pooling import COLUMNS
from expression_warehouse.pairs.engine.tally import CANDIDATE
from expression_warehouse.pairs.settings import in_words

# Python, the libraries and the warehouse's own buffers.
_BASE = 600 * 10**6
# Bytes per candidate, with the copies of sorting; there are up to 2 × keep before pruning.
_CANDIDATE = 3 * CANDIDATE.itemsize
# Pages of a histogram per degrees of freedom: they reach p = 1e-14.
_PAGES = 8


def require_memory(
    memory: int,
    keep: int,
    genes: int,
    samples_of_largest: int,
    studies: int,
    design: Design,
    threads: int,
) -> None:
    """Check that a screen fits into a memory of so many bytes.

    keep                pairs wanted per test
    samples_of_largest  samples of the largest study
    threads             blocks computed at a time in this process

    Raises UserError 54401 if it does not fit, with what would be enough.
    """
    # Float64 arrays of the largest study: its values, those of one cohort, and the cohort's ranks.
    preparing = 3 * 8 * genes * samples_of_largest
    tests, contrasts, cohorts = len(design.tests), len(design.contrasts), len(design.cohorts)
    # The two Hartung-Knapp tests and the pair's have a row per contrast and degrees of freedom.
    rows = tests + 3 * contrasts * (studies - 1)
    # All blocks so far, those under way, and those waiting to be merged.
    histograms = (1 + 2 * threads) * rows * (8 * PAGE * _PAGES + 4 * PAGES)
    block_rows = block_shape(studies, cohorts)[0]
    tile = 8 * block_rows * COLUMNS * (cohorts * studies + 2 * tests)
    candidates = (2 + threads) * keep * tests * _CANDIDATE
    required = _BASE + max(preparing, histograms + candidates + threads * tile)
    if required > memory:
        raise UserError(
            "PAIRS_MEMORY_EXCEEDED",
            f"{counted(genes, 'gene')} in {counted(studies, 'study')}, of at most "
            f"{counted(samples_of_largest, 'sample')}, take {in_words(required)}",
            expected=f"at most --memory, which is {in_words(memory)}",
            action="Increase --memory if the machine has it; or test fewer genes (--top-genes), "
            "or keep fewer pairs (--keep)",
        )


def plan_correlations(memory: int, genes: int, samples: int, threads: int) -> int:
    """How many correlations of one study can be kept in a memory of so many bytes.

    Raises UserError 54401 if the study does not fit.
    """
    rows, columns = block_shape(1, 1)
    block = (CANDIDATE.itemsize + 8) * rows * min(genes, columns)
    required = _BASE + 3 * 8 * genes * samples + 2 * threads * block
    if required > memory:
        raise UserError(
            "PAIRS_MEMORY_EXCEEDED",
            f"{counted(genes, 'gene')} of {counted(samples, 'sample')} take {in_words(required)}",
            expected=f"at most --memory, which is {in_words(memory)}",
        )
    return max(1, (memory - required) // (2 * _CANDIDATE))
