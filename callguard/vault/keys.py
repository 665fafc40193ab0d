"""Keys: one for each recording, wrapped by the keys of the site.

A recording's key is random and used for nothing else. What is stored of it is only wrapped: by a key file
of the site, by an external command in front of a key service, by age recipients, or by several of them.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from callguard.vault import durable
from callguard.vault.errors import Damaged, VaultError

KEY_BYTES = 32
NONCE_BYTES = 12
FORMAT = "callguard-key/1"


@dataclass(frozen=True, slots=True)
class RecordingKey:
    """The key of one recording; it never shows itself in a log."""

    raw: bytes = field(repr=False)

    @classmethod
    def generate(cls) -> RecordingKey:
        """A new key."""
        return cls(os.urandom(KEY_BYTES))

    def derive(self, purpose: str) -> bytes:
        """A key for one purpose (HKDF, RFC 5869), so that no key is used in two ways."""
        info = f"callguard-vault/1 {purpose}".encode()
        return HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=info).derive(self.raw)

    @property
    def fingerprint(self) -> str:
        """What names this key without telling anything about it."""
        return sha256(self.derive("fingerprint")).hexdigest()


class Wrapping(Protocol):
    """A way to lock a recording's key away."""

    @property
    def name(self) -> str:
        """What stands beside a wrapped key to say which wrapping opens it."""

    def wrap(self, recording: str, key: bytes) -> bytes:
        """Lock ``key`` away.

        Raises:
            VaultError: that is not possible now.
        """

    def unwrap(self, recording: str, wrapped: bytes) -> bytes:
        """Get the key back.

        Raises:
            VaultError: this is not the right wrapping, or it cannot open from here.
        """


class KeyFile:
    """A site key in a file of 32 random bytes that only its owner may read."""

    def __init__(self, raw: bytes) -> None:
        self._cipher = AESGCM(raw)
        self._name = f"file:{sha256(b'callguard-site-key' + raw).hexdigest()[:16]}"

    @property
    def name(self) -> str:
        """The first half of a hash of the key."""
        return self._name

    @classmethod
    def load(cls, path: Path) -> KeyFile:
        """Read a key file.

        Raises:
            VaultError: it is missing, open to others, or not 32 bytes long.
        """
        try:
            mode, raw = path.stat().st_mode, path.read_bytes()
        except FileNotFoundError as error:
            raise VaultError(
                f"{path}: there is no site key; `callguard vault new-key` makes one. If recordings were "
                "sealed before, restore the one they were sealed with: no other opens them"
            ) from error
        except OSError as error:
            raise VaultError(
                f"{path}: the site key cannot be read ({error.strerror}); give the file to the account that "
                "callguard runs as (chown callguard), mode 600"
            ) from error
        if mode & 0o077:
            raise VaultError(f"{path}: the site key can be read by others; run: chmod 600 {path}")
        if len(raw) != KEY_BYTES:
            raise VaultError(f"{path}: a site key has {KEY_BYTES} bytes, this file has {len(raw)}")
        return cls(raw)

    @classmethod
    def create(cls, path: Path) -> KeyFile:
        """Make a new key file.

        Raises:
            VaultError: there is one already, or it cannot be written.
        """
        if path.exists():
            raise VaultError(f"{path}: there is a site key already; recordings may depend on it, so it stays")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            durable.write(path, os.urandom(KEY_BYTES), mode=0o600)
        except OSError as error:
            raise VaultError(f"{path}: the site key cannot be written ({error.strerror})") from error
        return cls.load(path)

    def wrap(self, recording: str, key: bytes) -> bytes:
        """AES-256-GCM under a random nonce, bound to the recording."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, key, _bound(recording))

    def unwrap(self, recording: str, wrapped: bytes) -> bytes:
        """Undo `wrap`."""
        try:
            return self._cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], _bound(recording))
        except (InvalidTag, ValueError) as error:
            raise Damaged(
                f"{recording}: its wrapped key was changed, or belongs to another recording; restore it from "
                "the backup of the keys"
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCommand:
    """An external command in front of a key service.

    It is started as ``command... wrap RECORDING`` or ``command... unwrap RECORDING``, reads from standard
    input, writes to standard output (bytes, nothing around them) and ends with status 0.
    """

    command: tuple[str, ...]
    deadline: float = 10.0  #: seconds
    name: str = "command"

    def wrap(self, recording: str, key: bytes) -> bytes:
        """Have the service lock ``key`` away."""
        wrapped = self._ask("wrap", recording, key)
        if key in wrapped:
            raise VaultError(f"{self.command[0]}: the key command gave the key back unwrapped; mend it")
        return wrapped

    def unwrap(self, recording: str, wrapped: bytes) -> bytes:
        """Have the service give the key back."""
        return self._ask("unwrap", recording, wrapped)

    def _ask(self, verb: str, recording: str, given: bytes) -> bytes:
        command = [*self.command, verb, recording]
        try:
            done = subprocess.run(
                command, input=given, capture_output=True, timeout=self.deadline, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise VaultError(f"{self.command[0]}: the key command did not {verb}: {error}") from error
        if done.returncode != 0 or not done.stdout:
            said = done.stderr.decode(errors="replace").strip()[:200]
            raise VaultError(
                f"{self.command[0]}: the key command ended {verb} with status {done.returncode}: "
                f"{said or 'it said nothing'}"
            )
        return done.stdout


@dataclass(frozen=True, slots=True, kw_only=True)
class Age:
    """Recipients of age: whoever holds an identity can read; the PBX that writes cannot."""

    recipients: tuple[str, ...]
    identity: Path | None = None  #: a file of age identities, where recordings are read
    name: str = "age"

    def wrap(self, recording: str, key: bytes) -> bytes:
        """Encrypt ``key`` to all recipients."""
        age = _pyrage()
        try:
            keys = [age.x25519.Recipient.from_str(recipient) for recipient in self.recipients]
            sealed: bytes = age.encrypt(_bound(recording) + key, keys)
        except (age.RecipientError, age.EncryptError) as error:
            raise VaultError(f"vault.key.age: a recipient is wrong ({error}); expected age1...") from error
        return sealed

    def unwrap(self, recording: str, wrapped: bytes) -> bytes:
        """Decrypt with the identities, where there are any."""
        if self.identity is None:
            raise VaultError(
                f"{recording}: its key is wrapped for age recipients, and no identity is configured here; "
                "open it where the identity is (vault.key.age_identity)"
            )
        age = _pyrage()
        try:
            lines = self.identity.read_text("utf-8").splitlines()
            keys = [age.x25519.Identity.from_str(line.strip()) for line in lines if line.startswith("AGE-")]
            opened: bytes = age.decrypt(wrapped, keys)
        except (OSError, age.IdentityError, age.DecryptError) as error:
            raise VaultError(f"{recording}: {self.identity} does not open its key ({error})") from error
        if not opened.startswith(_bound(recording)):
            raise Damaged(f"{recording}: its wrapped key belongs to another recording")
        return opened.removeprefix(_bound(recording))


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """The site's keys: recordings are wrapped with each of ``current``; ``former`` only still open."""

    current: tuple[Wrapping, ...]
    former: tuple[Wrapping, ...] = ()

    def wrap(self, recording: str, key: RecordingKey) -> bytes:
        """The key file of a recording.

        Raises:
            VaultError: one of the wrappings could not.
        """
        if not self.current:
            raise VaultError("no site key is configured; set vault.key")
        wraps = [
            {"by": way.name, "key": base64.b64encode(way.wrap(recording, key.raw)).decode()}
            for way in self.current
        ]
        return json.dumps({"format": FORMAT, "recording": recording, "wraps": wraps}, indent=1).encode()

    def unwrap(self, recording: str, stored: bytes) -> RecordingKey:
        """Open the key file of a recording.

        Raises:
            VaultError: no key of the site opens it.
        """
        refused: list[str] = []
        found = _wraps(recording, stored)
        for way in (*self.current, *self.former):
            for by, wrapped in found:
                if by == way.name:
                    try:
                        key = way.unwrap(recording, wrapped)
                    except VaultError as error:
                        refused.append(str(error))
                        continue
                    if len(key) == KEY_BYTES:
                        return RecordingKey(key)
                    refused.append(f"{by} gave {len(key)} bytes instead of {KEY_BYTES}")
        if refused:
            raise VaultError("; ".join(refused))
        names = ", ".join(by for by, _ in found) or "nothing"
        raise VaultError(
            f"{recording}: its key is wrapped by {names}, and none of that is configured here; add it under "
            "vault.key or vault.former_keys"
        )

    def is_current(self, recording: str, stored: bytes) -> bool:
        """Whether the wrappings are exactly those that are configured now."""
        return {by for by, _ in _wraps(recording, stored)} == {way.name for way in self.current}


def _wraps(recording: str, stored: bytes) -> Sequence[tuple[str, bytes]]:
    try:
        content = json.loads(stored)
        if content["format"] != FORMAT or content["recording"] != recording:
            raise Damaged(f"{recording}: its key file is that of another recording, or of a later version")
        return [(str(one["by"]), base64.b64decode(one["key"], validate=True)) for one in content["wraps"]]
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(
            f"{recording}: its key file is damaged ({error}); restore it from the backup of the keys"
        ) from error


def _bound(recording: str) -> bytes:
    return f"{FORMAT}\0{recording}\0".encode()


def _pyrage() -> Any:
    try:
        import pyrage  # type: ignore[import-untyped]
    except ImportError as error:
        raise VaultError("age recipients need one more library: pip install 'callguard[age]'") from error
    return pyrage
