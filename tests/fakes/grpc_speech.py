"""The gRPC servers of Vosk and of Riva for tests: their protocols to the letter, and what goes wrong.

As Vosk's (alphacep/vosk-server, grpc/stt_server.py) and as nvidia.riva.asr describes itself: the first
message has the configuration, the others have samples, and after the half-close come the last words and the
status OK. Messages are read and written here by the numbers of the published descriptions, with nothing of
callguard's own, so that a wrong number there is heard of here. Nothing is recognised: what is heard is
scripted.
"""

from __future__ import annotations

import asyncio
import struct
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import grpc.aio

METHODS = {
    "vosk": "/vosk.stt.v1.SttService/StreamingRecognize",
    "riva": "/nvidia.riva.asr.RivaSpeechRecognition/StreamingRecognize",
}
#: Numbers of what a configuration has, in vosk.stt.v1.RecognitionSpec and nvidia.riva.asr.RecognitionConfig.
CONFIG = {
    "vosk": {
        1: "encoding",
        2: "rate",
        3: "language",
        5: "model",
        7: "partial",
        11: "alternatives",
        12: "words",
    },
    "riva": {
        1: "encoding",
        2: "rate",
        3: "language",
        4: "alternatives",
        7: "channels",
        8: "words",
        11: "punctuation",
        13: "model",
        14: "verbatim",
    },
}
#: Bytes after which something happens in the middle of the audio.
MIDDLE = 4000


@dataclass
class FakeGrpc:
    """Start with ``async with FakeGrpc("vosk", ...) as server``; then ``server.url``."""

    protocol: str
    #: What is heard: words and their confidence, in one or more utterances.
    says: tuple[tuple[tuple[str, float], ...], ...] = ((("yes", 1.0), ("i", 1.0), ("agree", 1.0)),)
    mute: bool = False  #: takes everything and never answers the end
    drops: bool = False  #: ends with an error in the middle
    leaves: bool = False  #: ends as if all were well in the middle, with words
    fails: bool = False  #: ends with an error after the last words
    garbled: bool = False  #: answers what is no message, and waits
    tentative: str = ""  #: says this on the way, without being certain
    words: bool = True  #: gives the list of words, where it is asked for
    whole: float = 1.0  #: the confidence of all words together
    certificate: tuple[Path, Path] | None = None
    heard: bytearray = field(default_factory=bytearray)
    configs: list[dict[str, Any]] = field(default_factory=list)
    metadata: list[dict[str, str]] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def __aenter__(self) -> Self:
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((_Handler(self),))
        if self.certificate is None:
            port = self._server.add_insecure_port("127.0.0.1:0")
            self.url = f"grpc://127.0.0.1:{port}"
        else:
            chain, key = (path.read_bytes() for path in self.certificate)
            port = self._server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, chain)]))
            self.url = f"grpcs://127.0.0.1:{port}"
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(None)

    async def serve(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        self.metadata.append(dict(context.invocation_metadata()))
        waiting, config = list(self.says), {}
        try:
            async for raw in requests:
                request = read(raw)
                if 1 in request:
                    config = self._configured(request[1][0])
                    continue
                self.heard += request[2][0]
                if len(self.heard) <= MIDDLE:
                    if self.tentative:
                        yield self._response([(self.tentative, 1.0)], config, final=False)
                    continue
                if self.drops:
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "going down")
                if self.leaves:
                    yield self._response(list(waiting[-1]), config, final=True)
                    return
                # All but the last utterance become certain while audio still comes.
                if len(waiting) > 1:
                    yield self._response(list(waiting.pop(0)), config, final=True)
            if self.garbled:
                yield b"\xff"
            if self.mute or self.garbled:
                await asyncio.Event().wait()
            yield self._response(list(waiting[-1]), config, final=True)
            if self.fails:
                await context.abort(grpc.StatusCode.INTERNAL, "lost the last words")
        finally:
            self.closed.set()

    def _configured(self, raw: bytes) -> dict[str, Any]:
        # Both services have the configuration in a message of its own, as the first and only field.
        given = read(read(raw)[1][0])
        names = CONFIG[self.protocol]
        config = {names[number]: values[-1] for number, values in given.items()}
        config = {name: v.decode() if isinstance(v, bytes) else v for name, v in config.items()}
        self.configs.append(config)
        return config

    def _response(self, said: list[tuple[str, float]], config: dict[str, Any], *, final: bool) -> bytes:
        text = " ".join(word for word, _ in said)
        words = [message((3, word), (4, sure)) for word, sure in said if self.words and config.get("words")]
        alternative = message((1, text), (2, self.whole), *((3, word) for word in words))
        # A result (1, in either service) has alternatives (1), and says whether it is final (2).
        return message((1, message((1, alternative), (2, final))))


class _Handler(grpc.GenericRpcHandler):  # type: ignore[misc, type-arg]
    def __init__(self, fake: FakeGrpc) -> None:
        self._fake = fake

    def service(self, handler_call_details: Any) -> Any:
        if handler_call_details.method != METHODS[self._fake.protocol]:
            return None
        return grpc.stream_stream_rpc_method_handler(self._fake.serve)


# ---------------------------------------------------------------------- messages, byte for byte


def message(*fields: tuple[int, str | bytes | bool | float]) -> bytes:
    """A message of these fields, by their numbers."""
    made = bytearray()
    for number, value in fields:
        if isinstance(value, bool):
            made += _varint(number << 3) + _varint(value)
        elif isinstance(value, float):
            made += _varint(number << 3 | 5) + struct.pack("<f", value)
        else:
            content = value.encode() if isinstance(value, str) else bytes(value)  # type: ignore[arg-type]
            made += _varint(number << 3 | 2) + _varint(len(content)) + content
    return bytes(made)


def read(raw: bytes) -> dict[int, list[Any]]:
    """The fields of a message: whole numbers, and bytes of everything else."""
    found: dict[int, list[Any]] = defaultdict(list)
    at = 0
    while at < len(raw):
        key, at = _number(raw, at)
        if key & 7 == 0:
            value, at = _number(raw, at)
            found[key >> 3].append(value)
        else:
            assert key & 7 == 2, f"field {key >> 3} is of the kind {key & 7}"
            length, at = _number(raw, at)
            found[key >> 3].append(raw[at : at + length])
            at += length
    return dict(found)


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*made, value))


def _number(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (raw[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not raw[at - 1] & 0x80:
            return value, at
