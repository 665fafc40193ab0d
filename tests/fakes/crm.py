"""A small CRM that receives callguard's webhooks: the worked example of a connector.

It does what a receiver has to: check signature and time, know a message it already has by its id,
and put each call's events in order by their sequence. It can also be a bad one: answer 500, be
slow, take a message and drop the connection before it answers, forget that it has one.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from callguard.ledger.webhook import genuine


@dataclass
class Moods:
    """How often it misbehaves, each 0 to 1."""

    failing: float = 0.0  #: answers 500 and takes nothing
    slow: float = 0.0  #: takes the message but answers too late
    dropping: float = 0.0  #: takes the message and closes the connection instead of answering
    answer: int = 204


@dataclass
class Crm:
    """Give it the secret that the endpoint signs with."""

    secret: str
    moods: Moods = field(default_factory=Moods)
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    calls: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  #: events by call as they came
    ids: set[str] = field(default_factory=set)
    attempts: int = 0
    repeated: int = 0
    forged: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def hook(self, request: web.Request) -> web.StreamResponse:
        """Receive one message."""
        body = await request.read()
        self.attempts += 1
        headers = {name.lower(): value for name, value in request.headers.items()}
        if not genuine(headers, body, self.secret, time.time()):
            self.forged += 1
            raise web.HTTPUnauthorized
        if self.chance.random() < self.moods.failing:
            raise web.HTTPInternalServerError
        if self.moods.answer // 100 == 2:
            self._take(headers["webhook-id"], json.loads(body))
        if self.chance.random() < self.moods.slow:
            await asyncio.sleep(0.6)
        if self.chance.random() < self.moods.dropping and request.transport is not None:
            request.transport.abort()
        return web.Response(status=self.moods.answer)

    def _take(self, identity: str, message: dict[str, Any]) -> None:
        if identity in self.ids:
            self.repeated += 1
            return
        self.ids.add(identity)
        self.calls.setdefault(message["data"]["call"], []).append(message)
        self.changed.set()

    @property
    def events(self) -> int:
        """How many different events it has."""
        return len(self.ids)

    def out_of_order(self) -> list[str]:
        """The calls whose events did not come in the order of their sequence, without gaps, from 1."""
        wrong = []
        for call, messages in self.calls.items():
            if [m["data"]["sequence"] for m in messages] != list(range(1, len(messages) + 1)):
                wrong.append(call)
        return wrong

    async def until(self, events: int, seconds: float = 20.0) -> None:
        """Wait until it has so many events."""
        async with asyncio.timeout(seconds):
            while self.events < events:
                self.changed.clear()
                await self.changed.wait()

    async def start(self, port: int = 0) -> TestServer:
        """Open for business."""
        app = web.Application()
        app.router.add_post("/callguard", self.hook)
        server = TestServer(app, port=port)
        await server.start_server()
        return server
