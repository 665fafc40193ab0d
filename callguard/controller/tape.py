"""The samples of one recording under way, as a pause has to see and to change them.

With a vault they are the sealer's; without one they lie in the spool, and nothing is ever sealed.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from callguard.errors import RecordingError
from callguard.recording import CARD, PAUSE, Sealer, Silence, Spool, Strand


class Tape(Protocol):
    """Samples of both parties, counted from the start of the recording."""

    def samples(self) -> int:
        """How many reached the spool; Asterisk brings them every 2.05 s (32 KiB a file, 22.10.1)."""

    def arrived(self) -> tuple[int, float]:
        """As `samples`, and when the newest of them came (monotonic seconds, never too early)."""

    def hold(self, first: int) -> int:
        """Nothing from this sample on becomes durable until `release`; returns the first really on hold."""

    def release(self) -> None:
        """What is on hold may become durable."""

    def guard(self, first: int | None) -> None:
        """The same for keys that may become a number, with a hold of its own; None: they did not."""

    def guarded(self) -> int | None:
        """From which sample on such a hold was left by a controller before this one."""

    def silence(self, silence: Silence | None) -> None:
        """Remember that it is, or is no longer, to be silent; a crash of ours does not forget it."""

    async def sounds(self, first: int, last: int) -> tuple[int, int] | None:
        """The first sample of a span that is not zero, and the one after the last; None when all are zero."""

    async def rests(self, first: int, last: int) -> list[tuple[int, int]]:
        """Where the rest of a key sounds in a span of what the agent said."""

    async def erase(self, first: int, last: int, why: str) -> int:
        """Make samples zero that are not durable yet; returns how many."""

    def mark(self, kind: str, start: int, end: int | None = None, **detail: str) -> None:
        """Write into the recording's index what happened there."""

    def close(self) -> None:
        """Nobody looks at it any more."""


@dataclass(frozen=True, slots=True)
class SealedTape:
    """A recording that the sealer takes into the vault."""

    sealer: Sealer
    recording: str

    def samples(self) -> int:
        """See `Tape`."""
        return self.sealer.samples(self.recording)

    def arrived(self) -> tuple[int, float]:
        """See `Tape`."""
        return self.sealer.arrived(self.recording)

    def hold(self, first: int) -> int:
        """See `Tape`."""
        return self.sealer.hold(self.recording, first, PAUSE)

    def release(self) -> None:
        """See `Tape`."""
        self.sealer.release(self.recording, PAUSE)

    def guard(self, first: int | None) -> None:
        """See `Tape`."""
        self.sealer.release(self.recording, CARD)
        if first is not None:
            self.sealer.hold(self.recording, first, CARD)

    def guarded(self) -> int | None:
        """See `Tape`."""
        return self.sealer.held(self.recording, CARD)

    def silence(self, silence: Silence | None) -> None:
        """See `Tape`."""
        self.sealer.silence(self.recording, silence)

    async def sounds(self, first: int, last: int) -> tuple[int, int] | None:
        """See `Tape`."""
        return await self.sealer.sounds(self.recording, first, last)

    async def rests(self, first: int, last: int) -> list[tuple[int, int]]:
        """See `Tape`."""
        return await self.sealer.rests(self.recording, first, last)

    async def erase(self, first: int, last: int, why: str) -> int:
        """See `Tape`."""
        return await self.sealer.erase(self.recording, first, last, why=why)

    def mark(self, kind: str, start: int, end: int | None = None, **detail: str) -> None:
        """See `Tape`."""
        self.sealer.mark(self.recording, kind, start, end, **detail)

    def close(self) -> None:
        """The sealer still has work to do."""


@dataclass(slots=True)
class LooseTape:
    """A recording that stays in the spool."""

    strand: Strand

    @classmethod
    def of(cls, spool: Spool, call: str, number: int) -> LooseTape:
        """A segment of a call's recording."""
        return cls(Strand(paths=spool.paths(call, number)))

    def samples(self) -> int:
        """See `Tape`."""
        return self.strand.samples()

    def arrived(self) -> tuple[int, float]:
        """See `Tape`."""
        return self.strand.arrived()

    def hold(self, first: int) -> int:
        """Nothing is ever made durable here."""
        return first

    def release(self) -> None:
        """Nothing is ever made durable here."""

    def guard(self, first: int | None) -> None:
        """Nothing is ever made durable here."""

    def guarded(self) -> int | None:
        """Nothing is ever made durable here."""
        return None

    def silence(self, silence: Silence | None) -> None:
        """The ledger alone remembers it."""

    async def sounds(self, first: int, last: int) -> tuple[int, int] | None:
        """See `Tape`."""
        try:
            return await asyncio.to_thread(self.strand.sounds, first, last)
        except OSError as error:
            raise RecordingError(f"{self.strand.paths[0]}: cannot be read ({error.strerror})") from error

    async def rests(self, first: int, last: int) -> list[tuple[int, int]]:
        """See `Tape`."""
        try:
            return await asyncio.to_thread(self.strand.rests, first, last)
        except OSError as error:
            raise RecordingError(f"{self.strand.paths[0]}: cannot be read ({error.strerror})") from error

    async def erase(self, first: int, last: int, why: str) -> int:  # noqa: ARG002 - there is no index here
        """See `Tape`."""
        try:
            self.strand.wipe(first, last)
        except OSError as error:
            raise RecordingError(f"{self.strand.paths[0]}: was not erased ({error.strerror})") from error
        return last - first

    def mark(self, kind: str, start: int, end: int | None = None, **detail: str) -> None:
        """There is no index here; the ledger has it."""

    def close(self) -> None:
        """See `Tape`."""
        self.strand.close()
