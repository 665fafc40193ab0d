"""A network that breaks at the worst moment: the server commits, and the client never hears of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

_NAME = ".s.PGSQL.5432"


class DoubtfulLine:
    """Stands between a client and PostgreSQL's unix socket; use ``directory`` as the client's host."""

    def __init__(self, server: Path, directory: Path) -> None:
        self._server = server / _NAME
        self.directory = directory
        self.break_at_commit = False
        self.broken = 0

    async def open(self) -> None:
        self._line = await asyncio.start_unix_server(self._carry, self.directory / _NAME)

    async def close(self) -> None:
        self._line.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(self._server)
        down = asyncio.create_task(self._down(server_reader, writer))
        with suppress(ConnectionError):
            while sent := await reader.read(65536):
                doubt = self.break_at_commit and b"COMMIT" in sent
                if doubt:
                    down.cancel()
                    await asyncio.wait([down])
                server_writer.write(sent)
                await server_writer.drain()
                if doubt:
                    self.break_at_commit = False
                    self.broken += 1
                    await server_reader.read(65536)  # the server's word, which goes no further
                    break
        down.cancel()
        writer.close()
        server_writer.close()

    @staticmethod
    async def _down(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while sent := await reader.read(65536):
                writer.write(sent)
                await writer.drain()
