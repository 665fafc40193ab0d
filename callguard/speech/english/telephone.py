"""A telephone's sound in the terms of a wideband model.

The model that comes with pocketsphinx was trained on sound up to 6.8 kHz, and a telephone ends at 3.4: its
"yes" loses the s. So the features are not computed from made-up high frequencies; they are estimated from the
telephone's own band, by a small network that learnt from pairs of the same speech on both kinds of line
(`tests/speech/learn.py`, which also says what it gained). 16 kHz legs need none of this.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Frames: TypeAlias = NDArray[np.float32]

RATE = 8000
#: Samples between frames and in one: 10 ms and 25.6 ms, as in the model.
STEP, WINDOW = 80, 205
#: Bins of the mel scale within the band, and the band.
BINS, LOW, HIGH = 18, 200.0, 3700.0
#: Frames to either side that the network sees: 40 ms.
CONTEXT = 4
#: Features that the model wants.
CEPSTRA = 13
#: The first difference that sphinx takes before anything else.
EMPHASIS = 0.97
#: Power below this is no sound (the rounding of mu-law makes more).
FLOOR = 1e2
#: Sphinx leaves frames out of the channel's mean whose first feature is negative, taking them for digital
#: silence (cmn.c). Ours has no level of its own, so it is lifted above that; the mean takes it away again.
LIFT = 500.0
NETWORK = Path(__file__).with_name("telephone.npz")


def cepstra(pcm: bytes | bytearray) -> bytes:
    """Features of a stretch of 8 kHz speech, as `Decoder.process_cep` takes them."""
    seen = with_context(bands(pcm))
    net = _network()
    inner = np.maximum((seen - net["mean"]) / net["deviation"] @ net["inner"] + net["inner_bias"], 0)
    made = (
        inner @ net["outer"] + net["outer_bias"] + (seen - net["mean"]) / net["deviation"] @ net["straight"]
    )
    made *= net["scale"]
    made[:, 0] += LIFT
    return bytes(made.astype("<f4").tobytes())


def bands(pcm: bytes | bytearray) -> Frames:
    """Log power in each bin of each frame."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    if len(samples) < WINDOW:
        return np.zeros((0, BINS), dtype=np.float32)
    risen = np.append(samples[0], samples[1:] - EMPHASIS * samples[:-1])
    windows = np.lib.stride_tricks.sliding_window_view(risen, WINDOW)[::STEP]
    power = np.square(np.abs(np.fft.rfft(windows * np.hamming(WINDOW), 256)))
    return np.log(power @ _filters().T + FLOOR).astype(np.float32)


def with_context(frames: Frames) -> Frames:
    """Each frame with its neighbours, without the channel (the mean over the answer)."""
    if not len(frames):
        return np.zeros((0, BINS * (2 * CONTEXT + 1)), dtype=np.float32)
    level = frames - frames.mean(axis=0)
    wider = np.pad(level, ((CONTEXT, CONTEXT), (0, 0)), "edge")
    return np.concatenate([wider[at : at + len(frames)] for at in range(2 * CONTEXT + 1)], axis=1)


@cache
def _filters() -> NDArray[np.float64]:
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (LOW, HIGH))
    edges = 700 * (10 ** (np.linspace(low, high, BINS + 2) / 2595) - 1)
    hz = np.arange(129) * RATE / 256
    left, middle, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    return np.asarray(
        np.clip(np.minimum((hz - left) / (middle - left), (right - hz) / (right - middle)), 0, None)
    )


@cache
def _network() -> dict[str, Frames]:
    with np.load(NETWORK) as kept:
        return {name: kept[name] for name in kept.files}
