"""A telephone with a lamp: it subscribes to a hint over real SIP and shows what the NOTIFYs say."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
import uuid
from collections.abc import AsyncIterator

#: Where it stands: an address that no trunk of the laboratory has.
ADDRESS = "127.0.0.9"


class DeskPhone(asyncio.DatagramProtocol):
    """One subscription (RFC 6665, RFC 4235). ``seen``: each state that was notified, with its time."""

    def __init__(self, user: str, lamp: str, port: int) -> None:
        self._user, self._lamp, self._port = user, lamp, port
        self._call, self._tag = uuid.uuid4().hex, uuid.uuid4().hex[:8]
        self._changed = asyncio.Event()
        self.answer = 0
        self.seen: list[tuple[float, str]] = []

    @property
    def state(self) -> str:
        """What the lamp shows: terminated, early or confirmed; with ``held`` where nothing is rendered."""
        return self.seen[-1][1] if self.seen else ""

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport
        host, port = transport.get_extra_info("sockname")
        self._send(
            f"SUBSCRIBE sip:{self._lamp}@127.0.0.1:{self._port} SIP/2.0",
            f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{self._call}",
            f"From: <sip:{self._user}@{host}>;tag={self._tag}",
            f"To: <sip:{self._lamp}@127.0.0.1:{self._port}>",
            f"Call-ID: {self._call}",
            "CSeq: 1 SUBSCRIBE",
            f"Contact: <sip:{self._user}@{host}:{port}>",
            "Event: dialog",
            "Accept: application/dialog-info+xml",
            "Expires: 600",
            "Max-Forwards: 70",
        )

    def datagram_received(self, data: bytes, _: tuple[str, int]) -> None:
        head, _, body = data.decode().partition("\r\n\r\n")
        first, *headers = head.split("\r\n")
        if first.startswith("SIP/2.0"):
            self.answer = int(first.split()[1])
        elif first.startswith("NOTIFY"):
            told = [line for line in headers if re.match(r"(?i)(via|from|to|call-id|cseq):", line)]
            self._send("SIP/2.0 200 OK", *told)
            if (state := re.search(r"<state>(\w+)</state>", body)) is not None:
                held = " held" if re.search(r'sip\.rendering" pvalue="no"', body) else ""
                self.seen.append((time.monotonic(), state[1] + held))
        self._changed.set()

    async def shows(self, state: str, after: float = 0.0) -> float:
        """Wait until this is shown (since then), and say when it was first. TimeoutError after 5 s."""
        async with asyncio.timeout(5):
            while not self.seen or self.seen[-1][1] != state or self.seen[-1][0] < after:
                self._changed.clear()
                await self._changed.wait()
        return self.seen[-1][0]

    def _send(self, *lines: str) -> None:
        text = "\r\n".join((*lines, "Content-Length: 0", "", ""))
        self._transport.sendto(text.encode(), ("127.0.0.1", self._port))


@contextlib.asynccontextmanager
async def desk_phone(user: str, lamp: str, port: int) -> AsyncIterator[DeskPhone]:
    """A telephone of this user that subscribes to this lamp at the PBX on this port."""
    phone = DeskPhone(user, lamp, port)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: phone, local_addr=(ADDRESS, 0))
    try:
        yield phone
    finally:
        transport.close()
