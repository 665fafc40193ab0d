"""An agent's telephone shows what the recorder does: hints, subscriptions and NOTIFYs of a real PBX."""

import asyncio
import statistics
import time

import pytest
import pytest_asyncio

from callguard.asterisk import Ari, AriSettings
from callguard.controller.desk import Lamp
from callguard.controller.lamps import Lamps
from callguard.lab import Lab
from fakes.desk_phone import desk_phone
from fakes.waiting import until

AGENT = "sales-agent"
STAND_IN = "[callguard]\nexten => consent,1,Return()\n"


class House:
    def __init__(self, lab):
        self.lab = lab
        self.ari = None
        self.lamps = Lamps(lambda: self.ari)

    async def connect(self):
        ari = self.lab.ari_settings
        settings = AriSettings(app="callguard", username=ari.username, password=ari.password, url=ari.url)
        self.ari = await Ari.open(settings, lambda _: None)
        await self.lamps.rewrite()

    def phone(self, lamp=f"callguard-{AGENT}"):
        return desk_phone(AGENT, lamp, self.lab.pbx.ports.sip)

    async def hint(self, lamp=f"callguard-{AGENT}"):
        """What the console shows for a hint."""
        lines = (await self.lab.pbx.cli("core show hints")).splitlines()
        # Asterisk 16 shows twenty characters.
        (line,) = (line for line in lines if line.startswith(f"{lamp}@"[:20]))
        return line.split("State:")[1].split()[0]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def wired():
    async with Lab(STAND_IN) as lab:
        house = House(lab)
        await house.connect()
        yield house
        await house.ari.close()


async def test_each_light_is_seen_on_the_telephone(wired):
    async with wired.phone() as phone:
        await until(lambda: phone.answer)
        assert phone.answer == 200
        took = []
        for light, state, hint in (
            (Lamp.RECORDING, "confirmed", "InUse"),
            (Lamp.PAUSED, "early", "Ringing"),
            (Lamp.FAULT, "confirmed held", "Hold"),
            (Lamp.OFF, "terminated", "Idle"),
        ):
            began = time.monotonic()
            wired.lamps.show(AGENT, "a", light)
            took.append(await phone.shows(state, began) - began)
            assert await wired.hint() == hint
        assert statistics.median(took) < 0.1


async def test_a_lamp_survives_a_reload_of_the_dialplan(wired):
    async with wired.phone() as phone:
        wired.lamps.show(AGENT, "a", Lamp.RECORDING)
        await phone.shows("confirmed")
        await wired.lab.pbx.cli("dialplan reload")
        began = time.monotonic()
        wired.lamps.show(AGENT, "a", Lamp.PAUSED)
        await phone.shows("early", began)
        wired.lamps.show(AGENT, "a", Lamp.OFF)
        await phone.shows("terminated", began)


async def test_no_lamp_goes_on_telling_what_a_dead_controller_knew(wired):
    async with wired.phone() as phone:
        wired.lamps.show(AGENT, "a", Lamp.RECORDING)
        await phone.shows("confirmed")
        await wired.ari.close()
        # Asterisk keeps the state; only the next controller takes it back.
        assert await wired.hint() == "InUse"
        wired.lamps = Lamps(lambda: wired.ari)
        await wired.connect()
        await phone.shows("terminated")
        wired.lamps.show(AGENT, "b", Lamp.RECORDING)
        await phone.shows("confirmed")
        await wired.lamps.leave()
        await phone.shows("terminated")
        assert await wired.hint() == "Unavailable"
        wired.lamps = Lamps(lambda: wired.ari)


@pytest.mark.parametrize("lamp", ["callguard-", "someone"])
async def test_there_is_no_lamp_by_another_name(wired, lamp):
    async with wired.phone(lamp) as phone:
        await until(lambda: phone.answer)
        assert phone.answer == 404
        await asyncio.sleep(0)
        assert phone.seen == []
