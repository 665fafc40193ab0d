"""The entries of the core, as they stand in the ledger and back.

What the core commits is written without loss of what a replay needs, so that a controller that
starts can say of every live call where it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from callguard.consent.actions import CallEntry, CaptureEntry, Change, HoldEntry, ViolationEntry
from callguard.consent.words import Answer, Basis, ConsentEntry, Heard, Prompt
from callguard.ledger.bodies import AnyBody, Capture, Consent, Hold, Violation
from callguard.ledger.entry import Stored
from callguard.ledger.kinds import Kind

_KIND_OF = {
    Change.ORDERED: Kind.CAPTURE_ORDERED,
    Change.STARTED: Kind.CAPTURE_STARTED,
    Change.PAUSED: Kind.CAPTURE_PAUSED,
    Change.PAUSE_CONFIRMED: Kind.CAPTURE_CONFIRMED,
    Change.VERIFIED: Kind.CAPTURE_VERIFIED,
    Change.EXTENDED: Kind.CAPTURE_EXTENDED,
    Change.RESUMED: Kind.CAPTURE_RESUMED,
    Change.STOPPED: Kind.CAPTURE_STOPPED,
}
_CHANGE_OF = {kind: change for change, kind in _KIND_OF.items()}


def body_for(entry: CallEntry, recording: str = "", channel: str = "", segment: int = 1) -> AnyBody:
    """Write down what the core commits; the shell adds the names that only it knows."""
    match entry:
        case ConsentEntry():
            return _consent(entry)
        case CaptureEntry():
            return Capture(
                kind=_KIND_OF[entry.change],
                number=entry.number,
                recording=recording,
                segment=entry.segment or segment,
                offset=entry.offset,
                until=entry.until,
                by=entry.by,
                reason=entry.why,
                hold=entry.hold,
                shred=entry.shred,
            )
        case HoldEntry():
            kind = Kind.HOLD_SET if entry.on else Kind.HOLD_LIFTED
            return Hold(kind=kind, number=entry.number, hold=entry.hold, by=entry.by)
        case ViolationEntry():
            return Violation(
                number=entry.number, recorder=entry.recorder, allowed=entry.allowed, channel=channel
            )


def core_entries(stored: Iterable[Stored]) -> list[CallEntry]:
    """What the core committed, out of all entries of one call; for ``callguard.consent.replay``."""
    found = (_core_entry(entry.body) for entry in stored)
    return sorted((entry for entry in found if entry is not None), key=lambda entry: entry.number)


def _core_entry(body: AnyBody | None) -> CallEntry | None:
    match body:
        case Consent():
            return _consent_entry(body)
        case Capture() if body.number and body.kind in _CHANGE_OF:
            return CaptureEntry(
                number=body.number,
                change=_CHANGE_OF[body.kind],
                why=body.reason,
                by=body.by,
                offset=body.offset,
                until=body.until,
                segment=body.segment if body.kind is Kind.CAPTURE_VERIFIED else 0,
                shred=body.shred,
                hold=body.hold,
            )
        case Hold():
            return HoldEntry(number=body.number, hold=body.hold, on=body.kind is Kind.HOLD_SET, by=body.by)
        case Violation() if body.number:
            return ViolationEntry(number=body.number, recorder=body.recorder, allowed=body.allowed)
    return None


def _consent(entry: ConsentEntry) -> Consent:
    return Consent(
        number=entry.number,
        party=entry.who,
        outcome=entry.outcome,
        form=entry.form,
        queue=entry.queue,
        jurisdictions=entry.basis.jurisdictions,
        rule=entry.basis.rule,
        table=entry.basis.table,
        statutes=entry.basis.statutes,
        flags=tuple(sorted(entry.basis.flags)),
        heard=tuple(_heard(heard) for heard in entry.heard),
        answer={
            "form": entry.answer.kind,
            "value": entry.answer.value,
            "confidence": round(1000 * entry.answer.confidence),
            "at_us": round(1e6 * entry.answer.at),
        },
        attempts=entry.attempts,
        decided_us=round(1e6 * entry.decided),
        notes=entry.notes,
    )


def _heard(heard: Heard) -> dict[str, object]:
    return {
        "prompt": heard.prompt.name,
        "language": heard.prompt.language,
        "media": heard.prompt.media,
        "sha256": heard.prompt.sha256,
        "length_ms": round(1000 * heard.prompt.seconds),
        "started_us": round(1e6 * heard.started),
        "ended_us": None if heard.ended is None else round(1e6 * heard.ended),
        "completely": heard.completely,
    }


def _consent_entry(body: Consent) -> ConsentEntry:
    return ConsentEntry(
        number=body.number,
        who=body.party,
        outcome=body.outcome,
        basis=Basis(
            jurisdictions=body.jurisdictions,
            rule=body.rule,
            table=body.table,
            statutes=body.statutes,
            flags=frozenset(body.flags),
        ),
        form=body.form,
        heard=tuple(_heard_again(heard) for heard in body.heard),
        answer=Answer(
            kind=body.answer["form"],
            value=body.answer["value"],
            confidence=body.answer["confidence"] / 1000,
            at=body.answer["at_us"] / 1e6,
        ),
        attempts=body.attempts,
        decided=body.decided_us / 1e6,
        queue=body.queue,
        notes=body.notes,
    )


def _heard_again(heard: Mapping[str, Any]) -> Heard:
    ended = heard.get("ended_us")
    return Heard(
        prompt=Prompt(
            name=heard["prompt"],
            language=heard["language"],
            media=tuple(heard["media"]),
            sha256=heard["sha256"],
            seconds=heard["length_ms"] / 1000,
        ),
        started=heard["started_us"] / 1e6,
        ended=None if ended is None else ended / 1e6,
        completely=heard["completely"],
    )
