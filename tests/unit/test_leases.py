"""Leases that are renewed by an order that arrives too late: taken back, and nothing else is."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from callguard.asterisk.errors import AmiLost, AmiRefused, AmiTimeout, AriRefused, AriTimeout
from callguard.controller import leases
from callguard.controller.leases import LIMIT, Leases
from callguard.errors import AsteriskError

CHANNEL = "pbx-1"


class Line:
    """AMI or ARI: takes orders, or does not."""

    def __init__(self, fault: AsteriskError | None = None) -> None:
        self.fault = fault
        self.connected = not isinstance(fault, AmiLost)
        self.orders: list[tuple[str, str, str]] = []
        self.looks = 0
        self.where: tuple[str, str] | AsteriskError = ("Queue", "0")

    async def set_variable(self, channel: str, name: str, value: str) -> None:
        if self.fault is not None:
            raise self.fault
        self.orders.append((channel, name, value))

    async def whereabouts(self, channel: str, name: str) -> tuple[str, str]:
        assert (channel, name) == (CHANNEL, LIMIT)
        self.looks += 1
        if isinstance(self.where, AsteriskError):
            raise self.where
        return self.where


class House:
    def __init__(self, ami: Line, ari: Line | None) -> None:
        self.ami, self.ari = ami, ari
        self.tasks: list[asyncio.Task[None]] = []

    def own(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self.tasks.append(asyncio.create_task(work, name=name))

    async def looked(self, times: int = 3) -> None:
        """Wait until somebody looked so often, or looks no more."""
        async with asyncio.timeout(5):
            while self.ami.looks < times and not all(task.done() for task in self.tasks):
                await asyncio.sleep(0.001)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "LOOK_SECONDS", 0.01)


async def test_a_lease_is_renewed_over_ami_and_nobody_looks() -> None:
    house = House(Line(), Line())
    await Leases(house).renew(CHANNEL, 3.2)  # type: ignore[arg-type]
    assert house.ami.orders == [(CHANNEL, LIMIT, "7")]
    assert house.ari is not None and not house.ari.orders and not house.tasks


@pytest.mark.parametrize("fault", [AmiRefused("no such channel"), AmiLost("not sent")])
async def test_what_was_not_done_for_certain_is_not_looked_for(fault: AsteriskError) -> None:
    house = House(Line(fault), Line())
    await Leases(house).renew(CHANNEL, 3.2)  # type: ignore[arg-type]
    assert house.ari is not None and house.ari.orders == [(CHANNEL, LIMIT, "7")]
    assert not house.tasks


@pytest.mark.parametrize(
    ("where", "taken_back"),
    [
        (("Queue", "5.2"), True),
        (("Stasis", "5.2"), False),  # still asked
        (("StasisBroadcast", "5.2"), False),
        (("Queue", "0"), False),  # it has not come yet
        (("Queue", "3600.1"), False),  # a limit of the site's own
        (("Queue", ""), False),
    ],
)
async def test_only_a_lease_of_who_has_left_is_taken_back(where: tuple[str, str], taken_back: bool) -> None:
    house = House(Line(AmiTimeout("Setvar", 1.0)), Line())
    await Leases(house).renew(CHANNEL, 3.2)  # type: ignore[arg-type]
    house.ami.fault, house.ami.where = None, where
    await house.looked()
    assert ((CHANNEL, LIMIT, "0") in house.ami.orders) is taken_back


async def test_nobody_looks_for_a_channel_that_is_gone_or_after_the_last_order_can_have_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = House(Line(), None)
    kept = Leases(house)  # type: ignore[arg-type]
    kept.doubt(CHANNEL)
    house.ami.where = AmiRefused("no such channel", "Status")
    await asyncio.wait_for(asyncio.gather(*house.tasks), 5)
    assert house.ami.looks == 1
    monkeypatch.setattr(leases, "REACH", 0.05)
    house.ami.where = AmiTimeout("Status", 1.0)
    kept.doubt(CHANNEL)
    await asyncio.wait_for(asyncio.gather(*house.tasks), 5)
    assert house.ami.looks > 1


async def test_an_order_that_neither_line_answered_is_looked_for_and_told() -> None:
    house = House(Line(AmiTimeout("Setvar", 1.0)), Line(AriTimeout("POST", "variable", 2.0)))
    with pytest.raises(AriTimeout):
        await Leases(house).renew(CHANNEL, 3.2)  # type: ignore[arg-type]
    await house.looked()
    assert house.ami.looks >= 3


async def test_without_ari_nobody_is_kept_waiting() -> None:
    with pytest.raises(AsteriskError, match="the dialplan's lease leads the caller on"):
        await Leases(House(Line(), None)).renew(CHANNEL, 3.2)  # type: ignore[arg-type]
    refused = House(Line(AmiTimeout("Setvar", 1.0)), Line(AriRefused(404, "POST", "variable", "gone")))
    with pytest.raises(AriRefused):
        await Leases(refused).renew(CHANNEL, 3.2)  # type: ignore[arg-type]
    await refused.looked()
