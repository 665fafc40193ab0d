"""The engine that comes with callguard: pocketsphinx with its own English model, in worker processes."""

from __future__ import annotations

from callguard.speech.thresholds import Thresholds, judged
from callguard.speech.verdict import Verdict, unclear
from callguard.speech.workers import WorkerLostError, Workers

NAME = "pocketsphinx"


class Pocketsphinx:
    """English only.

    Args:
        thresholds: from when on an answer is clear.
        language: what is served: ``en``, or one kind of it.
        workers: how many answers are recognised at the same time.
        patience: seconds until an answer is given up as unclear.
    """

    name = NAME

    def __init__(
        self, thresholds: Thresholds, *, language: str = "en", workers: int = 2, patience: float = 3.0
    ) -> None:
        self._thresholds = thresholds
        self._language = language
        self._patience = patience
        self.workers = Workers(workers)

    async def start(self) -> None:
        """Load the model into every worker."""
        await self.workers.start()

    async def close(self) -> None:
        """End the workers."""
        await self.workers.close()

    def serves(self, language: str) -> bool:
        """The one it was made for; as ``en``, also every kind of it."""
        return language == self._language or language.partition("-")[0] == self._language

    def open(self, language: str, rate: int) -> _Answer:
        """Begin to listen."""
        return _Answer(self.workers, self._thresholds, self._patience, language, rate)


class _Answer:
    def __init__(
        self, workers: Workers, thresholds: Thresholds, patience: float, language: str, rate: int
    ) -> None:
        self._workers, self._thresholds, self._patience = workers, thresholds, patience
        self._language, self._rate = language, rate

    def feed(self, pcm: bytes | memoryview) -> None:
        """Nothing: an answer is judged as a whole, because the channel is taken out over all of it."""

    async def verdict(self, speech: memoryview) -> Verdict:
        """Ask a worker."""
        try:
            found = await self._workers.ask(self._rate, speech, patience=self._patience)
            return judged(
                kind=str(found["kind"]),
                confidence=float(found["confidence"]),
                words=str(found["words"]),
                thresholds=self._thresholds,
                engine=NAME,
                language=self._language,
            )
        except (WorkerLostError, KeyError, TypeError, ValueError) as error:
            return unclear(f"the recogniser failed: {error}", engine=NAME, language=self._language)

    async def close(self) -> None:
        """Nothing is kept here."""
