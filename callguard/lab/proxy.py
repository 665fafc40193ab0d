"""Between callguard and a port of Asterisk: a TCP proxy, of which others make worse lines."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

_CHUNK = 65536


class Proxy:
    """Passes everything on, from a free port of the loopback.

    Args:
        port: of the server behind it, at the loopback.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Where callguard finds it."""
        return int(self._server.sockets[0].getsockname()[1]) if self._server else 0

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._begin, "127.0.0.1", 0)

    async def close(self) -> None:
        """Stop; every connection through it ends."""
        if self._server is not None:
            self._server.close()
        await self.cut()

    async def cut(self) -> None:
        """Every connection through it ends at once; new ones are let through."""
        talks = list(self._talks)
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)

    async def _ready(self) -> None:
        """Wait until something may pass."""

    async def _up(
        self,
        near: asyncio.StreamReader,
        forth: asyncio.StreamWriter,
        back: asyncio.StreamWriter,  # noqa: ARG002 - for who answers in the place of Asterisk
    ) -> None:
        """What callguard says."""
        await self._pass(near, forth)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        # As on any line, what was sent before one side closed or died arrives all the same.
        under_way: asyncio.Queue[bytes] = asyncio.Queue()
        taking = asyncio.create_task(self._take(source, under_way))
        try:
            while data := await under_way.get():
                await self._ready()
                sink.write(data)
                await sink.drain()
            sink.write_eof()
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)

    async def _take(self, source: asyncio.StreamReader, under_way: asyncio.Queue[bytes]) -> None:
        try:
            while data := await source.read(_CHUNK):
                under_way.put_nowait(data)
        finally:
            under_way.put_nowait(b"")

    def _begin(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        # A task of ours: those that asyncio makes complain when they are cancelled.
        task = asyncio.get_running_loop().create_task(self._talk(near, back), name="proxy")
        self._talks.add(task)
        task.add_done_callback(self._talks.discard)

    async def _talk(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            try:
                await self._ready()
                far, forth = await asyncio.open_connection("127.0.0.1", self._target)
                try:
                    await self._between(self._up(near, forth, back), self._pass(far, back))
                finally:
                    forth.transport.abort()
            finally:
                back.transport.abort()

    async def _between(self, *ways: Coroutine[Any, Any, None]) -> None:
        """Both ways, until both sides have closed or something is wrong with one of them."""
        tasks = {asyncio.create_task(way) for way in ways}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
