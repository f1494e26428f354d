"""Rows as JSON, CSV, XLSX or Parquet."""

import io
import math
from typing import Annotated, Any, Literal

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from fastapi import Request, Response
from pydantic import Field
from pydantic_core import to_json

MEDIA_TYPES = {
    "json": "application/json",
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
}
Format = Annotated[
    Literal["json", "csv", "xlsx", "parquet"] | None,
    Field(description="Default: what the header Accept asks for, else json."),
]

_BYTES = {"schema": {"type": "string", "format": "binary"}}
_ROWS = {"schema": {"type": "array", "items": {"type": "object"}}}
# What a table is answered as, for the OpenAPI document.
TABLE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Rows",
        "content": {
            media: _ROWS if form == "json" else _BYTES for form, media in MEDIA_TYPES.items()
        },
    }
}


def answer(
    request: Request, table: pa.Table, form: str | None, rows: list[dict[str, Any]] | None = None
) -> Response:
    """A table in the form that is asked for.

    form  a key of MEDIA_TYPES; None if the header Accept decides
    rows  what JSON has instead of the table's rows
    """
    form = form or _accepted(request)
    if form == "json":
        return json_answer(table.to_pylist() if rows is None else rows)
    name = request.url.path.rstrip("/").rsplit("/", 1)[-1]
    return Response(
        _WRITERS[form](table),
        media_type=MEDIA_TYPES[form],
        headers={"Content-Disposition": f'attachment; filename="{name}.{form}"'},
    )


def json_answer(content: Any) -> Response:
    """JSON, in which a number that is not finite is null."""
    return Response(to_json(content, inf_nan_mode="null"), media_type="application/json")


def _accepted(request: Request) -> str:
    accept = request.headers.get("accept", "")
    return next((form for form, media in MEDIA_TYPES.items() if media in accept), "json")


def _csv(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pyarrow.csv.write_csv(table, buffer)
    return buffer.getvalue()


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(table, buffer)
    return buffer.getvalue()


def _xlsx(table: pa.Table) -> bytes:
    # It takes a tenth of the service's start to import.
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("rows")
    sheet.append(table.column_names)
    for row in table.to_pylist():
        sheet.append([_cell(value) for value in row.values()])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _cell(value: Any) -> Any:
    """A text that begins like a formula would be run as one."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@"):
        return f"'{value}"
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


_WRITERS = {"csv": _csv, "xlsx": _xlsx, "parquet": _parquet}
