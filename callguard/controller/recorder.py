"""The recorder of one call, told to be silent and proven to be.

A pause has two moments. *Confirmed*: Asterisk answered for this very MixMonitor; that takes milliseconds.
*Proven*: the samples of the pause have reached the spool, and they are zero; that takes up to four seconds,
because Asterisk brings samples in pieces of 2.05 s. What is not proven stays on hold and never becomes
durable, so a recorder that only says that it is silent is found out before anything of it is kept.

Where in the samples a moment lies is reckoned backwards from the arrival of the piece that holds it, as the
kernel stamped it. A recorder that wrote nothing for a while (neither party sent a packet) is further on than
that, never less far; so what is reckoned to be said after the pause was asked for may be more than was, and
is erased.

Decided 2026-11: to wait before a resume for as long as Asterisk may hold speech back (0.5 s, the limit of
its audiohook queue), not for what was measured (14 ms). What lost: to go on at once and to look for what was
said before in the samples; it cannot be told from what was said after.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Protocol

import structlog

from callguard.asterisk.ami import Ami
from callguard.asterisk.errors import AmiRefused
from callguard.controller.sweep import is_denied
from callguard.controller.tape import Tape
from callguard.errors import AsteriskError, CallguardError, RecordingError
from callguard.recording import Silence
from callguard.recording.spool import RATE, SAMPLE_BYTES

log = structlog.get_logger(__name__)

#: Seconds from one look for new samples to the next while something is to be proven.
LOOK = 0.01

#: What is recorded longer than this after a pause was asked for is erased (seconds): Asterisk answers in 4 ms
#: and the last recorded speech is 20 ms old at most (22.10.1); the rest is for a machine under load.
LATEST = 0.1

#: How much of the speech after a pause may be there before the recorder counts as broken (seconds).
TOLERATED = 0.5

#: How long before a pause the keys of a hot key may have been pressed (seconds). Of one that sounds, Asterisk
#: lets 20 to 40 ms pass before it knows it for a key (22.10.1).
HOT_KEY = 2.0

#: Asterisk writes a file in pieces of 32 KiB (22.10.1): so many samples, and so many seconds; a little less,
#: so that the arrival of the next one is not missed.
PIECE = 32768 // SAMPLE_BYTES
REGULAR = 1.8

#: How long the last samples of a call may take to arrive after its end (seconds).
LAST = 1.0


class Unproven(RecordingError):  # noqa: N818 - the name says what it is
    """The recorder said that it was silent, and was not."""


class Owner(Protocol):
    """The call, as its recorder sees it."""

    ami: Ami

    def recorder_is(self, state: str, offset: int) -> None:
        """The recorder says that it is ``on`` or ``paused``, about at this sample."""

    def proven(self, offset: int, until: int, *, whole: bool) -> None:
        """Samples of a pause were seen and are zero; ``whole``: from its first to its last."""

    def erased(self, offset: int, until: int, why: str) -> None:
        """Samples were made zero before they were durable."""

    def unproven(self, detail: str) -> None:
        """A pause that was confirmed was none; the recorder is stopped and its samples are erased."""


def place(moment: float, there: int, seen: float) -> int:
    """Which sample was written at a moment, when ``there`` were there at ``seen``."""
    return there - round((seen - moment) * RATE)


@dataclass(slots=True)
class Pause:
    """A pause on its way to be proven."""

    since: float  #: monotonic seconds at which it was asked for
    there: int  #: samples that had reached the spool by then
    start: int  #: the first sample that is on hold for it
    until: float | None = None  #: when the recorder was told to go on
    drop: float = 0.0  #: seconds before it that are to be erased
    first: int | None = None  #: all before it is to be erased from this sample on
    moment: float | None = None  #: or from this moment on, if that is earlier,
    feared: int = 0  #: which is no earlier than this sample
    why: str = "dropped with the pause"
    ordered: bool = True  #: the recorder was told; until then it is only known what is to be erased
    begin: int | None = None  #: the first sample of the silence, once that is known

    def unwanted(self, there: int, seen: float) -> int | None:
        """The first sample before it that is to be erased, as far as it can still be; None when none is."""
        known = [] if self.first is None else [self.first]
        if self.moment is not None:
            known.append(max(self.feared, place(self.moment, there, seen)))
        return max(min(known), self.start) if known else None

    def spoilt(self) -> int:
        """The first sample that may not stay when it was none."""
        if self.begin is not None:
            return self.start
        wanted = [self.there, self.there - round(self.drop * RATE)]
        wanted += [] if self.first is None else [self.first]
        wanted += [] if self.moment is None else [self.feared]
        return max(min(wanted), self.start)

    def erase(self, first: int, moment: float | None) -> None:
        """All before it is to be erased from a sample on, or from a moment on that is no earlier."""
        if moment is None:
            self.first = first if self.first is None else min(self.first, first)
        else:
            self.feared = first if self.moment is None else min(self.feared, first)
            self.moment = moment if self.moment is None else min(self.moment, moment)

    def silence(self) -> Silence:
        """What a crash must not forget of it."""
        return Silence(self.since, self.until, self.drop, self.first, self.moment, self.feared)


@dataclass(slots=True, eq=False)
class Recorder:
    """One MixMonitor and the samples it writes. All times are monotonic seconds.

    Args:
        owner: the call.
        channel: the customer's channel.
        confirm: seconds in which Asterisk has to answer.
        guard: seconds from a resume to the first sample that is written again.
        id: the MixMonitorID; empty until the dialplan told.
        tape: its samples; none until the dialplan told.
    """

    owner: Owner
    channel: str
    confirm: float
    guard: float
    id: str = ""
    tape: Tape | None = None
    broken: bool = False  #: it did not do as it was told, and cannot be stopped: nothing of it is kept
    _pause: Pause | None = None
    _silent: bool = False  #: what was ordered last
    _resume: asyncio.Task[None] | None = None
    _proof: asyncio.Task[None] | None = None
    _done: bool = False  #: the call is over, and nothing of it waits to be proven

    # ------------------------------------------------------------------ orders

    async def begun(self, identity: str, tape: Tape) -> None:
        """The dialplan started it. A pause that was ordered before takes effect now.

        Raises:
            AsteriskError: that pause was not confirmed.
        """
        self.id, self.tape = identity, tape
        if self._silent:
            await self._silence(tape)

    def taken_up(self, identity: str, tape: Tape, silence: Silence | None, held: int | None) -> None:
        """A controller before this one began it, and may have been in the middle of a pause."""
        self.id, self.tape = identity, tape
        if silence is not None and held is not None:
            self._pause = Pause(
                silence.since,
                held,
                held,
                silence.until,
                silence.drop,
                silence.first,
                silence.moment,
                silence.feared,
            )
            if silence.until is not None:
                self._prove()
        elif held is not None:
            tape.release()

    async def pause(self) -> None:
        """Be silent, both directions.

        Raises:
            AsteriskError: Asterisk did not confirm it in time; the recorder was stopped instead.
        """
        self._silent = True
        if self._resume is not None:
            self._resume.cancel()
            self._resume = None
        if self.id and self.tape is not None:
            await self._silence(self.tape)

    async def _silence(self, tape: Tape) -> None:
        pause, there = self._next(tape), tape.samples()
        if not pause.ordered:
            pause.since, pause.there, pause.ordered = time.monotonic(), there, True
        tape.silence(pause.silence())
        try:
            async with asyncio.timeout(self.confirm):
                await self.owner.ami.mute_mixmonitor(self.channel, self.id, "both", True)
        except (AsteriskError, TimeoutError) as error:
            detail = str(error) or f"Asterisk did not answer within {self.confirm:g} s"
            await self._give_up(tape, pause, f"the pause was not confirmed: {detail}")
            raise AmiRefused(f"the pause was not confirmed: {detail}", "MixMonitorMute") from error
        self.owner.recorder_is("paused", there)
        self._prove()

    def _next(self, tape: Tape) -> Pause:
        """The pause that is on, or the one that is about to be ordered."""
        pause = self._pause
        if pause is None or pause.until is not None:
            # One that is over but not proven to its end keeps its hold, which is the earlier one.
            there = tape.samples()
            held = tape.hold(max(0, there - round(HOT_KEY * RATE)))
            self._pause = pause = Pause(time.monotonic(), there, held, ordered=False)
        return pause

    def resume(self) -> None:
        """Write again, once nothing can be held back that was said before."""
        self._silent = False
        if self._resume is None and self.id:
            self._resume = asyncio.get_running_loop().create_task(self._go_on(), name="resume")
            self._resume.add_done_callback(self._went_on)

    async def _go_on(self) -> None:
        tape, pause = self.tape, self._pause
        if tape is None:
            return
        if pause is not None and pause.until is None:
            await asyncio.sleep(self.guard)
            pause.until = time.monotonic()
            tape.silence(pause.silence())
        async with asyncio.timeout(self.confirm):
            await self.owner.ami.mute_mixmonitor(self.channel, self.id, "both", False)
        self.owner.recorder_is("on", tape.samples())

    def _went_on(self, task: asyncio.Task[None]) -> None:
        if self._resume is task:
            self._resume = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self.owner.unproven(f"recording did not go on: {error or 'Asterisk did not answer in time'}")

    def speak(self) -> None:
        """Not to be silent when it begins."""
        self._silent = False

    def follow(self, other: Recorder) -> None:
        """Begin in the state that another one was told to be in."""
        self._silent = other._silent

    async def erase_last(self, seconds: float, why: str) -> None:
        """Destroy what was recorded last before the pause.

        What the recorder wrote until then arrives later, so that is erased when the pause is proven; from
        here on it is on hold.

        Raises:
            RecordingError: part of it is durable already; the rest is, or will be, erased.
        """
        tape, pause = self.tape, self._pause
        if tape is None or pause is None:
            raise RecordingError("nothing is paused, so nothing before a pause can be erased")
        wanted = round(seconds * RATE)
        if pause.begin is not None:
            await self._erase(tape, max(0, pause.begin - wanted), pause.begin, why)
            return
        first = max(0, pause.there - wanted)
        held = tape.hold(first)
        pause.start, pause.drop = min(pause.start, held), max(pause.drop, seconds)
        tape.silence(pause.silence())
        # Where the pause begins is not known yet: up to a piece (2.05 s) less than was feared is enough.
        if held > first + PIECE:
            raise RecordingError(
                f"not all of the {seconds:g} s before the pause can be erased, the first was sealed already; "
                "raise vault.look_back_seconds, or withdraw and destroy the recording"
            )

    async def erase_from(self, first: int, why: str, *, moment: float | None = None) -> None:
        """Destroy what was recorded from a sample on, up to the pause that is on or is about to be ordered.

        Should the recording end before that pause, all from there on is destroyed. It outlives a crash.

        Args:
            first: the sample. It is on hold until now, and from here on for the pause.
            why: for the ledger.
            moment: where it will be known better, with the next samples, which one it is: what was recorded
                from this moment on (monotonic seconds), and nothing before ``first``.

        Raises:
            RecordingError: part of it is durable already; the rest is, or will be, erased.
        """
        tape = self.tape
        if tape is None:
            raise RecordingError("nothing was recorded yet, so nothing can be erased")
        if self._done:
            known = first if moment is None else max(first, place(moment, *tape.arrived()))
            await self._erase(tape, known, tape.samples(), why)
            return
        pause = self._next(tape)
        if pause.begin is not None:
            known = first if moment is None else max(first, place(moment, *tape.arrived()))
            await self._erase(tape, known, pause.begin, why)
            return
        held = tape.hold(first)
        pause.start = min(pause.start, held)
        pause.erase(first, moment)
        pause.why = why
        tape.silence(pause.silence())
        if held > first:
            raise RecordingError(
                f"{held - first} samples of what was to be erased were sealed already; "
                "withdraw the recording and destroy it"
            )

    async def stop(self) -> None:
        """End it.

        Raises:
            AsteriskError: it could not be told.
        """
        await self._quiet()
        if self.id:
            # Asterisk closes the files before it answers (22.10.1), so what is removed stays away.
            try:
                await self.owner.ami.stop_mixmonitor(self.channel, self.id)
            except AmiRefused as error:
                # One that somebody else has stopped need not be stopped.
                if is_denied(error):
                    raise
            self.id = ""

    # ------------------------------------------------------------------ the proof

    def _prove(self) -> None:
        if self._proof is None or self._proof.done():
            self._proof = asyncio.get_running_loop().create_task(self._watch(), name="proof of a pause")
            self._proof.add_done_callback(self._watched)

    def _watched(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a pause could not be proven", exc_info=error)
            self.owner.unproven(f"the pause could not be proven: {error}")

    async def _watch(self) -> None:
        """Look at the samples of each pause as they arrive, until it is over."""
        tape = self.tape
        while tape is not None and (pause := self._pause) is not None and pause.ordered:
            try:
                end = await self._prove_one(tape, pause)
            except Unproven as error:
                await self._give_up(tape, pause, str(error))
                self.owner.unproven(str(error))
                return
            tape.release()
            if self._pause is pause:
                self._pause = None
                tape.silence(None)
            elif self._pause is not None:
                # What is to be erased before it may have begun earlier.
                self._pause.start = tape.hold(min(end, self._pause.start))

    async def _prove_one(self, tape: Tape, pause: Pause) -> int:
        """One pause, from its first sample to its last; returns the first sample after it."""
        there, seen = await self._piece(tape, pause.there)
        while there <= place(pause.since + LATEST, there, seen) and not self._is_over(pause, seen):
            there, seen = await self._piece(tape, there)
        proven = await self._began(tape, pause, there, seen)
        self._hold_from(tape, pause, proven)
        while not self._is_over(pause, seen):
            there, seen = await self._piece(tape, proven)
            if not self._is_over(pause, seen):
                await self._must_be_silent(tape, proven, there)
                proven = there
                self._hold_from(tape, pause, proven)
                self.owner.proven(pause.begin or 0, proven, whole=False)
        return await self._over(tape, pause, proven, there, seen)

    def _hold_from(self, tape: Tape, pause: Pause, proven: int) -> None:
        """What is before may become durable."""
        tape.release()
        pause.start = tape.hold(proven)

    def _is_over(self, pause: Pause, seen: float) -> bool:
        """Whether the samples seen at this moment hold the end of the pause."""
        return pause.until is not None and seen >= pause.until

    async def _piece(self, tape: Tape, after: int) -> tuple[int, float]:
        """Wait for samples after this one: how many there are then, and when they were seen."""
        there, came = tape.arrived()
        while there <= after:
            # Pieces come every 2.05 s; in between there is nothing to look for.
            rest = came + REGULAR - time.monotonic()
            await asyncio.sleep(max(LOOK, min(rest, REGULAR)))
            there, came = tape.arrived()
        return there, came

    async def _began(self, tape: Tape, pause: Pause, there: int, seen: float) -> int:
        """Find the first sample of the silence; returns up to where it is proven.

        What was said after the pause was asked for is erased; so is what was to be dropped before it.
        """
        latest = place(pause.since + LATEST, there, seen)
        latest = min(max(latest, pause.there), there)
        end = there
        if pause.until is not None and self._is_over(pause, seen):
            end = min(max(place(pause.until - LATEST, there, seen), latest), there)
        late = await tape.sounds(latest, end)
        before = await tape.sounds(pause.start, latest)
        # Neither party need have spoken right before it.
        begin = max(before[1] if before else pause.start, latest - 2 * round(LATEST * RATE))
        if late is not None:
            begin = latest
            await self._erase(tape, latest, late[1], "said after the pause was asked for")
            if late[1] == end or late[1] - latest > TOLERATED * RATE:
                seconds = (late[1] - latest) / RATE
                raise Unproven(f"the recorder confirmed a pause and went on: {seconds:.2f} s of speech after")
        pressed = max(pause.start, begin - round(HOT_KEY * RATE))
        for rest in await tape.rests(pressed, begin):
            await self._erase(tape, *rest, "a hot key that sounded")
        done = None
        # More may be asked for meanwhile. Where it begins is told last: should the end of the call cut this
        # short, all of it is done anew.
        while (asked := (pause.drop, pause.first, pause.moment)) != done:
            done = asked
            if pause.drop:
                first = latest - round((LATEST + pause.drop) * RATE)
                await self._erase(tape, max(first, pause.start), begin, "dropped with the pause")
            if (unwanted := pause.unwanted(there, seen)) is not None:
                await self._erase(tape, unwanted, begin, pause.why)
        pause.begin = begin
        return end

    async def _over(self, tape: Tape, pause: Pause, proven: int, there: int, seen: float) -> int:
        """The end of the pause: silent up to where the recorder was told to go on."""
        # The reckoning is as good as a frame or two (20 ms each). What is heard a little before the recorder
        # was told to go on was still said after somebody asked for that, because of the guard.
        told = there if pause.until is None else place(pause.until - LATEST, there, seen)
        told = min(max(told, proven), there)
        await self._must_be_silent(tape, proven, told)
        loud = await tape.sounds(told, there)
        end = min(loud[0] if loud else there, told + round(2 * LATEST * RATE))
        begin = pause.begin or 0
        tape.mark("pause", begin, end)
        self.owner.proven(begin, end, whole=True)
        return end

    async def _must_be_silent(self, tape: Tape, first: int, last: int) -> None:
        if first < last and (loud := await tape.sounds(first, last)) is not None:
            raise Unproven(f"the recorder ran while it was paused: speech in samples {loud[0]} to {loud[1]}")

    async def _erase(self, tape: Tape, first: int, last: int, why: str) -> None:
        if first < last:
            await tape.erase(first, last, why)
            self.owner.erased(first, last, why)

    async def _give_up(self, tape: Tape, pause: Pause, why: str) -> None:
        """A recorder that does not do as it is told is stopped, and what it wrote since is erased."""
        try:
            if self.id:
                await self.owner.ami.stop_mixmonitor(self.channel, self.id)
                self.id = ""
        except CallguardError as error:
            # What it goes on to write stays on hold, and is sealed as silence when the call is over.
            self.broken = True
            log.error("a recorder cannot be stopped", channel=self.channel, why=str(error))  # noqa: TRY400
            return
        await self._erase(tape, pause.spoilt(), tape.samples(), why)
        self._forget(tape)

    # ------------------------------------------------------------------ the end

    async def ended(self) -> None:
        """The call is over, and with it the recorder: prove what can still be proven."""
        await self._quiet()
        tape, pause = self.tape, self._pause
        if tape is None:
            return
        try:
            if pause is not None and not self.broken:
                await (self._prove_rest(tape, pause) if pause.ordered else self._erase_rest(tape, pause))
        except Unproven as error:
            self.owner.unproven(str(error))
        finally:
            self._done = True
            tape.close()

    async def _prove_rest(self, tape: Tape, pause: Pause) -> None:
        """A pause that lasted to the end of the call, or was over but not proven yet."""
        over, there = await self._last(tape)
        proven = pause.start
        if pause.begin is None:
            proven = await self._began(tape, pause, there, over)
        await self._over(tape, pause, proven, there, over)
        self._forget(tape)

    async def _erase_rest(self, tape: Tape, pause: Pause) -> None:
        """A pause was about to be ordered when the recording ended."""
        over, there = await self._last(tape)
        if (unwanted := pause.unwanted(there, over)) is not None:
            await self._erase(tape, unwanted, there, pause.why)
        self._forget(tape)

    async def _last(self, tape: Tape) -> tuple[float, int]:
        """When it was over, and how many samples there were in the end."""
        over, there = time.monotonic(), tape.samples()
        while time.monotonic() - over < LAST and tape.samples() == there:  # noqa: ASYNC110 - Asterisk writes them
            await asyncio.sleep(LOOK)
        return over, tape.samples()

    def _forget(self, tape: Tape) -> None:
        tape.release()
        tape.silence(None)
        self._pause = None

    async def _quiet(self) -> None:
        for task in (self._resume, self._proof):
            if task is not None and task is not asyncio.current_task():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, CallguardError):
                    await task
        self._resume = self._proof = None
