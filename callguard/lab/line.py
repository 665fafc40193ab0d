"""Between callguard and a port of Asterisk: a line that can be cut, or on which nothing arrives any more."""

from __future__ import annotations

import asyncio
import contextlib

_CHUNK = 65536


class Line:
    """A TCP proxy on a free port of the loopback.

    Args:
        port: of the server behind it, at the loopback.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()
        self._passing = asyncio.Event()
        self._passing.set()

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

    def stall(self) -> None:
        """Nothing arrives any more on either side, and nobody is told; as when a cable is pulled."""
        self._passing.clear()

    def mend(self) -> None:
        """What was under way arrives, late."""
        self._passing.set()

    def _begin(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        # A task of ours: those that asyncio makes complain when they are cancelled.
        task = asyncio.get_running_loop().create_task(self._talk(near, back), name="line")
        self._talks.add(task)
        task.add_done_callback(self._talks.discard)

    async def _talk(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, OSError):
            try:
                await self._passing.wait()
                far, forth = await asyncio.open_connection("127.0.0.1", self._target)
                try:
                    ways = {
                        asyncio.create_task(self._pass(near, forth)),
                        asyncio.create_task(self._pass(far, back)),
                    }
                    try:
                        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        for way in ways:
                            way.cancel()
                        await asyncio.gather(*ways, return_exceptions=True)
                finally:
                    forth.transport.abort()
            finally:
                back.transport.abort()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(_CHUNK):
            await self._passing.wait()
            sink.write(data)
            await sink.drain()
