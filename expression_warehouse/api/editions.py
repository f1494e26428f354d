"""What a request reads, and what its answer says of it."""

from typing import Annotated

from fastapi import Depends, Request

from expression_warehouse.api.problems import NotModifiedError
from expression_warehouse.api.store import Edition


def _current(request: Request) -> Edition:
    edition: Edition = request.app.state.store.current()
    # Reviews can be added between two snapshots, so they are part of the version.
    reviewed = request.app.state.journal.size
    request.state.version = f"{edition.version}.{reviewed}" if reviewed else edition.version
    if f'"{request.state.version}"' in request.headers.get("if-none-match", ""):
        raise NotModifiedError
    return edition


CurrentEdition = Annotated[Edition, Depends(_current)]
