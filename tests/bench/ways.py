"""The ways to answer a call that are compared."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from .figures import BenchError
from .house import House, sound

#: Seconds a peer gets to be ready.
READY_SECONDS = 15.0

#: Runs a way's controller for as long as the context lasts, and gives its process (None: it has none).
Run = Callable[[House, int], AbstractAsyncContextManager[int | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way."""

    name: str
    what: str
    number: str  #: what is dialled
    run: Run
    site: str = ""  #: which of the house's sites answers; empty: callguard does not
    limits: bool = True  #: whether memory and the highest rate are looked for, too


@contextlib.asynccontextmanager
async def _nobody(_: House, __: int) -> AsyncIterator[int | None]:
    yield None


def _callguard(transport: str) -> Run:
    @contextlib.asynccontextmanager
    async def run(house: House, _: int) -> AsyncIterator[int | None]:
        site = house.sites[transport]
        await site.start()
        try:
            yield site.pid
        finally:
            await site.stop()

    return run


def _peer(name: str) -> Run:
    @contextlib.asynccontextmanager
    async def run(house: House, agi: int) -> AsyncIterator[int | None]:
        ari = house.lab.ari_settings
        told = {
            "announcement": [*house.announcement.media],
            "question": [*house.question.media],
            "sounds": [sound(house.announcement), sound(house.question)],
            "agi": agi,
            "ari": {"url": ari.url, "username": ari.username, "password": ari.password},
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bench.peers", name),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(told).encode())
            process.stdin.close()
            async with asyncio.timeout(READY_SECONDS):
                if await process.stdout.readline() != b"ready\n":
                    raise BenchError(f"the peer {name} did not start; its complaint stands above")
            yield process.pid
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    return run


#: By name; the first is the limit that all are measured against.
WAYS = {
    way.name: way
    for way in (
        Way(name="dialplan", what="pure dialplan, no controller", number="dialplan", run=_nobody),
        Way(
            name="callguard",
            what="callguard, requests over the websocket",
            number="callguard",
            run=_callguard("auto"),
            site="auto",
        ),
        Way(
            name="callguard-http",
            what="callguard, requests over HTTP",
            number="callguard",
            run=_callguard("http"),
            site="http",
        ),
        Way(
            name="bare",
            what="ARI by hand: no law, no ledger, no lease",
            number="bare",
            run=_peer("bare"),
            limits=False,
        ),
        Way(
            name="fastagi",
            what="FastAGI by panoramisk: no law, no ledger, no lease",
            number="fastagi",
            run=_peer("fastagi"),
            limits=False,
        ),
    )
}
BASE = "dialplan"
OVER_HTTP = "callguard-http"
