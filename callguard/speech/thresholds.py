"""From when on an answer counts: a threshold for each kind, because a wrong yes is the worst there is."""

from __future__ import annotations

from dataclasses import dataclass

from callguard.speech.verdict import Meaning, Verdict

#: What an engine can have heard.
PHRASE, HALF, BARE, NO, NOTHING = "phrase", "half", "bare", "no", "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Confidence from which on each kind of answer is clear, 0 to 1. Above 1 it never is."""

    phrase: float  #: "yes, I agree": both halves
    half: float  #: "I agree", "yes I do": one that is said, and sounds, less clearly
    bare: float  #: "yes"
    no: float


def judged(
    *, kind: str, confidence: float, words: str, thresholds: Thresholds, engine: str, language: str
) -> Verdict:
    """What an engine heard, as a verdict.

    Raises:
        ValueError: there is no such kind, or the confidence is none.
    """
    if not 0 <= confidence <= 1:
        raise ValueError(f"a confidence of {confidence}")
    needed = {
        PHRASE: thresholds.phrase,
        HALF: thresholds.half,
        BARE: thresholds.bare,
        NO: thresholds.no,
        NOTHING: 0.0,
    }
    if kind not in needed:
        raise ValueError(f"an answer of the kind {kind!r}")
    clear = confidence >= needed[kind]
    if kind == NOTHING:
        meaning, why = Meaning.OTHER, "no answer that is known"
    elif not clear:
        meaning, why = Meaning.UNCLEAR, f"{kind} with {confidence:.2f} of {needed[kind]:.2f}"
    else:
        meaning = Meaning.NO if kind == NO else Meaning.YES
        why = f"{kind} with {confidence:.2f}, {needed[kind]:.2f} needed"
    return Verdict(
        meaning=meaning,
        confidence=confidence,
        kind=kind,
        heard=words,
        why=why,
        engine=engine,
        language=language,
    )
