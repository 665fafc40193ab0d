"""A recogniser on the network: its words become a verdict, and whatever goes wrong is unclear."""

from __future__ import annotations

import asyncio

import pytest

from callguard.speech import Meaning, Server, SpeechError, Thresholds, Verdict, WebsocketEngine
from callguard.speech.wording import kind_of
from fakes.vosk import FakeVosk

THRESHOLDS = Thresholds(phrase=0.8, half=0.8, bare=0.9, no=0.5)
SPEECH = bytes(range(256)) * 40


async def asked(vosk: FakeVosk, language: str = "en", **options: object) -> Verdict:
    engine = WebsocketEngine(
        Server(name="vosk", url=vosk.url, **options),  # type: ignore[arg-type]
        {language: THRESHOLDS},
        patience=0.5,
    )
    await engine.start()
    try:
        answer = engine.open(language, 8000)
        for at in range(0, len(SPEECH), 320):
            answer.feed(SPEECH[at : at + 320])
        verdict = await answer.verdict(memoryview(SPEECH))
        await answer.close()
    finally:
        await engine.close()
    return verdict


async def test_a_phrase_is_a_yes_and_the_server_heard_every_byte_at_its_rate() -> None:
    async with FakeVosk() as vosk:
        verdict = await asked(vosk, headers={"Authorization": "Bearer x"})
        assert verdict.meaning is Meaning.YES
        assert verdict.engine == "vosk"
        assert bytes(vosk.heard) == SPEECH
        assert vosk.configs == [{"sample_rate": 8000, "words": True}]
        assert vosk.headers[0]["Authorization"] == "Bearer x"


async def test_words_that_became_certain_before_the_end_count_too() -> None:
    said = ((("i", 1.0), ("do", 1.0), ("not", 0.9)), (("agree", 1.0),))
    async with FakeVosk(says=said) as vosk:
        verdict = await asked(vosk)
    assert verdict.heard == "i do not agree"
    assert verdict.meaning is Meaning.NO


async def test_the_least_certain_word_decides() -> None:
    async with FakeVosk(says=((("yes", 1.0), ("i", 0.3), ("agree", 1.0)),)) as vosk:
        verdict = await asked(vosk)
    assert verdict.meaning is Meaning.UNCLEAR
    assert verdict.confidence == 0.3


async def test_words_without_any_confidence_are_unclear() -> None:
    async with FakeVosk(words=False) as vosk:
        assert (await asked(vosk)).meaning is Meaning.UNCLEAR


async def test_other_languages_have_their_own_words() -> None:
    async with FakeVosk(says=((("oui", 1.0), ("je", 1.0), ("suis", 1.0), ("d'accord", 1.0)),)) as vosk:
        assert (await asked(vosk, "fr")).meaning is Meaning.YES
    async with FakeVosk(says=((("yes", 1.0), ("i", 1.0), ("agree", 1.0)),)) as vosk:
        assert (await asked(vosk, "fr")).meaning is Meaning.OTHER


@pytest.mark.parametrize("fault", ["mute", "drops", "garbled"])
async def test_a_server_that_fails_is_unclear(fault: str) -> None:
    async with FakeVosk(**{fault: True}) as vosk:
        verdict = await asked(vosk)
    assert verdict.meaning is Meaning.UNCLEAR
    assert "vosk failed" in verdict.why


async def test_a_server_that_is_not_there_is_unclear() -> None:
    async with FakeVosk() as vosk:
        pass
    verdict = await asked(vosk)
    assert verdict.meaning is Meaning.UNCLEAR


async def test_leaving_hangs_up() -> None:
    async with FakeVosk(mute=True) as vosk:
        engine = WebsocketEngine(Server(name="vosk", url=vosk.url), {"en": THRESHOLDS})
        await engine.start()
        answer = engine.open("en", 8000)
        answer.feed(SPEECH)
        while not vosk.heard:
            await asyncio.sleep(0.001)
        await answer.close()
        async with asyncio.timeout(5):
            await vosk.closed.wait()
        await engine.close()


def test_a_language_whose_words_nobody_wrote_down_is_refused() -> None:
    with pytest.raises(SpeechError, match=r"'ja'.*leave it out"):
        WebsocketEngine(Server(name="vosk", url="ws://127.0.0.1:1"), {"ja": THRESHOLDS})


@pytest.mark.parametrize(
    ("text", "language", "kind"),
    [
        ("Yes, I agree.", "en", "phrase"),
        ("yes", "en", "bare"),
        ("yes I do not", "en", "nothing"),
        ("no", "en", "no"),
        ("no way", "en-GB", "no"),
        ("Ja, ich stimme zu!", "de", "phrase"),
        ("Ich stimme nicht zu", "de", "no"),
        ("ja aber nicht heute", "de", "nothing"),
        ("Oui, bien sûr", "fr", "phrase"),
        ("SÍ", "es", "bare"),
        ("não", "pt-BR", "no"),
        ("nee, dank u", "nl", "no"),
        ("sì, accetto", "it", "phrase"),
        ("", "en", "nothing"),
    ],
)
def test_only_whole_answers_count(text: str, language: str, kind: str) -> None:
    assert kind_of(text, language) == kind
