"""Coming back to ARI after it was lost, and staying away when that is due."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from callguard.asterisk import Ari, AriLink, AriLost, AriSettings
from callguard.asterisk.backoff import Backoff
from fakes.asterisk_http import FakeAsterisk
from fakes.waiting import until


def settings(asterisk: FakeAsterisk, **more: Any) -> AriSettings:
    known = {
        "url": asterisk.url,
        "app": "callguard",
        "username": asterisk.username,
        "password": asterisk.password,
    }
    return AriSettings(**{**known, "heartbeat": 0.3, **more})


@pytest.fixture
async def asterisk() -> AsyncIterator[FakeAsterisk]:
    async with FakeAsterisk() as fake:
        yield fake


def at_once() -> Backoff:
    return Backoff(first=0.001, longest=0.002)


class Diary(list[str]):
    """What the link told the controller, in order."""

    async def up(self, ari: Ari) -> None:
        await ari.channels()
        self.append("up")

    def down(self, reason: str) -> None:
        assert reason
        self.append("down")

    def replaced(self) -> None:
        self.append("replaced")


async def test_a_lost_line_comes_back_and_the_controller_catches_up(asterisk: FakeAsterisk) -> None:
    told = Diary()
    link = AriLink(
        settings(asterisk), on_event=lambda _: None, on_up=told.up, on_down=told.down, backoff=at_once()
    )
    await link.start()
    assert link.connected
    for round_ in range(1, 4):
        await until(lambda n=round_: told.count("up") == n)
        asterisk.drop()
        await until(lambda n=round_: told.count("down") == n)
    await until(lambda: told.count("up") == 4)
    assert link.ari is not None
    assert await link.ari.channels() == []
    await link.stop()
    assert link.ari is None
    assert told == ["up", "down"] * 4


async def test_an_asterisk_that_comes_later_is_found(asterisk: FakeAsterisk) -> None:
    asterisk.refuse_websocket = 503
    told = Diary()
    link = AriLink(settings(asterisk), on_event=lambda _: None, on_up=told.up, backoff=at_once())
    await link.start()
    assert not link.connected
    asterisk.refuse_websocket = 0
    await until(lambda: told == ["up"])
    await link.stop()


async def test_an_outage_is_one_warning_however_long_it_lasts(asterisk: FakeAsterisk) -> None:
    attempts = 0
    link = AriLink(settings(asterisk), on_event=lambda _: None, backoff=at_once())
    with capture_logs() as logged:
        await link.start()
        asterisk.refuse_websocket = 503
        asterisk.drop()
        await until(lambda: sum(entry["log_level"] == "debug" for entry in logged) >= 5)
        asterisk.refuse_websocket = 0
        await until(lambda: link.connected)
        asterisk.refuse_websocket = 503
        asterisk.drop()
        await until(lambda: sum(entry["log_level"] == "warning" for entry in logged) >= 2)
        await link.stop()
    attempts = sum(entry["log_level"] == "debug" for entry in logged)
    assert attempts >= 5
    assert [entry["log_level"] for entry in logged if entry["log_level"] == "warning"] == ["warning"] * 2
    assert "s3cret" not in repr(logged)


async def test_after_being_replaced_the_link_is_over_for_good(asterisk: FakeAsterisk) -> None:
    told = Diary()
    link = AriLink(
        settings(asterisk),
        on_event=lambda _: None,
        on_up=told.up,
        on_down=told.down,
        on_replaced=told.replaced,
        backoff=at_once(),
    )
    running = asyncio.create_task(link.run())
    await until(lambda: told == ["up"])
    new = await Ari.open(settings(asterisk), lambda _: None)
    await running
    assert told == ["up", "down", "replaced"]
    assert asterisk.connections == 2
    assert await new.channels() == []
    await new.close()


async def test_wrong_credentials_are_not_tried_again_soon(asterisk: FakeAsterisk) -> None:
    backoff = Backoff(first=0.001, longest=1000)
    link = AriLink(settings(asterisk, password="wrong"), on_event=lambda _: None, backoff=backoff)
    with capture_logs() as logged:
        await link.start()
    (warning,) = [entry for entry in logged if entry["log_level"] == "warning"]
    assert "Check user and password" in warning["why"]
    assert warning["next_try"] >= 500
    assert "wrong" not in warning["why"]
    await link.stop()


async def test_failing_to_catch_up_closes_the_line_and_tries_again(asterisk: FakeAsterisk) -> None:
    told = Diary()

    async def up(ari: Ari) -> None:
        if asterisk.connections < 3:
            asterisk.drop()
            raise AriLost("lost while catching up")
        await told.up(ari)

    link = AriLink(
        settings(asterisk), on_event=lambda _: None, on_up=up, on_down=told.down, backoff=at_once()
    )
    await link.start()
    await until(lambda: "up" in told)
    await link.stop()
    assert told == ["down", "down", "up", "down"]


async def test_a_fault_of_our_own_is_not_swallowed(asterisk: FakeAsterisk) -> None:
    async def up(_: Ari) -> None:
        raise KeyError("a fault of ours")

    link = AriLink(settings(asterisk), on_event=lambda _: None, on_up=up, backoff=at_once())
    with pytest.raises(KeyError, match="a fault of ours"):
        await link.start()


async def test_stopping_does_not_wait_for_an_asterisk_that_is_silent(asterisk: FakeAsterisk) -> None:
    link = AriLink(settings(asterisk), on_event=lambda _: None, backoff=at_once())
    asterisk.awake.clear()
    starting = asyncio.create_task(link.start())
    await until(lambda: asterisk.handshakes)
    async with asyncio.timeout(1):
        await link.stop()
        await asyncio.wait({starting})
    with pytest.raises(asyncio.CancelledError):
        starting.result()


async def test_a_cancelled_link_closes_its_line(asterisk: FakeAsterisk) -> None:
    told = Diary()
    link = AriLink(
        settings(asterisk), on_event=lambda _: None, on_up=told.up, on_down=told.down, backoff=at_once()
    )
    running = asyncio.create_task(link.run())
    await until(lambda: told == ["up"])
    running.cancel()
    await asyncio.wait({running})
    assert told == ["up", "down"]
    assert asterisk.websocket is not None
    await until(lambda: asterisk.websocket.closed)  # type: ignore[union-attr]


def test_the_wait_doubles_up_to_its_longest_and_begins_anew_when_it_worked() -> None:
    backoff = Backoff(first=0.2, longest=10, chance=lambda: 1.0)
    assert [round(backoff.after_failure(), 1) for _ in range(8)] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10]
    backoff.reset()
    assert backoff.after_failure() == 0.2
    assert Backoff(attempts=10_000, chance=lambda: 1.0).after_failure() == 10


def test_the_wait_is_spread_over_its_whole_range() -> None:
    waits = [Backoff(first=1.0, attempts=3, longest=8).after_failure() for _ in range(500)]
    assert min(waits) < 1
    assert max(waits) > 7
    refusals = [Backoff(longest=8).after_refusal() for _ in range(500)]
    assert 4 <= min(refusals) < max(refusals) <= 8
