"""Errors that the user can act on, with the codes of seeds/error_code.csv."""

from expression_warehouse.core.printable import printable
from expression_warehouse.core.project import read_seed
from expression_warehouse.core.redact import without_secrets


class UserError(Exception):
    """A named error with a code: what is wrong, where, what is expected, what to do.

    name      the error's name in the catalog, for example VALIDATION_DUPLICATE_GENES; code,
              severity and is_releasable are the catalog's
    found     what is wrong, in one sentence; secrets in it are replaced by ***
    file      path of the file concerned
    line      its line, counted from 1
    expected  what is expected instead
    action    what to do; by default, the catalog's advice

    Raises KeyError if the catalog has no such name.
    """

    def __init__(
        self,
        name: str,
        found: str,
        *,
        file: str | None = None,
        line: int | None = None,
        expected: str | None = None,
        action: str | None = None,
    ) -> None:
        entry = {row["error_name"]: row for row in read_seed("error_code")}[name]
        self.name = name
        self.code = int(entry["error_code"])
        self.severity = entry["severity"]
        self.is_releasable = entry["is_releasable"] == "1"
        # Engines and servers quote connection strings and addresses in their messages.
        self.found = printable(without_secrets(found))
        self.file = printable(file) if file else file
        self.line = line
        self.expected = expected
        self.action = printable(action or entry["what_to_do"])
        super().__init__(str(self))

    @property
    def location(self) -> str | None:
        """`file:line`, `file` or None."""
        return f"{self.file}:{self.line}" if self.file and self.line else self.file

    def __str__(self) -> str:
        lines = [f"{self.code} {self.name}"]
        lines.append(f"  {self.location}: {self.found}" if self.location else f"  {self.found}")
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        lines.append(f"  to do: {self.action}")
        return "\n".join(lines)
