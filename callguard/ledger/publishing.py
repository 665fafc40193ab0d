"""Checkpoints outside the database: what shows that its tail was cut off or that it was put back.

A target is whatever is out of reach of who might change the database: a file on another machine or
on write-once storage, an address that takes a POST, an S3 bucket under Object Lock.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import aiohttp
import structlog

from callguard.errors import LedgerError

log = structlog.get_logger(__name__)

#: First and longest pause before a target is tried again, seconds.
_PAUSES = (1.0, 300.0)

#: How long one attempt may take, seconds.
_PATIENCE = 10.0

#: A signed note: lines of text, an empty line, signature lines.
_NOTE = re.compile(r"(?:[^\n]+\n)+\n(?:— [^\n]+\n)+")


class Target(Protocol):
    """A place for checkpoints."""

    async def publish(self, note: str) -> None:
        """Put a checkpoint there.

        Raises:
            LedgerError: it did not get there; it will be tried again.
        """

    async def newest(self) -> str | None:
        """The newest checkpoint there, or ``None`` if there is none or the place cannot be asked."""


class FileTarget:
    """A file to which checkpoints are appended."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    async def publish(self, note: str) -> None:
        """Append, and wait for the disk."""
        await asyncio.to_thread(self._append, note)

    async def newest(self) -> str | None:
        """The last one in the file."""
        if not self._path.exists():
            return None
        notes = await asyncio.to_thread(read_notes, self._path)
        return notes[-1] if notes else None

    def _append(self, note: str) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{note}\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as fault:
            raise LedgerError(f"{self._path} cannot be written: {fault.strerror}") from fault


class HttpTarget:
    """An address to which each checkpoint is posted as plain text; any 2xx answer means: kept."""

    def __init__(self, url: str, authorization: str = "") -> None:
        self._url = url
        self._headers = {"Content-Type": "text/plain; charset=utf-8"}
        if authorization:
            self._headers["Authorization"] = authorization

    def __str__(self) -> str:
        return self._url.partition("?")[0]

    async def publish(self, note: str) -> None:
        """Post it."""
        timeout = aiohttp.ClientTimeout(total=_PATIENCE)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(self._url, data=note.encode(), headers=self._headers) as answer,
            ):
                if answer.status // 100 != 2:
                    raise LedgerError(f"{self} answered {answer.status}")
        except (aiohttp.ClientError, TimeoutError) as fault:
            raise LedgerError(f"{self} cannot be reached: {fault or type(fault).__name__}") from fault

    async def newest(self) -> str | None:
        """Not asked: what an address answers to a GET is its own affair."""
        return None


class Publisher:
    """Brings checkpoints to every target, in order, for as long as it takes."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._waiting: list[tuple[Target, asyncio.Queue[str]]] = [(t, asyncio.Queue()) for t in targets]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to deliver."""
        self._tasks = [
            asyncio.create_task(self._deliver(target, queue), name=f"checkpoints-{target}")
            for target, queue in self._waiting
        ]

    def put(self, note: str) -> None:
        """Hand in a checkpoint for all targets."""
        for _, queue in self._waiting:
            queue.put_nowait(note)

    async def stop(self, seconds: float) -> None:
        """Deliver what is left within ``seconds``; what is not is delivered after the next start."""
        if self._tasks:
            rest = asyncio.gather(*(queue.join() for _, queue in self._waiting))
            try:
                await asyncio.wait_for(rest, seconds)
            except TimeoutError:
                log.warning("ledger.checkpoint.unpublished", waiting=[q.qsize() for _, q in self._waiting])
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    @staticmethod
    async def _deliver(target: Target, queue: asyncio.Queue[str]) -> None:
        while True:
            note = await queue.get()
            pause = _PAUSES[0]
            while True:
                try:
                    await target.publish(note)
                    break
                except LedgerError as fault:
                    if pause == _PAUSES[0]:
                        log.warning("ledger.checkpoint.delayed", target=str(target), reason=str(fault))
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _PAUSES[1])
            queue.task_done()


def read_notes(path: Path) -> list[str]:
    """All checkpoints in a file, oldest first.

    Raises:
        LedgerError: the file is unreadable or holds something else as well.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise LedgerError(f"the checkpoints in {path} cannot be read: {fault}") from fault
    notes = _NOTE.findall(text)
    if _NOTE.sub("", text).strip():
        raise LedgerError(f"{path} holds something that is no checkpoint; it may have been damaged")
    return notes
