"""What evidence amounts to: a yes only where nothing speaks against it."""

from dataclasses import replace

import pytest

from callguard.speech.english.evidence import UNCOVERED, Evidence, Fit
from callguard.speech.english.weighing import weigh
from callguard.speech.thresholds import Thresholds, judged
from callguard.speech.verdict import Meaning

NOTHING = Fit(words="", ratio=-99.0, uncovered=1.0)
AGREED = Evidence(
    yes=Fit(words="yes i agree", ratio=5.0, uncovered=0.0),
    no=NOTHING,
    rival=NOTHING,
    free="yes i agree",
    free_ratio=3.0,
    seconds=1.6,
)
THRESHOLDS = Thresholds(phrase=0.9, half=0.9, bare=0.95, no=0.5)


def meaning(evidence: Evidence) -> Meaning:
    found = weigh(evidence)
    return judged(
        kind=found.kind,
        confidence=found.confidence,
        words=found.words,
        thresholds=THRESHOLDS,
        engine="e",
        language="en",
    ).meaning


def test_a_clear_phrase_is_a_yes() -> None:
    assert weigh(AGREED).kind == "phrase"
    assert meaning(AGREED) is Meaning.YES


def test_a_clear_refusal_is_a_no() -> None:
    refused = replace(
        AGREED,
        yes=NOTHING,
        no=Fit(words="no i don't agree", ratio=5.0, uncovered=0.0),
        free="no i don't agree",
    )
    assert meaning(refused) is Meaning.NO


@pytest.mark.parametrize("word", ["not", "don't", "no", "never", "can't"])
def test_a_yes_in_which_the_free_ear_hears_a_negation_is_none(word: str) -> None:
    doubted = replace(AGREED, free=f"yes i {word} agree")
    assert weigh(doubted).kind == "nothing"
    assert meaning(doubted) is Meaning.OTHER


@pytest.mark.parametrize("word", ["if", "who", "guess", "they", "do you"])
def test_a_question_or_a_condition_takes_confidence_away(word: str) -> None:
    doubted = replace(AGREED, free=f"{word} i agree")
    assert weigh(doubted).confidence < weigh(AGREED).confidence


def test_a_phrase_that_leaves_loud_sound_unexplained_is_none() -> None:
    partly = replace(AGREED, yes=replace(AGREED.yes, uncovered=UNCOVERED + 0.01))
    assert weigh(partly).kind == "nothing"


def test_what_sounds_alike_and_fits_better_takes_confidence_away() -> None:
    rival = replace(AGREED, rival=Fit(words="they agree", ratio=9.0, uncovered=0.0), free="they agree")
    assert weigh(rival).confidence < weigh(AGREED).confidence
    assert meaning(rival) is not Meaning.YES


def test_a_refusal_that_is_as_likely_comes_first() -> None:
    torn = replace(AGREED, no=Fit(words="i don't agree", ratio=9.0, uncovered=0.0), free="i don't agree")
    assert meaning(torn) in {Meaning.NO, Meaning.UNCLEAR}


def test_nothing_heard_is_no_answer() -> None:
    silent = replace(AGREED, yes=NOTHING, free="")
    assert meaning(silent) is Meaning.OTHER


def test_a_doubtful_answer_is_unclear_and_says_what_was_needed() -> None:
    found = judged(
        kind="bare", confidence=0.94, words="yes", thresholds=THRESHOLDS, engine="e", language="en"
    )
    assert found.meaning is Meaning.UNCLEAR
    assert "0.95" in found.why


@pytest.mark.parametrize(("kind", "confidence"), [("maybe", 0.5), ("phrase", 1.5), ("phrase", float("nan"))])
def test_what_no_engine_may_say_is_refused(kind: str, confidence: float) -> None:
    with pytest.raises(ValueError, match=r"confidence|kind"):
        judged(kind=kind, confidence=confidence, words="", thresholds=THRESHOLDS, engine="e", language="en")
