"""Everything about one call that is handed to somebody outside: what the evidence is made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from callguard.ledger.entry import Stored
from callguard.ledger.keys import PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """One file of a prompt: the audio as it was played, and its words."""

    name: str  #: file name
    audio: bytes
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One recording of the call, already in a form that may leave the house."""

    name: str  #: file name
    audio: bytes
    mediatype: str = "audio/x-wav"
    start: datetime | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One call, whole."""

    call: str
    site: str
    made: datetime  #: when this was put together
    entries: tuple[Stored, ...]
    proofs: tuple[Mapping[str, Any], ...]  #: one per entry, in the same order
    keys: tuple[PublicKey, ...]
    spoken: Mapping[str, Spoken] = field(default_factory=dict)  #: by medium, as the consent entry names it
    recorded: tuple[Recorded, ...] = ()
    shown: Mapping[int, Mapping[str, Any]] = field(
        default_factory=dict
    )  #: bodies by position, numbers readable
    remarks: tuple[str, ...] = ()  #: what is missing, and why

    def content(self, entry: Stored) -> Mapping[str, Any]:
        """The body of an entry, with numbers readable where that is allowed."""
        return self.shown.get(entry.position, entry.content)

    def heard(self) -> Iterator[Heard]:
        """Every prompt that a decision of this call rests on, once."""
        seen: set[tuple[str, ...]] = set()
        for entry in self.entries:
            for heard in entry.content.get("heard", ()):
                media = tuple(heard.get("media", ()))
                if media in seen:
                    continue
                seen.add(media)
                parts = tuple(self.spoken[medium] for medium in media if medium in self.spoken)
                # Both clocks were read when the decision was written down; the prompt began so long before.
                ago = max(0.0, entry.monotonic - heard.get("started_us", 0) / 1e6)
                yield Heard(
                    entry=heard, parts=parts, media=len(media), start=entry.utc - timedelta(seconds=ago)
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A prompt that was played, and its audio where it is at hand."""

    entry: Mapping[str, Any]
    parts: tuple[Spoken, ...]
    media: int  #: of how many files it consists
    start: datetime

    @property
    def words(self) -> str:
        """What was said."""
        return " ".join(part.words for part in self.parts if part.words)

    @property
    def genuine(self) -> bool:
        """Whether this audio is, by its hash, what the ledger says was played.

        The hash of a prompt of several files is the hash of their hashes, one after the other in hexadecimal.
        """
        hashes = [sha256(part.audio).hexdigest() for part in self.parts]
        whole = hashes[0] if len(hashes) == 1 else sha256("".join(hashes).encode()).hexdigest()
        return len(hashes) == self.media and whole == self.entry.get("sha256")
