"""The server of Vosk for tests: its protocol to the letter, and what goes wrong with servers, on request.

As the real one (alphacep/vosk-server, websocket/asr_server.py): configuration comes as text with the word
`config` in it, every binary message is answered once, the end is told by exactly ``{"eof" : 1}``, is answered
with the last words, and then the connection is closed. It recognises nothing: what is heard is scripted.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web
from aiohttp.test_utils import TestServer

EOF = '{"eof" : 1}'


@dataclass
class FakeVosk:
    """Start with ``async with FakeVosk(...) as vosk``; then ``vosk.url``."""

    #: What is heard: words and their confidence, in one or more utterances.
    says: tuple[tuple[tuple[str, float], ...], ...] = ((("yes", 1.0), ("i", 1.0), ("agree", 1.0)),)
    mute: bool = False  #: takes everything and never answers the end
    drops: bool = False  #: closes in the middle
    garbled: bool = False  #: answers what is no JSON
    words: bool = True  #: gives the list of words
    heard: bytearray = field(default_factory=bytearray)
    configs: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/", self._serve)
        self._server = TestServer(app)
        await self._server.start_server()
        self.url = f"ws://127.0.0.1:{self._server.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        line = web.WebSocketResponse()
        await line.prepare(request)
        self.headers.append(dict(request.headers))
        waiting = list(self.says)
        async for message in line:
            if message.type.name == "TEXT" and "config" in message.data:
                self.configs.append(json.loads(message.data)["config"])
                continue
            if message.type.name == "TEXT":
                if self.mute:
                    continue
                if message.data != EOF:
                    # The real one would take it for audio and fail.
                    break
                await line.send_str("{" if self.garbled else json.dumps(self._result(waiting[-1:])))
                break
            self.heard += message.data
            if self.drops and len(self.heard) > 4000:
                break
            # All but the last utterance become certain while audio still comes.
            if len(waiting) > 1 and len(self.heard) > 4000:
                await line.send_str(json.dumps(self._result([waiting.pop(0)])))
            else:
                await line.send_str(
                    json.dumps({"partial": " ".join(w for w, _ in waiting[0]) if waiting else ""})
                )
        await line.close()
        self.closed.set()
        return line

    def _result(self, utterances: list[tuple[tuple[str, float], ...]]) -> dict[str, Any]:
        said = utterances[0] if utterances else ()
        result: dict[str, Any] = {"text": " ".join(word for word, _ in said)}
        if said and self.words:
            result["result"] = [
                {"conf": sure, "start": n * 0.3, "end": n * 0.3 + 0.2, "word": word}
                for n, (word, sure) in enumerate(said)
            ]
        return result
