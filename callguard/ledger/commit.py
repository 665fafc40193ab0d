"""How one group of entries becomes durable: the only code that writes entries.

A group is one transaction: lock and read the edge of the tree, give every entry its place and the
hash of the entry before it, insert, sign the new edge, commit. It knows no threads and no loop.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from callguard.errors import LedgerError
from callguard.ledger.entry import Drafted, Receipt
from callguard.ledger.keys import Checkpoint, SigningKey
from callguard.ledger.kinds import Kind
from callguard.ledger.pen import Pen
from callguard.ledger.schema import checkpoints, entries, head, terms
from callguard.ledger.tree import HASH_BYTES, Frontier, leaf_hash

#: The "hash of the entry before" of the very first entry.
BEFORE_FIRST = bytes(HASH_BYTES)


@dataclass(frozen=True, slots=True)
class Edge:
    """Where the ledger ends."""

    origin: str
    frontier: Frontier
    last: bytes
    note: str  #: the checkpoint that the last commit signed

    @property
    def size(self) -> int:
        """How many entries there are."""
        return self.frontier.size


def read_edge(pen: Pen, *, lock: bool = False) -> Edge:
    """Read the edge; with ``lock`` nobody else can move it until this transaction ends.

    Raises:
        LedgerError: the database holds no ledger, or its edge is damaged.
    """
    row = pen.run(_LOCKED_EDGE if lock else _EDGE)
    if row is None:
        raise LedgerError(
            "the database holds no ledger (its table `head` is empty); restore it from a backup"
        )
    try:
        origin, size, peaks, last, note = row
        return Edge(origin, Frontier.unpacked(size, peaks), last, note)
    except ValueError as fault:
        raise LedgerError(
            f"the edge of the ledger is damaged ({fault}); run `callguard ledger verify`"
        ) from fault


def holds(pen: Pen, receipt: Receipt) -> bool:
    """Whether this very entry stands in the database."""
    row = pen.run(_LEAF, {"position": receipt.position})
    return row is not None and bool(row[0] == receipt.leaf)


def found(connection: Connection, key: SigningKey) -> None:
    """Write the first edge of a new ledger, unless there is one."""
    if connection.execute(select(head.c.id).with_for_update()).one_or_none() is None:
        origin = f"callguard/{uuid.uuid4()}"
        note = Checkpoint.sign(origin, 0, Frontier().root(), b"", datetime.now(UTC), key)
        connection.execute(
            insert(head).values(id=1, origin=origin, size=0, peaks=b"", last=BEFORE_FIRST, note=note)
        )


def write_group(pen: Pen, edge: Edge, drafts: Sequence[Drafted], key: SigningKey) -> list[Receipt]:
    """Insert ``drafts`` after ``edge`` and move the edge, which becomes that of the new tree.

    The caller owns the transaction and throws the edge away if it fails.
    """
    frontier, last, position = edge.frontier, edge.last, edge.size
    rows: list[tuple[Any, ...]] = []
    marks: list[tuple[Any, ...]] = []
    receipts = []
    for draft in drafts:
        text = draft.placed(position, last)
        last = leaf_hash(text.encode())
        rows.append((position, draft.call, draft.kind, draft.utc_us, last, text))
        marks.extend((value, name, position) for name, value in draft.terms)
        receipts.append(Receipt(position, last))
        frontier.add(last)
        position += 1
    pen.insert(entries, rows)
    if marks:
        pen.insert(terms, marks)
    note = Checkpoint.sign(edge.origin, position, frontier.root(), last, datetime.now(UTC), key)
    pen.run(_MOVE_EDGE, {"size": position, "peaks": frontier.packed(), "last": last, "note": note})
    return receipts


def retired(pen: Pen, since: int, key: SigningKey) -> bool:
    """Whether an entry from ``since`` on takes the right to sign away from ``key``."""
    pattern = f'%"old":"{key.public}"%'
    return pen.run(_RETIRED, {"since": since, "kind": str(Kind.KEY_CHANGED), "pattern": pattern}) is not None


def keep_checkpoint(pen: Pen, edge: Edge) -> None:
    """Keep the checkpoint of ``edge`` beside the entries."""
    if kept_size(pen) < edge.size:
        pen.insert(checkpoints, [(edge.size, edge.note)])


def kept_size(pen: Pen) -> int:
    """How many entries the newest kept checkpoint covers."""
    row = pen.run(_KEPT)
    return 0 if row is None else row[0] or 0


_EDGE = select(head.c.origin, head.c.size, head.c.peaks, head.c.last, head.c.note)
_LOCKED_EDGE = _EDGE.with_for_update()
_MOVE_EDGE = update(head).values(
    size=bindparam("size"), peaks=bindparam("peaks"), last=bindparam("last"), note=bindparam("note")
)
_KEPT = select(func.max(checkpoints.c.size))
_RETIRED = select(entries.c.position).where(
    entries.c.kind == bindparam("kind"),
    entries.c.position >= bindparam("since"),
    entries.c.text.like(bindparam("pattern")),
)
_LEAF = select(entries.c.leaf).where(entries.c.position == bindparam("position"))
