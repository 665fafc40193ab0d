"""Recorders and listeners of others: what there is, and how each kind is ended with AMI's class ``call``."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from callguard.asterisk.ami import Ami
from callguard.asterisk.ari import Ari
from callguard.asterisk.errors import AmiRefused
from callguard.controller.sweep import is_denied, stop_recorders
from callguard.errors import AsteriskError

#: What the ids of our own channels begin with: whispers, tones, taps for spoken answers.
OURS = "callguard-"

#: Asterisk's own beeps (MixMonitor's option B, PERIODIC_HOOK) are played by a spy from here.
BEEPS = "Local/hook@__func_periodic_hook_context__"

#: What means something in a regular expression of POSIX.
_SPECIAL = re.compile(r"[][\\^$.|?*+(){}/]")


class Kind(StrEnum):
    """What it is, in the words of the ledger."""

    MIXMONITOR = "MixMonitor"
    MONITOR = "Monitor"  #: until Asterisk 20
    UNMUTED = "MixMonitor made to speak again"  #: by somebody else, while it had to be silent
    SPY = "ChanSpy"
    SNOOP = "ARI snoop"
    CONFERENCE = "conference recording"
    STREAM = "audio stream"  #: to a program: ExternalMedia, AudioSocket
    REST = "ARI recording"


#: What hears a whole conversation rather than one channel of it.
_WHOLE = frozenset({Kind.CONFERENCE, Kind.STREAM})


@dataclass(slots=True, kw_only=True, eq=False)
class Foreign:
    """One recorder or listener that is not ours."""

    kind: Kind
    channel: str  #: Uniqueid of the channel, or id of the bridge, that it hears
    handle: str = ""  #: what it is ended by, where that is not the channel: a channel, a room, a recording
    seen: float  #: when we learnt of it, monotonic seconds
    stopped_ms: int | None = None  #: how long after that it heard nothing any more; None: it still does
    muted: bool = False  #: it is still there, and hears nothing any more
    told: set[str] = field(default_factory=set)  #: conversations (by channel) that know of it

    def age_ms(self) -> int:
        """How long ago we learnt of it."""
        return round(1000 * (time.monotonic() - self.seen))

    def words(self, customer: str) -> str:
        """What it is and where, for the call of that customer's channel."""
        if self.kind in _WHOLE or (self.kind is Kind.REST and self.channel != customer):
            return f"{self.kind} of the conversation"
        return f"{self.kind} on the {'caller' if self.channel == customer else 'agent'}'s channel"


def is_ours(channel: str, name: str) -> bool:
    """Whether a channel that listens is callguard's or Asterisk's own."""
    return channel.startswith(OURS) or name.startswith(BEEPS)


async def end(found: Foreign, ami: Ami, ari: Callable[[], Ari | None]) -> None:
    """End it, whatever it is; one that is gone already is fine.

    Of a MixMonitor this stops all that are on its channel, so it is not for channels with one of ours.

    Raises:
        AsteriskError: Asterisk did not answer, or we lack the right.
    """
    match found.kind:
        case Kind.MIXMONITOR | Kind.UNMUTED:
            await stop_recorders(ami, found.channel)
        case Kind.MONITOR:
            await _order(ami, "StopMonitor", found.channel)
        case Kind.CONFERENCE:
            # ConfbridgeStopRecord wants the class system, and no event tells of the channel that records. But
            # Hangup takes a regular expression for a name, and finds that channel too (22.10.1).
            room = _SPECIAL.sub(r"\\\g<0>", found.handle)
            await _order(ami, "Hangup", f"/^CBRec\\/{room}-[0-9a-f]*$/")
        case Kind.REST:
            if (live := ari()) is None:
                raise AsteriskError("no connection to ARI, by which the recording could be stopped")
            await live.stop_recording(found.handle)
        case Kind.SPY | Kind.SNOOP | Kind.STREAM:
            await _order(ami, "Hangup", found.handle)


async def mute(channel: str, ami: Ami) -> None:
    """Make every MixMonitor of a channel write zeros, ours too.

    Only for channels that have one: releases 18.18, 18.19, 20.3 and 20.4 lock up otherwise.

    Raises:
        AsteriskError: Asterisk did not answer, or we lack the right.
    """
    await _order(ami, "MixMonitorMute", channel, Direction="both", State="1")


async def stop_newest(channel: str, ami: Ami) -> bool:
    """Stop the MixMonitor of a channel that started last; whether there was one.

    Raises:
        AsteriskError: Asterisk did not answer, or we lack the right.
    """
    return await _order(ami, "StopMixMonitor", channel)


async def file_of(channel: str, ami: Ami) -> str:
    """The file that the newest MixMonitor of a channel was to write; empty when that cannot be learnt."""
    try:
        answer = await ami.action("Getvar", {"Channel": channel, "Variable": "MIXMONITOR_FILENAME"})
    except AsteriskError:
        return ""
    return answer.get("Value", "")


async def _order(ami: Ami, action: str, channel: str, **fields: str) -> bool:
    """Give an order; False when there was nothing that it could be given to."""
    try:
        await ami.action(action, {"Channel": channel, **fields})
    except AmiRefused as error:
        if is_denied(error):
            raise
        return False
    return True
