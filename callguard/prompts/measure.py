"""Would this audio be heard? Measures a file and names what is wrong with it.

Every threshold has its source beside it. Those marked "ours" are a choice, made so that what a
native caller would complain about is refused and what they would not notice is let through.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from callguard.prompts.sound import Samples, speech_in

NARROW = 8000  #: samples per second of a telephone line (ITU-T G.711)
WIDE = 16000  #: samples per second of a wideband line (ITU-T G.722)
LEVEL = -26.0  #: dBov, nominal active speech level (ITU-T P.830: 26 dB below the overload point)
LEVEL_TOLERANCE = 4.0  #: dB; ours: a larger step between two prompts sounds like two systems
HIGHEST_PEAK = -1.0  #: dBov; ours: room for the overshoot of codecs
SILENCE_BEFORE = 0.20  #: seconds; ours: a jitter buffer may swallow the first packets after answering
SILENCE_AFTER = 0.20  #: seconds; ours: a breath before the next prompt
MOST_SILENCE = 0.60  #: seconds at one end; ours: longer is heard as "are you there?"
SHORTEST = 0.40  #: seconds of speech; ours: no sentence of a prompt is shorter
LONGEST = 60.0  #: seconds; ours: nobody listens longer before hanging up
CLIPPED_RUN = 3  #: equal samples at full scale in a row; ours: undistorted speech does not stay there
LEAST_MOVEMENT = 6.0  #: dB; ours: syllables move by 20 dB and more, hum, tone and hiss by less than 3
SOURCE_QUIETEST = -50.0  #: dBov; ours: raising a quieter recording to LEVEL raises its noise by 24 dB
FASTEST, SLOWEST = 30.0, 4.0  #: characters per second; ours: speech has 10 to 20, so outside is another text
_FIRST_HAN = 0x2E80  # Unicode: here the scripts of China, Japan and Korea begin
_HAN_WEIGHT = 3.0  # a Han or Hangul character stands for a syllable: about three letters


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong: what, where, and what to do about it."""

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.remedy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What a file is and sounds like. Levels in dBov, times in seconds."""

    rate: int
    channels: int
    subtype: str  #: as libsndfile names it; PCM_16 is what Asterisk reads from a WAV file
    seconds: float
    peak: float
    clipped: int  #: samples that belong to runs at full scale
    level: float | None  #: active speech level; None when there is nothing but silence
    speech: float  #: seconds of it
    before: float  #: silence before it
    after: float
    movement: float  #: dB between loud and soft parts of it


def read(path: Path) -> tuple[Samples, int, int, str]:
    """Samples (mixed to mono), rate, number of channels and subtype of any file that libsndfile reads.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is no audio, or it is cut off.
    """
    import soundfile

    try:
        with path.open("rb") as stream, soundfile.SoundFile(stream) as file:
            samples = file.read(dtype="float64", always_2d=True)
            if len(samples) != file.frames:
                raise ValueError(f"promises {file.frames} samples and has {len(samples)}")
            return samples.mean(axis=1), file.samplerate, file.channels, file.subtype
    except soundfile.LibsndfileError as error:
        raise ValueError(f"is not audio ({error.error_string.strip().rstrip('.')})") from error


def measure(path: Path) -> Measurement:
    """Everything that the checks below judge.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is no audio, or it is cut off.
    """
    samples, rate, channels, subtype = read(path)
    return measured(samples, rate, channels, subtype)


def measured(samples: Samples, rate: int, channels: int = 1, subtype: str = "PCM_16") -> Measurement:
    """The same for samples in memory."""
    import numpy as np

    peak = float(np.abs(samples).max()) if len(samples) else 0.0
    speech = speech_in(samples - samples.mean(), rate) if len(samples) else None
    seconds = len(samples) / rate
    return Measurement(
        rate=rate,
        channels=channels,
        subtype=subtype,
        seconds=seconds,
        peak=20 * float(np.log10(max(peak, 1e-9))),
        clipped=_clipped(samples),
        level=None if speech is None else speech.level,
        speech=0.0 if speech is None else speech.active,
        before=seconds if speech is None else speech.start,
        after=seconds if speech is None else speech.end,
        movement=0.0 if speech is None else speech.movement,
    )


def _clipped(samples: Samples) -> int:
    """Samples in runs of at least CLIPPED_RUN at the very top or bottom of the scale."""
    import numpy as np

    total = 0
    for flat in (samples >= 0.999, samples <= -0.999):
        edges = np.flatnonzero(np.diff(np.concatenate(([0], flat.astype(np.int8), [0]))))
        runs = edges[1::2] - edges[::2]
        total += int(runs[runs >= CLIPPED_RUN].sum())
    return total


def source_findings(found: Measurement, where: str, text: str) -> list[Finding]:
    """What forbids the use of a studio recording. Rate, level and silence are put right later."""
    findings: list[Finding] = []

    def add(what: str, remedy: str) -> None:
        findings.append(Finding(where=where, what=what, remedy=remedy))

    if found.rate < NARROW:
        add(f"has {found.rate} samples per second", f"record at {NARROW} or more")
    if found.level is None or found.level < SOURCE_QUIETEST:
        heard = "silent" if found.level is None else f"almost silent ({found.level:.0f} dBov)"
        add(f"is {heard}", f"record it louder, at about {LEVEL:.0f} dBov")
        return findings
    if found.clipped:
        add(f"is clipped ({found.clipped} samples at full scale)", "record it again with less gain")
    if found.movement < LEAST_MOVEMENT:
        add(
            "holds no speech: it sounds like a steady tone or noise", "check that the right file was exported"
        )
    if found.speech < SHORTEST:
        add(f"has only {found.speech:.2f} s of speech", "check that the whole text was recorded")
    else:
        findings += _pace(found, where, text)
    if found.seconds - found.before - found.after > LONGEST:
        add(f"lasts {found.seconds:.0f} s", f"shorten it to {LONGEST:.0f} s")
    return findings


def prompt_findings(found: Measurement, where: str, text: str, rate: int = NARROW) -> list[Finding]:
    """What forbids playing a finished prompt to a caller."""
    findings = source_findings(found, where, text)

    def add(what: str, remedy: str) -> None:
        findings.append(Finding(where=where, what=what, remedy=remedy))

    rebuild = "run `callguard prompts build`"
    if (found.rate, found.channels, found.subtype) != (rate, 1, "PCM_16"):
        got = f"{found.rate} Hz, {found.channels} channels, {found.subtype}"
        add(f"is {got}; Asterisk plays {rate} Hz, 1 channel, PCM_16", rebuild)
    if found.level is None:
        return findings
    if abs(found.level - LEVEL) > LEVEL_TOLERANCE:
        add(f"speaks at {found.level:.1f} dBov, not within {LEVEL_TOLERANCE:.0f} dB of {LEVEL:.0f}", rebuild)
    for end, silence in (("before", found.before), ("after", found.after)):
        if silence > MOST_SILENCE:
            add(f"has {silence:.2f} s of silence {end} the speech (at most {MOST_SILENCE:.2f})", rebuild)
    return findings


def _pace(found: Measurement, where: str, text: str) -> list[Finding]:
    pace = _weight(text) / found.speech
    if pace > FASTEST:
        what = f"lasts {found.speech:.1f} s, too short for its text ({len(text)} characters)"
    elif pace < SLOWEST:
        what = f"lasts {found.speech:.1f} s, too long for its text ({len(text)} characters)"
    else:
        return []
    return [Finding(where=where, what=what, remedy=f"check that it says exactly: {text}")]


def spoken_seconds(text: str) -> float:
    """About how long the synthesiser needs for this text: 12 characters a second, and the silences around."""
    return round(_weight(text) / 12.0 + SILENCE_BEFORE + SILENCE_AFTER, 2)


def _weight(text: str) -> float:
    """How much there is to say, in letters."""
    return sum(_HAN_WEIGHT if ord(c) >= _FIRST_HAN else 1.0 for c in text if c.isalnum())
