"""The two growing files of one capture, as one strand of stereo samples."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from callguard.errors import RecordingError
from callguard.recording.kernel import PAGE, punch
from callguard.recording.keytones import rests
from callguard.recording.spool import SAMPLE_BYTES

#: How many samples are looked at at a time: 10 s.
_AT_ONCE = 80_000

#: The most zeros that are written at a time.
_ZEROS = bytes(1 << 16)

#: The kernel stamps a write with the time of its last tick: up to so much before it was (seconds, 100 Hz).
_COARSE = 0.01

#: A clock that is this far from where it was between two looks has been set (seconds).
_JUMP = 0.05


@dataclass(slots=True)
class Strand:
    """What Asterisk wrote of one capture: caller and agent, sample by sample side by side.

    The files stay open for as long as the capture lasts. Each close of ours would look like Asterisk's last
    one to whoever watches the directory.
    """

    paths: tuple[Path, Path]
    _files: dict[Path, int] = field(default_factory=dict)
    _freed: int = 0
    _known: tuple[int, int] = (0, 0)  #: the newest sizes that were seen, in samples
    _came: float = 0.0  #: when the newest samples came, on the monotonic clock
    _ahead: float = field(default_factory=lambda: time.time() - time.monotonic())  #: the clock of the day
    _looked: float = 0.0  #: when the sizes were looked at last

    def open(self) -> bool:
        """Open the files; ``False`` while Asterisk has not made both.

        Raises:
            RecordingError: they are there, but not ours to change.
        """
        for path in self.paths:
            if path not in self._files:
                try:
                    self._files[path] = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
                except FileNotFoundError:
                    return False
                except OSError as error:
                    raise RecordingError(
                        f"{path}: what Asterisk captures cannot be sealed ({error.strerror}); run both as "
                        "the same user, or Asterisk with UMask=0007 and callguard in its group"
                    ) from error
        return True

    def sizes(self) -> tuple[int, int]:
        """Samples in either file; zeros while they are not there."""
        if not self.open():
            return 0, 0
        stats = [os.fstat(self._files[path]) for path in self.paths]
        caller, agent = (stat.st_size // SAMPLE_BYTES for stat in stats)
        now, wall = time.monotonic(), time.time()
        # The kernel stamps files by a clock that somebody may set; then they tell nothing.
        jumped, self._ahead = abs(wall - now - self._ahead) > _JUMP, wall - now
        if (caller, agent) != self._known:
            # What we erase and free ourselves stamps the files too, but does not make them longer.
            age = 0.0 if jumped else max(0.0, wall - max(stat.st_mtime for stat in stats))
            self._known, self._came = (caller, agent), min(max(now - age + _COARSE, self._looked), now)
        self._looked = now
        return caller, agent

    def samples(self) -> int:
        """How many samples are there of both parties."""
        return min(self.sizes())

    def arrived(self) -> tuple[int, float]:
        """How many samples are there of both parties, and when the newest came, on the monotonic clock.

        That moment may be told too late, up to when it was looked for, but never too early.
        """
        return self.samples(), self._came

    def read(self, start: int, end: int) -> bytes:
        """Samples ``start`` to ``end``, interleaved; a side that ends earlier is silent from there on."""
        both = np.zeros((end - start, 2), dtype="<i2")
        if self.open():
            for channel, path in enumerate(self.paths):
                raw = os.pread(self._files[path], (end - start) * SAMPLE_BYTES, start * SAMPLE_BYTES)
                side = np.frombuffer(raw, dtype="<i2", count=len(raw) // SAMPLE_BYTES)
                both[: len(side), channel] = side
        return both.tobytes()

    def sounds(self, start: int, end: int) -> tuple[int, int] | None:
        """The first sample of a span that is not zero on either side, and the one after the last."""
        found: tuple[int, int] | None = None
        for at in range(start, end, _AT_ONCE):
            both = np.frombuffer(self.read(at, min(at + _AT_ONCE, end)), dtype="<i2").reshape(-1, 2)
            loud = np.flatnonzero(both.any(axis=1))
            if len(loud):
                found = (found[0] if found else at + int(loud[0]), at + int(loud[-1]) + 1)
        return found

    def rests(self, start: int, end: int) -> list[tuple[int, int]]:
        """Where the rest of a key sounds in a span of the agent's side."""
        agent = np.frombuffer(self.read(start, end), dtype="<i2").reshape(-1, 2)[:, 1]
        return [(start + first, start + last) for first, last in rests(agent)]

    def wipe(self, start: int, end: int) -> None:
        """Write zeros over what is there of samples ``start`` to ``end``; the files never grow by it."""
        for file in self._files.values():
            at = start * SAMPLE_BYTES
            last = min(end * SAMPLE_BYTES, os.fstat(file).st_size)
            while at < last:
                at += os.pwrite(file, _ZEROS[: last - at], at)

    def free(self, end: int) -> None:
        """Give the memory before sample ``end`` back, in whole pages; Asterisk goes on at its own offset."""
        last = end * SAMPLE_BYTES // PAGE * PAGE
        if last > self._freed:
            for file in self._files.values():
                punch(file, self._freed, last)
            self._freed = last

    def remove(self) -> bool:
        """Free all memory and remove the files, even if Asterisk still has them open.

        Raises:
            OSError: they cannot be removed; they are empty.

        Returns:
            Whether they are gone. Where the spool was moved or unmounted meanwhile they are empty and still
            somewhere: they stay open, and it is to be tried again.
        """
        with contextlib.suppress(RecordingError):
            self.open()
            for file in self._files.values():
                with contextlib.suppress(OSError):
                    punch(file, 0, max(PAGE, os.fstat(file).st_size))
        for path in self.paths:
            path.unlink(missing_ok=True)
        if any(os.fstat(file).st_nlink for file in self._files.values()):
            return False
        self.close()
        return True

    def close(self) -> None:
        """Let go of the files, which stay."""
        for file in self._files.values():
            os.close(file)
        self._files = {}
