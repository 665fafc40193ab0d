"""Recognisers behind a websocket: the server of Vosk, and any that speaks like it.

The protocol of Vosk's server: the client says the sample rate in a message of JSON, sends samples as binary
messages and gets JSON for each (`partial` while words are not certain, `text` when they are);
`{"eof" : 1}`, with these very spaces, ends it: it is answered with the last `text`, and the server closes.
Other servers differ in names, which can be configured; that they close after the last words is what they
have to share, because only then it is certain that no "not" is still to come.

A connection carries one answer. It begins when the caller may speak, so that its set-up costs no time later.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from callguard.speech.errors import SpeechError
from callguard.speech.thresholds import Thresholds, judged
from callguard.speech.verdict import Verdict, unclear
from callguard.speech.wording import WORDINGS, kind_of

#: Messages of audio that may wait for a slow server, 20 ms each: ten seconds.
QUEUE = 500
#: The largest message that is read: results are a few hundred bytes.
LARGEST = 1 << 20


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
        self._server, self._thresholds, self._patience = server, dict(thresholds), patience
        for language in self._thresholds:
            if language.partition("-")[0] not in WORDINGS:
                raise SpeechError(
                    f"{server.name} cannot serve {language!r}: which words are a yes is known for "
                    f"{', '.join(sorted(WORDINGS))} only; leave it out under speech.languages"
                )
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


class _Answer:
    def __init__(
        self,
        session: aiohttp.ClientSession,
        server: Server,
        thresholds: Thresholds,
        patience: float,
        language: str,
        rate: int,
    ) -> None:
        self._session, self._server, self._thresholds = session, server, thresholds
        self._patience, self._language, self._rate = patience, language, rate
        self._audio: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE)
        self._overrun = self._ended = self._complete = False
        self._texts: list[str] = []
        self._confidences: list[float] = []
        self._talk = asyncio.create_task(self._talked())

    def feed(self, pcm: bytes | memoryview) -> None:
        """Send it on as soon as the connection takes it."""
        try:
            self._audio.put_nowait(bytes(pcm))
        except asyncio.QueueFull:
            self._overrun = True

    async def verdict(self, speech: memoryview) -> Verdict:  # noqa: ARG002 - the server has heard it already
        """Wait for the server's last words."""
        try:
            async with asyncio.timeout(self._patience):
                await self._audio.put(None)
                await self._talk
            if self._overrun:
                return unclear(
                    "it could not take the audio in time", engine=self._server.name, language=self._language
                )
            text = " ".join(self._texts)
            return judged(
                kind=kind_of(text, self._language),
                # The least certain word decides: "I do (not) agree" hangs on one.
                confidence=min(self._confidences, default=0.0),
                words=text,
                thresholds=self._thresholds,
                engine=self._server.name,
                language=self._language,
            )
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, TypeError, AttributeError) as error:
            why = f"{self._server.name} failed: {error or type(error).__name__}"
            return unclear(why, engine=self._server.name, language=self._language)

    async def close(self) -> None:
        """Hang up, and forget what was not sent."""
        self._talk.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await self._talk
        while not self._audio.empty():
            self._audio.get_nowait()

    async def _talked(self) -> None:
        server = self._server
        limit = aiohttp.ClientWSTimeout(ws_close=server.connect_seconds)
        connecting = self._session.ws_connect(
            server.url, headers=server.headers, timeout=limit, max_msg_size=LARGEST
        )
        async with asyncio.timeout(server.connect_seconds):
            line = await connecting
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
        self._texts.append(str(result[server.text]))
        words = result.get(server.words) or [result]
        self._confidences += [float(word[server.confidence]) for word in words if server.confidence in word]
