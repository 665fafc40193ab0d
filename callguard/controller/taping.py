"""The recording of one call: the recorder, its samples, and where they go. The conversation gives the orders.

What the recorder says becomes an event of the core, and what became of a pause a fact in the ledger.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Protocol

from callguard.asterisk.ami import Ami
from callguard.consent import Call, State
from callguard.consent import events as ev
from callguard.consent.words import ConsentEntry
from callguard.controller.cadence import Sounded
from callguard.controller.hearing import Said
from callguard.controller.keypad import Keypad
from callguard.controller.recorder import Recorder, place
from callguard.controller.sealing import Keeper, put_head, wants_head
from callguard.controller.tape import LooseTape, Tape
from callguard.errors import RecordingError
from callguard.ledger import Kind
from callguard.ledger.bodies import AnyBody, Capture
from callguard.recording import Spool, spoken
from callguard.recording.spool import RATE

#: How long, and how often within it, to look whether Asterisk opened the files of a capture (seconds).
PROOF_SECONDS = 1.0
PROOF_STEP = 0.02


#: Why a recording ends that may have begun although nobody told us: the call was over, or we gave up waiting.
UNTOLD = frozenset({"", "not confirmed"})


def may_be_kept(stopped: str, pauses: int, holds: Collection[str]) -> bool:
    """Whether what a recorder wrote that nobody steered is all under the consent that allowed it.

    Args:
        stopped: why the recording was ended, where it was.
        pauses: how often it was to be silent; nobody knows whether it was.
        holds: what is not to be captured for now.
    """
    return stopped in UNTOLD and not pauses and not holds


class Studio(Protocol):
    """What a recording needs of the controller."""

    ami: Ami
    spool: Spool
    keeper: Keeper | None

    def alert(self, what: str, detail: str, call: str) -> None:
        """Somebody has to look at this."""


class Speaker(Protocol):
    """The conversation, as its recording sees it."""

    call: Call
    keypad: Keypad
    said: Said | None

    def feed(self, event: ev.Event) -> int:
        """Something happened."""

    def note(self, body: AnyBody) -> None:
        """Write a fact into the ledger."""


@dataclass(slots=True, eq=False)
class Taping:
    """What becomes of the speech of one call.

    Args:
        studio: the controller.
        speaker: the conversation.
        channel: the customer's channel.
        confirm: seconds in which the recorder has to do as it is told.
        guard: seconds from a resume to the first sample that is written again.
        number: the how-many-th segment of the call's recording.
    """

    studio: Studio
    speaker: Speaker
    channel: str
    confirm: float
    guard: float
    number: int = 1
    sealing: bool = False
    captured: float = 0.0  #: seconds
    erased_seconds: float = 0.0  #: what was destroyed with the newest pause
    recorder: Recorder = field(init=False)
    ami: Ami = field(init=False)
    _tones: list[Sounded] = field(default_factory=list)  #: heard, and not yet in the index

    def __post_init__(self) -> None:
        self.ami = self.studio.ami
        self.recorder = Recorder(self, self.channel, confirm=self.confirm, guard=self.guard)

    @property
    def name(self) -> str:
        """The call's id in the ledger."""
        return self.speaker.call.id

    @property
    def tape(self) -> Tape | None:
        """Its samples, once the recorder began."""
        return self.recorder.tape

    # ------------------------------------------------------------------ begin

    async def started(self, recorder: str, consent: ConsentEntry | None) -> None:
        """The dialplan started the recorder: prove that it opened its files, and have them sealed."""
        self.recorder.id = recorder
        try:
            tape = await self._keep(consent)
            await self.recorder.begun(recorder, tape)
            self.speaker.keypad.begun(self, listened=self.sealing)
        except RecordingError as error:
            self._failed(ev.Fault.SPOOL, str(error))
            return
        deadline = time.monotonic() + PROOF_SECONDS
        while not self.studio.spool.opened(self.name, self.number):
            if time.monotonic() > deadline:
                self._failed(ev.Fault.CAPTURE, "Asterisk did not open the files of the recording")
                return
            await asyncio.sleep(PROOF_STEP)
        self.recorder_is("on", 0)

    async def _keep(self, consent: ConsentEntry | None) -> Tape:
        """Have the recording sealed; or keep beside it what was announced, where a law wants that."""
        keeper, call = self.studio.keeper, self.speaker.call
        if consent is None:
            raise RecordingError("a recording runs that no consent stands for")
        if keeper is not None:
            keeper.listen(call.id, self.number, self.speaker.keypad)
            await keeper.begin(call, self.channel, consent, self.number, self._said())
            self.sealing = True
            return keeper.tape(call.id, self.number)
        said = self._said()
        if self.number == 1 and (wants_head(call.agreed) or said):
            await asyncio.to_thread(
                put_head, self.studio.spool, call.id, consent if wants_head(call.agreed) else None, said
            )
        return LooseTape.of(self.studio.spool, call.id, self.number)

    def _said(self) -> bytes:
        """The spoken yes, which goes to the head of the recording and is kept nowhere else."""
        said, self.speaker.said = self.speaker.said, None
        if said is None or self.number != 1:
            return b""
        samples = spoken(said.pcm, said.rate)
        said.wipe()
        return samples

    def taken_up(self, recorder: str) -> bool:
        """A controller before this one began it; returns whether it was to be silent when that one died."""
        keeper = self.studio.keeper
        if keeper is None or not keeper.keeps(self.name, self.number):
            self.recorder.taken_up(
                recorder, LooseTape.of(self.studio.spool, self.name, self.number), None, None
            )
            self.speaker.keypad.begun(self, listened=False)
            return False
        self.sealing = True
        silence, held = keeper.silenced(self.name, self.number)
        self.recorder.taken_up(recorder, keeper.tape(self.name, self.number), silence, held)
        keeper.listen(self.name, self.number, self.speaker.keypad)
        self.speaker.keypad.begun(self, listened=True)
        return silence is not None and silence.until is None

    # ------------------------------------------------------------------ orders

    async def pause(self) -> None:
        """Be silent. Raises AsteriskError when that is not confirmed in time."""
        self.erased_seconds = 0.0
        await self.recorder.pause()

    async def erase_last(self, seconds: float, why: str) -> None:
        """Destroy what was recorded last; what cannot be destroyed any more is an alert."""
        try:
            await self.recorder.erase_last(seconds, why)
        except RecordingError as error:
            self.studio.alert("not everything was erased", str(error), self.name)

    async def erase_from(self, first: int, why: str, *, moment: float | None) -> None:
        """Destroy what was recorded from a sample on, up to the pause; see `Recorder.erase_from`."""
        try:
            await self.recorder.erase_from(first, why, moment=moment)
        except RecordingError as error:
            self.studio.alert("not everything was erased", str(error), self.name)

    async def stop(self, *, shred: bool) -> None:
        """End it; ``shred``: and destroy it. Raises AsteriskError, RecordingError."""
        self.captured = self.studio.spool.seconds(self.name, self.number)
        await self.recorder.stop()
        if not shred:
            return
        if self.sealing and self.studio.keeper is not None:
            self.sealing = False
            await self.studio.keeper.destroy(self.name, self.number, by="caller", reason="consent withdrawn")
        else:
            self.studio.spool.remove(self.name, self.number)

    async def destroy(self, number: int) -> None:
        """Destroy an earlier segment, which is sealed already; raises RecordingError."""
        if self.studio.keeper is not None:
            await self.studio.keeper.destroy(self.name, number, by="caller", reason="consent withdrawn")

    async def ended(self, *, was_captured: bool, late: ConsentEntry | None = None) -> float:
        """The call is over; returns the seconds that were captured.

        Args:
            was_captured: the recorder was ordered.
            late: keep what it wrote under this consent if nobody ever sealed it; None: destroy it.
        """
        if was_captured and not self.sealing:
            await self._unseen(late)
        if self.sealing or was_captured:
            await self.recorder.ended()
        self._mark_tones()
        await self._hear_out()
        keeper = self.studio.keeper
        if self.sealing and keeper is not None and keeper.keeps(self.name, self.number):
            seconds = await keeper.end(self.name, self.number)
        else:
            seconds = self.studio.spool.seconds(self.name, self.number) if was_captured else 0.0
        self.captured = max(self.captured, seconds)
        return self.captured

    async def _unseen(self, consent: ConsentEntry | None) -> None:
        """The lines to Asterisk were away when the dialplan started the recorder: see to what it wrote."""
        keeper, spool = self.studio.keeper, self.studio.spool
        if keeper is None or keeper.keeps(self.name, self.number) or not spool.opened(self.name, self.number):
            return
        try:
            if consent is not None:
                await keeper.keep_late(self.speaker.call, self.channel, consent, self.number)
            else:
                spool.remove(self.name, self.number)
                self.studio.alert("destroyed: nobody could steer its recorder", "", self.name)
        except RecordingError as error:
            self.studio.alert("a recording is left in the spool", str(error), self.name)

    async def _hear_out(self) -> None:
        """Before the end of it is sealed it is known whether keys in it are a number."""
        if self.sealing and self.studio.keeper is not None:
            await self.studio.keeper.hear_out(self.name, self.number)
        await self.speaker.keypad.over(self.number)

    def sounded(self, tone: Sounded) -> None:
        """A warning tone was heard: the index says where, for the file has none of it."""
        self._tones.append(tone)
        self._mark_tones()

    def _mark_tones(self) -> None:
        """Until the first samples came, 2 s after the start, nobody knows which sample a moment is."""
        tape = self.recorder.tape
        if tape is None:
            return
        try:
            there, seen = tape.arrived()
            while there and self._tones:
                tone = self._tones.pop(0)
                start = max(0, place(tone.at, there, seen))
                tape.mark("tone", start, start + round(tone.seconds * RATE), **tone.detail)
        except RecordingError as error:
            self.studio.alert("a warning tone is not in the index", str(error), self.name)

    # ------------------------------------------------------------------ what the recorder says

    def recorder_is(self, state: str, offset: int) -> None:
        """The recorder is ``on`` or ``paused``."""
        if state == "on":
            self.speaker.keypad.resumed()
        self.speaker.feed(
            ev.CaptureConfirmed(at=time.monotonic(), state=ev.CaptureState(state), offset=offset)
        )

    def proven(self, offset: int, until: int, *, whole: bool) -> None:
        """Samples of a pause are zero. While it lasts that is news for nobody; at its end it is written."""
        if not whole:
            return
        if self.speaker.call.state is not State.ENDED:
            self.speaker.feed(
                ev.CaptureVerified(at=time.monotonic(), offset=offset, until=until, segment=self.number)
            )
            return
        # The core is done with this call, and what the samples say is true all the same.
        body = Capture(
            kind=Kind.CAPTURE_VERIFIED,
            recording=self.name,
            segment=self.number,
            offset=offset,
            until=until,
            rate=RATE,
            reason="samples are zero",
        )
        self.speaker.note(body)

    def erased(self, offset: int, until: int, why: str) -> None:
        """Samples were destroyed."""
        self.erased_seconds += (until - offset) / RATE
        body = Capture(
            kind=Kind.CAPTURE_ERASED,
            recording=self.name,
            segment=self.number,
            offset=offset,
            until=until,
            rate=RATE,
            reason=why,
        )
        self.speaker.note(body)

    def unproven(self, detail: str) -> None:
        """A pause was none, or did not end."""
        self._failed(ev.Fault.CAPTURE, detail)

    def _failed(self, fault: ev.Fault, detail: str) -> None:
        self.speaker.feed(ev.Failed(at=time.monotonic(), fault=fault, detail=detail))
