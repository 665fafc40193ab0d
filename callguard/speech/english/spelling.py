"""Answers as the transcriber writes them, and what it wrote as plain words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from callguard.speech.english.phrases import AFFIRMING, AGREEING, BARE, NO, YES
from callguard.speech.thresholds import BARE as BARE_YES
from callguard.speech.thresholds import HALF, PHRASE
from callguard.speech.thresholds import NO as REFUSAL

_ENDS = (".", "", "!", ",")
_PAUSES = (",", ".", "!")
_OPENING = frozenset(("yes", "yeah", "yep", "okay", "sure", "no", "nope"))


def kind_of(words: str) -> str:
    """Which kind of answer these words are that stand in a list of `callguard.speech.english.phrases`."""
    if words in _REFUSALS:
        return REFUSAL
    if words in _BARE:
        return BARE_YES
    said = set(words.split())
    return PHRASE if AFFIRMING & said and AGREEING & said else HALF


_REFUSALS, _BARE = frozenset(NO), frozenset(BARE)
#: The answers of each kind, in plain words.
ANSWERS: dict[str, frozenset[str]] = {
    kind: frozenset(words for words in (*YES, *BARE, *NO) if kind_of(words) == kind)
    for kind in (PHRASE, HALF, BARE_YES, REFUSAL)
}
EVERY_ANSWER = frozenset((*YES, *BARE, *NO))


def spelt(phrases: Iterable[str]) -> Iterator[str]:
    """Every way in which they may be written."""
    for phrase in phrases:
        words = [_capital(word) if word == "i" or word.startswith("i'") else word for word in phrase.split()]
        ways = [" ".join(words)]
        if len(words) > 1 and words[0] in _OPENING:
            for pause in _PAUSES:
                ways.append(f"{words[0]}{pause} {' '.join(words[1:])}")
                ways.append(f"{words[0]}{pause} {_capital(' '.join(words[1:]))}")
        for way in dict.fromkeys(ways):
            for end in _ENDS:
                yield _capital(way) + end


def plain(text: str) -> str:
    """Lower-case words, without what is not heard."""
    return " ".join(re.sub(r"[^a-z' ]", " ", text.lower().replace("\u2019", "'")).split())


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
