"""`callguard inventory`: everything on this PBX that can record."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from callguard.cli.checks.visit import Visit
from callguard.cli.options import config_option, json_option
from callguard.config import Config, load
from callguard.controller import recorders
from callguard.controller.recorders import Recorder
from callguard.errors import AsteriskError

#: What a loaded module of Asterisk is able to do, where the files could not be read.
MODULES = {
    "app_mixmonitor": "records calls on order of the dialplan, a key or the manager interface",
    "res_monitor": "records calls, each direction in a file (Asterisk 20 and older)",
    "app_queue": "records the calls of queues that have monitor-format",
    "app_record": "records what a caller says",
    "app_dictate": "records what a caller says",
    "app_chanspy": "listens in, and keeps a file of it with the option r",
    "app_confbridge": "records conferences whose profile says so",
    "app_meetme": "records conferences with the option r",
    "app_voicemail": "keeps the messages that callers leave",
    "app_minivm": "keeps the messages that callers leave",
    "app_audiosocket": "gives the audio of calls to another program",
    "app_jack": "gives the audio of calls to another program",
    "res_ari_recordings": "lets programs record channels and bridges over REST",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A queue that callguard records for, after consent."""

    queue: str
    recorded: str
    unrecorded: str
    purposes: tuple[str, ...]
    where: tuple[str, ...]  #: the lines of the dialplan that hand calls to it, as far as they can be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What was found, and what could not be looked at."""

    gates: tuple[Gate, ...]
    recorders: tuple[Recorder, ...]  #: none of them asks callguard
    read: tuple[str, ...]
    unread: tuple[str, ...]
    modules: dict[str, str]  #: what the live PBX could do; asked for when a file could not be read
    problem: str = ""  #: why the live PBX could not be asked


@click.command()
@config_option
@click.option(
    "--asterisk-etc",
    "etc",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/etc/asterisk"),
    show_default=True,
    help="Asterisk's configuration directory.",
)
@json_option
def inventory(path: Path, etc: Path, *, as_json: bool) -> None:
    """List everything on this PBX that can record: callguard's own gates, and whatever asks nobody.

    Read from Asterisk's files. Where they cannot be read, the live PBX is asked for what it is able to do.
    """
    found = asyncio.run(take(load(path), etc))
    if as_json:
        click.echo(json.dumps(asdict(found), ensure_ascii=False))
    else:
        _print(found)


async def take(config: Config, etc: Path) -> Inventory:
    """Look at the files, and at the live PBX as far as they cannot be read."""
    read = tuple(name for name in recorders.FILES if recorders.can_read(etc / name))
    unread = tuple(name for name in recorders.FILES if name not in read)
    modules, problem = await _modules(config, etc) if unread else ({}, "")
    found = [one for look in recorders.FILES.values() for one in look(etc)]
    own = (recorders.Kind.REST, config.asterisk.ari.username)  # callguard itself plays and asks by it
    gates = list(recorders.gates(etc))
    return Inventory(
        gates=tuple(
            Gate(
                queue=name,
                recorded=config.recorded_queue(name),
                unrecorded=config.unrecorded_queue(name),
                purposes=queue.purposes,
                where=tuple(where for gate, where in gates if gate == name),
            )
            for name, queue in config.queues.items()
        ),
        recorders=tuple(one for one in found if (one.kind, one.name) != own),
        read=read,
        unread=unread,
        modules=modules,
        problem=problem,
    )


async def _modules(config: Config, etc: Path) -> tuple[dict[str, str], str]:
    """What the live PBX is able to do, or why that is not known."""
    visit = Visit(config, etc)
    try:
        (finding,) = await visit.connect_ari()
        if visit.ari is None:
            return {}, finding.what
        answer = await visit.ari.request("GET", "asterisk/modules")
    except AsteriskError as error:
        return {}, str(error)
    finally:
        await visit.leave()
    running = {
        str(module.get("name", "")).removesuffix(".so")
        for module in answer
        if module.get("status") == "Running"
    }
    return {name: does for name, does in MODULES.items() if name in running}, ""


def _print(found: Inventory) -> None:
    console = Console(soft_wrap=True)
    for gate in found.gates:
        purposes = ", ".join(gate.purposes)
        console.print(
            f"[bold]callguard[/bold] {escape(gate.queue)}: records for {purposes} after consent, in the "
            f"queue {escape(gate.recorded)}; everybody else goes to {escape(gate.unrecorded)}"
        )
        for where in gate.where:
            console.print(f"    {escape(where)}", style="dim")
    for one in found.recorders:
        console.print(f"[yellow]{one.kind}[/yellow] {escape(one.what)}")
        console.print(f"    {escape(one.where)}", style="dim")
    for name, does in found.modules.items():
        console.print(f"[yellow]module[/yellow] {name} {does}")
    if not found.recorders and not found.modules and found.read:
        console.print(f"nothing else records, by {', '.join(found.read)}")
    if found.unread:
        console.print(f"[red]could not be read: {', '.join(found.unread)}[/red]")
    if found.problem:
        console.print(f"[red]and the PBX could not be asked: {escape(found.problem)}[/red]")
