"""``python -m tests.bench``: measure, and print what was found."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import resource
import socket
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console

from callguard.errors import CallguardError
from tests.prove.__main__ import table

from . import report
from .figures import BenchError
from .house import house
from .rooms import room_figures
from .running import Bench, Schedule
from .ways import BASE, WAYS, Way

#: Columns of what is printed into a file, where there is no terminal to ask.
WIDTH = 130
RESULT = Path("build/bench.json")
PARTS = ("law", "ledger", "seal", "speech", "calls")
QUICK = Schedule(rates=(100,), rounds=1, seconds=3, peaks=(), held=0)
QUICK_WAYS = (BASE, "callguard", "callguard-http")


@click.command(epilog="Ways: " + "; ".join(f"{way.name} ({way.what})" for way in WAYS.values()))
@click.argument("names", metavar="[NAME]...", nargs=-1, type=click.Choice(list(WAYS)))
@click.option("--part", "parts", multiple=True, type=click.Choice(PARTS), help="Only this part. Repeatable.")
@click.option("--quick", is_flag=True, help="One rate, once, and no search for the highest: under a minute.")
@click.option("--json", "as_json", is_flag=True, help=f"Write {RESULT} as well.")
def main(names: tuple[str, ...], parts: tuple[str, ...], *, quick: bool, as_json: bool) -> None:
    """Compare ways to answer a call, all of them or those named, on one PBX in one run.

    And measure the rooms by themselves: a ruling, the ledger, the sealing of recordings.
    """
    wanted = parts or (("calls",) if names else PARTS)
    rooms = [figure for part in wanted if part != "calls" for figure in room_figures(part, quick=quick)]
    if rooms:
        Console().print(table(rooms))
    if "calls" in wanted:
        _compare(names, quick=quick, as_json=as_json)


def _compare(names: tuple[str, ...], *, quick: bool, as_json: bool) -> None:
    chosen = names or (QUICK_WAYS if quick else tuple(WAYS))
    ways = [way for name, way in WAYS.items() if name in chosen]
    schedule = QUICK if quick else Schedule()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    # A socket for each caller there can be.
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    console = Console(stderr=True)
    try:
        with console.status("Preparing") as status:
            bench = asyncio.run(
                _measure(ways, schedule, status.update if console.is_terminal else console.print)
            )
    except (BenchError, CallguardError) as error:
        raise click.ClickException(str(error)) from error
    machine = f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}"
    output = Console()
    if not output.is_terminal:
        output.width = WIDTH
    report.show(output, ways, bench.found, schedule, machine)
    if as_json:
        report.write(RESULT, ways, bench.found, schedule, machine)
        console.print(f"Written to {RESULT}")


async def _measure(ways: list[Way], schedule: Schedule, tell: Callable[[str], None]) -> Bench:
    agi = _free_port()
    async with house(agi, tell) as found:
        bench = Bench(found, ways, schedule, agi, tell)
        await bench.run()
        return bench


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main(prog_name="make bench")
