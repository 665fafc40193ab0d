"""An Asterisk that records a call in real time, in pieces, and does as the manager interface tells it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import numpy as np

from callguard.asterisk.errors import AmiRefused
from callguard.recording import Spool
from callguard.recording.spool import RATE
from fakes.sealing import Asterisk

#: Seconds of one piece: Asterisk's are eight times as long.
PIECE = 0.25


@dataclass
class Talking:
    """Both parties say the number of each sample (from 1, modulo 30000), unless it is muted."""

    spool: Spool
    asterisk: Asterisk = field(init=False)
    began: float = field(default_factory=time.monotonic)
    mutes: list[tuple[float, bool]] = field(default_factory=list)
    #: What the agent's side holds instead, from when on.
    sounds: list[tuple[float, np.ndarray]] = field(default_factory=list)
    refuses: bool = False  #: mutes
    obeys: bool = True
    stopped: bool = False
    written: int = 0
    _task: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.asterisk = Asterisk(self.spool)

    def now(self) -> int:
        """The sample that is said now."""
        return round((time.monotonic() - self.began) * RATE)

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._talk())

    async def _talk(self) -> None:
        piece = round(PIECE * RATE)
        while True:
            await asyncio.sleep(max(0.0, self.began + (self.written + piece) / RATE - time.monotonic()))
            self._write(self.written + piece)

    def _write(self, end: int) -> None:
        places = np.arange(self.written, end)
        said = spoken(self.written, end)
        moments = self.began + places / RATE
        muted = np.zeros(len(places), bool)
        for at, on in self.mutes:
            muted[moments >= at] = on
        agent = said.copy()
        for at, sound in self.sounds:
            first = round((at - self.began) * RATE) - self.written
            part = slice(max(0, first), max(0, min(first + len(sound), len(said))))
            agent[part] = sound[part.start - first : part.stop - first]
        said[muted] = agent[muted] = 0
        self.asterisk.append(np.stack([said, agent], axis=1))
        self.written = end

    async def end(self) -> None:
        """The call is over: what is left of a piece is written, and the files are closed."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
            self._write(max(self.written, self.now()))
            self.asterisk.close()

    # ------------------------------------------------------------------ the manager interface

    async def mute_mixmonitor(self, channel: str, mixmonitor: str, direction: str, state: bool) -> None:
        if self.refuses:
            raise AmiRefused("no", "MixMonitorMute")
        if self.obeys:
            self.mutes.append((time.monotonic(), state))

    async def stop_mixmonitor(self, channel: str, mixmonitor: str) -> None:
        self.stopped = True
        await self.end()


def spoken(first: int, last: int) -> np.ndarray:
    """What is said at these samples."""
    return (np.arange(first, last) % 30000 + 1).astype(np.int16)
