"""On what evidence calls were judged, and whether everybody heard what they had to, out of the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from callguard.consent.words import CAPTURING, Form, Outcome
from callguard.errors import LedgerError
from callguard.law import UNKNOWN, Evidence
from callguard.ledger import Kind, Stored
from callguard.ledger.bodies import AnyBody, Arrived, Capture, Consent, Ended, Ruled
from callguard.ledger.database import file_of, parse_url, reading_engine, told
from callguard.ledger.reading import Question

#: Entries that are fetched at a time.
_PAGE = 5000

#: What of a call has to be known here.
KINDS = (
    Kind.CALL_ARRIVED,
    Kind.CALL_RULED,
    Kind.CONSENT,
    Kind.CAPTURE_STARTED,
    Kind.CALL_ENDED,
    Kind.FAULT,
    Kind.RESCUED,
)

#: Calls of which the ledger does not say on what evidence they were judged.
UNSAID = "unsaid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The calls of some days."""

    calls: int
    evidence: Mapping[str, int]  #: calls by what the caller's jurisdiction was read from
    unknown: int  #: calls whose caller was held to be nowhere, so that the strictest rule applied
    jurisdictions: Mapping[str, int]  #: calls by the caller's jurisdiction, most first
    outcomes: Mapping[str, int]  #: calls by how the question of recording ended
    captured: int  #: calls of which something was captured
    missing: tuple[str, ...]  #: captured calls whose caller did not hear the announcement to its end
    faults: int  #: times that something of ours or of the PBX failed
    rescued: int  #: callers who were led on because of it

    @property
    def sound(self) -> bool:
        """Whether everybody who was captured had heard what they had to."""
        return not self.missing


@dataclass(slots=True)
class _Call:
    arrived: bool = False
    ruled: Ruled | None = None
    consents: list[Consent] = field(default_factory=list)
    captured: bool = False
    outcome: Outcome | None = None


def coverage(entries: Iterable[Stored]) -> Coverage:
    """Count the calls that these entries tell of; those that arrived earlier are left out."""
    calls: dict[str, _Call] = {}
    loose: Counter[str] = Counter()
    for entry in entries:
        body = entry.body
        loose[entry.kind] += 1
        if entry.call and body is not None:
            _note(calls.setdefault(entry.call, _Call()), body)
    counted = {name: call for name, call in calls.items() if call.arrived}
    places = [_place(call) for call in counted.values()]
    return Coverage(
        calls=len(counted),
        evidence=_sorted(evidence for _, evidence in places),
        unknown=sum(code == UNKNOWN for code, _ in places),
        jurisdictions=_sorted(code for code, _ in places if code),
        outcomes=_sorted(call.outcome for call in counted.values() if call.outcome),
        captured=sum(call.captured for call in counted.values()),
        missing=tuple(name for name, call in counted.items() if call.captured and not _was_told(call)),
        faults=loose[Kind.FAULT],
        rescued=loose[Kind.RESCUED],
    )


def entries_since(url: str, since: datetime) -> Iterator[Stored]:
    """What the ledger says since then about calls, without writing anything.

    Raises:
        LedgerError: there is no ledger, or it cannot be read.
    """
    parsed = parse_url(url)
    file = file_of(parsed)
    if file is not None and not file.is_file():
        raise LedgerError(f"there is no ledger at {file}; `callguard run` makes it, see ledger.url")
    after = -1
    try:
        with closing(reading_engine(parsed, poolclass=NullPool).connect()) as connection:
            while True:
                asked = Question(
                    kinds=tuple(str(kind) for kind in KINDS), after=after, since=since, limit=_PAGE
                )
                found = asked.answer(connection)
                yield from found
                if len(found) < _PAGE:
                    return
                after = found[-1].position
    except SQLAlchemyError as fault:
        raise LedgerError(f"the ledger cannot be read: {told(fault)}") from fault


def _note(call: _Call, body: AnyBody) -> None:
    match body:
        case Arrived():
            call.arrived = True
        case Ruled():
            call.ruled = body
        case Consent():
            call.consents.append(body)
            call.outcome = body.outcome
        case Capture():
            call.captured = True
        case Ended():
            call.outcome = body.outcome


def _place(call: _Call) -> tuple[str, str]:
    """The caller's jurisdiction and the evidence for it."""
    if call.ruled is not None:
        for party in call.ruled.parties:
            if party["role"] == "caller":
                return str(party["jurisdiction"]), str(Evidence(party["evidence"]))
    # A bypassed call is never judged, and an entry of an older callguard names no evidence.
    first = next((one.jurisdictions[0] for one in call.consents if one.jurisdictions), "")
    return first, UNSAID


def _was_told(call: _Call) -> bool:
    """Whether the caller heard an announcement to its end before the decision, or none was needed."""
    allowed = [
        consent for consent in call.consents if consent.party == "caller" and consent.outcome in CAPTURING
    ]
    return bool(allowed) and all(
        consent.outcome is Outcome.NOT_REQUIRED or consent.form is Form.NONE or _heard(consent.heard)
        for consent in allowed
    )


def _heard(heard: Iterable[Mapping[str, Any]]) -> bool:
    return any(one["prompt"] == "announcement" and one["completely"] for one in heard)


def _sorted(found: Iterable[str]) -> dict[str, int]:
    return {str(name): count for name, count in Counter(found).most_common()}
