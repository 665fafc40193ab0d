"""The prompts that can be played right now: opened once, then a look-up in memory per call."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Self

from callguard.consent.words import Prompt
from callguard.errors import PromptError
from callguard.prompts.facts import Facts
from callguard.prompts.manifest import Audio, Entry, read_manifest
from callguard.prompts.measure import NARROW, WIDE, Finding, measure, prompt_findings
from callguard.prompts.phrasing import variant
from callguard.prompts.texts import resolve

_REBUILD = "run `callguard prompts build`"
# ARI reads "," as the end of a media URI and the dialplan reads "&" so.
_PLAYABLE_PATH = re.compile(r"/[\w./+@-]*\Z")

_Key = tuple[str, str, tuple[str, ...]]


class Library:
    """What a directory of built prompts holds. Files whose hash is wrong are not in it."""

    def __init__(self, directory: Path, entries: Sequence[Entry], broken: Mapping[_Key, str]) -> None:
        self.directory = directory
        self.entries = tuple(entries)
        self._broken = dict(broken)
        self._languages = frozenset(entry.language for entry in entries)
        self._prompts = {
            entry.key: Prompt(
                name=entry.name,
                language=entry.language,
                media=(f"sound:{directory / Path(entry.audio.file).stem}",),
                sha256=entry.audio.sha256,
                seconds=entry.audio.seconds,
            )
            for entry in entries
            if entry.key not in broken
        }

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Read the manifest and hash every file once (about 1 ms per prompt).

        Raises:
            PromptError: no manifest, a damaged one, or a directory whose path Asterisk cannot play from.
        """
        where = playable(directory)
        manifest = read_manifest(where)
        broken: dict[_Key, str] = {}
        for entry in manifest.prompts:
            for audio in (entry.audio, entry.wideband):
                if audio is not None and (problem := changed(where, audio)):
                    broken[entry.key] = str(problem)
        return cls(where, manifest.prompts, broken)

    @property
    def languages(self) -> frozenset[str]:
        """The languages that at least one prompt is there in."""
        return self._languages

    def words(self, medium: str) -> str:
        """What is heard when this medium of a prompt is played; empty for one that is not of this library."""
        stem = medium.rpartition("/")[2]
        return next((e.text for e in self.entries if Path(e.audio.file).stem == stem), "")

    def prompt(self, name: str, language: str, facts: Facts) -> Prompt:
        """The prompt to play. Takes microseconds and touches no disk.

        Raises:
            PromptError: it was not built for these facts, or its file is not what was built.
        """
        key = (name, resolve(language, self._languages), variant(name, facts))
        found = self._prompts.get(key)
        if found is None:
            raise PromptError(
                self._broken.get(key)
                or f"prompt {name!r} in {key[1]!r} was not built for {', '.join(key[2])}; {_REBUILD}"
            )
        return found

    def check(self) -> list[Finding]:
        """Hash and measure every file again: what changed, is missing, or would not be heard."""
        findings: list[Finding] = []
        for entry in self.entries:
            findings += self._checked(entry, entry.audio, NARROW)
            if entry.wideband is not None:
                findings += self._checked(entry, entry.wideband, WIDE)
        return findings

    def _checked(self, entry: Entry, audio: Audio, rate: int) -> list[Finding]:
        if problem := changed(self.directory, audio):
            return [problem]
        where = f"{self.directory / audio.file} ({entry.name}, {entry.language})"
        try:
            found = measure(self.directory / audio.file)
        except (OSError, ValueError) as error:
            return [Finding(where=where, what=str(error), remedy=_REBUILD)]
        return prompt_findings(found, where, entry.text, rate)


def in_turn(prompts: Sequence[Prompt]) -> Prompt:
    """Several prompts as one, spoken one after the other: the same announcement in two languages.

    Its hash is that of the hashes of its parts, in order, as lower-case hexadecimal digits without anything
    between them.
    """
    if len(prompts) == 1:
        return prompts[0]
    return Prompt(
        name=prompts[0].name,
        language=",".join(p.language for p in prompts),
        media=tuple(medium for p in prompts for medium in p.media),
        sha256=sha256("".join(p.sha256 for p in prompts).encode()).hexdigest(),
        seconds=sum(p.seconds for p in prompts),
    )


def playable(directory: Path) -> Path:
    """The absolute path of the directory.

    Raises:
        PromptError: it has a character at which Asterisk would cut the name of a sound.
    """
    where = directory.absolute()
    if not _PLAYABLE_PATH.match(str(where)):
        raise PromptError(
            f"{where}: Asterisk cannot play from this path; use only letters, digits and . _ - + @ / in it"
        )
    return where


def changed(directory: Path, audio: Audio) -> Finding | None:
    """What is wrong with the bytes of this file, judged by their hash."""
    path = directory / audio.file
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Finding(where=str(path), what="is missing", remedy=_REBUILD)
    except OSError as error:
        return Finding(
            where=str(path), what=f"cannot be read ({error.strerror})", remedy="check owner and mode"
        )
    if sha256(content).hexdigest() != audio.sha256:
        return Finding(
            where=str(path),
            what="is not the audio that was built (its hash differs from the manifest)",
            remedy=f"find out who changed it, then {_REBUILD}",
        )
    return None
