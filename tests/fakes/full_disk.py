"""A ledger on a disk that runs full. Run as a program in a mount namespace of its own: ``full_disk.py DIR``.

Mounts a small tmpfs on DIR, so it needs the right to mount there. Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from callguard.errors import LedgerError
from callguard.ledger import Entry, Ledger, Settings
from callguard.ledger.bodies import Fault
from callguard.ledger.keys import read_public_keys
from callguard.ledger.source import DatabaseSource
from callguard.ledger.verify import verify


async def run(directory: Path) -> dict[str, object]:
    url = f"sqlite:///{directory}/ledger.db"
    troubles: list[str | None] = []
    ballast = directory / "ballast"
    async with Ledger(Settings(url=url)) as ledger:
        over = asyncio.Event()

        def noted(trouble: object) -> None:
            troubles.append(None if trouble is None else str(getattr(trouble, "reason", "")))
            if trouble is None:
                over.set()

        ledger.on_trouble(noted)
        await ledger.append(Entry.now(Fault(where="before")))
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        told, refusal = [], ""
        for number in range(200):
            try:
                await ledger.append(Entry.now(Fault(where=str(number), detail="y" * 2000)))
                told.append(number)
            except LedgerError as fault:
                refusal = str(fault)
        healthy_when_full = ledger.healthy
        ballast.unlink()
        async with asyncio.timeout(10):
            await over.wait()
        await ledger.append(Entry.now(Fault(where="after")))
        stored = [entry.content.get("where", entry.kind) for entry in await ledger.entries()]
    with DatabaseSource(url) as source:
        report = verify(source, read_public_keys(directory / "ledger.pub"))
    return {
        "told": told,
        "refusal": refusal,
        "healthy_when_full": healthy_when_full,
        "troubles": troubles,
        "stored": stored,
        "verified": report.ok,
    }


if __name__ == "__main__":
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", sys.argv[1]], check=True)
    print(json.dumps(asyncio.run(run(Path(sys.argv[1])))))
