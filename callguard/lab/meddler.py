"""Between callguard and ARI: a proxy that misbehaves when told to."""

from __future__ import annotations

import asyncio
import contextlib
import json
from enum import StrEnum
from typing import Any

import aiohttp
from aiohttp import web


class Mischief(StrEnum):
    """What the proxy does to what Asterisk says."""

    NONE = "none"
    ERRORS = "errors"  #: every answer to a request is a 500
    GARBAGE = "garbage"  #: what Asterisk says arrives as noise
    HALF_FRAME = "half-frame"  #: the line breaks in the middle of a message
    SILENCE = "silence"  #: nothing arrives any more, and nothing is said


class Meddler:
    """An HTTP and websocket proxy in front of an ARI.

    Attributes:
        mischief: what to do from now on.
    """

    def __init__(self, target: str) -> None:
        self.mischief = Mischief.NONE
        self._target = target.removesuffix("/ari")
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._pass)
        # Whoever is kept waiting in silence is not waited for.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        self._port = 0
        self._session: aiohttp.ClientSession | None = None

    @property
    def url(self) -> str:
        """Where callguard finds it."""
        return f"http://127.0.0.1:{self._port}/ari"

    async def open(self) -> None:
        """Listen on a free port of the loopback."""
        self._session = aiohttp.ClientSession()
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Stop."""
        if self._session is not None:
            await self._session.close()
        await self._runner.cleanup()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        if self._session is None:
            raise web.HTTPServiceUnavailable
        if self.mischief is Mischief.SILENCE:
            await asyncio.sleep(3600)
        if self.mischief is not Mischief.NONE:
            raise web.HTTPInternalServerError(text="<html>Internal error</html>")
        url = f"{self._target}{request.rel_url}"
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._talk(request, url)
        headers = {"Authorization": request.headers.get("Authorization", "")}
        if request.content_type == "application/json":
            headers["Content-Type"] = "application/json"
        body = await request.read()
        async with self._session.request(request.method, url, data=body or None, headers=headers) as answer:
            return web.Response(
                status=answer.status, body=await answer.read(), content_type=answer.content_type
            )

    async def _talk(self, request: web.Request, url: str) -> web.StreamResponse:
        near = web.WebSocketResponse(autoping=False)
        await near.prepare(request)
        if self._session is None:
            return near
        headers = {"Authorization": request.headers.get("Authorization", "")}
        async with self._session.ws_connect(url, headers=headers, autoping=False) as far:
            up = asyncio.create_task(self._up(near, far))
            down = asyncio.create_task(self._down(far, near, request))
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            for task in (up, down):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                    await task
        return near

    async def _up(self, near: Any, far: Any) -> None:
        async for message in near:
            if self.mischief is not Mischief.SILENCE:
                await _send(far, message)

    async def _down(self, far: Any, near: web.WebSocketResponse, request: web.Request) -> None:
        async for message in far:
            match self.mischief:
                case Mischief.SILENCE:
                    continue
                case Mischief.GARBAGE if message.type is aiohttp.WSMsgType.TEXT:
                    await near.send_str('{"type": \x00\x01 \\udead' + message.data[::-1])
                case Mischief.ERRORS if message.type is aiohttp.WSMsgType.TEXT:
                    said = json.loads(message.data)
                    if said.get("type") == "RESTResponse":
                        said |= {"status_code": 500, "reason_phrase": "Internal", "message_body": "<html>"}
                    await near.send_str(json.dumps(said))
                case Mischief.HALF_FRAME:
                    transport = request.transport
                    if transport is not None:
                        # A text frame that announces 4096 bytes and brings 10.
                        transport.write(b"\x81\x7e\x10\x00" + b'{"type": "')
                        await asyncio.sleep(0.05)
                        transport.abort()
                    return
                case _:
                    await _send(near, message)


async def _send(to: Any, message: aiohttp.WSMessage) -> None:
    match message.type:
        case aiohttp.WSMsgType.TEXT:
            await to.send_str(message.data)
        case aiohttp.WSMsgType.BINARY:
            await to.send_bytes(message.data)
        case aiohttp.WSMsgType.PING:
            await to.ping(message.data)
        case aiohttp.WSMsgType.PONG:
            await to.pong(message.data)
