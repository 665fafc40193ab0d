"""The ears that a configuration asks for."""

from __future__ import annotations

from collections.abc import Mapping

from callguard.config.speech import POCKETSPHINX, Listening, Speech, SpeechServer
from callguard.speech import (
    Ears,
    GrpcEngine,
    GrpcServer,
    Limits,
    Pocketsphinx,
    Recogniser,
    Server,
    SpeechError,
    Thresholds,
    WebsocketEngine,
)
from callguard.speech.checks import kept


def ears_of(speech: Speech) -> Ears:
    """All engines of the site, not started, and what listens for them."""
    limits = Limits(pause=speech.pause_seconds, patience=speech.patience_seconds + 0.5)
    return Ears(engines_of(speech), limits=limits)


def engines_of(speech: Speech) -> list[Recogniser]:
    """The engines that the site's languages name, not started."""
    engines: list[Recogniser] = []
    for language, listening in speech.languages.items():
        if listening.engine == POCKETSPHINX:
            engines.append(
                Pocketsphinx(
                    thresholds_of(listening),
                    language=language,
                    workers=speech.workers,
                    patience=speech.patience_seconds,
                )
            )
    for name in speech.servers:
        trusted = {
            language: thresholds_of(listening)
            for language, listening in speech.languages.items()
            if listening.engine == name
        }
        if trusted:
            engines.append(_remote(name, speech.servers[name], trusted, speech.patience_seconds))
    return engines


def unchecked(speech: Speech) -> dict[str, str]:
    """The languages that must not be listened to yet, and what is to be done about it."""
    found = {}
    for language, listening in speech.languages.items():
        if speech.require_check and (why := _missing(speech, language, listening)):
            found[language] = why
    return found


def thresholds_of(listening: Listening) -> Thresholds:
    """From when on an answer is clear in a language."""
    return Thresholds(phrase=listening.phrase, half=listening.half, bare=listening.bare, no=listening.no)


def _missing(speech: Speech, language: str, listening: Listening) -> str:
    run = f"run `callguard speech check DIR --language {language}` with a set of your own"
    try:
        check = kept(speech.checks, listening.engine, language)
    except SpeechError as error:
        return str(error)
    if check is None:
        return f"{listening.engine} was never checked in {language}; {run}"
    if not check.covers(thresholds_of(listening)):
        return f"the thresholds of {language} are lower than when they were checked; {run}"
    if not check.passed:
        return (
            f"the check of {listening.engine} in {language} had {len(check.wrong)} wrong yes among "
            f"{check.others} clips that are none; raise the thresholds and {run}"
        )
    return ""


def _remote(name: str, found: SpeechServer, trusted: Mapping[str, Thresholds], patience: float) -> Recogniser:
    secret = found.authorization.get_secret_value() if found.authorization else None
    if found.grpc:
        rpc = GrpcServer(
            name=name,
            url=found.url,
            protocol=found.protocol,
            model=found.model or "",
            codes=found.codes,
            authorization=secret,
        )
        return GrpcEngine(rpc, trusted, patience=patience)
    socket = Server(
        name=name,
        url=found.url,
        start=found.start,
        end=found.end,
        text=found.text,
        words=found.words,
        confidence=found.confidence,
        headers={"Authorization": secret} if secret else None,
    )
    return WebsocketEngine(socket, trusted, patience=patience)
