"""The controllers of one PBX: each says that it lives, and the others take up the calls of one that does not.

    one died                     its lock is free, which the others see at once; whoever takes the lock takes
                                 up its calls and what it had not sealed, and lets go
    one hangs                    its lease stands still for as long as a lease lasts; whoever seizes it ends
                                 the process (see `callguard.controller.presence`), then as above
    one hangs in a write         nobody can use the ledger, or see its lease; its count beside its lock stands
                                 still for as long as a lease lasts, and whoever sees that ends the process
    one leaves (SIGTERM)         it takes no more calls, leads those in the dialogue to their end, and lets go
                                 of the lock; then as above
    one comes back               it waits for its lock, and takes up what nobody has taken up meanwhile

Which call is whose stands in the ledger: it belongs to the writer of its newest entry ``call.arrived`` or
``call.taken_up``. Which caller in the dialogue is whose is known to Asterisk: the applications that claimed
them. Which recording is whose stands in the sealer's state beside it, in the spool.

Decided 2026-11: who takes up calls does so as itself, and they are its own from then on. What lost: to
connect as the application of the one that is gone, and to be two. Asterisk lets any application steer any
channel, so nothing is won by it; but desk, lamps and the interface for programs would be there twice in one
process, and a controller that comes back would have to be handed its calls again, with a moment in which
nobody hears a key.

Decided 2026-11: all controllers of a pool run on the machine of the PBX, for that is where the spool is.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence

import structlog

from callguard.config import Config
from callguard.controller.books import WRITER
from callguard.controller.notify import notify
from callguard.controller.presence import Presence
from callguard.errors import CallguardError, ConfigError, LedgerError
from callguard.ledger.leases import Lease, Leases, Watch

log = structlog.get_logger(__name__)

#: How many times in a lease each says that it lives.
BEATS = 5

#: How often the locks of the others are looked at (seconds): that takes microseconds.
LOOK_SECONDS = 0.1

#: How long a process that was ended may take to be gone (seconds): the kernel gives back its memory first.
GONE_SECONDS = 5.0

#: How long after it could not be done calls are tried to be taken up again (seconds).
AGAIN_SECONDS = 0.5

#: What the process ends with that finds that its calls are another's: EX_TEMPFAIL of sysexits.h, so that
#: systemd starts it anew.
TAKEN = 75

#: Takes up the calls of a controller that is gone.
TakeUp = Callable[[str], Awaitable[None]]


class Pool:
    """This controller among the others.

    Args:
        config: the site; ``pool`` names us and them.
    """

    def __init__(self, config: Config) -> None:
        self._name = config.pool.name or ""
        self._members = config.pool.members
        self._app = config.app
        self._lease = config.pool.lease_seconds
        self._url = config.ledger.url
        self._places = config.control.state / "pool"
        self._own = Presence(self._places, self._name)
        self._take_up: TakeUp | None = None
        self._each_beat: Callable[[], None] = lambda: None
        self._host = socket.gethostname()
        self._watch = Watch(longest_gap=2 * self._lease / BEATS)
        self._counts = Watch(longest_gap=2 * self._lease / BEATS)
        self._others = [name for name in self._members if name != self._name]
        self._still: dict[str, float] = {}
        self._quiet: Mapping[str, float] = {}
        self._held: dict[str, Lease] = {}  #: the leases of others here that somebody holds, or held
        self._cleared: dict[str, str] = {}  #: holders of whom nothing is left
        self._leases: Leases | None = None
        self._beating: list[asyncio.Task[None]] = []
        self._busy: dict[str, asyncio.Task[None]] = {}

    # ------------------------------------------------------------------ life

    async def enter(self) -> None:
        """Wait until no other process is this controller. Before anything of it is touched."""
        waited = False
        while not self._own.take():
            if not waited:
                log.info("another process is this controller, waiting until it leaves", name=self._name)
            waited = True
            notify(f"EXTEND_TIMEOUT_USEC={round(2e6 * self._lease)}", f"STATUS=waits to be {self._name}")
            await asyncio.sleep(LOOK_SECONDS)

    async def join(self) -> None:
        """Take our lease, and keep it. The ledger has to be open.

        Raises:
            LedgerError: the database cannot be used.
        """
        self._leases = Leases(self._url, self._name, self._host)
        await asyncio.to_thread(self._leases.take)
        loop = asyncio.get_running_loop()
        self._beating = [
            loop.create_task(self._beat(self._leases), name="pool"),
            loop.create_task(self._count(), name="pool count"),
        ]

    def serve(self, take_up: TakeUp, each_beat: Callable[[], None]) -> None:
        """From now on, look after the others.

        Args:
            take_up: takes up the calls of one that is gone; raises CallguardError when it cannot now.
            each_beat: something that has to be looked at as often as we say that we live.
        """
        self._take_up, self._each_beat = take_up, each_beat

    async def take_up_no_more(self) -> None:
        """We are leaving: what is left behind from now on is for the others."""
        tasks = list(self._busy.values())
        self._take_up = None
        await asyncio.gather(*tasks, return_exceptions=True)

    async def leave(self) -> None:
        """Let go of the lock; whatever we left is taken up by somebody else. The last thing that is done."""
        for task in self._beating:
            task.cancel()
        await asyncio.gather(*self._beating, return_exceptions=True)
        self._own.release()

    # ------------------------------------------------------------------ what is known

    @property
    def shared(self) -> bool:
        """See `Peers`."""
        return True

    @property
    def taken_over(self) -> tuple[str, ...]:
        """Ours; and the first of the pool goes on with what a controller left that was the only one."""
        return (self._app, WRITER, "") if self._name == self._members[0] else (self._app,)

    @property
    def alone(self) -> bool:
        """Whether nobody else is there to take calls."""
        return not any(self._lives(name) for name in self._others)

    @property
    def speaks(self) -> bool:
        """Whether it is up to us to write down what happens on calls that are nobody's."""
        return not any(self._lives(name) for name in self._members if name < self._name)

    def _lives(self, name: str) -> bool:
        return self._still.get(name, self._lease) < self._lease

    # ------------------------------------------------------------------ once in a while

    async def _beat(self, leases: Leases) -> None:
        pause = self._lease / BEATS
        while True:
            due = time.monotonic() + pause
            try:
                there = await asyncio.to_thread(leases.beat)
            except LedgerError as error:
                # Nobody else can seize our lease either; and what the ledger does not take is not captured.
                log.warning("the pool cannot be seen", why=str(error))
                self._end_who_keeps_the_ledger()
            else:
                if there is None:
                    self._taken()
                    return
                self._seen(there)
                self._look_for_silence(leases)
                self._each_beat()
            while True:
                self._look_for_death(leases)
                left = due - time.monotonic()
                if left <= 0:
                    break
                await asyncio.sleep(min(left, LOOK_SECONDS))

    async def _count(self) -> None:
        """Where no lock of the database keeps us from it, and see who else does."""
        while True:
            try:
                self._own.count()
            except OSError as error:
                log.warning("the lock of this controller cannot be written", why=str(error))
            there = [Lease(name, self._host, *self._presence(name).counted()) for name in self._others]
            self._quiet = self._counts.look(time.monotonic(), there)
            await asyncio.sleep(self._lease / BEATS)

    def _end_who_keeps_the_ledger(self) -> None:
        """Whoever hangs in the middle of a write. `_look_for_death` then sees that it is gone."""
        for member in self._others:
            if self._take_up is None or member in self._busy or self._quiet.get(member, 0.0) < self._lease:
                continue
            if self._presence(member).end_holder():
                log.error("a controller hangs, it is ended", name=member, seconds=self._lease)

    def _presence(self, member: str) -> Presence:
        return Presence(self._places, member)

    def _taken(self) -> None:
        """Our calls are another's, who took us for hung. Touch nothing on the way out."""
        log.error("another controller took over our calls, this one ends at once", name=self._name)
        os._exit(TAKEN)

    def _seen(self, there: Sequence[Lease]) -> None:
        still = self._watch.look(time.monotonic(), there)
        self._still = {each.member: still[each.member] for each in there if each.holder}
        others = [
            each
            for each in there
            if each.holder and each.member != self._name and self._cleared.get(each.member) != each.holder
        ]
        for each in others:
            if each.host != self._host:
                log.warning("a controller of the pool runs elsewhere", name=each.member, host=each.host)
        self._held = {each.member: each for each in others if each.host == self._host}

    def _look_for_death(self, leases: Leases) -> None:
        for member in list(self._held):
            if self._take_up is None or member in self._busy:
                continue
            presence = self._presence(member)
            try:
                if not presence.take():
                    continue
            except ConfigError as error:
                log.warning("the pool cannot be seen", why=str(error))
                continue
            log.warning("a controller is gone", name=member)
            self._start(self._follow(leases, presence, member), member)

    def _look_for_silence(self, leases: Leases) -> None:
        for member, seen in self._held.items():
            if self._take_up is None or member in self._busy or self._still[member] < self._lease:
                continue
            self._start(self._end(leases, self._presence(member), seen), member)

    def _start(self, work: Coroutine[None, None, None], member: str) -> None:
        self._still.pop(member, None)
        task = asyncio.get_running_loop().create_task(work, name=f"take up {member}")
        self._busy[member] = task
        task.add_done_callback(lambda _: self._busy.pop(member, None))

    async def _end(self, leases: Leases, presence: Presence, seen: Lease) -> None:
        """Take the calls from a controller that hangs."""
        try:
            if not await asyncio.to_thread(leases.seize, seen):
                return
        except LedgerError as error:
            log.warning("a controller hangs, and its lease cannot be taken", name=seen.member, why=str(error))
            return
        log.error("a controller hangs, it is ended", name=seen.member, seconds=self._lease)
        if not presence.end_holder():
            log.warning("it was not ended by us; its calls wait until it is gone", name=seen.member)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GONE_SECONDS):
                while not presence.take():  # noqa: ASYNC110 - the kernel does not tell of a lock
                    await asyncio.sleep(LOOK_SECONDS / 10)
        if presence.held:
            await self._follow(leases, presence, seen.member)

    async def _follow(self, leases: Leases, presence: Presence, member: str) -> None:
        """It is gone, and we hold its lock: its calls are ours now."""
        try:
            if self._take_up is None:
                return
            await self._take_up(member)
            await asyncio.to_thread(leases.clear, member)
            if (gone := self._held.pop(member, None)) is not None:
                self._cleared[member] = gone.holder
        except (CallguardError, TimeoutError) as error:
            log.warning("its calls are not all taken up yet", name=member, why=str(error) or "no answer")
            await asyncio.sleep(AGAIN_SECONDS)
        finally:
            presence.release()
