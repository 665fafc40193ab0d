"""A number keyed on a recorded call, whichever way keys travel: nothing of it is kept, no digit anywhere."""

import asyncio
from dataclasses import dataclass
from itertools import count

import numpy as np
import pytest
import pytest_asyncio

from callguard.config.dialplan import shipped_dialplan
from callguard.lab import Lab, audio
from callguard.lab.counting import AGENT, CALLER, FRAME
from callguard.lab.site import Site

#: Sixteen digits, no two alike beside each other, that stand in no clock and no name.
NUMBER = "7391825046137928"
CALLERS = (f"+1512555{number:04d}" for number in count(8200))
SETTINGS = {
    "site": {"jurisdiction": "US-TX"},
    "queues": {"sales": {"purposes": ["quality"], "minimum_form": "notice"}},
}
WAYS = ("rfc4733", "info", "inband", "unheard")
#: Seconds that both have spoken when the first key is pressed, at least.
BEFORE = 2.5


class House:
    def __init__(self, lab, site):
        self.lab, self.site = lab, site

    async def talk(self, keys="rfc4733"):
        """A recorded call on which both count."""
        caller, world = next(CALLERS), self.lab.world
        world.agent("sales-agent").says = AGENT
        phone = await world.call("100", caller_id=caller, keys=keys)
        await phone.answered()
        await phone.speak(CALLER)
        agent = await world.agent("sales-agent").next_call(40, number=caller)
        call = self.site.call_of(caller)
        await self.site.until_entry("capture.started", call)
        await asyncio.sleep(BEFORE)
        return phone, agent, call

    async def over(self, phone, agent, call):
        """Hang up; where the frames of either party begin in the recording, and its sounding keys."""
        await phone.hang_up()
        await agent.ended()
        caller, other, rate = await self.site.recording(call)
        assert rate == audio.RATE
        keys = [each for side in (caller, other) for each in audio.sounding_keys(side, rate)]
        return CALLER.read(caller).starts, AGENT.read(other).starts, keys

    def told(self, call, kind):
        return [each["body"] for each in self.site.entries(call) if each["kind"] == kind]

    def erased(self, call):
        """What the ledger says was erased: its first sample, and the first after it."""
        spans = [(each["offset"], each["until"]) for each in self.told(call, "capture.erased")]
        return min(first for first, _ in spans), max(last for _, last in spans)


def misfits(frames):
    """How often a frame does not begin where the one before ends: a packet that came late, or speech lost."""
    return int(np.count_nonzero(np.diff(frames[5:-1]) != FRAME))


@dataclass(frozen=True)
class Calls:
    """Each: its id, and where the frames of either party begin and keys sound in its recording."""

    house: House
    numbers: dict[str, tuple]
    few: list[tuple]
    end: tuple
    agent: tuple


async def a_number(house, keys):
    phone, agent, call = await house.talk(keys)
    await phone.press(NUMBER)
    await house.site.until_entry("capture.erased", call, 15)
    await asyncio.sleep(len(NUMBER) * 0.2)  # the keys that are still under way
    await agent.press("*6")
    await house.site.until_entry("capture.resumed", call)
    await asyncio.sleep(2.5)
    return call, await house.over(phone, agent, call)


async def a_few(house, keys):
    phone, agent, call = await house.talk(keys)
    await phone.press(NUMBER[:5])
    await asyncio.sleep(2)
    return call, await house.over(phone, agent, call)


async def to_the_end(house):
    phone, agent, call = await house.talk("unheard")
    await phone.press(NUMBER[:7])
    await asyncio.sleep(0.5)  # what is said goes out a little later than it is ordered
    return call, await house.over(phone, agent, call)


async def by_the_agent(house):
    phone, agent, call = await house.talk()
    for _ in range(2):
        await agent.press("*4")
        await asyncio.sleep(1.5)
        await agent.press("*6")
        await asyncio.sleep(1.5)
    before = house.told(call, "capture.paused")
    await agent.press(NUMBER)
    await house.site.until_entry("capture.erased", call, 15)
    return call, before, await house.over(phone, agent, call)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def calls():
    """All of it at once: ten calls, and what became of them."""
    # An agent whose keys sound: Asterisk lets the beginning of each pass before it knows it for one.
    async with Lab(shipped_dialplan(), presses={"sales-agent": "inband"}) as lab:
        site = Site(lab, settings=SETTINGS)
        await lab.pbx.load_dialplan(dialplan=site.dialplan())
        async with site:
            house = House(lab, site)
            numbers, few, end, agent = await asyncio.gather(
                asyncio.gather(*(a_number(house, way) for way in WAYS)),
                asyncio.gather(*(a_few(house, way) for way in WAYS)),
                to_the_end(house),
                by_the_agent(house),
            )
            yield Calls(house, dict(zip(WAYS, numbers, strict=True)), few, end, agent)


@pytest.mark.parametrize("way", WAYS)
async def test_nothing_of_a_number_is_kept_whichever_way_it_is_keyed(calls, way):
    call, (caller, agent, keys) = calls.numbers[way]
    assert keys == []
    told = calls.house.told
    first, last = calls.house.erased(call)
    for side in (caller, agent):
        # A frame of which a quarter is missing is still read.
        assert not np.any((side + FRAME * 3 // 4 > first) & (side + FRAME // 4 < last))
        # What was said before the first key is there, without a gap, and what was said after the resume.
        before = side[side < first]
        assert len(before) * FRAME > (BEFORE - 0.5) * audio.RATE
        assert misfits(before) <= 2
        assert len(side[side >= last]) * FRAME > 1.5 * audio.RATE
    (paused,) = told(call, "capture.paused")
    assert (paused["by"], paused["reason"], paused["hold"]) == ("card guard", "card digits", "payment")
    assert "card digits" in {each["reason"] for each in told(call, "capture.erased")}
    assert any(each["where"] == "card guard" for each in told(call, "fault"))
    assert told(call, "capture.verified")


async def test_a_few_keys_lose_nothing(calls):
    for call, (_, agent, _) in calls.few:
        assert calls.house.told(call, "capture.paused") == calls.house.told(call, "capture.erased") == []
        assert len(agent) * FRAME > (BEFORE + 1.5) * audio.RATE
        assert misfits(agent) <= 2


async def test_a_number_that_ends_with_the_call_is_erased_as_well(calls):
    call, (caller, _, keys) = calls.end
    assert keys == []
    assert len(caller[caller < calls.house.erased(call)[0]]) * FRAME > (BEFORE - 0.5) * audio.RATE


async def test_an_agent_who_keys_a_number_is_guarded_and_hot_keys_are_no_number(calls):
    call, before, (_, _, keys) = calls.agent
    assert keys == []
    assert [each["by"] for each in before] == ["hot key of sales-agent"] * 2
    assert [each["by"] for each in calls.house.told(call, "capture.paused")[2:]] == ["card guard"]


async def test_neither_the_log_at_its_most_talkative_nor_the_ledger_knows_a_digit(calls):
    site = calls.house.site
    text = site.log.read_text() + str(site.entries())
    assert "capture.confirmed" in text
    assert "card guard" in text
    assert "digit=" not in text.lower()
    assert "dtmf" not in text.lower()
    # Fewer digits in a row are in any long list of hashes and times.
    for at in range(len(NUMBER) - 7):
        assert NUMBER[at : at + 8] not in text
