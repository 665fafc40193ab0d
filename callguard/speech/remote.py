"""What recognisers on the network have in common: audio that waits, words that came, and the verdict.

A connection carries one answer. It begins when the caller may speak, so that its set-up costs no time later.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Iterable, Mapping
from typing import ClassVar

from callguard.speech.errors import SpeechError
from callguard.speech.thresholds import Thresholds, judged
from callguard.speech.verdict import Verdict, unclear
from callguard.speech.wording import WORDINGS, kind_of

#: Messages of audio that may wait for a slow server, 20 ms each: ten seconds.
QUEUE = 500
#: The largest message that is read, bytes: results are a few hundred.
LARGEST = 1 << 20


def trusted(server: str, thresholds: Mapping[str, Thresholds]) -> dict[str, Thresholds]:
    """The languages a server is trusted with.

    Raises:
        SpeechError: one of them is none whose words are known.
    """
    for language in thresholds:
        if language.partition("-")[0] not in WORDINGS:
            raise SpeechError(
                f"{server} cannot serve {language!r}: which words are a yes is known for "
                f"{', '.join(sorted(WORDINGS))} only; leave it out under speech.languages"
            )
    return dict(thresholds)


class RemoteAnswer:
    """One answer that a server listens to; what is derived from it talks to the server.

    Args:
        server: its name, for verdicts.
        thresholds: from when on an answer is clear.
        patience: seconds after the end of speech until an answer is given up.
        language: what is spoken.
    """

    #: What may go wrong with a server; anything else is a mistake here.
    failures: ClassVar[tuple[type[Exception], ...]] = (
        OSError,
        TimeoutError,
        ValueError,
        TypeError,
        AttributeError,
    )

    def __init__(self, server: str, thresholds: Thresholds, patience: float, language: str) -> None:
        self._name, self._thresholds = server, thresholds
        self._patience, self._language = patience, language
        #: What is to be sent; None after the last.
        self._audio: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE)
        self._overrun = False
        self._texts: list[str] = []
        self._confidences: list[float] = []
        self._talk = asyncio.create_task(self._talked())

    def feed(self, pcm: bytes | memoryview) -> None:
        """Send it on as soon as the connection takes it."""
        try:
            self._audio.put_nowait(bytes(pcm))
        except asyncio.QueueFull:
            self._overrun = True

    async def verdict(self, speech: memoryview) -> Verdict:  # noqa: ARG002 - the server has heard it already
        """Wait for the server's last words."""
        try:
            async with asyncio.timeout(self._patience):
                await self._audio.put(None)
                await self._talk
            if self._overrun:
                return self._unclear("it could not take the audio in time")
            text = " ".join(self._texts)
            verdict = judged(
                kind=kind_of(text, self._language),
                # The least certain word decides: "I do (not) agree" hangs on one.
                confidence=min(self._confidences, default=0.0),
                words=text,
                thresholds=self._thresholds,
                engine=self._name,
                language=self._language,
            )
        except self.failures as error:
            return self._unclear(f"{self._name} failed: {str(error) or type(error).__name__}")
        if verdict.clear and not verdict.confidence:
            # Zero is what servers say that know none; a threshold of zero must not make a yes of it.
            return self._unclear(f"{self._name} gave no confidence")
        return verdict

    async def close(self) -> None:
        """Hang up, and forget what was not sent."""
        self._talk.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await self._talk
        while not self._audio.empty():
            self._audio.get_nowait()

    async def _talked(self) -> None:
        """Send what is in the queue, and keep what is heard; returns after the server's last words.

        Raises:
            ValueError: these may not have been its last words. So does any other of `failures`.
        """
        raise NotImplementedError

    def _heard(self, text: str, confidences: Iterable[float]) -> None:
        """Words that are certain, and the confidence of each, or of all together; without any it is 0."""
        self._texts.append(text)
        for confidence in list(confidences) or [0.0]:
            if math.isnan(confidence):  # the least of several would not show it
                raise ValueError(f"a confidence of {confidence}")
            self._confidences.append(confidence)

    def _unclear(self, why: str) -> Verdict:
        return unclear(why, engine=self._name, language=self._language)
