"""Which entries are told to the outside world, and under which names."""

from __future__ import annotations

from callguard.ledger.bodies import AnyBody, Capture, Consent, Retention
from callguard.ledger.kinds import Kind

#: The event that is told for a kind of entry. A kind that is not here, nor below, is told to nobody.
_EVENTS = {
    Kind.CAPTURE_STARTED: "recording.started",
    Kind.CAPTURE_STOPPED: "recording.stopped",
    Kind.CAPTURE_ERASED: "recording.erased",
    Kind.CAPTURE_FAILED: "recording.failed",
    Kind.VIOLATION: "recording.violation",
    Kind.RECORDING_OFF: "recording.switched_off",
    Kind.RECORDING_ON: "recording.switched_on",
    Kind.CAPTURE_PAUSED: "pause.started",
    Kind.CAPTURE_CONFIRMED: "pause.confirmed",
    Kind.CAPTURE_VERIFIED: "pause.verified",
    Kind.CAPTURE_EXTENDED: "pause.extended",
    Kind.CAPTURE_RESUMED: "pause.ended",
    Kind.CALL_ENDED: "call.ended",
}


def event_of(body: AnyBody) -> str:
    """The event that an entry with this body is told as; "" for none."""
    if isinstance(body, Consent):
        return f"consent.{body.outcome.replace('-', '_')}"
    if isinstance(body, Retention):
        return f"retention.{body.action}"
    if isinstance(body, Capture) and body.kind is Kind.CAPTURE_STOPPED and body.shred:
        return "recording.shredded"
    return _EVENTS.get(body.kind, "")
