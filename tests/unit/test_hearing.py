"""One caller is listened to: what the core is told, when it was said, and what is left of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from callguard.asterisk.errors import AriLost
from callguard.asterisk.tap import NARROW, Frame, Tap
from callguard.consent import events as ev
from callguard.consent.words import Meaning
from callguard.controller.hearing import Listener, _Clock
from callguard.speech import Ears, Limits, Verdict
from callguard.speech import Meaning as Heard
from tests.speech.line import telephone
from tests.speech.voices import Utterance, Voice, heard, speak

VOICE = Voice(program="espeak-ng", name="en-gb", held_out=True)
FRAME = 320


@dataclass
class Engine:
    """Takes everything for the same."""

    meaning: Heard
    name: str = "engine"

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    def serves(self, language: str) -> bool:
        return language == "en"

    def open(self, language: str, rate: int) -> Engine:
        return self

    def feed(self, pcm: bytes | memoryview) -> None: ...

    async def verdict(self, speech: memoryview) -> Verdict:
        return Verdict(meaning=self.meaning, confidence=0.97)


@dataclass
class Line:
    """A tap that somebody holds the other end of; or none."""

    tap: Tap | None = field(default_factory=lambda: Tap("callguard-tap-x", NARROW))
    open_now: int = 0

    @contextlib.asynccontextmanager
    async def open(self, channel: str) -> AsyncIterator[Tap]:
        if self.tap is None:
            raise AriLost("there is no such channel")
        self.open_now += 1
        try:
            yield self.tap
        finally:
            self.open_now -= 1

    def say(self, pcm: bytes) -> None:
        for at in range(0, len(pcm), FRAME):
            self.tap.hear(pcm[at : at + FRAME])


def words() -> bytes:
    said = Utterance(voice=VOICE, words="yes, I agree")
    speak([said])
    return telephone(heard(said), np.random.default_rng(5))


@contextlib.asynccontextmanager
async def listening(line: Line, meaning: Heard) -> AsyncIterator[tuple[Listener, asyncio.Queue[ev.Event]]]:
    told: asyncio.Queue[ev.Event] = asyncio.Queue()
    ears = Ears([Engine(meaning)], limits=Limits(), callers=1)
    await ears.start()
    listener = Listener(ears, line, "caller", "en", told.put_nowait)
    try:
        yield listener, told
    finally:
        listener.stop(keep=False)
        await asyncio.wait([listener._task], timeout=2)
        await ears.close()
        assert line.open_now == 0


async def next_of(told: asyncio.Queue[ev.Event]) -> ev.Event:
    async with asyncio.timeout(10):
        return await told.get()


async def test_a_yes_is_told_and_kept_only_when_it_counts() -> None:
    for keep in (True, False):
        line = Line()
        async with listening(line, Heard.YES) as (listener, told):
            line.say(words())
            assert isinstance(await next_of(told), ev.SpeechBegan)
            event = await next_of(told)
            assert isinstance(event, ev.SpeechHeard)
            assert (event.meaning, event.confidence) == (Meaning.YES, 0.97)
            evidence = listener._yes
            kept = listener.stop(keep=keep)
            assert (kept is evidence) is keep
            assert bool(evidence.pcm) is keep
            if keep:
                assert 0.8 < len(evidence.pcm) / 2 / NARROW < 2.5
                kept.wipe()
            assert not evidence.pcm


@pytest.mark.parametrize("meaning", [Heard.NO, Heard.UNCLEAR, Heard.OTHER])
async def test_of_anything_else_nothing_is_kept(meaning: Heard) -> None:
    line = Line()
    async with listening(line, meaning) as (listener, told):
        line.say(words())
        assert isinstance(await next_of(told), ev.SpeechBegan)
        assert (await next_of(told)).meaning.value == meaning.value
        assert listener._yes is None
        assert listener.stop(keep=True) is None


async def test_a_telephone_that_sends_nothing_while_nobody_speaks_ends_the_answer() -> None:
    line = Line()
    pcm = words()
    async with listening(line, Heard.NO) as (_, told):
        line.say(pcm[: -2 * NARROW])  # without the silence behind it
        assert isinstance(await next_of(told), ev.SpeechBegan)
        assert (await next_of(told)).meaning is Meaning.NO


async def test_whoever_cannot_be_heard_is_told_of() -> None:
    line = Line(tap=None)
    async with listening(line, Heard.YES) as (_, told):
        event = await next_of(told)
        assert isinstance(event, ev.HearingFailed) and "no such channel" in event.detail
    line = Line()
    async with listening(line, Heard.YES) as (_, told):
        line.tap.end()
        assert isinstance(await next_of(told), ev.HearingFailed)


async def test_nobody_takes_what_is_heard_and_it_does_not_grow() -> None:
    tap = Tap("callguard-tap-x", NARROW)
    for _ in range(5000):
        tap.hear(bytes(FRAME))
    taken = 0
    with pytest.raises(AriLost):
        while True:
            taken += len((await tap.frame()).pcm)
    assert taken <= 20 * NARROW * 2


def test_when_something_was_said_is_known_although_frames_stayed_away() -> None:
    clock = _Clock(NARROW)
    for at in (100.02, 100.04, 105.02):
        clock.count(Frame(at=at, pcm=bytes(FRAME)))
    assert clock.seconds == pytest.approx(0.06)
    assert clock.when(0.0) == pytest.approx(100.0)
    assert clock.when(0.03) == pytest.approx(100.03)
    assert clock.when(0.05) == pytest.approx(105.01)
