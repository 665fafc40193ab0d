"""Where the verifier reads from: a database, or an export of JSON lines. Nothing is trusted here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import quote

from sqlalchemy import Connection, TextClause, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from callguard.errors import LedgerError
from callguard.ledger.database import file_of, parse_url, reading_engine, told

#: Rows fetched at a time.
_PAGE = 5000

# Not through the schema: it would convert values by the types that they should have.
_ENTRIES = text("SELECT position, text, leaf, call, kind, utc FROM entries ORDER BY position")
_COUNT = text("SELECT count(*) FROM entries")
_NOTES = text("SELECT note FROM checkpoints ORDER BY size")
_EDGE = text("SELECT origin, size, peaks, last, note FROM head")
_TERMS = text("SELECT value, field, position FROM terms")

#: The keys that make a line of an export something else than an entry.
CHECKPOINT_LINE = '{"checkpoint":'
HEAD_LINE = '{"head":'


@dataclass(frozen=True, slots=True)
class Columns:
    """What a database says about an entry beside its text."""

    leaf: bytes
    call: str
    kind: str
    utc: int


@dataclass(frozen=True, slots=True)
class Row:
    """One entry as it is found."""

    position: int  #: where it says, or is found, to stand
    text: str
    columns: Columns | None


@dataclass(frozen=True, slots=True)
class EdgeRow:
    """The one row of ``head``, unchecked."""

    origin: str
    size: int
    peaks: bytes
    last: bytes
    note: str


class Source(Protocol):
    """What can be verified."""

    has_marks: bool  #: whether there are search terms beside the entries

    def rows(self) -> Iterator[Row]:
        """All entries, in the order of their positions."""

    def count(self) -> int:
        """About how many entries there are, for a progress bar."""

    def notes(self) -> list[str]:
        """The checkpoints kept beside the entries, oldest first."""

    def edge(self) -> EdgeRow | None:
        """The signed edge, if there is one; of an export only its note."""

    def marks(self) -> Iterator[tuple[str, str, int]]:
        """The search terms: value, field, position."""

    def damage(self) -> list[str]:
        """What the storage itself says is broken."""


class DatabaseSource:
    """A ledger in its database, read in one snapshot and never written."""

    has_marks = True

    def __init__(self, url: str) -> None:
        self._url = parse_url(url)
        self._file = file_of(self._url)
        if self._file is not None and not self._file.is_file():
            raise LedgerError(f"there is no ledger at {self._file}")

    def __enter__(self) -> Self:
        self._connection = self._connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def rows(self) -> Iterator[Row]:
        """All entries."""
        for position, words, leaf, call, kind, utc in self._ask(_ENTRIES):
            yield Row(position, _words(words), Columns(leaf, call, kind, utc))

    def count(self) -> int:
        """Entries in the table."""
        return int(self._connection.scalar(_COUNT) or 0)

    def notes(self) -> list[str]:
        """The checkpoints in the table."""
        return [_words(note) for (note,) in self._ask(_NOTES)]

    def edge(self) -> EdgeRow | None:
        """The row of ``head``."""
        row = self._connection.execute(_EDGE).first()
        return None if row is None else EdgeRow(row[0], row[1], row[2], row[3], _words(row[4]))

    def marks(self) -> Iterator[tuple[str, str, int]]:
        """The rows of ``terms``."""
        yield from (tuple(row) for row in self._ask(_TERMS))

    def damage(self) -> list[str]:
        """SQLite's own check of its pages and indexes."""
        if self._connection.dialect.name != "sqlite":
            return []
        said = self._connection.exec_driver_sql("PRAGMA integrity_check").scalars()
        return [line for line in said if line != "ok"]

    def _ask(self, question: TextClause) -> Iterator[Any]:
        yield from self._connection.execution_options(yield_per=_PAGE).execute(question)

    def _connect(self) -> Connection:
        try:
            connection = self._opened()
            connection.begin()
            connection.execute(_COUNT)
        except SQLAlchemyError as fault:
            raise LedgerError(f"{self._name()} cannot be read as a ledger: {told(fault)}") from fault
        return connection

    def _opened(self) -> Connection:
        if self._file is None:
            return reading_engine(self._url, poolclass=NullPool).connect()
        # A copy on a read-only medium cannot be opened in WAL mode unless SQLite may assume that
        # nobody writes, and it may only if there is no WAL beside it.
        alone = not self._file.with_name(self._file.name + "-wal").exists()
        how = {"mode": "ro", "uri": "true", **({"immutable": "1"} if alone else {})}
        url = URL.create("sqlite+pysqlite", database=f"file:{quote(str(self._file.resolve()))}", query=how)
        engine = create_engine(url, poolclass=NullPool)
        event.listen(engine, "connect", _take_any_bytes)
        return engine.connect()

    def _name(self) -> str:
        return str(self._file or self._url.render_as_string(hide_password=True))


class ExportSource:
    """An export: one entry per line exactly as it was hashed, then checkpoints and the signed edge."""

    has_marks = False

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.is_file():
            raise LedgerError(f"there is no export at {path}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def rows(self) -> Iterator[Row]:
        """The lines that are entries."""
        position = 0
        for line in self._lines():
            if not line.startswith((CHECKPOINT_LINE, HEAD_LINE)):
                yield Row(position, line, None)
                position += 1

    def count(self) -> int:
        """Lines."""
        return sum(1 for _ in self._lines())

    def notes(self) -> list[str]:
        """The checkpoint lines."""
        return [_member(line, "checkpoint") for line in self._lines() if line.startswith(CHECKPOINT_LINE)]

    def edge(self) -> EdgeRow | None:
        """The last head line."""
        heads = [line for line in self._lines() if line.startswith(HEAD_LINE)]
        return EdgeRow("", -1, b"", b"", _member(heads[-1], "head")) if heads else None

    def marks(self) -> Iterator[tuple[str, str, int]]:
        """None in an export."""
        return iter(())

    def damage(self) -> list[str]:
        """A file is what it is."""
        return []

    def _lines(self) -> Iterator[str]:
        # Only \n ends a line, and bytes that are no UTF-8 must come out as something that hashes otherwise.
        with self._path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            for line in file:
                yield line.removesuffix("\n")


def _words(found: object) -> str:
    """What should be text and may have been made anything else."""
    if isinstance(found, bytes):
        return found.decode("utf-8", "surrogateescape")
    return found if isinstance(found, str) else repr(found)


def _take_any_bytes(connection: Any, _: Any) -> None:
    """Text that is no UTF-8 any more must come out as something that hashes otherwise, not as an error."""
    connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")


def _member(line: str, name: str) -> str:
    try:
        return str(json.loads(line)[name])
    except ValueError:
        return ""
