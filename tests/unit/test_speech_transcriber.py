"""The third ear on speech of people: the recordings that come beside its model."""

from importlib.machinery import ModuleSpec

import numpy as np
import pytest
import soundfile

from callguard.speech.english import transcriber as module
from callguard.speech.english.answers import Kind, chances
from callguard.speech.english.spelling import ANSWERS, kind_of, plain, spelt
from callguard.speech.english.transcriber import LEAST, Transcriber, model_directory
from callguard.speech.errors import SpeechError

#: The model counts in steps (8 bits), which fall otherwise when several texts are looked at together.
ROUNDED = 0.2
#: Read aloud: "It was the best of times".
TALE = "two_cities.wav"


@pytest.fixture(scope="module")
def transcriber() -> Transcriber:
    return Transcriber()


@pytest.fixture(scope="module")
def tale() -> np.ndarray:
    """Its first 2.6 s as 16 kHz samples."""
    samples, rate = soundfile.read(
        model_directory().parent / TALE, dtype="float32", frames=round(2.6 * 48000)
    )
    assert rate == 48000
    return np.asarray(samples.reshape(-1, 3).mean(axis=1), dtype=np.float32)


def test_it_writes_what_a_person_says(transcriber: Transcriber, tale: np.ndarray) -> None:
    written = transcriber.texts(transcriber.begun(transcriber.frames(tale)))
    assert plain(written[0].words) == "it was the best of time"
    assert [each.likely for each in written] == sorted((each.likely for each in written), reverse=True)


def test_the_level_changes_nothing(transcriber: Transcriber, tale: np.ndarray) -> None:
    loud, quiet = transcriber.frames(tale), transcriber.frames(tale / 100)
    assert np.corrcoef(loud.ravel(), quiet.ravel())[0, 1] > 0.99


def test_what_was_said_is_likely_and_other_texts_are_not(transcriber: Transcriber, tale: np.ndarray) -> None:
    begun = transcriber.begun(transcriber.frames(tale))
    tree = transcriber.tree({"said": ["It was the best of time."], "not said": ["Yes, I agree.", "It was."]})
    found = transcriber.likelihoods(begun, tree)
    assert found["said"] == pytest.approx(
        next(each.likely for each in transcriber.texts(begun) if each.words == "It was the best of time."),
        abs=ROUNDED,
    )
    assert found.get("not said", LEAST) < found["said"] - 5


def test_a_tree_adds_up_the_ways_of_writing(transcriber: Transcriber, tale: np.ndarray) -> None:
    begun = transcriber.begun(transcriber.frames(tale))
    ways = ["It was the best of time.", "It was the best of time,", "It was the best of time"]
    each = [transcriber.likelihoods(begun, transcriber.tree({"said": [way]}))["said"] for way in ways]
    together = transcriber.likelihoods(begun, transcriber.tree({"said": ways}))["said"]
    assert together == pytest.approx(np.logaddexp.reduce(each), abs=ROUNDED)


def test_a_tale_is_no_answer(transcriber: Transcriber, tale: np.ndarray) -> None:
    found = chances(transcriber.frames(tale))
    assert max(found, key=lambda kind: found[kind]) is Kind.OTHER
    assert np.exp(list(found.values())).sum() == pytest.approx(1)


def test_without_the_model_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    without = ModuleSpec("moonshine_voice", None)
    for found in (None, without):
        monkeypatch.setattr(module, "find_spec", lambda _, found=found: found)
        with pytest.raises(SpeechError, match=r"callguard\[speech\]"):
            Transcriber()


@pytest.mark.parametrize(
    ("words", "kind"),
    [("yes i agree", "phrase"), ("i agree", "half"), ("yes", "bare"), ("no i don't agree", "no")],
)
def test_an_answer_is_of_one_kind_and_is_spelt_as_it_is_written(words: str, kind: str) -> None:
    assert kind_of(words) == kind
    assert [each for each, answers in ANSWERS.items() if words in answers] == [kind]
    assert {plain(way) for way in spelt([words])} == {words}


def test_spelling_knows_pauses_and_capitals() -> None:
    assert {"Yes, I agree.", "Yes. I agree.", "Yes I agree"} <= set(spelt(["yes i agree"]))
    assert "I don't agree." in set(spelt(["i don't agree"]))
