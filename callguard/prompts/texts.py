"""The words of every prompt in every language, checked as a whole before the first of them is spoken."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ValidationError

from callguard.errors import PromptError
from callguard.prompts.facts import Facts
from callguard.prompts.language import LONGEST, STRICT, Language, Text, check_text, load_language
from callguard.prompts.phrasing import sentences
from callguard.shipped import shipped


class SiteTexts(BaseModel):
    """What a site says differently. Every text, purpose and voice can be replaced, per language."""

    model_config = STRICT

    texts: dict[str, dict[str, Text]] = {}  #: language -> text key -> template
    purposes: dict[str, dict[str, Text]] = {}  #: purpose -> language -> phrase
    alternatives: dict[str, dict[str, Text]] = {}  #: key -> language -> the other ways, whole sentences
    voices: dict[str, str] = {}  #: language -> voice of espeak-ng

    @classmethod
    def of(
        cls,
        *,
        texts: Mapping[str, Mapping[str, str]],
        purposes: Mapping[str, Mapping[str, str]],
        alternatives: Mapping[str, Mapping[str, str]],
        voices: Mapping[str, str],
    ) -> Self:
        """From the section `prompts` of the configuration.

        Raises:
            PromptError: a text is empty or too long, with its place in the configuration.
        """
        given = {"texts": texts, "purposes": purposes, "alternatives": alternatives, "voices": voices}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            found = [
                f"prompts.{'.'.join(map(str, e['loc']))}: {e['msg']}; correct it" for e in error.errors()
            ]
            raise PromptError("\n".join(found)) from error


class Texts:
    """All texts of all languages, with the site's own on top."""

    def __init__(self, languages: Mapping[str, Language], site: SiteTexts) -> None:
        self._languages = dict(languages)
        self._site = site

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages there are texts for."""
        return tuple(sorted(self._languages))

    @property
    def alternatives(self) -> tuple[str, ...]:
        """The keys of the other ways that the site offers to refusers."""
        return tuple(self._site.alternatives)

    def resolve(self, language: str) -> str:
        """The language that is spoken when this one is asked for: itself, else the same without a region.

        Raises:
            PromptError: there are no texts for either.
        """
        return resolve(language, self._languages)

    def voice(self, language: str) -> str:
        """The voice of espeak-ng for this language."""
        code = self.resolve(language)
        return self._site.voices.get(code, self._languages[code].voice)

    def render(self, name: str, language: str, facts: Facts) -> str:
        """The exact words of the prompt.

        Raises:
            PromptError: no such prompt, language, purpose or key, or a fact that must be stated is not set.
        """
        spoken = self._languages[self.resolve(language)]
        for sentence in sentences(name, facts):
            if sentence.key not in spoken.texts:
                raise PromptError(
                    f"{spoken.language!r} has no words that offer to speak; add prompts.texts."
                    f"{spoken.language}.{sentence.key}, or take the language out of speech.languages"
                )
        said = [
            spoken.texts[sentence.key].format(**{p: self._words(p, spoken, facts) for p in sentence.places})
            for sentence in sentences(name, facts)
        ]
        # "Acme Inc." at the end of a sentence would leave two full stops.
        return " ".join(said).replace("..", ".").replace("。 ", "。")

    def _words(self, place: str, spoken: Language, facts: Facts) -> str:
        match place:
            case "controller" | "website":
                return _clean(place, getattr(facts, place))
            case "purposes":
                return spoken.joined(tuple(self._purpose(p, spoken) for p in dict.fromkeys(facts.purposes)))
            case "retention":
                if facts.retention is None or facts.retention.count < 1:
                    raise PromptError("a retention to be announced must be at least one day, month or year")
                return spoken.duration(facts.retention)
            case "alternatives":
                return self._alternatives(facts.alternatives, spoken)
            case _:
                key = getattr(facts, place)
                if key not in spoken.keys:
                    raise PromptError(
                        f"{place} is {key!r}; it must be one key of a telephone: 0 to 9, * or #"
                    )
                return spoken.keys[str(key)]

    def _purpose(self, purpose: str, spoken: Language) -> str:
        own = self._site.purposes.get(purpose, {})
        phrase = own.get(spoken.language) or spoken.purposes.get(purpose)
        if phrase is None:
            raise PromptError(
                f"purpose {purpose!r} has no words in {spoken.language!r}; add them under "
                f"prompts.purposes.{purpose}.{spoken.language} or use one of {', '.join(spoken.purposes)}"
            )
        return phrase

    def _alternatives(self, key: str, spoken: Language) -> str:
        ways = self._site.alternatives.get(key)
        if ways is None:
            raise PromptError(f"alternatives {key!r} are not set; add them under prompts.alternatives.{key}")
        if spoken.language not in ways:
            raise PromptError(
                f"alternatives {key!r} have no words in {spoken.language!r}; "
                f"add them under prompts.alternatives.{key}.{spoken.language}"
            )
        return ways[spoken.language]


#: Tags whose region is another spoken language, so that falling back would not be understood.
_SPOKEN_OTHERWISE = frozenset({"zh-HK"})  # Cantonese, where "zh" is spoken as Mandarin


def resolve(language: str, known: Collection[str]) -> str:
    """The language itself if known, else the one without its region ("en-GB" -> "en")."""
    codes = [language]
    if language not in _SPOKEN_OTHERWISE:
        codes.append(language.partition("-")[0])
    for code in codes:
        if code in known:
            return code
    raise PromptError(f"there are no texts in {language!r}; there are {', '.join(sorted(known))}")


def shipped_directory() -> Path:
    """Where the shipped texts are: in the installed package, else beside it in a checkout."""
    return shipped("prompts")


def load_texts(directory: Path | None = None, site: SiteTexts | None = None) -> Texts:
    """All language files of the directory (default: the shipped ones), with the site's own texts on top.

    Raises:
        PromptError: names every problem found, each with file, line, place and what would be right.
    """
    where = directory or shipped_directory()
    files = sorted(where.glob("*.yaml"))
    if not files:
        raise PromptError(f"{where}: holds no language files (*.yaml); name the directory that does")
    languages: dict[str, Language] = {}
    problems: list[str] = []
    for path in files:
        try:
            language = load_language(path)
        except PromptError as error:
            problems.append(str(error))
        else:
            languages[language.language] = language
    if problems:
        raise PromptError("\n".join(problems))
    own = site or SiteTexts()
    return Texts(_overridden(languages, own), own)


def _clean(place: str, value: str) -> str:
    """A name as it may be spoken: no control characters, and no "[[", which espeak-ng reads as phonemes."""
    if not value.isprintable() or "[[" in value or len(value) > LONGEST:
        raise PromptError(
            f"{place} cannot be spoken; use at most {LONGEST} printable characters, without '[['"
        )
    return value


def _overridden(languages: Mapping[str, Language], site: SiteTexts) -> dict[str, Language]:
    merged = dict(languages)
    for code, own in site.texts.items():
        if code not in merged:
            raise PromptError(
                f"prompts.texts.{code}: there is no language {code!r} ({', '.join(sorted(merged))})"
            )
        for key, text in own.items():
            try:
                check_text(key, text, merged[code].wording)
            except ValueError as error:
                raise PromptError(f"prompts.texts.{code}.{key}: {error}") from error
        merged[code] = merged[code].model_copy(update={"texts": {**merged[code].texts, **own}})
    for kind, table in (("purposes", site.purposes), ("alternatives", site.alternatives)):
        for key, phrases in table.items():
            for code, phrase in phrases.items():
                if code not in merged:
                    raise PromptError(f"prompts.{kind}.{key}.{code}: there is no language {code!r}")
                if not phrase.isprintable() or "[[" in phrase:
                    raise PromptError(
                        f"prompts.{kind}.{key}.{code}: has line breaks or '[[', which is not spoken"
                    )
    return merged
