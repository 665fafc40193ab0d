"""The warning tone of a site: which it is, its sound on disk, and what of the law asks for it.

Decided 2026-11: the sound is named by its hash, like a prompt, and made by `callguard prompts build` with
them; a controller that does not find it takes no calls. Making it at start lost: the account that answers
calls need not write where sounds are kept.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from callguard.asterisk.verbs import Ears
from callguard.config import Config
from callguard.config.tone import WarningTone
from callguard.errors import PromptError
from callguard.law import Admission, Flag
from callguard.prompts.library import playable
from callguard.prompts.manifest import write_file
from callguard.prompts.measure import NARROW, WIDE, Finding
from callguard.vault.tone import FS1037C, PROFILES, Tone

#: Silence around the tone in its file (seconds). A whisper can lose its first packet, and its last one when
#: it is removed at once (22.10.1, by ear).
BEFORE = 0.04
AFTER = 0.1

#: Who hears it, as the channel of the caller has it.
EARS = {"both": Ears.BOTH, "caller": Ears.PARTY, "agent": Ears.OTHERS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sounds:
    """A tone that Asterisk can play."""

    tone: Tone
    media: str
    ears: Ears

    @property
    def seconds(self) -> float:
        """How long the file lasts."""
        return BEFORE + self.tone.seconds + AFTER

    def every(self, interval: float) -> Sounds:
        """The same, at another interval (seconds)."""
        return replace(self, tone=replace(self.tone, interval=interval))


def tone_of(settings: WarningTone) -> Tone:
    """The tone that a site chose."""
    given = PROFILES.get(settings.profile)
    if given is not None:
        return replace(given, dbfs=settings.level_dbfs)
    return Tone(
        name=settings.profile,
        hz=settings.frequency_hz or 0.0,
        seconds=settings.length_seconds or 0.0,
        interval=settings.interval_seconds or 0.0,
        dbfs=settings.level_dbfs,
    )


def tone_interval(config: Config, admission: Admission) -> float | None:
    """Seconds from one tone to the next on a call that was admitted; None when none sounds.

    No law of the table demands a tone where it is announced in words. Some take one instead; with
    ``when: law`` it sounds there as well, and nowhere less often than such a law says.
    """
    return _interval(config, admission.demands.tone_interval_s)


def tone_again(config: Config, flags: frozenset[str]) -> float | None:
    """The same for a call that a controller before this one began, by the flags of its ruling.

    Where the flags leave it open it sounds: callers may have been told of it.
    """
    return _interval(config, FS1037C.interval if Flag.BEEP_ALTERNATIVE.value in flags else None)


def _interval(config: Config, lawful: float | None) -> float | None:
    if config.tone.when == "never" or (config.tone.when == "law" and lawful is None):
        return None
    usual = tone_of(config.tone).interval
    return usual if lawful is None else min(usual, lawful)


def put_tone(config: Config) -> Path | None:
    """Write the sound of the site's tone beside its prompts; returns where, or None when it has no tone.

    Raises:
        PromptError: the directory is not writable, or Asterisk cannot play from it.
    """
    if config.tone.when == "never":
        return None
    for path, content in _files(config):
        if not path.exists() or path.read_bytes() != content:
            write_file(path, content)
    return _place(config)


def sounds_of(config: Config) -> Sounds | None:
    """The site's tone, ready to be played; None when it has none.

    Raises:
        PromptError: its sound is missing or is not what was made.
    """
    if config.tone.when == "never":
        return None
    for finding in wrong_sounds(config):
        raise PromptError(str(finding))
    return Sounds(
        tone=tone_of(config.tone),
        media=f"sound:{_place(config).with_suffix('')}",
        ears=EARS[config.tone.heard_by],
    )


def wrong_sounds(config: Config) -> list[Finding]:
    """Whose sound is missing or is not what was made.

    Raises:
        PromptError: Asterisk cannot play from where the prompts are kept.
    """
    findings = []
    for path, content in _files(config) if config.tone.when != "never" else ():
        try:
            if path.read_bytes() != content:
                what = "is not the warning tone that was made"
                findings.append(
                    Finding(
                        where=str(path),
                        what=what,
                        remedy="find out who changed it, then run `callguard prompts build`",
                    )
                )
        except OSError as error:
            what = f"the warning tone cannot be read ({error.strerror})"
            findings.append(Finding(where=str(path), what=what, remedy="run `callguard prompts build`"))
    return findings


def tone_wav(tone: Tone, rate: int) -> bytes:
    """The tone as Asterisk plays it: a WAV file, the same bytes whoever makes it."""
    silent = np.zeros(round(BEFORE * rate), np.int16), np.zeros(round(AFTER * rate), np.int16)
    samples = np.concatenate([silent[0], tone.samples(rate), silent[1]])
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(rate)
        wav.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


def _place(config: Config) -> Path:
    narrow = tone_wav(tone_of(config.tone), NARROW)
    return playable(config.prompts.directory) / f"{sha256(narrow).hexdigest()[:32]}.wav"


def _files(config: Config) -> Iterator[tuple[Path, bytes]]:
    """Each file that the site needs, and what is in it."""
    path, tone = _place(config), tone_of(config.tone)
    yield path, tone_wav(tone, NARROW)
    if config.prompts.wideband:
        yield path.with_suffix(".wav16"), tone_wav(tone, WIDE)
