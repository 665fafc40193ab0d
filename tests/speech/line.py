"""What a telephone line makes of speech: band, level, noise, mu-law. Everything follows from a seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

from callguard.lab.audio import Samples

from .voices import WIDE, resampled

NARROW = 8000
#: The band that a telephone exchange leaves (ITU-T G.712).
BAND = (300.0, 3400.0)
#: Levels of speech on real lines, dBFS of the loud parts.
LEVELS = (-28.0, -18.0)
NOISES = ("pink", "babble", "street", "hum")
MU = 255.0


def telephone(
    speech: Samples,
    chance: Generator,
    *,
    rate: int = NARROW,
    snr: float | None = None,
    noise: str = "pink",
    crowd: Sequence[Samples] = (),
) -> bytes:
    """Bring clean 16 kHz speech to a caller's leg: 16-bit samples with silence before and after.

    Args:
        speech: 16 kHz samples.
        chance: where level, silences and noise come from.
        rate: 8000 for a telephone (G.711 mu-law), 16000 for a wideband leg (no band limit, no mu-law).
        snr: dB of speech over noise; None is a quiet room (55 dB).
        noise: one of NOISES.
        crowd: who talks in the babble, 16 kHz samples.
    """
    before, after = silences(chance)
    padded = np.concatenate([np.zeros(round(before * WIDE)), speech, np.zeros(round(after * WIDE))])
    loud = level(speech)
    target = 10 ** (chance.uniform(*LEVELS) / 20)
    padded *= target / max(loud, 1e-6)
    din = made_noise(noise if snr is not None else "pink", len(padded), chance, crowd)
    padded += din * target / 10 ** ((55.0 if snr is None else snr) / 20)
    return leg(padded.astype(np.float32), rate)


def silences(chance: Generator) -> tuple[float, float]:
    """Seconds of quiet line before and after: the first thing that is drawn for a clip."""
    return float(chance.uniform(0.3, 0.9)), float(chance.uniform(1.0, 1.3))


def leg(samples: Samples, rate: int = NARROW) -> bytes:
    """16 kHz samples as they leave a leg of the PBX: 16-bit, and for 8 kHz once through band and mu-law."""
    if rate == NARROW:
        samples = mu_law(resampled(banded(samples, WIDE, BAND), WIDE, NARROW))
    return bytes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def banded(samples: Samples, rate: int, band: tuple[float, float]) -> Samples:
    """Only what lies within the band, with slopes of 100 Hz."""
    spectrum = np.fft.rfft(samples)
    hz = np.fft.rfftfreq(len(samples), 1 / rate)
    low, high = band
    gain = np.clip((hz - (low - 100)) / 100, 0, 1) * np.clip(((high + 100) - hz) / 100, 0, 1)
    return np.asarray(np.fft.irfft(spectrum * gain, len(samples)), dtype=np.float32)


def mu_law(samples: Samples) -> Samples:
    """Once through G.711's 8-bit quantiser."""
    clipped = np.clip(samples, -1, 1)
    squeezed = np.sign(clipped) * np.log1p(MU * np.abs(clipped)) / np.log1p(MU)
    steps = np.round(squeezed * 127) / 127
    return np.asarray(np.sign(steps) * np.expm1(np.abs(steps) * np.log1p(MU)) / MU, dtype=np.float32)


def level(samples: Samples) -> float:
    """The root mean square of the loud half of the 20 ms frames."""
    size = WIDE // 50
    count = len(samples) // size
    if count == 0:
        return float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0
    power = np.mean(np.square(samples[: count * size].reshape(count, size)), axis=1)
    return float(np.sqrt(np.mean(np.sort(power)[count // 2 :])))


def made_noise(kind: str, count: int, chance: Generator, crowd: Sequence[Samples] = ()) -> Samples:
    """Noise of level 1 (root mean square)."""
    if kind == "babble" and crowd:
        made = np.zeros(count)
        for _ in range(6):
            talk = np.concatenate([crowd[chance.integers(len(crowd))] for _ in range(8)])
            talk = np.resize(np.roll(talk, int(chance.integers(len(talk)))), count)
            made += talk / max(level(np.asarray(talk, dtype=np.float32)), 1e-6)
    elif kind == "hum":
        moments = np.arange(count) / WIDE
        made = sum(
            np.sin(2 * np.pi * 50 * k * moments + chance.uniform(0, 6)) / k for k in (1, 2, 3, 7, 9, 13)
        )
        made = made + 0.3 * _coloured(count, chance, 0.5)
    elif kind == "street":
        swell = np.interp(np.arange(count), np.linspace(0, count, 9), chance.uniform(0.3, 1.5, 9))
        made = _coloured(count, chance, 0.8) * swell
    else:
        made = _coloured(count, chance, 0.5)
    inside = banded(np.asarray(made, dtype=np.float32), WIDE, BAND)
    return np.asarray(made / max(float(np.sqrt(np.mean(np.square(inside)))), 1e-9), dtype=np.float32)


def _coloured(count: int, chance: Generator, slope: float) -> Samples:
    """Noise whose amplitude falls with frequency to this power (0.5 is pink)."""
    spectrum = np.fft.rfft(chance.standard_normal(count))
    hz = np.fft.rfftfreq(count, 1 / WIDE)
    spectrum *= 1 / np.maximum(hz, 40.0) ** slope
    return np.asarray(np.fft.irfft(spectrum, count), dtype=np.float32)
