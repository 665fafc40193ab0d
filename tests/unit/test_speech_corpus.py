"""The corpus that spoken answers are judged by: what is held out is met nowhere else."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from speech import sentences
from speech.corpus import Clip, _numbered
from speech.lessons import LIKE_YES, lessons, minimal_pairs, plain, what_is_asked_for, without_pauses
from speech.voices import VOICES

HELD_OUT = {
    plain(words)
    for words in (*sentences.NO_HELD_OUT, *sentences.TEMPTING_HELD_OUT, *sentences.OTHER_HELD_OUT)
}


def clips(*, held_out: bool) -> list[Clip]:
    return list(_numbered(held_out=held_out))


@pytest.mark.parametrize("held_out", [False, True])
def test_each_side_has_three_hundred_yes_three_hundred_no_and_six_hundred_others(held_out: bool) -> None:
    assert Counter(clip.kind.label for clip in clips(held_out=held_out)) == {
        "yes": 300,
        "no": 300,
        "other": 600,
    }


def test_nobody_speaks_on_both_sides() -> None:
    sides = [{clip.speaker for clip in clips(held_out=side) if clip.utterance} for side in (False, True)]
    assert sides[0].isdisjoint(sides[1])
    assert sides[0] | sides[1] == {str(voice) for voice in VOICES}


def test_what_is_held_out_is_said_by_held_out_voices_only() -> None:
    said = HELD_OUT & {plain(clip.words) for clip in clips(held_out=True)}
    assert len(said) > 0.9 * len(HELD_OUT)
    assert HELD_OUT.isdisjoint(plain(clip.words) for clip in clips(held_out=False))
    assert HELD_OUT.isdisjoint((*LIKE_YES, *sentences.ALIKE))


@pytest.mark.parametrize("course", [lessons, minimal_pairs, what_is_asked_for, without_pauses])
def test_the_classifier_never_learns_what_it_is_judged_or_weighed_by(course) -> None:
    weighed = {
        plain(words)
        for words in (*sentences.NO_WEIGHED, *sentences.TEMPTING_WEIGHED, *sentences.OTHER_WEIGHED)
    }
    said = {plain(words) for _, words in course(3000, np.random.default_rng(1))}
    assert len(said) > 100
    assert said.isdisjoint(HELD_OUT | weighed)
    assert not {word for words in said for word in words.split()} & {
        words for words in HELD_OUT if " " not in words
    }
