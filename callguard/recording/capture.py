"""One capture on its way into the vault: what is due, what may never be, and the work of one step.

The methods that touch the vault block, and run in the sealer's threads, one at a time for each capture.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np

from callguard.errors import RecordingError
from callguard.recording.keytones import Keytones, Tone
from callguard.recording.pending import Mark, Pending
from callguard.recording.safe import Finished, Safe, Writing
from callguard.recording.spool import RATE
from callguard.recording.strand import Strand

#: How far apart the two directions end in an ordinary call, in samples: 20 ms (seen on 16.28 and 22.10.1).
SKEW = RATE // 50

Spans: TypeAlias = tuple[tuple[int, int], ...]


@dataclass(slots=True, kw_only=True)
class Capture:
    """A recording under way, as the sealer sees it."""

    pending: Pending
    spool: Path
    strand: Strand
    writing: Writing | None = None
    claimed: int = 0  #: samples that are sealed or may be being sealed right now
    wiped: int = 0  #: up to here, what is to be erased was erased in the spool
    listened: int = 0  #: up to here it was listened to for keys
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    attention: asyncio.Lock = field(default_factory=asyncio.Lock)  #: of whoever listens
    closed: set[str] = field(default_factory=set)  #: names of its files that Asterisk closed
    news: asyncio.Event = field(default_factory=asyncio.Event)  #: there is one more of them
    failing: bool = False  #: the last attempt to seal failed
    settled: bool = False  #: no more samples will come
    overflowed: bool = False
    gone: bool = False  #: finished or destroyed
    rest_until: float = 0.0  #: after a failure: not before this moment of the loop's clock
    _ear: Keytones | None = None

    @property
    def name(self) -> str:
        """Its name in the vault."""
        return self.pending.recording

    @property
    def sealed(self) -> int:
        """Samples that are in the vault."""
        return self.writing.samples if self.writing else 0

    def due(self, available: int, look_back: int) -> int:
        """The sample up to which it may be sealed."""
        limit = available if self.settled else available - look_back
        hold = self.pending.hold
        return max(self.sealed, limit if hold is None else min(limit, hold))

    def erase_arrived(self) -> None:
        """Zero what reached the spool of the spans that are to be erased."""
        available = max(self.strand.sizes())
        for start, end in self.pending.erased:
            self.strand.wipe(max(start, self.wiped, self.sealed), min(end, available))
        # A side may be a few samples behind the other: what is wiped of both counts.
        self.wiped = max(self.wiped, self.strand.samples())

    def seal(self, safe: Safe, end: int, marks: tuple[Mark, ...], erased: Spans) -> None:
        """Seal up to sample ``end``, then free the memory before it.

        Raises:
            OSError: the disk is full or broken.
            CallguardError: the vault cannot be written.
        """
        writing = self.begun(safe)
        start = writing.samples
        if end > start:
            writing.seal(self._read(start, end, erased), marks)
        self.strand.free(writing.samples)

    def listen(self, end: int) -> list[Tone]:
        """The keys that sound up to sample ``end``, from where it was listened to last.

        Raises:
            OSError, RecordingError: the spool cannot be read.
        """
        if self._ear is None:
            self._ear = Keytones(self.listened)
        return self._ear.hear(self.strand.read(self.listened, end))

    def begun(self, safe: Safe) -> Writing:
        """The recording in the vault, begun now or by the run before."""
        if self.writing is None:
            pending = self.pending
            self.writing = safe.resume(pending.recording, pending.key) or safe.begin(
                pending.recording,
                pending.metadata,
                pending.head(self.spool),
                pending.head_marks,
                pending.key,
            )
            self.claimed = self.writing.samples
            self.listened = max(self.listened, self.claimed)
            pending.drop_head(self.spool)
        return self.writing

    def finish(self, safe: Safe, block: int) -> Finished:
        """Seal everything that is left, and the end.

        What is still on hold was never verified, so it is sealed as silence.

        Raises:
            OSError: the disk is full or broken; to be tried again.
            CallguardError: the vault cannot be written; to be tried again.
        """
        pending = self.pending
        writing = self.begun(safe)
        if not self.strand.open():
            if not self.spool.is_dir():
                raise RecordingError(f"{self.spool}: the spool is away; mount it, or restart callguard")
            pending.missing = pending.missing or "all that was not sealed: the files are not in the spool"
        caller, agent = self.strand.sizes()
        end = max(caller, agent)
        if pending.hold is not None and pending.hold < end:
            pending.erased.append((pending.hold, end))
            pending.note("erased", pending.hold, end, {"why": "never verified"})
        pending.holds.clear()
        known = any(mark.kind == "gap" and mark.end == end for mark in pending.marks)  # by the try before
        if abs(caller - agent) > SKEW and not known:
            who = "caller" if caller < agent else "agent"
            pending.note("gap", min(caller, agent), end, {"party": who})
        with contextlib.suppress(RecordingError):  # a full spool is emptied by this very finish
            pending.save(self.spool)
        marks, erased = tuple(pending.marks), tuple(pending.erased)
        while writing.samples < end:
            self.seal(safe, min(end, writing.samples + block), marks, erased)
            marks = ()
        return writing.finish(marks, missing=pending.missing)

    def remove(self) -> bool:
        """Nothing of it is to stay in the spool; see `Strand.remove`.

        Only for the thread of the event loop, which looks at the files at any time: the number of a file that
        another thread closed may by then be that of a file in the vault.
        """
        self.gone = True
        removed = self.strand.remove()
        self.pending.remove(self.spool)
        return removed

    def used(self) -> int:
        """Bytes of memory that its files take (for tests and figures)."""
        total = 0
        for path in self.strand.paths:
            with contextlib.suppress(FileNotFoundError):
                total += path.stat().st_blocks * 512
        return total

    def _read(self, start: int, end: int, erased: Spans) -> bytes:
        pcm = self.strand.read(start, end)
        spans = [(max(first, start), min(last, end)) for first, last in erased]
        spans = [(first, last) for first, last in spans if first < last]
        if not spans:
            return pcm
        samples = np.frombuffer(bytearray(pcm), dtype="<i2").reshape(-1, 2)
        for first, last in spans:
            samples[first - start : last - start] = 0
        return samples.tobytes()
