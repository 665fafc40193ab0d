"""Lamps: what the recorder does on an agent's calls; set anew on each connection, dark when all have left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from callguard.asterisk import Ari, AriSettings
from callguard.controller import lamps
from callguard.controller.desk import Lamp
from callguard.controller.lamps import Lamps
from fakes.asterisk_http import Answer, FakeAsterisk
from fakes.waiting import until


class House:
    def __init__(self, asterisk: FakeAsterisk) -> None:
        self.asterisk = asterisk
        self.ari: Ari | None = None
        self.lamps = Lamps(lambda: self.ari)

    async def connect(self) -> None:
        asterisk = self.asterisk
        settings = AriSettings(
            url=asterisk.url, app="callguard", username=asterisk.username, password=asterisk.password
        )
        self.ari = await Ari.open(settings, lambda _: None)
        await self.lamps.rewrite()

    async def shows(self, agent: str, state: str) -> None:
        await until(lambda: self.asterisk.devices.get(f"Stasis:callguard-{agent}") == state)


@pytest.fixture
async def house(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setattr(lamps, "AGAIN_SECONDS", 0.01)
    async with FakeAsterisk() as asterisk:
        made = House(asterisk)
        await made.connect()
        yield made
        await made.lamps.leave()
        if made.ari is not None:
            await made.ari.close()


@pytest.mark.parametrize(
    ("light", "state"),
    [
        (Lamp.RECORDING, "INUSE"),
        (Lamp.PAUSED, "RINGING"),
        (Lamp.FAULT, "ONHOLD"),
        (Lamp.OFF, "NOT_INUSE"),
    ],
)
async def test_each_light_has_a_state_of_its_own(house: House, light: Lamp, state: str) -> None:
    house.lamps.show("101", "a", light)
    await house.shows("101", state)


async def test_of_several_calls_the_one_that_asks_for_most_care_is_shown(house: House) -> None:
    house.lamps.show("101", "a", Lamp.PAUSED)
    house.lamps.show("101", "b", Lamp.RECORDING)
    await house.shows("101", "INUSE")
    house.lamps.show("101", "b", Lamp.OFF)
    await house.shows("101", "RINGING")
    house.lamps.show("101", "c", Lamp.FAULT)
    await house.shows("101", "ONHOLD")
    house.lamps.show("101", "c", Lamp.OFF)
    house.lamps.show("101", "a", Lamp.OFF)
    await house.shows("101", "NOT_INUSE")


async def test_a_new_controller_rewrites_what_the_one_before_lit(house: House) -> None:
    house.asterisk.devices |= {"Stasis:callguard-7": "INUSE", "Stasis:other": "INUSE", "Custom:x": "BUSY"}
    await house.lamps.rewrite()
    await house.shows("7", "NOT_INUSE")
    assert house.asterisk.devices["Stasis:other"] == "INUSE"
    assert house.asterisk.devices["Custom:x"] == "BUSY"


async def test_what_changed_while_there_was_no_connection_is_shown_afterwards(house: House) -> None:
    house.lamps.show("101", "a", Lamp.RECORDING)
    await house.shows("101", "INUSE")
    assert house.ari is not None
    await house.ari.close()
    house.ari = None
    house.lamps.show("101", "a", Lamp.PAUSED)
    await asyncio.sleep(0)
    assert house.asterisk.devices["Stasis:callguard-101"] == "INUSE"
    await house.connect()
    await house.shows("101", "RINGING")


async def test_a_lamp_that_could_not_be_set_is_tried_again_with_what_is_true_by_then(house: House) -> None:
    path = "deviceStates/Stasis:callguard-101"
    house.asterisk.script("PUT", path, Answer(200, text="<html>"))
    house.lamps.show("101", "a", Lamp.RECORDING)
    await until(lambda: len(house.asterisk.asked("PUT", path)) >= 2)
    house.lamps.show("101", "a", Lamp.PAUSED)
    del house.asterisk.scripted["PUT", path]
    await house.shows("101", "RINGING")


async def test_a_lamp_that_asterisk_refuses_does_not_hold_up_the_others(house: House) -> None:
    house.asterisk.script("PUT", "deviceStates/Stasis:callguard-1", Answer(409, {"message": "no"}))
    house.lamps.show("1", "a", Lamp.RECORDING)
    house.lamps.show("2", "a", Lamp.RECORDING)
    await house.shows("2", "INUSE")
    assert len(house.asterisk.asked("PUT", "deviceStates/Stasis:callguard-1")) == 1


async def test_when_callguard_leaves_no_lamp_tells_of_a_recorder(house: House) -> None:
    house.lamps.show("101", "a", Lamp.RECORDING)
    house.lamps.show("102", "b", Lamp.PAUSED)
    await house.lamps.leave()
    assert set(house.asterisk.devices.values()) == {"UNAVAILABLE"}
    house.lamps.show("101", "a", Lamp.RECORDING)
    await asyncio.sleep(0.02)
    assert house.asterisk.devices["Stasis:callguard-101"] == "UNAVAILABLE"


@pytest.mark.parametrize("agent", ["", "a b", "a/b", "101\r\n", "x" * 65, "Zoë"])
async def test_what_no_agent_is_called_gets_no_lamp(house: House, agent: str) -> None:
    house.lamps.show(agent, "a", Lamp.RECORDING)
    house.lamps.show("101", "a", Lamp.RECORDING)
    await house.shows("101", "INUSE")
    assert set(house.asterisk.devices) == {"Stasis:callguard-101"}
