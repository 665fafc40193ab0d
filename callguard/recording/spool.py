"""The spool: the directory in memory into which Asterisk writes what it captures.

Decided 2026-11: Asterisk and callguard are two accounts and share the group of the directory. A default ACL
on it lets that group read and write every file there, whatever Asterisk's umask is: callguard has to write
into Asterisk's files, to erase and to give memory back. What lost: UMask=0007 for Asterisk, which is one more
thing to change in the unit of another package, and is forgotten.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
import struct
import wave
from dataclasses import dataclass, field
from pathlib import Path

from callguard.errors import RecordingError

#: File systems that live in memory and never reach a disk of their own.
IN_MEMORY = frozenset({"tmpfs", "ramfs"})

#: Samples per second of what MixMonitor writes into a ``.sln`` file, one byte pair each.
RATE = 8000
SAMPLE_BYTES = 2

#: The account that callguard has of its own, where it is not run as another.
ACCOUNT = "callguard"

#: The directory: its owner and its group may do everything, nobody else anything; files take over its group.
MODE = 0o2770

#: What ``setfacl --default -m u::rwx,g::rwx,o::-`` writes (linux/posix_acl_xattr.h): version 2, then a tag,
#: what it may, and no name, for each of owner, group and others.
_DEFAULT_ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, may, 0xFFFFFFFF) for tag, may in ((0x01, 7), (0x04, 7), (0x20, 0))
)


@dataclass(slots=True, kw_only=True)
class Spool:
    """Where plaintext speech may be, and nowhere else.

    Attributes:
        directory: the same path for Asterisk and for callguard.
        allow_persistent_disk: the site accepts plaintext on a disk.
        minimum_free: bytes that must be free before another capture may start.
    """

    directory: Path
    allow_persistent_disk: bool = False
    minimum_free: int = 64 << 20
    _place: tuple[int, int] | None = field(default=None, init=False)  #: the directory that was looked at

    def prepare(self) -> None:
        """Make the directory, and refuse one that is not in memory or belongs to somebody else.

        Raises:
            RecordingError: it cannot be made or written, lies on a persistent disk, or is not ours.
        """
        try:
            if not self.directory.exists():
                self.directory.mkdir(parents=True, mode=0o700)
                self.directory.chmod(MODE)
            owner = self.directory.stat().st_uid
        except OSError as error:
            raise RecordingError(
                f"{self.directory}: the spool cannot be made ({error.strerror}); create it, owned by "
                "callguard and writable by Asterisk's group"
            ) from error
        if owner not in _trusted():
            # Everybody may make a directory in /dev/shm, also before us.
            raise RecordingError(
                f"{self.directory}: belongs to {_account(owner)}, who could read all speech in it; remove it "
                f"(rm -r {self.directory}), and callguard makes its own"
            )
        if not os.access(self.directory, os.R_OK | os.W_OK | os.X_OK):
            raise RecordingError(f"{self.directory}: the spool is not writable; change its owner or mode")
        kind = self.file_system()
        if kind not in IN_MEMORY and not self.allow_persistent_disk:
            raise RecordingError(
                f"{self.directory}: the spool lies on {kind}, so speech would reach a disk in the clear; "
                "choose a directory on tmpfs such as /dev/shm/callguard, or accept the risk with "
                "spool.allow_persistent_disk: yes"
            )
        # Where there are no ACLs, or root made the directory, Asterisk's umask decides; doctor tries it out.
        with contextlib.suppress(OSError):
            os.setxattr(self.directory, "system.posix_acl_default", _DEFAULT_ACL)
        self._place = _identity(self.directory.stat())

    def file_system(self) -> str:
        """The kind of file system that the spool lies on."""
        path = self.directory.resolve()
        best, kind = -1, "unknown"
        with Path("/proc/self/mountinfo").open(encoding="utf-8") as mounts:
            for line in mounts:
                before, _, after = line.partition(" - ")
                point = Path(before.split()[4].replace("\\040", " "))
                if (path == point or point in path.parents) and len(point.parts) >= best:
                    best, kind = len(point.parts), after.split()[0]
        return kind

    def free(self) -> int:
        """Bytes that can still be written."""
        space = os.statvfs(self.directory)
        return space.f_bavail * space.f_frsize

    def obstacle(self) -> str:
        """Why no capture may start now; empty where one may.

        MixMonitor makes a directory that is not there (22.10.1): where a spool was unmounted or removed,
        what stands in its place need not be in memory, and may be open to everybody.
        """
        try:
            about = self.directory.stat()
            if _identity(about) != self._place:
                if stat.S_IMODE(about.st_mode) != MODE:
                    return f"{self.directory}: another directory has taken the place of the spool; remove it"
                self.prepare()
            if self.free() < self.minimum_free:
                return f"{self.directory}: less than {self.minimum_free >> 20} MiB are free"
        except OSError as error:
            return f"{self.directory}: the spool cannot be used ({error.strerror}); restart callguard"
        except RecordingError as error:
            return str(error)
        return ""

    def paths(self, call: str, number: int = 1) -> tuple[Path, Path]:
        """Where Asterisk writes a call's n-th segment: what the caller said (in) and was told (out)."""
        stem = call if number == 1 else f"{call}-{number}"
        return self.directory / f"{stem}-in.sln", self.directory / f"{stem}-out.sln"

    def opened(self, call: str, number: int = 1) -> bool:
        """Whether Asterisk opened both files.

        MixMonitor reports success, an id and a start even when it could not open a file (22.10.1), and
        samples arrive only after two seconds; that the files are there is the earliest proof.
        """
        return all(path.exists() for path in self.paths(call, number))

    def seconds(self, call: str, number: int = 1) -> float:
        """How much of the call has reached the spool, in seconds of the longer direction."""
        sizes = [path.stat().st_size for path in self.paths(call, number) if path.exists()]
        return max(sizes, default=0) / (RATE * SAMPLE_BYTES)

    def head(self, call: str) -> Path:
        """What was announced before the recording, where a law wants that to be part of it."""
        return self.directory / f"{call}-head.wav"

    def put_head(self, call: str, pcm: bytes) -> None:
        """Write what was announced: interleaved samples, the caller's side first.

        Raises:
            RecordingError: it cannot be written.
        """
        path = self.head(call)
        try:
            with wave.open(str(path), "wb") as file:
                file.setnchannels(2)
                file.setsampwidth(SAMPLE_BYTES)
                file.setframerate(RATE)
                file.writeframes(pcm)
        except OSError as error:
            raise RecordingError(f"{path}: the announcement cannot be kept ({error.strerror})") from error

    def remove(self, call: str, number: int = 1) -> None:
        """Destroy what was captured of a call; memory keeps no trace of a removed file.

        Raises:
            RecordingError: a file could not be removed.
        """
        for path in (*self.paths(call, number), self.head(call)):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise RecordingError(
                    f"{path}: what had to be destroyed is still there ({error.strerror}); remove it"
                ) from error


def _identity(about: os.stat_result) -> tuple[int, int]:
    return about.st_dev, about.st_ino


def _trusted() -> set[int]:
    """Who may own the spool: we, root, and for root (who runs doctor) the account that callguard has."""
    trusted = {0, os.geteuid()}
    if os.geteuid() == 0:
        with contextlib.suppress(KeyError):
            trusted.add(pwd.getpwnam(ACCOUNT).pw_uid)
    return trusted


def _account(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"account {number}"
