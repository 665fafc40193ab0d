"""One live connection to AMI, logged in. Coming back after it is lost is not done here (see `link`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Self

import structlog
from panoramisk.message import Message

from callguard.asterisk.ami_protocol import Ask, GuardedProtocol
from callguard.asterisk.errors import AmiLogin, AmiLost, AmiRefused, AmiTimeout
from callguard.asterisk.settings import AmiSettings

log = structlog.get_logger(__name__)

#: Seconds the opening of the connection and the login may take.
OPENING_SECONDS = 5.0

_PING = b"Action: Ping\r\nActionID: callguard-pulse\r\n\r\n"

Fields = Mapping[str, str | int]
OnAmiEvent = Callable[[Mapping[str, str]], None]


class AmiLine:
    """A live connection. Make one with `open`, wait for its end with `over`, end it with `close`."""

    save_stream = None  #: panoramisk can copy all that arrives to a stream

    def __init__(self, settings: AmiSettings, on_event: OnAmiEvent | None) -> None:
        self._settings = settings
        self._on_event = on_event
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._protocol = GuardedProtocol(self, settings.allowed_events)
        self._pulse: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, settings: AmiSettings, on_event: OnAmiEvent | None) -> Self:
        """Connect and log in.

        Raises:
            AmiLogin: Wrong user, secret or address (``permit`` in manager.conf).
            AmiLost: Asterisk cannot be reached, or something else answers there.
            AmiTimeout: It does not answer the login.
        """
        line = cls(settings, on_event)
        try:
            await line._connect()
            await line._log_in()
        except BaseException:
            await line.close()
            raise
        line._pulse = asyncio.create_task(line._beat(), name="ami-pulse")
        return line

    async def ask(self, action: str, fields: Fields | None, deadline: float) -> dict[str, str]:
        """Send one action, once, and wait for its answer.

        Raises:
            AmiRefused: Asterisk said no, or the action is not fit to be sent.
            AmiTimeout: No answer within the deadline (seconds); it may still be carried out.
            AmiLost: The connection is gone; it may have been carried out.
        """
        return (await self._ask(action, fields, deadline, as_list=False))[0]

    async def ask_list(self, action: str, fields: Fields | None, deadline: float) -> list[dict[str, str]]:
        """Send one action that is answered by a list of events; raises as `ask` does."""
        return await self._ask(action, fields, deadline, as_list=True)

    async def over(self) -> str:
        """Wait until the connection has ended, and say why."""
        return await asyncio.shield(self._over)

    async def close(self, why: str = "closed by callguard") -> None:
        """End the connection; actions under way fail with AmiLost."""
        self._end(why)
        if self._pulse is not None:
            self._pulse.cancel()
            await asyncio.wait({self._pulse})

    def dispatch(self, message: Message) -> None:
        """Hand over one event (called by panoramisk's protocol)."""
        if self._on_event is None:
            return
        try:
            self._on_event(_plain(message))
        except Exception:  # what went wrong with one call must not cut the line of all the others
            log.exception("an event of Asterisk could not be handled", event_type=str(message["Event"]))

    def connection_lost(self, fault: object) -> None:
        """Take note of the end (called by panoramisk's protocol)."""
        said = str(fault) if isinstance(fault, Exception) else ""
        self._end(said or "Asterisk closed the connection to AMI")

    async def _ask(
        self, action: str, fields: Fields | None, deadline: float, *, as_list: bool
    ) -> list[dict[str, str]]:
        if self._over.done():
            raise AmiLost(self._over.result())
        fields = fields or {}
        if any(name.lower() in ("action", "actionid") for name in fields):
            raise AmiRefused("not sent, the fields of an action cannot name an action of their own", action)
        ask = Ask({"Action": action, **fields})
        try:
            async with asyncio.timeout(deadline):
                answer = await self._protocol.send(ask, as_list=as_list)
        except TimeoutError:
            raise AmiTimeout(action, deadline) from None
        finally:
            self._protocol.forget(ask)
        messages = answer if isinstance(answer, list) else [answer]
        if not messages[0].success:
            raise AmiRefused(_plain(messages[0]).get("Message", "no reason given"), action)
        return [_plain(message) for message in messages]

    async def _connect(self) -> None:
        host, port = self._settings.host, self._settings.port
        try:
            async with asyncio.timeout(OPENING_SECONDS):
                await asyncio.get_running_loop().create_connection(lambda: self._protocol, host, port)
                await asyncio.wait({self._protocol.greeted, self._over}, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            raise AmiLost(f"nothing that speaks AMI answers at {host}:{port}") from None
        except OSError as error:
            raise AmiLost(f"cannot connect to AMI at {host}:{port} ({error})") from error
        if self._over.done():
            raise AmiLost(f"cannot talk AMI to {host}:{port}: {self._over.result()}")

    async def _log_in(self) -> None:
        settings = self._settings
        login = {"Username": settings.username, "Secret": settings.password, "Events": "call,user,dtmf"}
        try:
            await self.ask("Login", login, OPENING_SECONDS)
        except AmiRefused as error:
            where = f"manager.conf of {settings.host}:{settings.port}"
            raise AmiLogin(
                f"{error.message}. Check user, secret, permit and write= in {where}", "Login"
            ) from None

    async def _beat(self) -> None:
        """Notice within a few seconds when nothing comes any more."""
        loop = asyncio.get_running_loop()
        beat = self._settings.heartbeat / 3
        while not self._over.done():
            due = loop.time() + beat
            await asyncio.sleep(beat)
            now = loop.time()
            if now - due > beat:
                # We ourselves were held up (stopped, swapped out): what came meanwhile is still to be read.
                self._protocol.heard = now
            quiet = now - self._protocol.heard
            if quiet >= self._settings.heartbeat:
                self._end(f"Asterisk has been silent on AMI for {quiet:.1f} s")
            elif quiet >= beat:
                self._protocol.transport.write(_PING)

    def _end(self, why: str) -> None:
        if not self._over.done():
            self._over.set_result(why)
        transport = getattr(self._protocol, "transport", None)
        if transport is not None:
            self._protocol.close()
            transport.abort()


def _plain(message: Message) -> dict[str, str]:
    """A message as a plain dict; of a header that comes twice the first, which is Asterisk's own."""
    return {
        name: value[0] if isinstance(value, list) else value
        for name, value in message.items()
        if name != "content"
    }
