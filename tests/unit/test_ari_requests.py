"""Requests to ARI: over the websocket, over HTTP, refused, late, lost, hostile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from callguard.asterisk import (
    Ari,
    AriLost,
    AriRefused,
    AriSettings,
    AriTimeout,
    AriUnreadable,
)
from callguard.asterisk.verbs import Ears, Packets
from callguard.errors import AsteriskError
from fakes.asterisk_http import Answer, FakeAsterisk
from fakes.waiting import until

HOSTILE_IDS = [
    "1700000000.1",
    "a/b",
    "../x",
    "a?b=c&d",
    "50%",
    "Zoë 1",
    "#",
    "a+b",
    "x" * 500,
    "${X}",
    "a\r\nb",
]
HOSTILE_VALUES = [
    "",
    "a b",
    "q\"'\\",
    "${X}",
    "a,b|c^d;e&f=g+h%20",
    "two\r\nlines",
    "Zoë 漢字 🙂",
    "x" * 10_000,
]


def settings(asterisk: FakeAsterisk, **more: Any) -> AriSettings:
    return AriSettings(
        **{
            "url": asterisk.url,
            "app": "callguard",
            "username": asterisk.username,
            "password": asterisk.password,
            **more,
        }
    )


@pytest.fixture
async def asterisk() -> AsyncIterator[FakeAsterisk]:
    async with FakeAsterisk() as fake:
        yield fake


@pytest.fixture(params=["websocket", "http"])
async def ari(asterisk: FakeAsterisk, request: pytest.FixtureRequest) -> AsyncIterator[Ari]:
    """A connection on which requests travel one way, and then the other."""
    asterisk.rest_over_websocket = request.param == "websocket"
    line = await Ari.open(settings(asterisk, transport=request.param), lambda _: None)
    yield line
    await line.close()


@pytest.fixture
async def both(asterisk: FakeAsterisk) -> AsyncIterator[Ari]:
    """A connection as it is used, which may choose its way."""
    line = await Ari.open(settings(asterisk), lambda _: None)
    yield line
    await line.close()


async def test_asterisk_is_asked_whether_it_takes_requests_over_the_websocket(
    asterisk: FakeAsterisk, both: Ari
) -> None:
    assert both.transport == "websocket"
    await both.request("GET", "asterisk/info")
    assert asterisk.requests[-1].transport == "websocket"


async def test_an_older_asterisk_is_asked_over_http(
    asterisk: FakeAsterisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callguard.asterisk.ari.PROBE_SECONDS", 0.05)
    asterisk.rest_over_websocket = False
    line = await Ari.open(settings(asterisk), lambda _: None)
    assert line.transport == "http"
    assert (await line.asterisk_info()).version == "22.10.1"
    assert asterisk.requests[-1].transport == "http"
    await line.close()


async def test_a_filter_left_behind_does_not_keep_answers_from_us(asterisk: FakeAsterisk) -> None:
    asterisk.allowed = {"StasisStart"}
    line = await Ari.open(settings(asterisk, allowed_events=("StasisEnd",)), lambda _: None)
    assert line.transport == "websocket"
    assert asterisk.allowed >= {"StasisEnd", "RESTResponse", "ApplicationReplaced"}
    await line.filter_events(["StasisStart"])
    assert asterisk.allowed >= {"StasisStart", "RESTResponse"}
    await line.close()


@pytest.mark.parametrize("identity", HOSTILE_IDS)
async def test_an_id_is_one_segment_of_the_path_whatever_is_in_it(
    asterisk: FakeAsterisk, ari: Ari, identity: str
) -> None:
    asterisk.channel(identity)
    await ari.set_variable(identity, "X", "1")
    assert asterisk.variables[identity] == {"X": "1"}


@pytest.mark.parametrize("identity", ["", ".", "..", "a\0b"])
async def test_what_cannot_be_an_id_is_not_sent(asterisk: FakeAsterisk, ari: Ari, identity: str) -> None:
    before = len(asterisk.requests)
    with pytest.raises(AriRefused, match="cannot be the id"):
        await ari.hangup(identity)
    assert len(asterisk.requests) == before


@pytest.mark.parametrize("value", HOSTILE_VALUES)
async def test_a_value_arrives_as_it_was_and_comes_back_as_it_was(
    asterisk: FakeAsterisk, ari: Ari, value: str
) -> None:
    asterisk.channel("c")
    await ari.set_variable("c", "X", value)
    assert asterisk.variables["c"]["X"] == value
    assert await ari.variable("c", "X") == value


async def test_an_unset_variable_is_none_but_a_channel_that_is_gone_is_an_error(
    asterisk: FakeAsterisk, ari: Ari
) -> None:
    asterisk.channel("c")
    assert await ari.variable("c", "X") is None
    assert await ari.global_variable("X") == ""
    with pytest.raises(AriRefused) as refused:
        await ari.variable("gone", "X")
    assert refused.value.status == 404


async def test_the_first_claim_wins_and_a_late_one_loses(asterisk: FakeAsterisk, ari: Ari) -> None:
    asterisk.broadcasts = {"ours": "", "theirs": "other"}
    assert await ari.claim("ours") is True
    assert asterisk.broadcasts["ours"] == "callguard"
    assert await ari.claim("theirs") is False
    assert await ari.claim("over") is False


async def test_every_verb_says_what_it_means(asterisk: FakeAsterisk, ari: Ari) -> None:
    asterisk.channel("c", caller={"number": "0123"})
    await ari.answer("c")
    await ari.play("c", ["sound:a", "sound:b,c"], "p")
    assert asterisk.requests[-1].body == {"media": ["sound:a", "sound:b,c"]}
    await ari.stop_playback("p")
    await ari.stop_playback("p")  # already over
    await ari.subscribe("channel:c")
    assert asterisk.subscriptions == {"channel:c"}
    await ari.unsubscribe("channel:c")
    await ari.unsubscribe("channel:gone")
    assert asterisk.subscriptions == set()
    with pytest.raises(AriRefused, match="422 Event source does not exist"):
        await ari.subscribe("channel:gone")
    await ari.go_on("c", "queues", "sales", 1)
    assert asterisk.requests[-1].query == {"context": "queues", "extension": "sales", "priority": "1"}
    await ari.go_on("c")
    assert asterisk.requests[-1].query == {}
    assert [each.caller_number for each in await ari.channels()] == ["0123"]
    await ari.hangup("c", "busy")
    assert asterisk.requests[-1].query == {"reason": "busy"}
    await ari.hangup("c")  # already gone


async def test_a_whisper_its_packets_and_the_lamps(asterisk: FakeAsterisk, ari: Ari) -> None:
    asterisk.channel("c")
    await ari.snoop("c", "w", Ears.OTHERS)
    assert asterisk.requests[-1].query == {"whisper": "in", "spy": "none", "app": "callguard"}
    with pytest.raises(AriRefused, match="404"):
        await ari.snoop("gone", "w", Ears.PARTY)
    assert await ari.packets("c") is None  # no RTP
    assert await ari.packets("gone") is None
    asterisk.packets["c"] = (7, 5)
    assert await ari.packets("c") == Packets(sent=7, received=5)
    assert await ari.device_states() == {}
    await ari.set_device_state("Stasis:callguard-101", "INUSE")
    assert await ari.device_states() == {"Stasis:callguard-101": "INUSE"}
    with pytest.raises(AriRefused, match="409"):
        await ari.set_device_state("Custom:101", "INUSE")


@pytest.mark.parametrize("value", [{"txcount": 1}, {"txcount": "1", "rxcount": 2}, ["x"], None])
async def test_packets_that_nobody_counted_are_not_invented(
    asterisk: FakeAsterisk, ari: Ari, value: Any
) -> None:
    asterisk.channel("c")
    asterisk.script("GET", "channels/c/rtp_statistics", Answer(200, value))
    with pytest.raises(AriUnreadable, match="without counts"):
        await ari.packets("c")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(500, {"message": "Allocation failed"}), AriRefused),
        (Answer(500, text="<html>"), AriRefused),
        (Answer(503), AriRefused),
        (Answer(200, text="<html>"), AriUnreadable),
        (Answer(200, text='[{"id":'), AriUnreadable),
        (Answer(200, value={"no": "list"}), AriUnreadable),
        (Answer(200, value=[{"no": "id"}]), AriUnreadable),
        (Answer(200), AriUnreadable),
    ],
)
async def test_an_answer_that_makes_no_sense_is_a_clear_error_and_the_line_stays(
    asterisk: FakeAsterisk, ari: Ari, answer: Answer, error: type[AsteriskError]
) -> None:
    asterisk.script("GET", "channels", answer)
    with pytest.raises(error, match="channel"):
        await ari.channels()
    asterisk.scripted.clear()
    assert await ari.channels() == []


async def test_a_refusal_says_status_request_and_reason_but_no_values(
    asterisk: FakeAsterisk, ari: Ari
) -> None:
    asterisk.channel("c")
    asterisk.script("POST", "channels/c/variable", Answer(500, {"message": "Allocation failed"}))
    with pytest.raises(AriRefused) as refused:
        await ari.set_variable("c", "CARD", "4111111111111111")
    error = refused.value
    assert (error.status, error.method, error.path) == (500, "POST", "channels/c/variable")
    assert "Allocation failed" in str(error)
    assert "4111" not in str(error)


async def test_silence_ends_at_the_deadline_and_a_late_answer_confuses_nobody(
    asterisk: FakeAsterisk, ari: Ari
) -> None:
    release = asyncio.Event()

    async def late() -> Answer:
        await release.wait()
        return Answer(value={"value": "late"})

    asterisk.channel("c")
    asterisk.variables["c"]["X"] = "true"
    asterisk.script("GET", "channels/c/variable", late)
    with pytest.raises(AriTimeout, match=r"GET channels/c/variable within 0\.05 s"):
        await ari.request("GET", "channels/c/variable", {"variable": "X"}, deadline=0.05)
    asterisk.scripted.clear()
    release.set()
    assert await ari.variable("c", "X") == "true"


async def test_a_connection_lost_during_a_request_is_told_and_nothing_is_sent_again(
    asterisk: FakeAsterisk, both: Ari
) -> None:
    asked = asyncio.Event()

    async def never() -> Answer:
        asked.set()
        await asyncio.Event().wait()
        return Answer()

    asterisk.channel("c")
    asterisk.script("POST", "channels/c/continue", never)
    request = asyncio.create_task(both.go_on("c"))
    await asked.wait()
    asterisk.drop()
    with pytest.raises(AriLost, match="POST channels/c/continue"):
        await request
    with pytest.raises(AriLost):
        await both.go_on("c")
    assert len(asterisk.asked("POST", "channels/c/continue")) == 1


async def test_what_asterisk_could_not_read_is_refused_at_once(asterisk: FakeAsterisk, both: Ari) -> None:
    """A NUL in a request is answered without its id; it must not look like silence."""
    asterisk.channel("c")
    with pytest.raises(AriRefused, match="Failed to parse"):
        await both.set_variable("c", "X", "a\0b")
    await both.set_variable("c", "X", "fine")


async def test_what_would_cost_the_connection_is_not_sent(asterisk: FakeAsterisk, both: Ari) -> None:
    asterisk.channel("c")
    with pytest.raises(AriRefused, match="65527"):
        await both.set_variable("c", "X", "x" * 70_000)
    with pytest.raises(AriRefused, match="cannot be written"):
        await both.set_variable("c", "X", "\ud800")
    await both.set_variable("c", "X", "fine")
    assert asterisk.connections == 1


async def test_a_variable_set_during_a_playback_holds_up_no_other_call(
    asterisk: FakeAsterisk, both: Ari
) -> None:
    for channel in ("waits", "other"):
        asterisk.channel(channel)
    await both.play("waits", ["sound:long"], "p")
    waiting = asyncio.create_task(both.set_variable("waits", "X", "1"))
    await both.set_variable("other", "X", "1")
    assert asterisk.variables["waits"] == {}
    await both.stop_playback("p")
    await waiting
    assert asterisk.variables["waits"] == {"X": "1"}
    ways = {each.path: each.transport for each in asterisk.requests if each.path.endswith("variable")}
    assert ways == {"channels/waits/variable": "http", "channels/other/variable": "websocket"}
    await both.set_variable("waits", "X", "2")
    assert asterisk.requests[-1].transport == "websocket"


async def test_behind_a_slow_request_the_others_go_another_way_until_it_is_done(
    asterisk: FakeAsterisk, both: Ari, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The playback is not one of ours, so nothing but the silence says that the websocket is held up."""
    monkeypatch.setattr("callguard.asterisk.ari.BLOCKED_SECONDS", 0.05)
    for channel in ("waits", "other"):
        asterisk.channel(channel)
    asterisk.playbacks["foreign"] = "waits"
    slow = asyncio.create_task(both.request("POST", "channels/waits/answer", deadline=0.1))
    with pytest.raises(AriTimeout):
        await slow
    await both.set_variable("other", "X", "1")
    assert asterisk.requests[-1].transport == "http"
    await asterisk.end_playback("foreign")
    async with asyncio.timeout(5):
        while asterisk.requests[-1].transport != "websocket":
            await both.set_variable("other", "X", "1")


async def test_an_answer_that_never_comes_does_not_keep_the_others_from_the_websocket(
    asterisk: FakeAsterisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer to a ping shows that Asterisk is past the request."""
    monkeypatch.setattr("callguard.asterisk.ari.BLOCKED_SECONDS", 0.05)
    line = await Ari.open(settings(asterisk, heartbeat=0.3), lambda _: None)
    asterisk.forgotten.add("asterisk/info")
    with pytest.raises(AriTimeout):
        await line.request("GET", "asterisk/info", deadline=0.06)
    await line.channels()
    assert asterisk.requests[-1].transport == "http"
    async with asyncio.timeout(5):
        while asterisk.requests[-1].transport != "websocket":
            await line.channels()
    await line.close()


async def test_many_requests_at_once_get_their_own_answers(asterisk: FakeAsterisk, ari: Ari) -> None:
    asterisk.channel("c")
    asterisk.variables["c"] = {f"V{n}": str(n) for n in range(200)}
    answers = await asyncio.gather(*(ari.variable("c", f"V{n}") for n in range(200)))
    assert answers == [str(n) for n in range(200)]


async def test_a_cancelled_request_leaves_the_line_as_it_was(asterisk: FakeAsterisk, ari: Ari) -> None:
    asterisk.channel("c")
    hold = asyncio.Event()

    async def held() -> Answer:
        await hold.wait()
        return Answer(204)

    asterisk.script("POST", "channels/c/answer", held)
    request = asyncio.create_task(ari.answer("c"))
    await until(lambda: asterisk.asked("POST", "channels/c/answer"))
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    hold.set()
    await ari.set_variable("c", "X", "1")


def test_the_password_is_in_no_repr() -> None:
    made = AriSettings(app="callguard", username="u", password="s3cret-of-ari")
    assert "s3cret" not in repr(made)


@pytest.mark.parametrize(
    "url", ["http://pbx:8088", "http://pbx:8088/", "http://pbx:8088/ari", "http://pbx:8088/ari/"]
)
def test_the_url_may_be_given_with_or_without_its_end(url: str) -> None:
    assert AriSettings(app="a", username="u", password="p", url=url).base == "http://pbx:8088/ari"
