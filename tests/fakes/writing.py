"""A controller that does nothing but write, to be killed at any moment.

Run as a program: ``writing.py URL KEY_FILE``. It writes as fast as it can, with up to 64 entries on
their way, and says ``position leaf`` on standard output for each one that it was told is durable.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from callguard.ledger import Entry, Ledger, Settings
from callguard.ledger.bodies import Fault


async def write(url: str, key_file: Path) -> None:
    """Write until killed."""
    async with Ledger(Settings(url=url, key_file=key_file)) as ledger:

        async def one(lane: int) -> None:
            while True:
                receipt = await ledger.append(Entry.now(Fault(where=f"lane {lane}", detail="x" * 300)))
                os.write(1, f"{receipt.position} {receipt.leaf.hex()}\n".encode())

        await asyncio.gather(*(one(lane) for lane in range(64)))


@dataclass(frozen=True)
class Killed:
    """What a killed writer had been told is durable."""

    receipts: dict[int, str]


def killed_while_writing(url: str, key_file: Path, chance: random.Random) -> Killed:
    """Start a writer, and kill it at a random moment under full load."""
    with subprocess.Popen(
        [sys.executable, __file__, url, str(key_file)], stdout=subprocess.PIPE, bufsize=0
    ) as writer:
        assert writer.stdout is not None
        first = writer.stdout.read(1)  # it is writing
        # When in its life it dies is what is random here; nothing waits for this time to pass.
        time.sleep(chance.uniform(0.0, 0.08))
        writer.send_signal(signal.SIGKILL)
        said = (first + writer.stdout.read()).decode()
    whole = said[: said.rfind("\n") + 1].split()
    return Killed(dict(zip(map(int, whole[::2]), whole[1::2], strict=True)))


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], Path(sys.argv[2])))
