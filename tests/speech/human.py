"""A real voice that never says yes: the English prompts of Asterisk, as Debian packages them."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from .line import NARROW
from .voices import VoiceError, cache

PACKAGE = "asterisk-core-sounds-en-wav"
#: The line around a clip, as 16-bit noise, and its seconds of quiet.
HISS = 6.0
BEFORE, AFTER = 0.4, 1.2


def clips() -> list[Path]:
    """The recordings; fetched from Debian's archive the first time.

    Raises:
        VoiceError: the package cannot be had.
    """
    home = cache() / "human"
    if not home.exists():
        with tempfile.TemporaryDirectory(prefix="callguard-human-") as name:
            directory = Path(name)
            for command in (
                ["apt-get", "download", "-q", PACKAGE],
                ["sh", "-c", "dpkg-deb --extract *.deb unpacked"],
            ):
                done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise VoiceError(f"{PACKAGE} cannot be had: {done.stderr.strip()[-300:]}")
            home.parent.mkdir(parents=True, exist_ok=True)
            fetched = home.with_suffix(".new")
            subprocess.run(["cp", "-r", str(directory / "unpacked"), str(fetched)], check=True)
            fetched.replace(home)
    return sorted(home.rglob("*.wav"))


def heard(path: Path) -> bytes:
    """One of them as it would come from a caller: quiet line before and after."""
    samples, rate = soundfile.read(path, dtype="int16")
    assert rate == NARROW
    chance = np.random.default_rng(len(samples))
    whole = np.concatenate([np.zeros(round(BEFORE * rate)), samples, np.zeros(round(AFTER * rate))])
    whole += chance.normal(0, HISS, len(whole))
    return bytes(np.clip(whole, -32768, 32767).astype("<i2").tobytes())
