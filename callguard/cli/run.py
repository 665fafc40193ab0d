"""`callguard run`: the controller itself, in the foreground."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import click

from callguard.cli.logs import set_up_logs
from callguard.cli.options import config_option
from callguard.config import Config, load
from callguard.controller import service
from callguard.errors import AsteriskError


@click.command()
@config_option
def run(path: Path) -> None:
    """Take care of calls until stopped (SIGTERM or Ctrl-C)."""
    config = load(path)
    set_up_logs(config.log.level, config.log.format)
    try:
        import uvloop  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        asyncio.run(_serve(config))
    else:
        uvloop.run(_serve(config))


async def _serve(config: Config) -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, asked.set)
    async with service(config) as conductor:
        stopping = asyncio.create_task(asked.wait())
        replaced = asyncio.create_task(conductor.replaced.wait())
        await asyncio.wait({stopping, replaced}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        replaced.cancel()
        if conductor.replaced.is_set():
            raise AsteriskError(
                f"another process took over the application {config.asterisk.ari.app!r}; this one lets go. "
                "Give each controller an application name of its own"
            )
