"""What durability costs: entries a second, the wait on the call path, and how fast a ledger is verified.

Ratios are to plain SQLite in the same run: one row of the same size, one commit, WAL and synchronous=FULL.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from callguard.consent.words import Form, Outcome
from callguard.ledger import Entry, Kind, Ledger, Settings, SigningKey
from callguard.ledger.bodies import AnyBody, Arrived, Capture, Consent, Ended, Routed
from callguard.ledger.source import DatabaseSource
from callguard.ledger.verify import verify
from tests.prove.figures import exactly, figure

#: Callers a second at which the wait is measured, and for how long, seconds.
RATE = 100
SECONDS = 10


def bodies(number: int) -> list[AnyBody]:
    """The entries of one call."""
    return [
        Arrived(channel=f"17000{number}.1", caller=f"+1415555{number % 10000:04}", called="+12065550100"),
        Consent(
            number=1,
            party="caller",
            outcome=Outcome.GRANTED,
            form=Form.EXPLICIT,
            queue="sales",
            jurisdictions=("US-CA", "US-WA"),
            rule="US-CA",
            table="2026.11 3f2a",
            statutes=("Cal. Penal Code 632",),
            heard=(
                {
                    "prompt": "announcement",
                    "language": "en",
                    "media": ["sound:/var/lib/callguard/prompts/0123456789abcdef"],
                    "sha256": "ab" * 32,
                    "length_ms": 5250,
                    "started_us": 1_000_000,
                    "ended_us": 6_250_000,
                    "completely": True,
                },
            ),
            answer={"form": "key", "value": "1", "confidence": 1000, "at_us": 7_000_000},
            attempts=1,
            decided_us=7_000_000,
        ),
        Routed(queue="sales", outcome=Outcome.GRANTED),
        Capture(kind=Kind.CAPTURE_STARTED, number=2, recording="r", offset=0, rate=8000),
        Ended(outcome=Outcome.GRANTED, captured_ms=60_000),
    ]


def plain_commits(directory: Path, seconds: float = 2.0) -> tuple[float, list[float]]:
    """Commits a second of plain SQLite, one row each, and how long each took (seconds)."""
    database = sqlite3.connect(directory / "plain.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE entries (position INTEGER PRIMARY KEY, text TEXT)")
    took = []
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT INTO entries (text) VALUES (?)", ("x" * 700,))
        database.execute("COMMIT")
        took.append(time.perf_counter() - began)
    database.close()
    return len(took) / sum(took), took


async def burst(ledger: Ledger, calls: int) -> float:
    """Entries a second when they come as fast as they can."""
    began = time.perf_counter()
    waiting = []
    for number in range(calls):
        call = f"{number:032x}"
        waiting += [ledger.append(Entry.now(body, call)) for body in bodies(number)]
        if len(waiting) > 20_000:
            await asyncio.gather(*waiting)
            waiting = []
    await asyncio.gather(*waiting)
    return 5 * calls / (time.perf_counter() - began)


async def waits(ledger: Ledger) -> tuple[list[float], float]:
    """How long a call waits for its consent entry (seconds), and CPU seconds per call in all."""
    took: list[float] = []

    async def call(number: int) -> None:
        first, consent, *rest = bodies(number)
        identity = f"{number:032x}"
        ledger.note(Entry.now(first, identity))
        began = time.perf_counter()
        await ledger.append(Entry.now(consent, identity))
        took.append(time.perf_counter() - began)
        for body in rest:
            ledger.note(Entry.now(body, identity))

    calls = RATE * SECONDS
    cpu, began, tasks = time.process_time(), time.perf_counter(), []
    for number in range(calls):
        await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
        tasks.append(asyncio.create_task(call(number)))
    await asyncio.gather(*tasks)
    return took, (time.process_time() - cpu) / calls


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def figures(
    directory: Path, tell: Callable[[str], Any], entries: int = 1_000_000
) -> list[dict[str, Any]]:
    """Measure, in ``directory`` (on the disk that is meant)."""
    tell("Plain SQLite commits")
    plain, plain_took = await asyncio.to_thread(plain_commits, directory)
    key = SigningKey.generate()
    url = f"sqlite:///{directory}/ledger.db"
    tell(f"The wait of {RATE} calls/s")
    async with Ledger(Settings(url=url, key=key)) as ledger:
        took, cpu = await waits(ledger)
        tell(f"{entries:,} entries as fast as they come")
        speed = await burst(ledger, (entries - 5 * RATE * SECONDS) // 5)
    tell("Verifying them")

    def verified() -> tuple[bool, int, float]:
        with DatabaseSource(url) as source:
            report = verify(source, [key.public])
        return report.ok, report.entries, report.seconds

    ok, size, seconds = await asyncio.to_thread(verified)
    p50, p99 = 1000 * percentile(took, 0.5), 1000 * percentile(took, 0.99)
    raw50, raw99 = 1000 * percentile(plain_took, 0.5), 1000 * percentile(plain_took, 0.99)
    return [
        figure("plain SQLite, one row a commit", round(plain), "commits/s", "-", True),
        figure("durable entries, group commit", round(speed), "entries/s", "-", True),
        figure("that is, to plain SQLite commits", speed / plain, "x", "-", True),
        figure("plain SQLite commit, p50", raw50, "ms", "-", True),
        figure("plain SQLite commit, p99", raw99, "ms", "-", True),
        figure(f"added wait at {RATE} calls/s, p50", p50, "ms", "-", True),
        figure(f"added wait at {RATE} calls/s, p99", p99, "ms", "-", True),
        figure(f"CPU per call at {RATE} calls/s, five entries", 1000 * cpu, "ms", "-", True),
        figure("mean of the wait", 1000 * statistics.fmean(took), "ms", "-", True),
        exactly("entries verified", size if ok else 0, entries, "entries"),
        figure("verified", round(size / seconds), "entries/s", "-", True),
    ]
