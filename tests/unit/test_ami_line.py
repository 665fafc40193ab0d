"""AMI: what arrives, in whatever pieces, and a line that is lost and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from callguard.asterisk import Ami, AmiSettings
from callguard.asterisk.backoff import Backoff
from fakes.ami_server import FakeAmi
from fakes.waiting import until


class Heard(list[Mapping[str, str]]):
    """Events as they are handed over, and a way to wait for some."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Event()

    def take(self, event: Mapping[str, str]) -> None:
        self.append(event)
        self._more.set()

    async def until(self, number: int) -> None:
        async with asyncio.timeout(5):
            while len(self) < number:
                self._more.clear()
                await self._more.wait()


def settings(asterisk: FakeAmi, **more: Any) -> AmiSettings:
    known = {"port": asterisk.port, "username": asterisk.username, "password": asterisk.secret}
    return AmiSettings(**{**known, "heartbeat": 0.3, **more})


def at_once() -> Backoff:
    return Backoff(first=0.001, longest=0.002)


@pytest.fixture
async def asterisk() -> AsyncIterator[FakeAmi]:
    async with FakeAmi() as fake:
        yield fake


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
async def ami(asterisk: FakeAmi, heard: Heard) -> AsyncIterator[Ami]:
    link = Ami(settings(asterisk), on_event=heard.take, backoff=at_once())
    await link.start()
    yield link
    await link.stop()


EVENT = "Event: UserEvent\r\nUserEvent: cgRec\r\nCallerIDName: Zoë 漢字 🙂\r\n\r\n".encode()


@pytest.mark.parametrize("cut", range(1, len(EVENT)))
async def test_no_character_is_lost_wherever_the_network_cuts(cut: int) -> None:
    async with FakeAmi() as asterisk:
        heard = Heard()
        link = Ami(settings(asterisk), on_event=heard.take)
        await link.start()
        await asterisk.send(EVENT[:cut], EVENT[cut:])
        await heard.until(1)
        await link.stop()
    assert heard == [{"Event": "UserEvent", "UserEvent": "cgRec", "CallerIDName": "Zoë 漢字 🙂"}]


async def test_many_events_in_one_piece_and_one_byte_at_a_time(
    asterisk: FakeAmi, ami: Ami, heard: Heard
) -> None:
    await asterisk.send(EVENT * 50)
    await heard.until(50)
    await asterisk.send(*(EVENT[n : n + 1] for n in range(len(EVENT))))
    await heard.until(51)
    assert all(each == heard[0] for each in heard)


async def test_only_the_wanted_events_are_handed_over(asterisk: FakeAmi, ami: Ami, heard: Heard) -> None:
    await asterisk.send(
        b"Event: Newexten\r\nX: 1\r\n\r\n", b"Event: MixMonitorStart\r\nUniqueid: 1.1\r\n\r\n"
    )
    await heard.until(1)
    assert [each["Event"] for each in heard] == ["MixMonitorStart"]


async def test_of_a_header_that_comes_twice_asterisks_own_counts(
    asterisk: FakeAmi, ami: Ami, heard: Heard
) -> None:
    await asterisk.send(b"Event: UserEvent\r\nUniqueid: real\r\nUserEvent: x\r\nUniqueid: made up\r\n\r\n")
    await heard.until(1)
    assert heard[0]["Uniqueid"] == "real"


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff\xfe\x00garbage\r\n\r\n",
        b"Event\r\n\r\n",
        b"HTTP/1.1 500 Internal Server Error\r\n\r\n",
        b"Response: Success\r\nActionID: never asked\r\n\r\n",
        b"Event: UserEvent\r\nEvent: UserEvent\r\n\r\n",
        b"\r\n\r\n\r\n\r\n",
    ],
)
async def test_garbage_is_passed_over_and_the_line_stays(
    asterisk: FakeAmi, ami: Ami, heard: Heard, garbage: bytes
) -> None:
    await asterisk.send(garbage, EVENT)
    await until(lambda: any(each.get("UserEvent") == "cgRec" for each in heard))
    await ami.ping()
    assert asterisk.connections == 1


async def test_a_fault_in_handling_one_event_does_not_cut_the_line(asterisk: FakeAmi) -> None:
    heard = Heard()

    def fragile(event: Mapping[str, str]) -> None:
        heard.take(event)
        raise RuntimeError("a fault of one call")

    link = Ami(settings(asterisk), on_event=fragile)
    await link.start()
    with capture_logs() as logged:
        await asterisk.send(EVENT)
        await heard.until(1)
        await link.ping()
    assert [entry["log_level"] for entry in logged] == ["error"]
    assert asterisk.connections == 1
    await link.stop()


async def test_a_message_without_an_end_costs_the_line_and_not_the_memory(
    asterisk: FakeAmi, ami: Ami, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callguard.asterisk.ami_protocol.LONGEST_MESSAGE", 1000)
    await asterisk.send(b"Event: UserEvent\r\nX: " + b"x" * 2000)
    await until(lambda: asterisk.connections >= 2)


async def test_a_lost_line_comes_back_and_the_controller_catches_up(asterisk: FakeAmi) -> None:
    told: list[str] = []

    async def up(ami: Ami) -> None:
        told.append(f"up {len(await ami.status())}")

    link = Ami(settings(asterisk), on_up=up, on_down=lambda _: told.append("down"), backoff=at_once())
    await link.start()
    asterisk.drop()
    await until(lambda: told.count("up 2") >= 2)
    await link.stop()
    assert told == ["up 2", "down", "up 2", "down"]


@pytest.mark.parametrize("half", [b"", b"Event: UserEvent\r\nUserEv"])
async def test_silence_is_noticed_with_or_without_half_a_message(asterisk: FakeAmi, half: bytes) -> None:
    reasons: list[str] = []
    link = Ami(settings(asterisk), on_down=reasons.append)
    await link.start()
    await asterisk.send(half)
    asterisk.reads.clear()
    await until(lambda: reasons)
    assert "silent" in reasons[0]
    await link.stop()


async def test_a_quiet_line_is_not_a_dead_one(asterisk: FakeAmi, ami: Ami) -> None:
    await asyncio.sleep(1)
    assert asterisk.connections == 1
    await ami.ping()


@pytest.mark.parametrize("banner", [b"SSH-2.0-OpenSSH\r\n", b"220 mail\r\n\r\n"])
async def test_what_is_not_ami_is_told_so_and_gets_no_password(banner: bytes) -> None:
    async with FakeAmi(banner=banner) as other:
        link = Ami(settings(other))
        with capture_logs() as logged:
            await link.start()
        assert not link.connected
        assert "not AMI" in logged[0]["why"]
        assert other.actions == []
        await link.stop()
