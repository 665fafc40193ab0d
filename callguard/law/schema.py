"""What an entry of the table may say, and what it may not say together.

The models stand at the edge only: a file becomes an :class:`Entry`, an entry becomes a
:class:`~callguard.law.words.Jurisdiction`. Every rule below says which key is wrong and what would be
right.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from callguard.law.flags import Flag
from callguard.law.words import (
    Beep,
    BeepRole,
    Confidence,
    Exists,
    Form,
    Jurisdiction,
    Participant,
    Retention,
    Right,
    Rule,
    Source,
)

Code = Annotated[str, Field(pattern=r"^[A-Z]{2}(-[A-Z]{2,3})?$")]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$")]
Region = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
Basis = Annotated[str, Field(pattern=r"^[a-z_]+$")]
Line = Annotated[str, Field(min_length=1, max_length=600)]
Days = Annotated[int, Field(ge=1, le=36525)]

#: Flags that speak about what is announced: without an announcement they mean nothing.
ABOUT_THE_ANNOUNCEMENT = frozenset(
    {
        Flag.ANNOUNCE_BEFORE_RECORDING,
        Flag.ANNOUNCE_AT_OUTSET,
        Flag.ANNOUNCEMENT_IN_RECORDING,
        Flag.STATE_PURPOSE,
        Flag.STATE_CONTROLLER,
        Flag.STATE_RETENTION,
        Flag.CONTENT_PRESCRIBED,
        Flag.SAY_IS_RECORDED,
        Flag.FRENCH_FIRST,
        Flag.LANGUAGE_CHOICE,
    }
)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BeepEntry(_Model):
    """What a repeated tone is worth there."""

    role: BeepRole = BeepRole.NO
    interval_s: Annotated[int, Field(ge=1, le=60)] | None = None


class RetentionEntry(_Model):
    """Days that a recording must and may be kept. A key is left out where no figure was found."""

    min_days: Days | None = None
    max_days: Days | None = None
    note: Annotated[str, Field(max_length=400)] = ""


class RightEntry(_Model):
    """A right of the recorded person."""

    exists: Exists
    law: str = ""
    days: Days | None = None


class SourceEntry(_Model):
    """Something that was read."""

    title: Line
    url: Annotated[str, Field(pattern=r"^(https?://\S+)?$")] = ""
    dated: str = ""


def _when(flag: Flag, then: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of "an entry with this flag also ..."."""
    has = {"required": ["flags"], "properties": {"flags": {"contains": {"const": flag.value}}}}
    return {"if": has, "then": then}


_EXPLICIT = {"properties": {"form": {"const": Form.EXPLICIT.value}}}


class Entry(_Model):
    """One jurisdiction as a file gives it. ``rule`` and ``form`` are what callguard applies."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                _when(Flag.ACTIVE_OPT_IN, _EXPLICIT),
                _when(Flag.CONSENT_BEFORE_CAPTURE, _EXPLICIT),
                _when(Flag.LAWFUL_BASIS, {"required": ["bases"]}),
                _when(Flag.DESTROY_WITHIN, {"properties": {"retention": {"required": ["max_days"]}}}),
                {
                    "if": {"properties": {"rule": {"const": "all-party"}}},
                    "then": {
                        "properties": {"form": {"enum": ["implied-by-continuing", "opt-out", "explicit"]}}
                    },
                },
                {
                    "if": {"properties": {"rule": {"const": "notice"}}},
                    "then": {"properties": {"form": {"not": {"const": "none"}}}},
                },
            ]
        }
    )

    code: Code
    name: Line
    parent: Code | None = None
    rule: Rule
    form: Form
    law_rule: Rule | None = None  #: the law's own rule, where callguard is more cautious
    law_form: Form | None = None
    participant: Participant = Participant.UNKNOWN
    disputed: bool = False
    flags: tuple[Flag, ...] = ()
    beep: BeepEntry = BeepEntry()
    retention: RetentionEntry = RetentionEntry()
    access: RightEntry = RightEntry(exists=Exists.NO)
    erasure: RightEntry = RightEntry(exists=Exists.NO)
    bases: tuple[Basis, ...] = ()
    languages: Annotated[tuple[Language, ...], Field(min_length=1)]
    announce_languages: Annotated[int, Field(ge=1, le=3)] = 1
    regions: tuple[Region, ...] = ()
    strictest_part: bool = False
    statutes: Annotated[tuple[Line, ...], Field(min_length=1)]
    sources: Annotated[tuple[SourceEntry, ...], Field(min_length=1)]
    exceptions: tuple[Line, ...] = ()
    notes: tuple[Line, ...] = ()
    read: date
    review_by: date
    confidence: Confidence

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for key, what, fix in self.contradictions():
            raise PydanticCustomError("contradiction", "{what}", {"key": key, "what": what, "fix": fix})
        return self

    def contradictions(self) -> Iterator[tuple[str, str, str]]:
        """What this entry says that cannot be true together: key, what, and what would be right."""
        yield from self._scales()
        yield from self._flags()
        if len(set(self.languages)) < len(self.languages):
            yield "languages", "a language is listed twice", "list each once, the one to offer first in front"
        if self.announce_languages > len(self.languages):
            yield "announce_languages", "more than there are languages", f"at most {len(self.languages)}"
        low, high = self.retention.min_days, self.retention.max_days
        if low is not None and high is not None and low > high:
            yield (
                "retention",
                f"at least {low} and at most {high} days cannot both be kept",
                "correct one of them",
            )
        if self.bases and "consent" not in self.bases:
            yield (
                "bases",
                "consent is not among them",
                "every list of lawful bases starts from consent: add it",
            )
        if self.review_by <= self.read:
            yield (
                "review_by",
                f"not after the reading of {self.read}",
                "give the day by which to read it again",
            )
        if self.confidence is Confidence.HIGH and not any(source.url for source in self.sources):
            yield "confidence", "high without a source that can be opened", "add a url, or say medium or low"
        if self.disputed and not self.notes:
            yield "disputed", "without a note on who disagrees", "add a note, or set disputed: false"
        if self.parent == self.code:
            yield (
                "parent",
                "an entry cannot lie within itself",
                "name the wider jurisdiction, or leave it out",
            )

    def _scales(self) -> Iterator[tuple[str, str, str]]:
        if self.law_rule and self.rule.strictness < self.law_rule.strictness:
            yield (
                "rule",
                f"{self.rule} is weaker than the law's own {self.law_rule}",
                f"at least {self.law_rule}",
            )
        if self.law_form and self.form.strictness < self.law_form.strictness:
            yield (
                "form",
                f"{self.form} is weaker than the law's own {self.law_form}",
                f"at least {self.law_form}",
            )
        if self.rule is Rule.ALL_PARTY and self.form.strictness < Form.IMPLIED.strictness:
            yield (
                "form",
                f"{self.form} gives nobody the chance to agree",
                f"all-party needs at least {Form.IMPLIED}",
            )
        if self.rule is Rule.NOTICE and self.form is Form.NONE:
            yield "form", "none tells nobody anything", "the rule notice needs at least the form notice"
        suffices = self.beep.role is BeepRole.SUFFICES
        if suffices != (Flag.BEEP_ALTERNATIVE in self.flags):
            yield "beep", "the role yes and the flag beep_alternative go together", "set both or neither"
        if suffices != (self.beep.interval_s is not None):
            yield (
                "beep",
                "an interval belongs to the role yes and to no other",
                "give interval_s with role: yes only",
            )

    def _flags(self) -> Iterator[tuple[str, str, str]]:
        flags = frozenset(self.flags)
        if len(flags) < len(self.flags):
            yield "flags", "a flag is listed twice", "list each flag once"
        if self.form is not Form.EXPLICIT:
            for flag in sorted(flags & {Flag.ACTIVE_OPT_IN, Flag.CONSENT_BEFORE_CAPTURE}):
                yield (
                    "form",
                    f"{self.form} contradicts the flag {flag}",
                    "write form: explicit, or drop the flag",
                )
        if self.form is Form.NONE:
            for flag in sorted(flags & ABOUT_THE_ANNOUNCEMENT):
                yield (
                    "form",
                    f"none contradicts the flag {flag}",
                    "write form: notice or stricter, or drop the flag",
                )
        if Flag.FRENCH_FIRST in flags and self.languages[0] != "fr":
            yield (
                "languages",
                f"{self.languages[0]} first contradicts the flag french_first",
                "put fr in front",
            )
        if Flag.LANGUAGE_CHOICE in flags and len(self.languages) < 2:
            yield (
                "languages",
                "one language is no choice",
                "list what is offered, or drop language_choice_required",
            )
        if Flag.LAWFUL_BASIS in flags and not self.bases:
            yield (
                "bases",
                "missing although the flag lawful_basis_required is set",
                "list the lawful bases there",
            )
        if Flag.DESTROY_WITHIN in flags and self.retention.max_days is None:
            yield "retention", "the flag destroy_within_days has no figure", "give retention.max_days"

    def jurisdiction(self) -> Jurisdiction:
        """The value that the rest of callguard works with."""
        return Jurisdiction(
            code=self.code,
            name=self.name,
            parent=self.parent,
            rule=self.rule,
            form=self.form,
            law_rule=self.law_rule or self.rule,
            law_form=self.law_form or self.form,
            participant=self.participant,
            disputed=self.disputed,
            flags=frozenset(self.flags),
            beep=Beep(**dict(self.beep)),
            retention=Retention(**dict(self.retention)),
            access=Right(**dict(self.access)),
            erasure=Right(**dict(self.erasure)),
            bases=self.bases,
            languages=self.languages,
            announce_languages=self.announce_languages,
            regions=self.regions,
            strictest_part=self.strictest_part,
            statutes=self.statutes,
            sources=tuple(Source(**dict(source)) for source in self.sources),
            exceptions=self.exceptions,
            notes=self.notes,
            read=self.read,
            review_by=self.review_by,
            confidence=self.confidence,
        )


class RegionFile(_Model):
    """One file of the table, for the JSON Schema.

    What ``common`` gives, every entry of the file takes unless it says its own; lists of flags, statutes,
    sources and notes are added to the entry's own.
    """

    region: Line
    common: dict[str, Any] = {}
    jurisdictions: Annotated[tuple[Entry, ...], Field(min_length=1)]


def json_schema() -> dict[str, Any]:
    """JSON Schema of one file of the table, for editors and for other programs."""
    schema = RegionFile.model_json_schema()
    # An entry is only complete together with what is common to its file.
    schema["$defs"]["Entry"]["required"] = ["code", "name"]
    return schema
