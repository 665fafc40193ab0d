"""`callguard audit`: listen to finished recordings, and compare them with what the ledger says."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from prometheus_client import CollectorRegistry, Gauge, write_to_textfile
from rich.console import Console
from rich.progress import Progress

from callguard.cli.options import config_option, json_option
from callguard.config import Config, load
from callguard.controller.auditing import Audited, audit_all
from callguard.controller.books import ledger_of
from callguard.controller.keeping import vault_of
from callguard.controller.tones import tone_of
from callguard.errors import ConfigError
from callguard.vault import PROFILES, Tone, Vault, VaultError
from callguard.vault.audit import KINDS


@click.command()
@click.argument("recordings", nargs=-1)
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="Only those begun on this day or later.")
@click.option(
    "--tone",
    type=click.Choice(["site", *sorted(PROFILES)]),
    help="The warning tone that has to be there; site: that of the configuration.",
)
@click.option("--dry-run", is_flag=True, help="Write no findings into the ledger.")
@click.option(
    "--metrics",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write figures for Prometheus into this file, whose name ends in .prom, for the textfile collector "
    "of node_exporter.",
)
@config_option
@json_option
def audit(
    recordings: tuple[str, ...],
    since: datetime | None,
    tone: str | None,
    metrics: Path | None,
    path: Path,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Listen to RECORDINGS, or to all that are finished: is it silent exactly where the ledger says?

    Also: no key tone is left, each is as long as it was captured, the hash is the ledger's, the warning tone
    was in time, a consent stands in the ledger, and so does the certificate of what was destroyed; none that
    the ledger knows is missing. Meant for every night (`--since` yesterday). Findings go into the ledger.
    Exit status 1 if there are any.
    """
    config = load(path)
    store = vault_of(config)
    # A day more than asked for: a recording that began before midnight belongs to the night's work as well.
    first = since.replace(tzinfo=UTC) - timedelta(days=1) if since else None
    names = list(_chosen(store, recordings, first))
    wanted = tone_of(config.tone) if tone == "site" else PROFILES.get(tone or "")
    began = time.monotonic()
    with Progress(console=Console(stderr=True), transient=True, disable=as_json) as progress:
        shown = progress.add_task("listening", total=len(names))
        audited = asyncio.run(
            _audit(
                store,
                names,
                config,
                tone=wanted,
                since=first,
                complete=not recordings,
                write_down=not dry_run,
                done=lambda: progress.advance(shown),
            )
        )
    if metrics is not None:
        _write_metrics(metrics, audited, took=time.monotonic() - began)
    if as_json:
        told = {name: [finding.what for finding in findings] for name, findings in audited.findings.items()}
        click.echo(json.dumps({"ok": not audited.wrong, "recordings": told}))
    else:
        for findings in audited.wrong.values():
            for finding in findings:
                click.echo(str(finding), err=True)
        good = len(audited.findings) - len(audited.wrong)
        click.echo(f"{len(audited.findings)} recordings: {good} are as the ledger says")
    if audited.wrong:
        sys.exit(1)


async def _audit(
    store: Vault,
    names: Sequence[str],
    config: Config,
    *,
    tone: Tone | None,
    since: datetime | None,
    complete: bool,
    write_down: bool,
    done: Callable[[], object],
) -> Audited:
    async with ledger_of(config) as ledger:
        return await audit_all(
            store,
            ledger,
            names,
            tone=tone,
            since=since,
            complete=complete,
            write_down=write_down,
            done=done,
        )


def _chosen(store: Vault, recordings: Iterable[str], first: datetime | None) -> Iterable[str]:
    """Those that are named, or all that are finished or destroyed, from a time on."""
    if recordings:
        for recording in recordings:
            yield from store.of_call(recording)
        return
    for name in store.names():
        done = store.is_finished(name) or store.is_destroyed(name)
        if done and (first is None or (begun := _begun(store, name)) is None or begun >= first):
            yield name


def _begun(store: Vault, name: str) -> datetime | None:
    """When it was begun, or destroyed; None where that cannot be read, which the audit then tells."""
    try:
        certificate = store.certificate(name)
        return datetime.fromisoformat(certificate.utc) if certificate else store.header(name).created
    except (VaultError, ValueError):
        return None


def _write_metrics(path: Path, audited: Audited, *, took: float) -> None:
    """All figures of one run, whole or not at all.

    Raises:
        ConfigError: the file cannot be written.
    """
    registry = CollectorRegistry()
    for name, what, value in (
        ("recordings", "Recordings that the newest audit looked at.", len(audited.findings)),
        ("recordings_wrong", "Those of them that are not as the ledger says.", len(audited.wrong)),
        ("listened_seconds", "Speech that it listened to.", audited.seconds),
        ("duration_seconds", "How long it took.", took),
        ("last_run_timestamp_seconds", "When it ended.", time.time()),
    ):
        Gauge(f"callguard_audit_{name}", what, registry=registry).set(value)
    findings = Gauge(
        "callguard_audit_findings", "What it found, by kind.", labelnames=["kind"], registry=registry
    )
    counted = Counter(each.kind for found in audited.findings.values() for each in found)
    for kind in KINDS:
        findings.labels(kind).set(counted[kind])
    try:
        write_to_textfile(str(path), registry)
    except OSError as error:
        raise ConfigError(
            f"--metrics: {path} cannot be written ({error.strerror}); choose another"
        ) from error
