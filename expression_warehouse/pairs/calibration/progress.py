"""The outcomes of the draws so far, in a file that an interrupted calibration is resumed from."""

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from expression_warehouse.core.files import open_atomically


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
        arrays: dict[str, Any] = {
            f"outcomes_{null}": np.array(own) for null, own in self.outcomes.items()
        }
        with open_atomically(path) as file:
            np.savez(
                file,
                head=np.array(json.dumps({"key": self.key, "nulls": list(self.outcomes)})),
                at_least=self.at_least,
                least_p=np.array(self.least_p),
                **arrays,
            )

    @staticmethod
    def read(path: Path, key: str, observed: np.ndarray) -> "Progress":
        """What the file says; nothing done if it is missing, damaged, or of another calibration."""
        empty = Progress(key, observed, np.zeros(len(observed), np.int64))
        try:
            with np.load(path, allow_pickle=False) as arrays:
                head = json.loads(str(arrays["head"]))
                if head["key"] != key:
                    return empty
                return Progress(
                    key,
                    observed,
                    arrays["at_least"],
                    {null: list(arrays[f"outcomes_{null}"]) for null in head["nulls"]},
                    arrays["least_p"].tolist(),
                )
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            return empty
