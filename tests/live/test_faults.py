"""What goes wrong on the call path ends in an unrecorded call that goes on, within seconds."""

import asyncio
import contextlib
import sqlite3
import time
from itertools import count

import pytest
from yarl import URL

from callguard.asterisk.versions import Quirk, quirks_of
from callguard.config.dialplan import shipped_dialplan
from callguard.errors import LabError
from callguard.lab import Lab, audio
from callguard.lab.inspection import channel_of, variable
from callguard.lab.line import Line
from callguard.lab.meddler import Meddler, Mischief
from callguard.lab.scenarios import Scenario, known, play
from callguard.lab.site import Site
from callguard.lab.world import AGENT_HZ
from tests import capturing
from tests.sealed import House

CALLERS = (f"+1512556{number:04d}" for number in count(100))

#: Longest silence a caller may hear, in seconds.
SILENCE_SECONDS = 10

#: A fault that was noticed leads on within a second; noticing takes the claim time-out of half a second.
NOTICED_SECONDS = 2.0

#: CALLGUARD_LEASE of the dialplan: what a frozen controller costs a new caller where there is no claim.
LEASE_SECONDS = 5.0

YES = Scenario(name="yes", keys=("1",), outcome="granted", agent="sales-agent", captured=True)


async def reaches_the_unrecorded_queue(house, caller, within):
    began = time.monotonic()
    await house.lab.world.agent("open-agent").next_call(within, number=caller)
    channel = await channel_of(house.lab.pbx, caller)
    assert await variable(house.lab.pbx, channel, "CALLGUARD_QUEUE") == "sales-unrecorded"
    return time.monotonic() - began


def noticed_frozen(house):
    """How soon a new caller is led on past a controller that says nothing."""
    claims = Quirk.NO_BROADCAST not in quirks_of(house.lab.pbx.build.version)
    return NOTICED_SECONDS if claims else LEASE_SECONDS + NOTICED_SECONDS


async def in_the_prompt(house):
    caller = next(CALLERS)
    phone = await house.lab.world.call("100", caller_id=caller)
    await phone.answered()
    await phone.speak(620)
    await house.site.until(caller, "announcing")
    return caller, phone


def captured(house):
    return house.site.kept()


async def test_a_killed_controller_costs_nobody_the_call(house):
    before = captured(house)
    caller, _ = await in_the_prompt(house)
    await house.site.kill()
    try:
        new = next(CALLERS)
        await house.lab.world.call("100", caller_id=new)
        assert await reaches_the_unrecorded_queue(house, new, 5) < NOTICED_SECONDS
        # The announcement plays on, then the lease ends.
        await reaches_the_unrecorded_queue(house, caller, 5 + SILENCE_SECONDS)
    finally:
        await house.site.start()
    assert captured(house) == before
    assert (await play(house.lab, house.site, YES, caller=next(CALLERS))).problems == []


@pytest.mark.oldest
async def test_a_frozen_controller_costs_nobody_the_call(house):
    before = captured(house)
    caller, phone = await in_the_prompt(house)
    house.site.freeze()
    try:
        new = next(CALLERS)
        await house.lab.world.call("100", caller_id=new)
        assert await reaches_the_unrecorded_queue(house, new, SILENCE_SECONDS) < noticed_frozen(house)
        await phone.press("1")  # pressed while nobody listens
        await reaches_the_unrecorded_queue(house, caller, 5 + SILENCE_SECONDS)
    finally:
        house.site.thaw()
    # Woken, the controller finds the call where the dialplan took it, and captures nothing.
    call = await known(house.site, caller)
    await asyncio.sleep(3)
    assert captured(house) == before
    outcomes = [each["body"]["outcome"] for each in house.site.entries(call) if each["kind"] == "consent"]
    assert outcomes[-1] == "system-fault"
    assert (await play(house.lab, house.site, YES, caller=next(CALLERS))).problems == []


async def test_a_restarted_controller_leads_waiting_callers_on(house):
    caller, _ = await in_the_prompt(house)
    await house.site.kill()
    await house.site.start()
    # At once, not when the lease is over: the restarted controller looks for them.
    assert await reaches_the_unrecorded_queue(house, caller, 10) < 10
    await house.lab.world.settle()
    # The ledger has everything once callguard has left.
    await house.site.stop()
    await house.site.start()
    entries = [each for each in house.site.entries() if each["kind"] == "rescued"]
    assert entries[-1]["body"]["detail"] == "found without a controller"


async def test_a_locked_ledger_means_no_capture(house):
    before = captured(house)
    caller, phone = await in_the_prompt(house)
    await house.site.until(caller, "asking")
    database = sqlite3.connect(house.site.directory / "ledger.db", isolation_level=None)
    database.execute("begin exclusive")
    try:
        await phone.press("1")
        await reaches_the_unrecorded_queue(house, caller, SILENCE_SECONDS)
    finally:
        database.execute("rollback")
        database.close()
    call = house.site.call_of(caller)
    await house.site.until_entry("routed", call, 20)
    outcomes = [each["body"]["outcome"] for each in house.site.entries(call) if each["kind"] == "consent"]
    assert outcomes[-1] == "system-fault"
    assert captured(house) == before
    assert (await play(house.lab, house.site, YES, caller=next(CALLERS))).problems == []


async def test_a_prompt_that_cannot_be_played_means_no_capture(house):
    before = captured(house)
    prompts = house.site.prompts
    hidden = prompts.with_name("hidden")
    prompts.rename(hidden)
    try:
        caller = next(CALLERS)
        phone = await house.lab.world.call("100", caller_id=caller)
        await phone.answered()
        await reaches_the_unrecorded_queue(house, caller, SILENCE_SECONDS)
    finally:
        hidden.rename(prompts)
    entry = await house.site.until_entry("consent", house.site.call_of(caller))
    assert entry["body"]["outcome"] == "prompt-cut-short"
    assert captured(house) == before


@pytest.mark.parametrize("instead", [False, True], ids=["gone", "another in its place"])
async def test_without_the_spool_nothing_is_captured(house, instead):
    before = captured(house)
    caller, phone = await in_the_prompt(house)
    await house.site.until(caller, "asking")
    house.site.spool.rename(house.site.spool.with_name("gone"))
    if instead:
        house.site.spool.mkdir()
    try:
        await phone.press("1")
        await reaches_the_unrecorded_queue(house, caller, SILENCE_SECONDS)
    finally:
        if instead:
            house.site.spool.rmdir()
        house.site.spool.with_name("gone").rename(house.site.spool)
    outcomes = [
        each["body"]["outcome"]
        for each in house.site.entries(house.site.call_of(caller))
        if each["kind"] == "consent"
    ]
    assert outcomes == ["granted", "system-fault"]
    assert captured(house) == before


async def test_stop_all_stops_what_runs_and_what_comes_until_resume_all(house):
    talking = next(CALLERS)
    phone = await house.lab.world.call("102", caller_id=talking)
    await phone.answered()
    await phone.speak(750)
    await house.lab.world.agent("sales-agent").next_call(20, number=talking)
    call = house.site.call_of(talking)
    await house.site.until_entry("capture.started", call)
    asked, _ = await in_the_prompt(house)
    before = captured(house)
    _, out = await house.site.command("stop-all", "--json")
    assert '"recording_off": true' in out
    try:
        assert (await house.lab.pbx.cli("mixmonitor list " + await name_of(house, talking))).count("0x") == 0
        stopped = await house.site.until_entry("capture.stopped", call)
        assert stopped["body"]["reason"] == "switched-off"
        # Neither the one who was being asked nor the next one is captured, and both are served.
        await house.lab.world.agent("sales-agent").next_call(10, number=asked)
        after = next(CALLERS)
        await house.lab.world.call("100", caller_id=after)
        await house.lab.world.agent("sales-agent").next_call(10, number=after)
        consent = await house.site.until_entry("consent", house.site.call_of(after))
        assert consent["body"]["outcome"] == "switched-off"
        assert captured(house) == before
    finally:
        await house.site.command("resume-all")
    assert (await play(house.lab, house.site, YES, caller=next(CALLERS))).problems == []


async def test_stop_all_works_without_a_controller(house):
    talking = next(CALLERS)
    phone = await house.lab.world.call("102", caller_id=talking)
    await phone.answered()
    await house.lab.world.agent("sales-agent").next_call(20, number=talking)
    await house.site.until_entry("capture.started", house.site.call_of(talking))
    await house.site.kill()
    _, out = await house.site.command("stop-all", "--json")
    try:
        assert '"stopped": 1' in out
        assert (await house.lab.pbx.cli("mixmonitor list " + await name_of(house, talking))).count("0x") == 0
        await house.site.start()
        after = next(CALLERS)
        await house.lab.world.call("102", caller_id=after)
        await house.lab.world.agent("sales-agent").next_call(10, number=after)
        consent = await house.site.until_entry("consent", house.site.call_of(after))
        assert consent["body"]["outcome"] == "switched-off"
    finally:
        await house.site.command("resume-all")


async def name_of(house, caller):
    channels = await house.lab.pbx.cli("core show channels concise")
    return next(line.split("!")[0] for line in channels.splitlines() if f"!{caller}!" in line)


@pytest.mark.timeout(300)
async def test_a_misbehaving_ari_costs_nobody_the_call():
    two_at_a_time = asyncio.Semaphore(2)  # each has a laboratory of its own, and ports are finite

    async def one(mischief):
        async with two_at_a_time:
            await misbehaving(mischief)

    async with asyncio.TaskGroup() as group:
        for each in sorted(set(Mischief) - {Mischief.NONE}):
            group.create_task(one(each), name=each)


async def misbehaving(mischief):
    async with Lab(shipped_dialplan()) as lab:
        meddler = Meddler(lab.ari_settings.url)
        await meddler.open()
        site = Site(lab, ari_url=meddler.url)
        house = type("House", (), {"lab": lab, "site": site})
        await lab.pbx.load_dialplan(dialplan=site.dialplan(shipped_dialplan()))
        try:
            async with site:
                caller, _ = await in_the_prompt(house)
                meddler.mischief = mischief
                new = next(CALLERS)
                await lab.world.call("100", caller_id=new)
                await reaches_the_unrecorded_queue(house, new, SILENCE_SECONDS)
                await reaches_the_unrecorded_queue(house, caller, 5 + SILENCE_SECONDS)
                assert captured(house) == set()
                assert site.pid  # still running
                complaints = [line for line in site.log.read_text().splitlines() if "[warning" in line]
                assert complaints, "nothing was said about it"
                meddler.mischief = Mischief.NONE
                await back_in_service(house)
                assert (await play(lab, site, YES, caller=next(CALLERS))).problems == []
        finally:
            await meddler.close()


async def back_in_service(house):
    """Callguard finds ARI again by itself."""
    async with asyncio.timeout(40):
        while not (await house.site.health())["ari"]:
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def on_lines(**settings):
    """A laboratory whose callguard finds Asterisk over two lines, AMI's and ARI's, that can be stalled."""
    async with contextlib.AsyncExitStack() as stack:
        lab = await stack.enter_async_context(Lab(shipped_dialplan()))
        ari = URL(lab.ari_settings.url)
        lines = Line(lab.ami_settings.port), Line(ari.port or 0)
        for line in lines:
            await line.open()
            stack.push_async_callback(line.close)
        ways = {"ami_port": lines[0].port, "ari_url": str(ari.with_port(lines[1].port))}
        site = Site(lab, **ways, **settings)
        await lab.pbx.load_dialplan(dialplan=site.dialplan())
        await stack.enter_async_context(site)
        yield House(lab, site), lines


@pytest.mark.timeout(180)
async def test_a_recorder_of_which_the_manager_interface_says_nothing_is_found_and_kept():
    async with on_lines(settings=capturing.SETTINGS) as (house, (line, _)):
        lab, site = house.lab, house.site
        caller, phone = await in_the_prompt(house)
        # Before anybody notices, the announcement is over and Asterisk is told to record.
        line.stall()
        agent = await lab.world.agent("sales-agent").next_call(20, number=caller)
        call = site.call_of(caller)
        await site.until_entry("capture.started", call, 10)
        line.mend()
        await asyncio.sleep(3)
        assert [each for each in site.entries(call) if each["kind"] == "capture.stopped"] == []
        await phone.hang_up()
        await agent.ended()
        said, replied, rate = await site.recording(call)
        assert audio.seconds_of_tone(said, rate, 620) > 3
        assert audio.seconds_of_tone(replied, rate, AGENT_HZ["sales-agent"]) > 3
        assert list(site.spool.glob("*.sln")) == []


@pytest.mark.timeout(180)
@pytest.mark.parametrize("fault", ["stalled", "frozen"])
async def test_an_order_that_comes_late_ends_no_call(fault):
    """The caller is with an agent when the order to renew a lease arrives, or is given."""
    # The announcement is short: the next order is given before anybody notices that nothing arrives.
    asked = {"queues": {"sales": {"purposes": ["tests"], "minimum_form": "explicit"}}}
    async with on_lines(settings=capturing.SETTINGS | asked) as (house, (line, _)):
        caller, phone = await in_the_prompt(house)
        if fault == "stalled":
            line.stall()
            await house.site.until(caller, "listening")
            await phone.press("2")
        else:
            house.site.freeze()
        await reaches_the_unrecorded_queue(house, caller, 20)
        line.mend()
        house.site.thaw()
        # Longer than a question and its answer, and what a lease has beyond.
        with pytest.raises(LabError):
            await phone.ended(15)
        await phone.hang_up()
        if fault == "stalled":
            assert "an order came too late and was taken back" in house.site.log.read_text()
