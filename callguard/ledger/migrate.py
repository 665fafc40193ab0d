"""Brings a database to the newest schema, or creates it. Runs whenever a ledger is opened."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import Connection, inspect, select, table, text
from sqlalchemy import column as named

from callguard.errors import LedgerError

#: The newest revision in ``migrations/versions``; a database that has it needs nothing.
NEWEST = "0002"

_DIRECTORY = Path(__file__).parent / "migrations"

#: Any number will do for PostgreSQL's advisory lock, as long as every callguard takes the same.
_LOCK = 0x0CA11


def upgrade(connection: Connection) -> None:
    """Apply what is missing, in the transaction of ``connection``.

    Raises:
        LedgerError: the database was written by a newer callguard.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    version = table("alembic_version", named("version_num"))
    revision = None
    if inspect(connection).has_table(version.name):
        revision = connection.scalar(select(version.c.version_num))
    if revision == NEWEST:
        return
    if revision is not None and str(revision) > NEWEST:
        raise LedgerError(
            f"the ledger has schema {revision}, this callguard knows {NEWEST}; "
            "it was written by a newer callguard, so upgrade this one"
        )
    # Loaded only when there is work: it takes a quarter of a second that a restart should not pay.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_DIRECTORY).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def create_file(path: Path) -> None:
    """Make the empty file of a new SQLite ledger, readable by its owner only.

    Raises:
        LedgerError: it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as fault:
        raise LedgerError(
            f"the ledger {path} cannot be opened: {fault.strerror}; mend the path or its rights"
        ) from fault
