"""`callguard speech check`: the matrix, what it proposes, and that nothing is listened to before it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from callguard.cli import callguard
from callguard.config import ConfigError, loads
from callguard.config.speech import Listening, Speech
from callguard.controller.ears import ears_of, thresholds_of, unchecked
from callguard.speech import Meaning, SpeechError, Thresholds, Verdict
from callguard.speech.checks import LEAST_OTHERS, NEVER, Check, Tried, checked, kept
from fakes.grpc_speech import FakeGrpc
from fakes.vosk import FakeVosk
from fakes.waiting import until
from tests.speech.line import NARROW, telephone
from tests.speech.voices import Utterance, Voice, heard, speak

VOICE = Voice(program="espeak-ng", name="en-gb", held_out=True)
THRESHOLDS = Thresholds(phrase=0.9, half=0.9, bare=0.95, no=0.5)
LEAST = """\
site: {{name: Acme, country: US}}
asterisk:
  ari: {{password: x}}
  ami: {{password: x}}
queues: {{sales: {{}}}}
speech: {{checks: {checks}, workers: 1, patience_seconds: 10{more}}}
"""


def tried(label: str, kind: str, confidence: float, meaning: Meaning, name: str = "a.wav") -> Tried:
    return Tried(name=name, label=label, verdict=Verdict(meaning=meaning, confidence=confidence, kind=kind))


def good(count: int = LEAST_OTHERS) -> Check:
    clips = [tried("other", "nothing", 0.0, Meaning.OTHER, f"{n}.wav") for n in range(count)]
    return checked("pocketsphinx", "en", THRESHOLDS, clips)


def configured(tmp_path: Path, more: str = "") -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(LEAST.format(checks=tmp_path / "checks", more=more), encoding="utf-8")
    return path


# ---------------------------------------------------------------------- what a check says


def test_proposed_thresholds_lie_above_every_mistake_of_the_set() -> None:
    found = checked(
        "e",
        "en",
        THRESHOLDS,
        [
            tried("yes", "phrase", 0.99, Meaning.YES),
            tried("other", "phrase", 0.93, Meaning.YES, "bad.wav"),
            tried("no", "bare", 1.0, Meaning.YES, "worse.wav"),
            tried("yes", "no", 0.4, Meaning.UNCLEAR),
        ],
    )
    assert found.wrong == ("bad.wav", "worse.wav")
    assert not found.passed
    assert found.proposed.phrase == pytest.approx(0.965)
    assert found.proposed.bare == NEVER
    assert 0.4 < found.proposed.no < 1
    assert found.matrix["other"] == {"yes": 1, "no": 0, "unclear": 0, "other": 0}


def test_a_check_counts_with_enough_clips_and_no_wrong_yes() -> None:
    assert good().passed
    assert not good(LEAST_OTHERS - 1).passed
    assert not replace(good(), wrong=("a.wav",)).passed


def test_a_check_is_kept_and_read_again(tmp_path: Path) -> None:
    made = good()
    assert kept(tmp_path, "pocketsphinx", "en") is None
    made.save(tmp_path)
    assert kept(tmp_path, "pocketsphinx", "en") == made


def test_a_check_that_cannot_be_read_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    good().save(tmp_path).write_text("{}", encoding="utf-8")
    with pytest.raises(SpeechError, match="run `callguard speech check` again"):
        kept(tmp_path, "pocketsphinx", "en")


# ---------------------------------------------------------------------- what may be listened to


def test_nothing_is_listened_to_before_a_check_that_passed(tmp_path: Path) -> None:
    speech = Speech(enabled=True, checks=tmp_path)
    stricter = Listening(phrase=0.999, bare=NEVER)
    assert "never checked" in unchecked(speech)["en"]
    mine = thresholds_of(speech.languages["en"])
    replace(good(), thresholds=mine, wrong=("x.wav",)).save(tmp_path)
    assert "1 wrong yes" in unchecked(speech)["en"]
    replace(good(), thresholds=mine).save(tmp_path)
    assert not unchecked(speech)
    assert not unchecked(speech.model_copy(update={"languages": {"en": stricter}}))
    looser = speech.model_copy(update={"languages": {"en": Listening(phrase=0.1)}})
    assert "lower than when they were checked" in unchecked(looser)["en"]
    assert not unchecked(looser.model_copy(update={"require_check": False}))


def test_a_site_gets_the_engines_that_it_names() -> None:
    servers = {"vosk": {"url": "ws://127.0.0.1:2700"}, "idle": {"url": "ws://127.0.0.1:1"}}
    speech = Speech.model_validate({"languages": {"en": {}, "fr": {"engine": "vosk"}}, "servers": servers})
    ears = ears_of(speech)
    assert [ears.serves(each) for each in ("en", "en-GB", "fr", "de")] == [True, True, True, False]


@pytest.mark.parametrize("protocol", ["vosk", "riva"])
async def test_a_server_over_grpc_is_asked_as_it_is_configured(protocol: str) -> None:
    async with FakeGrpc(protocol) as fake:
        server = {
            "url": fake.url,
            "protocol": protocol,
            "model": "telephone",
            "codes": {"fr": "fr-CA"},
            "authorization": "Bearer x",
        }
        speech = Speech.model_validate({"languages": {"fr": {"engine": "far"}}, "servers": {"far": server}})
        ears = ears_of(speech)
        await ears.start()
        async with ears.listen("fr", NARROW, deadline=5.0) as hearing:
            hearing.feed(bytes(320))
            await until(lambda: fake.heard)
        await ears.close()
    assert fake.metadata[0]["authorization"] == "Bearer x"
    assert (fake.configs[0]["model"], fake.configs[0]["language"]) == ("telephone", "fr-CA")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("languages: {fr: {no: 0.5}}", "understands English only"),
        ("languages: {fr: {engine: vosk}}", "there is no 'vosk' under speech.servers"),
        ("servers: {pocketsphinx: {url: 'ws://h'}}", "name the server otherwise"),
        ("servers: {vosk: {url: 'http://h'}}", "write ws://HOST:PORT"),
        ("servers: {vosk: {url: 'grpc://h'}}", "or grpc://HOST:PORT"),
        ("servers: {vosk: {url: 'grpc://u:p@h:1'}}", "without user and password"),
        ("servers: {riva: {url: 'grpc://h:1', text: result}}", "text: is for a websocket only"),
        ("servers: {riva: {url: 'grpcs://h:1', end: ''}}", "end: is for a websocket only"),
        ("servers: {riva: {url: 'ws://h:1', protocol: riva}}", "protocol: is for gRPC only"),
        ("servers: {riva: {url: 'wss://h:1', codes: {en: en-GB}}}", "codes: is for gRPC only"),
        ("servers: {riva: {url: 'grpc://h:1', protocol: kaldi}}", "protocol"),
        ("languages: {en: {phrase: 1.5}}", "phrase"),
    ],
)
def test_a_mistake_in_the_configuration_is_told(more: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        loads(LEAST.format(checks="/x", more=f", {more}"), "c.yaml")


# ---------------------------------------------------------------------- the command


def wav(path: Path, words: str, rate: int = NARROW) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    utterance = Utterance(voice=VOICE, words=words)
    speak([utterance])
    pcm = telephone(heard(utterance), np.random.default_rng(1))
    soundfile.write(path, np.frombuffer(pcm, "<i2"), rate, subtype="PCM_16")


def run(tmp_path: Path, *arguments: str, more: str = "") -> tuple[int, str]:
    config = configured(tmp_path, more)
    result = CliRunner().invoke(callguard, ["speech", "check", *arguments, "-c", str(config)])
    said = result.output if result.exception is None else f"{result.output}{result.exception}"
    return result.exit_code, said


def test_labelled_clips_become_a_matrix_and_the_result_is_kept(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    wav(clips / "yes" / "1.wav", "yes, I agree")
    wav(clips / "no" / "1.wav", "no, I don't agree")
    wav(clips / "other" / "deep" / "1.wav", "my order has not arrived")
    code, said = run(tmp_path, str(clips), "--json")
    assert code == 0, said
    told = json.loads(said[said.index("{") :])
    assert told["matrix"]["yes"]["yes"] == 1
    assert told["matrix"]["no"]["yes"] == 0
    assert sum(sum(row.values()) for row in told["matrix"].values()) == 3
    assert not told["passed"]  # three clips are no evidence
    assert kept(tmp_path / "checks", "pocketsphinx", "en") is not None


async def test_a_wrong_yes_is_named_and_the_command_fails(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    wav(clips / "one.wav", "no")
    (clips / "labels.csv").write_text("file,label\none.wav,no\n", encoding="utf-8")
    async with FakeVosk() as vosk:
        import asyncio

        more = f", servers: {{vosk: {{url: '{vosk.url}'}}}}"
        code, said = await asyncio.to_thread(run, tmp_path, str(clips), "-e", "vosk", more=more)
    assert code == 1
    assert "wrongly a yes" in said
    assert "one.wav" in said


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda d: None, "is labelled"),
        (lambda d: (d / "labels.csv").write_text("file,label\nx.wav,yes\n"), "labels.csv:2"),
        (lambda d: wav(d / "yes" / "1.wav", "yes", rate=11025), "8000 or 16000 Hz"),
        (lambda d: ((d / "yes").mkdir(), (d / "yes" / "1.wav").write_bytes(b"RIFF")), "cannot be read"),
    ],
)
def test_a_set_that_cannot_be_used_is_told(tmp_path: Path, prepare: object, said: str) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    prepare(clips)  # type: ignore[operator]
    code, told = run(tmp_path, str(clips))
    assert code == 1
    assert said in told


def test_a_language_without_an_engine_is_told(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    wav(clips / "yes" / "1.wav", "yes")
    code, told = run(tmp_path, str(clips), "-l", "fr")
    assert code == 1
    assert "add it under speech.languages" in told
