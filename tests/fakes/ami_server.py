"""An Asterisk for tests: its manager interface, speaking the real protocol, and misbehaving on request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

STATUS = """\
Response: Success
ActionID: {id}
EventList: start
Message: Channel status will follow

Event: Status
ActionID: {id}
Channel: PJSIP/101-1
Uniqueid: 1.1
CallerIDName: Zoë

Event: Status
ActionID: {id}
Channel: PJSIP/102-2
Uniqueid: 1.2
CallerIDName: {empty}

Event: StatusComplete
ActionID: {id}
EventList: Complete
ListItems: 2

"""


@dataclass
class FakeAmi:
    """Start with ``async with FakeAmi() as asterisk``; then ``asterisk.port`` is where it listens."""

    username: str = "callguard"
    secret: str = "s3cret-of-ami"
    banner: bytes = b"Asterisk Call Manager/11.0.0\r\n"
    version: str = "22.10.1"
    port: int = 0
    actions: list[dict[str, str]] = field(
        default_factory=list
    )  #: all that arrived, but what the link asks by itself
    lines: list[str] = field(default_factory=list)  #: every line that arrived
    connections: int = 0
    unanswered: set[str] = field(default_factory=set)  #: actions (by name) that get no answer
    scripted: dict[str, Callable[[dict[str, str]], str]] = field(default_factory=dict)
    reads: asyncio.Event = field(default_factory=asyncio.Event)  #: cleared: reads nothing, answers nothing
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    _server: asyncio.Server | None = None
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self.reads.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self.reads.set()
        self._server.close()
        self.drop()
        await self._server.wait_closed()

    # What a test makes it do

    def drop(self) -> None:
        """Break every connection."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def send(self, *segments: bytes) -> None:
        """Send bytes, each of these as a TCP segment of its own."""
        for segment in segments:
            self._writers[-1].write(segment)
            await self._writers[-1].drain()
            await asyncio.sleep(0.01)  # so that the network does not put the segments together again

    async def until_asked(self, action: str) -> dict[str, str]:
        """Wait until this action arrives."""

        def found() -> dict[str, str] | None:
            return next((each for each in self.actions if each.get("Action") == action), None)

        async with self.arrived:
            await self.arrived.wait_for(lambda: found() is not None)
        asked = found()
        assert asked is not None
        return asked

    # The wire

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        writer.write(self.banner)
        action: dict[str, str] = {}
        try:
            while line := await reader.readline():
                await self.reads.wait()
                text = line.decode().removesuffix("\r\n")
                self.lines.append(text)
                if text:
                    name, _, value = text.partition(": ")
                    action[name] = value
                    continue
                await self._take(action, writer)
                action = {}
        except ConnectionError:
            return
        finally:
            writer.close()

    async def _take(self, action: dict[str, str], writer: asyncio.StreamWriter) -> None:
        name = action.get("Action", "")
        if action.get("ActionID") != "callguard-pulse" and action.get("Variable") != "VERSION()":
            self.actions.append(action)
            async with self.arrived:
                self.arrived.notify_all()
        if name in self.unanswered:
            return
        answer = self.scripted.get(name, self._answer)(action)
        writer.write(answer.format(id=action.get("ActionID", ""), empty="").replace("\n", "\r\n").encode())

    def _answer(self, action: dict[str, str]) -> str:
        match action.get("Action"):
            case "Login" if (action["Username"], action["Secret"]) != (self.username, self.secret):
                return "Response: Error\nActionID: {id}\nMessage: Authentication failed\n\n"
            case "Login":
                return "Response: Success\nActionID: {id}\nMessage: Authentication accepted\n\n"
            case "Ping":
                return "Response: Success\nActionID: {id}\nPing: Pong\n\n"
            case "Getvar" if action["Variable"] == "VERSION()":
                return f"Response: Success\nActionID: {{id}}\nVariable: VERSION()\nValue: {self.version}\n\n"
            case "Status":
                return STATUS
        return "Response: Success\nActionID: {id}\nMessage: Done\n\n"
