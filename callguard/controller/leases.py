"""The dialplan's lease on a caller who is asked: the time after which it leads them on without us.

It is Asterisk's limit on the channel (``TIMEOUT(absolute)``), and the dialplan takes it off when the caller
leaves the dialogue. An order to renew it that was not answered may arrive after that, when the line carries
something again, and would end a call that goes on. So whoever such an order was for is looked at afterwards,
until no order can be under way any more.

Decided 2026-11, after a chaos run had lost a call to it. What lost: to make Asterisk itself refuse what comes
late; nothing in AMI or ARI makes an order depend on where a channel is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Protocol

import structlog

from callguard.asterisk import Ari
from callguard.asterisk.ami import Ami
from callguard.asterisk.errors import AmiRefused, AriRefused
from callguard.errors import AsteriskError

log = structlog.get_logger(__name__)

#: The function of the dialplan that is the lease.
LIMIT = "TIMEOUT(absolute)"

#: Seconds by which the lease outlives the step it is renewed for: the time the controller has to take the
#: next step, and about what a caller hears of silence when it died.
MARGIN = 4.0

#: How often whoever may still be reached by a late order is looked at: twice before it ends them (seconds).
LOOK_SECONDS = 2.0

#: How long an order may be under way: the longest that Linux waits to send it again (TCP_RTO_MAX, seconds).
REACH = 120.0

#: No step of the dialogue takes longer, so that a higher limit is the site's own (seconds).
LONGEST = 120.0

#: What a channel does while it is in the dialogue.
IN_DIALOGUE = ("Stasis", "StasisBroadcast")


class House(Protocol):
    """What leases need of the controller."""

    ami: Ami

    @property
    def ari(self) -> Ari | None:
        """The live connection to ARI, if there is one."""

    def own(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run something in a task that is looked after."""


class Leases:
    """Renews leases, and takes back those that come too late."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._doubts: dict[str, float] = {}  #: channels, and until when; on the monotonic clock
        self._wake = asyncio.Event()

    async def renew(self, channel: str, seconds: float) -> None:
        """The caller has to be here for so many seconds more.

        Raises:
            AsteriskError: neither AMI nor ARI did it.
        """
        lease = round(seconds + MARGIN)
        ari = self._house.ari
        if ari is None:
            raise AsteriskError("no connection to ARI; the dialplan's lease leads the caller on")
        sent = self._house.ami.connected
        try:
            await self._house.ami.set_variable(channel, LIMIT, str(lease))
        except AsteriskError as error:
            if sent and not isinstance(error, AmiRefused):
                self.doubt(channel)
            try:
                await ari.set_variable(channel, LIMIT, str(lease))
            except AriRefused:
                raise
            except AsteriskError:
                self.doubt(channel)
                raise

    def doubt(self, channel: str) -> None:
        """An order for this channel may arrive when it has left the dialogue, or has."""
        watched = bool(self._doubts)
        self._doubts[channel] = time.monotonic() + REACH
        if not watched:
            self._house.own(self._watch(), "leases that may be renewed too late")

    def look(self) -> None:
        """Orders arrive again: look now."""
        self._wake.set()

    async def _watch(self) -> None:
        while self._doubts:
            self._wake.clear()
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                now = time.monotonic()
                self._doubts = {each: until for each, until in self._doubts.items() if until > now}
            await asyncio.gather(*(self._take_back(each) for each in list(self._doubts)))

    async def _take_back(self, channel: str) -> None:
        """Whoever has left the dialogue has no lease; a limit of the site's own is longer, and stays."""
        ami = self._house.ami
        try:
            application, limit = await ami.whereabouts(channel, LIMIT)
            if application in IN_DIALOGUE or not 0 < _seconds(limit) <= LONGEST:
                return
            await ami.set_variable(channel, LIMIT, "0")
            log.info("an order came too late and was taken back", channel=channel, left=limit)
        except AmiRefused:
            self._doubts.pop(channel, None)  # the channel is gone
        except AsteriskError as error:
            log.debug("looked at again", channel=channel, why=str(error))


def _seconds(limit: str) -> float:
    try:
        return float(limit)
    except ValueError:
        return 0.0
