"""The contrasts of a disease: which cohorts they compare, and the tests of a pair that follow."""

import functools
from dataclasses import dataclass

import numpy as np

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.warehouse.base import Warehouse

CASE, REFERENCE = 1, -1


@dataclass(frozen=True)
class Contrast:
    """How much Fisher's z of r differs between two sides of a study.

    name        suffix of its columns, as in q_ss
    case        the cohorts of interest
    references  the cohorts they are compared with; each side is the weighted mean of its cohorts
    """

    name: str
    case: tuple[str, ...]
    references: tuple[str, ...]


@dataclass(frozen=True)
class Design:
    """The contrasts that are tested in one pass, the primary one first."""

    contrasts: tuple[Contrast, ...]

    @functools.cached_property
    def cohorts(self) -> tuple[str, ...]:
        """The cohorts of all contrasts; each is correlated once."""
        labels = (label for c in self.contrasts for label in (*c.case, *c.references))
        return tuple(dict.fromkeys(labels))

    @functools.cached_property
    def sides(self) -> np.ndarray:
        """(contrasts, cohorts): CASE, REFERENCE, or 0 if the contrast leaves the cohort out."""
        sides = np.zeros((len(self.contrasts), len(self.cohorts)), np.int64)
        for row, contrast in zip(sides, self.contrasts, strict=True):
            row[[self.cohorts.index(label) for label in contrast.case]] = CASE
            row[[self.cohorts.index(label) for label in contrast.references]] = REFERENCE
        return sides

    @property
    def combined(self) -> tuple[int, ...]:
        """Positions of ss and soth, which the requirement combines; empty if one is missing."""
        names = [contrast.name for contrast in self.contrasts]
        both = ("ss", "soth")
        return tuple(map(names.index, both)) if set(both) <= set(names) else ()

    @property
    def tests(self) -> tuple[str, ...]:
        """The tests of a pair: z of each contrast, its Hartung-Knapp t and ad hoc t, the least
        Hartung-Knapp p of the pair, and ss and soth combined as independent and as dependent. The
        next properties are the positions of each kind."""
        names = [contrast.name for contrast in self.contrasts]
        kinds = [f"{name}_{kind}" for kind in ("z", "hk", "hk_adhoc") for name in names]
        return (*kinds, "pair", *(("combined", "combined_dependent") if self.combined else ()))

    @property
    def z(self) -> slice:
        return slice(0, len(self.contrasts))

    @property
    def hk(self) -> slice:
        return slice(self.z.stop, 2 * self.z.stop)

    @property
    def adhoc(self) -> slice:
        return slice(self.hk.stop, self.pair)

    @property
    def pair(self) -> int:
        return 3 * len(self.contrasts)

    @property
    def combinations(self) -> slice:
        return slice(self.pair + 1, len(self.tests))

    def count_studies(self, takes_part: np.ndarray) -> dict[str, int]:
        """How many studies have both sides of each contrast.

        takes_part  (studies, cohorts): whether a study's cohort is large enough
        """
        counts = {}
        for contrast, side in zip(self.contrasts, self.sides, strict=True):
            case, reference = (takes_part[:, side == of].any(axis=1) for of in (CASE, REFERENCE))
            counts[contrast.name] = int(np.count_nonzero(case & reference))
        return counts

    def with_studies(self, takes_part: np.ndarray, least: int) -> "Design":
        """The contrasts that at least so many studies have; ss and soth both if one of them has,
        since they are combined."""
        counts = self.count_studies(takes_part)
        enough = {name for name, count in counts.items() if count >= least}
        if self.combined and enough & {"ss", "soth"}:
            enough |= {"ss", "soth"}
        return Design(tuple(contrast for contrast in self.contrasts if contrast.name in enough))


def read_design(warehouse: Warehouse, disease: str) -> Design:
    """The contrasts of a disease as the last build knows them.

    Raises UserError 54400 if it has none.
    """
    rows = warehouse.read(_COHORTS, {"disease_label": disease}).to_pylist()
    if not rows:
        raise UserError(
            "PAIRS_NOTHING_TO_TEST",
            f"{disease} has no contrasts: neither pipeline.yaml nor seeds/contrast.csv defines any",
            action="Define them under diseases in pipeline.yaml, ingest and run dbt build",
        )
    sides: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        own = sides.setdefault(row["contrast"], {"CASE": [], "REFERENCE": []})
        own[row["side"]].append(row["illness_label"])
    return Design(
        tuple(
            Contrast(name, tuple(own["CASE"]), tuple(own["REFERENCE"]))
            for name, own in sides.items()
        )
    )


_COHORTS = """
    select n.contrast, c.illness_label, c.side
    from {staging}.stg_contrast_cohort as c
    inner join {dim}.dim_contrast as n on c.contrast_key = n.contrast_key
    inner join {dim}.dim_disease as d on c.disease_key = d.disease_key
    where d.disease_label = $disease_label
    order by n.is_primary desc, n.contrast_key, c.illness_key
"""
