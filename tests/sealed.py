"""Recorded calls on a site that seals: both parties count, and the announcement is short."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner, Result

from callguard.cli import callguard
from callguard.config.dialplan import shipped_dialplan
from callguard.lab import Lab
from callguard.lab.audio import Samples
from callguard.lab.counting import AGENT, CALLER, Family
from callguard.lab.phone import Phone
from callguard.lab.site import Site

#: Texas: one party's knowledge is enough, so that nobody has to be asked, and calls begin soon.
SETTINGS: Mapping[str, Any] = {
    "site": {"name": "Us", "country": "US", "jurisdiction": "US-TX"},
    "queues": {"sales": {"purposes": ["tests"], "minimum_form": "notice"}},
    "dialogue": {"thank": "no"},
    "prompts": {
        "texts": {"en": {"announcement": "We record {purposes} {controller}"}},
        "purposes": {"tests": {"en": "tests", "fr": "tests"}},
    },
    # As little as may be stays back, so that much is sealed while a short call still goes on.
    "vault": {"look_back_seconds": "3", "block_seconds": "1"},
    "pause": {"drop_last_seconds": "2"},
}
#: Asterisk that got no CPU for more than 0.1 s throws away what had piled up before the recorder (measured by
#: stopping 22.10.1 for 0.06, 0.12 and 0.3 s). A machine under load does that for a frame now and then, in
#: seconds of one run; more than this was lost by us.
STRETCH = 0.1
TEXANS = (f"+1512778{number:04d}" for number in count())


@dataclass(frozen=True)
class House:
    """A laboratory with callguard in it."""

    lab: Lab
    site: Site


@contextlib.asynccontextmanager
async def sealing_house(settings: Mapping[str, Any] = SETTINGS, **lab: Any) -> AsyncIterator[House]:
    async with Lab(shipped_dialplan(), **lab) as laboratory:
        site = Site(laboratory, settings=settings)
        await laboratory.pbx.load_dialplan(dialplan=site.dialplan())
        async with site:
            yield House(laboratory, site)


@dataclass(frozen=True)
class Talk:
    """A recorded call on which both count."""

    house: House
    call: str
    caller: Phone
    agent: Phone

    async def over(self) -> None:
        """Hang up, and wait until all of it is sealed."""
        await self.caller.hang_up()
        await self.agent.ended()
        await self.house.site.until_entry("call.ended", self.call)


@contextlib.asynccontextmanager
async def talking(
    house: House, *, caller: str | None = None, key: str = "", captured: bool = True
) -> AsyncIterator[Talk]:
    """A call, from the moment it is recorded; hung up at the end.

    Args:
        house: where.
        caller: from where; Texas when not given.
        key: the answer to the question, where one is asked.
        captured: whether it is going to be recorded.
    """
    number = caller or next(TEXANS)
    agents = house.lab.world.agent("sales-agent" if captured else "open-agent")
    agents.says = AGENT
    phone = await house.lab.world.call("100", caller_id=number)
    try:
        await phone.answered()
        await phone.speak(CALLER)
        if key:
            await house.site.until(number, "asking", "listening")
            await phone.press(key)
        agent = await agents.next_call(40, number=number)
        call = house.site.call_of(number)
        if captured:
            await house.site.until_entry("capture.started", call)
        yield Talk(house, call, phone, agent)
    finally:
        if phone.is_up:
            await phone.hang_up()


async def typed(config: Path, *words: str) -> Result:
    """A command of callguard as it is typed, without another process for it."""
    return await asyncio.to_thread(CliRunner().invoke, callguard, [*words, "-c", str(config)])


def missing(family: Family, recorded: Samples, heard: Samples) -> list[int]:
    """Frames the other party heard that are not recorded, from the first to the last that are."""
    there = set(family.read(recorded).numbers.tolist())
    numbers = family.read(heard).numbers.tolist()
    if not there:
        return numbers
    first, last = min(there), max(there)
    return [number for number in numbers if first <= number <= last and number not in there]


def stretch(numbers: Sequence[int]) -> float:
    """Seconds of the longest run of frames, by their numbers."""
    runs = np.split(np.asarray(numbers), np.flatnonzero(np.diff(numbers) != 1) + 1)
    return 0.02 * max(len(run) for run in runs)
