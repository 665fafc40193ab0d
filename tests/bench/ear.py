"""The callers' end of the audio: hears when a prompt begins, and presses the key."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import secrets
import socket
import struct
from types import TracebackType
from typing import Self

#: Where callers listen: an address of their own on the loopback, so that no port is anybody else's.
ADDRESS = "127.0.0.7"
#: sipp gives its n-th call this port and 4 (n - 1) more, and begins again after 10,000.
FIRST_PORT = 2000
PORT_STEP = 4
MOST_CALLS = 2500

#: Telephone events, RFC 4733: the payload type we offer, and the length of a key in samples of 8 kHz.
EVENT_TYPE = 101
KEY_SAMPLES = 800
#: When, in samples, its packets are sent. The last one is sent three times, as the RFC wants.
KEY_STEPS = (0, 400, 800)
VOLUME = 10

# Drop everything: after the first packet the kernel throws the other fifty a second away.
_DEAF = (0x06, 0, 0, 0)
_SO_ATTACH_FILTER = 26
_SO_DETACH_FILTER = 27
_SO_TIMESTAMPNS = 35


def port_of(call: int) -> int:
    """Where sipp's n-th call listens, from 1 on."""
    return FIRST_PORT + PORT_STEP * (call - 1)


class Ear:
    """As many listeners as there can be calls in one run of sipp.

    Args:
        press_after: seconds from the first packet of the prompt to the key; None presses none.
    """

    def __init__(self, press_after: float | None) -> None:
        self.press_after = press_after
        self.first: dict[
            int, float
        ] = {}  #: by number of the call, when the first packet came: seconds of 1970 UTC
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        try:
            for call in range(1, MOST_CALLS + 1):
                listener = _listener(port_of(call))
                self._sockets.append(listener)
                loop.add_reader(listener, self._hear, listener, call)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def forget(self) -> None:
        """Begin another run."""
        for call in self.first:
            listener = self._sockets[call - 1]
            listener.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
        self.first.clear()

    def _close(self) -> None:
        loop = asyncio.get_running_loop()
        for listener in self._sockets:
            loop.remove_reader(listener)
            listener.close()

    def _hear(self, listener: socket.socket, call: int) -> None:
        _, ancillary, _, sender = listener.recvmsg(2048, 64)
        if call in self.first:
            return  # came before the kernel was told
        _deafen(listener)
        seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
        self.first[call] = seconds + nanoseconds / 1e9
        if self.press_after is not None:
            loop = asyncio.get_running_loop()
            stamp, source = secrets.randbits(32), secrets.randbits(32)
            for number, samples in enumerate(KEY_STEPS):
                at = self.press_after + samples / 8000
                loop.call_later(at, _press, listener, sender, number, stamp, source, samples)


def _listener(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.setblocking(False)
    # Somebody may listen on all addresses at this port (mDNS does); ours is an address of its own.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    listener.bind((ADDRESS, port))
    return listener


def _deafen(listener: socket.socket) -> None:
    program = ctypes.create_string_buffer(struct.pack("HBBI", *_DEAF))
    described = struct.pack("HL", 1, ctypes.addressof(program))
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)


def _press(
    listener: socket.socket, sender: tuple[str, int], number: int, stamp: int, source: int, samples: int
) -> None:
    """Send one packet of the key "1", or the last one with its two repetitions."""
    over = samples == KEY_SAMPLES
    for repetition in range(3 if over else 1):
        packet = key_packet(number + repetition, stamp, source, samples, first=number == 0, over=over)
        with contextlib.suppress(OSError):  # the call may be over
            listener.sendto(packet, sender)


def key_packet(number: int, stamp: int, source: int, samples: int, *, first: bool, over: bool) -> bytes:
    """One RTP packet that says how long the key "1" has been down (RFC 4733, 2.3)."""
    kind = EVENT_TYPE | (0x80 if first else 0)
    header = struct.pack("!BBHII", 0x80, kind, number & 0xFFFF, stamp, source)
    return header + struct.pack("!BBH", 1, (0x80 if over else 0) | VOLUME, samples)
