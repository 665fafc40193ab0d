"""Whether callers can answer by voice: what each recogniser makes of a moment of silence."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from callguard.cli.checks.finding import Finding, fault, ok, warning
from callguard.config import Config
from callguard.config.speech import POCKETSPHINX, Speech
from callguard.controller.ears import engines_of, unchecked
from callguard.speech import Recogniser, SpeechError

#: What is listened to: samples per second, and half a second of nothing. A server has it once in full before
#: it is asked what it was.
RATE = 8000
SILENCE = bytes(RATE)

#: Seconds for loading a recogniser; the one that comes with callguard takes one.
LOADING_SECONDS = 20.0

_CHECK = "speech"
_UNCHECKED = "do so; until then these callers answer by keys"


async def check_speech(config: Config) -> list[Finding]:
    """Ask every recogniser that the configuration names, in each of its languages.

    Of the one that comes with callguard a single process is loaded, next to those of the controller.
    """
    speech = config.speech
    if not speech.enabled:
        return []
    barred = unchecked(speech)
    findings = [
        warning(_CHECK, f"{language} is not listened to: {why}", f"speech.languages.{language}", _UNCHECKED)
        for language, why in barred.items()
    ]
    engines = engines_of(speech.model_copy(update={"workers": 1}))
    served: dict[int, list[str]] = {}
    for language in speech.languages:
        first = next(at for at, engine in enumerate(engines) if engine.serves(language))
        served.setdefault(first, []).append(language)
    tried = await asyncio.gather(
        *(_tried(engines[at], languages, speech) for at, languages in served.items())
    )
    return findings + [one for each in tried for one in each]


async def _tried(engine: Recogniser, languages: Iterable[str], speech: Speech) -> list[Finding]:
    where = f"speech.servers.{engine.name}" if engine.name in speech.servers else "speech.languages"
    try:
        try:
            async with asyncio.timeout(LOADING_SECONDS):
                await engine.start()
        except TimeoutError:
            raise SpeechError(f"{engine.name} was not loaded within {LOADING_SECONDS:.0f} s") from None
        failures = {language: await _failure(engine, language) for language in languages}
    except SpeechError as error:
        return [fault(_CHECK, str(error), where, "see there; until then callers answer by keys")]
    finally:
        await engine.close()
    return list(_told(engine.name, where, failures, speech))


async def _failure(engine: Recogniser, language: str) -> str:
    """What goes wrong, and nothing when it listens as it should."""
    answer = engine.open(language, RATE)
    try:
        answer.feed(SILENCE)
        verdict = await answer.verdict(memoryview(SILENCE))
    finally:
        await answer.close()
    # Silence is judged as well, as nothing; without any kind it was not judged.
    return "" if verdict.kind else verdict.why


def _told(name: str, where: str, failures: dict[str, str], speech: Speech) -> Iterable[Finding]:
    well = [language for language, failure in failures.items() if not failure]
    if well:
        yield ok(_CHECK, f"{name} listens in {', '.join(well)}", where)
    for language, failure in failures.items():
        if failure:
            yield fault(_CHECK, f"{language}: {failure}", where, _mend(name, speech))


def _mend(name: str, speech: Speech) -> str:
    if name == POCKETSPHINX:
        return "see the log of callguard; speech.enabled: no lets callers answer by keys"
    url = speech.servers[name].url.partition("?")[0]  # what follows may be a token
    return f"start it, and let this machine reach {url}; until then nobody's voice is understood"
