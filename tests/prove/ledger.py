"""The ledger: every forgery is named, no promise is broken by a power cut, the CRM learns all of it once."""

from __future__ import annotations

import asyncio
import base64
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from callguard.consent.words import Outcome
from callguard.errors import LedgerError
from callguard.ledger import Entry, Ledger, Settings, SigningKey
from callguard.ledger.bodies import Ended, Fault
from callguard.ledger.keys import PublicKey, read_public_keys
from callguard.ledger.source import DatabaseSource
from callguard.ledger.verify import verify
from callguard.ledger.webhook import Endpoint
from tests.bench import ledger as bench
from tests.prove.figures import at_least, exactly

sys.path.insert(0, str(Path(__file__).parent.parent))  # `fakes`, as in the tests

from fakes.crm import Crm, Moods
from fakes.postgres import Cluster
from fakes.tampering import ON_DATABASE, Copy, flip_byte, judge, make_ledger, on_export, tried
from fakes.writing import killed_while_writing

ENTRIES = 10_000
FLIPS = 3000
OF_EACH_OTHER = 150
KILLS = 200
FILE_FLIPS = 400
SERVER_KILLS = 10
SECRET = "whsec_" + base64.b64encode(b"thirty-two bytes of good secret!").decode()

Tell = Callable[[str], Any]


async def figures(tell: Tell) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="callguard-prove-", dir="build") as made:
        directory = Path(made).absolute()
        return [
            *await tampering(directory / "tampering", tell),
            *await power_cuts(directory / "cuts", tell),
            *await dying_server(tell),
            *await webhooks(directory / "webhooks", tell),
            *await bench.figures(_made(directory / "speed"), tell),
        ]


# -- forgeries ----------------------------------------------------------------------------------------

_copy: Copy
_keys: list[PublicKey]


def _load(path: Path, key: str) -> None:
    global _copy, _keys
    _copy, _keys = Copy.of(path), [PublicKey.parse(key)]


def _flipped(at: int) -> str:
    """One byte of the whole text, counted through all entries."""
    chance = random.Random(at)
    place, offset = 0, at
    while offset >= len(_copy.found[place].text.encode()):
        offset -= len(_copy.found[place].text.encode())
        place += 1
    harmed, harm = flip_byte(_copy, place, chance, offset)
    if at % 2:
        harmed = harmed.exported()
    return judge(verify(harmed, _keys), harm)


def _tampered(task: tuple[str, bool, int]) -> str:
    name, exported, place = task
    way = on_export(ON_DATABASE[name]) if exported else ON_DATABASE[name]
    return tried(_copy, _keys, way, place, random.Random(place))


def _file_flipped(task: tuple[Path, int]) -> str:
    """One byte of the database file: it is found, or every entry is still what it was."""
    path, at = task
    raw = bytearray(path.read_bytes())
    raw[at] ^= random.Random(at).randrange(1, 256)
    harmed = path.with_name(f"harmed-{os.getpid()}.db")
    harmed.write_bytes(raw)
    try:
        with DatabaseSource(f"sqlite:///{harmed}") as source:
            if not verify(source, _keys).ok:
                return "found"
    except LedgerError:
        return "found"
    return "harmless" if Copy.of(harmed) == _copy else "missed"


async def tampering(directory: Path, tell: Tell) -> list[dict[str, Any]]:
    path = _made(directory) / "ledger.db"
    key = await make_ledger(path, ENTRIES // 5)
    size = sum(len(row.text.encode()) for row in Copy.of(path).found)
    flips = [n * (size - 1) // (FLIPS - 1) for n in range(FLIPS)]
    tasks = [
        (name, exported, 1 + n * (ENTRIES - 3) // (OF_EACH_OTHER - 1))
        for name in ON_DATABASE
        for exported in (False, True)
        if not (exported and name in {"column", "drop and renumber"})
        for n in range(OF_EACH_OTHER)
    ]
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(2, initializer=_load, initargs=(path, str(key.public))) as pool:
        tell(f"{FLIPS} changed bytes, evenly over a ledger of {ENTRIES} entries")
        flipped = await loop.run_in_executor(None, lambda: list(pool.map(_flipped, flips, chunksize=25)))
        tell(f"{len(tasks)} swapped, dropped, doubled, moved, inserted, relabelled and cut-off entries")
        others = await loop.run_in_executor(None, lambda: list(pool.map(_tampered, tasks, chunksize=25)))
        tell(f"{FILE_FLIPS} changed bytes of the file itself")
        length = path.stat().st_size
        places = [(path, n * (length - 1) // (FILE_FLIPS - 1)) for n in range(FILE_FLIPS)]
        files = Counter(
            await loop.run_in_executor(None, lambda: list(pool.map(_file_flipped, places, chunksize=10)))
        )
    missed = [why for why in (*flipped, *others) if why]
    for why in missed[:5]:
        tell(why)
    return [
        at_least("forgeries tried", len(flips) + len(tasks), 5000, "mutations"),
        exactly("forgeries missed, or named wrongly", len(missed), 0, "mutations"),
        exactly("bytes of the file that changed an entry unseen", files["missed"], 0, f"of {FILE_FLIPS}"),
    ]


# -- power cuts -----------------------------------------------------------------------------------------


async def power_cuts(directory: Path, tell: Tell) -> list[dict[str, Any]]:
    _made(directory)
    url, key_file = f"sqlite:///{directory}/ledger.db", directory / "ledger.key"
    chance = random.Random(11)
    promised: dict[int, str] = {}
    for number in range(KILLS):
        if number % 50 == 0:
            tell(f"Killed {number} of {KILLS} times while writing")
        killed = await asyncio.to_thread(killed_while_writing, url, key_file, chance)
        promised |= killed.receipts
    tell(f"Looking for {len(promised):,} entries that were promised")
    with DatabaseSource(url) as source:
        leaves = {row.position: row.columns.leaf.hex() for row in source.rows() if row.columns}
        report = verify(source, read_public_keys(key_file.with_suffix(".pub")))
    missing = sum(leaves.get(position) != leaf for position, leaf in promised.items())
    return [
        exactly("kills (SIGKILL) under load", KILLS, 200, "kills"),
        at_least("entries promised by killed controllers", len(promised), 10_000, "entries"),
        exactly("of these missing or changed", missing, 0, "entries"),
        exactly("findings of the verifier after all kills", len(report.findings), 0, "findings"),
    ]


async def dying_server(tell: Tell) -> list[dict[str, Any]]:
    """PostgreSQL is stopped as by a power cut, again and again, under one controller that goes on."""
    cluster = await asyncio.to_thread(Cluster)
    key = SigningKey.generate()
    promised: list[int] = []
    try:
        url = cluster.new_database()
        async with Ledger(Settings(url=url, key=key)) as ledger:
            number = 0
            for kill in range(SERVER_KILLS):
                tell(f"PostgreSQL died {kill} of {SERVER_KILLS} times")
                stopping = asyncio.create_task(_stop_and_start(cluster))
                while not stopping.done() or not ledger.healthy:
                    numbers = range(number, number + 20)
                    number += 20
                    answers = await asyncio.gather(
                        *(ledger.append(Entry.now(Fault(where=str(n)))) for n in numbers),
                        return_exceptions=True,
                    )
                    promised += [
                        n for n, a in zip(numbers, answers, strict=True) if not isinstance(a, BaseException)
                    ]
                    await asyncio.sleep(0.002)
            await ledger.append(Entry.now(Fault(where="end")))
            stored = await ledger.entries(limit=1_000_000)
        with DatabaseSource(url) as source:
            report = verify(source, [key.public])
    finally:
        await asyncio.to_thread(cluster.stop)
    found = [int(e.content["where"]) for e in stored if e.kind == "fault" and e.content["where"] != "end"]
    return [
        exactly(
            "PostgreSQL: promised entries that are missing", len(set(promised) - set(found)), 0, "entries"
        ),
        exactly(
            "PostgreSQL: entries out of order, or twice", sum(found[i] != i for i in range(len(found))), 0
        ),
        exactly("PostgreSQL: findings of the verifier", len(report.findings), 0, "findings"),
    ]


async def _stop_and_start(cluster: Cluster) -> None:
    await asyncio.sleep(0.3)
    await asyncio.to_thread(cluster.stop_now)
    await asyncio.sleep(0.3)
    await asyncio.to_thread(cluster.start)


# -- webhooks ---------------------------------------------------------------------------------------------


async def webhooks(directory: Path, tell: Tell) -> list[dict[str, Any]]:
    _made(directory)
    calls, events = 300, 4
    tell(f"{calls * events} events to a CRM that fails, is slow, drops answers, and is killed in between")
    crm = Crm(SECRET, Moods(failing=0.1, slow=0.02, dropping=0.1))
    server = await crm.start()
    port = server.port or 0
    endpoint = Endpoint(
        name="crm",
        url=f"http://127.0.0.1:{port}/callguard",
        secrets=(SECRET,),
        events=("call.ended",),
        timeout=0.4,
        at_once=32,
    )
    async with Ledger(Settings(url=f"sqlite:///{directory}/ledger.db", endpoints=(endpoint,))) as ledger:
        for part in range(events):
            for call in range(calls):
                ledger.note(Entry.now(Ended(outcome=Outcome.GRANTED), f"call-{call}"))
            await crm.until((part + 1) * calls // 2, seconds=300)
            await server.close()
            server = await crm.start(port)
        await crm.until(calls * events, seconds=600)
        crm.moods = Moods()
        async with asyncio.timeout(120):
            while (await ledger.outbox()).get(("crm", "waiting")):
                await asyncio.sleep(0.05)
    await server.close()
    return [
        exactly("events at the CRM, each once by its key", crm.events, calls * events, "events"),
        exactly("calls whose events came out of order", len(crm.out_of_order()), 0, f"of {calls}"),
        at_least("attempts that this took", crm.attempts, calls * events, "attempts"),
    ]


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True)
    return directory
