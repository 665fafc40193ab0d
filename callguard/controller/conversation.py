"""One call: what Asterisk says about it becomes events of the core, and the core's orders are carried out.

A conversation is one task with an inbox. Events are taken in one after the other, so that the core
sees one order of things; each request to Asterisk has a deadline, so that the inbox never stands still
for longer than that. The task ends with the call.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from callguard.asterisk.ami import Ami
from callguard.asterisk.ari import Ari
from callguard.asterisk.errors import AriRefused
from callguard.asterisk.events import Channel
from callguard.consent import Call, Capture, Plan, State, advance
from callguard.consent import actions as do
from callguard.consent import events as ev
from callguard.consent.words import ConsentEntry, Outcome, Party
from callguard.controller.sealing import Keeper, put_head, wants_head
from callguard.controller.sweep import stop_recorders
from callguard.controller.verdict import Verdict
from callguard.errors import AsteriskError, CallguardError, LedgerError, RecordingError
from callguard.ledger import Entry, Ledger, Receipt, body_for
from callguard.ledger.bodies import AnyBody, Ended, Routed
from callguard.recording import Spool

log = structlog.get_logger(__name__)

#: Seconds by which the dialplan's lease outlives the step it is renewed for: the time the controller has to
#: take the next step, and about what a caller hears of silence when it died.
LEASE_MARGIN = 4.0

#: A playback that ended this much before its length was cut short. Asterisk ends it when the last frame was
#: written, which is up to a jitter buffer of frames before it was heard (seconds, measured on 22.10.1).
CUT_TOLERANCE = 0.3

#: How long, and how often within it, to look whether Asterisk opened the files of a capture (seconds).
PROOF_SECONDS = 1.0
PROOF_STEP = 0.02


class House(Protocol):
    """What a conversation needs of the controller."""

    ami: Ami
    ledger: Ledger
    spool: Spool
    keeper: Keeper | None

    @property
    def ari(self) -> Ari | None:
        """The live connection to ARI, if there is one."""

    def obstacle(self) -> ev.Failed | None:
        """Why no capture may start now."""

    def alert(self, what: str, detail: str, call: str) -> None:
        """Somebody has to look at this."""

    def ended(self, conversation: Conversation) -> None:
        """The call is over."""


@dataclass(slots=True)
class Playback:
    """The prompt under way."""

    play: int
    id: str
    seconds: float
    started: float
    stopped: bool = False


@dataclass(slots=True, eq=False)
class Conversation:
    """The shell around one call of the core."""

    house: House
    channel: Channel
    queue: str
    call: Call
    arrived: float
    inbox: asyncio.Queue[ev.Event] = field(default_factory=asyncio.Queue)
    recorder: str = ""  #: MixMonitorID, once the dialplan told
    routed: bool = False
    heard_us: bool = False  #: a first prompt began
    captured: float = 0.0
    _playback: Playback | None = None
    _capture: bool = False
    _own_recorder_seen: bool = False
    _sealing: bool = False
    _consent: ConsentEntry | None = None  #: the newest decision of the caller
    _timers: dict[int, asyncio.TimerHandle] = field(default_factory=dict)

    @property
    def log(self) -> structlog.stdlib.BoundLogger:
        """The log with this call's id on every line."""
        bound: structlog.stdlib.BoundLogger = log.bind(call=self.call.id, channel=self.channel.id)
        return bound

    def feed(self, event: ev.Event) -> None:
        """Something happened; returns at once."""
        self.inbox.put_nowait(event)

    async def run(self, plan: Plan) -> None:
        """Live through the call."""
        self.feed(ev.CallArrived(at=time.monotonic(), plan=plan))
        await self.go_on()

    async def taken_up(self, recorder: str, consent: ConsentEntry | None) -> None:
        """A controller before this one began this call: know what it knew; the recorder proves itself."""
        self.routed = True
        self.recorder, self._consent = recorder, consent
        self._capture = self._own_recorder_seen = self.call.capture is not Capture.OFF
        self._sealing = self._capture and self.house.keeper is not None
        self.feed(ev.Recovered(at=time.monotonic()))
        ari = self.house.ari
        if ari is not None and self.call.captures:
            await ari.subscribe(f"channel:{self.channel.id}")
        if recorder and self.house.spool.opened(self.call.id):
            state = ev.CaptureState.ON if self.call.captures else ev.CaptureState.PAUSED
            self.feed(ev.CaptureConfirmed(at=time.monotonic(), state=state, offset=0))

    async def go_on(self) -> None:
        """Take in what happens until the call is over."""
        try:
            while self.call.state is not State.ENDED:
                await self._take(await self.inbox.get())
        finally:
            for timer in self._timers.values():
                timer.cancel()
            self.house.ended(self)
        # Not when callguard itself leaves: then the call goes on, and so does its recording.
        await self._write_ended()

    # ------------------------------------------------------------------ what Asterisk said

    def playback_finished(self, playback: str, state: str) -> None:
        """A playback of this channel is over."""
        current = self._playback
        if current is None or current.id != playback:
            return
        self._playback = None
        elapsed = time.monotonic() - current.started
        completely = state == "done" and not current.stopped and elapsed >= current.seconds - CUT_TOLERANCE
        self.feed(ev.PromptFinished(at=time.monotonic(), play=current.play, completely=completely))

    def digit(self, digit: str) -> None:
        """The caller pressed a key. Digits are answers or nothing; they are never logged."""
        if self.call.state is not State.TALKING or digit in self.call.agreed.withdraw_keys:
            self.feed(ev.DigitPressed(at=time.monotonic(), party=Party.CALLER, digit=digit))

    def hung_up(self) -> None:
        """The channel is gone."""
        self.feed(ev.HungUp(at=time.monotonic()))

    def failed(self, fault: ev.Fault, detail: str) -> None:
        """Something failed."""
        self.feed(ev.Failed(at=time.monotonic(), fault=fault, detail=detail))

    def recorder_started(self) -> None:
        """A MixMonitor started on the caller's channel; the first one after our own order is ours."""
        if self._capture and not self._own_recorder_seen:
            self._own_recorder_seen = True
        else:
            self.feed(ev.ForeignRecorder(at=time.monotonic(), recorder="MixMonitor"))

    async def left_stasis(self) -> None:
        """The channel left our application although we did not send it on: hung up, or rescued."""
        ari = self.house.ari
        try:
            if ari is not None:
                await ari.variable(self.channel.id, "CALLGUARD_OUTCOME")
                self.failed(ev.Fault.ASTERISK, "left the dialogue without us")
        except AriRefused:
            self.hung_up()
        except AsteriskError as error:
            self.failed(ev.Fault.ASTERISK, str(error))

    async def capture_started(self, recorder: str) -> None:
        """The dialplan started the recorder: prove that it opened its files."""
        self.recorder = recorder
        deadline = time.monotonic() + PROOF_SECONDS
        while not self.house.spool.opened(self.call.id):
            if time.monotonic() > deadline:
                self.failed(ev.Fault.CAPTURE, "Asterisk did not open the files of the recording")
                return
            await asyncio.sleep(PROOF_STEP)
        self.feed(ev.CaptureConfirmed(at=time.monotonic(), state=ev.CaptureState.ON, offset=0))
        try:
            await self._keep()
        except RecordingError as error:
            self.failed(ev.Fault.SPOOL, str(error))

    async def _keep(self) -> None:
        """Have the recording sealed; or keep beside it what was announced, where a law wants that."""
        keeper, consent = self.house.keeper, self._consent
        if consent is None:
            raise RecordingError("a recording runs that no consent stands for")
        if keeper is not None:
            await keeper.begin(self.call, self.channel.id, consent)
            self._sealing = True
        elif wants_head(self.call.agreed):
            await asyncio.to_thread(put_head, self.house.spool, self.call.id, consent)

    # ------------------------------------------------------------------ the core's turn

    async def _take(self, event: ev.Event) -> None:
        if isinstance(event, ev.EntryDurable) and event.number == self.call.pending and self.call.consented:
            # The gate opens next: the last moment to find that a recording could not be controlled.
            event = self.house.obstacle() or event
        self.call, actions = advance(self.call, event)
        for action in actions:
            try:
                await self._carry_out(action)
            except CallguardError as error:
                if self.call.state is State.ENDED or isinstance(action, do.StopPlaying):
                    continue  # the channel is gone, or its playback was
                self.log.warning("an order was not carried out", order=type(action).__name__, why=str(error))
                self._unable(action, error)
                return

    def _unable(self, action: do.Action, error: CallguardError) -> None:
        """An order could not be carried out: a fault in the dialogue; afterwards the lease rescues."""
        if isinstance(action, do.Route | do.End):
            self.house.alert("caller not handed on, the dialplan's lease will", str(error), self.call.id)
            return
        fault = ev.Fault.CAPTURE if self.call.state is State.TALKING else ev.Fault.ASTERISK
        self.failed(fault, str(error))

    async def _carry_out(self, action: do.Action) -> None:  # noqa: C901 - one line an order: a table reads worse
        match action:
            case do.Play():
                await self._play(action)
            case do.StopPlaying():
                await self._stop_playing(action.play)
            case do.StartTimer():
                loop = asyncio.get_running_loop()
                self._timers[action.serial] = loop.call_later(action.seconds, self._time_up, action.serial)
            case do.CancelTimer():
                timer = self._timers.pop(action.serial, None)
                if timer is not None:
                    timer.cancel()
            case do.Listen():
                await self._renew_lease(action.seconds)
            case do.Commit():
                self._commit(action)
            case do.StartCapture():
                self._capture = True
            case do.Route():
                await self._route(action)
            case do.End():
                await self._end(action)
            case do.StopCapture():
                await self._stop_capture(shred=action.shred)
            case do.PauseCapture() | do.ResumeCapture():
                silent = isinstance(action, do.PauseCapture)
                await self.house.ami.mute_mixmonitor(self.channel.id, self.recorder, "both", silent)
            case do.StopForeign():
                await stop_recorders(self.house.ami, self.channel.id)
            case do.Alert():
                self.house.alert(action.what, action.detail, self.call.id)
            case _:
                self.log.debug("order", order=type(action).__name__)

    def _time_up(self, serial: int) -> None:
        self._timers.pop(serial, None)
        self.feed(ev.TimeUp(at=time.monotonic(), timer=serial))

    # ------------------------------------------------------------------ orders

    def _live(self) -> Ari:
        ari = self.house.ari
        if ari is None:
            raise AsteriskError("no connection to ARI; the dialplan's lease leads the caller on")
        return ari

    async def _renew_lease(self, seconds: float) -> None:
        value = str(round(seconds + LEASE_MARGIN))
        await self._live().set_variable(self.channel.id, "TIMEOUT(absolute)", value)

    async def _play(self, action: do.Play) -> None:
        # The lease first: a running playback blocks every other request to its channel.
        await self._renew_lease(action.seconds)
        playback = playback_id(self.channel.id, action.play)
        media = tuple(medium for prompt in action.prompts for medium in prompt.media)
        self._playback = Playback(
            play=action.play, id=playback, seconds=action.seconds, started=time.monotonic()
        )
        await self._live().play(self.channel.id, media, playback)

    async def _stop_playing(self, play: int) -> None:
        if self._playback is not None and self._playback.play == play:
            self._playback = None
            await self._live().stop_playback(playback_id(self.channel.id, play))

    def _commit(self, action: do.Commit) -> None:
        number = action.entry.number
        recording = self.call.id if isinstance(action.entry, do.CaptureEntry) else ""
        body = body_for(action.entry, recording=recording, channel=self.channel.id)
        if not isinstance(action.entry, ConsentEntry):
            # Only a consent is waited for. A commit of its own for each of the others was half of all work.
            self.note(body)
            return
        self._consent = action.entry
        self.house.ledger.append(Entry.now(body, self.call.id)).add_done_callback(
            lambda done: self._committed(number, done)
        )

    def _committed(self, number: int, done: asyncio.Future[Receipt]) -> None:
        if done.cancelled():
            return
        error = done.exception()
        if isinstance(error, LedgerError):
            if number == self.call.pending:
                self.failed(ev.Fault.LEDGER, str(error))
        elif error is not None:
            self.failed(ev.Fault.CONTROLLER, str(error))
        else:
            self.feed(ev.EntryDurable(at=time.monotonic(), number=number))

    async def _route(self, action: do.Route) -> None:
        verdict = Verdict(
            way="capture" if action.capture and self._capture else "pass",
            outcome=action.outcome,
            queue=action.queue,
            call=self.call.id,
            channel=self.channel.id,
        )
        self.note(Routed(queue=action.queue, outcome=action.outcome))
        if verdict.way == "capture" and self.call.agreed.withdraw_keys:
            # The caller was told of a key that stops the recording, so it has to be heard from now on.
            await self._live().subscribe(f"channel:{self.channel.id}")
        await self._hand_over(verdict)

    async def _end(self, action: do.End) -> None:
        verdict = Verdict(
            way="end",
            outcome=action.outcome,
            queue=self.call.agreed.unrecorded_queue,
            call=self.call.id,
            channel=self.channel.id,
        )
        await self._hand_over(verdict)

    async def _hand_over(self, verdict: Verdict) -> None:
        ari = self._live()
        self.routed = True
        await ari.set_variable(self.channel.id, "CALLGUARD_VERDICT", verdict.text())
        await ari.go_on(self.channel.id)
        self.log.info("handed on", outcome=verdict.outcome.value, queue=verdict.queue, way=verdict.way)

    async def _stop_capture(self, *, shred: bool) -> None:
        self.captured = self.house.spool.seconds(self.call.id)
        if self.recorder:
            # Asterisk closes the files before it answers (22.10.1), so what is removed stays away.
            await self.house.ami.stop_mixmonitor(self.channel.id, self.recorder)
        if not shred:
            return
        if self._sealing and self.house.keeper is not None:
            self._sealing = False
            await self.house.keeper.destroy(self.call.id, by="caller", reason="consent withdrawn")
        else:
            self.house.spool.remove(self.call.id)

    def note(self, body: AnyBody) -> None:
        """Write a fact of the shell into the ledger; nobody waits for it."""
        self.house.ledger.note(Entry.now(body, self.call.id))

    async def _write_ended(self) -> None:
        if self._sealing and self.house.keeper is not None:
            seconds = await self.house.keeper.end(self.call.id)
        else:
            seconds = self.house.spool.seconds(self.call.id) if self._capture else 0.0
        self.captured = max(self.captured, seconds)
        outcome = self.call.outcome or Outcome.FAULT
        self.note(Ended(outcome=outcome, captured_ms=round(1000 * self.captured)))


def playback_id(channel: str, play: int) -> str:
    """The id of a channel's n-th prompt: a controller that takes a channel over can stop it by name."""
    return f"callguard-{channel}-{play}"
