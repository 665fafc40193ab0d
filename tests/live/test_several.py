"""One process for two Asterisks: each has its calls, and its own trouble."""

import asyncio
import contextlib

import pytest_asyncio

from callguard.config.dialplan import shipped_dialplan
from callguard.lab import Lab
from callguard.lab.counting import AGENT, CALLER
from callguard.lab.site import Site
from tests.sealed import SETTINGS, House, talking


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def houses():
    async with contextlib.AsyncExitStack() as stack:
        houses = []
        for _ in range(2):
            lab = await stack.enter_async_context(Lab(shipped_dialplan()))
            site = Site(lab, settings=SETTINGS)
            stack.push_async_callback(site.close)
            await lab.pbx.load_dialplan(dialplan=site.dialplan())
            await site.build_prompts()
            houses.append(House(lab, site))
        east, west = houses
        east.site.beside = (west.site,)
        await east.site.start()
        yield east, west


async def heard(house, call):
    """How many frames of either party its own site has of it."""
    caller, agent, _ = await house.site.recording(call)
    return min(len(CALLER.read(caller).numbers), len(AGENT.read(agent).numbers))


async def test_each_asterisk_has_its_calls_in_its_own_ledger_and_vault(houses):
    east, west = houses
    async with talking(east) as one, talking(west) as other:
        await asyncio.sleep(2)
        await one.over()
        await other.over()
    for house, call, elsewhere in ((east, one.call, west), (west, other.call, east)):
        assert await heard(house, call) > 50
        assert call not in elsewhere.site.kept()
        assert not list(elsewhere.site.entries(call))
        assert (await house.site.command("ledger", "verify"))[0] == 0


async def test_one_that_hangs_takes_nothing_from_the_other(houses):
    east, west = houses
    west.lab.pbx.freeze()
    try:
        async with talking(east) as talk:
            await asyncio.sleep(2)
            await talk.over()
        assert await heard(east, talk.call) > 50
    finally:
        west.lab.pbx.thaw()
    # While nothing connects to it nobody is recorded there.
    async with asyncio.timeout(20):
        while not ((health := await west.site.health())["ari"] and health["ami"]):
            await asyncio.sleep(0.1)
    async with talking(west) as later:
        await asyncio.sleep(2)
        await later.over()
    assert await heard(west, later.call) > 50
