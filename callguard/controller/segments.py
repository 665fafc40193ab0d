"""The segments of one call's recording: every change of party begins a new one.

A new segment is a new MixMonitor, and only the dialplan may start one. It is reached through a hot key that
nobody presses: the controller has Asterisk take its digits as received from the customer's telephone; nobody
hears them (22.10.1, 0.2 s until the new segment runs).

Decided 2026-11: to end the old MixMonitor first and to wait. On Debian's and Ubuntu's packages two on one
channel share what translates the sound, and the fault that loses a new party's voice goes on in both.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import structlog

from callguard.asterisk.ami import Ami
from callguard.consent import Capture, State
from callguard.consent import events as ev
from callguard.consent.words import ConsentEntry
from callguard.controller.membership import Member
from callguard.controller.taping import Speaker, Studio, Taping
from callguard.errors import AsteriskError
from callguard.ledger import Kind
from callguard.ledger.bodies import Capture as CaptureBody

log = structlog.get_logger(__name__)

#: Seconds between the end of one MixMonitor and the start of the next: Asterisk lets go of what the two would
#: share when the thread of the first is over (0 and 5 ms were too short, 20 ms enough, on 22.10.1).
APART = 0.1

#: How long the dialplan may take to start a segment before it is asked again, and how often it is asked.
START_SECONDS = 1.5
ATTEMPTS = 2

#: The hot key of the dialplan that starts a segment; see ``callguard-features.conf``.
SEGMENT_KEY = "*0"

#: How long each of its digits lasts (milliseconds).
DIGIT_MS = 80


class Room(Studio, Protocol):
    """What segments need of the controller."""

    ami: Ami

    def own(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run something in a task that is looked after."""


class Segments:
    """All segments of one call; orders go to the newest.

    Args:
        room: the controller.
        speaker: the conversation.
        channel: the customer's channel.
        confirm: seconds in which a recorder has to do as it is told.
        guard: seconds from a resume to the first sample that is written again.
        agent: with whom the customer talks; None when nobody is there.
    """

    def __init__(
        self,
        room: Room,
        speaker: Speaker,
        channel: str,
        *,
        confirm: float,
        guard: float,
        agent: Callable[[], Member | None],
    ) -> None:
        self._room, self._speaker, self._channel = room, speaker, channel
        self._confirm, self._guard, self._agent = confirm, guard, agent
        self._due = False
        self._turn: asyncio.Task[Any] | None = None
        self._started = asyncio.Event()
        self._ending: set[asyncio.Task[float]] = set()
        self._before = 0.0
        self.now = self._taping(1)

    def _taping(self, number: int) -> Taping:
        return Taping(self._room, self._speaker, self._channel, self._confirm, self._guard, number)

    # ------------------------------------------------------------------ what happens

    async def started(self, recorder: str, number: int, consent: ConsentEntry | None) -> None:
        """The dialplan started a recorder."""
        if number == self.now.number:
            self._started.set()
            await self.now.started(recorder, consent)

    def taken_up(self, recorder: str, number: int) -> bool:
        """A controller before this one began it; returns whether it was to be silent when that one died."""
        self.now = self._taping(number)
        return self.now.taken_up(recorder)

    async def ended(self, *, was_captured: bool, late: ConsentEntry | None) -> float:
        """The call is over; returns the seconds that were captured in all segments. See `Taping.ended`."""
        if self._turn is not None:
            self._turn.cancel()
        seconds = await self.now.ended(was_captured=was_captured, late=late)
        if self._ending:
            await asyncio.wait(self._ending)
        return self._before + seconds

    # ------------------------------------------------------------------ orders

    async def pause(self) -> None:
        """See `Taping`."""
        await self.now.pause()

    def resume(self) -> None:
        """Go on: in the same segment, or in the new one that is due."""
        if self._due:
            self._due = False
            self.now.recorder.speak()
            self._begin()
        elif self._turn is None or self._turn.done():
            self.now.recorder.resume()
        else:
            self.now.recorder.speak()

    async def stop(self, *, shred: bool) -> None:
        """End the recording for good."""
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        await self.now.stop(shred=shred)
        if shred:
            for number in range(1, self.now.number):
                await self.now.destroy(number)

    def begin(self) -> None:
        """The customer agreed after having been handed on: start the first segment, or one more."""
        if self.now.recorder.id or self.now.tape is not None:
            self.now = self._taping(self.now.number + 1)
        self._turn = asyncio.get_running_loop().create_task(self._start(self.now), name="late start")
        self._turn.add_done_callback(self._changed)

    def renew(self) -> None:
        """The parties changed: begin a new segment, now or when the pause is over."""
        if self._speaker.call.capture is Capture.PAUSED:
            self._due = True
        elif self._speaker.call.capture is Capture.ON:
            self._begin()

    def _begin(self) -> None:
        if self._turn is None or self._turn.done():
            self._turn = asyncio.get_running_loop().create_task(self._change(), name="new segment")
            self._turn.add_done_callback(self._changed)

    def _changed(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(f"no new segment after a change of parties: {error}")

    async def _change(self) -> None:
        agent = self._agent()
        if agent is None or not agent.takes_keys:
            # Where nobody has the key (a conference) nothing is translated for one party either.
            self.now.recorder.resume()
            return
        old, number = self.now, self.now.number + 1
        self._started.clear()
        self.now = self._taping(number)
        self.now.recorder.follow(old.recorder)
        await old.recorder.stop()
        self._finish(old)
        await asyncio.sleep(APART)
        if await self._start(self.now):
            body = CaptureBody(
                kind=Kind.CAPTURE_STARTED, recording=old.name, segment=number, reason="the parties changed"
            )
            self._speaker.note(body)

    async def _start(self, taping: Taping) -> bool:
        """Have the dialplan start the recorder of this segment; returns whether it did."""
        self._started.clear()
        for _ in range(ATTEMPTS):
            if self._speaker.call.capture not in {Capture.ORDERED, Capture.ON, Capture.PAUSED}:
                return False
            try:
                await self._press(taping.number)
                async with asyncio.timeout(START_SECONDS):
                    await self._started.wait()
            except (AsteriskError, TimeoutError) as error:
                log.warning("a segment did not start", call=taping.name, number=taping.number, why=str(error))
                continue
            return True
        if self._speaker.call.state is State.TALKING:
            self._failed("the dialplan did not start a segment of the recording")
        return False

    async def _press(self, number: int) -> None:
        """Have the dialplan start a MixMonitor on the customer's channel."""
        await self._room.ami.set_variable(self._channel, "CALLGUARD_SEGMENT", str(number))
        for digit in SEGMENT_KEY:
            await self._room.ami.press(self._channel, digit, DIGIT_MS)

    def _finish(self, old: Taping) -> None:
        task = asyncio.get_running_loop().create_task(old.ended(was_captured=True), name="end of a segment")
        self._ending.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[float]) -> None:
        self._ending.discard(task)
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            self._room.alert("a segment is not sealed yet", str(error), self._speaker.call.id)
        else:
            self._before += task.result()

    def _failed(self, detail: str) -> None:
        self._speaker.feed(ev.Failed(at=time.monotonic(), fault=ev.Fault.CAPTURE, detail=detail))
