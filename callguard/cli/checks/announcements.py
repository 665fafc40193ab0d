"""Whether the announcements are what was built, are all there, and can be played by Asterisk."""

from __future__ import annotations

import asyncio
from pathlib import Path

from callguard.asterisk.ari import Ari
from callguard.asterisk.events import PlaybackFinished
from callguard.cli.checks.finding import Finding, advice, fault, ok
from callguard.cli.checks.probe import Probe
from callguard.cli.checks.visit import PATIENCE, Visit
from callguard.config import Config
from callguard.controller import needed, table_of
from callguard.errors import PromptError
from callguard.prompts.library import Library
from callguard.prompts.manifest import Entry

#: How much of the end of the shortest file is played, and of each other one, seconds.
LONG_TAIL, TAIL = 0.5, 0.04

#: Seconds for all of them together; each takes a little more than its tail.
PLAYING_SECONDS = 60.0

_BUILD = "run `callguard prompts build`"


def open_library(config: Config) -> Library | None:
    """What was built, None when nothing was."""
    try:
        return Library.open(config.prompts.directory)
    except PromptError:
        return None


def check_files(config: Config) -> list[Finding]:
    """Whether each file is what was built, and everything that a call can need is there."""
    where = str(config.prompts.directory)
    try:
        library = Library.open(config.prompts.directory)
    except PromptError as error:
        return [fault("announcements", str(error), where, _BUILD)]
    findings = [fault("announcements", f.what, f.where, f.remedy) for f in library.check()]
    missing: dict[str, None] = {}
    for want in needed(config, table_of(config)):
        try:
            library.prompt(want.name, want.language, want.facts)
        except PromptError as error:
            missing[str(error)] = None
    if missing and not findings:
        what = f"{len(missing)} that calls can need are not there; the first: {next(iter(missing))}"
        findings.append(fault("announcements", what, where, _BUILD))
    return findings or [
        ok("announcements", f"{len(library.entries)} are there and as they were built", where)
    ]


async def check_playing(visit: Visit, ari: Ari, probe: Probe) -> list[Finding]:
    """Whether Asterisk plays them, each to its end."""
    library = open_library(visit.config)
    entries = sorted(library.entries if library else (), key=lambda entry: entry.audio.seconds)
    if library is None or not entries:
        return []
    silent: list[Entry] = []
    tried = 0
    try:
        async with asyncio.timeout(PLAYING_SECONDS):
            for entry in entries:
                path = library.directory / Path(entry.audio.file).stem
                skipped = entry.audio.seconds - (TAIL if tried else LONG_TAIL)
                if not await _plays(visit, ari, probe, path, skipped):
                    silent.append(entry)
                tried += 1
    except TimeoutError:
        pass
    where = str(library.directory)
    if silent:
        first = silent[0]
        which = f"{first.audio.file} ({first.name}, {first.language})"
        what = f"Asterisk cannot play {len(silent)} of {tried}; the first: {which}"
        remedy = (
            "let Asterisk's account read the directory and its files, on the PBX's own machine; see its log"
        )
        return [fault("announcements", what, where, remedy)]
    if tried < len(entries):
        what = f"only {tried} of {len(entries)} could be tried in {PLAYING_SECONDS:.0f} s"
        return [advice("announcements", what, where, "try again when the PBX is less busy")]
    return [ok("announcements", f"Asterisk plays all {tried}", where)]


async def _plays(visit: Visit, ari: Ari, probe: Probe, path: Path, skipped: float) -> bool:
    playback = f"{probe.call}-{path.name}"
    await ari.request(
        "POST",
        f"channels/{probe.near}/play/{playback}",
        {"media": f"sound:{path}", "offsetms": max(0, round(1000 * skipped))},
    )

    def over() -> PlaybackFinished | None:
        for event in visit.heard:
            if isinstance(event, PlaybackFinished) and event.playback == playback:
                return event
        return None

    # A file that is missing ends as failed at once (22.10.1).
    finished = await visit.until(over, PATIENCE)
    return finished is not None and finished.state == "done"
