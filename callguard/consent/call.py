"""A call is a value: everything the core knows about it, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from operator import attrgetter
from typing import Any

from callguard.consent.actions import Action, CancelTimer, StartTimer, Timer
from callguard.consent.words import CAPTURING, Heard, Outcome, Plan


class State(StrEnum):
    """Where the dialogue is."""

    NEW = "new"
    ANNOUNCING = "announcing"  #: the announcement plays
    LEAVING = "leaving"  #: told; the chance to hang up or object
    ASKING = "asking"  #: the question plays
    LISTENING = "listening"  #: silence, waiting for an answer
    COMMITTING = "committing"  #: decided; the ledger is writing
    CLOSING = "closing"  #: durable; the last words to the caller
    TALKING = "talking"  #: handed back to the dialplan
    ENDED = "ended"


#: States in which the caller is ours, and something must be about to happen.
DIALOGUE = frozenset(
    {State.ANNOUNCING, State.LEAVING, State.ASKING, State.LISTENING, State.COMMITTING, State.CLOSING}
)


class Capture(StrEnum):
    """What was ordered of the recorder, and what it confirmed."""

    OFF = "off"  #: never started
    ORDERED = "ordered"  #: the dialplan may start it; not confirmed
    ON = "on"
    PAUSED = "paused"
    STOPPED = "stopped"  #: over for good, unless the party consents anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A timer that was started and has neither fired nor been cancelled."""

    timer: Timer
    serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call. ``advance`` in ``machine`` makes the next one."""

    id: str
    state: State = State.NEW
    plan: Plan | None = None
    capture: Capture = Capture.OFF
    outcome: Outcome | None = None
    heard: tuple[Heard, ...] = ()
    asked: int = 0  #: how often the question was put
    cuts: int = 0  #: how often a prompt that must be heard was cut short
    early: str = ""  #: an answer key pressed while the question may not be cut, or while something is said
    hearing: bool = False  #: what the caller says is heard
    speaking: bool = False  #: the caller is saying something that is not understood yet
    talked_over: bool = False  #: a yes was said while the question was still playing
    deaf: str = ""  #: why keys are all that is offered from now on: ``unclear``, ``failed``
    playing: int = 0  #: the playback under way, 0 for none
    said: int = 0  #: serial of the newest playback
    ticks: int = 0  #: serial of the newest timer
    entries: int = 0  #: number of the newest entry
    pending: int = 0  #: the consent entry whose durability the caller waits for
    awaited: frozenset[tuple[int, str]] = frozenset()  #: later consents not yet durable: number, who
    allowed_by: int = 0  #: the durable consent entry that allows capture, 0 for none
    running: frozenset[Running] = frozenset()
    extended: bool = False  #: the one extension of this pause was used
    keyed: bool = False  #: this pause came because a number was keyed
    holds: frozenset[str] = frozenset()  #: reasons not to capture now: payment, untold:…, refused:…

    @property
    def agreed(self) -> Plan:
        """The plan, which every state but ``NEW`` has."""
        if self.plan is None:
            raise AssertionError(f"call {self.id} has no plan in state {self.state}")
        return self.plan

    @property
    def captures(self) -> bool:
        """Whether speech may be reaching the recorder."""
        return self.capture in {Capture.ORDERED, Capture.ON}

    @property
    def consented(self) -> bool:
        """Whether the outcome so far allows capture."""
        return self.outcome in CAPTURING

    def with_(self, **changes: Any) -> Call:
        """The same call with these fields changed."""
        # dataclasses.replace() takes twice as long, which was a tenth of the controller's work for a call.
        call = object.__new__(Call)
        for put, value in zip(_PUT.values(), _VALUES(self), strict=True):
            put(call, value)
        for name, value in changes.items():
            _PUT[name](call, value)
        return call


#: How to write each field of a call that is being made, and how to read them all.
_PUT: dict[str, Callable[[Call, Any], None]] = {
    field.name: getattr(Call, field.name).__set__ for field in fields(Call)
}
_VALUES = attrgetter(*_PUT)


def start_timer(call: Call, timer: Timer, seconds: float) -> tuple[Call, tuple[Action, ...]]:
    """Start a timer, replacing the one of its kind that may be running."""
    call, cancelled = stop_timers(call, timer)
    serial = call.ticks + 1
    running = call.running | {Running(timer=timer, serial=serial)}
    return (
        call.with_(ticks=serial, running=running),
        (*cancelled, StartTimer(timer=timer, serial=serial, seconds=seconds)),
    )


def stop_timers(call: Call, *timers: Timer) -> tuple[Call, tuple[Action, ...]]:
    """Cancel the running timers of these kinds (all of them when none is named)."""
    gone = sorted(
        (run for run in call.running if not timers or run.timer in timers), key=lambda run: run.serial
    )
    if not gone:
        return call, ()
    return call.with_(running=call.running.difference(gone)), tuple(
        CancelTimer(serial=run.serial) for run in gone
    )


def fired(call: Call, serial: int) -> tuple[Call, Timer | None]:
    """Take a timer that ran out off the call; None when it was cancelled before."""
    for run in call.running:
        if run.serial == serial:
            return call.with_(running=call.running - {run}), run.timer
    return call, None
