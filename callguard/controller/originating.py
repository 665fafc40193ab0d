"""Calls that callguard places: an agent's telephone rings, and who answers it is connected with a customer.

The customer is dialled by the dialplan, through the gate of all calls that go out, so that it makes no
difference to them who dialled: they are told, and asked, before they are connected and before anything is
captured.
"""

from __future__ import annotations

import uuid
from typing import Protocol

from callguard.asterisk import Ari
from callguard.asterisk.errors import AriRefused
from callguard.config import Config
from callguard.controller.desk import NotAllowedNow, NotPlaced, Placed
from callguard.errors import AsteriskError
from callguard.ledger.bodies import AnyBody
from callguard.ledger.placing import CallPlaced

#: Where the dialplan goes on with the agent who answered; see ``callguard.conf``.
CONTEXT, EXTENSION = "callguard-originate", "call"


class House(Protocol):
    """What placing a call needs of the controller."""

    @property
    def config(self) -> Config:
        """The configuration in force."""

    @property
    def ari(self) -> Ari | None:
        """The live connection to ARI."""

    def note(self, body: AnyBody, call: str = "") -> None:
        """Write a fact into the ledger."""


async def place(house: House, *, agent: str, number: str, queue: str, by: str) -> Placed:
    """Let an agent's telephone ring; see `callguard.controller.desk.Desk.place`."""
    config = house.config
    if config.outbound.dial is None:
        raise NotAllowedNow(
            "callguard is not told how to dial a number; set outbound.dial, such as PJSIP/{number}@trunk"
        )
    if queue not in config.queues:
        raise NotAllowedNow(f"there is no queue {queue!r}; config.yaml has: {', '.join(config.queues)}")
    ari = house.ari
    if ari is None:
        raise AsteriskError("no connection to ARI, so no call can be placed; see `callguard doctor`")
    channel = f"callguard-call-{uuid.uuid4().hex}"
    try:
        await ari.originate(
            channel,
            config.outbound.agent.replace("{agent}", agent),
            EXTENSION,
            context=CONTEXT,
            caller_id=number,
            seconds=config.outbound.ring_seconds,
            variables={
                "CALLGUARD_PLACED_QUEUE": queue,
                "CALLGUARD_PLACED_DIAL": config.outbound.dial.replace("{number}", number),
                "CALLGUARD_PLACED_SECONDS": str(config.outbound.dial_seconds),
            },
        )
    except AriRefused as error:
        raise NotPlaced(
            f"the telephone {agent!r} cannot be called: {error.message or 'Asterisk refused'}; is it "
            "registered, and does outbound.agent name it rightly?"
        ) from error
    house.note(CallPlaced(phone=agent, called=number, queue=queue, channel=channel, by=by))
    return Placed(channel=channel, agent=agent, number=number, queue=queue)
