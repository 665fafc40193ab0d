"""From one sample rate to the other, for the second look: twice as many samples, or half."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

#: Share of the mirror image above 4 kHz that is left in. Without any, the model's upper bands are empty,
#: which no speech has; it was measured that all of it does harm too.
MIRROR = 0.15
#: The wide rate.
WIDE = 16000
_TAPS = 95


def folded(pcm: bytes | bytearray, mirror: float = MIRROR) -> bytes:
    """8 kHz samples as 16 kHz, with so much of the mirror image."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    wide = np.zeros(2 * len(samples))
    wide[::2] = 2 * samples
    low = np.convolve(wide, _half_band(), "same")
    return _rounded(low + mirror * (wide - low))


def views(pcm: bytes | bytearray, rate: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A stretch of speech as 16 kHz samples between -1 and 1, in two ways that are misheard differently."""
    both = (bytes(pcm), folded(halved(pcm), 0.0)) if rate == WIDE else (folded(pcm, 0.0), folded(pcm))
    first, second = (np.frombuffer(each, "<i2").astype(np.float32) / np.float32(32768) for each in both)
    return first, second


def halved(pcm: bytes | bytearray) -> bytes:
    """16 kHz samples as 8 kHz."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    return _rounded(np.convolve(samples, _half_band(), "same")[::2])


def _rounded(samples: NDArray[np.float64]) -> bytes:
    return bytes(np.clip(np.round(samples), -32768, 32767).astype("<i2").tobytes())


@cache
def _half_band() -> NDArray[np.float64]:
    """A low pass at a quarter of the wide rate."""
    at = np.arange(_TAPS) - (_TAPS - 1) / 2
    return np.asarray(np.sinc(at / 2) / 2 * np.hamming(_TAPS), dtype=np.float64)
