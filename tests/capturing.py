"""Recorded calls on which both parties count, and what a recording tells of their pauses.

Times are seconds of the wall clock, as the kernel stamped the packets (`callguard.lab.wire`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

import aiohttp
import numpy as np

from callguard.config.dialplan import shipped_dialplan
from callguard.lab import Lab, audio
from callguard.lab.counting import AGENT, CALLER, FRAME, Family, Reading
from callguard.lab.liar import Liar
from callguard.lab.phone import Phone
from callguard.lab.site import Site
from callguard.lab.wire import Sent, Wire

#: Texas: one party's knowledge is enough, so that nobody has to be asked, and calls begin soon.
SETTINGS = {
    "site": {"name": "Us", "country": "US", "jurisdiction": "US-TX"},
    "queues": {"sales": {"purposes": ["tests"], "minimum_form": "notice"}},
    "dialogue": {"thank": "no"},
    "prompts": {
        "texts": {"en": {"announcement": "We record {purposes} {controller}"}},
        "purposes": {"tests": {"en": "tests", "fr": "tests"}},
    },
}
CALLERS = (f"+1512777{number:04d}" for number in count())

#: Zeros shorter than this are no pause: a codec has some of its own (samples).
SHORTEST = audio.RATE // 10
#: What one packet holds, in seconds.
PACKET = FRAME / audio.RATE


@dataclass(frozen=True)
class House:
    """A laboratory with callguard in it."""

    lab: Lab
    site: Site
    liar: Liar | None = None  #: between callguard and the manager interface, where somebody is to lie


@contextlib.asynccontextmanager
async def house(*, settings=SETTINGS, lies=False, tell=lambda _: None, **lab_settings):
    """A laboratory whose callguard records after a short announcement."""
    async with contextlib.AsyncExitStack() as stack:
        lab = await stack.enter_async_context(Lab(shipped_dialplan(), progress=tell, **lab_settings))
        liar = None
        if lies:
            liar = Liar(lab.ami_settings.port)
            await liar.open()
            stack.push_async_callback(liar.close)
        site = Site(lab, settings=settings, ami_port=liar and liar.port)
        await lab.pbx.load_dialplan(dialplan=site.dialplan())
        await stack.enter_async_context(site)
        yield House(lab, site, liar)


@dataclass
class Talk:
    """One recorded call on which both count, and its two wires."""

    house: House
    call: str
    caller: Phone
    agent: Phone
    callers: Wire
    agents: Wire
    entries: Counter = field(default_factory=Counter)

    async def pause(self, code="*4"):
        """The agent presses it; returns when the recorder confirmed."""
        await self.agent.press(code)
        await self.next_entry("capture.confirmed")

    async def resume(self, code="*6"):
        await self.agent.press(code)
        await self.next_entry("capture.resumed")

    async def next_entry(self, kind, timeout=10.0):
        """The next entry of a kind that was not waited for yet."""
        self.entries[kind] += 1
        async with asyncio.timeout(timeout):
            while len(found := self.told(kind)) < self.entries[kind]:
                await asyncio.sleep(0.05)
        return found[self.entries[kind] - 1]

    def told(self, kind):
        return [each for each in self.house.site.entries(self.call) if each["kind"] == kind]

    async def over(self):
        """Hang up, and take the recording out of the vault."""
        await self.caller.hang_up()
        await self.agent.ended()
        samples = await self.house.site.recording(self.call)
        # Reading takes a second a minute, and other calls are being measured.
        return await asyncio.to_thread(Recorded.of, self, *samples)

    async def heard_keys(self):
        """Every 10 ms of a key's sound at the caller's ear, from when the agent is there."""
        heard, rate = await self.caller.heard()
        agent = AGENT.read(heard)
        # What was announced before is a voice, in which some sounds are like those of keys.
        return audio.sounding_keys(heard[agent.starts[0] :], rate)

    def presses(self, code):
        """When that feature code of the agent was complete: (its last key down, and up)."""
        keys = self.agents.keys()
        word = "".join(each.key for each in keys)
        ends = [at + len(code) - 1 for at in range(len(word)) if word.startswith(code, at)]
        return [(keys[end].down, keys[end].up) for end in ends]


@contextlib.asynccontextmanager
async def talk(house, *, number="100", agent="sales-agent", keys="rfc4733"):
    """A call on which both count, from the moment it is recorded; hung up at the end."""
    who = next(CALLERS)
    world = house.lab.world
    world.agent(agent).says = AGENT
    caller = await world.call(number, caller_id=who, keys=keys)
    await caller.answered()
    await caller.speak(CALLER)
    try:
        phone = await world.agent(agent).next_call(40, number=who)
        async with Wire(caller) as callers, Wire(phone) as agents:
            call = house.site.call_of(who)
            await house.site.until_entry("capture.started", call)
            yield Talk(house, call, caller, phone, callers, agents)
    finally:
        if caller.is_up:
            await caller.hang_up()


@dataclass(frozen=True)
class Side:
    """One party in a recording: what is there, and when it was said."""

    read: Reading
    sent: Sent

    @property
    def times(self):
        """When each whole frame that is in the recording left the phone.

        -inf for those from before anybody listened to the wire; inf for a number that never was sent.
        """
        if not len(self.sent.numbers):
            return np.full(len(self.read.numbers), np.inf)
        places = np.searchsorted(self.sent.numbers, self.read.numbers)
        places = np.minimum(places, len(self.sent.numbers) - 1)
        times = np.where(self.sent.numbers[places] == self.read.numbers, self.sent.times[places], np.inf)
        return np.where(self.read.numbers < self.sent.numbers[0], -np.inf, times)

    def said_until(self, sample):
        """When the end of what stands before a sample was said; None when that cannot be read."""
        position = self.read.spoken_until(sample)
        if position is None:
            return None
        # A packet leaves when the last of what it holds was said.
        return self.sent.at(position) - (np.ceil(position) - position) * PACKET

    def said_from(self, sample):
        """When the beginning of what stands after a sample was said."""
        position = self.read.spoken_from(sample)
        if position is None:
            return None
        return self.sent.at(np.floor(position) + 1) - PACKET + (position - np.floor(position)) * PACKET


@dataclass(frozen=True)
class Found:
    """What a recording tells of one pause, in seconds relative to the keys; ``None``: cannot be read."""

    silences: int  #: stretches of zeros on both sides between the two keys: one, when all is well
    late: float | None = None  #: end of the last speech that was recorded, after the key was up
    late_after_down: float | None = None
    early: float | None = None  #: beginning of the first speech after it, after the resume key was up
    start: int = 0  #: first sample of the silence
    end: int = 0  #: first sample after it


@dataclass(frozen=True)
class Recorded:
    """A recording out of the vault, beside what was sent."""

    call: str
    caller: Side
    agent: Side
    rate: int

    @classmethod
    def of(cls, talk, caller, agent, rate):
        def side(samples, family: Family, wire):
            return Side(family.read(samples), wire.speech(family))

        return cls(talk.call, side(caller, CALLER, talk.callers), side(agent, AGENT, talk.agents), rate)

    @property
    def samples(self):
        """Both channels."""
        return np.stack([self.caller.read.samples, self.agent.read.samples])

    def crosstalk(self):
        """Frames of one party on the other's channel."""
        wrong = AGENT.read(self.caller.read.samples), CALLER.read(self.agent.read.samples)
        return sum(len(each.numbers) for each in wrong)

    def sounding_keys(self):
        """Every 10 ms of a key's sound, on either channel."""
        return [each for side in self.samples for each in audio.sounding_keys(side, self.rate)]

    def silences(self):
        """Stretches in which both channels are exactly zero: (first sample, first one after it)."""
        zero = np.concatenate([[False], (self.samples == 0).all(axis=0), [False]])
        edges = np.flatnonzero(np.diff(zero.astype(int)))
        return [(a, b) for a, b in edges.reshape(-1, 2) if b - a >= SHORTEST]

    def pause(self, down, up, resumed):
        """What is there of a pause between a key's down and up, and the resume key's up."""
        spans = [
            (start, end)
            for start, end in self.silences()
            if (before := self.caller.said_until(start)) is not None
            and before < resumed
            and ((after := self.caller.said_from(end)) is None or after > up)
        ]
        if len(spans) != 1:
            return Found(silences=len(spans))
        ((start, end),) = spans
        until = [side.said_until(start) for side in (self.caller, self.agent)]
        since = [side.said_from(end) for side in (self.caller, self.agent)]
        late = None if None in until else max(until)
        return Found(
            silences=1,
            late=None if late is None else late - up,
            late_after_down=None if late is None else late - down,
            early=None if None in since else min(since) - resumed,
            start=int(start),
            end=int(end),
        )


def moment(entry):
    """When an entry of the ledger was made, in seconds of the wall clock."""
    return datetime.fromisoformat(entry["utc"]).timestamp()


async def ask(site, path, **words):
    """Something at the control socket; without words it is a question."""
    connector = aiohttp.UnixConnector(str(site.directory / "control.sock"))
    async with aiohttp.ClientSession(connector=connector) as session:
        method = "POST" if words else "GET"
        data = json.dumps(words) if words else None
        async with session.request(method, f"http://callguard{path}", data=data) as response:
            return response.status, await response.json()
