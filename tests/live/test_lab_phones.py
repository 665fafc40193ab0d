"""What the lab measures pauses and transfers with: counting speech, the wire, keys, features."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio

from callguard.lab import Lab, audio
from callguard.lab.counting import AGENT, CALLER, FRAME
from callguard.lab.wire import Wire, may_listen

NUMBERS = """
[lab-numbers]
exten => 100,1,Answer()
 same => n,Queue(two,tk)
 same => n,Hangup()
exten => 101,1,Answer()
 same => n,Queue(informing,tk)
 same => n,Hangup()
"""
QUEUES = {"two": ("first-agent", "second-agent"), "informing": "informing-agent"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def equipped() -> AsyncIterator[Lab]:
    async with Lab("", numbers=NUMBERS, queues=QUEUES, presses={"informing-agent": "info"}) as lab:
        yield lab


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def nobody_is_left(equipped: Lab) -> AsyncIterator[None]:
    yield
    await equipped.world.settle()


async def talking(lab, number="100", agent="first-agent", **how):
    for each in QUEUES["two"]:
        lab.world.agent(each).answers_after = 0.0 if each == agent else None
    lab.world.agent(agent).says = AGENT
    caller = await lab.world.call(number, **how)
    await caller.answered()
    await caller.speak(CALLER)
    return caller, await lab.world.agent(agent).next_call()


listening = pytest.mark.skipif(not may_listen(), reason="packets may be captured by root only (CAP_NET_RAW)")


@listening
async def test_the_wire_tells_when_each_frame_left_and_each_key_went_down_and_up(equipped: Lab) -> None:
    caller, agent = await talking(equipped)
    async with Wire(caller) as callers, Wire(agent) as agents:
        await asyncio.sleep(0.5)
        await agent.press("5", length_ms=200)
        await asyncio.sleep(1)
    await caller.hang_up()
    (press,) = agents.keys()
    assert press.key == "5"
    assert press.up - press.down == pytest.approx(0.2, abs=0.03)
    assert callers.keys() == []
    sent = callers.speech(CALLER)
    assert len(sent.numbers) > 70
    assert (np.diff(sent.numbers) == 1).all()
    assert np.diff(sent.times).mean() == pytest.approx(0.02, abs=0.001)
    # What the caller said while the key was down, by the wire and by the agent's ear.
    heard = CALLER.read((await agent.heard())[0])
    assert heard.ambiguous() == 0
    assert sent.at(sent.numbers[10] + 1) == sent.times[10]
    assert set(sent.numbers[(sent.times > press.down) & (sent.times < press.up)]) <= set(heard.numbers)
    # The agent says nothing while the key is down.
    silent = agents.speech(AGENT)
    assert np.count_nonzero((silent.times > press.down) & (silent.times < press.up)) == 0


@pytest.mark.parametrize("keys", ["rfc4733", "inband", "info", "unheard"])
async def test_callers_press_keys_in_every_way(equipped: Lab, keys: str) -> None:
    caller, agent = await talking(equipped, keys=keys)
    await asyncio.sleep(0.3)
    await caller.press("135")
    if keys != "unheard":
        await agent.key_pressed("5")
    await asyncio.sleep(0.5)
    await caller.hang_up()
    assert agent.keys == ("" if keys == "unheard" else "135")
    heard, rate = await agent.heard()
    # Five frames for each key, where nobody takes the sounds for keys; one where somebody has to find out.
    low = audio.seconds_of_tone(heard, rate, 697) + audio.seconds_of_tone(heard, rate, 770)
    assert (low > 0.2) is (keys == "unheard")
    assert len(AGENT.read(heard).numbers) == 0
    assert len(CALLER.read(heard).numbers) > 30


@listening
async def test_an_agent_may_press_keys_by_sip_info(equipped: Lab) -> None:
    caller, agent = await talking(equipped, "101", "informing-agent")
    async with Wire(agent) as wire:
        await agent.press("9")
        await caller.key_pressed("9")
    assert wire.keys() == []


async def test_a_caller_is_passed_on_with_and_without_asking(equipped: Lab) -> None:
    for code in ("*2", "#1"):
        caller, agent = await talking(equipped)
        second = equipped.world.agent("second-agent")
        second.answers_after = 0.0
        await agent.press(f"{code}602")
        other = await second.next_call()
        await agent.hang_up() if code == "*2" else await agent.ended()
        other.keys = ""
        await caller.press("8")
        await other.key_pressed("8")
        await caller.hang_up()
        await other.ended()
        await equipped.world.settle()


async def test_a_caller_is_parked_and_taken_back(equipped: Lab) -> None:
    caller, agent = await talking(equipped)
    await agent.press("#7")
    await agent.ended()
    taker = await equipped.world.call("701", line="agents", caller_id="second-agent")
    await taker.answered()
    await caller.press("4")
    await taker.key_pressed("4")


async def test_agents_call_each_other_and_meet(equipped: Lab) -> None:
    equipped.world.agent("first-agent").says = AGENT
    caller = await equipped.world.call("first-agent", line="agents", caller_id="second-agent")
    await equipped.world.agent("first-agent").next_call(number="second-agent")
    await asyncio.sleep(0.5)
    await caller.hang_up()
    assert len(AGENT.read((await caller.heard())[0]).numbers) * FRAME / audio.RATE > 0.3
    one, two = [
        await equipped.world.call("800", line="agents", caller_id=each)
        for each in ("first-agent", "second-agent")
    ]
    for each in (one, two):
        await each.answered()
    await one.speak(CALLER)
    await asyncio.sleep(1)
    await two.hang_up()
    assert len(CALLER.read((await two.heard())[0]).numbers) > 20
