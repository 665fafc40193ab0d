"""Listening to answers: from frames of audio to a verdict, within a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

import structlog

from callguard.speech.endpoint import LEAST, Detectors, Endpointer
from callguard.speech.errors import SpeechError
from callguard.speech.recogniser import Answer, Recogniser
from callguard.speech.sound import RATES, Sound
from callguard.speech.verdict import Meaning, Verdict, unclear

log = structlog.get_logger(__name__)

#: Seconds around the speech that an engine gets with it; what the detector cuts is within 0.1 s.
AROUND = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long things may take, in seconds."""

    pause: float = 0.6  #: silence that ends an answer; a pause within "yes ... I agree" is shorter
    longest: float = 4.5  #: speech that goes on longer is no answer; "I do not want to be recorded" takes 2
    window: float = 30.0  #: the longest time that may be listened to at all, which bounds the memory
    patience: float = 5.5  #: for an engine, after the end of speech


class Ears:
    """All engines of a site. Start it once, listen to many callers at the same time.

    Args:
        engines: in the order in which they are asked whether they serve a language.
        limits: how long things may take.
        callers: for how many callers at once detectors are kept ready.
    """

    def __init__(
        self, engines: Sequence[Recogniser], *, limits: Limits | None = None, callers: int = 4
    ) -> None:
        self._engines = tuple(engines)
        self._limits = limits or Limits()
        self._callers = callers
        self._detectors = Detectors()
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        """Make every engine ready.

        Raises:
            SpeechError: one of them cannot be used.
        """
        try:
            await self._detectors.prepare(RATES[0], self._callers)
            for engine in self._engines:
                self._stack.push_async_callback(engine.close)
                await engine.start()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Let the engines go."""
        await self._stack.aclose()

    def serves(self, language: str) -> bool:
        """Whether anybody understands this language; else the prompt must not offer to speak."""
        return self._engine(language) is not None

    @asynccontextmanager
    async def listen(self, language: str, rate: int, deadline: float) -> AsyncIterator[Hearing]:
        """Listen to one answer; whatever was heard is overwritten at the end.

        Args:
            language: what the caller was asked in.
            rate: samples per second of the leg, 8000 or 16000.
            deadline: seconds in which speech has to begin and to end.

        Raises:
            SpeechError: no engine serves this language; ask `serves` before.
            ValueError: the rate is another.
        """
        engine = self._engine(language)
        if engine is None:
            raise SpeechError(f"no engine understands {language!r}; configure one under speech.languages")
        sound = Sound(rate, min(deadline, self._limits.window) + 1.0)
        detector = await self._detectors.take(rate)
        hearing = Hearing(
            engine.open(language, rate),
            Endpointer(detector, self._limits.pause),
            sound,
            self._limits,
            deadline,
            engine.name,
            language,
        )
        try:
            yield hearing
        finally:
            await hearing.drop()
            self._detectors.give_back(detector)

    def _engine(self, language: str) -> Recogniser | None:
        return next((engine for engine in self._engines if engine.serves(language)), None)


class Hearing:
    """One answer that is being listened to; comes from `Ears.listen`."""

    def __init__(
        self,
        answer: Answer,
        endpointer: Endpointer,
        sound: Sound,
        limits: Limits,
        deadline: float,
        engine: str,
        language: str,
    ) -> None:
        self._answer, self._endpointer, self._sound, self._limits = answer, endpointer, sound, limits
        self._engine, self._language = engine, language
        loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        self._timer = loop.call_later(deadline, self._over.set)
        self._verdict: Verdict | None = None
        self._whole = False

    @property
    def speaking(self) -> bool:
        """Whether the caller has begun to speak: more than a click or a breath."""
        return self._endpointer.began is not None and self._endpointer.spoken >= LEAST

    @property
    def over(self) -> bool:
        """Whether the answer has ended, or its time has."""
        return self._over.is_set()

    def feed(self, pcm: bytes | memoryview) -> bool:
        """Hear more of the caller: 16-bit samples, any number. Returns whether no more is needed."""
        if not self.over:
            taken = memoryview(pcm)[: self._sound.add(pcm)]
            self._answer.feed(taken)
            if self._endpointer.feed(taken) or self._sound.full or self._too_long():
                self._over.set()
        return self.over

    def finish(self) -> None:
        """No more will come: whatever was heard is the whole answer."""
        self._whole = True
        self._over.set()

    async def verdict(self) -> Verdict:
        """Wait for the end of speech or of the time, then judge; the same again when asked again.

        Never raises for what an engine does: whatever fails is unclear.
        """
        await self._over.wait()
        self._timer.cancel()
        if self._verdict is None:
            self._verdict = await self._judge()
        return self._verdict

    def audio(self) -> bytes:
        """What was heard, as evidence of a yes.

        Raises:
            SpeechError: there was no clear yes, so there is nothing that may be kept.
        """
        if self._verdict is None or self._verdict.meaning is not Meaning.YES:
            raise SpeechError("speech may be kept after a clear yes only; ask for the verdict first")
        with self._sound.view(0.0, self._sound.seconds) as view:
            return bytes(view)

    async def drop(self) -> None:
        """Overwrite what was heard, and stop listening."""
        self._timer.cancel()
        self._over.set()
        await self._answer.close()
        self._sound.wipe()

    def _too_long(self) -> bool:
        found = self._endpointer
        return found.began is not None and (found.ended or 0.0) - found.began > self._limits.longest

    async def _judge(self) -> Verdict:
        found, loop = self._endpointer, asyncio.get_running_loop()
        if found.began is None or found.ended is None or found.spoken < LEAST:
            return self._unclear("nothing was said")
        spoken = replace(self._unclear("too long for an answer"), began=found.began, ended=found.ended)
        if self._too_long():
            return replace(spoken, meaning=Meaning.OTHER)
        if not found.over and not self._whole:
            return replace(spoken, why="still speaking when the time was over")
        began = loop.time()
        try:
            with self._sound.view(found.began - AROUND, found.ended + AROUND) as speech:
                async with asyncio.timeout(self._limits.patience):
                    verdict = await self._answer.verdict(speech)
        except Exception as error:  # whatever an engine does, the call goes on
            log.exception("speech engine failed", engine=self._engine, error=repr(error))
            verdict = self._unclear("the recogniser failed or took too long")
        return replace(verdict, seconds=loop.time() - began, began=found.began, ended=found.ended)

    def _unclear(self, why: str) -> Verdict:
        return unclear(why, engine=self._engine, language=self._language)
