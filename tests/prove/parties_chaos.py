"""Whatever can go wrong, at random, one thing after the other, while calls arrive."""

import asyncio
import contextlib
import os
import random
import shutil
import sqlite3
import time

from callguard.asterisk import Ami, AmiSettings
from tests.prove.parties_crowd import SOMEBODY, under_faults

MINUTES = float(os.environ.get("CALLGUARD_CHAOS_MINUTES", "15"))
PEACE = (4.0, 12.0)  #: seconds between the end of one fault and the next
BACK = (0.5, 2.0)  #: how long a dead controller is gone: systemd starts it anew after one second
FROZEN = (1.0, 9.0)  #: seconds; the lease of the pool is 5
STALLED = (2.0, 12.0)  #: seconds that a line carries nothing
SEEN_OFF = 60.0  #: seconds that callers in the dialogue may take to come to its end
LOCKED = (0.5, 4.0)  #: seconds that nobody can write to the ledger
HIDDEN = (0.5, 3.0)  #: seconds that nothing can be made in the spool
FLOOD = 5000  #: events that somebody else raises, as fast as Asterisk takes them


async def figures(tell):
    """What became of everybody who called."""
    seconds = round(60 * MINUTES)
    # No fault lasts longer than its peace and the longest stall, and a start.
    return await under_faults(tell, "chaos", seconds=seconds, disturb=disturb, faults=int(seconds / 30))


async def disturb(house, told, until, tell):
    """One fault after the other; each kind comes up as often as any other."""
    kinds = []
    await asyncio.sleep(PEACE[1])
    while time.monotonic() + STALLED[1] < until:
        kinds = kinds or random.sample(KINDS, len(KINDS))
        kind = kinds.pop()
        name = random.choice(list(house.sites))
        what = f"{kind.__doc__.rstrip('.')} ({name})"
        told.faults.append((time.time(), what))
        tell(f"{len(told.faults)}: {what}; {dict(told.checked)}")
        await kind(house, name)
        for site in house.sites.values():
            if not site.is_running:  # ended by the other one, for it said nothing; systemd starts it anew
                await site.start()
        await asyncio.sleep(random.uniform(*PEACE))


async def killed(house, name):
    """A controller was killed."""
    await house.sites[name].kill()
    await asyncio.sleep(random.uniform(*BACK))
    await house.sites[name].start()


async def all_killed(house, _):
    """All controllers were killed."""
    for site in house.sites.values():
        await site.kill()
    await asyncio.sleep(random.uniform(*BACK))
    for site in house.sites.values():
        await site.start()


async def restarted(house, name):
    """A controller was restarted, as for an upgrade."""
    await house.sites[name].stop(patience=SEEN_OFF)
    await house.sites[name].start()


async def frozen(house, name):
    """A controller was frozen."""
    house.sites[name].freeze()
    try:
        await asyncio.sleep(random.uniform(*FROZEN))
    finally:
        if house.sites[name].is_running:
            house.sites[name].thaw()


async def cut(house, name):
    """The lines of a controller to Asterisk were cut."""
    for line in house.lines[name]:
        await line.cut()


async def stalled(house, name):
    """Nothing arrived any more between a controller and Asterisk."""
    for line in house.lines[name]:
        line.stall()
    try:
        await asyncio.sleep(random.uniform(*STALLED))
    finally:
        for line in house.lines[name]:
            line.mend()


async def half_stalled(house, name):
    """Nothing arrived any more on one line between a controller and Asterisk."""
    line = random.choice(house.lines[name])
    line.stall()
    try:
        await asyncio.sleep(random.uniform(*STALLED))
    finally:
        line.mend()


async def locked(house, _):
    """The ledger was locked."""
    with contextlib.closing(
        sqlite3.connect(
            house.site.directory / "ledger.db", isolation_level=None, timeout=5, check_same_thread=False
        )
    ) as database:
        await asyncio.to_thread(database.execute, "begin immediate")
        try:
            await asyncio.sleep(random.uniform(*LOCKED))
        finally:
            database.execute("rollback")


async def hidden(house, _):
    """The spool was away."""
    away = house.site.spool.with_name(f"{house.site.spool.name}-away")
    house.site.spool.rename(away)
    try:
        await asyncio.sleep(random.uniform(*HIDDEN))
    finally:
        # A recorder that began just then made the directory anew: MixMonitor does.
        stray = away.with_name(f"{away.name}-stray")
        if house.site.spool.exists():
            house.site.spool.rename(stray)
        away.rename(house.site.spool)
        for path in [path for path in stray.rglob("*") if path.is_file()]:
            path.rename(house.site.spool / path.relative_to(stray))
        shutil.rmtree(stray, ignore_errors=True)


async def flooded(house, _):
    """Others raised thousands of events."""
    ami = Ami(AmiSettings(port=house.lab.ami_settings.port, username=SOMEBODY, password=SOMEBODY))
    await ami.start()
    try:
        for first in range(0, FLOOD, 100):
            noise = [{"UserEvent": "Noise", "Number": first + number} for number in range(100)]
            await asyncio.gather(*(ami.action("UserEvent", each, deadline=10.0) for each in noise))
    finally:
        await ami.stop()


KINDS = (killed, all_killed, restarted, frozen, cut, stalled, half_stalled, locked, hidden, flooded)
