"""Recordings sealed while the call goes on: whole, unreadable without the key, gone when withdrawn."""

import asyncio
import contextlib
import json

import pytest_asyncio
import soundfile

from callguard.config.dialplan import shipped_dialplan
from callguard.lab import Lab, audio
from callguard.lab.scenarios import AFTER_HZ, BEFORE_HZ
from callguard.lab.site import Site
from callguard.lab.world import AGENT_HZ

ILLINOIS = "+13125550{:03d}"
WASHINGTON = "+12065550{:03d}"


@contextlib.asynccontextmanager
async def sealing_site():
    async with Lab(shipped_dialplan()) as lab:
        site = Site(lab, settings={"queues": {"sales": {"purposes": ["quality"]}}})
        await lab.pbx.load_dialplan(dialplan=site.dialplan())
        async with site:
            yield type("House", (), {"lab": lab, "site": site})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sealed():
    async with sealing_site() as house:
        yield house


async def talking(house, caller):
    """A recorded call on which both are heard."""
    phone = await house.lab.world.call("100", caller_id=caller)
    await phone.answered()
    await phone.speak(BEFORE_HZ)
    agent = await house.lab.world.agent("sales-agent").next_call(40, number=caller)
    await phone.speak(AFTER_HZ)
    call = house.site.call_of(caller)
    await house.site.until_entry("capture.started", call)
    return phone, agent, call


async def sealed_entry(house, call):
    async with asyncio.timeout(20):
        while True:
            for entry in house.site.entries(call):
                if entry["kind"] == "capture.stopped" and entry["body"].get("sha256"):
                    return entry["body"]
            await asyncio.sleep(0.1)


async def exported(house, call, tmp_path):
    path = tmp_path / f"{call}.wav"
    await house.site.command(
        "vault", "export", call, "--output", str(path), "--no-head", "--purpose", "quality"
    )
    return soundfile.read(path, dtype="float32")


async def test_a_recording_is_whole_in_the_vault_and_gone_from_the_spool(sealed, tmp_path):
    phone, agent, call = await talking(sealed, ILLINOIS.format(1))
    await asyncio.sleep(3)
    await phone.hang_up()
    await agent.ended()
    body = await sealed_entry(sealed, call)
    samples, rate = await exported(sealed, call, tmp_path)
    assert len(samples) == body["offset"]
    caller, answer = samples[:, 0], samples[:, 1]
    assert audio.seconds_of_tone(caller, rate, AFTER_HZ) > 2.5
    assert audio.seconds_of_tone(answer, rate, AGENT_HZ["sales-agent"]) > 2.5
    assert audio.seconds_of_tone(caller, rate, AGENT_HZ["sales-agent"]) == 0
    assert audio.seconds_of_tone(answer, rate, AFTER_HZ) == 0
    assert not list(sealed.site.spool.glob("*.sln"))
    _, out = await sealed.site.command("vault", "verify", "--json")
    assert json.loads(out)["ok"] is True
    stolen = b"".join(path.read_bytes() for path in sealed.site.vault.rglob("*") if path.is_file())
    assert b"fLaC" not in stolen
    assert len(stolen) > 1000


async def test_the_announcement_stands_at_the_head_where_the_law_wants_it(sealed, tmp_path):
    phone, _, call = await talking(sealed, WASHINGTON.format(1))
    await asyncio.sleep(1)
    await phone.hang_up()
    body = await sealed_entry(sealed, call)
    path = tmp_path / "head.wav"
    await sealed.site.command("vault", "export", call, "--output", str(path), "--purpose", "quality")
    whole, rate = soundfile.read(path, dtype="float32")
    consent = await sealed.site.until_entry("consent", call)
    head = sum(each["length_ms"] for each in consent["body"]["heard"] if each["prompt"] == "announcement")
    assert abs(len(whole) - body["offset"] - head * rate / 1000) < rate / 100
    assert audio.peak_level(whole[: 2 * rate, 1]) > -30
    assert audio.peak_level(whole[: 2 * rate, 0]) < -60


async def test_a_killed_controller_loses_nothing_of_what_was_consented(tmp_path):
    async with sealing_site() as house:
        phone, agent, call = await talking(house, ILLINOIS.format(3))
        await asyncio.sleep(2)
        await house.site.kill()
        await asyncio.sleep(2)
        await house.site.start()
        await asyncio.sleep(2)
        await phone.hang_up()
        await agent.ended()
        body = await sealed_entry(house, call)
        samples, rate = await exported(house, call, tmp_path)
        assert len(samples) == body["offset"]
        assert audio.seconds_of_tone(samples[:, 0], rate, AFTER_HZ) > 5.5
        assert audio.seconds_of_tone(samples[:, 1], rate, AGENT_HZ["sales-agent"]) > 5.5
        assert not list(house.site.spool.glob("*.sln"))
