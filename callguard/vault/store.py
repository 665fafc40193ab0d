"""The vault: where sealed recordings lie, by their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from callguard.vault import durable
from callguard.vault.blocks import NO_TAG, peek
from callguard.vault.errors import Destroyed, VaultError
from callguard.vault.header import Header, Retention
from callguard.vault.keys import Keyring, RecordingKey
from callguard.vault.marks import Marked
from callguard.vault.reading import HEADER_NAME, Reading
from callguard.vault.shredding import Certificate
from callguard.vault.writing import BLOCK_SUFFIX, TRAILER_NAME, Writing, sealed_end

CERTIFICATE_NAME = "certificate.json"

#: The call's UUID and the number of the recording within it; nothing that a caller could choose.
_NAME = re.compile(r"[0-9a-z][0-9a-z-]{1,79}-[1-9][0-9]{0,5}")


def name(call: str, number: int) -> str:
    """The name of a call's n-th recording."""
    return f"{call}-{number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vault:
    """Recordings in one directory, and their wrapped keys in another.

    Attributes:
        recordings: the sealed recordings; may be copied, backed up and written once.
        keys: the wrapped keys; the only place where a recording can be destroyed for good, so keep it out of
            backups that are kept longer than recordings may be.
        ring: the keys of the site.
    """

    recordings: Path
    keys: Path
    ring: Keyring

    def prepare(self) -> None:
        """Make the directories, and try the site's keys.

        Raises:
            VaultError: they cannot be made, or a key cannot be wrapped.
        """
        try:
            for directory in (self.recordings, self.keys):
                durable.make_directory(directory)
        except OSError as error:
            raise VaultError(
                f"{self.recordings}: the vault cannot be made ({error.strerror}); create it and give it to "
                "callguard"
            ) from error
        self.ring.wrap("trial-1", RecordingKey.generate())

    # ------------------------------------------------------------------ writing

    def begin(
        self, recording: str, metadata: Mapping[str, str], head: bytes, marks: Sequence[Marked], key: bytes
    ) -> Writing:
        """Begin a recording. Its wrapped key is durable before its first block is.

        Args:
            recording: its name, see `name`.
            metadata: ``purpose``, ``jurisdiction``, ``until`` and ``hold`` decide how long it is kept; all
                else is told by `Header.facts`, in the clear.
            head: samples (interleaved) of the evidence to stand before the recording.
            marks: what that evidence is.
            key: 32 random bytes, or what `resume` was given before.

        Raises:
            VaultError: there is such a recording already, or its key could not be wrapped.
            OSError: the disk is full or broken.
        """
        directory = self._directory(recording)
        if any(directory.glob(f"*{BLOCK_SUFFIX}")) or (directory / CERTIFICATE_NAME).exists():
            raise VaultError(f"{directory}: there is such a recording already; resume it, or number anew")
        made = RecordingKey(key)
        wrapped = self.ring.wrap(recording, made)
        header = Header.begin(recording, metadata).written(made)
        for path in (directory, self._key_path(recording).parent):
            durable.make_directory(path)
        durable.write(self._key_path(recording), wrapped, mode=0o600)
        durable.write(directory / HEADER_NAME, header)
        writing = Writing(directory, recording, made)
        writing.begin(head, marks)
        return writing

    def resume(self, recording: str, key: bytes | None = None) -> Writing | None:
        """Go on with a recording that was begun by another process; ``None`` if it has no head yet.

        Args:
            recording: its name.
            key: its key, where it is known; else it is unwrapped.

        Raises:
            VaultError: it was destroyed or finished, its key cannot be had, or its blocks are damaged.
        """
        directory = self._directory(recording)
        self._refuse_destroyed(recording)
        if (directory / TRAILER_NAME).exists():
            raise VaultError(f"{directory}: the recording is finished; nothing can be added to it")
        if not any(directory.glob(f"*{BLOCK_SUFFIX}")):
            return None
        return Writing.resume(directory, recording, RecordingKey(key) if key else self._key(recording))

    def is_finished(self, recording: str) -> bool:
        """Whether its trailer was sealed."""
        return (self._directory(recording) / TRAILER_NAME).exists()

    def is_begun(self, recording: str) -> bool:
        """Whether there is anything of it: also when it is finished, or was destroyed."""
        return self._key_path(recording).exists() or self._directory(recording).exists()

    def unfinished(self) -> list[str]:
        """Recordings without a trailer: they go on, or their end was lost."""
        return [one for one in self.names() if not self.is_finished(one) and not self.is_destroyed(one)]

    # ------------------------------------------------------------------ reading

    def names(self) -> Iterator[str]:
        """All recordings, the destroyed ones as well, by name."""
        for shelf in sorted(self.recordings.glob("??")):
            for directory in sorted(shelf.iterdir()):
                if _NAME.fullmatch(directory.name):
                    yield directory.name

    def of_call(self, call: str) -> list[str]:
        """The recordings of one call, in order: each change of party began another one.

        ``call`` may also be the name of one recording.

        Raises:
            VaultError: there is none.
        """
        if _NAME.fullmatch(call) and self._directory(call).is_dir():
            return [call]
        found = [one for one in self._shelf(call).glob(f"{call}-*") if one.name[len(call) + 1 :].isdecimal()]
        if not found:
            raise VaultError(f"{call}: the vault has no such recording; `callguard vault list` shows them")
        return sorted((one.name for one in found), key=lambda one: int(one.rpartition("-")[2]))

    def open(self, recording: str) -> Reading:
        """Open a recording.

        Raises:
            Destroyed: its key was destroyed.
            VaultError: there is no such recording, or its key cannot be had.
        """
        self._refuse_destroyed(recording)
        return Reading(self._directory(recording), recording, self._key(recording))

    def header(self, recording: str) -> Header:
        """The header of a recording, unchecked: for retention, where nobody may open the audio.

        Raises:
            VaultError: there is none.
        """
        path = self._directory(recording) / HEADER_NAME
        return Header.read(self._stored(path), str(path), None)

    def samples(self, recording: str) -> int:
        """How many samples are sealed, unchecked."""
        return sealed_end(self._directory(recording))

    def keep(self, recording: str, retention: Retention) -> Header:
        """Change how long a recording is kept, or put it on hold.

        Raises:
            VaultError: it cannot be opened, or was changed by somebody else.
        """
        reading = self.open(recording)
        header = reading.header.keeping(retention)
        self._write(reading.directory / HEADER_NAME, header.written(self._key(recording)), 0o640)
        return header

    # ------------------------------------------------------------------ keys

    def is_current(self, recording: str) -> bool:
        """Whether its key is wrapped exactly as the site is configured now."""
        return self.ring.is_current(recording, self._stored(self._key_path(recording)))

    def rekey(self, recording: str) -> bool:
        """Wrap its key anew with the site's current keys; the recording itself is not touched.

        Returns:
            Whether anything had to be done.

        Raises:
            VaultError: its key cannot be unwrapped or wrapped.
        """
        if self.is_current(recording):
            return False
        wrapped = self.ring.wrap(recording, self._key(recording))
        self._write(self._key_path(recording), wrapped, 0o600)
        return True

    def shred(self, recording: str, *, by: str, reason: str) -> Certificate:
        """Destroy a recording: its wrapped key first, then its blocks.

        Doing it twice gives the same certificate. Copies of the blocks elsewhere become unreadable with
        the key; copies of the key do not.

        Raises:
            VaultError: there is no such recording, it is on hold, or the disk would not.
        """
        directory, key = self._directory(recording), self._key_path(recording)
        certificate = self.certificate(recording)
        try:
            if certificate is None:
                begun = (directory / HEADER_NAME).exists()
                hold = self.header(recording).retention.hold if begun else ""
                if hold:
                    raise VaultError(f"{recording}: is on legal hold ({hold}); lift the hold first")
                certificate = self._certify(recording, by=by, reason=reason)
                durable.make_directory(directory)
                durable.write(directory / CERTIFICATE_NAME, certificate.text())
            durable.destroy(key)
            for path in [
                *directory.glob(f"*{BLOCK_SUFFIX}"),
                directory / TRAILER_NAME,
                directory / HEADER_NAME,
            ]:
                path.unlink(missing_ok=True)
            durable.settle(directory)
        except OSError as error:
            raise VaultError(f"{recording}: could not be destroyed ({error}); try again") from error
        return certificate

    def is_destroyed(self, recording: str) -> bool:
        """Whether there is a certificate of its destruction."""
        return (self._directory(recording) / CERTIFICATE_NAME).exists()

    def certificate(self, recording: str) -> Certificate | None:
        """The certificate of a destroyed recording.

        Raises:
            Damaged: it is none.
        """
        path = self._directory(recording) / CERTIFICATE_NAME
        return Certificate.read(self._stored(path), str(path)) if path.exists() else None

    def _certify(self, recording: str, *, by: str, reason: str) -> Certificate:
        if not self.is_begun(recording):
            raise VaultError(f"{recording}: there is no such recording; `callguard vault list` shows them")
        paths, key = sorted(self._directory(recording).glob(f"*{BLOCK_SUFFIX}")), self._key_path(recording)
        last = peek(paths[-1].read_bytes(), str(paths[-1]))[1] if paths else NO_TAG
        return Certificate(
            recording=recording,
            utc=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            by=by,
            reason=reason,
            key=sha256(key.read_bytes()).hexdigest() if key.exists() else "",
            blocks=max(0, len(paths) - 1),
            last=last.hex(),
        )

    # ------------------------------------------------------------------ places

    def _directory(self, recording: str) -> Path:
        if not _NAME.fullmatch(recording):
            raise VaultError(f"{recording!r} is no name of a recording; expected <uuid of the call>-<number>")
        return self._shelf(recording) / recording

    def _shelf(self, recording: str) -> Path:
        return self.recordings / recording[:2]

    def _key_path(self, recording: str) -> Path:
        return self.keys / recording[:2] / f"{recording}.key"

    def _key(self, recording: str) -> RecordingKey:
        return self.ring.unwrap(recording, self._stored(self._key_path(recording)))

    def _refuse_destroyed(self, recording: str) -> None:
        certificate = self.certificate(recording)
        if certificate is not None:
            raise Destroyed(
                f"{recording}: was destroyed on {certificate.utc} by {certificate.by or 'nobody named'} "
                f"({certificate.reason or 'no reason given'})"
            )

    @staticmethod
    def _stored(path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise VaultError(
                f"{path}: cannot be read ({error.strerror}); there is no such recording, or restore it from "
                "a backup"
            ) from error

    @staticmethod
    def _write(path: Path, content: bytes, mode: int) -> None:
        try:
            durable.write(path, content, mode=mode)
        except OSError as error:
            raise VaultError(f"{path}: cannot be written ({error.strerror}); nothing was changed") from error
