"""From evidence to what an answer was and how sure that is. Pure arithmetic.

Some evidence rules a yes out whatever else there is: somebody is heard to disagree; the classifier takes it
for a refusal; the grammar leaves loud sound unexplained and the free ear hears a "not"; one of them objects,
and the transcriber and the classifier do not outvote it together. The rest is weighed by a logistic
regression over a handful of figures for each kind of answer, fitted to the weighing side of the generated
corpus (`tests/speech/fit.py` prints the numbers that stand in `WEIGHTS`).

Decided 2026-11: a regression rather than one threshold on a likelihood ratio, which cannot tell "guess who"
from "yes I do"; and figures of two recognisers that have nothing in common, because either alone is sure of
some wrong ones ("they agree" sounds like "I agree" to one, "jazz" like "yes" to the other).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path

from callguard.speech.english.evidence import Evidence, Fit, View, hopeless
from callguard.speech.english.phrases import NEGATIONS
from callguard.speech.english.spelling import ANSWERS, kind_of
from callguard.speech.thresholds import BARE, HALF, NO, NOTHING, PHRASE

#: Ratios and their differences are cut to this range: beyond it they tell nothing new.
WORST, BEST = -15.0, 10.0
#: Letters in a second at which people speak; slower or faster, the words are not what was said.
SLOW, FAST = 8.0, 14.0
#: Seconds of silence that an answer comes with.
AROUND = 0.4
#: A classifier's opinion is cut here (natural logarithm of odds): surer than that it cannot be.
SUREST = 8.0
#: A "not" that the transcriber may have written, or that was heard in the second look, rules a yes out unless
#: the classifier is so sure of it: "I consent" is often written "I can't".
CERTAIN = 1.5
#: What the strict ear leaves unexplained, or the free ear hears a "not" in, the transcriber has to account
#: for: in either view an answer of the kind is at most by so much less likely than what it would write
#: (natural logarithm); and the classifier has to be so sure (odds of 12; for none of 978 refusals on the
#: weighing side they are above 4).
NEARLY, SURE = 5.0, 2.5
#: Kind -> weight of each of `figures`, and the constant.
WEIGHTS = Path(__file__).with_name("weights.json")
#: Answers of this kind are mistaken for each other, and it does no harm.
_LIKE = {PHRASE: (PHRASE, HALF), HALF: (PHRASE, HALF), BARE: (BARE,), NO: (NO,)}
_AGREED = (PHRASE, HALF, BARE)
#: Heard by the free ear or written by the transcriber, each of these says the opposite of the yes around it
#: ("yes, I disagree"). Unlike a "not" they are never misheard into one (none of 1,585 on the weighing side).
OUTRIGHT = frozenset(("disagree", "disagreed", "disagrees", "object", "against"))
#: Never counted, though the strict ear knows them: they soak up the beginning of something longer ("who is
#: this", "you must say yes, I agree").
DOUBLED = frozenset(("yes yes", "yes yes i agree"))


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
    written = evidence.views[0].text if evidence.views else evidence.free
    found = {kind: confidence(kind, evidence) for kind in candidates(evidence)}
    refused, agreed = found.pop(NO, 0.0), max(found.values(), default=0.0)
    if refused and refused >= agreed:
        return Weighed(kind=NO, confidence=refused, words=_said(evidence, (NO,)) or written)
    if not found:
        return Weighed(kind=NOTHING, confidence=0.0, words=written)
    (kind,) = found
    # What may be a no is so much less of a yes.
    return Weighed(
        kind=kind, confidence=max(0.0, agreed - refused), words=_said(evidence, _LIKE[kind]) or written
    )


def candidates(evidence: Evidence) -> list[str]:
    """The kinds that nothing rules out: one of a yes at most, and a no."""
    if hopeless(evidence.views):
        return []
    sure = {kind: _mean(view.kinds[kind] for view in evidence.views) for kind in (*_AGREED, NO)}
    agreed = max(_AGREED, key=lambda kind: sure[kind])
    negated = any(view.negated for view in evidence.views)
    doubted = negated or NEGATIONS & set(evidence.again.free.split())
    odds = _odds_of(agreed, evidence)
    refused = sure[NO] > sure[agreed] or (doubted and odds < CERTAIN)
    covered = evidence.yes.holds and evidence.yes.words not in DOUBLED and _said(evidence, _LIKE[agreed])
    denied = NEGATIONS & set(evidence.free.split())
    written = odds >= SURE and _behind(agreed, evidence.views) <= NEARLY
    # What one of sphinx's ears objects to, the others have to account for; if both object, it is none.
    accounted = (covered or written) if not denied else (covered and written)
    heard = (evidence.free, evidence.again.free, *(view.text for view in evidence.views))
    outright = any(OUTRIGHT & set(words.split()) for words in heard)
    found = [agreed] if accounted and not refused and not outright else []
    if evidence.no.holds or negated or refused or outright:
        found.append(NO)
    return found


def _odds_of(kind: str, evidence: Evidence) -> float:
    """How sure the classifier is that it is of this kind or as good; in the worse of both views."""
    return min(_odds(_sum(view.kinds[each] for each in _LIKE[kind])) for view in evidence.views)


def _behind(kind: str, views: Sequence[View]) -> float:
    """By how much an answer of the kind is less likely than what the transcriber would write, if anything."""
    return max(view.other - _sum(view.texts[each] for each in _LIKE[kind]) for view in views)


def figures(kind: str, evidence: Evidence) -> list[float]:
    """What the evidence amounts to for one kind of answer."""
    return [*_by_sound(kind, evidence.views), *_by_grammar(kind, evidence)]


def _by_sound(kind: str, views: Sequence[View]) -> Iterator[float]:
    """The transcriber's, and the classifier's on top of it: the worse view, and the mean of both."""
    like = _LIKE[kind]
    for opinions in (
        [_odds(_sum(view.kinds[each] for each in like)) for view in views],
        [_odds(view.kinds[kind]) for view in views],
        [_sum(view.texts[each] for each in like) for view in views],
        [_cut(_sum(view.texts[each] for each in like) - view.other) for view in views],
        [_cut(view.texts[NO] - _sum(view.texts[each] for each in _AGREED)) for view in views],
    ):
        yield min(opinions)
        yield _mean(opinions)
    yield _mean(float(any(view.text in ANSWERS[each] for each in like)) for view in views)
    yield _mean([float(view.negated) for view in views])


def _by_grammar(kind: str, evidence: Evidence) -> Iterator[float]:
    """The strict ear's and the free ear's; as bad as can be where the strict one has no such answer."""
    mine, against = (evidence.no, evidence.yes) if kind == NO else (evidence.yes, evidence.no)
    again = evidence.again
    held = mine.holds and mine.words not in DOUBLED and kind_of(mine.words) in _LIKE[kind]
    words, free = mine.words.split(), evidence.free.split()
    pace = sum(map(len, words)) / max(0.2, evidence.seconds - AROUND)
    margins = (
        [_cut(mine.ratio - evidence.free_ratio), _ahead(mine, against), _ahead(mine, evidence.rival)]
        if held
        else [WORST] * 3
    )
    seconds = (
        [_cut(again.yes.ratio - again.free_ratio), _ahead(again.yes, again.rival)]
        if held and again.yes.holds
        else [WORST] * 2
    )
    yield float(held)
    yield _cut(mine.ratio) if held else WORST
    yield from margins
    yield min(margins)
    yield mine.uncovered if held else 1.0
    yield from seconds
    yield min(seconds)
    yield float(held and again.yes.words == mine.words)
    yield SequenceMatcher(None, words, free, autojunk=False).ratio() if held else 0.0
    yield max(0.0, SLOW - pace) if held else 0.0
    yield max(0.0, pace - FAST) if held else 0.0
    yield _mean(float(view.text == mine.words) for view in evidence.views)


def confidence(kind: str, evidence: Evidence) -> float:
    """How sure it is that this is an answer of the kind, 0 to 1."""
    weights = _weights()[kind]
    total = weights[-1] + sum(w * f for w, f in zip(weights[:-1], figures(kind, evidence), strict=True))
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, total))))


def _said(evidence: Evidence, like: Sequence[str]) -> str:
    """The answer in words that are known; empty when none of the recognisers has any."""
    strict = evidence.no if NO in like else evidence.yes
    known = [strict.words if strict.holds else "", *(view.text for view in evidence.views)]
    return next((words for words in known if any(words in ANSWERS[kind] for kind in like)), "")


def _ahead(mine: Fit, other: Fit) -> float:
    """By how much one fits better than another; as much as can be where the other does not fit at all."""
    if not other.holds:
        return BEST
    return _cut(mine.ratio - other.ratio)


def _cut(value: float) -> float:
    return min(max(value, WORST), BEST)


def _odds(likely: float) -> float:
    """Logarithm of the odds, from that of a chance."""
    rest = math.log(max(1e-9, -math.expm1(min(likely, -1e-9))))
    return min(max(likely - rest, -SUREST), SUREST)


def _sum(likely: Iterator[float]) -> float:
    """The logarithm of the sum of chances."""
    values = list(likely)
    most = max(values)
    return most + math.log(sum(math.exp(value - most) for value in values))


def _mean(values: Iterator[float] | Sequence[float]) -> float:
    given = list(values)
    return sum(given) / len(given)


@cache
def _weights() -> dict[str, list[float]]:
    kept: dict[str, list[float]] = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return kept
