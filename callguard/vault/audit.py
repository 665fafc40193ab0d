"""What an auditor listens for in a finished recording; plain values in, findings out.

The facts to compare with come from the ledger, which this room does not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from callguard.vault.errors import VaultError
from callguard.vault.export import whole
from callguard.vault.marks import Mark
from callguard.vault.reading import Finding, Reading
from callguard.vault.sound import RATE, Stereo, stereo
from callguard.vault.tone import Tone, goertzel, one_channel, runs

#: ITU-T Q.23: the rows and columns of a telephone's keys.
ROWS = (697.0, 770.0, 852.0, 941.0)
COLUMNS = (1209.0, 1336.0, 1477.0, 1633.0)

#: A window of 25.6 ms separates the frequencies (they are 73 Hz apart at least), every 12.8 ms.
_KEY_WINDOW = 205
_KEY_STEP = 102
#: Shorter than this nothing counts as a key (Q.24 lets a receiver ignore 20 ms and wants 40 ms heard).
_KEY_WINDOWS = 2
_KEY_DBFS = -45.0
#: How much stronger a row may be than its column or the other way round, in dB (Q.24: 8 and 4).
_TWIST = 10.0

#: How long both channels may be exactly zero without a pause before it is worth a look.
QUIET_SECONDS = 3.0
#: How far the ledger's length of a call may be from that of its recording.
LENGTH_TOLERANCE = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the ledger says of a recording. ``None``: it says nothing."""

    silences: tuple[tuple[int, int], ...] = ()  #: pauses and erasures, in samples
    seconds: float | None = None  #: of the capture, gaps taken off
    sha256: str | None = None
    tone: Tone | None = None  #: the warning tone that the plan asked for


def audit(reading: Reading, expected: Expected) -> list[Finding]:
    """Everything that is not as the ledger, the marks or the rules say."""
    verdict = reading.verify()
    findings = list(verdict.findings)
    if findings:
        return findings
    name = reading.recording
    if not verdict.complete or verdict.missing:
        findings.append(Finding(name, f"misses {verdict.missing}"))
    if expected.sha256 is not None and expected.sha256 != verdict.sha256:
        findings.append(
            Finding(name, f"has the hash {verdict.sha256}, and the ledger says {expected.sha256}")
        )
    if expected.seconds is not None and abs(expected.seconds - verdict.seconds) > LENGTH_TOLERANCE:
        what = f"is {verdict.seconds:.1f} s long, and by the ledger it should be {expected.seconds:.1f} s"
        findings.append(Finding(name, what))
    try:
        samples, marks = stereo(whole(reading)), reading.marks()
    except VaultError as error:
        return [*findings, Finding(name, str(error))]
    findings += [Finding(name, what) for what in silences(samples, expected.silences, marks)]
    for channel, who in enumerate(("caller", "agent")):
        findings += [
            Finding(name, f"a key tone of the {who} is left at {first:.2f} s ({length:.2f} s long)")
            for first, length in key_tones(one_channel(samples, channel))
        ]
    if expected.tone is not None:
        findings += [
            Finding(name, what) for what in tones(marks, expected.tone, len(samples), expected.silences)
        ]
    return findings


def silences(samples: Stereo, ordered: Sequence[tuple[int, int]], marks: Sequence[Mark]) -> list[str]:
    """Where it is not silent and should be, and where it is and nobody said so."""
    wrong = []
    spans = [*ordered, *_spans(marks)]
    for first, last in sorted(set(spans)):
        loud = np.flatnonzero(samples[first:last].any(axis=1))
        if len(loud):
            at, count = (first + int(loud[0])) / RATE, len(loud)
            wrong.append(f"{count} samples are not silent from {at:.3f} s on, within a pause or an erasure")
    dead = np.logical_not(samples.any(axis=1))
    for first, last in spans:
        dead[first:last] = False
    for first, last in runs(dead):
        if last - first > QUIET_SECONDS * RATE:
            span = f"from {first / RATE:.2f} s to {last / RATE:.2f} s"
            wrong.append(f"both channels are dead {span}, and no pause says why")
    return wrong


def key_tones(samples: NDArray[np.int16]) -> list[tuple[float, float]]:
    """Where a key tone sounds in one channel, and how long, in seconds; never which key it was."""
    wave = samples.astype(np.float64) / 32768
    if len(wave) < _KEY_WINDOW:
        return []
    frames = np.lib.stride_tricks.sliding_window_view(wave, _KEY_WINDOW)[::_KEY_STEP]
    total = np.mean(frames**2, axis=1)
    low = np.stack([goertzel(frames, hz) for hz in ROWS])
    high = np.stack([goertzel(frames, hz) for hz in COLUMNS])
    row, column = low.max(axis=0), high.max(axis=0)
    twist = np.abs(10 * np.log10((row + 1e-15) / (column + 1e-15)))
    there = (
        (10 * np.log10(2 * np.minimum(row, column) + 1e-15) > _KEY_DBFS)
        & (twist < _TWIST)
        & (row + column > 0.7 * total)
    )
    return [
        (first * _KEY_STEP / RATE, ((last - first - 1) * _KEY_STEP + _KEY_WINDOW) / RATE)
        for first, last in runs(there)
        if last - first >= _KEY_WINDOWS
    ]


def tones(
    marks: Sequence[Mark], tone: Tone, samples: int, silent: Sequence[tuple[int, int]], slack: float = 3.0
) -> list[str]:
    """Where the marks say that the warning tone was late; it need not sound while nothing is captured."""
    starts = [mark.start for mark in marks if mark.kind == "tone"]
    wrong = []
    for first, last in zip([0, *starts], [*starts, samples], strict=True):
        quiet = sum(max(0, min(last, end) - max(first, begin)) for begin, end in silent)
        seconds = (last - first - quiet) / RATE
        if seconds > tone.interval + slack:
            wrong.append(
                f"no warning tone for {seconds:.1f} s from {first / RATE:.1f} s on; the profile says "
                f"one every {tone.interval:g} s"
            )
    return wrong


def _spans(marks: Sequence[Mark]) -> list[tuple[int, int]]:
    return [(m.start, m.end) for m in marks if m.kind in {"pause", "erased", "gap"} and m.end is not None]
