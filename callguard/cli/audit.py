"""`callguard audit`: listen to finished recordings, and compare them with what the ledger says."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track

from callguard.cli.options import config_option, json_option
from callguard.config import Config, load
from callguard.controller.books import ledger_of
from callguard.controller.keeping import vault_of
from callguard.controller.tones import tone_of
from callguard.ledger import Entry, Kind, Ledger, Stored
from callguard.ledger.bodies import Capture, Fault
from callguard.vault import PROFILES, Expected, Finding, Tone, Vault, VaultError
from callguard.vault import audit as listen
from callguard.vault.sound import RATE


@click.command()
@click.argument("recordings", nargs=-1)
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="Only those begun on this day or later.")
@click.option(
    "--tone",
    type=click.Choice(["site", *sorted(PROFILES)]),
    help="The warning tone that has to be there; site: that of the configuration.",
)
@click.option("--dry-run", is_flag=True, help="Write no findings into the ledger.")
@config_option
@json_option
def audit(
    recordings: tuple[str, ...],
    since: datetime | None,
    tone: str | None,
    path: Path,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Listen to RECORDINGS, or to all that are finished: is it silent exactly where the ledger says?

    Also: no key tone is left, the length and the hash are the ledger's, the warning tone was in time. Meant
    for every night (`--since yesterday's date`). Findings go into the ledger. Exit status 1 if there are any.
    """
    config = load(path)
    store = vault_of(config)
    names = list(_chosen(store, recordings, since.date() if since else None))
    wanted = tone_of(config.tone) if tone == "site" else PROFILES.get(tone or "")
    results = asyncio.run(_audit(store, names, config, wanted, dry_run=dry_run, quiet=as_json))
    wrong = {name: findings for name, findings in results.items() if findings}
    if as_json:
        told = {name: [finding.what for finding in findings] for name, findings in results.items()}
        click.echo(json.dumps({"ok": not wrong, "recordings": told}))
    else:
        for findings in wrong.values():
            for finding in findings:
                click.echo(str(finding), err=True)
        click.echo(f"{len(results)} recordings: {len(results) - len(wrong)} are as the ledger says")
    if wrong:
        sys.exit(1)


def expected_of(entries: Iterable[Stored], recording: str, tone: Tone | None = None) -> Expected:
    """What the ledger says of one recording.

    A span counts as silent when its both edges are known: a pause that was verified, or an erasure.
    """
    call, _, number = recording.rpartition("-")
    silences: list[tuple[int, int]] = []
    sha256, seconds = None, None
    for entry in entries:
        body = entry.body
        if not isinstance(body, Capture):
            continue
        if body.recording not in {recording, call} or (
            body.recording == call and body.segment != int(number)
        ):
            continue
        if body.kind in {Kind.CAPTURE_CONFIRMED, Kind.CAPTURE_ERASED}:
            if body.offset is not None and body.until is not None:
                silences.append((body.offset, body.until))
        elif body.kind is Kind.CAPTURE_STOPPED:
            sha256 = body.sha256 or sha256
            seconds = body.offset / (body.rate or RATE) if body.offset is not None else seconds
    return Expected(silences=tuple(silences), seconds=seconds, sha256=sha256, tone=tone)


async def _audit(
    store: Vault, names: Sequence[str], config: Config, tone: Tone | None, *, dry_run: bool, quiet: bool
) -> dict[str, list[Finding]]:
    ledger = ledger_of(config)
    await ledger.open()
    try:
        results = {}
        shown = track(names, "listening", console=Console(stderr=True), transient=True, disable=quiet)
        for name in shown:
            entries = await _entries(ledger, name.rpartition("-")[0])
            findings = await asyncio.to_thread(_listen, store, name, expected_of(entries, name, tone))
            results[name] = findings
            if not dry_run:
                for finding in findings:
                    body = Fault(where=f"audit of {name}", detail=finding.what)
                    await ledger.append(Entry.now(body, name.rpartition("-")[0]))
        return results
    finally:
        await ledger.close()


async def _entries(ledger: Ledger, call: str) -> list[Stored]:
    kinds = (Kind.CAPTURE_CONFIRMED, Kind.CAPTURE_ERASED, Kind.CAPTURE_STOPPED)
    return await ledger.entries(call=call, kinds=kinds, limit=10_000)


def _listen(store: Vault, name: str, expected: Expected) -> list[Finding]:
    try:
        return listen(store.open(name), expected)
    except VaultError as error:
        return [Finding(name, str(error))]


def _chosen(store: Vault, recordings: Iterable[str], since: date | None) -> Iterable[str]:
    if recordings:
        for recording in recordings:
            yield from store.of_call(recording)
        return
    # A day more than asked for: a recording that began before midnight belongs to the night's work as well.
    first = datetime.combine(since, datetime.min.time(), UTC) - timedelta(days=1) if since else None
    for name in store.names():
        if store.is_finished(name) and (first is None or store.header(name).created >= first):
            yield name
