"""Ed25519 keys of the ledger, and the signed notes that carry its checkpoints.

The formats are the public ones of the transparency-log world (C2SP *signed-note* and
*tlog-checkpoint*), so that other people's tools can check our checkpoints: a note is text, an
empty line, and one signature line per key; a verifier key is ``name+id+base64``.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from callguard.errors import LedgerError

#: C2SP signed-note: the byte that says "Ed25519".
_ED25519 = b"\x01"


#: The name of all our keys in signed notes. It is part of a key's id, so it never changes; several
#: controllers with keys of their own are told apart by the id.
KEY_NAME = "callguard"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that checkpoints are checked with."""

    name: str
    raw: bytes

    @property
    def id(self) -> bytes:
        """The four bytes by which a signature line names its key."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.raw).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(_ED25519 + self.raw).decode()}"

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """Read a signed-note verifier key.

        Raises:
            LedgerError: it is none, or its id does not fit the key.
        """
        name, _, rest = text.strip().partition("+")
        identity, _, encoded = rest.partition("+")
        try:
            decoded = _decoded(encoded)
        except ValueError:
            decoded = b""
        key = cls(name, decoded[1:])
        if not name or decoded[:1] != _ED25519 or len(key.raw) != 32 or key.id.hex() != identity:
            raise LedgerError(
                f"{text.strip()[:80]!r} is no verifier key; expected name+id+base64 as in ledger.pub"
            )
        return key

    def signed(self, text: str, signature: bytes) -> bool:
        """Whether ``signature`` is this key's over ``text``."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


def read_public_keys(path: Path) -> tuple[PublicKey, ...]:
    """Read a file with one verifier key per line; ``#`` begins a comment.

    Raises:
        LedgerError: the file is unreadable, or holds no key.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as fault:
        raise LedgerError(f"the public key file {path} cannot be read: {fault}") from fault
    keys = tuple(PublicKey.parse(line) for line in lines if line.strip() and not line.startswith("#"))
    if not keys:
        raise LedgerError(f"{path} holds no public key; expected lines like name+id+base64")
    return keys


class SigningKey:
    """The private key that signs. Kept in a PEM file (PKCS 8) that only its owner may read."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = PublicKey(KEY_NAME, private.public_key().public_bytes_raw())

    @classmethod
    def generate(cls) -> SigningKey:
        """A new key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> SigningKey:
        """Read a private key.

        Raises:
            LedgerError: the file is missing, readable by others, or no Ed25519 key.
        """
        try:
            if path.stat().st_mode & 0o077:
                raise LedgerError(f"the signing key {path} can be read by others; run: chmod 600 {path}")
            private = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as fault:
            raise LedgerError(f"the signing key {path} cannot be read: {fault}") from fault
        if not isinstance(private, Ed25519PrivateKey):
            raise LedgerError(f"{path} is no Ed25519 key; make one with `callguard ledger new-key {path}`")
        return cls(private)

    @classmethod
    def load_or_create(cls, path: Path) -> SigningKey:
        """Read the key at ``path``; if there is none, make one and put its public half beside it."""
        if path.exists():
            return cls.load(path)
        key = cls.generate()
        key.save(path)
        return key

    def save(self, path: Path) -> None:
        """Write the private key to ``path`` and append the public key to ``path`` with suffix ``.pub``.

        The public file only ever grows: old keys stay there, so old checkpoints can be checked.

        Raises:
            LedgerError: the files cannot be written.
        """
        pem = self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        fresh = path.with_name(f".{path.name}.new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh.unlink(missing_ok=True)
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(pem)
                file.flush()
                os.fsync(file.fileno())
            with path.with_suffix(".pub").open("a", encoding="utf-8") as file:
                file.write(f"{self.public}\n")
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        except OSError as fault:
            raise LedgerError(f"the signing key {path} cannot be written: {fault}") from fault

    def sign(self, text: str) -> bytes:
        """The signature over ``text``."""
        return self._private.sign(text.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What the ledger was at one moment: its size and root, and who says so."""

    origin: str
    size: int
    root: bytes
    utc: datetime
    last: bytes  #: leaf hash of the newest entry; empty for an empty ledger
    body: str  #: the text that is signed
    signatures: tuple[tuple[str, bytes, bytes], ...]  #: key name, key id, signature

    @staticmethod
    def sign(origin: str, size: int, root: bytes, last: bytes, utc: datetime, key: SigningKey) -> str:
        """Write a checkpoint as a signed note. Time and newest leaf stand in extension lines."""
        stamp = utc.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = (
            f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
            f"time {stamp}\nlast {base64.b64encode(last).decode() or '-'}\n"
        )
        line = base64.b64encode(key.public.id + key.sign(body)).decode()
        return f"{body}\n— {key.public.name} {line}\n"

    @classmethod
    def parse(cls, note: str) -> Checkpoint:
        """Read a checkpoint without checking its signature.

        Raises:
            LedgerError: it has not the form of one.
        """
        body, _, tail = note.rpartition("\n\n")
        try:
            origin, size, root, *more = body.split("\n")
            extensions = dict(line.split(" ", 1) for line in more)
            last = extensions["last"]
            return cls(
                origin=origin,
                size=int(size),
                root=_decoded(root),
                utc=datetime.fromisoformat(extensions["time"]),
                last=b"" if last == "-" else _decoded(last),
                body=f"{body}\n",
                signatures=tuple(_signature(line) for line in tail.splitlines()),
            )
        except (ValueError, KeyError) as fault:
            raise LedgerError(f"this is no checkpoint ({fault}): {note[:60]!r}") from fault

    def signer(self, keys: Iterable[PublicKey]) -> PublicKey | None:
        """Which of ``keys`` signed this; ``None`` if none of them did."""
        known = {(key.name, key.id): key for key in keys}
        for name, identity, signature in self.signatures:
            key = known.get((name, identity))
            if key is not None and key.signed(self.body, signature):
                return key
        return None


def _signature(line: str) -> tuple[str, bytes, bytes]:
    dash, name, encoded = line.split(" ")
    decoded = _decoded(encoded)
    if dash != "—" or len(decoded) != 68:
        raise ValueError("a signature line is malformed")
    return name, decoded[:4], decoded[4:]


def _decoded(text: str) -> bytes:
    """Base 64 in its one canonical spelling (RFC 4648, 3.5), so that no changed byte goes unseen."""
    decoded = base64.b64decode(text, validate=True)
    if base64.b64encode(decoded).decode() != text:
        raise ValueError("its base 64 is not canonical")
    return decoded
