"""Keeps passwords out of logs."""

import re
from typing import Any, Protocol, TypeVar

_SECRET_NAME = re.compile(r"password|pwd|secret|token|passphrase|access_key", re.IGNORECASE)
# In the connection strings that drivers quote in their messages.
_IN_TEXT = re.compile(r"\b(password|pwd|secret|token)\s*=\s*[^;]+", re.IGNORECASE)


_Text = TypeVar("_Text", str, str | None)


class Redactor(Protocol):
    """Replaces secrets in a text; None stays None."""

    def __call__(self, text: _Text) -> _Text: ...


def redactor(credentials: Any) -> Redactor:
    """A function that replaces the secrets of a profile's target in a text by ***.

    credentials  dbt's, with nested settings; whatever a name marks as secret is one
    """
    secrets = sorted(_secrets(credentials.to_dict()), key=len, reverse=True)

    def redacted(text: _Text) -> _Text:
        if text is None:
            return None
        for secret in secrets:
            text = text.replace(secret, "***")
        return without_secrets(text)

    return redacted


def without_secrets(text: str) -> str:
    """A text without what its own words mark as a secret."""
    return _IN_TEXT.sub(lambda match: f"{match[1]}=***", text)


def _secrets(value: Any, is_secret: bool = False) -> set[str]:
    if isinstance(value, dict):
        parts = (_secrets(v, is_secret or bool(_SECRET_NAME.search(k))) for k, v in value.items())
        return set().union(*parts)
    if isinstance(value, list):
        return set().union(*(_secrets(item, is_secret) for item in value))
    return {value} if is_secret and isinstance(value, str) and value else set()
