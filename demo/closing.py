"""The end of the demo in words: what was found, which numbers to trust, and what to type next."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from demo.design import PLANTED_PAIRS, STUDIES
from demo.pairs import PairResult, discovery, is_significant, of_technology

_TRUST = """\
Which q to trust (at q ≤ 0.05, at most 5 % of the pairs listed are expected to be false)
  q_ss_hk               Hartung-Knapp, also valid if studies disagree: the one to report. It needs
                        more studies: with {studies} per technology it finds {found_by_hk} pairs.
  q_combined_dependent  Combines both contrasts and allows for their shared samples. With so few
                        studies it gives candidates to verify, not proof.
  q_combined            Ignores the shared samples and finds too many false pairs.
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


def closing_lines(pairs: Sequence[PairResult], target: str | None) -> list[str]:
    """All lines.

    target  of the dbt profile, for the commands to type
    """
    text = _TRUST.format(
        studies=max((pair.n_studies_ss or 0 for pair in pairs), default=0),
        found_by_hk=discovery(pairs, lambda pair: pair.q_ss_hk).found,
    )
    return [*_findings(pairs), "", *text.split("\n"), *_next(target).split("\n")]


def _findings(pairs: Sequence[PairResult]) -> Iterator[str]:
    """Per technology, the planted pairs that q_combined_dependent finds, by name and direction."""
    yield "What was found (by q_combined_dependent)"
    for technology in sorted({pair.technology for pair in pairs}):
        tested = of_technology(technology, pairs)
        significant = [pair for pair in tested if is_significant(pair.q_combined_dependent)]
        planted = [pair for pair in significant if pair.is_planted]
        yield (
            f"  {technology}, {max(pair.n_studies_ss or 0 for pair in tested)} studies: "
            f"{len(planted)} of the {len(PLANTED_PAIRS)} planted pairs, "
            f"and {len(significant) - len(planted)} that were not planted"
        )
        for words, sign in (("rise and fall together", 1), ("move in opposite directions", -1)):
            names = [pair.name for pair in planted if (pair.r_septic_shock or 0.0) * sign > 0]
            if names:
                yield f"    {words} in septic shock, but not in sepsis: {', '.join(names)}"
        if missed := [pair.name for pair in tested if pair.is_planted and pair not in planted]:
            yield f"    missed: {', '.join(missed)}"


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
