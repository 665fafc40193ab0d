"""What is known of a caller before the call: consents, wishes, samples, remembered answers; on real calls."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import pytest_asyncio

from callguard.config.dialplan import shipped_dialplan
from callguard.lab import Lab
from callguard.lab.site import Site

NUMBERS = "[lab-numbers]\n" + "".join(
    f"exten => {number},1,Answer()\n same => n,Gosub(callguard,consent,1({queue},sales-unrecorded))\n"
    " same => n,Queue(${CALLGUARD_QUEUE})\n same => n,Hangup()\n"
    for number, queue in (("100", "sales"), ("101", "sample"))
)
SETTINGS = {
    "site": {"jurisdiction": "US-TX"},
    "queues": {
        "sales": {"purposes": ["quality"], "minimum_form": "explicit", "languages": ["en", "fr"]},
        "sample": {"recorded": "sales", "minimum_form": "explicit", "sample_percent": "0"},
    },
}


@contextlib.asynccontextmanager
async def a_site(**law):
    async with Lab(shipped_dialplan(), numbers=NUMBERS) as lab:
        site = Site(lab, settings={**SETTINGS, "law": law})
        await lab.pbx.load_dialplan(dialplan=site.dialplan())
        async with site:
            yield type("House", (), {"lab": lab, "site": site})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def known():
    async with a_site() as house:
        yield house


async def ends(house, caller, agent, number="100", key=None):
    """A call to its end: the consent entry."""
    phone = await house.lab.world.call(number, caller_id=caller)
    await phone.answered()
    if key:
        await house.site.until(caller, "asking", "listening")
        await phone.press(key)
    await house.lab.world.agent(agent).next_call(40, number=caller)
    entry = await house.site.until_entry("consent", house.site.call_of(caller))
    await asyncio.sleep(0.5)
    await phone.hang_up()
    await house.site.until_entry("call.ended", house.site.call_of(caller))
    return entry["body"]


async def test_a_prior_consent_spares_the_question_and_not_the_announcement(known, tmp_path):
    today = datetime.now(UTC).date()
    rows = tmp_path / "consents.csv"
    rows.write_text(
        "number,purposes,given,expires,channel,reference\n"
        f"+15125550177,quality,{today},{today + timedelta(days=30)},written,contract 7\n"
        f"+15125550178,quality,{today - timedelta(days=60)},{today - timedelta(days=30)},written,old\n"
        "nonsense,quality,yesterday,,by pigeon,\n"
    )
    status, _ = await known.site.command("register", "import", str(rows), check=False)
    assert status == 1  # one line was refused, the others were taken
    await asyncio.sleep(2.5)  # the running controller looks every second
    body = await ends(known, "+15125550177", "sales-agent")
    assert (body["outcome"], body["answer"]["form"]) == ("prior-consent", "prior")
    assert [(each["prompt"], each["completely"]) for each in body["heard"]] == [("announcement", True)]
    # One that ran out is none.
    assert (await ends(known, "+15125550178", "open-agent", key="2"))["outcome"] == "refused"


async def test_a_caller_who_never_wants_to_be_recorded_is_not_asked_again(known):
    await known.site.command("register", "prefer", "+15125550179", "--never")
    await asyncio.sleep(2.5)
    body = await ends(known, "+15125550179", "open-agent")
    assert (body["outcome"], body["heard"], body["attempts"]) == ("refused", [], 0)


async def test_a_caller_who_wants_french_hears_french(known):
    await known.site.command("register", "prefer", "+15125550180", "--language", "fr")
    await asyncio.sleep(2.5)
    body = await ends(known, "+15125550180", "sales-agent", key="1")
    assert {each["language"] for each in body["heard"]} == {"fr"}


async def test_a_call_outside_the_sample_hears_the_announcement_and_is_not_captured(known):
    body = await ends(known, "+15125550181", "sales-agent", number="101")
    assert body["outcome"] == "not-sampled"
    assert [(each["prompt"], each["completely"]) for each in body["heard"]] == [("announcement", True)]
    call = known.site.call_of("+15125550181")
    assert call not in known.site.kept()
    ruled = await known.site.until_entry("call.ruled", call)
    assert ruled["body"]["sampled"] is False


async def test_an_answer_is_remembered_where_the_site_says_so():
    async with a_site(remember_answers_days="30") as house:
        assert (await ends(house, "+15125550182", "sales-agent", key="1"))["outcome"] == "granted"
        await house.site.until_entry("register.changed", house.site.call_of("+15125550182"))
        assert (await ends(house, "+15125550182", "sales-agent"))["outcome"] == "prior-consent"
        assert (await ends(house, "+15125550183", "open-agent", key="2"))["outcome"] == "refused"
        await house.site.until_entry("register.changed", house.site.call_of("+15125550183"))
        again = await ends(house, "+15125550183", "open-agent")
        assert (again["outcome"], again["attempts"]) == ("refused", 0)
