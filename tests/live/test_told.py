"""What agents are shown and told, and what both hear of a recording, on a call of the product itself."""

import asyncio
import json
from itertools import pairwise

import numpy as np
import pytest_asyncio
import soundfile

from callguard.config.dialplan import shipped_dialplan
from callguard.lab import Lab, audio
from callguard.lab.site import Site
from callguard.vault.tone import find
from fakes.desk_phone import desk_phone

AGENT = "sales-agent"
CALLER = "+15125557999"
#: Every 3 s, so that a test need not last a minute.
TONE = {
    "when": "always",
    "profile": "custom",
    "frequency_hz": 1400,
    "length_seconds": 0.5,
    "interval_seconds": 3,
}
SETTINGS = {
    "site": {"jurisdiction": "US-TX"},
    "queues": {"sales": {"purposes": ["quality"], "minimum_form": "notice"}},
    "tone": {key: str(value) for key, value in TONE.items()} | {"lay_into_export": "yes"},
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def toned():
    async with Lab(shipped_dialplan()) as lab:
        site = Site(lab, settings=SETTINGS)
        await lab.pbx.load_dialplan(dialplan=site.dialplan())
        async with site:
            yield lab, site


def tones(samples, rate=audio.RATE):
    """Where the warning tone is; speech passes through its frequency for less long."""
    assert rate == audio.RATE
    return find((samples * 32767).astype(np.int16), TONE["frequency_hz"], least=0.3)


async def test_lamp_tone_and_word_follow_the_recorder(toned, tmp_path):
    lab, site = toned
    async with desk_phone(AGENT, f"callguard-{AGENT}", lab.pbx.ports.sip) as desk:
        lab.world.agent(AGENT).says = None  # nobody says anything
        phone = await lab.world.call("100", caller_id=CALLER)
        await phone.answered()
        agent = await lab.world.agent(AGENT).next_call(40, number=CALLER)
        call = site.call_of(CALLER)
        await desk.shows("confirmed")
        await asyncio.sleep(4.0)  # two tones
        await agent.press("*4")
        await desk.shows("early")
        await asyncio.sleep(4.0)  # longer than from one tone to the next
        await agent.press("*6")
        await desk.shows("confirmed")
        await asyncio.sleep(1.0)  # one more
        await phone.hang_up()
        await agent.ended()
        await desk.shows("terminated")
    consent = await site.until_entry("consent", call)
    announced = [each for each in consent["body"]["heard"] if each["prompt"] == "announcement"]
    assert len(announced) == 1
    built = json.loads((site.prompts / "manifest.json").read_text())["prompts"]
    (words,) = [each["text"] for each in built if each["audio"]["sha256"] == announced[0]["sha256"]]
    assert "a short tone from time to time" in words
    caller, agents = tones(*await phone.heard()), tones(*await agent.heard())
    assert len(caller) == len(agents) == 3
    for ear in (caller, agents):
        before, paused = (later.start - earlier.start for earlier, later in pairwise(ear))
        assert abs(before - TONE["interval_seconds"]) < 0.1
        assert paused > 4.5
    # The agent, and nobody else, was told of the pause: the word lies between the second tone and the last.
    await told_in_between(agent, agents, heard=True)
    await told_in_between(phone, caller, heard=False)
    await as_exported(site, call, caller, tmp_path)


async def told_in_between(who, ear, *, heard):
    samples, rate = await who.heard()
    first, last = (round(moment * rate) for moment in (ear[1].start + 0.7, ear[2].start - 0.1))
    assert (audio.peak_level(samples[first:last]) > -30) is heard


async def as_exported(site, call, ear, tmp_path):
    """The sealed recording has no tone; its index does; an export has them where they were heard."""
    *sides, rate = await site.recording(call)
    assert [tones(side, rate) for side in sides] == [[], []]
    path = tmp_path / "with-tones.wav"
    words = ("vault", "export", call, "-o", str(path), "--no-head", "--purpose", "quality")
    await site.command(*words)
    samples, rate = soundfile.read(path, dtype="float32")
    for channel in range(2):
        laid = tones(samples[:, channel], rate)
        assert len(laid) == len(ear)
        zero = ear[0].start - laid[0].start
        assert max(abs(a.start - b.start - zero) for a, b in zip(ear, laid, strict=True)) < 0.1
