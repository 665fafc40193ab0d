"""Which kind of answer something is, by its sound as a whole.

A small network over the frames of `callguard.speech.english.transcriber`: two steps that look at what stands
side by side, then the strongest and the average of it over the answer. It learnt from synthetic voices that
said thousands of answers and of things that only resemble one (`tests/speech/learn_answers.py`); the frames
below it learnt from people. Of several networks the mean is taken: they err in different places.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from callguard.speech.english.evidence import OTHER
from callguard.speech.english.transcriber import Frames
from callguard.speech.thresholds import BARE, HALF, NO, PHRASE

Network: TypeAlias = dict[str, Frames]

#: Frames that each step looks at, and how far they lie apart.
TAPS, SPREADS = 5, (1, 2)
NETWORKS = Path(__file__).with_name("answers.npz")


class Kind(StrEnum):
    """What it tells apart, in the order of its figures."""

    PHRASE = PHRASE
    HALF = HALF
    BARE = BARE
    NO = NO
    OTHER = OTHER


def chances(frames: Frames) -> dict[Kind, float]:
    """How likely (natural logarithm) each kind is; at all, together, certain."""
    found = np.mean([_of(network, frames) for network in _networks()], axis=0)
    found -= found.max()
    found -= np.log(np.exp(found).sum())
    return dict(zip(Kind, map(float, found), strict=True))


def _of(network: Network, frames: Frames) -> NDArray[np.float64]:
    seen = frames @ network["narrow"] + network["narrow_bias"]
    for step, spread in enumerate(SPREADS):
        reach = TAPS // 2 * spread
        wider = np.pad(_risen(seen), ((reach, reach), (0, 0)))
        side_by_side = np.concatenate(
            [wider[at * spread : at * spread + len(seen)] for at in range(TAPS)], axis=1
        )
        seen = seen + side_by_side @ network[f"step{step}"] + network[f"step{step}_bias"]
    seen = _risen(seen)
    whole = np.concatenate([seen.max(axis=0), seen.mean(axis=0)])
    inner = _risen(whole @ network["inner"] + network["inner_bias"])
    return np.asarray(inner @ network["outer"] + network["outer_bias"], dtype=np.float64)


def _risen(values: Frames) -> Frames:
    return np.maximum(values, 0)


@cache
def _networks() -> list[Network]:
    found: dict[str, Network] = {}
    with np.load(NETWORKS) as kept:
        for name in kept.files:
            number, _, part = name.partition(".")
            found.setdefault(number, {})[part] = kept[name].astype(np.float32)
    return list(found.values())
