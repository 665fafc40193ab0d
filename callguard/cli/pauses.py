"""`callguard pauses`: pauses that nobody ended, payments without one, and other things to look at."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from callguard.cli.ledgers import ask, database_option, place_of
from callguard.cli.options import config_option, json_option
from callguard.config import load
from callguard.ledger.pauses import Findings, Paid, Pause, pauses_between


@click.command()
@click.option("--since", type=click.DateTime(), help="From this time on, UTC.")
@click.option("--until", type=click.DateTime(), help="Before this time, UTC.")
@click.option(
    "--longer-than",
    "longest",
    type=click.FloatRange(min=0),
    help="Report pauses longer than so many seconds; default: pause.seconds of the configuration.",
)
@click.option("--all", "everything", is_flag=True, help="Show the pauses that are in order as well.")
@config_option
@database_option
@json_option
def pauses(
    since: datetime | None,
    until: datetime | None,
    longest: float | None,
    path: Path,
    database: str | None,
    *,
    everything: bool,
    as_json: bool,
) -> None:
    """Report what is wrong with pauses and payments, from the ledger.

    Pauses that were never resumed, that the clock or a fault ended, that went on after their time or lasted
    long; payments on a recorded call that was not paused for them. Exit status 1 if there is anything.
    """
    most = longest if longest is not None else load(path).pause.seconds
    first, last = (each and each.replace(tzinfo=UTC) for each in (since, until))
    found = ask(place_of(path, database), lambda connection: pauses_between(connection, first, last))
    odd = [each for each in found.pauses if each.wrong(most)]
    exposed = [each for each in found.payments if each.exposed]
    if as_json:
        click.echo(json.dumps(_json(found, most)))
    else:
        _print(found.pauses if everything else odd, exposed, most)
        click.echo(
            f"{len(found.pauses)} pauses, {len(odd)} to look at; {len(found.payments)} payments, "
            f"{len(exposed)} without a pause"
        )
    if odd or exposed:
        sys.exit(1)


def _json(found: Findings, most: float) -> dict[str, Any]:
    return {
        "pauses": [
            {
                "call": each.call,
                "began": each.began.isoformat(),
                "by": each.by,
                "seconds": each.seconds,
                "end": each.end.value,
                "ended_by": each.ended_by,
                "confirmed": each.confirmed,
                "verified": each.verified,
                "extended": each.extended,
                "wrong": list(each.wrong(most)),
            }
            for each in found.pauses
        ],
        "payments": [
            {
                "call": each.call,
                "at": each.at.isoformat(),
                "reference": each.reference,
                "by": each.by,
                "paused": each.paused,
                "recorded": each.recorded,
                "wrong": ["was not paused for"] if each.exposed else [],
            }
            for each in found.payments
        ],
    }


def _print(pauses: tuple[Pause, ...] | list[Pause], exposed: list[Paid], most: float) -> None:
    console = Console(soft_wrap=True)
    if pauses:
        table = Table("began (UTC)", "call", "by", "seconds", "look at")
        for each in pauses:
            seconds = "goes on" if each.seconds is None else f"{each.seconds:.0f}"
            words = "; ".join(each.wrong(most))
            table.add_row(f"{each.began:%Y-%m-%d %H:%M:%S}", each.call, each.by, seconds, words)
        console.print(table)
    if exposed:
        table = Table("payment (UTC)", "call", "told by", "reference")
        for paid in exposed:
            table.add_row(f"{paid.at:%Y-%m-%d %H:%M:%S}", paid.call, paid.by, paid.reference)
        console.print(table)
