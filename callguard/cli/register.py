"""`callguard register`: who agreed before, in writing or on an earlier call, and who took it back.

Each change is made durable in the ledger before it counts. The ledger takes several writers, so nobody has
to be asked: a running callguard sees the new register within seconds.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from callguard.cli.options import config_option, json_option
from callguard.config import Config, load
from callguard.controller import door
from callguard.controller.books import ledger_of
from callguard.controller.registerbook import Book, Pages, Preference
from callguard.law import e164, plain, read_register, standing
from callguard.ledger import Entry
from callguard.ledger.bodies import RegisterChanged
from callguard.prompts.facts import PURPOSES


@click.group("register")
def register_group() -> None:
    """Prior consents: import, list, withdraw; and callers who never want to be recorded."""


@register_group.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@config_option
@json_option
@click.pass_context
def import_(ctx: click.Context, file: Path, path: Path, *, as_json: bool) -> None:
    """Take the consents of a CSV file. Exit status 1 when a line was refused; the others are taken.

    Columns: number, purposes (separated by spaces), given, expires (days, as 2026-11-30), channel (written,
    spoken or keyed), reference (where the proof is), and withdrawn (a day, may be left out). A line with the
    number, purposes and day of a consent that is there takes its place.
    """
    config = load(path)
    content = file.read_bytes()
    try:
        lines = content.decode("utf-8-sig").splitlines(keepends=True)
    except UnicodeDecodeError as error:
        raise click.BadParameter(
            f"{file} is not UTF-8 at byte {error.start}; save it as UTF-8", param_hint="FILE"
        ) from error
    with _changing(config) as pages:
        imported = read_register(
            lines,
            purposes=_purposes(config),
            today=_today(),
            region=config.site.country,
            withdrawals=pages.contents().withdrawals,
        )
        pages.add(imported.accepted)
        body = RegisterChanged(
            action="import",
            by=door.caller(),
            count=len(imported.accepted),
            refused=len(imported.refused),
            sha256=hashlib.sha256(content).hexdigest(),
            detail=file.name[:200],
        )
        _write_down(config, body)
    if as_json:
        refused = [asdict(row) for row in imported.refused]
        click.echo(json.dumps({"accepted": len(imported.accepted), "refused": refused}, ensure_ascii=False))
    else:
        for row in imported.refused:
            click.echo(f"{file}:{row.line}: {row.number or 'line'}: {row.reason}", err=True)
        click.echo(f"{len(imported.accepted)} taken, {len(imported.refused)} refused.")
    ctx.exit(1 if imported.refused else 0)


@register_group.command("list")
@click.option("--number", help="Only this number.")
@config_option
@json_option
def list_(path: Path, number: str | None, *, as_json: bool) -> None:
    """Show what counts today: consents that stand, preferences, refusals that are remembered."""
    config = load(path)
    known = _number(config, number) if number else None
    contents = Book(config.law.register_url).read()
    today = _today()
    consents = [
        consent
        for consent in standing(contents.consents, contents.withdrawals)
        if known in {None, consent.number} and consent.covers(consent.purposes, today)
    ]
    preferences = {one: told for one, told in contents.preferences.items() if known in {None, one}}
    refusals = {
        one: until for one, until in contents.refusals.items() if known in {None, one} and until > today
    }
    if as_json:
        answer = {
            "consents": [plain(consent) for consent in consents],
            "preferences": {one: asdict(told) for one, told in preferences.items()},
            "refusals": {one: until.isoformat() for one, until in refusals.items()},
        }
        click.echo(json.dumps(answer, ensure_ascii=False))
        return
    table = Table("number", "purposes", "given", "until", "how", "proof")
    for consent in consents:
        purposes = ", ".join(sorted(consent.purposes))
        days = (consent.given.isoformat(), consent.expires.isoformat())
        table.add_row(consent.number, purposes, *days, consent.channel, consent.reference)
    for one, until in refusals.items():
        table.add_row(one, "-", "", until.isoformat(), "refused", "")
    for one, told in preferences.items():
        wish = ", ".join(
            part for part in ("never recorded" if told.never else "", told.language or "") if part
        )
        table.add_row(one, "-", "", "", wish, "")
    Console().print(table)


@register_group.command()
@click.argument("number")
@click.option("--purpose", "purposes", multiple=True, help="Only this purpose. Repeatable; default: all.")
@config_option
@json_option
def withdraw(path: Path, number: str, purposes: tuple[str, ...], *, as_json: bool) -> None:
    """End what a number agreed to, from today on. No older file brings it back."""
    config = load(path)
    known, today = _number(config, number), _today()
    if strange := sorted(set(purposes) - set(_purposes(config))):
        raise click.BadParameter(
            f"{', '.join(strange)} is no purpose here; there are {', '.join(_purposes(config))}",
            param_hint="--purpose",
        )
    with _changing(config) as pages:
        before = pages.contents()
        ended = [
            consent
            for consent in standing(before.consents, before.withdrawals)
            if consent.number == known
            and consent.covers((), today)
            and (not purposes or consent.purposes & set(purposes))
        ]
        pages.withdraw(known, purposes, today)
        body = RegisterChanged(
            action="withdraw", by=door.caller(), phone=known, purposes=purposes, count=len(ended)
        )
        _write_down(config, body)
    if as_json:
        click.echo(json.dumps({"number": known, "ended": len(ended)}))
    else:
        click.echo(f"{known}: {len(ended)} consents ended. Nothing given up to today counts any more.")


@register_group.command()
@config_option
@json_option
def expire(path: Path, *, as_json: bool) -> None:
    """Remove consents and remembered answers that are over. They ceased to count on their day anyway."""
    config = load(path)
    with _changing(config) as pages:
        gone = pages.expire(_today())
        if gone:
            text = json.dumps([plain(consent) for consent in gone], sort_keys=True, ensure_ascii=True)
            digest = hashlib.sha256(text.encode()).hexdigest()
            _write_down(
                config,
                RegisterChanged(action="expire", by=door.caller(), count=len(gone), sha256=digest),
            )
    click.echo(json.dumps({"expired": len(gone)}) if as_json else f"{len(gone)} consents removed.")


@register_group.command()
@click.argument("number")
@click.option("--never/--ask", default=False, help="Never record and never ask; or ask as ever.")
@click.option("--language", help="Speak to this caller in this language, where the queue can.")
@config_option
@json_option
def prefer(path: Path, number: str, *, never: bool, language: str | None, as_json: bool) -> None:
    """Set how a caller wants to be treated; without options, forget it."""
    config = load(path)
    known, preference = _number(config, number), Preference(never=never, language=language)
    spoken = {spoken for queue in config.queues for spoken in config.languages(queue)}
    if language and language not in spoken:
        raise click.BadParameter(
            f"no queue speaks {language!r}; the languages are {', '.join(sorted(spoken))}",
            param_hint="--language",
        )
    said = ", ".join(part for part in ("never" if never else "", language or "") if part) or "forgotten"
    with _changing(config) as pages:
        pages.prefer(known, preference)
        _write_down(
            config, RegisterChanged(action="prefer", by=door.caller(), phone=known, count=1, detail=said)
        )
    click.echo(json.dumps({"number": known, **asdict(preference)}) if as_json else f"{known}: {said}.")


def _changing(config: Config) -> AbstractContextManager[Pages]:
    return Book(config.law.register_url).change()


def _write_down(config: Config, body: RegisterChanged) -> None:
    """Make the change durable in the ledger; what fails here undoes the change."""
    asyncio.run(_append(config, body))


async def _append(config: Config, body: RegisterChanged) -> None:
    async with ledger_of(config, "register") as ledger:
        await ledger.append(Entry.now(body))


def _number(config: Config, text: str) -> str:
    known = e164(text, config.site.country)
    if known is None:
        raise click.BadParameter(
            f"{text!r} is no phone number in use; write it as +14155550123", param_hint="NUMBER"
        )
    return known


def _purposes(config: Config) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*PURPOSES, *config.prompts.purposes)))


def _today() -> date:
    """Days are counted in UTC, as everything in the ledger is."""
    return datetime.now(UTC).date()
