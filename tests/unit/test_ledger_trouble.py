"""The database is locked, full, gone, hung or killed: no false promise, and no lost order."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from callguard.errors import LedgerError
from callguard.ledger import Entry, Ledger, Settings, SigningKey, Trouble, open_ledger
from callguard.ledger.bodies import Fault
from callguard.ledger.database import parse_url, writing_engine
from callguard.ledger.keys import read_public_keys
from callguard.ledger.pen import Pen
from callguard.ledger.source import DatabaseSource
from callguard.ledger.verify import verify
from fakes import full_disk
from fakes.doubtful import DoubtfulLine
from fakes.postgres import Cluster
from fakes.writing import killed_while_writing

KEY = SigningKey.generate()


def fault(where: object) -> Entry:
    return Entry.now(Fault(where=str(where)))


class Told:
    """What the ledger tells of its health."""

    def __init__(self, ledger: Ledger) -> None:
        self.reasons: list[str | None] = []
        self.over = asyncio.Event()
        self.begun = asyncio.Event()
        ledger.on_trouble(self.note)

    def note(self, trouble: Trouble | None) -> None:
        self.reasons.append(None if trouble is None else trouble.reason)
        (self.over if trouble is None else self.begun).set()

    async def until_over(self) -> None:
        async with asyncio.timeout(15):
            await self.over.wait()


def places(stored: list[str], names: list[str]) -> list[int]:
    return [stored.index(name) for name in names]


async def stored(ledger: Ledger) -> list[str]:
    return [entry.content.get("where", entry.kind) for entry in await ledger.entries(limit=10_000)]


def assert_sound(url: str, *keys: SigningKey) -> None:
    with DatabaseSource(url) as source:
        report = verify(source, [key.public for key in keys or (KEY,)])
    assert report.ok, [str(finding) for finding in report.findings]


async def test_a_locked_database_refuses_within_two_seconds_and_catches_up_in_order(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    loop = asyncio.get_running_loop()
    async with await open_ledger(url, KEY) as ledger:
        told = Told(ledger)
        await ledger.append(fault("before"))
        other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        begun = loop.time()
        with pytest.raises(LedgerError, match=r"cannot be written since .*locked"):
            await ledger.append(fault("one"))
        assert loop.time() - begun < 2.0
        assert not ledger.healthy
        begun = loop.time()
        for name in ("two", "three"):
            with pytest.raises(LedgerError, match="locked"):
                await ledger.append(fault(name))
        assert loop.time() - begun < 0.1, "once trouble is known nobody waits for it again"
        other.execute("ROLLBACK")
        other.close()
        await told.until_over()
        await ledger.append(fault("after"))
        assert ledger.healthy
        assert await stored(ledger) == ["before", "one", "two", "three", "ledger.recovered", "after"]
        (recovered,) = [e for e in await ledger.entries() if e.kind == "ledger.recovered"]
        assert (recovered.content["late"], recovered.content["lost"]) == (3, 0)
        assert told.reasons == ["database is locked", None]
    assert_sound(url)


async def test_memory_is_bounded_while_the_database_is_away_and_the_loss_is_told(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    async with Ledger(Settings(url=url, key=KEY, memory=5)) as ledger:
        told = Told(ledger)
        other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        for number in range(9):
            with pytest.raises(LedgerError):
                await ledger.append(fault(number))
        other.execute("ROLLBACK")
        other.close()
        await told.until_over()
        await ledger.append(fault("after"))
        assert await stored(ledger) == ["0", "1", "2", "3", "4", "ledger.recovered", "after"]
        (recovered,) = [e for e in await ledger.entries() if e.kind == "ledger.recovered"]
        assert (recovered.content["late"], recovered.content["lost"]) == (5, 4)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_a_full_disk(tmp_path: Path) -> None:
    how = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    done = subprocess.run(
        ["unshare", "--mount", *how, sys.executable, full_disk.__file__, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert "full" in seen["refusal"]
    assert not seen["healthy_when_full"]
    assert seen["troubles"][-1] is None
    assert [name for name in seen["stored"] if name != "ledger.recovered"] == [
        "before",
        *map(str, range(200)),
        "after",
    ]
    assert seen["verified"]


async def test_a_database_that_was_taken_away_is_noticed_and_not_made_anew(tmp_path: Path) -> None:
    url, path = f"sqlite:///{tmp_path}/ledger.db", tmp_path / "ledger.db"
    async with await open_ledger(url, KEY) as ledger:
        told = Told(ledger)
        await ledger.append(fault("before"))
        away = tmp_path / "away"
        away.mkdir()
        for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
            (tmp_path / name).rename(away / name)
        with pytest.raises(LedgerError, match=r"is gone .* put it back"):
            await ledger.append(fault("one"))
        assert not path.exists()
        for name in ("ledger.db-wal", "ledger.db-shm", "ledger.db"):
            (away / name).rename(tmp_path / name)
        await told.until_over()
        await ledger.append(fault("after"))
        assert await stored(ledger) == ["before", "one", "ledger.recovered", "after"]
    assert_sound(url)


async def test_a_database_put_back_to_an_older_state_is_refused_while_running(tmp_path: Path) -> None:
    url, path = f"sqlite:///{tmp_path}/ledger.db", tmp_path / "ledger.db"
    async with await open_ledger(url, KEY) as ledger:
        await ledger.append(fault("old"))
    older = path.read_bytes()
    ledger = await open_ledger(url, KEY)
    await ledger.append(fault("newer"))
    copy = tmp_path / "copy.db"
    copy.write_bytes(older)
    for name in ("ledger.db-wal", "ledger.db-shm"):
        (tmp_path / name).unlink()
    copy.rename(path)
    with pytest.raises(LedgerError, match="rolled back: entry 1, which was durable, is gone"):
        await ledger.append(fault("one"))
    with pytest.raises(LedgerError, match="1 entries were never made durable"):
        await ledger.close()


async def test_what_was_appended_is_written_at_close(url: str) -> None:
    ledger = await open_ledger(url, KEY)
    for number in range(2000):
        ledger.note(fault(number))
    await ledger.close()
    async with await open_ledger(url, KEY) as again:
        assert await again.size() == 2000
    assert_sound(url)


async def test_a_ledger_of_a_newer_callguard_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    async with await open_ledger(url, KEY):
        pass
    database = sqlite3.connect(tmp_path / "ledger.db")
    with database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(LedgerError, match="newer callguard, so upgrade"):
        await open_ledger(url, KEY)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://x/y", "'mysql'"),
        ("sqlite://", "names no file"),
        ("nonsense", "no database URL"),
        ("postgresql://nobody@127.0.0.1:1/none", "cannot be opened"),
        ("sqlite:////proc/none/ledger.db", "mend the path"),
    ],
)
async def test_a_ledger_that_cannot_be_opened_says_what_to_do(url: str, says: str) -> None:
    with pytest.raises(LedgerError, match=says):
        await open_ledger(url, KEY)


# -- killed -----------------------------------------------------------------------------------------


def test_what_a_killed_controller_was_told_is_durable_is_there(tmp_path: Path) -> None:
    """The quick version; `make prove` does it 200 times."""
    url, key_file = f"sqlite:///{tmp_path}/ledger.db", tmp_path / "ledger.key"
    chance = random.Random(7)
    durable: dict[int, str] = {}
    for _ in range(8):
        durable |= killed_while_writing(url, key_file, chance).receipts
        with DatabaseSource(url) as source:
            leaves = {row.position: row.columns.leaf.hex() for row in source.rows() if row.columns}
            report = verify(source, read_public_keys(key_file.with_suffix(".pub")))
        assert report.ok, [str(finding) for finding in report.findings]
        assert durable.items() <= leaves.items()
    assert len(durable) > 500, "hardly anything was written, so this showed nothing"


# -- PostgreSQL ---------------------------------------------------------------------------------------


@pytest.fixture
def own_postgres() -> Iterator[Cluster]:
    cluster = Cluster()
    yield cluster
    cluster.stop()


async def test_a_server_that_dies_under_load_loses_nothing_it_promised(own_postgres: Cluster) -> None:
    url = own_postgres.new_database()
    async with await open_ledger(url, KEY) as ledger:
        told = Told(ledger)
        promised: list[int] = []
        refused: list[int] = []

        async def lane(start: int) -> None:
            for number in range(start, 4000, 40):
                try:
                    await ledger.append(fault(number))
                    promised.append(number)
                except LedgerError:
                    refused.append(number)
                    await told.until_over()

        lanes = [asyncio.create_task(lane(start)) for start in range(40)]
        while len(promised) < 300:
            await asyncio.sleep(0.005)
        await asyncio.to_thread(own_postgres.stop_now)
        async with asyncio.timeout(10):
            await told.begun.wait()
        await asyncio.to_thread(own_postgres.start)
        await asyncio.gather(*lanes)
        names = [name for name in await stored(ledger) if name != "ledger.recovered"]
    assert refused, "nothing was under way when the server died, so this showed nothing"
    assert sorted(map(int, names)) == list(range(4000)), (
        "each exactly once, also those whose commit was in doubt"
    )
    for start in range(40):
        own = [int(name) for name in names if int(name) % 40 == start]
        assert own == sorted(own)
    assert_sound(url)


async def test_a_commit_whose_answer_was_lost_is_not_done_twice(postgres: Cluster, tmp_path: Path) -> None:
    url = postgres.new_database()
    name = url.partition("@/")[2].partition("?")[0]
    line = DoubtfulLine(postgres.home, tmp_path)
    await line.open()
    async with await open_ledger(f"postgresql://callguard@/{name}?host={tmp_path}", KEY) as ledger:
        told = Told(ledger)
        await ledger.append(fault("before"))
        line.break_at_commit = True
        group = [ledger.append(fault(number)) for number in range(5)]
        answers = await asyncio.gather(*group, return_exceptions=True)
        assert all(isinstance(answer, LedgerError) for answer in answers), "in doubt is not durable"
        ledger.note(fault("later"))
        await told.until_over()
        await ledger.append(fault("after"))
        names = [where for where in await stored(ledger) if where != "ledger.recovered"]
    await line.close()
    assert line.broken == 1
    assert names == ["before", "0", "1", "2", "3", "4", "later", "after"]
    assert_sound(url)


async def test_commits_are_made_to_survive_a_power_cut(url: str) -> None:
    """Whatever the server or the library would do by themselves."""
    pen = Pen(writing_engine(parse_url(url)))
    with pen.transaction():
        if url.startswith("sqlite"):
            assert pen.run(text("PRAGMA journal_mode")) == ("wal",)
            assert pen.run(text("PRAGMA synchronous")) == (2,), "FULL"
        else:
            assert pen.run(text("SHOW synchronous_commit")) == ("on",)
    pen.close()


async def test_a_server_that_hangs_is_given_up_at_the_deadline(own_postgres: Cluster) -> None:
    url = own_postgres.new_database()
    loop = asyncio.get_running_loop()
    async with Ledger(Settings(url=url, key=KEY, deadline=0.5)) as ledger:
        told = Told(ledger)
        await ledger.append(fault("before"))
        own_postgres.freeze()
        try:
            begun = loop.time()
            with pytest.raises(LedgerError, match="does not answer"):
                await ledger.append(fault("one"))
            assert loop.time() - begun < 1.5
            with pytest.raises(LedgerError, match="does not answer"):
                await ledger.append(fault("two"))
        finally:
            own_postgres.thaw()
        await told.until_over()
        await ledger.append(fault("after"))
        names = [name for name in await stored(ledger) if name != "ledger.recovered"]
        assert names == ["before", "one", "two", "after"]
    assert_sound(url)
