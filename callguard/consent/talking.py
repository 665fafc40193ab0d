"""After the dialogue: what may capture, what is on hold, who joined, who withdrew.

Capture runs when three things are true: a durable consent entry allows it, the recorder was
ordered to, and nothing holds it. Holds are words: ``payment``, ``untold:<who>``,
``refused:<who>``, ``switched-off``. Taking off the last hold resumes a paused capture; a capture
that was stopped comes back only by a new consent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callguard.consent.actions import (
    Action,
    Alert,
    CallEntry,
    CaptureEntry,
    Change,
    Commit,
    HoldEntry,
    Lamp,
    PauseCapture,
    ResumeCapture,
    StartCapture,
    StopCapture,
    StopForeign,
    Timer,
    ViolationEntry,
    Whisper,
)
from callguard.consent.call import Call, Capture, State, start_timer, stop_timers
from callguard.consent.events import (
    CaptureConfirmed,
    CaptureState,
    DigitPressed,
    EntryDurable,
    Event,
    Failed,
    Fault,
    ForeignRecorder,
    HungUp,
    PartyAnswered,
    PartyJoined,
    PartyLeft,
    PauseAsked,
    RecordingSwitchedOff,
    Recovered,
    ResumeAsked,
    TimeUp,
    WithdrawalAsked,
)
from callguard.consent.words import Answer, ConsentEntry, Outcome, Party

Step = tuple[Call, tuple[Action, ...]]

PAYMENT = "payment"
OFF = "switched-off"
CALLER = Party.CALLER.value

#: Outcomes that are a party's no; they hold the capture until that party agrees anew or has left.
REFUSALS = frozenset({Outcome.REFUSED, Outcome.WITHDRAWN})


def advance(call: Call, event: Event) -> Step:
    """Take one event of the conversation in."""
    rule = TABLE.get(type(event))
    return rule(call, event) if rule else (call, ())


# --------------------------------------------------------------------------- entries


def consent_entry(
    call: Call, outcome: Outcome, at: float, answer: Answer, note: str = "", who: str = CALLER
) -> tuple[Call, ConsentEntry]:
    """The next entry of this call, being a decision about consent by ``who``."""
    plan = call.agreed
    entry = ConsentEntry(
        number=call.entries + 1,
        who=who,
        outcome=outcome,
        basis=plan.basis,
        form=plan.form,
        heard=call.heard if who == CALLER else (),
        answer=answer,
        attempts=call.asked,
        decided=at,
        queue=plan.recorded_queue,
        notes=(note,) if note else (),
    )
    call = call.with_(entries=entry.number)
    if who == CALLER:
        call = call.with_(outcome=outcome, allowed_by=0)
    return call.with_(holds=held(call.holds, outcome, who)), entry


def held(holds: frozenset[str], outcome: Outcome, who: str) -> frozenset[str]:
    """The holds after ``who`` decided: a no is put on at once, a yes takes off only when durable."""
    if outcome in REFUSALS:
        return (holds - {f"untold:{who}"}) | {f"refused:{who}"}
    return holds


def commit(call: Call, make: type[CallEntry], **fields: Any) -> tuple[Call, Commit]:
    """The order to write the next entry of this call."""
    number = call.entries + 1
    return call.with_(entries=number), Commit(entry=make(number=number, **fields))


def capture_ordered(call: Call, at: float) -> tuple[Call, Commit]:  # noqa: ARG001 - at stands in the ledger row
    """The dialplan may start the recorder now."""
    call = call.with_(capture=Capture.ORDERED)
    return commit(call, CaptureEntry, change=Change.ORDERED, why="consent")


# --------------------------------------------------------------------------- the recorder's word


def confirmed(call: Call, event: CaptureConfirmed) -> Step:
    """The recorder says what it does; where that is not what was ordered, it is put right."""
    state, ordered = event.state, call.capture
    if state is CaptureState.ON and ordered is Capture.ORDERED:
        call, cancelled = stop_timers(call, Timer.CONFIRM)
        call, entry = commit(
            call.with_(capture=Capture.ON),
            CaptureEntry,
            change=Change.STARTED,
            why="confirmed",
            offset=event.offset,
        )
        return call, (*cancelled, entry, Lamp(state="recording"))
    if state is CaptureState.ON and ordered is Capture.ON:
        return stop_timers(call, Timer.CONFIRM)
    if state is CaptureState.PAUSED and ordered is Capture.PAUSED:
        call, cancelled = stop_timers(call, Timer.CONFIRM)
        call, entry = commit(
            call, CaptureEntry, change=Change.PAUSE_CONFIRMED, why="confirmed", offset=event.offset
        )
        return call, (*cancelled, entry, Lamp(state="paused"))
    if state is CaptureState.ON and ordered is Capture.PAUSED:
        return call, (PauseCapture(why="runs while paused"), Alert(what="recorder runs while paused"))
    if state is not CaptureState.OFF and ordered in {Capture.OFF, Capture.STOPPED}:
        return call, (StopCapture(why="not allowed"), Alert(what="recorder runs without consent"))
    if state is CaptureState.OFF and call.capture in {Capture.ORDERED, Capture.ON, Capture.PAUSED}:
        return stop(call, "recorder stopped", alert=True)
    return call, ()


def unconfirmed(call: Call, event: TimeUp) -> Step:  # noqa: ARG001 - every rule takes its event
    """The recorder did not say in time that it does as ordered: it is stopped."""
    return stop(call, "not confirmed", alert=True)


def stop(call: Call, why: str, *, by: str = "", shred: bool = False, alert: bool = False) -> Step:
    """End the capture, if there is one."""
    if call.capture in {Capture.OFF, Capture.STOPPED}:
        return call, ()
    call, cancelled = stop_timers(call, Timer.CONFIRM, Timer.PAUSE)
    call, entry = commit(
        call.with_(capture=Capture.STOPPED), CaptureEntry, change=Change.STOPPED, why=why, by=by, shred=shred
    )
    orders: tuple[Action, ...] = (*cancelled, StopCapture(why=why, shred=shred), entry)
    if alert:
        return call, (*orders, Lamp(state="fault"), Alert(what="capture stopped", detail=why))
    return call, (*orders, Lamp(state="off"))


# --------------------------------------------------------------------------- holds


def put_hold(call: Call, hold: str, why: str, by: str = "") -> Step:
    """A reason not to capture: pauses what runs, and is noted where nothing runs."""
    if hold in call.holds:
        return call, ()
    call = call.with_(holds=call.holds | {hold})
    if not call.captures:
        call, note = commit(call, HoldEntry, hold=hold, on=True, by=by)
        return call, (note,)
    call, entry = commit(
        call.with_(capture=Capture.PAUSED), CaptureEntry, change=Change.PAUSED, why=why, by=by, hold=hold
    )
    call, timer = start_timer(call, Timer.CONFIRM, call.agreed.confirm_seconds)
    # The recorder is silenced before anything else; the entry follows, because a pause that
    # waited for the ledger would capture what it is meant to keep out.
    return call, (PauseCapture(why=why), entry, *timer)


def take_hold(call: Call, hold: str, why: str, by: str = "") -> Step:
    """A reason not to capture is gone; the last one gone lets a paused capture go on."""
    if hold not in call.holds:
        return call, ()
    call = call.with_(holds=call.holds - {hold})
    call, note = commit(call, HoldEntry, hold=hold, on=False, by=by)
    call, resumed = resume(call, why, by)
    return call, (note, *resumed)


def resume(call: Call, why: str, by: str = "") -> Step:
    """Go on capturing, if it is paused, allowed, and nothing holds it."""
    if call.capture is not Capture.PAUSED or call.holds or not call.allowed_by:
        return call, ()
    call, cancelled = stop_timers(call, Timer.CONFIRM, Timer.PAUSE)
    call, entry = commit(call.with_(capture=Capture.ON), CaptureEntry, change=Change.RESUMED, why=why, by=by)
    return call, (*cancelled, entry, ResumeCapture(why=why), Lamp(state="recording"))


def pause(call: Call, event: PauseAsked) -> Step:
    """An agent pauses. Pressing again does not extend."""
    if not event.allowed:
        return call, (Alert(what="pause refused", detail=event.by),)
    if PAYMENT in call.holds or call.capture in {Capture.OFF, Capture.STOPPED}:
        return call, ()
    call, actions = put_hold(call, PAYMENT, "payment", event.by)
    call, timer = start_timer(call, Timer.PAUSE, event.seconds)
    return call, (*actions, *timer)


def unpause(call: Call, event: ResumeAsked) -> Step:
    """Somebody asks to go on."""
    if not event.allowed:
        return call, (Alert(what="resume refused", detail=event.by),)
    call, cancelled = stop_timers(call, Timer.PAUSE) if PAYMENT in call.holds else (call, ())
    call, actions = take_hold(call, PAYMENT, "resume asked", event.by)
    return call, (*cancelled, *actions)


def pause_over(call: Call, event: TimeUp) -> Step:  # noqa: ARG001 - every rule takes its event
    """Nobody ended the pause: the queue's choice."""
    if call.agreed.resume_after_pause:
        return take_hold(call, PAYMENT, "pause over", "queue")
    return call, (Alert(what="pause not ended"), Whisper(who=Party.AGENT.value, what="pause-not-ended"))


# --------------------------------------------------------------------------- parties


def joined(call: Call, event: PartyJoined) -> Step:
    """A party who was not told holds the capture until told."""
    if event.told:
        return call, ()
    call, kept = forget_yes_for_good(call, event.who)
    call, actions = put_hold(call, f"untold:{event.who}", "party not told", event.who)
    actions = (*kept, *actions)
    return call, (*actions, Whisper(who=event.who, what="announcement"))


def answered(call: Call, event: PartyAnswered) -> Step:
    """A party said yes or no. A yes counts when it is durable, a no at once."""
    if not event.agreed:
        return withdraw(call, event.who, event.at, shred=False)
    answer = Answer(kind="later", value="yes", at=event.at)
    number = call.entries + 1
    if event.who == CALLER:
        # The outcome of the call changes only when this entry is durable.
        keep = call.outcome, call.allowed_by
        call, entry = consent_entry(call, Outcome.GRANTED, event.at, answer, who=CALLER)
        call = call.with_(outcome=keep[0], allowed_by=keep[1])
    else:
        call, entry = consent_entry(call, Outcome.GRANTED, event.at, answer, who=event.who)
    return call.with_(awaited=call.awaited | {(number, event.who)}), (Commit(entry=entry),)


def durable(call: Call, event: EntryDurable) -> Step:
    """A later yes is on disk: its holds come off, and the caller's yes may start a new capture."""
    who = dict(call.awaited).get(event.number)
    if who is None:
        return call, ()
    number = event.number
    call = call.with_(
        awaited=call.awaited - {(number, who)}, holds=call.holds - {f"untold:{who}", f"refused:{who}"}
    )
    if who != CALLER:
        return resume(call, "party agreed", who)
    call = call.with_(outcome=Outcome.GRANTED, allowed_by=number)
    if call.capture in {Capture.OFF, Capture.STOPPED} and not call.holds:
        call, ordered = capture_ordered(call, event.at)
        call, timer = start_timer(call, Timer.CONFIRM, call.agreed.confirm_seconds)
        return call, (StartCapture(allowed_by=number), ordered, *timer)
    return resume(call, "caller agreed", who)


def left(call: Call, event: PartyLeft) -> Step:
    """With a party go its holds; the caller's own stay, for the channel is the caller's."""
    if event.who == CALLER:
        return call, ()
    call = forget_yes(call, event.who)
    call, first = take_hold(call, f"untold:{event.who}", "party left", event.who)
    call, second = take_hold(call, f"refused:{event.who}", "party left", event.who)
    return call, (*first, *second)


def withdrawal(call: Call, event: WithdrawalAsked) -> Step:
    """Consent is taken back in mid-call."""
    return withdraw(call, event.by.value, event.at, shred=event.shred)


def pressed(call: Call, event: DigitPressed) -> Step:
    """The caller presses the key that was said to stop the recording."""
    if event.party is not Party.CALLER or event.digit not in call.agreed.withdraw_keys or not call.consented:
        return call, ()
    return withdraw(call, CALLER, event.at, shred=call.agreed.shred_withdrawn)


def withdraw(call: Call, who: str, at: float, *, shred: bool) -> Step:
    """A no by ``who``: the caller's and the agent's end the capture, a joined party's holds it."""
    call = forget_yes(call, who)
    answer = Answer(kind="withdrawal", value=who, at=at)
    if who in {CALLER, Party.AGENT.value}:
        call, entry = consent_entry(call, Outcome.WITHDRAWN, at, answer, who=who)
        call, stopped = stop(call, "withdrawn", by=who, shred=shred)
        return call, (*stopped, Commit(entry=entry))
    captured = call.captures
    call, entry = consent_entry(call, Outcome.REFUSED, at, answer, who=who)
    if not captured:
        return call, (Commit(entry=entry),)
    call, paused = commit(
        call.with_(capture=Capture.PAUSED), CaptureEntry, change=Change.PAUSED, why="party refused", by=who
    )
    call, timer = start_timer(call, Timer.CONFIRM, call.agreed.confirm_seconds)
    return call, (PauseCapture(why="party refused"), Commit(entry=entry), paused, *timer)


def forget_yes(call: Call, who: str) -> Call:
    """A yes that is not durable yet no longer counts."""
    return call.with_(awaited=frozenset(waiting for waiting in call.awaited if waiting[1] != who))


def forget_yes_for_good(call: Call, who: str) -> Step:
    """As ``forget_yes``; what that yes would have taken off is written down as still being on."""
    if who not in dict(call.awaited).values():
        return call, ()
    call = forget_yes(call, who)
    orders: tuple[Action, ...] = ()
    for hold in sorted(call.holds & {f"untold:{who}", f"refused:{who}"}):
        call, entry = commit(call, HoldEntry, hold=hold, on=True, by=who)
        orders = (*orders, entry)
    return call, orders


# --------------------------------------------------------------------------- everything else


def foreign(call: Call, event: ForeignRecorder) -> Step:
    """Another recorder: noted always, stopped wherever nothing may capture now."""
    call, entry = commit(call, ViolationEntry, recorder=event.recorder, allowed=call.captures)
    alert = Alert(what="foreign recorder", detail=event.recorder)
    if call.captures:
        return call, (entry, alert)
    return call, (StopForeign(recorder=event.recorder), entry, alert)


def switched_off(call: Call, event: RecordingSwitchedOff) -> Step:
    """All recording on the PBX is stopped; this call does not come back to it."""
    if OFF in call.holds:
        return call, ()
    call, stopped = stop(call, OFF, by=event.by)
    call, note = commit(call.with_(holds=call.holds | {OFF}), HoldEntry, hold=OFF, on=True, by=event.by)
    return call, (*stopped, note)


def failed(call: Call, event: Failed) -> Step:
    """A fault of capture or spool stops the recording; the others cannot change what is consented."""
    if event.fault in {Fault.CAPTURE, Fault.SPOOL, Fault.CONTROLLER}:
        return stop(call, f"{event.fault}: {event.detail}", alert=True)
    return call, (Alert(what=f"fault: {event.fault}", detail=event.detail),)


def recovered(call: Call, event: Recovered) -> Step:  # noqa: ARG001 - every rule takes its event
    """After a crash a pause is ordered again, and a running recorder has to say that it runs."""
    call, timers = stop_timers(call)
    if call.capture is Capture.PAUSED:
        call, timer = start_timer(call, Timer.CONFIRM, call.agreed.confirm_seconds)
        return call, (*timers, PauseCapture(why="after a crash"), *timer)
    if call.captures:
        call, timer = start_timer(call, Timer.CONFIRM, call.agreed.confirm_seconds)
        return call, (*timers, *timer)
    return call, timers


def hung_up(call: Call, event: HungUp) -> Step:  # noqa: ARG001 - every rule takes its event
    """The customer's channel is gone, and with it the recorder."""
    call, cancelled = stop_timers(call)
    if call.capture in {Capture.OFF, Capture.STOPPED}:
        return call.with_(state=State.ENDED), cancelled
    call, entry = commit(
        call.with_(capture=Capture.STOPPED), CaptureEntry, change=Change.STOPPED, why="hung up"
    )
    return call.with_(state=State.ENDED), (*cancelled, entry, Lamp(state="off"))


TABLE: dict[type[Event], Callable[[Call, Any], Step]] = {
    CaptureConfirmed: confirmed,
    DigitPressed: pressed,
    PauseAsked: pause,
    ResumeAsked: unpause,
    PartyJoined: joined,
    PartyAnswered: answered,
    PartyLeft: left,
    WithdrawalAsked: withdrawal,
    EntryDurable: durable,
    ForeignRecorder: foreign,
    RecordingSwitchedOff: switched_off,
    Failed: failed,
    Recovered: recovered,
    HungUp: hung_up,
}
