"""A recording as it is read: opened, iterated, verified."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callguard.vault.blocks import FORMAT, HEAD, NO_TAG, TRAILER, Block, Sealing
from callguard.vault.errors import Damaged, VaultError
from callguard.vault.header import Header
from callguard.vault.keys import RecordingKey
from callguard.vault.marks import Mark, heard
from callguard.vault.sound import FRAME_BYTES, RATE, from_flac
from callguard.vault.writing import BLOCK_SUFFIX, TRAILER_NAME, Finished, block_name

HEADER_NAME = "header.json"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with a recording."""

    where: str
    what: str
    kind: str = "damaged"  #: one of `callguard.vault.audit.KINDS`, for those who count

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What `Reading.verify` found."""

    recording: str
    samples: int
    sha256: str  #: of all samples that are there
    findings: tuple[Finding, ...]
    #: Whether the end is there. A recording whose controller or PBX lost power ends somewhere, and says so.
    complete: bool
    missing: str = ""  #: what is known to be missing at the end

    @property
    def sound(self) -> bool:
        """Whether everything that was sealed is there, unchanged and in order."""
        return not self.findings

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.samples / RATE


class Reading:
    """One recording, opened for reading."""

    def __init__(self, directory: Path, recording: str, key: RecordingKey) -> None:
        self.directory = directory
        self.recording = recording
        self._key = key
        self._sealing = Sealing(recording, key.derive("blocks"))

    @property
    def header(self) -> Header:
        """What it is about, checked.

        Raises:
            Damaged: the header was changed.
        """
        path = self.directory / HEADER_NAME
        header = Header.read(_stored(path), str(path), self._key)
        if header.recording != self.recording:
            raise Damaged(f"{path}: is the header of {header.recording}")
        return header

    def head(self) -> tuple[bytes, tuple[Mark, ...]]:
        """The evidence before the first sample: its audio (interleaved) and its marks.

        Raises:
            Damaged: it is missing or was changed.
        """
        block = self._block(HEAD)
        return from_flac(block.flac, self._where(HEAD)), _marks(block)

    def pcm(self) -> Iterator[bytes]:
        """The samples, block by block, interleaved.

        Raises:
            Damaged: a block was changed, is missing or stands in the wrong place.
        """
        for block in self._blocks():
            if block.place.number not in {HEAD, TRAILER}:
                yield self._audio(block)

    def marks(self) -> tuple[Mark, ...]:
        """Everything that was noted, in order of samples.

        Raises:
            Damaged: as for `pcm`.
        """
        found: dict[int, Mark] = {}
        for block in self._blocks():
            if block.place.number != HEAD:
                for mark in _marks(block):
                    found.setdefault(mark.serial, mark)
        return tuple(sorted(found.values(), key=lambda mark: (mark.start, mark.serial)))

    def finished(self) -> Finished | None:
        """What the trailer says; ``None`` while the recording goes on, or when its end was lost.

        Raises:
            Damaged: the trailer was changed.
        """
        trailer = self._trailer()
        if trailer is None:
            return None
        told = trailer.told
        return Finished(
            samples=told["samples"], sha256=told["sha256"], blocks=told["blocks"], missing=told["missing"]
        )

    def verify(self) -> Verdict:
        """Check every tag, every place, every length and every hash; names all that is wrong."""
        findings: list[Finding] = []
        try:
            _ = self.header
        except VaultError as error:
            findings.append(_finding(error))
        taken, samples, last, next_number = hashlib.sha256(), 0, NO_TAG, HEAD
        for number in self._numbers():
            try:
                if number != next_number:
                    missing = f"blocks {next_number} to {number - 1} are missing"
                    findings.append(Finding(str(self.directory), missing))
                    block = self._block(number)
                else:
                    block = self._block(number)
                    self._follows(block, samples, last)
                audio = self._audio(block)
            except VaultError as error:
                findings.append(_finding(error))
                next_number = number + 1
                continue
            last, next_number = block.tag, number + 1
            if number != HEAD:
                taken.update(audio)
                samples = block.place.start + block.place.samples
        if next_number == HEAD:
            findings.append(Finding(str(self.directory), "its head is missing"))
        finished, trailer = None, None
        try:
            finished, trailer = self.finished(), self._trailer()
        except VaultError as error:
            findings.append(_finding(error))
        if finished is not None and trailer is not None and not findings:
            said = (finished.blocks, finished.samples, finished.sha256, trailer.place.previous)
            if said != (next_number - 1, samples, taken.hexdigest(), last):
                where, there = str(self.directory), max(0, next_number - 1)
                what = f"{there} blocks are there and {finished.blocks} were sealed; the end was cut off"
                findings.append(Finding(where, what))
        return Verdict(
            recording=self.recording,
            samples=samples,
            sha256=taken.hexdigest(),
            findings=tuple(findings),
            complete=finished is not None,
            missing=finished.missing
            if finished
            else "the end: it was never finished, or its trailer is gone",
        )

    def _blocks(self) -> Iterator[Block]:
        samples, last, expected = 0, NO_TAG, HEAD
        for number in self._numbers():
            if number != expected:
                raise Damaged(f"{self.directory}: block {expected} is missing; run `callguard vault verify`")
            block = self._block(number)
            self._follows(block, samples, last)
            yield block
            if number != HEAD:
                samples += block.place.samples
            last, expected = block.tag, number + 1
        trailer = self._trailer()
        if trailer is not None:
            self._follows(trailer, samples, last)
            yield trailer

    def _follows(self, block: Block, samples: int, last: bytes) -> None:
        place = block.place
        if place.previous != last or place.start != samples:
            raise Damaged(f"{self._where(place.number)}: does not follow the block before it")

    def _audio(self, block: Block) -> bytes:
        where = self._where(block.place.number)
        pcm = from_flac(block.flac, where)
        if (
            len(pcm) != block.place.samples * FRAME_BYTES
            or hashlib.sha256(pcm).hexdigest() != block.told["sha256"]
        ):
            raise Damaged(f"{where}: decodes to other samples than were sealed (another FLAC library?)")
        return pcm

    def _block(self, number: int) -> Block:
        path = self.directory / block_name(number)
        block = self._sealing.open(_stored(path), str(path))
        if block.place.number != number:
            raise Damaged(f"{path}: is block {block.place.number} of the recording")
        return block

    def _trailer(self) -> Block | None:
        path = self.directory / TRAILER_NAME
        if not path.exists():
            return None
        block = self._sealing.open(_stored(path), str(path))
        if block.place.number != TRAILER:
            raise Damaged(f"{path}: is block {block.place.number} of the recording, not its trailer")
        return block

    def _numbers(self) -> list[int]:
        return sorted(
            int(path.stem) for path in self.directory.glob(f"*{BLOCK_SUFFIX}") if path.stem.isdecimal()
        )

    def _where(self, number: int) -> str:
        return str(self.directory / (TRAILER_NAME if number == TRAILER else block_name(number)))


def _stored(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Damaged(f"{path}: cannot be read ({error.strerror}); restore it from a backup") from error


def _marks(block: Block) -> tuple[Mark, ...]:
    return tuple(heard(mark) for mark in block.told["marks"])


def _finding(error: VaultError) -> Finding:
    where, _, what = str(error).partition(": ")
    return Finding(where, what)


def described(header: Header, finished: Finished | None) -> Mapping[str, Any]:
    """A recording in words, for lists and for JSON."""
    keep = header.retention
    return {
        "recording": header.recording,
        "format": FORMAT,
        "created": header.created.isoformat(),
        "facts": dict(header.facts),
        "purpose": keep.purpose,
        "jurisdiction": keep.jurisdiction,
        "until": keep.until.isoformat() if keep.until else None,
        "hold": keep.hold or None,
        "finished": finished is not None,
        "seconds": finished.samples / RATE if finished else None,
        "samples": finished.samples if finished else None,
        "sha256": finished.sha256 if finished else None,
        "missing": finished.missing or None if finished else None,
    }
