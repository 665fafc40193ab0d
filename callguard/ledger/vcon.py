"""A call as a vCon: the IETF's container for conversations. Pure.

Written after draft-ietf-vcon-vcon-core-04 (syntax 0.4.0). The decision stands in it twice: as the
``lawful_basis`` attachment of draft-howe-vcon-lawful-basis, which is being worked on, and as the
``consent`` attachment of draft-howe-vcon-consent-00, which it grew out of and which readers still know.
The ledger's entries and proofs are an attachment of our own.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha1, sha256
from typing import Any

from callguard.consent.words import CAPTURING, Outcome
from callguard.ledger.case import Case, Heard, Recorded
from callguard.ledger.entry import Stored
from callguard.ledger.kinds import Kind
from callguard.ledger.story import decisions

SYNTAX = "0.4.0"

#: Outcomes whose basis is the person's own word, given or withheld. For the others the basis is what
#: the law was found to say for the call, and if that is not in the ledger, none is claimed.
_BY_CONSENT = frozenset(
    {
        Outcome.GRANTED,
        Outcome.PRIOR,
        Outcome.IMPLIED,
        Outcome.REFUSED,
        Outcome.WITHDRAWN,
        Outcome.NO_INPUT,
        Outcome.INVALID,
        Outcome.UNCLEAR,
    }
)

#: The organisation is the first party, the caller the second.
_HOUSE, _CALLER = 0, 1


def vcon(case: Case) -> dict[str, Any]:
    """Write the case as an unsigned vCon."""
    parties = _parties(case)
    dialog = [_announced(heard) for heard in case.heard()]
    first_recording = len(dialog)
    dialog += [_recording(recorded, case, len(parties)) for recorded in case.recorded]
    about = first_recording if case.recorded else 0
    attachments = []
    for entry in decisions(list(case.entries)):
        attachments += [*_lawful_basis(entry, about, case), _consent(entry, about)]
    return {
        "vcon": SYNTAX,
        "uuid": str(_uuid(case)),
        "extensions": ["lawful_basis"],
        "created_at": _time(case.made),
        "subject": f"Call {case.call}",
        "parties": parties,
        "dialog": dialog or [_nothing(case)],
        "attachments": [*attachments, _ledger(case, about)],
    }


def _parties(case: Case) -> list[dict[str, Any]]:
    arrived = next((case.content(e) for e in case.entries if e.kind == Kind.CALL_ARRIVED), {})
    house = {"type": "organization", "name": case.site or "callguard", "tel": arrived.get("called", "")}
    caller = {"type": "person", "tel": arrived.get("caller", "")}
    joined = [
        {"type": "person", "name": case.content(e)["party"], "tel": case.content(e).get("phone", "")}
        for e in case.entries
        if e.kind == Kind.PARTY_JOINED
    ]
    return [{k: v for k, v in party.items() if v} for party in (house, caller, *joined)]


def _announced(heard: Heard) -> dict[str, Any]:
    dialog: dict[str, Any] = {
        "type": "recording",
        "start": _time(heard.start),
        "duration": heard.entry["length_ms"] / 1000,
        "parties": [_HOUSE, _CALLER],
        "originator": _HOUSE,
        "application": "callguard announcement",
    }
    if len(heard.parts) == 1:
        dialog |= _inline(heard.parts[0].audio, "audio/x-wav", heard.parts[0].name)
    return dialog


def _recording(recorded: Recorded, case: Case, parties: int) -> dict[str, Any]:
    dialog: dict[str, Any] = {
        "type": "recording",
        "start": _time(recorded.start or _begun(case)),
        "parties": [_CALLER, _HOUSE, *range(2, parties)],
        "application": "callguard",
        **_inline(recorded.audio, recorded.mediatype, recorded.name),
    }
    if recorded.seconds is not None:
        dialog["duration"] = recorded.seconds
    return dialog


def _nothing(case: Case) -> dict[str, Any]:
    """Attachments need a dialog to belong to, also when nothing was said by us and nothing recorded."""
    return {
        "type": "text",
        "start": _time(_begun(case)),
        "parties": [_HOUSE],
        "mediatype": "text/plain",
        "encoding": "none",
        "body": "No announcement was played on this call, and nothing of it is in this file.",
    }


def _lawful_basis(entry: Stored, dialog: int, case: Case) -> list[dict[str, Any]]:
    outcome = Outcome(entry.content["outcome"])
    ruled = next((e.content.get("basis") for e in case.entries if e.kind == Kind.CALL_RULED), None)
    basis = "consent" if outcome in _BY_CONSENT else "legal_obligation" if outcome is Outcome.DUTY else ruled
    if basis is None:
        return []
    granted = outcome in CAPTURING
    proof = next((p for p in case.proofs if p.get("position") == entry.position), None)
    body = {
        "lawful_basis": basis,
        "expiration": None,
        "purpose_grants": [
            {
                "purpose": "recording",
                "granted": granted,
                "granted_at": _time(entry.utc),
                "conditions": [f"outcome: {outcome}", f"rule: {entry.content['rule']}"],
            }
        ],
        "proof_mechanisms": [
            {
                "proof_type": "external_system",
                "timestamp": _time(entry.utc),
                "proof_data": {"system": "callguard ledger", "entry": entry.position, "proof": proof},
            }
        ],
    }
    return [_attachment("lawful_basis", entry.utc, _party(entry), dialog, body)]


def _consent(entry: Stored, dialog: int) -> dict[str, Any]:
    outcome = Outcome(entry.content["outcome"])
    granted = outcome in CAPTURING
    moment = _time(entry.utc)
    status = "revoked" if outcome is Outcome.WITHDRAWN else "granted" if granted else "denied"
    body = {
        "expiration": None,
        "party": _party(entry),
        "dialog": dialog,
        "consents": [
            {
                "consent": "recording",
                "value": granted,
                "purpose": "recording",
                "status": status,
                "timestamp": moment,
            }
        ],
        "proof": [{"type": entry.content.get("answer", {}).get("form", "none"), "timestamp": moment}],
    }
    return _attachment("consent", entry.utc, _party(entry), dialog, body)


def _ledger(case: Case, dialog: int) -> dict[str, Any]:
    body = {
        "entries": [entry.text for entry in case.entries],
        "proofs": list(case.proofs),
        "keys": [str(key) for key in case.keys],
    }
    return _attachment("callguard_ledger", case.made, _HOUSE, dialog, body)


def _attachment(
    purpose: str, moment: datetime, party: int, dialog: int, body: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "purpose": purpose,
        "start": _time(moment),
        "party": party,
        "dialog": dialog,
        "mediatype": "application/json",
        "encoding": "json",
        "body": dict(body),
    }


def _party(entry: Stored) -> int:
    return _HOUSE if entry.content["party"] == "agent" else _CALLER


def _begun(case: Case) -> datetime:
    return case.entries[0].utc if case.entries else case.made


def _inline(audio: bytes, mediatype: str, name: str) -> dict[str, str]:
    return {
        "mediatype": mediatype,
        "filename": name,
        "encoding": "base64url",
        "body": base64.urlsafe_b64encode(audio).decode().rstrip("="),
    }


def _uuid(case: Case) -> uuid.UUID:
    """Version 8 as the draft wants it: a time like version 7, then bits of the site and of the call."""
    milliseconds = int(case.made.timestamp() * 1000)
    house = int.from_bytes(sha1(case.site.encode(), usedforsecurity=False).digest()[:4])
    call = int.from_bytes(sha256(case.call.encode()).digest()[:6])
    bits = milliseconds << 80 | 0x8 << 76 | (call >> 36 & 0xFFF) << 64 | 0b10 << 62
    return uuid.UUID(int=bits | (house & 0x3FFFFFFF) << 32 | call & 0xFFFFFFFF)


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
