"""Speech that counts: every 20 ms of it tell their own number, so that a recording says what is missing.

A number is 15 bits and 5 check bits, and each bit is a sine that is there or not: 20 of them, 50 Hz apart, so
that over one frame they do not touch each other. The bands of the two families stay clear of each other, of
all keys (697 to 1633 Hz, 3 % around) and of hold music: crosstalk and keys are seen for what they are.

2026-11: tones that are there or not, rather than tones with phases (OFDM), which would carry more: a phase
needs the very sample at which a frame begins. Rather than one tone in each of several groups: that takes
twice the band for the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from callguard.lab.audio import RATE, Samples

#: Samples of one frame: 20 ms, what one packet of a telephone carries.
FRAME = 160
_NUMBER_BITS = 15
#: Numbers there are; speech counts from 0 again after 655 s.
NUMBERS = 1 << _NUMBER_BITS
#: Bits that check the number, behind it.
CHECK_BITS = 5
#: x^5 + x^2 + 1: finds every one or two wrong bits in 20.
_POLYNOMIAL = 0b100101
#: Level of one tone. Twenty of them together stay below full scale; ten, as usual, speak at -18 dBFS.
TONE = 0.04
#: Distance of the tones: one period more in each frame.
_SPACING = RATE // FRAME

#: A tone counts as there above this part of the loudest one, and as not there below the other; in between
#: nothing is read. The window may be 40 samples beside the frame.
_THERE, _ABSENT = 0.75, 0.25
#: How far from where a frame begins it may be found, in samples.
_BLUR = 10
#: Quieter than this is not our speech (the loudest tone, as a part of its usual level).
_FAINT = 0.4
#: Samples that are looked at at a time: 20 s need 50 MB.
_PIECE = 20 * RATE
#: How much of a frame has to be there for its waveform to be told from all others, in samples: 2 ms.
_TELLING = 16
#: How alike a piece of a frame and its original are, as a correlation; G.711 leaves 0.999.
_ALIKE = 0.95


@dataclass(frozen=True, slots=True)
class Family:
    """One party's way to count: the frequencies of its 20 tones, lowest bit first.

    Attributes:
        name: of its files.
        hz: the tones.
    """

    name: str
    hz: tuple[int, ...]

    def speech(self, first: int, count: int) -> Samples:
        """Speech that counts on from ``first``."""
        bits = _bits(np.arange(first, first + count) % NUMBERS)
        return (bits @ self._tones()).astype(np.float32).reshape(-1)

    def read(self, samples: Samples) -> Reading:
        """Find every whole frame, wherever it begins."""
        places: list[int] = []
        numbers: list[int] = []
        for begin in range(0, max(1, len(samples) - 2 * FRAME), _PIECE):
            for place, number in self._found(samples[begin : begin + _PIECE + 2 * FRAME]):
                places.append(begin + place)
                numbers.append(number)
        starts, read = self._exact(samples, np.array(places, int), np.array(numbers, int))
        return Reading(family=self, samples=samples, starts=starts, numbers=read)

    def _exact(
        self, samples: Samples, places: NDArray[np.int_], numbers: NDArray[np.int_]
    ) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
        """Frames at the very sample where they fit best; quantisation blurs the places by one or two."""
        originals = _bits(numbers) @ self._tones()
        shifts = np.arange(-_BLUR, _BLUR + 1)
        tries = np.clip(places[:, np.newaxis] + shifts, 0, max(0, len(samples) - FRAME))
        likeness = np.empty(tries.shape)
        for column in range(len(shifts)):
            windows = samples[tries[:, column, np.newaxis] + np.arange(FRAME)]
            likeness[:, column] = np.einsum("ij,ij->i", windows, originals)
        starts = tries[np.arange(len(places)), likeness.argmax(axis=1)]
        # Pieces overlap, so what lies at their edges was found twice.
        starts, first = np.unique(starts, return_index=True)
        return starts, numbers[first]

    def _tones(self) -> NDArray[np.float64]:
        moments = np.arange(FRAME) / RATE
        order = np.arange(len(self.hz))
        # Phases of a chirp (Schroeder): the peaks of many tones do not fall together.
        phases = math.pi * order * order / len(order)
        angles = 2 * math.pi * np.outer(self.hz, moments) + phases[:, np.newaxis]
        return np.asarray(TONE * np.sin(angles))

    def _levels(self, samples: Samples) -> NDArray[np.float64]:
        """The level of each tone in the frame that begins at each sample, as a part of the usual one."""
        places = np.arange(len(samples))
        levels = np.empty((len(self.hz), len(samples) - FRAME + 1))
        for row, hz in enumerate(self.hz):
            # All tones have whole periods in a frame, so a running sum is an exact transform of each frame.
            turning = np.exp(-2j * math.pi * (hz // _SPACING) * (places % FRAME) / FRAME)
            sums = np.concatenate(([0], np.cumsum(samples * turning)))
            levels[row] = np.abs(sums[FRAME:] - sums[:-FRAME]) * 2 / FRAME / TONE
        return levels

    def _found(self, samples: Samples) -> Iterator[tuple[int, int]]:
        if len(samples) < FRAME:
            return
        levels = self._levels(samples)
        loudest = levels.max(axis=0)
        there = levels > loudest / 2
        faintest = np.where(there, levels, np.inf).min(axis=0)
        rest = np.where(there, 0.0, levels).max(axis=0)
        words = (1 << np.arange(len(self.hz))) @ there
        clear = (loudest > _FAINT) & (faintest >= _THERE * loudest) & (rest <= _ABSENT * loudest)
        clear &= _words(words >> CHECK_BITS) == words
        margin = np.where(clear, faintest - rest, 0.0)
        places = np.flatnonzero(clear)
        if len(places) == 0:
            return
        # A frame is clear at places up to a quarter of it around its beginning; half way nothing is.
        breaks = np.flatnonzero(np.diff(places) > FRAME // 4) + 1
        for run in np.split(places, breaks):
            best = int(run[np.argmax(margin[run])])
            yield best, int(words[best] >> CHECK_BITS)


#: 300 Hz is hold music's; 2400 Hz stays free between the two.
CALLER = Family("caller", (350, 400, 450, 500, 550, 600, *range(1700, 2400, _SPACING)))
AGENT = Family("agent", tuple(range(2450, 3450, _SPACING)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was read in a recording.

    Attributes:
        family: whose speech.
        samples: the recording.
        starts: the sample at which each whole frame begins, in order.
        numbers: its number.
    """

    family: Family
    samples: Samples
    starts: NDArray[np.int_]
    numbers: NDArray[np.int_]

    @property
    def seconds(self) -> float:
        """How much whole speech was read."""
        return len(self.starts) * FRAME / RATE

    def ambiguous(self, begin: int = 0) -> int:
        """How many frames' worth of sound there is, from a sample on, that could not be read."""
        sounds = self.samples != 0
        sounds[:begin] = False
        for start in self.starts:
            sounds[start : start + FRAME] = False
        return math.ceil(np.count_nonzero(sounds) / FRAME)

    def jumps(self) -> list[tuple[int, int]]:
        """Where counting is not in order: the numbers before and after."""
        places = np.flatnonzero(np.diff(self.numbers) % NUMBERS != 1)
        return [(int(self.numbers[place]), int(self.numbers[place + 1])) for place in places]

    def within(self, start: int, end: int) -> NDArray[np.int_]:
        """The numbers of all whole frames that lie between two samples."""
        return self.numbers[(self.starts >= start) & (self.starts + FRAME <= end)]

    def spoken_until(self, sample: int) -> float | None:
        """Up to which number was spoken before a sample: 7.5 when half of frame 7 is there.

        A frame that is cut off is compared with what it would have been. None when nothing was read before,
        or when there is something that is not the next frame.
        """
        before = np.flatnonzero(self.starts < sample)
        if len(before) == 0:
            return None
        start, number = int(self.starts[before[-1]]), int(self.numbers[before[-1]])
        rest = np.trim_zeros(self.samples[start:sample], "b")
        tail = rest[FRAME:]
        if len(tail) > FRAME or not self._alike(tail, number + 1, 0):
            return None
        return number + len(rest) / FRAME

    def spoken_from(self, sample: int) -> float | None:
        """From which number on was spoken after a sample: 7.5 when of frame 7 the first half is missing.

        None as with `spoken_until`.
        """
        after = np.flatnonzero(self.starts + FRAME > sample)
        if len(after) == 0:
            return None
        end, number = int(self.starts[after[0]]) + FRAME, int(self.numbers[after[0]])
        rest = np.trim_zeros(self.samples[sample:end], "f")
        head = rest[:-FRAME]
        if len(head) > FRAME or not self._alike(head, number - 1, FRAME - len(head)):
            return None
        return number + 1 - len(rest) / FRAME

    def _alike(self, piece: Samples, number: int, offset: int) -> bool:
        """Whether it is that part of that frame; where the frame begins is known to a few samples."""
        if len(piece) < _TELLING:
            return True
        around = self.family.speech(number - 1, 3)
        first = FRAME + offset - _BLUR
        for start in range(first, first + 2 * _BLUR + 1):
            whole = around[start : start + len(piece)]
            length = float(np.linalg.norm(piece) * np.linalg.norm(whole))
            if length > 0 and float(piece @ whole) / length > _ALIKE:
                return True
        return False


def _words(numbers: NDArray[np.int_]) -> NDArray[np.int_]:
    """Each number with its check bits behind it; none is all zeros."""
    rest = numbers << CHECK_BITS
    for bit in reversed(range(_NUMBER_BITS)):
        rest = rest ^ (rest >> (bit + CHECK_BITS) & 1) * (_POLYNOMIAL << bit)
    return (numbers << CHECK_BITS) | (rest ^ (1 << CHECK_BITS) - 1)


def _bits(numbers: NDArray[np.int_]) -> NDArray[np.int_]:
    return _words(numbers)[:, np.newaxis] >> np.arange(_NUMBER_BITS + CHECK_BITS) & 1
