"""Stopping recorders whose ids are not known."""

from __future__ import annotations

from callguard.asterisk.ami import Ami
from callguard.errors import AsteriskError

#: How many recorders one channel is taken to have at most.
MOST_RECORDERS = 8


async def stop_recorders(ami: Ami, channel: str) -> int:
    """Stop every MixMonitor of a channel; returns how many there were.

    Without an id Asterisk stops the newest (22.10.1), so this asks until it says that there is none.
    """
    for count in range(MOST_RECORDERS):
        try:
            await ami.action("StopMixMonitor", {"Channel": channel})
        except AsteriskError:
            return count
    return MOST_RECORDERS


async def stop_every_recorder(ami: Ami) -> int:
    """Stop every MixMonitor of the PBX; returns how many there were.

    Raises:
        AsteriskError: the channels could not be listed.
    """
    return sum([await stop_recorders(ami, channel.get("Uniqueid", "")) for channel in await ami.status()])
