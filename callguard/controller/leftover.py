"""A segment that a controller before this one began and no call looks after: what keys in it lead to."""

from __future__ import annotations

from collections.abc import Callable

from callguard.controller.tape import Tape


class Leftover:
    """See `callguard.controller.keypad.Segment`. There is no recorder that could be paused, so nothing is.

    Args:
        number: of the segment.
        tape: its samples.
        erased: is told which samples were destroyed, and why.
    """

    def __init__(self, number: int, tape: Tape, erased: Callable[[int, int, str], None]) -> None:
        self.number = number
        self.tape: Tape | None = tape
        self._tape, self._erased = tape, erased

    async def erase_from(self, first: int, why: str, *, moment: float | None) -> None:  # noqa: ARG002 - heard only
        """Destroy what is there from a sample on; what comes later is listened to later.

        Raises:
            RecordingError: part of it is sealed; the rest was erased.
        """
        last = self._tape.samples()
        await self._tape.erase(first, last, why)
        self._erased(first, last, why)
