"""One connection to ARI: what arrives, what is noticed, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from callguard.asterisk import Ari, AriLogin, AriLost, AriRefused, AriSettings, AriTimeout
from callguard.asterisk.events import ApplicationReplaced, ChannelDtmfReceived, Event
from callguard.errors import AsteriskError
from fakes.asterisk_http import Answer, FakeAsterisk
from fakes.waiting import until

BEAT = 0.3  #: seconds after which silence is death, here


def settings(asterisk: FakeAsterisk, **more: Any) -> AriSettings:
    known = {
        "url": asterisk.url,
        "app": "callguard",
        "username": asterisk.username,
        "password": asterisk.password,
    }
    return AriSettings(**{**known, "heartbeat": BEAT, **more})


@pytest.fixture
async def asterisk() -> AsyncIterator[FakeAsterisk]:
    async with FakeAsterisk() as fake:
        yield fake


class Heard(list[Event]):
    """Events as they are handed over, and a way to wait for some."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Event()

    def take(self, event: Event) -> None:
        self.append(event)
        self._more.set()

    async def until(self, number: int) -> None:
        async with asyncio.timeout(5):
            while len(self) < number:
                self._more.clear()
                await self._more.wait()


async def key(asterisk: FakeAsterisk, digit: str) -> None:
    await asterisk.say(type="ChannelDtmfReceived", digit=digit, channel={"id": "c"})


async def test_events_are_handed_over_in_order(asterisk: FakeAsterisk) -> None:
    heard = Heard()
    line = await Ari.open(settings(asterisk), heard.take)
    for digit in "123":
        await key(asterisk, digit)
    await heard.until(3)
    assert [event.digit for event in heard if isinstance(event, ChannelDtmfReceived)] == ["1", "2", "3"]
    await line.close()


async def test_reading_goes_on_while_whoever_was_handed_the_events_is_slow(asterisk: FakeAsterisk) -> None:
    waiting: asyncio.Queue[Event] = asyncio.Queue()
    line = await Ari.open(settings(asterisk), waiting.put_nowait)
    for _ in range(2000):
        await key(asterisk, "1")
    assert await line.channels() == []
    assert waiting.qsize() == 2000  # answers come behind the events, so all of them were read
    await line.close()


async def test_a_fault_in_handling_one_event_does_not_cut_the_line_of_the_others(
    asterisk: FakeAsterisk,
) -> None:
    heard = Heard()

    def fragile(event: Event) -> None:
        heard.take(event)
        if isinstance(event, ChannelDtmfReceived) and event.digit == "1":
            raise RuntimeError("a fault of one call")

    line = await Ari.open(settings(asterisk), fragile)
    with capture_logs() as logged:
        await key(asterisk, "1")
        await key(asterisk, "2")
        await heard.until(2)
    assert [entry["log_level"] for entry in logged] == ["error"]
    assert await line.channels() == []
    await line.close()


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "{",
        "[]",
        "\x00",
        "<html>500</html>",
        '{"type":"StasisStart"}',
        '{"type":"RESTResponse","request_id":"x"}',
    ],
)
async def test_garbage_is_passed_over_with_one_warning(asterisk: FakeAsterisk, garbage: str) -> None:
    heard = Heard()
    line = await Ari.open(settings(asterisk), heard.take)
    with capture_logs() as logged:
        await asterisk.say_raw(garbage)
        await asterisk.say_raw(garbage)
        await key(asterisk, "1")
        await heard.until(1)
    assert [entry["log_level"] for entry in logged] == ["warning", "debug"]
    assert await line.channels() == []
    await line.close()


@pytest.mark.parametrize(
    "answer",
    ['"status_code":"200"', '"status_code":null', '"message_body":7'],
)
async def test_an_answer_without_a_status_fails_only_its_request(asterisk: FakeAsterisk, answer: str) -> None:
    line = await Ari.open(settings(asterisk), lambda _: None)
    asterisk.script("GET", "channels", lambda: asyncio.Event().wait())
    request = asyncio.create_task(line.channels())
    await until_asked(asterisk, "GET", "channels")
    await asterisk.say_raw('{"type":"RESTResponse","request_id":"2",' + answer + "}")
    with pytest.raises(AsteriskError, match="GET channels has no status"):
        await request
    asterisk.drop()
    await line.over()
    await line.close()


async def until_asked(asterisk: FakeAsterisk, method: str, path: str) -> None:
    await until(lambda: asterisk.asked(method, path))


async def test_a_broken_connection_is_the_end_and_says_why(asterisk: FakeAsterisk) -> None:
    line = await Ari.open(settings(asterisk), lambda _: None)
    asterisk.drop()
    assert "connection to ARI" in await line.over()
    with pytest.raises(AriLost):
        await line.channels()


async def test_half_a_frame_and_the_end_is_the_end(asterisk: FakeAsterisk) -> None:
    line = await Ari.open(settings(asterisk), lambda _: None)
    asterisk.half_a_frame()
    asterisk.drop()
    assert await line.over()


async def test_half_a_frame_and_silence_is_noticed(asterisk: FakeAsterisk) -> None:
    line = await Ari.open(settings(asterisk), lambda _: None)
    asterisk.half_a_frame()
    asterisk.awake.clear()
    async with asyncio.timeout(4 * BEAT + 1):
        assert "ARI" in await line.over()


async def test_bytes_that_are_no_frame_are_the_end(asterisk: FakeAsterisk) -> None:
    line = await Ari.open(settings(asterisk), lambda _: None)
    assert asterisk.raw is not None
    asterisk.raw.write(b"HTTP/1.1 500 Internal Server Error\r\n\r\n")
    assert "broke" in await line.over()


async def test_silence_is_noticed_and_fails_what_was_asked(asterisk: FakeAsterisk) -> None:
    line = await Ari.open(settings(asterisk), lambda _: None)
    asterisk.awake.clear()
    request = asyncio.create_task(line.request("GET", "channels", deadline=60))
    async with asyncio.timeout(4 * BEAT + 1):
        assert "silent" in await line.over()
    with pytest.raises(AriLost, match="silent"):
        await request


async def test_a_quiet_line_is_not_a_dead_one(asterisk: FakeAsterisk) -> None:
    line = await Ari.open(settings(asterisk), lambda _: None)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(line.over(), 3 * BEAT)
    assert await line.channels() == []
    await line.close()


async def test_a_line_held_up_by_a_slow_request_is_not_a_dead_one(asterisk: FakeAsterisk) -> None:
    """Asterisk answers no ping while a request waits for a channel; HTTP shows that it lives."""
    heard = Heard()
    line = await Ari.open(settings(asterisk), heard.take)
    asterisk.channel("c")
    asterisk.playbacks["foreign"] = "c"
    slow = asyncio.create_task(line.request("POST", "channels/c/answer", deadline=60))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(line.over(), 4 * BEAT)
    await key(asterisk, "1")
    await heard.until(1)
    await asterisk.end_playback("foreign")
    await slow
    await line.close()


async def test_being_replaced_is_told_and_ends_the_line(asterisk: FakeAsterisk) -> None:
    heard = Heard()
    old = await Ari.open(settings(asterisk), heard.take)
    new = await Ari.open(settings(asterisk), lambda _: None)
    assert "another process" in await old.over()
    assert old.replaced
    assert heard == [ApplicationReplaced()]
    with pytest.raises(AriLost):
        await old.channels()
    await new.close()


@pytest.mark.parametrize(
    ("status", "error"), [(401, AriLogin), (403, AriLogin), (404, AriLogin), (503, AriRefused)]
)
async def test_a_refused_handshake_says_what_to_do_and_shows_no_credentials(
    asterisk: FakeAsterisk, status: int, error: type[AriRefused]
) -> None:
    asterisk.refuse_websocket = status
    with pytest.raises(error) as refused:
        await Ari.open(settings(asterisk), lambda _: None)
    assert refused.value.status == status
    told = [refused.value, refused.value.__cause__, refused.value.__context__]
    assert not any(secret in repr(each) for each in told for secret in ("s3cret", "Basic "))


async def test_a_user_who_may_only_read_is_told_so(asterisk: FakeAsterisk) -> None:
    asterisk.script(
        "PUT", "applications/callguard/eventFilter", Answer(403, {"message": "Write access denied"})
    )
    with pytest.raises(AriLogin, match="read_only"):
        await Ari.open(settings(asterisk), lambda _: None)


async def test_an_asterisk_without_an_event_filter_serves_as_well(asterisk: FakeAsterisk) -> None:
    asterisk.script(
        "PUT", "applications/callguard/eventFilter", Answer(404, {"message": "Resource not found"})
    )
    line = await Ari.open(settings(asterisk), lambda _: None)
    await line.close()


async def test_nobody_there_and_a_silent_one_are_told_apart(
    asterisk: FakeAsterisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callguard.asterisk.handshake.OPENING_SECONDS", 0.1)
    for url in ("http://127.0.0.1:1", "nonsense"):
        with pytest.raises(AriLost, match="cannot connect"):
            await Ari.open(settings(asterisk, url=url), lambda _: None)
    asterisk.awake.clear()
    with pytest.raises(AriTimeout):
        await Ari.open(settings(asterisk), lambda _: None)


async def test_closing_leaves_no_task_behind(asterisk: FakeAsterisk) -> None:
    before = asyncio.all_tasks()
    line = await Ari.open(settings(asterisk), lambda _: None)
    await line.channels()
    await line.close("done")
    assert await line.over() == "done"
    left = {task for task in asyncio.all_tasks() - before if "ari" in task.get_name()}
    assert left == set()
