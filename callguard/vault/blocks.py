"""A block: some seconds of a recording, sealed.

    magic      8 bytes   CGBLOCK1
    number     8 bytes   0 the head, 1, 2, 3 ... the audio, 2^64-1 the trailer
    start      8 bytes   the first sample of the block on the recording's own axis
    samples    4 bytes   how many there are (of each channel)
    previous  16 bytes   the tag of the block before; zeros in the head
    nonce     12 bytes   4 random bytes, then the number again
    sealed     rest      AES-256-GCM of the content, its 16 byte tag last

All of it up to the nonce, with the version of the format and the recording's id in front, is authenticated.
The content is a length (4 bytes), that much JSON, and FLAC. Numbers are big-endian.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from callguard.vault.errors import Damaged
from callguard.vault.keys import NONCE_BYTES

FORMAT = "callguard-vault/1"
MAGIC = b"CGBLOCK1"
HEAD = 0
TRAILER = 2**64 - 1
TAG_BYTES = 16
NO_TAG = bytes(TAG_BYTES)

_PLACE = struct.Struct(">8sQQI16s")
_LENGTH = struct.Struct(">I")
_NUMBER = struct.Struct(">Q")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a block stands in its recording."""

    number: int
    start: int
    samples: int
    previous: bytes

    def packed(self) -> bytes:
        """As it stands at the front of the block."""
        return _PLACE.pack(MAGIC, self.number, self.start, self.samples, self.previous)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block that was opened."""

    place: Place
    told: Mapping[str, Any]  #: the JSON
    flac: bytes
    tag: bytes


class Sealing:
    """Seals and opens the blocks of one recording."""

    def __init__(self, recording: str, key: bytes) -> None:
        self._recording = recording
        self._cipher = AESGCM(key)
        self._bound = f"{FORMAT}\0{recording}\0".encode()

    def seal(self, place: Place, told: Mapping[str, Any], flac: bytes) -> bytes:
        """Make the file of a block.

        The random half of the nonce is drawn anew each time: a block that could not be written because the
        disk was full may be sealed again later with other content, for a span of it may have been erased.
        """
        text = json.dumps(told, separators=(",", ":"), sort_keys=True).encode()
        nonce = os.urandom(NONCE_BYTES - _NUMBER.size) + _NUMBER.pack(place.number)
        front = place.packed()
        content = _LENGTH.pack(len(text)) + text + flac
        return front + nonce + self._cipher.encrypt(nonce, content, self._bound + front)

    def open(self, sealed: bytes, where: str) -> Block:
        """Check and open the file of a block.

        Raises:
            Damaged: it is not what was sealed under this key for this recording.
        """
        place, tag = peek(sealed, where)
        nonce, closed = sealed[_PLACE.size :][:NONCE_BYTES], sealed[_PLACE.size + NONCE_BYTES :]
        try:
            content = self._cipher.decrypt(nonce, closed, self._bound + sealed[: _PLACE.size])
        except InvalidTag as error:
            raise Damaged(
                f"{where}: was changed, or belongs elsewhere, or the key is another one; restore it from a "
                "backup"
            ) from error
        if nonce[-_NUMBER.size :] != _NUMBER.pack(place.number):
            raise Damaged(f"{where}: its nonce is not that of block {place.number}")
        size = _LENGTH.unpack_from(content)[0]
        text = content[_LENGTH.size : _LENGTH.size + size]
        return Block(place=place, told=json.loads(text), flac=content[_LENGTH.size + size :], tag=tag)


def peek(sealed: bytes, where: str) -> tuple[Place, bytes]:
    """What a block says of itself, unchecked, and its tag.

    Raises:
        Damaged: it has not the form of a block.
    """
    if len(sealed) < _PLACE.size + NONCE_BYTES + TAG_BYTES or not sealed.startswith(MAGIC):
        raise Damaged(f"{where}: is no block of a recording, or was cut short; restore it from a backup")
    _, number, start, samples, previous = _PLACE.unpack_from(sealed)
    place = Place(number=number, start=start, samples=samples, previous=previous)
    return place, sealed[-TAG_BYTES:]
