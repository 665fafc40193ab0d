"""Which sentences make up which prompt, and when each of them is said. The whole grammar is this table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from callguard.errors import PromptError
from callguard.prompts.facts import Facts


@dataclass(frozen=True, slots=True)
class Sentence:
    """One text of a language file: its key, the placeholders it must have, and when it is said."""

    key: str
    places: tuple[str, ...] = ()
    when: Callable[[Facts], bool] = lambda _: True


def _elsewhere(facts: Facts) -> bool:
    """A refuser hears the other ways and the call ends, so the offer must not promise to go on."""
    return bool(facts.alternatives)


def _served(facts: Facts) -> bool:
    """A refuser is served on this call, unrecorded."""
    return not facts.alternatives


def _by_key(facts: Facts) -> bool:
    """Nobody listens, so nothing may offer to speak."""
    return not facts.spoken


def _by_voice(facts: Facts) -> bool:
    """Somebody listens: the prompt asks for a phrase, which is understood better than a word."""
    return facts.spoken


def _all(*conditions: Callable[[Facts], bool]) -> Callable[[Facts], bool]:
    return lambda facts: all(holds(facts) for holds in conditions)


_equal = Sentence("question-equal", when=lambda f: f.equal_service)

#: What an agent is told, and nobody else on the call.
TO_AGENTS = (
    "agent-paused",
    "agent-pause-ending",
    "agent-still-paused",
    "agent-resumed",
    "agent-stopped",
    "agent-fault",
    "agent-card",
)

PROMPTS: Mapping[str, tuple[Sentence, ...]] = {
    "announcement": (
        Sentence("announcement", ("controller", "purposes")),
        Sentence("announcement-duty", when=lambda f: f.duty),
        Sentence("announcement-retention", ("retention",), lambda f: f.retention is not None),
        Sentence("announcement-copy", when=lambda f: f.copy),
        Sentence("announcement-tone", when=lambda f: f.tone),
        Sentence("announcement-website", ("website",), lambda f: bool(f.website)),
        Sentence("announcement-objection", ("objection_key",), lambda f: bool(f.objection_key)),
    ),
    "question": (
        _equal,
        Sentence("question", ("yes_key", "no_key"), _all(_served, _by_key)),
        Sentence("question-elsewhere", ("yes_key", "no_key"), _all(_elsewhere, _by_key)),
        Sentence("question-spoken", ("yes_key", "no_key"), _all(_served, _by_voice)),
        Sentence("question-spoken-elsewhere", ("yes_key", "no_key"), _all(_elsewhere, _by_voice)),
    ),
    "question-opt-out": (
        _equal,
        Sentence("question-opt-out", ("no_key",), _all(_served, _by_key)),
        Sentence("question-opt-out-elsewhere", ("no_key",), _all(_elsewhere, _by_key)),
        Sentence("question-opt-out-spoken", ("no_key",), _all(_served, _by_voice)),
        Sentence("question-opt-out-spoken-elsewhere", ("no_key",), _all(_elsewhere, _by_voice)),
    ),
    "leave": (
        _equal,
        Sentence("leave", ("no_key",), _served),
        Sentence("leave-elsewhere", ("no_key",), _elsewhere),
    ),
    "invalid": (Sentence("invalid", when=_by_key), Sentence("invalid-spoken", when=_by_voice)),
    "thanks": (
        Sentence("thanks", when=_by_key),
        Sentence("thanks-spoken", when=_by_voice),
        Sentence("thanks-withdraw", ("withdraw_key",), lambda f: bool(f.withdraw_key)),
    ),
    "unrecorded": (Sentence("unrecorded"),),
    "alternatives": (Sentence("alternatives", ("alternatives",)),),
    **{name: (Sentence(name),) for name in TO_AGENTS},
}

#: Every text of a language file, with its placeholders.
TEXTS: Mapping[str, tuple[str, ...]] = {s.key: s.places for said in PROMPTS.values() for s in said}

#: Those that a language file may leave out, all of them together: callers in it answer by keys only.
SPOKEN = frozenset(
    {
        "question-spoken",
        "question-spoken-elsewhere",
        "question-opt-out-spoken",
        "question-opt-out-spoken-elsewhere",
        "invalid-spoken",
        "thanks-spoken",
    }
)


def sentences(name: str, facts: Facts) -> tuple[Sentence, ...]:
    """The sentences of this prompt that these facts call for.

    Raises:
        PromptError: there is no prompt of that name, or a sentence that must be said lacks its fact.
    """
    said = PROMPTS.get(name)
    if said is None:
        raise PromptError(f"there is no prompt {name!r}; the prompts are {', '.join(PROMPTS)}")
    chosen = tuple(s for s in said if s.when(facts))
    for sentence in chosen:
        for place in sentence.places:
            if not getattr(facts, place):
                raise PromptError(f"prompt {name!r} has to state {place!r}, which is not set for this queue")
    return chosen


def variant(name: str, facts: Facts) -> tuple[str, ...]:
    """What tells two renderings of one prompt apart: the facts that are spoken in it, and no others."""
    spoken: list[str] = []
    for sentence in sentences(name, facts):
        spoken.append(sentence.key)
        for place in sentence.places:
            value = getattr(facts, place)
            spoken.append(f"{place}={','.join(value) if isinstance(value, tuple) else value}")
    return tuple(spoken)
