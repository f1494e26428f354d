"""The outcomes of the draws so far, in a file that an interrupted calibration is resumed from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from expression_warehouse.pairs.array_file import read_arrays, write_arrays


@dataclass
class Progress:
    """
    key       of the calibration: its inputs and options
    outcomes  name of a null → an outcome per draw, in order of the draws
    observed  (pairs,): p of `pair` in the studies as they are; NaN if a pair has none
    at_least  (pairs,): draws of LABELS in which the pair's p is as small
    least_p   per draw of LABELS, the least p of all pairs
    """

    key: str
    observed: np.ndarray
    at_least: np.ndarray
    outcomes: dict[str, list[np.ndarray]] = field(default_factory=dict)
    least_p: list[float] = field(default_factory=list)

    def done(self, null: str) -> int:
        """Draws of a null that are done."""
        return len(self.outcomes.get(null, []))

    def add(self, null: str, outcome: np.ndarray) -> None:
        """Append the outcome of the next draw."""
        self.outcomes.setdefault(null, []).append(outcome)

    def write(self, path: Path) -> None:
        """Replace the file in one step."""
        arrays = {f"outcomes_{null}": np.array(own) for null, own in self.outcomes.items()}
        arrays |= {"at_least": self.at_least, "least_p": np.array(self.least_p)}
        write_arrays(path, {"key": self.key, "nulls": list(self.outcomes)}, arrays)

    @staticmethod
    def read(path: Path, key: str, observed: np.ndarray) -> "Progress":
        """What the file says; nothing done if it is missing, damaged, or of another calibration."""

        def restore(head: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> Progress | None:
            if head["key"] != key:
                return None
            outcomes = {null: list(arrays[f"outcomes_{null}"]) for null in head["nulls"]}
            return Progress(key, observed, arrays["at_least"], outcomes, arrays["least_p"].tolist())

        nothing = Progress(key, observed, np.zeros(len(observed), np.int64))
        return read_arrays(path, restore) or nothing
