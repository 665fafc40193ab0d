"""A controller that starts goes on with the calls that the one before it left."""

import asyncio
from itertools import count

CALLERS = (f"+13125551{number:03d}" for number in count())  # Illinois: a key stops the recording


async def recorded(house):
    caller = next(CALLERS)
    phone = await house.lab.world.call("102", caller_id=caller)
    await phone.answered()
    await phone.speak(750)
    await house.lab.world.agent("sales-agent").next_call(40, number=caller)
    call = house.site.call_of(caller)
    await house.site.until_entry("capture.started", call)
    return caller, phone, call


async def test_a_recorded_call_is_taken_up_and_its_end_is_noted(house):
    caller, phone, call = await recorded(house)
    await house.site.kill()
    await house.site.start()
    await house.site.until(caller, "talking")
    live = {each["call"]: each for each in await house.site.calls()}
    assert (live[call]["outcome"], live[call]["capture"]) == ("implied", "on")
    await phone.hang_up()
    ended = await house.site.until_entry("call.ended", call)
    assert ended["body"]["captured_ms"] > 0
    stopped = await house.site.until_entry("capture.stopped", call)
    assert stopped["body"]["reason"] == "hung up"


async def test_the_key_that_stops_a_recording_still_does(house):
    caller, phone, call = await recorded(house)
    await house.site.kill()
    await house.site.start()
    await house.site.until(caller, "talking")
    await phone.press("*")
    stopped = await house.site.until_entry("capture.stopped", call)
    assert stopped["body"]["reason"] == "withdrawn"
    await house.site.until_entry("retention", call)
    assert call not in house.site.kept()
    assert phone.is_up


async def test_a_call_that_ended_meanwhile_is_closed(house):
    _, phone, call = await recorded(house)
    await house.site.kill()
    await phone.hang_up()
    await asyncio.sleep(0.5)
    await house.site.start()
    ended = await house.site.until_entry("call.ended", call)
    assert ended["body"]["reason"] == "the controller was away"
