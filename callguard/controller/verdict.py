"""What the controller tells the dialplan about a call, in an alphabet of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from callguard.asterisk import Ari
from callguard.asterisk.ami import Ami
from callguard.consent.words import Outcome
from callguard.errors import AsteriskError

#: No character that the dialplan gives a meaning to can be part of a verdict.
SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``capture:outcome:queue:call:channel``; good only for the channel it names."""

    way: Literal["capture", "pass", "end"]
    outcome: Outcome
    queue: str
    call: str
    channel: str

    def text(self) -> str:
        """The value of CALLGUARD_VERDICT.

        Raises:
            AsteriskError: a part holds a character that could mean something to the dialplan.
        """
        parts = (self.way, self.outcome.value, self.queue, self.call, self.channel)
        for part in parts:
            if not SAFE.fullmatch(part):
                raise AsteriskError(
                    f"{part!r} may not stand in a verdict; use letters, digits, '.', '_', '-'"
                )
        return ":".join(parts)


async def tell_dialplan(ami: Ami, ari: Ari, channel: str, name: str, value: str) -> None:
    """Set a variable of a channel, or one of the dialplan's functions.

    Decided 2026-11: through the manager interface, and through ARI only where that fails. What ARI sets makes
    Asterisk take whatever the channel does afterwards for steered from outside: with its default
    ``live_dangerously=no`` the dialplan behind us could not use FILE(), SHELL() or CONFBRIDGE() any more for
    the rest of the call (seen on 16.28 and 22.10.1). And ARI would wait for the end of a playback.

    Raises:
        AsteriskError: neither of them did it.
    """
    try:
        await ami.set_variable(channel, name, value)
    except AsteriskError:
        await ari.set_variable(channel, name, value)
