"""What is heard on a line that is no speech: silence, keys, tones, music, coughs, a crowd."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from callguard.lab.audio import Samples, tone

from .line import made_noise
from .voices import WIDE

_SECONDS = 3.0
_KEYS = {"1": (697, 1209), "2": (697, 1336), "5": (770, 1336), "9": (852, 1477), "#": (941, 1477)}


def sound(name: str, chance: Generator) -> Samples:
    """One sound of this name, 16 kHz, never twice the same."""
    return np.asarray(_SOUNDS[name](chance), dtype=np.float32)


def _count() -> int:
    return round(_SECONDS * WIDE)


def _silence(chance: Generator) -> Samples:
    return made_noise("pink", _count(), chance) * np.float32(10 ** (chance.uniform(-75, -55) / 20))


def _noise(chance: Generator) -> Samples:
    kind = ("pink", "street", "hum")[chance.integers(3)]
    return made_noise(kind, _count(), chance) * np.float32(10 ** (chance.uniform(-40, -25) / 20))


def _placed(made: Samples, chance: Generator) -> Samples:
    """A short sound somewhere in a quiet line."""
    whole = _silence(chance)
    at = int(chance.integers(len(whole) - len(made))) if len(made) < len(whole) else 0
    whole[at : at + len(made)] += made[: len(whole) - at]
    return whole


def _keys(chance: Generator) -> Samples:
    low, high = _KEYS[list(_KEYS)[chance.integers(len(_KEYS))]]
    seconds = float(chance.uniform(0.08, 0.4))
    made = tone(low, seconds, rate=WIDE, dbfs=-16) + tone(high, seconds, rate=WIDE, dbfs=-14)
    return _placed(made, chance)


def _tones(chance: Generator) -> Samples:
    """Ringing, busy, a record tone."""
    hz = (425.0, 440.0, 480.0, 1400.0, 1000.0)[chance.integers(5)]
    return _placed(tone(hz, float(chance.uniform(0.2, 1.2)), rate=WIDE, dbfs=-18), chance)


def _music(chance: Generator) -> Samples:
    """A tune of plucked chords with drums."""
    whole = np.zeros(_count(), dtype=np.float32)
    beat = round(float(chance.uniform(0.2, 0.4)) * WIDE)
    for at in range(0, len(whole), beat):
        size = min(beat * 2, len(whole) - at)
        fade = np.exp(-np.arange(size) / (0.3 * WIDE))
        for _ in range(3):
            hz = 220 * 2 ** (int(chance.choice([0, 3, 5, 7, 10, 12, 15, 19])) / 12)
            wave = sum(np.sin(2 * np.pi * hz * k * np.arange(size) / WIDE) / k for k in (1, 2, 3, 4, 5))
            whole[at : at + size] += (0.05 * fade * wave).astype(np.float32)
        drum = chance.standard_normal(min(size, WIDE // 20)) * np.exp(-np.arange(min(size, WIDE // 20)) / 200)
        whole[at : at + len(drum)] += (0.1 * drum).astype(np.float32)
    return whole


def _cough(chance: Generator) -> Samples:
    size = round(float(chance.uniform(0.15, 0.5)) * WIDE)
    swell = np.sin(np.pi * np.linspace(0, 1, size)) ** 2
    return _placed(made_noise("street", size, chance) * (0.12 * swell).astype(np.float32), chance)


def _clicks(chance: Generator) -> Samples:
    whole = _silence(chance)
    for _ in range(int(chance.integers(2, 12))):
        whole[chance.integers(len(whole))] = chance.uniform(-0.8, 0.8)
    return whole


def _breath(chance: Generator) -> Samples:
    size = round(float(chance.uniform(0.4, 1.0)) * WIDE)
    swell = np.sin(np.pi * np.linspace(0, 1, size))
    return _placed(made_noise("pink", size, chance) * (0.05 * swell).astype(np.float32), chance)


_SOUNDS: dict[str, Callable[[Generator], Samples]] = {
    "silence": _silence,
    "noise": _noise,
    "key tones": _keys,
    "tones": _tones,
    "music": _music,
    "cough": _cough,
    "clicks": _clicks,
    "breath": _breath,
}
NAMES = tuple(_SOUNDS)
