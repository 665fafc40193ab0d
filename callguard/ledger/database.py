"""Connections to the two databases, and what differs between them.

SQLite: WAL with ``synchronous=FULL``, so a commit that returned survives a power cut; the writer's
transactions begin IMMEDIATE, so two writers queue up instead of failing at the commit.
PostgreSQL: ``synchronous_commit=on``; the one row of ``head`` is the queue.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool, Pool, QueuePool

from callguard.errors import LedgerError

#: How long a connection waits for another one's lock before the writer reports trouble, seconds.
LOCK_SECONDS = 1.0


def parse_url(url: str) -> URL:
    """Read ``ledger.url``.

    Raises:
        LedgerError: it names neither SQLite nor PostgreSQL.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as fault:
        raise LedgerError(
            "ledger.url is no database URL; write sqlite:////var/lib/callguard/ledger.db"
        ) from fault
    name = parsed.get_backend_name()
    if name == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise LedgerError("ledger.url names no file; a ledger in memory proves nothing to anybody")
        return parsed.set(drivername="sqlite+pysqlite")
    if name == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    raise LedgerError(f"ledger.url says {name!r}; callguard keeps its ledger in sqlite or postgresql")


def file_of(url: URL) -> Path | None:
    """The file of an SQLite ledger."""
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def writing_engine(url: URL) -> Engine:
    """An engine for the one connection that writes."""
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, poolclass=NullPool, connect_args=_sqlite_arguments())
        event.listen(engine, "connect", _prepare_sqlite_writer)
        event.listen(engine, "begin", _begin_immediate)
        return engine
    return _postgres_engine(url, poolclass=NullPool)


def reading_engine(url: URL, poolclass: type[Pool] = QueuePool) -> Engine:
    """An engine for questions; its connections cannot write."""
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, poolclass=poolclass, connect_args=_sqlite_arguments())
        event.listen(engine, "connect", _prepare_sqlite_reader)
        event.listen(engine, "begin", _begin)
        return engine
    engine = _postgres_engine(url, poolclass=poolclass, pool_pre_ping=poolclass is QueuePool)
    return engine.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ")


def told(fault: Exception) -> str:
    """What the database said, without the statement and its values (they may hold numbers)."""
    cause = fault.orig if isinstance(fault, DBAPIError) and fault.orig is not None else fault
    lines = str(cause).strip().splitlines() or [type(cause).__name__]
    return lines[0]


def _sqlite_arguments() -> dict[str, Any]:
    # The writer's connection is opened by one thread and used by another, never by two at once.
    return {"timeout": LOCK_SECONDS, "check_same_thread": False}


def _prepare_sqlite_writer(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # the driver must not begin transactions behind our back
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _prepare_sqlite_reader(connection: Any, _: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA query_only=ON")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _postgres_engine(url: URL, **options: Any) -> Engine:
    milliseconds = round(1000 * LOCK_SECONDS)
    # A server may be set to answer before the disk does; what we promise is that it has.
    session = f"-c synchronous_commit=on -c lock_timeout={milliseconds} -c application_name=callguard"
    try:
        return create_engine(
            url,
            connect_args={
                "connect_timeout": 2,
                "tcp_user_timeout": 2 * milliseconds,
                "keepalives_idle": 5,
                "options": session,
            },
            **options,
        )
    except (ImportError, SQLAlchemyError) as fault:
        raise LedgerError(
            f"PostgreSQL cannot be used ({told(fault)}); install the extra: pip install 'callguard[postgres]'"
        ) from fault
