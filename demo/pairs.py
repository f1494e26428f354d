"""The gene pairs that the warehouse tested, and how many of the planted ones it finds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import duckdb

from demo.design import PLANTED_PAIRS

FALSE_DISCOVERY_RATE = 0.05

# All pairs tested, in the order of the view; vw_pair_metrics_ranked explains the settings.
_PAIRS_SQL = """
set variable disease = 'SEPSIS';
set variable k_min = 1;
set variable q = 1;
set variable i2_max = 100;
set variable q_basis = 'dependent';

select
    technology,
    pair_rank,
    gene_a_id,
    gene_b_id,
    coalesce(gene_a_symbol, gene_a_id),
    coalesce(gene_b_symbol, gene_b_id),
    r_septic_shock,
    r_sepsis,
    dz_ss_mean,
    dz_ss_ci_low,
    dz_ss_ci_high,
    q_ss,
    q_ss_hk,
    q_combined,
    q_combined_dependent,
    n_studies_ss
from vw_pair_metrics_ranked
order by technology, pair_rank
"""


@dataclass(frozen=True)
class PairResult:
    """A row of vw_pair_metrics_ranked, with its names."""

    technology: str
    pair_rank: int
    gene_a_id: str
    gene_b_id: str
    gene_a_name: str
    gene_b_name: str
    r_septic_shock: float | None
    r_sepsis: float | None
    dz_ss_mean: float | None
    dz_ss_ci_low: float | None
    dz_ss_ci_high: float | None
    q_ss: float | None
    q_ss_hk: float | None
    q_combined: float | None
    q_combined_dependent: float | None
    n_studies_ss: int | None

    @property
    def is_planted(self) -> bool:
        """Whether the pair was simulated to be co-expressed in septic shock only."""
        return frozenset((self.gene_a_id, self.gene_b_id)) in _PLANTED

    @property
    def name(self) -> str:
        """Both genes: 'CD86-MS4A4A'."""
        return f"{self.gene_a_name}-{self.gene_b_name}"


@dataclass(frozen=True)
class Discovery:
    """Pairs with a false discovery rate of FALSE_DISCOVERY_RATE or less.

    found    how many
    planted  how many of them are planted pairs
    """

    found: int
    planted: int

    @property
    def precision(self) -> float | None:
        """Share of the pairs found that are planted; None if no pair was found."""
        return self.planted / self.found if self.found else None

    @property
    def recall(self) -> float:
        """Share of the planted pairs that are found."""
        return self.planted / len(PLANTED_PAIRS)


_PLANTED = {frozenset((pair.gene_a, pair.gene_b)) for pair in PLANTED_PAIRS}


def ranked_pairs(connection: duckdb.DuckDBPyConnection) -> list[PairResult]:
    """All pairs tested, by technology and rank.

    connection  with the schema analytics in its search path
    """
    return [PairResult(*row) for row in connection.execute(_PAIRS_SQL).fetchall()]


def discovery(pairs: Sequence[PairResult], rate: Callable[[PairResult], float | None]) -> Discovery:
    """How many pairs a column of false discovery rates finds."""
    significant = [pair for pair in pairs if is_significant(rate(pair))]
    return Discovery(len(significant), sum(pair.is_planted for pair in significant))


def is_significant(q: float | None) -> bool:
    """Whether a false discovery rate is at most FALSE_DISCOVERY_RATE."""
    return q is not None and q <= FALSE_DISCOVERY_RATE


def of_technology(technology: str, pairs: Sequence[PairResult]) -> list[PairResult]:
    """The pairs of one technology."""
    return [pair for pair in pairs if pair.technology == technology]
