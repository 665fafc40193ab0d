"""`callguard simulate`: a caller's whole dialogue in the terminal, without a PBX."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from callguard.cli.options import config_option, json_option
from callguard.cli.prompts import texts_of
from callguard.cli.sitting import KEYS, Caller, Line, Scripted, Sitting, keyboard, steps_of
from callguard.config import DEFAULT_PATH, Config, load, loads
from callguard.consent import Call
from callguard.controller.planning import Planned, Planner, Request
from callguard.controller.rulebook import table_of
from callguard.errors import ConfigError, PromptError
from callguard.ledger import body_for
from callguard.ledger.bodies import fields_of
from callguard.prompts.library import Library
from callguard.prompts.script import Script

#: What is simulated where no configuration exists yet: the first minute with callguard.
FIRST_CONFIG = """
site: {name: Example Trading, country: US, jurisdiction: US-CA}
asterisk: {ari: {password: unused}, ami: {password: unused}}
queues:
  sales: {purposes: [quality, training], minimum_form: explicit}
"""


@click.command()
@config_option
@click.option("-q", "--queue", help="The queue that is called. Default: the first in the configuration.")
@click.option("--caller", default="+14155550123", show_default=True, help="The caller's number.")
@click.option("--called", default="", help="The number that was dialled.")
@click.option("--customer", help="Jurisdiction of the customer's own address, such as US-CA.")
@click.option(
    "--keys",
    help="Play a script instead of the keyboard, in no time: 9,1 presses 9 and then 1, each when an answer "
    "is awaited; w lets the silence pass; h hangs up; i before a key or h does it while a prompt plays.",
)
@json_option
def simulate(
    path: Path,
    queue: str | None,
    caller: str,
    called: str,
    customer: str | None,
    keys: str | None,
    *,
    as_json: bool,
) -> None:
    """Try what a caller hears, and what their answer leads to.

    Shows each prompt, each key, the outcome, the queue and the entries that the ledger would keep. Nothing is
    dialled, recorded or written.
    """
    console = Console(highlight=False, soft_wrap=True, quiet=as_json)
    config = _config(path, console)
    name = queue or next(iter(config.queues))
    if name not in config.queues:
        raise ConfigError(
            f"there is no queue {name!r} in the configuration; there are {', '.join(config.queues)}"
        )
    library, planned = _planned(
        config, Request(queue=name, caller=caller, called=called, customer=customer), console
    )
    sitting = Sitting(call=Call(id=str(uuid.uuid4())), told=_shown(console, library))
    if keys is not None:
        sitting.run(planned.plan, _scripted(keys))
    elif sys.stdin.isatty():
        console.print(f"[dim]You are the caller. Keys: {' '.join(sorted(KEYS))}, h hangs up.[/dim]")
        with keyboard() as person:
            sitting.run(planned.plan, person)
    else:
        raise click.UsageError("no terminal to read keys from; give --keys, for example --keys 1")
    result = _result(sitting, planned, library, name)
    if as_json:
        click.echo(json.dumps(result, ensure_ascii=False))
    else:
        _print(console, result)


def _config(path: Path, console: Console) -> Config:
    given = click.get_current_context().get_parameter_source("path")
    if path == DEFAULT_PATH and not path.exists() and given is not None and given.name == "DEFAULT":
        console.print(f"[dim]{path} does not exist; this is an example site in California.[/dim]")
        return loads(FIRST_CONFIG)
    return load(path)


def _planned(config: Config, request: Request, console: Console) -> tuple[Library, Planned]:
    """The plan, with the prompts that were built, else with their words."""
    table = table_of(config)
    try:
        library = Library.open(config.prompts.directory)
        return library, Planner(config, table, library).plan(request, "simulated")
    except PromptError:
        console.print("[dim]The prompts are not built: lengths are estimates, hashes are of the words.[/dim]")
        script = Script(texts_of(config))
        return script, Planner(config, table, script).plan(request, "simulated")


def _scripted(keys: str) -> Caller:
    try:
        list(steps_of(keys))
    except ValueError as error:
        raise click.BadParameter(
            f"{error}; use 0-9 * # w h, and i before a key or h", param_hint="--keys"
        ) from error
    return Scripted(keys)


def _shown(console: Console, library: Library) -> Callable[[Line], None]:
    """Print lines as they happen."""

    def show(line: Line) -> None:
        clock = f"{line.at:6.1f} s  "
        if line.prompt is not None:
            console.print(f"[dim]{clock}[/dim][bold]callguard[/bold]  ", end="")
            console.print(_words(line, library), markup=False)
        elif line.what == "waits":
            console.print(f"[dim]{clock}           {line.seconds:g} s of silence for an answer[/dim]")
        else:
            console.print(f"[dim]{clock}[/dim][bold]caller[/bold]     {line.what} {line.key}")

    return show


def _words(line: Line, library: Library) -> str:
    return " ".join(library.words(medium) for medium in (line.prompt.media if line.prompt else ()))


def _result(sitting: Sitting, planned: Planned, library: Library, queue: str) -> dict[str, Any]:
    plan = planned.plan
    outcome = sitting.call.outcome
    return {
        "queue": queue,
        "plan": {
            "form": plan.form.value,
            "rule": plan.basis.rule,
            "jurisdictions": list(plan.basis.jurisdictions),
            "statutes": list(plan.basis.statutes),
            "table": plan.basis.table,
            "concern": planned.concern or None,
        },
        "dialogue": [_line(line, library) for line in sitting.lines],
        "outcome": outcome.value if outcome else None,
        "recorded": bool(sitting.route and sitting.route.capture),
        "goes_to": sitting.route.queue if sitting.route else None,
        "ends": "after the alternatives" if sitting.end else None if sitting.route else "hung up",
        "seconds": round(sitting.at, 2),
        "ledger": [_body(entry) for entry in sitting.entries],
    }


def _line(line: Line, library: Library) -> dict[str, Any]:
    shown: dict[str, Any] = {"at": round(line.at, 2), "who": line.who, "what": line.what}
    if line.prompt is not None:
        shown |= {
            "prompt": line.prompt.name,
            "language": line.prompt.language,
            "text": _words(line, library),
            "sha256": line.prompt.sha256,
            "seconds": line.prompt.seconds,
        }
    elif line.key:
        shown["key"] = line.key
    elif line.seconds:
        shown["seconds"] = line.seconds
    return shown


def _body(entry: Any) -> dict[str, Any]:
    body = body_for(entry)
    found = {name: value for name, value in fields_of(body) if value not in (None, "", (), {})}
    plain: dict[str, Any] = json.loads(json.dumps({"kind": body.kind, **found}, default=dict))
    return plain


def _print(console: Console, result: dict[str, Any]) -> None:
    goes = f"goes to queue {result['goes_to']}" if result["goes_to"] else f"ends ({result['ends']})"
    recorded = "recorded" if result["recorded"] else "not recorded"
    plan = result["plan"]
    console.print()
    console.print(f"[bold]outcome[/bold]  {result['outcome']}: the call {goes}, {recorded}.")
    console.print(
        f"[bold]law[/bold]      {plan['rule']}, {plan['form']}; {', '.join(plan['jurisdictions'])}", end=""
    )
    console.print(f"; {'; '.join(plan['statutes'])}" if plan["statutes"] else "", markup=False)
    if plan["concern"]:
        console.print(f"[red]{plan['concern']}[/red]")
    console.print("[bold]ledger[/bold]")
    for entry in result["ledger"]:
        console.print(json.dumps(entry, indent=2, ensure_ascii=False), markup=False)
