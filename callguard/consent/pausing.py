"""Pauses that people ask for: put on, proven, ended by somebody or by the clock."""

from __future__ import annotations

from callguard.consent.actions import (
    Action,
    Alert,
    CaptureEntry,
    Change,
    EraseLast,
    Timer,
    Whisper,
)
from callguard.consent.call import Call, Capture, start_timer, stop_timers
from callguard.consent.capturing import AGENT, CARD_DIGITS, PAYMENT, Step, commit, put_hold, take_hold
from callguard.consent.events import CaptureVerified, ExtendAsked, PauseAsked, ResumeAsked, TimeUp


def pause(call: Call, event: PauseAsked) -> Step:
    """An agent, or the card guard, pauses. Pressing again does not extend, but may still drop."""
    if not event.allowed:
        return call, (Alert(what="pause refused", detail=event.by),)
    if call.capture in {Capture.OFF, Capture.STOPPED}:
        return call, ()
    drop = (EraseLast(seconds=event.drop_last, why=event.why),) if event.drop_last > 0 else ()
    if PAYMENT in call.holds:
        return call, drop
    call = call.with_(extended=False, keyed=event.why == CARD_DIGITS)
    call, actions = put_hold(call, PAYMENT, event.why, event.by)
    seconds = event.seconds or call.agreed.pause_seconds
    call, timers = countdown(call, seconds)
    return call, (*actions, *drop, *timers)


def countdown(call: Call, seconds: float) -> Step:
    """The pause ends in so many seconds; the agent hears of it before."""
    call, over = start_timer(call, Timer.PAUSE, seconds)
    early = seconds - call.agreed.warn_seconds
    if early <= 0:
        call, gone = stop_timers(call, Timer.WARN)
        return call, (*over, *gone)
    call, soon = start_timer(call, Timer.WARN, early)
    return call, (*over, *soon)


def unpause(call: Call, event: ResumeAsked) -> Step:
    """Somebody asks to go on."""
    if not event.allowed:
        return call, (Alert(what="resume refused", detail=event.by),)
    if PAYMENT not in call.holds:
        return call, ()
    call, cancelled = stop_timers(call, Timer.PAUSE, Timer.WARN)
    call, actions = take_hold(call, PAYMENT, "resume asked", event.by)
    return call, (*cancelled, *actions)


def extend(call: Call, event: ExtendAsked) -> Step:
    """A running pause becomes longer, once."""
    if PAYMENT not in call.holds or call.capture is not Capture.PAUSED or call.extended:
        return call, ()
    call, entry = commit(
        call.with_(extended=True),
        CaptureEntry,
        change=Change.EXTENDED,
        why=event.reason or "extended",
        by=event.by,
    )
    call, timers = countdown(call, event.seconds)
    return call, (entry, *timers)


def soon_over(call: Call, event: TimeUp) -> Step:  # noqa: ARG001 - every rule takes its event
    """The agent is told before the pause ends, and nobody else hears it."""
    return call, (Whisper(who=AGENT, what="pause-ending"),)


def over(call: Call, event: TimeUp) -> Step:  # noqa: ARG001 - every rule takes its event
    """Nobody ended the pause: the queue's choice."""
    call, cancelled = stop_timers(call, Timer.WARN)
    if call.agreed.resume_after_pause:
        call, actions = take_hold(call, PAYMENT, "pause over", "queue")
        # Nobody asked for this: who is about to hear a card number has to know.
        return call, (*cancelled, *actions, Whisper(who=AGENT, what="resumed"))
    told: tuple[Action, ...] = (Alert(what="pause not ended"), Whisper(who=AGENT, what="pause-not-ended"))
    return call, (*cancelled, *told)


def verified(call: Call, event: CaptureVerified) -> Step:
    """Samples that were not to be captured are there, and they are zero."""
    call, entry = commit(
        call,
        CaptureEntry,
        change=Change.VERIFIED,
        why="samples are zero",
        offset=event.offset,
        until=event.until,
        segment=event.segment,
    )
    return call, (entry,)
