"""What a running controller says of itself, for those who watch it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """How the sealer does."""

    recordings: int  #: that are not complete yet
    behind: float  #: seconds by which the one that is worst off is later than it should be
    memory: int  #: bytes of the spool that they take


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The state of the controller at one moment; counts begin with its start."""

    ari: bool  #: whether ARI can be asked
    ami: bool  #: whether recorders can be paused and stopped
    ledger: bool  #: whether entries become durable
    recording_off: bool  #: whether somebody stopped all recording
    alerts: int  #: how often somebody had to look at something
    unresumed: int  #: pauses that nobody ended: by the clock, or with the call
    sealing: Sealing | None = None  #: None: recordings stay in the spool


class Watched(Protocol):
    """Whoever has such figures."""

    def figures(self) -> Figures:
        """What can be said at this moment; it costs nothing."""
