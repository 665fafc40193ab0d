"""The world's own thin line to its Asterisk: requests, events, and the recorder of its phones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from callguard.errors import LabError
from callguard.lab.instance import Instance

#: Seconds a request may take; a loaded laptop answers in milliseconds.
REQUEST_DEADLINE = 10.0
#: How long an idle connection is kept (seconds): shorter than Asterisk does, which lets go of it after 15, so
#: that no request meets the closing.
KEPT_SECONDS = 10.0
#: What `World` listens to; dozens of other events come with each call.
EVENTS = ("StasisStart", "ChannelStateChange", "ChannelDtmfReceived", "ChannelDestroyed")


class Line:
    """Events and requests of one ARI application, and manager actions over HTTP."""

    def __init__(self, instance: Instance, app: str, hear: Callable[[dict[str, Any]], None]) -> None:
        self._instance = instance
        self._app = app
        self._hear = hear
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Subscribe to the application's events and log in to the manager interface."""
        await self.close()
        settings = self._instance.ari
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=REQUEST_DEADLINE),
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_SECONDS),
            cookie_jar=aiohttp.CookieJar(unsafe=True),
        )
        self._socket = await self._session.ws_connect(
            f"{settings.url}/events",
            # Every channel, in the application or not: a phone's end is told after it has left it.
            params={
                "app": self._app,
                "api_key": f"{settings.username}:{settings.password}",
                "subscribeAll": "true",
            },
            max_msg_size=0,
        )
        allowed = [{"type": name} for name in EVENTS]
        await self.ask("PUT", f"/applications/{self._app}/eventFilter", body={"allowed": allowed})
        self._reader = asyncio.create_task(self._read(self._socket))
        await self.act("Login", Username=self._instance.ami.username, Secret=self._instance.ami.password)

    async def close(self) -> None:
        """Let go of everything."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()
        if self._session is not None:
            await self._session.close()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        """Make one ARI request.

        Raises:
            LabError: Asterisk refused or did not answer.
        """
        settings = self._instance.ari
        try:
            async with self._opened().request(
                method,
                f"{settings.url}{path}",
                params=query,
                json=body,
                headers=settings.headers,
            ) as answer:
                text = await answer.text()
                if answer.status >= 400:
                    raise LabError(f"The lab's world answers {method} {path} with {answer.status}: {text}")
                return json.loads(text) if text else None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise LabError(f"The lab's world does not answer {method} {path}: {error!r}") from error

    async def act(self, action: str, **fields: str) -> None:
        """Take one manager action.

        Raises:
            LabError: Asterisk refused or did not answer.
        """
        url = self._instance.ari.url.removesuffix("/ari") + "/rawman"
        try:
            async with self._opened().post(url, data={"action": action, **fields}) as answer:
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise LabError(f"The lab's world does not answer action {action}: {error!r}") from error
        if not text.startswith("Response: Success"):
            raise LabError(f"The lab's world refuses action {action}: {' '.join(text.split())}")

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise LabError("The lab's world is not running: start it first.")
        return self._session

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self._hear(json.loads(message.data))
