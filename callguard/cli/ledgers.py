"""Finding, opening and printing ledgers: what the commands that read one share."""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from callguard.config import load
from callguard.errors import LedgerError
from callguard.ledger import Entry, Kind, Stored, open_ledger
from callguard.ledger.bodies import Access
from callguard.ledger.database import file_of, parse_url, reading_engine, told
from callguard.ledger.findings import Report
from callguard.ledger.keys import PublicKey, read_public_keys
from callguard.ledger.privacy import HASHED_MARK, NUMBERS, Numbers, Privacy, load_or_create_key
from callguard.ledger.schema import terms
from callguard.ledger.source import DatabaseSource, ExportSource
from callguard.ledger.story import sentence

Answer = TypeVar("Answer")

FILE = click.Path(path_type=Path, dir_okay=False)
_MAGIC = b"SQLite format 3\0"

database_option = click.option(
    "--database",
    help="An SQLite file, a database URL, or an export of JSON lines; default: what the configuration names.",
)
public_key_option = click.option(
    "--public-key",
    "public_key",
    type=FILE,
    help="File with the public keys, old ones included; default: ledger.pub beside the database.",
)
numbers_key_option = click.option(
    "--numbers-key",
    "numbers_key",
    type=FILE,
    help="Show encrypted numbers, and find hidden ones, with this key.",
)
by_option = click.option(
    "--by", default=getpass.getuser, show_default="your user name", help="Who does it, for the ledger."
)
out_option = click.option("-o", "--out", type=FILE, help="Write to this file; default: standard output.")


def place_of(path: Path, database: str | None) -> str:
    """The URL or path that is meant."""
    return database if database is not None else load(path).ledger.url


def source_at(place: str) -> DatabaseSource | ExportSource:
    """The database or export that is meant."""
    if "://" in place:
        return DatabaseSource(place)
    file = Path(place)
    if not file.is_file():
        raise LedgerError(f"there is no ledger at {file}")
    with file.open("rb") as opened:
        database = opened.read(len(_MAGIC)) == _MAGIC
    return DatabaseSource(f"sqlite:///{file.absolute()}") if database else ExportSource(file)


def _url(place: str) -> str:
    if "://" in place:
        return place
    if not Path(place).is_file():
        raise LedgerError(f"there is no ledger at {place}")
    return f"sqlite:///{Path(place).absolute()}"


def keys_of(place: str, public_key: Path | None) -> tuple[PublicKey, ...]:
    """The public keys that are named, or that lie beside the database."""
    if public_key is not None:
        return read_public_keys(public_key)
    file = file_of(parse_url(_url(place)))
    if file is None:
        raise click.UsageError(
            "name the public keys with --public-key; PostgreSQL has no file to look beside"
        )
    return read_public_keys(file.with_suffix(".pub"))


def privacy_of(numbers_key: Path | None, place: str) -> Privacy:
    """What is needed to find and to show numbers, in the way in which this ledger stores them."""
    if numbers_key is None:
        return Privacy()
    if not numbers_key.is_file():
        raise LedgerError(f"there is no key for numbers at {numbers_key}")
    asked = select(terms.c.value).where(terms.c.field.in_(NUMBERS)).limit(1)
    one = ask(place, lambda connection: connection.scalar(asked)) or ""
    numbers = Numbers.HASHED if one.startswith(HASHED_MARK) else Numbers.ENCRYPTED
    return Privacy(numbers, load_or_create_key(numbers_key))


def ask(place: str, question: Callable[[Connection], Answer]) -> Answer:
    """Ask a database something."""
    url = parse_url(_url(place))
    file = file_of(url)
    if file is not None and not file.is_file():
        raise LedgerError(f"there is no ledger at {file}")
    engine = reading_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as connection, connection.begin():
            return question(connection)
    except SQLAlchemyError as fault:
        raise LedgerError(f"the ledger cannot be read: {told(fault)}") from fault


def note_access(
    url: str, *, what: str, purpose: str, by: str, call: str = "", sha256: str | None = None
) -> None:
    """Write down that somebody took something out. Nothing leaves that the ledger does not know of."""

    async def note() -> None:
        async with await open_ledger(url) as ledger:
            body = Access(
                kind=Kind.EXPORT, who=by, role="command line", purpose=purpose, what=what, sha256=sha256
            )
            await ledger.append(Entry.now(body, call))

    asyncio.run(note())


@contextmanager
def bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error, where there is a terminal."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)


@contextmanager
def output(out: Path | None) -> Iterator[Callable[[str], Any]]:
    """Somewhere to write to."""
    if out is None:
        yield lambda text: click.echo(text, nl=False)
        return
    try:
        with out.open("w", encoding="utf-8", newline="") as file:
            yield file.write
    except OSError as fault:
        raise LedgerError(f"{out} cannot be written: {fault.strerror}") from fault


def report_json(report: Report) -> dict[str, Any]:
    """A report for scripts."""
    return {
        "ok": report.ok,
        "ledger": report.origin,
        "entries": report.entries,
        "root": report.root.hex(),
        "signed_by": report.signed_by,
        "newest": report.newest.isoformat() if report.newest else None,
        "checkpoints": report.checkpoints,
        "outside": report.outside,
        "seconds": round(report.seconds, 3),
        "findings": [
            {"wrong": str(f.wrong), "entry": f.position, "until": f.until, "detail": f.detail, "text": str(f)}
            for f in report.findings
        ],
    }


def print_report(report: Report) -> None:
    """A report for people."""
    console = Console(soft_wrap=True)
    speed = report.entries / report.seconds if report.seconds else 0
    console.print(
        f"Ledger {report.origin or '?'}: {report.entries} entries in {report.seconds:.1f} s ({speed:,.0f}/s)"
    )
    for finding in report.findings:
        console.print(f"[red]✗[/red] {escape(str(finding))}")
    if not report.ok:
        console.print(f"[red]{len(report.findings)} things are wrong[/red]")
        return
    signed = f"{report.newest:%Y-%m-%d %H:%M:%S} UTC" if report.newest else "?"
    console.print(f"[green]✓[/green] complete and unchanged, signed by {report.signed_by} on {signed}")
    if not report.outside:
        console.print(
            "[yellow]![/yellow] No checkpoints from elsewhere were named (--checkpoints), so an older state "
            "of the whole ledger would look the same."
        )


def entry_json(entry: Stored, privacy: Privacy) -> dict[str, Any]:
    """An entry for scripts."""
    body = privacy.shown(entry.content)
    return {
        "entry": entry.position,
        "utc": entry.utc.isoformat(timespec="microseconds"),
        "call": entry.call,
        "kind": entry.kind,
        "by": entry.by,
        "leaf": entry.leaf.hex(),
        "body": body,
        "says": sentence(entry.kind, body),
    }


def print_entries(found: list[Stored], privacy: Privacy, *, as_json: bool) -> None:
    """Entries, for people or for scripts."""
    if as_json:
        click.echo(json.dumps([entry_json(entry, privacy) for entry in found], ensure_ascii=False))
        return
    console = Console(soft_wrap=True)
    for entry in found:
        says = sentence(entry.kind, privacy.shown(entry.content))
        call = f" [dim]{entry.call}[/dim]" if entry.call else ""
        console.print(
            f"[bold]{entry.position:>8}[/bold] {entry.utc:%Y-%m-%d %H:%M:%S.%f}{call} {escape(says)}"
        )
    if not found:
        console.print("Nothing was found.")
