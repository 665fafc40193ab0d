"""`callguard policy document`: the recording policy and the agents' sheet, from the live configuration."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from callguard.cli.documents import policy, rendered, sheet, site_facts
from callguard.cli.options import config_option
from callguard.config import Config, load
from callguard.controller.coverage import coverage, entries_since
from callguard.controller.rulebook import table_of
from callguard.errors import LedgerError
from callguard.law import UNKNOWN

#: Files that are written, without their ending.
FILES = {"recording-policy": policy, "agents-sheet": sheet}

#: How far back calls are counted, and how many of the callers' places are told of.
DAYS = 90
PLACES = 8


@click.group("policy")
def policy_group() -> None:
    """The documents that a site owes to its callers and its staff."""


@policy_group.command()
@click.option(
    "--output",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    show_default="here",
    help="Write the files into this directory.",
)
@click.option("--format", "kind", type=click.Choice(["html", "md"]), default="html", show_default=True)
@click.option(
    "--callers",
    "callers",
    multiple=True,
    metavar="CODE",
    help="A place that callers come from, such as US-CA. Repeatable; default: where they called from in the "
    "last 90 days, by the ledger.",
)
@config_option
def document(path: Path, directory: Path, kind: str, callers: tuple[str, ...]) -> None:
    """Write the recording policy and a one-page sheet for agents, as they follow from the configuration.

    They say who records and what for, what callers hear word for word, what a refusal leads to, how long
    recordings are kept, and who approved what is milder than the law's text. Have counsel read them.
    """
    config = load(path)
    table = table_of(config)
    for code in callers:
        if table.resolve(code) == UNKNOWN and code.strip().upper() != UNKNOWN:
            raise click.BadParameter(
                f"{code} is not in the table; see `callguard law list`", param_hint="--callers"
            )
    counted = () if callers else _past_callers(config)
    places = callers or counted or (config.site.recorder,)
    facts = site_facts(config, table, places, made=datetime.now(UTC).date(), counted=bool(counted))
    directory.mkdir(parents=True, exist_ok=True)
    for name, write in FILES.items():
        file = directory / f"{name}.{kind}"
        file.write_text(rendered(write(facts), kind), encoding="utf-8")
        click.echo(str(file))
    for blank in facts.blanks:
        click.echo(f"{blank} is not set: it is a blank in the documents", err=True)


def _past_callers(config: Config) -> Sequence[str]:
    """The places of the last calls' callers, most first; none when there is no ledger to read yet."""
    since = datetime.now(UTC) - timedelta(days=DAYS)
    try:
        found = coverage(entries_since(config.ledger.url, since))
    except LedgerError as error:
        click.echo(f"callers' places are not counted: {error}; name them with --callers", err=True)
        return ()
    return tuple(found.jurisdictions)[:PLACES]
