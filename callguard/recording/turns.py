"""What is done with one capture while it has its turn; what blocks is done in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import structlog

from callguard.errors import CallguardError, RecordingError
from callguard.recording.capture import Capture
from callguard.recording.measures import Listener, Measures
from callguard.recording.safe import Certificate, Finished, Safe
from callguard.recording.spool import RATE

log = structlog.get_logger(__name__)

T = TypeVar("T")
P = ParamSpec("P")

THREADS = 2
#: How many blocks one capture may seal before the others have their turn.
BLOCKS_A_TURN = 8
#: Seconds before a capture that could not be sealed is tried again.
REST = 2.0
#: More samples than any call has.
ALL = 2**62
#: How long before the newest sample that was listened to a key may begin, whose end was not (samples): it is
#: known by its first 40 ms, and what is to be erased begins a little before it.
UNHEARD = RATE // 4
#: How much is listened to at a time (samples): 10 s.
AT_ONCE = 80_000


class Turns:
    """Takes captures, each one at a time, from the spool into the vault."""

    def __init__(self, safe: Safe, listener: Listener, measures: Measures) -> None:
        self.safe = safe
        self.measures = measures
        self.stopping = asyncio.Event()
        self._listener = listener
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="seal")
        # A thread of its own: a disk that hangs keeps the others, and keys are to be heard all the same.
        self._ears = ThreadPoolExecutor(1, thread_name_prefix="listen")
        self._full = False
        self._elsewhere: list[Capture] = []  #: done, and their empty files are not in the spool

    @property
    def block(self) -> int:
        """How many samples are sealed at a time."""
        return round(self.measures.block * RATE)

    def due(self, capture: Capture) -> int:
        """The sample up to which it may be sealed now."""
        due = capture.due(capture.strand.samples(), round(self.measures.look_back * RATE))
        return min(due, max(capture.sealed, capture.listened - UNHEARD)) if self.measures.keys else due

    def is_unheard(self, capture: Capture) -> bool:
        """Whether there is something to listen to, and nobody does."""
        return (
            self.measures.keys
            and not capture.attention.locked()
            and capture.strand.samples() > capture.listened
        )

    async def listen(self, capture: Capture, *, whole: bool = False) -> None:
        """Listen for keys in what arrived, and tell of them before any of it may be sealed.

        Args:
            capture: the recording.
            whole: also to what there is of one party only: nothing more will come.

        Raises:
            RecordingError: the spool cannot be read; that is tried again.
        """
        async with capture.attention:
            there, came = capture.strand.arrived()
            there = max(capture.strand.sizes()) if whole else there
            while not capture.gone and capture.listened < there:
                end = min(there, capture.listened + AT_ONCE)
                try:
                    tones = await asyncio.get_running_loop().run_in_executor(self._ears, capture.listen, end)
                except OSError as error:
                    raise RecordingError(f"{capture.name}: its spool cannot be read ({error})") from error
                self._listener.keyed(capture.name, tones, (end, came - (there - end) / RATE))
                capture.listened = end

    async def listen_on(self, capture: Capture) -> None:
        """As `listen`, for the loop that looks after all captures."""
        try:
            await self.listen(capture)
        except RecordingError as error:
            self.failed(capture, error)

    async def hear_out(self, capture: Capture) -> None:
        """Wait for its last samples, and listen to them.

        Raises:
            RecordingError: callguard is stopping, or the spool cannot be read.
        """
        await self._complete(capture)
        await self.listen(capture, whole=True)

    async def advance(self, capture: Capture) -> None:
        """Seal what is due of it."""
        async with capture.turn:
            for _ in range(BLOCKS_A_TURN):
                if capture.gone or capture.pending.ended or capture.pending.destroy is not None:
                    return
                try:
                    begun = capture.writing is not None
                    if begun and self.due(capture) - capture.sealed < self.block:
                        return
                    await self._step(capture, capture.sealed + self.block if begun else 0)
                except (OSError, CallguardError) as error:
                    self.failed(capture, error)
                    return

    async def erase(self, capture: Capture, first: int, last: int, why: str) -> int:
        """Erase what is not sealed. Only what is being sealed right now has to be waited for."""
        now = min(max(first, capture.claimed), last)
        erased = self._erase(capture, now, last, why)
        if now > first:
            async with capture.turn:
                start = min(max(first, capture.sealed), now)
                if not capture.gone:
                    erased += self._erase(capture, start, now, why)
            if erased < last - first:
                raise RecordingError(
                    f"{capture.name}: the first {last - first - erased} of {last - first} samples were "
                    f"sealed already; {erased} were erased. To take back the rest, destroy the recording"
                )
        return erased

    async def sounds(self, capture: Capture, first: int, last: int) -> tuple[int, int] | None:
        """Where a span is not zero."""
        return await self._seen(capture, first, last, capture.strand.sounds)

    async def rests(self, capture: Capture, first: int, last: int) -> list[tuple[int, int]]:
        """Where the rest of a key sounds in a span of the agent's side."""
        return await self._seen(capture, first, last, capture.strand.rests)

    async def _seen(self, capture: Capture, first: int, last: int, look: Callable[[int, int], T]) -> T:
        """Look at what is not sealed."""
        capture.erase_arrived()
        there = capture.strand.samples()
        if last > there:
            raise RecordingError(
                f"{capture.name}: only {there} samples are there; sample {last} is yet to come"
            )
        try:
            found = await asyncio.to_thread(look, first, last)
        except OSError as error:
            raise RecordingError(f"{capture.name}: its spool cannot be read ({error})") from error
        # What was sealed meanwhile was freed, and would read as zeros.
        if capture.gone or first < capture.claimed:
            raise RecordingError(
                f"{capture.name}: is sealed up to sample {capture.claimed}; put a span on hold before it "
                "is to be proven silent"
            )
        return found

    async def end(self, capture: Capture) -> Finished:
        """Wait for its last samples, and seal it to its end."""
        try:
            await self._complete(capture)
            if self.measures.keys:
                await self.listen(capture, whole=True)
            async with capture.turn, capture.attention:
                if capture.gone or capture.pending.destroy is not None:
                    raise RecordingError(f"{capture.name}: was finished or destroyed already")
                capture.settled, capture.claimed = True, ALL
                finished = await self.in_thread(capture.finish, self.safe, self.block)
                self.remove(capture)
        except (OSError, CallguardError) as error:
            capture.claimed = capture.sealed
            if not self.stopping.is_set() and not capture.gone:
                self.failed(capture, error)
            raise RecordingError(
                f"{capture.name}: its end is not sealed ({error}); it stays in the spool and is tried again"
            ) from error
        self._full = False
        return finished

    async def destroy(self, capture: Capture) -> Certificate:
        """Empty its spool, and destroy what the vault has of it."""
        async with capture.turn, capture.attention:
            if capture.gone:
                raise RecordingError(
                    f"{capture.name}: is complete; destroy it with `callguard vault destroy`"
                )
            by, reason = capture.pending.destroy or ("", "")
            with contextlib.suppress(OSError):  # they are empty by then, and removed below or later
                capture.strand.remove()  # whatever becomes of the vault's part
            try:
                certificate = await self.in_thread(self._shred, capture, by, reason)
            except (OSError, CallguardError) as error:
                self.failed(capture, error)
                raise RecordingError(
                    f"{capture.name}: what is sealed of it was not destroyed ({error}); that is tried again"
                ) from error
            self.remove(capture)
            return certificate

    def remove(self, capture: Capture) -> None:
        """Nothing of it is to stay in the spool; where that is away, as soon as it is back."""
        if not _removed(capture):
            self._elsewhere.append(capture)
            log.warning("the spool is away: empty files are removed when it is back", recording=capture.name)

    def clear_up(self) -> None:
        """Remove what could not be removed before."""
        self._elsewhere = [capture for capture in self._elsewhere if not _removed(capture)]

    def failed(self, capture: Capture, error: Exception) -> None:
        """Have it tried again later, and tell somebody, once."""
        capture.rest_until = asyncio.get_running_loop().time() + REST
        # A full disk is one event, not one for each call; anything else is about one recording.
        told = self._full if isinstance(error, OSError) else capture.failing
        capture.failing = True
        self._full = self._full or isinstance(error, OSError)
        if not told:
            log.error("not sealed", recording=capture.name, why=str(error))
            self._listener.alert("a recording cannot be sealed", str(error), capture.name)

    async def in_thread(self, work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
        """Do what blocks."""
        call = functools.partial(work, *given, **named)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def close(self) -> None:
        """No more turns."""
        self._threads.shutdown()
        self._ears.shutdown()

    async def _step(self, capture: Capture, end: int) -> None:
        pending = capture.pending
        marks, erased = tuple(pending.marks), tuple(pending.erased)
        capture.claimed = max(capture.claimed, end)
        try:
            await self.in_thread(capture.seal, self.safe, end, marks, erased)
        finally:
            capture.claimed = capture.sealed
        if end and pending.sealed(marks, capture.sealed):
            pending.save(capture.spool)
        capture.failing = self._full = False

    def _erase(self, capture: Capture, start: int, last: int, why: str) -> int:
        if start >= last:
            return 0
        pending = capture.pending
        pending.erased.append((start, last))
        pending.note("erased", start, last, {"why": why} if why else {})
        capture.wiped = min(capture.wiped, start)
        try:
            # Written down before it is done: after a crash between the two it is done again.
            pending.save(capture.spool)
        finally:
            capture.erase_arrived()
        return last - start

    async def _complete(self, capture: Capture) -> None:
        """Wait until no more samples can come.

        Raises:
            RecordingError: callguard is stopping; the next run will go on.
        """
        clock = asyncio.get_running_loop().time
        sizes, since = (-1, -1), clock()
        while len(capture.closed) < len(capture.strand.paths):
            if self.stopping.is_set():
                raise RecordingError("callguard stops, and goes on with it when it is started again")
            now = capture.strand.sizes()
            if now != sizes:
                sizes, since = now, clock()
            left = since + self.measures.settle - clock()
            if left <= 0:
                return
            capture.news.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(capture.news.wait(), min(left, self.measures.tick))

    def _shred(self, capture: Capture, by: str, reason: str) -> Certificate:
        if not self.safe.is_begun(capture.name):
            capture.begun(self.safe)
        return self.safe.shred(capture.name, by=by, reason=reason)


def _removed(capture: Capture) -> bool:
    """Whether nothing of it is left; where something else stands in the place of the spool, not yet."""
    try:
        return capture.remove()
    except OSError:
        return False
