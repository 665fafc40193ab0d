"""What exactly was done to a ledger that is not in order.

Every entry names the hash of the one before, so the newest signed hash leads back, entry by entry,
through the whole ledger, wherever the entries may now stand: an entry whose hash is asked for is
genuine. Where the hash that is asked for is nowhere, the entry was changed or taken out. The
signed root of the tree then proves the result, since the hash of a missing entry is known from
its successor.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import TypeVar

from callguard.ledger.entry import microseconds
from callguard.ledger.findings import Finding, Wrong
from callguard.ledger.keys import Checkpoint
from callguard.ledger.source import Columns, Row
from callguard.ledger.tree import root_of

Key = TypeVar("Key")

#: The end of an entry's text: its place, and the hash of the entry before.
_TAIL = re.compile(r'"n":(\d{1,15}),"prev":"([0-9a-f]{64})","utc":"([^"]*)","v":\d+}$')


@dataclass(frozen=True, slots=True)
class Slot:
    """One entry as it was found."""

    position: int
    leaf: bytes
    number: int | None  #: the place it claims for itself
    previous: bytes | None
    mislabelled: str  #: which columns contradict it


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What was found, and whether a signature proves that this is all."""

    findings: tuple[Finding, ...]
    proven: bool


def diagnose(rows: Iterable[Row], anchor: Checkpoint | None) -> Diagnosis:
    """Compare the entries that are there with those that ``anchor`` was signed over."""
    slots = [_slot(row) for row in rows]
    numbers = [slot.number for slot in slots if slot.number is not None]
    size = anchor.size if anchor else 1 + max((n for n in numbers if n < 2 * len(slots)), default=-1)
    search = _Search(slots, size, anchor.last if anchor and anchor.size else None)
    search.walk()
    search.match_changed()
    findings = [*search.absent(), *search.strangers(), *_misplaced(search.genuine, slots)]
    findings += _mislabelled(search.genuine, slots)
    findings.sort(key=lambda finding: -1 if finding.position is None else finding.position)
    leaves = [search.expected.get(n) for n in range(size)]
    known = [leaf for leaf in leaves if leaf is not None]
    proven = anchor is not None and len(known) == size and root_of(known) == anchor.root
    return Diagnosis(findings=tuple(findings), proven=proven)


@dataclass(slots=True)
class _Search:
    """Looks for the slot of every entry, newest first."""

    slots: Sequence[Slot]
    size: int
    newest: bytes | None
    genuine: dict[int, int] = field(default_factory=dict)  # number -> index of its slot
    expected: dict[int, bytes] = field(default_factory=dict)  # number -> leaf hash it must have
    changed: dict[int, int] = field(default_factory=dict)  # number -> index of what stands in its stead
    missing: list[int] = field(default_factory=list)
    copies: list[tuple[int, int]] = field(default_factory=list)  # number, index of a further copy
    taken: set[int] = field(default_factory=set)

    def walk(self) -> None:
        """Follow the hashes back from the newest entry."""
        by_leaf: dict[bytes | None, list[int]] = _grouped(
            (slot.leaf, index) for index, slot in enumerate(self.slots)
        )
        by_number = _grouped((slot.number, index) for index, slot in enumerate(self.slots))
        wanted = self.newest
        for number in range(self.size - 1, -1, -1):
            if wanted is not None:
                self.expected[number] = wanted
                found = by_leaf.get(wanted, [])
            else:
                found = self._unvouched(number, by_number)
            if not found:
                self.missing.append(number)
                wanted = self._hint(number, by_number, by_leaf)
                continue
            best = min(found, key=lambda index: abs(self.slots[index].position - number))
            self.genuine[number] = best
            self.expected[number] = self.slots[best].leaf
            self.taken.update(found)
            self.copies.extend((number, index) for index in found if index != best)
            wanted = self.slots[best].previous if number else None

    def match_changed(self) -> None:
        """Say of entries that are nowhere whether something else stands in their stead."""
        by_position = {self.slots[i].position: i for i in range(len(self.slots)) if i not in self.taken}
        by_number = {self.slots[i].number: i for i in range(len(self.slots)) if i not in self.taken}
        for number in sorted(self.missing):
            stands = by_number.get(number, by_position.get(number))
            if stands is None or stands in self.taken:
                stands = self._between(number)
            if stands is not None and stands not in self.taken:
                self.changed[number] = stands
                self.taken.add(stands)
        self.missing = sorted(set(self.missing) - self.changed.keys())

    def absent(self) -> Iterator[Finding]:
        """Entries that are not there as they were written."""
        for number, index in self.changed.items():
            where = (
                ""
                if self.slots[index].position == number
                else f" (it stands at {self.slots[index].position})"
            )
            yield Finding(
                wrong=Wrong.CHANGED,
                position=number,
                detail=f"it is not what was written: its hash is {self.slots[index].leaf.hex()[:16]}..., "
                f"{_hash_of(self.expected.get(number))} was signed{where}",
            )
        for first, end in _ranges(self.missing):
            wrong = Wrong.CUT_OFF if end == self.size else Wrong.MISSING
            yield Finding(
                wrong=wrong, position=first, until=end, detail=f"{end - first} of {self.size} were taken out"
            )

    def strangers(self) -> Iterator[Finding]:
        """What stands there without having been written there."""
        for number, index in self.copies:
            detail = f"a copy of it stands at {self.slots[index].position}"
            yield Finding(wrong=Wrong.DUPLICATED, position=number, detail=detail)
        for index, slot in enumerate(self.slots):
            if index not in self.taken:
                yield Finding(wrong=Wrong.INSERTED, position=slot.position, detail="it was never written")

    def _unvouched(self, number: int, by_number: Mapping[int | None, list[int]]) -> list[int]:
        """Entries that claim this place and that no successor speaks for; their own columns may."""
        claims = [
            i for i in by_number.get(number, []) if i not in self.taken and not self.slots[i].mislabelled
        ]
        return claims[:1]

    def _hint(
        self,
        number: int,
        by_number: Mapping[int | None, list[int]],
        by_leaf: Mapping[bytes | None, list[int]],
    ) -> bytes | None:
        """The hash of the entry before one that is gone, if what stands in its stead still knows it."""
        for index in by_number.get(number, []):
            previous = self.slots[index].previous
            if previous in by_leaf:
                return previous
        return None

    def _between(self, number: int) -> int | None:
        """What stands right behind the entry before."""
        before = self.genuine.get(number - 1, self.changed.get(number - 1, -1 if number == 0 else None))
        if before is None or before + 1 >= len(self.slots):
            return None
        return before + 1


def _misplaced(genuine: Mapping[int, int], slots: Sequence[Slot]) -> Iterator[Finding]:
    """Genuine entries that stand in another order than they were written in."""
    order = [number for _, number in sorted((index, number) for number, index in genuine.items())]
    right = sorted(order)
    off = [place for place, number in enumerate(order) if number != right[place]]
    if len(off) == 2:
        for number, other in ((right[off[0]], right[off[1]]), (right[off[1]], right[off[0]])):
            yield Finding(wrong=Wrong.SWAPPED, position=number, detail=f"it and entry {other} changed places")
    elif off:
        kept = _longest_increasing(order)
        for number in right:
            if number not in kept:
                where = slots[genuine[number]].position
                yield Finding(wrong=Wrong.MOVED, position=number, detail=f"it stands at {where}")
    else:
        # A place that is neither the entry's own nor the one it was pushed to by what is missing or new.
        astray = [n for n in right if slots[genuine[n]].position not in {n, genuine[n]}]
        for number in astray:
            detail = f"the database says it is number {slots[genuine[number]].position}"
            yield Finding(wrong=Wrong.MISLABELLED, position=number, detail=detail)


def _mislabelled(genuine: Mapping[int, int], slots: Sequence[Slot]) -> Iterator[Finding]:
    for number, index in genuine.items():
        if slots[index].mislabelled:
            columns = slots[index].mislabelled
            detail = f"the entry is as it was written, but not what the database says of it ({columns})"
            yield Finding(wrong=Wrong.MISLABELLED, position=number, detail=detail)


def _slot(row: Row) -> Slot:
    leaf = sha256(b"\0" + row.text.encode("utf-8", "surrogateescape")).digest()
    tail = _TAIL.search(row.text)
    number, previous = (int(tail[1]), bytes.fromhex(tail[2])) if tail else (None, None)
    return Slot(row.position, leaf, number, previous, _contradicted(row.text, leaf, row.columns))


def _contradicted(text: str, leaf: bytes, columns: Columns | None) -> str:
    if columns is None:
        return ""
    wrong = [] if columns.leaf == leaf else ["leaf"]
    header = re.search(r',"call":"([^"]*)","kind":"([^"]*)","mono":', text[text.rfind(',"call":"') :])
    tail = _TAIL.search(text)
    if header and tail:
        wrong += [
            name
            for name, value in (("call", header[1]), ("kind", header[2]))
            if value != getattr(columns, name)
        ]
        wrong += [] if columns.utc == _moment(tail[3]) else ["utc"]
    return ", ".join(wrong)


def _moment(text: str) -> int | None:
    try:
        return microseconds(datetime.fromisoformat(text))
    except (ValueError, TypeError):
        return None


def _grouped(pairs: Iterable[tuple[Key, int]]) -> dict[Key, list[int]]:
    found: dict[Key, list[int]] = {}
    for key, index in pairs:
        found.setdefault(key, []).append(index)
    return found


def _ranges(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    start = None
    for place, number in enumerate(numbers):
        if start is None:
            start = number
        if place + 1 == len(numbers) or numbers[place + 1] != number + 1:
            yield start, number + 1
            start = None


def _longest_increasing(order: Sequence[int]) -> set[int]:
    """The most entries that stand in their written order among each other (patience sorting)."""
    tops: list[int] = []
    piles: list[int] = []
    before: list[int] = []
    for place, number in enumerate(order):
        pile = bisect_left(tops, number)
        before.append(piles[pile - 1] if pile else -1)
        if pile == len(tops):
            tops.append(number)
            piles.append(place)
        else:
            tops[pile], piles[pile] = number, place
    kept, place = set(), piles[-1] if piles else -1
    while place >= 0:
        kept.add(order[place])
        place = before[place]
    return kept


def _hash_of(leaf: bytes | None) -> str:
    return "another" if leaf is None else f"{leaf.hex()[:16]}..."
