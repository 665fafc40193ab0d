"""What an answer was taken for."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Meaning(StrEnum):
    """What somebody said, as far as the question goes."""

    YES = "yes"
    NO = "no"
    UNCLEAR = "unclear"  #: speech that may have been an answer, silence, or an engine that failed: ask again
    OTHER = "other"  #: speech that was no answer: ask again


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One answer, judged. It holds no audio and no words that the ledger should not keep."""

    meaning: Meaning
    confidence: float  #: of the meaning, 0 to 1; 0 where nothing could be judged
    kind: str = ""  #: phrase, half, bare, no or nothing; empty where nothing could be judged
    heard: str = ""  #: the words that were recognised, where there are any
    why: str = ""  #: what decided, in a few words
    engine: str = ""
    language: str = ""
    began: float | None = None  #: seconds after the first frame when speech began
    ended: float | None = None  #: seconds after the first frame when speech ended
    seconds: float = field(default=0.0, compare=False)  #: that judging took after the end of speech

    @property
    def clear(self) -> bool:
        """Whether this is an answer."""
        return self.meaning in {Meaning.YES, Meaning.NO}


def unclear(why: str, *, engine: str = "", language: str = "") -> Verdict:
    """No answer, and why."""
    return Verdict(meaning=Meaning.UNCLEAR, confidence=0.0, why=why, engine=engine, language=language)
