"""Synthetic voices: espeak-ng, flite and festival, split into those to weigh by and those held out.

Voices of one speaker are on one side: flite's and festival's `slt` are the same woman. The lessons of the
classifier (`learn_answers`) are said by others again: flite's `kal16`, RHVoice, Pico, and variants of
espeak-ng that neither side has. Audio comes as 16 kHz samples, kept in a cache outside the checkout, because
festival is slow.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from callguard.lab.audio import Samples
from callguard.lab.rootfs import cache_directory

WIDE = 16000
#: Debian packages that the voices need.
PACKAGES = ("espeak-ng", "flite", "festival", "festvox-kallpc16k", "festvox-kdlpc16k", "festvox-us-slt-hts")


class VoiceError(Exception):
    """A voice could not be made to speak; the text says what to install."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Somebody who can say anything."""

    program: str  #: espeak-ng, flite or festival
    name: str
    held_out: bool

    def __str__(self) -> str:
        return f"{self.program}:{self.name}"


def _voices(program: str, names: str, *, held_out: bool) -> tuple[Voice, ...]:
    return tuple(Voice(program=program, name=name, held_out=held_out) for name in names.split())


VOICES = (
    *_voices("espeak-ng", "en-us en-us+f2 en-us+m3 en-gb+f4 en-gb+m2 en-029 en-us+Andy en-gb+linda "
             "en-us-nyc+f1 en-gb en-us+m7 en-us+f5 en-gb-x-rp+f3 en-gb-scotland+m4 en-us+Annie en-gb+steph "
             "en-gb-x-gbcwmd+m6 en-us+klatt4 en-gb-x-gbclan+Alicia en-us+marcelo en-029+sandro "
             "en-us-nyc+Lee en-gb-scotland+f3", held_out=False),
    *_voices("flite", "rms awb", held_out=False),
    *_voices("espeak-ng", "en-us+f1 en-gb+m5 en-gb-x-rp+quincy en-us+Mario en-029+steph2 "
             "en-gb-scotland+klatt5 en-us-nyc+announcer en-gb-x-gbcwmd+iven4 en-gb-x-gbclan+Mario "
             "en-us+steph3 en-gb-x-rp+steph3 en-gb-scotland+f1 en-us-nyc+m5", held_out=True),
    *_voices("flite", "slt", held_out=True),
    *_voices("festival", "ked_diphone cmu_us_slt_arctic_hts", held_out=True),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """Words as one voice says them."""

    voice: Voice
    words: str
    speed: float = 1.0  #: 1 is the voice's own
    language: str = "en"

    @property
    def path(self) -> Path:
        """Where it is kept once it was spoken."""
        told = f"{self.voice}|{self.language}|{self.words}|{self.speed:.2f}"
        return cache() / f"{hashlib.sha256(told.encode()).hexdigest()[:32]}.flac"


def cache() -> Path:
    """Where spoken words are kept."""
    return cache_directory() / "speech"


def missing() -> list[str]:
    """The programs that are not installed."""
    return [program for program in ("espeak-ng", "flite", "festival") if shutil.which(program) is None]


def speak(utterances: Iterable[Utterance]) -> None:
    """Speak those that are not in the cache yet.

    Raises:
        VoiceError: a synthesiser is missing or failed.
    """
    wanted = [each for each in dict.fromkeys(utterances) if not each.path.exists()]
    if wanted and (gone := missing()):
        raise VoiceError(f"{', '.join(gone)} not installed; run `apt-get install {' '.join(PACKAGES)}`")
    cache().mkdir(parents=True, exist_ok=True)
    by_festival: dict[str, list[Utterance]] = {}
    for each in wanted:
        if each.voice.program == "festival":
            by_festival.setdefault(each.voice.name, []).append(each)
        else:
            _say(each)
    for name, group in by_festival.items():
        for first in range(0, len(group), 40):
            _festival(name, group[first : first + 40])


def heard(utterance: Utterance) -> Samples:
    """The samples of an utterance, 16 kHz; it must have been spoken."""
    samples, rate = soundfile.read(utterance.path, dtype="float32")
    assert rate == WIDE
    return np.asarray(samples, dtype=np.float32)


def _say(utterance: Utterance) -> None:
    with tempfile.TemporaryDirectory(prefix="callguard-voice-") as directory:
        path = Path(directory) / "said.wav"
        _run(_command(utterance, path))
        _keep(utterance, path)


def _command(utterance: Utterance, path: Path) -> list[str]:
    name, words, speed = utterance.voice.name, utterance.words, utterance.speed
    if utterance.voice.program == "flite":
        stretch = f"duration_stretch={1 / speed:.3f}"
        return ["flite", "-voice", name, "--setf", stretch, "-t", words, "-o", str(path)]
    if utterance.language != "en":
        _, plus, variant = name.partition("+")
        name = utterance.language + plus + variant
    return ["espeak-ng", "-v", name, "-s", str(round(160 * speed)), "-w", str(path), words]


def _festival(name: str, group: Sequence[Utterance]) -> None:
    """Festival takes a second to start, so it says many things in one go."""
    with tempfile.TemporaryDirectory(prefix="callguard-voice-") as directory:
        lines = [f"(voice_{name})"]
        for number, each in enumerate(group):
            words = each.words.replace('"', "")
            lines += [
                f"(Parameter.set 'Duration_Stretch {1 / each.speed:.3f})",
                f'(utt.save.wave (utt.synth (Utterance Text "{words}")) "{directory}/{number}.wav" \'riff)',
            ]
        script = Path(directory) / "say.scm"
        script.write_text("\n".join(lines) + "\n", encoding="utf-8")
        _run(["festival", "-b", str(script)])
        for number, each in enumerate(group):
            _keep(each, Path(directory) / f"{number}.wav")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise VoiceError(f"`{' '.join(command)}` failed: {done.stderr.strip()[-300:]}")


def _keep(utterance: Utterance, path: Path) -> None:
    samples, rate = soundfile.read(path, dtype="float32")
    if not len(samples):
        raise VoiceError(f"{utterance.voice} said nothing for {utterance.words!r}")
    made = utterance.path.with_suffix(f".{os.getpid()}.tmp")
    soundfile.write(made, resampled(samples, rate, WIDE), WIDE, format="FLAC")
    made.replace(utterance.path)


def resampled(samples: Samples, rate: int, target: int) -> Samples:
    """The same sound at another rate, by Fourier transform: exact, and only for whole clips."""
    if rate == target or not len(samples):
        return np.asarray(samples, dtype=np.float32)
    count = round(len(samples) * target / rate)
    spectrum = np.fft.rfft(samples)
    kept = np.zeros(count // 2 + 1, dtype=complex)
    shared = min(len(kept), len(spectrum))
    kept[:shared] = spectrum[:shared]
    return np.asarray(np.fft.irfft(kept, count) * (count / len(samples)), dtype=np.float32)
