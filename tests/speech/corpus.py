"""The corpus: who says what, how fast, on what kind of line; the same every time."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from callguard.lab.audio import Samples
from callguard.speech.english.answers import Kind as Lesson

from . import noises
from .lessons import LIKE_YES, lessons
from .line import NARROW, NOISES, leg, silences, telephone
from .sentences import (
    ALIKE,
    FOREIGN,
    NO,
    NO_HELD_OUT,
    NO_WEIGHED,
    OTHER,
    OTHER_HELD_OUT,
    OTHER_WEIGHED,
    TEMPTING,
    TEMPTING_HELD_OUT,
    TEMPTING_WEIGHED,
    YES_BARE,
    YES_PHRASES,
)
from .voices import VOICES, WIDE, Utterance, Voice, heard, speak

#: How many of each there are, on each side of the split.
OF_YES, OF_NO, OF_OTHER = 300, 300, 600
SPEEDS = (0.85, 1.0, 1.2)
#: Of the 600 others.
SOUNDS = 60
FOREIGN_ONES = 45


#: Further clips to weigh by, and where their numbers begin.
OF_DRILL, DRILL_FROM, DRILL_SEED = 1400, 10000, 7
ALIKE_FROM = 20000


class Kind(StrEnum):
    """What a clip is."""

    PHRASE = "yes in a phrase"
    BARE = "bare yes"
    NO = "no"
    TEMPTING = "tempting"
    OTHER = "other speech"
    FOREIGN = "another language"
    SOUND = "no speech"

    @property
    def label(self) -> str:
        """What it ought to be taken for."""
        return "yes" if self in {Kind.PHRASE, Kind.BARE} else "no" if self is Kind.NO else "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One answer: speech by a voice, or a sound."""

    number: int
    kind: Kind
    utterance: Utterance | None = None
    sound: str = ""

    @property
    def words(self) -> str:
        """What is said, or what sounds."""
        return self.utterance.words if self.utterance else self.sound

    @property
    def speaker(self) -> str:
        """Who says it."""
        return str(self.utterance.voice) if self.utterance else "-"


_DRILLED = {
    Lesson.PHRASE: Kind.PHRASE,
    Lesson.HALF: Kind.PHRASE,
    Lesson.BARE: Kind.BARE,
    Lesson.NO: Kind.NO,
    Lesson.OTHER: Kind.TEMPTING,
}


def corpus(*, held_out: bool) -> list[Clip]:
    """One side of the split: 300 yes (two thirds phrases), 300 no and 600 others; spoken, if need be."""
    clips = list(_numbered(held_out=held_out))
    speak(clip.utterance for clip in clips if clip.utterance)
    return clips


def drill() -> list[Clip]:
    """More of what the classifier learns from, said by the voices to weigh by: none of it is held out."""
    voices = [voice for voice in VOICES if not voice.held_out]
    chance = np.random.default_rng(DRILL_SEED)
    clips = []
    for number, (kind, words) in enumerate(lessons(OF_DRILL, chance), start=DRILL_FROM):
        voice, speed = voices[int(chance.integers(len(voices)))], SPEEDS[int(chance.integers(len(SPEEDS)))]
        utterance = Utterance(voice=voice, words=words, speed=speed)
        clips.append(Clip(number=number, kind=_DRILLED[kind], utterance=utterance))
    speak(clip.utterance for clip in clips if clip.utterance)
    return clips


def alike() -> list[Clip]:
    """Bare answers, and every word alone that sounds like one, by each of the voices to weigh by."""
    voices = [voice for voice in VOICES if not voice.held_out]
    said = (*dict.fromkeys((*LIKE_YES, *ALIKE)), *YES_BARE)
    clips = []
    for number, (place, at) in enumerate(
        itertools.product(range(len(said)), range(len(voices))), start=ALIKE_FROM
    ):
        kind = Kind.BARE if said[place] in YES_BARE else Kind.TEMPTING
        utterance = Utterance(voice=voices[at], words=said[place], speed=SPEEDS[(place + at) % len(SPEEDS)])
        clips.append(Clip(number=number, kind=kind, utterance=utterance))
    speak(clip.utterance for clip in clips if clip.utterance)
    return clips


def _numbered(*, held_out: bool) -> Iterator[Clip]:
    voices = [voice for voice in VOICES if voice.held_out is held_out]
    speaking = OF_OTHER - SOUNDS - FOREIGN_ONES
    plan: list[tuple[Kind, Sequence[str], int]] = [
        (Kind.PHRASE, YES_PHRASES, OF_YES * 2 // 3),
        (Kind.BARE, YES_BARE, OF_YES // 3),
        (Kind.NO, NO + (NO_HELD_OUT if held_out else NO_WEIGHED), OF_NO),
        (Kind.TEMPTING, TEMPTING + (TEMPTING_HELD_OUT if held_out else TEMPTING_WEIGHED), speaking // 2),
        (Kind.OTHER, OTHER_HELD_OUT if held_out else OTHER + OTHER_WEIGHED, speaking - speaking // 2),
    ]
    number = itertools.count()
    for kind, words, count in plan:
        for utterance in itertools.islice(_spread(words, voices), count):
            yield Clip(number=next(number), kind=kind, utterance=utterance)
    natives = [voice for voice in voices if voice.program == "espeak-ng"]
    for at in range(FOREIGN_ONES):
        language, words_of = FOREIGN[at % len(FOREIGN)]
        voice = natives[(at + at // len(FOREIGN)) % len(natives)]
        utterance = Utterance(voice=voice, words=words_of, language=language)
        yield Clip(number=next(number), kind=Kind.FOREIGN, utterance=utterance)
    for at in range(SOUNDS):
        yield Clip(number=next(number), kind=Kind.SOUND, sound=noises.NAMES[at % len(noises.NAMES)])


def _spread(words: Sequence[str], voices: Sequence[Voice]) -> Iterator[Utterance]:
    """Every pair of words and voice before any comes again, then at the next speed."""
    stride = max(1, len(words) // len(voices))
    for turn in itertools.count():
        for place, voice in itertools.product(range(len(words)), range(len(voices))):
            # A diagonal through the table, so that few clips already hold all words and all voices.
            said = words[(place + voice * stride) % len(words)]
            speed = SPEEDS[(place + voice + turn + 1) % len(SPEEDS)]
            yield Utterance(voice=voices[voice], words=said, speed=speed)


def audio(
    clip: Clip, *, snr: float | None = None, rate: int = NARROW, crowd: Sequence[Samples] = ()
) -> bytes:
    """A clip as it is heard on the caller's leg: 16-bit samples."""
    chance = _chance(clip)
    if clip.utterance is None:
        return leg(noises.sound(clip.sound, chance), rate)
    noise = NOISES[clip.number % len(NOISES)]
    return telephone(heard(clip.utterance), chance, rate=rate, snr=snr, noise=noise, crowd=crowd)


def answer_span(clip: Clip) -> tuple[float, float]:
    """Between which seconds the answer lies, with 0.2 s around it."""
    assert clip.utterance is not None
    before = silences(_chance(clip))[0]
    return before - 0.2, before + len(heard(clip.utterance)) / WIDE + 0.2


def _chance(clip: Clip) -> np.random.Generator:
    told = f"{clip.number}|{clip.kind}|{clip.words}|{clip.speaker}"
    return np.random.default_rng(int.from_bytes(hashlib.sha256(told.encode()).digest()[:8], "big"))


def crowd_of(clips: Sequence[Clip]) -> list[Samples]:
    """Those who talk in the babble: other people's other sentences."""
    talking = [clip for clip in clips if clip.kind is Kind.OTHER]
    return [heard(clip.utterance) for clip in talking[::7] if clip.utterance]
