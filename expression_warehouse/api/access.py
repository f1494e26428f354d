"""Who may do what: reading on this machine is free, all else needs an API key."""

import base64
import binascii
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Request

from expression_warehouse.api.keys import ApiKey

# Browsers ask for a name and password; the password is the key.
CHALLENGE = 'Bearer, Basic realm="Expression warehouse: the password is your API key"'


class NoKeyError(Exception):
    """A request has no valid key."""


class NoScopeError(Exception):
    """The key of a request does not allow it; the message is the scope that it lacks."""


def needs(scope: str) -> Callable[[Request], ApiKey]:
    """A dependency of a route that changes something: its valid key with this scope.

    Browsers add a password to requests that other sites make; so only `Authorization: Bearer`
    counts here.
    """

    def check(request: Request) -> ApiKey:
        return _checked(request, _bearer(request), scope)

    return check


ReviewKey = Annotated[ApiKey, Depends(needs("review"))]
RunKey = Annotated[ApiKey, Depends(needs("run"))]


def check_reader(request: Request) -> None:
    """Raises NoKeyError or NoScopeError if a request that reads needs a key and has none."""
    _checked(request, _bearer(request) or _password(request), "read")


def _checked(request: Request, text: str, scope: str) -> ApiKey:
    key: ApiKey | None = request.app.state.keys.find(text)
    if key is None:
        raise NoKeyError
    if scope not in key.scopes:
        raise NoScopeError(scope)
    return key


def _bearer(request: Request) -> str:
    kind, _, text = request.headers.get("authorization", "").partition(" ")
    return text.strip() if kind.lower() == "bearer" else ""


def _password(request: Request) -> str:
    kind, _, text = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return ""
    try:
        return base64.b64decode(text).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def client_of(scope: Any) -> str:
    """Who counts as one client for limits: the address that the request came from."""
    return scope["client"][0] if scope.get("client") else ""
