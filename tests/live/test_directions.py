"""The two directions of a recording: what was said at one time stands at one place in both."""

import asyncio

import pytest

from callguard.lab import audio
from callguard.lab.world import AGENT_HZ

CALLER = "+15125580101"
FIRST_HZ, LAST_HZ = 620.0, 900.0

#: Seconds in which the caller's phone sends no packet, and of what they say afterwards.
NOTHING, LAST = 3.0, 2.0


@pytest.mark.oldest
async def test_a_phone_that_sends_nothing_moves_nothing(house):
    phone = await house.lab.world.call("102", caller_id=CALLER)
    await phone.answered()
    await phone.speak(FIRST_HZ)
    agent = await house.lab.world.agent("sales-agent").next_call(40, number=CALLER)
    await asyncio.sleep(1)
    await phone.send_nothing()
    await asyncio.sleep(NOTHING)
    await phone.speak(LAST_HZ)
    await asyncio.sleep(LAST)
    call = house.site.call_of(CALLER)
    await phone.hang_up()
    await agent.ended()
    said, replied, rate = await house.site.recording(call)
    assert len(said) == len(replied)
    # The agent spoke all the time, the caller first and last.
    assert len(replied) / rate - audio.seconds_of_tone(replied, rate, AGENT_HZ["sales-agent"]) < 0.5
    came_back = audio.onset(said, rate, LAST_HZ)
    assert came_back is not None
    assert abs(len(said) / rate - came_back - LAST) < 0.5
    [arrived] = [each for each in house.site.entries(call) if each["kind"] == "call.arrived"]
    assert arrived["body"]["called"] == "102"
