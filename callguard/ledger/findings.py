"""What a verification can find, and its report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Wrong(StrEnum):
    """What is wrong with an entry, or with the ledger."""

    CHANGED = "changed"  #: the entry is not the one that was written
    MISSING = "missing"  #: the entry was taken out
    INSERTED = "inserted"  #: something stands there that was never written
    DUPLICATED = "duplicated"  #: the entry stands there a second time
    MOVED = "moved"  #: the entry stands in another place
    SWAPPED = "swapped"  #: two entries stand in each other's place
    CUT_OFF = "cut off"  #: the entries from here on are missing
    ROLLED_BACK = "rolled back"  #: the whole ledger is an older state of itself
    MISLABELLED = "mislabelled"  #: a column by which entries are found says something else than the entry
    INDEX = "index"  #: a search term is missing, or stands where it does not belong
    REWRITTEN = "rewritten"  #: entries form a sound chain, but not the one that was signed
    EDGE = "edge"  #: the row that says where the ledger ends is not what was signed
    CHECKPOINT = "checkpoint"  #: a checkpoint is malformed, unsigned, or by a key that no longer signs
    FOREIGN = "foreign"  #: a checkpoint of another ledger
    DAMAGED = "damaged"  #: the storage itself reports broken pages or indexes


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong."""

    wrong: Wrong
    position: int | None  #: the entry, counted from 0; ``None``: the ledger as a whole
    detail: str
    until: int | None = None  #: for a range of entries: the first one that is not meant

    def __str__(self) -> str:
        if self.position is None:
            return f"{self.wrong}: {self.detail}"
        if self.until is not None and self.until > self.position + 1:
            return f"entries {self.position} to {self.until - 1}: {self.wrong}: {self.detail}"
        return f"entry {self.position}: {self.wrong}: {self.detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of a verification."""

    origin: str
    entries: int
    root: bytes
    findings: tuple[Finding, ...]
    signed_by: str  #: name and id of the key that signed the edge
    checkpoints: int  #: how many checkpoints were checked, kept and outside
    newest: datetime | None  #: when the newest entries were signed
    outside: bool  #: whether checkpoints from outside were at hand; without them a roll-back goes unseen
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether nothing at all is wrong."""
        return not self.findings
