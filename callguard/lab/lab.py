"""The laboratory: a PBX and the world around it, together for as long as somebody experiments."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from callguard.lab.instance import AmiSettings, AriSettings
from callguard.lab.pbx import NUMBERS, QUEUES, Pbx
from callguard.lab.phone import Keys
from callguard.lab.ports import PortLease
from callguard.lab.rootfs import ensure_asterisk, wanted_branch
from callguard.lab.world import World


def _quiet(_: str) -> None:
    """Tell nobody."""


class Lab:
    """An asynchronous context: enter to have a PBX and a world running, leave to have nothing left.

    Args:
        dialplan: the product's dialplan (context ``callguard``).
        numbers: context ``lab-numbers``: what can be dialled from the trunk.
        queues: each queue's members; all of them ring.
        presses: how keys of agents travel, for those who do not send them as events (RFC 4733).
        conf: more text for the PBX's configuration files, by file name.
        directory: where both live; a temporary one, removed afterwards, when not given.
        bind: where the PBX's SIP listens.
        branch: which Asterisk the PBX runs; that of the environment when not given. The world always runs
            the newest one.
        progress: is told, in a sentence, what is being waited for.
    """

    pbx: Pbx
    world: World

    def __init__(
        self,
        dialplan: str,
        *,
        numbers: str = NUMBERS,
        queues: Mapping[str, str | Sequence[str]] = QUEUES,
        presses: Mapping[str, Keys] | None = None,
        conf: Mapping[str, str] | None = None,
        directory: Path | None = None,
        bind: str = "127.0.0.1",
        branch: int | None = None,
        progress: Callable[[str], None] = _quiet,
    ) -> None:
        self._dialplan = dialplan
        self._numbers = numbers
        self._queues = queues
        self._presses = presses
        self._conf = conf
        self._directory = directory
        self._bind = bind
        self._branch = branch
        self._progress = progress
        self._teardown = contextlib.AsyncExitStack()

    @property
    def ari_settings(self) -> AriSettings:
        """The PBX's ARI, as the product uses it."""
        return self.pbx.ari

    @property
    def ami_settings(self) -> AmiSettings:
        """The PBX's manager interface, as the product uses it."""
        return self.pbx.ami

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            branch = wanted_branch() if self._branch is None else self._branch
            build = await ensure_asterisk(self._progress, branch)
            newest = await ensure_asterisk(self._progress)
            directory = self._directory
            if directory is None:
                # Short on purpose: sockets live below it.
                directory = Path(tempfile.mkdtemp(prefix="callguard-lab-"))
                stack.callback(shutil.rmtree, directory, ignore_errors=True)
            leases = []
            for _ in range(2):
                leases.append(await PortLease.when_free())
                stack.callback(leases[-1].release)
            self.pbx = Pbx(
                build,
                directory / "pbx",
                leases[0],
                world_sip=leases[1].ports.sip,
                dialplan=self._dialplan,
                numbers=self._numbers,
                queues=self._queues,
                presses=self._presses,
                bind=self._bind,
                conf=self._conf,
            )
            self.world = World(
                newest,
                directory / "world",
                leases[1],
                pbx_sip=leases[0].ports.sip,
                presses=self._presses,
            )
            self._progress(f"Starting a PBX and the world around it (Asterisk {build.version})")
            stack.push_async_callback(self.pbx.stop)
            stack.push_async_callback(self.world.stop)
            starts = await asyncio.gather(self.pbx.start(), self.world.start(), return_exceptions=True)
            for failure in starts:
                if failure is not None:
                    raise failure
            self._teardown = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._teardown.aclose()
