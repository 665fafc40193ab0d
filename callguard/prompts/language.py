"""One language file: every text, key name, plural and purpose of a language, complete or refused."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from callguard.errors import PromptError
from callguard.prompts import textfile
from callguard.prompts.facts import KEYS, PURPOSES, Duration, Unit
from callguard.prompts.phrasing import SPOKEN, TEXTS
from callguard.prompts.plural import PLURALS

STRICT = ConfigDict(extra="forbid", frozen=True, alias_generator=lambda name: name.replace("_", "-"))
LONGEST = 400  # characters of one sentence; longer is not listened to

Text = Annotated[str, Field(min_length=1, max_length=LONGEST)]


class Joins(BaseModel):
    """How several purposes become one phrase."""

    model_config = STRICT

    between: str = Field(min_length=1)  #: between all but the last two
    last: str = Field(min_length=1)  #: between the last two


class Wording(BaseModel):
    """Patterns (regular expressions, upper and lower case alike) that keep an announcement honest."""

    model_config = STRICT

    must_say: str = Field(min_length=1)  #: the statement that the call is recorded
    never_say: tuple[str, ...] = Field(min_length=1)  #: hedges such as "may be recorded"

    @field_validator("must_say", "never_say")
    @classmethod
    def _patterns(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for pattern in (value,) if isinstance(value, str) else value:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
        return value


class Language(BaseModel):
    """One language file."""

    model_config = STRICT

    language: str = Field(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$")  #: BCP 47
    name: Text  #: the language's name for itself
    voice: str = Field(pattern=r"^[A-Za-z0-9_+-]{1,40}$")  #: of espeak-ng
    plural: str
    joins: Joins
    keys: dict[str, Text]
    durations: dict[Unit, dict[str, Text]]
    purposes: dict[str, Text]
    wording: Wording
    texts: dict[str, Text]

    @field_validator("plural")
    @classmethod
    def _known_rule(cls, value: str) -> str:
        if value not in PLURALS:
            raise ValueError(f"{value!r} is not a plural rule; the rules are {', '.join(PLURALS)}")
        return value

    @field_validator("keys")
    @classmethod
    def _all_keys(cls, value: dict[str, str]) -> dict[str, str]:
        _same("key", value, KEYS)
        return value

    @field_validator("purposes")
    @classmethod
    def _all_purposes(cls, value: dict[str, str]) -> dict[str, str]:
        _same("purpose", value, PURPOSES)
        for phrase in value.values():
            places(phrase, ())
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        rule = PLURALS[self.plural]
        _same("duration", self.durations, Unit)
        for forms in self.durations.values():
            _same("plural form", forms, rule.forms)
            for form, text in forms.items():
                if form not in rule.exact or "{" in text:
                    places(text, ("n",))
        offers = SPOKEN & set(self.texts)
        _same("text", self.texts, TEXTS if offers else set(TEXTS) - SPOKEN)
        for key, text in self.texts.items():
            check_text(key, text, self.wording)
        return self

    def duration(self, duration: Duration) -> str:
        """The length of time in words of this language."""
        form = PLURALS[self.plural].choose(duration.count)
        return self.durations[duration.unit][form].format(n=duration.count)

    def joined(self, phrases: tuple[str, ...]) -> str:
        """Several phrases as one."""
        if len(phrases) < 2:
            return phrases[0]
        return self.joins.between.join(phrases[:-1]) + self.joins.last + phrases[-1]


def load_language(path: Path) -> Language:
    """One language file, checked.

    Raises:
        PromptError: with file, line and place of every problem.
    """
    content, lines = textfile.read(path)
    try:
        language = Language.model_validate(content)
    except ValidationError as error:
        found = [
            f"{path} line {textfile.line_of(e['loc'], lines)}: "
            f"{'.'.join(str(w) for w in e['loc']) or 'file'}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        ]
        raise PromptError("\n".join(found)) from error
    if language.language != path.stem:
        raise PromptError(
            f"{path}: says language {language.language!r}; name the file {language.language}.yaml"
        )
    return language


def check_text(key: str, text: str, wording: Wording) -> None:
    """Refuse a template that lacks a placeholder, has a foreign one, or hedges where it must state.

    Raises:
        ValueError: what is wrong with the text and what would be right.
    """
    if key not in TEXTS:
        raise ValueError(f"{key!r} is no text; the texts are {', '.join(TEXTS)}")
    try:
        places(text, TEXTS[key])
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error
    if not key.startswith("announcement"):
        return
    for pattern in wording.never_say:
        if found := re.search(pattern, text, re.IGNORECASE):
            raise ValueError(f"{key}: says {found[0]!r}; say that the call is recorded, not that it may be")
    if key == "announcement" and not re.search(wording.must_say, text, re.IGNORECASE):
        raise ValueError(f"{key}: must say that the call is recorded (pattern {wording.must_say!r})")


def places(text: str, wanted: tuple[str, ...]) -> None:
    """Refuse a template whose placeholders are not exactly those wanted.

    Raises:
        ValueError: which placeholder is missing, unknown or malformed.
    """
    try:
        found = [(field, spec, conversion) for _, field, spec, conversion in string.Formatter().parse(text)]
    except ValueError as error:
        raise ValueError(f"has a stray brace ({error}); placeholders look like {{controller}}") from error
    names = {field for field, _, _ in found if field is not None}
    for field, spec, conversion in found:
        if field is not None and (field not in wanted or spec or conversion):
            allowed = ", ".join(f"{{{w}}}" for w in wanted) or "none"
            raise ValueError(f"has the placeholder {{{field}}}; allowed here: {allowed}")
    for name in wanted:
        if name not in names:
            raise ValueError(f"lacks the placeholder {{{name}}}")


def _same(what: str, got: Iterable[str], wanted: Iterable[str]) -> None:
    have, want = {str(g) for g in got}, {str(w) for w in wanted}
    if missing := sorted(want - have):
        raise ValueError(f"lacks the {what} {', '.join(missing)}")
    if unknown := sorted(have - want):
        raise ValueError(f"{', '.join(unknown)} is no {what}; wanted are {', '.join(sorted(want))}")
