"""Verification: is this ledger, entry for entry, the one that was signed?

Offline: it needs the database file or an export, the public keys, and, to see a roll-back, the
checkpoints that were published elsewhere. It trusts nothing but the keys.

One quick pass compares every entry with its place, with the hash of the entry before, with its
columns, and the growing tree with every checkpoint. Only if that pass finds anything out of order
does ``callguard.ledger.diagnosis`` look for what exactly was done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from sqlalchemy.exc import SQLAlchemyError

from callguard.errors import LedgerError
from callguard.ledger.commit import BEFORE_FIRST
from callguard.ledger.database import told
from callguard.ledger.diagnosis import diagnose
from callguard.ledger.entry import microseconds
from callguard.ledger.findings import Finding, Report, Wrong
from callguard.ledger.index import check_index
from callguard.ledger.keys import Checkpoint, PublicKey
from callguard.ledger.kinds import Kind
from callguard.ledger.source import EdgeRow, Row, Source
from callguard.ledger.tree import Frontier

#: More findings than this help nobody.
MOST = 1000

#: What the quick pass can only notice; the diagnosis says what it was.
_UNEXPLAINED = frozenset({Wrong.REWRITTEN, Wrong.CUT_OFF})

#: How often the progress is told, entries.
_STEP = 2000

#: How long the end of an entry's text is, from its time on, and from behind its time on.
_STAMP = len('2026-11-21T20:52:44.433150Z","v":1}')
_VERSION = len('","v":1}')

Progress = Callable[[int], None]


def verify(
    source: Source,
    keys: Sequence[PublicKey],
    outside: Sequence[str] = (),
    progress: Progress = lambda _: None,
) -> Report:
    """Verify a ledger.

    Args:
        source: an opened database or export.
        keys: the public keys that may have signed, old ones included.
        outside: checkpoints that were published elsewhere.
        progress: told how many entries have been read.
    """
    begun = time.monotonic()
    examination = Examination(keys)
    try:
        examination.findings.extend(_whole(Wrong.DAMAGED, line) for line in source.damage())
        examination.take_checkpoints(source.edge(), source.notes(), outside)
        in_order = examination.read(source.rows(), progress)
        examination.compare_edge()
        if not in_order or any(f.wrong in _UNEXPLAINED for f in examination.findings):
            examination.explain(source)
        else:
            examination.findings.extend(check_index(source))
    except SQLAlchemyError as fault:
        examination.findings.append(_whole(Wrong.DAMAGED, f"the database cannot be read: {told(fault)}"))
    head = examination.head
    return Report(
        origin=examination.origin,
        entries=examination.frontier.size,
        root=examination.frontier.root(),
        findings=tuple(examination.findings[:MOST]),
        signed_by=examination.signed_by,
        checkpoints=len(examination.checkpoints),
        newest=head.utc if head else None,
        outside=bool(outside),
        seconds=time.monotonic() - begun,
    )


@dataclass(slots=True)
class Examination:
    """The state of one verification."""

    keys: Sequence[PublicKey]
    findings: list[Finding] = field(default_factory=list)
    checkpoints: list[tuple[Checkpoint, PublicKey]] = field(default_factory=list)  # signed, by size
    head: Checkpoint | None = None  # the edge, if its signature is good
    edge: EdgeRow | None = None
    origin: str = ""
    signed_by: str = ""
    frontier: Frontier = field(default_factory=Frontier)
    last: bytes = BEFORE_FIRST
    retired: list[tuple[int, str]] = field(default_factory=list)  # position, key that stopped signing there

    # -- checkpoints ------------------------------------------------------------------------------

    def take_checkpoints(self, edge: EdgeRow | None, kept: Sequence[str], outside: Sequence[str]) -> None:
        """Check the signatures of everything that was signed."""
        self.edge = edge
        if edge is None:
            self.findings.append(
                _whole(Wrong.EDGE, "nothing says where this ledger ends; its signed edge is gone")
            )
        else:
            signed = self._signed(edge.note, "the signed edge")
            if signed is not None:
                self.head, key = signed
                self.signed_by = f"{key.name}+{key.id.hex()}"
                self.origin = self.head.origin
                self.checkpoints.append(signed)
        for note in kept:
            signed = self._signed(note, "a checkpoint kept beside the entries")
            if signed is not None:
                self.checkpoints.append(signed)
        for note in outside:
            signed = self._signed(note, "a checkpoint from outside")
            if signed is None:
                continue
            self.checkpoints.append(signed)
            if self.head is not None and signed[0].size > self.head.size:
                self.findings.append(_rolled_back(self.head, signed[0]))
        self.checkpoints.sort(key=lambda signed: signed[0].size)

    def _signed(self, note: str, what: str) -> tuple[Checkpoint, PublicKey] | None:
        try:
            checkpoint = Checkpoint.parse(note)
        except LedgerError as fault:
            self.findings.append(_whole(Wrong.CHECKPOINT, f"{what} is malformed: {fault}"))
            return None
        key = checkpoint.signer(self.keys)
        if key is None:
            names = ", ".join(f"{name}+{identity.hex()}" for name, identity, _ in checkpoint.signatures)
            self.findings.append(
                _whole(
                    Wrong.CHECKPOINT,
                    f"{what} (size {checkpoint.size}) is not signed by any given key but {names}",
                )
            )
            return None
        if self.origin and checkpoint.origin != self.origin:
            self.findings.append(
                _whole(Wrong.FOREIGN, f"{what} is one of {checkpoint.origin}; this ledger is {self.origin}")
            )
            return None
        return checkpoint, key

    # -- entries ----------------------------------------------------------------------------------

    def read(self, rows: Iterator[Row], progress: Progress) -> bool:
        """Go through all entries once. Returns whether everything was in order."""
        expected, last, frontier = 0, self.last, self.frontier
        marks = iter([*sorted({signed[0].size for signed in self.checkpoints}), -1])
        mark = next(marks)
        in_order = True
        while mark == 0:
            self._compare(mark)
            mark = next(marks)
        for row in rows:
            text = row.text
            leaf = sha256(b"\0" + text.encode("utf-8", "surrogateescape")).digest()
            if in_order and not sound(row, expected, last, leaf):
                in_order = False
            expected, last = expected + 1, leaf
            frontier.add(leaf)
            while expected == mark:
                self.last = last
                self._compare(mark)
                mark = next(marks)
            if f'"kind":"{Kind.KEY_CHANGED}"' in text:
                self.retired.append((row.position, text))
            if not expected % _STEP:
                progress(expected)
        self.last = last
        progress(expected)
        return in_order

    def _compare(self, size: int) -> None:
        root = self.frontier.root()
        for checkpoint, key in self.checkpoints:
            if checkpoint.size != size:
                continue
            if checkpoint.root != root:
                since = max((c.size for c, _ in self.checkpoints if c.size < size), default=0)
                self.findings.append(
                    Finding(
                        wrong=Wrong.REWRITTEN,
                        position=since,
                        until=size,
                        detail=f"they are not the entries that {key.name} signed on "
                        f"{checkpoint.utc:%Y-%m-%d %H:%M:%S} UTC",
                    )
                )
            for position, text in self.retired:
                if f'"old":"{key}"' in text and size > position + 1:
                    self.findings.append(
                        _whole(
                            Wrong.CHECKPOINT,
                            f"a checkpoint over {size} entries is signed by {key.name}+{key.id.hex()}, "
                            f"which entry {position} had retired",
                        )
                    )

    # -- the end ----------------------------------------------------------------------------------

    def compare_edge(self) -> None:
        """Compare what the database says of its end with what was signed, and with what is there."""
        size, head, edge = self.frontier.size, self.head, self.edge
        if head is None:
            return
        if edge is not None and edge.size != -1:
            said = (edge.origin, edge.size, edge.last)
            if said != (head.origin, head.size, head.last or BEFORE_FIRST):
                self.findings.append(
                    _whole(Wrong.EDGE, "the row that says where the ledger ends was changed")
                )
            elif self.frontier.root() == head.root and edge.peaks != self.frontier.packed():
                self.findings.append(
                    _whole(Wrong.EDGE, "the stored peaks of the tree are not those of its entries")
                )
        if size < head.size:
            self.findings.append(
                Finding(
                    wrong=Wrong.CUT_OFF,
                    position=size,
                    until=head.size,
                    detail=f"{head.size} entries were signed, {size} are there",
                )
            )

    def explain(self, source: Source) -> None:
        """Find out what was done, and say that instead of that something was."""
        newest = self.checkpoints[-1][0] if self.checkpoints else None
        diagnosis = diagnose(source.rows(), self.head or newest)
        said = _UNEXPLAINED if diagnosis.proven else frozenset()
        others = [finding for finding in self.findings if finding.wrong not in said]
        self.findings = [*diagnosis.findings, *(f for f in others if f not in diagnosis.findings)]


def sound(row: Row, expected: int, last: bytes, leaf: bytes) -> bool:
    """Whether an entry says what its place, the entry before, and its columns say."""
    text, columns = row.text, row.columns
    links = f',"n":{expected},"prev":"{last.hex()}","utc":"'
    if row.position != expected or not text.startswith(links, len(text) - len(links) - _STAMP):
        return False
    if columns is None:
        return True
    begin = text.rfind(',"call":"')
    header = f',"call":"{columns.call}","kind":"{columns.kind}","mono":'
    return columns.leaf == leaf and text.startswith(header, begin) and _moment(text) == columns.utc


def _moment(text: str) -> int | None:
    try:
        return microseconds(datetime.fromisoformat(text[-_STAMP:-_VERSION]))
    except (ValueError, TypeError):
        return None


def _rolled_back(head: Checkpoint, outside: Checkpoint) -> Finding:
    return Finding(
        wrong=Wrong.ROLLED_BACK,
        position=head.size,
        until=outside.size,
        detail=f"a checkpoint from outside ({outside.utc:%Y-%m-%d %H:%M:%S} UTC) was signed over "
        f"{outside.size} entries; this ledger, signed over {head.size}, is an older state of itself",
    )


def _whole(wrong: Wrong, detail: str) -> Finding:
    return Finding(wrong=wrong, position=None, detail=detail)
