"""`callguard evidence`: everything about one call in one file, for somebody who does not trust us."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from callguard.cli.ledgers import (
    FILE,
    ask,
    database_option,
    keys_of,
    note_access,
    numbers_key_option,
    place_of,
    privacy_of,
    public_key_option,
)
from callguard.cli.options import config_option
from callguard.config import Config, load
from callguard.errors import LedgerError, PromptError
from callguard.ledger import Kind, Stored
from callguard.ledger.case import Case, Recorded, Spoken
from callguard.ledger.evidence import bundle
from callguard.ledger.proof import prove_entries
from callguard.ledger.reading import Question
from callguard.ledger.vcon import vcon
from callguard.prompts.library import Library

_MEDIATYPES = {".wav": "audio/x-wav", ".ogg": "audio/ogg", ".opus": "audio/ogg", ".flac": "audio/flac"}


@click.command()
@click.argument("call")
@click.option("--format", "form", type=click.Choice(["zip", "vcon"]), default="zip", show_default=True)
@click.option("-o", "--out", type=FILE, help="Default: CALL.zip or CALL.vcon.json here.")
@click.option(
    "--audio", type=FILE, multiple=True, help="A recording to put in, as exported from the vault. Repeatable."
)
@click.option("--purpose", default="evidence", show_default=True, help="What for; stands in the ledger.")
@config_option
@database_option
@public_key_option
@numbers_key_option
def evidence(
    call: str,
    *,
    form: str,
    out: Path | None,
    audio: tuple[Path, ...],
    purpose: str,
    path: Path,
    database: str | None,
    public_key: Path | None,
    numbers_key: Path | None,
) -> None:
    """Put together what was said, answered and recorded on CALL, with proofs that need nothing of ours.

    That it was handed out becomes an entry itself, unless only a copy was named with --database.
    """
    config = load(path) if database is None or path.exists() else None
    place = place_of(path, database)
    entries = ask(place, Question(call=call).answer)
    if not entries:
        raise click.ClickException(
            f"the ledger has nothing of call {call}; find it with `callguard ledger search`"
        )
    if database is None:
        note_access(place, Kind.EXPORT, f"evidence of {call} as {form}", purpose)
    privacy = privacy_of(numbers_key, place)
    spoken, remarks = _spoken(config, entries)
    case = Case(
        call=call,
        site=config.site.name if config else "",
        made=datetime.now(UTC),
        entries=tuple(entries),
        proofs=tuple(ask(place, lambda c: prove_entries(c, [entry.position for entry in entries]))),
        keys=keys_of(place, public_key),
        spoken=spoken,
        recorded=tuple(_recorded(file) for file in audio),
        shown={entry.position: privacy.shown(entry.content) for entry in entries},
        remarks=(*remarks, *(() if audio else _no_audio(entries))),
    )
    target = out or Path(f"{call}.zip" if form == "zip" else f"{call}.vcon.json")
    made = bundle(case) if form == "zip" else json.dumps(vcon(case), ensure_ascii=False, indent=1).encode()
    try:
        target.write_bytes(made)
    except OSError as fault:
        raise LedgerError(f"{target} cannot be written: {fault.strerror}") from fault
    click.echo(f"{target}: {len(entries)} entries, {len(case.recorded)} recordings, {len(spoken)} prompts")


def _spoken(config: Config | None, entries: Sequence[Stored]) -> tuple[Mapping[str, Spoken], Sequence[str]]:
    """The prompts that were played, by medium, as far as they are still there."""
    media = {
        m for entry in entries for heard in entry.content.get("heard", ()) for m in heard.get("media", ())
    }
    if not media or config is None:
        return {}, ()
    try:
        library = Library.open(config.prompts.directory)
    except PromptError as fault:
        return {}, (f"The audio of the prompts is missing: {fault}",)
    files = {Path(entry.audio.file).stem: entry.audio.file for entry in library.entries}
    found = {}
    for medium in media:
        name = files.get(medium.rpartition("/")[2])
        if name is not None:
            audio = (library.directory / name).read_bytes()
            found[medium] = Spoken(name=name, audio=audio, words=library.words(medium))
    lost = len(media) - len(found)
    return found, (f"{lost} files of the prompts are no longer there.",) if lost else ()


def _recorded(file: Path) -> Recorded:
    try:
        audio = file.read_bytes()
    except OSError as fault:
        raise LedgerError(f"{file} cannot be read: {fault.strerror}") from fault
    mediatype = _MEDIATYPES.get(file.suffix.lower())
    if mediatype is None:
        raise click.BadParameter(f"{file} is no WAV, FLAC, Ogg or Opus file", param_hint="--audio")
    return Recorded(name=file.name, audio=audio, mediatype=mediatype)


def _no_audio(entries: Sequence[Stored]) -> Sequence[str]:
    captured: list[Any] = [entry for entry in entries if entry.kind == Kind.CAPTURE_STARTED]
    if not captured:
        return ("Nothing of this call was recorded.",)
    return ("Recordings of this call were made; they were not put into this file.",)
