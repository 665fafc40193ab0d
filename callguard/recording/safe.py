"""What the sealer needs of a vault; `callguard.vault` offers it, and knows nothing of this room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from callguard.recording.pending import Mark


class Finished(Protocol):
    """What is known of a finished recording."""

    @property
    def samples(self) -> int:
        """Of each channel."""

    @property
    def sha256(self) -> str:
        """Of all samples."""

    @property
    def blocks(self) -> int:
        """How many pieces they were sealed in."""

    @property
    def missing(self) -> str:
        """What is known to be missing at the end."""


class Certificate(Protocol):
    """What stays of a destroyed recording."""

    @property
    def recording(self) -> str:
        """Its name."""

    @property
    def sha256(self) -> str:
        """What the ledger keeps of the certificate."""


class Writing(Protocol):
    """One recording being written. Its methods are called by one thread at a time."""

    @property
    def samples(self) -> int:
        """How many samples are durable."""

    def seal(self, pcm: bytes, marks: Sequence[Mark] = ()) -> None:
        """Make the next samples (interleaved) and these marks durable. ``OSError``: nothing was sealed."""

    def finish(self, marks: Sequence[Mark] = (), *, missing: str = "") -> Finished:
        """Make the end durable."""


class Safe(Protocol):
    """Where recordings are sealed into. Its methods are called from several threads."""

    def begin(
        self, recording: str, metadata: Mapping[str, str], head: bytes, marks: Sequence[Mark], key: bytes
    ) -> Writing:
        """Begin a recording under this key, evidence first."""

    def resume(self, recording: str, key: bytes | None = None) -> Writing | None:
        """Go on with one that a crash interrupted; ``None`` if it was never begun."""

    def is_finished(self, recording: str) -> bool:
        """Whether its end is durable."""

    def is_begun(self, recording: str) -> bool:
        """Whether anything of it was ever written."""

    def unfinished(self) -> list[str]:
        """Recordings whose end is not there."""

    def shred(self, recording: str, *, by: str, reason: str) -> Certificate:
        """Destroy its key, and then the recording."""
