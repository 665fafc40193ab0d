"""Free ports for one Asterisk, reserved for as long as it may run, so that labs run side by side."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import random
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from callguard.errors import LabError

#: Blocks of ports below the kernel's range for outgoing connections (32768 and up on Linux).
FIRST_PORT = 4000
BLOCK = 2000
BLOCKS = 14

#: How long to wait for another lab to end when all blocks are taken (seconds), and how often to look.
PATIENCE = 120.0
LOOK = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The ports of one Asterisk."""

    sip: int  #: UDP and TCP
    http: int  #: ARI
    ami: int
    rtp_first: int
    rtp_last: int


class PortLease:
    """A block of ports nobody else's lab uses; freed by `release` or by the end of this process."""

    def __init__(self) -> None:
        directory = Path(tempfile.gettempdir()) / f"callguard-ports-{os.getuid()}"
        directory.mkdir(mode=0o700, exist_ok=True)
        # Labs of other users do not see our locks: a random order and a try at binding keep them apart.
        for block in random.sample(range(BLOCKS), BLOCKS):
            first = FIRST_PORT + block * BLOCK
            descriptor = os.open(directory / str(first), os.O_CREAT | os.O_RDWR, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            if all(_free(port) for port in range(first, first + 10)):
                self._descriptor: int | None = descriptor
                self.ports = Ports(
                    sip=first, http=first + 1, ami=first + 2, rtp_first=first + 10, rtp_last=first + BLOCK - 1
                )
                return
            os.close(descriptor)
        raise LabError(
            f"No free block of {BLOCK} ports between {FIRST_PORT} and {FIRST_PORT + BLOCK * BLOCKS}; "
            "stop another lab (`ps -C asterisk`), then try again."
        )

    @classmethod
    async def when_free(cls) -> PortLease:
        """A block as soon as there is one.

        Raises:
            LabError: none became free in time.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return cls()
            except LabError:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(LOOK)

    def release(self) -> None:
        """Give the block back; doing so twice does no harm."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _free(port: int) -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with contextlib.closing(socket.socket(socket.AF_INET, kind)) as probe:
            if kind == socket.SOCK_STREAM:
                # As Asterisk does: a connection still in TIME_WAIT does not make the port taken.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True
