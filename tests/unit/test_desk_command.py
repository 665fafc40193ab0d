"""The desk at the control socket and on the command line: names, words, exit status."""

import asyncio
import json

import aiohttp
import pytest
import pytest_asyncio
from click.testing import CliRunner

from callguard.cli import callguard
from callguard.cli.desk import STATUS
from callguard.controller.desk import Lamp, NoSuchCall, NotPlaced
from callguard.controller.door import Door, wish
from callguard.controller.wishes import Unfit, Verb
from callguard.errors import AsteriskError, CallguardError, RecordingError
from fakes.desk import SAYINGS, FakeDesk, a_call


@pytest_asyncio.fixture
async def house(tmp_path, monkeypatch):
    monkeypatch.setenv("USER", "alice")
    monkeypatch.delenv("SUDO_USER", raising=False)
    socket, config = tmp_path / "control.sock", tmp_path / "config.yaml"
    config.write_text(
        "site: {name: Acme, country: US}\n"
        "asterisk: {ari: {password: x}, ami: {password: y}}\n"
        "queues: {sales: {}}\n"
        f"control: {{socket: {socket}}}\n"
    )
    desk = FakeDesk()
    desk.add(a_call("c-1", case="4711"), a_call("c-2", agents=("212",), case="4711"))
    door = Door(type("Running", (), {"desk": desk})(), socket)
    await door.open()
    yield type("House", (), {"desk": desk, "config": config, "socket": socket})
    await door.close()


async def typed(house, *words):
    return await asyncio.to_thread(CliRunner().invoke, callguard, [*words, "-c", str(house.config)])


@pytest.mark.parametrize(
    "name", [("--call", "c-1"), ("--channel", "pbx-c-1"), ("--extension", "211")], ids=lambda name: name[0]
)
async def test_a_call_is_named_by_any_of_its_names(house, name):
    result = await typed(house, "pause", *name)
    assert (result.exit_code, result.output) == (0, "c-1: The recording is paused. 180 s are left.\n")
    assert house.desk.done == [("pause", "c-1", "command line of alice", "None", "0.0")]


async def test_every_verb_says_what_the_recorder_does_afterwards(house):
    one = ("--extension", "211")
    said = [
        (await typed(house, *words)).output
        for words in (
            ("pause", *one, "--seconds", "90", "--drop-last", "5"),
            ("extend", *one, "--reason", "second card"),
            ("resume", *one),
            ("assign-case", *one, "4712"),
            ("paid", "--case", "4712", "order 17"),
            ("withdraw", *one, "--shred"),
        )
    ]
    assert said == [
        "c-1: The recording is paused. 90 s are left. 5 s before it are erased.\n",
        "c-1: The recording is paused. 120 s are left. 5 s before it are erased.\n",
        "c-1: The call is being recorded.\n",
        "c-1: The call is being recorded.\n",
        "c-1: The call is being recorded.\n",
        "c-1: The call is not being recorded.\n",
    ]
    assert [done[0] for done in house.desk.done] == [
        "pause",
        "extend",
        "resume",
        "assign",
        "paid",
        "withdraw",
    ]
    assert house.desk.done[-1][3] == "True"


async def test_a_call_is_placed_or_it_is_told_why_not(house):
    done = await typed(house, "call", "211", "+12025550123", "sales")
    assert (done.exit_code, done.output) == (0, "211 is being called, then +12025550123.\n")
    assert house.desk.done[-1][:4] == ("call", "211", "+12025550123", "sales")
    done = await typed(house, "call", "211", "12 34", "sales")
    assert isinstance(done.exception, CallguardError)
    assert "leave out blanks" in str(done.exception)
    house.desk.fault = NotPlaced("the telephone is not there")
    assert (await typed(house, "call", "211", "123", "sales")).exit_code == 9


async def test_scripts_get_json(house):
    result = await typed(house, "pause", "--extension", "211", "--json")
    assert json.loads(result.output)["state"] == "paused"


@pytest.mark.parametrize("words", [(), ("--call", "c-1", "--extension", "211")])
async def test_a_call_has_to_be_named_once(house, words):
    result = await typed(house, "pause", *words)
    assert result.exit_code == 2
    assert "name the call with one of --call, --channel, --extension, --case" in result.output
    assert house.desk.done == []


@pytest.mark.parametrize("saying", SAYINGS)
async def test_each_thing_that_is_in_the_way_has_an_exit_status(house, saying):
    house.desk.fault = saying("so it is; do this")
    result = await typed(house, "resume", "--call", "c-1")
    assert result.exit_code == STATUS[saying]
    assert result.output == "callguard: so it is; do this\n"


async def test_the_exit_statuses_differ_and_are_not_those_of_other_errors():
    assert len(set(STATUS.values())) == len(SAYINGS)
    assert min(STATUS.values()) > 2


async def test_names_that_fit_no_call_or_several(house):
    assert (await typed(house, "pause", "--call", "nowhere")).exit_code == 3
    assert (await typed(house, "pause", "--case", "4711")).exit_code == 4
    assert house.desk.done == []


async def test_a_card_number_is_refused_and_not_repeated(house):
    result = await typed(house, "paid", "--call", "c-1", "4111 1111 1111 1111")
    assert result.exit_code == 1
    assert "looks like a card number" in str(result.exception)
    assert "4111" not in str(result.exception) + result.output
    assert house.desk.done == []


async def test_without_a_controller_it_says_so(house, tmp_path):
    house.config.write_text(house.config.read_text().replace("control.sock", "nobody.sock"))
    result = await typed(house, "pause", "--call", "c-1")
    assert result.exit_code == 1
    assert "no callguard answers there" in str(result.exception)


async def test_asterisk_out_of_reach_is_an_error_with_its_words(house):
    house.desk.fault = AsteriskError("AMI is gone; start Asterisk")
    with pytest.raises(RecordingError, match="AMI is gone; start Asterisk"):
        await wish(house.socket, Verb.PAUSE, {"call": "c-1"}, "alice")


async def test_who_asks_is_cut_and_never_empty(house):
    await wish(house.socket, Verb.PAUSE, {"call": "c-1"}, "a&by=mallory " + "x" * 200)
    await wish(house.socket, Verb.RESUME, {"call": "c-1"}, "  ")
    assert house.desk.done[0][2].startswith("a&by=mallory xxx")
    assert len(house.desk.done[0][2]) == 100
    assert house.desk.done[1][2] == "somebody at the control socket"


async def test_the_socket_reads_as_strictly_as_rest(house):
    for words in ({}, {"call": 1}, {"call": "c-1", "x": 1}, {"call": "c-1", "drop_last": 99}):
        with pytest.raises(CallguardError) as caught:
            await wish(house.socket, Verb.PAUSE, words, "alice")
        assert not isinstance(caught.value, (NoSuchCall, Unfit))
    connector = aiohttp.UnixConnector(str(house.socket))
    async with aiohttp.ClientSession(connector=connector) as session:
        for body, status in ((b"[" * 8000, 422), (b"x" * 10_000, 413), (b"\xff", 422)):
            async with session.post("http://callguard/desk/pause", data=body) as response:
                assert response.status == status
    assert house.desk.done == []
    assert house.desk.standing["c-1"].lamp is Lamp.RECORDING


def test_tokens_are_long_and_never_the_same():
    made = [json.loads(CliRunner().invoke(callguard, ["web", "token", "--json"]).output) for _ in range(20)]
    assert len({each["token"] for each in made}) == 20
    assert all(len(each["token"]) >= 43 for each in made)
    assert all(each["hash"].startswith("sha256:") for each in made)


async def test_the_addresses_of_telephones_are_printed(house, monkeypatch):
    monkeypatch.setenv("PHONES", "p" * 40)
    result = await typed(house, "phones", "keys", "211")
    assert "web.phones.secret: is missing" in str(result.exception)
    house.config.write_text(house.config.read_text() + "web: {phones: {secret: 'env:PHONES'}}\n")
    result = await typed(house, "phones", "keys", "211", "212", "--format", "snom", "--json")
    found = json.loads(result.output)
    assert list(found) == ["211", "212"]
    assert found["211"]["pause"].startswith("http://127.0.0.1:8470/phone/pause?ext=211&key=")
    assert found["211"]["pause"].endswith("&format=snom")
    assert found["211"]["pause"].partition("key=")[2] != found["212"]["pause"].partition("key=")[2]
    assert "pause     http://" in (await typed(house, "phones", "keys", "211")).output
    assert "is no telephone" in str((await typed(house, "phones", "keys", "2 11")).exception)
