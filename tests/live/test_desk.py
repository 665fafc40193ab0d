"""Real calls paused over HTTP, by a telephone's keys, by the command line: what is said then is not kept."""

import asyncio
import contextlib
import hashlib
import json
import socket
from itertools import count

import aiohttp
import pytest
import pytest_asyncio

from callguard.config.dialplan import shipped_dialplan
from callguard.lab import Lab, audio
from callguard.lab.scenarios import AFTER_HZ, BEFORE_HZ
from callguard.lab.site import Site
from callguard.lab.world import AGENT_HZ

AGENT = "sales-agent"
#: What the caller says while the recording is paused.
CARD_HZ = 400.0
TOKENS = {"crm": ("program", "the-token-of-the-crm-" + "d" * 22, []), "desk": ("agent", "a" * 32, [AGENT])}
CALLERS = (f"+1512555{number:04d}" for number in count(7100))


class House:
    def __init__(self, lab, site, port):
        self.lab, self.site = lab, site
        self.base = f"http://127.0.0.1:{port}"
        self.session = None

    async def ask(self, method, path, body=None, *, token="crm", **headers):
        if token:
            headers["Authorization"] = f"Bearer {TOKENS[token][1]}"
        async with self.session.request(method, self.base + path, json=body, headers=headers) as response:
            text = await response.text()
            return response.status, json.loads(text) if "json" in response.content_type else text

    async def state(self, verb, **body):
        status, answer = await self.ask("POST", f"/v1/{verb}", body)
        faults = [each["body"] for each in self.site.entries() if each["kind"] == "fault"]
        assert status == 200, (answer, faults)
        return answer["state"]


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house():
    settings = {
        "site": {"jurisdiction": "US-TX"},
        "queues": {
            "sales": {"purposes": ["quality"], "minimum_form": "notice"},
            "asked": {"purposes": ["quality"], "minimum_form": "explicit"},
        },
        "outbound": {"dial": "PJSIP/{number}@trunk"},
    }
    async with Lab(shipped_dialplan()) as lab, aiohttp.ClientSession() as session:
        site = Site(lab, settings=settings)
        port = free_port()
        secret = site.directory / "phones.secret"
        secret.write_text("a-secret-of-the-site-for-its-telephones")
        site.configure(
            "web",
            {
                "port": str(port),
                "tokens": {
                    name: {
                        "role": role,
                        "secret": f"sha256:{hashlib.sha256(token.encode()).hexdigest()}",
                        "extensions": extensions,
                    }
                    for name, (role, token, extensions) in TOKENS.items()
                },
                "phones": {"secret": f"file:{secret}"},
            },
        )
        await lab.pbx.load_dialplan(dialplan=site.dialplan())
        async with site:
            made = House(lab, site, port)
            made.session = session
            yield made


@contextlib.asynccontextmanager
async def talking(house):
    """A recorded call: the caller, its id, its channel."""
    who = next(CALLERS)
    phone = await house.lab.world.call("100", caller_id=who)
    await phone.answered()
    await phone.speak(BEFORE_HZ)
    agent = await house.lab.world.agent(AGENT).next_call(40, number=who)
    call = house.site.call_of(who)
    await house.site.until_entry("capture.started", call)
    [arrived] = [each for each in house.site.entries(call) if each["kind"] == "call.arrived"]
    await asyncio.sleep(0.5)
    yield phone, call, arrived["body"]["channel"]
    if phone.is_up:
        await phone.hang_up()
    await agent.ended()


async def says(phone, hz, seconds):
    await phone.speak(hz)
    await asyncio.sleep(seconds)
    await phone.speak(AFTER_HZ)
    await asyncio.sleep(0.3)  # until the last packet of it is heard


async def report(house, *words):
    status, out = await house.site.command("pauses", "--json", *words, check=False)
    return status, json.loads(out)


async def test_a_program_pauses_a_call_by_each_of_its_names(house):
    async with talking(house) as (phone, call, channel):
        assert await house.state("case", channel=channel, assign="case 4711") == "recording"
        for name in ({"extension": AGENT}, {"channel": channel}, {"case": "case 4711"}):
            assert await house.state("pause", **name) == "paused"
            await says(phone, CARD_HZ, 0.6)
            assert await house.state("payment", reference="order 17", **name) == "paused"
            assert await house.state("resume", **name) == "recording"
            await asyncio.sleep(0.6)
        # The first of these two was taken before the last pause was over, for all that we know.
        for reference in ("order 18", "order 19"):
            assert await house.state("payment", call=call, reference=reference) == "recording"
        status, answer = await house.ask("GET", f"/v1/calls/{call}", token="desk")
        assert (status, answer["agents"], answer["case"]) == (200, [AGENT], "case 4711")
    caller, agent, rate = await house.site.recording(call)
    assert audio.seconds_of_tone(caller, rate, CARD_HZ) == 0
    assert audio.seconds_of_tone(caller, rate, AFTER_HZ) > 0.5
    assert audio.seconds_of_tone(agent, rate, AGENT_HZ[AGENT]) > 0.5
    paused = [each["body"] for each in house.site.entries(call) if each["kind"] == "capture.paused"]
    assert [each["by"] for each in paused] == ["program crm"] * 3
    _, found = await report(house)
    assert [each["wrong"] for each in found["pauses"] if each["call"] == call] == [[]] * 3
    paid = [each["wrong"] for each in found["payments"] if each["call"] == call]
    assert paid == [[]] * 4 + [["was not paused for"]]


@pytest.mark.parametrize("key", ["1", "2"])
async def test_a_call_that_is_placed_reaches_the_agent_and_then_the_customer_who_is_asked(house, key):
    number = next(CALLERS).lstrip("+")
    status, answer = await house.ask(
        "POST", "/v1/call", {"extension": AGENT, "number": number, "queue": "asked"}
    )
    assert (status, answer["state"]) == (200, "ringing")
    agent = await house.lab.world.agent(AGENT).next_call(20, number=number)
    customer = await house.lab.world.agent(number).next_call(20)
    await customer.speak(BEFORE_HZ)
    await house.site.until(number, "asking", "listening", timeout=40)
    await customer.press(key)
    call = house.site.call_of(number)
    await house.site.until_entry("routed", call, 30)
    await customer.speak(AFTER_HZ)
    await asyncio.sleep(2.5)
    await customer.hang_up()
    await agent.ended()
    heard, rate = await agent.heard()
    assert audio.seconds_of_tone(heard, rate, AFTER_HZ) > 1
    ended = await house.site.until_entry("call.ended", call, 20)
    assert ended["body"]["outcome"] == ("granted" if key == "1" else "refused")
    if key == "1":
        caller, _, rate = await house.site.recording(call)
        assert audio.seconds_of_tone(caller, rate, AFTER_HZ) > 1.5
        # Of what was said while the customer was asked there is nothing but what the wire still held.
        assert audio.seconds_of_tone(caller, rate, BEFORE_HZ) < 0.3
    else:
        assert call not in house.site.kept()
    placed = [each["body"] for each in house.site.entries() if each["kind"] == "call.placed"][-1]
    assert (placed["phone"], placed["called"], placed["by"]) == (AGENT, number, "program crm")


async def test_a_telephone_that_is_not_there_cannot_be_called(house):
    body = {"extension": "nobody", "number": "12025550123", "queue": "asked"}
    status, answer = await house.ask("POST", "/v1/call", body)
    assert (status, answer["type"]) == (409, "/v1/problems/not-placed")


async def test_five_requests_at_once_pause_once_and_the_command_line_goes_on_and_pauses_again(house):
    async with talking(house) as (_, call, _):
        asked = [
            house.ask("POST", "/v1/pause", {"extension": AGENT}, **{"Idempotency-Key": "order-17"})
            for _ in range(5)
        ]
        answers = await asyncio.gather(*asked)
        status, text = await house.ask("GET", "/metrics")
        assert {status for status, _ in answers} == {200}
        assert len({json.dumps(answer) for _, answer in answers}) == 1
        assert status == 200
        for line in (
            'callguard_calls{state="paused"} 1.0',
            'callguard_up{part="ami"} 1.0',
            "callguard_sealing_recordings 1.0",
        ):
            assert line in text
        assert (await house.ask("GET", "/metrics", token="desk"))[0] == 403
        assert await house.ask("GET", "/healthz", token=None) == (200, {"status": "ok"})
        status, out = await house.site.command("resume", "--extension", AGENT)
        assert (status, out) == (0, f"{call}: The call is being recorded.\n")
        status, out = await house.site.command("pause", "--call", call, "--seconds", "60")
        assert (status, out) == (0, f"{call}: The recording is paused. 60 s are left.\n")
        assert (await house.site.command("resume", "--call", "nowhere", check=False))[0] == 3
    await house.site.until_entry("call.ended", call)
    assert [each["kind"] for each in house.site.entries(call)].count("capture.paused") == 2
    status, found = await report(house)
    assert status == 1
    first, second = [each for each in found["pauses"] if each["call"] == call]
    assert (first["end"], first["wrong"]) == ("resumed", [])
    assert (second["end"], second["wrong"]) == ("call", ["was never resumed: the call ended"])
    assert second["by"].startswith("command line of ")


@pytest.mark.oldest
async def test_a_telephone_pauses_drops_and_ends_by_its_keys(house):
    _, out = await house.site.command("phones", "keys", AGENT, "--json")
    keys = {action: place.removeprefix(house.base) for action, place in json.loads(out)[AGENT].items()}

    async def press(action, **headers):
        return await house.ask("GET", keys[action], token=None, **headers)

    assert (await press("status"))[1] == "There is no call on this phone.\n"
    async with talking(house) as (phone, call, _):
        assert (await press("status"))[1] == "Recording is on.\n"
        await says(phone, CARD_HZ, 0.6)
        status, screen = await press("drop", **{"User-Agent": "Yealink SIP-T46U 108.86.0.45"})
        assert status == 200
        assert screen.startswith("<?xml")
        assert "Recording is PAUSED. 180 s left." in screen
        await says(phone, CARD_HZ, 0.6)
        assert "PAUSED" in (await press("pause"))[1]
        # What was said just before the pause reaches the recorder later, and is destroyed then.
        async with asyncio.timeout(10):
            while "s before it are erased." not in (await press("status"))[1]:
                await asyncio.sleep(0.1)
        assert (await press("extend"))[1] == (await press("extend"))[1]
        assert (await press("resume"))[1] == "Recording is on.\n"
        await asyncio.sleep(1)
        assert (await press("withdraw"))[1] == "This call is not recorded.\n"
        assert (await press("pause"))[1] == "This call is not recorded.\n"
        # The key of another telephone does nothing here.
        wrong = keys["resume"].replace(AGENT, "open-agent")
        assert (await house.ask("GET", wrong, token=None))[0] == 403
        assert phone.is_up
    caller, _, rate = await house.site.recording(call)
    assert audio.seconds_of_tone(caller, rate, CARD_HZ) == 0
    assert audio.seconds_of_tone(caller, rate, AFTER_HZ) > 0.3
    paused = [each["body"]["by"] for each in house.site.entries(call) if each["kind"] == "capture.paused"]
    assert paused == [f"phone {AGENT}"]
