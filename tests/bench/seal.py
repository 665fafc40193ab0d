"""Sealing beside its two parts alone: how many calls one core could seal."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from callguard.recording.capture import Capture
from callguard.recording.pending import Pending
from callguard.recording.strand import Strand
from callguard.vault import KeyFile, Keyring, Vault
from callguard.vault.sound import RATE, to_flac

#: What the sealer takes at a time unless a site says otherwise.
BLOCK_SECONDS = 5
MEMORY = Path("/dev/shm")


@dataclass(frozen=True, slots=True, kw_only=True)
class SealFigures:
    """Seconds of stereo audio for each second of one core's time."""

    aes: float  #: AES-256-GCM over the raw samples, nothing else
    flac: float  #: FLAC of the raw samples, nothing else
    seal: float  #: all of it: read the spool, compress, hash, encrypt, write, free the spool
    ratio: float  #: the size of what is sealed, to that of the samples

    @property
    def overhead(self) -> float:
        """What sealing costs beyond the sum of its two parts, as a factor of it."""
        return (1 / self.seal) / (1 / self.aes + 1 / self.flac)


def seal_throughput(seconds: int = 300, rounds: int = 3) -> SealFigures:
    """Measure all three, in turns, and take each one's median.

    Args:
        seconds: of audio in each round.
        rounds: how often.
    """
    talk = conversation(seconds)
    aes, flac, seal, ratios = [], [], [], []
    for _ in range(rounds):
        aes.append(seconds / _cpu(lambda: _encrypt(talk)))
        flac.append(seconds / _cpu(lambda: _compress(talk)))
        with TemporaryDirectory(dir=MEMORY) as directory:
            place = Path(directory)
            capture, vault = _capture(place, talk)
            seal.append(seconds / _cpu(lambda c=capture, v=vault: c.finish(v, BLOCK_SECONDS * RATE)))  # type: ignore[misc]
            capture.remove()
            sealed = sum(path.stat().st_size for path in vault.recordings.rglob("*.block"))
            ratios.append(sealed / talk.nbytes)
    return SealFigures(
        aes=float(np.median(aes)),
        flac=float(np.median(flac)),
        seal=float(np.median(seal)),
        ratio=float(np.median(ratios)),
    )


def conversation(seconds: int) -> np.ndarray:
    """Two voices that take turns of some seconds: harmonics under an envelope, over the hiss of a line."""
    moments = np.arange(seconds * RATE) / RATE
    rows = []
    for channel, pitch in enumerate((118.0, 196.0)):
        voice = sum(np.sin(2 * np.pi * pitch * n * moments + n) / n for n in range(1, 16))
        syllables = np.clip(np.sin(2 * np.pi * 3.1 * moments + channel), 0, None)
        turn = (np.floor(moments / 4) % 2 == channel).astype(np.float64)
        hiss = np.random.default_rng(channel).normal(0, 12, len(moments))
        rows.append(4000 * voice * syllables * turn + hiss)
    return np.stack(rows, axis=1).astype("<i2")


def _capture(place: Path, talk: np.ndarray) -> tuple[Capture, Vault]:
    paths = (place / "call-in.sln", place / "call-out.sln")
    for channel, path in enumerate(paths):
        path.write_bytes(talk[:, channel].tobytes())
    site = Keyring(current=(KeyFile.create(place / "site.key"),))
    vault = Vault(recordings=place / "recordings", keys=place / "keys", ring=site)
    vault.prepare()
    pending = Pending(recording="00000000-bench-1", paths=paths, metadata={}, key=os.urandom(32))
    capture = Capture(pending=pending, spool=place, strand=Strand(paths=paths))
    capture.begun(vault)
    return capture, vault


def _blocks(talk: np.ndarray) -> Iterator[bytes]:
    for at in range(0, len(talk), BLOCK_SECONDS * RATE):
        yield talk[at : at + BLOCK_SECONDS * RATE].tobytes()


def _encrypt(talk: np.ndarray) -> None:
    cipher = AESGCM(os.urandom(32))
    for block in _blocks(talk):
        cipher.encrypt(os.urandom(12), block, b"")


def _compress(talk: np.ndarray) -> None:
    for block in _blocks(talk):
        to_flac(block)


def _cpu(work: Callable[[], object]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before
