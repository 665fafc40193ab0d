"""A recogniser over gRPC: its words become a verdict, and whatever goes wrong is unclear."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from callguard.speech import GrpcEngine, GrpcServer, Meaning, SpeechError, Thresholds, Verdict
from callguard.speech.remote import QUEUE
from fakes.certificates import certificate
from fakes.grpc_speech import MIDDLE, FakeGrpc
from fakes.waiting import until

THRESHOLDS = Thresholds(phrase=0.8, half=0.8, bare=0.9, no=0.5)
SPEECH = bytes(range(256)) * 40
BOTH = pytest.mark.parametrize("protocol", ["vosk", "riva"])
I_DO_NOT_AGREE = ((("i", 1.0), ("do", 1.0), ("not", 0.9)), (("agree", 1.0),))


def engine_for(fake: FakeGrpc, language: str = "en", patience: float = 5.0, **options: object) -> GrpcEngine:
    server = GrpcServer(name="there", url=fake.url, protocol=fake.protocol, **options)  # type: ignore[arg-type]
    return GrpcEngine(server, {language: THRESHOLDS}, patience=patience)


async def asked(fake: FakeGrpc, language: str = "en", patience: float = 5.0, **options: object) -> Verdict:
    engine = engine_for(fake, language, patience, **options)
    await engine.start()
    try:
        return await answered(engine, language)
    finally:
        await engine.close()


async def answered(engine: GrpcEngine, language: str = "en") -> Verdict:
    answer = engine.open(language, 8000)
    try:
        for at in range(0, len(SPEECH), 320):
            answer.feed(SPEECH[at : at + 320])
        return await answer.verdict(memoryview(SPEECH))
    finally:
        await answer.close()


# ---------------------------------------------------------------------- what it says


@pytest.mark.parametrize(
    ("protocol", "config"),
    [
        ("vosk", {"encoding": 1, "rate": 8000, "language": "en", "words": 1}),
        (
            "riva",
            {
                "encoding": 1,
                "rate": 8000,
                "language": "en-US",
                "alternatives": 1,
                "channels": 1,
                "words": 1,
                "verbatim": 1,
            },
        ),
    ],
)
async def test_a_phrase_is_a_yes_and_the_server_heard_every_byte_at_its_rate(
    protocol: str, config: Mapping[str, object]
) -> None:
    async with FakeGrpc(protocol) as fake:
        verdict = await asked(fake, authorization="Bearer x")
        assert verdict.meaning is Meaning.YES, verdict
        assert verdict.engine == "there"
        assert bytes(fake.heard) == SPEECH
        assert fake.configs == [config]
        assert fake.metadata[0]["authorization"] == "Bearer x"


@BOTH
async def test_the_model_and_the_servers_own_code_of_a_language_are_told(protocol: str) -> None:
    async with FakeGrpc(protocol) as fake:
        await asked(fake, model="telephone", codes={"en": "en-GB"})
        assert fake.configs[0]["model"] == "telephone"
        assert fake.configs[0]["language"] == "en-GB"
        assert "authorization" not in fake.metadata[0]


@BOTH
async def test_words_that_became_certain_before_the_end_count_too(protocol: str) -> None:
    async with FakeGrpc(protocol, says=I_DO_NOT_AGREE) as fake:
        verdict = await asked(fake)
    assert verdict.heard == "i do not agree"
    assert verdict.meaning is Meaning.NO


@BOTH
async def test_words_that_are_not_certain_do_not_count(protocol: str) -> None:
    async with FakeGrpc(protocol, tentative="no") as fake:
        assert (await asked(fake)).heard == "yes i agree"


@BOTH
async def test_the_least_certain_word_decides(protocol: str) -> None:
    async with FakeGrpc(protocol, says=((("yes", 1.0), ("i", 0.25), ("agree", 1.0)),)) as fake:
        verdict = await asked(fake)
    assert verdict.meaning is Meaning.UNCLEAR
    assert verdict.confidence == 0.25


@BOTH
async def test_a_word_without_confidence_among_others_with_it_is_unclear(protocol: str) -> None:
    async with FakeGrpc(protocol, says=((("yes", 1.0), ("i", 0.0), ("agree", 1.0)),)) as fake:
        assert (await asked(fake)).meaning is Meaning.UNCLEAR


@BOTH
async def test_words_without_any_confidence_are_unclear_from_any_threshold_on(
    protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "THRESHOLDS", Thresholds(phrase=0, half=0, bare=0, no=0))
    async with FakeGrpc(protocol, says=((("yes", 0.0),),), whole=0.0) as fake:
        verdict = await asked(fake)
    assert verdict.meaning is Meaning.UNCLEAR
    assert "no confidence" in verdict.why


async def test_vosk_is_not_believed_to_be_sure_where_it_has_no_words() -> None:
    async with FakeGrpc("vosk", words=False, whole=1.0) as fake:
        assert (await asked(fake)).meaning is Meaning.UNCLEAR


async def test_riva_may_be_sure_of_the_whole_instead_of_each_word() -> None:
    async with FakeGrpc("riva", words=False, whole=0.875) as fake:
        verdict = await asked(fake)
    assert (verdict.meaning, verdict.confidence) == (Meaning.YES, 0.875)
    async with FakeGrpc("riva", says=((("yes", 0.0), ("i", 0.0), ("agree", 0.0)),), whole=0.5) as fake:
        verdict = await asked(fake)
    assert (verdict.meaning, verdict.confidence) == (Meaning.UNCLEAR, 0.5)


@BOTH
@pytest.mark.parametrize("sure", [-0.25, float("nan")])
async def test_a_confidence_that_is_none_is_unclear(protocol: str, sure: float) -> None:
    async with FakeGrpc(protocol, says=((("yes", 1.0), ("i", 1.0), ("agree", sure)),)) as fake:
        verdict = await asked(fake)
    assert verdict.meaning is Meaning.UNCLEAR
    assert "there failed: a confidence of" in verdict.why


@BOTH
async def test_other_languages_have_their_own_words(protocol: str) -> None:
    said = ((("oui", 1.0), ("je", 1.0), ("suis", 1.0), ("d'accord", 1.0)),)
    async with FakeGrpc(protocol, says=said) as fake:
        assert (await asked(fake, "fr")).meaning is Meaning.YES
    async with FakeGrpc(protocol) as fake:
        assert (await asked(fake, "fr")).meaning is Meaning.OTHER


@BOTH
async def test_one_channel_serves_many_answers_at_the_same_time(protocol: str) -> None:
    async with FakeGrpc(protocol) as fake:
        engine = engine_for(fake)
        await engine.start()
        verdicts = await asyncio.gather(*(answered(engine) for _ in range(5)))
        await engine.close()
    assert [each.meaning for each in verdicts] == [Meaning.YES] * 5


async def test_over_tls_the_authorities_of_the_machine_vouch_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = certificate(tmp_path)
    async with FakeGrpc("vosk", certificate=own) as fake:
        assert (await asked(fake)).meaning is Meaning.UNCLEAR  # nobody knows it
        assert not fake.metadata
        monkeypatch.setenv("SSL_CERT_FILE", str(own[0]))
        assert (await asked(fake)).meaning is Meaning.YES


# ---------------------------------------------------------------------- what goes wrong


@BOTH
@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("mute", "TimeoutError"),
        ("fails", "INTERNAL: lost the last words"),
        ("garbled", "no message of its protocol"),
    ],
)
async def test_a_server_that_fails_is_unclear(protocol: str, fault: str, why: str) -> None:
    async with FakeGrpc(protocol, **{fault: True}) as fake:  # type: ignore[arg-type]
        verdict = await asked(fake, patience=0.5)
    assert verdict.meaning is Meaning.UNCLEAR
    assert verdict.why.startswith("there failed: ")
    assert why in verdict.why


@BOTH
@pytest.mark.parametrize(
    ("fault", "why"),
    [("drops", "UNAVAILABLE: going down"), ("leaves", "it closed before its last words")],
)
async def test_a_server_that_ends_it_in_the_middle_is_unclear(protocol: str, fault: str, why: str) -> None:
    async with FakeGrpc(protocol, **{fault: True}) as fake:  # type: ignore[arg-type]
        engine = engine_for(fake)
        await engine.start()
        answer = engine.open("en", 8000)
        answer.feed(SPEECH[: MIDDLE + 2])
        await fake.closed.wait()
        # What comes back on the same connection comes after the end of the first.
        await answered(engine)
        verdict = await answer.verdict(memoryview(SPEECH))
        await answer.close()
        await engine.close()
    assert verdict.meaning is Meaning.UNCLEAR
    assert why in verdict.why


async def test_another_service_than_the_configured_one_is_unclear() -> None:
    async with FakeGrpc("riva") as fake:
        engine = GrpcEngine(GrpcServer(name="there", url=fake.url, protocol="vosk"), {"en": THRESHOLDS})
        await engine.start()
        verdict = await answered(engine)
        await engine.close()
    assert verdict.meaning is Meaning.UNCLEAR
    assert "there failed: " in verdict.why


@BOTH
async def test_a_server_that_is_not_there_is_unclear_and_heard_again_when_it_is(protocol: str) -> None:
    async with FakeGrpc(protocol) as fake:
        pass
    verdict = await asked(fake)
    assert verdict.meaning is Meaning.UNCLEAR
    assert "there failed: UNAVAILABLE" in verdict.why


async def test_a_server_that_takes_the_connection_and_says_nothing_is_given_up() -> None:
    lines: list[asyncio.StreamWriter] = []

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append(writer)

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        async with asyncio.timeout(10):
            verdict = await asked(
                FakeGrpc("vosk", url=f"grpc://{host}:{port}"), patience=60.0, connect_seconds=0.1
            )
    assert lines
    for line in lines:
        line.close()
        await line.wait_closed()
    assert verdict.meaning is Meaning.UNCLEAR
    assert "TimeoutError" in verdict.why


async def test_audio_that_it_does_not_take_in_time_is_unclear() -> None:
    async with FakeGrpc("vosk") as fake:
        engine = engine_for(fake)
        await engine.start()
        answer = engine.open("en", 8000)
        for _ in range(QUEUE + 1):
            answer.feed(bytes(320))
        verdict = await answer.verdict(memoryview(b""))
        await answer.close()
        await engine.close()
    assert verdict.meaning is Meaning.UNCLEAR
    assert "in time" in verdict.why


@BOTH
async def test_leaving_hangs_up(protocol: str) -> None:
    async with FakeGrpc(protocol, mute=True) as fake:
        engine = engine_for(fake)
        await engine.start()
        answer = engine.open("en", 8000)
        answer.feed(SPEECH)
        await until(lambda: fake.heard)
        await answer.close()
        async with asyncio.timeout(5):
            await fake.closed.wait()
        await answer.close()
        await engine.close()
        await engine.close()


@BOTH
async def test_a_server_that_cannot_be_understood_is_hung_up_on(protocol: str) -> None:
    async with FakeGrpc(protocol, garbled=True) as fake:
        engine = engine_for(fake)
        await engine.start()
        assert (await answered(engine)).meaning is Meaning.UNCLEAR
        async with asyncio.timeout(5):
            await fake.closed.wait()
        await engine.close()


@BOTH
async def test_an_engine_that_is_closed_under_an_answer_makes_it_unclear(protocol: str) -> None:
    async with FakeGrpc(protocol, mute=True) as fake:
        engine = engine_for(fake)
        await engine.start()
        answer = engine.open("en", 8000)
        answer.feed(SPEECH)
        waiting = asyncio.create_task(answer.verdict(memoryview(SPEECH)))
        await until(lambda: fake.heard)
        await engine.close()
        verdict = await waiting
        await answer.close()
    assert verdict.meaning is Meaning.UNCLEAR
    assert "the connection was closed" in verdict.why


# ---------------------------------------------------------------------- what cannot be


def test_a_language_whose_words_nobody_wrote_down_is_refused() -> None:
    with pytest.raises(SpeechError, match=r"'ja'.*leave it out"):
        GrpcEngine(GrpcServer(name="riva", url="grpc://127.0.0.1:1"), {"ja": THRESHOLDS})


async def test_a_protocol_that_nobody_speaks_is_refused() -> None:
    engine = GrpcEngine(GrpcServer(name="x", url="grpc://127.0.0.1:1", protocol="y"), {"en": THRESHOLDS})
    with pytest.raises(SpeechError, match="'y'; write riva or vosk"):
        await engine.start()


async def test_it_has_to_be_started() -> None:
    engine = GrpcEngine(GrpcServer(name="x", url="grpc://127.0.0.1:1"), {"en": THRESHOLDS})
    with pytest.raises(SpeechError, match="call start first"):
        engine.open("en", 8000)


@pytest.mark.parametrize("library", ["grpc", "google.protobuf"])
async def test_without_the_extra_it_says_what_to_install(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [each for each in sys.modules if each == library or each.startswith(f"{library}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "callguard.speech.messages", raising=False)
    monkeypatch.setitem(sys.modules, library, None)
    engine = GrpcEngine(GrpcServer(name="riva", url="grpc://127.0.0.1:1"), {"en": THRESHOLDS})
    with pytest.raises(SpeechError, match=r"riva .*pip install 'callguard\[grpc\]'"):
        await engine.start()
    await engine.close()


def test_without_the_extra_everything_else_works() -> None:
    gone = "import sys; sys.modules['grpc'] = sys.modules['google.protobuf'] = None"
    subprocess.run(
        [sys.executable, "-c", f"{gone}; import callguard.controller.ears"], check=True, timeout=60
    )
