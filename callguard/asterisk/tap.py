"""What one party says, live and in memory: a channel of Asterisk's own listens and sends it to us.

    snoop (hears one direction) -- bridge -- external media -- websocket, or RTP -> frames

On releases with chan_websocket the samples come over a websocket of Asterisk's HTTP server; on others over
RTP to a port of ours, which takes packets from that one sender only.

Rules. Each step has a deadline. Nothing is ever written to a file, here or by Asterisk, and no more than
`LONGEST` seconds wait to be taken. Channels and bridge are removed when the tap is closed, was cancelled or
failed, and when callguard leaves; what a controller that died left behind is found by its name.

Decided 2026-11: a tap is made for each question and removed after it. One that is kept ready for the call
lost: it would hear what nobody may hear yet, and it takes 3 ms to make (22.10.1).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field

import structlog

from callguard.asterisk import events as said
from callguard.asterisk.ari import Ari
from callguard.asterisk.errors import AriLost, AriRefused
from callguard.asterisk.events import Channel
from callguard.asterisk.media import Carrier, OverRtp, OverWebsocket
from callguard.errors import AsteriskError

log = structlog.get_logger(__name__)

#: What the ids of all channels and bridges of taps begin with.
PREFIX = "callguard-tap-"

#: How long all steps of making a tap may take together, and those of removing it (seconds).
STEP_SECONDS = 1.0

#: How often a removal is tried that Asterisk does not answer.
REMOVALS = 3

#: How many seconds of samples may wait to be taken; a tap of which nobody takes any is ended.
LONGEST = 20.0

#: Samples per second on a telephone's line, and on a line that carries more.
NARROW, WIDE = 8000, 16000

#: Codecs whose sound is worth 16000 samples per second, as CHANNEL(audionativeformat) names them.
WIDEBAND = ("g722", "opus", "slin16", "slin24", "slin32", "slin44", "slin48", "siren7", "siren14", "silk16")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Some samples, usually 20 ms."""

    at: float  #: when they came, monotonic seconds
    pcm: bytes  #: 16-bit, little-endian


@dataclass(slots=True, eq=False)
class Tap:
    """One party, heard from now on. Comes from `Taps.open`."""

    id: str
    rate: int  #: samples per second
    _frames: asyncio.Queue[Frame | None] = field(default_factory=asyncio.Queue)
    _waiting: int = 0  #: bytes
    _ended: bool = False
    _entered: dict[str, asyncio.Event] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._entered = {each: asyncio.Event() for each in self.channels}

    @property
    def spy(self) -> str:
        """The channel that listens."""
        return f"{self.id}-spy"

    @property
    def out(self) -> str:
        """The channel that sends what it heard to us."""
        return f"{self.id}-out"

    @property
    def channels(self) -> tuple[str, str]:
        """Both."""
        return self.spy, self.out

    async def frame(self) -> Frame:
        """The next samples.

        Raises:
            AriLost: no more will come.
        """
        frame = None if self._ended and self._frames.empty() else await self._frames.get()
        if frame is None:
            raise AriLost(f"Asterisk sends nothing more on {self.id}")
        self._waiting -= len(frame.pcm)
        return frame

    def hear(self, pcm: bytes) -> None:
        """Samples came."""
        if self._ended:
            return
        self._waiting += len(pcm)
        if self._waiting > LONGEST * self.rate * 2:
            log.warning("nobody takes what is heard", tap=self.id)
            self.end()
            return
        self._frames.put_nowait(Frame(at=time.monotonic(), pcm=pcm))

    def end(self) -> None:
        """Nothing more comes."""
        if not self._ended:
            self._ended = True
            self._frames.put_nowait(None)

    def take(self, event: said.Event) -> None:
        """What Asterisk says about the channels of this tap."""
        match event:
            case said.StasisStart(channel=channel):
                self._entered[channel.id].set()
            case said.StasisEnd() | said.ChannelDestroyed():
                self.end()

    async def entered(self) -> None:
        """Wait until both channels can be bridged."""
        for event in self._entered.values():
            await event.wait()

    def forget(self) -> None:
        """Drop what nobody took."""
        self.end()
        while not self._frames.empty():
            self._frames.get_nowait()


class Taps:
    """All taps of one controller.

    Args:
        ari: gives the live connection, or None while there is none.
    """

    def __init__(self, ari: Callable[[], Ari | None]) -> None:
        self._ari = ari
        self._taps: dict[str, Tap] = {}
        self._removals: set[asyncio.Task[None]] = set()
        self._without_websocket: Ari | None = None  #: the connection whose Asterisk has no chan_websocket
        self._closed = False

    # ------------------------------------------------------------------ what is told

    def take(self, event: said.Event) -> bool:
        """Take in an event of ARI; returns whether it was about a tap, and so is nobody else's."""
        channel = getattr(event, "channel", None)
        if not isinstance(channel, Channel) or not channel.id.startswith(PREFIX):
            return False
        name = _tap_of(channel.id)
        if (tap := self._taps.get(name)) is not None:
            tap.take(event)
        elif isinstance(event, said.StasisStart):
            # Asked for and given up before Asterisk came to it.
            self._remove(name)
        return True

    def lost(self) -> None:
        """The connection is gone: nobody would hear of the end of a tap, so all of them end now."""
        for tap in self._taps.values():
            tap.end()

    async def sweep(self, channels: Iterable[Channel]) -> int:
        """Remove what a controller that died left behind; returns how many. To be called after each connect.

        Args:
            channels: all channels of the PBX.
        """
        ari = self._ari()
        if ari is None:
            return 0
        names = {_tap_of(each.id) for each in channels if each.id.startswith(PREFIX)}
        try:
            names |= {each for each in await ari.bridges() if each.startswith(PREFIX)}
        except AsteriskError as error:
            log.warning("bridges of taps are not looked for", why=str(error))
        left = sorted(names - set(self._taps))
        await asyncio.gather(*(self._remove(each) for each in left))
        if left:
            log.info("taps that were left behind are removed", count=len(left))
        return len(left)

    async def close(self) -> None:
        """End and remove all there is. The connection must still be up, and no new one is made."""
        self._closed = True
        for tap in list(self._taps.values()):
            tap.end()
            self._remove(tap.id)
        if self._removals:
            await asyncio.wait(self._removals, timeout=STEP_SECONDS)

    # ------------------------------------------------------------------ what is done

    @contextlib.asynccontextmanager
    async def open(self, channel: str) -> AsyncIterator[Tap]:
        """Hear what the party on a channel says, and nothing of what it hears.

        Args:
            channel: the channel's id.

        Raises:
            AsteriskError: there is no such channel, no connection, or Asterisk refused it.
            TimeoutError: it took too long.
        """
        ari = self._ari()
        if ari is None or self._closed:
            raise AriLost("there is no connection to ARI, so nobody can be heard")
        async with contextlib.AsyncExitStack() as stack:
            async with asyncio.timeout(STEP_SECONDS):
                tap = Tap(f"{PREFIX}{uuid.uuid4().hex}", await self._rate(ari, channel))
                self._taps[tap.id] = tap
                # In a task of its own: whoever cancelled us may not wait for it.
                stack.push_async_callback(lambda: asyncio.shield(self._remove(tap.id)))
                stack.callback(tap.forget)
                await self._lay(ari, channel, tap, stack)
            yield tap

    async def _rate(self, ari: Ari, channel: str) -> int:
        codecs = await ari.variable(channel, "CHANNEL(audionativeformat)") or ""
        return WIDE if any(codec in codecs for codec in WIDEBAND) else NARROW

    async def _lay(self, ari: Ari, channel: str, tap: Tap, stack: contextlib.AsyncExitStack) -> None:
        carrier = await self._carried(ari, tap, stack)
        await ari.spy(channel, tap.spy)
        await ari.make_bridge(tap.id)
        await carrier.connect()
        await tap.entered()
        await ari.join(tap.id, tap.channels)

    async def _carried(self, ari: Ari, tap: Tap, stack: contextlib.AsyncExitStack) -> Carrier:
        """The external media channel, by whichever way this Asterisk knows."""
        if ari is not self._without_websocket:
            over_websocket = OverWebsocket(ari, tap.hear, tap.end)
            stack.push_async_callback(over_websocket.close)
            try:
                await over_websocket.offer(tap.out, tap.rate)
            except AriRefused as error:
                log.info("no external media over a websocket here, it goes over RTP", why=str(error))
                self._without_websocket = ari
            else:
                return over_websocket
        over_rtp = OverRtp(ari, tap.hear, tap.end)
        stack.push_async_callback(over_rtp.close)
        await over_rtp.offer(tap.out, tap.rate)
        return over_rtp

    def _remove(self, name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._removed(name), name=f"remove {name}")
        self._removals.add(task)
        task.add_done_callback(self._removals.discard)
        return task

    async def _removed(self, name: str) -> None:
        try:
            for _ in range(REMOVALS):
                if await self._gone(name):
                    return
        finally:
            self._taps.pop(name, None)

    async def _gone(self, name: str) -> bool:
        """Whether it is gone; or there is no connection, and it is found by its name when there is one."""
        ari = self._ari()
        if ari is None:
            return True
        try:
            async with asyncio.timeout(STEP_SECONDS):
                for channel in Tap(name, NARROW).channels:
                    await ari.hangup(channel)
                await ari.remove_bridge(name)
        except AriLost:
            return True
        except (AsteriskError, TimeoutError) as error:
            log.warning("a tap is not yet removed", tap=name, why=str(error) or "no answer in time")
            return False
        return True


def _tap_of(channel: str) -> str:
    return channel.removesuffix("-spy").removesuffix("-out")
