"""Keys that are pressed in what is being recorded, heard before it is sealed; never which key it was.

Asterisk tells of keys that travel as events, and of sounding ones on lines where it listens for them. A
sounding key on any other line is speech to it, and so is the beginning of one that it does know. So whatever
arrives is listened to here, both channels, in steps of 10 ms.

What counts as a key: a row and a column of ITU-T Q.23 together, within 2.5 % of their frequencies (Q.24: 1.5
to 1.8 % have to be taken), for 30 ms (Q.24: 40 have to be taken), at -52 dBFS each or more, neither 10 dB
above the other (Q.24: 4 and 8), and making up six tenths of all that sounds (noise may be 3 dB softer). A
receiver for dialling is stricter; here many keys in a row are waited for, so that one that was none does no
harm, and one that was missed may. In 26 minutes of a human's prompts none was heard, in 19 minutes of music
one, in 85 minutes of synthetic voices 24, never three within 20 s.

Decided 2026-11: correlation with the eight frequencies in numpy, all steps of a piece at once, and what lies
beside a frequency by the turn of its phase from one step to the next. What lost: the dsp of Asterisk, which
would have to be switched on for every line and takes the keys out of the call.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from callguard.recording.spool import RATE

#: ITU-T Q.23, in Hz.
ROWS = (697, 770, 852, 941)
COLUMNS = (1209, 1336, 1477, 1633)

#: One step, in samples; two of them are one window, in which a key is looked for.
STEP = RATE // 100

#: In so many windows in a row a key counts: any of 30 ms and more, every other one of 20 ms.
WINDOWS = 3
#: So many windows may be spoilt within one key (Q.24: 10 ms are no end of it).
SPOILT = 1

#: How far off its frequency a tone may be.
OFF = 0.025
#: Mean square of a sine of -52 dBFS, and of the quietest step that is looked at.
_LEAST = 10 ** (-52 / 10) / 2
#: How much stronger one tone may be than the other: 10 dB.
_TWIST = 10.0
#: What of all that sounds the two have to make up.
_SHARE = 0.6

_HZ = np.array(ROWS + COLUMNS, dtype=np.float64)
_TURN = 2 * np.pi * _HZ / RATE
_PROBE = np.exp(-1j * np.outer(np.arange(STEP), _TURN))
#: Real and imaginary parts side by side: one product gives both.
_PROBES = np.hstack([_PROBE.real, _PROBE.imag]).astype(np.float32)
#: What a step adds to the phase of each frequency.
_ADVANCE = np.exp(-1j * _TURN * STEP).astype(np.complex64)
#: How far the phase may be off after one step.
_LARGEST = (2 * np.pi * OFF * _HZ * STEP / RATE).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Tone:
    """A key that sounds. Samples count from the start of the recording."""

    side: int  #: 0: the caller's channel, 1: the other
    start: int  #: to 10 ms
    end: int  #: as far as it was heard yet


@dataclass(slots=True)
class _Ear:
    """One channel."""

    side: int
    at: int  #: the first sample of what was kept
    kept: NDArray[np.int16] = field(default_factory=lambda: np.zeros(0, np.int16))
    key: int = -1  #: the one that sounds, as long as it does
    start: int = 0  #: its first window
    heard: int = 0  #: in how many windows it was heard
    spoilt: int = 0  #: and in how many it was not, since

    def hear(self, samples: NDArray[np.int16]) -> list[Tone]:
        both = np.concatenate([self.kept, samples])
        steps = len(both) // STEP
        if steps < 2:
            self.kept = both
            return []
        keys = _keys(both[: steps * STEP])
        tones = self._follow(keys) if self.key >= 0 or bool((keys >= 0).any()) else []
        done = (steps - 1) * STEP  # the last step is the first half of the next window
        self.kept, self.at = both[done:].copy(), self.at + done
        return tones

    def _follow(self, keys: NDArray[np.int8]) -> list[Tone]:
        found: list[Tone] = []
        new = False
        for number, key in enumerate(keys.tolist()):
            at = self.at + number * STEP
            if key >= 0 and key == self.key:
                self.heard, self.spoilt = self.heard + 1, 0
                if self.heard == WINDOWS:
                    new = True
                    found.append(Tone(self.side, self.start, at + 2 * STEP))
                elif new:
                    found[-1] = Tone(self.side, self.start, at + 2 * STEP)
            elif key < 0 and self.key >= 0 and self.spoilt < SPOILT:
                self.spoilt += 1
            else:
                new = False
                self.key, self.start, self.heard, self.spoilt = key, at, int(key >= 0), 0
        return found


class Keytones:
    """Hears the keys of one recording. Not for use by several threads at once.

    Args:
        at: the sample from which on it is listened to.
    """

    def __init__(self, at: int = 0) -> None:
        self._ears = (_Ear(0, at), _Ear(1, at))

    def hear(self, pcm: bytes) -> list[Tone]:
        """Listen to the next samples (interleaved); returns the keys that begin to count in them, by time."""
        samples = np.frombuffer(pcm, dtype="<i2").reshape(-1, 2)
        tones = [tone for side, ear in enumerate(self._ears) for tone in ear.hear(samples[:, side])]
        return sorted(tones, key=lambda tone: tone.start)


def _keys(samples: NDArray[np.int16]) -> NDArray[np.int8]:
    """For each window, which is two steps long and begins with every step, which key sounds; -1 for none."""
    steps = samples.reshape(-1, STEP).astype(np.float32)
    steps *= np.float32(1 / 32768)
    total = np.einsum("ij,ij->i", steps, steps)
    total = (total[:-1] + total[1:]) * np.float32(0.5 / STEP)
    keys = np.full(len(total), -1, np.int8)
    loud = np.flatnonzero(total > 2 * _LEAST)
    if not len(loud):
        return keys
    parts = steps @ _PROBES
    spectrum = parts[:, :8] + 1j * parts[:, 8:]
    power = parts[:, :8] ** 2 + parts[:, 8:] ** 2
    power = (power[:-1] + power[1:])[loud] * np.float32(1 / STEP**2)
    row, column = power[:, :4].argmax(axis=1), power[:, 4:].argmax(axis=1)
    places = np.arange(len(loud))
    low, high = power[places, row], power[places, 4 + column]
    least, most = np.minimum(low, high), np.maximum(low, high)
    likely = (least > _LEAST) & (most < _TWIST * least) & (low + high > _SHARE * total[loud])
    if not likely.any():
        return keys
    loud, row, column = loud[likely], row[likely], column[likely] + 4
    for tone in (row, column):
        turn = spectrum[loud + 1, tone] * np.conj(spectrum[loud, tone]) * _ADVANCE[tone]
        off = np.abs(np.angle(turn))
        row = np.where(off < _LARGEST[tone], row, -1)
    keys[loud] = np.where(row >= 0, 4 * row + column - 4, -1)
    return keys


#: For a rest of a key: windows of 15 ms, every 2.5 ms, and what they have to make up of all that sounds.
_SHORT, _FINE, _PURE = RATE * 15 // 1000, RATE // 400, 0.8
#: How far beyond a window something of it may still sound (samples): 10 ms.
_BESIDE = RATE // 100
_SHORT_PROBES = np.exp(-1j * np.outer(np.arange(_SHORT), _TURN)).astype(np.complex64)


def rests(samples: NDArray[np.int16]) -> list[tuple[int, int]]:
    """Where at least 15 ms of a key sound in a little of one channel: first sample, and first after it.

    For a place where a key is to be expected: one was found in 20 minutes of speech.
    """
    if len(samples) < _SHORT:
        return []
    wave = samples.astype(np.float32) / np.float32(32768)
    frames = np.lib.stride_tricks.sliding_window_view(wave, _SHORT)[::_FINE]
    power = np.abs(frames @ _SHORT_PROBES) ** 2 * np.float32(2 / _SHORT**2)
    low, high = power[:, :4].max(axis=1), power[:, 4:].max(axis=1)
    least, most = np.minimum(low, high), np.maximum(low, high)
    total = np.einsum("ij,ij->i", frames, frames) / _SHORT
    found = np.flatnonzero((least > _LEAST) & (most < _TWIST * least) & (low + high > _PURE * total))
    spans: list[tuple[int, int]] = []
    for place in (found * _FINE).tolist():
        first, last = max(0, place - _BESIDE), min(place + _SHORT + _BESIDE, len(samples))
        if spans and first <= spans[-1][1]:
            spans[-1] = (spans[-1][0], last)
        else:
            spans.append((first, last))
    return spans
