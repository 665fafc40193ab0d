"""The sealer: takes what Asterisk writes out of memory and into the vault while the call still goes on.

The newest seconds stay in the spool, where they can still be erased. What is older is sealed block by block,
and the memory behind it is given back. One loop looks at all captures twice a second; reading, compressing,
encrypting and waiting for the disk happen in two threads, so the event loop is never held up by them.

Decided 2026-11: threads, not processes. Compression, encryption, hashing and fsync all let go of the
interpreter, and a block of 5 s costs 2 ms in all; processes would have to be handed the keys. And
polling rather than a notice of each write: Asterisk writes each file every 2 s (32 KiB), so polling twice a
second costs less than 200 notices a second would.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import structlog

from callguard.errors import CallguardError, RecordingError
from callguard.recording.capture import Capture
from callguard.recording.kernel import Closing
from callguard.recording.measures import Listener, Measures, Recovered
from callguard.recording.pending import OWNER, Mark, Pending, Silence
from callguard.recording.safe import Certificate, Finished, Safe
from callguard.recording.spool import RATE, Spool
from callguard.recording.strand import Strand
from callguard.recording.turns import Turns

log = structlog.get_logger(__name__)

T = TypeVar("T")

KEY_BYTES = 32

#: The purpose of the hold of a pause that is not proven, and of one for keys that may become a number.
PAUSE = "pause"
CARD = "card"


class Sealer:
    """Seals all captures of this machine. Not for use by several threads."""

    def __init__(
        self, safe: Safe, spool: Spool, listener: Listener, measures: Measures | None = None
    ) -> None:
        self._safe = safe
        self._spool = spool
        self._listener = listener
        self._turns = Turns(safe, listener, measures or Measures())
        self._captures: dict[str, Capture] = {}
        self._closing: Closing | None = None
        self._loop: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Begin to work; the spool must be prepared. Call `recover` next."""
        self._closing = Closing(self._spool.directory)
        asyncio.get_running_loop().add_reader(self._closing.file, self._see_closed)
        self._loop = asyncio.create_task(self._work(), name="sealer")

    async def close(self) -> None:
        """End the work. What is not sealed stays in the spool for the next run."""
        self._turns.stopping.set()
        if self._loop is not None:
            await self._loop
        for capture in self._captures.values():
            capture.news.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._turns.close()
        if self._closing is not None:
            asyncio.get_running_loop().remove_reader(self._closing.file)
            self._closing.close()
        for capture in self._captures.values():
            capture.strand.close()

    async def recover(
        self, *, hold: bool = False, owner: str = "", former: Collection[str] = ()
    ) -> Recovered:
        """Take up what a run before this one left, and lose or double no sample of it.

        Where a recording ends in the vault says where to go on in the spool, for both count the same samples.

        Args:
            hold: put what was not sealed before on hold, until the controller found out what happened while
                it was away, and releases it.
            owner: whose all of this is from now on, where several controllers seal out of one spool.
            former: whose it was: only theirs is taken up. Nobody: everything.

        Raises:
            RecordingError: a state file in the spool is damaged.
        """
        found: dict[str, list[str]] = {"resumed": [], "ended": [], "complete": [], "destroyed": []}
        known = Pending.all(self._spool.directory)
        for pending in known:
            if pending.recording in self._captures or (former and pending.owner not in former):
                continue
            if owner:
                pending.metadata = {**pending.metadata, OWNER: owner}
                pending.save(self._spool.directory)
            found[await self._take_up(self._capture(pending), hold=hold)].append(pending.recording)
        belonging = {path for capture in self._captures.values() for path in capture.strand.paths}
        belonging.update(path for pending in known for path in pending.paths)
        orphans = sorted(path for path in self._spool.directory.glob("*.sln") if path not in belonging)
        return Recovered(
            resumed=tuple(found["resumed"]),
            ended=tuple(found["ended"]),
            complete=tuple(found["complete"]),
            destroyed=tuple(found["destroyed"]),
            orphans=tuple(orphans),
        )

    async def _take_up(self, capture: Capture, *, hold: bool) -> str:
        """Go on with one recording of the run before; says what became of it."""
        pending = capture.pending
        if pending.destroy is None and await self._turns.in_thread(self._safe.is_finished, capture.name):
            self._turns.remove(capture)
            return "complete"
        if pending.destroy is not None or pending.ended:
            self._captures[capture.name] = capture
            self._spawn(self._retry(capture))
            return "destroyed" if pending.destroy else "ended"
        try:
            await self._turns.in_thread(capture.begun, self._safe)
        except (OSError, CallguardError) as error:
            self._turns.failed(capture, error)
        if hold:
            pending.holds[""] = min(pending.holds.get("", capture.sealed), capture.sealed)
            pending.save(self._spool.directory)
        self._captures[capture.name] = capture
        return "resumed"

    async def close_lost(self) -> dict[str, str]:
        """Seal the end of recordings whose spool is gone (the machine lost power), as an end that is missing.

        Looks at the whole vault: for once after a start, not for the call path.

        Returns:
            Each such recording, with what is now known to be missing, or why it could not be closed.
        """
        lost = {}
        unfinished = await self._turns.in_thread(self._safe.unfinished)
        # Looked at later than that: what another controller still seals is there, or complete by now.
        sealing = {pending.recording for pending in Pending.all(self._spool.directory)}
        for name in unfinished:
            if name not in sealing | set(self._captures) and not self._safe.is_finished(name):
                lost[name] = await self._turns.in_thread(self._close_one, name)
        return lost

    # ------------------------------------------------------------------ what the controller orders

    async def begin(
        self,
        recording: str,
        paths: tuple[Path, Path],
        metadata: Mapping[str, str],
        *,
        head: bytes = b"",
        head_marks: Sequence[tuple[str, Mapping[str, str]]] = (),
    ) -> None:
        """Begin to seal a capture; Asterisk may already be writing it, or be about to.

        A vault that cannot be written now is an alert, not an error: it is tried again.

        Args:
            recording: the call's UUID, ``-``, and the number of the capture within the call.
            paths: what the customer's channel sent, and what it was sent.
            metadata: for the header, in the clear: purpose, jurisdiction, until, queue, ...
            head: samples (interleaved) to stand before the recording, see `callguard.recording.evidence`.
            head_marks: what they are: a kind (``announcement``, ``answer``) and details.

        Raises:
            RecordingError: there is such a capture already, or the spool is full.
        """
        if recording in self._captures:
            raise RecordingError(f"{recording}: is being captured already; give the next one its own number")
        marks = tuple(Mark(serial=0, kind=kind, start=0, detail=dict(detail)) for kind, detail in head_marks)
        pending = Pending(
            recording=recording,
            paths=paths,
            metadata=dict(metadata),
            key=os.urandom(KEY_BYTES),
            head_marks=marks,
        )
        pending.save_head(self._spool.directory, head)
        pending.save(self._spool.directory)
        capture = self._captures[recording] = self._capture(pending)
        await self._shielded(self._turns.advance(capture))

    def hold(self, recording: str, from_sample: int, by: str = "") -> int:
        """Seal nothing from this sample on, until `release`. Of several holds the earliest counts.

        Args:
            recording: its name.
            from_sample: the first sample.
            by: for what; each purpose has one hold, which moves only backwards until it is released.

        Returns:
            The first sample that is really on hold: later than asked for if more was sealed before.

        Raises:
            RecordingError: there is no such capture.
        """
        capture = self._known(recording)
        pending = capture.pending
        first = max(from_sample, capture.claimed)
        if first < pending.holds.get(by, first + 1):
            pending.holds[by] = first
            pending.save(self._spool.directory)
        return first

    def release(self, recording: str, by: str = "") -> None:
        """What was on hold for this purpose may be sealed, unless another one holds it.

        Raises:
            RecordingError: there is no such capture.
        """
        pending = self._known(recording).pending
        if pending.holds.pop(by, None) is not None:
            pending.save(self._spool.directory)

    async def erase(self, recording: str, from_sample: int, to_sample: int, *, why: str = "") -> int:
        """Make samples zero before they are sealed, in the spool too; also those that are still to come.

        Returns:
            How many samples of each party were, or will be, erased.

        Raises:
            RecordingError: part of the span is sealed already; what was not is erased all the same.
        """
        return await self._shielded(self._turns.erase(self._known(recording), from_sample, to_sample, why))

    def silence(self, recording: str, silence: Silence | None) -> None:
        """Keep in mind, across a crash of ours, that a recording is to be silent.

        Raises:
            RecordingError: there is no such capture, or the spool is full.
        """
        pending = self._known(recording).pending
        pending.silence = silence
        pending.save(self._spool.directory)

    def held(self, recording: str, by: str) -> int | None:
        """From which sample on a recording is on hold for a purpose.

        Raises:
            RecordingError: there is no such capture.
        """
        return self._known(recording).pending.holds.get(by)

    def silenced(self, recording: str) -> tuple[Silence | None, int | None]:
        """What `silence` was told last, and from which sample on the recording is on hold for a pause.

        Raises:
            RecordingError: there is no such capture.
        """
        pending = self._known(recording).pending
        return pending.silence, pending.holds.get(PAUSE)

    def samples(self, recording: str) -> int:
        """How many samples of both parties reached the spool since the capture began.

        Raises:
            RecordingError: there is no such capture, or its files cannot be opened.
        """
        return self._known(recording).strand.samples()

    def arrived(self, recording: str) -> tuple[int, float]:
        """As `samples`, and when the newest of them came (monotonic seconds, never too early).

        Raises:
            RecordingError: as there.
        """
        return self._known(recording).strand.arrived()

    async def sounds(self, recording: str, from_sample: int, to_sample: int) -> tuple[int, int] | None:
        """Where a span is not zero: the first such sample of either party, and the one after the last.

        ``None`` means nothing but zeros of both parties: the proof of a pause, or of an erasure.

        Raises:
            RecordingError: not all of it is there yet, or part of it was sealed (put it on hold before).
        """
        return await self._turns.sounds(self._known(recording), from_sample, to_sample)

    async def rests(self, recording: str, from_sample: int, to_sample: int) -> list[tuple[int, int]]:
        """Where, in a span of what the agent said, 15 ms or more of a key sound: first, and first after it.

        Raises:
            RecordingError: not all of it is there yet, or part of it was sealed (put it on hold before).
        """
        return await self._turns.rests(self._known(recording), from_sample, to_sample)

    def mark(self, recording: str, kind: str, start: int, end: int | None = None, **detail: str) -> None:
        """Write into the recording's index what happened at a sample: ``pause``, ``tone``, ``party``, ...

        Raises:
            RecordingError: there is no such capture, or the spool is full.
        """
        pending = self._known(recording).pending
        pending.note(kind, start, end, detail)
        pending.save(self._spool.directory)

    async def finish(self, recording: str, *, missing: str = "") -> Finished:
        """The call is over: wait until Asterisk closed the files, seal all of it, empty the spool.

        What is still on hold is sealed as silence.

        Args:
            recording: its name.
            missing: what is known to be missing at the end (Asterisk crashed).

        Raises:
            RecordingError: it could not be sealed. It stays in the spool and is tried again;
                `Listener.finished` will tell.
        """
        capture = self._known(recording)
        pending = capture.pending
        pending.ended = True
        pending.missing = missing or pending.missing
        capture.failing = False
        with contextlib.suppress(RecordingError):  # a full spool is emptied by this very finish
            pending.save(self._spool.directory)
        return await self._shielded(self._end(capture))

    async def discard(self, recording: str, *, by: str, reason: str) -> Certificate:
        """Destroy a capture, in the spool and in the vault. Stop the recorder before.

        Raises:
            RecordingError: the vault could not destroy its part; that is tried again. The spool is empty.
        """
        capture = self._captures.get(recording) or self._known(recording)
        capture.pending.destroy = (by, reason)
        capture.failing = False
        with contextlib.suppress(RecordingError):  # a full spool is emptied by this very discard
            capture.pending.save(self._spool.directory)
        return await self._shielded(self._destroy(capture))

    async def hear_out(self, recording: str) -> None:
        """The call is over: wait until Asterisk closed the files, and listen to all of it for keys.

        Raises:
            RecordingError: there is no such capture, its spool cannot be read, or callguard is stopping.
        """
        await self._shielded(self._turns.hear_out(self._known(recording)))

    def metadata(self, recording: str) -> Mapping[str, str]:
        """What `begin` was told of a capture.

        Raises:
            RecordingError: there is no such capture.
        """
        return self._known(recording).pending.metadata

    # ------------------------------------------------------------------ figures

    @property
    def measures(self) -> Measures:
        """How it works."""
        return self._turns.measures

    @property
    def captures(self) -> tuple[str, ...]:
        """All captures that are not yet complete."""
        return tuple(self._captures)

    def behind(self) -> float:
        """By how many seconds the capture that is worst off is later than it should be."""
        late = [0]
        for capture in self._captures.values():
            with contextlib.suppress(OSError, RecordingError):  # told elsewhere
                late.append(self._turns.due(capture) - capture.sealed - self._turns.block)
        return max(late) / RATE

    def memory(self) -> int:
        """Bytes of the spool that all captures take together."""
        return sum(capture.used() for capture in self._captures.values())

    # ------------------------------------------------------------------ the loop

    async def look(self) -> None:
        """Look once at all captures, and seal what is due. `start` has it done all the time."""
        await asyncio.gather(*self._glance())

    async def _work(self) -> None:
        stopping = self._turns.stopping
        while not stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), self.measures.tick)
            if not stopping.is_set():
                self._glance()

    def _glance(self) -> list[asyncio.Task[None]]:
        """Give a turn to those who are due, the furthest behind first.

        Nothing here waits: a disk that hangs must not keep the spool from being watched, or from being wiped.
        """
        self._turns.clear_up()
        now = asyncio.get_running_loop().time()
        waiting: list[tuple[int, Capture]] = []
        tasks = []
        for capture in self._captures.values():
            if capture.gone:
                continue
            try:
                capture.erase_arrived()
                late = self._turns.due(capture) - capture.sealed
                self._watch_size(capture)
            except (OSError, CallguardError) as error:
                self._turns.failed(capture, error)
                continue
            if now < capture.rest_until:
                continue
            if self._turns.is_unheard(capture):
                tasks.append(self._spawn(self._turns.listen_on(capture)))
            if capture.turn.locked():
                continue
            if not capture.pending.ended and capture.pending.destroy is None:
                if late >= self._turns.block or capture.writing is None:
                    waiting.append((late, capture))
            elif capture.failing:
                capture.failing = False
                tasks.append(self._spawn(self._retry(capture)))
        waiting.sort(key=lambda one: one[0], reverse=True)
        return tasks + [self._spawn(self._turns.advance(capture)) for _, capture in waiting]

    def _watch_size(self, capture: Capture) -> None:
        waiting = (capture.strand.samples() - capture.sealed) / RATE
        if waiting > self.measures.limit and not capture.overflowed:
            capture.overflowed = True
            detail = f"{waiting:.0f} s wait in the spool, and {self.measures.limit:g} s may"
            self._listener.overflowed(capture.name, detail)

    async def _end(self, capture: Capture) -> Finished:
        finished = await self._turns.end(capture)
        self._captures.pop(capture.name, None)
        return finished

    async def _destroy(self, capture: Capture) -> Certificate:
        certificate = await self._turns.destroy(capture)
        self._captures.pop(capture.name, None)
        return certificate

    async def _retry(self, capture: Capture) -> None:
        """Try once more to finish or to destroy."""
        try:
            if capture.pending.destroy is not None:
                await self._destroy(capture)
            else:
                self._listener.finished(capture.name, await self._end(capture))
        except RecordingError as error:
            log.warning("not complete yet", recording=capture.name, why=str(error))

    def _close_one(self, name: str) -> str:
        missing = "the end: the spool was lost"
        try:
            writing = self._safe.resume(name)
            if writing is None:
                return "nothing of it was ever sealed"
            writing.finish(missing=missing)
        except (OSError, CallguardError) as error:
            return str(error)
        return missing

    # ------------------------------------------------------------------ the rest

    def _capture(self, pending: Pending) -> Capture:
        return Capture(pending=pending, spool=self._spool.directory, strand=Strand(paths=pending.paths))

    def _known(self, recording: str) -> Capture:
        capture = self._captures.get(recording)
        if capture is None or capture.gone or capture.settled:
            raise RecordingError(f"{recording}: is not being captured (never begun, finished, or destroyed)")
        return capture

    def _see_closed(self) -> None:
        if self._closing is None:
            return
        names = set(self._closing.names())
        for capture in self._captures.values():
            for path in capture.strand.paths:
                if path.name in names and path.parent == self._spool.directory:
                    capture.closed.add(path.name)
                    capture.news.set()

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _shielded(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it to its end even if nobody waits any more: a thread may be in the middle of it."""
        return await asyncio.shield(self._spawn(work))


def remove_orphans(paths: Iterable[Path]) -> None:
    """Remove captures from the spool that may not be kept."""
    for path in paths:
        strand = Strand(paths=(path, path))
        strand.remove()
