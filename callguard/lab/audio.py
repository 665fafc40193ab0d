"""Tones: making them, writing them for Asterisk, and finding them again in what was recorded.

Samples are float32 between -1 and 1; levels are dBFS with a full-scale sine at 0.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Samples: TypeAlias = NDArray[np.float32]

#: Samples per second of the telephone codecs and of Asterisk's ``.sln`` files.
RATE = 8000
#: What phones in the lab speak at.
SPEECH_DBFS = -12.0
#: A tone counts as heard above this; G.711 keeps it within 0.5 dB, and leakage stays far below.
PRESENT_DBFS = -30.0
#: One packet of speech: the frame in which tones are looked for.
FRAME_SECONDS = 0.02
#: The tones of keys; the fourth column (A to D) is not on telephones, and 1633 Hz is near counting speech.
_LOW_HZ = (697, 770, 852, 941)
_HIGH_HZ = (1209, 1336, 1477)
_KEYS = ("123", "456", "789", "*0#")
#: Both tones of a key above this count as its sound. Keys sound at -13 each, and 2 ms of one still reach -32
#: in a frame; where a frame of counting speech ends, up to -43 leak.
KEY_DBFS = -38.0
#: Below every level that 16-bit samples can hold.
SILENCE_DBFS = -120.0


def _ulaw_values() -> Samples:
    """The 256 values of mu-law, by their codes (G.711, table 2a/2b)."""
    codes = ~np.arange(256)
    magnitudes = ((((codes & 0x0F) << 3) + 0x84) << (codes >> 4 & 0x07)) - 0x84
    return (np.where(codes & 0x80, -magnitudes, magnitudes) / 32768).astype(np.float32)


_ULAW = _ulaw_values()


def tone(hz: float, seconds: float, *, rate: int = RATE, dbfs: float = SPEECH_DBFS) -> Samples:
    """A sine tone."""
    moments = np.arange(round(seconds * rate), dtype=np.float64) / rate
    wave = 10 ** (dbfs / 20) * np.sin(2 * math.pi * hz * moments)
    return wave.astype(np.float32)


def write_sln(path: Path, samples: Samples) -> None:
    """Write raw 16-bit samples as Asterisk reads them (``.sln`` is 8 kHz)."""
    path.write_bytes((np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes())


def read_sln(path: Path) -> tuple[Samples, int]:
    """Read a raw 8 kHz 16-bit file; a half sample at the end of a growing file is left out."""
    raw = path.read_bytes()
    values = np.frombuffer(raw[: len(raw) // 2 * 2], dtype="<i2")
    return (values / np.float32(32768)).astype(np.float32), RATE


def from_ulaw(code: bytes) -> Samples:
    """What a phone hears of mu-law (G.711)."""
    return _ULAW[np.frombuffer(code, dtype=np.uint8)]


def to_ulaw(samples: Samples) -> bytes:
    """Samples as mu-law: for each the nearest value that there is."""
    order = np.argsort(_ULAW, kind="stable")
    values = _ULAW[order]
    between = (values[1:] + values[:-1]) / 2
    return order[np.searchsorted(between, samples)].astype(np.uint8).tobytes()


def tone_level(samples: Samples, rate: int, hz: float) -> float:
    """The level of one frequency over all of the samples, in dBFS."""
    if len(samples) == 0:
        return SILENCE_DBFS
    return float(_levels(samples[np.newaxis, :], rate, hz)[0])


def tone_frames(samples: Samples, rate: int, hz: float, *, above: float = PRESENT_DBFS) -> NDArray[np.bool_]:
    """For each whole 20 ms: is the tone there?"""
    size = round(FRAME_SECONDS * rate)
    count = len(samples) // size
    if count == 0:
        return np.zeros(0, dtype=np.bool_)
    return _levels(samples[: count * size].reshape(count, size), rate, hz) > above


def seconds_of_tone(samples: Samples, rate: int, hz: float, *, above: float = PRESENT_DBFS) -> float:
    """How long the tone is there in all, in seconds, to 20 ms."""
    return float(np.count_nonzero(tone_frames(samples, rate, hz, above=above)) * FRAME_SECONDS)


def onset(samples: Samples, rate: int, hz: float, *, above: float = PRESENT_DBFS) -> float | None:
    """When the tone is first there, in seconds from the start, to 20 ms; ``None`` when never."""
    found = np.flatnonzero(tone_frames(samples, rate, hz, above=above))
    return float(found[0] * FRAME_SECONDS) if len(found) else None


def sounding_keys(samples: Samples, rate: int, *, above: float = KEY_DBFS) -> list[tuple[float, str]]:
    """Every 10 ms in which a key sounds (DTMF): the second and the key. A rest of 2 ms is found."""
    step, size = rate // 100, rate // 50
    count = (len(samples) - size) // step + 1
    if count < 1:
        return []
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[::step][:count]
    low, high = (np.stack([_levels(frames, rate, hz) for hz in each]) for each in (_LOW_HZ, _HIGH_HZ))
    found = np.flatnonzero((low.max(axis=0) > above) & (high.max(axis=0) > above))
    return [
        (float(place * step / rate), _KEYS[low[:, place].argmax()][high[:, place].argmax()])
        for place in found
    ]


def peak_level(samples: Samples) -> float:
    """The loudest sample in dBFS: what "nothing was captured" is measured by."""
    peak = float(np.max(np.abs(samples))) if len(samples) else 0.0
    return 20 * math.log10(peak) if peak > 0 else SILENCE_DBFS


def _levels(frames: Samples, rate: int, hz: float) -> NDArray[np.float64]:
    """The level of one frequency in each row, by correlation under a Hann window."""
    size = frames.shape[1]
    window = np.hanning(size + 1)[:-1] if size > 1 else np.ones(1)
    probe = window * np.exp(-2j * math.pi * hz * np.arange(size) / rate)
    amplitude = 2 * np.abs(frames @ probe) / np.sum(window)
    floor = 10 ** (SILENCE_DBFS / 20)
    return np.asarray(20 * np.log10(np.maximum(amplitude, floor)), dtype=np.float64)
