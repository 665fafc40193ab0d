"""The facts of a queue that a prompt can state."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

#: The purposes that every shipped language can say. A site may add its own in its configuration.
PURPOSES = (
    "quality",
    "training",
    "proof-of-contract",
    "security",
    "dispute-resolution",
    "legal-duty",
    "fraud",
    "accuracy",
    "complaints",
)

KEYS = "0123456789*#"  #: what a telephone can send (ITU-T E.161, without the letters)


class Unit(StrEnum):
    """The unit in which a length of time is spoken."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """How long a recording is kept, as it is spoken."""

    count: int  #: at least 1
    unit: Unit

    @classmethod
    def of_days(cls, days: int) -> Self:
        """Whole years when the days are a multiple of 365, else days: never a rounded month."""
        if days % 365 == 0:
            return cls(count=days // 365, unit=Unit.YEAR)
        return cls(count=days, unit=Unit.DAY)

    def __str__(self) -> str:
        return f"{self.count} {self.unit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is true of this queue and has to be said. Which of it a prompt uses, the prompt decides."""

    controller: str = ""  #: who records, as callers know them
    purposes: tuple[str, ...] = ()  #: keys of purposes, in the order they are spoken
    retention: Duration | None = None  #: how long the recording is kept, when that is to be said
    duty: bool = False  #: a law obliges the controller to record
    copy: bool = False  #: tell that a copy can be asked for
    tone: bool = False  #: a warning tone repeats during the recording
    equal_service: bool = False  #: tell that a refusal changes nothing in the service
    website: str = ""  #: where more is to be read, as it is spoken
    yes_key: str = "1"
    no_key: str = "2"
    spoken: bool = False  #: callers may answer by voice as well
    withdraw_key: str = ""  #: stops the recording later; told after a yes
    objection_key: str = ""  #: stops the recording; told in the announcement where nothing is asked
    alternatives: str = ""  #: key of the other ways a refuser hears; empty: refusers are served unrecorded
