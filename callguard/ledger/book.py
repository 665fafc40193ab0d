"""The database as the writer's thread holds it: a connection, the edge that is known, the key that signs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine

from callguard.errors import LedgerError
from callguard.ledger.commit import (
    BEFORE_FIRST,
    Edge,
    holds,
    keep_checkpoint,
    kept_size,
    read_edge,
    retired,
    write_group,
)
from callguard.ledger.entry import Drafted, Receipt
from callguard.ledger.keys import SigningKey
from callguard.ledger.outbox import Poster, Posting
from callguard.ledger.pen import Pen
from callguard.ledger.webhook import CHECKPOINT_EVENT


class Book:
    """Writes groups, and knows whether what was durable still is."""

    def __init__(
        self, *, engine: Engine, file: Path | None, load_key: Callable[[], SigningKey], poster: Poster
    ) -> None:
        self._engine = engine
        self._file = file
        self._load_key = load_key
        self._key = load_key()
        self._poster = poster
        self._pen: Pen | None = None
        self._opened: tuple[int, int] | None = None  # device and inode of the file that is open
        self._last = BEFORE_FIRST
        self._attempted: Sequence[Receipt] = ()  # of a group whose commit may or may not have happened
        self.size = 0  #: how many entries are known to be durable
        self.kept = 0  #: how many entries the newest kept checkpoint covers
        self.posted = False  #: whether the last group put anything into the outbox

    def open(self) -> None:
        """Learn where the ledger ends.

        Raises:
            LedgerError: the database cannot be read, or holds no ledger.
        """
        with self._connected().transaction() as pen:
            edge = read_edge(pen)
            self.kept = kept_size(pen)
        self.size, self._last = edge.size, edge.last

    def write(self, drafts: Sequence[Drafted]) -> Sequence[Receipt]:
        """Make a group durable.

        Returns:
            A receipt for each draft; for fewer, from the first, if an earlier attempt at a shorter
            group turns out to have been committed after all.

        Raises:
            LedgerError: it may or may not be durable; try again with the same drafts.
        """
        receipts = self._attempt(drafts)
        self._attempted = ()
        if receipts:
            self.size, self._last = receipts[-1].position + 1, receipts[-1].leaf
        return receipts

    def keep(self) -> str:
        """Keep the checkpoint of the edge beside the entries, and give it back."""
        with self._connected().transaction() as pen:
            edge = read_edge(pen, lock=True)
            keep_checkpoint(pen, edge)
            self.posted = self._poster.post(
                pen, [Posting(edge.size, "", CHECKPOINT_EVENT)], datetime.now(UTC)
            )
        self.kept = max(edge.size, self.size)
        return edge.note

    def do(self, work: Callable[[Pen], None]) -> None:
        """Do something else in a transaction of its own."""
        with self._connected().transaction() as pen:
            work(pen)

    def change_key(self) -> None:
        """Sign with what is now in the key file."""
        self._key = self._load_key()

    def close(self) -> None:
        """Let the connection go; the next use makes a new one."""
        pen, self._pen = self._pen, None
        self._poster.forget()
        if pen is not None:
            pen.close()

    def _attempt(self, drafts: Sequence[Drafted]) -> Sequence[Receipt]:
        with self._connected().transaction() as pen:
            edge = read_edge(pen, lock=True)
            if (edge.size, edge.last) != (self.size, self._last):
                self._check_grown(pen, edge)
            if self._attempted and holds(pen, self._attempted[0]):
                return self._attempted
            receipts = write_group(pen, edge, drafts, self._key)
            postings = [
                Posting(receipt.position, draft.call, draft.event)
                for draft, receipt in zip(drafts, receipts, strict=True)
                if draft.event
            ]
            self.posted = bool(postings) and self._poster.post(pen, postings, datetime.now(UTC))
            self._attempted = receipts
        return receipts

    def _check_grown(self, pen: Pen, edge: Edge) -> None:
        """Another writer may have added entries; nobody may have taken any away."""
        self._poster.forget()
        if not self.size or holds(pen, Receipt(self.size - 1, self._last)):
            if retired(pen, self.size, self._key):
                self.change_key()
            return
        raise LedgerError(
            f"the ledger was rolled back: entry {self.size - 1}, which was durable, is gone or another one "
            f"(it now has {edge.size} entries); put the right one back, or restart to go on from this"
        )

    def _connected(self) -> Pen:
        """The connection, made anew if it was lost or if its file is no longer the one in place."""
        if self._file is not None:
            try:
                status = self._file.stat()
            except OSError as fault:
                raise LedgerError(
                    f"the ledger {self._file} is gone ({fault.strerror}); put it back"
                ) from fault
            if self._opened != (status.st_dev, status.st_ino):
                self.close()
                self._opened = status.st_dev, status.st_ino
        if self._pen is None:
            self._pen = Pen(self._engine)
        return self._pen
