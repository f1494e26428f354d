"""Parameters of requests."""

from typing import Annotated

from fastapi import Path, Request
from fastapi.exceptions import RequestValidationError

from expression_warehouse.core.view_settings import NUMBERS

ACCESSION = r"^[A-Za-z0-9_.-]{1,50}$"
_KEYS = NUMBERS["pair_key"]
PairKey = Annotated[
    int, Path(ge=_KEYS.least, le=_KEYS.greatest, description="A key of dim_gene_pair.")
]
# Ids as HGNC:1705, symbols as Gt(ROSA)26Sor, aliases as H2A/m or with Greek letters.
GENE_NAME = r"^\s*[^\x00-\x1f\x7f]{1,50}\s*$"
GeneName = Annotated[str, Path(pattern=GENE_NAME, description="Id, symbol or alias.")]
Accession = Annotated[str, Path(pattern=ACCESSION)]
JobId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]


def refuse_unknown(request: Request) -> None:
    """A setting that is ignored would answer another question.

    Raises RequestValidationError for a query parameter that the path does not have.
    """
    fields = request.scope["route"].dependant.query_params
    known = {field.alias for field in fields}
    # A model refuses other names itself.
    has_model = any(hasattr(field.field_info.annotation, "model_fields") for field in fields)
    unknown = [name for name in request.query_params if name not in known and not has_model]
    if unknown:
        message = f"unknown; the parameters are: {', '.join(sorted(known)) or 'none'}"
        raise RequestValidationError(
            [
                {"loc": ("query", name), "msg": message, "type": "extra_forbidden"}
                for name in unknown
            ]
        )
