"""Two calls of Linux that Python's library lacks: freeing part of a file, and being told of a close."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]

#: linux/falloc.h
_KEEP_SIZE = 0x01
_PUNCH_HOLE = 0x02

#: What memory is freed by.
PAGE = os.sysconf("SC_PAGE_SIZE")

#: linux/inotify.h
_CLOSE_WRITE = 0x00000008
_EVENT = struct.Struct("iIII")
_READ = 1 << 16


def punch(file: int, start: int, end: int) -> None:
    """Free the bytes from ``start`` to ``end`` of an open file; they read as zeros, its length stays.

    Raises:
        OSError: the file system cannot.
    """
    if end > start and _libc.fallocate(file, _KEEP_SIZE | _PUNCH_HOLE, start, end - start) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class Closing:
    """Tells which files of one directory were closed by whoever was writing them."""

    def __init__(self, directory: Path) -> None:
        self.file = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        try:
            _checked(_libc.inotify_add_watch(self.file, os.fsencode(directory), _CLOSE_WRITE))
        except OSError:
            os.close(self.file)
            raise

    def names(self) -> Iterator[str]:
        """The names since the last time; never waits."""
        while True:
            try:
                events = os.read(self.file, _READ)
            except BlockingIOError:
                return
            at = 0
            while at < len(events):
                length = _EVENT.unpack_from(events, at)[3]
                at += _EVENT.size
                yield os.fsdecode(events[at : at + length].rstrip(b"\0"))
                at += length

    def close(self) -> None:
        """Watch no longer."""
        os.close(self.file)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
