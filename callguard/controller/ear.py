"""One whisper: made, played, and what became of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import structlog

from callguard.asterisk import events as said
from callguard.asterisk.ari import Ari
from callguard.asterisk.verbs import Ears, Packets
from callguard.errors import AsteriskError

log = structlog.get_logger(__name__)

#: How long each step may take: making the whisper, its arrival, the first sound, its end (seconds). All of
#: them take 1 to 2 ms on an idle 22.10.1.
STEP_SECONDS = 1.0

#: A playback that ended this much before its length was cut short (seconds; as for the prompts of the
#: dialogue).
CUT_TOLERANCE = 0.3

#: How often packets are counted while something is said, and the least time between two counts that says
#: anything: no codec sends less than a packet every 60 ms (seconds).
COUNT_EVERY = 0.5
COUNT_LEAST = 0.15

Ending = Literal["done", "failed", "cut"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Whispered:
    """What became of a whisper."""

    ended: Ending
    length: float  #: seconds it should have lasted
    began: float | None = None  #: when it was first heard, monotonic seconds; None: never
    seconds: float = 0.0  #: how long it lasted
    party: bool | None = (
        None  #: whether sound travelled to the party all the time; None: not meant, or unknown
    )
    others: bool | None = None  #: the same for those the party talks to

    @property
    def completely(self) -> bool:
        """Whether everybody it was meant for heard it to its end."""
        long_enough = self.seconds >= self.length - CUT_TOLERANCE
        return self.ended == "done" and long_enough and False not in (self.party, self.others)


class _Flow:
    """Whether packets travelled all the time; None until two counts say something."""

    def __init__(self) -> None:
        self.sent: bool | None = None
        self.received: bool | None = None
        self._last: tuple[float, Packets] | None = None

    def count(self, at: float, packets: Packets | None) -> None:
        """Take in one count."""
        if packets is None:
            return
        if self._last is not None:
            before, had = self._last
            if at - before < COUNT_LEAST:
                return
            self.sent = self.sent is not False and packets.sent > had.sent
            self.received = self.received is not False and packets.received > had.received
        self._last = (at, packets)


@dataclass(slots=True, eq=False)
class Ear:
    """One whisper that is ready to play. Made by `Asides.ear`; good for one playback."""

    id: str
    channel: str
    ears: Ears
    ari: Ari
    _flow: _Flow = field(default_factory=_Flow)
    _entered: asyncio.Event = field(default_factory=asyncio.Event)
    _began: asyncio.Event = field(default_factory=asyncio.Event)
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _at: float | None = None
    _until: float = 0.0
    _ended: Ending = "failed"

    async def play(self, media: Sequence[str], length: float) -> Whispered:
        """Say this, and return when it was said, cut, or failed.

        Args:
            media: what Asterisk plays, in order.
            length: how long that lasts, in seconds.

        Raises:
            AsteriskError: Asterisk refused it, or did not answer.
            TimeoutError: it did not begin, or did not end.
        """
        async with asyncio.timeout(STEP_SECONDS):
            await self.ari.play(self.id, media, self.id)
            await self._began.wait()
        loop = asyncio.get_running_loop()
        last = loop.time() + length + STEP_SECONDS
        while True:
            self._flow.count(loop.time(), await self._packets())
            if self._over.is_set():
                return self.so_far(length)
            if loop.time() > last:
                raise TimeoutError(f"{self.id} does not end")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(COUNT_EVERY):
                    await self._over.wait()

    def so_far(self, length: float) -> Whispered:
        """What became of it by now; what is not over is about to be cut."""
        until = self._until if self._over.is_set() else asyncio.get_running_loop().time()
        return Whispered(
            ended=self._ended if self._over.is_set() else "cut",
            length=length,
            began=self._at,
            seconds=0.0 if self._at is None else until - self._at,
            party=self._flow.sent if self.ears is not Ears.OTHERS else None,
            others=self._flow.received if self.ears is not Ears.PARTY else None,
        )

    def cut(self) -> None:
        """Say no more."""
        self._end("cut")

    def take(self, event: said.Event) -> None:
        """What Asterisk says about this whisper."""
        match event:
            case said.StasisStart():
                self._entered.set()
            case said.PlaybackStarted() if not self._began.is_set():
                self._at = asyncio.get_running_loop().time()
                self._began.set()
            case said.PlaybackFinished():
                self._end("done" if event.state == "done" else "failed")
            case said.StasisEnd() | said.ChannelDestroyed():
                self._end("failed")

    async def enter(self) -> None:
        """Be made, and wait until it can play."""
        async with asyncio.timeout(STEP_SECONDS):
            await self.ari.snoop(self.channel, self.id, self.ears)
            await self._entered.wait()

    def _end(self, how: Ending) -> None:
        if self._over.is_set():
            return
        self._ended = how
        self._until = asyncio.get_running_loop().time()
        self._over.set()
        # Whoever waits for it to begin need not wait any more.
        self._entered.set()
        self._began.set()

    async def _packets(self) -> Packets | None:
        try:
            return await self.ari.packets(self.channel)
        except AsteriskError as error:
            log.debug("packets could not be counted", channel=self.channel, why=str(error))
            return None
