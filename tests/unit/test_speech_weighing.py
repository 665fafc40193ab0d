"""What evidence amounts to: a yes only where nothing speaks against it."""

from dataclasses import replace
from typing import Any

import pytest

from callguard.speech.english.evidence import UNCOVERED, Again, Evidence, Fit, View
from callguard.speech.english.weighing import weigh
from callguard.speech.thresholds import Thresholds, judged
from callguard.speech.verdict import Meaning

NOTHING = Fit(words="", ratio=-99.0, uncovered=1.0)


def view(text: str, *, sure: float = -0.001, unsure: float = -9.0, **likely: float) -> View:
    """The transcriber takes it for a phrase, or for the kinds that are named."""
    kinds = dict.fromkeys(("phrase", "half", "bare", "no", "other"), unsure)
    texts = dict.fromkeys(("phrase", "half", "bare", "no"), -16.0)
    for kind in likely or {"phrase": sure}:
        kinds[kind] = texts[kind] = likely.get(kind, sure)
    negated = bool({"not", "don't", "no", "never", "can't"} & set(text.split()))
    return View(kinds=kinds, texts=texts, text=text, other=-9.0, negated=negated)


def seen(*texts: str, **likely: float) -> tuple[View, ...]:
    return tuple(view(text, **likely) for text in texts)


AGREED = Evidence(
    yes=Fit(words="yes i agree", ratio=5.0, uncovered=0.0),
    no=NOTHING,
    rival=NOTHING,
    free="yes i agree",
    free_ratio=3.0,
    seconds=1.6,
    again=Again(yes=Fit(words="yes i agree", ratio=4.0, uncovered=0.0), free="yes i agree", free_ratio=3.0),
    views=seen("yes i agree", "yes i agree"),
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
        views=seen("no i don't agree", "no i don't agree", no=-0.01),
    )
    assert meaning(refused) is Meaning.NO
    assert weigh(refused).words == "no i don't agree"


#: The classifier is sure of an answer in one way of hearing it only.
DOUBTED = (view("yes i agree"), view("yes i agree", phrase=-0.1))
#: The other recogniser does not account for it, in one way of hearing it.
MISWRITTEN = (
    view("yes i agree"),
    replace(view("yes i agreed"), texts=view("").texts | {"phrase": -5.1}, other=-0.01),
)


@pytest.mark.parametrize("word", ["not", "don't", "no", "never", "can't"])
@pytest.mark.parametrize(
    "lacking",
    [
        {"yes": NOTHING},
        {"yes": replace(AGREED.yes, uncovered=UNCOVERED + 0.01)},
        {"views": DOUBTED},
        {"views": MISWRITTEN},
        {"views": MISWRITTEN[::-1]},
        {"views": seen("yes i can't agree", "yes i agree", phrase=-0.3)},
    ],
)
def test_a_yes_in_which_the_free_ear_hears_a_negation_is_none(word: str, lacking: dict[str, Any]) -> None:
    """It takes all the others to be at one, and sure, to outvote it: "that's fine" may sound like "not"."""
    doubted = replace(AGREED, free=f"yes i {word} agree", **lacking)
    assert meaning(doubted) is not Meaning.YES
    assert weigh(doubted).kind in {"nothing", "no"}


@pytest.mark.parametrize("word", ["not", "don't", "no", "never", "can't"])
def test_a_yes_in_which_the_second_look_hears_a_negation_is_none_where_the_classifier_doubts(
    word: str,
) -> None:
    again = replace(AGREED.again, free=f"yes i {word} agree")
    assert (
        meaning(replace(AGREED, again=again, views=seen(*["yes i agree"] * 2, phrase=-0.3)))
        is not Meaning.YES
    )


@pytest.mark.parametrize("word", ["not", "don't", "no", "never", "can't"])
def test_a_yes_in_which_the_transcriber_may_have_written_a_negation_is_none(word: str) -> None:
    """Unless the classifier leaves no doubt: "I consent" is often written "I can't"."""
    written = seen("yes i agree", f"yes i {word} agree", phrase=-0.3)
    assert meaning(replace(AGREED, views=written)) is not Meaning.YES


@pytest.mark.parametrize("word", ["disagree", "disagreed", "object"])
@pytest.mark.parametrize("ear", ["free", "second look", "first view", "second view"])
def test_whoever_is_heard_to_disagree_does_not_agree_however_sure_the_others_are(word: str, ear: str) -> None:
    words = f"yes i {word}"
    heard = {
        "free": {"free": words},
        "second look": {"again": replace(AGREED.again, free=words)},
        "first view": {"views": seen(words, "yes i agree")},
        "second view": {"views": seen("yes i agree", words)},
    }
    found = weigh(replace(AGREED, **heard[ear]))  # type: ignore[arg-type]
    assert found.kind in {"nothing", "no"}


@pytest.mark.parametrize("ways", [("no", "phrase"), ("no", "no")])
def test_what_the_classifier_takes_for_a_refusal_is_no_yes(ways: tuple[str, str]) -> None:
    views = tuple(view("yes i agree", **{way: -0.01}) for way in ways)
    assert meaning(replace(AGREED, views=views)) is not Meaning.YES


def test_one_recogniser_alone_makes_no_yes() -> None:
    """Each of the two is sure of some wrong ones: of "jazz" this one, of "they agree" that one."""
    for views in (seen("jazz", "jazz", other=-0.01), seen("they agree", "they agree", other=-0.01)):
        assert meaning(replace(AGREED, views=views)) is not Meaning.YES
    unheard = replace(AGREED, yes=NOTHING, again=Again(), free="they are great")
    doubted = tuple(replace(each, other=-0.5) for each in seen("they agree", "i agree", half=-1.5))
    assert meaning(replace(unheard, views=doubted)) is not Meaning.YES


@pytest.mark.parametrize("words", ["if i agree", "who i agree", "i guess i do", "they agree", "do you agree"])
def test_a_question_or_a_condition_is_no_yes(words: str) -> None:
    """Though the strict ear, which knows nothing else, takes it for one."""
    doubted = replace(AGREED, free=words, views=seen(words, words, other=-0.05))
    assert weigh(doubted).confidence < weigh(AGREED).confidence
    assert meaning(doubted) is not Meaning.YES


PARTLY = replace(AGREED, yes=replace(AGREED.yes, uncovered=UNCOVERED + 0.01))


def test_a_phrase_that_leaves_loud_sound_unexplained_is_less_of_one() -> None:
    assert weigh(PARTLY).confidence < weigh(AGREED).confidence


@pytest.mark.parametrize("likely", [-5.1, -9.0, -16.0])
def test_it_is_none_where_the_other_recogniser_does_not_account_for_it_either(likely: float) -> None:
    """In either of its ways of hearing it an answer is nearly as likely as what it would write."""
    other = replace(view("yes i agree but"), texts=view("").texts | {"phrase": likely}, other=-0.01)
    for views in ((view("yes i agree"), other), (other, view("yes i agree")), (other, other)):
        assert weigh(replace(PARTLY, views=views)).kind == "nothing"


def test_it_is_none_where_the_classifier_doubts() -> None:
    for views in (DOUBTED, DOUBTED[::-1]):
        assert weigh(replace(PARTLY, views=views)).kind == "nothing"


@pytest.mark.parametrize("word", ["not", "don't", "no", "never", "can't"])
def test_it_is_none_where_an_ear_hears_a_negation(word: str) -> None:
    assert weigh(replace(PARTLY, free=f"i {word} agree")).kind == "nothing"
    assert weigh(replace(PARTLY, yes=NOTHING, again=Again(), free=f"i {word} agree")).kind == "nothing"


def test_what_sounds_alike_and_fits_better_is_no_yes_where_the_classifier_doubts() -> None:
    rival = Fit(words="they agree", ratio=9.0, uncovered=0.0)
    doubted = tuple(
        replace(each, kinds=each.kinds | {"half": -1.0, "other": -0.5})
        for each in seen("they agree", "i agree", half=-1.0)
    )
    alike = replace(
        AGREED, rival=rival, again=replace(AGREED.again, rival=rival), free="they agree", views=doubted
    )
    assert meaning(alike) is not Meaning.YES


def test_a_refusal_that_is_as_likely_comes_first() -> None:
    torn = replace(
        AGREED,
        no=Fit(words="i don't agree", ratio=9.0, uncovered=0.0),
        free="i don't agree",
        views=(view("i don't agree", no=-0.1), view("i do agree", phrase=-0.1)),
    )
    assert meaning(torn) in {Meaning.NO, Meaning.UNCLEAR}


def test_what_the_classifier_sees_nothing_in_is_no_answer_whatever_the_strict_ear_says() -> None:
    found = weigh(replace(AGREED, views=seen("yes i agree", "yes i agree", other=-0.001)))
    assert (found.kind, found.confidence) == ("nothing", 0.0)


def test_nothing_heard_is_no_answer() -> None:
    silent = replace(AGREED, yes=NOTHING, free="", again=Again(), views=seen("", "", other=-0.01))
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
