"""The keys that are pressed on one call, and what is done when they are a number.

What may become part of a number is put on hold in each segment of the recording; when it does, all from its
first key on is erased, and a pause is asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from callguard.config import Config
from callguard.consent.capturing import CARD_DIGITS
from callguard.controller.cardguard import CardGuard, Key, Number, Part
from callguard.controller.tape import Tape
from callguard.errors import RecordingError
from callguard.recording.keytones import Tone

#: Who asks for the pause.
GUARD = "card guard"

#: How much later than it was pressed a key may be heard in the samples (seconds): Asterisk brings them every
#: 2.05 s, and they are looked for twice a second.
HEARD_AFTER = 3.0


def card_guard(config: Config) -> CardGuard | None:
    """The guard that the site wants for a call; None for none."""
    own = config.pause.card_guard
    return CardGuard(digits=own.digits, window=own.window_seconds) if own.enabled else None


class Segment(Protocol):
    """A segment of the call's recording."""

    number: int

    @property
    def tape(self) -> Tape | None:
        """Its samples, once there are some."""

    async def erase_from(self, first: int, why: str, *, moment: float | None) -> None:
        """Destroy what is in it from a sample on, or from a moment on where that is later."""


@dataclass(slots=True, eq=False)
class Keypad:
    """All keys of one call.

    Args:
        guard: counts them; None where the site wants no guard.
        fired: called when they are a number.
        own: runs something in a task that is looked after.
    """

    guard: CardGuard | None
    fired: Callable[[], None]
    own: Callable[[Coroutine[Any, Any, None], str], None]
    _segments: dict[int, Segment] = field(default_factory=dict)
    _listened: dict[int, float] = field(default_factory=dict)  #: up to which moment, where that is done
    _erasing: list[Part] = field(default_factory=list)
    _held: dict[int, int] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _over: bool = False

    def begun(self, segment: Segment, *, listened: bool) -> None:
        """A segment began, or was taken up.

        Args:
            segment: which.
            listened: whether keys are also heard in its samples.
        """
        if self.guard is None or segment.tape is None:
            return
        self._segments[segment.number] = segment
        if listened:
            self._listened.setdefault(segment.number, time.monotonic())
        if (first := segment.tape.guarded()) is not None:
            self.guard.left_behind(segment.number, first, time.monotonic())
        self._hold()

    def told(self, side: int, at: float, *, captured: bool) -> None:
        """Asterisk told of a key (monotonic seconds); on a call that is captured, or is not."""
        if self.guard is None or not self._segments:
            return
        number = max(self._segments)
        tape = self._segments[number].tape
        # Of a segment that is over nothing more is known, and nothing more is recorded.
        with contextlib.suppress(RecordingError):
            if tape is not None:
                self._take(Key.told(side, at, number, tape.arrived(), loose=captured))
        self._passed()

    def heard(self, number: int, tones: Sequence[Tone], arrived: tuple[int, float]) -> None:
        """A segment was listened to up to a sample, which came at a moment; these keys were heard."""
        if self.guard is None:
            return
        for tone in tones:
            self._take(Key.heard(tone, number, arrived))
        self._listened[number] = arrived[1]
        self._passed()

    def resumed(self) -> None:
        """The call is captured again."""
        if self.guard is not None:
            self.guard.resumed(time.monotonic())

    def call_over(self) -> None:
        """Nobody presses keys any more."""
        self._over = True
        self._news.set()

    async def over(self, number: int) -> None:
        """A segment is complete, and was listened to: wait until nothing of it can become part of a number.

        While the call goes on that takes as long as the window.
        """
        if self.guard is None:
            return
        self._listened.pop(number, None)
        while not self._over and (last := self.guard.last(number)) is not None:
            left = last + self.guard.window + HEARD_AFTER - time.monotonic()
            if left <= 0:
                break
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), left)
        while any(each.segment == number for each in self._erasing):
            self._news.clear()
            await self._news.wait()
        segment = self._segments.pop(number, None)
        self._held.pop(number, None)
        if segment is not None and segment.tape is not None:
            with contextlib.suppress(RecordingError):  # it was destroyed meanwhile
                segment.tape.guard(None)

    # ------------------------------------------------------------------

    def _take(self, key: Key) -> None:
        if self.guard is not None and (number := self.guard.pressed(key)):
            self._fire(number)

    def _fire(self, number: Number) -> None:
        for part in number:
            # Until it is erased, or will be with the pause, it stays on hold.
            self._erasing.append(part)
            self.own(self._erase(part), f"erase a number in segment {part.segment}")
        self.fired()

    async def _erase(self, part: Part) -> None:
        try:
            if (segment := self._segments.get(part.segment)) is not None:
                await segment.erase_from(part.first, CARD_DIGITS, moment=part.moment)
        finally:
            self._erasing.remove(part)
            self._hold()

    def _passed(self) -> None:
        if self.guard is not None:
            self.guard.passed(min(self._listened.values(), default=time.monotonic()))
        self._hold()

    def _hold(self) -> None:
        """Tell each segment from where on it may not become durable."""
        if self.guard is None:
            return
        for number, segment in self._segments.items():
            wanted = [part.first for part in self._erasing if part.segment == number]
            if (hold := self.guard.hold(number)) is not None:
                wanted.append(hold)
            first = min(wanted, default=None)
            if segment.tape is None or first == self._held.get(number):
                continue
            # A full spool keeps the state from being written; the hold itself is kept all the same.
            with contextlib.suppress(RecordingError):
                segment.tape.guard(first)
            self._held.pop(number, None)
            if first is not None:
                self._held[number] = first
        self._news.set()
