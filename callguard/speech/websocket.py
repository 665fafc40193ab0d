"""Recognisers behind a websocket: the server of Vosk, and any that speaks like it.

The protocol of Vosk's server: the client says the sample rate in a message of JSON, sends samples as binary
messages and gets JSON for each (`partial` while words are not certain, `text` when they are);
`{"eof" : 1}`, with these very spaces, ends it: it is answered with the last `text`, and the server closes.
Other servers differ in names, which can be configured; that they close after the last words is what they
have to share, because only then it is certain that no "not" is still to come.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from callguard.speech.errors import SpeechError
from callguard.speech.remote import LARGEST, RemoteAnswer, trusted
from callguard.speech.thresholds import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A recogniser on the network, and its dialect."""

    name: str
    url: str
    #: Sent first; ``{rate}`` stands for the sample rate. Empty: nothing.
    start: str = '{"config": {"sample_rate": {rate}, "words": true}}'
    #: Sent after the last audio.
    end: str = '{"eof" : 1}'
    text: str = "text"  #: the field with the words that are certain
    words: str = "result"  #: the field with the list of words
    confidence: str = "conf"  #: the field of each word, or of the message, with the confidence, 0 to 1
    headers: Mapping[str, str] | None = None
    connect_seconds: float = 2.0


class WebsocketEngine:
    """One server and the languages it is trusted with.

    Args:
        server: where it is and how it speaks.
        thresholds: by language; what is not listed is not served.
        patience: seconds after the end of speech until an answer is given up.
    """

    def __init__(
        self, server: Server, thresholds: Mapping[str, Thresholds], *, patience: float = 3.0
    ) -> None:
        self.name = server.name
        self._server, self._patience = server, patience
        self._thresholds = trusted(server.name, thresholds)
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open no connection yet: a server that is down must not keep calls from being answered."""
        self._session = aiohttp.ClientSession()

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def serves(self, language: str) -> bool:
        """Whether the site named it for this server."""
        return language in self._thresholds

    def open(self, language: str, rate: int) -> _Answer:
        """Connect in the background."""
        if self._session is None:
            raise SpeechError(f"{self.name} was not started; call start first")
        return _Answer(
            self._session, self._server, self._thresholds[language], self._patience, language, rate
        )


class _Answer(RemoteAnswer):
    failures = (*RemoteAnswer.failures, aiohttp.ClientError)

    def __init__(
        self,
        session: aiohttp.ClientSession,
        server: Server,
        thresholds: Thresholds,
        patience: float,
        language: str,
        rate: int,
    ) -> None:
        self._session, self._server, self._rate = session, server, rate
        self._ended = self._complete = False
        super().__init__(server.name, thresholds, patience, language)

    async def _talked(self) -> None:
        server = self._server
        limit = aiohttp.ClientWSTimeout(ws_close=server.connect_seconds)
        connecting = self._session.ws_connect(
            server.url, headers=server.headers, timeout=limit, max_msg_size=LARGEST
        )
        try:
            async with asyncio.timeout(server.connect_seconds):
                line = await connecting
        except aiohttp.WSServerHandshakeError as error:
            # Its own words repeat the URL, in which a token may stand.
            raise ValueError(f"it answers {error.status} ({error.message})") from None
        async with line:
            if server.start:
                await line.send_str(server.start.replace("{rate}", str(self._rate)))
            reading = asyncio.create_task(self._read(line))
            try:
                while (pcm := await self._audio.get()) is not None:
                    await line.send_bytes(pcm)
                self._ended = True
                await line.send_str(server.end)
                await reading
            finally:
                reading.cancel()
            if not self._complete or line.close_code != aiohttp.WSCloseCode.OK:
                raise ValueError("it closed before its last words")

    async def _read(self, line: aiohttp.ClientWebSocketResponse) -> None:
        """Until the server closes."""
        async for message in line:
            if message.type is aiohttp.WSMsgType.TEXT:
                self._take(json.loads(message.data))

    def _take(self, result: Any) -> None:
        server = self._server
        if not isinstance(result, dict) or server.text not in result:
            return
        self._complete = self._ended
        if not result[server.text]:
            return
        words = result.get(server.words) or [result]
        sure = [float(word[server.confidence]) for word in words if server.confidence in word]
        self._heard(str(result[server.text]), sure)
