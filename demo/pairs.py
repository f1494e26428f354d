"""The gene pairs that the warehouse tested, and which of the planted ones it finds."""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from demo.design import MOUSE_COLITIS, MOUSE_PAIRS, PLANTED_PAIRS, SEPSIS, PlantedPair

FALSE_DISCOVERY_RATE = 0.05

# Session setting q_basis → the test, the one to trust first. The mouse disease has only the first.
TESTS = {
    "hk": "Hartung-Knapp",
    "dependent": "both shock contrasts in one z",
    "spec": "least of three z tests",
}

# All pairs with an eligible contrast; vw_pair_metrics_ranked explains the settings.
_PAIRS_SQL = """
select
    technology,
    organism,
    pair_rank,
    gene_a_id,
    gene_b_id,
    coalesce(gene_a_symbol, gene_a_id),
    coalesce(gene_b_symbol, gene_b_id),
    contrast,
    effect,
    effect_ci_low,
    effect_ci_high,
    included_study_count,
    q_star
from vw_pair_metrics_ranked
order by technology, organism, pair_rank
"""


@dataclass(frozen=True)
class PairResult:
    """A row of vw_pair_metrics_ranked, with its names and the disease.

    effect, low, high  difference of Fisher's z in the contrast that decides, and its 95 % interval
    """

    disease: str
    technology: str
    organism: str
    pair_rank: int
    gene_a_id: str
    gene_b_id: str
    gene_a_name: str
    gene_b_name: str
    contrast: str
    effect: float
    low: float | None
    high: float | None
    n_studies: int
    q_star: float

    @property
    def slice(self) -> str:
        """Disease, technology and organism."""
        return f"{self.disease} {self.technology} {self.organism}"

    @property
    def planted(self) -> PlantedPair | None:
        """The planted pair of these genes, if there is one."""
        return _PLANTED.get(frozenset((self.gene_a_id, self.gene_b_id)))

    @property
    def is_found(self) -> bool:
        """Whether the false discovery rate is at most FALSE_DISCOVERY_RATE."""
        return self.q_star <= FALSE_DISCOVERY_RATE

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


_PLANTED = {pair.genes: pair for pair in (*PLANTED_PAIRS, *MOUSE_PAIRS)}


def ranked_pairs(
    connection: duckdb.DuckDBPyConnection, q_basis: str = "hk"
) -> dict[str, list[PairResult]]:
    """Slice → all its pairs with an eligible contrast, by rank.

    connection  with the schema analytics in its search path
    q_basis     a key of TESTS
    """
    slices: dict[str, list[PairResult]] = {}
    diseases = (SEPSIS, MOUSE_COLITIS) if q_basis == "hk" else (SEPSIS,)
    for disease in diseases:
        settings = {"disease": disease, "q_basis": q_basis, "q": 1, "i2_max": 100}
        for name, value in settings.items():
            connection.execute(f"set variable {name} = ?", [value])
        for row in connection.execute(_PAIRS_SQL).fetchall():
            pair = PairResult(disease, *row)
            slices.setdefault(pair.slice, []).append(pair)
    return slices


def discovery(pairs: Sequence[PairResult]) -> Discovery:
    """How many pairs are found."""
    found = [pair for pair in pairs if pair.is_found]
    return Discovery(len(found), sum(pair.planted is not None for pair in found))
