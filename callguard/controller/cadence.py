"""The warning tone of one call: on time while the call is captured, and never otherwise.

The tone is whispered into the caller's channel, in the directions of those who are to hear it, so it stays
with the call whoever the agent is by then. Each begins at its own place on a grid that starts with the
capture: what one was late by, the next is not.

Whoever captures says `sound` when the recorder was seen to write, and `hold` before it is told to be silent.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from callguard.asterisk.errors import AriRefused
from callguard.asterisk.verbs import Ears
from callguard.controller.aside import Asides
from callguard.controller.ear import Whispered
from callguard.controller.tones import BEFORE, Sounds
from callguard.errors import AsteriskError
from callguard.vault.tone import Tone

log = structlog.get_logger(__name__)

#: How long before a tone its whisper is made (seconds); that takes 2 ms, under load tens of them.
AHEAD = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sounded:
    """A tone that began, for the index of the recording."""

    tone: Tone
    at: float  #: monotonic seconds of its beginning
    seconds: float  #: shorter than the tone's own when it was cut
    heard: str  #: who of those that were to: ``both``, ``caller``, ``agent``, ``nobody``

    @property
    def detail(self) -> Mapping[str, str]:
        """What the recording's mark says of it."""
        return {"frequency": f"{self.tone.hz:g}", "level": f"{self.tone.dbfs:g}", "heard": self.heard}


class Cadence:
    """The warning tone of one call.

    Args:
        asides: the whispers of this controller.
        channel: the caller's channel.
        sounds: the tone.
        told: called after each tone that began.
        missed: called with the reason when one did not sound; after that only when one has sounded again.
    """

    def __init__(
        self,
        asides: Asides,
        channel: str,
        sounds: Sounds,
        *,
        told: Callable[[Sounded], None],
        missed: Callable[[str], None],
    ) -> None:
        self._asides = asides
        self._channel = channel
        self._sounds = sounds
        self._told = told
        self._missed = missed
        self._task: asyncio.Task[None] | None = None

    def sound(self) -> None:
        """The call is captured from now on: a tone at once, and one after each interval."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._sounding(), name="warning tone")
            self._task.add_done_callback(self._done)

    def hold(self) -> None:
        """The call is not captured, or its end has come: no tone, and the one that sounds is cut."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _sounding(self) -> None:
        loop = asyncio.get_running_loop()
        interval, first = self._sounds.tone.interval, loop.time() + AHEAD
        number, silent = 0, False
        while True:
            due = first + number * interval
            await _until(due - AHEAD)
            try:
                began = await self._once(due)
                why = "" if began else "Asterisk did not play it"
            except (AsteriskError, TimeoutError) as error:
                if isinstance(error, AriRefused) and error.status == 404:
                    return  # the channel is gone
                why = str(error) or "Asterisk did not answer in time"
            if why and not silent:
                self._missed(why)
            silent = bool(why)
            # Those whose time has passed meanwhile are left out, and the grid stays.
            number = max(number + 1, math.ceil((loop.time() + AHEAD - first) / interval))

    async def _once(self, due: float) -> bool:
        """Let one sound; returns whether it began."""
        length = self._sounds.seconds
        async with self._asides.ear(self._channel, self._sounds.ears) as ear:
            await _until(due - BEFORE)
            try:
                await ear.play((self._sounds.media,), length)
            finally:
                whispered = ear.so_far(length)
                self._tell(whispered)
        return whispered.began is not None

    def _tell(self, whispered: Whispered) -> None:
        tone = self._sounds.tone
        seconds = min(whispered.seconds - BEFORE, tone.seconds)
        if whispered.began is not None and seconds > 0:
            heard = heard_by(self._sounds.ears, whispered)
            self._told(Sounded(tone=tone, at=whispered.began + BEFORE, seconds=seconds, heard=heard))

    def _done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the warning tone stopped", channel=self._channel, exc_info=error)
            self._missed(repr(error))


def heard_by(ears: Ears, whispered: Whispered) -> str:
    """Who of those that were to hear it did, as far as anybody knows."""
    caller = ears is not Ears.OTHERS and whispered.party is not False
    agent = ears is not Ears.PARTY and whispered.others is not False
    return {(True, True): "both", (True, False): "caller", (False, True): "agent"}.get(
        (caller, agent), "nobody"
    )


async def _until(when: float) -> None:
    await asyncio.sleep(max(0.0, when - asyncio.get_running_loop().time()))
