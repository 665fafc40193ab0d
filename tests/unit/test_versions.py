"""What releases of Asterisk do differently, and that each connection goes by it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from callguard.asterisk import Ami, AmiRefused, AmiSettings, Ari, AriSettings
from callguard.asterisk.versions import NOTES, From, Quirk, quirks_of, release_of
from fakes.ami_server import FakeAmi
from fakes.asterisk_http import Answer, FakeAsterisk

Q = Quirk

#: What every release before 2025 lacks.
OLD = {Q.NO_BROADCAST, Q.HTTP_ONLY, Q.NO_MEDIA_WEBSOCKET, Q.STOP_RACE}


@pytest.mark.parametrize(
    ("version", "release"),
    [
        ("16.28.0~dfsg-0+deb11u10", (16, 28)),
        ("22.10.1+dfsg+~cs6.17.60671434-1", (22, 10)),
        ("20.6.0~dfsg+~cs6.13.40431414-2build5", (20, 6)),
        ("22.0.0-rc1", (22, 0)),
        ("certified/18.9-cert5", (18, 9)),
        ("certified-20.7-cert2", (20, 7)),
        (" 18.26.4\n", (18, 26)),
        ("GIT-master-1a2b3c4d5e", None),
        ("SVN-branch-1.8-r12.4", None),
        ("UNKNOWN__and_probably_unsupported", None),
        ("2026.1101", None),
        ("", None),
    ],
)
def test_what_asterisk_calls_itself_is_read(version: str, release: tuple[int, int] | None) -> None:
    assert release_of(version) == release


def test_a_branch_that_is_not_named_goes_by_its_neighbours() -> None:
    fixed = From(first={20: 17, 22: 7})
    assert [release in fixed for release in ((16, 99), (19, 99), (20, 16), (20, 17), (21, 99), (22, 6))] == [
        *(False, False, False, True, False, False)
    ]
    assert [release in fixed for release in ((22, 7), (22, 10), (23, 0))] == [True, True, True]
    assert str(fixed) == "20.17, 22.7"


@pytest.mark.parametrize(
    ("version", "quirks"),
    [
        ("16.5.0", {*OLD, Q.RECORDERS_UNTOLD, Q.OUT_OF_STEP, Q.MUTES_OLDEST}),
        ("16.16.2", {*OLD, Q.RECORDERS_UNTOLD, Q.MUTES_OLDEST}),
        ("16.28.0~dfsg-0+deb11u10", {*OLD, Q.MUTES_OLDEST}),
        ("17.9.4", {*OLD, Q.RECORDERS_UNTOLD, Q.MUTES_OLDEST}),
        ("18.2.2", {*OLD, Q.RECORDERS_UNTOLD, Q.MUTES_OLDEST}),
        ("18.17.1", {*OLD, Q.MUTES_OLDEST}),
        ("18.18.0", {*OLD, Q.MUTE_LOCKS_UP}),
        ("18.19.0", {*OLD, Q.MUTE_LOCKS_UP}),
        ("18.20.0", OLD),
        ("19.8.1", {*OLD, Q.MUTES_OLDEST}),
        ("20.2.1", {*OLD, Q.MUTES_OLDEST}),
        ("20.3.0", {*OLD, Q.MUTE_LOCKS_UP}),
        ("20.4.0", {*OLD, Q.MUTE_LOCKS_UP}),
        ("20.5.0", OLD),
        ("20.14.0", OLD - {Q.HTTP_ONLY}),
        ("20.17.0", {Q.STOP_RACE}),
        ("20.18.2", set()),
        ("21.12.0", {Q.NO_BROADCAST, Q.STOP_RACE}),
        ("22.4.0", {Q.NO_BROADCAST, Q.NO_MEDIA_WEBSOCKET, Q.STOP_RACE}),
        ("22.7.0", {Q.STOP_RACE}),
        ("22.10.1+dfsg+~cs6.17.60671434-1", set()),
        ("23.0.0", {Q.NO_BROADCAST, Q.STOP_RACE}),
        ("24.0.0", set()),
        ("GIT-master-1a2b3c4d5e", set()),
    ],
)
def test_what_is_different_on_a_release(version: str, quirks: set[Quirk]) -> None:
    assert quirks_of(version) == quirks


def test_everything_that_differs_is_explained() -> None:
    assert set(NOTES) == set(Quirk)
    for quirk, note in NOTES.items():
        assert note.lacks, quirk
        assert note.symptom, quirk


# ---------------------------------------------------------------------- on a connection


@pytest.fixture
async def asterisk() -> AsyncIterator[FakeAsterisk]:
    async with FakeAsterisk() as fake:
        yield fake


def is_called(asterisk: FakeAsterisk, version: str) -> None:
    asterisk.script("GET", "asterisk/info", Answer(value={"system": {"version": version}}))


async def opened(asterisk: FakeAsterisk) -> Ari:
    settings = AriSettings(
        app="callguard", username=asterisk.username, password=asterisk.password, url=asterisk.url
    )
    return await Ari.open(settings, lambda _: None)


async def test_an_old_release_is_not_tried_for_what_it_cannot_do(asterisk: FakeAsterisk) -> None:
    """It would take a second until the missing answer is given up, on every connect."""
    # This one could, so it would answer if it were asked.
    assert asterisk.rest_over_websocket
    is_called(asterisk, "16.28.0~dfsg-0+deb11u10")
    line = await opened(asterisk)
    assert (line.transport, line.quirks) == ("http", {*OLD, Q.MUTES_OLDEST})
    await line.close()
    assert {each.transport for each in asterisk.requests} == {"http"}
    assert asterisk.asked("GET", "asterisk/ping") == []


@pytest.mark.parametrize("version", ["22.10.1", "GIT-master-1a2b3c"])
async def test_a_new_or_nameless_release_is_tried(asterisk: FakeAsterisk, version: str) -> None:
    is_called(asterisk, version)
    line = await opened(asterisk)
    assert (line.transport, line.quirks) == ("websocket", frozenset())
    await line.close()


async def test_an_asterisk_that_does_not_tell_its_release_is_tried(asterisk: FakeAsterisk) -> None:
    asterisk.script("GET", "asterisk/info", Answer(404, {"message": "Resource not found"}))
    line = await opened(asterisk)
    assert (line.transport, line.quirks) == ("websocket", frozenset())
    await line.close()


async def linked(asterisk: FakeAmi, **more: Any) -> Ami:
    settings = AmiSettings(port=asterisk.port, username=asterisk.username, password=asterisk.secret, **more)
    ami = Ami(settings)
    await ami.start()
    return ami


@pytest.mark.parametrize(("version", "muted"), [("18.18.0", False), ("20.4.0", False), ("16.28.0", True)])
async def test_where_a_mute_can_lock_a_call_up_none_is_sent(version: str, muted: bool) -> None:
    async with FakeAmi(version=version) as asterisk:
        ami = await linked(asterisk)
        try:
            if muted:
                await ami.mute_mixmonitor("1.1", "0x7f01", "both", True)
            else:
                with pytest.raises(AmiRefused, match=r"not sent.*issue 233"):
                    await ami.mute_mixmonitor("1.1", "0x7f01", "both", True)
                with pytest.raises(AmiRefused, match="not sent"):
                    await ami.action("MixMonitorMute", {"Channel": "1.1", "State": "1"})
        finally:
            await ami.stop()
        assert ("MixMonitorMute" in [each["Action"] for each in asterisk.actions]) == muted


async def test_an_asterisk_without_the_function_is_taken_for_a_new_one() -> None:
    async with FakeAmi(version="18.18.0") as asterisk:
        refusal = "Response: Error\nActionID: {id}\nMessage: No such variable\n\n"
        asterisk.scripted["Getvar"] = lambda _: refusal
        ami = await linked(asterisk)
        assert ami.quirks == frozenset()
        await ami.stop()
