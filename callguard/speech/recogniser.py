"""What every engine is to callguard: something that is opened for one answer and says what it was."""

from __future__ import annotations

from typing import Protocol

from callguard.speech.verdict import Verdict


class Answer(Protocol):
    """One answer that is being listened to."""

    def feed(self, pcm: bytes | memoryview) -> None:
        """Hear more 16-bit samples, as they come; must not block."""
        ...

    async def verdict(self, speech: memoryview) -> Verdict:
        """Judge.

        Args:
            speech: the samples from shortly before speech began to shortly after it ended. Not to be kept.
        """
        ...

    async def close(self) -> None:
        """Forget everything, judged or not; may be called more than once."""
        ...


class Recogniser(Protocol):
    """An engine."""

    name: str

    async def start(self) -> None:
        """Make it ready; returns once it can be used.

        Raises:
            SpeechError: it cannot be used at all, and why.
        """
        ...

    async def close(self) -> None:
        """Let everything go."""
        ...

    def serves(self, language: str) -> bool:
        """Whether it understands a language (``en``, ``pt-BR``)."""
        ...

    def open(self, language: str, rate: int) -> Answer:
        """Begin to listen to one answer."""
        ...
