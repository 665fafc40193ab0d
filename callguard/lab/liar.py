"""Between callguard and the manager interface: a proxy that lies about what the recorder was told."""

from __future__ import annotations

import asyncio
import contextlib
import re
from enum import StrEnum

from callguard.lab.proxy import Proxy

_END = b"\r\n\r\n"


class Lie(StrEnum):
    """What becomes of an order to be silent (``MixMonitorMute`` with state 1); all else is passed on."""

    NONE = "none"
    SUCCESS = "success"  #: answered with success, and not passed on
    HALF = "half"  #: passed on for one direction only, and answered with success
    NO_ANSWER = "no-answer"  #: neither passed on nor answered
    REFUSED = "refused"  #: answered with an error, and not passed on


class Liar(Proxy):
    """A proxy in front of AMI.

    Attributes:
        lie: what to do from now on.
        told: how many lies were told.
    """

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.lie = Lie.NONE
        self.told = 0

    async def _up(
        self, near: asyncio.StreamReader, forth: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                action = await near.readuntil(_END)
                if self.lie is not Lie.NONE and _silences(action):
                    self.told += 1
                    if self.lie is not Lie.HALF:
                        back.write(self._answer(action))
                        await back.drain()
                        continue
                    action = re.sub(rb"(?mi)^Direction: both", b"Direction: read", action)
                forth.write(action)
                await forth.drain()

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
