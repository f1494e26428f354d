"""Parameters in paths."""

from typing import Annotated

from fastapi import Path

ACCESSION = r"^[A-Za-z0-9_.-]{1,50}$"
PairKey = Annotated[int, Path(ge=1, le=2**31 - 1, description="A key of dim_gene_pair.")]
GeneName = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9_.@'-]{1,50}$", description="Id, symbol or alias.")
]
Accession = Annotated[str, Path(pattern=ACCESSION)]
JobId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
