"""A recording while it is written: blocks are added, then the trailer, then nothing more."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callguard.vault import durable
from callguard.vault.blocks import HEAD, NO_TAG, TAG_BYTES, TRAILER, Place, Sealing, peek
from callguard.vault.errors import Damaged
from callguard.vault.keys import RecordingKey
from callguard.vault.marks import Marked, told
from callguard.vault.sound import FRAME_BYTES, from_flac, to_flac

TRAILER_NAME = "trailer"
BLOCK_SUFFIX = ".block"


def block_name(number: int) -> str:
    """The file name of a block: sorted by name, blocks are sorted by number."""
    return f"{number:08d}{BLOCK_SUFFIX}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What the ledger keeps of a finished recording."""

    samples: int  #: of each channel
    sha256: str  #: of all samples, 16 bit little-endian, caller and agent interleaved
    blocks: int
    missing: str = ""  #: what is known to be missing at the end, and why


class Writing:
    """Adds to one recording. One thread at a time; nothing is kept in memory of what was written."""

    def __init__(self, directory: Path, recording: str, key: RecordingKey) -> None:
        self.directory = directory
        self.recording = recording
        self._sealing = Sealing(recording, key.derive("blocks"))
        self._next = HEAD
        self._samples = 0
        self._last = NO_TAG
        #: The hash of all samples; ``None`` after a restart, when it has to be taken again from the blocks.
        self._hash: hashlib._Hash | None = hashlib.sha256()

    @property
    def samples(self) -> int:
        """How many samples of each channel are sealed: they are durable, and what comes next begins here."""
        return self._samples

    def begin(self, pcm: bytes, marks: Sequence[Marked]) -> None:
        """Seal the head: evidence that stands before the first sample, and is not counted with them."""
        self._put(pcm, marks, counted=0)

    def seal(self, pcm: bytes, marks: Sequence[Marked] = ()) -> None:
        """Seal the next samples (interleaved) and what is to be noted; durable when it returns.

        Raises:
            OSError: the disk is full or broken. Nothing was sealed; it may be tried again.
        """
        self._put(pcm, marks, counted=len(pcm) // FRAME_BYTES)
        if self._hash is not None:
            self._hash.update(pcm)

    def finish(self, marks: Sequence[Marked] = (), *, missing: str = "") -> Finished:
        """Seal the trailer: from now on a missing end is noticed.

        Raises:
            OSError: the disk is full or broken. It may be tried again.
            Damaged: after a restart, a block that was sealed before cannot be read.
        """
        sha256 = (self._hash or self._hash_again()).hexdigest()
        done = Finished(samples=self._samples, sha256=sha256, blocks=self._next - 1, missing=missing)
        place = Place(number=TRAILER, start=self._samples, samples=0, previous=self._last)
        content = {
            "marks": [told(mark) for mark in marks],
            "sha256": sha256,
            "samples": done.samples,
            "blocks": done.blocks,
            "missing": missing,
        }
        durable.write(self.directory / TRAILER_NAME, self._sealing.seal(place, content, b""))
        return done

    @classmethod
    def resume(cls, directory: Path, recording: str, key: RecordingKey) -> Writing | None:
        """Go on with a recording after a restart; ``None`` if not even its head was sealed.

        Raises:
            Damaged: a block is missing, or the last one is not ours.
        """
        names = sorted(path.name for path in directory.glob(f"*{BLOCK_SUFFIX}"))
        if not names:
            return None
        if names != [block_name(number) for number in range(len(names))]:
            raise Damaged(f"{directory}: blocks are missing; what follows must go into another recording")
        writing = cls(directory, recording, key)
        last = directory / names[-1]
        block = writing._sealing.open(last.read_bytes(), str(last))
        place = block.place
        counted = 0 if place.number == HEAD else place.samples
        writing._next = place.number + 1
        writing._samples = place.start + counted
        writing._last = block.tag
        writing._hash = hashlib.sha256() if place.number == HEAD else None
        return writing

    def _put(self, pcm: bytes, marks: Sequence[Marked], counted: int) -> None:
        number = self._next
        place = Place(
            number=number, start=self._samples, samples=len(pcm) // FRAME_BYTES, previous=self._last
        )
        content: dict[str, Any] = {
            "marks": [told(mark) for mark in marks],
            "sha256": hashlib.sha256(pcm).hexdigest(),
        }
        sealed = self._sealing.seal(place, content, to_flac(pcm))
        durable.write(self.directory / block_name(number), sealed)
        self._last = sealed[-TAG_BYTES:]
        self._samples += counted
        self._next = number + 1

    def _hash_again(self) -> hashlib._Hash:
        taken = hashlib.sha256()
        for number in range(1, self._next):
            path = self.directory / block_name(number)
            taken.update(from_flac(self._sealing.open(path.read_bytes(), str(path)).flac, str(path)))
        return taken


def sealed_end(directory: Path) -> int:
    """How many samples the blocks say they hold, unchecked, without the key."""
    paths = sorted(directory.glob(f"*{BLOCK_SUFFIX}"))
    if len(paths) < 2:
        return 0
    place, _ = peek(paths[-1].read_bytes(), str(paths[-1]))
    return place.start + place.samples
