"""Write the report of a target's newest snapshot, or of the server itself."""

from pathlib import Path

from expression_warehouse.api.rank_settings import RankSettings
from expression_warehouse.api.reading import MissingError
from expression_warehouse.api.report import report
from expression_warehouse.api.serve import open_published
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import named_os_errors, open_atomically
from expression_warehouse.core.reporting import Reporter


def export(target: str | None, settings: RankSettings, file: Path, reporter: Reporter) -> bool:
    """Write it; return whether that succeeded. An error is reported."""
    try:
        edition = open_published(target, reporter).current()
        try:
            content = report(edition, settings).encode()
        except MissingError as error:
            raise UserError(
                "CONFIG_INVALID", str(error), action="Correct --disease or --contrast"
            ) from error
        with named_os_errors(file), open_atomically(file) as written:
            written.write(content)
    except UserError as error:
        reporter.failed(None, error)
        return False
    reporter.step(
        None,
        "report_written",
        file=str(file),
        version=edition.version,
        megabytes=round(len(content) / 1e6, 1),
    )
    return True
