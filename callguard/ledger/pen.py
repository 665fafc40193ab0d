"""The writer's hand: runs its few statements straight on the driver.

The statements are SQLAlchemy's, compiled once; running them through its Core costs 15-20 us each
(2026-11, SQLAlchemy 2.1), five times per commit, which is more than SQLite needs for the commit
itself. Everything that is not on the call path goes through Core.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

from sqlalchemy import Engine, Table
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.sql.expression import ClauseElement

from callguard.errors import LedgerError
from callguard.ledger.database import told

#: Rows per statement; SQLite allows 32,766 values in one, these tables have at most ten columns.
_WIDEST = 64


class Pen:
    """One driver connection and one cursor on it. Used by one thread at a time.

    Raises:
        LedgerError: from the constructor and from ``transaction``: what the database said.
    """

    def __init__(self, engine: Engine) -> None:
        self._dialect = engine.dialect
        self._refusals = (SQLAlchemyError, engine.dialect.loaded_dbapi.Error)
        try:
            self._connection: PoolProxiedConnection = engine.raw_connection()
            self._cursor: DBAPICursor = self._connection.cursor()
        except self._refusals as fault:
            raise LedgerError(told(fault)) from fault
        self._begin = (
            "BEGIN IMMEDIATE" if engine.dialect.name == "sqlite" else None
        )  # psycopg begins by itself

    @contextmanager
    def transaction(self) -> Iterator[Pen]:
        """Commit at the end, roll back on any error."""
        try:
            if self._begin:
                self._cursor.execute(self._begin)
            yield self
            self._connection.commit()
        except BaseException as fault:
            self._undo()
            if isinstance(fault, self._refusals):
                raise LedgerError(told(fault)) from fault
            raise

    def _undo(self) -> None:
        # The error that broke the transaction is the one to tell, not what it did to the connection.
        try:
            self._connection.rollback()
        except self._refusals:
            with suppress(*self._refusals):
                self._connection.invalidate()

    def run(self, statement: ClauseElement, values: Mapping[str, Any] | None = None) -> Sequence[Any] | None:
        """Run a statement; the first row of its answer if it has one."""
        text, order, literals = _compiled(statement, self._dialect)
        given = {**literals, **(values or {})}
        self._cursor.execute(text, given if order is None else tuple(given[name] for name in order))
        row: Sequence[Any] | None = self._cursor.fetchone() if self._cursor.description else None
        return row

    def insert(self, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows in few statements.

        Every statement that a driver runs gives up the interpreter lock and has to win it back from
        the event loop, which under load costs more than the insert itself. So a group is a handful
        of multi-row statements instead of one per row.
        """
        start = 0
        while start < len(rows):
            width = min(1 << ((len(rows) - start).bit_length() - 1), _WIDEST)
            chunk = rows[start : start + width]
            values = tuple(value for row in chunk for value in row)
            self._cursor.execute(_insertion(table, width, self._dialect), values)
            start += width

    def close(self) -> None:
        """Give the connection back; it is not used again."""
        with suppress(*self._refusals):
            self._cursor.close()
        with suppress(*self._refusals):
            self._connection.close()


@cache
def _compiled(
    statement: ClauseElement, dialect: Dialect
) -> tuple[str, tuple[str, ...] | None, Mapping[str, Any]]:
    """The text, the order of its values (``None``: by name), and the values that it brings along."""
    compiled = statement.compile(dialect=dialect)
    order = getattr(compiled, "positiontup", None)
    literals = {name: value for name, value in (compiled.params or {}).items() if value is not None}
    return str(compiled), tuple(order) if order is not None else None, literals


@cache
def _insertion(table: Table, width: int, dialect: Dialect) -> str:
    mark = "?" if dialect.paramstyle == "qmark" else "%s"
    columns = [c.name for c in table.columns if not (c.primary_key and c.autoincrement is True)]
    quote = dialect.identifier_preparer.quote
    row = f"({','.join([mark] * len(columns))})"
    names = ",".join(quote(name) for name in columns)
    return f"INSERT INTO {quote(table.name)} ({names}) VALUES {','.join([row] * width)}"  # noqa: S608 (our own names)
