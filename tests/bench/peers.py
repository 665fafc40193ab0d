"""The other ways' controllers, which do the job and nothing more: ``python -m tests.bench.peers NAME``.

What they are to do comes as JSON on standard input; they say ``ready`` when they are. They use uvloop and
orjson, as callguard does where it can.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from typing import Any

import aiohttp
import orjson
import uvloop

#: What a call needs; without a filter dozens of others come.
EVENTS = ("StasisStart", "PlaybackFinished", "ChannelDtmfReceived", "RESTResponse")


async def bare(told: dict[str, Any]) -> None:
    """ARI on aiohttp, requests over the websocket; nothing is checked, kept or written down."""
    ari = told["ari"]
    numbers = itertools.count(1)
    headers = {"Authorization": aiohttp.encode_basic_auth(ari["username"], ari["password"])}
    async with aiohttp.ClientSession(headers=headers) as session:
        socket = await session.ws_connect(f"{ari['url']}/events", params={"app": "bare"}, max_msg_size=0)
        allowed = {"allowed": [{"type": kind} for kind in EVENTS]}
        async with session.put(f"{ari['url']}/applications/bare/eventFilter", json=allowed) as answer:
            answer.raise_for_status()

        def ask(method: str, uri: str, body: Any = None, **query: str) -> Any:
            message: dict[str, Any] = {
                "type": "RESTRequest",
                "request_id": str(next(numbers)),
                "method": method,
                "uri": uri,
            }
            if query:
                message["query_strings"] = [{"name": name, "value": value} for name, value in query.items()]
            if body is not None:
                message |= {"content_type": "application/json", "message_body": orjson.dumps(body).decode()}
            return socket.send_str(orjson.dumps(message).decode())

        print("ready", flush=True)
        async for received in socket:
            event = orjson.loads(received.data)
            match event["type"]:
                case "StasisStart":
                    channel = event["channel"]["id"]
                    media = {"media": told["announcement"]}
                    await ask("POST", f"channels/{channel}/play/announcement-{channel}", media)
                case "PlaybackFinished":
                    kind, _, channel = event["playback"]["id"].partition("-")
                    if kind == "announcement":
                        media = {"media": told["question"]}
                        await ask("POST", f"channels/{channel}/play/question-{channel}", media)
                case "ChannelDtmfReceived":
                    channel = event["channel"]["id"]
                    await ask("DELETE", f"playbacks/question-{channel}")
                    await ask("POST", f"channels/{channel}/variable", variable="KEY", value=event["digit"])
                    await ask("POST", f"channels/{channel}/continue")


async def fastagi(told: dict[str, Any]) -> None:
    """FastAGI on panoramisk."""
    from panoramisk.fast_agi import Application, Request

    announcement, question = told["sounds"]

    async def consent(request: Request) -> None:
        await request.send_command(f'STREAM FILE {announcement} ""')
        answer = await request.send_command(f"GET DATA {question} 15000 1")
        await request.send_command(f'SET VARIABLE KEY "{answer["result"][0]}"')

    application = Application(loop=asyncio.get_running_loop())
    application.add_route("consent", consent)
    server = await asyncio.start_server(application.handler, "127.0.0.1", told["agi"])
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Run one of them until killed."""
    told = json.load(sys.stdin)
    uvloop.run({"bare": bare, "fastagi": fastagi}[sys.argv[1]](told))


if __name__ == "__main__":
    main()
