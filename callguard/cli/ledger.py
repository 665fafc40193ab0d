"""`callguard ledger`: check it, look into it, take it out, and prove what it says."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from callguard.cli.ledgers import (
    FILE,
    ask,
    bar,
    by_option,
    database_option,
    entry_json,
    keys_of,
    note_access,
    numbers_key_option,
    out_option,
    output,
    place_of,
    print_entries,
    print_report,
    privacy_of,
    public_key_option,
    report_json,
    source_at,
)
from callguard.cli.options import config_option, json_option
from callguard.config import load
from callguard.controller.books import ledger_of
from callguard.errors import LedgerError
from callguard.ledger import Kind, PublicKey, Stored
from callguard.ledger.export import csv_lines, json_lines
from callguard.ledger.keys import read_public_keys
from callguard.ledger.outbox import count, dead_letters
from callguard.ledger.privacy import NUMBERS, Privacy
from callguard.ledger.proof import prove_entries, prove_growth, verify_proof
from callguard.ledger.publishing import read_notes
from callguard.ledger.reading import Question
from callguard.ledger.verify import verify as verify_ledger


@click.group("ledger")
def ledger_group() -> None:
    """The ledger: verify, show, search, export, prove."""


@ledger_group.command()
@config_option
@database_option
@public_key_option
@click.option(
    "--checkpoints",
    type=FILE,
    multiple=True,
    help="Checkpoints that were kept elsewhere; only they show that a ledger was put back. Repeatable.",
)
@json_option
def verify(
    path: Path, database: str | None, public_key: Path | None, checkpoints: tuple[Path, ...], *, as_json: bool
) -> None:
    """Check every entry. Exit status 0 only if all is well; else it says which entry is wrong, and how.

    Needs the database or an export, and the public keys; no configuration, no network, no running callguard.
    """
    place = place_of(path, database)
    keys = keys_of(place, public_key)
    outside = [note for file in checkpoints for note in read_notes(file)]
    with source_at(place) as source:
        if as_json:
            report = verify_ledger(source, keys, outside)
        else:
            with bar("Entries", source.count()) as advance:
                report = verify_ledger(source, keys, outside, advance)
    if as_json:
        click.echo(json.dumps(report_json(report), ensure_ascii=False))
    else:
        print_report(report)
    if not report.ok:
        raise SystemExit(1)


@ledger_group.command()
@click.argument("call")
@config_option
@database_option
@numbers_key_option
@json_option
def show(call: str, path: Path, database: str | None, numbers_key: Path | None, *, as_json: bool) -> None:
    """Show everything that the ledger has of one call, in plain sentences."""
    place = place_of(path, database)
    found = ask(place, Question(call=call).answer)
    if not found:
        raise click.ClickException(
            f"the ledger has nothing of call {call}; find it with `callguard ledger search`"
        )
    print_entries(found, privacy_of(numbers_key, place), as_json=as_json)


@ledger_group.command()
@click.option("--caller", help="The caller's number.")
@click.option("--called", help="The number that was dialled.")
@click.option("--phone", help="The number of somebody who joined.")
@click.option("--queue", help="The queue.")
@click.option("--outcome", help="How it ended: granted, refused, ...")
@click.option("--agent", help="The agent.")
@click.option("--case", help="The CRM's number of the call.")
@click.option("--who", help="Who looked at something or took it out.")
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice([str(kind) for kind in Kind]), help="Repeatable."
)
@click.option("--since", type=click.DateTime(), help="From this time on, UTC.")
@click.option("--until", type=click.DateTime(), help="Before this time, UTC.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 100_000))
@config_option
@database_option
@numbers_key_option
@json_option
def search(
    *,
    path: Path,
    database: str | None,
    numbers_key: Path | None,
    kinds: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    limit: int,
    as_json: bool,
    **terms: str | None,
) -> None:
    """Find entries by what they say, their kind and their time; all conditions together."""
    place = place_of(path, database)
    privacy = privacy_of(numbers_key, place)
    sought = tuple(
        (name, privacy.hide(value) if name in NUMBERS else value)
        for name, value in terms.items()
        if value is not None
    )
    question = Question(
        terms=sought,
        kinds=kinds,
        since=since and since.replace(tzinfo=UTC),
        until=until and until.replace(tzinfo=UTC),
        limit=limit,
    )
    print_entries(ask(place, question.answer), privacy, as_json=as_json)


@ledger_group.command()
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@click.option("--purpose", default="export", show_default=True, help="What for; stands in the ledger.")
@by_option
@out_option
@config_option
@database_option
def export(path: Path, database: str | None, form: str, purpose: str, by: str, out: Path | None) -> None:
    """Take the whole ledger out: JSON lines (which can be verified like the database) or CSV.

    That it was taken out becomes an entry itself, unless only a copy was named with --database.
    """
    place = place_of(path, database)
    if database is None:
        note_access(place, what=f"ledger as {form}", purpose=purpose, by=by)
    with source_at(place) as source, output(out) as write:
        if form == "jsonl":
            for line in json_lines(source):
                write(f"{line}\n")
            return
        rows = (Stored.read(r.position, r.columns.leaf if r.columns else b"", r.text) for r in source.rows())
        for line in csv_lines(rows):
            write(line)


@ledger_group.command()
@click.argument("entry", type=click.IntRange(0), nargs=-1)
@click.option(
    "--since",
    "earlier",
    type=FILE,
    help="Prove instead that the ledger grew out of the checkpoint in this file.",
)
@out_option
@config_option
@database_option
def prove(
    path: Path, database: str | None, entry: tuple[int, ...], earlier: Path | None, out: Path | None
) -> None:
    """Write a proof of an entry that `verify-proof` checks without the database.

    Several entries make as many lines. Entries are counted from 0, as `show` and `search` tell them.
    """
    if bool(entry) == bool(earlier):
        raise click.UsageError("name entries, or a checkpoint with --since")
    place = place_of(path, database)
    with output(out) as write:
        if earlier is not None:
            notes = read_notes(earlier)
            if not notes:
                raise LedgerError(f"{earlier} holds no checkpoint")
            write(json.dumps(ask(place, lambda c: prove_growth(c, notes[0])), ensure_ascii=False) + "\n")
        else:
            for proof in ask(place, lambda c: prove_entries(c, entry)):
                write(json.dumps(proof, ensure_ascii=False) + "\n")


@ledger_group.command("verify-proof")
@click.argument("files", type=FILE, nargs=-1, required=True)
@click.option("--public-key", "public_key", type=FILE, required=True, help="File with the public keys.")
@json_option
def verify_proof_(files: tuple[Path, ...], public_key: Path, *, as_json: bool) -> None:
    """Check proofs, a file or several to a file, without any database. Exit status 0 only if all hold."""
    keys = read_public_keys(public_key)
    results = [{"file": str(file), **_checked(text, keys)} for file in files for text in _proofs(file)]
    if as_json:
        click.echo(json.dumps({"ok": all(r["ok"] for r in results), "proofs": results}, ensure_ascii=False))
    else:
        console = Console(soft_wrap=True)
        for result in results:
            mark = "[green]holds[/green]" if result["ok"] else "[red]does not hold[/red]"
            console.print(f"{result['file']}: {mark}: {escape(str(result['says']))}")
    if not all(r["ok"] for r in results):
        raise SystemExit(1)


@ledger_group.command("change-key")
@config_option
def change_key(path: Path) -> None:
    """Have a new key sign from now on. Running controllers take it by themselves.

    The public half is added to the file beside the key; give it to whoever verifies.
    """

    async def change() -> PublicKey:
        async with ledger_of(load(path)) as ledger:
            return await ledger.change_key()

    click.echo(asyncio.run(change()))


@ledger_group.command()
@click.option("--replay", metavar="ENDPOINT", help="Have the dead letters of this endpoint told again.")
@config_option
@json_option
def outbox(path: Path, replay: str | None, *, as_json: bool) -> None:
    """Show what webhooks are waiting or were given up, and tell dead letters again."""
    config = load(path)
    url = config.ledger.url
    if replay is not None:

        async def again() -> int:
            async with ledger_of(config) as ledger:
                return await ledger.replay(replay)

        click.echo(f"{asyncio.run(again())} events will be told again to {replay}")
        return
    numbers = ask(url, count)
    dead = ask(url, dead_letters)
    if as_json:
        states = [{"endpoint": e, "state": s, "events": n} for (e, s), n in sorted(numbers.items())]
        letters = [{"id": i, "event": e, "answer": a} for i, e, a in dead]
        click.echo(json.dumps({"states": states, "dead": letters}, ensure_ascii=False))
        return
    table = Table("endpoint", "state", "events")
    for (endpoint, state), number in sorted(numbers.items()):
        table.add_row(endpoint, state, str(number))
    Console().print(table if numbers else "Nothing is or was in the outbox.")
    for number, event, answer in dead:
        click.echo(f"dead letter {number}: {event}: {answer}")


def _proofs(file: Path) -> list[str]:
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise LedgerError(f"{file} cannot be read: {fault}") from fault
    lines = [line for line in text.splitlines() if line.strip()]
    # One proof over many lines, as in an evidence bundle, or one per line, as `prove` writes them.
    return lines if all(line.startswith("{") and line.endswith("}") for line in lines) else [text]


def _checked(text: str, keys: tuple[PublicKey, ...]) -> dict[str, Any]:
    try:
        proven = verify_proof(text, keys)
    except LedgerError as fault:
        return {"ok": False, "says": str(fault)}
    signed = (
        f"signed by {proven.signed_by} on {proven.signed:%Y-%m-%d %H:%M:%S} UTC over {proven.size} entries"
    )
    if proven.entry is None:
        return {"ok": True, "says": f"the ledger grew out of its first {proven.first} entries, {signed}"}
    entry = entry_json(proven.entry, Privacy())
    return {
        "ok": True,
        "says": f"entry {proven.first} ({entry['says']}) is in the ledger {signed}",
        "entry": entry,
    }
