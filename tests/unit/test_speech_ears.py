"""From frames to a verdict: when an answer is over, what is kept of it, and real speech end to end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import numpy as np
import pytest
import pytest_asyncio

from callguard.config.speech import Listening
from callguard.controller.ears import thresholds_of
from callguard.speech import Ears, Limits, Meaning, Pocketsphinx, SpeechError, Verdict
from callguard.speech.ears import Hearing
from callguard.speech.sound import Sound
from tests.speech import noises
from tests.speech.line import NARROW, leg, telephone
from tests.speech.voices import WIDE, Utterance, Voice, heard, speak

VOICE = Voice(program="espeak-ng", name="en-gb", held_out=True)
FRAME = 320
YES = Verdict(meaning=Meaning.YES, confidence=1.0)


def said(words: str, rate: int = NARROW, snr: float | None = None, speed: float = 1.0) -> bytes:
    utterance = Utterance(voice=VOICE, words=words, speed=speed)
    speak([utterance])
    return telephone(heard(utterance), np.random.default_rng(5), rate=rate, snr=snr)


@dataclass
class Parrot:
    """An engine that says what it was told to, and remembers what it got."""

    name: str = "parrot"
    verdicts: list[Verdict | Exception | float] = field(default_factory=lambda: [YES])
    fed: bytearray = field(default_factory=bytearray)
    judged: list[bytes] = field(default_factory=list)
    closed: int = 0

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    def serves(self, language: str) -> bool:
        return language == "en"

    def open(self, language: str, rate: int) -> _Saying:
        return _Saying(self)


class _Saying:
    def __init__(self, parrot: Parrot) -> None:
        self._parrot = parrot

    def feed(self, pcm: bytes | memoryview) -> None:
        self._parrot.fed += pcm

    async def verdict(self, speech: memoryview) -> Verdict:
        self._parrot.judged.append(bytes(speech))
        said = self._parrot.verdicts[0]
        if isinstance(said, Exception):
            raise said
        if isinstance(said, float):
            await asyncio.sleep(said)
            return YES
        return said

    async def close(self) -> None:
        self._parrot.closed += 1


def ears_with(parrot: Parrot, **limits: float) -> Ears:
    return Ears([parrot], limits=Limits(**limits), callers=1)


def feed(hearing: Hearing, pcm: bytes) -> float | None:
    """All of it in frames of 20 ms; when it was enough, in seconds."""
    for at in range(0, len(pcm), FRAME):
        if hearing.feed(pcm[at : at + FRAME]):
            return (at + FRAME) / 2 / NARROW
    return None


async def test_an_answer_is_over_when_the_caller_stays_silent() -> None:
    parrot = Parrot()
    pcm = said("yes, I agree")
    async with ears_with(parrot).listen("en", NARROW, 5.0) as hearing:
        over = feed(hearing, pcm)
        verdict = await hearing.verdict()
    assert verdict.meaning is Meaning.YES
    assert verdict.began is not None
    assert verdict.ended is not None
    assert over == pytest.approx(verdict.ended + 0.6, abs=0.07)
    # The engine gets the speech and a little around it, not the silences.
    assert len(parrot.judged[0]) / 2 / NARROW == pytest.approx(verdict.ended - verdict.began + 0.4, abs=0.02)
    assert len(parrot.judged[0]) < len(pcm) / 2
    assert pcm.startswith(bytes(parrot.fed))
    assert parrot.closed == 1


async def test_nothing_said_is_unclear_and_costs_no_recognition() -> None:
    parrot = Parrot()
    async with ears_with(parrot).listen("en", NARROW, 0.2) as hearing:
        feed(hearing, bytes(8000))
        assert not hearing.speaking
        verdict = await hearing.verdict()
    assert verdict.meaning is Meaning.UNCLEAR
    assert verdict.why == "nothing was said"
    assert not parrot.judged


@pytest.mark.parametrize("name", noises.NAMES)
async def test_sounds_are_no_answer(name: str) -> None:
    parrot = Parrot()
    async with ears_with(parrot).listen("en", NARROW, 0.3) as hearing:
        feed(hearing, leg(noises.sound(name, np.random.default_rng(3))))
        verdict = await hearing.verdict()
    assert verdict.meaning is Meaning.UNCLEAR
    assert not parrot.judged


async def test_somebody_who_talks_on_gives_no_answer() -> None:
    parrot = Parrot()
    talk = said("I bought it two weeks ago, and since then nobody has come to look at it, so I think I want "
                "to send it back to you, if that is possible at all, and get my money")  # fmt: skip
    async with ears_with(parrot).listen("en", NARROW, 30.0) as hearing:
        over = feed(hearing, talk)
        verdict = await hearing.verdict()
    assert over is not None
    assert over < 6.5
    assert verdict.meaning is Meaning.OTHER
    assert not parrot.judged


async def test_speech_that_is_cut_off_by_the_deadline_is_unclear() -> None:
    parrot = Parrot()
    pcm = said("yes, I agree")
    async with ears_with(parrot).listen("en", NARROW, 0.2) as hearing:
        feed(hearing, pcm[: int(1.2 * NARROW) * 2])
        assert hearing.speaking
        verdict = await hearing.verdict()
    assert verdict.meaning is Meaning.UNCLEAR
    assert "time was over" in verdict.why


@pytest.mark.parametrize("fault", [RuntimeError("gone"), 60.0])
async def test_an_engine_that_fails_or_hangs_is_unclear(fault: Exception | float) -> None:
    parrot = Parrot(verdicts=[fault])
    async with ears_with(parrot, patience=0.2).listen("en", NARROW, 5.0) as hearing:
        feed(hearing, said("yes"))
        verdict = await hearing.verdict()
    assert verdict.meaning is Meaning.UNCLEAR
    assert verdict.began is not None


async def test_audio_is_given_out_after_a_clear_yes_only_and_wiped_in_any_case() -> None:
    pcm = said("yes, I agree")
    for meaning in Meaning:
        parrot = Parrot(verdicts=[Verdict(meaning=meaning, confidence=0.5)])
        async with ears_with(parrot).listen("en", NARROW, 5.0) as hearing:
            with pytest.raises(SpeechError, match="after a clear yes only"):
                hearing.audio()
            feed(hearing, pcm)
            await hearing.verdict()
            if meaning is Meaning.YES:
                assert pcm.startswith(hearing.audio())
            else:
                with pytest.raises(SpeechError):
                    hearing.audio()
            memory = hearing._sound._memory
            assert any(memory)
        assert not any(memory)
        assert len(hearing._sound) == 0


async def test_memory_is_bounded_whatever_is_fed() -> None:
    parrot = Parrot()
    async with ears_with(parrot, window=1.0).listen("en", NARROW, 600.0) as hearing:
        for _ in range(100):
            hearing.feed(bytes(NARROW * 2))
        assert len(hearing._sound._memory) == 2 * NARROW * 2
        assert (await hearing.verdict()).meaning is Meaning.UNCLEAR


def test_a_rate_that_no_leg_has_is_refused() -> None:
    with pytest.raises(ValueError, match="8000 or 16000"):
        Sound(44100, 1.0)


async def test_a_language_that_nobody_understands_is_not_listened_to() -> None:
    ears = ears_with(Parrot())
    assert ears.serves("en")
    assert not ears.serves("fr")
    with pytest.raises(SpeechError, match="no engine understands 'fr'"):
        async with ears.listen("fr", NARROW, 1.0):
            pass


# ------------------------------------------------------------------- the real recogniser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def english() -> AsyncIterator[Ears]:
    ears = Ears(
        [Pocketsphinx(thresholds_of(Listening()), workers=1, patience=30.0)], limits=Limits(patience=31)
    )
    await ears.start()
    yield ears
    await ears.close()


ANSWERS = [
    ("yes, I agree", NARROW, None, {Meaning.YES}),
    ("yes please", NARROW, None, {Meaning.YES}),
    ("yes, I agree", WIDE, None, {Meaning.YES}),
    ("no", NARROW, None, {Meaning.NO, Meaning.UNCLEAR}),
    ("no, I don't agree", NARROW, None, {Meaning.NO}),
    ("I do not agree", NARROW, 20.0, {Meaning.NO, Meaning.UNCLEAR, Meaning.OTHER}),
    ("do you agree", NARROW, None, {Meaning.OTHER, Meaning.UNCLEAR}),
    ("say yes, I agree, or press one", NARROW, None, {Meaning.OTHER, Meaning.UNCLEAR}),
    ("my order has not arrived", NARROW, None, {Meaning.OTHER, Meaning.UNCLEAR}),
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("words", "rate", "snr", "allowed"), ANSWERS)
async def test_real_speech_is_understood_or_asked_again(
    english: Ears, words: str, rate: int, snr: float | None, allowed: set[Meaning]
) -> None:
    async with english.listen("en", rate, 60.0) as hearing:
        feed(hearing, said(words, rate, snr))
        hearing.finish()
        verdict = await hearing.verdict()
    assert verdict.meaning in allowed, verdict


@pytest.mark.asyncio(loop_scope="module")
async def test_the_event_loop_goes_on_while_answers_are_recognised(english: Ears) -> None:
    stalls, running = [], True

    async def tick() -> None:
        loop = asyncio.get_running_loop()
        while running:
            before = loop.time()
            await asyncio.sleep(0.002)
            stalls.append(loop.time() - before)

    ticking = asyncio.create_task(tick())
    async with english.listen("en", NARROW, 60.0) as hearing:
        feed(hearing, said("yes, I agree"))
        before = len(stalls)
        await hearing.verdict()
    running = False
    await ticking
    # Recognition takes 0.4 s of processor time; none of it is this process's.
    assert len(stalls) - before > 10
