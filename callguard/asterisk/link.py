"""Coming back: connect, tell the controller, and when the line is lost wait a little and connect again."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

import structlog

from callguard.asterisk.ari import Ari, OnEvent
from callguard.asterisk.backoff import STEADY_SECONDS, Backoff
from callguard.asterisk.errors import AmiLogin, AriLogin
from callguard.asterisk.settings import AriSettings
from callguard.errors import AsteriskError

log = structlog.get_logger(__name__)


class Line(Protocol):
    """One live connection."""

    async def over(self) -> str:
        """Wait until it has ended, and say why."""

    async def close(self, why: str = ...) -> None:
        """End it."""


L = TypeVar("L", bound=Line)


class Link(ABC, Generic[L]):
    """A line that comes back. Subclasses say how one line is opened.

    Either `run` it in a task of one's own, or `start` and `stop` it.
    """

    name: str  #: how it is called in the log

    def __init__(
        self,
        *,
        on_up: Callable[[L], Awaitable[None]] | None = None,
        on_down: Callable[[str], None] | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._on_up = on_up
        self._on_down = on_down
        self._backoff = backoff or Backoff()
        self._line: L | None = None
        self._stopping = asyncio.Event()
        self._tried = asyncio.Event()
        self._warned = False
        self._task: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether there is a live line."""
        return self._line is not None

    async def start(self) -> None:
        """Run in a task of the link's own; returns after the first attempt, whether or not it succeeded.

        A fault of our own in a callback ends the task; it comes out of `stop`.
        """
        if self._task is not None:
            raise RuntimeError(f"the link to {self.name} was started twice")
        self._task = asyncio.create_task(self.run(), name=f"link-{self.name}")
        tried = asyncio.create_task(self._tried.wait())
        await asyncio.wait({tried, self._task}, return_when=asyncio.FIRST_COMPLETED)
        tried.cancel()
        if self._task.done():
            await self._task

    async def stop(self) -> None:
        """End the line and come back no more."""
        self._stopping.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            if not self._task.cancelled():
                await self._task

    async def run(self) -> None:
        """Hold the line until `stop`, or until it is over for good. Cancelling it is fine as well."""
        while not self._stopping.is_set():
            wait = await self._once()
            self._tried.set()
            if wait is None:
                return
            try:
                async with asyncio.timeout(wait):
                    await self._stopping.wait()
            except TimeoutError:
                pass

    @abstractmethod
    async def _open(self) -> L:
        """Open one line. Raises AsteriskError."""

    def _for_good(self, line: L) -> bool:  # noqa: ARG002 - most lines may always come back
        """Whether, after this line, there must not be another."""
        return False

    async def _once(self) -> float | None:
        """Live through one line: seconds until the next attempt, None when there must not be one."""
        try:
            line = await self._open()
        except AsteriskError as error:
            return self._failed(error)
        began = asyncio.get_running_loop().time()
        why = "stopped"
        try:
            self._line = line
            if self._on_up is not None:
                await self._on_up(line)
            self._tried.set()
            log.info("connected to Asterisk", link=self.name)
            self._warned = False
            why = await self._until_over(line)
        except AsteriskError as error:
            why = f"catching up after the connection failed: {error}"
        finally:
            self._line = None
            await line.close(why)
            if self._on_down is not None:
                self._on_down(why)
        if self._for_good(line) or self._stopping.is_set():
            return None
        if asyncio.get_running_loop().time() - began >= STEADY_SECONDS:
            self._backoff.reset()
        wait = self._backoff.after_failure()
        self._tell(why, wait)
        return wait

    async def _until_over(self, line: L) -> str:
        over = asyncio.ensure_future(line.over())
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({over, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return over.result() if over.done() else "stopped"
        finally:
            over.cancel()
            stopping.cancel()

    def _failed(self, error: AsteriskError) -> float:
        hopeless = isinstance(error, (AriLogin, AmiLogin))
        wait = self._backoff.after_refusal() if hopeless else self._backoff.after_failure()
        self._tell(str(error), wait)
        return wait

    def _tell(self, why: str, wait: float) -> None:
        """A warning once per outage; what follows until it is mended is for debugging."""
        say = log.debug if self._warned else log.warning
        say("no connection to Asterisk", link=self.name, why=why, next_try=round(wait, 2))
        self._warned = True


class AriLink(Link[Ari]):
    """The link to ARI.

    Args:
        settings: Where and as whom.
        on_event: Called for every event in order; it must return at once. Events may come before `on_up` is
        done. on_up: Awaited after each connect, to catch up with what happened meanwhile. on_down: Called
        when a line that was up is lost, with the reason. on_replaced: Another process took over our
        application. The link is over for good, and whoever is told
            this must touch no call any more.
        backoff: How long to wait between attempts.
    """

    name = "ari"

    def __init__(
        self,
        settings: AriSettings,
        *,
        on_event: OnEvent,
        on_up: Callable[[Ari], Awaitable[None]] | None = None,
        on_down: Callable[[str], None] | None = None,
        on_replaced: Callable[[], None] | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        super().__init__(on_up=on_up, on_down=on_down, backoff=backoff)
        self._settings = settings
        self._on_event = on_event
        self._on_replaced = on_replaced

    @property
    def ari(self) -> Ari | None:
        """The live connection, None while there is none."""
        return self._line

    async def _open(self) -> Ari:
        return await Ari.open(self._settings, self._on_event)

    def _for_good(self, line: Ari) -> bool:
        if line.replaced:
            log.error("another process took over this application, callguard lets go of it", app=line.app)
            if self._on_replaced is not None:
                self._on_replaced()
        return line.replaced
