"""The warning tone: its profiles, laying it into exported audio, and finding it there again.

Decided 2026-11: the tone is laid in on export and never sealed with the speech. Asterisk does not write
into a recording what it plays as a beep (seen on 22.10.1), so the marks of the recording say when the
parties heard it; and speech without a tone over it is what a court wants to hear in the other cases.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from callguard.vault.marks import Mark
from callguard.vault.sound import RATE, Stereo, stereo

#: Of the finder: steps of 10 ms, looked at through 20 ms.
STEP = RATE // 100
WINDOW = 2 * STEP


@dataclass(frozen=True, slots=True, kw_only=True)
class Tone:
    """A warning tone."""

    name: str
    hz: float
    seconds: float
    interval: float  #: seconds from one beginning to the next
    dbfs: float = -20.0  #: a full-scale sine is 0; -20 is about the level of a talker on the telephone

    def samples(self) -> NDArray[np.int16]:
        """The tone, with 5 ms of fade at either end so that it does not click."""
        count = round(self.seconds * RATE)
        moments = np.arange(count) / RATE
        fade = np.minimum(1.0, np.minimum(np.arange(1, count + 1), np.arange(count, 0, -1)) / (RATE * 0.005))
        wave = 10 ** (self.dbfs / 20) * np.sin(2 * np.pi * self.hz * moments) * fade
        return np.round(wave * 32767).astype(np.int16)


#: FS-1037C, "recorder warning tone": 1400 Hz, half a second, every 15 s.
FS1037C = Tone(name="fs1037c", hz=1400, seconds=0.5, interval=15)
#: The practice under the FCC's orders of 1947: 1400 Hz, 0.2 s, every 12 to 18 s.
US_LEGACY = Tone(name="us-legacy", hz=1400, seconds=0.2, interval=15)

PROFILES = {tone.name: tone for tone in (FS1037C, US_LEGACY)}


def laid(blocks: Iterable[bytes], marks: Sequence[Mark], tone: Tone) -> Iterator[bytes]:
    """The samples (interleaved) with the tone on both channels wherever a mark says that one was played."""
    wave = tone.samples().astype(np.int32)[:, np.newaxis]
    starts = [mark.start for mark in marks if mark.kind == "tone"]
    at = 0
    for pcm in blocks:
        samples = stereo(pcm)
        end = at + len(samples)
        due = [start for start in starts if start < end and start + len(wave) > at]
        if due:
            mixed = samples.astype(np.int32)
            for start in due:
                first, last = max(start, at), min(start + len(wave), end)
                mixed[first - at : last - at] += wave[first - start : last - start]
            pcm = np.clip(mixed, -32768, 32767).astype("<i2").tobytes()  # noqa: PLW2901
        yield pcm
        at = end


@dataclass(frozen=True, slots=True)
class Heard:
    """A tone that was found."""

    start: float  #: seconds
    seconds: float
    hz: float  #: measured
    dbfs: float


def find(samples: NDArray[np.int16], hz: float, *, above: float = -40.0, least: float = 0.06) -> list[Heard]:
    """Every tone of about ``hz`` in one channel.

    A window holds the tone when its level at ``hz`` (Goertzel) is above ``above`` dBFS and makes up most of
    all that is there.

    Args:
        samples: one channel.
        hz: the frequency that is looked for, to 3 %.
        above: the least level, in dBFS.
        least: the least length, in seconds: speech passes through any frequency for a moment.
    """
    wave = samples.astype(np.float64) / 32768
    if len(wave) < WINDOW:
        return []
    frames = np.lib.stride_tricks.sliding_window_view(wave, WINDOW)[::STEP]
    power = goertzel(frames, hz)
    total = np.mean(frames**2, axis=1)
    there = (10 * np.log10(2 * power + 1e-12) > above) & (power > 0.6 * total)
    return [
        _measured(wave, first, last)
        for first, last in runs(there)
        if (last - first - 1) * STEP + WINDOW >= least * RATE
    ]


def goertzel(frames: NDArray[np.float64], hz: float) -> NDArray[np.float64]:
    """The mean power of one frequency in each row: half the square of its amplitude.

    The sum that Goertzel's recursion gives, taken as one product of matrices.
    """
    size = frames.shape[1]
    probe = np.exp(-2j * np.pi * hz * np.arange(size) / RATE)
    return np.asarray(2 * np.abs(frames @ probe) ** 2 / size**2, dtype=np.float64)


def runs(there: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where a row of yes and no says yes: first index, and first index after it."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], there.astype(np.int8), [0]))))
    return [(int(first), int(last)) for first, last in zip(edges[::2], edges[1::2], strict=True)]


def cadence(found: Sequence[Heard]) -> list[float]:
    """Seconds from the beginning of each tone to that of the next."""
    return [later.start - earlier.start for earlier, later in itertools.pairwise(found)]


def _measured(wave: NDArray[np.float64], first: int, last: int) -> Heard:
    begin, end = first * STEP, (last - 1) * STEP + WINDOW
    part = wave[begin:end]
    # The windows at either end see half a window of tone before they say yes: measure by the envelope.
    level = np.sqrt(np.convolve(part**2, np.ones(STEP) / STEP, mode="same"))
    inside = np.flatnonzero(level > np.max(level) / 2)
    begin, end = begin + int(inside[0]), begin + int(inside[-1]) + 1
    part = wave[begin:end]
    spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), 1 << 16))
    peak = float(np.argmax(spectrum)) * RATE / (1 << 16)
    power = float(np.mean(part**2))
    return Heard(begin / RATE, (end - begin) / RATE, peak, 10 * float(np.log10(2 * power + 1e-12)))


def one_channel(samples: Stereo, channel: int) -> NDArray[np.int16]:
    """The caller (0) or the agent (1)."""
    return np.ascontiguousarray(samples[:, channel])
