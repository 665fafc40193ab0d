"""A segment that a controller before this one began and no call looks after: what keys in it lead to."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from callguard.controller.cardguard import CardGuard
from callguard.controller.keypad import GUARD, Keypad
from callguard.controller.tape import Tape
from callguard.ledger import Kind
from callguard.ledger.bodies import AnyBody, Capture
from callguard.recording.spool import RATE


class Leftover:
    """See `callguard.controller.keypad.Segment`. There is no recorder that could be paused, so nothing is.

    Args:
        call: whose.
        number: of the segment.
        tape: its samples.
        note: writes into the ledger what was destroyed.
    """

    def __init__(self, call: str, number: int, tape: Tape, note: Callable[[AnyBody, str], None]) -> None:
        self.number = number
        self.tape: Tape | None = tape
        self._call, self._tape, self._note = call, tape, note

    async def erase_from(self, first: int, why: str, *, moment: float | None) -> None:  # noqa: ARG002 - heard only
        """Destroy what is there from a sample on; what comes later is listened to later.

        Raises:
            RecordingError: part of it is sealed; the rest was erased.
        """
        last = self._tape.samples()
        await self._tape.erase(first, last, why)
        body = Capture(
            kind=Kind.CAPTURE_ERASED,
            recording=self._call,
            segment=self.number,
            offset=first,
            until=last,
            rate=RATE,
            reason=why,
        )
        self._note(body, self._call)


def pad_for(
    segment: Leftover,
    guard: CardGuard | None,
    alert: Callable[[str], None],
    own: Callable[[Coroutine[Any, Any, None], str], None],
) -> Keypad:
    """Who is told of the keys that are heard in it.

    Args:
        segment: the segment.
        guard: counts them; None where none is wanted.
        alert: is told of a number.
        own: runs something in a task that is looked after.
    """

    def fired() -> None:
        alert(f"{GUARD}: a number was keyed, and erased")
        pad.resumed()  # nothing is paused, so what comes next is recorded as well

    pad = Keypad(guard, fired, own)
    pad.begun(segment, listened=True)
    return pad
