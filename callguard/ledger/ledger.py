"""The ledger as the rest of callguard sees it: append from the event loop, read, and know its health."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from sqlalchemy.exc import SQLAlchemyError

from callguard.errors import LedgerError
from callguard.ledger import reading
from callguard.ledger.bodies import KeyChanged
from callguard.ledger.book import Book
from callguard.ledger.commit import found
from callguard.ledger.database import file_of, parse_url, told, writing_engine
from callguard.ledger.entry import Entry, Receipt, Stored
from callguard.ledger.keys import Checkpoint, PublicKey, SigningKey
from callguard.ledger.kinds import Kind
from callguard.ledger.mail import Mail
from callguard.ledger.migrate import create_file, upgrade
from callguard.ledger.outbox import Poster
from callguard.ledger.pen import Pen
from callguard.ledger.privacy import NUMBERS
from callguard.ledger.publishing import Publisher
from callguard.ledger.readers import Readers
from callguard.ledger.settings import Settings
from callguard.ledger.writer import Chore, Reports, Trouble, Waiting, Writer, refusal

#: How long a fact that nobody waits for may wait for company, seconds.
_LINGER_SECONDS = 0.05

#: How often the loop looks whether a commit hangs, seconds.
_WATCH_SECONDS = 0.25


class Ledger:
    """Append-only, hash-chained, signed. One per process.

    Not thread-safe: it belongs to the event loop in which ``open`` was awaited.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._url = parse_url(settings.url)
        self._file = file_of(self._url)
        self._listeners: list[Callable[[Trouble | None], None]] = []
        self._pending: set[asyncio.Future[Receipt]] = set()
        self._batch: list[Waiting] = []
        self._handing_in = False
        self._lingering: asyncio.TimerHandle | None = None
        self._trouble: Trouble | None = None  # what the writer says
        self._hanging: Trouble | None = None  # what the watch says
        self._watcher: asyncio.Task[None] | None = None
        self._publisher = Publisher(settings.targets)

    # -- life -------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Open the database, creating or migrating it, and begin to write. Once is enough.

        Raises:
            LedgerError: it cannot be opened.
        """
        if self._watcher is not None:
            return
        self._loop = asyncio.get_running_loop()
        outside = await self._newest_outside()
        origin = await asyncio.to_thread(self._prepare, outside)
        self._publisher.start()
        for note in await self._readers.ask(lambda c: reading.checkpoints_after(c, outside)):
            self._publisher.put(note)
        self._mail = Mail(
            endpoints=self._settings.endpoints,
            readers=self._readers,
            do=self._do,
            privacy=self._settings.privacy,
            origin=origin,
        )
        self._writer.start()
        self._mail.start()
        self._watcher = asyncio.create_task(self._watch(), name="ledger-watch")

    async def close(self) -> None:
        """Write everything that was appended, then close.

        Raises:
            LedgerError: entries could not be written and are lost with this process.
        """
        if self._watcher is None:
            return
        await self._mail.stop()
        self._flush()
        unwritten = await asyncio.to_thread(self._writer.stop, self._settings.deadline + 5)
        self._watcher.cancel()
        self._watcher = None
        await asyncio.sleep(0)  # what the writer's last calls left for the loop
        await self._publisher.stop(self._settings.deadline)
        await asyncio.to_thread(self._readers.close, self._settings.deadline)
        if unwritten:
            why = self.trouble.reason if self.trouble else "the database did not answer in time"
            raise LedgerError(f"{unwritten} entries were never made durable: {why}")

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def healthy(self) -> bool:
        """Whether entries become durable at present. If not, nothing may be captured."""
        return self.trouble is None

    @property
    def trouble(self) -> Trouble | None:
        """Why entries do not become durable at present."""
        return self._trouble or self._hanging

    def on_trouble(self, listener: Callable[[Trouble | None], None]) -> None:
        """Have ``listener`` told when trouble begins, and with ``None`` when it is over."""
        self._listeners.append(listener)

    # -- writing ----------------------------------------------------------------------------------

    def append(self, entry: Entry) -> asyncio.Future[Receipt]:
        """Hand in an entry; it keeps its place behind all that were handed in before.

        Returns:
            A future that is done when the entry is durable, or fails with ``LedgerError`` as soon as
            that is in doubt. An entry whose future failed is still written if the database comes
            back while this process lives. The future may be dropped.
        """
        future: asyncio.Future[Receipt] = self._loop.create_future()
        trouble = self._trouble or self._hanging
        if trouble is not None:
            self._hand_in(Waiting(entry, None), soon=True)
            _refuse(future, refusal(trouble))
        else:
            self._pending.add(future)
            self._hand_in(Waiting(entry, future), soon=True)
        return future

    def note(self, entry: Entry) -> None:
        """Hand in an entry that nothing waits for.

        It keeps its order, is written with the next group or within 50 ms, and costs a fraction of
        ``append``. What it says may be lost with this process until then.
        """
        self._hand_in(Waiting(entry, None), soon=False)

    def _hand_in(self, waiting: Waiting, *, soon: bool) -> None:
        """Give entries to the writer once per turn of the loop, or after 50 ms: it costs a wake-up."""
        self._batch.append(waiting)
        if self._handing_in:
            return
        if soon:
            self._handing_in = True
            self._loop.call_soon(self._flush)
        elif self._lingering is None:
            self._lingering = self._loop.call_later(_LINGER_SECONDS, self._flush)

    def _flush(self) -> None:
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        self._handing_in = False
        if self._batch:
            self._writer.put(self._batch)
            self._batch = []

    async def change_key(self) -> PublicKey:
        """Have a new key sign from now on; the old one's last word is the entry that says so.

        Every other controller that signs with the same file takes the new key by itself. The public
        half is added to the file beside the key, where the old ones stay.

        Raises:
            LedgerError: the ledger has no key file, or cannot be written.
        """
        file = self._settings.signing_key_file()
        if file is None:
            raise LedgerError("this ledger's key was handed in from outside; change it there")
        old = SigningKey.load(file).public
        new = SigningKey.generate()
        await asyncio.to_thread(new.save, file)
        await self.append(Entry.now(KeyChanged(old=str(old), new=str(new.public))))
        return new.public

    # -- reading ----------------------------------------------------------------------------------

    async def size(self) -> int:
        """How many entries there are."""
        return await self._readers.ask(reading.size)

    async def entries(
        self,
        *,
        call: str | None = None,
        kinds: Sequence[Kind] = (),
        after: int = -1,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 1000,
    ) -> list[Stored]:
        """Entries in order, all conditions together; ``after`` is a position, to page on."""
        asked = reading.Question(
            call=call, kinds=tuple(kinds), after=after, since=since, until=until, limit=limit
        )
        return await self._readers.ask(asked.answer)

    async def search(
        self,
        *,
        after: int = -1,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
        **terms: str,
    ) -> list[Stored]:
        """Entries whose body says all of ``terms``, such as ``queue="sales"`` or ``outcome="granted"``.

        Numbers are looked for as they were dialled, however they are stored.
        """
        sought = tuple(
            (name, self._settings.privacy.hide(value) if name in NUMBERS else value)
            for name, value in terms.items()
        )
        asked = reading.Question(terms=sought, after=after, since=since, until=until, limit=limit)
        return await self._readers.ask(asked.answer)

    async def open_calls(self, within: timedelta = timedelta(days=1), *, by: str = "") -> list[str]:
        """The calls that arrived within the last day and have not ended, for a controller that starts.

        Args:
            within: how far to look back.
            by: only those that this writer took, or took up from another one.
        """
        return await self._readers.ask(
            lambda connection: reading.open_calls(connection, datetime.now(UTC) - within, by)
        )

    # -- within -----------------------------------------------------------------------------------

    async def _newest_outside(self) -> int:
        """How many entries the newest checkpoint outside covers; 0 if nobody can say."""
        notes = [await target.newest() for target in self._settings.targets]
        return max((Checkpoint.parse(note).size for note in notes if note is not None), default=0)

    def _prepare(self, outside: int) -> str:
        """Open everything; returns the name of the ledger."""
        if self._file is not None:
            create_file(self._file)
        engine = writing_engine(self._url)
        try:
            with engine.begin() as connection:
                upgrade(connection)
                found(connection, self._settings.load_key())
        except SQLAlchemyError as fault:
            raise LedgerError(f"the ledger cannot be opened: {told(fault)}") from fault
        self._readers = Readers(self._url)
        try:
            origin = self._readers.answer(reading.origin)
            _refuse_older(self._readers.answer(reading.size), outside)
            book = Book(
                engine=engine,
                file=self._file,
                load_key=self._settings.load_key,
                poster=Poster(self._settings.endpoints),
            )
            book.open()
        except LedgerError:
            self._readers.close(self._settings.deadline)
            raise
        self._writer = Writer(
            book=book,
            by=f"{self._settings.name}/{uuid.uuid4().hex[:8]}",
            privacy=self._settings.privacy,
            memory=self._settings.memory,
            pace=self._settings.pace,
            reports=Reports(
                settled=lambda group, outcome: self._call_soon(self._settle, group, outcome),
                changed=lambda trouble: self._call_soon(self._change, trouble),
                checkpoint=lambda note: self._call_soon(self._publisher.put, note),
                posted=lambda: self._call_soon(self._mail.posted),
            ),
        )
        return origin

    def _call_soon(self, function: Callable[..., None], *arguments: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)

    def _settle(self, group: Sequence[Waiting], outcome: Sequence[Receipt] | LedgerError) -> None:
        for place, waiting in enumerate(group):
            future = waiting.future
            if future is None:
                continue
            self._pending.discard(future)
            if future.done():
                continue
            if isinstance(outcome, LedgerError):
                _refuse(future, outcome)
            else:
                future.set_result(outcome[place])

    def _change(self, trouble: Trouble | None) -> None:
        self._trouble = trouble
        self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener(self.trouble)

    # -- the outbox -------------------------------------------------------------------------------

    async def outbox(self) -> Mapping[tuple[str, str], int]:
        """How many events there are by endpoint and state (``waiting``, ``delivered``, ``dead``)."""
        return await self._mail.count()

    async def replay(self, endpoint: str) -> int:
        """Have all dead letters of an endpoint told again. Returns how many there were."""
        return await self._mail.replay(endpoint)

    async def _do(self, work: Callable[[Pen], None]) -> None:
        """Have the writer do something between two groups."""
        future: asyncio.Future[None] = self._loop.create_future()

        def done(fault: LedgerError | None) -> None:
            self._call_soon(_finish, future, fault)

        self._writer.put(Chore(work, done))
        await future

    # -- health -----------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Give up on behalf of those who wait for a commit that hangs (a stuck disk, a silent server)."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            since = self._writer.busy_since
            hangs = since is not None and time.monotonic() - since > self._settings.deadline
            if hangs and self._hanging is None:
                self._hanging = Trouble("the database does not answer", datetime.now(UTC))
                for future in self._pending:
                    _refuse(future, refusal(self._hanging))
                self._pending.clear()
                self._tell()
            elif self._hanging is not None and not hangs:
                self._hanging = None
                self._tell()


async def open_ledger(url: str, key: SigningKey | None = None, **settings: Any) -> Ledger:
    """Open the ledger at ``url``, creating it if there is none; see :class:`Settings`."""
    ledger = Ledger(Settings(url=url, key=key, **settings))
    await ledger.open()
    return ledger


def _refuse_older(size: int, outside: int) -> None:
    """Refuse to go on from a ledger that is an older state of itself."""
    if size < outside:
        raise LedgerError(
            f"the ledger has {size} entries, but a checkpoint outside it was signed over {outside}: it was "
            "cut off or put back to an older state. Restore the newest copy. To go on from this one, keep "
            "the old checkpoints as evidence and name a new place for checkpoints"
        )


def _finish(future: asyncio.Future[None], fault: LedgerError | None) -> None:
    if future.done():
        return
    if fault is None:
        future.set_result(None)
    else:
        future.set_exception(fault)


def _refuse(future: asyncio.Future[Receipt], error: LedgerError) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # marks it as seen: whoever drops the future has on_trouble to learn of it
