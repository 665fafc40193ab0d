"""Stopping recorders whose ids are not known."""

from __future__ import annotations

from callguard.asterisk.ami import Ami
from callguard.asterisk.errors import AmiRefused

#: How many recorders one channel is taken to have at most.
MOST_RECORDERS = 32


async def stop_recorders(ami: Ami, channel: str) -> int:
    """Stop every MixMonitor of a channel; returns how many there were.

    Without an id Asterisk stops the newest (22.10.1), so this asks until it says that there is none.

    Raises:
        AsteriskError: Asterisk did not answer; some of them may run on.
    """
    for count in range(MOST_RECORDERS):
        try:
            await ami.action("StopMixMonitor", {"Channel": channel})
        except AmiRefused as error:
            if is_denied(error):
                raise
            return count
    return MOST_RECORDERS


def is_denied(error: AmiRefused) -> bool:
    """Whether an order was not carried out, instead of there being nothing that it could be given to."""
    return "permission denied" in error.message.lower() or error.message.startswith("not sent")


async def stop_every_recorder(ami: Ami) -> int:
    """Stop every MixMonitor of the PBX; returns how many there were.

    Raises:
        AsteriskError: the channels could not be listed, or Asterisk did not answer.
    """
    return sum([await stop_recorders(ami, channel.get("Uniqueid", "")) for channel in await ami.status()])
