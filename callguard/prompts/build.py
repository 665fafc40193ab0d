"""Building a prompt directory: every prompt that is needed, rendered, measured and written, or nothing."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from callguard.errors import PromptError
from callguard.prompts.facts import Facts
from callguard.prompts.library import Library, changed, playable
from callguard.prompts.manifest import (
    NAME,
    Audio,
    Entry,
    Manifest,
    facts_hash,
    read_manifest,
    write_file,
    write_manifest,
)
from callguard.prompts.measure import NARROW, WIDE, measured, prompt_findings, read
from callguard.prompts.phrasing import PROMPTS, variant
from callguard.prompts.render import Espeak, prompt_wav
from callguard.prompts.studio import find_take
from callguard.prompts.texts import Texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """A prompt that some queue can play."""

    name: str
    language: str
    facts: Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """Told after each prompt."""

    entry: Entry
    reused: bool  #: it was there already, with the same words by the same voice


def everything(languages: Iterable[str], facts: Facts) -> list[Needed]:
    """All prompts that a queue with these facts can play in these languages."""
    names = [name for name in PROMPTS if name != "alternatives" or facts.alternatives]
    return [Needed(name=name, language=language, facts=facts) for language in languages for name in names]


def build(
    directory: Path,
    texts: Texts,
    needed: Iterable[Needed],
    *,
    wideband: bool = False,
    voice: Espeak | None = None,
    told: Callable[[Built], None] | None = None,
) -> Library:
    """Make the directory hold every prompt needed, and open it.

    Prompts that are there already, unchanged, are kept. The manifest is replaced last and only if every
    prompt is good, so a failed build leaves the old prompts playing. Files of earlier builds stay: ledger
    entries refer to them.

    Args:
        directory: where the audio goes; readable by Asterisk under the same path.
        texts: the words.
        needed: which prompts; `everything` lists those of one queue.
        wideband: also write 16 kHz files (`.wav16`), which Asterisk prefers on wideband lines.
        voice: the synthesiser.
        told: called after each prompt, to show progress.

    Raises:
        PromptError: every prompt that could not be made, with the reason.
    """
    where = playable(directory)
    try:
        where.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PromptError(f"{where}: cannot be created ({error.strerror}); check owner and mode") from error
    workshop = _Workshop(where, texts, voice or Espeak(), wideband)
    entries: dict[tuple[str, str, tuple[str, ...]], Entry] = {}
    problems: dict[str, None] = {}
    for want in needed:
        try:
            key = (want.name, texts.resolve(want.language), variant(want.name, want.facts))
            if key in entries:
                continue
            made = workshop.make(key, texts.render(want.name, want.language, want.facts))
        except PromptError as error:
            problems[str(error)] = None
            continue
        entries[key] = made.entry
        if told is not None:
            told(made)
    if problems:
        raise PromptError("\n".join(problems))
    if not entries:
        raise PromptError("no prompt is needed; name at least one language and one queue")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_manifest(where, Manifest(built=now, prompts=tuple(entries[key] for key in sorted(entries))))
    return Library.open(where)


@dataclass
class _Workshop:
    """Renders one prompt after the other into a directory."""

    where: Path
    texts: Texts
    voice: Espeak
    wideband: bool
    _before: dict[tuple[str, str, tuple[str, ...]], Entry] = field(init=False)

    def __post_init__(self) -> None:
        try:
            old = read_manifest(self.where).prompts if (self.where / NAME).exists() else ()
        except PromptError:
            old = ()  # a damaged manifest is what this build replaces
        self._before = {entry.key: entry for entry in old}

    def make(self, key: tuple[str, str, tuple[str, ...]], text: str) -> Built:
        name, language, _ = key
        take = find_take(self.where, name, language, text)
        if take is not None:
            source = f"studio {take.path.name} {take.sha256}"
        else:
            speaker = self.texts.voice(language)
            source = f"{self.voice.version} {speaker} {self.voice.words_per_minute} wpm"
        old = self._before.get(key)
        if old is not None and (old.text, old.source) == (text, source) and self._intact(old):
            return Built(entry=old, reused=True)
        if take is not None:
            samples, rate, _, _ = read(take.path)
        else:
            samples, rate = self.voice.speak(text, speaker)
        narrow = self._written(prompt_wav(samples, rate, NARROW), text, NARROW, f"{name} in {language}")
        wide = None
        if self.wideband:
            stem = Path(
                narrow.file
            ).stem  # Asterisk chooses between files that differ only in their extension
            wide = self._written(prompt_wav(samples, rate, WIDE), text, WIDE, f"{name} in {language}", stem)
        entry = Entry(
            name=name,
            language=language,
            variant=key[2],
            facts_sha256=facts_hash(*key),
            text=text,
            source=source,
            audio=narrow,
            wideband=wide,
        )
        return Built(entry=entry, reused=False)

    def _intact(self, entry: Entry) -> bool:
        files = [audio for audio in (entry.audio, entry.wideband) if audio is not None]
        return self.wideband == (entry.wideband is not None) and not any(
            changed(self.where, f) for f in files
        )

    def _written(self, wav: bytes, text: str, rate: int, where: str, stem: str = "") -> Audio:
        import soundfile

        samples, _ = soundfile.read(io.BytesIO(wav), dtype="float64")
        if problems := prompt_findings(measured(samples, rate), where, text, rate):
            raise PromptError("\n".join(str(problem) for problem in problems))
        digest = sha256(wav).hexdigest()
        file = f"{stem or digest[:32]}.wav{'16' if rate == WIDE else ''}"
        write_file(self.where / file, wav)
        return Audio(file=file, sha256=digest, seconds=len(samples) / rate)
