"""The register of prior consents as it is stored: consents, withdrawals, preferences, remembered refusals.

Decided 2026-11: **tables of its own, apart from the ledger's file.** An import writes for seconds, and on
SQLite nobody else can write meanwhile; in the ledger's file that would keep consents of live calls waiting.
Lost: a table in the ledger's database, and a CSV file that is read again and again (two programs that write
it lose each other's rows). With PostgreSQL both may name one database, where writers do not block each other.

Every change raises ``revision``, so that controllers notice by reading one number.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from callguard.errors import ConfigError, LedgerError
from callguard.law import Channel, PriorConsent, Withdrawal
from callguard.ledger.database import file_of, parse_url, reading_engine, told, writing_engine

#: What the tables below look like; a register of a newer callguard is refused.
VERSION = 1

#: Any number will do for PostgreSQL's advisory lock, as long as every callguard takes the same.
_LOCK = 0x0CA12

_metadata = MetaData()
_state = Table(
    "register_state",
    _metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
)
_consents = Table(
    "register_consents",
    _metadata,
    Column("number", Text, primary_key=True),  # E.164
    Column("purposes", Text, primary_key=True),  # in the order of the alphabet, separated by spaces
    Column("given", Text, primary_key=True),  # this and all days: ISO 8601
    Column("expires", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("withdrawn", Text),
)
_withdrawals = Table(
    "register_withdrawals",
    _metadata,
    Column("number", Text, primary_key=True),
    Column("purpose", Text, primary_key=True),  # empty: all
    Column("day", Text, nullable=False),
)
_preferences = Table(
    "register_preferences",
    _metadata,
    Column("number", Text, primary_key=True),
    Column("never", Boolean, nullable=False),
    Column("language", Text),
)
_refusals = Table(
    "register_refusals",
    _metadata,
    Column("number", Text, primary_key=True),
    Column("until", Text, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """How somebody wants to be treated on every call."""

    never: bool = False  #: is never recorded and not asked
    language: str | None = None  #: wants to be spoken to in this language


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Everything in the register, at one moment."""

    revision: int = 0
    consents: tuple[PriorConsent, ...] = ()
    withdrawals: tuple[Withdrawal, ...] = ()
    preferences: Mapping[str, Preference]
    refusals: Mapping[str, date]  #: number -> the first day on which it is asked again


class Book:
    """The stored register. Synchronous; whoever has an event loop uses a thread."""

    def __init__(self, url: str) -> None:
        """Open it, creating it if there is none.

        Raises:
            ConfigError: the URL is none, or its file cannot be made.
            LedgerError: the database cannot be used.
        """
        try:
            parsed = parse_url(url)
        except LedgerError as error:
            raise ConfigError(
                "law.register_url names no database; write sqlite:////var/lib/callguard/register.db or "
                "postgresql://user@host/database"
            ) from error
        file = file_of(parsed)
        if file is not None:
            _create(file)
        self._name = str(file) if file else parsed.render_as_string(hide_password=True)
        self._writer = writing_engine(parsed)
        # One look a second: a connection for each look holds nothing open on the server.
        self._reader = reading_engine(parsed, poolclass=NullPool)
        with self._telling(), self._writer.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            _metadata.create_all(connection)
            version = connection.scalar(select(_state.c.version))
            if version is None:
                connection.execute(insert(_state).values(id=1, version=VERSION, revision=0))
            elif version > VERSION:
                raise LedgerError(
                    f"the register {self._name} has version {version}, this callguard knows {VERSION}: it "
                    "was written by a newer callguard, so upgrade this one"
                )

    def revision(self) -> int:
        """How often the register was changed.

        Raises:
            LedgerError: the register cannot be read.
        """
        with self._telling(), self._reader.connect() as connection, connection.begin():
            return connection.scalar(select(_state.c.revision)) or 0

    def read(self) -> Contents:
        """Everything.

        Raises:
            LedgerError: the register cannot be read.
        """
        with self._telling(), self._reader.connect() as connection, connection.begin():
            return _contents(connection)

    @contextmanager
    def change(self) -> Iterator[Pages]:
        """Change something; all of it counts when the block ends, nothing of it when the block fails.

        Raises:
            LedgerError: the register cannot be written.
        """
        with self._telling(), self._writer.begin() as connection:
            connection.execute(update(_state).values(revision=_state.c.revision + 1))
            yield Pages(connection)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as fault:
            raise LedgerError(
                f"the register {self._name} cannot be used: {told(fault)}; mend the database or its rights"
            ) from fault


class Pages:
    """The register while it is being changed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def contents(self) -> Contents:
        """Everything, with the changes up to here."""
        return _contents(self._connection)

    def add(self, consents: Iterable[PriorConsent]) -> None:
        """Take consents; one with the same number, purposes and day takes the place of the old one."""
        rows = [_row(consent) for consent in consents]
        if not rows:
            return
        key = ("number", "purposes", "given")
        same = [_consents.c[name] == bindparam(f"its_{name}") for name in key]
        self._connection.execute(
            delete(_consents).where(*same), [{f"its_{name}": row[name] for name in key} for row in rows]
        )
        self._connection.execute(insert(_consents), rows)
        for row in rows:
            if row["withdrawn"]:
                for purpose in str(row["purposes"]).split():
                    self.withdraw(str(row["number"]), (purpose,), date.fromisoformat(str(row["withdrawn"])))

    def withdraw(self, number: str, purposes: Iterable[str], day: date) -> None:
        """End what this number agreed to; without purposes, everything."""
        for purpose in tuple(purposes) or ("",):
            same = (_withdrawals.c.number == number, _withdrawals.c.purpose == purpose)
            earlier = self._connection.scalar(select(_withdrawals.c.day).where(*same))
            self._connection.execute(delete(_withdrawals).where(*same))
            latest = max(day.isoformat(), earlier or "")
            self._connection.execute(insert(_withdrawals).values(number=number, purpose=purpose, day=latest))

    def expire(self, today: date) -> tuple[PriorConsent, ...]:
        """Drop what is over, and give it back."""
        over = _consents.c.expires <= today.isoformat()
        gone = tuple(_consent(row) for row in self._connection.execute(select(_consents).where(over)))
        self._connection.execute(delete(_consents).where(over))
        self._connection.execute(delete(_refusals).where(_refusals.c.until <= today.isoformat()))
        return gone

    def prefer(self, number: str, preference: Preference) -> None:
        """Remember how somebody wants to be treated; the empty preference forgets it."""
        self._connection.execute(delete(_preferences).where(_preferences.c.number == number))
        if preference != Preference():
            values = {"never": preference.never, "language": preference.language}
            self._connection.execute(insert(_preferences).values(number=number, **values))

    def refused(self, number: str, until: date | None) -> None:
        """Remember a refusal before ``until``, or forget the one there is."""
        self._connection.execute(delete(_refusals).where(_refusals.c.number == number))
        if until is not None:
            self._connection.execute(insert(_refusals).values(number=number, until=until.isoformat()))


def _create(file: Path) -> None:
    """Make the empty file, readable by its owner only: it holds telephone numbers."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
            if os.geteuid() == 0:
                # An administrator imports before the first start: the file is still callguard's.
                owner = file.parent.stat()
                shutil.chown(file, owner.st_uid, owner.st_gid)
    except OSError as fault:
        raise ConfigError(
            f"law.register_url: {file} cannot be opened ({fault.strerror}); mend the path or its rights"
        ) from fault


def _contents(connection: Connection) -> Contents:
    return Contents(
        revision=connection.scalar(select(_state.c.revision)) or 0,
        consents=tuple(
            _consent(row)
            for row in connection.execute(select(_consents).order_by(_consents.c.number, _consents.c.given))
        ),
        withdrawals=tuple(
            Withdrawal(number=row.number, purpose=row.purpose, day=date.fromisoformat(row.day))
            for row in connection.execute(select(_withdrawals).order_by(_withdrawals.c.number))
        ),
        preferences={
            row.number: Preference(never=row.never, language=row.language)
            for row in connection.execute(select(_preferences).order_by(_preferences.c.number))
        },
        refusals={row.number: date.fromisoformat(row.until) for row in connection.execute(select(_refusals))},
    )


def _row(consent: PriorConsent) -> dict[str, str | None]:
    return {
        "number": consent.number,
        "purposes": " ".join(sorted(consent.purposes)),
        "given": consent.given.isoformat(),
        "expires": consent.expires.isoformat(),
        "channel": str(consent.channel),
        "reference": consent.reference,
        "withdrawn": consent.withdrawn.isoformat() if consent.withdrawn else None,
    }


def _consent(row: Row[Any]) -> PriorConsent:
    return PriorConsent(
        number=row.number,
        purposes=frozenset(row.purposes.split()),
        given=date.fromisoformat(row.given),
        expires=date.fromisoformat(row.expires),
        channel=Channel(row.channel),
        reference=row.reference,
        withdrawn=date.fromisoformat(row.withdrawn) if row.withdrawn else None,
    )
