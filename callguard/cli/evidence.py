"""`callguard evidence`: everything about one call in one file, for somebody who does not trust us."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import click

from callguard.cli.ledgers import (
    FILE,
    ask,
    by_option,
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
from callguard.controller.keeping import vault_of
from callguard.errors import LedgerError, PromptError
from callguard.ledger import Kind, Stored
from callguard.ledger.case import Case, Recorded, Spoken
from callguard.ledger.evidence import bundle
from callguard.ledger.proof import prove_entries
from callguard.ledger.reading import Question
from callguard.ledger.vcon import vcon
from callguard.prompts.library import Library
from callguard.vault import VaultError, export

#: Speech in the clear is put together in memory, never on a disk.
_MEMORY = Path("/dev/shm")  # noqa: S108

_MEDIATYPES = {".wav": "audio/x-wav", ".ogg": "audio/ogg", ".opus": "audio/ogg", ".flac": "audio/flac"}


@click.command()
@click.argument("call")
@click.option("--format", "form", type=click.Choice(["zip", "vcon"]), default="zip", show_default=True)
@click.option("-o", "--out", type=FILE, help="Default: CALL.zip or CALL.vcon.json here.")
@click.option("--audio", type=FILE, multiple=True, help="A recording from elsewhere to put in. Repeatable.")
@click.option("--no-audio", is_flag=True, help="Without the recordings, for those who may not hear them.")
@click.option("--purpose", required=True, help="What it is needed for, for the ledger.")
@by_option
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
    no_audio: bool,
    purpose: str,
    by: str,
    path: Path,
    database: str | None,
    public_key: Path | None,
    numbers_key: Path | None,
) -> None:
    """Put together what was said, answered and recorded on CALL, with proofs that need nothing of ours.

    The ledger notes who, why, and the hash, unless only a copy of it was named with --database.
    """
    config = load(path) if database is None or path.exists() else None
    place = place_of(path, database)
    entries = ask(place, Question(call=call).answer)
    if not entries:
        raise click.ClickException(
            f"the ledger has nothing of call {call}; find it with `callguard ledger search`"
        )
    privacy = privacy_of(numbers_key, place)
    spoken, lost = _spoken(config, entries)
    recorded: tuple[Recorded, ...] = ()
    missing: tuple[str, ...] = ("The recordings were left out.",)
    if not no_audio:
        kept, missing = _kept(config, call)
        recorded = (*kept, *(_recorded(file) for file in audio))
    case = Case(
        call=call,
        site=config.site.name if config else "",
        made=datetime.now(UTC),
        entries=tuple(entries),
        proofs=tuple(ask(place, lambda c: prove_entries(c, [entry.position for entry in entries]))),
        keys=keys_of(place, public_key),
        spoken=spoken,
        recorded=recorded,
        shown={entry.position: privacy.shown(entry.content) for entry in entries},
        remarks=(*lost, *missing, *(() if recorded else _without(entries))),
    )
    target = out or Path(f"{call}.zip" if form == "zip" else f"{call}.vcon.json")
    made = bundle(case) if form == "zip" else json.dumps(vcon(case), ensure_ascii=False, indent=1).encode()
    if database is None:
        digest = sha256(made).hexdigest()
        note_access(place, what=f"evidence as {form}", purpose=purpose, by=by, call=call, sha256=digest)
    try:
        target.write_bytes(made)
    except OSError as fault:
        raise LedgerError(f"{target} cannot be written: {fault.strerror}") from fault
    click.echo(f"{target}: {len(entries)} entries, {len(recorded)} recordings, {len(spoken)} prompts")


def _kept(config: Config | None, call: str) -> tuple[tuple[Recorded, ...], tuple[str, ...]]:
    """The recordings in the vault, and a remark on each that is not to be had."""
    if config is None or not config.vault.enabled:
        return (), ()
    try:
        vault = vault_of(config)
    except VaultError as fault:
        # The entries and their proofs are worth having without the sound.
        return (), (f"What the vault holds is not in this file: {fault}",)
    found, remarks = [], []
    try:
        names = vault.of_call(call)
    except VaultError:
        return (), ()
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as directory:
        for name in names:
            file = Path(directory) / f"{name}.wav"
            try:
                done = export([vault.open(name)], file)
            except VaultError as fault:
                remarks.append(f"Recording {name} is not in this file: {fault}")
                continue
            start = vault.header(name).created
            found.append(Recorded(name=file.name, audio=file.read_bytes(), start=start, seconds=done.seconds))
    return tuple(found), tuple(remarks)


def _spoken(config: Config | None, entries: Sequence[Stored]) -> tuple[Mapping[str, Spoken], tuple[str, ...]]:
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


def _without(entries: Sequence[Stored]) -> tuple[str, ...]:
    if any(entry.kind == Kind.CAPTURE_STARTED for entry in entries):
        return ("This call was recorded; the recording is not in this file.",)
    return ("Nothing of this call was recorded.",)
