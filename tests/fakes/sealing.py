"""For tests of the vault and the sealer: a vault, an ear, and an Asterisk that appends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from callguard.recording import Measures, Sealer, Spool
from callguard.recording.keytones import Tone
from callguard.vault import Finished, KeyFile, Keyring, Vault
from callguard.vault.export import whole

CALL = "3f0c9a52-8a1e-4f6e-9c55-0b7a4d5f9e11"
NAME = f"{CALL}-1"
#: Asterisk writes through a buffer of 32 KiB: 2.05 s.
FLUSH = 16384
#: Every so many samples the caller of the crash tests keys a digit, this many samples long.
EVERY, DIGIT = 20000, 3000


def speech(samples: int, seed: int = 1) -> np.ndarray:
    """Two parties who never say an exact zero: each sample is told from silence."""
    both = np.random.default_rng(seed).integers(1, 3000, size=(samples, 2), dtype=np.int16)
    both[::2] *= -1
    return both


def a_vault(directory: Path, key: Path | None = None) -> Vault:
    path = key or directory / "site.key"
    site = KeyFile.load(path) if path.exists() else KeyFile.create(path)
    vault = Vault(recordings=directory / "recordings", keys=directory / "keys", ring=Keyring(current=(site,)))
    vault.prepare()
    return vault


@dataclass
class Ear:
    """Hears what the sealer tells."""

    alerts: list[tuple[str, str, str]] = field(default_factory=list)
    overflows: list[str] = field(default_factory=list)
    done: dict[str, Finished] = field(default_factory=dict)
    keys: list[Tone] = field(default_factory=list)

    def alert(self, what: str, detail: str, recording: str) -> None:
        self.alerts.append((what, detail, recording))

    def overflowed(self, recording: str, detail: str) -> None:
        self.overflows.append(recording)

    def keyed(self, recording: str, tones: Sequence[Tone], arrived: tuple[int, float]) -> None:
        self.keys += tones

    def finished(self, recording: str, finished: Finished) -> None:
        self.done[recording] = finished


class Asterisk:
    """Appends to the two files of a call, as MixMonitor does."""

    def __init__(self, spool: Spool, call: str = CALL) -> None:
        self.paths = spool.paths(call)
        self._files = [os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o660) for path in self.paths]

    def append(self, samples: np.ndarray) -> None:
        for channel in range(2):
            self.append_side(channel, samples[:, channel])

    def append_side(self, channel: int, samples: np.ndarray) -> None:
        os.write(self._files[channel], samples.astype("<i2").tobytes())

    def close(self) -> None:
        for file in self._files:
            os.close(file)


FAST = Measures(look_back=1.0, block=0.5, limit=20.0, tick=0.01, settle=0.2)


def a_sealer(vault: Vault, spool: Spool, ear: Ear | None = None, measures: Measures = FAST) -> Sealer:
    return Sealer(vault, spool, ear or Ear(), measures)


async def until(true: Callable[[], object], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)


def heard(vault: Vault, name: str = NAME) -> np.ndarray:
    """What a listener of the recording gets."""
    return np.frombuffer(whole(vault.open(name)), dtype="<i2").reshape(-1, 2)
