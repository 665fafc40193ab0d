"""Two controllers, one of which is killed again and again, while calls arrive."""

import asyncio
import os
import random
import time

from tests.prove.parties_crowd import under_faults

MINUTES = float(os.environ.get("CALLGUARD_POOL_MINUTES", "5"))
KILL_EVERY = 20.0  #: seconds from one kill to the next, of one controller and the other in turn
GONE = (0.5, 2.0)  #: how long it is gone: systemd starts it anew after one second


async def figures(tell):
    """What became of everybody who called."""
    seconds = round(60 * MINUTES)
    return await under_faults(
        tell, "pool", seconds=seconds, disturb=kills, faults=int(seconds / KILL_EVERY) - 1
    )


async def kills(house, told, until, tell):
    """One is killed, comes back, and then the other one."""
    names = list(house.sites)
    due = time.monotonic() + KILL_EVERY / 2
    while due < until:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        due += KILL_EVERY
        name = names[len(told.faults) % len(names)]
        await house.sites[name].kill()
        told.faults.append((time.time(), f"{name} was killed"))
        tell(f"killed {name}, {len(told.faults)} times in all; {dict(told.checked)}")
        await asyncio.sleep(random.uniform(*GONE))
        await house.sites[name].start()
