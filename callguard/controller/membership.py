"""Who talks with whom, as the manager interface tells it: channels in bridges.

Decided 2026-11: from AMI's BridgeEnter and BridgeLeave, not from ARI. Of a channel that is not ours any
more ARI tells neither of the two (22.10.1), and a transfer can move the customer to another bridge as well as
a new party to the customer's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

#: Channels that stand for no person: ends of local channels, taps and announcers.
_NOBODY = ("Local/", "Snoop/", "Announcer/", "Surrogate/", "UnicastRTP/", "WebSocket/", "AudioSocket/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A channel in a bridge."""

    channel: str  #: Uniqueid
    name: str  #: such as ``PJSIP/desk-7-00000012``
    number: str = ""  #: the caller id of that channel
    bridge_type: str = ""  #: ``basic`` for two who talk, others for conferences and the like
    waits: bool = False  #: in a place where everybody hears music and nobody else: parked, or held

    @property
    def phone(self) -> str:
        """The endpoint: ``desk-7``."""
        return phone_of(self.name)

    @property
    def endpoint(self) -> str:
        """As Asterisk calls the telephone: ``PJSIP/desk-7``."""
        return self.name.rpartition("-")[0] or self.name

    @property
    def takes_keys(self) -> bool:
        """Whether hot keys work where this channel is."""
        return self.bridge_type == "basic"

    @property
    def is_person(self) -> bool:
        """Whether somebody speaks and hears there."""
        return not self.name.startswith(_NOBODY)


def phone_of(name: str) -> str:
    """The endpoint of a channel that is called so: ``desk-7`` of ``PJSIP/desk-7-00000012``."""
    return name.partition("/")[2].rpartition("-")[0] or name


class Bridges:
    """All bridges of a PBX, kept up with its events."""

    def __init__(self) -> None:
        self._bridge_of: dict[str, str] = {}
        self._members: dict[str, dict[str, Member]] = {}

    def entered(self, event: Mapping[str, str]) -> Member | None:
        """BridgeEnter: somebody came into a bridge (and left the one before); who, if it names a channel."""
        bridge, channel = event.get("BridgeUniqueid", ""), event.get("Uniqueid", "")
        if not bridge or not channel:
            return None
        self._leave(channel)
        member = Member(
            channel=channel,
            name=event.get("Channel", ""),
            number=event.get("CallerIDNum", "")[:128],
            bridge_type=event.get("BridgeType", ""),
            waits=event.get("BridgeTechnology") == "holding_bridge",
        )
        self._bridge_of[channel] = bridge
        self._members.setdefault(bridge, {})[channel] = member
        return member

    def left(self, event: Mapping[str, str]) -> tuple[str, Member | None]:
        """BridgeLeave: the bridge, and who left it; nobody when that was known already."""
        bridge, channel = event.get("BridgeUniqueid", ""), event.get("Uniqueid", "")
        if self._bridge_of.get(channel) != bridge:
            return bridge, None
        return bridge, self._leave(channel)

    def gone(self, channel: str) -> None:
        """A channel hung up."""
        self._leave(channel)

    def others(self, channel: str) -> tuple[Member, ...]:
        """Who talks with this channel: persons in the same bridge, in the order in which they came."""
        bridge = self._bridge_of.get(channel, "")
        members = self._members.get(bridge, {}).values()
        return tuple(
            each for each in members if each.channel != channel and each.is_person and not each.waits
        )

    def in_bridge(self, bridge: str) -> Iterator[str]:
        """The channels in a bridge."""
        yield from self._members.get(bridge, {})

    def bridge_of(self, channel: str) -> str:
        """The bridge that a channel is in; empty for none."""
        return self._bridge_of.get(channel, "")

    def clear(self) -> None:
        """Nothing is known any more: the connection was lost."""
        self._bridge_of.clear()
        self._members.clear()

    def _leave(self, channel: str) -> Member | None:
        bridge = self._bridge_of.pop(channel, None)
        if bridge is None:
            return None
        members = self._members[bridge]
        member = members.pop(channel, None)
        if not members:
            del self._members[bridge]
        return member
