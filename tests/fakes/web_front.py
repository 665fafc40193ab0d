"""The real web interface on a free port, in front of a desk in memory."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from callguard.config import Config, loads
from callguard.web.serving import Front
from fakes.desk import FakeDesk

#: Tokens as people would make them; each is as long as it has to be.
TOKENS = {
    "desk-211": "agent-211-" + "a" * 32,
    "desk-212": "agent-212-" + "b" * 32,
    "boss": "supervisor-" + "c" * 32,
    "crm": "program-" + "d" * 32,
}
PHONE_SECRET = "a secret of the site, for telephones".replace(" ", "-")


class Clock:
    """Seconds that go on when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def hashed(token: str) -> str:
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"


def configuration(**web: Any) -> Config:
    """A site whose web interface is used by two desks, a supervisor and the CRM."""
    tokens = {
        "desk-211": {"role": "agent", "extensions": ["211"]},
        "desk-212": {"role": "agent", "extensions": ["212"]},
        "boss": {"role": "supervisor"},
        "crm": {"role": "program"},
    }
    document = {
        "site": {"name": "Acme", "country": "US"},
        "asterisk": {"ari": {"password": "x"}, "ami": {"password": "y"}},
        "queues": {"sales": {}},
        "web": {
            "tokens": {name: {**more, "secret": hashed(TOKENS[name])} for name, more in tokens.items()},
            **web,
        },
    }
    return loads(json.dumps(document))


@dataclass
class Reply:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def kind(self) -> str:
        """The kind of problem."""
        assert self.headers["Content-Type"].startswith("application/problem+json"), self.text
        return str(self.json["type"]).removeprefix("/v1/problems/")


@dataclass
class House:
    """Ask it with ``get`` and ``post``."""

    desk: FakeDesk
    front: Front
    session: aiohttp.ClientSession
    clock: Clock
    base: str = ""
    replies: list[tuple[str, str, Reply]] = field(default_factory=list)  #: method, path, answer

    async def ask(
        self, method: str, path: str, *, token: str | None = "boss", headers: Any = None, **more: Any
    ) -> Reply:
        """Ask with somebody's token (None: without)."""
        given = dict(headers or {})
        if token is not None:
            given.setdefault("Authorization", f"Bearer {TOKENS.get(token, token)}")
        async with self.session.request(method, self.base + path, headers=given, **more) as response:
            reply = Reply(response.status, dict(response.headers), await response.text())
        self.replies.append((method, path, reply))
        return reply

    async def get(self, path: str, **more: Any) -> Reply:
        return await self.ask("GET", path, **more)

    async def post(self, path: str, body: Any = None, *, key: str | None = None, **more: Any) -> Reply:
        """Send JSON."""
        headers = dict(more.pop("headers", None) or {})
        if key is not None:
            headers["Idempotency-Key"] = key
        return await self.ask("POST", path, json=body, headers=headers, **more)

    async def raw(self, sent: bytes) -> bytes:
        """Send bytes as they are, and read until the other side closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.front.port)
        writer.write(sent)
        await writer.drain()
        try:
            async with asyncio.timeout(10):
                return await reader.read()
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.asynccontextmanager
async def open_house(config: Config | None = None, desk: FakeDesk | None = None) -> AsyncIterator[House]:
    """Serve for as long as the context lasts."""
    desk, clock, port = desk or FakeDesk(), Clock(), free_port()
    config = config or configuration(port=str(port))
    front = Front(config, desk, desk, clock=clock)
    await front.open()
    try:
        async with aiohttp.ClientSession() as session:
            yield House(desk, front, session, clock, base=f"http://127.0.0.1:{front.port}")
    finally:
        desk.free.set()
        await front.close()
