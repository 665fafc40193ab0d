"""How one group of entries becomes durable: the only code that writes entries.

A group is one transaction: lock and read the edge of the tree, give every entry its place and the
hash of the entry before it, insert, sign the new edge, commit. It knows no threads and no loop.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Engine, Table, insert, select, update

from callguard.errors import LedgerError
from callguard.ledger.entry import Drafted, Receipt
from callguard.ledger.keys import Checkpoint, SigningKey
from callguard.ledger.schema import entries, head, terms
from callguard.ledger.tree import HASH_BYTES, Frontier, leaf_hash

#: The "hash of the entry before" of the very first entry.
BEFORE_FIRST = bytes(HASH_BYTES)


@dataclass(frozen=True, slots=True)
class Edge:
    """Where the ledger ends."""

    origin: str
    frontier: Frontier
    last: bytes

    @property
    def size(self) -> int:
        """How many entries there are."""
        return self.frontier.size


def read_edge(connection: Connection, *, lock: bool = False) -> Edge:
    """Read the edge; with ``lock`` nobody else can move it until this transaction ends.

    Raises:
        LedgerError: the database holds no ledger, or its edge is damaged.
    """
    question = _LOCKED_EDGE if lock else _EDGE
    row = connection.execute(question).one_or_none()
    if row is None:
        raise LedgerError(
            "the database holds no ledger (its table `head` is empty); restore it from a backup"
        )
    try:
        return Edge(row.origin, Frontier.unpacked(row.size, row.peaks), row.last)
    except ValueError as fault:
        raise LedgerError(
            f"the edge of the ledger is damaged ({fault}); run `callguard ledger verify`"
        ) from fault


def found(connection: Connection, key: SigningKey) -> None:
    """Write the first edge of a new ledger, unless there is one."""
    if connection.execute(select(head.c.id).with_for_update()).one_or_none() is None:
        origin = f"callguard/{uuid.uuid4()}"
        note = Checkpoint.sign(origin, 0, Frontier().root(), b"", datetime.now(UTC), key)
        connection.execute(
            insert(head).values(id=1, origin=origin, size=0, peaks=b"", last=BEFORE_FIRST, note=note)
        )


def write_group(
    connection: Connection, edge: Edge, drafts: Sequence[Drafted], key: SigningKey
) -> list[Receipt]:
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
    insert_rows(connection, entries, rows)
    if marks:
        insert_rows(connection, terms, marks)
    note = Checkpoint.sign(edge.origin, position, frontier.root(), last, datetime.now(UTC), key)
    connection.execute(
        update(head), {"size": position, "peaks": frontier.packed(), "last": last, "note": note}
    )
    return receipts


def insert_rows(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows in few statements.

    Every statement that a driver runs gives up the interpreter lock and has to win it back from
    the event loop, which under load costs more than the insert itself. So a group is a handful of
    multi-row statements instead of one per row.
    """
    start = 0
    while start < len(rows):
        width = 1 << min((len(rows) - start).bit_length() - 1, 6)
        chunk = rows[start : start + width]
        statement = _insert_statement(connection.engine, table, width)
        connection.exec_driver_sql(statement, tuple(value for row in chunk for value in row))
        start += width


@cache
def _insert_statement(engine: Engine, table: Table, width: int) -> str:
    mark = "?" if engine.dialect.paramstyle == "qmark" else "%s"
    columns = [c.name for c in table.columns if not (c.primary_key and c.autoincrement is True)]
    quote = engine.dialect.identifier_preparer.quote
    row = f"({','.join([mark] * len(columns))})"
    names = ",".join(quote(name) for name in columns)
    return f"INSERT INTO {quote(table.name)} ({names}) VALUES {','.join([row] * width)}"  # noqa: S608 (our own names)


_EDGE = select(head.c.origin, head.c.size, head.c.peaks, head.c.last)
_LOCKED_EDGE = _EDGE.with_for_update()
