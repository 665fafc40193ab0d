"""Callers who answer by voice: from the question to the decision somebody listens, and never besides.

The core orders it (`Hear`, `StopHearing`), and is told when the caller begins to say something and what it
was. Whatever fails here, the caller is asked for a key; nothing of a call waits for anything here.

What is heard lies in memory, in buffers of a fixed size that are overwritten as soon as an answer is judged.
Only the answer that was a yes is kept, until it stands at the head of the recording it allowed, or the call
goes on unrecorded. It reaches no file before the consent is durable.

Decided 2026-11: frames that come while an answer is judged wait for the next one to be listened to. Two that
listen at the same time lost: nobody could tell any more which of them a "no" belonged to.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import structlog

from callguard.asterisk import events as said
from callguard.asterisk.ari import Ari
from callguard.asterisk.events import Channel
from callguard.asterisk.tap import Frame, Tap, Taps
from callguard.config.speech import Speech
from callguard.consent import events as ev
from callguard.consent.words import Meaning
from callguard.controller.ears import ears_of, unchecked
from callguard.errors import AsteriskError
from callguard.speech import Ears, Hearing, SpeechError, Verdict

log = structlog.get_logger(__name__)

#: How long one answer is waited for before listening begins anew, and how much of the sound before that is
#: heard again so that nothing falls in between (seconds).
WINDOW = 25.0
TURN = 12.0
AGAIN = 0.5

#: When nothing came for so long, it counts as silence (seconds). Packets come every 20 to 60 ms.
QUIET = 0.2

#: How much around the speech is kept of a yes (seconds).
AROUND = 0.3

SAMPLE_BYTES = 2


@dataclass(slots=True, eq=False)
class Said:
    """A spoken yes, as evidence: 16-bit samples of the caller alone."""

    pcm: bytearray = field(repr=False)
    rate: int  #: samples per second
    channel: str

    def wipe(self) -> None:
        """Overwrite it."""
        self.pcm[:] = bytes(len(self.pcm))
        self.pcm.clear()


class Listeners:
    """Everybody who listens to callers of one controller: the recognisers and the taps.

    Args:
        speech: that section of the configuration.
        ari: gives the live connection, or None while there is none.
    """

    def __init__(self, speech: Speech, ari: Callable[[], Ari | None]) -> None:
        self.taps = Taps(ari)
        self._speech = speech
        self._ears: Ears | None = None
        self._heard: frozenset[str] = frozenset()

    async def start(self) -> None:
        """Make the recognisers ready: seconds, in which callers are offered keys only.

        Raises:
            SpeechError: one of them cannot be used; callers are offered keys only.
        """
        if not self._speech.enabled:
            return
        barred = unchecked(self._speech)
        for language, why in barred.items():
            log.warning("callers answer by keys only", language=language, why=why)
        heard = frozenset(self._speech.languages) - set(barred)
        if not heard:
            return
        ears = ears_of(self._speech)
        await ears.start()
        self._ears, self._heard = ears, heard
        log.info("callers may answer by voice", languages=sorted(heard))

    async def close(self) -> None:
        """Let go: taps while the connection is still up, then the recognisers."""
        await self.taps.close()
        ears, self._ears = self._ears, None
        if ears is not None:
            await ears.close()

    def serves(self, language: str) -> bool:
        """Whether a caller may answer in this language now."""
        return self._ears is not None and language in self._heard and self._ears.serves(language)

    def take(self, event: said.Event) -> bool:
        """An event of ARI; returns whether it was about a tap, and so is nobody else's."""
        return self.taps.take(event)

    def lost(self) -> None:
        """The connection is gone: whoever is being listened to is asked for a key."""
        self.taps.lost()

    async def sweep(self, channels: Iterable[Channel]) -> None:
        """Remove what a controller that died left behind."""
        await self.taps.sweep(channels)

    def listen(self, channel: str, language: str, tell: Callable[[ev.Event], object]) -> Listener:
        """Listen to the caller on a channel from now on, until `Listener.stop`.

        Args:
            channel: the channel's id.
            language: what the caller is asked in.
            tell: is told what happens.
        """
        return Listener(self._ears, self.taps, channel, language, tell)


class Listener:
    """Listens to one caller. Comes from `Listeners.listen`."""

    def __init__(
        self,
        ears: Ears | None,
        taps: Taps,
        channel: str,
        language: str,
        tell: Callable[[ev.Event], object],
    ) -> None:
        self._ears, self._taps = ears, taps
        self._channel, self._language, self._tell = channel, language, tell
        self._yes: Said | None = None
        self._before: deque[Frame] = deque()
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"hear {channel}")

    def stop(self, *, keep: bool) -> Said | None:
        """Listen no more; everything is removed and wiped in a task of its own.

        Args:
            keep: whether what was last understood as a yes is evidence now.

        Returns:
            That evidence.
        """
        self._task.cancel()
        kept, self._yes = self._yes, None
        if kept is not None and not keep:
            kept.wipe()
            return None
        return kept

    async def _run(self) -> None:
        try:
            why = await self._listen()
        except (AsteriskError, SpeechError, TimeoutError, OSError) as error:
            why = str(error) or "it took too long"
        except Exception as error:  # whatever goes wrong here, the call goes on by keys
            log.exception("listening to a caller failed", channel=self._channel)
            why = repr(error)
        finally:
            self._before.clear()
        log.warning("a caller is heard no more and asked for a key", channel=self._channel, why=why)
        self._tell(ev.HearingFailed(at=time.monotonic(), detail=why))

    async def _listen(self) -> str:
        if self._ears is None:
            return "no recogniser runs"
        async with self._taps.open(self._channel) as tap:
            while True:
                async with self._ears.listen(self._language, tap.rate, WINDOW) as hearing:
                    await self._answer(tap, hearing)

    async def _answer(self, tap: Tap, hearing: Hearing) -> None:
        """Hear one answer, or nothing for some time."""
        clock = _Clock(tap.rate)
        told = over = False
        for frame in self._before:
            clock.count(frame)
            over = hearing.feed(frame.pcm)
        while not over:
            frame = await _frame(tap)
            self._remember(frame)
            clock.count(frame)
            over = hearing.feed(frame.pcm)
            if hearing.speaking and not told:
                told = True
                self._tell(ev.SpeechBegan(at=time.monotonic()))
            if not hearing.speaking and clock.seconds > TURN:
                return
        # What is heard of this answer is not part of the next.
        self._before.clear()
        verdict = await hearing.verdict()
        if not told and not hearing.speaking:
            return
        self._judged(tap, hearing, verdict, clock)

    def _judged(self, tap: Tap, hearing: Hearing, verdict: Verdict, clock: _Clock) -> None:
        if self._yes is not None:
            self._yes.wipe()
            self._yes = None
        began = 0.0 if verdict.began is None else verdict.began
        meaning = Meaning(verdict.meaning.value)
        if meaning is Meaning.YES:
            ended = clock.seconds if verdict.ended is None else verdict.ended
            first, last = (
                max(0, round(each * tap.rate)) * SAMPLE_BYTES for each in (began - AROUND, ended + AROUND)
            )
            self._yes = Said(bytearray(hearing.audio()[first:last]), tap.rate, self._channel)
        # What was said is not for the log.
        log.info(
            "a caller spoke",
            channel=self._channel,
            meaning=meaning.value,
            confidence=round(verdict.confidence, 3),
            why=verdict.why,
            seconds=round(verdict.seconds, 3),
        )
        self._tell(
            ev.SpeechHeard(
                at=time.monotonic(),
                meaning=meaning,
                confidence=verdict.confidence,
                began=clock.when(began),
            )
        )

    def _remember(self, frame: Frame) -> None:
        self._before.append(frame)
        while self._before and frame.at - self._before[0].at > AGAIN:
            self._before.popleft()


async def _frame(tap: Tap) -> Frame:
    """The next samples; silence where a telephone sends nothing while nobody speaks."""
    try:
        async with asyncio.timeout(QUIET):
            return await tap.frame()
    except TimeoutError:
        return Frame(at=time.monotonic(), pcm=bytes(round(QUIET * tap.rate) * SAMPLE_BYTES))


class _Clock:
    """When a sample was spoken: frames may stay away, so that it is not the first one's time and a count."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._starts: list[float] = []  #: seconds from the first sample at which each frame begins
        self._at: list[float] = []
        self.seconds = 0.0  #: in all

    def count(self, frame: Frame) -> None:
        """One more frame."""
        self._starts.append(self.seconds)
        self.seconds += len(frame.pcm) / SAMPLE_BYTES / self._rate
        # It came when its last sample had been spoken.
        self._at.append(frame.at - len(frame.pcm) / SAMPLE_BYTES / self._rate)

    def when(self, second: float) -> float:
        """The moment, monotonic seconds, of a place in what was heard."""
        place = max(0, bisect_right(self._starts, second) - 1)
        return self._at[place] + second - self._starts[place]
