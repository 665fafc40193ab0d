"""`callguard call`, `pause`, `resume`, `extend`, `withdraw`, `assign-case`, `paid`: one call."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click

from callguard.cli.options import config_option, json_option
from callguard.config import load
from callguard.controller import door
from callguard.controller.desk import (
    By,
    DeskError,
    Lamp,
    NoSuchCall,
    NotAllowedNow,
    NotConfirmed,
    NotPlaced,
    NotRecorded,
    NotUnique,
)
from callguard.controller.wishes import Verb

Command = TypeVar("Command", bound=Callable[..., Any])

#: Exit status of what cannot be done; 1 is any other error, 2 a wrong command line.
STATUS: dict[type[DeskError], int] = {
    NoSuchCall: 3,
    NotUnique: 4,
    NotRecorded: 5,
    NotAllowedNow: 6,
    NotConfirmed: 7,
    NotPlaced: 9,
    DeskError: 8,
}

_STATES = {
    Lamp.RECORDING.value: "The call is being recorded.",
    Lamp.OFF.value: "The call is not being recorded.",
    Lamp.FAULT.value: "The recording was ended by a fault.",
}


def one_call(command: Command) -> Command:
    """The options that name one live call, of which one is needed."""
    told = {
        By.CALL: "Its id in the ledger (`callguard calls`).",
        By.CHANNEL: "Asterisk's unique id, or the name, of a channel of it.",
        By.EXTENSION: "A telephone on it, as its endpoint in Asterisk is named.",
        By.CASE: "Its case in the CRM.",
    }
    for by in reversed(By):
        command = click.option(f"--{by.value}", by.value, metavar="NAME", help=told[by])(command)
    return json_option(config_option(command))


@click.command()
@click.option("--seconds", type=click.FloatRange(1, 1800), help="How long, instead of the configured time.")
@click.option(
    "--drop-last", type=click.FloatRange(0, 50), default=0.0, help="Erase so many seconds before it as well."
)
@one_call
def pause(seconds: float | None, drop_last: float, **options: Any) -> None:
    """Pause the recording of a live call; done when the recorder has confirmed it.

    Exit status: 3 no such call, 4 several, 5 not recorded, 6 not allowed now, 7 not confirmed (the recording
    was ended).
    """
    _ask(Verb.PAUSE, options, seconds=seconds, drop_last=drop_last)


@click.command()
@one_call
def resume(**options: Any) -> None:
    """Go on recording a live call after a pause. Exit status as for `pause`."""
    _ask(Verb.RESUME, options)


@click.command()
@click.option("--reason", required=True, help="Why; it stands in the ledger.")
@one_call
def extend(reason: str, **options: Any) -> None:
    """Make a running pause longer, once. Exit status as for `pause`."""
    _ask(Verb.EXTEND, options, reason=reason)


@click.command()
@click.option("--shred", is_flag=True, help="Destroy what was recorded of this call as well.")
@one_call
def withdraw(*, shred: bool, **options: Any) -> None:
    """End the recording of a live call for good: the customer wants that. Exit status as for `pause`."""
    _ask(Verb.WITHDRAW, options, shred=shred)


@click.command("assign-case")
@click.argument("new_case", metavar="CASE")
@one_call
def assign_case(new_case: str, **options: Any) -> None:
    """Assign a live call to a CASE of the CRM, by which it can be named from then on."""
    _ask(Verb.CASE, options, assign=new_case)


@click.command()
@click.argument("reference")
@one_call
def paid(reference: str, **options: Any) -> None:
    """Tell that a payment was taken on a live call.

    REFERENCE is the number of the order or of the transaction; what looks like a card number is refused.
    """
    _ask(Verb.PAYMENT, options, reference=reference)


@click.command("call")
@click.argument("extension")
@click.argument("number")
@click.argument("queue")
@json_option
@config_option
def place(extension: str, number: str, queue: str, path: Path, *, as_json: bool) -> None:
    """Call an agent's telephone EXTENSION, and connect it with NUMBER by the rules of QUEUE.

    The customer is told and asked before the two are connected. Exit status: 6 there is no such queue, or
    outbound.dial is not set, 9 the telephone cannot be called.
    """
    words = {"extension": extension, "number": number, "queue": queue}
    placed = _asked(path, lambda socket, who: door.place(socket, words, who))
    click.echo(json.dumps(placed) if as_json else f"{extension} is being called, then {number}.")


def _ask(verb: Verb, options: dict[str, Any], **words: Any) -> None:
    path: Path = options["path"]
    names = {by.value: options[by.value] for by in By if options[by.value] is not None}
    if len(names) != 1:
        raise click.UsageError("name the call with one of --call, --channel, --extension, --case")
    said = {name: value for name, value in {**names, **words}.items() if value is not None}
    call = _asked(path, lambda socket, who: door.wish(socket, verb, said, who))
    click.echo(json.dumps(call) if options["as_json"] else _sentence(call))


def _asked(path: Path, ask: Callable[[Path, str], Coroutine[Any, Any, dict[str, Any]]]) -> dict[str, Any]:
    """What a running callguard answers; ends the command where it cannot do that."""
    try:
        return asyncio.run(ask(load(path).control.socket, f"command line of {door.caller()}"))
    except DeskError as error:
        click.echo(f"callguard: {error}", err=True)
        sys.exit(next(status for kind, status in STATUS.items() if isinstance(error, kind)))


def _sentence(call: dict[str, Any]) -> str:
    """What the recorder says, for people."""
    if call["state"] != Lamp.PAUSED.value:
        return f"{call['call']}: {_STATES[call['state']]}"
    left = "" if call["seconds_left"] is None else f" {call['seconds_left']:.0f} s are left."
    erased = f" {call['erased_seconds']:g} s before it are erased." if call["erased_seconds"] else ""
    return f"{call['call']}: The recording is paused.{left}{erased}"
