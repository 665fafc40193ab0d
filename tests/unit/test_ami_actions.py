"""AMI: actions and their answers, what is never sent, and what is never sent twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from callguard.asterisk import Ami, AmiLost, AmiRefused, AmiSettings, AmiTimeout
from callguard.asterisk.backoff import Backoff
from fakes.ami_server import FakeAmi
from fakes.waiting import until


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
async def ami(asterisk: FakeAmi) -> AsyncIterator[Ami]:
    link = Ami(settings(asterisk), backoff=at_once())
    await link.start()
    yield link
    await link.stop()


async def test_each_verb_says_what_it_means(asterisk: FakeAmi, ami: Ami) -> None:
    await ami.ping()
    await ami.stop_mixmonitor("1.1", "0x7f01")
    await ami.mute_mixmonitor("1.1", "0x7f01", "both", True)
    await ami.mute_mixmonitor("1.1", "0x7f01", "read", False)
    await ami.set_variable("1.1", "CALLGUARD_STATE", "paused: ${X}, |^ Zoë")
    await ami.redirect("1.1", "queues", "sales")
    sent = [
        {name: value for name, value in each.items() if name != "ActionID"} for each in asterisk.actions[1:]
    ]
    mute = {"Action": "MixMonitorMute", "Channel": "1.1", "MixMonitorID": "0x7f01"}
    assert sent == [
        {"Action": "Ping"},
        {"Action": "StopMixMonitor", "Channel": "1.1", "MixMonitorID": "0x7f01"},
        {**mute, "Direction": "both", "State": "1"},
        {**mute, "Direction": "read", "State": "0"},
        {
            "Action": "Setvar",
            "Channel": "1.1",
            "Variable": "CALLGUARD_STATE",
            "Value": "paused: ${X}, |^ Zoë",
        },
        {"Action": "Redirect", "Channel": "1.1", "Context": "queues", "Exten": "sales", "Priority": "1"},
    ]


async def test_the_channels_of_the_pbx_come_as_a_list(ami: Ami) -> None:
    assert [(each["Uniqueid"], each["CallerIDName"]) for each in await ami.status()] == [
        ("1.1", "Zoë"),
        ("1.2", ""),
    ]


async def test_a_refused_list_is_a_refusal_and_not_a_wait(asterisk: FakeAmi, ami: Ami) -> None:
    refusal = "Response: Error\nActionID: {id}\nMessage: Permission denied\n\n"
    asterisk.scripted["Status"] = lambda _: refusal
    with pytest.raises(AmiRefused, match="Permission denied"):
        await ami.status()


async def test_a_refusal_says_which_action_and_why(asterisk: FakeAmi, ami: Ami) -> None:
    asterisk.scripted["StopMixMonitor"] = lambda _: (
        "Response: Error\nActionID: {id}\nMessage: No such channel\n\n"
    )
    with pytest.raises(AmiRefused, match="StopMixMonitor refused: No such channel") as refused:
        await ami.stop_mixmonitor("gone", "0x1")
    assert refused.value.message == "No such channel"


async def test_an_action_without_an_answer_ends_at_its_deadline(asterisk: FakeAmi, ami: Ami) -> None:
    asterisk.unanswered.add("Setvar")
    with pytest.raises(AmiTimeout, match=r"Setvar within 0\.05 s"):
        await ami.action("Setvar", {"Channel": "c"}, deadline=0.05)
    await ami.ping()


@pytest.mark.parametrize(
    "fields",
    [
        {"Channel": "c\r\nAction: Originate"},
        {"Channel": "c\nApplication: System"},
        {"Channel": "c\r"},
        {"Channel": "c\0d"},
        {"Channel: c\r\nX": "y"},
        {"Chan nel": "c"},
        {"": "c"},
        {"Value": "\ud800"},
        {"Value": "x" * 1016},
        {"Value": "é" * 508},
        {"Action": "Originate"},
        {"actionid": "1"},
    ],
)
async def test_what_asterisk_would_read_as_something_else_is_not_sent(
    asterisk: FakeAmi, ami: Ami, fields: dict[str, str]
) -> None:
    """Of a line over 1022 bytes Asterisk 22.10.1 takes the end for a header of its own."""
    before = len(asterisk.lines)
    with pytest.raises(AmiRefused, match="not sent"):
        await ami.action("Setvar", fields)
    await ami.ping()
    assert not any("Setvar" in line for line in asterisk.lines[before:])


async def test_the_longest_line_asterisk_reads_is_sent(asterisk: FakeAmi, ami: Ami) -> None:
    await ami.action("Setvar", {"Value": "x" * 1015})
    assert asterisk.actions[-1]["Value"] == "x" * 1015


@pytest.mark.parametrize("name", ["Ping\r\nAction: Originate", "Ping\0"])
async def test_the_name_of_an_action_is_guarded_too(asterisk: FakeAmi, ami: Ami, name: str) -> None:
    with pytest.raises(AmiRefused):
        await ami.action(name)
    assert [each["Action"] for each in asterisk.actions] == ["Login"]


async def test_no_recording_of_others_is_hit_for_want_of_an_id(asterisk: FakeAmi, ami: Ami) -> None:
    with pytest.raises(AmiRefused, match="MixMonitorID is missing"):
        await ami.stop_mixmonitor("1.1", "")
    with pytest.raises(AmiRefused, match="MixMonitorID is missing"):
        await ami.mute_mixmonitor("1.1", "", "both", True)
    assert [each["Action"] for each in asterisk.actions] == ["Login"]


async def test_an_unanswered_action_fails_with_its_connection_and_is_never_sent_again(
    asterisk: FakeAmi, ami: Ami
) -> None:
    asterisk.unanswered.add("StopMixMonitor")
    stop = asyncio.create_task(ami.stop_mixmonitor("1.1", "0x1"))
    await asterisk.until_asked("StopMixMonitor")
    asterisk.drop()
    with pytest.raises(AmiLost, match="StopMixMonitor"):
        await stop
    asterisk.unanswered.clear()
    await until_connected(asterisk, ami, 2)
    await asterisk.send(b"Event: FullyBooted\r\nStatus: Fully Booted\r\n\r\n")
    await ami.ping()
    assert [each["Action"] for each in asterisk.actions] == ["Login", "StopMixMonitor", "Login", "Ping"]


async def test_without_a_connection_nothing_waits_for_one(asterisk: FakeAmi) -> None:
    link = Ami(settings(asterisk))
    with pytest.raises(AmiLost, match="not sent"):
        await link.ping()


async def test_wrong_credentials_are_not_tried_again_soon_and_not_shown(asterisk: FakeAmi) -> None:
    link = Ami(settings(asterisk, password="wr0ng-secret"), backoff=Backoff(longest=1000))
    with capture_logs() as logged:
        await link.start()
    assert not link.connected
    (warning,) = logged
    assert "Authentication failed" in warning["why"]
    assert warning["next_try"] >= 500
    assert "wr0ng" not in repr(logged)
    assert "wr0ng" not in repr(settings(asterisk, password="wr0ng-secret"))
    await link.stop()


async def until_connected(asterisk: FakeAmi, ami: Ami, connections: int) -> None:
    await until(lambda: asterisk.connections == connections and ami.connected)
