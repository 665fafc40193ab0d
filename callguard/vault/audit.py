"""What an auditor listens for in a finished recording; plain values in, findings out.

The facts to compare with come from the ledger, which this room does not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from callguard.vault.errors import VaultError
from callguard.vault.export import whole
from callguard.vault.keytones import key_tones, rests
from callguard.vault.marks import Mark
from callguard.vault.reading import Finding, Reading
from callguard.vault.sound import RATE, Stereo, stereo
from callguard.vault.tone import Tone, one_channel, runs

#: What can be wrong, in a word each, for those who count findings.
KINDS = {
    "damaged": "is not what was sealed",
    "incomplete": "its end is missing",
    "hash": "is not what the ledger has the hash of",
    "length": "is shorter or longer than the call was",
    "not-silent": "something sounds in a pause or an erasure",
    "unexplained": "is silent where neither pause nor erasure says why",
    "unledgered": "its index and the ledger differ about what is silent",
    "key-tone": "a key tone is left",
    "tone": "the warning tone is missing or late",
    "lost": "the ledger knows it, and the vault does not",
    "unknown": "the vault has it, and the ledger does not know why",
    "certificate": "was destroyed, and the ledger does not know of it",
}

#: How long both channels may be exactly zero without a pause before it is worth a look.
QUIET_SECONDS = 3.0
#: How far the ledger's length of a call may be from that of its recording: the recorder starts before the
#: ledger learns of it, and the last packets of a call come after its end.
LENGTH_TOLERANCE = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the ledger says of a recording. ``None``: it says nothing."""

    silences: tuple[tuple[int, int], ...] = ()  #: pauses and erasures, in samples; they may overlap
    seconds: float | None = None  #: of the recording, as it was sealed
    lasted: float | None = None  #: seconds of the clock from the first sample to the last
    sha256: str | None = None
    tone: Tone | None = None  #: the warning tone that the plan asked for


def audit(reading: Reading, expected: Expected) -> list[Finding]:
    """Everything that is not as the ledger, the marks or the rules say."""
    verdict = reading.verify()
    if verdict.findings:
        return list(verdict.findings)
    name = reading.recording
    findings = []
    if not verdict.complete or verdict.missing:
        findings.append(Finding(name, f"misses {verdict.missing}", "incomplete"))
    if expected.sha256 is not None and expected.sha256 != verdict.sha256:
        what = f"has the hash {verdict.sha256}, and the ledger says {expected.sha256}"
        findings.append(Finding(name, what, "hash"))
    try:
        samples, marks = stereo(whole(reading)), reading.marks()
    except VaultError as error:
        return [*findings, Finding(name, str(error))]
    findings += [Finding(name, what, "length") for what in _length(verdict.seconds, marks, expected)]
    findings += [Finding(name, what, kind) for kind, what in silences(samples, expected.silences, marks)]
    findings += [Finding(name, what, "key-tone") for what in _keys(samples, expected.silences, marks)]
    if expected.tone is not None:
        late = tones(marks, expected.tone, len(samples), expected.silences)
        findings += [Finding(name, what, "tone") for what in late]
    return findings


def silences(
    samples: Stereo, ordered: Sequence[tuple[int, int]], marks: Sequence[Mark]
) -> list[tuple[str, str]]:
    """Where it is not silent and should be, and where it is and nobody said so: kind, and words.

    The ledger and the recording's index have to name the same samples, and exactly those are to be zero.
    """
    wrong = []
    inside = _covered(len(samples), [*ordered, *_spans(marks)])
    sounding = (samples != 0).any(axis=1)
    for first, last in runs(inside):
        loud = np.flatnonzero(sounding[first:last])
        if len(loud):
            at, count = (first + int(loud[0])) / RATE, len(loud)
            what = f"{count} samples are not silent from {at:.3f} s on, within a pause or an erasure"
            wrong.append(("not-silent", what))
    for first, last in runs(~sounding & ~inside):
        if last - first > QUIET_SECONDS * RATE:
            what = f"both channels are dead {_words(first, last)}, and no pause says why"
            wrong.append(("unexplained", what))
    written = _covered(len(samples), ordered)
    noted = _covered(len(samples), [(m.start, m.end) for m in marks if m.kind in _ORDERED and m.end])
    for first, last in runs(noted & ~written):
        what = f"the index has a pause or an erasure {_words(first, last)}, and the ledger has none"
        wrong.append(("unledgered", what))
    for first, last in runs(written & ~noted):
        what = f"the ledger has a pause or an erasure {_words(first, last)}, and the index has none"
        wrong.append(("unledgered", what))
    return wrong


def tones(
    marks: Sequence[Mark], tone: Tone, samples: int, silent: Sequence[tuple[int, int]], slack: float = 3.0
) -> list[str]:
    """Where the marks say that the warning tone was late; it need not sound while nothing is captured."""
    starts = [mark.start for mark in marks if mark.kind == "tone"]
    wrong = []
    for first, last in zip([0, *starts], [*starts, samples], strict=True):
        quiet = sum(max(0, min(last, end) - max(first, begin)) for begin, end in silent)
        seconds = (last - first - quiet) / RATE
        if seconds > tone.interval + slack:
            wrong.append(
                f"no warning tone for {seconds:.1f} s from {first / RATE:.1f} s on; the profile says "
                f"one every {tone.interval:g} s"
            )
    return wrong


#: Marks of silences that somebody ordered.
_ORDERED = frozenset({"pause", "erased"})


def _length(seconds: float, marks: Sequence[Mark], expected: Expected) -> list[str]:
    """By how much it is not as long as it was when it was sealed, or as the call."""
    wrong = []
    if expected.seconds is not None and abs(expected.seconds - seconds) > 1 / RATE:
        wrong.append(f"is {seconds:.1f} s long, and was {expected.seconds:.1f} s when it was sealed")
    if expected.lasted is not None and abs(expected.lasted - seconds) > LENGTH_TOLERANCE:
        missed = ", ".join(_words(m.start, m.end) for m in marks if m.kind == "gap" and m.end)
        gaps = f" (a party is missing {missed})" if missed else ""
        wrong.append(f"is {seconds:.1f} s long, and was captured for {expected.lasted:.1f} s{gaps}")
    return wrong


def _keys(samples: Stereo, ordered: Sequence[tuple[int, int]], marks: Sequence[Mark]) -> list[str]:
    """Whose key tones are left, and where; never which."""
    wrong = []
    for channel, who in enumerate(("caller", "agent")):
        one = one_channel(samples, channel)
        found = key_tones(one)
        wrong += [f"a key tone of the {who} is left at {at:.2f} s ({long:.2f} s long)" for at, long in found]
        wrong += [
            f"the rest of a key tone of the {who} is left at the edge of a silence at {at:.3f} s"
            for at in rests(one, [*ordered, *_spans(marks)])
            if not any(first - 0.1 <= at <= first + long + 0.1 for first, long in found)
        ]
    return wrong


def _covered(length: int, spans: Iterable[tuple[int, int]]) -> NDArray[np.bool_]:
    """For each sample: does one of the spans hold it?"""
    inside = np.zeros(length, dtype=np.bool_)
    for first, last in spans:
        inside[first:last] = True
    return inside


def _words(first: int, last: int) -> str:
    return f"from {first / RATE:.2f} s to {last / RATE:.2f} s"


def _spans(marks: Sequence[Mark]) -> list[tuple[int, int]]:
    return [(m.start, m.end) for m in marks if m.kind in _ORDERED and m.end is not None]
