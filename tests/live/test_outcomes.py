"""Each outcome on a real call: what was captured, where the caller got to, what the ledger says."""

import asyncio
from itertools import count

import pytest

from callguard.lab import audio
from callguard.lab.inspection import channel_of, variable
from callguard.lab.scenarios import AFTER_HZ, BEFORE_HZ, ENOUGH_SECONDS, SCENARIOS, Scenario, play
from callguard.lab.world import AGENT_HZ

#: Numbers in Texas, one for each call of the session.
CALLERS = (f"+1512555{number:04d}" for number in count(100))


@pytest.mark.oldest
async def test_every_scenario_of_the_demo_ends_as_it_must(house):
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                play(house.lab, house.site, each, caller="112" if each.caller == "112" else next(CALLERS))
            )
            for each in SCENARIOS
        ]
    assert [task.result().problems for task in tasks] == [[] for _ in SCENARIOS]


@pytest.mark.oldest
async def test_the_dialplan_behind_may_do_what_it_may_without_us(house):
    caller = next(CALLERS)
    phone = await house.lab.world.call("102", caller_id=caller)
    await phone.answered()
    await house.lab.world.agent("sales-agent").next_call(40, number=caller)
    channel = await channel_of(house.lab.pbx, caller)
    assert await variable(house.lab.pbx, channel, "LAB_FILE") == "root"
    await phone.hang_up()


FORMS = [
    # number, keys, outcome, agent, captured
    ("102", (), "notified", "sales-agent", True),
    ("103", (), "implied", "sales-agent", True),
    ("104", (), "implied", "sales-agent", True),
    ("104", ("2",), "refused", "open-agent", False),
    ("104", ("1",), "granted", "sales-agent", True),
    ("105", ("2",), "refused", "sales-agent", False),
    ("100", ("9", "8"), "invalid-input", "open-agent", False),
    ("100", ("9",), "no-input", "open-agent", False),
]


async def test_every_form_of_consent(house):
    async def one(number, keys, outcome, agent, captured):
        caller = next(CALLERS)
        phone = await house.lab.world.call(number, caller_id=caller)
        await phone.answered()
        await phone.speak(BEFORE_HZ)
        for place, key in enumerate(keys, start=1):
            await house.site.until(caller, "asking", "listening", asked=place)
            await phone.press(key)
        answered = await house.lab.world.agent(agent).next_call(60, number=caller)
        # Said only after somebody answered: whatever is captured must have this tone and not the other.
        await phone.speak(AFTER_HZ)
        await asyncio.sleep(2.5)
        await phone.hang_up()
        await answered.ended()
        call = house.site.call_of(caller)
        await house.site.until_entry("call.ended", call)
        entry = await house.site.until_entry("consent", call)
        assert entry["body"]["outcome"] == outcome
        heard = {each["prompt"]: each["completely"] for each in entry["body"]["heard"]}
        if not captured:
            assert call not in house.site.kept()
            return
        assert heard["announcement"] is True
        said, replied, rate = await house.site.recording(call)
        assert audio.seconds_of_tone(said, rate, AFTER_HZ) > ENOUGH_SECONDS
        assert audio.seconds_of_tone(replied, rate, AGENT_HZ[agent]) > ENOUGH_SECONDS
        assert audio.seconds_of_tone(said, rate, AGENT_HZ[agent]) == 0
        assert audio.seconds_of_tone(replied, rate, AFTER_HZ) == 0

    async with asyncio.TaskGroup() as group:
        for row in FORMS:
            group.create_task(one(*row))


async def test_a_refuser_hears_the_alternatives_and_the_call_ends(house):
    caller = next(CALLERS)
    phone = await house.lab.world.call("106", caller_id=caller)
    await phone.answered()
    await house.site.until(caller, "asking", "listening")
    await phone.press("2")
    await phone.ended(30)
    call = house.site.call_of(caller)
    consent = await house.site.until_entry("consent", call)
    assert consent["body"]["outcome"] == "refused"
    assert call not in house.site.kept()
    heard, rate = await phone.heard()
    # The announcement, the question and the other ways: speech until shortly before the end.
    assert len(heard) / rate > 10
    assert audio.peak_level(heard[-4 * rate :]) > -30


async def test_a_no_in_the_announcement_counts_at_once(house):
    caller = next(CALLERS)
    phone = await house.lab.world.call("100", caller_id=caller)
    await phone.answered()
    await house.site.until(caller, "announcing")
    await phone.press("2")
    await house.lab.world.agent("open-agent").next_call(10, number=caller)
    entry = await house.site.until_entry("consent", house.site.call_of(caller))
    assert entry["body"]["outcome"] == "refused"
    assert entry["body"]["heard"][0]["completely"] is False


async def test_a_yes_in_the_announcement_does_not(house):
    caller = next(CALLERS)
    phone = await house.lab.world.call("100", caller_id=caller)
    await phone.answered()
    await house.site.until(caller, "announcing")
    await phone.press("1")
    await house.site.until(caller, "asking")
    await phone.press("1")
    await house.lab.world.agent("sales-agent").next_call(20, number=caller)
    entry = await house.site.until_entry("consent", house.site.call_of(caller))
    assert entry["body"]["outcome"] == "granted"
    assert entry["body"]["heard"][0] == entry["body"]["heard"][0] | {
        "prompt": "announcement",
        "completely": True,
    }


async def test_no_key_ever_stands_in_the_log_and_only_answers_in_the_ledger(house):
    async def one(digit):
        caller = next(CALLERS)
        scenario = Scenario(name=digit, keys=(digit, "2"), outcome="refused", agent="open-agent")
        assert (await play(house.lab, house.site, scenario, caller=caller)).problems == []
        call = house.site.call_of(caller)
        entries = house.site.entries(call)
        return call, [entry["body"]["answer"]["value"] for entry in entries if entry["kind"] == "consent"]

    calls = await asyncio.gather(*(one(digit) for digit in "#*0"))
    assert [answers for _, answers in calls] == [["2"]] * 3
    log = house.site.log.read_text()
    for call, _ in calls:
        lines = [line for line in log.splitlines() if call in line]
        assert lines, f"{call} is not in the log: {log[-4000:]}"
        assert not [line for line in lines if "digit" in line.lower() or "dtmf" in line.lower()]


async def test_a_caller_who_was_told_of_a_key_stops_the_recording_with_it_and_it_is_destroyed(house):
    """Illinois wants objections honoured during the call, and what was captured discarded."""
    caller = "+13125550142"
    phone = await house.lab.world.call("102", caller_id=caller)
    await phone.answered()
    await phone.speak(AFTER_HZ)
    await house.lab.world.agent("sales-agent").next_call(30, number=caller)
    call = house.site.call_of(caller)
    await house.site.until_entry("capture.started", call)
    assert call in house.site.kept()
    await phone.press("*")
    stopped = await house.site.until_entry("capture.stopped", call)
    assert (stopped["body"]["reason"], stopped["body"]["shred"]) == ("withdrawn", True)
    await house.site.until_entry("retention", call)
    assert call not in house.site.kept()
    outcomes = [each["body"]["outcome"] for each in house.site.entries(call) if each["kind"] == "consent"]
    assert outcomes[-1] == "withdrawn"
    assert phone.is_up


async def test_a_reload_changes_the_next_call_and_no_call_under_way(house):
    under_way = next(CALLERS)
    phone = await house.lab.world.call("100", caller_id=under_way)
    await phone.answered()
    await house.site.until(under_way, "announcing")
    text = house.site.config.read_text()
    try:
        house.site.config.write_text(text.replace('"minimum_form": "explicit"', '"minimum_form": "notice"'))
        await house.site.reload()
        after = next(CALLERS)
        await house.lab.world.call("100", caller_id=after)
        await house.lab.world.agent("sales-agent").next_call(20, number=after)
        consent = await house.site.until_entry("consent", house.site.call_of(after))
        assert consent["body"]["outcome"] == "notified"
        await house.site.until(under_way, "asking", "listening")
        await phone.press("1")
        await house.lab.world.agent("sales-agent").next_call(20, number=under_way)
        consent = await house.site.until_entry("consent", house.site.call_of(under_way))
        assert consent["body"]["outcome"] == "granted"
        # A broken file changes nothing and says where it is broken.
        house.site.config.write_text(text.replace('"minimum_form"', '"minimum_from"', 1))
        assert "did you mean 'minimum_form'" in await house.site.reload(taken_over=False)
        last = next(CALLERS)
        await house.lab.world.call("100", caller_id=last)
        await house.lab.world.agent("sales-agent").next_call(20, number=last)
    finally:
        house.site.config.write_text(text)
        await house.site.reload()


async def test_where_the_law_wants_it_the_announcement_is_part_of_the_recording(house):
    """Washington takes an announcement only if it is itself recorded (RCW 9.73.030(3))."""
    caller = "+12065550143"
    phone = await house.lab.world.call("102", caller_id=caller)
    await phone.answered()
    await house.lab.world.agent("sales-agent").next_call(30, number=caller)
    call = house.site.call_of(caller)
    await house.site.until_entry("capture.started", call)
    await asyncio.sleep(0.5)
    await phone.hang_up()
    consent = await house.site.until_entry("consent", call)
    said = sum(each["length_ms"] for each in consent["body"]["heard"])
    (_, bare, rate), (caller, told, _) = [
        await house.site.recording(call, head=head) for head in (False, True)
    ]
    head = len(told) - len(bare)
    assert abs(head / rate - said / 1000) < 0.01
    assert audio.peak_level(told[:head]) > -30
    assert audio.peak_level(caller[:head]) < -60
