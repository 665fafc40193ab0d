"""Recordings sealed while the call goes on: whole, with their head, through a crash; or kept in the clear."""

import asyncio
import json

import pytest_asyncio
import soundfile

from callguard.lab import audio
from callguard.lab.counting import AGENT, CALLER
from tests.sealed import SETTINGS, STRETCH, missing, sealing_house, stretch, talking, typed

#: Washington takes an announcement only if it is itself recorded (RCW 9.73.030(3)).
WASHINGTON = "+12065550{:03d}"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sealed():
    async with sealing_house() as house:
        yield house


def counted(recording):
    """How many frames of each party are in it, in order; none of them on the other's channel."""
    caller, agent, _ = recording
    assert not len(AGENT.read(caller).numbers) and not len(CALLER.read(agent).numbers)
    numbers = [CALLER.read(caller).numbers, AGENT.read(agent).numbers]
    assert all((each[1:] > each[:-1]).all() for each in numbers)
    return [len(each) for each in numbers]


async def sealed_entry(house, call):
    async with asyncio.timeout(20):
        while True:
            for entry in house.site.entries(call):
                if entry["kind"] == "capture.stopped" and entry["body"].get("sha256"):
                    return entry["body"]
            await asyncio.sleep(0.1)


async def test_a_recording_is_whole_in_the_vault_and_gone_from_the_spool(sealed, tmp_path):
    site = sealed.site
    async with talking(sealed) as plain, talking(sealed, caller=WASHINGTON.format(1)) as headed:
        await asyncio.sleep(4)
        await plain.over()
        await headed.over()
    body = await sealed_entry(sealed, plain.call)
    caller, agent, rate = await site.recording(plain.call)
    assert len(caller) == body["offset"]
    # Four seconds and a little more: 50 frames each, the first and the last of them cut.
    assert min(counted((caller, agent, rate))) > 190
    assert not list(site.spool.glob("*.sln"))
    result = await typed(site.config, "vault", "verify", "--json")
    assert json.loads(result.stdout)["ok"] is True

    # The announcement stands at the head where the law wants it, exactly as it was played.
    path = tmp_path / "head.wav"
    result = await typed(site.config, "vault", "export", headed.call, "-o", str(path), "--purpose", "quality")
    assert result.exit_code == 0
    whole, rate = soundfile.read(path, dtype="float32")
    consent = await site.until_entry("consent", headed.call)
    head = sum(each["length_ms"] for each in consent["body"]["heard"] if each["prompt"] == "announcement")
    sealed_samples = (await sealed_entry(sealed, headed.call))["offset"]
    assert abs(len(whole) - sealed_samples - head * rate / 1000) < rate / 100
    assert audio.peak_level(whole[: 2 * rate, 1]) > -30
    assert audio.peak_level(whole[: 2 * rate, 0]) < -60


async def test_a_killed_controller_loses_nothing_of_what_was_consented(sealed):
    site = sealed.site
    async with talking(sealed) as talk:
        await asyncio.sleep(3)
        await site.kill()
        await asyncio.sleep(2)
        await site.start()
        await asyncio.sleep(2)
        await talk.over()
    body = await sealed_entry(sealed, talk.call)
    caller, agent, rate = await site.recording(talk.call)
    assert len(caller) == body["offset"]
    assert min(counted((caller, agent, rate))) > 330
    # What the other party heard is there.
    for family, recorded, listener in ((CALLER, caller, talk.agent), (AGENT, agent, talk.caller)):
        heard, _ = await listener.heard()
        assert stretch(missing(family, recorded, heard)) <= STRETCH
    assert not list(site.spool.glob("*.sln"))


async def test_a_site_may_keep_its_recordings_in_memory_in_the_clear():
    """What was announced stands beside the recording, and a withdrawal removes both."""
    async with sealing_house({**SETTINGS, "vault": {"enabled": "no"}}) as house:
        site = house.site
        async with talking(house, caller=WASHINGTON.format(2)) as kept, talking(house) as gone:
            await asyncio.sleep(3)
            await site.command("withdraw", "--call", gone.call, "--shred")
            await gone.over()
            await kept.over()
        assert not site.vault.exists()
        assert sorted(path.name.removeprefix(kept.call) for path in site.spool.iterdir()) == [
            "-head.wav",
            "-in.sln",
            "-out.sln",
        ]
        sides = [audio.read_sln(site.spool / f"{kept.call}-{side}.sln")[0] for side in ("in", "out")]
        assert min(counted((*sides, audio.RATE))) > 100
        head, rate = soundfile.read(site.spool / f"{kept.call}-head.wav", dtype="float32")
        consent = await site.until_entry("consent", kept.call)
        said = sum(each["length_ms"] for each in consent["body"]["heard"] if each["prompt"] == "announcement")
        assert abs(len(head) / rate - said / 1000) < 0.01
        assert audio.peak_level(head[:, 1]) > -30 and audio.peak_level(head[:, 0]) < -60
        _, told = await site.command("doctor", "--json", check=False)
        [finding] = [one for one in json.loads(told)["findings"] if one["check"] == "vault"]
        assert finding["level"] == "warning" and "in the clear" in finding["what"]
