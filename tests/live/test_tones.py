"""Whispers and warning tones on real calls: in the ears they are meant for, and nowhere else."""

import asyncio
import time
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
import pytest_asyncio
import soundfile

from callguard.asterisk import Ari, AriSettings
from callguard.asterisk.verbs import Ears
from callguard.controller.aside import PREFIX, Asides
from callguard.controller.cadence import Cadence
from callguard.controller.tones import Sounds, tone_wav
from callguard.lab import Lab, audio
from callguard.lab.inspection import channel_of, get, leg_of
from callguard.vault import Mark, RecordingKey, export
from callguard.vault.tone import FS1037C, Tone, amiss, find
from fakes.sealing import NAME, a_vault

#: A recorder like the product's, without the product: nothing here is to depend on the dialogue.
RECORDER = """
[callguard]
exten => consent,1,Set(CALLGUARD_QUEUE=sales)
 same => n,MixMonitor(,r({spool}/${{CALLERID(num)}}-in.sln)t({spool}/${{CALLERID(num)}}-out.sln))
 same => n,Return()
"""
CALLERS = (f"1415555{number:04d}" for number in count(7000))

#: Every 3 s, so that a test need not last a minute.
TONE = replace(FS1037C, interval=3.0)
#: What is said to one party.
WORD = Tone(name="word", hz=900, seconds=1.0, interval=0)


class House:
    """A laboratory, a line to its PBX, and what may be whispered there."""

    def __init__(self, lab, spool):
        self.lab, self.spool = lab, spool
        self.ari = None
        self.asides = Asides(lambda: self.ari)
        self.word = self.sound("word", WORD)
        self.tone = self.sound("tone", TONE)

    def sound(self, name, tone):
        path = self.lab.pbx.directory / f"{name}.wav"
        path.write_bytes(tone_wav(tone, audio.RATE))
        return f"sound:{path.with_suffix('')}"

    async def connect(self):
        ari = self.lab.ari_settings
        settings = AriSettings(app="callguard", username=ari.username, password=ari.password, url=ari.url)
        self.ari = await Ari.open(settings, self.asides.take)

    def sounds(self, ears):
        return Sounds(tone=TONE, media=self.tone, ears=ears)

    async def call(self):
        """A recorded call on which nobody says anything, and the channels of both."""
        caller = next(CALLERS)
        phone = await self.lab.world.call("100", caller_id=caller)
        await phone.answered()
        agent = await self.lab.world.agent("sales-agent").next_call(20, number=caller)
        await agent.hush()
        await phone.hush()
        theirs = await channel_of(self.lab.pbx, caller)
        agents = (await leg_of(self.lab.pbx, caller, "PJSIP/sales-agent"))["id"]
        return Call(self, caller, phone, agent, theirs, agents)

    async def whispers(self):
        return [each["id"] for each in await get(self.lab.pbx, "/channels") if each["id"].startswith(PREFIX)]

    async def no_whisper_stays(self):
        async with asyncio.timeout(1):
            while await self.whispers():
                await asyncio.sleep(0.01)


class Call:
    def __init__(self, house, number, phone, agent, channel, agents_channel):
        self.house, self.number, self.phone, self.agent = house, number, phone, agent
        self.channel, self.agents_channel = channel, agents_channel

    async def end(self, hz):
        """Hang up; where this frequency was: at the caller's ear, at the agent's, and in the recording."""
        await self.phone.hang_up()
        await self.agent.ended()
        ears = [find(samples16(*await each.heard()), hz) for each in (self.phone, self.agent)]
        return ears[0], ears[1], [find(each, hz) for each in self.recording()]

    def recording(self):
        paths = [self.house.spool / f"{self.number}-{way}.sln" for way in ("in", "out")]
        sides = [samples16(*audio.read_sln(path)) for path in paths]
        assert max(map(len, sides)) > audio.RATE / 2
        return sides


def samples16(samples, rate):
    assert rate == audio.RATE
    return (samples * 32767).astype(np.int16)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def quiet(tmp_path_factory):
    spool = tmp_path_factory.mktemp("spool")
    async with Lab(RECORDER.format(spool=spool)) as lab:
        house = House(lab, spool)
        await house.connect()
        yield house
        await house.ari.close()


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def silence_between(quiet):
    yield
    await quiet.lab.world.settle()


@pytest.mark.parametrize("who", ["agent", "caller"])
async def test_a_whisper_is_heard_by_one_party_and_is_in_no_recording(quiet, who):
    call = await quiet.call()
    channel = call.agents_channel if who == "agent" else call.channel
    told = await quiet.asides.whisper(channel, [quiet.word], WORD.seconds)
    assert (told.completely, told.party, told.others) == (True, True, None)
    await quiet.no_whisper_stays()
    caller, agent, recorded = await call.end(WORD.hz)
    heard, other = (agent, caller) if who == "agent" else (caller, agent)
    assert amiss(heard, WORD) == []
    assert len(heard) == 1
    assert other == []
    assert recorded == [[], []]


async def test_while_the_other_side_sends_nothing_a_whisper_is_not_taken_for_heard(quiet):
    call = await quiet.call()
    await call.agent._line.ask("DELETE", f"/channels/{call.agent.channel}/silence")
    told = await quiet.asides.whisper(call.channel, [quiet.word], WORD.seconds)
    assert (told.ended, told.party, told.completely) == ("done", False, False)
    caller, _, _ = await call.end(WORD.hz)
    assert caller == []


async def test_an_important_whisper_cuts_the_one_before(quiet):
    call = await quiet.call()
    first = asyncio.create_task(quiet.asides.whisper(call.agents_channel, [quiet.word] * 3, 3.0))
    await asyncio.sleep(0.5)
    other = replace(WORD, hz=1200)
    second = await quiet.asides.whisper(call.agents_channel, [quiet.sound("other", other)], 1.0, cut=True)
    assert second.completely
    told = await first
    assert (told.ended, told.completely) == ("cut", False)
    _, agent, _ = await call.end(other.hz)
    assert amiss(agent, other) == []
    words = find(samples16(*await call.agent.heard()), WORD.hz)
    assert sum(each.seconds for each in words) < 0.7


async def test_what_a_dead_controller_left_is_removed_by_the_next(quiet):
    call = await quiet.call()
    whisper = asyncio.create_task(quiet.asides.whisper(call.agents_channel, [quiet.word] * 5, 5.0))
    async with asyncio.timeout(5):
        while not await quiet.whispers():
            await asyncio.sleep(0.02)
    # Nothing is removed any more by whoever made it: the line is gone, as with the process.
    await quiet.ari.close()
    quiet.asides.lost()
    left = await quiet.whispers()
    assert len(left) == 1
    assert not (await whisper).completely
    quiet.asides = Asides(lambda: quiet.ari)
    await quiet.connect()
    assert await quiet.asides.sweep(await quiet.ari.channels()) == 1
    await quiet.no_whisper_stays()
    assert call.phone.is_up


async def test_the_tone_is_on_time_at_both_ears_and_never_in_a_pause(quiet, tmp_path):
    call = await quiet.call()
    told, missed = [], []
    cadence = Cadence(
        quiet.asides, call.channel, quiet.sounds(Ears.BOTH), told=told.append, missed=missed.append
    )
    began = time.monotonic()
    cadence.sound()
    await asyncio.sleep(7.0)  # three tones
    cadence.hold()
    paused = time.monotonic()
    await asyncio.sleep(4.0)  # longer than from one tone to the next
    resumed = time.monotonic()
    cadence.sound()
    await asyncio.sleep(4.0)  # two more
    cadence.hold()
    caller, agent, recorded = await call.end(TONE.hz)
    assert missed == []
    assert [each.heard for each in told] == ["both"] * 5
    for ear in (caller, agent):
        assert len(ear) == 5
        # The ear's clock by the first tone; what sounded in the pause would be amiss.
        zero = ear[0].start - told[0].at
        assert amiss(ear, TONE, silent=[(paused + zero, resumed + zero)]) == []
        assert max(abs(each.start - one.at - zero) for each, one in zip(ear, told, strict=True)) < 0.05
    assert recorded == [[], []]
    # The recording holds no tone; its index does, and an export that has them sounds as the caller heard it.
    exported = exported_with_tones(call.recording(), index_of(told, began), tmp_path)
    for channel in range(2):
        laid = find(exported[:, channel], TONE.hz)
        assert amiss(laid, TONE, silent=[(paused - began, resumed - began)]) == []
        pairs = zip(laid, caller, strict=True)
        assert max(abs((a.start - laid[0].start) - (b.start - caller[0].start)) for a, b in pairs) < 0.05


def index_of(told, began):
    """The marks of a recording that began then."""
    spans = [(round((each.at - began) * audio.RATE), round(each.seconds * audio.RATE)) for each in told]
    return [
        Mark(serial=number, kind="tone", start=start, end=start + length, detail=each.detail)
        for number, (each, (start, length)) in enumerate(zip(told, spans, strict=True), 1)
    ]


def exported_with_tones(sides, marks, tmp_path):
    vault = a_vault(tmp_path)
    writing = vault.begin(NAME, {}, b"", [], RecordingKey.generate().raw)
    length = min(map(len, sides))
    writing.seal(np.stack([side[:length] for side in sides], axis=1).astype("<i2").tobytes())
    writing.finish(marks)
    done = export([vault.open(NAME)], tmp_path / "with-tones.flac", form="flac", tone=TONE)
    samples, _ = soundfile.read(done.path, dtype="int16")
    return samples


@pytest.mark.parametrize("who", [Ears.PARTY, Ears.OTHERS])
async def test_the_tone_reaches_only_those_whom_the_profile_names_and_a_pause_cuts_it(quiet, who):
    call = await quiet.call()
    told = []
    cadence = Cadence(quiet.asides, call.channel, quiet.sounds(who), told=told.append, missed=print)
    cadence.sound()
    await asyncio.sleep(0.5)  # 0.2 s until it sounds, and a part of it
    cadence.hold()
    await asyncio.sleep(0.5)
    await quiet.no_whisper_stays()
    caller, agent, recorded = await call.end(TONE.hz)
    heard, other = (caller, agent) if who is Ears.PARTY else (agent, caller)
    assert (other, recorded) == ([], [[], []])
    assert len(heard) == len(told) == 1
    assert abs(heard[0].seconds - told[0].seconds) < 0.05
    assert told[0].seconds < TONE.seconds
    assert told[0].heard == ("caller" if who is Ears.PARTY else "agent")
