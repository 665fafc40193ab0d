"""The durable list of what has to be told to whom. Rows are written in the transaction of the entry."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, and_, bindparam, delete, exists, func, select, update

from callguard.ledger.entry import Stored, microseconds
from callguard.ledger.kinds import Kind
from callguard.ledger.pen import Pen
from callguard.ledger.schema import checkpoints, entries, outbox
from callguard.ledger.webhook import CHECKPOINT_EVENT, Endpoint

#: Delivered rows are kept so long, for those who ask what was told when.
KEEP_DELIVERED = timedelta(days=30)

#: How many calls' sequences are remembered; others are asked of the database.
_REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class Posting:
    """An event that somebody may want to be told of."""

    position: int  #: of the entry; of a checkpoint: the entries that it covers
    call: str
    event: str


@dataclass(frozen=True, slots=True)
class Letter:
    """One row of the outbox, with what is to be told."""

    id: int
    call: str
    sequence: int
    position: int
    event: str
    attempts: int
    entry: Stored | None  #: ``None`` for a checkpoint
    arrival: Stored | None  #: how the call came in, for whoever wants to know whose call it is
    note: str  #: the checkpoint


@dataclass(frozen=True, slots=True)
class Mark:
    """How an attempt ended."""

    id: int
    state: str  #: "waiting", "delivered", "dead"
    attempts: int
    due: int  #: microseconds since 1970: of the next attempt, or when it was delivered
    answer: str


class Poster:
    """Writes outbox rows for one writer; knows how far each call's sequence has come."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._endpoints = endpoints
        self._sequences: dict[tuple[str, str], int] = {}

    def forget(self) -> None:
        """Somebody else wrote, or a transaction failed: ask the database again."""
        self._sequences.clear()

    def post(self, pen: Pen, postings: Sequence[Posting], now: datetime) -> bool:
        """Write the rows. Returns whether there were any."""
        if len(self._sequences) > _REMEMBERED:
            self.forget()
        due = microseconds(now)
        rows = [
            (e.name, p.call, self._next(pen, e.name, p.call), p.position, p.event, "waiting", 0, due, "")
            for p in postings
            for e in self._endpoints
            if e.wants(p.event)
        ]
        pen.insert(outbox, rows)
        return bool(rows)

    def _next(self, pen: Pen, endpoint: str, call: str) -> int:
        key = endpoint, call
        if key not in self._sequences:
            row = pen.run(_LAST_SEQUENCE, {"endpoint": endpoint, "call": call})
            self._sequences[key] = (row[0] or 0) if row else 0
        self._sequences[key] += 1
        return self._sequences[key]


def due_letters(connection: Connection, endpoint: str, now: datetime, limit: int) -> list[Letter]:
    """What may be told now: of each call the first thing that it was not yet told."""
    earlier = outbox.alias("earlier")
    first = ~exists().where(
        earlier.c.endpoint == outbox.c.endpoint,
        earlier.c.call == outbox.c.call,
        earlier.c.sequence < outbox.c.sequence,
        earlier.c.state == "waiting",
    )
    o = outbox.c
    question = (
        select(
            o.id,
            o.call,
            o.sequence,
            o.position,
            o.event,
            o.attempts,
            entries.c.leaf,
            entries.c.text,
            checkpoints.c.note,
        )
        .outerjoin(entries, and_(entries.c.position == o.position, o.event != CHECKPOINT_EVENT))
        .outerjoin(checkpoints, and_(checkpoints.c.size == o.position, o.event == CHECKPOINT_EVENT))
        .where(o.endpoint == endpoint, o.state == "waiting", o.due <= microseconds(now), first)
        .order_by(o.due, o.id)
        .limit(limit)
    )
    rows = connection.execute(question).all()
    arrivals = _arrivals(connection, {row.call for row in rows if row.call})
    return [
        Letter(
            row.id,
            row.call,
            row.sequence,
            row.position,
            row.event,
            row.attempts,
            None if row.text is None else Stored.read(row.position, row.leaf, row.text),
            arrivals.get(row.call),
            row.note or "",
        )
        for row in rows
    ]


def _arrivals(connection: Connection, calls: Collection[str]) -> dict[str, Stored]:
    e = entries.c
    asked = select(e.call, e.position, e.leaf, e.text).where(
        e.call.in_(calls), e.kind == str(Kind.CALL_ARRIVED)
    )
    return {row.call: Stored.read(row.position, row.leaf, row.text) for row in connection.execute(asked)}


def next_due(connection: Connection, endpoint: str) -> datetime | None:
    """When the next attempt is due; ``None`` when everything was told."""
    found = connection.scalar(
        select(func.min(outbox.c.due)).where(outbox.c.endpoint == endpoint, outbox.c.state == "waiting")
    )
    return None if found is None else _moment(found)


def note_marks(pen: Pen, marks: Sequence[Mark]) -> None:
    """Write down how attempts ended."""
    for mark in marks:
        pen.run(
            _MARK,
            {
                "row": mark.id,
                "state": mark.state,
                "attempts": mark.attempts,
                "due": mark.due,
                "answer": mark.answer,
            },
        )


def clear_delivered(pen: Pen, now: datetime) -> None:
    """Forget what was delivered long ago, but never how far a sequence has come."""
    pen.run(_CLEAR, {"before": microseconds(now - KEEP_DELIVERED)})


def count(connection: Connection) -> Mapping[tuple[str, str], int]:
    """How many rows each endpoint has in each state."""
    question = select(outbox.c.endpoint, outbox.c.state, func.count()).group_by(
        outbox.c.endpoint, outbox.c.state
    )
    return {(endpoint, state): number for endpoint, state, number in connection.execute(question)}


def dead_letters(
    connection: Connection, endpoint: str | None = None, limit: int = 1000
) -> list[tuple[int, str, str]]:
    """What was given up: id, event, and what the endpoint last said."""
    question = select(outbox.c.id, outbox.c.event, outbox.c.answer).where(outbox.c.state == "dead")
    if endpoint is not None:
        question = question.where(outbox.c.endpoint == endpoint)
    return [
        (row.id, row.event, row.answer)
        for row in connection.execute(question.order_by(outbox.c.id).limit(limit))
    ]


def replay(pen: Pen, endpoint: str, now: datetime) -> None:
    """Have all dead letters of an endpoint told again."""
    pen.run(_REVIVE, {"name": endpoint, "now": microseconds(now)})


def _moment(found: int) -> datetime:
    return datetime.fromtimestamp(found / 1e6, UTC)


_newer = outbox.alias("newer")
_LAST_SEQUENCE = select(func.max(outbox.c.sequence)).where(
    outbox.c.endpoint == bindparam("endpoint"), outbox.c.call == bindparam("call")
)
_MARK = (
    update(outbox)
    .where(outbox.c.id == bindparam("row"))
    .values(
        state=bindparam("state"),
        attempts=bindparam("attempts"),
        due=bindparam("due"),
        answer=bindparam("answer"),
    )
)
_CLEAR = delete(outbox).where(
    outbox.c.state == "delivered",
    outbox.c.due < bindparam("before"),
    exists().where(
        _newer.c.endpoint == outbox.c.endpoint,
        _newer.c.call == outbox.c.call,
        _newer.c.sequence > outbox.c.sequence,
    ),
)
_REVIVE = (
    update(outbox)
    .where(outbox.c.endpoint == bindparam("name"), outbox.c.state == "dead")
    .values(state="waiting", attempts=0, due=bindparam("now"))
)
