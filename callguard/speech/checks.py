"""What `callguard speech check` found, kept, so that speech is switched on only after it was tried."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from callguard.speech.errors import SpeechError
from callguard.speech.thresholds import BARE, HALF, NO, PHRASE, Thresholds
from callguard.speech.verdict import Meaning, Verdict

#: What a clip may be labelled.
LABELS = ("yes", "no", "other")
#: A check of fewer clips that are no yes says nothing about wrong ones.
LEAST_OTHERS = 30
#: How far towards certainty a proposed threshold stays above the worst mistake: half of what is left.
MARGIN = 0.5
#: A threshold that nothing reaches.
NEVER = 1.01
#: What is proposed where no mistake was made at all, so that an unlucky set does not throw the door open.
LOWEST = {PHRASE: 0.6, HALF: 0.85, BARE: 0.75, NO: 0.3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One clip, what it is and what it was taken for."""

    name: str
    label: str
    verdict: Verdict

    @property
    def wrong_yes(self) -> bool:
        """The worst there is."""
        return self.label != "yes" and self.verdict.meaning is Meaning.YES


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check that was made."""

    engine: str
    language: str
    thresholds: Thresholds
    matrix: Mapping[str, Mapping[str, int]]  #: label -> meaning -> clips
    wrong: tuple[str, ...]  #: names of the clips that were wrongly taken for a yes
    proposed: Thresholds
    at: float = field(default_factory=time.time)

    @property
    def others(self) -> int:
        """Clips that are no yes."""
        return sum(sum(row.values()) for label, row in self.matrix.items() if label != "yes")

    @property
    def passed(self) -> bool:
        """Whether speech may be switched on after it."""
        return not self.wrong and self.others >= LEAST_OTHERS

    def covers(self, thresholds: Thresholds) -> bool:
        """Whether it was made with thresholds that are no stricter."""
        mine = self.thresholds
        return (
            mine.phrase <= thresholds.phrase and mine.half <= thresholds.half and mine.bare <= thresholds.bare
        )

    def save(self, directory: Path) -> Path:
        """Keep it; an older one of the same engine and language is replaced.

        Raises:
            SpeechError: it cannot be written.
        """
        path = _path(directory, self.engine, self.language)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            new = path.with_suffix(".new")
            new.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
            new.replace(path)
        except OSError as error:
            raise SpeechError(f"{path} cannot be written ({error}); make {directory} writable") from error
        return path


def kept(directory: Path, engine: str, language: str) -> Check | None:
    """The last check of an engine in a language; None when there was none.

    Raises:
        SpeechError: there is one, and it cannot be read.
    """
    path = _path(directory, engine, language)
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        read["thresholds"], read["proposed"] = (
            Thresholds(**read["thresholds"]),
            Thresholds(**read["proposed"]),
        )
        return Check(**read | {"wrong": tuple(read["wrong"])})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SpeechError(f"{path} cannot be read ({error}); run `callguard speech check` again") from error


def checked(engine: str, language: str, thresholds: Thresholds, tried: Iterable[Tried]) -> Check:
    """Sum up what was tried."""
    clips = list(tried)
    counts = {label: Counter(t.verdict.meaning.value for t in clips if t.label == label) for label in LABELS}
    return Check(
        engine=engine,
        language=language,
        thresholds=thresholds,
        matrix={label: {each.value: row[each.value] for each in Meaning} for label, row in counts.items()},
        wrong=tuple(each.name for each in clips if each.wrong_yes),
        proposed=proposed(clips),
    )


def proposed(tried: Iterable[Tried]) -> Thresholds:
    """The thresholds at which no clip of this set is wrong, with a margin."""
    clips = list(tried)

    def lowest(kind: str, label: str) -> float:
        wrong = [t.verdict.confidence for t in clips if t.verdict.kind == kind and t.label != label]
        if not wrong:
            return LOWEST[kind]
        # Rounded up: a threshold must not fall onto the mistake again.
        safe = math.ceil(round((max(wrong) + (1 - max(wrong)) * MARGIN) * 1000, 6)) / 1000
        return max(LOWEST[kind], safe) if safe < 1 else NEVER

    return Thresholds(
        phrase=lowest(PHRASE, "yes"),
        half=lowest(HALF, "yes"),
        bare=lowest(BARE, "yes"),
        no=lowest(NO, "no"),
    )


def _path(directory: Path, engine: str, language: str) -> Path:
    return directory / f"{engine}-{language}.json"
