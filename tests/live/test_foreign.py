"""Whoever else records: not the call of a caller who said no, and not while recording is paused."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator

import pytest_asyncio

from tests.meddling import WAYS, Meddlers, meddlers, paused, refused, stops_ours

#: What stands in the configuration of this PBX, by the word that does it; for each way at least one.
CONFIGURED = {
    "monitor-format": 2,
    "automixmon": 1,
    "one_touch_recording": 2,
    "Queue": 1,
    "Dial": 1,
    "MixMonitor": 4,
    "ChanSpy": 1,
    "record_conference": 1,
    "all": 1,  # a user of the manager interface, who can originate, run commands and record
}

IN_TALK = [way for way in WAYS if way.in_talk and not way.stops_ours]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house() -> AsyncIterator[Meddlers]:
    async with meddlers() as house:
        yield house


async def test_nobody_records_a_caller_who_said_no(house):
    tried = await asyncio.gather(*(refused(house, way) for way in WAYS))
    assert [each for each in tried if not each.ok] == []
    assert [each.way.name for each in tried if each.stopped_ms is None or each.stopped_ms >= 1000] == []


async def test_a_pause_is_one_for_everybody_who_records(house):
    during, before = await asyncio.gather(
        asyncio.gather(*(paused(house, way) for way in IN_TALK)),
        asyncio.gather(*(paused(house, way, before=True) for way in IN_TALK)),
    )
    assert [each for each in during if not each.ok] == []
    # Those who began before were allowed to, and hear nothing of the pause but a moment: ours is first.
    assert [each for each in before if each.allowed is not True or not each.alerts] == []
    assert [each for each in before if each.seconds["theirs before"] < 1] == []
    assert [each for each in before if each.seconds["theirs during"] > 0.2] == []
    # Ours is as it was: it speaks before and after, and is silent in between.
    assert [each for each in [*during, *before] if not kept_apart(each)] == []


async def test_whoever_stops_our_recording_is_noticed(house):
    # Asterisk takes ours for the one that this key began, and ends it.
    tried = await asyncio.gather(*(stops_ours(house, way) for way in WAYS if way.stops_ours))
    assert {each.reason for each in tried} == {"recorder stopped"}
    assert [each for each in tried if not each.alerts or each.kept or not each.went_on] == []
    assert [each for each in tried if each.seconds["ours"] == 0] == []


async def test_doctor_finds_them_all_in_the_configuration(house):
    etc = str(house.lab.pbx.directory / "etc")
    _, out = await house.site.command("inventory", "--asterisk-etc", etc, "--json", check=False)
    found = Counter(each["by"] for each in json.loads(out)["recorders"])
    assert found == CONFIGURED
    # Doctor names those that need no right of their own to begin.
    _, out = await house.site.command("doctor", "--asterisk-etc", etc, "--json", check=False)
    told = [each for each in json.loads(out)["findings"] if each["check"] == "other recorders"]
    assert len(told) == sum(found.values()) - found["all"]


def kept_apart(tried):
    told = tried.seconds
    return told["before"] > 0.3 and told["during"] == 0 and told["after"] > 1
