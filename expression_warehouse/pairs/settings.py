"""What decides the result of a screen: the vars of dbt_project.yml, and the command's options."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.project import project_dir

METHODS = ("variance", "iqr", "mad")
_UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12}
# Variance of Fisher's z of a Spearman r is factor (1 + slope r²) / (n - 3), as in
# macros/stats/fisher_z.sql.
_STANDARD_ERRORS = {"fisher": (1.0, 0.0), "fieller": (1.06, 0.0), "bonett_wright": (1.0, 0.5)}


@dataclass(frozen=True)
class Settings:
    """The vars that SQL and this package share.

    k_min         studies that must have measured a gene, all where the slice has fewer
    min_samples   samples that a group must have, never below 4
    spearman_se   formula of the standard error of Fisher's z
    """

    k_min: int
    min_samples: int
    spearman_se: str

    @property
    def se_factor(self) -> float:
        """Variance of Fisher's z times n - 3, at r = 0."""
        return _STANDARD_ERRORS[self.spearman_se][0]

    @property
    def se_slope(self) -> float:
        """How much that variance grows with r², in itself."""
        return _STANDARD_ERRORS[self.spearman_se][1]


def read_settings() -> Settings:
    """The vars as dbt_project.yml has them.

    Raises UserError 54030 for one that is not possible.
    """
    text = (project_dir() / "dbt_project.yml").read_text(encoding="utf-8")
    return _settings(yaml.safe_load(text)["vars"])


def parse_settings(text: str) -> Settings:
    """The vars that the warehouse was built with.

    text  of macros/study/meta_analysis_settings.sql: k_min=3;spearman_se=fisher;…

    Raises UserError 54030 for one that is not possible.
    """
    return _settings(dict(setting.split("=") for setting in text.split(";")))


def _settings(variables: Mapping[str, Any]) -> Settings:
    if (method := variables["spearman_se"]) not in _STANDARD_ERRORS:
        raise UserError(
            "CONFIG_INVALID",
            f"var spearman_se is {method}",
            file="dbt_project.yml",
            expected=f"one of {', '.join(_STANDARD_ERRORS)}",
        )
    return Settings(
        k_min=int(variables["k_min"]),
        min_samples=max(4, int(variables["min_cohort_samples"])),
        spearman_se=method,
    )


def parse_memory(text: str) -> int:
    """Bytes of a size written as 2GB or 500MB.

    Raises UserError 54030 where it is none.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([MGT]B)", text.strip(), re.IGNORECASE)
    if not match or not float(match[1]):
        raise UserError(
            "CONFIG_INVALID", f"--memory is {text!r}", expected="a size as 2GB or 500MB"
        )
    return int(float(match[1]) * _UNITS[match[2].upper()])


def in_words(size: int) -> str:
    """Bytes as --memory takes them."""
    return f"{size / 1e9:.1f}GB" if size >= 10**9 else f"{size / 1e6:.0f}MB"
