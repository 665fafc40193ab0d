"""Worker processes: one that dies, hangs or talks nonsense is replaced, and others are not disturbed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from callguard.speech import Meaning, Pocketsphinx, SpeechError, Thresholds
from callguard.speech.workers import WorkerLostError, Workers
from fakes.speech_worker import DIES, FINE, HALF, HANGS, TALKS

MODULE = "fakes.speech_worker"
THRESHOLDS = Thresholds(phrase=0.9, half=0.9, bare=0.9, no=0.5)


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[1]}:{Path(__file__).parents[2]}")
    yield


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    made = Workers(2, module=MODULE)
    await made.start()
    yield made
    await made.close()


async def ask(workers: Workers, what: int, patience: float = 5.0) -> str:
    return str((await workers.ask(8000, memoryview(bytes([what]) * 100), patience=patience))["words"])


async def test_an_answer_comes_back_from_a_process(workers: Workers) -> None:
    assert await ask(workers, FINE) == "8000 100"


@pytest.mark.parametrize("fault", [DIES, TALKS])
async def test_a_bad_worker_is_replaced_by_another(workers: Workers, fault: int) -> None:
    for _ in range(3):
        with pytest.raises(WorkerLostError, match="failed"):
            await ask(workers, fault)
        assert await ask(workers, FINE) == "8000 100"


async def test_a_hung_worker_is_killed_and_the_other_goes_on_meanwhile(workers: Workers) -> None:
    while len(workers.pids) < 2:
        await asyncio.sleep(0.01)
    before = set(workers.pids)
    hanging = asyncio.create_task(ask(workers, HANGS, patience=3.0))
    await asyncio.sleep(0)
    for _ in range(5):
        assert await ask(workers, FINE) == "8000 100"
    assert not hanging.done()
    with pytest.raises(WorkerLostError, match=r"within 3 s"):
        await hanging
    assert await ask(workers, FINE) == "8000 100"
    (killed,) = before - set(workers.pids)
    async with asyncio.timeout(5):
        while _runs(killed):
            await asyncio.sleep(0.01)


async def test_when_all_are_busy_the_next_waits_its_turn_and_no_longer_than_it_may(workers: Workers) -> None:
    hung = [asyncio.create_task(ask(workers, HANGS, patience=2.0)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(WorkerLostError, match="within"):
        await ask(workers, FINE, patience=0.3)
    for each in hung:
        with pytest.raises(WorkerLostError):
            await each
    assert await ask(workers, FINE, patience=30.0) == "8000 100"


async def test_an_abandoned_answer_does_not_reach_the_next_caller(workers: Workers) -> None:
    asking = asyncio.create_task(ask(workers, HANGS))
    await asyncio.sleep(0.05)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    for _ in range(4):
        assert await ask(workers, FINE) == "8000 100"


async def test_closing_leaves_no_process() -> None:
    made = Workers(2, module=MODULE)
    await made.start()
    await ask(made, FINE)
    pids = made.pids
    await made.close()
    assert not [pid for pid in pids if _runs(pid)]


async def test_a_recogniser_that_cannot_start_says_why() -> None:
    made = Workers(1, "broken", module=MODULE)
    with pytest.raises(SpeechError, match="install callguard"):
        await made.start()
    await made.close()


@pytest.mark.parametrize("fault", [DIES, HANGS, TALKS, HALF])
async def test_whatever_a_worker_does_the_answer_is_unclear(fault: int) -> None:
    engine = Pocketsphinx(THRESHOLDS, workers=1, patience=3.0)
    engine.workers = Workers(1, module=MODULE)
    await engine.start()
    verdict = await engine.open("en", 8000).verdict(memoryview(bytes([fault]) * 100))
    await engine.close()
    assert verdict.meaning is Meaning.UNCLEAR
    assert "recogniser failed" in verdict.why


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A child that was killed and not yet waited for still has its number.
    return (
        "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1]
        if sys.platform == "linux"
        else True
    )
