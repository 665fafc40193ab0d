"""An Asterisk for tests: its HTTP server with ARI, speaking the real protocol, and misbehaving on request.

It does what was seen on Asterisk 22.10.1, also where that is a trap: requests of one websocket are carried
out in turn (and a ping waits with them), a variable set during a playback waits for its end, the event filter
swallows RESTResponse unless it names it, a websocket message over 65,527 bytes closes the connection, a
request line over 4096 bytes is refused, and a request that cannot be read is answered without its id.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qsl, unquote

from aiohttp import WSCloseCode, WSMsgType, web

LARGEST_FRAME = 65_527
LONGEST_LINE = 4096


@dataclass(frozen=True)
class Request:
    """One REST request as it arrived."""

    method: str
    path: str  #: decoded
    query: dict[str, str]
    body: Any
    transport: str  #: "websocket" or "http"


@dataclass(frozen=True)
class Answer:
    """What a scripted request is answered: JSON, or any text at all as it is."""

    status: int = 200
    value: Any = None
    text: str | None = None
    reason: str = "Scripted"

    @property
    def body(self) -> str | None:
        if self.text is not None:
            return self.text
        return None if self.value is None else json.dumps(self.value)


@dataclass
class FakeAsterisk:
    """Start with ``async with FakeAsterisk() as asterisk``; then ``asterisk.url`` is where it listens."""

    username: str = "callguard"
    password: str = "s3cret-of-ari"
    rest_over_websocket: bool = True
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    channels: dict[str, dict[str, Any]] = field(default_factory=dict)
    variables: dict[str, dict[str, str]] = field(default_factory=dict)
    broadcasts: dict[str, str] = field(default_factory=dict)  #: channel -> the application that has it, or ""
    playbacks: dict[str, str] = field(default_factory=dict)  #: playback -> channel
    subscriptions: set[str] = field(default_factory=set)
    whispers: dict[str, str] = field(default_factory=dict)  #: snoop channel -> the channel it whispers into
    packets: dict[str, tuple[int, int]] = field(default_factory=dict)  #: channel -> sent, received
    devices: dict[str, str] = field(default_factory=dict)
    allowed: set[str] | None = None
    handshakes: int = 0  #: how many websockets were asked for so far
    connections: int = 0  #: how many were opened
    scripted: dict[tuple[str, str], Answer | Callable[[], Any]] = field(default_factory=dict)
    awake: asyncio.Event = field(default_factory=asyncio.Event)  #: cleared: answers nothing, reads nothing
    forgotten: set[str] = field(default_factory=set)  #: paths that get no answer over the websocket
    refuse_websocket: int = 0  #: a status to refuse the handshake with
    websocket: web.WebSocketResponse | None = None
    raw: asyncio.Transport | None = None  #: the TCP connection of the websocket
    _runner: web.AppRunner | None = None
    _playback_over: asyncio.Condition = field(default_factory=asyncio.Condition)
    port: int = 0

    async def __aenter__(self) -> Self:
        self.awake.set()
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_get("/ari/events", self._events)
        app.router.add_route("*", r"/ari/{path:[\s\S]*}", self._http)
        self._runner = web.AppRunner(app, max_line_size=LONGEST_LINE, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.awake.set()
        self.drop()
        assert self._runner is not None
        await self._runner.cleanup()

    # What a test makes it do

    def script(self, method: str, path: str, answer: Answer | Callable[[], Any]) -> None:
        """Answer this request so from now on; a callable may also be awaited, for as long as it takes."""
        self.scripted[method, path] = answer

    async def say(self, **event: Any) -> None:
        """Send one event, if the filter lets it pass."""
        await self._send({"application": "callguard", "asterisk_id": "fake", **event})

    async def say_raw(self, text: str) -> None:
        """Send any text at all."""
        assert self.websocket is not None
        await self.websocket.send_str(text)

    def half_a_frame(self) -> None:
        """Send the beginning of a frame of 4096 bytes, and no more."""
        assert self.raw is not None
        self.raw.write(b'\x81\x7e\x10\x00{"type":"StasisSt')

    def drop(self) -> None:
        """Break the websocket's TCP connection."""
        if self.raw is not None:
            self.raw.abort()

    def channel(self, identity: str, **more: Any) -> dict[str, Any]:
        """Let there be a channel."""
        channel = {"id": identity, "name": f"PJSIP/{identity}", "state": "Up", **more}
        self.channels[identity] = channel
        self.variables.setdefault(identity, {})
        return channel

    async def end_playback(self, playback: str, state: str = "done") -> None:
        """Let a playback be over."""
        channel = self.playbacks.pop(playback)
        async with self._playback_over:
            self._playback_over.notify_all()
        await self.say(
            type="PlaybackFinished",
            playback={"id": playback, "target_uri": f"channel:{channel}", "state": state},
        )

    def asked(self, method: str, path: str) -> list[Request]:
        """The requests that arrived for this."""
        return [each for each in self.requests if (each.method, each.path) == (method, path)]

    # The wire

    def _known(self, request: web.Request) -> bool:
        given = request.headers.get("Authorization", "").removeprefix("Basic ")
        return base64.b64decode(given).decode() == f"{self.username}:{self.password}"

    async def _events(self, request: web.Request) -> web.StreamResponse:
        self.handshakes += 1
        await self.awake.wait()
        if self.refuse_websocket:
            return web.Response(status=self.refuse_websocket)
        if not self._known(request):
            return web.json_response({"message": "Authentication required"}, status=401)
        if request.query.get("app") is None:
            return web.json_response({"message": "Missing app"}, status=400)
        websocket = web.WebSocketResponse(max_msg_size=1024 * 1024)
        if self.websocket is not None and not self.websocket.closed:
            await self._send({"type": "ApplicationReplaced"})
        await websocket.prepare(request)
        self.websocket = websocket
        self.raw = request.transport
        self.connections += 1
        async for message in websocket:
            await self.awake.wait()
            if message.type is not WSMsgType.TEXT or not self.rest_over_websocket:
                continue
            if len(message.data.encode()) > LARGEST_FRAME:
                await websocket.close(code=WSCloseCode.MESSAGE_TOO_BIG)
                break
            answer = await self._rest_over_websocket(message.data)
            if self.requests[-1].path not in self.forgotten:
                await self._send(answer)
        return websocket

    async def _send(self, message: dict[str, Any]) -> None:
        if self.websocket is None or (self.allowed is not None and message.get("type") not in self.allowed):
            return
        try:
            await self.websocket.send_str(json.dumps(message))
        except ConnectionError:
            return  # as Asterisk does: nobody is there to be told

    async def _rest_over_websocket(self, text: str) -> dict[str, Any]:
        asked = json.loads(text)
        if "\0" in json.dumps(asked, ensure_ascii=False) or "\\u0000" in json.dumps(asked):
            return {
                "type": "RESTResponse",
                "request_id": "",
                "status_code": 400,
                "reason_phrase": "Failed to parse request message JSON",
            }
        query = {each["name"]: each["value"] for each in asked.get("query_strings", [])}
        body = json.loads(asked["message_body"]) if "message_body" in asked else None
        request = Request(asked["method"], unquote(asked["uri"]), query, body, "websocket")
        answer = await self._carry_out(request, asked["uri"])
        response = {
            "type": "RESTResponse",
            "request_id": asked["request_id"],
            "status_code": answer.status,
            "reason_phrase": answer.reason,
        }
        if answer.body is not None:
            response |= {"content_type": "application/json", "message_body": answer.body}
        return response

    async def _http(self, request: web.Request) -> web.StreamResponse:
        await self.awake.wait()
        if not self._known(request):
            return web.json_response({"message": "Authentication required"}, status=401)
        raw_path, _, raw_query = request.raw_path.partition("?")
        text = await request.text()
        body = json.loads(text) if text else None
        uri = raw_path.removeprefix("/ari/")
        query = dict(parse_qsl(raw_query, keep_blank_values=True))
        answer = await self._carry_out(Request(request.method, unquote(uri), query, body, "http"), uri)
        return web.Response(
            status=answer.status, reason=answer.reason, text=answer.body, content_type="application/json"
        )

    # What it does

    async def _carry_out(self, request: Request, uri: str) -> Answer:  # noqa: C901 - a table of requests
        self.requests.append(request)
        scripted = self.scripted.get((request.method, request.path))
        if callable(scripted):
            scripted = await scripted()
        if scripted is not None:
            return scripted
        # As Asterisk does, parameters are taken from the query or from the body.
        given = {**(request.body if isinstance(request.body, dict) else {}), **request.query}
        match request.method, *(unquote(part) for part in uri.split("/")):
            case "GET", "asterisk", what:
                return self._about_asterisk(what, given)
            case "PUT", "applications", _, "eventFilter":
                self.allowed = {each["type"] for each in given["allowed"]}
                return Answer(value={})
            case method, "applications", _, "subscription":
                return self._subscription(method, given["eventSource"])
            case "POST", "events", "claim":
                return self._claim(given["channelId"], given["application"])
            case "DELETE", "playbacks", playback:
                if playback not in self.playbacks:
                    return Answer(404, {"message": "Playback not found"})
                await self.end_playback(playback)
                return Answer(204)
            case method, "deviceStates", *rest:
                return self._device_states(method, rest, given)
            case "GET", "channels":
                return Answer(value=list(self.channels.values()))
            case method, "channels", channel, *rest:
                if channel not in self.channels:
                    return Answer(
                        404, {"message": "Provided channel was not found"}, reason="Channel Not Found"
                    )
                return await self._on_channel(method, channel, rest, given)
        return Answer(404, {"message": "Resource not found"})

    def _about_asterisk(self, what: str, given: dict[str, Any]) -> Answer:
        known = {
            "ping": {"ping": "pong"},
            "info": {"system": {"version": "22.10.1"}, "news": {"unheard": "of"}},
            "variable": {"value": self.variables.get("", {}).get(given.get("variable", ""), "")},
        }
        return Answer(value=known[what]) if what in known else Answer(404, {"message": "Resource not found"})

    def _device_states(self, method: str, rest: list[str], given: dict[str, Any]) -> Answer:
        if method == "GET":
            return Answer(value=[{"name": name, "state": state} for name, state in self.devices.items()])
        if not rest[0].startswith("Stasis:"):
            return Answer(409, {"message": "Uncontrolled device specified"})
        self.devices[rest[0]] = given["deviceState"]
        return Answer(204)

    def _subscription(self, method: str, source: str) -> Answer:
        if source.removeprefix("channel:") not in self.channels:
            return Answer(422, {"message": "Event source does not exist"})
        (self.subscriptions.add if method == "POST" else self.subscriptions.discard)(source)
        return Answer(value={})

    def _claim(self, channel: str, application: str) -> Answer:
        owner = self.broadcasts.get(channel)
        if owner is None:
            return Answer(404, {"message": "Channel not found or not in broadcast state"})
        if owner:
            return Answer(409, {"message": "Channel has already been claimed by another application"})
        self.broadcasts[channel] = application
        return Answer(204)

    async def _on_channel(self, method: str, channel: str, rest: list[str], given: dict[str, Any]) -> Answer:
        match method, *rest:
            case "GET", "variable":
                value = self.variables[channel].get(given["variable"])
                if value is None:
                    return Answer(
                        404, {"message": "Provided variable was not found"}, reason="Variable Not Found"
                    )
                return Answer(value={"value": value})
            case "POST", "variable":
                await self._until_nothing_plays(channel)
                self.variables[channel][given["variable"]] = given["value"]
                return Answer(204)
            case "POST", ("continue" | "answer"):
                await self._until_nothing_plays(channel)
                return Answer(204)
            case "GET", "rtp_statistics":
                if channel not in self.packets:
                    return Answer(404, {"message": "RTP info not found"})
                sent, received = self.packets[channel]
                return Answer(value={"txcount": sent, "rxcount": received, "rtt": 0.0})
            case "POST", "snoop", snoop:
                self.whispers[snoop] = channel
                made = self.channel(snoop, name=f"Snoop/{channel}", dialplan={"app_data": given["app"]})
                await self.say(type="StasisStart", channel=made, args=[])
                return Answer(value=made)
            case "POST", "play", playback:
                self.playbacks[playback] = channel
                media = given["media"][0]
                await self.say(
                    type="PlaybackStarted",
                    playback={"id": playback, "media_uri": media, "target_uri": f"channel:{channel}"},
                )
                return Answer(201, {"id": playback})
            case ("DELETE",):
                del self.channels[channel]
                if self.whispers.pop(channel, None):
                    await self._whisper_over(channel)
                return Answer(204)
        return Answer(404, {"message": "Resource not found"})

    async def _whisper_over(self, snoop: str) -> None:
        for playback in [name for name, channel in self.playbacks.items() if channel == snoop]:
            await self.end_playback(playback, "failed")
        await self.say(type="StasisEnd", channel={"id": snoop})

    async def _until_nothing_plays(self, channel: str) -> None:
        async with self._playback_over:
            await self._playback_over.wait_for(lambda: channel not in self.playbacks.values())
