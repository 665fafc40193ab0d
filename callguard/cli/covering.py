"""`callguard law coverage`: the last days' calls by the evidence that they were judged on."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from callguard.cli.options import config_option, json_option
from callguard.config import load
from callguard.controller.coverage import Coverage, coverage, entries_since
from callguard.law import UNKNOWN


@click.command("coverage")
@click.option("--days", type=click.IntRange(1, 3660), default=30, show_default=True, help="How far back.")
@config_option
@json_option
@click.pass_context
def coverage_command(ctx: click.Context, *, days: int, path: Path, as_json: bool) -> None:
    """Tell on what evidence the last days' calls were judged. Exit status 1 when an announcement is missing.

    The evidence `none` means that nobody knew where the caller was: the strictest rule applied. `unsaid`
    means that the call was not judged: an emergency number, or recording was switched off.
    """
    until = datetime.now(UTC)
    found = coverage(entries_since(load(path).ledger.url, until - timedelta(days=days)))
    if as_json:
        click.echo(json.dumps({"days": days, "until": until.isoformat(), "ok": found.sound} | asdict(found)))
    else:
        _print(found, days)
    ctx.exit(0 if found.sound else 1)


def _print(found: Coverage, days: int) -> None:
    click.echo(f"{found.calls} calls in {days} days, {found.captured} of them recorded")
    for title, counts in (
        ("evidence for the caller's place", found.evidence),
        ("caller's jurisdiction", found.jurisdictions),
        ("outcome", found.outcomes),
    ):
        for name, count in counts.items():
            click.echo(f"{title}: {name} {count} ({count / found.calls:.1%})")
    click.echo(f"held to be nowhere ({UNKNOWN}): {found.unknown}")
    click.echo(f"faults: {found.faults}, callers led on because of them: {found.rescued}")
    click.echo(f"recorded without a whole announcement: {len(found.missing)}")
    for call in found.missing:
        click.echo(f"    call {call}")
