"""Spoken answers: voices, words and noise that were never met, and a real voice that never says yes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from callguard.config.speech import Listening
from callguard.controller.ears import thresholds_of
from callguard.speech.english.listening import Ears
from callguard.speech.thresholds import Thresholds
from callguard.speech.verdict import Meaning
from tests.speech import human
from tests.speech.corpus import Kind, corpus
from tests.speech.evidence import Heard, gathered, hear, judge
from tests.speech.line import NARROW
from tests.speech.voices import WIDE

from .figures import at_least, at_most, exactly, figure, suite

PROCESSES = 2
#: dB of speech over noise; the first is a quiet room.
LEVELS = (None, 20.0, 10.0, 5.0)
#: Where a target is set; worse lines are shown.
QUIET = (None, 20.0)
FALSE_YES = 0.05  #: per cent of what is no yes
PHRASES, BARE = 90.0, 50.0  #: per cent accepted, clean
#: "Say: yes, I agree."
ASKED_FOR = "yes, I agree"
TESTS = ("tests/unit", "tests/property", "-k", "speech")

Tell = Callable[[str], Any]


def figures(tell: Tell) -> list[dict[str, Any]]:
    thresholds = thresholds_of(Listening())
    clips = corpus(held_out=True)
    found: list[dict[str, Any]] = []
    rows: list[tuple[str, Kind, Counter[str]]] = []
    others: list[Heard] = []
    for level in LEVELS:
        heard = gathered(clips, snr=level, processes=PROCESSES, tell=tell)
        rows += [(_named(level), kind, _counted(heard, kind, thresholds)) for kind in Kind]
        found += _of_level(_named(level), heard, thresholds, target=level in QUIET, clean=level is None)
        if level in QUIET:
            others += [each for each in heard if each.clip.kind.label != "yes"]
    wrong = [each for each in others if each.meaning(thresholds) == Meaning.YES]
    for each in wrong:
        tell(f"Wrongly a yes: {each.clip.words!r} by {each.clip.speaker}")
    share = 100 * len(wrong) / len(others)
    found.append(at_most(f"clean and 20 dB: false yes among {len(others)}", share, FALSE_YES, "%"))
    wide = gathered(clips, rate=WIDE, processes=PROCESSES, tell=tell)
    rows += [("16 kHz", kind, _counted(wide, kind, thresholds)) for kind in Kind]
    found += _of_level("16 kHz", wide, thresholds, target=True, clean=True)
    found += _human(tell, thresholds)
    Console(stderr=True).print(_matrix(rows))
    tell("The tests of the room: workers that die and hang, servers, endpoints, memory")
    return [*found, suite("tests of spoken answers", *TESTS)]


def _of_level(
    name: str, heard: Sequence[Heard], thresholds: Thresholds, *, target: bool, clean: bool
) -> list[dict[str, Any]]:
    def share(kind: Kind, meaning: Meaning) -> float:
        counted = _counted(heard, kind, thresholds)
        return 100 * counted[meaning] / max(1, counted.total())

    no_as_yes = _counted(heard, Kind.NO, thresholds)[Meaning.YES]
    asked = [each for each in heard if each.clip.words == ASKED_FOR]
    said = 100 * sum(each.meaning(thresholds) == Meaning.YES for each in asked) / len(asked)
    others = [each for each in heard if each.clip.kind.label != "yes"]
    wrong = sum(each.meaning(thresholds) == Meaning.YES for each in others)
    accepted = [
        at_least(f"{name}: the phrase that the prompt asks for, accepted", said, PHRASES, "%"),
        at_least(f"{name}: phrases accepted", share(Kind.PHRASE, Meaning.YES), PHRASES, "%"),
        at_least(f"{name}: bare answers accepted", share(Kind.BARE, Meaning.YES), BARE, "%"),
    ]
    if not clean:
        accepted = [each | {"target": "-", "ok": True} for each in accepted]
    refused = share(Kind.NO, Meaning.NO)
    measured = [
        exactly(f"{name}: NO heard as yes", no_as_yes, 0, "clips"),
        at_most(f"{name}: false yes among {len(others)}", wrong, int(FALSE_YES / 100 * len(others)), "clips"),
    ]
    if not target:
        measured = [each | {"target": "-", "ok": True} for each in measured]
    return [*accepted, figure(f"{name}: NO understood", refused, "%", "-", True), *measured]


def _human(tell: Tell, thresholds: Thresholds) -> list[dict[str, Any]]:
    clips = human.clips()
    tell(f"Listening to {len(clips)} recordings of a real voice that never agrees")
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn"), initializer=_prepare) as pool:
        evidence = list(pool.map(_listen, clips, chunksize=10))
    meanings = Counter(judge(each, thresholds) for each in evidence)
    for path, each in zip(clips, evidence, strict=True):
        if judge(each, thresholds) == Meaning.YES:
            tell(f"Wrongly a yes: {path.name}")
    return [
        at_least("real voice: clips that are no yes", len(clips), 400, "clips"),
        exactly("real voice: false yes", meanings[Meaning.YES], 0, "clips"),
        figure("real voice: taken for a no", meanings[Meaning.NO], "clips", "-", True),
    ]


_ears: Ears


def _prepare() -> None:
    global _ears
    _ears = Ears()


def _listen(path: Path) -> Any:
    return hear(_ears, human.heard(path), NARROW)


def _counted(heard: Sequence[Heard], kind: Kind, thresholds: Thresholds) -> Counter[str]:
    return Counter(each.meaning(thresholds) for each in heard if each.clip.kind is kind)


def _named(level: float | None) -> str:
    return "clean" if level is None else f"{level:g} dB"


def _matrix(rows: Sequence[tuple[str, Kind, Counter[str]]]) -> Table:
    table = Table("line", "clips of held-out voices that are", *(f"as {each}" for each in Meaning))
    for line, kind, counted in rows:
        table.add_row(line, kind.value, *(str(counted[each.value]) for each in Meaning))
        if kind is list(Kind)[-2]:
            table.add_section()
    return table
