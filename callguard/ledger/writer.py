"""The thread that makes entries durable.

Whatever arrives while one commit runs is the next group. A group that cannot be written is kept, in
order, and tried again until it can; the caller is told of the failure at once, so nothing waits for
a database that is away, and nothing is captured on a promise.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import structlog
from sqlalchemy import Engine

from callguard.errors import LedgerError
from callguard.ledger.bodies import KeyChanged, Recovered
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
from callguard.ledger.entry import Drafted, Entry, Receipt, draft
from callguard.ledger.keys import SigningKey
from callguard.ledger.pen import Pen

log = structlog.get_logger(__name__)

#: More entries than this are never put into one transaction: about 10 ms of work.
LARGEST_GROUP = 512

#: Pauses between attempts while the database is away, seconds: quick at first, for a lock that clears.
RETRY_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0)


#: How long a fact that nobody waits for may wait for company, seconds.
LINGER_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why nothing can be made durable now."""

    reason: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often a checkpoint is kept and published: whichever comes first, never without new entries."""

    seconds: float = 60.0
    entries: int = 10_000


@dataclass(slots=True)
class Waiting:
    """An entry on its way, with the promise that was given for it."""

    entry: Entry
    future: asyncio.Future[Receipt] | None
    draft: Drafted | None = None


class Writer:
    """Owns the writing connection and the thread that uses it.

    ``settled`` and ``changed`` are called from that thread.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        file: Path | None,
        load_key: Callable[[], SigningKey],
        by: str,
        memory: int,
        settled: Callable[[Sequence[Waiting], Sequence[Receipt] | LedgerError], None],
        changed: Callable[[Trouble | None], None],
        checkpoint: Callable[[str], None],
        pace: Pace,
    ) -> None:
        self._engine = engine
        self._file = file
        self._load_key = load_key
        self._key = load_key()
        self._by = by
        self._memory = memory
        self._settled = settled
        self._changed = changed
        self._checkpoint = checkpoint
        self._pace = pace
        self._queue: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="callguard-ledger", daemon=True)
        self._stopped = False
        self._pen: Pen | None = None
        self._opened: tuple[int, int] | None = None  # device and inode of the file that is open
        self._backlog: deque[Waiting] = deque()
        self._size, self._last = 0, BEFORE_FIRST  # the newest edge that is known to be durable
        self._kept = 0  # how many entries the last kept checkpoint covers
        self._keep_by = 0.0  # monotonic; until when the next one has to be kept
        self._attempted: list[Receipt] = []  # of a group whose commit may or may not have happened
        self._trouble: Trouble | None = None
        self._failures = 0
        self._late = 0
        self._lost = 0
        self.busy_since: float | None = None  #: monotonic; since when one commit has been running

    def start(self) -> None:
        """Connect, then begin to write.

        Raises:
            LedgerError: the ledger cannot be opened.
        """
        with self._connected().transaction() as pen:
            edge = read_edge(pen)
            self._kept = kept_size(pen)
        self._size, self._last = edge.size, edge.last
        self._thread.start()

    def put(self, waiting: Waiting) -> None:
        """Hand in an entry, from any thread."""
        self._queue.put(waiting)

    def stop(self, seconds: float) -> int:
        """Write what is left and end, within ``seconds``. Returns how many entries could not be written."""
        self._queue.put(None)
        self._thread.join(seconds)
        if not self._thread.is_alive():
            self._disconnect()
        return len(self._backlog) + self._lost

    def _run(self) -> None:
        while True:
            self._take_in()
            written = self._write_next() if self._backlog else True
            if written and self._keeping_due():
                written = self._guarded(self._keep)
            if self._stopped and (not written or not self._backlog):
                return

    def _take_in(self) -> None:
        """Move what has arrived into the backlog; wait for it when there is nothing else to do."""
        end = self._until()
        while not self._stopped and (self._trouble or len(self._backlog) < LARGEST_GROUP):
            try:
                remaining = None if end is None else end - time.monotonic()
                nothing = remaining is not None and remaining <= 0
                waiting = self._queue.get_nowait() if nothing else self._queue.get(timeout=remaining)
            except queue.Empty:
                return
            if waiting is None:
                self._stopped = True
                return
            self._accept(waiting)
            if self._trouble is None:
                # Somebody waits: take what is there already, then write. Nobody does: wait for company.
                linger = 0.0 if waiting.future is not None else time.monotonic() + LINGER_SECONDS
                end = linger if end is None else min(end, linger)

    def _until(self) -> float | None:
        """Until when to wait for more, in monotonic seconds; ``None``: as long as it takes."""
        if self._failures:
            return time.monotonic() + RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS)) - 1]
        if self._backlog:
            return 0.0
        return self._keep_by if self._size > self._kept else None

    def _accept(self, waiting: Waiting) -> None:
        try:
            waiting.draft = draft(waiting.entry, self._by)
        except LedgerError as fault:
            self._settled([waiting], fault)
            return
        if self._trouble is not None:
            self._settled([waiting], refusal(self._trouble))
            if len(self._backlog) >= self._memory:
                self._lost += 1
                return
            self._late += 1
        self._backlog.append(waiting)

    def _write_next(self) -> bool:
        """Try to make the next group durable."""
        return self._guarded(self._write_group)

    def _guarded(self, step: Callable[[], None]) -> bool:
        """Do one step on the database; whatever goes wrong is trouble, never the end of the thread."""
        self.busy_since = time.monotonic()
        try:
            step()
        except Exception as fault:  # noqa: BLE001 (whatever it is: the thread must outlive it)
            self._fail(fault)
            return False
        finally:
            self.busy_since = None
        self._failures = 0
        if self._trouble is not None and not self._backlog:
            self._recover(self._trouble)
        return True

    def _write_group(self) -> None:
        group = list(islice(self._backlog, LARGEST_GROUP))
        changes = [n for n, waiting in enumerate(group) if isinstance(waiting.entry.body, KeyChanged)]
        if changes:
            group = group[: changes[0] + 1]  # the old key's last word; what follows is signed by the new one
        receipts = self._commit(group)
        self._attempted = []
        if changes and len(receipts) == len(group):
            self._key = self._load_key()
        for _ in receipts:
            self._backlog.popleft()
        if receipts:
            if self._size == self._kept:
                self._keep_by = time.monotonic() + self._pace.seconds
            self._size, self._last = receipts[-1].position + 1, receipts[-1].leaf
        self._settled(group[: len(receipts)], receipts)

    def _keeping_due(self) -> bool:
        fresh = self._size - self._kept
        late = self._stopped or fresh >= self._pace.entries or time.monotonic() >= self._keep_by
        return fresh > 0 and late

    def _keep(self) -> None:
        """Keep the checkpoint of the present edge and have it published."""
        with self._connected().transaction() as pen:
            edge = read_edge(pen, lock=True)
            keep_checkpoint(pen, edge)
        self._kept = self._size
        self._checkpoint(edge.note)

    def _commit(self, group: Sequence[Waiting]) -> Sequence[Receipt]:
        with self._connected().transaction() as pen:
            edge = read_edge(pen, lock=True)
            if (edge.size, edge.last) != (self._size, self._last):
                self._check_grown(pen, edge)
            if self._attempted and holds(pen, self._attempted[0]):
                return self._attempted
            drafts = [waiting.draft for waiting in group if waiting.draft is not None]
            self._attempted = write_group(pen, edge, drafts, self._key)
        return self._attempted

    def _check_grown(self, pen: Pen, edge: Edge) -> None:
        """Another writer may have added entries; nobody may have taken any away."""
        if not self._size or holds(pen, Receipt(self._size - 1, self._last)):
            if retired(pen, self._size, self._key):
                self._key = self._load_key()
            return
        raise LedgerError(
            f"the ledger was rolled back: entry {self._size - 1}, which was durable, is gone or another one "
            f"(it now has {edge.size} entries); put the right one back, or restart to go on from this"
        )

    def _fail(self, fault: Exception) -> None:
        self._disconnect()
        self._failures += 1
        reason = str(fault) if isinstance(fault, LedgerError) else repr(fault)
        if self._trouble is None:
            self._trouble = Trouble(reason, datetime.now(UTC))
            self._late, self._lost = len(self._backlog), 0
            log.error("ledger.trouble", reason=reason, waiting=self._late)
            self._changed(self._trouble)
        self._settled(tuple(self._backlog), refusal(self._trouble))

    def _recover(self, trouble: Trouble) -> None:
        """Everything is written: say so in the ledger itself, and take new work."""
        self._trouble = None
        since = trouble.since.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        body = Recovered(since=since, late=self._late, lost=self._lost, detail=trouble.reason)
        log.warning("ledger.recovered", since=since, late=self._late, lost=self._lost)
        self._lost = 0
        self._accept(Waiting(Entry.now(body), None))
        self._changed(None)

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
                self._disconnect()
                self._opened = status.st_dev, status.st_ino
        if self._pen is None:
            self._pen = Pen(self._engine)
        return self._pen

    def _disconnect(self) -> None:
        pen, self._pen = self._pen, None
        if pen is not None:
            pen.close()


def refusal(trouble: Trouble) -> LedgerError:
    """What everybody is told whose entry cannot be made durable now."""
    return LedgerError(f"the ledger cannot be written since {trouble.since:%H:%M:%S} UTC: {trouble.reason}")
