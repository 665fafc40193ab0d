"""A sealer in a process of its own, to be killed: ``python -m fakes.sealing_process DIRECTORY SPOOL``.

It follows one call, erases the card digits that the call is known to hold, and ends when the call is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

from callguard.errors import RecordingError
from callguard.recording import Measures, Sealer, Spool
from fakes.sealing import CALL, DIGIT, EVERY, NAME, Ear, a_vault

#: The purpose of the hold on what comes after the digits that are known.
NEXT = "the next digit"


async def follow(directory: Path, spool: Spool) -> None:
    vault, ear = a_vault(directory), Ear()
    measures = Measures(look_back=4, block=0.5, tick=0.005, settle=0.5)
    sealer = Sealer(vault, spool, ear, measures)
    await sealer.start()
    found = await sealer.recover(hold=True)
    print("up", flush=True)
    if not found.resumed and not found.ended and not found.complete:
        await sealer.begin(NAME, spool.paths(CALL), {"queue": "sales"})
    over = directory / "over"
    digit = 0
    while NAME in sealer.captures and not found.ended:
        ended = over.exists()
        # What is not yet there is erased as well: each digit is known when it begins.
        while digit * EVERY <= sealer.samples(NAME):
            with contextlib.suppress(RecordingError):  # sealed before the crash, and erased before that
                await sealer.erase(NAME, digit * EVERY, digit * EVERY + DIGIT)
            digit += 1
            # Nothing from the next one on is sealed before that was erased too, however late we look.
            sealer.release(NAME, NEXT)
            sealer.hold(NAME, digit * EVERY, NEXT)
        sealer.release(NAME)
        if ended:
            sealer.release(NAME, NEXT)
            await sealer.finish(NAME)
        await asyncio.sleep(0.005)
    while sealer.captures:
        await asyncio.sleep(0.005)
    await sealer.close()


asyncio.run(follow(Path(sys.argv[1]), Spool(directory=Path(sys.argv[2]))))
