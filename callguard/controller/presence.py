"""Whether the process of a controller lives: a lock that the kernel lets go of the moment it does not.

Decided 2026-11: a process of the pool that hangs is ended (SIGKILL) before another one touches its calls and
its recordings, and the lock proves that it is gone. What lost: to let it find out by itself when it wakes. It
could wake in the middle of sealing a block, or of giving the memory behind it back, and no look at a lease
beforehand helps it, because it can be frozen between the look and the deed.

Decided 2026-11: beside its lease a process counts in the file of its lock. One that was frozen in the middle
of a write holds the ledger, so that nobody can see or seize its lease; a file keeps nobody out.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
from pathlib import Path

from callguard.errors import ConfigError


class Presence:
    """The lock of one controller. Whoever holds it does that controller's work, and nobody else.

    Args:
        directory: shared by all processes of the pool, on this machine.
        member: which controller.
    """

    def __init__(self, directory: Path, member: str) -> None:
        self.path = directory / f"{member}.lock"
        self._file: int | None = None
        self._count = 0

    @property
    def held(self) -> bool:
        """Whether we hold it."""
        return self._file is not None

    def take(self) -> bool:
        """Take the lock if nobody has it.

        Raises:
            ConfigError: the file cannot be made.
        """
        if self._file is not None:
            return True
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(
                f"{self.path}: the lock of this controller cannot be made ({error.strerror}); every "
                "controller of the pool has to be able to write into control.state"
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return False
        os.truncate(file, 0)
        self._file = file
        self.count()
        return True

    def count(self) -> None:
        """Say that we live. Does nothing when we do not hold the lock.

        Raises:
            OSError: the file cannot be written.
        """
        if self._file is not None:
            self._count += 1
            os.pwrite(self._file, f"{os.getpid()} {self._count}\n".encode("ascii"), 0)

    def counted(self) -> tuple[str, int]:
        """Which process held it last, and how often it said that it lives; empty and 0 when nobody did."""
        try:
            process, count = self.path.read_text("ascii").split()
            return process, int(count)
        except (OSError, ValueError):
            return "", 0

    def release(self) -> None:
        """Let go of it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def end_holder(self) -> bool:
        """End the process that holds the lock; returns whether it was told so.

        It may be gone a moment later than this returns: `take` tells.
        """
        try:
            number = int(self.counted()[0])
            process = os.pidfd_open(number)
        except (OSError, ValueError):
            return False
        try:
            # From here on the number cannot come to mean another process. It is the right one if the lock is
            # still held and still names it.
            if self.take():
                self.release()
                return False
            if self.counted()[0] != str(number):
                return False
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(process, signal.SIGKILL)
        except OSError:
            return False
        return True
