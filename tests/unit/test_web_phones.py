"""Telephones fetch an address: the right key, the right call, a screen to show, and no harm in haste."""

import asyncio
import xml.etree.ElementTree as ET

import pytest
import pytest_asyncio

from callguard.controller.desk import Lamp
from callguard.errors import AsteriskError
from callguard.web.phones import Action, addresses, phone_key
from fakes.desk import a_call
from fakes.waiting import until
from fakes.web_front import PHONE_SECRET, configuration, free_port, open_house


@pytest_asyncio.fixture
async def house(monkeypatch):
    monkeypatch.setenv("PHONE_SECRET", PHONE_SECRET)
    config = configuration(port=str(free_port()), phones={"secret": "env:PHONE_SECRET"})
    async with open_house(config) as house:
        house.desk.add(a_call("c-1"), a_call("c-2", agents=("212",)))
        yield house


def place(action, extension="211", key=None, **more):
    query = {"ext": extension, "key": key or phone_key(PHONE_SECRET, extension), **more}
    return f"/phone/{action}?" + "&".join(f"{name}={value}" for name, value in query.items())


async def pressed(house, action, extension="211", **more):
    reply = await house.get(place(action, extension), token=None, **more)
    assert reply.status == 200, reply.text
    return reply.text.strip()


# ---------------------------------------------------------------------- what the keys do


async def test_a_call_from_pause_to_the_end_by_keys_alone(house):
    assert await pressed(house, "status") == "Recording is on."
    assert await pressed(house, "pause") == "Recording is PAUSED. 180 s left."
    assert await pressed(house, "extend") == "Recording is PAUSED. 120 s left."
    assert await pressed(house, "resume") == "Recording is on."
    assert await pressed(house, "drop") == "Recording is PAUSED. 180 s left. 5 s before it are erased."
    assert await pressed(house, "withdraw") == "This call is not recorded."
    assert [done[0] for done in house.desk.done] == ["pause", "extend", "resume", "pause", "withdraw"]
    assert {done[2] for done in house.desk.done} == {"phone 211"}
    assert house.desk.standing["c-2"].lamp is Lamp.RECORDING


@pytest.mark.parametrize("action", ["pause", "drop", "resume", "extend", "withdraw"])
async def test_a_key_that_is_pressed_twice_is_pressed_once(house, action):
    if action in {"resume", "extend"}:
        await pressed(house, "pause")
    first = await pressed(house, action)
    standing = house.desk.standing["c-1"]
    assert await pressed(house, action) == first
    assert house.desk.standing["c-1"] == standing


async def test_a_telephone_that_fetches_again_while_it_waits_starts_nothing_new(house):
    house.desk.free.clear()
    asked = [asyncio.create_task(pressed(house, "extend")) for _ in range(3)]
    await until(lambda: house.desk.under_way == 1)
    house.desk.standing["c-1"] = a_call("c-1", lamp=Lamp.PAUSED)
    house.desk.free.set()
    assert set(await asyncio.gather(*asked)) == {"Recording is PAUSED. 120 s left."}
    assert len(house.desk.done) == 1


async def test_a_post_does_the_same_as_a_get(house):
    reply = await house.ask("POST", place("pause"), token=None, data=b"whatever the phone sends")
    assert reply.text.strip() == "Recording is PAUSED. 180 s left."


async def test_looking_changes_nothing(house):
    for method, headers in (
        ("HEAD", {}),
        ("OPTIONS", {}),
        ("GET", {"Sec-Purpose": "prefetch;prerender"}),
        ("GET", {"Purpose": "prefetch"}),
        ("GET", {"X-Moz": "prefetch"}),
    ):
        reply = await house.ask(method, place("pause"), token=None, headers=headers)
        assert reply.status in {403, 405}
    await pressed(house, "status")
    assert house.desk.done == []


async def test_bad_news_is_shown_too(house):
    assert await pressed(house, "pause", "213") == "There is no call on this phone."
    house.desk.add(a_call("c-3"))
    assert await pressed(house, "pause") == "There are several calls on this phone. Use the feature code."
    del house.desk.standing["c-3"]
    house.desk.fault = AsteriskError("AMI is gone")
    assert await pressed(house, "pause") == "FAULT: the recorder cannot be asked."
    house.desk.fault = None
    house.desk.obeys = False
    assert await pressed(house, "pause") == "FAULT: the recorder did not obey. The recording was ended."
    assert await pressed(house, "status") == "FAULT: the recording was ended."
    house.desk.add(a_call("c-1", lamp=Lamp.OFF))
    assert await pressed(house, "pause") == "This call is not recorded."


async def test_a_recorder_that_takes_too_long_is_told(house, monkeypatch):
    monkeypatch.setattr("callguard.web.phones.ANSWER_SECONDS", 0.05)
    house.desk.free.clear()
    assert await pressed(house, "pause") == "FAULT: no answer yet. Ask for the state."


# ---------------------------------------------------------------------- whose key


async def test_the_key_of_one_telephone_opens_no_other(house):
    for path in (
        place("pause", "212", key=phone_key(PHONE_SECRET, "211")),
        place("pause", "211", key="x" * 32),
        place("pause", "211", key=phone_key(PHONE_SECRET, "211")[:-1]),
        place("pause", "211", key=phone_key("another secret" * 3, "211")),
        place("pause", "211%0a", key=phone_key(PHONE_SECRET, "211")),
        place("pause", "211", key="%C3%A9" * 32),
        place("pause", "211") + "&ext=212",
        place("pause", "211") + "&key=x",
        "/phone/pause?ext=211",
        f"/phone/pause?key={phone_key(PHONE_SECRET, '211')}",
        "/phone/pause",
    ):
        reply = await house.get(path, token=None)
        assert (reply.status, reply.text.strip()) == (403, "This key is not right for this phone."), path
    assert house.desk.done == []


async def test_without_a_secret_no_key_is_right():
    async with open_house() as house:
        house.desk.add(a_call())
        assert (await house.get(place("pause", key=phone_key("", "211")), token=None)).status == 403


async def test_whoever_guesses_keys_has_to_wait_and_a_telephone_that_was_right_does_not(house):
    await pressed(house, "status")
    for _ in range(20):
        await house.get(place("pause", key="x" * 32), token=None)
    reply = await house.get(place("pause", key="x" * 32), token=None)
    assert reply.status == 429
    assert int(reply.headers["Retry-After"]) > 0
    assert (await house.get(place("status", "212"), token=None)).status == 429
    assert await pressed(house, "pause") == "Recording is PAUSED. 180 s left."


async def test_keys_do_not_look_alike():
    keys = {phone_key(secret, str(n)) for n in range(200) for secret in (PHONE_SECRET, PHONE_SECRET + "x")}
    assert len(keys) == 400
    assert {len(key) for key in keys} == {32}


# ---------------------------------------------------------------------- what it shows

AGENTS = {
    "Yealink SIP-T46U 108.86.0.45 24:9a:d8:00:00:01": "YealinkIPPhoneTextScreen",
    "Mozilla/4.0 (compatible; snomD785-SIP 10.1.184.15 1.1.6-s 00041390ABCD)": "SnomIPPhoneText",
    "Mozilla/5.0 (compatible; Cisco-CP-8851/12.5)": "CiscoIPPhoneText",
    "FileTransport PolycomVVX-VVX_411-UA/5.9.6.2327 Type/Application": "html",
}


def root(reply):
    found = ET.fromstring(reply.text)
    return found.tag.rpartition("}")[2], "".join(found.itertext())


@pytest.mark.parametrize("agent", AGENTS)
async def test_each_maker_gets_its_own_form(house, agent):
    reply = await house.get(place("status"), token=None, headers={"User-Agent": agent})
    tag, text = root(reply)
    assert tag == AGENTS[agent]
    assert text.endswith("Recording is on.")
    assert reply.headers["Content-Type"].startswith(("text/xml", "application/xhtml+xml"))
    assert len(reply.text) < 1000  # some take no more than 2000 bytes


async def test_an_old_cisco_tells_itself_by_other_headers(house):
    for headers in (
        {"Accept": "x-CiscoIPPhone/*;text/*", "User-Agent": "Allegro-Software-WebClient/4.34"},
        {"x-CiscoIPPhoneModelName": "CP-7970G"},
    ):
        reply = await house.get(place("status"), token=None, headers=headers)
        assert root(reply)[0] == "CiscoIPPhoneText"


async def test_the_address_can_ask_for_a_form_and_others_get_plain_text(house):
    reply = await house.get(place("status", format="snom"), token=None)
    assert root(reply)[0] == "SnomIPPhoneText"
    for asked in ("", "&format=nonsense", "&format=<x>"):
        reply = await house.get(place("status") + asked, token=None)
        assert reply.text == "Recording is on.\n"
        assert reply.headers["Content-Type"].startswith("text/plain")


async def test_a_yealink_beeps_at_bad_news_only(house):
    good = await house.get(place("pause", format="yealink"), token=None)
    bad = await house.get(place("pause", "213", format="yealink"), token=None)
    assert 'Beep="no"' in good.text
    assert 'Beep="yes"' in bad.text


async def test_nothing_that_was_sent_is_shown(house):
    reply = await house.get("/phone/pause?ext=<b>x</b>&key=<i>y</i>&format=yealink", token=None)
    assert "<b>" not in reply.text
    assert "&lt;" not in reply.text


def test_the_addresses_say_where_and_with_which_key(monkeypatch):
    monkeypatch.setenv("PHONE_SECRET", PHONE_SECRET)
    web = configuration(phones={"secret": "env:PHONE_SECRET", "address": "https://pbx.example.com:8470"}).web
    found = addresses(web, "211")
    assert set(found) == set(Action)
    key = phone_key(PHONE_SECRET, "211")
    assert found[Action.PAUSE] == f"https://pbx.example.com:8470/phone/pause?ext=211&key={key}"
