"""What the ears say of one answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: A grammar that leaves more of the loud frames unexplained did not hear this answer.
UNCOVERED = 0.25


#: A chance of 0.003 (natural logarithm). Of 1,720 answers by voices that the classifier did not know none was
#: below it, clean and at 20 dB, and three in four of what was no answer.
UNLIKELY = -5.8
#: What the classifier calls everything else.
OTHER = "other"


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
class View:
    """One way of bringing the answer to the transcriber, and what came of it. All are natural logarithms."""

    #: How likely each kind is by the sound as a whole.
    kinds: Mapping[str, float]
    #: How likely one of the texts of each kind is (phrase, half, bare, no).
    texts: Mapping[str, float]
    text: str  #: what the transcriber would write, in plain words
    other: float  #: how likely the likeliest text is that is no answer
    negated: bool  #: a "not" stands in what it would most likely write


def hopeless(views: Sequence[View]) -> bool:
    """Whether the classifier sees nothing of an answer in any view, so that nobody else need be asked."""
    return all(view.kinds[kind] < UNLIKELY for view in views for kind in view.kinds if kind != OTHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the ears say of one answer. Where the strict one has neither a yes nor a no, it looked no more."""

    yes: Fit
    no: Fit
    rival: Fit = NO_FIT  #: of what sounds like a yes and is none
    free: str = ""  #: what the free ear understood
    free_ratio: float = LOST
    seconds: float  #: length of what was listened to
    again: Again = Again()
    views: tuple[View, ...]
