"""A manager interface that says that a recorder is silent when it is not."""

import asyncio
import os
import random

from callguard.lab.liar import Lie
from tests.capturing import house, moment, talk
from tests.prove.figures import at_least, at_most, exactly

ROUNDS = int(os.environ.get("CALLGUARD_LIES", "5"))  #: calls of each lie
LIES = tuple(each for each in Lie if each is not Lie.NONE)
#: What may be recorded after the key is up, as with an honest recorder (seconds).
ALLOWED = 0.02


async def figures(tell):
    """Each lie on several calls at once."""
    random.seed(2)
    found = []
    for lie in LIES:
        tell(f"{ROUNDS} pauses, and the manager interface lies: {lie}")
        found += await told(lie)
    return found


async def told(lie):
    """One lie, to several calls at once."""
    async with house(lies=True) as lying:
        calls = await asyncio.gather(*(one(lying, lie) for _ in range(ROUNDS)))
        lies = lying.liar.told
        alerts = sum(" alert " in line for line in lying.site.log.read_text().splitlines())
    late = [each for each, _ in calls]
    return [
        at_least(f"{lie}: lies told", lies, ROUNDS, "lies"),
        exactly(f"{lie}: lies not caught, of {ROUNDS}", sum(when is None for _, when in calls), 0),
        at_most(f"{lie}: speech sealed after the key was up, worst", max(late), ALLOWED, "s"),
        at_most(
            f"{lie}: time until it was caught, worst",
            max((when for _, when in calls if when is not None), default=99.0),
            5.0,
            "s",
        ),
        at_least(f"{lie}: alerts", alerts, ROUNDS, "alerts"),
    ]


async def one(lying, lie):
    """Seconds of paused speech that were sealed, and after how many the lie was caught."""
    async with talk(lying) as call:
        await asyncio.sleep(random.uniform(2, 4))
        lying.liar.lie = lie
        await call.agent.press("*4")
        caught = await stopped(call)
        await asyncio.sleep(random.uniform(3, 5))
        recorded = await call.over()
        ((_, up),) = call.presses("*4")
    late = max(max(side.times, default=up) - up for side in (recorded.caller, recorded.agent))
    return late, None if caught is None else caught - up


async def stopped(call):
    """When the ledger says that the capture ended; None when it does not within ten seconds."""
    try:
        async with asyncio.timeout(10):
            while not (found := call.told("capture.stopped")):
                await asyncio.sleep(0.05)
    except TimeoutError:
        return None
    return moment(found[0])
