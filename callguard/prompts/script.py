"""The prompts as words only: a whole dialogue can be tried before anything was rendered."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from callguard.consent.words import Prompt
from callguard.prompts.facts import Facts
from callguard.prompts.library import Library
from callguard.prompts.measure import spoken_seconds
from callguard.prompts.texts import Texts


class Script(Library):
    """A library without audio. Lengths are estimated, and hashes are those of the words."""

    def __init__(self, texts: Texts) -> None:
        super().__init__(Path("/"), (), {})
        self._texts = texts
        self._said: dict[str, str] = {}
        self._parts: dict[str, tuple[str, str, str]] = {}

    @property
    def languages(self) -> frozenset[str]:
        """The languages there are texts for."""
        return frozenset(self._texts.languages)

    def prompt(self, name: str, language: str, facts: Facts) -> Prompt:
        """The prompt as it would be built."""
        text = self._texts.render(name, language, facts)
        digest = sha256(text.encode()).hexdigest()
        medium = f"words:{digest[:32]}"
        self._said[medium] = text
        self._parts[medium] = (name, self._texts.resolve(language), text)
        return Prompt(
            name=name,
            language=self._texts.resolve(language),
            media=(medium,),
            sha256=digest,
            seconds=spoken_seconds(text),
        )

    def words(self, medium: str) -> str:
        """The words of a prompt that was asked for."""
        return self._said.get(medium, "")

    def parts(self, prompt: Prompt) -> list[tuple[str, str, str]]:
        """Name, language and words of each part of a prompt that was asked for, in the order spoken."""
        return [self._parts[medium] for medium in prompt.media]
