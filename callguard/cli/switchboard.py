"""`callguard calls`, `stop-all`, `resume-all`: what a running callguard does, and the one switch."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from callguard.asterisk.ami import Ami
from callguard.asterisk.settings import AmiSettings
from callguard.cli.options import config_option, json_option
from callguard.config import Config, load
from callguard.controller import door
from callguard.controller.sweep import stop_every_recorder
from callguard.controller.switch import Switch
from callguard.errors import CallguardError, ConfigError


@click.command()
@config_option
@json_option
def calls(path: Path, *, as_json: bool) -> None:
    """Show the live calls."""
    config = load(path)
    answer = asyncio.run(door.ask(config.control.socket, "GET", "/calls"))
    if as_json:
        click.echo(json.dumps(answer))
        return
    table = Table("call", "caller", "queue", "state", "outcome", "capture", "seconds")
    for call in answer["calls"]:
        table.add_row(
            *(
                str(call[key] or "")
                for key in ("call", "caller", "queue", "state", "outcome", "capture", "seconds")
            )
        )
    console = Console()
    console.print(table)
    for link in ("ari", "ami", "ledger"):
        if not answer[link]:
            console.print(f"[red]{link} is down: calls go unrecorded[/red]")
    if answer["recording_off"]:
        console.print("[red]all recording is stopped; `callguard resume-all` allows it again[/red]")


@click.command("stop-all")
@config_option
@json_option
def stop_all(path: Path, *, as_json: bool) -> None:
    """Stop all recording on the PBX now, and keep it stopped, also across restarts."""
    config = load(path)
    try:
        answer = asyncio.run(door.ask(config.control.socket, "POST", "/stop-all", door.caller()))
    except ConfigError:
        # No controller to ask: remember the switch for its next start, and stop the recorders ourselves.
        Switch(config.control.state).turn_off(door.caller())
        answer = {"recording_off": True, "stopped": asyncio.run(_sweep(config)), "controller": "not running"}
    if as_json:
        click.echo(json.dumps(answer))
    else:
        click.echo(f"Recording is stopped on this PBX. Recorders ended: {answer['stopped']}.")


@click.command("resume-all")
@config_option
@json_option
def resume_all(path: Path, *, as_json: bool) -> None:
    """Allow recording again, for calls that arrive from now on."""
    config = load(path)
    try:
        answer = asyncio.run(door.ask(config.control.socket, "POST", "/resume-all", door.caller()))
    except ConfigError:
        Switch(config.control.state).turn_on()
        answer = {"recording_off": False, "controller": "not running"}
    click.echo(json.dumps(answer) if as_json else "Recording is allowed again.")


async def _sweep(config: Config) -> int:
    """Stop every recorder of the PBX without a controller."""
    where = config.asterisk.ami
    ami = Ami(
        AmiSettings(
            host=where.host,
            port=where.port,
            username=where.username,
            password=where.password.get_secret_value(),
        )
    )
    await ami.start()
    try:
        if not ami.connected:
            raise CallguardError(
                f"the controller does not run and AMI at {where.host}:{where.port} cannot be reached: stop "
                "Asterisk's recorders by hand (`mixmonitor stop CHANNEL` at its console)"
            )
        return await stop_every_recorder(ami)
    finally:
        await ami.stop()
