"""Two controllers at one PBX: one dies, hangs, or is replaced, and the other one goes on with its calls."""

import asyncio
import time
from itertools import count

import pytest
import pytest_asyncio

from callguard.asterisk.versions import Quirk, quirks_of
from tests.pooling import LEASE, pool_house
from tests.sealed import SETTINGS

CALLERS = (f"+1512776{number:04d}" for number in count())
#: The agent's pause is over before a test is: what counts time has to be taken up with the call.
SHORT = SETTINGS | {
    "pause": {"drop_last_seconds": "2", "seconds": "6", "warn_seconds": "1"},
    "queues": {"sales": {"purposes": ["tests"], "minimum_form": "notice", "after_pause": "resume"}},
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house():
    async with pool_house(SHORT) as house:
        version = house.lab.pbx.build.version
        if Quirk.NO_BROADCAST in quirks_of(version):
            pytest.skip(f"Asterisk {version} offers its calls to one controller only (no StasisBroadcast)")
        yield house


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def both_run(house):
    """Every test begins with both; whoever died in one is back in the next."""
    for site in house.sites.values():
        if not site.is_running:
            await site.start()
    yield


async def in_dialogue(house):
    """A caller whom a controller is talking to: (number, phone, which)."""
    caller = next(CALLERS)
    phone = await house.lab.world.call("100", caller_id=caller)
    await phone.answered()
    name = ""
    async with asyncio.timeout(5):
        while not name:
            name = await house.where(caller)
        # What nobody waits for is in the ledger 50 ms later.
        while not any(each["body"].get("caller") == caller for each in house.site.entries()):
            await asyncio.sleep(0.02)
    return caller, phone, name


async def recorded(house):
    """A recorded call: (number, phone, the agent's phone, its id, which controller has it)."""
    caller, phone, name = await in_dialogue(house)
    await phone.speak(520.0)
    agent = await house.lab.world.agent("sales-agent").next_call(40, number=caller)
    call = house.site.call_of(caller)
    await house.site.until_entry("capture.started", call)
    return caller, phone, agent, call, name


def other(name):
    return {"a": "b", "b": "a"}[name]


async def taken_up(house, caller, name, timeout=10.0):
    """Wait until that controller has the call; returns what it says of it."""
    async with asyncio.timeout(timeout):
        while True:
            for each in await house.sites[name].calls():
                if each["caller"] == caller:
                    return each
            await asyncio.sleep(0.05)


async def test_a_caller_in_the_dialogue_of_one_that_died_is_led_on(house):
    caller, phone, name = await in_dialogue(house)
    await house.sites[name].kill()
    killed = time.monotonic()
    await house.lab.world.agent("open-agent").next_call(10, number=caller)
    assert time.monotonic() - killed < 5
    assert phone.is_up
    call = house.site.call_of(caller)
    await house.site.until_entry("call.ended", call)
    assert call not in house.site.kept()


async def test_a_recorded_call_is_paused_by_the_other_one_and_sealed_to_its_end(house):
    caller, phone, agent, call, name = await recorded(house)
    await asyncio.sleep(2)
    await house.sites[name].kill()
    assert (await taken_up(house, caller, other(name)))["capture"] == "on"
    await agent.press("*4")
    await house.site.until_entry("capture.confirmed", call)
    await house.site.until_entry("capture.resumed", call, timeout=15)  # by the clock
    await asyncio.sleep(1.5)
    await phone.hang_up()
    samples, _, rate = await house.site.recording(call)
    assert len(samples) / rate > 8
    before = await house.site.until_entry("call.taken_up", call)
    assert before["body"]["before"] == f"callguard-{name}"
    assert before["by"].startswith(f"callguard-{other(name)}/")


async def test_a_pause_outlives_the_one_that_ordered_it(house):
    caller, phone, agent, call, name = await recorded(house)
    await agent.press("*4")
    await house.site.until_entry("capture.confirmed", call)
    await house.sites[name].kill()
    assert (await taken_up(house, caller, other(name)))["capture"] == "paused"
    resumed = await house.site.until_entry("capture.resumed", call, timeout=10)
    assert resumed["by"].startswith(f"callguard-{other(name)}/")
    await phone.hang_up()
    await house.site.recording(call)


async def test_one_that_hangs_is_ended_and_its_calls_go_on(house):
    caller, phone, agent, call, name = await recorded(house)
    waiting, waits, whose = await in_dialogue(house)
    house.sites[name].freeze()
    frozen = time.monotonic()
    if whose == name:
        await house.lab.world.agent("open-agent").next_call(10, number=waiting)
    assert (await taken_up(house, caller, other(name)))["capture"] == "on"
    assert time.monotonic() - frozen < LEASE + 4
    # Woken, it would be too late for it to write anything: it is not there any more.
    assert not house.sites[name].is_running
    assert phone.is_up
    assert waits.is_up
    await agent.press("*4")
    await house.site.until_entry("capture.confirmed", call)
    await phone.hang_up()
    await house.site.recording(call)


async def test_a_rolling_upgrade_touches_no_call(house):
    caller, phone, agent, call, name = await recorded(house)
    asked = []
    while len(asked) < 1:
        one = await in_dialogue(house)
        asked += [one] * (one[2] == name)
    ((number, dialogue, _),) = asked
    await house.sites[name].stop()
    # It led its dialogue to the end before it left: this caller is recorded as anybody else.
    await house.lab.world.agent("sales-agent").next_call(20, number=number)
    await house.site.until_entry("capture.started", house.site.call_of(number))
    for who in (caller, number):
        assert (await taken_up(house, who, other(name)))["capture"] == "on"
    await house.sites[name].start()
    await agent.press("*4")
    await house.site.until_entry("capture.confirmed", call)
    for each in (phone, dialogue):
        assert each.is_up
        await each.hang_up()
    for who in (call, house.site.call_of(number)):
        await house.site.recording(who)


async def test_stopping_all_recording_reaches_every_controller(house):
    _, phone, _, call, name = await recorded(house)
    status, _ = await house.sites[other(name)].command("stop-all")
    assert status == 0
    try:
        await house.site.until_entry("capture.stopped", call)
        async with asyncio.timeout(5):
            while not (await house.sites[name].health())["recording_off"]:
                await asyncio.sleep(0.1)
    finally:
        await house.sites[other(name)].command("resume-all")
    await phone.hang_up()
