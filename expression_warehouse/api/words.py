"""Numbers and results in words."""

from typing import Any

from expression_warehouse.core.listed import counted


def number_text(value: Any, digits: int = 2) -> str:
    """A number for a reader: whole numbers with thousands, others with so many digits after the
    point; '–' if missing."""
    if value is None:
        return "–"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    # Adding 0 turns a rounded −0 into 0.
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def p_text(value: float | None) -> str:
    """A p or q value with two significant digits; '–' if missing."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    return f"{value:#.2g}" if value >= 1e-3 else f"{value:.1e}"


def gene_name(symbol: str | None, gene_id: str) -> str:
    """What a reader calls a gene."""
    return symbol or gene_id


def rationale(row: dict[str, Any]) -> str:
    """A sentence or two on a row of vw_pair_metrics_ranked, from its numbers alone."""
    a = gene_name(row["gene_a_symbol"], row["gene_a_id"])
    b = gene_name(row["gene_b_symbol"], row["gene_b_id"])
    if row["contrast"] is None:
        return f"{a} and {b}: metrics of a file, with q = {p_text(row['q_star'])}."
    direction = (row["direction"] or "the same").lower()
    text = (
        f"The correlation of {a} and {b} is {direction} in the cases of contrast {row['contrast']}:"
        f" Fisher z differs by {number_text(row['effect'])}"
        f" (95 % interval {number_text(row['effect_ci_low'])} to"
        f" {number_text(row['effect_ci_high'])})"
        f" over {counted(row['included_study_count'], 'study')}, q = {p_text(row['q_star'])}."
    )
    return f"{text} {heterogeneity(row['i2_star'], row['included_study_count'])}"


def heterogeneity(i2: float | None, k: int) -> str:
    """What an I2 (percent) of k studies says, in the words of the Cochrane Handbook, 10.10.2."""
    if k == 1:
        return "One study says nothing of heterogeneity."
    if i2 is None:
        return "Heterogeneity is unknown."
    if i2 <= 40:
        words = "The studies agree"
    elif i2 <= 60:
        words = "The studies differ moderately"
    elif i2 <= 75:
        words = "The studies differ substantially"
    else:
        words = "The studies differ considerably"
    return f"{words} (I² {i2:.0f} %)."


def advice(contrast: dict[str, Any]) -> str:
    """Which test of a row of fact_gene_pair_contrast to trust, and why."""
    k = contrast["n_studies"]
    if not contrast["is_eligible"]:
        return (
            f"{counted(k, 'study')} with both sides of this contrast, fewer than the least number"
            " (k_min): there is no q."
        )
    found = [
        name
        for name, q in (("Hartung-Knapp", contrast["q_hk"]), ("the normal test", contrast["q"]))
        if _is_found(q)
    ]
    if found == ["the normal test"]:
        return (
            "Only the normal test finds a change. It takes the variance between the studies for"
            " known, which it is not with few studies: trust Hartung-Knapp."
        )
    if found:
        text = f"Found at q ≤ 0.05 by {' and '.join(found)}."
        if contrast["hk_se"] < contrast["se_re"] and not _is_found(contrast["q_hk_adhoc"]):
            text += (
                " The studies agree more closely than their own errors explain, probably by chance:"
                " the interval may be too narrow, and the ad hoc test finds nothing."
            )
        return text
    return "No test finds a change at q ≤ 0.05."


def _is_found(q: float | None) -> bool:
    return q is not None and q <= 0.05
