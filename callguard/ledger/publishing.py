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
from typing import Any, Protocol

import aiohttp
import structlog

from callguard.errors import LedgerError
from callguard.ledger.keys import Checkpoint

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


class S3Target:
    """A bucket, or a folder in one; each checkpoint is an object named by the entries it covers.

    Under S3 Object Lock in compliance mode nobody can take it away again. Needs the extra ``s3``.
    """

    def __init__(self, url: str, **options: Any) -> None:
        """``url`` is ``s3://bucket/folder``; ``options`` go to obstore, which also reads ``AWS_*`` variables.

        Raises:
            LedgerError: the extra is not installed, or the address is none.
        """
        try:
            from obstore.store import S3Store
        except ImportError as fault:
            raise LedgerError(f"{url} needs the extra s3: pip install 'callguard[s3]'") from fault
        self._url = url
        try:
            self._store = S3Store.from_url(url, **options)
        except Exception as fault:
            raise LedgerError(f"{url} cannot be used for checkpoints: {_first_line(fault)}") from fault

    def __str__(self) -> str:
        return self._url

    async def publish(self, note: str) -> None:
        """Put the object, never over one that is there."""
        from obstore import put_async
        from obstore.exceptions import AlreadyExistsError

        name = f"{Checkpoint.parse(note).size:020d}.checkpoint"
        try:
            await asyncio.wait_for(put_async(self._store, name, note.encode(), mode="create"), _PATIENCE)
        except AlreadyExistsError:
            return
        except Exception as fault:
            raise LedgerError(f"{self} did not take a checkpoint: {_first_line(fault)}") from fault

    async def newest(self) -> str | None:
        """The object with the highest name."""
        from obstore import get_async, list_with_delimiter_async

        try:
            found = await asyncio.wait_for(list_with_delimiter_async(self._store), _PATIENCE)
            names = sorted(o["path"] for o in found["objects"] if o["path"].endswith(".checkpoint"))
            if not names:
                return None
            answer = await asyncio.wait_for(get_async(self._store, names[-1]), _PATIENCE)
            return bytes(await answer.bytes_async()).decode()
        except Exception as fault:  # noqa: BLE001 (obstore's errors have no common class of their own)
            log.warning("ledger.checkpoint.unread", target=str(self), reason=_first_line(fault))
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


def _first_line(fault: Exception) -> str:
    return (str(fault).splitlines() or [type(fault).__name__])[0]


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


def target_at(place: str, authorization: str = "", **options: Any) -> Target:
    """The target that a setting names: a path, an http(s) address, or s3://bucket/folder.

    Raises:
        LedgerError: it is none of these.
    """
    if place.startswith(("http://", "https://")):
        return HttpTarget(place, authorization)
    if place.startswith("s3://"):
        return S3Target(place, **options)
    if place.startswith("/"):
        return FileTarget(Path(place))
    raise LedgerError(
        f"checkpoints cannot go to {place!r}; name an absolute path, an http(s) address or s3://..."
    )
