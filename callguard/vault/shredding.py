"""The certificate that stays when a recording was destroyed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import sha256

from callguard.vault.errors import Damaged

FORMAT = "callguard-destruction/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What was destroyed, when, by whom and why. Its hash belongs into the ledger."""

    recording: str
    utc: str  #: RFC 3339
    by: str
    reason: str
    key: str  #: SHA-256 of the wrapped key that was destroyed; empty if none was ever stored
    blocks: int  #: how many blocks this key had sealed
    last: str  #: the tag of the last of them: tells which copies have become unreadable

    def text(self) -> bytes:
        """The certificate as it is kept: one JSON object, its names in order."""
        content = {"format": FORMAT, **asdict(self)}
        return (json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()

    @property
    def sha256(self) -> str:
        """The hash that the ledger keeps."""
        return sha256(self.text()).hexdigest()

    @classmethod
    def read(cls, stored: bytes, where: str) -> Certificate:
        """Read a certificate back.

        Raises:
            Damaged: it is none, or was changed in its form.
        """
        try:
            content = json.loads(stored)
            known = content.pop("format") == FORMAT
            certificate = cls(**content)
        except (ValueError, KeyError, TypeError) as error:
            raise Damaged(f"{where}: is no certificate of destruction ({error})") from error
        if not known or certificate.text() != stored:
            raise Damaged(f"{where}: was written by another version")
        return certificate
