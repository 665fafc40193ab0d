"""Between callguard and a port of Asterisk: a line that can be cut, or on which nothing arrives any more."""

from __future__ import annotations

import asyncio

from callguard.lab.proxy import Proxy


class Line(Proxy):
    """A proxy whose cable can be pulled."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._passing = asyncio.Event()
        self._passing.set()

    def stall(self) -> None:
        """Nothing arrives any more on either side, and nobody is told; as when a cable is pulled."""
        self._passing.clear()

    def mend(self) -> None:
        """What was under way arrives, late."""
        self._passing.set()

    async def _ready(self) -> None:
        await self._passing.wait()
