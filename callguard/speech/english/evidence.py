"""What the ears say of one answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How a grammar took the answer."""

    words: str  #: empty when it did not fit from beginning to end
    ratio: float  #: log likelihood per frame against the loop of phones; lower is worse
    uncovered: float  #: share of the loud frames that the grammar calls silence


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the ears say of one answer."""

    yes: Fit
    no: Fit
    rival: Fit  #: of what sounds like a yes and is none
    free: str  #: what the free ear understood
    free_ratio: float
    free_uncovered: float
    seconds: float  #: length of what was listened to
