"""Recognisers over gRPC: the server of Vosk, and Riva of NVIDIA.

Both take a stream of messages (first what is to be recognised, then samples, then its half is closed) and
answer with another, which they end with the status OK when there is nothing more to come. Before that a "not"
may still come, so whatever ends otherwise is unclear.

The libraries are an extra of their own, and loaded when an engine starts.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from callguard.speech.errors import SpeechError
from callguard.speech.remote import LARGEST, RemoteAnswer, trusted
from callguard.speech.thresholds import Thresholds

if TYPE_CHECKING:
    import grpc.aio

    from callguard.speech.messages import Dialect

    Method = grpc.aio.StreamStreamMultiCallable[bytes, bytes]
    Call = grpc.aio.StreamStreamCall[bytes, bytes]

#: How much of a server's own words is repeated, characters.
SAID = 200
OPTIONS = (
    ("grpc.max_receive_message_length", LARGEST),
    # What callers say goes where the configuration says, and not through what the environment names.
    ("grpc.enable_http_proxy", 0),
    # Half an answer must not be told twice.
    ("grpc.enable_retries", 0),
    # A server that was down is tried again soon, in milliseconds; by default after up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A firewall that forgot a connection tells nobody: no answer begins on one that was idle for a minute.
    ("grpc.client_idle_timeout_ms", 60_000),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcServer:
    """A recogniser on the network, and its service."""

    name: str
    url: str  #: ``grpc://HOST:PORT``, or ``grpcs://HOST:PORT`` for TLS
    protocol: str = "vosk"  #: ``vosk`` or ``riva``
    model: str = ""  #: by the server's own name; empty: its choice
    #: The server's code for a language (``en``: ``en-GB``), where the usual one is not meant.
    codes: Mapping[str, str] = field(default_factory=dict)
    authorization: str | None = None  #: metadata of this name
    connect_seconds: float = 2.0


class GrpcEngine:
    """One server and the languages it is trusted with.

    Args:
        server: where it is and what it speaks.
        thresholds: by language; what is not listed is not served.
        patience: seconds after the end of speech until an answer is given up.

    Raises:
        SpeechError: the words of a language are not known.
    """

    def __init__(
        self, server: GrpcServer, thresholds: Mapping[str, Thresholds], *, patience: float = 3.0
    ) -> None:
        self.name = server.name
        self._server, self._patience = server, patience
        self._thresholds = trusted(server.name, thresholds)
        self._line: _Line | None = None

    async def start(self) -> None:
        """Open no connection yet: a server that is down must not keep calls from being answered.

        Raises:
            SpeechError: the libraries are not installed, or the protocol is not known.
        """
        try:
            known = await asyncio.to_thread(_libraries)
        except ImportError as error:
            raise SpeechError(
                f"{self.name} is asked over gRPC, which needs two more libraries ({error}): "
                "pip install 'callguard[grpc]'"
            ) from error
        dialect = known.get(self._server.protocol)
        if dialect is None:
            raise SpeechError(
                f"{self.name} speaks {self._server.protocol!r}; write {' or '.join(sorted(known))}"
            )
        self._line = _Line(self._server, dialect, await asyncio.to_thread(_roots))

    async def close(self) -> None:
        """Close all connections."""
        line, self._line = self._line, None
        if line is not None:
            await line.channel.close()

    def serves(self, language: str) -> bool:
        """Whether the site named it for this server."""
        return language in self._thresholds

    def open(self, language: str, rate: int) -> _Answer:
        """Connect in the background."""
        if self._line is None:
            raise SpeechError(f"{self.name} was not started; call start first")
        return _Answer(self._line, self._thresholds[language], self._patience, language, rate)


class _Line:
    """The channel to a server, which is shared, and what is said on it."""

    def __init__(self, server: GrpcServer, dialect: Dialect, roots: bytes | None) -> None:
        import grpc.aio

        self.server, self.dialect = server, dialect
        scheme, _, target = server.url.partition("://")
        if scheme == "grpcs":
            trust = grpc.ssl_channel_credentials(root_certificates=roots)
            self.channel = grpc.aio.secure_channel(target, trust, options=OPTIONS)
        else:
            self.channel = grpc.aio.insecure_channel(target, options=OPTIONS)
        # Bytes come and go as they are: what is wrong with a message is then found here, and told.
        self._method: Method = self.channel.stream_stream(dialect.method)
        self._metadata = (("authorization", server.authorization),) if server.authorization else ()

    def call(self) -> Call:
        return self._method(metadata=self._metadata)

    def begin(self, language: str, rate: int) -> bytes:
        codes = {**self.dialect.codes, **self.server.codes}
        return self.dialect.begin(rate, codes.get(language, language), self.server.model)


class _Answer(RemoteAnswer):
    def __init__(
        self, line: _Line, thresholds: Thresholds, patience: float, language: str, rate: int
    ) -> None:
        self._line = line
        self._first = line.begin(language, rate)
        self._ended = self._complete = False
        super().__init__(line.server.name, thresholds, patience, language)

    async def _talked(self) -> None:
        import grpc.aio

        call = self._line.call()
        try:
            await self._told(call)
        except grpc.aio.AioRpcError as error:
            # INTERNAL, "from Core", hides the server's own words where a message was just on its way.
            raise ValueError(f"{error.code().name}: {error.details()}"[:SAID]) from error
        except (grpc.aio.InternalError, asyncio.InvalidStateError) as error:
            raise ValueError(str(error)[:SAID]) from error
        except asyncio.CancelledError:
            # A channel that is closed cancels what is said on it; that is not this task being cancelled.
            if (mine := asyncio.current_task()) is None or mine.cancelling():
                raise
            raise ValueError("the connection was closed") from None
        finally:
            call.cancel()
        if not (self._complete if self._line.dialect.always_ends_with_words else self._ended):
            raise ValueError("it closed before its last words")

    async def _told(self, call: Call) -> None:
        """Talk until the server has ended it with the status OK."""
        async with asyncio.timeout(self._line.server.connect_seconds):
            await call.wait_for_connection()
        sending = asyncio.create_task(self._send(call))
        try:
            async for message in call:
                self._take(message)
        finally:
            sending.cancel()
            # What went wrong there has ended the call, which says why.
            await asyncio.gather(sending, return_exceptions=True)

    async def _send(self, call: Call) -> None:
        await call.write(self._first)
        while (pcm := await self._audio.get()) is not None:
            await call.write(self._line.dialect.audio(pcm))
        self._ended = True
        await call.done_writing()

    def _take(self, message: bytes) -> None:
        for certain in self._line.dialect.certain(message):
            self._complete = self._ended
            if certain.text:
                self._heard(certain.text, certain.confidences)


def _libraries() -> dict[str, Dialect]:
    """Load them, and what is known of the services. It takes a moment: not on the event loop."""
    import grpc.aio  # noqa: F401 - in order to know now that it is there

    from callguard.speech.messages import dialects

    return dialects()


def _roots() -> bytes | None:
    """The authorities that this machine trusts, as everything else does; gRPC brings a list of its own."""
    file = ssl.get_default_verify_paths().cafile
    return Path(file).read_bytes() if file else None
