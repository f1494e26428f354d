"""API keys. Only their hashes are kept, in a file that only its owner can read.

A key is random (256 bits), so that one round of SHA-256 is enough: there is no dictionary to try.
"""

import dataclasses
import hashlib
import hmac
import json
import re
import secrets
import threading
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from expression_warehouse.core.clock import utc_now
from expression_warehouse.core.errors import UserError
from expression_warehouse.core.files import named_os_errors, open_atomically

_KEY = re.compile(r"ewk_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True)
class ApiKey:
    """A key without its secret.

    secret_hash  SHA-256 of the secret, as hex
    created_at, revoked_at  UTC, as ISO text; revoked_at is None while the key is valid
    """

    key_id: str
    name: str
    scopes: tuple[str, ...]
    secret_hash: str
    created_at: str
    revoked_at: str | None = None


class KeyFile:
    """The keys of one warehouse. A change by another process counts from the next request on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._keys: dict[str, ApiKey] = {}

    def create(self, name: str, scopes: tuple[str, ...]) -> str:
        """Make a key and return its text, which is never shown again.

        Raises UserError 54302 if the file cannot be written.
        """
        key_id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        with named_os_errors(self._path), FileLock(f"{self._path}.lock"):
            keys = self._read()
            keys[key_id] = ApiKey(key_id, name, scopes, _hash(secret), utc_now().isoformat())
            self._write(keys)
        return f"ewk_{key_id}_{secret}"

    def revoke(self, key_id: str) -> None:
        """End a key. Raises UserError 54610 if there is no such key."""
        with named_os_errors(self._path), FileLock(f"{self._path}.lock"):
            keys = self._read()
            if key_id not in keys:
                raise UserError("API_KEY_UNKNOWN", f"there is no key {key_id}")
            if not keys[key_id].revoked_at:
                revoked_at = utc_now().isoformat()
                keys[key_id] = dataclasses.replace(keys[key_id], revoked_at=revoked_at)
                self._write(keys)

    def all(self) -> list[ApiKey]:
        """All keys, those that were revoked too, the oldest first."""
        with self._lock:
            return sorted(self._read().values(), key=lambda key: key.created_at)

    def find(self, text: str) -> ApiKey | None:
        """The valid key of a text; None if there is none. How long it takes does not depend on how
        much of the secret is right."""
        found = _KEY.fullmatch(text)
        with self._lock:
            key = self._read().get(found[1]) if found else None
        given = _hash(found[2]) if found else ""
        is_same = hmac.compare_digest(given, key.secret_hash if key else "-")
        return key if key and is_same and not key.revoked_at else None

    def _read(self) -> dict[str, ApiKey]:
        try:
            state = self._path.stat()
        except FileNotFoundError:
            return {}
        stamp = (state.st_mtime_ns, state.st_ino)
        if stamp != self._stamp:
            rows = json.loads(self._path.read_text(encoding="utf-8"))["keys"]
            keys = [ApiKey(**{**row, "scopes": tuple(row["scopes"])}) for row in rows]
            self._keys, self._stamp = {key.key_id: key for key in keys}, stamp
        return dict(self._keys)

    def _write(self, keys: dict[str, ApiKey]) -> None:
        content = {"keys": [dataclasses.asdict(key) for key in keys.values()]}
        with open_atomically(self._path) as file:
            Path(file.name).chmod(0o600)
            file.write(json.dumps(content, indent=1).encode())


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
