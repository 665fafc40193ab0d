"""Pauses on real calls, frame by frame: proven, caught where they are none, and without any key of a card."""

import asyncio
import time

import pytest
import pytest_asyncio

from callguard.lab import audio
from callguard.lab.liar import Lie
from callguard.lab.wire import may_listen
from tests import capturing

pytestmark = pytest.mark.skipif(not may_listen(), reason="packets may be captured by root only (CAP_NET_RAW)")

CARD = "4111111111111111"
#: What may be recorded after the key is up, on a machine that does other things as well (seconds). The figure
#: to reach is 20 ms at p99, and is measured by `make prove TOPIC=capture`.
LATE = 0.1
#: The dialplan waits for the controller for so long before it ends the recording itself (seconds).
UNHEARD = 0.7


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def counted():
    async with capturing.house(lies=True) as house:
        yield house


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def honest_again(counted):
    yield
    counted.liar.lie = Lie.NONE
    await counted.lab.world.settle()


def until(side, moment):
    """Seconds by which the last of what was recorded was said after a moment."""
    return max(side.times, default=moment) - moment


async def test_nothing_that_is_said_in_a_pause_is_recorded_and_the_ledger_proves_it(counted):
    async with capturing.talk(counted) as call:
        for silent in (0.4, 2.3):
            await asyncio.sleep(1.3)
            await call.pause()
            await asyncio.sleep(silent)
            await call.resume()
        await asyncio.sleep(1.5)
        recorded = await call.over()
    found = [
        recorded.pause(*press, resumed[1])
        for press, resumed in zip(call.presses("*4"), call.presses("*6"), strict=True)
    ]
    assert [each.silences for each in found] == [1, 1]
    assert all(each.late < LATE and each.early > 0 for each in found)
    proven = [(entry["body"]["offset"], entry["body"]["until"]) for entry in call.told("capture.verified")]
    assert len(proven) == 2
    for (start, end), each in zip(proven, found, strict=True):
        assert each.start <= start < end <= each.end
    # The rest is there, of either party on its own side.
    assert recorded.crosstalk() == 0
    # On a busy machine Asterisk itself drops a frame where the agent's sound sets in.
    jumps = [last - first for first, last in recorded.caller.read.jumps()]
    assert len([frames for frames in jumps if frames > 2]) == 2 and len(jumps) <= 3
    assert recorded.caller.read.seconds > 3
    # Nobody but the PBX heard the keys.
    assert recorded.sounding_keys() == []
    assert (call.caller.keys, await call.heard_keys()) == ("", [])


@pytest.mark.parametrize("lie", [Lie.SUCCESS, Lie.NO_ANSWER])
async def test_a_mute_that_is_none_is_caught_and_nothing_of_the_pause_is_sealed(counted, lie):
    async with capturing.talk(counted) as call:
        # Longer than Asterisk keeps samples back: what has not arrived by then is erased with the pause.
        await asyncio.sleep(5)
        counted.liar.lie = lie
        await call.agent.press("*4")
        await call.next_entry("capture.stopped", timeout=8)
        recorded = await call.over()
    ((_, up),) = call.presses("*4")
    assert counted.liar.told
    assert until(recorded.caller, up) < LATE
    assert until(recorded.agent, up) < LATE
    # What was said before is kept.
    assert recorded.caller.read.seconds > 1
    assert recorded.agent.read.seconds > 1


async def test_no_key_of_a_card_number_is_in_the_file(counted):
    async def keyed(way):
        async with capturing.talk(counted, keys=way) as call:
            await asyncio.sleep(2.2)
            await call.caller.press(CARD)
            await call.next_entry("capture.confirmed")
            # Both phones of a call must not press at once, and events are still on their way.
            await asyncio.sleep(len(CARD) * 0.2 if way == "rfc4733" else 0.5)
            await call.resume()
            await asyncio.sleep(1.5)
            return call, await call.over()

    for call, recorded in await asyncio.gather(*map(keyed, ("rfc4733", "inband", "unheard"))):
        assert recorded.sounding_keys() == []
        assert CARD[:6] not in str(counted.site.entries(call.call))
        # Speech from before and after is there.
        samples = recorded.samples[0]
        assert len(samples) > 4 * recorded.rate
        assert audio.peak_level(samples[: recorded.rate // 2]) > -30
        assert audio.peak_level(samples[-recorded.rate // 2 :]) > -30
    assert CARD[:6] not in counted.site.log.read_text()


async def test_without_a_controller_the_key_itself_ends_the_recording(counted):
    async with capturing.talk(counted) as call:
        await asyncio.sleep(2)
        await counted.site.kill()
        killed = time.time()
        await call.agent.press("*4")
        await asyncio.sleep(2)
        await counted.site.start()
        await asyncio.sleep(1)
        recorded = await call.over()
    ((_, up),) = call.presses("*4")
    assert up > killed
    assert until(recorded.caller, up) < UNHEARD
    assert until(recorded.agent, up) < UNHEARD
    assert recorded.caller.read.seconds > 1.5
