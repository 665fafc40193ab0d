"""What people and programs may ask about one live call: pause, go on, extend, withdraw, tell.

Feature codes, REST, phones, the command line and the card guard all come through here, so there is one
place that decides what a pause is. An answer is given when the recorder did as it was told (Asterisk
answered for this very recorder), never when the request was merely taken in.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from callguard.errors import CallguardError


class By(StrEnum):
    """How a call is named."""

    CALL = "call"  #: the id in the ledger
    CHANNEL = "channel"  #: Asterisk's unique id, or the name, of the customer's or an agent's channel
    EXTENSION = "extension"  #: the agent's telephone, as its endpoint in Asterisk is named
    CASE = "case"  #: the case in the CRM


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One live call."""

    by: By
    value: str


class Lamp(StrEnum):
    """What the recorder of a call does, as agents see it."""

    OFF = "off"
    RECORDING = "recording"
    PAUSED = "paused"
    FAULT = "fault"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A live call as its recorder says."""

    call: str
    channel: str  #: of the customer
    caller: str
    queue: str
    agents: tuple[str, ...]  #: telephones of ours that are on the call
    case: str
    lamp: Lamp
    seconds_left: float | None = None  #: of a pause
    extended: bool = False  #: the one extension of this pause was used
    erased_seconds: float = 0.0  #: how much of what was said before was dropped with this pause


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A call that was placed: the agent's telephone rings."""

    channel: str  #: Asterisk's unique id of the agent's channel
    agent: str  #: the telephone, as its endpoint in Asterisk is named
    number: str  #: whom it will be connected with
    queue: str


class DeskError(CallguardError):
    """What was asked cannot be done; the text says why and what to do."""


class NoSuchCall(DeskError):  # noqa: N818 - the name says what is the matter
    """No live call has this name."""


class NotUnique(DeskError):  # noqa: N818 - the name says what is the matter
    """Several live calls have this name."""


class NotRecorded(DeskError):  # noqa: N818 - the name says what is the matter
    """There is nothing to pause or to resume: the call is not being recorded."""


class NotAllowedNow(DeskError):  # noqa: N818 - the name says what is the matter
    """The state of the call does not allow it: extended already, held by another party ..."""


class NotPlaced(DeskError):  # noqa: N818 - the name says what is the matter
    """The agent's telephone cannot be called."""


class NotConfirmed(DeskError):  # noqa: N818 - the name says what is the matter
    """The recorder did not do as it was told; the recording was ended instead."""


class Desk(Protocol):
    """What the running controller does for those who ask. ``by`` is who asks, for the ledger."""

    def calls(self) -> list[Standing]:
        """All live calls."""

    def find(self, target: Target) -> Standing:
        """One live call.

        Raises:
            NoSuchCall: there is none of that name.
            NotUnique: there are several.
        """

    async def pause(
        self, target: Target, *, by: str, seconds: float | None = None, drop_last: float = 0.0
    ) -> Standing:
        """Pause; pausing again changes nothing (``drop_last`` is still done).

        Args:
            target: the call.
            by: who asks.
            seconds: when the queue's choice applies; None for the usual time.
            drop_last: seconds before the pause that are erased as well.

        Raises:
            DeskError: see its kinds.
        """

    async def resume(self, target: Target, *, by: str) -> Standing:
        """Go on recording after a pause; answered when the recorder writes again."""

    async def extend(self, target: Target, *, by: str, reason: str) -> Standing:
        """Make a running pause longer, once."""

    async def withdraw(self, target: Target, *, by: str, shred: bool) -> Standing:
        """The customer no longer wants to be recorded; ``shred``: destroy what was recorded as well."""

    async def assign(self, target: Target, *, by: str, case: str) -> Standing:
        """The call belongs to this case of the CRM from now on."""

    async def paid(self, target: Target, *, by: str, reference: str) -> Standing:
        """A payment was taken on this call; one without a pause is reported."""

    async def place(self, *, agent: str, number: str, queue: str, by: str) -> Placed:
        """Have an agent's telephone ring, and connect whoever answers it with a customer.

        Args:
            agent: the telephone, as its endpoint in Asterisk is named.
            number: the customer's.
            queue: whose rules apply.
            by: who asks.

        Raises:
            NotAllowedNow: there is no such queue, or callguard is not told how to dial.
            NotPlaced: the agent's telephone cannot be called.
            AsteriskError: Asterisk cannot be reached.
        """
