"""Something that one party of a call hears and nobody else: a whisper, removed again whatever happens.

A whisper is a channel of Asterisk's own (a snoop) that speaks into another one. What it says is in no
recording and, towards the party on the channel, reaches nobody but that party (22.10.1, by ear and by file).

Rules. Each step has a deadline. Each whisper is removed when it is over, was cut, failed, was cancelled or
when callguard leaves; what a controller that died left behind is found by its name. Nothing here raises for
what Asterisk does: a whisper that was not heard is told as such.

Decided 2026-11: a channel is made for each whisper and removed after it. One that is kept for the whole call
lost: it wakes Asterisk 50 times a second for sound that is there for a thirtieth of the time, and after a
crash more is left.

Decided 2026-11: "heard" wants packets. A whisper is added to sound that passes through the channel, so while
the other side sends none (a muted phone that suppresses silence), nothing is heard, and the playback still
ends as "done" (22.10.1). So the packets of the channel are counted meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from callguard.asterisk import events as said
from callguard.asterisk.ari import Ari
from callguard.asterisk.errors import AriLost
from callguard.asterisk.events import Channel
from callguard.asterisk.verbs import Ears
from callguard.controller.ear import STEP_SECONDS, Ear, Whispered
from callguard.errors import AsteriskError

log = structlog.get_logger(__name__)

#: What the id of every whisper begins with.
PREFIX = "callguard-aside-"

#: How often a removal is tried that Asterisk does not answer.
REMOVALS = 3


@dataclass(slots=True, eq=False)
class _Turn:
    """Who speaks to a channel, and who waits to."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    ear: Ear | None = None
    members: int = 0
    cuts: int = 0


class Asides:
    """All whispers of one controller.

    Args:
        ari: gives the live connection, or None while there is none.
    """

    def __init__(self, ari: Callable[[], Ari | None]) -> None:
        self._ari = ari
        self._ears: dict[str, Ear] = {}
        self._turns: dict[str, _Turn] = {}
        self._removals: set[asyncio.Task[None]] = set()
        self._closed = False

    # ------------------------------------------------------------------ what is told

    def take(self, event: said.Event) -> bool:
        """Take in an event of ARI; returns whether it was about a whisper, and so is nobody else's."""
        channel = getattr(event, "channel", "")
        name = channel.id if isinstance(channel, Channel) else channel
        if not isinstance(name, str) or not name.startswith(PREFIX):
            return False
        ear = self._ears.get(name)
        if ear is not None:
            ear.take(event)
        elif isinstance(event, said.StasisStart):
            # Asked for and given up before Asterisk came to it.
            self._remove(name)
        return True

    def ours(self, channel: str) -> bool:
        """Whether this channel (its id, AMI's Uniqueid) is a whisper that we made and not yet removed."""
        return channel in self._ears

    def lost(self) -> None:
        """The connection is gone, and with it word of how whispers end: none under way counts as heard."""
        for ear in self._ears.values():
            ear.cut()

    async def sweep(self, channels: Iterable[Channel], app: str = "") -> int:
        """Remove what a controller that died left behind; returns how many. To be called after each connect.

        Args:
            channels: all channels of the PBX.
            app: the application of that controller; our own when not given.
        """
        ari = self._ari()
        left = [
            channel.id
            for channel in channels
            if channel.id.startswith(PREFIX)
            and channel.id not in self._ears
            and ari is not None
            and (app or ari.app) in channel.app_data.split(",")
        ]
        await asyncio.gather(*(self._remove(each) for each in left))
        if left:
            log.info("whispers that were left behind are removed", count=len(left))
        return len(left)

    async def close(self) -> None:
        """Cut and remove all there is. The connection must still be up, and no new one is made."""
        self._closed = True
        for ear in list(self._ears.values()):
            ear.cut()
            self._remove(ear.id)
        if self._removals:
            await asyncio.wait(self._removals, timeout=STEP_SECONDS)

    # ------------------------------------------------------------------ what is done

    async def whisper(
        self,
        channel: str,
        media: Sequence[str],
        length: float,
        *,
        ears: Ears = Ears.PARTY,
        cut: bool = False,
    ) -> Whispered:
        """Say something, one whisper after the other on each channel; returns what became of it.

        Args:
            channel: the channel's id.
            media: what Asterisk plays, in order.
            length: how long that lasts, in seconds.
            ears: who hears it.
            cut: cut the whisper that is under way on this channel, and forget those that wait.
        """
        turn = self._turns.setdefault(channel, _Turn())
        if cut:
            turn.cuts += 1
            if turn.ear is not None:
                turn.ear.cut()
        cuts = turn.cuts
        turn.members += 1
        try:
            async with turn.lock:
                return await self._take_turn(turn, cuts, channel, media, length, ears)
        except (AsteriskError, TimeoutError) as error:
            log.warning("not whispered", channel=channel, media=media, why=str(error) or "no answer in time")
            return Whispered(ended="failed", length=length)
        finally:
            turn.members -= 1
            if not turn.members:
                self._turns.pop(channel, None)

    async def _take_turn(
        self, turn: _Turn, cuts: int, channel: str, media: Sequence[str], length: float, ears: Ears
    ) -> Whispered:
        if turn.cuts == cuts:
            async with self.ear(channel, ears) as ear:
                if turn.cuts == cuts:
                    turn.ear = ear
                    try:
                        return await ear.play(media, length)
                    finally:
                        turn.ear = None
        return Whispered(ended="cut", length=length)

    @contextlib.asynccontextmanager
    async def ear(self, channel: str, ears: Ears) -> AsyncIterator[Ear]:
        """A whisper that can play at once, beside any other; removed when the context ends.

        Args:
            channel: the channel's id.
            ears: who hears it.

        Raises:
            AsteriskError: there is no such channel, no connection, or Asterisk refused it.
            TimeoutError: it did not come in time.
        """
        ari = self._ari()
        if ari is None or self._closed:
            raise AriLost("there is no connection to ARI, so nothing can be whispered")
        ear = Ear(id=f"{PREFIX}{uuid.uuid4().hex}", channel=channel, ears=ears, ari=ari)
        self._ears[ear.id] = ear
        try:
            await ear.enter()
            yield ear
        finally:
            # In a task of its own: whoever cancelled us may not wait for it.
            await asyncio.shield(self._remove(ear.id))

    def _remove(self, name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._removed(name), name=f"remove {name}")
        self._removals.add(task)
        task.add_done_callback(self._removals.discard)
        return task

    async def _removed(self, name: str) -> None:
        try:
            for _ in range(REMOVALS):
                if await self._hung_up(name):
                    return
        finally:
            self._ears.pop(name, None)

    async def _hung_up(self, name: str) -> bool:
        """Whether it is gone; or there is no connection, and it is found by its name when there is one."""
        ari = self._ari()
        if ari is None:
            return True
        try:
            async with asyncio.timeout(STEP_SECONDS):
                await ari.hangup(name)
        except AriLost:
            return True
        except (AsteriskError, TimeoutError) as error:
            log.warning("a whisper is not yet removed", whisper=name, why=str(error) or "no answer in time")
            return False
        return True
