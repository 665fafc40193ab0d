"""Who is on the call: told or not, agreed or not, withdrawn."""

from __future__ import annotations

from callguard.consent.actions import (
    Action,
    CaptureEntry,
    Change,
    Commit,
    HoldEntry,
    NewSegment,
    PauseCapture,
    StartCapture,
    Timer,
    Whisper,
)
from callguard.consent.call import Call, Capture, start_timer
from callguard.consent.capturing import (
    AGENT,
    CALLER,
    Step,
    capture_ordered,
    commit,
    consent_entry,
    put_hold,
    resume,
    stop,
    take_hold,
)
from callguard.consent.events import (
    DigitPressed,
    EntryDurable,
    PartyAnswered,
    PartyJoined,
    PartyLeft,
    WithdrawalAsked,
)
from callguard.consent.words import CAPTURING, Answer, Form, Heard, Outcome, Party

#: What the recorder is in while there is something to record into.
RUNNING = frozenset({Capture.ORDERED, Capture.ON, Capture.PAUSED})

_ASKED = frozenset({Outcome.GRANTED, Outcome.PRIOR, Outcome.DUTY})
#: Which decisions of the caller are enough for a law that wants this form from everybody.
ENOUGH = {
    Form.NONE: CAPTURING,
    Form.NOTICE: CAPTURING - {Outcome.NOT_REQUIRED},
    Form.IMPLIED: _ASKED | {Outcome.IMPLIED},
    Form.OPT_OUT: _ASKED | {Outcome.IMPLIED},
    Form.EXPLICIT: _ASKED,
}


def joined(call: Call, event: PartyJoined) -> Step:
    """A party who was not told holds the capture until told; the law of all parties is the strictest."""
    running = call.capture in RUNNING
    segment: tuple[Action, ...] = (NewSegment(why="party joined"),) if running and not event.back else ()
    actions: tuple[Action, ...] = ()
    if event.plan is not None:
        call = call.with_(plan=event.plan)
        if call.outcome not in ENOUGH[event.plan.form]:
            # What the caller was asked is less than this party's law wants of everybody.
            call, actions = put_hold(call, f"law:{event.who}", "stricter law", event.who)
    if event.never:
        call, held = put_hold(call, f"never:{event.who}", "a telephone that is never recorded", event.who)
        return call, (*actions, *held, *segment)
    if event.told:
        return call, (*actions, *segment)
    call, kept = forget_yes_for_good(call, event.who)
    call, held = put_hold(call, f"untold:{event.who}", "party not told", event.who)
    told = (Whisper(who=event.who, what="announcement"),) if running else ()
    return call, (*actions, *kept, *held, *segment, *told)


def answered(call: Call, event: PartyAnswered) -> Step:
    """A party said yes or no. A yes counts when it is durable, a no at once."""
    if not event.agreed:
        return withdraw(call, event.who, event.at, shred=False, heard=event.heard, answer=event.answer)
    answer = event.answer or Answer(kind="later", value="yes", at=event.at)
    number = call.entries + 1
    if event.who == CALLER:
        # The outcome of the call changes only when this entry is durable.
        keep = call.outcome, call.allowed_by
        call, entry = consent_entry(call, Outcome.GRANTED, event.at, answer, who=CALLER)
        call = call.with_(outcome=keep[0], allowed_by=keep[1])
    else:
        call, entry = consent_entry(call, event.outcome, event.at, answer, who=event.who, heard=event.heard)
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
    call, third = take_hold(call, f"law:{event.who}", "party left", event.who)
    call, fourth = take_hold(call, f"never:{event.who}", "party left", event.who)
    return call, (*first, *second, *third, *fourth)


def withdrawal(call: Call, event: WithdrawalAsked) -> Step:
    """Consent is taken back in mid-call."""
    return withdraw(call, event.by.value, event.at, shred=event.shred, through=event.through)


def pressed(call: Call, event: DigitPressed) -> Step:
    """The caller presses the key that was said to stop the recording."""
    if event.party is not Party.CALLER or event.digit not in call.agreed.withdraw_keys or not call.consented:
        return call, ()
    return withdraw(call, CALLER, event.at, shred=call.agreed.shred_withdrawn)


def withdraw(
    call: Call,
    who: str,
    at: float,
    *,
    shred: bool,
    through: str = "",
    heard: tuple[Heard, ...] = (),
    answer: Answer | None = None,
) -> Step:
    """A no by ``who``: the caller's and the agent's end the capture, a joined party's holds it."""
    call = forget_yes(call, who)
    # The name of a party who joined is a channel's, which is no answer.
    answer = answer or Answer(kind="withdrawal", value=who if who in {CALLER, AGENT} else "no", at=at)
    if who in {CALLER, AGENT}:
        call, entry = consent_entry(call, Outcome.WITHDRAWN, at, answer, who=who)
        call, stopped = stop(call, "withdrawn", by=through or who, shred=shred)
        told = (Whisper(who=AGENT, what="stopped"),) if stopped else ()
        return call, (*stopped, Commit(entry=entry), *told)
    captured = call.captures
    call, entry = consent_entry(call, Outcome.REFUSED, at, answer, who=who, heard=heard)
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
