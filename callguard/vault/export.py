"""Taking a recording out of the vault: WAV, FLAC or Opus, with or without the warning tone."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
from numpy.typing import NDArray

from callguard.vault.errors import VaultError
from callguard.vault.reading import Reading
from callguard.vault.sound import CHANNELS, FRAME_BYTES, RATE, stereo
from callguard.vault.tone import Tone, laid

Format = Literal["wav", "flac", "opus"]

#: libsndfile's words for them. Opus: Ogg, as RFC 7845 has it.
_FORMS = {"wav": ("WAV", "PCM_16"), "flac": ("FLAC", "PCM_16"), "opus": ("OGG", "OPUS")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What left the vault."""

    path: Path
    seconds: float
    sha256: str  #: of the file


def export(
    readings: Iterable[Reading],
    path: Path,
    *,
    form: Format = "wav",
    mono: bool = False,
    tone: Tone | None = None,
    head: bool = True,
) -> Exported:
    """Write recordings, one behind the other, into a file that only its owner can read.

    Args:
        readings: the recordings of a call, in order.
        path: where to; what is there already stays, and is an error.
        form: ``wav`` and ``flac`` hold exactly the samples that were sealed; ``opus`` is for sending.
        mono: both parties on one channel, added up.
        tone: lay this warning tone in, wherever the marks say that one was played.
        head: begin with the evidence (announcement and answer) where the recording has any.

    Raises:
        VaultError: a recording is damaged, or the file cannot be written. No file is left then.
    """
    kind, subtype = _FORMS[form]
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise VaultError(
            f"{path}: the export cannot be written ({error.strerror}); choose another file"
        ) from error
    frames = 0
    try:
        with os.fdopen(handle, "w+b") as file:
            channels = 1 if mono else CHANNELS
            with soundfile.SoundFile(file, "w", RATE, channels, subtype=subtype, format=kind) as audio:
                for pcm in _all(readings, tone, head=head):
                    audio.write(_added(pcm) if mono else stereo(pcm))
                    frames += len(pcm) // FRAME_BYTES
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            digest = sha256()
            while piece := file.read(1 << 20):
                digest.update(piece)
    except (OSError, soundfile.LibsndfileError) as error:
        path.unlink()
        raise VaultError(f"{path}: the export cannot be written ({error}); nothing is left of it") from error
    except BaseException:
        path.unlink()
        raise
    return Exported(path=path, seconds=frames / RATE, sha256=digest.hexdigest())


def _all(readings: Iterable[Reading], tone: Tone | None, *, head: bool) -> Iterator[bytes]:
    for reading in readings:
        if head:
            evidence, _ = reading.head()
            yield evidence
        blocks = reading.pcm()
        yield from laid(blocks, reading.marks(), tone) if tone else blocks


def _added(pcm: bytes) -> NDArray[np.int16]:
    both = stereo(pcm).astype(np.int32).sum(axis=1)
    return np.asarray(np.clip(both, -32768, 32767), dtype=np.int16)


def whole(reading: Reading) -> bytes:
    """All samples of a recording at once: 32000 bytes for each second."""
    return b"".join(itertools.chain(reading.pcm()))
