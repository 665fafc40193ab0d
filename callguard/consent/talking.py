"""After the dialogue: what may capture, what is on hold, who joined, who withdrew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callguard.consent import parties, pausing
from callguard.consent.actions import (
    Alert,
    CaptureEntry,
    Change,
    HoldEntry,
    Lamp,
    PauseCapture,
    ResumeCapture,
    StopForeign,
    Timer,
    ViolationEntry,
)
from callguard.consent.call import Call, Capture, State, start_timer, stop_timers
from callguard.consent.capturing import (
    OFF,
    PAYMENT,
    Step,
    commit,
    confirmed,
    put_hold,
    stop,
)
from callguard.consent.events import (
    CaptureConfirmed,
    CaptureVerified,
    DigitPressed,
    EntryDurable,
    Event,
    ExtendAsked,
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
    WithdrawalAsked,
)


def advance(call: Call, event: Event) -> Step:
    """Take one event of the conversation in."""
    rule = TABLE.get(type(event))
    return rule(call, event) if rule else (call, ())


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


def recovered(call: Call, event: Recovered) -> Step:
    """After a crash a pause is ordered again, and a running recorder has to say that it runs."""
    call, timers = stop_timers(call)
    if event.paused and call.capture in {Capture.ORDERED, Capture.ON}:
        # The crash was quicker than the entry.
        call, actions = put_hold(call, PAYMENT, "paused before a crash", "controller")
        call, ends = pausing.countdown(call, event.pause_left or call.agreed.pause_seconds)
        return call, (*timers, *actions, *ends)
    if call.capture is Capture.PAUSED:
        call, timer = start_timer(call, Timer.CONFIRM, call.agreed.confirm_seconds)
        ends = ()
        if PAYMENT in call.holds:
            call, ends = pausing.countdown(call, event.pause_left or call.agreed.pause_seconds)
        return call, (*timers, PauseCapture(why="after a crash"), *timer, *ends)
    if call.captures:
        # A resume may have been ordered that Asterisk never heard of.
        call, timer = start_timer(call, Timer.CONFIRM, call.agreed.confirm_seconds)
        return call, (*timers, ResumeCapture(why="after a crash"), *timer)
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
    DigitPressed: parties.pressed,
    PauseAsked: pausing.pause,
    ResumeAsked: pausing.unpause,
    ExtendAsked: pausing.extend,
    CaptureVerified: pausing.verified,
    PartyJoined: parties.joined,
    PartyAnswered: parties.answered,
    PartyLeft: parties.left,
    WithdrawalAsked: parties.withdrawal,
    EntryDurable: parties.durable,
    ForeignRecorder: foreign,
    RecordingSwitchedOff: switched_off,
    Failed: failed,
    Recovered: recovered,
    HungUp: hung_up,
}
