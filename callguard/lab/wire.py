"""What one phone sends to the PBX, packet by packet, with the kernel's own time on each.

Says when a frame of counting speech left the phone, and when a key went down and up (RFC 4733), whatever both
Asterisks are busy with. Needs the right to capture packets (root, or CAP_NET_RAW).
"""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
from bisect import bisect_left
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from callguard.errors import LabError
from callguard.lab import audio
from callguard.lab.counting import FRAME, Family
from callguard.lab.phone import Phone

#: linux/if_packet.h, linux/if_ether.h, asm-generic/socket.h, linux/filter.h
_PACKET_HOST = 0
_ETH_P_IP = 0x0800
_SO_TIMESTAMPNS = 35
_SO_ATTACH_FILTER = 26
_STAMP = struct.Struct("@qq")

_RTP = struct.Struct("!BBHII")
_UDP_HEADER = 8
_ULAW = 0
#: RFC 4733 goes by a payload type that is agreed on for each call; Asterisk offers 101.
_EVENT = 101
_KEYS = "0123456789*#ABCD"
_END = 0x80
#: More than piles up while the event loop is busy for some seconds.
_BUFFER = 8 << 20


@dataclass(frozen=True, slots=True)
class Packet:
    """One RTP packet."""

    at: float  #: seconds of the wall clock
    kind: int  #: payload type
    sequence: int
    stamp: int  #: of RTP, in samples
    payload: bytes


@dataclass(frozen=True, slots=True)
class KeyPress:
    """One key event, by the wall clock in seconds."""

    key: str
    down: float
    up: float  #: the first packet that says that the key is up again


@dataclass(frozen=True, slots=True)
class Sent:
    """When counting speech left the phone.

    Attributes:
        numbers: the frames, in order.
        times: when each one's packet left, in seconds of the wall clock: the end of what is said in it.
    """

    numbers: NDArray[np.int_]
    times: NDArray[np.float64]

    def at(self, number: float) -> float:
        """When speech up to a number (7.5: half of frame 7) had left, to be compared with `KeyPress`.

        A frame leaves when it is complete, so part of one leaves with the whole.

        Raises:
            LabError: that frame was not sent.
        """
        place = bisect_left(self.numbers, int(np.ceil(number)) - 1)
        if place == len(self.numbers) or self.numbers[place] != int(np.ceil(number)) - 1:
            raise LabError(f"Frame {number:g} was not sent; {len(self.numbers)} others were.")
        return float(self.times[place])


def may_listen() -> bool:
    """Whether packets may be captured here."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0).close()
    except PermissionError:
        return False
    return True


class Wire:
    """An asynchronous context: listens from its beginning to its end."""

    def __init__(self, phone: Phone) -> None:
        self.packets: list[Packet] = []
        self._phone = phone
        self._socket: socket.socket | None = None

    async def __aenter__(self) -> Self:
        port = await self._phone.media_port()
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        except PermissionError as error:
            raise LabError("Listening to packets is not allowed: run as root or with CAP_NET_RAW.") from error
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        _only_to(self._socket, port)
        self._socket.bind(("lo", _ETH_P_IP))
        asyncio.get_running_loop().add_reader(self._socket, self._read)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._read()
            self._socket.close()
            self._socket = None

    def speech(self, family: Family) -> Sent:
        """Every whole frame of counting speech that was sent so far."""
        voice = [packet for packet in self.packets if packet.kind == _ULAW]
        if not voice:
            return Sent(np.zeros(0, int), np.zeros(0))
        reading = family.read(audio.from_ulaw(b"".join(packet.payload for packet in voice)))
        ends = np.cumsum([len(packet.payload) for packet in voice])
        places = np.searchsorted(ends, reading.starts + FRAME)
        times = np.array([packet.at for packet in voice])
        return Sent(reading.numbers, times[places])

    def keys(self) -> list[KeyPress]:
        """Every key that went down and up again so far."""
        downs: dict[int, float] = {}
        presses: dict[int, KeyPress] = {}
        for packet in self.packets:
            if packet.kind == _EVENT:
                downs.setdefault(packet.stamp, packet.at)
                if packet.payload[1] & _END and packet.stamp not in presses:
                    key = _KEYS[packet.payload[0]]
                    presses[packet.stamp] = KeyPress(key, downs[packet.stamp], packet.at)
        return list(presses.values())

    def _read(self) -> None:
        if self._socket is None:
            return
        while True:
            try:
                data, extras, _, address = self._socket.recvmsg(2048, socket.CMSG_SPACE(_STAMP.size))
            except BlockingIOError:
                return
            # On a loopback each packet is seen going out and coming in.
            if address[2] == _PACKET_HOST:
                seconds, nanoseconds = _STAMP.unpack(extras[0][2])
                self._take(data, seconds + nanoseconds / 1e9)

    def _take(self, data: bytes, at: float) -> None:
        begin = (data[0] & 0x0F) * 4 + _UDP_HEADER
        if len(data) < begin + _RTP.size:
            return
        _, kind, sequence, stamp, _ = _RTP.unpack_from(data, begin)
        self.packets.append(Packet(at, kind & 0x7F, sequence, stamp, data[begin + _RTP.size :]))


def _only_to(sock: socket.socket, port: int) -> None:
    """Let the kernel drop everything but UDP to one port."""
    program = [
        (0x30, 0, 0, 9),  # A = protocol
        (0x15, 0, 4, socket.IPPROTO_UDP),  # else drop
        (0xB1, 0, 0, 0),  # X = length of the IP header
        (0x48, 0, 0, 2),  # A = destination port
        (0x15, 0, 1, port),  # else drop
        (0x06, 0, 0, 0xFFFF),  # take
        (0x06, 0, 0, 0),  # drop
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    sock.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(program), ctypes.addressof(code))
    )
