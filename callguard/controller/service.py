"""Everything that runs while callguard runs, put together from a configuration and taken apart again."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from callguard import __version__
from callguard.config import Config, load
from callguard.controller.books import WRITER, ledger_of
from callguard.controller.conductor import Conductor
from callguard.controller.desk import Desk
from callguard.controller.door import Door
from callguard.controller.figures import Watched
from callguard.controller.keeping import measures_of, spool_of, vault_of
from callguard.controller.pool import Pool
from callguard.controller.register import Register
from callguard.controller.rulebook import Rulebook
from callguard.controller.switch import Switch
from callguard.errors import CallguardError
from callguard.law import warm_up
from callguard.ledger import Entry, Kind
from callguard.ledger.bodies import Controller, Fault
from callguard.vault import Vault, VaultError

log = structlog.get_logger(__name__)


class Front(Protocol):
    """What callers of another kind see of callguard while it runs: pages, an interface for programs."""

    def take_over(self, config: Config) -> None:
        """From now on, by these rules."""


#: Makes a front, which is there for as long as the context lasts.
Fronting = Callable[[Config, Desk, Watched], contextlib.AbstractAsyncContextManager[Front]]


@dataclass(slots=True)
class Service:
    """A running callguard."""

    path: Path
    rulebook: Rulebook
    conductor: Conductor
    register: Register
    front: Front | None = None

    async def reload(self) -> bool:
        """Read configuration, table and prompts anew; returns whether they were taken over.

        What is broken is refused with all its mistakes in the log, and the old rules stay in force.
        Calls that are under way keep their plans.
        """
        try:
            fresh = await asyncio.to_thread(Rulebook.read, self.path, self.register)
        except CallguardError as error:
            log.error("not reloaded, the old rules stay", why=str(error))  # noqa: TRY400 - the text says it all
            self.conductor.note(Fault(where="reload", detail=str(error)[:500]))
            return False
        for entry in fresh.entries(self.rulebook):
            self.conductor.note(entry)
        for section in ("asterisk", "ledger", "control", "pool", "speech", "spool", "vault"):
            if getattr(fresh.config, section) != getattr(self.rulebook.config, section):
                log.warning("this section changes only with a restart", section=section)
        self.rulebook = fresh
        self.conductor.take_over(fresh.config, fresh.planner, fresh.sounds)
        if self.front is not None:
            self.front.take_over(fresh.config)
        log.info("reloaded", table=fresh.planner.table.identity, queues=list(fresh.config.queues))
        return True


@contextlib.asynccontextmanager
async def service(path: Path, fronting: Fronting | None = None) -> AsyncIterator[Service]:
    """Run callguard for as long as the context lasts.

    Args:
        path: the configuration.
        fronting: makes what others see of it, before the first call is taken.

    Raises:
        CallguardError: something is not as it must be before the first call is taken; see its text.
    """
    first = load(path)
    vault = await asyncio.to_thread(_vault, first)
    register = await asyncio.to_thread(Register.open, first.law.register_url, first.site.country)
    rulebook = Rulebook.read(path, register)
    config = rulebook.config
    spool = spool_of(config)
    spool.prepare()
    await asyncio.to_thread(warm_up)
    # What was loaded until here stays for good: the collector need not look at it during calls.
    gc.freeze()
    pool = None
    async with contextlib.AsyncExitStack() as stack:
        if config.pool.name:
            pool = Pool(config)
            await pool.enter()
            stack.push_async_callback(pool.leave)
        ledger = ledger_of(config, config.app if pool else WRITER)
        await stack.enter_async_context(ledger)
        if pool is not None:
            await pool.join()
        host = socket.gethostname()
        await ledger.append(
            Entry.now(Controller(kind=Kind.CONTROLLER_STARTED, version=__version__, host=host))
        )
        for entry in rulebook.entries():
            await ledger.append(Entry.now(entry))
        stopped = Controller(kind=Kind.CONTROLLER_STOPPED, version=__version__, host=host)
        stack.callback(lambda: ledger.append(Entry.now(stopped)))
        conductor = Conductor(
            config=config,
            planner=rulebook.planner,
            ledger=ledger,
            spool=spool,
            switch=Switch(config.control.state),
            register=register,
            sounds=rulebook.sounds,
            peers=pool,
        )
        if vault is not None:
            await conductor.keep(vault, measures_of(config))
        stack.push_async_callback(conductor.stop)
        door = Door(conductor, config.control.socket)
        await door.open()
        stack.push_async_callback(door.close)
        front = None
        if fronting is not None:
            front = await stack.enter_async_context(fronting(config, conductor.desk, conductor))
        await conductor.start()
        if pool is not None:
            pool.serve(conductor.take_from, conductor.look_at_switch)
        conductor.own(register.follow(), "follow the register")
        table = rulebook.planner.table.identity
        log.info("callguard runs", version=__version__, queues=list(config.queues), table=table)
        yield Service(path, rulebook, conductor, register, front)


def _vault(config: Config) -> Vault | None:
    """The vault, ready to be written; None where the site keeps speech in the clear.

    Raises:
        VaultError: there is no key, or one that cannot be used; says what to do about it.
    """
    if not config.vault.enabled:
        log.warning(
            "nothing is sealed: speech stays in memory in the clear", spool=str(config.spool.directory)
        )
        return None
    try:
        vault = vault_of(config)
        vault.prepare()
    except VaultError as error:
        raise VaultError(
            f"{error}. Nothing would be sealed, so callguard does not start; with vault.enabled: no it does, "
            "and recordings stay in memory in the clear, until the machine restarts"
        ) from error
    return vault
