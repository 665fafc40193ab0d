"""`callguard run`: the controller itself, in the foreground."""

from __future__ import annotations

import asyncio
import resource
import signal
from pathlib import Path

import click

from callguard import __version__
from callguard.cli.logs import set_up_logs
from callguard.cli.options import config_option
from callguard.config import load
from callguard.controller import service
from callguard.controller.notify import keep_alive, notify
from callguard.errors import AsteriskError
from callguard.web import serve

#: Open files, where the machine allows as many: enough for thousands of captures.
MOST_FILES = 65536


@click.command()
@config_option
def run(path: Path) -> None:
    """Take care of calls until stopped (SIGTERM or Ctrl-C). SIGHUP reloads configuration, law and prompts."""
    config = load(path)
    set_up_logs(config.log.level, config.log.format)
    _take_files()
    try:
        import uvloop  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        asyncio.run(_serve(path))
    else:
        uvloop.run(_serve(path))


def _take_files() -> None:
    """Allow as many open files as this account may have: each capture holds two, and 1024 is usual."""
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if most == resource.RLIM_INFINITY else min(most, MOST_FILES)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


async def _serve(path: Path) -> None:
    asked, reload = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, asked.set)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    async with service(path, serve) as running:
        notify(
            "READY=1", f"STATUS=callguard {__version__} serves {len(running.rulebook.config.queues)} queues"
        )
        running.conductor.own(keep_alive(), "tell systemd that we are alive")
        while not (asked.is_set() or running.conductor.replaced.is_set()):
            waiting = [
                asyncio.create_task(event.wait()) for event in (asked, reload, running.conductor.replaced)
            ]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()
            if reload.is_set():
                reload.clear()
                await running.reload()
        notify("STOPPING=1")
        if running.conductor.replaced.is_set():
            app = running.rulebook.config.app
            raise AsteriskError(
                f"another process took over the application {app!r}; this one lets go. Give each controller "
                "an application name of its own"
            )
