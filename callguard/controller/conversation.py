"""One call: what Asterisk says about it becomes events of the core, and the core's orders are carried out.

A conversation is one task with an inbox. Events are taken in one after the other, so that the core
sees one order of things; each request to Asterisk has a deadline, so that the inbox never stands still
for longer than that. The task ends with the call.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import structlog

from callguard.asterisk.ami import Ami
from callguard.asterisk.ari import Ari
from callguard.asterisk.errors import AriRefused
from callguard.asterisk.events import Channel
from callguard.config import Config
from callguard.consent import Call, Capture, Plan, State, advance
from callguard.consent import actions as do
from callguard.consent import events as ev
from callguard.consent.capturing import CALLER, CARD_DIGITS
from callguard.consent.words import ConsentEntry, Outcome, Party
from callguard.controller.cadence import Sounded
from callguard.controller.company import Company, Hall
from callguard.controller.desk import Lamp
from callguard.controller.foreign import Foreign
from callguard.controller.hearing import Listener, Listeners, Said
from callguard.controller.keypad import GUARD, Keypad, card_guard
from callguard.controller.latch import Latch
from callguard.controller.leases import Leases
from callguard.controller.planning import Request
from callguard.controller.sealing import Keeper
from callguard.controller.segments import Segments
from callguard.controller.signals import Screens, Signals
from callguard.controller.taping import Taping, may_be_kept
from callguard.controller.verdict import Verdict, tell_dialplan
from callguard.errors import AsteriskError, CallguardError, LedgerError
from callguard.ledger import Entry, Ledger, Receipt, body_for
from callguard.ledger.bodies import AnyBody, Ended, Routed, Violation
from callguard.recording import Spool

log = structlog.get_logger(__name__)

#: A playback that ended this much before its length was cut short. Asterisk ends it when the last frame was
#: written, which is up to a jitter buffer of frames before it was heard (seconds, measured on 22.10.1).
CUT_TOLERANCE = 0.3

#: How often ARI is asked whether the recorder began of which the manager interface says nothing (seconds).
UNTOLD_SECONDS = 1.0


class House(Protocol):
    """What a conversation needs of the controller."""

    ami: Ami
    ledger: Ledger
    spool: Spool
    keeper: Keeper | None
    config: Config
    leases: Leases

    @property
    def floor(self) -> Around:
        """What goes on around the calls."""

    @property
    def ari(self) -> Ari | None:
        """The live connection to ARI, if there is one."""

    def obstacle(self) -> ev.Failed | None:
        """Why no capture may start now."""

    def alert(self, what: str, detail: str, call: str) -> None:
        """Somebody has to look at this."""

    def own(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run something in a task that is looked after."""

    def ended(self, conversation: Conversation) -> None:
        """The call is over."""


class Around(Hall, Screens, Protocol):
    """What goes on around the calls: agents, lamps, whispers, other recorders."""

    listeners: Listeners
    latch: Latch

    def whisper(self, conversation: Conversation, who: str, what: str) -> None:
        """Tell one party something that nobody else hears."""

    async def silence(self, conversation: Conversation) -> None:
        """Whatever else records or listens on this call, silence it."""


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
    request: Request  #: what was known of it when it arrived
    inbox: asyncio.Queue[ev.Event] = field(default_factory=asyncio.Queue)
    case: str = ""  #: of the CRM
    signals: Signals = field(init=False)
    keypad: Keypad = field(init=False)
    segments: Segments = field(init=False)
    company: Company = field(init=False)
    routed: bool = False
    heard_us: bool = False  #: a first prompt began
    changed: asyncio.Event = field(default_factory=asyncio.Event)  #: set after each event that was taken in
    taken: int = 0  #: how many events were taken in
    pauses: int = 0  #: how often it was paused
    stopped: str = ""  #: why the recording was ended, where it was
    _fed: int = 0
    _playback: Playback | None = None
    _capture: bool = False
    _foreign: deque[Foreign] = field(default_factory=deque)  #: told to the core, not in the ledger yet
    _pause_ends: float | None = None
    _consent: ConsentEntry | None = None  #: the newest decision of the caller
    said: Said | None = None  #: a spoken yes, until it stands in the recording
    _listener: Listener | None = None
    _timers: dict[int, asyncio.TimerHandle] = field(default_factory=dict)

    def __post_init__(self) -> None:
        pause = self.house.config.pause
        self.signals = Signals(
            self.house.floor,
            self.call.id,
            self.channel.id,
            here=lambda: frozenset(each.phone for each in self.company.here.values()),
            toned=self._toned,
            missed=lambda why: self.house.alert("no warning tone", why, self.call.id),
        )
        self.company = Company(self.house.floor, self, changed=self.signals.light)
        self.keypad = Keypad(card_guard(self.house.config), self._number_keyed, self.house.own)
        self.segments = Segments(
            self.house,
            self,
            self.channel.id,
            confirm=pause.confirm_seconds,
            guard=pause.resume_guard_seconds,
            agent=lambda: self.company.agent,
        )

    @property
    def taping(self) -> Taping:
        """The segment of the recording that is under way."""
        return self.segments.now

    @property
    def pause_left(self) -> float | None:
        """Seconds until the pause is over; None when there is none."""
        return None if self._pause_ends is None else max(0.0, self._pause_ends - time.monotonic())

    @property
    def log(self) -> structlog.stdlib.BoundLogger:
        """The log with this call's id on every line."""
        bound: structlog.stdlib.BoundLogger = log.bind(call=self.call.id, channel=self.channel.id)
        return bound

    def feed(self, event: ev.Event) -> int:
        """Something happened; returns at once, with the number that ``taken`` will have reached."""
        self.inbox.put_nowait(event)
        self._fed += 1
        return self._fed

    async def run(self, plan: Plan) -> None:
        """Live through the call."""
        self.feed(ev.CallArrived(at=time.monotonic(), plan=plan))
        # What others record of this call may have begun before it.
        self.house.floor.latch.look(self.channel.id)
        await self.go_on()

    async def taken_up(
        self,
        recorder: str,
        consent: ConsentEntry | None,
        *,
        segment: int = 1,
        pause_left: float | None = None,
    ) -> None:
        """A controller before this one began this call: know what it knew; the recorder proves itself."""
        self.routed, self._consent = True, consent
        self._capture = self.call.capture is not Capture.OFF
        silent = self._capture and self.segments.taken_up(recorder, segment)
        if recorder:
            self.house.floor.latch.ours(self.channel.id, recorder)
        self.feed(ev.Recovered(at=time.monotonic(), paused=silent, pause_left=pause_left))
        ari = self.house.ari
        if ari is not None and self.call.captures:
            await ari.subscribe(f"channel:{self.channel.id}")
        if self._capture and not recorder and self.call.capture is not Capture.STOPPED:
            # An agent's hot key found nobody, and ended it.
            self.feed(ev.CaptureConfirmed(at=time.monotonic(), state=ev.CaptureState.OFF, offset=0))

    async def found(self, recorder: str, consent: ConsentEntry | None, *, segment: int = 1) -> None:
        """As `taken_up`, where that one did not live to see the recorder start: keep what it writes."""
        self.routed, self._consent, self._capture = True, consent, True
        self.feed(ev.Recovered(at=time.monotonic()))
        if recorder:
            self.house.floor.latch.ours(self.channel.id, recorder)
            await self.capture_started(recorder, segment)
        else:
            self.house.own(self._look_for_recorder(segment), f"recorder of {self.call.id}")
        ari = self.house.ari
        if ari is not None and self.call.agreed.withdraw_keys:
            await ari.subscribe(f"channel:{self.channel.id}")

    async def go_on(self) -> None:
        """Take in what happens until the call is over."""
        try:
            while self.call.state is not State.ENDED:
                await self._take(await self.inbox.get())
                self.taken += 1
                self._wake()
        finally:
            for timer in self._timers.values():
                timer.cancel()
            self._stop_hearing(keep=False)
            self.keypad.call_over()
            self.house.ended(self)
            self._wake()
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

    def keyed(self, side: int, at: float) -> None:
        """The caller (0) or another party (1) pressed a key, whichever; the card guard counts them."""
        self.keypad.told(side, at, captured=self.call.captures)

    def _number_keyed(self) -> None:
        card = self.house.config.pause.card_guard
        detail = f"{card.digits} keys within {card.window_seconds:g} s: paused, and erased from the first on"
        self.house.alert(GUARD, detail, self.call.id)
        self.feed(ev.PauseAsked(at=time.monotonic(), by=GUARD, allowed=True, why=CARD_DIGITS))

    def hung_up(self) -> None:
        """The channel is gone."""
        self.feed(ev.HungUp(at=time.monotonic()))

    def failed(self, fault: ev.Fault, detail: str) -> None:
        """Something failed."""
        self.feed(ev.Failed(at=time.monotonic(), fault=fault, detail=detail))

    def violated(self, found: Foreign) -> None:
        """Somebody else records or listens; the latch deals with it, and here it is written down."""
        self._foreign.append(found)
        self.feed(ev.ForeignRecorder(at=time.monotonic(), recorder=found.words(self.channel.id)))

    def recorder_lost(self) -> None:
        """Our recorder is gone, and we did not stop it."""
        self.feed(ev.CaptureConfirmed(at=time.monotonic(), state=ev.CaptureState.OFF, offset=0))

    async def left_stasis(self) -> None:
        """The channel left our application although we did not send it on: hung up, or rescued."""
        ari = self.house.ari
        try:
            if ari is not None:
                await ari.variable(self.channel.id, "CALLGUARD_OUTCOME")
                self.house.leases.doubt(self.channel.id)
                self.failed(ev.Fault.ASTERISK, "left the dialogue without us")
        except AriRefused:
            self.hung_up()
        except AsteriskError as error:
            self.failed(ev.Fault.ASTERISK, str(error))

    async def capture_started(self, recorder: str, segment: int) -> None:
        """The dialplan started the recorder."""
        if recorder == self.taping.recorder.id:
            return  # found before its event came
        await self.segments.started(recorder, segment, self._consent)

    async def stop_broken(self) -> None:
        """Asterisk can be reached again: stop a recorder that did not do as it was told."""
        await self.taping.recorder.stop()

    async def until(self, truth: Callable[[], bool]) -> None:
        """Wait for something to be true of this call, or for its end; the caller has a deadline."""
        while not truth() and self.call.state is not State.ENDED:
            await self.changed.wait()

    def _wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

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
                if action.timer is do.Timer.PAUSE:
                    self._pause_ends = time.monotonic() + action.seconds
            case do.CancelTimer():
                timer = self._timers.pop(action.serial, None)
                if timer is not None:
                    timer.cancel()
            case do.Listen():
                await self.house.leases.renew(self.channel.id, action.seconds)
            case do.Hear():
                self._listener = self.house.floor.listeners.listen(
                    self.channel.id, action.language, self.feed
                )
            case do.StopHearing():
                self._stop_hearing(keep=action.keep)
            case do.Commit():
                self._commit(action)
            case do.StartCapture():
                self._capture = True
                if self.routed:
                    self.segments.begin()
            case do.Route():
                await self._route(action)
            case do.End():
                await self._end(action)
            case do.StopCapture():
                self._pause_ends, self.stopped = None, action.why
                self.signals.quiet()
                try:
                    await self.segments.stop(shred=action.shred)
                finally:
                    await self.house.floor.latch.clear(self.channel.id)
            case do.PauseCapture():
                self.pauses += 1
                self.signals.quiet()
                await self.segments.pause()
                await self.house.floor.silence(self)
            case do.ResumeCapture():
                self._pause_ends = None
                self.house.floor.latch.resuming(self.channel.id)
                self.segments.resume()
            case do.NewSegment():
                self.segments.renew()
            case do.EraseLast():
                await self.taping.erase_last(action.seconds, action.why)
            case do.Lamp():
                self.signals.turn(Lamp(action.state))
            case do.Whisper():
                self.house.floor.whisper(self, action.who, action.what)
            case do.StopForeign():
                await self.house.floor.latch.clear(self.channel.id)
            case do.Alert():
                self.house.alert(action.what, action.detail, self.call.id)

    def _stop_hearing(self, *, keep: bool) -> None:
        """Nobody listens any more; what was said is forgotten unless it was a yes."""
        said, self.said = self.said, None
        if said is not None:
            said.wipe()
        listener, self._listener = self._listener, None
        if listener is not None:
            self.said = listener.stop(keep=keep)

    def _toned(self, tone: Sounded) -> None:
        self.taping.sounded(tone)

    def _time_up(self, serial: int) -> None:
        self._timers.pop(serial, None)
        self.feed(ev.TimeUp(at=time.monotonic(), timer=serial))

    # ------------------------------------------------------------------ orders

    def _live(self) -> Ari:
        ari = self.house.ari
        if ari is None:
            raise AsteriskError("no connection to ARI; the dialplan's lease leads the caller on")
        return ari

    async def _play(self, action: do.Play) -> None:
        # The lease first: a running playback blocks every other request to its channel.
        await self.house.leases.renew(self.channel.id, action.seconds)
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
        body = body_for(
            action.entry, recording=recording, channel=self.channel.id, segment=self.taping.number
        )
        if isinstance(body, Violation) and self._foreign:
            found = self._foreign.popleft()
            body = replace(body, channel=found.channel, stopped_ms=found.stopped_ms)
        if not isinstance(action.entry, ConsentEntry):
            # Only a consent is waited for. A commit of its own for each of the others was half of all work.
            self.note(body)
            return
        if action.entry.who == CALLER and action.entry.answer.kind != "speech":
            self._stop_hearing(keep=False)
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
        if verdict.way != "capture":
            self._stop_hearing(keep=False)
        self.note(Routed(queue=action.queue, outcome=action.outcome))
        if verdict.way == "capture" and self.call.agreed.withdraw_keys:
            # The caller was told of a key that stops the recording, so it has to be heard from now on.
            await self._live().subscribe(f"channel:{self.channel.id}")
        await self._hand_over(verdict)
        if verdict.way == "capture":
            self.house.own(self._look_for_recorder(1), f"recorder of {self.call.id}")

    async def _look_for_recorder(self, segment: int) -> None:
        """The manager interface tells that it began; where its line was lost just then, ARI knows."""
        while not self.taping.recorder.id and self.call.capture is Capture.ORDERED:
            await asyncio.sleep(UNTOLD_SECONDS)
            try:
                ari = self.house.ari
                found = ari and await ari.variable(self.channel.id, "CALLGUARD_MIXMONITOR")
            except AsteriskError:
                continue
            if found and self.call.capture is Capture.ORDERED:
                await self.capture_started(found, segment)

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
        await tell_dialplan(self.house.ami, ari, self.channel.id, "CALLGUARD_VERDICT", verdict.text())
        await ari.go_on(self.channel.id)
        self.log.info("handed on", outcome=verdict.outcome.value, queue=verdict.queue, way=verdict.way)

    def note(self, body: AnyBody) -> None:
        """Write a fact of the shell into the ledger; nobody waits for it."""
        self.house.ledger.note(Entry.now(body, self.call.id))

    async def _write_ended(self) -> None:
        untouched = may_be_kept(self.stopped, self.pauses, self.call.holds)
        late = self._consent if untouched else None
        captured = await self.segments.ended(was_captured=self._capture, late=late)
        outcome = self.call.outcome or Outcome.FAULT
        self.note(Ended(outcome=outcome, captured_ms=round(1000 * captured)))


def playback_id(channel: str, play: int) -> str:
    """The id of a channel's n-th prompt: a controller that takes a channel over can stop it by name."""
    return f"callguard-{channel}-{play}"
