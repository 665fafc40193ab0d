"""The free ear's idea of English: the answers that are expected, among the words that are common.

An ARPA trigram model. What is listed in :mod:`callguard.speech.english.phrases` is likely as a whole; any
other sequence of common words is possible, and takes what is no answer away from the answers.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

#: Share of single words that the phrases have; the rest goes to common words.
LISTED = 0.6
#: Share that is kept for what was not listed, after each word that was.
UNSEEN = 0.4
#: An answer ends after few words.
ENDS = 0.15
_LEAST = 1e-9

Gram = tuple[str, ...]


def arpa(phrases: Mapping[str, float], common: Mapping[str, float]) -> str:
    """The model as text.

    Args:
        phrases: sentence and its weight.
        common: word and its probability, of the words that may stand anywhere.
    """
    grams: tuple[defaultdict[Gram, float], ...] = (defaultdict(float), defaultdict(float), defaultdict(float))
    for sentence, weight in phrases.items():
        words = ("<s>", *sentence.split(), "</s>")
        for size, counted in enumerate(grams, start=1):
            for at in range(len(words) - size + 1):
                counted[words[at : at + size]] += weight
    single = _single(grams[0], common)
    pairs, after_one = _longer(grams[1], lambda gram: single[gram[-1]])
    triples, after_two = _longer(
        grams[2], lambda gram: pairs.get(gram[1:]) or after_one.get(gram[1:2], 1.0) * single[gram[-1]]
    )
    ones: dict[Gram, float] = {("<s>",): 0.0, **{(word,): chance for word, chance in single.items()}}
    parts = [
        "\\data\\",
        *(f"ngram {n}={size}" for n, size in enumerate((len(ones), len(pairs), len(triples)), start=1)),
        *_part(1, ones, after_one),
        *_part(2, pairs, after_two),
        *_part(3, triples, None),
        "\\end\\",
    ]
    return "\n".join(parts) + "\n"


def _single(counted: Mapping[Gram, float], common: Mapping[str, float]) -> dict[str, float]:
    whole = sum(common.values())
    single = {word: (1 - LISTED) * chance / whole for word, chance in common.items()}
    told = sum(weight for (word,), weight in counted.items() if word != "<s>")
    for (word,), weight in counted.items():
        if word != "<s>":
            single[word] = single.get(word, 0.0) + LISTED * weight / told
    single["</s>"] = max(single.get("</s>", 0.0), ENDS)
    return single


def _longer(
    counted: Mapping[Gram, float], shorter: Callable[[Gram], float]
) -> tuple[dict[Gram, float], dict[Gram, float]]:
    """Chances of longer sequences, and by how much others are scaled after each beginning."""
    of_beginning: defaultdict[Gram, float] = defaultdict(float)
    ends: defaultdict[Gram, list[Gram]] = defaultdict(list)
    for gram, weight in counted.items():
        of_beginning[gram[:-1]] += weight
        ends[gram[:-1]].append(gram)
    chances = {gram: (1 - UNSEEN) * weight / of_beginning[gram[:-1]] for gram, weight in counted.items()}
    scale = {beginning: UNSEEN / max(_LEAST, 1 - sum(map(shorter, seen))) for beginning, seen in ends.items()}
    return chances, scale


def _part(size: int, chances: Mapping[Gram, float], scale: Mapping[Gram, float] | None) -> Iterable[str]:
    yield f"\n\\{size}-grams:"
    for gram, chance in sorted(chances.items()):
        line = f"{_log(chance) if gram != ('<s>',) else -99:.4f} {' '.join(gram)}"
        yield line if scale is None else f"{line} {_log(scale.get(gram, 1.0)):.4f}"


def _log(chance: float) -> float:
    return math.log10(max(chance, _LEAST))
