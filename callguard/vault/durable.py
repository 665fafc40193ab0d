"""Files that are whole or not there, also after the power went."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def write(path: Path, content: bytes, *, mode: int = 0o640) -> None:
    """Put ``content`` at ``path`` so that it survives a power cut before this returns.

    Raises:
        OSError: it could not be written; nothing is left behind, and what was at ``path`` still is.
    """
    fresh = path.with_name(f".{path.name}.new")
    try:
        file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        try:
            left = memoryview(content)
            while left:
                left = left[os.write(file, left) :]
            os.fsync(file)
        finally:
            os.close(file)
        fresh.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise
    settle(path.parent)


def settle(directory: Path) -> None:
    """Make the names in ``directory`` durable."""
    place = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(place)
    finally:
        os.close(place)


def make_directory(path: Path) -> None:
    """Make ``path`` and what is missing above it, durably; the owner's group may look, others may not."""
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(mode=0o750, exist_ok=True)
    settle(path.parent)


def destroy(path: Path) -> None:
    """Overwrite a small file, then remove it. A file that is not there is destroyed already.

    Overwriting in place is all that a program can do; a copy-on-write disk may keep the old bytes longer.
    """
    try:
        file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.pwrite(file, os.urandom(os.fstat(file).st_size), 0)
        os.fsync(file)
    finally:
        os.close(file)
    path.unlink()
    settle(path.parent)
