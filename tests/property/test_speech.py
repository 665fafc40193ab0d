"""Whatever the evidence: no yes without a phrase that counts, and none against a negation."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from callguard.speech.english.answers import Kind
from callguard.speech.english.evidence import UNCOVERED, Again, Evidence, Fit, View
from callguard.speech.english.phrases import BARE, DECOYS, NEGATIONS, NO, YES
from callguard.speech.english.spelling import ANSWERS
from callguard.speech.english.weighing import weigh
from callguard.speech.sound import SAMPLE_BYTES, Sound
from callguard.speech.thresholds import Thresholds, judged
from callguard.speech.verdict import Meaning
from callguard.speech.wording import WORDINGS, kind_of

RATIOS = st.floats(-120, 60)
SHARES = st.floats(0, 1)
WORDS = st.lists(
    st.sampled_from(sorted({w for p in (*YES, *BARE, *NO, *DECOYS) for w in p.split()})), max_size=7
)


def fits(words: tuple[str, ...]) -> st.SearchStrategy[Fit]:
    return st.builds(Fit, words=st.sampled_from(("", *words)), ratio=RATIOS, uncovered=SHARES)


LIKELY = st.floats(-16, 0)
VIEW = st.builds(
    View,
    kinds=st.fixed_dictionaries({str(kind): LIKELY for kind in Kind}),
    texts=st.fixed_dictionaries(dict.fromkeys(ANSWERS, LIKELY)),
    text=st.one_of(WORDS.map(" ".join), st.sampled_from((*YES, *BARE, *NO, *DECOYS))),
    other=LIKELY,
    negated=st.booleans(),
)
EVIDENCE = st.builds(
    Evidence,
    yes=fits((*YES, *BARE)),
    no=fits(NO),
    rival=fits(DECOYS),
    free=st.one_of(WORDS.map(" ".join), st.sampled_from((*YES, *NO, *DECOYS))),
    free_ratio=RATIOS,
    seconds=st.floats(0, 30),
    again=st.builds(
        Again,
        yes=fits((*YES, *BARE)),
        rival=fits(DECOYS),
        free=WORDS.map(" ".join),
        free_ratio=RATIOS,
    ),
    views=st.lists(VIEW, min_size=2, max_size=2).map(tuple),
)
OPEN = Thresholds(phrase=0.0, half=0.0, bare=0.0, no=0.0)


@given(evidence=EVIDENCE)
def test_even_with_open_thresholds_all_that_an_ear_objects_to_in_a_yes_is_accounted_for(
    evidence: Evidence,
) -> None:
    found = weigh(evidence)
    verdict = judged(
        kind=found.kind,
        confidence=found.confidence,
        words=found.words,
        thresholds=OPEN,
        engine="",
        language="",
    )
    if verdict.meaning is Meaning.YES:
        like = ("bare",) if found.kind == "bare" else ("phrase", "half")

        def written(most: float) -> bool:
            """An answer is at most so much less likely than what would be written, in either view."""
            return all(
                math.log(sum(math.exp(view.texts[kind]) for kind in like)) >= view.other - most - 1e-9
                for view in evidence.views
            )

        def sure(chance: float) -> bool:
            return all(sum(math.exp(view.kinds[kind]) for kind in like) > chance for view in evidence.views)

        covered = evidence.yes.words in {*YES, *BARE} and evidence.yes.uncovered <= UNCOVERED
        denied = NEGATIONS & set(evidence.free.split())
        assert covered or not denied
        if not covered or denied or found.words not in {*YES, *BARE}:
            # Odds of 2.5, as a logarithm, are 0.924.
            assert sure(0.92)
            assert written(5.0)
        if any(view.negated for view in evidence.views):
            # Only where the classifier is sure in both views: odds of 1.5, as a logarithm, are 0.818.
            assert sure(0.8)
        refusal = sum(view.kinds["no"] for view in evidence.views)
        # But for rounding.
        assert any(
            sum(view.kinds[kind] for view in evidence.views) >= refusal - 1e-9
            for kind in ("phrase", "half", "bare")
        )


@given(evidence=EVIDENCE, phrase=SHARES, bare=SHARES)
def test_a_higher_threshold_never_makes_a_yes(evidence: Evidence, phrase: float, bare: float) -> None:
    found = weigh(evidence)

    def meaning(thresholds: Thresholds) -> Meaning:
        return judged(
            kind=found.kind,
            confidence=found.confidence,
            words=found.words,
            thresholds=thresholds,
            engine="",
            language="",
        ).meaning

    if meaning(Thresholds(phrase=phrase, half=phrase, bare=bare, no=0.0)) is Meaning.YES:
        assert meaning(Thresholds(phrase=phrase / 2, half=phrase / 2, bare=bare / 2, no=0.0)) is Meaning.YES


@given(text=st.text(max_size=60), language=st.sampled_from(sorted(WORDINGS)))
def test_any_words_are_some_kind_and_a_refusal_is_never_a_yes(text: str, language: str) -> None:
    wording = WORDINGS[language]
    assert kind_of(text, language) in {"phrase", "bare", "no", "nothing"}
    for refusal in wording.no:
        assert kind_of(refusal.upper() + ".", language) == "no"
    for negation in wording.negations:
        for phrase in (*wording.phrases, *wording.bare):
            assert kind_of(f"{phrase} {negation}", language) not in {"phrase", "bare"}


@given(parts=st.lists(st.binary(max_size=400), max_size=20), rate=st.sampled_from((8000, 16000)))
def test_sound_is_never_more_than_it_may_be_and_gone_when_wiped(parts: list[bytes], rate: int) -> None:
    sound = Sound(rate, 0.05)
    whole = b""
    for part in parts:
        whole += part[: sound.add(part)]
        assert sound.seconds <= 0.05
    with sound.view(0.0, 1.0) as view:
        assert view == whole[: len(view)]
        assert len(view) >= len(whole) - len(whole) % SAMPLE_BYTES - SAMPLE_BYTES
    memory = sound._memory
    sound.wipe()
    assert not any(memory)
    assert len(sound) == 0
