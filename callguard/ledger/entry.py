"""Entries as they are handed in, receipts as they are handed out, entries as they are read back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from callguard.errors import LedgerError
from callguard.ledger.bodies import AnyBody, body_of, fields_of
from callguard.ledger.encoding import encode, quoted, whole
from callguard.ledger.events import event_of
from callguard.ledger.kinds import Kind
from callguard.ledger.privacy import Privacy

#: Version of the encoding of an entry. A reader refuses a version that it does not know.
VERSION = 1

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One fact, on its way into the ledger."""

    body: AnyBody
    utc: datetime  #: when it happened, timezone-aware
    monotonic: float  #: when it happened, seconds of this host's monotonic clock
    call: str = ""  #: our UUID of the call; "" for what belongs to no call

    @classmethod
    def now(cls, body: AnyBody, call: str = "") -> Entry:
        """An entry of this very moment."""
        return cls(body=body, call=call, utc=datetime.now(UTC), monotonic=time.monotonic())

    @property
    def kind(self) -> Kind:
        """What this entry is about."""
        return self.body.kind


@dataclass(frozen=True, slots=True)
class Receipt:
    """The proof that an entry is durable: its place in the ledger and its hash."""

    position: int  #: from 0
    leaf: bytes  #: RFC 9162 leaf hash


@dataclass(frozen=True, slots=True)
class Drafted:
    """An entry that lacks only its place: encoded up to what the writer adds at the commit."""

    head: str
    tail: str
    call: str
    kind: str
    utc_us: int
    terms: tuple[tuple[str, str], ...]
    event: str  #: what the outbox tells; "" for nothing

    def placed(self, position: int, previous: bytes) -> str:
        """The whole canonical text. ``previous`` is the leaf hash of the entry before."""
        return f'{self.head}{position},"prev":"{previous.hex()}"{self.tail}'


#: Top-level fields of a body by which entries can be searched.
SEARCHABLE = frozenset({"caller", "called", "phone", "queue", "outcome", "agent", "case", "recording", "who"})


_PLAIN = Privacy()


def draft(entry: Entry, by: str, privacy: Privacy = _PLAIN) -> Drafted:
    """Encode ``entry`` for the writer called ``by``.

    The keys of the finished text are in canonical order: body, by, call, kind, mono, n, prev, utc, v.

    Raises:
        LedgerError: the entry has no canonical form.
    """
    if entry.utc.tzinfo is None:
        raise LedgerError(f"the time of a {entry.kind} entry has no time zone; use an aware datetime in UTC")
    if len(entry.call) > 64 or not (entry.call.replace("-", "").isalnum() or not entry.call):
        raise LedgerError(
            f"{entry.call!r} cannot be the id of a call: letters, digits and dashes, at most 64"
        )
    utc = entry.utc.astimezone(UTC)
    kind = str(entry.kind)
    fields = privacy.hidden(fields_of(entry.body))
    moment = utc.isoformat(timespec="microseconds").removesuffix("+00:00")
    return Drafted(
        head=f'{{"body":{encode(fields)},"by":{quoted(by)},"call":"{entry.call}","kind":"{kind}",'
        f'"mono":{round(entry.monotonic * 1e6)},"n":',
        tail=f',"utc":"{moment}Z","v":{VERSION}}}',
        call=entry.call,
        kind=kind,
        utc_us=microseconds(utc),
        terms=terms_of(fields),
        event=event_of(entry.body),
    )


def terms_of(fields: Iterable[tuple[str, Any]]) -> tuple[tuple[str, str], ...]:
    """Under which (field, value) pairs an entry with these fields is found again."""
    return tuple((name, term(str(value))) for name, value in fields if name in SEARCHABLE and value)


def term(value: str) -> str:
    """A value as it can be searched: without what PostgreSQL or UTF-8 cannot carry, and not endless."""
    return value if value.isascii() and value.isprintable() and len(value) <= 200 else _searchable(value)


def _searchable(value: str) -> str:
    return "".join(c for c in whole(value)[:200] if c.isprintable())


def microseconds(moment: datetime) -> int:
    """Microseconds from 1970 to ``moment``."""
    return (moment - _EPOCH) // _MICROSECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An entry as it stands in the ledger."""

    position: int
    leaf: bytes
    text: str  #: the canonical text whose RFC 9162 leaf hash is ``leaf``
    call: str
    kind: str
    by: str  #: the controller that wrote it, and its run
    utc: datetime
    monotonic: float
    content: Mapping[str, Any]

    @property
    def body(self) -> AnyBody | None:
        """The body as the value it was handed in as; ``None`` for a kind unknown to this version."""
        return body_of(self.kind, self.content)

    @classmethod
    def read(cls, position: int, leaf: bytes, text: str) -> Stored:
        """Read an entry's canonical text.

        Raises:
            LedgerError: it is no entry, or of a newer version than this program knows.
        """
        try:
            found = json.loads(text)
            version = found["v"]
            stored = cls(
                position=position,
                leaf=leaf,
                text=text,
                call=found["call"],
                kind=found["kind"],
                by=found["by"],
                utc=datetime.fromisoformat(found["utc"]),
                monotonic=found["mono"] / 1e6,
                content=found["body"],
            )
        except (ValueError, KeyError, TypeError) as fault:
            raise LedgerError(
                f"entry {position} cannot be read ({fault}); run `callguard ledger verify`"
            ) from fault
        if version != VERSION:
            raise LedgerError(
                f"entry {position} has version {version}, this callguard reads version {VERSION}; upgrade it"
            )
        return stored
