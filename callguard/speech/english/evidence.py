"""What the ears say of one answer."""

from __future__ import annotations

from dataclasses import dataclass

#: A grammar that leaves more of the loud frames unexplained did not hear this answer.
UNCOVERED = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How a grammar took the answer."""

    words: str  #: empty when it did not fit from beginning to end
    ratio: float  #: log likelihood per frame against the loop of phones; lower is worse
    uncovered: float  #: share of the loud frames that the grammar calls silence

    @property
    def holds(self) -> bool:
        """Whether it explains the whole answer."""
        return bool(self.words) and self.uncovered <= UNCOVERED


#: The ratio of what found no path at all.
LOST = -99.0
NO_FIT = Fit(words="", ratio=LOST, uncovered=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """A would-be yes, heard in another way."""

    yes: Fit = NO_FIT
    rival: Fit = NO_FIT
    free: str = ""
    free_ratio: float = LOST


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the ears say of one answer. Where neither a yes nor a no holds, nothing else was looked at."""

    yes: Fit
    no: Fit
    rival: Fit = NO_FIT  #: of what sounds like a yes and is none
    free: str = ""  #: what the free ear understood
    free_ratio: float = LOST
    seconds: float  #: length of what was listened to
    again: Again = Again()
