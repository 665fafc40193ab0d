"""`callguard speech`: try a recogniser on labelled clips before callers are."""

from __future__ import annotations

import asyncio
import csv
import json
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from callguard.cli.options import config_option, json_option
from callguard.config import Config, load
from callguard.config.speech import Listening, Speech
from callguard.speech.checks import LABELS, LEAST_OTHERS, Check, Tried, checked
from callguard.speech.errors import SpeechError
from callguard.speech.sound import RATES

#: A file in the folder that says what each clip is, where sub-folders do not: columns file and label.
LIST = "labels.csv"
#: Clips that are recognised at the same time, for each worker.
AHEAD = 2
#: Seconds a frame holds, as on a call.
FRAME = 0.02
#: Silence after a clip, seconds: many are cut right at the end of speech.
AFTER = 1.2


@click.group("speech")
def speech_group() -> None:
    """Try how spoken answers are understood."""


@speech_group.command("check")
@click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("-l", "--language", default="en", show_default=True, help="The language of the clips.")
@click.option("-e", "--engine", help="Another engine than the configuration's for this language.")
@config_option
@json_option
def check(directory: Path, language: str, engine: str | None, path: Path, *, as_json: bool) -> None:
    """Recognise every WAV in DIRECTORY, and compare with what it is. Exit status 1 if any was a wrong yes.

    A clip is labelled by its sub-folder (yes, no or other) or by a line of labels.csv (file,label). Clips are
    mono, 8 or 16 kHz. The result is kept: with speech.require_check callers are listened to only after it.
    """
    config = _adapted(load(path), language, engine)
    clips = list(_labelled(directory))
    if not clips:
        raise SpeechError(
            f"no WAV in {directory} is labelled; put them into sub-folders {', '.join(LABELS)}, or list them "
            f"in {LIST} with the columns file and label"
        )
    console = Console(stderr=True, quiet=as_json)
    with console.status("loading") as status:
        tried = []

        async def listen() -> None:
            async for each in _tried(config.speech, language, clips):
                tried.append(each)
                status.update(f"{len(tried)} of {len(clips)} clips")

        asyncio.run(listen())
    listening = config.speech.languages[language]
    from callguard.controller.ears import thresholds_of

    found = checked(listening.engine, language, thresholds_of(listening), sorted(tried, key=lambda t: t.name))
    saved = found.save(config.speech.checks)
    if as_json:
        click.echo(json.dumps(_summary(found) | {"kept": str(saved)}))
    else:
        _show(found, saved)
    if found.wrong:
        sys.exit(1)


def _adapted(config: Config, language: str, engine: str | None) -> Config:
    """With the engine that was asked for; the thresholds stay."""
    languages = dict(config.speech.languages)
    if engine is not None:
        kept = languages.get(language, Listening()).model_dump() | {"engine": engine}
        languages[language] = Listening(**kept)
    if language not in languages:
        raise SpeechError(
            f"no engine is configured for {language!r}; add it under speech.languages, or name one with "
            "--engine"
        )
    values = config.speech.model_dump() | {"languages": {language: languages[language].model_dump()}}
    return config.model_copy(update={"speech": Speech.model_validate(values)})


def _labelled(directory: Path) -> Iterator[tuple[Path, str]]:
    listed = directory / LIST
    if listed.exists():
        with listed.open(encoding="utf-8", newline="") as lines:
            for number, row in enumerate(csv.DictReader(lines), start=2):
                label, name = (row.get("label") or "").strip(), (row.get("file") or "").strip()
                if label not in LABELS or not (directory / name).is_file():
                    raise SpeechError(
                        f"{listed}:{number}: needs a file that exists and a label of {', '.join(LABELS)}, "
                        f"not {name!r} and {label!r}"
                    )
                yield directory / name, label
        return
    for label in LABELS:
        for path in sorted((directory / label).rglob("*.wav")):
            yield path, label


async def _tried(speech: Speech, language: str, clips: list[tuple[Path, str]]) -> AsyncIterator[Tried]:
    from callguard.controller.ears import ears_of

    ears = ears_of(speech)
    await ears.start()
    room = asyncio.Semaphore(speech.workers * AHEAD)

    async def one(path: Path, label: str) -> Tried:
        async with room:
            rate, pcm = await asyncio.to_thread(_samples, path)
            # The time is the clip's own: it is fed faster than it was spoken.
            async with ears.listen(language, rate, deadline=600.0) as hearing:
                size = round(FRAME * rate) * 2
                for at in range(0, len(pcm), size):
                    if hearing.feed(pcm[at : at + size]):
                        break
                    await asyncio.sleep(0)
                hearing.finish()
                return Tried(name=str(path), label=label, verdict=await hearing.verdict())

    try:
        for each in asyncio.as_completed([one(*clip) for clip in clips]):
            yield await each
    finally:
        await ears.close()


def _samples(path: Path) -> tuple[int, bytes]:
    import soundfile

    try:
        with soundfile.SoundFile(path) as clip:
            if clip.samplerate not in RATES or clip.channels != 1:
                raise SpeechError(
                    f"{path} has {clip.channels} channels at {clip.samplerate} Hz; clips are mono at 8000 or "
                    f"16000 Hz: `sox {path.name} -c 1 -r 8000 new.wav`"
                )
            pcm = clip.read(dtype="int16").tobytes()
            return clip.samplerate, pcm + bytes(round(AFTER * clip.samplerate) * 2)
    except (OSError, soundfile.LibsndfileError) as error:
        raise SpeechError(f"{path} cannot be read as audio ({error})") from error


def _summary(found: Check) -> dict[str, object]:
    return {
        "engine": found.engine,
        "language": found.language,
        "matrix": found.matrix,
        "wrong_yes": found.wrong,
        "passed": found.passed,
        "thresholds": _numbers(found.thresholds),
        "proposed": _numbers(found.proposed),
    }


def _numbers(thresholds: object) -> dict[str, float]:
    return {name: float(getattr(thresholds, name)) for name in ("phrase", "half", "bare", "no")}


def _show(found: Check, saved: Path) -> None:
    console = Console()
    table = Table(
        "clips that are", *(f"taken for {meaning}" for meaning in next(iter(found.matrix.values())))
    )
    for label, row in found.matrix.items():
        table.add_row(label, *(str(count) for count in row.values()))
    console.print(table)
    for name in found.wrong:
        console.print(f"[red]wrongly a yes:[/red] {name}", highlight=False, soft_wrap=True)
    proposed = ", ".join(f"{name}: {value:g}" for name, value in _numbers(found.proposed).items())
    console.print(f"Proposed for speech.languages.{found.language}: {proposed}", highlight=False)
    if found.wrong:
        console.print("Callers are not listened to with these thresholds. Raise them and check again.")
    elif not found.passed:
        console.print(
            f"Only {found.others} clips are no yes; {LEAST_OTHERS} are needed before this counts as a check."
        )
    else:
        console.print(f"Kept in {saved}; speech may be enabled.", highlight=False)
