"""Leases and locks of a pool: who lives, who is taken for dead, and that it really is."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from callguard.config import Config
from callguard.consent.words import Outcome
from callguard.controller import pool as pools
from callguard.controller.pool import Pool
from callguard.controller.presence import Presence
from callguard.errors import AsteriskError, LedgerError
from callguard.ledger import Entry, open_ledger
from callguard.ledger.bodies import Arrived, Ended, TakenUp
from callguard.ledger.database import parse_url, reading_engine
from callguard.ledger.leases import Lease, Leases, Watch
from callguard.ledger.turns import Turns

LEASE = 2.0

#: A controller of a pool that does nothing but live: it says so, and whose calls it takes up. Told a line, it
#: hangs in the middle of a write.
MEMBER = """
import asyncio, os, signal, sqlite3, sys
import structlog
from callguard.controller.pool import Pool
from tests.unit.test_pool import config

async def main(name, place):
    pool = Pool(config(place, name))
    await pool.enter()
    await pool.join()
    async def take_up(member):
        print("takes", member, flush=True)
    pool.serve(take_up, lambda: None)
    print("lives", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    ledger = sqlite3.connect(f"{place}/ledger.db", isolation_level=None)
    ledger.execute("begin immediate")
    os.kill(os.getpid(), signal.SIGSTOP)

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
asyncio.run(main(*sys.argv[1:]))
"""


def config(place: str | Path, name: str) -> Config:
    return Config.model_validate(
        {
            "site": {"name": "Us", "country": "US"},
            "asterisk": {"ari": {"password": "p"}, "ami": {"password": "p"}},
            "queues": {"sales": {}},
            "ledger": {"url": f"sqlite:///{place}/ledger.db"},
            "control": {"state": f"{place}/state"},
            "pool": {"name": name, "members": ["a", "b"], "lease_seconds": LEASE},
        }
    )


@pytest.fixture
async def place(tmp_path: Path) -> Path:
    """Where a ledger is."""
    ledger = await open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    await ledger.close()
    return tmp_path


@contextlib.contextmanager
def member(place: Path, name: str):
    process = subprocess.Popen(
        [sys.executable, "-c", MEMBER, name, str(place)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


async def says(process: subprocess.Popen, timeout: float = 20.0) -> str:
    async with asyncio.timeout(timeout):
        return (await asyncio.to_thread(process.stdout.readline)).strip()


# ---------------------------------------------------------------------- two processes


async def test_the_calls_of_one_that_is_killed_are_taken_up_at_once(place: Path) -> None:
    with member(place, "a") as a, member(place, "b") as b:
        assert [await says(a), await says(b)] == ["lives", "lives"]
        a.kill()
        a.wait()
        assert await says(b, LEASE) == "takes a"


async def test_one_that_hangs_is_ended_before_its_calls_are_taken_up(place: Path) -> None:
    with member(place, "a") as a, member(place, "b") as b:
        assert [await says(a), await says(b)] == ["lives", "lives"]
        os.kill(a.pid, signal.SIGSTOP)
        assert await says(b, LEASE + 5) == "takes a"
        # Whoever is dead cannot wake up and write.
        assert a.wait(1) == -signal.SIGKILL


async def test_one_that_hangs_in_a_write_keeps_the_ledger_from_nobody_for_long(place: Path) -> None:
    with member(place, "a") as a, member(place, "b") as b:
        assert [await says(a), await says(b)] == ["lives", "lives"]
        a.stdin.write("\n")
        a.stdin.flush()
        assert await says(b, LEASE + 5) == "takes a"
        assert a.wait(1) == -signal.SIGKILL


async def test_a_short_freeze_costs_nobody_anything(place: Path) -> None:
    with member(place, "a") as a, member(place, "b") as b:
        assert [await says(a), await says(b)] == ["lives", "lives"]
        os.kill(a.pid, signal.SIGSTOP)
        await asyncio.sleep(LEASE / 2)
        os.kill(a.pid, signal.SIGCONT)
        with pytest.raises(TimeoutError):
            await says(b, LEASE + 1)
        assert a.poll() is None


async def test_one_whose_lease_is_anothers_ends_by_itself(place: Path) -> None:
    with member(place, "a") as a:
        assert await says(a) == "lives"
        thief = Leases(f"sqlite:///{place}/ledger.db", "b", "here")
        thief.take()
        while not thief.seize(next(each for each in thief.beat() or () if each.member == "a")):
            pass
        assert await asyncio.to_thread(a.wait, LEASE + 2) == pools.TAKEN


async def test_one_that_comes_back_waits_until_it_is_the_only_one_of_its_name(place: Path) -> None:
    with member(place, "a") as first:
        assert await says(first) == "lives"
        with member(place, "a") as second:
            waiting = asyncio.create_task(says(second))
            await asyncio.sleep(2.0)
            assert not waiting.done()
            first.kill()
            first.wait()
            assert await waiting == "lives"


async def test_what_could_not_be_taken_up_is_tried_again(place: Path) -> None:
    with member(place, "a") as a:
        assert await says(a) == "lives"
        tried: list[str] = []

        async def take_up(name: str) -> None:
            tried.append(name)
            if len(tried) < 3:
                raise AsteriskError("Asterisk cannot be reached")

        pool = Pool(config(place, "b"))
        await pool.enter()
        await pool.join()
        pool.serve(take_up, lambda: None)
        a.kill()
        a.wait()
        async with asyncio.timeout(10):
            while len(tried) < 3:
                await asyncio.sleep(0.05)
        await asyncio.sleep(1.0)
        await pool.leave()
        assert tried == ["a"] * 3


# ---------------------------------------------------------------------- leases


def row(beats: int, holder: str = "x") -> Lease:
    return Lease("a", "here", holder, beats)


def test_silence_is_measured_by_the_watchers_own_clock() -> None:
    watch = Watch(longest_gap=2.0)
    assert watch.look(10.0, [row(1)]) == {"a": 0.0}
    assert watch.look(11.0, [row(1)]) == {"a": 1.0}
    assert watch.look(12.5, [row(1)]) == {"a": 2.5}
    assert watch.look(13.0, [row(2)]) == {"a": 0.0}
    assert watch.look(14.0, [row(2, "y")]) == {"a": 0.0}


def test_a_watcher_that_was_frozen_takes_nobody_for_dead() -> None:
    watch = Watch(longest_gap=2.0)
    watch.look(10.0, [row(1)])
    assert watch.look(500.0, [row(1)]) == {"a": 2.0}


async def test_a_lease_cannot_be_seized_from_one_that_has_said_something(place: Path) -> None:
    url = f"sqlite:///{place}/ledger.db"
    a, b = Leases(url, "a", "here"), Leases(url, "b", "here")
    a.take()
    b.take()
    seen = next(each for each in b.beat() or () if each.member == "a")
    a.beat()
    assert not b.seize(seen)
    assert a.beat() is not None
    assert b.seize(next(each for each in b.beat() or () if each.member == "a"))
    assert a.beat() is None


async def test_a_database_that_is_away_is_told(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="the leases of the pool cannot be used"):
        Leases(f"sqlite:///{tmp_path}/none/ledger.db", "a", "here").take()


# ---------------------------------------------------------------------- locks


def test_a_lock_is_ones_own_until_it_is_released(tmp_path: Path) -> None:
    one, other = Presence(tmp_path, "a"), Presence(tmp_path, "a")
    assert one.take() and not other.take()
    one.release()
    assert other.take() and not one.take()


def test_nobody_is_ended_who_does_not_hold_the_lock(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as bystander:
        (tmp_path / "a.lock").write_text(f"{bystander.pid} 1\n")
        assert not Presence(tmp_path, "a").end_holder()
        assert bystander.poll() is None
        bystander.kill()


# ---------------------------------------------------------------------- whose a call is


async def test_a_call_belongs_to_who_took_it_up_last(tmp_path: Path) -> None:
    calls = ["10000000-0000-4000-8000-00000000000" + str(number) for number in range(4)]
    url = f"sqlite:///{tmp_path}/ledger.db"
    a, b = await open_ledger(url, name="app-a"), await open_ledger(url, name="app-b")
    for ledger, call in zip((a, a, b, a), calls, strict=True):
        await ledger.append(Entry.now(Arrived(channel="1.2", caller="1", called="2"), call))
    await b.append(Entry.now(TakenUp(before="app-a"), calls[1]))
    await a.append(Entry.now(Ended(outcome=Outcome.FAULT), calls[3]))
    try:
        assert await a.open_calls(by="app-a") == [calls[0]]
        assert await a.open_calls(by="app-b") == calls[1:3]
        assert await a.open_calls(by="app") == []
        assert await a.open_calls() == calls[:3]
    finally:
        await a.close()
        await b.close()


async def test_one_controller_delivers_to_an_endpoint_and_then_another(place: Path) -> None:
    engine = reading_engine(parse_url(f"sqlite:///{place}/ledger.db"))
    one, other = Turns(engine), Turns(engine)
    assert one.mine("crm") and one.mine("crm")
    assert not other.mine("crm") and other.mine("billing")
    one.close()
    assert other.mine("crm")
    other.close()
