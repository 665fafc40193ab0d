"""The CRM learns of real calls: each event once, signed, in order, and of nothing while it is away."""

import asyncio
import base64

from callguard.config.dialplan import shipped_dialplan
from callguard.lab import Lab
from callguard.lab.scenarios import SCENARIOS, play
from callguard.lab.site import Site
from fakes.crm import Crm

SECRET = "whsec_" + base64.b64encode(b"thirty-two bytes of good secret!").decode()


async def test_consent_and_capture_reach_the_crm_and_the_ledger_verifies():
    crm = Crm(secret=SECRET)
    server = await crm.start()
    address = f"http://127.0.0.1:{server.port}/callguard"
    port = server.port
    async with Lab(shipped_dialplan()) as lab:
        site = Site(lab)
        site.configure(
            "ledger",
            {
                "url": f"sqlite:///{site.directory}/ledger.db",
                "endpoints": {"crm": {"url": address, "secrets": [SECRET]}},
                "checkpoints": {"every_seconds": "1", "to": [str(site.directory / "outside")]},
            },
        )
        await lab.pbx.load_dialplan(dialplan=site.dialplan())
        async with site:
            yes = SCENARIOS[0]
            assert (await play(lab, site, yes, caller="+14155550191")).problems == []
            granted = site.call_of("+14155550191")
            await kinds_at(crm, granted, "consent.granted", "recording.started", "recording.stopped")

            # The CRM is away while the next caller is served; it misses nothing.
            await server.close()
            assert (await play(lab, site, yes, caller="+14155550192")).problems == []
            away = site.call_of("+14155550192")
            server = await crm.start(port)
            await kinds_at(crm, away, "consent.granted", "recording.started", "recording.stopped")
            assert crm.out_of_order() == []
            assert crm.forged == 0
            assert crm.repeated == 0

            _, out = await site.command("ledger", "show", granted, "--json")
            assert "consent" in out
            status, out = await site.command(
                *("ledger", "verify", "--checkpoints", str(site.directory / "outside"), "--json")
            )
            assert status == 0, out
    await server.close()


async def kinds_at(crm, call, *wanted):
    async with asyncio.timeout(60):
        while True:
            kinds = [message["type"] for message in crm.calls.get(call, [])]
            if set(wanted) <= set(kinds):
                assert sorted(wanted, key=kinds.index) == list(wanted)
                return
            await asyncio.sleep(0.1)
