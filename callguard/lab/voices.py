"""What a phone can say, as sound: a tone, speech that counts, words, and keys that sound (DTMF).

2026-11: keys that sound are part of what is said. Asterisk's own way to send them lost: it sends nothing at
all between two keys, so that a listener takes both for a long one, and a tone now and then never ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from callguard.lab import audio
from callguard.lab.counting import NUMBERS, Family

#: Seconds of one turn of a tone's file; whole periods for every whole frequency, so turns join.
TONE_SECONDS = 20
#: Seconds of a file that begins with keys, which must not come round.
KEYED_SECONDS = 120
#: Level of each of the two tones of a key: what Asterisk takes for usual.
KEY_DBFS = -13.1
#: Counting speech goes on so much further with each order of keys: more than anybody says in between.
STRIDE = KEYED_SECONDS * 50

_LOW_HZ = (697, 770, 852, 941)
_HIGH_HZ = (1209, 1336, 1477, 1633)
_KEYS = ("123A", "456B", "789C", "*0#D")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyed:
    """Keys, and behind them what was said before."""

    keys: str
    length_ms: int
    pause_ms: int
    then: float | Family | None
    turn: int  #: the first order of keys on this phone is 1
    phone: str

    @property
    def seconds(self) -> float:
        """How long the keys take."""
        return len(self.keys) * (self.length_ms + self.pause_ms) / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Words that somebody spoke into a file, and silence behind them."""

    file: Path  #: ``.sln``
    turn: int
    phone: str

    @property
    def seconds(self) -> float:
        """How long the words take."""
        samples, rate = audio.read_sln(self.file)
        return len(samples) / rate


Voice: TypeAlias = float | Family | Keyed | Words


def name(voice: Voice) -> str:
    """A name for its file."""
    match voice:
        case Family():
            return f"counting-{voice.name}"
        case Keyed():
            return f"keys-{voice.phone}-{voice.turn}"
        case Words():
            return f"words-{voice.phone}-{voice.turn}"
        case _:
            return f"tone-{voice:g}"


def sound(voice: Voice) -> audio.Samples:
    """All of it."""
    match voice:
        case Family():
            return voice.speech(0, NUMBERS)
        case Keyed(then=then):
            keys = [part for key in voice.keys for part in _pressed(key, voice.length_ms, voice.pause_ms)]
            return np.concatenate([*keys, _behind(then, voice.turn)])
        case Words(file=file):
            return np.concatenate([audio.read_sln(file)[0], audio.tone(0, KEYED_SECONDS)])
        case _:
            return audio.tone(voice, TONE_SECONDS)


def key_sound(key: str, seconds: float) -> audio.Samples:
    """The two tones of a key."""
    row = next(place for place, keys in enumerate(_KEYS) if key in keys)
    low, high = _LOW_HZ[row], _HIGH_HZ[_KEYS[row].index(key)]
    return audio.tone(low, seconds, dbfs=KEY_DBFS) + audio.tone(high, seconds, dbfs=KEY_DBFS)


def _pressed(key: str, length_ms: int, pause_ms: int) -> tuple[audio.Samples, audio.Samples]:
    return key_sound(key, length_ms / 1000), audio.tone(0, pause_ms / 1000)


def _behind(then: float | Family | None, turn: int) -> audio.Samples:
    if isinstance(then, Family):
        return then.speech(turn * STRIDE, STRIDE)
    return audio.tone(then or 0, KEYED_SECONDS)
