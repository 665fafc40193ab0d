"""Whether the process of a controller lives: a lock that the kernel lets go of the moment it does not.

Decided 2026-11: a process of the pool that hangs is ended (SIGKILL) before another one touches its calls and
its recordings, and the lock proves that it is gone. What lost: to let it find out by itself when it wakes. It
could wake in the middle of sealing a block, or of giving the memory behind it back, and no look at a lease
beforehand helps it, because it can be frozen between the look and the deed.
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
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        self._file = file
        return True

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
            number = int(self.path.read_text("ascii"))
            process = os.pidfd_open(number)
        except (OSError, ValueError):
            return False
        try:
            # From here on the number cannot come to mean another process. It is the right one if the lock is
            # still held and still names it.
            if self.take():
                self.release()
                return False
            if self.path.read_text("ascii").strip() != str(number):
                return False
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(process, signal.SIGKILL)
        except OSError:
            return False
        return True
