"""From the entries of a call back to where it stands.

A restarted controller knows a live call only by what the ledger holds. ``replay`` gives back the
standing that the core had when it ordered those entries: outcome, capture, and what holds it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from callguard.consent.actions import CallEntry, CaptureEntry, Change, HoldEntry
from callguard.consent.call import Call, Capture
from callguard.consent.capturing import CALLER, PAYMENT, held
from callguard.consent.words import CAPTURING, ConsentEntry, Outcome

#: What the recorder is taken to do after each change.
AFTER = {
    Change.ORDERED: Capture.ORDERED,
    Change.STARTED: Capture.ON,
    Change.PAUSED: Capture.PAUSED,
    Change.PAUSE_CONFIRMED: Capture.PAUSED,
    Change.RESUMED: Capture.ON,
    Change.STOPPED: Capture.STOPPED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What matters about a call after its dialogue."""

    outcome: Outcome | None = None
    capture: Capture = Capture.OFF
    extended: bool = False
    holds: frozenset[str] = frozenset()
    entries: int = 0


def standing(call: Call) -> Standing:
    """Where a live call stands."""
    return Standing(
        outcome=call.outcome,
        capture=call.capture,
        extended=call.extended,
        holds=call.holds,
        entries=call.entries,
    )


def replay(entries: Iterable[CallEntry]) -> Standing:
    """Where a call stands of which these entries, in the order of their numbers, are durable."""
    outcome: Outcome | None = None
    capture = Capture.OFF
    holds: frozenset[str] = frozenset()
    extended = False
    number = 0
    for entry in entries:
        number = entry.number
        if isinstance(entry, ConsentEntry):
            outcome = entry.outcome if entry.who == CALLER else outcome
            holds = held(holds, entry.outcome, entry.who)
            if entry.outcome in CAPTURING:
                holds -= {f"untold:{entry.who}", f"refused:{entry.who}"}
        elif isinstance(entry, CaptureEntry):
            capture = AFTER.get(entry.change, capture)
            extended = entry.change is Change.EXTENDED or (extended and entry.hold != PAYMENT)
            if entry.hold:
                holds |= {entry.hold}
        elif isinstance(entry, HoldEntry):
            holds = holds | {entry.hold} if entry.on else holds - {entry.hold}
            extended = extended and not (entry.on and entry.hold == PAYMENT)
    return Standing(outcome=outcome, capture=capture, extended=extended, holds=holds, entries=number)
