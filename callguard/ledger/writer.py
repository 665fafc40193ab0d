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

import structlog

from callguard.errors import LedgerError
from callguard.ledger.bodies import KeyChanged, Recovered
from callguard.ledger.book import Book
from callguard.ledger.entry import Drafted, Entry, Receipt, draft
from callguard.ledger.pen import Pen
from callguard.ledger.privacy import Privacy

log = structlog.get_logger(__name__)

#: More entries than this are never put into one transaction: about 10 ms of work.
LARGEST_GROUP = 512

#: Pauses between attempts while the database is away, seconds: quick at first, for a lock that clears.
RETRY_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0)


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


@dataclass(slots=True)
class Chore:
    """Something else to be done on the writing connection, between groups."""

    work: Callable[[Pen], None]
    done: Callable[[LedgerError | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """Whom the writer tells what. All are called from its thread."""

    settled: Callable[[Sequence[Waiting], Sequence[Receipt] | LedgerError], None]
    changed: Callable[[Trouble | None], None]
    checkpoint: Callable[[str], None]
    posted: Callable[[], None]


class Writer:
    """Owns the thread, the queue before it, and what could not be written yet."""

    def __init__(
        self, *, book: Book, by: str, privacy: Privacy, memory: int, pace: Pace, reports: Reports
    ) -> None:
        self._book = book
        self._by = by
        self._privacy = privacy
        self._memory = memory
        self._pace = pace
        self._reports = reports
        self._queue: queue.SimpleQueue[Sequence[Waiting] | Chore | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="callguard-ledger", daemon=True)
        self._stopped = False
        self._backlog: deque[Waiting] = deque()
        self._chores: list[Chore] = []
        self._keep_by = 0.0  # monotonic; until when the next checkpoint has to be kept
        self._trouble: Trouble | None = None
        self._failures = 0
        self._late = 0
        self._lost = 0
        self.busy_since: float | None = None  #: monotonic; since when one commit has been running

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, arrived: Sequence[Waiting] | Chore) -> None:
        """Hand in entries, or a chore, from any thread. It costs a wake-up, so seldom and many is best."""
        self._queue.put(arrived)

    def stop(self, seconds: float) -> int:
        """Write what is left and end, within ``seconds``. Returns how many entries could not be written."""
        self._queue.put(None)
        self._thread.join(seconds)
        if not self._thread.is_alive():
            self._book.close()
        return len(self._backlog) + self._lost

    def _run(self) -> None:
        while True:
            self._take_in()
            written = self._guarded(self._write_group) if self._backlog else True
            if written and self._keeping_due():
                written = self._guarded(self._keep)
            self._do_chores()
            if self._stopped and (not written or not self._backlog):
                return

    # -- taking in --------------------------------------------------------------------------------

    def _take_in(self) -> None:
        """Move what has arrived into the backlog; wait for it when there is nothing else to do."""
        end = self._until()
        while not self._stopped and (self._trouble or len(self._backlog) < LARGEST_GROUP):
            try:
                remaining = None if end is None else end - time.monotonic()
                nothing = remaining is not None and remaining <= 0
                arrived = self._queue.get_nowait() if nothing else self._queue.get(timeout=remaining)
            except queue.Empty:
                return
            if arrived is None:
                self._stopped = True
                return
            if isinstance(arrived, Chore):
                self._chores.append(arrived)
            else:
                for waiting in arrived:
                    self._accept(waiting)
            if self._trouble is None:
                end = 0.0  # take what is there already, then write

    def _until(self) -> float | None:
        """Until when to wait for more, in monotonic seconds; ``None``: as long as it takes."""
        if self._failures:
            return time.monotonic() + RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS)) - 1]
        if self._backlog:
            return 0.0
        return self._keep_by if self._book.size > self._book.kept else None

    def _accept(self, waiting: Waiting) -> None:
        try:
            waiting.draft = draft(waiting.entry, self._by, self._privacy)
        except LedgerError as fault:
            self._reports.settled([waiting], fault)
            return
        if self._trouble is not None:
            self._reports.settled([waiting], refusal(self._trouble))
            if len(self._backlog) >= self._memory:
                self._lost += 1
                return
            self._late += 1
        self._backlog.append(waiting)

    # -- writing ----------------------------------------------------------------------------------

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
        fresh = self._book.size == self._book.kept
        receipts = self._book.write([waiting.draft for waiting in group if waiting.draft is not None])
        if fresh:
            self._keep_by = time.monotonic() + self._pace.seconds
        if changes and len(receipts) == len(group):
            self._book.change_key()
        for _ in receipts:
            self._backlog.popleft()
        self._reports.settled(group[: len(receipts)], receipts)
        if self._book.posted:
            self._reports.posted()

    def _keeping_due(self) -> bool:
        fresh = self._book.size - self._book.kept
        late = self._stopped or fresh >= self._pace.entries or time.monotonic() >= self._keep_by
        return fresh > 0 and late

    def _keep(self) -> None:
        """Keep the checkpoint of the present edge and have it published."""
        self._reports.checkpoint(self._book.keep())
        if self._book.posted:
            self._reports.posted()

    def _do_chores(self) -> None:
        """Chores are nobody's promise: one that fails is told to whoever gave it, and is no trouble."""
        chores, self._chores = self._chores, []
        for chore in chores:
            if self._trouble is not None:
                chore.done(refusal(self._trouble))
                continue
            try:
                self._book.do(chore.work)
            except Exception as fault:  # noqa: BLE001 (whatever it is: the thread must outlive it)
                self._book.close()
                chore.done(LedgerError(f"the ledger cannot be written: {fault}"))
            else:
                chore.done(None)

    # -- trouble ----------------------------------------------------------------------------------

    def _fail(self, fault: Exception) -> None:
        self._book.close()
        self._failures += 1
        reason = str(fault) if isinstance(fault, LedgerError) else repr(fault)
        if self._trouble is None:
            self._trouble = Trouble(reason, datetime.now(UTC))
            self._late, self._lost = len(self._backlog), 0
            log.error("ledger.trouble", reason=reason, waiting=self._late)
            self._reports.changed(self._trouble)
        self._reports.settled(tuple(self._backlog), refusal(self._trouble))

    def _recover(self, trouble: Trouble) -> None:
        """Everything is written: say so in the ledger itself, and take new work."""
        self._trouble = None
        since = trouble.since.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        body = Recovered(since=since, late=self._late, lost=self._lost, detail=trouble.reason)
        log.warning("ledger.recovered", since=since, late=self._late, lost=self._lost)
        self._lost = 0
        self._accept(Waiting(Entry.now(body), None))
        self._reports.changed(None)


def refusal(trouble: Trouble) -> LedgerError:
    """What everybody is told whose entry cannot be made durable now."""
    return LedgerError(f"the ledger cannot be written since {trouble.since:%H:%M:%S} UTC: {trouble.reason}")
