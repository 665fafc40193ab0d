"""`callguard run`: the controller itself, in the foreground."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import resource
import signal
from collections.abc import Mapping
from pathlib import Path

import click
from structlog.contextvars import bound_contextvars

from callguard import __version__
from callguard.cli.logs import set_up_logs
from callguard.cli.options import configs_option
from callguard.config import Config, load
from callguard.controller import service
from callguard.controller.notify import keep_alive, notify
from callguard.errors import AsteriskError, ConfigError
from callguard.web import serve

#: Open files, where the machine allows as many: enough for thousands of captures.
MOST_FILES = 65536

#: What two Asterisks cannot share: each has calls, and a ledger, of its own.
OWN = ("asterisk.ari.url", "control.socket", "spool.directory", "ledger.url", "vault.directory", "vault.keys")


@click.command()
@configs_option
def run(paths: tuple[Path, ...]) -> None:
    """Take care of calls until stopped (SIGTERM or Ctrl-C). SIGHUP reloads configuration, law and prompts.

    With -c given more than once, one process serves several Asterisks.
    """
    configs = {path: load(path) for path in paths}
    paths = tuple(configs)
    _keep_apart(configs)
    first = configs[paths[0]]
    set_up_logs(first.log.level, first.log.format)
    _take_files()
    try:
        import uvloop  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        asyncio.run(_serve(paths))
    else:
        uvloop.run(_serve(paths))


def _keep_apart(configs: Mapping[Path, Config]) -> None:
    """Refuse configurations of several Asterisks that share what each needs for itself.

    Raises:
        ConfigError: names the files, and the setting.
    """
    for (one, first), (other, second) in itertools.combinations(configs.items(), 2):
        ports = [config.web.port for config in (first, second) if config.web.enabled]
        shared = [name for name in OWN if _setting(first, name) == _setting(second, name)]
        if len(ports) == 2 and ports[0] == ports[1]:
            shared.append("web.port")
        if shared:
            raise ConfigError(
                f"{one} and {other} have the same {', '.join(shared)}; give each Asterisk its own"
            )


def _setting(config: Config, name: str) -> object:
    return functools.reduce(getattr, name.split("."), config)


def _take_files() -> None:
    """Allow as many open files as this account may have: each capture holds two, and 1024 is usual."""
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if most == resource.RLIM_INFINITY else min(most, MOST_FILES)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


async def _serve(paths: tuple[Path, ...]) -> None:
    asked, reload = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, asked.set)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    # What lines in the log say of whom they are about, where there are several.
    names = {path: {"site": path.stem} if len(paths) > 1 else {} for path in paths}
    async with contextlib.AsyncExitStack() as stack:
        running = []
        for path in paths:
            # Tasks take over the context in which they are made, so all that is begun here is named by it.
            stack.enter_context(bound_contextvars(**names[path]))
            running.append(await stack.enter_async_context(service(path, serve)))
        queues = sum(len(each.rulebook.config.queues) for each in running)
        notify("READY=1", f"STATUS=callguard {__version__} serves {queues} queues")
        running[0].conductor.own(keep_alive(), "tell systemd that we are alive")
        replaced = [each.conductor.replaced for each in running]
        while not (asked.is_set() or any(event.is_set() for event in replaced)):
            waiting = [asyncio.create_task(event.wait()) for event in (asked, reload, *replaced)]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()
            if reload.is_set():
                reload.clear()
                for each in running:
                    with bound_contextvars(**names[each.path]):
                        await each.reload()
        notify("STOPPING=1")
        for each in running:
            if each.conductor.replaced.is_set():
                raise AsteriskError(
                    f"another process took over the application {each.rulebook.config.app!r}; this one lets "
                    "go. Give each controller an application name of its own"
                )
