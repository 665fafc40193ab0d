"""Phone numbers that the ledger keeps without showing them, and still finds.

``hashed``: a keyed hash; who holds the key can look for a number but never read one back.
``encrypted``: AES-SIV (RFC 5297), which makes the same of the same number, so that it can be looked
for; who holds the key can read it. Destroying the key destroys every number in every copy of the
ledger, and no entry has to be changed for it.
"""

from __future__ import annotations

import base64
import hmac
import os
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from callguard.errors import LedgerError

#: Fields of bodies that hold phone numbers.
NUMBERS = frozenset({"caller", "called", "phone"})

#: What a hidden number begins with; no phone number does.
HASHED_MARK = "hmac:"
_ENCRYPTED = "siv:"

#: People and programs write these into numbers; two spellings of one number must be found as one.
_ORNAMENTS = str.maketrans("", "", " -./()\u00a0")


class Numbers(StrEnum):
    """How phone numbers stand in the ledger."""

    PLAIN = "plain"
    HASHED = "hashed"
    ENCRYPTED = "encrypted"


class Privacy:
    """Hides and shows numbers."""

    def __init__(self, numbers: Numbers = Numbers.PLAIN, key: bytes = b"") -> None:
        """``key`` is 32 secret bytes, needed unless numbers stay plain.

        Raises:
            LedgerError: the key has another length.
        """
        self.numbers = numbers
        if numbers is Numbers.PLAIN:
            return
        if len(key) != 32:
            raise LedgerError(
                "the key for phone numbers must be 32 bytes; name a file that is not there yet and it is made"
            )
        self._hash_key = _derived(key, b"callguard numbers hash", 32)
        self._cipher = AESSIV(_derived(key, b"callguard numbers encryption", 64))

    def hidden(self, fields: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
        """The fields of a body as they are stored."""
        if self.numbers is Numbers.PLAIN:
            return list(fields)
        return [(name, self.hide(value) if name in NUMBERS and value else value) for name, value in fields]

    def hide(self, number: str) -> str:
        """A number as it is stored and looked for; the same for every spelling of it."""
        if self.numbers is Numbers.PLAIN or number.startswith((HASHED_MARK, _ENCRYPTED)):
            return number
        bare = number.translate(_ORNAMENTS).encode("utf-8", "replace")
        if self.numbers is Numbers.HASHED:
            return HASHED_MARK + hmac.digest(self._hash_key, bare, "sha256").hex()[:40]
        return _ENCRYPTED + base64.urlsafe_b64encode(self._cipher.encrypt(bare or b"\0", None)).decode()

    def show(self, stored: str) -> str:
        """A number as it was, where that can be known; else what is stored."""
        if self.numbers is not Numbers.ENCRYPTED or not stored.startswith(_ENCRYPTED):
            return stored
        try:
            sealed = base64.urlsafe_b64decode(stored.removeprefix(_ENCRYPTED))
            return self._cipher.decrypt(sealed, None).decode()
        except (ValueError, InvalidTag):
            return stored

    def shown(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """The body of an entry with its numbers as they were."""
        return {
            name: self.show(value) if name in NUMBERS and isinstance(value, str) else value
            for name, value in content.items()
        }


def load_or_create_key(path: Path) -> bytes:
    """The secret bytes in ``path``, base 64; made if there is no such file.

    Raises:
        LedgerError: the file is readable by others, or is no key.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(base64.b64encode(os.urandom(32)) + b"\n")
        if path.stat().st_mode & 0o077:
            raise LedgerError(
                f"the key for phone numbers {path} can be read by others; run: chmod 600 {path}"
            )
        return base64.b64decode(path.read_bytes().strip(), validate=True)
    except (OSError, ValueError) as fault:
        raise LedgerError(f"the key for phone numbers {path} cannot be read: {fault}") from fault


def _derived(key: bytes, purpose: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose).derive(key)
