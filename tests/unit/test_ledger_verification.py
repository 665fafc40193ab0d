"""Whatever is done to a ledger without its key is found, and named exactly."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from callguard.errors import LedgerError
from callguard.ledger import Kind, Ledger, Settings, SigningKey
from callguard.ledger.export import json_lines
from callguard.ledger.findings import Report, Wrong
from callguard.ledger.keys import Checkpoint, PublicKey
from callguard.ledger.publishing import FileTarget, read_notes
from callguard.ledger.source import DatabaseSource, ExportSource, Source
from callguard.ledger.verify import verify
from fakes.tampering import (
    ON_DATABASE,
    Copy,
    flip_byte,
    judge,
    make_ledger,
    on_export,
    rewrite,
    tried,
    write_calls,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PublicKey, Copy]:
    path = tmp_path_factory.mktemp("made") / "ledger.db"
    key = asyncio.run(make_ledger(path, 80))
    return path, key.public, Copy.of(path)


@pytest.fixture
def path(made: tuple[Path, PublicKey, Copy], tmp_path: Path) -> Path:
    return Path(shutil.copy(made[0], tmp_path / "ledger.db"))


@pytest.fixture
def key(made: tuple[Path, PublicKey, Copy]) -> PublicKey:
    return made[1]


@pytest.fixture
def copy(made: tuple[Path, PublicKey, Copy]) -> Copy:
    return made[2]


def verified(source: Source, *keys: PublicKey, outside: tuple[str, ...] = ()) -> Report:
    return verify(source, keys, outside)


def of_file(path: Path, *keys: PublicKey, outside: tuple[str, ...] = ()) -> Report:
    with DatabaseSource(f"sqlite:///{path}") as source:
        return verified(source, *keys, outside=outside)


def change(path: Path, statement: str, *values: str) -> None:
    database = sqlite3.connect(path)
    with database:
        assert database.execute(statement, values).rowcount, "nothing was harmed, so this would show nothing"
    database.close()


def found(report: Report) -> set[tuple[Wrong, int | None]]:
    return {(finding.wrong, finding.position) for finding in report.findings}


def test_an_honest_ledger_is_in_order(path: Path, key: PublicKey, copy: Copy) -> None:
    report = of_file(path, key)
    assert report.ok, report.findings
    assert report.entries == 400
    assert report.signed_by == f"callguard+{key.id.hex()}"
    assert not report.outside
    assert verified(copy, key).ok
    assert verified(copy.exported(), key).ok


@pytest.mark.parametrize("name", ON_DATABASE)
def test_tampering_with_the_database_is_named(copy: Copy, key: PublicKey, name: str) -> None:
    chance = random.Random(name)
    for place in range(1, 400, 21):
        assert tried(copy, [key], ON_DATABASE[name], place, chance) == ""


@pytest.mark.parametrize("name", [name for name in ON_DATABASE if name != "column"])
def test_tampering_with_an_export_is_named(copy: Copy, key: PublicKey, name: str) -> None:
    chance = random.Random(name)
    for place in range(1, 400, 21):
        assert tried(copy, [key], on_export(ON_DATABASE[name]), place, chance) == ""


@pytest.mark.parametrize("place", [0, 200, 399])
def test_every_byte_of_an_entry_counts(copy: Copy, key: PublicKey, place: int) -> None:
    chance = random.Random(place)
    small = replace(copy, found=copy.found)
    for offset in range(0, len(copy.found[place].text.encode()), 7):
        harmed, harm = flip_byte(small, place, chance, offset)
        assert judge(verified(harmed, key), harm) == ""
        assert judge(verified(harmed.exported(), key), harm) == ""


def test_entries_written_anew_with_a_sound_chain_are_not_the_signed_ones(copy: Copy, key: PublicKey) -> None:
    assert tried(copy, [key], rewrite, 150, random.Random(1)) == ""


def test_two_forgeries_are_both_named(copy: Copy, key: PublicKey) -> None:
    chance = random.Random(3)
    harmed, _ = flip_byte(copy, 10, chance)
    harmed, _ = flip_byte(harmed, 300, chance)
    harmed = replace(harmed, found=[row for row in harmed.found if row.position != 111])
    assert found(verified(harmed, key)) == {
        (Wrong.CHANGED, 10),
        (Wrong.MISSING, 111),
        (Wrong.CHANGED, 300),
    }


ONE_LESS = (
    "UPDATE head SET note = replace(note, char(10) || '400' || char(10), char(10) || '399' || char(10))"
)

BY_SQL: dict[str, set[tuple[Wrong, int | None]]] = {
    "DELETE FROM entries WHERE position = 77": {(Wrong.MISSING, 77)},
    "DELETE FROM entries WHERE position >= 390": {(Wrong.CUT_OFF, 390)},
    "DELETE FROM entries": {(Wrong.CUT_OFF, 0)},
    "UPDATE entries SET text = replace(text, 'sales', 'Sales') WHERE position = 1": {(Wrong.CHANGED, 1)},
    "UPDATE entries SET text = x'ff00ff' WHERE position = 5": {(Wrong.CHANGED, 5)},
    "UPDATE entries SET text = 17, leaf = 'none' WHERE position = 5": {(Wrong.CHANGED, 5)},
    "UPDATE entries SET utc = 'yesterday' WHERE position = 5": {(Wrong.MISLABELLED, 5)},
    "UPDATE entries SET call = 'other' WHERE position = 5": {(Wrong.MISLABELLED, 5)},
    "DELETE FROM terms WHERE position = 10 AND field = 'caller'": {(Wrong.INDEX, 10)},
    "INSERT INTO terms VALUES ('+1', 'caller', 12)": {(Wrong.INDEX, 12)},
    "UPDATE head SET size = 399": {(Wrong.EDGE, None)},
    "UPDATE head SET peaks = x'00'": {(Wrong.EDGE, None)},
    "UPDATE head SET origin = 'callguard/other'": {(Wrong.EDGE, None)},
    "DELETE FROM head": {(Wrong.EDGE, None)},
    ONE_LESS: {(Wrong.CHECKPOINT, None)},
    "UPDATE head SET note = 'nothing'": {(Wrong.CHECKPOINT, None)},
    "UPDATE checkpoints SET note = replace(note, 'time 20', 'time 19')": {(Wrong.CHECKPOINT, None)},
}


@pytest.mark.parametrize(("statement", "expected"), BY_SQL.items())
def test_what_is_done_by_sql_is_named(
    path: Path, key: PublicKey, statement: str, expected: set[tuple[Wrong, int | None]]
) -> None:
    change(path, statement)
    assert found(of_file(path, key)) == expected


def test_a_wrong_key_proves_nothing(path: Path) -> None:
    report = of_file(path, SigningKey.generate().public)
    assert not report.ok
    assert {finding.wrong for finding in report.findings} == {Wrong.CHECKPOINT}


def test_a_database_that_is_none_is_an_error(tmp_path: Path, key: PublicKey) -> None:
    with pytest.raises(LedgerError, match="there is no ledger"):
        of_file(tmp_path / "none.db", key)
    (tmp_path / "text.db").write_text("hello, this is not a database at all" * 100)
    with pytest.raises(LedgerError, match="cannot be read as a ledger"):
        of_file(tmp_path / "text.db", key)


def test_broken_pages_are_named(path: Path, key: PublicKey) -> None:
    raw = bytearray(path.read_bytes())
    page = len(raw) // 2 // 4096 * 4096
    raw[page : page + 4096] = bytes(4096)
    path.write_bytes(raw)
    report = of_file(path, key)
    assert any(finding.wrong is Wrong.DAMAGED for finding in report.findings)


def test_no_flipped_byte_of_the_file_changes_an_entry_unseen(
    path: Path, key: PublicKey, copy: Copy, tmp_path: Path
) -> None:
    """A byte of the file may belong to nothing; then every entry is still what it was."""
    raw = path.read_bytes()
    chance = random.Random(5)
    harmed = tmp_path / "harmed.db"
    for _ in range(150):
        at = chance.randrange(len(raw))
        harmed.write_bytes(raw[:at] + bytes([raw[at] ^ chance.randrange(1, 256)]) + raw[at + 1 :])
        try:
            report = of_file(harmed, key)
        except LedgerError:
            continue
        if report.ok:
            assert Copy.of(harmed) == copy


def test_an_export_is_the_ledger(path: Path, key: PublicKey, tmp_path: Path) -> None:
    export = tmp_path / "export.jsonl"
    with DatabaseSource(f"sqlite:///{path}") as source:
        export.write_text("".join(f"{line}\n" for line in json_lines(source)))
    with ExportSource(export) as source:
        assert verified(source, key).ok
    lines = export.read_bytes().split(b"\n")
    lines[50], lines[60] = lines[60], lines[50]
    export.write_bytes(b"\n".join(lines))
    with ExportSource(export) as source:
        assert found(verified(source, key)) == {(Wrong.SWAPPED, 50), (Wrong.SWAPPED, 60)}


@pytest.mark.parametrize("name", ["cut", "split", "merge", "nothing"])
def test_line_ends_of_an_export_count(path: Path, key: PublicKey, tmp_path: Path, name: str) -> None:
    export = tmp_path / "export.jsonl"
    with DatabaseSource(f"sqlite:///{path}") as source:
        lines = [line.encode() for line in json_lines(source)]
    harm: dict[str, Callable[[], list[bytes]]] = {
        "cut": lambda: lines[:30],
        "split": lambda: [*lines[:30], lines[30][:50], lines[30][50:], *lines[31:]],
        "merge": lambda: [*lines[:30], lines[30] + b" " + lines[31], *lines[32:]],
        "nothing": list,
    }
    export.write_bytes(b"\n".join(harm[name]()) + b"\n")
    with ExportSource(export) as source:
        report = verified(source, key)
    assert not report.ok
    if name in {"split", "merge"}:
        assert (Wrong.CHANGED, 30) in found(report)


# -- roll-back and keys ---------------------------------------------------------------------------


async def test_a_ledger_put_back_to_an_older_state_is_found_by_checkpoints_outside(tmp_path: Path) -> None:
    path, outside = tmp_path / "ledger.db", tmp_path / "elsewhere" / "checkpoints"
    key = SigningKey.generate()
    settings = Settings(url=f"sqlite:///{path}", key=key, targets=(FileTarget(outside),))
    async with Ledger(settings) as ledger:
        await write_calls(ledger, 20)
    older = Path(shutil.copy(path, tmp_path / "older.db"))
    async with Ledger(settings) as ledger:
        await write_calls(ledger, 20, seed=9)
    notes = tuple(read_notes(outside))
    assert [Checkpoint.parse(note).size for note in notes] == [100, 200]
    assert of_file(path, key.public, outside=notes).ok
    assert of_file(older, key.public).ok, "by itself, an older state is a sound ledger"
    assert found(of_file(older, key.public, outside=notes)) == {(Wrong.ROLLED_BACK, 100)}

    shutil.copy(older, path)
    with pytest.raises(LedgerError, match="put back to an older state"):
        await Ledger(settings).open()


async def test_a_tail_cut_off_down_to_a_kept_checkpoint_is_found_by_checkpoints_outside(
    tmp_path: Path,
) -> None:
    path, outside = tmp_path / "ledger.db", tmp_path / "checkpoints"
    key = SigningKey.generate()
    settings = Settings(url=f"sqlite:///{path}", key=key, targets=(FileTarget(outside),))
    for seed in range(2):
        async with Ledger(settings) as ledger:
            await write_calls(ledger, 20, seed)
    copy = Copy.of(path)
    cut = replace(
        copy,
        found=copy.found[:100],
        head=replace(copy.head, note=copy.kept[0]),
        kept=copy.kept[:1],
        terms=[term for term in copy.terms if term[2] < 100],
    )
    assert Wrong.ROLLED_BACK in {
        f.wrong for f in verified(cut, key.public, outside=tuple(read_notes(outside))).findings
    }


async def test_checkpoints_of_another_ledger_do_not_count(tmp_path: Path, path: Path, key: PublicKey) -> None:
    other = tmp_path / "other.db"
    theirs = await make_ledger(other, 2)
    note = Copy.of(other).head.note
    assert found(of_file(path, key, theirs.public, outside=(note,))) == {(Wrong.FOREIGN, None)}


async def test_after_a_change_of_keys_old_and_new_checkpoints_hold(tmp_path: Path) -> None:
    path, key_file = tmp_path / "ledger.db", tmp_path / "keys" / "ledger.key"
    settings = Settings(url=f"sqlite:///{path}", key_file=key_file)
    async with Ledger(settings) as ledger:
        await write_calls(ledger, 2)
        old = SigningKey.load(key_file)
        new = await ledger.change_key()
        await write_calls(ledger, 2, seed=1)
        (entry,) = await ledger.entries(kinds=[Kind.KEY_CHANGED])
    assert entry.content == {"old": str(old.public), "new": str(new)}
    public = [PublicKey.parse(line) for line in key_file.with_suffix(".pub").read_text().splitlines()]
    assert public == [old.public, new]
    report = of_file(path, *public)
    assert report.ok
    assert report.signed_by == f"callguard+{new.id.hex()}"
    assert not of_file(path, old.public).ok


async def test_a_controller_takes_the_key_that_another_one_changed_to(tmp_path: Path) -> None:
    path, key_file = tmp_path / "ledger.db", tmp_path / "ledger.key"
    settings = Settings(url=f"sqlite:///{path}", key_file=key_file)
    async with Ledger(settings) as first, Ledger(settings) as second:
        await write_calls(first, 1)
        await write_calls(second, 1)
        new = await first.change_key()
        await write_calls(second, 1)
    report = of_file(
        path, *[PublicKey.parse(line) for line in key_file.with_suffix(".pub").read_text().splitlines()]
    )
    assert report.ok
    assert report.signed_by == f"callguard+{new.id.hex()}"


async def test_a_retired_key_cannot_sign_again(tmp_path: Path) -> None:
    """Whoever stole an old key cannot rewrite what came after it was retired."""
    path, key_file = tmp_path / "ledger.db", tmp_path / "ledger.key"
    async with Ledger(Settings(url=f"sqlite:///{path}", key_file=key_file)) as ledger:
        old = SigningKey.load(key_file)
        new = await ledger.change_key()
        await write_calls(ledger, 1)
    head = Copy.of(path).head
    signed = Checkpoint.parse(head.note)
    forged = Checkpoint.sign(signed.origin, signed.size, signed.root, signed.last, signed.utc, old)
    change(path, "UPDATE head SET note = ?", forged)
    report = of_file(path, old.public, new)
    assert [finding.wrong for finding in report.findings] == [Wrong.CHECKPOINT]
    assert "retired" in report.findings[0].detail
