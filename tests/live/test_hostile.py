"""What a caller can choose (number, name, keys) never becomes part of a command, a path or an expression."""

import asyncio
import re
from pathlib import Path

from callguard.lab.scenarios import Scenario, play

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

CANARY = Path("/tmp/callguard-was-here")

NAMES = [
    "quote \" and ' and `touch /tmp/callguard-was-here`",
    "$(touch /tmp/callguard-was-here)",
    "${SHELL(touch /tmp/callguard-was-here)}",
    "${CALLGUARD_SPOOL}/../../etc",
    "a,b,c|d^e&f;g",
    ",r(/tmp/callguard-was-here)t(/tmp/callguard-was-here)",
    "Zoë Ångström 李 🎧",
    "capture:granted:sales:x:y",
    "\\n\\r\\0",
    "%s%n%x",
    "A" * 10_000,
]

NUMBERS = [
    "${SHELL(touch /tmp/callguard-was-here)}",
    "$[1/0]",
    "+1415,5550100",
    "../../../tmp/x",
    "anonymous",
    "1' or '1'='1",
    "capture:granted:sales:x:y",
    "9" * 500,
    "Zoë",
]


async def test_names_that_try_to_be_commands_are_only_names(house):
    CANARY.unlink(missing_ok=True)
    before = house.site.kept()

    async def one(place, name):
        transport = "tcp" if len(name) > 1000 else "udp"
        scenario = Scenario(
            name=name[:40], keys=("1",), outcome="granted", agent="sales-agent", captured=True
        )
        caller = f"+1512557{100 + place:04d}"
        report = await play(
            house.lab, house.site, scenario, caller=caller, caller_name=name, transport=transport
        )
        return name[:40], report.problems

    results = await asyncio.gather(*(one(place, name) for place, name in enumerate(NAMES)))
    assert [result for result in results if result[1]] == []
    calls = house.site.kept() - before
    assert len(calls) == len(NAMES)
    assert all(UUID.fullmatch(call) for call in calls)
    assert not CANARY.exists()


async def test_numbers_that_try_to_be_expressions_are_strangers_who_are_asked(house):
    before = house.site.kept()
    for number in NUMBERS:
        known = {call["call"] for call in await house.site.calls()}
        phone = await house.lab.world.call("100", caller_id=number)
        await phone.answered()
        call = await new_call(house, known)
        await phone.press("2")
        entry = await house.site.until_entry("consent", call)
        assert (number, entry["body"]["outcome"]) == (number, "refused")
        # Nobody knows where such a caller is, so the strictest rule applies.
        assert (number, entry["body"]["jurisdictions"][0]) == (number, "ZZ")
        await house.lab.world.agent("open-agent").next_call(10)
        await phone.hang_up()
    assert house.site.kept() == before
    assert not CANARY.exists()


async def test_keys_pressed_in_a_flood_are_still_only_keys(house):
    known = {call["call"] for call in await house.site.calls()}
    phone = await house.lab.world.call("100", caller_id="+15125579999")
    await phone.answered()
    call = await new_call(house, known)
    await house.site.until("+15125579999", "asking")
    await phone.press("4567890*#A4B5C6D7890*#", length_ms=60, pause_ms=40)
    entry = await house.site.until_entry("consent", call, 30)
    assert entry["body"]["outcome"] == "invalid-input"
    assert entry["body"]["answer"]["value"] == ""
    await house.lab.world.agent("open-agent").next_call(10, number="+15125579999")


async def new_call(house, known):
    async with asyncio.timeout(10):
        while True:
            for call in await house.site.calls():
                if call["call"] not in known and call["state"] == "announcing":
                    return call["call"]
            await asyncio.sleep(0.05)
