"""Callers who answer by voice, on real calls: what is understood, what is asked again, and what is kept."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from callguard.config.dialplan import shipped_dialplan
from callguard.lab import Lab, audio
from callguard.lab.inspection import get
from callguard.lab.phone import Phone
from callguard.lab.site import Site
from tests.speech import voices
from tests.tracing import Speech, traced

#: Numbers in Texas, one for each call.
CALLERS = (f"+1512666{number:04d}" for number in count(100))
VOICE = next(each for each in voices.VOICES if (each.program, each.name) == ("flite", "rms"))
YES, NO, STRAY = "yes, i agree", "i do not want to be recorded", "what is the weather like over there"

SETTINGS = {
    # One party's knowledge is enough in Texas, so the queue's own form decides. Short texts make short calls.
    "site": {"name": "Us", "country": "US", "jurisdiction": "US-TX"},
    "queues": {"sales": {"purposes": ["tests"], "minimum_form": "explicit"}},
    "dialogue": {"thank": "no", "say_unrecorded": "no", "answer_seconds": "2.5"},
    "prompts": {
        "texts": {
            "en": {
                "announcement": "We record {purposes} {controller}",
                "question": "Press {yes_key}, or {no_key}.",
                "question-spoken": "Say yes, I agree. Or press {yes_key}, or {no_key}.",
                "thanks-spoken": "You said yes.",
                "thanks-withdraw": "Press {withdraw_key} to stop.",
            }
        },
        "purposes": {"tests": {"en": "tests"}},
    },
    "speech": {"enabled": "yes", "require_check": "no", "workers": "2", "patience_seconds": "10"},
    "vault": {"look_back_seconds": "3", "block_seconds": "1"},
    "pause": {"drop_last_seconds": "2"},
}


@dataclass(frozen=True)
class House:
    """A laboratory with a callguard that listens, and the words of callers."""

    lab: Lab
    site: Site
    words: Path

    def file(self, words: str) -> Path:
        return self.words / f"{words.replace(' ', '-')}.sln"


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("words")
    said = [voices.Utterance(voice=VOICE, words=each) for each in (YES, NO, STRAY)]
    voices.speak(said)
    for each in said:
        samples = voices.resampled(voices.heard(each), voices.WIDE, audio.RATE)
        audio.write_sln(
            directory / f"{each.words.replace(' ', '-')}.sln", samples * (0.4 / np.abs(samples).max())
        )
    return directory


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def speaking(words: Path) -> AsyncIterator[House]:
    async with Lab(shipped_dialplan()) as lab:
        site = Site(lab, settings=SETTINGS)
        await lab.pbx.load_dialplan(dialplan=site.dialplan())
        async with site:
            await listens(site)
            yield House(lab, site, words)


async def listens(site: Site) -> None:
    async with asyncio.timeout(60):
        while "callers may answer by voice" not in site.log.read_text():
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def calling(house: House) -> AsyncIterator[tuple[Phone, str]]:
    number = next(CALLERS)
    phone = await house.lab.world.call("100", caller_id=number)
    try:
        await phone.answered()
        yield phone, number
    finally:
        if phone.is_up:
            await phone.hang_up()


async def decided(house: House, number: str) -> dict:
    return (await house.site.until_entry("consent", house.site.call_of(number), 60))["body"]


def given(entry: dict) -> tuple[str, str, str]:
    return entry["outcome"], entry["answer"]["form"], entry["answer"]["value"]


def asked(entry: dict) -> list[tuple[str, bool]]:
    return [(each["prompt"], each["completely"]) for each in entry["heard"]]


async def nothing_left(house: House) -> None:
    """No channel and no bridge of a tap is left on the PBX."""
    async with asyncio.timeout(10):
        while True:
            left = [
                each["id"] for what in ("/channels", "/bridges") for each in await get(house.lab.pbx, what)
            ]
            if not [each for each in left if each.startswith("callguard-tap-")]:
                return
            await asyncio.sleep(0.05)


async def test_a_spoken_yes_is_read_back_recorded_and_kept_as_evidence(speaking):
    async with calling(speaking) as (phone, number):
        await speaking.site.until(number, "listening", timeout=60)
        await phone.say(speaking.file(YES))
        entry = await decided(speaking, number)
        assert given(entry) == ("granted", "speech", "yes")
        assert 0.9 < entry["answer"]["confidence"] / 1000 <= 1
        assert asked(entry) == [("announcement", True), ("question", True)]
        await nothing_left(speaking)
        agent = await speaking.lab.world.agent("sales-agent").next_call(30, number=number)
        call = speaking.site.call_of(number)
        await speaking.site.until_entry("capture.started", call)
        # Read back, with a key that stops it.
        await phone.press("*")
        stopped = await speaking.site.until_entry("capture.stopped", call)
        assert stopped["body"]["reason"] == "withdrawn"
        await phone.hang_up()
        await agent.ended()
    await speaking.site.until_entry("call.ended", call)
    caller, other, rate = await speaking.site.recording(call, head=True)
    said, _ = audio.read_sln(speaking.file(YES))
    assert likeness(caller[: 4 * rate], said) > 0.99
    assert audio.peak_level(other[: len(said)]) < -90
    # The head is no part of what is played otherwise.
    plain, _, _ = await speaking.site.recording(call)
    assert len(caller) - len(plain) == pytest.approx(len(said), abs=0.8 * rate)
    kinds = {entry["kind"] for entry in speaking.site.entries(call)}
    assert not kinds & {"violation", "fault"}, kinds


def likeness(heard: audio.Samples, said: audio.Samples) -> float:
    """How much of what was said stands somewhere in what was heard: 1 is all of it, to the sample."""
    place = int(np.correlate(heard, said, "valid").argmax())
    return float(np.corrcoef(heard[place : place + len(said)], said)[0, 1])


async def test_a_no_a_stray_sentence_and_silence(speaking):
    async def refuses():
        async with calling(speaking) as (phone, number):
            await speaking.site.until(number, "listening", timeout=60)
            await phone.say(speaking.file(NO))
            entry = await decided(speaking, number)
            assert given(entry) == ("refused", "speech", "no")
            await speaking.lab.world.agent("open-agent").next_call(30, number=number)
            return speaking.site.call_of(number)

    async def strays():
        """Asked again, and again, and then for a key: which is the plan's default when none comes."""
        async with calling(speaking) as (phone, number):
            for times in (1, 2):
                await speaking.site.until(number, "listening", asked=times, timeout=60)
                await phone.say(speaking.file(STRAY))
            entry = await decided(speaking, number)
            assert entry["outcome"] == "low-confidence-speech"
            prompts = [name for name, _ in asked(entry)]
            assert prompts == ["announcement", "question", "invalid", "question", "invalid", "question"]
            # The last one does not offer to speak.
            hashes = [each["sha256"] for each in entry["heard"] if each["prompt"] == "question"]
            assert hashes[0] == hashes[1] != hashes[2]
            return speaking.site.call_of(number)

    async def is_silent():
        async with calling(speaking) as (_, number):
            await speaking.site.until(number, "listening", timeout=60)
            entry = await decided(speaking, number)
            assert given(entry)[:2] == ("no-input", "silence")
            return speaking.site.call_of(number)

    calls = await asyncio.gather(refuses(), strays(), is_silent())
    assert not speaking.site.kept() & set(calls)
    await nothing_left(speaking)


async def test_who_talks_over_the_question_is_asked_again_and_a_key_is_as_quick_as_ever(speaking):
    async def talks_over():
        """The question itself says what would be a yes, so that one said into it may be its echo."""
        async with calling(speaking) as (phone, number):
            await speaking.site.until(number, "asking", timeout=60)
            await phone.say(speaking.file(YES))
            await speaking.site.until(number, "listening", asked=2, timeout=60)
            await phone.say(speaking.file(YES))
            entry = await decided(speaking, number)
            assert given(entry) == ("granted", "speech", "yes")
            assert [name for name, _ in asked(entry)].count("question") == 2

    async def speaks_and_presses():
        """A key for yes, in the middle of a spoken no."""
        async with calling(speaking) as (phone, number):
            await speaking.site.until(number, "listening", timeout=60)
            words = asyncio.create_task(phone.say(speaking.file(NO)))
            await said_something(speaking, number)
            await phone.press("1")
            await words
            assert given(await decided(speaking, number)) == ("refused", "speech", "no")

    async def presses():
        async with calling(speaking) as (phone, number):
            await speaking.site.until(number, "listening", timeout=60)
            await phone.press("1")
            entry = await decided(speaking, number)
            assert given(entry) == ("granted", "key", "1")
            # Nobody told this caller of a key that stops it, and nothing is read back.
            assert [name for name, _ in asked(entry)] == ["announcement", "question"]

    await asyncio.gather(talks_over(), speaks_and_presses(), presses())
    await nothing_left(speaking)


async def said_something(house: House, number: str) -> None:
    async with asyncio.timeout(10):
        while not [c for c in await house.site.calls() if c["caller"] == number and c["speaking"]]:
            await asyncio.sleep(0.02)


async def test_nothing_that_was_said_touches_a_file_before_consent(speaking):
    """Neither of a caller who says it and refuses, nor of one who agrees until the ledger has the consent."""
    site = speaking.site
    workers = children(site.pid)
    assert len(workers) == 2
    async with traced(speaking.lab.pbx.pid, site.pid, *workers) as traces:
        async with calling(speaking) as (phone, number):
            await site.until(number, "asking", timeout=60)
            await phone.say(speaking.file(YES))
            await site.until(number, "listening", asked=2, timeout=60)
            await phone.press("2")
            assert (await decided(speaking, number))["outcome"] == "refused"
            refused = site.call_of(number)
        async with calling(speaking) as (phone, number):
            await site.until(number, "listening", timeout=60)
            await phone.say(speaking.file(YES))
            assert given(await decided(speaking, number)) == ("granted", "speech", "yes")
            agent = await speaking.lab.world.agent("sales-agent").next_call(30, number=number)
            agreed = site.call_of(number)
            await site.until_entry("capture.started", agreed)
            await phone.hang_up()
            await agent.ended()
        await site.until_entry("call.ended", agreed)
        caller, _, rate = await site.recording(agreed, head=True)
    [trace] = traces
    said, _ = audio.read_sln(speaking.file(YES))
    place = int(np.correlate(caller[: 4 * rate], said, "valid").argmax())
    speech = Speech.said(caller[place : place + len(said)])
    found = [(place, one) for place, one in enumerate(trace.writes) if speech.found_in(one.data)]
    # The trace saw it on its way: from Asterisk to callguard, and on to a process that recognises it.
    assert {one.path.partition(":")[0] for _, one in found if not one.is_file} >= {"TCP", "UNIX-STREAM"}
    # Both callers' words were listened to, and stand in files only after the second one's consent: in memory.
    consent = next(
        place
        for place, one in enumerate(trace.writes)
        if one.path.startswith(f"{site.directory}/ledger.db")
        and agreed.encode() in one.data
        and b"granted" in one.data
    )
    files = [(place, one.path) for place, one in found if one.is_file]
    assert files and all(place > consent and path.startswith(f"{site.spool}/") for place, path in files), (
        files
    )
    assert next(place for place, one in found if not one.is_file) < consent
    assert trace.blind == ()
    assert refused not in site.kept()


def children(pid: int) -> list[int]:
    return [
        int(each)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for each in (task / "children").read_text().split()
    ]
