"""`callguard vault`: list, show, export, verify, rekey and destroy recordings."""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from callguard.cli.options import config_option, json_option
from callguard.cli.places import Owner, about_key, make_directories, make_key, of_vault
from callguard.cli.recordings import everything, in_lines, summary
from callguard.config import Config, load
from callguard.controller.books import ledger_of
from callguard.controller.keeping import vault_of
from callguard.controller.tones import tone_of
from callguard.ledger import Entry, Kind
from callguard.ledger.bodies import Access, AnyBody, Retention
from callguard.recording.spool import ACCOUNT
from callguard.vault import PROFILES, Vault, VaultError
from callguard.vault import export as write_out
from callguard.vault.export import Format

#: Columns that a list of recordings takes.
LIST_WIDTH = 112

who_option = click.option(
    "--by", default=getpass.getuser, show_default="your user name", help="Who does it, for the ledger."
)


@click.group()
def vault() -> None:
    """Look after sealed recordings. RECORDING is a call's UUID, or one recording of it."""


@vault.command("new-key")
@config_option
def new_key(path: Path) -> None:
    """Make the site key that the configuration names, and the directories. Never replaces a key."""
    config = load(path)
    file = config.vault.key.file
    if file is None:
        raise VaultError(f"{path}: vault.key.file is not set; there is no file to make")
    if file.exists():
        raise VaultError(
            f"{file}: there is a site key already, and it stays; to change it, move its path to "
            "vault.former_keys, name another file in vault.key.file, and run this again"
        )
    owner = Owner.here()
    lacking = make_directories(of_vault(config), owner)
    if lacking:
        listed = " ".join(map(str, lacking))
        raise VaultError(f"cannot be made: {listed}; make them as root: install -d -o {ACCOUNT} {listed}")
    make_key(file, owner)
    click.echo(about_key(file, made=True))


@vault.command("list")
@config_option
@json_option
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="The newest so many.")
def list_recordings(path: Path, limit: int, *, as_json: bool) -> None:
    """Show which recordings there are."""
    store = vault_of(load(path))
    rows = sorted((summary(store, name) for name in store.names()), key=lambda row: row["created"] or "")
    rows = rows[-limit:]
    if as_json:
        click.echo(json.dumps(rows))
        return
    table = Table("recording", "created", "seconds", "purpose", "until", "state", box=None)
    for row in rows:
        state = "on hold" if row["hold"] else row["state"]
        created = (row["created"] or "")[:16].replace("T", " ")
        seconds = f"{row['seconds']:.1f}"
        table.add_row(row["recording"], created, seconds, row["purpose"], row["until"] or "", state)
    # A name that was cut off could not be given to another command.
    Console(width=max(Console().width, LIST_WIDTH)).print(table)


@vault.command()
@click.argument("recording")
@config_option
@json_option
def show(recording: str, path: Path, *, as_json: bool) -> None:
    """Show what is known of a recording, and everything that was marked in it."""
    store = vault_of(load(path))
    shown = [everything(store, name) for name in store.of_call(recording)]
    if as_json:
        click.echo(json.dumps(shown, ensure_ascii=False))
        return
    for one in shown:
        for line in in_lines(one):
            click.echo(line)


@vault.command()
@click.argument("recording")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to.")
@click.option("--format", "form", type=click.Choice(get_args(Format)), default="wav", show_default=True)
@click.option("--mono", is_flag=True, help="Both parties on one channel.")
@click.option(
    "--tone",
    type=click.Choice(["none", "site", *sorted(PROFILES)]),
    help="Lay the warning tone in where it sounded: as the index tells it, and what that leaves open as this "
    "profile says. Without it tone.lay_into_export decides.",
)
@click.option("--no-head", is_flag=True, help="Without the announcement and the answer before the recording.")
@click.option("--purpose", required=True, help="What it is needed for, for the ledger.")
@who_option
@config_option
@json_option
def export(
    recording: str,
    output: Path | None,
    form: Format,
    tone: str | None,
    purpose: str,
    by: str,
    path: Path,
    *,
    mono: bool,
    no_head: bool,
    as_json: bool,
) -> None:
    """Take a recording out of the vault, in the clear. The ledger notes who, why, and the hash."""
    config = load(path)
    store = vault_of(config)
    names = store.of_call(recording)
    target = output or Path(f"{recording}.{form}")
    readings = [store.open(name) for name in names]
    laid = tone or ("site" if config.tone.lay_into_export else "none")
    profile = tone_of(config.tone) if laid == "site" else PROFILES.get(laid)
    done = write_out(readings, target, form=form, mono=mono, tone=profile, head=not no_head)
    entry = Access(
        kind=Kind.EXPORT,
        who=by,
        role="command line",
        purpose=purpose,
        what="download",
        recording=recording,
        sha256=done.sha256,
    )
    try:
        _write_down(config, recording, [entry])
    except BaseException:
        target.unlink()  # nothing leaves the vault that the ledger does not know of
        raise
    if as_json:
        click.echo(json.dumps({"file": str(target), "seconds": done.seconds, "sha256": done.sha256}))
    else:
        click.echo(f"{target}: {done.seconds:.1f} s, SHA-256 {done.sha256}")


@vault.command()
@click.argument("recordings", nargs=-1)
@config_option
@json_option
def verify(recordings: tuple[str, ...], path: Path, *, as_json: bool) -> None:
    """Check every tag, order, length and hash of RECORDINGS, or of all. Exit status 1 if wrong."""
    store = vault_of(load(path))
    results = []
    for name in _progress(_named(store, recordings), "verifying", quiet=as_json):
        try:
            verdict = store.open(name).verify()
            wrong = [str(finding) for finding in verdict.findings]
            missing = verdict.missing if verdict.complete else f"not finished: misses {verdict.missing}"
        except VaultError as error:
            wrong, missing = [str(error)], ""
        results.append({"recording": name, "ok": not wrong, "findings": wrong, "missing": missing or None})
    bad = [result for result in results if not result["ok"]]
    if as_json:
        click.echo(json.dumps({"ok": not bad, "recordings": results}))
    else:
        for result in results:
            for finding in result["findings"]:  # type: ignore[attr-defined]
                click.echo(finding, err=True)
            if result["missing"]:
                click.echo(f"{result['recording']}: {result['missing']}")
        click.echo(f"{len(results)} recordings: {len(results) - len(bad)} are as they were sealed")
    if bad:
        sys.exit(1)


@vault.command()
@config_option
@json_option
def rekey(path: Path, *, as_json: bool) -> None:
    """Lock every recording's key away with the keys that are configured now; recordings stay as they are."""
    store = vault_of(load(path))
    changed, refused = 0, []
    for name in _progress(_named(store, ()), "locking keys", quiet=as_json):
        try:
            changed += store.rekey(name)
        except VaultError as error:
            refused.append(str(error))
    if as_json:
        click.echo(json.dumps({"ok": not refused, "changed": changed, "refused": refused}))
    else:
        for message in refused:
            click.echo(message, err=True)
        click.echo(f"{changed} keys were locked away anew")
    if refused:
        sys.exit(1)


@vault.command()
@click.argument("recording")
@click.option("--reason", required=True, help="Why, for the certificate and the ledger.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@who_option
@config_option
@json_option
def destroy(recording: str, reason: str, by: str, path: Path, *, yes: bool, as_json: bool) -> None:
    """Destroy a recording for good: its key, and everything that the key opens. Leaves a certificate."""
    config = load(path)
    store = vault_of(config)
    names = store.of_call(recording)
    if not yes:
        click.confirm(f"Destroy {', '.join(names)} for good?", abort=True, err=True)
    certificates = []
    for name in names:
        certificate = store.shred(name, by=by, reason=reason)
        entry = Retention(
            action="shred", recording=name, by=by, reason=reason, certificate=certificate.sha256
        )
        _write_down(config, name, [entry])
        certificates.append(certificate)
    if as_json:
        told = [{"recording": one.recording, "certificate": one.sha256} for one in certificates]
        click.echo(json.dumps(told))
        return
    for one in certificates:
        click.echo(f"{one.recording}: destroyed; SHA-256 of the certificate {one.sha256}")


def _named(store: Vault, recordings: Iterable[str]) -> list[str]:
    if recordings:
        return [name for recording in recordings for name in store.of_call(recording)]
    return [name for name in store.names() if not store.is_destroyed(name)]


def _progress(names: list[str], what: str, *, quiet: bool) -> Iterable[str]:
    return track(names, what, console=Console(stderr=True), transient=True, disable=quiet)


def _write_down(config: Config, recording: str, bodies: Iterable[AnyBody]) -> None:
    """Make entries durable before the command says that it is done."""

    async def write() -> None:
        async with ledger_of(config) as ledger:
            for body in bodies:
                await ledger.append(Entry.now(body, _call_of(recording)))

    asyncio.run(write())


def _call_of(recording: str) -> str:
    """The call that a recording belongs to: its name without the number."""
    call, dash, number = recording.rpartition("-")
    return call if dash and number.isdecimal() and len(call) > len("0" * 32) else recording
