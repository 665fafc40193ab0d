"""From evidence to what an answer was and how sure that is. Pure arithmetic.

Some evidence rules an answer out whatever else there is: the grammar leaves loud sound unexplained, the free
ear hears a "not". The rest is weighed by a logistic regression over a handful of figures, fitted to the
training side of the generated corpus (`tests/speech/fit.py` prints the numbers that stand in `WEIGHTS`).

Decided 2026-11: a regression rather than one threshold on the likelihood ratio, which cannot tell "guess who"
from "yes I do"; and nothing with more parameters, because the voices are synthetic, and what is fitted too
closely to them is of no use to people.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path

from callguard.speech.english.evidence import Evidence, Fit
from callguard.speech.english.phrases import BARE, DOUBTS, NEGATIONS, NO, YES
from callguard.speech.thresholds import BARE as BARE_YES
from callguard.speech.thresholds import HALF, NOTHING, PHRASE
from callguard.speech.thresholds import NO as REFUSAL

#: Ratios and their differences are cut to this range: beyond it they tell nothing new.
WORST, BEST = -15.0, 10.0
#: Letters in a second at which people speak; slower or faster, the words are not what was said.
SLOW, FAST = 8.0, 14.0
#: Seconds of silence that an answer comes with.
AROUND = 0.4
#: Kind -> weight of each of `figures`, and the constant.
WEIGHTS = Path(__file__).with_name("weights.json")

#: The two halves of a full answer.
_AFFIRMING = frozenset(("yes", "yeah"))
_AGREEING = frozenset(
    ("agree", "consent", "please", "course", "fine", "sure", "okay", "absolutely", "certainly")
)
#: Never counted, though the recogniser knows them: they soak up the beginning of something longer ("who is
#: this", "you must say yes, I agree").
DOUBLED = frozenset(("yes yes", "yes yes i agree"))
_ALL_YES = frozenset((*YES, *BARE))
_PHRASES = {PHRASE: frozenset(YES), BARE_YES: frozenset(BARE), REFUSAL: frozenset(NO)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """What one answer was."""

    kind: str
    confidence: float
    words: str


def weigh(evidence: Evidence) -> Weighed:
    """The likeliest kind of answer.

    A refusal that is at all likely comes before a yes: when in doubt, nobody agreed.
    """
    found = {kind: _confidence(kind, evidence) for kind in candidates(evidence)}
    refused, agreed = found.pop(REFUSAL, 0.0), max(found.values(), default=0.0)
    if refused and refused >= agreed:
        return Weighed(kind=REFUSAL, confidence=refused, words=evidence.no.words)
    if not found:
        return Weighed(kind=NOTHING, confidence=0.0, words=evidence.free)
    kind = max(found, key=lambda each: found[each])
    words = set(evidence.yes.words.split())
    if kind == PHRASE and not (_AFFIRMING & words and _AGREEING & words):
        kind = HALF
    # What may be a no is so much less of a yes.
    return Weighed(kind=kind, confidence=max(0.0, agreed - refused), words=evidence.yes.words)


def candidates(evidence: Evidence) -> list[str]:
    """The kinds that nothing rules out."""
    found = []
    yes, no = evidence.yes, evidence.no
    heard = set(evidence.free.split()) | set(evidence.again.free.split())
    if yes.holds and yes.words not in DOUBLED and not NEGATIONS & heard:
        found.append(PHRASE if yes.words in _PHRASES[PHRASE] else BARE_YES)
    if no.holds:
        found.append(REFUSAL)
    return found


def figures(kind: str, evidence: Evidence) -> list[float]:
    """What the evidence amounts to for one kind of answer."""
    mine, against = (evidence.no, evidence.yes) if kind == REFUSAL else (evidence.yes, evidence.no)
    words, free = mine.words.split(), evidence.free.split()
    margins = (
        _cut(mine.ratio - evidence.free_ratio),
        _ahead(mine, against),
        _ahead(mine, evidence.rival),
    )
    pace = sum(map(len, words)) / max(0.2, evidence.seconds - AROUND)
    first = [
        _cut(mine.ratio),
        *margins,
        min(margins),
        mine.uncovered,
        SequenceMatcher(None, words, free, autojunk=False).ratio(),
        float(evidence.free in _PHRASES[kind]),
        float(bool(DOUBTS & set(free))),
        max(0.0, SLOW - pace),
        max(0.0, pace - FAST),
        float(bool(_AFFIRMING & set(words))),
        float(bool(_AGREEING & set(words))),
        float(words[-2:] == ["i", "do"]),
    ]
    return first if kind == REFUSAL else [*first, *_second(evidence)]


def _second(evidence: Evidence) -> list[float]:
    """What the other way of hearing says of a yes."""
    again = evidence.again
    if not again.yes.holds:
        return [WORST, WORST, WORST, WORST, 0.0, 0.0, 0.0]
    margins = (_cut(again.yes.ratio - again.free_ratio), _ahead(again.yes, again.rival))
    return [
        _cut(again.yes.ratio),
        *margins,
        min(margins),
        1.0,
        float(again.free in _ALL_YES),
        float(again.yes.words == evidence.yes.words),
    ]


def _ahead(mine: Fit, other: Fit) -> float:
    """By how much one fits better than another; as much as can be where the other does not fit at all."""
    if not other.holds:
        return BEST
    return _cut(mine.ratio - other.ratio)


def _cut(value: float) -> float:
    return min(max(value, WORST), BEST)


def _confidence(kind: str, evidence: Evidence) -> float:
    weights = _weights()[kind]
    total = weights[-1] + sum(w * f for w, f in zip(weights, figures(kind, evidence), strict=False))
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, total))))


@cache
def _weights() -> dict[str, list[float]]:
    kept: dict[str, list[float]] = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return kept
