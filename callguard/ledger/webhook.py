"""What a webhook looks like: the names of events, the message, and its signature.

The layout is that of standard-webhooks (headers ``webhook-id``, ``webhook-timestamp`` and
``webhook-signature``, HMAC-SHA256), so a receiver can check it with that project's libraries.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from hashlib import sha256

from callguard.errors import LedgerError
from callguard.ledger.entry import Stored

#: The event of a checkpoint, which is no entry.
CHECKPOINT_EVENT = "ledger.checkpoint"

#: Receivers refuse a message whose time is further away than this, seconds (standard-webhooks).
TOLERANCE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Somebody who wants to be told."""

    name: str
    url: str
    secrets: tuple[str, ...] = field(repr=False)  #: ``whsec_...``; all of them sign, so they can be changed
    events: tuple[str, ...] = ("*",)  #: names, with ``*`` for any part: ``consent.*``
    timeout: float = 15.0  #: seconds for one attempt
    give_up_after: float = 3 * 86400.0  #: seconds after which an event becomes a dead letter
    at_once: int = 8  #: calls that are told of at the same time

    def wants(self, event: str) -> bool:
        """Whether it is told of this event."""
        return any(fnmatchcase(event, pattern) for pattern in self.events)


def message_id(origin: str, position: int, event: str) -> str:
    """The idempotency key: the same for every attempt, and for no other event."""
    what = "c" if event == CHECKPOINT_EVENT else "e"
    return f"cg_{sha256(origin.encode()).hexdigest()[:12]}_{what}{position}"


def entry_message(
    event: str,
    sequence: int,
    entry: Stored,
    content: Mapping[str, object],
    arrival: Mapping[str, object],
) -> str:
    """What is told about an entry.

    ``sequence`` counts from 1 per call and endpoint, without gaps; ``arrival`` is the body of the
    call's first entry, of which the receiver learns whose call it is.
    """
    whose = {name: arrival[name] for name in ("caller", "called", "direction", "case") if name in arrival}
    return _message(
        event,
        entry.utc,
        {
            "call": entry.call,
            **whose,
            "sequence": sequence,
            "kind": entry.kind,
            "position": entry.position,
            "leaf": entry.leaf.hex(),
            "body": content,
        },
    )


def checkpoint_message(sequence: int, size: int, utc: datetime, note: str) -> str:
    """What is told about a checkpoint."""
    return _message(
        CHECKPOINT_EVENT, utc, {"call": "", "sequence": sequence, "size": size, "checkpoint": note}
    )


def headers(identity: str, timestamp: int, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The headers of one attempt at ``timestamp`` (seconds since 1970)."""
    signatures = [
        f"v1,{base64.b64encode(_mac(secret, identity, timestamp, body)).decode()}" for secret in secrets
    ]
    return {
        "content-type": "application/json",
        "webhook-id": identity,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def genuine(given: Mapping[str, str], body: bytes, secret: str, now: float) -> bool:
    """What a receiver does: whether the message is signed with ``secret`` and of this time."""
    identity, timestamp = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    if not timestamp.isdigit() or abs(now - int(timestamp)) > TOLERANCE:
        return False
    right = base64.b64encode(_mac(secret, identity, int(timestamp), body)).decode()
    signatures = given.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(f"v1,{right}", signature) for signature in signatures)


def check_secret(secret: str) -> str:
    """Give back ``secret`` if it is one.

    Raises:
        LedgerError: it has not the form ``whsec_`` and base 64, or is shorter than 24 bytes.
    """
    try:
        raw = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        raw = b""
    if not secret.startswith("whsec_") or not 24 <= len(raw) <= 64:
        raise LedgerError("a webhook secret is whsec_ and the base 64 of 24 to 64 random bytes")
    return secret


def _mac(secret: str, identity: str, timestamp: int, body: bytes) -> bytes:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return hmac.digest(key, f"{identity}.{timestamp}.".encode() + body, "sha256")


def _message(event: str, utc: datetime, data: Mapping[str, object]) -> str:
    timestamp = utc.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return json.dumps(
        {"type": event, "timestamp": timestamp, "data": data}, ensure_ascii=False, separators=(",", ":")
    )
