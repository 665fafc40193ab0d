"""Questions to the ledger. Synchronous; the caller brings the connection."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Select, exists, func, select

from callguard.ledger.entry import Stored, microseconds, term
from callguard.ledger.kinds import Kind
from callguard.ledger.schema import checkpoints, entries, head, terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which entries are wanted; all conditions together."""

    call: str | None = None
    kinds: tuple[str, ...] = ()
    terms: tuple[tuple[str, str], ...] = ()  #: (field, value); a field may be "number" for any party's
    after: int = -1
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 1000

    def statement(self) -> Select[tuple[int, bytes, str]]:
        """The question in SQL."""
        found = select(entries.c.position, entries.c.leaf, entries.c.text).where(
            entries.c.position > self.after
        )
        if self.call is not None:
            found = found.where(entries.c.call == self.call)
        if self.kinds:
            found = found.where(entries.c.kind.in_([str(kind) for kind in self.kinds]))
        if self.since is not None:
            found = found.where(entries.c.utc >= microseconds(self.since))
        if self.until is not None:
            found = found.where(entries.c.utc < microseconds(self.until))
        for field, value in self.terms:
            found = found.where(
                exists().where(
                    terms.c.value == term(value),
                    terms.c.field == field,
                    terms.c.position == entries.c.position,
                )
            )
        return found.order_by(entries.c.position).limit(self.limit)

    def answer(self, connection: Connection) -> list[Stored]:
        """Ask."""
        return [Stored.read(row.position, row.leaf, row.text) for row in connection.execute(self.statement())]


def size(connection: Connection) -> int:
    """How many entries there are."""
    return connection.scalar(select(head.c.size)) or 0


def origin(connection: Connection) -> str:
    """The name of the ledger in its checkpoints."""
    return connection.scalar(select(head.c.origin)) or ""


def checkpoints_after(connection: Connection, size: int) -> list[str]:
    """The kept checkpoints that cover more than ``size`` entries, oldest first."""
    question = select(checkpoints.c.note).where(checkpoints.c.size > size).order_by(checkpoints.c.size)
    return list(connection.scalars(question))


def open_calls(connection: Connection, since: datetime, by: str = "") -> list[str]:
    """Calls that arrived after ``since`` and have not ended, oldest first.

    Decided 2026-11: what ended is taken from what arrived here, and not by the database. SQLite looked
    through all that had ended for each that had arrived: 15 s for 8,000 calls, in which nobody looked after
    those that were left.

    Args:
        connection: to the ledger.
        since: how far to look back.
        by: only those of this writer: which took it when it arrived, or took it up last.
    """
    first = connection.scalar(
        select(func.min(entries.c.position)).where(entries.c.utc >= microseconds(since))
    )
    if first is None:
        return []

    def calls(kind: Kind) -> list[str]:
        question = select(entries.c.call).where(entries.c.kind == str(kind), entries.c.position >= first)
        return list(connection.scalars(question.order_by(entries.c.position)))

    ended = set(calls(Kind.CALL_ENDED))
    found = [call for call in calls(Kind.CALL_ARRIVED) if call not in ended]
    return [call for call in found if _last_taken_by(connection, call, by)] if by else found


def _last_taken_by(connection: Connection, call: str, by: str) -> bool:
    """Whether this writer took a call when it arrived, or took it up last."""
    taken = (str(Kind.CALL_ARRIVED), str(Kind.CALL_TAKEN_UP))
    question = select(entries.c.text).where(entries.c.call == call, entries.c.kind.in_(taken))
    newest = connection.scalar(question.order_by(entries.c.position.desc()).limit(1))
    # An entry names its writer like this, and the bodies of these two kinds have no such field.
    return newest is not None and f'"by":"{by}/' in newest
