"""Processes that recognise speech, so that nothing else waits for it.

Pocketsphinx holds Python's lock while it works: in a thread it would stop the whole controller. A worker is a
process of its own with a loaded model. One that dies, hangs or talks nonsense is killed and replaced, and the
answer it had is unclear.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import struct
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from typing import Any

import structlog

from callguard.speech.errors import SpeechError

log = structlog.get_logger(__name__)

#: Seconds that loading the model may take; 0.6 were measured on an idle machine.
START_DEADLINE = 60.0
#: Seconds before a worker that will not start is tried again, doubled up to the second figure.
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
#: A request: sample rate and number of bytes; then the samples.
HEADER = struct.Struct("<II")
MODULE = "callguard.speech.worker"


class WorkerLostError(Exception):
    """The worker died, hung, or did not answer in its language."""


class Workers:
    """A few processes, kept alive.

    Args:
        count: how many answers are recognised at the same time; more wait their turn.
        arguments: after the module's name on the workers' command line.
        module: what a worker runs; it writes a line when it is ready and a line of JSON for each request.
    """

    def __init__(self, count: int, *arguments: str, module: str = MODULE) -> None:
        self._count = count
        self._command = (sys.executable, "-m", module, *arguments)
        self._idle: asyncio.Queue[Process] = asyncio.Queue()
        self._keepers: set[asyncio.Task[None]] = set()
        self._buriers: set[asyncio.Task[None]] = set()
        self._alive: set[Process] = set()
        self._closing = False

    @property
    def pids(self) -> list[int]:
        """The processes there are."""
        return [process.pid for process in self._alive]

    async def start(self) -> None:
        """Start all of them.

        Raises:
            SpeechError: the first did not become ready.
        """
        try:
            self._idle.put_nowait(await self._spawn())
        except WorkerLostError as error:
            raise SpeechError(f"the recogniser did not start: {error}") from error
        for _ in range(self._count - 1):
            self._replace()

    async def ask(self, rate: int, pcm: memoryview, *, patience: float) -> dict[str, Any]:
        """Have one answer recognised.

        Args:
            rate: samples per second.
            pcm: 16-bit samples.
            patience: seconds until it is given up, waiting for a free worker included.

        Raises:
            WorkerLostError: no worker was free in time, or the one that had it is gone.
        """
        worker: Process | None = None
        done = False
        try:
            async with asyncio.timeout(patience):
                worker = await self._idle.get()
                answer = await _exchange(worker, rate, pcm)
            done = True
        except TimeoutError as error:
            raise WorkerLostError(f"no result within {patience:g} s") from error
        except (OSError, ValueError, asyncio.IncompleteReadError) as error:
            raise WorkerLostError(f"a worker failed ({type(error).__name__})") from error
        finally:
            if worker is not None:
                if done and worker.returncode is None:
                    self._idle.put_nowait(worker)
                else:
                    log.warning("speech worker is replaced", pid=worker.pid)
                    self._kill(worker)
                    self._replace()
        return answer

    async def close(self) -> None:
        """End all of them."""
        self._closing = True
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for process in list(self._alive):
            self._kill(process)
        await asyncio.gather(*self._buriers)

    def _replace(self) -> None:
        if not self._closing:
            keeper = asyncio.create_task(self._bring_up())
            self._keepers.add(keeper)
            keeper.add_done_callback(self._keepers.discard)

    async def _bring_up(self) -> None:
        wait = FIRST_WAIT
        while True:
            try:
                self._idle.put_nowait(await self._spawn())
            except WorkerLostError as error:
                log.warning("speech worker does not start", error=str(error), again_in=wait)
                await asyncio.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT)
            else:
                return

    async def _spawn(self) -> Process:
        """A worker that has said it is ready."""
        # One thread each: the cores are for calls.
        settings = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        process = await asyncio.create_subprocess_exec(
            *self._command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=settings
        )
        self._alive.add(process)
        try:
            async with asyncio.timeout(START_DEADLINE):
                said = await _pipes(process)[1].readline()
        except TimeoutError:
            said = b""
        except BaseException:
            self._kill(process)
            raise
        if said != b"ready\n":
            self._kill(process)
            reason = said.decode(errors="replace").strip() or "it ended, or was not ready in time"
            raise WorkerLostError(reason)
        return process

    def _kill(self, process: Process) -> None:
        self._alive.discard(process)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        burier = asyncio.create_task(_bury(process))
        self._buriers.add(burier)
        burier.add_done_callback(self._buriers.discard)


async def _bury(process: Process) -> None:
    """Take leave of a killed process and its pipes, so that neither stays behind."""
    given, told = _pipes(process)
    given.close()
    await process.wait()
    while await told.read(65536):
        pass


async def _exchange(worker: Process, rate: int, pcm: memoryview) -> dict[str, Any]:
    given, told = _pipes(worker)
    given.write(HEADER.pack(rate, len(pcm)))
    given.write(pcm)
    await given.drain()
    answer = json.loads(await told.readline())
    if not isinstance(answer, dict):
        raise ValueError("not a result")  # noqa: TRY004 - told like any other nonsense of a worker
    return answer


def _pipes(worker: Process) -> tuple[asyncio.StreamWriter, asyncio.StreamReader]:
    if worker.stdin is None or worker.stdout is None:
        raise WorkerLostError("it has no pipes")
    return worker.stdin, worker.stdout
