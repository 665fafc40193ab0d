"""How long a caller waits for a decision, and what it costs, at ten answers at the same time."""

from __future__ import annotations

import asyncio
import math
import os
import random
import time
from pathlib import Path
from typing import Any

from callguard.config.speech import Listening
from callguard.controller.ears import thresholds_of
from callguard.speech import Ears, Limits, Pocketsphinx
from callguard.speech.workers import Workers
from tests.prove.figures import figure
from tests.speech.corpus import Kind, audio, corpus
from tests.speech.line import NARROW

from .figures import quantile

CALLERS = 10
#: Answers of each caller; a quick run has one.
ROUNDS = 10
FRAME = 0.02
_BYTES = round(FRAME * NARROW) * 2
#: Seconds over which callers begin to speak: they do not do it on command.
SPREAD = 2.0


async def figures(*, quick: bool) -> list[dict[str, Any]]:
    """Ten callers in real time, and all ten at once."""
    spoken = [
        each for each in corpus(held_out=True) if each.kind in {Kind.PHRASE, Kind.BARE, Kind.NO, Kind.OTHER}
    ]
    answers = [audio(clip) for clip in spoken[:: len(spoken) // (CALLERS * ROUNDS)]]
    engine = Pocketsphinx(thresholds_of(Listening()), workers=os.cpu_count() or 1, patience=30.0)
    ears = Ears([engine], limits=Limits(patience=31.0), callers=CALLERS)
    chance = random.Random(1)
    await ears.start()
    try:
        while len(engine.workers.pids) < (os.cpu_count() or 1):
            await asyncio.sleep(0.05)
        rounds = 1 if quick else ROUNDS
        late: list[float] = []
        watching = asyncio.create_task(_watch(late))
        before, own, began = _used(engine.workers), time.process_time(), time.monotonic()
        spread = await asyncio.gather(
            *(_caller(ears, answers[n::CALLERS][:rounds], chance.uniform(0, SPREAD)) for n in range(CALLERS))
        )
        workers, own = _used(engine.workers) - before, time.process_time() - own
        took = time.monotonic() - began
        watching.cancel()
        burst = await asyncio.gather(*(_at_once(ears, answers[n]) for n in range(CALLERS)))
    finally:
        await ears.close()
    waits = [each for caller in spread for each in caller]
    count = len(waits)
    told = f"{CALLERS} callers in real time"
    return [
        figure(f"{told}: end of speech to decision, p50", 1000 * quantile(waits, 0.5), "ms", "-", True),
        figure(f"{told}: end of speech to decision, p99", 1000 * quantile(waits, 0.99), "ms", "-", True),
        figure("of these the silence that ends an answer", 1000 * Limits().pause, "ms", "-", True),
        figure("all ten end in the same instant: the last decision", 1000 * max(burst), "ms", "-", True),
        figure("CPU of the workers per answer", 1000 * workers / count, "ms", "-", True),
        figure("CPU of this process per second and caller", 1000 * own / took / CALLERS, "ms", "-", True),
        figure("event loop late by, p99", 1000 * quantile(late, 0.99), "ms", "-", True),
    ]


async def _caller(ears: Ears, answers: list[bytes], begins: float) -> list[float]:
    """Speaks in real time; returns the seconds from the end of each answer to its decision."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(begins)
    waits = []
    for pcm in answers:
        async with ears.listen("en", NARROW, 30.0) as hearing:
            started = loop.time()
            for number in range(math.ceil(len(pcm) / _BYTES)):
                await asyncio.sleep(max(0.0, started + number * FRAME - loop.time()))
                if hearing.feed(pcm[number * _BYTES : (number + 1) * _BYTES]):
                    break
            hearing.finish()
            verdict = await hearing.verdict()
            if verdict.ended is not None:
                waits.append(loop.time() - started - verdict.ended)
    return waits


async def _at_once(ears: Ears, pcm: bytes) -> float:
    """The whole answer in one moment; returns the seconds of recognition, waiting for a worker included."""
    async with ears.listen("en", NARROW, 30.0) as hearing:
        hearing.feed(pcm)
        hearing.finish()
        return (await hearing.verdict()).seconds


async def _watch(late: list[float]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        before = loop.time()
        await asyncio.sleep(0.005)
        late.append(loop.time() - before - 0.005)


def _used(workers: Workers) -> float:
    """Seconds of processor time that the workers have used so far."""
    ticks = 0
    for pid in workers.pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
