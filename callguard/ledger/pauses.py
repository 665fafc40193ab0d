"""Pauses and payments as the ledger tells them, and what is wrong with them.

A pause is what somebody asked for; that recording waits for a party who was not told yet is none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from callguard.ledger.bodies import Capture, Fault, Hold
from callguard.ledger.entry import Stored
from callguard.ledger.kinds import Kind
from callguard.ledger.payments import Payment
from callguard.ledger.reading import Question

#: The reason not to capture that a pause is, as entries name it.
HOLD = "payment"
#: The place that a fault names when a pause was not ended in its time, and goes on.
OVERRUN = "pause not ended"

#: What begins a pause, or is a payment.
_BEGIN = (Kind.CAPTURE_PAUSED, Kind.HOLD_SET, Kind.PAYMENT)
_NEEDED = (
    *_BEGIN,
    Kind.CAPTURE_STARTED,
    Kind.CAPTURE_CONFIRMED,
    Kind.CAPTURE_VERIFIED,
    Kind.CAPTURE_EXTENDED,
    Kind.CAPTURE_STOPPED,
    Kind.HOLD_LIFTED,
    Kind.FAULT,
    Kind.CALL_ENDED,
)
_PAGE = 5000


class End(StrEnum):
    """How a pause ended."""

    RESUMED = "resumed"  #: by somebody
    CLOCK = "clock"  #: by itself, as the queue has it
    WITHDRAWN = "withdrawn"  #: the customer did not want to be recorded any more
    STOPPED = "stopped"  #: the recording was ended by a fault
    CALL = "call"  #: with the call
    OPEN = "open"  #: not yet, as far as the ledger goes


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """One pause."""

    call: str
    began: datetime
    by: str
    end: End = End.OPEN
    ended: datetime | None = None
    ended_by: str = ""  #: who, or why
    confirmed: bool = False  #: by the recorder
    verified: bool = False  #: in the samples
    extended: bool = False
    overran: bool = False  #: its time was over, and it went on

    @property
    def seconds(self) -> float | None:
        """How long it was; None while it goes on."""
        return None if self.ended is None else (self.ended - self.began).total_seconds()

    def wrong(self, longest: float) -> tuple[str, ...]:
        """What somebody should look at; ``longest``: seconds that a pause may last."""
        seconds = self.seconds
        found = {
            "was never resumed: the call ended": self.end is End.CALL,
            "was ended by the clock, by nobody": self.end is End.CLOCK,
            f"ended with the recording: {self.ended_by}": self.end is End.STOPPED,
            "went on after its time": self.overran,
            f"lasted {seconds or 0:.0f} s": seconds is not None and seconds > longest,
        }
        return tuple(words for words, true in found.items() if true)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """One payment that somebody told of."""

    call: str
    at: datetime
    reference: str
    by: str
    paused: bool  #: whether the recording was paused at any time since the payment before it
    recorded: bool  #: whether anything was being recorded since then

    @property
    def exposed(self) -> bool:
        """Whether card data may have been recorded."""
        return self.recorded and not self.paused


@dataclass(frozen=True, slots=True)
class Findings:
    """All pauses and payments of some calls, oldest first."""

    pauses: tuple[Pause, ...]
    payments: tuple[Paid, ...]


def pauses_between(connection: Connection, since: datetime | None, until: datetime | None) -> Findings:
    """Every pause that began, and every payment, from ``since`` on and before ``until``."""
    calls: dict[str, None] = {}
    page = Question(kinds=_BEGIN, since=since, until=until, limit=_PAGE)
    while begun := page.answer(connection):
        calls.update((entry.call, None) for entry in begun if entry.call)
        page = replace(page, after=begun[-1].position)
    pauses: list[Pause] = []
    payments: list[Paid] = []
    for call in calls:
        found = findings_of(Question(call=call, kinds=_NEEDED, limit=100_000).answer(connection))
        pauses += (each for each in found.pauses if _within(each.began, since, until))
        payments += (each for each in found.payments if _within(each.at, since, until))
    return Findings(
        tuple(sorted(pauses, key=lambda each: each.began)), tuple(sorted(payments, key=lambda each: each.at))
    )


def findings_of(entries: Iterable[Stored]) -> Findings:
    """The pauses and payments of one call, from its entries in order."""
    reading = _Reading()
    for entry in entries:
        reading.take(entry)
    return Findings(tuple(reading.pauses), tuple(reading.payments))


class _Reading:
    """Reads one call's entries from the first to the last."""

    def __init__(self) -> None:
        self.pauses: list[Pause] = []
        self.payments: list[Paid] = []
        self._capturing = False
        self._recorded = False  #: since the payment before
        self._paused = False  #: since the payment before
        self._asked_for = False  #: whether the newest silence is a pause

    def take(self, entry: Stored) -> None:
        """Take the next one in."""
        body = entry.body
        if isinstance(body, Capture):
            self._capture(entry, body)
        elif isinstance(body, Hold) and body.hold == HOLD:
            if body.kind is Kind.HOLD_SET:
                self._begin(entry, body.by)
            else:
                self._end(entry, End.CLOCK if body.by == "queue" else End.RESUMED, body.by)
        elif isinstance(body, Payment):
            self._pay(entry, body)
        elif isinstance(body, Fault) and body.where == OVERRUN:
            self._change(overran=True)
        elif entry.kind == Kind.CALL_ENDED:
            self._end(entry, End.CALL, "")

    def _capture(self, entry: Stored, body: Capture) -> None:
        match body.kind:
            case Kind.CAPTURE_STARTED:
                self._capturing = self._recorded = True
            case Kind.CAPTURE_PAUSED:
                self._asked_for = body.hold == HOLD
                if self._asked_for:
                    self._begin(entry, body.by)
            case Kind.CAPTURE_CONFIRMED:
                self._change(confirmed=True)
            case Kind.CAPTURE_EXTENDED:
                self._change(extended=True)
            case Kind.CAPTURE_VERIFIED if self._asked_for:
                # The samples of a short pause arrive after its end.
                self.pauses[-1] = replace(self.pauses[-1], verified=True)
            case Kind.CAPTURE_STOPPED if body.number:  # others tell of the sealing
                self._capturing = False
                ends = {"withdrawn": End.WITHDRAWN, "hung up": End.CALL}
                self._end(entry, ends.get(body.reason, End.STOPPED), body.reason)

    def _begin(self, entry: Stored, by: str) -> None:
        self._paused = True
        if self._open is None:
            self.pauses.append(Pause(call=entry.call, began=entry.utc, by=by))

    def _end(self, entry: Stored, end: End, by: str) -> None:
        self._change(end=end, ended=entry.utc, ended_by=by)

    def _pay(self, entry: Stored, body: Payment) -> None:
        self.payments.append(
            Paid(
                call=entry.call,
                at=entry.utc,
                reference=body.reference,
                by=body.by,
                paused=self._paused,
                recorded=self._recorded,
            )
        )
        self._paused, self._recorded = self._open is not None, self._capturing

    @property
    def _open(self) -> Pause | None:
        return self.pauses[-1] if self.pauses and self.pauses[-1].end is End.OPEN else None

    def _change(self, **fields: object) -> None:
        if self._open is not None:
            self.pauses[-1] = replace(self._open, **fields)  # type: ignore[arg-type]


def _within(moment: datetime, since: datetime | None, until: datetime | None) -> bool:
    return (since is None or moment >= since) and (until is None or moment < until)
