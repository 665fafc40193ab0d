"""`callguard law`: what the table says, why a call is handled as it is, and what a change to it would do."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from callguard import law
from callguard.cli.covering import coverage_command
from callguard.cli.explaining import explanation, parties_of
from callguard.cli.options import config_option, json_option
from callguard.config import Config, load
from callguard.law import Direction, LawTableError, Table

Command = Callable[..., Any]
_COLOURS = {Direction.STRICTER: "green", Direction.MILDER: "red", Direction.NEITHER: "dim"}


def table_options(command: Command) -> Command:
    """Options that choose a table other than the shipped one."""
    directory = click.Path(path_type=Path, file_okay=False, exists=True)
    file = click.Path(path_type=Path, dir_okay=False, exists=True)
    command = click.option(
        "--table", "directory", type=directory, help="Read the table from this directory."
    )(command)
    return click.option(
        "--override", "files", type=file, multiple=True, help="Apply the overrides of this file. Repeatable."
    )(command)


@click.group("law")
def law_group() -> None:
    """Jurisdictions: show them, check them, and explain what they do to a call."""


law_group.add_command(coverage_command)


@law_group.command()
@click.option(
    "--caller", required=True, help="The caller's number as the PBX has it; `anonymous` if withheld."
)
@click.option("--called", help="The number that was dialled.")
@click.option("--record", help="Code from the customer record, such as US-CA.")
@click.option("--chosen", help="Code that the caller chose.")
@click.option("--agent", help="Code of the agent's site.")
@click.option("--recorder", help="Code of the recorder's site.")
@click.option("--queue", help="The queue, as the configuration names it.")
@config_option
@table_options
@json_option
@click.pass_context
def explain(
    ctx: click.Context,
    *,
    caller: str,
    called: str | None,
    record: str | None,
    chosen: str | None,
    agent: str | None,
    recorder: str | None,
    queue: str | None,
    path: Path,
    directory: Path | None,
    files: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Tell what a call needs: each party's place and law, the plan, and the exact words that are spoken.

    Without a configuration file the law alone is explained, in the words of a site that has none of its own.
    """
    config = _configuration(ctx, path)
    table = _table(directory, files, config)
    if queue and config is None:
        raise click.BadParameter(
            "there is no configuration to find it in; name one with --config", param_hint="--queue"
        )
    if queue and config and queue not in config.queues:
        known = ", ".join(config.queues)
        raise click.BadParameter(f"{queue!r} is not configured; the queues are {known}", param_hint="--queue")
    facts = parties_of(
        config,
        caller=caller,
        called=called,
        record=record,
        chosen=chosen,
        agent=agent,
        recorder=recorder,
        queue=queue,
    )
    answer = explanation(table, config, facts, queue)
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        _print_explanation(answer)


@law_group.command("list")
@table_options
@json_option
def list_(*, directory: Path | None, files: tuple[Path, ...], as_json: bool) -> None:
    """List every jurisdiction with its rule and form."""
    entries = _table(directory, files).jurisdictions.values()
    if as_json:
        keys = ("code", "name", "parent", "rule", "form", "disputed", "confidence", "review_by")
        click.echo(
            json.dumps(
                [{key: law.plain(entry)[key] for key in keys} for entry in entries], ensure_ascii=False
            )
        )
        return
    for entry in entries:
        disputed = "disputed" if entry.disputed else ""
        click.echo(
            f"{entry.code:7} {entry.rule:10} {entry.form:22} {disputed:9} {entry.confidence:7} "
            f"{entry.review_by} {entry.name}"
        )


@law_group.command()
@click.argument("code")
@table_options
@json_option
def show(*, code: str, directory: Path | None, files: tuple[Path, ...], as_json: bool) -> None:
    """Show one jurisdiction whole, with its sources and what callguard does about each flag."""
    table = _table(directory, files)
    found = table.resolve(code)
    if found == law.UNKNOWN and code.strip().upper() != law.UNKNOWN:
        raise click.BadParameter(f"{code} is not in the table; see `callguard law list`", param_hint="CODE")
    entry = law.plain(table.jurisdictions[found])
    if as_json:
        click.echo(json.dumps(entry, ensure_ascii=False, indent=2))
        return
    console = Console(soft_wrap=True)
    for key, value in entry.items():
        if key == "flags":
            console.print("[bold]flags[/bold]")
            for flag in value:
                console.print(f"  {flag}: {escape(law.ANSWERS[law.Flag(flag)].does)}")
        elif isinstance(value, list):
            console.print(f"[bold]{key}[/bold]" + ("" if value else " -"))
            for item in value:
                console.print(f"  {escape(_line(item))}")
        else:
            console.print(f"[bold]{key}[/bold] {escape(_line(value))}")


@law_group.command()
@table_options
@json_option
def check(*, directory: Path | None, files: tuple[Path, ...], as_json: bool) -> None:
    """Check the table and the overrides: every mistake with file, line, key and fix, and exit status 1."""
    today = datetime.now(UTC).date()
    try:
        table = _table(directory, files)
    except LawTableError as error:
        if not as_json:
            raise
        problems = [
            {"file": p.file, "line": p.line, "key": p.key, "what": p.what, "fix": p.fix}
            for p in error.problems
        ]
        click.echo(json.dumps({"ok": False, "problems": problems}))
        raise SystemExit(1) from None
    findings = law.review(table, today)
    if as_json:
        click.echo(
            json.dumps(
                {
                    "ok": True,
                    "table": table.identity,
                    "entries": len(table.jurisdictions),
                    "weakenings": [law.plain(weakening) for weakening in table.weakenings],
                    "review": [law.plain(finding) for finding in findings],
                }
            )
        )
        return
    console = Console(soft_wrap=True)
    console.print(f"{len(table.jurisdictions)} jurisdictions, {table.identity}: good")
    for weak in table.weakenings:
        console.print(
            f"[yellow]{weak.code} is milder: {weak.key} from {escape(weak.before)} to {escape(weak.after)} "
            f"({escape(weak.approved_by)}: {escape(weak.reason)})[/yellow]"
        )
    for finding in findings:
        console.print(f"[dim]{finding.code} {finding.name}: {finding.what}[/dim]")


@law_group.command()
@click.argument("before", type=click.Path(path_type=Path, file_okay=False, exists=True), required=False)
@table_options
@json_option
def diff(*, before: Path | None, directory: Path | None, files: tuple[Path, ...], as_json: bool) -> None:
    """Show what another table or an override changes, and whether callers are better protected by it.

    BEFORE is a directory of table files, by default the shipped one; --table and --override are what is new.
    """
    changes = law.difference(_table(before, ()), _table(directory, files))
    if as_json:
        click.echo(json.dumps([law.plain(change) for change in changes], ensure_ascii=False))
        return
    console = Console(soft_wrap=True)
    for change in changes:
        colour = _COLOURS[change.direction]
        console.print(
            f"[{colour}]{change.code} {change.key}: {escape(change.before)} -> {escape(change.after)} "
            f"({change.direction})[/{colour}]"
        )
    if not changes:
        console.print("nothing changed")


@law_group.command()
def schema() -> None:
    """Print the JSON Schema of a file of the table."""
    click.echo(json.dumps(law.json_schema(), indent=2))


def _line(value: Any) -> str:
    """One value of an entry on one line."""
    if isinstance(value, dict):
        return ", ".join(str(item) for item in value.values() if item not in ("", None))
    return "-" if value is None else str(value)


def _configuration(ctx: click.Context, path: Path) -> Config | None:
    """The configuration; none when nobody named one and there is none in the usual place."""
    source = ctx.get_parameter_source("path")
    if source is click.core.ParameterSource.DEFAULT and not path.exists():
        return None
    return load(path)


def _table(directory: Path | None, files: tuple[Path, ...], config: Config | None = None) -> Table:
    own = law.site_overrides(config.law.overrides, config.law.files) if config else ()
    given = tuple(override for file in files for override in law.read_overrides(file))
    return law.load_table((*own, *given), directory)


def _print_explanation(answer: dict[str, Any]) -> None:
    console, plan = Console(soft_wrap=True), answer["plan"]
    for party in answer["parties"]:
        number = f" {party['number']}" if party["number"] else ""
        console.print(
            f"[bold]{party['role']}[/bold]{escape(number)}: {party['jurisdiction']} (by {party['evidence']}) "
            f"-> {party['rule']}, {party['form']}"
        )
        for text in (party["note"], "; ".join(party["statute"]), *party["source"]):
            if text:
                console.print(f"    {escape(text)}", style="dim")
    console.print(
        f"[bold]plan[/bold]: {plan['rule']}, {plan['form']}; languages {', '.join(plan['languages'])}"
    )
    for flag in plan["flags"]:
        console.print(f"    {flag}: {escape(law.ANSWERS[law.Flag(flag)].does)}", style="dim")
    kept = plan["retention_days"]
    if kept["min"] or kept["max"]:
        console.print(f"retention in days: at least {kept['min'] or '-'}, at most {kept['max'] or '-'}")
    if plan["conflict"]:
        console.print(f"[red]{escape(plan['conflict'])}[/red]")
    for objection in plan.get("objections", ()):
        colour = "red" if objection["forbids"] else "yellow"
        console.print(f"[{colour}]{escape(objection['what'])}: {escape(objection['fix'])}[/{colour}]")
    if plan.get("concern"):
        console.print(f"[red]not recorded: {escape(plan['concern'])}[/red]")
    for prompt in plan["prompts"]:
        console.print(f"[bold]{prompt['name']}[/bold] ({prompt['language']}) {escape(prompt['text'])}")
