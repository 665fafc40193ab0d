"""What was announced, as audio that can stand at the head of a recording.

Washington (RCW 9.73.030(3)) takes an announcement for consent only if it is itself recorded, and Connecticut
knows the same way. Asterisk records nothing before consent, so the very files that it played are put there.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import soundfile

from callguard.errors import RecordingError
from callguard.recording.spool import RATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a party was played."""

    pcm: bytes  #: interleaved: the caller's side silent, the prompts on the other
    sha256: tuple[str, ...]  #: of each file, to compare with what the ledger says was heard


#: Length of the filter that halves a rate: 3.4 kHz pass, what is above 4.6 kHz is 60 dB down.
HALF_TAPS = 63


def spoken(pcm: bytes | bytearray, rate: int) -> bytes:
    """What the caller said, as interleaved samples at the rate of recordings; the other side is silent.

    Args:
        pcm: 16-bit samples.
        rate: of them: that of recordings, or twice as many.

    Raises:
        RecordingError: it is another rate.
    """
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    if rate == 2 * RATE:
        places = np.arange(HALF_TAPS) - HALF_TAPS // 2
        kernel = np.sinc(places / 2) / 2 * np.hamming(HALF_TAPS)
        samples = np.convolve(samples, kernel / kernel.sum(), mode="same")[::2]
    elif rate != RATE:
        raise RecordingError(f"speech of {rate} samples per second cannot stand before a recording of {RATE}")
    both = np.zeros((len(samples), 2), dtype="<i2")
    both[:, 0] = np.clip(np.round(samples), -32768, 32767)
    return both.tobytes()


def evidence(files: Iterable[Path]) -> Evidence:
    """Read the files that were played (mono, 8 kHz), one behind the other.

    Raises:
        RecordingError: one is missing, or has another form.
    """
    parts, hashes = [], []
    for path in files:
        try:
            content = path.read_bytes()
            samples, rate = soundfile.read(io.BytesIO(content), dtype="int16", always_2d=True)
        except (OSError, soundfile.LibsndfileError) as error:
            raise RecordingError(
                f"{path}: the announcement cannot be put at the head of the recording ({error}); run "
                "`callguard prompts build`"
            ) from error
        if rate != RATE or samples.shape[1] != 1:
            raise RecordingError(
                f"{path}: has {samples.shape[1]} channels at {rate} Hz; a prompt at the head of a recording "
                f"is mono at {RATE} Hz"
            )
        both = np.zeros((len(samples), 2), dtype="<i2")
        both[:, 1] = samples[:, 0]
        parts.append(both.tobytes())
        hashes.append(sha256(content).hexdigest())
    return Evidence(pcm=b"".join(parts), sha256=tuple(hashes))
