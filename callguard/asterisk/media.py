"""How Asterisk sends live samples: over a websocket of its HTTP server, or as RTP to a port of ours."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from array import array
from collections.abc import Callable
from typing import Any, Protocol

import aiohttp
import structlog

from callguard.asterisk.ari import Ari
from callguard.asterisk.errors import AriLost

log = structlog.get_logger(__name__)

#: Samples per second, and what Asterisk calls them.
FORMATS = {8000: "slin", 16000: "slin16"}

#: A packet of RTP has at least this many bytes before its samples (RFC 3550, 5.1).
RTP_HEADER = 12

#: The payload type of mu-law (RFC 3551). Linear samples at 8 kHz have none of their own: asked for them,
#: 16.28 sends this, and 22.10.1 linear samples as type 10.
MU_LAW = 0

#: What is heard goes here.
Heard = Callable[[bytes], None]


class Carrier(Protocol):
    """A way for samples to reach us."""

    async def offer(self, channel: str, rate: int) -> None:
        """Have Asterisk make the external media channel of that id."""
        ...

    async def connect(self) -> None:
        """Be there for the samples; the channel comes into Stasis after it."""
        ...

    async def close(self) -> None:
        """Take no more."""
        ...


class OverWebsocket:
    """chan_websocket: Asterisk waits for us to connect (from 20.15, 21.10 and 22.5)."""

    def __init__(self, ari: Ari, heard: Heard, ended: Callable[[], None]) -> None:
        self._ari, self._heard, self._ended = ari, heard, ended
        self._connection = ""
        self._websocket: aiohttp.ClientWebSocketResponse[Any] | None = None
        self._reading: asyncio.Task[None] | None = None

    async def offer(self, channel: str, rate: int) -> None:
        """See `Carrier`. Raises AriRefused where Asterisk does not know this way."""
        variables = await self._ari.external_media(
            channel,
            format=FORMATS[rate],
            external_host="INCOMING",
            transport="websocket",
            encapsulation="none",
            connection_type="server",
        )
        self._connection = variables.get("MEDIA_WEBSOCKET_CONNECTION_ID", "")

    async def connect(self) -> None:
        """See `Carrier`."""
        self._websocket = await self._ari.media(self._connection)
        self._reading = asyncio.get_running_loop().create_task(self._read(self._websocket), name="tap")

    async def close(self) -> None:
        """See `Carrier`."""
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading
        if self._websocket is not None:
            await self._websocket.close()

    async def _read(self, websocket: aiohttp.ClientWebSocketResponse[Any]) -> None:
        try:
            async for message in websocket:
                # Text is about the channel (MEDIA_START ...), and nothing of it is needed here.
                if message.type is aiohttp.WSMsgType.BINARY:
                    self._heard(message.data)
        finally:
            self._ended()


class OverRtp(asyncio.DatagramProtocol):
    """RTP to a port that is opened for this one channel."""

    def __init__(self, ari: Ari, heard: Heard, ended: Callable[[], None]) -> None:
        self._ari, self._heard, self._ended = ari, heard, ended
        self._transport: asyncio.DatagramTransport | None = None
        self._sender: tuple[str, int] | None = None
        self._newest: int | None = None  #: sequence number

    async def offer(self, channel: str, rate: int) -> None:
        """See `Carrier`."""
        host = self._ari.local_address
        if ":" in host:
            raise AriLost(f"ARI is reached from {host}; samples over RTP need IPv4, set asterisk.ari.url so")
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(host, 0))
        self._transport = transport
        port = self._transport.get_extra_info("sockname")[1]
        variables = await self._ari.external_media(
            channel, format=FORMATS[rate], external_host=f"{host}:{port}"
        )
        # Nobody else may put words into the caller's mouth.
        address, number = (variables.get(f"UNICASTRTP_LOCAL_{each}", "") for each in ("ADDRESS", "PORT"))
        if not (address and number.isdecimal()):
            raise AriLost("Asterisk does not tell from where it sends samples")
        self._sender = (address, int(number))

    async def connect(self) -> None:
        """See `Carrier`: there is nothing to connect."""

    async def close(self) -> None:
        """See `Carrier`."""
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """A packet came."""
        if self._sender is None or (addr[0], addr[1]) != self._sender:
            return
        packet = samples_of(data)
        if packet is None:
            return
        number, pcm = packet
        # What comes twice or late is left out: its place has gone by.
        if self._newest is not None and not 0 < (number - self._newest) % 65536 < 32768:
            return
        self._newest = number
        self._heard(pcm)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio gives it
        """The port is closed."""
        self._ended()


def _linear(code: int) -> bytes:
    """One sample of mu-law (ITU-T G.711) as 16 bits, little-endian."""
    code = ~code & 0xFF
    size = (((code & 0x0F) << 3) + 0x84 << (code >> 4 & 0x07)) - 0x84
    return struct.pack("<h", -size if code & 0x80 else size)


_LINEAR = tuple(_linear(code) for code in range(256))


def samples_of(packet: bytes) -> tuple[int, bytes] | None:
    """Sequence number and samples (16-bit, little-endian) of a packet of RTP; None when it is none.

    The samples of the packet are mu-law where it says so, else linear in the order of the network.
    """
    if len(packet) <= RTP_HEADER or packet[0] >> 6 != 2:
        return None
    first, sequence = packet[0], struct.unpack_from(">H", packet, 2)[0]
    start = RTP_HEADER + 4 * (first & 0x0F)
    if first & 0x10:
        if len(packet) < start + 4:
            return None
        start += 4 + 4 * int(struct.unpack_from(">H", packet, start + 2)[0])
    end = len(packet) - (packet[-1] if first & 0x20 else 0)
    if end <= start:
        return None
    if packet[1] & 0x7F == MU_LAW:
        return sequence, b"".join(map(_LINEAR.__getitem__, packet[start:end]))
    if (end - start) % 2:
        return None
    samples = array("h", packet[start:end])
    samples.byteswap()  # the network's order is the other one than ours
    return sequence, samples.tobytes()
