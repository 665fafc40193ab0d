"""The header: what a recording is about, and how long it has to be kept.

It stands beside the blocks in the clear, because retention must be able to run where nobody can open the
audio; a MAC under the recording's key shows whether anyone but us wrote it.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from callguard.vault.blocks import FORMAT
from callguard.vault.errors import Damaged, VaultError
from callguard.vault.keys import RecordingKey
from callguard.vault.sound import RATE

#: Of what is given when a recording begins: what decides how long it is kept.
_RETENTION = ("purpose", "jurisdiction", "until", "hold")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long a recording is kept, and why."""

    purpose: str = ""
    jurisdiction: str = ""
    until: date | None = None  #: the last day on which it must or may be kept; None: nobody said
    hold: str = ""  #: the reason of a legal hold; while there is one, nothing destroys the recording


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What is known of a recording without opening it."""

    recording: str
    created: datetime
    facts: Mapping[str, str] = field(default_factory=dict)  #: queue, language, ...: never a phone number
    retention: Retention = Retention()
    edition: int = 1  #: counts the changes of retention
    rate: int = RATE

    @classmethod
    def begin(cls, recording: str, metadata: Mapping[str, str]) -> Header:
        """The header of a new recording.

        Raises:
            VaultError: ``until`` is no date.
        """
        until = metadata.get("until", "")
        try:
            last = date.fromisoformat(until) if until else None
        except ValueError as error:
            raise VaultError(f"{recording}: until is {until!r}; write a date such as 2027-05-31") from error
        retention = Retention(
            purpose=metadata.get("purpose", ""),
            jurisdiction=metadata.get("jurisdiction", ""),
            until=last,
            hold=metadata.get("hold", ""),
        )
        facts = {name: value for name, value in metadata.items() if name not in _RETENTION}
        return cls(
            recording=recording,
            created=datetime.now(UTC).replace(microsecond=0),
            facts=facts,
            retention=retention,
        )

    def keeping(self, retention: Retention) -> Header:
        """The same recording, kept differently."""
        return replace(self, retention=retention, edition=self.edition + 1)

    def written(self, key: RecordingKey) -> bytes:
        """The file, with its MAC."""
        content = self._content()
        return json.dumps({**content, "mac": _mac(content, key)}, indent=1, ensure_ascii=False).encode()

    @classmethod
    def read(cls, stored: bytes, where: str, key: RecordingKey | None) -> Header:
        """Read the file; without the key, unchecked.

        Raises:
            Damaged: it was changed, or is no header.
        """
        try:
            content = json.loads(stored)
            mac = content.pop("mac")
            header = cls._parsed(content)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Damaged(
                f"{where}: is no header of a recording ({error}); restore it from a backup"
            ) from error
        if key is not None and not (
            # Compared as it would be written, so that no byte of the file is free to change.
            hmac.compare_digest(str(mac), _mac(header._content(), key)) and stored == header.written(key)
        ):
            raise Damaged(f"{where}: was changed by somebody else; restore it from a backup")
        return header

    def _content(self) -> dict[str, Any]:
        keep = self.retention
        return {
            "format": FORMAT,
            "recording": self.recording,
            "created": self.created.isoformat(),
            "edition": self.edition,
            "rate": self.rate,
            "channels": ["caller", "agent"],
            "facts": dict(self.facts),
            "retention": {
                "purpose": keep.purpose,
                "jurisdiction": keep.jurisdiction,
                "until": keep.until.isoformat() if keep.until else None,
                "hold": keep.hold,
            },
        }

    @classmethod
    def _parsed(cls, content: Mapping[str, Any]) -> Header:
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {content['format']!r}")
        keep = content["retention"]
        return cls(
            recording=content["recording"],
            created=datetime.fromisoformat(content["created"]),
            edition=content["edition"],
            rate=content["rate"],
            facts=content["facts"],
            retention=Retention(
                purpose=keep["purpose"],
                jurisdiction=keep["jurisdiction"],
                until=date.fromisoformat(keep["until"]) if keep["until"] else None,
                hold=keep["hold"],
            ),
        )


def _mac(content: Mapping[str, Any], key: RecordingKey) -> str:
    text = json.dumps(content, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
    return hmac.digest(key.derive("header"), text, "sha256").hex()
