"""The dbt vars and command-line values that decide the result of a computation on pairs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from expression_warehouse.core.errors import UserError
from expression_warehouse.core.project import project_dir

_UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12}
# Variance of Fisher's z of a Spearman r is factor (1 + slope r²) / (n - 3), as in
# macros/stats/fisher_z.sql.
_STANDARD_ERRORS = {"fisher": (1.0, 0.0), "fieller": (1.06, 0.0), "bonett_wright": (1.0, 0.5)}


@dataclass(frozen=True)
class Settings:
    """The vars that SQL and this package share.

    k_min         studies that a contrast must have to be eligible, and that must have measured a
                  gene; all studies if the slice has fewer
    min_samples   samples that a cohort must have, never below 4
    spearman_se   formula of the standard error of Fisher's z
    detection_share_min
                  share of a cohort's samples that must be above the unit's detection floor
    """

    k_min: int
    min_samples: int
    spearman_se: str
    detection_share_min: float

    @property
    def se_factor(self) -> float:
        """Variance of Fisher's z times n - 3, at r = 0."""
        return _STANDARD_ERRORS[self.spearman_se][0]

    @property
    def se_slope(self) -> float:
        """Relative growth of that variance per r²."""
        return _STANDARD_ERRORS[self.spearman_se][1]


def gene_parameters(top_genes: int | None, method: str) -> dict[str, Any]:
    """What has an effect on the choice of genes, for a feature run and the key of a screen.

    top_genes  how many of the genes that vary most are paired; None is all
    method     variance, iqr or mad: how variability is measured
    """
    return {"method": method if top_genes else None, "top_genes": top_genes}


def resolve_vars(overrides: str | None = None) -> dict[str, Any]:
    """The vars as dbt resolves them: of dbt_project.yml, then those that it scopes to the project's
    name, then `--vars`.

    overrides  YAML text of `--vars`, as '{k_min: 2}'

    Raises UserError 54030 if it is no mapping, or has a var that does not exist.
    """
    project = yaml.safe_load((project_dir() / "dbt_project.yml").read_text(encoding="utf-8"))
    variables = project.get("vars") or {}
    try:
        given = yaml.safe_load(overrides or "{}")
    except yaml.YAMLError:
        given = None
    if not isinstance(given, dict):
        raise UserError(
            "CONFIG_INVALID", f"--vars is {overrides!r}", expected="a mapping as '{k_min: 2}'"
        )
    resolved = {**variables, **(variables.get(project.get("name")) or {})}
    if unknown := next((name for name in given if name not in resolved), None):
        raise UserError(
            "CONFIG_INVALID",
            f"--vars has {unknown}, and there is no such var",
            expected=f"one of {', '.join(sorted(resolved))}",
        )
    return {**resolved, **given}


def settings_of(variables: Mapping[str, Any]) -> Settings:
    """The settings among these vars.

    Raises UserError 54030 for a value that is not possible.
    """
    method = variables.get("spearman_se")
    if method not in _STANDARD_ERRORS:
        raise UserError(
            "CONFIG_INVALID",
            f"var spearman_se is {method}",
            expected=f"one of {', '.join(_STANDARD_ERRORS)}",
        )
    return Settings(
        k_min=_number(variables, "k_min", int, "a whole number"),
        min_samples=max(4, _number(variables, "min_cohort_samples", int, "a whole number")),
        spearman_se=method,
        detection_share_min=_number(variables, "detection_share_min", float, "a number"),
    )


def parse_settings(text: str) -> Settings:
    """The settings that the warehouse was built with.

    text  stg_slice_studies.settings, written by macros/study/meta_analysis_settings.sql:
          k_min=3;spearman_se=fisher;…

    Raises UserError 54030 for a value that is not possible.
    """
    return settings_of(dict(setting.split("=", 1) for setting in text.split(";")))


def _number(variables: Mapping[str, Any], name: str, kind: type, expected: str) -> Any:
    try:
        return kind(variables[name])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            "CONFIG_INVALID", f"var {name} is {variables.get(name)}", expected=expected
        ) from error


def parse_memory(text: str) -> int:
    """Bytes of a size written as 2GB or 500MB.

    Raises UserError 54030 if it is not a size.
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
