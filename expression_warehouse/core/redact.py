"""Keeps passwords out of logs."""

import re
import urllib.parse
from typing import Any, Protocol, TypeVar

_SECRET_NAME = re.compile(r"password|pwd|secret|token|passphrase|access_key", re.IGNORECASE)
# What drivers and servers quote in their messages. In connection strings a value can stand in
# braces, with each } doubled.
_BRACED = r"\{(?:[^}]|\}\})*\}"
_IN_TEXT = (
    (re.compile(rf"(\b(?:password|pwd)\s*=\s*)(?:{_BRACED}|[^;]+)", re.IGNORECASE), r"\1***"),
    (
        re.compile(
            rf"((?:token|secret|account_?key|access_?key|api_?key|passphrase|(?<=[?&])sig)\s*=\s*)"
            rf"(?:{_BRACED}|'[^']*'|\"[^\"]*\"|[^;&\s'\"]+)",
            re.IGNORECASE,
        ),
        r"\1***",
    ),
    (re.compile(r"\b(bearer|authorization:\s*basic)\s+[\w.~+/-]+=*", re.IGNORECASE), r"\1 ***"),
    # A password of a URL may have the characters / and @.
    (re.compile(r"(://[^\s:/@]*:)\S+@"), r"\1***@"),
)


_Text = TypeVar("_Text", str, str | None)


class Redactor(Protocol):
    """Replaces secrets in a text; None stays None."""

    def __call__(self, text: _Text) -> _Text: ...


def redactor(credentials: Any) -> Redactor:
    """A function that replaces the secrets of a profile's target in a text by ***.

    credentials  dbt's, with nested settings; whatever a name marks as secret is one
    """
    found = _secrets(credentials.to_dict())
    # As they are, and as a connection string and a URL have them.
    written = {*found, *(each.replace("}", "}}") for each in found), *map(_in_url, found)}
    secrets = sorted(written, key=len, reverse=True)

    def redacted(text: _Text) -> _Text:
        if text is None:
            return None
        for secret in secrets:
            text = text.replace(secret, "***")
        return without_secrets(text)

    return redacted


def without_secrets(text: str) -> str:
    """A text without what its own words mark as a secret."""
    for pattern, masked in _IN_TEXT:
        text = pattern.sub(masked, text)
    return text


def _in_url(secret: str) -> str:
    return urllib.parse.quote(secret, safe="")


def _secrets(value: Any, is_secret: bool = False) -> set[str]:
    if isinstance(value, dict):
        parts = (_secrets(v, is_secret or bool(_SECRET_NAME.search(k))) for k, v in value.items())
        return set().union(*parts)
    if isinstance(value, list):
        return set().union(*(_secrets(item, is_secret) for item in value))
    return {value} if is_secret and isinstance(value, str) and value else set()
