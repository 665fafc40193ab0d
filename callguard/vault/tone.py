"""The warning tone: its profiles, laying it into exported audio, and finding it there again.

Decided 2026-11: the tone is laid in on export and never sealed with the speech. Asterisk does not write
into a recording what it plays as a beep (seen on 22.10.1), so the marks of the recording say when the
parties heard it; and speech without a tone over it is what a court wants to hear in the other cases.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from callguard.vault.marks import Mark
from callguard.vault.sound import RATE, Stereo, stereo

#: Of the finder: steps of 10 ms, looked at through 20 ms.
STEP = RATE // 100
WINDOW = 2 * STEP


#: What `amiss` lets pass. The old orders allowed 10 % of the frequency, 20 % of a length of 0.2 s (40 ms),
#: and 12 to 18 s; a tone on time keeps within 50 ms, and G.711 keeps a level within 1 dB.
HZ_TOLERANCE = 0.01
SECONDS_TOLERANCE = 0.04
INTERVAL_TOLERANCE = 0.05
LEVEL_TOLERANCE = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Tone:
    """A warning tone."""

    name: str
    hz: float
    seconds: float
    interval: float  #: seconds from one beginning to the next
    dbfs: float = -20.0  #: a full-scale sine is 0; -20 is about the level of a talker on the telephone

    @property
    def count(self) -> int:
        """How many samples it has in a recording."""
        return round(self.seconds * RATE)

    def samples(self, rate: int = RATE) -> NDArray[np.int16]:
        """The tone, with 5 ms of fade at either end so that it does not click."""
        count = round(self.seconds * rate)
        moments = np.arange(count) / rate
        fade = np.minimum(1.0, np.minimum(np.arange(1, count + 1), np.arange(count, 0, -1)) / (rate * 0.005))
        wave = 10 ** (self.dbfs / 20) * np.sin(2 * np.pi * self.hz * moments) * fade
        return np.round(wave * 32767).astype(np.int16)


#: FS-1037C, "recorder warning tone": 1400 Hz, half a second, every 15 s.
FS1037C = Tone(name="fs1037c", hz=1400, seconds=0.5, interval=15)
#: The practice under the FCC's orders of 1947: 1400 Hz, 0.2 s, every 12 to 18 s.
US_LEGACY = Tone(name="us-legacy", hz=1400, seconds=0.2, interval=15)

PROFILES = {tone.name: tone for tone in (FS1037C, US_LEGACY)}


#: The channels of a recording in which a tone is laid: where those who heard it would have recorded it. The
#: left one is what the agent hears of the caller, the right one what the caller hears.
_CHANNELS = {"both": slice(0, 2), "agent": slice(0, 1), "caller": slice(1, 2)}


def laid(blocks: Iterable[bytes], marks: Sequence[Mark], tone: Tone) -> Iterator[bytes]:
    """The samples (interleaved) with the tone wherever a mark says that one was played.

    What a mark says of its tone (``frequency``, ``level``, ``heard``, and its end) goes before ``tone``.
    """
    played = [(mark, _played(mark, tone)) for mark in marks if mark.kind == "tone"]
    at = 0
    for pcm in blocks:
        samples = stereo(pcm)
        end = at + len(samples)
        due = [(mark, one) for mark, one in played if mark.start < end and mark.start + one.count > at]
        mixed = samples.astype(np.int32) if due else samples
        for mark, one in due:
            wave = one.samples().astype(np.int32)[:, np.newaxis]
            first, last = max(mark.start, at), min(mark.start + len(wave), end)
            channels = _CHANNELS.get(mark.detail.get("heard", "both"), slice(0))
            mixed[first - at : last - at, channels] += wave[first - mark.start : last - mark.start]
        yield np.clip(mixed, -32768, 32767).astype("<i2").tobytes() if due else pcm
        at = end


def _played(mark: Mark, tone: Tone) -> Tone:
    """The tone that a mark tells of; a pause may have cut it short."""
    return replace(
        tone,
        hz=float(mark.detail.get("frequency", tone.hz)),
        dbfs=float(mark.detail.get("level", tone.dbfs)),
        seconds=tone.seconds if mark.end is None else (mark.end - mark.start) / RATE,
    )


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


def amiss(
    found: Sequence[Heard],
    tone: Tone,
    *,
    silent: Sequence[tuple[float, float]] = (),
    until: float | None = None,
) -> list[str]:
    """What is wrong with the tones that were heard, or that an exported file holds.

    Args:
        found: all tones, in order (see `find`).
        tone: what they should be.
        silent: where nothing may sound (pauses), in seconds. The tone begins anew after each.
        until: the end of what was listened to, in seconds; None does not ask for a tone after the last one.
    """
    wrong = [f"at {each.start:.2f} s {what}" for each in found for what in _amiss(each, tone, silent)]
    starts = [each.start for each in found] + ([] if until is None else [until])
    for earlier, later in itertools.pairwise(starts):
        quiet = any(earlier < last and first < later for first, last in silent)
        last = later == until
        late = later - earlier - tone.interval
        if late > INTERVAL_TOLERANCE and not quiet:
            wrong.append(f"no tone for {later - earlier:.2f} s from {earlier:.2f} s on")
        elif late < -INTERVAL_TOLERANCE and not quiet and not last:
            wrong.append(f"a tone only {later - earlier:.2f} s after the one at {earlier:.2f} s")
    return wrong


def _amiss(heard: Heard, tone: Tone, silent: Sequence[tuple[float, float]]) -> Iterator[str]:
    if abs(heard.hz - tone.hz) > HZ_TOLERANCE * tone.hz:
        yield f"{heard.hz:.0f} Hz instead of {tone.hz:g}"
    if abs(heard.seconds - tone.seconds) > SECONDS_TOLERANCE:
        yield f"{heard.seconds:.3f} s long instead of {tone.seconds:g}"
    if abs(heard.dbfs - tone.dbfs) > LEVEL_TOLERANCE:
        yield f"{heard.dbfs:.1f} dBFS instead of {tone.dbfs:g}"
    if any(first < heard.start + heard.seconds and heard.start < last for first, last in silent):
        yield "while nothing may sound"


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
