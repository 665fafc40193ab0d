"""Calls that a controller before this one left behind, taken up again from the ledger.

The ledger says of each call that has not ended where it stood. A call whose channel still lives becomes a
conversation again, with the same outcome, the same holds and the same recorder; one that is gone is
closed. Nothing that was paused or refused is ever resumed here: the core only orders again what was
already ordered.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from callguard.asterisk.ari import Ari
from callguard.asterisk.events import Channel
from callguard.consent import CAPTURING, Call, Capture, State, replay
from callguard.consent.words import ConsentEntry, Plan
from callguard.controller.planning import Planner
from callguard.errors import AsteriskError
from callguard.law import Flag
from callguard.ledger import Kind, Ledger, Stored, core_entries

#: A pause that ran out while nobody counted ends this many seconds after the call was taken up.
LEAST_PAUSE = 1.0

#: Entries of one call that are read at most; a call has about ten.
MOST_ENTRIES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A call of the run before."""

    call: Call
    channel: str
    queue: str
    consent: ConsentEntry | None
    customer: str = ""  #: the number of whoever was asked
    outbound: bool = False
    case: str = ""
    segment: int = 1
    sealed: frozenset[int] = frozenset()  #: segments of which the ledger has the hash
    pauses: int = 0  #: how often it was paused
    stopped: str = ""  #: why the recording was ended, where it was
    pause_left: float | None = None  #: seconds that a pause still has


async def left_behind(ledger: Ledger, planner: Planner, by: str = "") -> list[Left]:
    """Every call of the last day that arrived and did not end, as the ledger tells of it.

    Args:
        ledger: the ledger.
        planner: knows what of a plan still matters.
        by: only the calls of this controller of a pool.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    found = []
    for call in await ledger.open_calls(by=by):
        entries = await ledger.entries(call=call, limit=MOST_ENTRIES)
        arrived = next((entry for entry in entries if entry.kind == Kind.CALL_ARRIVED), None)
        if arrived is not None:
            found.append(_left(call, arrived, entries, planner))
    return found


def _left(call: str, arrived: Stored, entries: list[Stored], planner: Planner) -> Left:
    told = core_entries(entries)
    stood = replay(told)
    consents = [entry for entry in told if isinstance(entry, ConsentEntry) and entry.who == "caller"]
    consent = consents[-1] if consents else None
    queue = str(arrived.content.get("queue", ""))
    outbound = arrived.content.get("direction") == "out"
    known = queue if queue in planner.config.queues else next(iter(planner.config.queues))
    return Left(
        call=Call(
            id=call,
            state=State.TALKING,
            plan=_plan(planner, known, consent),
            outcome=stood.outcome,
            capture=stood.capture,
            holds=stood.holds,
            entries=stood.entries,
            allowed_by=consent.number if consent is not None and stood.outcome == consent.outcome else 0,
        ),
        channel=str(arrived.content.get("channel", "")),
        queue=queue,
        consent=consent,
        customer=str(arrived.content.get("called" if outbound else "caller", "")),
        outbound=outbound,
        case=_case(entries),
        segment=_segment(entries),
        sealed=_sealed(entries),
        pauses=sum(entry.kind == Kind.CAPTURE_PAUSED for entry in entries),
        stopped=_stopped(entries),
        pause_left=_pause_left(entries, planner),
    )


def _segment(entries: list[Stored]) -> int:
    begun = [entry for entry in entries if entry.kind == Kind.CAPTURE_STARTED]
    return max((int(entry.content.get("segment", 1)) for entry in begun), default=1)


def _sealed(entries: list[Stored]) -> frozenset[int]:
    stopped = (entry.content for entry in entries if entry.kind == Kind.CAPTURE_STOPPED)
    return frozenset(int(content.get("segment", 1)) for content in stopped if content.get("sha256"))


def _stopped(entries: list[Stored]) -> str:
    stopped = [entry.content for entry in entries if entry.kind == Kind.CAPTURE_STOPPED]
    return next((str(content.get("reason", "")) for content in stopped if not content.get("sha256")), "")


def _case(entries: list[Stored]) -> str:
    assigned = [str(entry.content.get("case", "")) for entry in entries if entry.kind == Kind.CALL_CASE]
    return assigned[-1] if assigned else ""


def _pause_left(entries: list[Stored], planner: Planner) -> float | None:
    """How long a pause that was on still lasts: the clock went on while nobody counted."""
    changes = (Kind.CAPTURE_PAUSED, Kind.CAPTURE_EXTENDED)
    since = [entry for entry in entries if entry.kind in changes]
    if not since:
        return None
    pause = planner.config.pause
    whole = pause.extend_seconds if since[-1].kind == Kind.CAPTURE_EXTENDED else pause.seconds
    gone = time.monotonic() - since[-1].monotonic
    if gone < 0:
        # Another host, or this one was started anew: there the two clocks do not compare.
        gone = (datetime.now(UTC) - since[-1].utc).total_seconds()
    return max(LEAST_PAUSE, whole - gone)


def _plan(planner: Planner, queue: str, consent: ConsentEntry | None) -> Plan:
    """What of the plan still matters on a call that was handed on: its law, and the key that withdraws."""
    plan = planner.unplanned(queue)
    if consent is None:
        return plan
    # Which key the caller was told of is not in the ledger; one that was not told of stops the recording
    # too, which is the safe side.
    return replace(
        plan,
        basis=consent.basis,
        form=consent.form,
        withdraw_keys=frozenset({planner.config.dialogue.withdraw_key}),
        shred_withdrawn=Flag.STOP_ON_OBJECTION.value in consent.basis.flags,
    )


def still_matters(left: Left, channels: Mapping[str, Channel]) -> Channel | None:
    """The channel of a call that still has to be looked after; None for one that is gone or undecided."""
    channel = channels.get(left.channel)
    if channel is None or left.consent is None or waits(channel):
        return None
    return channel


def waits(channel: Channel) -> bool:
    """Whether the caller is with a controller, or waits for one, instead of having been handed on."""
    return channel.app_name in {"Stasis", "StasisBroadcast"}


def queue_of(channel: Channel) -> str:
    """For which queue a caller who waits was given to a controller."""
    data = channel.app_data.split(",")
    asked = data[-1].split(":") if channel.app_name == "StasisBroadcast" else data[1:]
    return asked[1] if len(asked) > 1 else ""


async def recorder_of(ari: Ari, left: Left) -> str:
    """The MixMonitorID of a call's recording; empty when there is none."""
    # What was ordered is written down within 50 ms of the order, which can be the last that was done.
    agreed = left.call.capture is not Capture.OFF or left.call.outcome in CAPTURING
    if not agreed or left.call.capture is Capture.STOPPED:
        return ""
    try:
        return await ari.variable(left.channel, "CALLGUARD_MIXMONITOR") or ""
    except AsteriskError:
        return ""
