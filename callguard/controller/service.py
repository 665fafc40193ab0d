"""Everything that runs while callguard runs, put together from a configuration and taken apart again."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import structlog

from callguard import __version__
from callguard.config import Config
from callguard.controller.conductor import Conductor
from callguard.controller.door import Door
from callguard.controller.planning import Planner
from callguard.controller.switch import Switch
from callguard.law import load_table, warm_up
from callguard.ledger import Entry, Kind, open_ledger
from callguard.ledger.bodies import Changed, Controller
from callguard.prompts.library import Library
from callguard.recording import Spool

log = structlog.get_logger(__name__)


def spool_of(config: Config) -> Spool:
    """The spool as configured."""
    return Spool(
        directory=config.spool.directory,
        allow_persistent_disk=config.spool.allow_persistent_disk,
        minimum_free=config.spool.minimum_free_mb << 20,
    )


@contextlib.asynccontextmanager
async def service(config: Config) -> AsyncIterator[Conductor]:
    """Run callguard for as long as the context lasts.

    Raises:
        CallguardError: something is not as it must be before the first call is taken; see its text.
    """
    spool = spool_of(config)
    spool.prepare()
    library = Library.open(config.prompts.directory)
    table = load_table()
    await asyncio.to_thread(warm_up)
    ledger = await open_ledger(config.ledger.url)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(ledger.close)
        host = socket.gethostname()
        started = Controller(kind=Kind.CONTROLLER_STARTED, version=__version__, host=host)
        await ledger.append(Entry.now(started))
        version, sha256 = table.version, table.sha256
        await ledger.append(Entry.now(Changed(kind=Kind.TABLE_CHANGED, version=version, sha256=sha256)))
        stopped = Controller(kind=Kind.CONTROLLER_STOPPED, version=__version__, host=host)
        stack.callback(lambda: ledger.append(Entry.now(stopped)))
        conductor = Conductor(
            config=config,
            planner=Planner(config, table, library),
            ledger=ledger,
            spool=spool,
            switch=Switch(config.control.state),
        )
        stack.push_async_callback(conductor.stop)
        door = Door(conductor, config.control.socket)
        await door.open()
        stack.push_async_callback(door.close)
        await conductor.start()
        log.info("callguard runs", version=__version__, queues=list(config.queues), table=table.identity)
        yield conductor
