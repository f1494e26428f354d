"""The cohorts of a study, and the contrasts between them that a screen tests."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Contrast:
    """How much r differs between two groups of samples of a study.

    name        suffix of its columns, as in q_ss
    case        the cohort of interest
    references  the cohorts it is compared with, as one group of samples
    """

    name: str
    case: str
    references: tuple[str, ...]


CONTRASTS = (
    Contrast("ss", "SEPTIC_SHOCK", ("SEPSIS",)),
    Contrast("soth", "SEPTIC_SHOCK", ("CONTROL", "NO_SEPSIS", "SEPSIS")),
)

# Groups of samples that need a rank transform of their own.
GROUPS = tuple(dict.fromkeys(g for c in CONTRASTS for g in ((c.case,), c.references)))

# Per contrast, the numbers of its two groups in GROUPS.
CONTRAST_GROUPS = tuple((GROUPS.index((c.case,)), GROUPS.index(c.references)) for c in CONTRASTS)

# The tests of a pair: z of each contrast, its Hartung-Knapp t, and the first two contrasts combined
# as if independent and as dependent.
TESTS = (
    *(c.name for c in CONTRASTS),
    *(f"{c.name}_hk" for c in CONTRASTS),
    "combined",
    "combined_dependent",
)
