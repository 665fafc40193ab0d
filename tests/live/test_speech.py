"""Callers who answer by voice, on real calls: what is understood, what is asked again, and what is kept."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import aiohttp
import numpy as np
import pytest
import pytest_asyncio

from callguard.asterisk.versions import Quirk, quirks_of
from callguard.config.dialplan import shipped_dialplan
from callguard.lab import Lab, audio
from callguard.lab.inspection import channel_of, get
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


async def agrees(house: House, phone: Phone, number: str) -> None:
    """By voice; and presses the key that stops it, once it is recorded."""
    await house.site.until(number, "listening", timeout=60)
    await phone.say(house.file(YES))
    agent = await house.lab.world.agent("sales-agent").next_call(60, number=number)
    call = house.site.call_of(number)
    await house.site.until_entry("capture.started", call)
    await phone.press("*")
    await house.site.until_entry("capture.stopped", call)
    await phone.hang_up()
    await agent.ended()
    await house.site.until_entry("call.ended", call)


async def refuses(house: House, phone: Phone, number: str) -> None:
    await house.site.until(number, "listening", timeout=60)
    await phone.say(house.file(NO))
    await house.lab.world.agent("open-agent").next_call(60, number=number)


async def strays(house: House, phone: Phone, number: str) -> None:
    """Says something else, twice, and nothing when a key is asked for."""
    for times in (1, 2):
        await house.site.until(number, "listening", asked=times, timeout=60)
        await phone.say(house.file(STRAY))
    await house.lab.world.agent("open-agent").next_call(60, number=number)


async def is_silent(house: House, phone: Phone, number: str) -> None:
    await house.lab.world.agent("open-agent").next_call(60, number=number)


async def talks_over(house: House, phone: Phone, number: str) -> None:
    await house.site.until(number, "asking", timeout=60)
    await phone.say(house.file(YES))
    await house.site.until(number, "listening", asked=2, timeout=60)
    await phone.say(house.file(YES))
    await house.lab.world.agent("sales-agent").next_call(60, number=number)


async def speaks_and_presses(house: House, phone: Phone, number: str) -> None:
    """A key for yes, in the middle of a spoken no."""
    await house.site.until(number, "listening", timeout=60)
    words = asyncio.create_task(phone.say(house.file(NO)))
    await said_something(house, number)
    await phone.press("1")
    await words
    await house.lab.world.agent("open-agent").next_call(60, number=number)


async def presses(house: House, phone: Phone, number: str) -> None:
    await house.site.until(number, "listening", timeout=60)
    await phone.press("1")
    await house.lab.world.agent("sales-agent").next_call(60, number=number)


async def is_cut_off(house: House, phone: Phone, number: str) -> None:
    """Whoever listened is gone: the caller must not wait for an answer that nobody hears."""
    await house.site.until(number, "listening", timeout=60)
    channel = await channel_of(house.lab.pbx, number)
    spies: list[str] = []
    async with asyncio.timeout(10):
        while not spies:
            await asyncio.sleep(0.05)
            spies = [
                each["id"]
                for each in await get(house.lab.pbx, "/channels")
                if each["name"].startswith(f"Snoop/{channel}-")
            ]
    [spy] = spies
    ari = house.lab.ari_settings
    async with aiohttp.ClientSession() as session:
        await session.delete(f"{ari.url}/channels/{spy}", headers=ari.headers)
    await house.site.until(number, "asking", timeout=2)
    await house.site.until(number, "listening", timeout=60)
    await phone.press("1")
    await house.lab.world.agent("sales-agent").next_call(60, number=number)


CALLS = (agrees, refuses, strays, is_silent, talks_over, speaks_and_presses, presses, is_cut_off)


@dataclass(frozen=True)
class Call:
    """What became of a call."""

    id: str
    consent: dict
    kinds: frozenset[str]

    @property
    def given(self) -> tuple[str, str, str]:
        return self.consent["outcome"], self.consent["answer"]["form"], self.consent["answer"]["value"]

    @property
    def heard(self) -> list[tuple[str, bool]]:
        return [(each["prompt"], each["completely"]) for each in self.consent["heard"]]

    @property
    def questions(self) -> list[str]:
        return [each["sha256"] for each in self.consent["heard"] if each["prompt"] == "question"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def calls(speaking: House) -> dict[str, Call]:
    """All of them at the same time, as on any PBX."""

    async def one(what) -> Call:
        async with calling(speaking) as (phone, number):
            await what(speaking, phone, number)
            call = speaking.site.call_of(number)
            consent = (await speaking.site.until_entry("consent", call))["body"]
        kinds = frozenset(entry["kind"] for entry in speaking.site.entries(call))
        return Call(id=call, consent=consent, kinds=kinds)

    done = await asyncio.gather(*(one(each) for each in CALLS))
    return {what.__name__: call for what, call in zip(CALLS, done, strict=True)}


async def test_a_spoken_yes_is_read_back_recorded_and_kept_as_evidence(speaking, calls):
    call = calls["agrees"]
    assert call.given == ("granted", "speech", "yes")
    assert 900 < call.consent["answer"]["confidence"] <= 1000
    assert call.heard == [("announcement", True), ("question", True)]
    [stopped] = [each for each in speaking.site.entries(call.id) if each["kind"] == "capture.stopped"][:1]
    assert stopped["body"]["reason"] == "withdrawn"
    assert not call.kinds & {"violation", "fault"}
    caller, other, rate = await speaking.site.recording(call.id, head=True)
    said, _ = audio.read_sln(speaking.file(YES))
    assert likeness(caller[: 4 * rate], said) > 0.99, moved(caller[: 4 * rate], said, rate)
    assert audio.peak_level(other[: len(said)]) < -90
    # The head is no part of what is played otherwise.
    plain, _, _ = await speaking.site.recording(call.id)
    assert len(caller) - len(plain) == pytest.approx(len(said), abs=0.8 * rate)


async def test_a_no_a_stray_sentence_and_silence_record_nothing(speaking, calls):
    assert calls["refuses"].given == ("refused", "speech", "no")
    assert calls["is_silent"].given[:2] == ("no-input", "silence")
    stray = calls["strays"]
    assert stray.given[0] == "low-confidence-speech"
    assert [name for name, _ in stray.heard] == [
        "announcement", "question", "invalid", "question", "invalid", "question",
    ]  # fmt: skip
    # The last one does not offer to speak.
    assert stray.questions[0] == stray.questions[1] != stray.questions[2]
    assert not speaking.site.kept() & {calls[each].id for each in ("refuses", "is_silent", "strays")}


async def test_a_yes_said_into_the_question_is_asked_for_again(calls):
    """The question itself says what would be a yes, so that one may be its echo."""
    assert calls["talks_over"].given == ("granted", "speech", "yes")
    assert len(calls["talks_over"].questions) == 2


async def test_a_spoken_no_beats_a_key_that_was_pressed_meanwhile_and_a_key_alone_counts_at_once(calls):
    assert calls["speaks_and_presses"].given == ("refused", "speech", "no")
    assert calls["presses"].given == ("granted", "key", "1")
    assert [name for name, _ in calls["presses"].heard] == ["announcement", "question"]


async def test_a_caller_who_is_heard_no_more_is_asked_for_a_key(speaking, calls):
    assert calls["is_cut_off"].given == ("granted", "key", "1")
    assert len(set(calls["is_cut_off"].questions)) == 2
    await nothing_left(speaking)


def likeness(heard: audio.Samples, said: audio.Samples) -> float:
    """How much of what was said stands somewhere in what was heard: 1 is all of it, to the sample."""
    place = int(np.correlate(heard, said, "valid").argmax())
    return float(np.corrcoef(heard[place : place + len(said)], said)[0, 1])


def moved(heard: audio.Samples, said: audio.Samples, rate: int) -> str:
    """Where each tenth of a second of what was said stands in what was heard."""
    size, lines = rate // 10, []
    for first in range(0, len(said) - size + 1, size):
        stretches = np.lib.stride_tricks.sliding_window_view(heard, size)
        piece = said[first : first + size]
        alike = (
            stretches @ piece / np.maximum(np.linalg.norm(stretches, axis=1) * np.linalg.norm(piece), 1e-9)
        )
        lines.append(f"{first} samples on: {int(alike.argmax()) - first:+} ({alike.max():.3f})")
    return "; ".join(lines)


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
    # The trace saw it on its way: from Asterisk to callguard (not over RTP, where its bytes stand in network
    # order), and on to a process that recognises it.
    over_rtp = Quirk.NO_MEDIA_WEBSOCKET in quirks_of(speaking.lab.pbx.build.version)
    ways = {"UNIX-STREAM"} if over_rtp else {"TCP", "UNIX-STREAM"}
    assert {one.path.partition(":")[0] for _, one in found if not one.is_file} >= ways
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
