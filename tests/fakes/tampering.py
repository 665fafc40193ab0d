"""Somebody who can write to a ledger's database or export, but does not have its key.

``Copy`` is a ledger in memory that the verifier reads like a database. Every tampering is a function
that harms a copy of its rows and says which entries must then be named, and by which words.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from callguard.consent.words import Form, Outcome
from callguard.ledger import Entry, Kind, Ledger, Settings, SigningKey
from callguard.ledger.bodies import Arrived, Capture, Consent, Ended, Routed
from callguard.ledger.findings import Report, Wrong
from callguard.ledger.keys import PublicKey
from callguard.ledger.source import Columns, EdgeRow, Row
from callguard.ledger.tree import leaf_hash
from callguard.ledger.verify import verify


async def write_calls(ledger: Ledger, calls: int, seed: int = 0) -> None:
    """Five entries per call, as a busy site would write them."""
    chance = random.Random(seed)
    began = datetime(2026, 11, 2, 8, tzinfo=UTC)
    last = None
    for count in range(calls):
        call = f"{chance.getrandbits(128):032x}"
        outcome = chance.choice([Outcome.GRANTED, Outcome.REFUSED, Outcome.NO_INPUT])
        bodies = [
            Arrived(channel=f"17000{count}.1", caller=f"+1415555{count % 10000:04}", called="+12065550100"),
            Consent(
                number=1,
                party="caller",
                outcome=outcome,
                form=Form.EXPLICIT,
                queue="sales",
                jurisdictions=("US-CA", "US-WA"),
                rule="US-CA",
                table="2026.11",
                answer={"form": "key", "value": "1", "confidence": 1000, "at_us": count},
                notes=("Zoë",),
            ),
            Routed(queue="sales", outcome=outcome),
            Capture(kind=Kind.CAPTURE_STARTED, number=2, recording=call, offset=0, rate=8000),
            Ended(outcome=outcome, captured_ms=chance.randrange(10**6)),
        ]
        for step, body in enumerate(bodies):
            moment = began + timedelta(seconds=count, milliseconds=step)
            last = ledger.append(Entry(body=body, call=call, utc=moment, monotonic=count + step / 1000))
        if count % 50 == 49 and last is not None:
            await last
    if last is not None:
        await last


async def make_ledger(path: Path, calls: int, **settings: object) -> SigningKey:
    """A closed ledger of ``5 * calls`` entries at ``path``."""
    key = SigningKey.generate()
    async with Ledger(Settings(url=f"sqlite:///{path}", key=key, **settings)) as ledger:  # type: ignore[arg-type]
        await write_calls(ledger, calls)
    return key


@dataclass(frozen=True)
class Copy:
    """A ledger in memory: a ``callguard.ledger.source.Source``."""

    found: Sequence[Row]
    head: EdgeRow
    kept: Sequence[str]
    terms: Sequence[tuple[str, str, int]]
    has_marks: bool = True

    @classmethod
    def of(cls, path: Path) -> Copy:
        """Read everything from a database file."""
        database = sqlite3.connect(path)
        rows = [
            Row(position, text, Columns(leaf, call, kind, utc))
            for position, call, kind, utc, leaf, text in database.execute(
                "SELECT position, call, kind, utc, leaf, text FROM entries ORDER BY position"
            )
        ]
        head = EdgeRow(*database.execute("SELECT origin, size, peaks, last, note FROM head").fetchone())
        kept = [note for (note,) in database.execute("SELECT note FROM checkpoints ORDER BY size")]
        terms = list(database.execute("SELECT value, field, position FROM terms"))
        database.close()
        return cls(rows, head, kept, terms)

    def exported(self) -> Copy:
        """The same as an export of JSON lines: texts and the signed edge, nothing else."""
        rows = [Row(place, row.text, None) for place, row in enumerate(self.found)]
        return Copy(rows, EdgeRow("", -1, b"", b"", self.head.note), self.kept, [], has_marks=False)

    def rows(self) -> Iterator[Row]:
        return iter(self.found)

    def count(self) -> int:
        return len(self.found)

    def notes(self) -> list[str]:
        return list(self.kept)

    def edge(self) -> EdgeRow | None:
        return self.head

    def marks(self) -> Iterator[tuple[str, str, int]]:
        return iter(self.terms)

    def damage(self) -> list[str]:
        return []


@dataclass(frozen=True)
class Harm:
    """What was done: which entries must be named, by which words, and which others may be."""

    positions: frozenset[int]
    words: frozenset[Wrong]
    beside: frozenset[int] = frozenset()


def judge(report: Report, harm: Harm) -> str:
    """What the verifier missed or got wrong; empty if nothing."""
    if report.ok:
        return "not noticed"
    named: set[int] = set()
    for finding in report.findings:
        if finding.position is None:
            continue
        covered = range(finding.position, finding.until or finding.position + 1)
        if finding.wrong in harm.words:
            named.update(n for n in harm.positions if n in covered)
        if not harm.positions & set(covered) and not harm.beside & set(covered):
            return f"blames the innocent: {finding}"
    if harm.positions - named:
        return f"does not name {sorted(harm.positions - named)}: {[str(f) for f in report.findings][:3]}"
    return ""


Tampering = Callable[[Copy, int, random.Random], tuple[Copy, Harm]]


def flip_byte(
    ledger: Copy, place: int, chance: random.Random, offset: int | None = None
) -> tuple[Copy, Harm]:
    """One byte of an entry becomes another."""
    raw = bytearray(ledger.found[place].text.encode())
    at = chance.randrange(len(raw)) if offset is None else offset
    raw[at] ^= chance.randrange(1, 256)
    text = raw.decode("utf-8", "surrogateescape")
    return _with(ledger, place, replace(ledger.found[place], text=text)), _harm(Wrong.CHANGED, place)


def flip_byte_and_hash(ledger: Copy, place: int, chance: random.Random) -> tuple[Copy, Harm]:
    """One byte becomes another, and the stored hash is put right."""
    harmed, harm = flip_byte(ledger, place, chance)
    return _with(ledger, place, resealed(harmed.found[place])), harm


def reverse_decision(ledger: Copy, place: int, chance: random.Random) -> tuple[Copy, Harm]:
    """The body says something else, in flawless encoding, hash and all."""
    row = ledger.found[place]
    content = json.loads(row.text)
    content["body"]["forged"] = chance.randrange(10**9)
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return _with(ledger, place, resealed(replace(row, text=text))), _harm(Wrong.CHANGED, place)


def change_column(ledger: Copy, place: int, chance: random.Random) -> tuple[Copy, Harm]:
    """A column by which the entry is found, or its stored hash, says something else."""
    row = ledger.found[place]
    columns = row.columns
    assert columns is not None
    changed = chance.choice(
        [
            replace(columns, call="0" * 32),
            replace(columns, kind="fault"),
            replace(columns, utc=columns.utc + 1),
            replace(columns, leaf=columns.leaf[:-1] + bytes([columns.leaf[-1] ^ 1])),
        ]
    )
    return _with(ledger, place, replace(row, columns=changed)), _harm(Wrong.MISLABELLED, place)


def swap(ledger: Copy, place: int, chance: random.Random) -> tuple[Copy, Harm]:
    """Two entries change places."""
    size = len(ledger.found)
    near_and_far = (place - 1, place + 1, place // 2, size - 1 - place)
    other = chance.choice([n for n in near_and_far if n != place and 0 <= n < size])
    rows = list(ledger.found)
    rows[place], rows[other] = (
        replace(rows[other], position=place),
        replace(rows[place], position=other),
    )
    return replace(ledger, found=rows), _harm(Wrong.SWAPPED, place, other)


def drop(ledger: Copy, place: int, chance: random.Random) -> tuple[Copy, Harm]:
    """An entry is taken out."""
    rows = [row for row in ledger.found if row.position != place]
    word = Wrong.CUT_OFF if place == len(rows) else Wrong.MISSING
    return replace(ledger, found=rows), _harm(word, place)


def drop_and_renumber(ledger: Copy, place: int, chance: random.Random) -> tuple[Copy, Harm]:
    """An entry is taken out, and those behind it move up."""
    harmed, harm = drop(ledger, place, chance)
    rows = [replace(row, position=n) for n, row in enumerate(harmed.found)]
    return replace(ledger, found=rows), replace(harm, beside=frozenset({place + 1}))


def duplicate(ledger: Copy, place: int, chance: random.Random) -> tuple[Copy, Harm]:
    """An entry stands there twice."""
    rows = list(ledger.found)
    rows.insert(chance.choice([place + 1, len(rows)]), ledger.found[place])
    rows = [replace(row, position=n) for n, row in enumerate(rows)]
    return replace(ledger, found=rows), Harm(
        frozenset({place}), frozenset({Wrong.DUPLICATED}), frozenset({place + 1})
    )


def move(ledger: Copy, place: int, chance: random.Random) -> tuple[Copy, Harm]:
    """An entry is taken out and put in somewhere else."""
    rows = list(ledger.found)
    row = rows.pop(place)
    to = (place + len(rows) // 3) % len(rows)
    rows.insert(to, row)
    rows = [replace(row, position=n) for n, row in enumerate(rows)]
    return replace(ledger, found=rows), _harm(Wrong.MOVED, place)


def insert(ledger: Copy, place: int, chance: random.Random) -> tuple[Copy, Harm]:
    """A forged entry is put in."""
    rows = list(ledger.found)
    text = rows[place].text.replace('"by":"', '"by":"forged', 1)
    rows.insert(place, resealed(replace(rows[place], text=text)))
    rows = [replace(row, position=n) for n, row in enumerate(rows)]
    return replace(ledger, found=rows), replace(
        _harm(Wrong.INSERTED, place), beside=frozenset({place, place + 1})
    )


def cut_off(ledger: Copy, place: int, chance: random.Random) -> tuple[Copy, Harm]:
    """Everything from an entry on is taken out."""
    return replace(ledger, found=ledger.found[:place]), Harm(
        frozenset(range(place, len(ledger.found))), frozenset({Wrong.CUT_OFF})
    )


def rewrite(ledger: Copy, place: int, chance: random.Random) -> tuple[Copy, Harm]:
    """An entry is forged, and every entry behind it is written anew so that the chain holds."""
    rows = list(ledger.found)
    rows[place] = resealed(replace(rows[place], text=rows[place].text.replace('"by":"', '"by":"forged', 1)))
    for n in range(place + 1, len(rows)):
        before = rows[n - 1].columns
        old = ledger.found[n - 1].columns
        assert before is not None
        assert old is not None
        text = rows[n].text.replace(f'"prev":"{old.leaf.hex()}"', f'"prev":"{before.leaf.hex()}"')
        rows[n] = resealed(replace(rows[n], text=text))
    words = frozenset({Wrong.REWRITTEN, Wrong.CHANGED})
    return replace(ledger, found=rows), Harm(frozenset({place}), words, frozenset(range(len(rows))))


#: What can be done to a database. Those that need columns make no sense on an export.
ON_DATABASE: dict[str, Tampering] = {
    "byte": flip_byte,
    "byte and hash": flip_byte_and_hash,
    "decision": reverse_decision,
    "column": change_column,
    "swap": swap,
    "drop": drop,
    "drop and renumber": drop_and_renumber,
    "duplicate": duplicate,
    "move": move,
    "insert": insert,
    "cut off": cut_off,
}


def on_export(tampering: Tampering) -> Tampering:
    """The same done to an export: only texts and their order remain."""

    def done(ledger: Copy, place: int, chance: random.Random) -> tuple[Copy, Harm]:
        harmed, harm = tampering(ledger, place, chance)
        return harmed.exported(), harm

    return done


def tried(
    ledger: Copy, keys: Sequence[PublicKey], tampering: Tampering, place: int, chance: random.Random
) -> str:
    """Tamper, verify, and say what the verifier got wrong."""
    harmed, harm = tampering(ledger, place, chance)
    return judge(verify(harmed, keys), harm)


def resealed(row: Row) -> Row:
    """The stored hash put right for the text: what a careful forger does."""
    assert row.columns is not None
    leaf = leaf_hash(row.text.encode("utf-8", "surrogateescape"))
    return replace(row, columns=replace(row.columns, leaf=leaf))


def _with(ledger: Copy, place: int, row: Row) -> Copy:
    rows = list(ledger.found)
    rows[place] = row
    return replace(ledger, found=rows)


def _harm(wrong: Wrong, *places: int) -> Harm:
    return Harm(frozenset(places), frozenset({wrong}))
