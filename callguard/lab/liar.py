"""Between callguard and the manager interface: a proxy that lies about what the recorder was told."""

from __future__ import annotations

import asyncio
import contextlib
import re
from enum import StrEnum

from callguard.lab.instance import AmiSettings

_END = b"\r\n\r\n"


class Lie(StrEnum):
    """What becomes of an order to be silent (``MixMonitorMute`` with state 1); all else is passed on."""

    NONE = "none"
    SUCCESS = "success"  #: answered with success, and not passed on
    HALF = "half"  #: passed on for one direction only, and answered with success
    NO_ANSWER = "no-answer"  #: neither passed on nor answered
    REFUSED = "refused"  #: answered with an error, and not passed on


class Liar:
    """A TCP proxy in front of AMI.

    Attributes:
        lie: what to do from now on.
        told: how many lies were told.
    """

    def __init__(self, target: AmiSettings) -> None:
        self.lie = Lie.NONE
        self.told = 0
        self._target = target
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Where callguard finds it."""
        return int(self._server.sockets[0].getsockname()[1]) if self._server else 0

    async def open(self) -> None:
        """Listen on a free port of the loopback."""
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)

    async def close(self) -> None:
        """Stop; every connection through it ends."""
        if self._server is not None:
            self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _talk(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._talks.add(task)
            task.add_done_callback(self._talks.discard)
        far, there = await asyncio.open_connection(self._target.host, self._target.port)
        down = asyncio.create_task(_pour(far, back))
        try:
            await self._up(near, there, back)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the one side or the other hung up
        finally:
            down.cancel()
            for writer in (there, back):
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    async def _up(
        self, near: asyncio.StreamReader, there: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        while True:
            action = await near.readuntil(_END)
            if self.lie is not Lie.NONE and _silences(action):
                self.told += 1
                if self.lie is not Lie.HALF:
                    back.write(self._answer(action))
                    await back.drain()
                    continue
                action = re.sub(rb"(?mi)^Direction: both", b"Direction: read", action)
            there.write(action)
            await there.drain()

    def _answer(self, action: bytes) -> bytes:
        found = re.search(rb"(?mi)^ActionID: (.*?)\r$", action)
        identity = found[1] if found else b""
        match self.lie:
            case Lie.SUCCESS:
                return b"Response: Success\r\nActionID: " + identity + _END
            case Lie.REFUSED:
                return (
                    b"Response: Error\r\nActionID: " + identity + b"\r\nMessage: Cannot set mute flag" + _END
                )
            case _:
                return b""


def _silences(action: bytes) -> bool:
    fields = dict(
        line.split(": ", 1) for line in action.decode(errors="replace").split("\r\n") if ": " in line
    )
    return fields.get("Action", "").lower() == "mixmonitormute" and fields.get("State") == "1"


async def _pour(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(1 << 16):
            target.write(data)
            await target.drain()
        target.close()
