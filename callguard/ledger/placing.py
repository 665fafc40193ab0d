"""Calls that callguard placed for somebody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from callguard.ledger.kinds import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPlaced:
    """An agent's telephone was called, to be connected with a customer. That call has entries of its own."""

    kind: ClassVar[Kind] = Kind.CALL_PLACED
    phone: str  #: the agent's
    called: str  #: the customer's number
    queue: str
    channel: str  #: Asterisk's unique id of the agent's channel
    by: str  #: who asked for it
