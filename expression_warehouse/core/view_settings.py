"""Settings that a session makes for views: those of macros session_number and session_text."""

import contextlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from expression_warehouse.core.errors import UserError

# How a view refuses a setting: a cast of this text fails.
_REFUSED = re.compile(r"'54030 CONFIG_INVALID: ([^']*)'")


@dataclass(frozen=True)
class Range:
    """The values that a number can have, both limits included."""

    least: int
    greatest: int
    is_whole: bool = False

    def __contains__(self, number: float) -> bool:
        is_inside = self.least <= number <= self.greatest
        return is_inside and (not self.is_whole or number == int(number))

    def __str__(self) -> str:
        kind = "whole number" if self.is_whole else "number"
        return f"a {kind} from {self.least} to {self.greatest}"


NUMBERS = {
    "pair_key": Range(1, 2**31 - 1, is_whole=True),
    "q": Range(0, 1),
    "k_min": Range(2, 10_000, is_whole=True),
    "i2_max": Range(0, 100),
}
TEXTS = ("disease", "contrast", "q_basis")


def check_settings(settings: Mapping[str, str]) -> None:
    """Raises UserError 54030 for a setting that no view has, and for a number outside its range. A
    view checks texts itself."""
    for name, text in settings.items():
        if name not in NUMBERS and name not in TEXTS:
            raise UserError(
                "CONFIG_INVALID",
                f"no view has the setting {name}",
                expected=", ".join([*NUMBERS, *TEXTS]),
                action="Correct the setting",
            )
        if name in NUMBERS and _number(text) not in NUMBERS[name]:
            raise UserError(
                "CONFIG_INVALID",
                f"{name} is {text}, expected {NUMBERS[name]}",
                action="Correct the setting",
            )


@contextlib.contextmanager
def named_refusals() -> Iterator[None]:
    """Raises UserError 54030 in place of the engine's error, if a view refuses a setting."""
    try:
        yield
    except UserError as error:
        if refused := _REFUSED.search(error.found):
            raise UserError("CONFIG_INVALID", refused[1], action="Correct the setting") from error
        raise


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
