"""The groups of samples that are correlated, of each study."""

# Each label takes part in the cohorts' own correlations; UNKNOWN in none.
COHORTS = ("CONTROL", "NO_SEPSIS", "SEPSIS", "SEPTIC_SHOCK")

# What the contrasts are made of, in the order of the kernel: septic shock, against sepsis, against
# all others in one group.
CONTRAST_GROUPS = (("SEPTIC_SHOCK",), ("SEPSIS",), ("CONTROL", "NO_SEPSIS", "SEPSIS"))
