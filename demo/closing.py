"""The end of the demo in words: what was found, which test to trust, and what to type next."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from demo.design import MOUSE, PLANTED_PAIRS, STUDIES
from demo.pairs import PairResult

# The two sides of a contrast: where the correlation is compared, and with what.
_SIDES = {
    "ss": ("septic shock", "sepsis"),
    "soth": ("septic shock", "all other cohorts"),
    "sc": ("sepsis", "controls"),
    "cc": ("colitis", "controls"),
}

_TRUST = """\
Which test to trust (at q ≤ 0.05, at most 5 % of the pairs listed are expected to be false)
  hk         Hartung-Knapp, the default: the one to report. It allows for studies that disagree and
             for the number of contrasts tested per pair. The price: it needs studies. With three it
             finds almost no pair, however strong; six or more are a good number.
  dependent  Both contrasts of septic shock in one z test, allowing for the samples that they share.
             Finds candidates if studies are few, but too many if studies disagree.
  spec       The least of three z tests: neither q nor p hold. On real studies with permuted labels
             it finds pairs in 9 of 10 draws. Only for comparison with earlier results.
  Choose by `set variable q_basis = 'dependent'` before you query vw_pair_metrics_ranked, and one
  contrast by `set variable contrast = 'sc'`.
"""

_NEXT = """\
What to type next
  all correlations of one study and cohort, in a file for R or Python:
    {program} pairs correlate --study {study} --cohort SEPTIC_SHOCK \\
      --output correlations.parquet{target}
  the state of the warehouse:
    {program} health{target}
  your own refine.bio downloads, in a warehouse of their own:
    {bare_program} run FOLDER"""


def closing_lines(slices: Mapping[str, Sequence[PairResult]], target: str | None) -> list[str]:
    """All lines.

    slices  slice → its pairs by the default test
    target  of the dbt profile, for the commands to type
    """
    findings = [line for name, pairs in slices.items() for line in _findings(name, pairs)]
    title = "What was found (by Hartung-Knapp; difference of Fisher's z with its 95 % interval)"
    return [title, *findings, "", *_TRUST.split("\n"), *_next(target).split("\n")]


def _findings(name: str, pairs: Sequence[PairResult]) -> Iterator[str]:
    """The pairs found of one slice, and the planted pairs that were missed."""
    found = [pair for pair in pairs if pair.is_found]
    planted = [pair for pair in found if pair.planted]
    count = len(MOUSE.planted if pairs[0].organism == MOUSE.name else PLANTED_PAIRS)
    yield (
        f"  {name}, {max(pair.n_studies for pair in pairs)} studies: {len(planted)} of the {count} "
        f"planted pairs, and {len(found) - len(planted)} that were not planted"
    )
    for contrast in _SIDES:
        for sign in (1, -1):
            yield from _group([p for p in found if p.contrast == contrast and p.effect * sign > 0])
    if missed := [pair for pair in pairs if pair.planted and not pair.is_found]:
        ranks = ", ".join(f"{pair.name} (rank {pair.pair_rank})" for pair in missed)
        yield f"    planted, not found: {ranks}"


def _group(pairs: Sequence[PairResult]) -> Iterator[str]:
    """Pairs of one contrast and direction."""
    if not pairs:
        return
    case, reference = _SIDES[pairs[0].contrast]
    change = "more positively" if pairs[0].effect > 0 else "more negatively"
    yield f"    correlated {change} in {case} than in {reference}:"
    for pair in pairs:
        note = "" if pair.planted else ", not planted"
        yield (
            f"      {pair.name:<33} {pair.effect:+.2f} ({pair.low:+.2f} to {pair.high:+.2f}), "
            f"{pair.n_studies} studies, q {pair.q_star:.2g}{note}"
        )


def _next(target: str | None) -> str:
    program = Path(sys.executable).with_name("expression-warehouse")
    if program.is_relative_to(Path.cwd()):
        program = program.relative_to(Path.cwd())
    database = os.environ.get("EXPRESSION_WAREHOUSE_DB")
    return _NEXT.format(
        program=f"EXPRESSION_WAREHOUSE_DB={database} {program}" if database else program,
        bare_program=program,
        study=STUDIES[0].accession,
        target=f" --target {target}" if target else "",
    )
