"""What `callguard doctor` says of recognisers, which it asks."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from callguard.cli.checks.finding import Finding, Level
from callguard.cli.checks.speech import check_speech
from callguard.config import Config, loads
from callguard.controller.ears import thresholds_of
from callguard.speech.checks import Check
from fakes.grpc_speech import FakeGrpc
from fakes.vosk import FakeVosk

CONFIG = """
site: {name: Acme, country: US}
asterisk: {ari: {password: one}, ami: {password: two}}
queues: {sales: {unrecorded: open-sales}}
speech:
"""
SPEECH = {"enabled": "yes", "require_check": "no", "patience_seconds": "0.5"}


def config(**speech: str) -> Config:
    return loads(CONFIG + "".join(f"  {name}: {text}\n" for name, text in {**SPEECH, **speech}.items()))


def on(url: str) -> Config:
    return config(
        languages="{fr: {engine: near}}", servers=f"{{near: {{url: '{url}', authorization: wh1sper}}}}"
    )


def told(findings: list[Finding]) -> list[tuple[Level, str]]:
    return [(finding.level, finding.what) for finding in findings]


async def test_speech_that_is_off_is_no_matter() -> None:
    assert await check_speech(config(enabled="no")) == []


async def test_the_recogniser_that_comes_with_callguard_is_loaded_and_asked_once() -> None:
    findings = await check_speech(config(languages="{en: {}, en-GB: {}}", patience_seconds="5"))
    assert told(findings) == [(Level.OK, "pocketsphinx listens in en, en-GB")]


async def test_a_server_that_hears_the_silence_to_its_end_listens() -> None:
    async with FakeVosk(says=()) as vosk:
        findings = await check_speech(on(vosk.url))
        assert len(vosk.heard) == 8000
    assert told(findings) == [(Level.OK, "near listens in fr")]
    assert findings[0].where == "speech.servers.near"


@pytest.mark.parametrize("protocol", ["vosk", "riva"])
async def test_a_server_over_grpc_is_asked_as_well(protocol: str) -> None:
    async with FakeGrpc(protocol, says=((),)) as server:
        servers = f"{{near: {{url: '{server.url}', protocol: {protocol}}}}}"
        findings = await check_speech(config(languages="{fr: {engine: near}}", servers=servers))
    assert told(findings) == [(Level.OK, "near listens in fr")]


async def test_a_server_that_cannot_be_reached_is_a_fault_that_names_the_address() -> None:
    (found,) = await check_speech(on("ws://127.0.0.1:9/listen?key=wh1sper"))
    assert found.level is Level.FAULT
    assert found.what.startswith("fr: near failed: Cannot connect to host 127.0.0.1:9")
    assert "reach ws://127.0.0.1:9/listen;" in found.remedy
    assert "wh1sper" not in repr(found)


async def test_a_server_that_never_answers_the_end_is_a_fault() -> None:
    async with FakeVosk(mute=True) as vosk:
        (found,) = await check_speech(on(vosk.url))
    assert (found.level, found.what) == (Level.FAULT, "fr: near failed: TimeoutError")


async def test_a_server_that_lets_nobody_in_is_a_fault_and_no_token_is_repeated() -> None:
    async def refuses(_: web.Request) -> web.Response:
        return web.Response(status=401)

    app = web.Application()
    app.router.add_get("/", refuses)
    async with TestServer(app) as server:
        (found,) = await check_speech(on(f"ws://127.0.0.1:{server.port}/?key=wh1sper"))
    assert (found.level, found.what) == (
        Level.FAULT,
        "fr: near failed: it answers 401 (Invalid response status)",
    )
    assert "wh1sper" not in repr(found)


async def test_one_that_fails_does_not_hide_that_another_listens() -> None:
    async with FakeVosk(says=()) as vosk:
        servers = f"{{near: {{url: '{vosk.url}'}}, far: {{url: 'ws://127.0.0.1:9'}}}}"
        languages = "{fr: {engine: near}, de: {engine: far}, es: {engine: near}}"
        findings = await check_speech(config(languages=languages, servers=servers))
    assert {(finding.level, finding.where) for finding in findings} == {
        (Level.OK, "speech.servers.near"),
        (Level.FAULT, "speech.servers.far"),
    }
    assert (Level.OK, "near listens in fr, es") in told(findings)


async def test_a_library_that_is_missing_is_a_fault_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing() -> None:
        raise ImportError("No module named 'grpc'")

    monkeypatch.setattr("callguard.speech.rpc._libraries", missing)
    (found,) = await check_speech(on("grpc://127.0.0.1:9"))
    assert found.level is Level.FAULT
    assert "pip install 'callguard[grpc]'" in found.what


async def test_a_language_that_was_never_checked_is_a_warning_until_it_was(tmp_path: Path) -> None:
    async with FakeVosk(says=()) as vosk:
        asked = on(vosk.url)
        strict = asked.model_copy(
            update={"speech": asked.speech.model_copy(update={"require_check": True, "checks": tmp_path})}
        )
        warned, listens = await check_speech(strict)
        assert warned.level is Level.WARNING
        assert warned.what.startswith("fr is not listened to: near was never checked in fr")
        assert listens.level is Level.OK
        thresholds = thresholds_of(strict.speech.languages["fr"])
        Check(
            engine="near",
            language="fr",
            thresholds=thresholds,
            matrix={"other": {"other": 40}},
            wrong=(),
            proposed=thresholds,
        ).save(tmp_path)
        assert told(await check_speech(strict)) == [(Level.OK, "near listens in fr")]
