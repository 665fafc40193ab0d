"""Key tones in a recording: whether any are left, never which key it was.

Two ways to look. Everywhere: for keys that a receiver would take (40 ms), which 25 minutes of recorded
prompts are never mistaken for. At the edges of what was paused or erased: for a rest of a key of 15 ms, which
speech is mistaken for once in six minutes, and an edge is a fifth of a second.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from callguard.vault.sound import RATE
from callguard.vault.tone import runs

#: ITU-T Q.23: the rows and columns of a telephone's keys.
ROWS = (697.0, 770.0, 852.0, 941.0)
COLUMNS = (1209.0, 1336.0, 1477.0, 1633.0)

#: A window of 25.6 ms separates the frequencies (they are 73 Hz apart at least), every 12.8 ms.
_WINDOW, _STEP = 205, 102
#: Shorter than this nothing counts as a key (Q.24 lets a receiver ignore 20 ms and wants 40 ms heard).
_WINDOWS = 2
#: For a rest of a key: 20 ms, every 5 ms. 15 ms of a key were found in all of 64 trials, 10 ms in none.
_FINE_WINDOW, _FINE_STEP = 160, 40
#: How far from the edge of a silence a rest of a key is looked for, in samples: 100 ms.
_NEAR = RATE // 10

_DBFS = -45.0
#: How much stronger a row may be than its column or the other way round, in dB (Q.24: 8 and 4).
_TWIST = 10.0
#: What of all that sounds the two tones have to make up.
_SHARE = 0.7
#: How many windows are looked at at a time: 4 MB.
_AT_A_TIME = 2000


def key_tones(samples: NDArray[np.int16]) -> list[tuple[float, float]]:
    """Where a key tone sounds in one channel, and how long, in seconds."""
    there = _there(samples, _WINDOW, _STEP)
    return [
        (first * _STEP / RATE, ((last - first - 1) * _STEP + _WINDOW) / RATE)
        for first, last in runs(there)
        if last - first >= _WINDOWS
    ]


def rests(samples: NDArray[np.int16], silent: Iterable[tuple[int, int]]) -> list[float]:
    """At which edges of silences the rest of a key is left in one channel, in seconds.

    Args:
        samples: one channel.
        silent: what was paused or erased: first sample, and first sample after it.
    """
    edges = {edge for span in silent for edge in span}
    return [
        edge / RATE
        for edge in sorted(edges)
        if _there(samples[max(0, edge - _NEAR) : edge + _NEAR], _FINE_WINDOW, _FINE_STEP).any()
    ]


def _there(samples: NDArray[np.int16], window: int, step: int) -> NDArray[np.bool_]:
    """For each window: is it a row and a column, and little else?"""
    count = max(0, (len(samples) - window) // step + 1)
    found = [np.zeros(0, np.bool_)]
    probes = _probes(window)
    for first in range(0, count, _AT_A_TIME):
        last = min(first + _AT_A_TIME, count)
        wave = samples[first * step : (last - 1) * step + window].astype(np.float64) / 32768
        frames = np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(wave, window)[::step])
        total = np.mean(frames**2, axis=1)
        parts = (frames @ probes) ** 2
        power = 2 * (parts[:, :8] + parts[:, 8:]) / window**2
        row, column = power[:, :4].max(axis=1), power[:, 4:].max(axis=1)
        twist = np.abs(10 * np.log10((row + 1e-15) / (column + 1e-15)))
        loud = 10 * np.log10(2 * np.minimum(row, column) + 1e-15) > _DBFS
        found.append(loud & (twist < _TWIST) & (row + column > _SHARE * total))
    return np.concatenate(found)


@cache
def _probes(window: int) -> NDArray[np.float64]:
    """What a window is multiplied with: the cosines of all eight tones, then their sines (Goertzel)."""
    turns = 2 * np.pi * np.outer(np.arange(window), (*ROWS, *COLUMNS)) / RATE
    return np.hstack([np.cos(turns), np.sin(turns)])
