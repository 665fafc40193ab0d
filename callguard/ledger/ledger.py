"""The ledger as the rest of callguard sees it: append from the event loop, read, and know its health."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from callguard.errors import LedgerError
from callguard.ledger import outbox, reading
from callguard.ledger.bodies import KeyChanged, Kind
from callguard.ledger.book import Book
from callguard.ledger.commit import found
from callguard.ledger.courier import Courier, Post
from callguard.ledger.database import file_of, parse_url, reading_engine, told, writing_engine
from callguard.ledger.entry import Entry, Receipt, Stored
from callguard.ledger.keys import Checkpoint, PublicKey, SigningKey
from callguard.ledger.migrate import create_file, upgrade
from callguard.ledger.outbox import Poster
from callguard.ledger.pen import Pen
from callguard.ledger.privacy import NUMBERS, Privacy
from callguard.ledger.publishing import Publisher, Target
from callguard.ledger.turns import Turns
from callguard.ledger.webhook import Endpoint
from callguard.ledger.writer import Chore, Pace, Reports, Trouble, Waiting, Writer, refusal

#: How long a fact that nobody waits for may wait for company, seconds.
_LINGER_SECONDS = 0.05

#: How many questions are answered at the same time.
_READERS = 2

Answer = TypeVar("Answer")

#: How often the loop looks whether a commit hangs, seconds.
_WATCH_SECONDS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a ledger needs to know."""

    url: str  #: sqlite:////path/to/ledger.db or postgresql://user@host/database
    key: SigningKey | None = None  #: signs, if there is no key file
    key_file: Path | None = None  #: made if missing; ``None``: beside an SQLite ledger, with suffix ``.key``
    name: str = "callguard"  #: the name of this controller in its entries
    deadline: float = 2.0  #: seconds after which a commit that hangs is given up by those who wait for it
    pace: Pace = field(default_factory=Pace)
    targets: tuple[Target, ...] = ()  #: where checkpoints go besides the database
    endpoints: tuple[Endpoint, ...] = ()  #: who is told of events by webhook
    privacy: Privacy = field(default_factory=Privacy)  #: how phone numbers are stored
    memory: int = 100_000  #: entries kept in memory while the database is away (about 2 kB each)


class Ledger:
    """Append-only, hash-chained, signed. One per process.

    Not thread-safe: it belongs to the event loop in which ``open`` was awaited.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._url = parse_url(settings.url)
        self._file = file_of(self._url)
        self._key_file = settings.key_file or (self._file.with_suffix(".key") if self._file else None)
        self._listeners: list[Callable[[Trouble | None], None]] = []
        self._pending: set[asyncio.Future[Receipt]] = set()
        self._batch: list[Waiting] = []
        self._handing_in = False
        self._lingering: asyncio.TimerHandle | None = None
        self._trouble: Trouble | None = None  # what the writer says
        self._hanging: Trouble | None = None  # what the watch says
        self._watcher: asyncio.Task[None] | None = None
        self._publisher = Publisher(settings.targets)
        self._couriers = [Courier(endpoint, self._post()) for endpoint in settings.endpoints]
        self._rounds: list[asyncio.Task[None]] = []

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
        await asyncio.to_thread(self._prepare, outside)
        self._publisher.start()
        for note in await self._ask(lambda connection: reading.checkpoints_after(connection, outside)):
            self._publisher.put(note)
        self._writer.start()
        self._rounds = [asyncio.create_task(courier.run(), name="outbox") for courier in self._couriers]
        self._watcher = asyncio.create_task(self._watch(), name="ledger-watch")

    async def close(self) -> None:
        """Write everything that was appended, then close.

        Raises:
            LedgerError: entries could not be written and are lost with this process.
        """
        if self._watcher is None:
            return
        for task in self._rounds:
            task.cancel()
        await asyncio.gather(*self._rounds, return_exceptions=True)
        # Threads outlive the tasks that asked them; what they opened can only be closed after them.
        await asyncio.to_thread(self._threads.shutdown)
        self._turns.close()
        self._flush()
        unwritten = await asyncio.to_thread(self._writer.stop, self._settings.deadline + 5)
        self._watcher.cancel()
        self._watcher = None
        await asyncio.sleep(0)  # what the writer's last calls left for the loop
        await self._publisher.stop(self._settings.deadline)
        self._readers.dispose()
        if unwritten:
            raise LedgerError(f"{unwritten} entries were never made durable: {self._reason()}")

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
        if self._key_file is None or self._settings.key is not None:
            raise LedgerError("this ledger's key was handed in from outside; change it there")
        old = SigningKey.load(self._key_file).public
        new = SigningKey.generate()
        await asyncio.to_thread(new.save, self._key_file)
        await self.append(Entry.now(KeyChanged(old=str(old), new=str(new.public))))
        return new.public

    # -- reading ----------------------------------------------------------------------------------

    async def size(self) -> int:
        """How many entries there are."""
        return await self._ask(reading.size)

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
        return await self._ask(asked.answer)

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
        return await self._ask(asked.answer)

    async def open_calls(self, within: timedelta = timedelta(days=1)) -> list[str]:
        """The calls that arrived within the last day and have not ended, for a controller that starts."""
        return await self._ask(lambda connection: reading.open_calls(connection, datetime.now(UTC) - within))

    # -- within -----------------------------------------------------------------------------------

    def _load_key(self) -> SigningKey:
        if self._settings.key is not None:
            return self._settings.key
        if self._key_file is None:
            raise LedgerError("a ledger in PostgreSQL needs ledger.signing_key: the file of its Ed25519 key")
        return SigningKey.load_or_create(self._key_file)

    async def _newest_outside(self) -> int:
        """How many entries the newest checkpoint outside covers; 0 if nobody can say."""
        notes = [await target.newest() for target in self._settings.targets]
        return max((Checkpoint.parse(note).size for note in notes if note is not None), default=0)

    def _prepare(self, outside: int) -> None:
        if self._file is not None:
            create_file(self._file)
        key = self._load_key()
        engine = writing_engine(self._url)
        try:
            with engine.begin() as connection:
                upgrade(connection)
                found(connection, key)
        except SQLAlchemyError as fault:
            raise LedgerError(f"the ledger cannot be opened: {told(fault)}") from fault
        self._readers = reading_engine(self._url)
        with self._readers.connect() as connection:
            self._origin = outbox.origin_of(connection)
            if (size := reading.size(connection)) < outside:
                raise LedgerError(
                    f"the ledger has {size} entries, but a checkpoint outside it was signed over {outside}: "
                    "it was cut off or put back to an older state. Restore the newest copy. To go on from "
                    "this one, keep the old checkpoints as evidence and name a new place for checkpoints"
                )
        self._threads = ThreadPoolExecutor(_READERS, thread_name_prefix="callguard-ledger-reader")
        self._turns = Turns(self._readers)
        book = Book(
            engine=engine,
            file=self._file,
            load_key=self._load_key,
            poster=Poster(self._settings.endpoints),
        )
        book.open()
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
                posted=lambda: self._call_soon(self._wake_couriers),
            ),
        )

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
        return await self._ask(outbox.count)

    async def replay(self, endpoint: str) -> int:
        """Have all dead letters of an endpoint told again. Returns how many there were."""
        dead = (await self.outbox()).get((endpoint, "dead"), 0)
        await self._do(lambda pen: outbox.replay(pen, endpoint, datetime.now(UTC)))
        self._wake_couriers()
        return dead

    def _post(self) -> Post:
        async def mark(marks: Sequence[outbox.Mark]) -> None:
            await self._do(lambda pen: outbox.note_marks(pen, marks))

        return Post(
            origin=lambda: self._origin,
            turn=lambda name: self._in_thread(lambda: self._turns.mine(name)),
            due=lambda name, many: self._ask(lambda c: outbox.due_letters(c, name, datetime.now(UTC), many)),
            next_due=lambda name: self._ask(lambda c: outbox.next_due(c, name)),
            mark=mark,
            clear=lambda: self._do(lambda pen: outbox.clear_delivered(pen, datetime.now(UTC))),
            content=lambda entry: self._settings.privacy.shown(entry.content),
        )

    def _wake_couriers(self) -> None:
        for courier in self._couriers:
            courier.posted()

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

    def _reason(self) -> str:
        return self.trouble.reason if self.trouble else "the database did not answer in time"

    async def _ask(self, question: Callable[[Connection], Answer]) -> Answer:
        def ask() -> Answer:
            try:
                with self._readers.connect() as connection, connection.begin():
                    return question(connection)
            except SQLAlchemyError as fault:
                raise LedgerError(f"the ledger cannot be read: {told(fault)}") from fault

        return await self._in_thread(ask)

    async def _in_thread(self, work: Callable[[], Answer]) -> Answer:
        return await self._loop.run_in_executor(self._threads, work)


async def open_ledger(url: str, key: SigningKey | None = None, **settings: Any) -> Ledger:
    """Open the ledger at ``url``, creating it if there is none; see :class:`Settings`."""
    ledger = Ledger(Settings(url=url, key=key, **settings))
    await ledger.open()
    return ledger


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
