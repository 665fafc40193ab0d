"""The words of the law room: rules, forms, evidence, and what one jurisdiction asks for.

Values only. The two scales carry their order with them, because "the strictest of all parties" is the one
thing that everything else here rests on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from callguard.law.flags import Flag

#: The fallback: nobody knows where the party is, or the table does not know that law.
UNKNOWN = "ZZ"


class _Scale(StrEnum):
    """Words in order of strictness: the later member is the stricter one."""

    @property
    def strictness(self) -> int:
        """Place on the scale, 0 being the mildest."""
        return _PLACE[self]


class Rule(_Scale):
    """Who has to know or agree before a business records."""

    ONE_PARTY = "one-party"  #: somebody on the call knows, the others need not
    NOTICE = "notice"  #: the others must be told
    ALL_PARTY = "all-party"  #: nobody may be recorded without knowing and agreeing


class Form(_Scale):
    """The step that has to be taken before capture."""

    NONE = "none"  #: nothing has to be said
    NOTICE = "notice"  #: an announcement, no answer
    IMPLIED = "implied-by-continuing"  #: an announcement and time to leave
    OPT_OUT = "opt-out"  #: an announcement and an offered refusal
    EXPLICIT = "explicit"  #: a key or a spoken yes


_PLACE: dict[str, int] = {
    member: place for scale in (Rule, Form) for place, member in enumerate(scale)
}  # a member is its text, and no word is on both scales at a different place


class Participant(StrEnum):
    """What interception law alone says of somebody who records a call of their own."""

    ONE_PARTY = "one-party"
    ALL_PARTY = "all-party"
    MIXED = "mixed"
    UNKNOWN = "unknown"


class Confidence(StrEnum):
    """How well the entry's sources bear it."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Exists(StrEnum):
    """Whether a person has a right there."""

    YES = "yes"
    PARTIAL = "partial"
    NO = "no"


class BeepRole(StrEnum):
    """What a repeated tone is worth. Ordered from the most to the least useful tone."""

    NOT_REQUIRED = "not-required"  #: nothing is owed, so a tone is an extra
    SUFFICES = "yes"  #: the statute takes a repeated tone instead of words
    NOTICE_ONLY = "notice-only"  #: one way of informing; other duties stay
    NO = "no"  #: words are needed; nobody should rely on a tone

    @property
    def strictness(self) -> int:
        """0 where a tone is worth most."""
        return list(BeepRole).index(self)


class Evidence(StrEnum):
    """Where a party's jurisdiction was read from, most trusted first."""

    RECORD = "record"  #: the address on the customer record
    CHOSEN = "chosen"  #: what the person said or keyed
    NUMBER = "number"  #: the phone number: a hint
    SITE = "site"  #: where the business says that its agent or recorder is
    NONE = "none"  #: nothing was known


@dataclass(frozen=True, slots=True, kw_only=True)
class Beep:
    """What a repeated tone is worth, and how often it has to sound, in seconds."""

    role: BeepRole
    interval_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long a recording must and may be kept, in days; ``None`` means that no figure was found."""

    min_days: int | None = None
    max_days: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """A right of the recorded person, with the law it stands in and the days allowed for an answer."""

    exists: Exists
    law: str = ""
    days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Something that was read: its title, where it is, and the date it carries."""

    title: str
    url: str = ""
    dated: str = ""

    def __str__(self) -> str:
        return " ".join(
            part for part in (self.title, f"({self.dated})" if self.dated else "", self.url) if part
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Jurisdiction:
    """One entry of the table. ``rule`` and ``form`` are what callguard applies."""

    code: str
    name: str
    parent: str | None
    rule: Rule
    form: Form
    law_rule: Rule  #: what the law itself asks, never stricter than ``rule``
    law_form: Form  #: likewise
    participant: Participant
    disputed: bool
    flags: frozenset[Flag]
    beep: Beep
    retention: Retention
    access: Right
    erasure: Right
    bases: tuple[str, ...]  #: lawful bases to choose from; empty where the law knows no such list
    languages: tuple[str, ...]  #: BCP 47, first offered first
    announce_languages: int  #: how many of them are spoken one after the other
    regions: tuple[str, ...]  #: country codes of phone numbers that belong here
    strictest_part: bool  #: known only as a whole, the strictest of its parts applies
    statutes: tuple[str, ...]
    sources: tuple[Source, ...]
    exceptions: tuple[str, ...]
    notes: tuple[str, ...]
    read: date  #: when the sources were read
    review_by: date
    confidence: Confidence
