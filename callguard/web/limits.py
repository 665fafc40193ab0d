"""Haste: how often somebody may be wrong before they have to wait."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

#: So many failures within so many seconds are borne.
MOST_FAILURES = 20
WINDOW_SECONDS = 60.0
#: Of how many addresses and tokens it is remembered; the ones that failed longest ago are forgotten first.
MOST_REMEMBERED = 4096


@dataclass(slots=True)
class _Count:
    since: float
    failures: int = 0


class Failures:
    """Counts failures of each who fails, in windows of fixed length."""

    def __init__(
        self,
        *,
        most: int = MOST_FAILURES,
        window: float = WINDOW_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._window, self._clock = most, window, clock
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def wait(self, who: str) -> int:
        """Seconds that they have to wait; 0 if they may ask."""
        count = self._counts.get(who)
        if count is None or count.failures < self._most:
            return 0
        left = count.since + self._window - self._clock()
        return math.ceil(left) if left > 0 else 0

    def failed(self, who: str) -> None:
        """They were wrong once more."""
        now = self._clock()
        count = self._counts.pop(who, None)
        if count is None or now - count.since >= self._window:
            count = _Count(now)
        count.failures += 1
        self._counts[who] = count
        if len(self._counts) > MOST_REMEMBERED:
            self._counts.popitem(last=False)


class Familiar:
    """Which tokens were right at which address; they are let in there although others fail."""

    def __init__(self) -> None:
        self._pairs: OrderedDict[tuple[str, str], None] = OrderedDict()

    def add(self, address: str, name: str) -> None:
        """This one was right here."""
        self._pairs[address, name] = None
        self._pairs.move_to_end((address, name))
        if len(self._pairs) > MOST_REMEMBERED:
            self._pairs.popitem(last=False)

    def knows(self, address: str, name: str) -> bool:
        """Whether this one was right here before."""
        return (address, name) in self._pairs


def address_of(peer: str) -> str:
    """Whom failures of a peer are counted for: an IPv4 address, or the /64 of an IPv6 address.

    One subscriber has a whole /64 (RFC 6177), and could fail from a new address of it each time.
    """
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
