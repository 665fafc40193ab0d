"""What the classifier of answers learns from: thousands of things said, each with what it is.

Made by rule, so that there is much of it: answers as people put them, the same with something before or
after that makes them none, words that sound like the decisive ones, and common words in any order.
Nothing is in it of what `sentences` holds out or keeps to weigh by.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from numpy.random import Generator
from pocketsphinx import get_model_path

from callguard.speech.english.answers import Kind
from callguard.speech.english.listening import chances
from callguard.speech.english.phrases import NO, YES

from . import sentences

PHRASES = (
    "yes, I agree", "yes I agree", "yes. I agree", "yes, I do agree", "yes I agree to that", "yes please",
    "yes, please", "yes, I consent", "yes I do consent", "yes of course", "yes, of course", "yes, sure",
    "yes that's fine", "yes, that's fine", "yes, that's okay", "yes, okay", "yes, certainly",
    "yes, absolutely", "yeah, I agree", "yeah I agree", "yeah, sure", "yeah, that's fine", "yeah of course",
    "yes, fine", "yes I'm fine with that", "yes yes I agree", "yes, I agree with that", "um, yes, I agree",
    "well yes, I agree", "yes, I am okay with that", "yeah, please", "yeah, okay",
    "yes, I agree, thank you",
)  # fmt: skip
HALVES = (
    "I agree", "I consent", "I do agree", "I do consent", "yes I do", "yes, I do", "yes you may",
    "yes, go ahead", "yes, definitely", "okay, I agree", "sure, I agree", "yes thank you", "yeah I do",
    "I agree to that", "yes, you can", "of course I agree", "yes, do it",
)  # fmt: skip
BARES = ("yes", "yeah", "yep", "yes", "yeah", "yes yes", "yes, yes", "um yes", "oh yes", "yup")

#: What prompts ask for, and what people make of it most.
CORE = (
    (
        Kind.PHRASE,
        ("yes, I agree", "yes I agree", "yes I consent", "yes sure", "yes, sure", "yes I do agree"),
    ),
    (Kind.PHRASE, ("yes, I agree", "yes please", "yes of course", "yes that's fine", "yes, I consent")),
    (Kind.HALF, ("I agree", "I agree", "I consent", "I consent", "yes I do", "I do agree")),
    (Kind.BARE, ("yes", "yeah", "yep")),
)

#: What makes a yes none: after it, and before it.
AFTER = (
    "but wait", "but not now", "but don't record me", "but first tell me", "but", "and no", "or no",
    "if you want", "when I have time", "later", "to nothing", "with nothing", "only if you pay",
    "I guess not", "with you about the weather", "on one condition", "but who are you", "and then what",
    "is what he said", "maybe", "if I must", "except for that", "you said", "what", "who is this",
    "I know what you want", "I heard you", "I understand but", "said the other one", "with my wife",
    "that it is late", "or press one",
)  # fmt: skip
BEFORE = (
    "do you want me to say", "did I say", "should I say", "they say", "he said", "what if", "if",
    "must I say", "I never said", "why would", "could", "would you say", "she says", "is it",
    "you must say", "say", "not", "I didn't say", "nobody says", "my son says", "people say", "when",
    "before", "do", "does", "to say", "you want me to say", "I can't say", "I won't say", "don't say",
)  # fmt: skip
WHO = (
    "they", "we", "you", "he", "she", "who", "why", "to", "could I", "might I", "may I", "would I", "do I",
    "people", "nobody", "my wife", "all", "do you", "can I", "should I", "if I", "when I", "I never",
    "I might", "I may", "I could", "I would", "I should", "I nearly", "I once", "eight", "high", "day",
    "buy", "my", "hey",
)  # fmt: skip
DOES = ("agree", "consent", "agrees", "agreed", "do", "do agree", "degree", "consented", "a green", "a grid")
LIKE_AGREE = (
    "agreed", "greet", "green", "read", "breathe", "dream", "need", "feed", "see", "eat", "leave",
    "agonise", "a grief", "freed", "repeat", "free", "three", "agreeing", "argue", "a tree then", "believe",
    "retreat", "am great", "am free", "grow", "a queen", "can see", "can't", "can send", "contend",
    "concede to", "concern", "consult", "condense", "confess", "present", "resent", "went", "sent",
    "can bend", "do", "did", "know", "go",
)  # fmt: skip
LIKE_YES = (
    "guess", "less", "chess", "jess", "this", "just", "address", "guest", "west", "jazz", "gas", "says",
    "mess", "press", "dress", "yet", "yesterday", "yellow", "years", "ears", "guesses", "bless you", "ask",
    "is", "has", "he has", "the", "yen", "ass", "s", "nest", "hiss", "geese", "jets", "gets", "chairs",
    "yak",
)  # fmt: skip
LIKE_REST = (
    "please", "I do", "of course", "sure", "list", "that's fine", "room", "I agree", "okay", "fine", "this",
    "peas", "place", "police", "course", "I go", "the list", "shore", "shirt", "fleece", "concert",
    "that's five",
)  # fmt: skip
REFUSE = (
    "agree", "agree to that", "consent", "want that", "want to be recorded", "want this recorded",
    "like that", "accept that", "allow that", "think so", "give my consent", "agree to be recorded",
    "want it",
)  # fmt: skip
REFUSING = (
    "I don't", "I do not", "I won't", "I will not", "I can't", "I cannot", "no, I don't", "no I do not",
    "I'd rather not", "sorry, I don't", "no, I won't", "I really don't", "yes, I don't", "I never",
)  # fmt: skip
REFUSALS = (
    "no", "no", "nope", "no no", "no no no", "no, thank you", "no thanks", "never", "no, sorry", "sorry no",
    "no, please don't", "please stop recording", "no recording please", "no, do not", "no, stop",
    "no, not really", *NO, *sentences.NO,
)  # fmt: skip
#: Share of each kind, of a hundred.
SHARES = {Kind.PHRASE: 16, Kind.HALF: 8, Kind.BARE: 10, Kind.NO: 18, Kind.OTHER: 48}


Lesson: TypeAlias = tuple[Kind, str]


def lessons(count: int, chance: Generator) -> Iterator[Lesson]:
    """So many things said."""
    kinds, shares = list(SHARES), [share / 100 for share in SHARES.values()]
    others = _Others(chance)

    def one(_: int) -> Lesson:
        kind = kinds[int(chance.choice(len(kinds), p=shares))]
        return kind, others.some() if kind is Kind.OTHER else _answer(kind, chance)

    return _so_many(count, one)


def minimal_pairs(count: int, chance: Generator) -> Iterator[Lesson]:
    """So many answers, two of three with one word replaced by another that sounds like it."""
    near = {
        word: _near(word) for word in ("yes", "yeah", "i", "agree", "consent", "do", "please", "sure", "fine")
    }

    def one(_: int) -> Lesson:
        kind = (Kind.PHRASE, Kind.HALF, Kind.HALF, Kind.BARE)[int(chance.integers(4))]
        words = _answer(kind, chance)
        if not _has_some(words, near) or chance.random() >= 2 / 3:
            return kind, words
        return Kind.OTHER, _misheard(words, near, chance)

    return _so_many(count, one)


def what_is_asked_for(count: int, chance: Generator) -> Iterator[Lesson]:
    """So many of the answers that prompts ask for and people give most; half of them with something wrong."""
    others = _Others(chance)
    near = {word: _near(word) for word in ("yes", "yeah", "i", "agree", "consent", "sure", "do", "please")}

    def one(made: int) -> Lesson:
        kind, answers = CORE[int(chance.integers(len(CORE)))]
        words = answers[int(chance.integers(len(answers)))]
        if made % 2:
            return kind, words
        if not _has_some(words, near) or chance.random() < 0.3:
            return Kind.OTHER, others.some()
        return Kind.OTHER, _misheard(words, near, chance)

    return _so_many(count, one)


def without_pauses(count: int, chance: Generator) -> Iterator[Lesson]:
    """So many answers said in one breath, every second one with another last word that sounds alike."""
    near = {
        word: _near(word) for word in ("agree", "consent", "please", "sure", "fine", "okay", "course", "do")
    }

    def one(made: int) -> Lesson:
        kind = (Kind.PHRASE, Kind.PHRASE, Kind.HALF)[int(chance.integers(3))]
        words = plain(_answer(kind, chance))
        first, _, last = words.rpartition(" ")
        if made % 2 and last in near and first:
            return Kind.OTHER, f"{first} {_common(near[last], chance)}"
        return kind, words

    return _so_many(count, one)


def _so_many(count: int, one: Callable[[int], Lesson]) -> Iterator[Lesson]:
    """Lessons without what is held out, and without answers that came about by chance."""
    kept_back = _WEIGHED | _HELD_OUT
    made = 0
    while made < count:
        kind, words = one(made)
        said = plain(words)
        if said not in (_ANSWERS | kept_back if kind is Kind.OTHER else kept_back) and _HELD_OUT.isdisjoint(
            said.split()
        ):
            made += 1
            yield kind, words


def _has_some(words: str, near: Mapping[str, Sequence[str]]) -> bool:
    return not near.keys().isdisjoint(plain(words).split())


def _misheard(words: str, near: Mapping[str, Sequence[str]], chance: Generator) -> str:
    """With one word replaced by another that sounds like it."""
    parts = plain(words).split()
    places = [at for at, word in enumerate(parts) if word in near]
    at = places[int(chance.integers(len(places)))]
    parts[at] = _common(near[parts[at]], chance)
    return " ".join(parts)


def _common(words: Sequence[str], chance: Generator) -> str:
    """One of them; the first ones, which are the commonest, are the likeliest."""
    return words[int(len(words) * chance.random() ** 2)]


def plain(words: str) -> str:
    """Without what is not heard."""
    return re.sub(r"[^a-z' ]", "", words.lower()).strip()


#: Said by the voices to weigh by only, and by the held-out ones only.
_WEIGHED = frozenset(
    map(plain, (*sentences.NO_WEIGHED, *sentences.TEMPTING_WEIGHED, *sentences.OTHER_WEIGHED))
)
_HELD_OUT = frozenset(
    map(plain, (*sentences.NO_HELD_OUT, *sentences.TEMPTING_HELD_OUT, *sentences.OTHER_HELD_OUT))
)


#: What a sentence made by chance must not be.
_ANSWERS = frozenset(map(plain, (*PHRASES, *HALVES, *BARES, *REFUSALS)))


def _answer(kind: Kind, chance: Generator) -> str:
    one: Callable[[Sequence[str]], str] = lambda words: words[int(chance.integers(len(words)))]  # noqa: E731
    if kind is Kind.PHRASE:
        return one(PHRASES)
    if kind is Kind.HALF:
        return one(HALVES)
    if kind is Kind.BARE:
        return one(BARES)
    return (
        f"{one(REFUSING)} {one(REFUSE)}",
        one(REFUSALS),
        f"{one(('no', 'no thanks', 'sorry', 'no thank you'))}, {one(REFUSALS)}",
    )[int(chance.choice(3, p=(0.3, 0.6, 0.1)))]


class _Others:
    """What is no answer."""

    def __init__(self, chance: Generator) -> None:
        self._chance = chance
        known = sorted(chances().items(), key=lambda each: -each[1])
        said = _pronounced()
        spoken = [(word, share) for word, share in known if word in said and word not in _WEIGHED]
        whole = sum(share for _, share in spoken[:5000])
        self._common = [word for word, _ in spoken[:5000]]
        self._shares = [share / whole for _, share in spoken[:5000]]
        #: Short words at most two sounds away from the ones that decide.
        self._near = [
            word
            for word, _ in spoken[:25000]
            for heard in [said[word]]
            if word not in {"yes", "yeah", "yep", "agree", "consent", "yup"}
            and len(heard) <= 7
            and min(_apart(heard, said[each]) - (len(said[each]) > 4) for each in _DECISIVE) <= 2
        ]

    def some(self) -> str:
        one = self._one
        yes = one((*YES, *PHRASES, *HALVES, "yes", "yes", "yeah", "yes"))
        made = int(self._chance.integers(20))
        if made < 2:
            return f"{yes} {one(AFTER)}"
        if made < 3:
            return f"{one(BEFORE)} {yes}"
        if made < 4:
            return f"{one(('yes', 'yeah', 'yes,'))} {self._salad(1, 4)}"
        if made < 6:
            return f"{one(WHO)} {one(DOES)}"
        if made < 7:
            return f"I {one(LIKE_AGREE)}"
        if made < 9:
            return f"{one((*LIKE_YES, one(self._near)))} {one((*LIKE_REST, one(self._near)))}"
        if made < 12:
            return one((*LIKE_YES, *DOES, *self._near))
        if made < 13:
            return one(self._common)
        if made < 16:
            return one((*sentences.TEMPTING, *sentences.TEMPTING, *sentences.OTHER))
        return self._salad(2, 8)

    def _one(self, words: Sequence[str]) -> str:
        return words[int(self._chance.integers(len(words)))]

    def _salad(self, least: int, most: int) -> str:
        count = int(self._chance.integers(least, most + 1))
        return " ".join(self._common[int(at)] for at in self._chance.choice(5000, size=count, p=self._shares))


_DECISIVE = ("yes", "yeah", "yep", "agree", "consent")


def _pronounced() -> dict[str, tuple[str, ...]]:
    found = {}
    with Path(get_model_path("en-us/cmudict-en-us.dict")).open(encoding="utf-8") as lines:
        for line in lines:
            word, *sounds = line.split()
            if word.isalpha():
                found[word] = tuple(sounds)
    return found


#: Words that are as good as those that they sound like, or cannot be told from them.
_AS_GOOD = frozenset(
    (
        "yes", "yeah", "yep", "ya", "yea", "yeh", "yay", "ye", "yah", "aye", "eye", "i", "ay", "ai", "a",
        "ah", "uh", "er", "uhh", "ill", "id", "ive", "agree", "agreed", "consent", "du", "doo", "dew", "due",
        "shore", "pleas", "ok",
    )
)  # fmt: skip


def _near(word: str) -> list[str]:
    """Words that sound much like this one, and not the same; the commonest first."""
    said = _pronounced()
    known = sorted(chances().items(), key=lambda each: -each[1])[:12000]
    most = 1 if len(said[word]) < 3 else 2
    found = [
        other
        for other, _ in known
        if other in said
        and other not in _WEIGHED
        and 0 < _apart(said[other], said[word]) <= most
        and other not in _AS_GOOD
    ]
    return found[:250]


def _apart(one: Sequence[str], other: Sequence[str]) -> int:
    """How many sounds have to be put in, taken out or changed."""
    row = list(range(len(other) + 1))
    for count, sound in enumerate(one, start=1):
        last, row[0] = row[0], count
        for at, against in enumerate(other, start=1):
            last, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, last + (sound != against))
    return row[-1]
