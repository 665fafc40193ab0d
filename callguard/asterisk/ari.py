"""One live connection to ARI: events in over a websocket, requests out over the same or over HTTP.

Coming back after it is lost is not done here (see `link`). The reading loop only reads, parses and hands
over; it waits for nobody, because Asterisk cuts off a client that does not read
(``websocket_write_timeout``, 100 ms).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self

import aiohttp
import structlog

from callguard.asterisk import http
from callguard.asterisk.asking import Asking, Query
from callguard.asterisk.errors import AriLogin, AriLost, AriRefused, AriTimeout, AriUnreadable
from callguard.asterisk.events import (
    ApplicationReplaced,
    ChannelDestroyed,
    Event,
    PlaybackFinished,
    PlaybackStarted,
    StasisEnd,
    event_of,
    read_object,
)
from callguard.asterisk.handshake import CLOSING_SECONDS, ending, handshake
from callguard.asterisk.playing import Playing
from callguard.asterisk.settings import AriSettings
from callguard.asterisk.verbs import AriVerbs, event_filter
from callguard.asterisk.versions import Quirk, quirks_of

log = structlog.get_logger(__name__)

#: Seconds Asterisk gets to answer the first request over the websocket (0.1 ms on an idle 22.10.1). A version
#: that does not know such requests passes them over in silence.
PROBE_SECONDS = 1.0

#: A request unanswered for this many seconds holds up those behind it: new ones go over HTTP meanwhile.
BLOCKED_SECONDS = 0.25

#: How long a websocket that is only held up by a slow request, while HTTP answers, is given before it
#: counts as dead. Longer than any prompt.
PATIENCE_SECONDS = 60.0

#: The largest message with samples we read, in bytes: Asterisk sends 20 ms at a time, 1920 bytes at most.
LARGEST_MEDIA = 65536

_OVER = frozenset(
    {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
)

OnEvent = Callable[[Event], None]


class Ari(AriVerbs):
    """A live connection. Make one with `open`, wait for its end with `over`, end it with `close`."""

    def __init__(
        self,
        settings: AriSettings,
        session: aiohttp.ClientSession,
        websocket: aiohttp.ClientWebSocketResponse[Any],
        on_event: OnEvent,
    ) -> None:
        self.app = settings.app
        self.replaced = False  #: another connection took over our application
        self.quirks: frozenset[Quirk] = frozenset()  #: what is different on this Asterisk
        self._settings = settings
        self._session = session
        self._websocket = websocket
        self._on_event = on_event
        self._asking = Asking()
        self._playing = Playing()
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()
        self._over_websocket = settings.transport == "websocket"
        self._complained = False
        self._why = ""
        self._life = self._loop.create_task(self._live(), name="ari")

    @classmethod
    async def open(cls, settings: AriSettings, on_event: OnEvent) -> Self:
        """Connect, choose the events, and find out how requests travel.

        Args:
            settings: Where and as whom.
            on_event: Called for every event, in order, from the reading loop; it must return at once.

        Raises:
            AriLogin: Asterisk knows this user, or ARI itself, not.
            AriLost: Asterisk cannot be reached.
            AriTimeout: Asterisk does not answer.
            AriRefused: Asterisk answers but will not serve us now.
        """
        session = http.open_session(settings)
        try:
            websocket = await handshake(session, settings)
        except BaseException:
            await session.close()
            raise
        ari = cls(settings, session, websocket, on_event)
        try:
            await ari._prepare()
        except BaseException:
            await ari.close()
            raise
        return ari

    @property
    def transport(self) -> str:
        """How requests travel just now: ``websocket`` or ``http``."""
        return "websocket" if self._over_websocket else "http"

    async def request(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: object | None = None,
        deadline: float | None = None,
        *,
        channel: str | None = None,
        apart: bool = False,
    ) -> Any:
        """Make one request, once.

        Args:
            method: GET, POST, PUT or DELETE.
            path: Below ``/ari/``, its parts already percent-encoded.
            query: Parameters.
            body: JSON to send.
            deadline: Seconds; the one of the settings when None.
            channel: The channel that has to carry it out. While it listens to a playback the request
                goes over HTTP, where it holds up nobody else.
            apart: It must not wait for any other request, so it goes over HTTP.

        Returns:
            The JSON of the answer, None when it has none.

        Raises:
            AriTimeout: No answer within the deadline; it may still be carried out.
            AriRefused: Asterisk said no, or the request is not fit to be sent.
            AriLost: The connection is gone; it may have been carried out.
            AriUnreadable: The answer is not what ARI gives.
        """
        if self._why:
            raise AriLost(self._why)
        if deadline is None:
            deadline = self._settings.deadline
        if self._over_websocket and not apart and not self._blocked(channel):
            return await self._ask_over_websocket(method, path, query, body, deadline)
        return await http.ask(self._session, self._settings.base, method, path, query, body, deadline)

    @property
    def local_address(self) -> str:
        """Our own address on the way to Asterisk."""
        return str(self._websocket.get_extra_info("sockname")[0])

    async def media(self, connection: str) -> aiohttp.ClientWebSocketResponse[Any]:
        """Connect to the samples of an external media channel that waits for it.

        Args:
            connection: its MEDIA_WEBSOCKET_CONNECTION_ID.

        Raises:
            AriLost: Asterisk does not take the connection.
        """
        url = f"{self._settings.base.removesuffix('/ari')}/media/{connection}"
        try:
            return await self._session.ws_connect(url, protocols=("media",), max_msg_size=LARGEST_MEDIA)
        except aiohttp.ClientError as error:
            why = f"{type(error).__name__}: {getattr(error, 'message', error)}"
        # Raised outside the handler: the error of a handshake carries the request with its credentials.
        raise AriLost(f"Asterisk sends no samples over a websocket ({why})")

    async def over(self) -> str:
        """Wait until the connection has ended, and say why."""
        await asyncio.shield(self._life)
        return self._why

    async def close(self, why: str = "closed by callguard") -> None:
        """End the connection; requests under way fail with AriLost."""
        await self._end(why)
        await self.over()

    async def _prepare(self) -> None:
        settings = self._settings
        # Over HTTP: the filter an earlier process left behind may keep answers over the websocket from us.
        path, query, body = event_filter(settings.app, settings.allowed_events)
        try:
            await http.ask(self._session, settings.base, "PUT", path, query, body, settings.deadline)
        except AriRefused as error:
            if error.status in (401, 403):
                raise AriLogin(
                    error.status, error.method, error.path, f"{error.message} (read_only user?)"
                ) from None
            if error.status not in (404, 405):
                raise
            log.debug("Asterisk has no event filter, unwanted events will arrive as well")
        self.quirks = await self._quirks()
        if settings.transport != "auto":
            return
        if Quirk.HTTP_ONLY in self.quirks:
            log.info("this Asterisk takes no requests over the websocket, they go over HTTP")
        else:
            try:
                await self._ask_over_websocket("GET", "asterisk/ping", None, None, PROBE_SECONDS)
            except AriTimeout:
                log.info("Asterisk takes no requests over the websocket, they go over HTTP")

    async def _quirks(self) -> frozenset[Quirk]:
        try:
            version = (await self.asterisk_info()).version
        except (AriRefused, AriUnreadable) as error:
            log.debug("Asterisk does not tell its release, a new one is assumed", why=str(error))
            return frozenset()
        return quirks_of(version)

    def _blocked(self, channel: str | None) -> bool:
        """Whether a request over the websocket would wait, or make others wait, behind a slow one."""
        if self._settings.transport != "auto":
            return False
        if channel is not None and self._playing.on(channel):
            return True
        oldest = self._asking.oldest(self._loop.time())
        return oldest is not None and oldest[1] > BLOCKED_SECONDS

    async def _ask_over_websocket(
        self, method: str, path: str, query: Query | None, body: object | None, deadline: float
    ) -> Any:
        frame, answer = self._asking.ask(method, path, query, body, self._loop.time())
        try:
            async with asyncio.timeout(deadline):
                await self._websocket.send_frame(frame, aiohttp.WSMsgType.TEXT)
                return await answer
        except TimeoutError:
            raise AriTimeout(method, path, deadline) from None
        except aiohttp.ClientError as error:
            raise AriLost(f"the websocket failed during {method} {path} ({error})") from None
        finally:
            # Nobody waits any more. The request stays known as unanswered until Asterisk is past it.
            if not answer.cancel() and not answer.cancelled():
                answer.exception()

    async def _live(self) -> None:
        """Read until the end, and leave nothing behind."""
        try:
            async with asyncio.TaskGroup() as group:
                pulse = group.create_task(self._pulse(), name="ari-pulse")
                await self._read()
                pulse.cancel()
        finally:
            self._why = self._why or "the reading loop was stopped"
            self._asking.lost(self._why)
            await self._hang_up()
            await self._session.close()

    async def _read(self) -> None:
        while not self.replaced:
            message = await self._websocket.receive()
            self._heard = self._loop.time()
            kind = message.type
            if kind is aiohttp.WSMsgType.TEXT:
                try:
                    self._take(read_object(message.data))
                except AriUnreadable as error:
                    self._complain(str(error))
            elif kind is aiohttp.WSMsgType.PONG:
                if message.data.isdigit():
                    self._asking.settle(int(message.data))
            elif kind is aiohttp.WSMsgType.PING:
                await self._websocket.pong(message.data)
            elif kind in _OVER:
                self._why = self._why or ending(self._websocket, message)
                return
            else:
                self._complain("a binary message, where ARI sends text only")
        self._why = "another process took over the application"

    def _take(self, message: dict[str, Any]) -> None:
        if message.get("type") == "RESTResponse":
            # A late answer to the probe is an answer too: this Asterisk takes requests over the websocket.
            self._over_websocket = self._over_websocket or self._settings.transport == "auto"
            self._asking.answered(message)
            return
        event = event_of(message)
        if isinstance(event, PlaybackFinished):
            self._playing.ended(event.playback)
        elif isinstance(event, PlaybackStarted):
            self._playing.began(event.playback, event.channel)
        elif isinstance(event, (StasisEnd, ChannelDestroyed)):
            self._playing.gone(event.channel.id)
        elif isinstance(event, ApplicationReplaced):
            self.replaced = True
        try:
            self._on_event(event)
        except Exception:  # what went wrong with one call must not cut the line of all the others
            log.exception("an event of Asterisk could not be handled", event_type=type(event).__name__)

    def _complain(self, what: str) -> None:
        """Something unreadable arrived: a warning once per connection, the line itself is good."""
        (log.debug if self._complained else log.warning)("Asterisk sent something unreadable", what=what)
        self._complained = True

    async def _pulse(self) -> None:
        """Notice within a few seconds when nothing comes any more."""
        beat = self._settings.heartbeat / 3
        while True:
            due = self._loop.time() + beat
            await asyncio.sleep(beat)
            now = self._loop.time()
            if now - due > beat:
                # We ourselves were held up (stopped, swapped out): what came meanwhile is still to be read.
                self._heard = now
            oldest = self._asking.oldest(now)
            quiet = now - self._heard
            if quiet >= self._settings.heartbeat and not await self._only_held_up(oldest):
                await self._end(f"Asterisk has been silent on ARI for {quiet:.1f} s")
                return
            if oldest is not None or quiet >= beat:
                try:
                    await self._websocket.ping(str(self._asking.number).encode())
                except aiohttp.ClientError:
                    return  # the reading loop meets the same and says why

    async def _only_held_up(self, oldest: tuple[str, float] | None) -> bool:
        """Whether the websocket is merely held up by a slow request: then HTTP still answers."""
        if oldest is None or oldest[1] > PATIENCE_SECONDS or self._settings.transport != "auto":
            return False
        beat = self._settings.heartbeat / 3
        try:
            await http.ask(self._session, self._settings.base, "GET", "asterisk/ping", None, None, beat)
        except (AriTimeout, AriRefused, AriLost, AriUnreadable):
            return False
        log.debug(
            "the websocket is held up, requests go over HTTP", request=oldest[0], seconds=round(oldest[1], 1)
        )
        return True

    async def _end(self, why: str) -> None:
        self._why = self._why or why
        await self._hang_up()

    async def _hang_up(self) -> None:
        try:
            async with asyncio.timeout(2 * CLOSING_SECONDS):
                await self._websocket.close()
        except TimeoutError:
            log.debug("Asterisk took no part in closing the websocket")
