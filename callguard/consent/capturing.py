"""What may capture and what holds it: entries, the recorder's word, and the holds.

Capture runs when three things are true: a durable consent entry allows it, the recorder was
ordered to, and nothing holds it. Holds are words: ``payment``, ``untold:<who>``, ``refused:<who>``,
``law:<who>``, ``never:<who>``, ``switched-off``. Taking off the last hold resumes a paused capture; a capture
that was stopped comes back only by a new consent.
"""

from __future__ import annotations

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
    StopCapture,
    Timer,
    Whisper,
)
from callguard.consent.call import Call, Capture, start_timer, stop_timers
from callguard.consent.events import CaptureConfirmed, CaptureState, TimeUp
from callguard.consent.words import Answer, ConsentEntry, Heard, Outcome, Party

Step = tuple[Call, tuple[Action, ...]]

PAYMENT = "payment"
#: Why the card guard asks for a pause.
CARD_DIGITS = "card digits"
OFF = "switched-off"
CALLER = Party.CALLER.value
AGENT = Party.AGENT.value

#: Outcomes that are a party's no; they hold the capture until that party agrees anew or has left.
REFUSALS = frozenset({Outcome.REFUSED, Outcome.WITHDRAWN})


# --------------------------------------------------------------------------- entries


def consent_entry(
    call: Call,
    outcome: Outcome,
    at: float,
    answer: Answer,
    note: str = "",
    who: str = CALLER,
    heard: tuple[Heard, ...] = (),
) -> tuple[Call, ConsentEntry]:
    """The next entry of this call, being a decision about consent by ``who``."""
    plan = call.agreed
    entry = ConsentEntry(
        number=call.entries + 1,
        who=who,
        outcome=outcome,
        basis=plan.basis,
        form=plan.form,
        heard=call.heard if who == CALLER else heard,
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
        call, cancelled = stop_timers(call, Timer.CONFIRM)
        return call, (*cancelled, Lamp(state="recording"))
    if state is CaptureState.PAUSED and ordered is Capture.PAUSED:
        call, cancelled = stop_timers(call, Timer.CONFIRM)
        call, entry = commit(
            call, CaptureEntry, change=Change.PAUSE_CONFIRMED, why="confirmed", offset=event.offset
        )
        what = "card-digits" if call.keyed else "paused"
        told = (Whisper(who=AGENT, what=what),) if PAYMENT in call.holds else ()
        return call, (*cancelled, entry, Lamp(state="paused"), *told)
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
    call, cancelled = stop_timers(call, Timer.CONFIRM, Timer.PAUSE, Timer.WARN)
    call, entry = commit(
        call.with_(capture=Capture.STOPPED), CaptureEntry, change=Change.STOPPED, why=why, by=by, shred=shred
    )
    orders: tuple[Action, ...] = (*cancelled, StopCapture(why=why, shred=shred), entry)
    if alert:
        told = (Alert(what="capture stopped", detail=why), Whisper(who=AGENT, what="recording-stopped"))
        return call, (*orders, Lamp(state="fault"), *told)
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
    call, cancelled = stop_timers(call, Timer.CONFIRM, Timer.PAUSE, Timer.WARN)
    call, entry = commit(call.with_(capture=Capture.ON), CaptureEntry, change=Change.RESUMED, why=why, by=by)
    # The lamp waits for the recorder's word.
    call, timer = start_timer(call, Timer.CONFIRM, call.agreed.confirm_seconds)
    return call, (*cancelled, entry, ResumeCapture(why=why), *timer)
