"""Every recorder and every listener of a PBX, as far as events tell of them, and who they hear."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping

from callguard.controller.foreign import Foreign, Kind, is_ours
from callguard.controller.membership import Bridges

#: Names of channels that carry the audio of a call to a program.
STREAMS = ("UnicastRTP/", "MulticastRTP/", "WebSocket/", "AudioSocket/")

#: The applications that listen in.
SPYING = frozenset({"ChanSpy", "ExtenSpy"})

Event = Mapping[str, str]


class Census:
    """Kept up with the events of the manager interface.

    Args:
        bridges: who talks with whom; told of each event before `hear` is.
    """

    def __init__(self, bridges: Bridges) -> None:
        self._bridges = bridges
        #: MixMonitors by channel, oldest first; of ours the id. Events have none: only the order counts.
        self._mixers: defaultdict[str, list[Foreign | str]] = defaultdict(list)
        self._expected: Counter[str] = Counter()  #: stops that are ordered and not told of yet, by channel
        self._listeners: dict[tuple[str, ...], Foreign] = {}
        self._halves: defaultdict[str, set[str]] = defaultdict(set)  #: the two ends of a local channel
        self._stems: dict[str, str] = {}  #: channel -> the name that both of its ends share
        self._parked: set[str] = set()  #: channels in bridges where nobody hears anybody

    # ------------------------------------------------------------------ what Asterisk says

    def hear(self, event: Event) -> str:
        """Take in an event; returns a channel around which something changed, or nothing."""
        take = _HEARD.get(event.get("Event", ""))
        return take(self, event) if take else ""

    def recording(self, name: str, target: str, *, began: bool) -> str:
        """An ARI recording of ``channel:<id>`` or ``bridge:<id>`` began or ended; returns as `hear`."""
        kind, _, where = target.partition(":")
        if not began:
            return self._remove("recording", name)
        self._add(Kind.REST, ("recording", name), where, name)
        return where if kind == "channel" else self._someone_in(where)

    def claimed(self, channel: str, identity: str) -> None:
        """The newest MixMonitor of a channel is ours."""
        mixers = self._mixers[channel]
        for place in range(len(mixers) - 1, -1, -1):
            if isinstance(mixers[place], Foreign):
                mixers[place] = identity
                return
        mixers.append(identity)

    def stop_ordered(self, channel: str, *, done: bool = True) -> None:
        """We have the newest MixMonitor of a channel stopped, and take it off the list ourselves.

        Args:
            channel: the channel.
            done: False takes that back.
        """
        self._expected[channel] += 1 if done else -1

    def stopped(self, channel: str, *, ours: bool) -> bool:
        """A MixMonitor of a channel was stopped; whether that was ours.

        Args:
            channel: the channel.
            ours: it is ours if there is one of ours; otherwise it is the newest.
        """
        mixers = self._mixers.get(channel)
        if self._expected[channel] > 0:
            self._expected[channel] -= 1
            return False
        if not mixers:
            return False
        if ours and self.ours(channel):
            mixers.remove(self.ours(channel))
            return True
        newest = mixers.pop()
        if isinstance(newest, Foreign):
            _over(newest)
        return isinstance(newest, str)

    def lost(self, channel: str) -> None:
        """Ours is not there any more."""
        self._mixers[channel] = [each for each in self._mixers[channel] if isinstance(each, Foreign)]

    def ended(self, found: Foreign) -> None:
        """It is no more."""
        _over(found)
        for mixers in self._mixers.values():
            if found in mixers:
                mixers.remove(found)
        self._listeners = {key: each for key, each in self._listeners.items() if each is not found}

    def start_over(self, channels: Iterable[Mapping[str, str]]) -> None:
        """Nothing is known but these channels of an AMI Status, and which recorders are ours."""
        ours = {channel: self.ours(channel) for channel in self._mixers if self.ours(channel)}
        for known in (self._mixers, self._listeners, self._halves, self._stems, self._parked, self._expected):
            known.clear()
        for channel, identity in ours.items():
            self._mixers[channel].append(identity)
        channels = list(channels)
        for each in channels:
            self._name(each)
            identity, name = each.get("Uniqueid", ""), each.get("Channel", "")
            if is_ours(identity, name):
                continue
            if name.startswith("Snoop/"):
                spied = name.removeprefix("Snoop/").rpartition("-")[0]
                self._add(Kind.SNOOP, ("spy", identity, spied), spied, identity)
            elif name.startswith(STREAMS):
                self._add(Kind.STREAM, ("stream", identity), identity, identity)
            elif each.get("Application") in SPYING:
                prefix = each.get("Data", "").partition(",")[0]
                for other in channels:
                    if other is not each and other.get("Channel", "").startswith(prefix):
                        spied = other.get("Uniqueid", "")
                        self._add(Kind.SPY, ("spy", identity, spied), spied, identity)

    # ------------------------------------------------------------------ what is known

    def around(self, channel: str) -> set[str]:
        """The channels that hear this one, itself among them, across local channels."""
        found, ahead = {channel}, [channel]
        while ahead:
            each = ahead.pop()
            near = set(self._halves.get(self._stems.get(each, ""), ()))
            if each not in self._parked:
                near.update(self._bridges.in_bridge(self._bridges.bridge_of(each)))
            ahead += near - found
            found |= near
        return found

    def foreign(self, channel: str) -> list[Foreign]:
        """All that is not ours and hears this channel, oldest first."""
        around = self.around(channel)
        bridges = {self._bridges.bridge_of(each) for each in around}
        found = [
            mixer for each in around for mixer in self._mixers.get(each, ()) if isinstance(mixer, Foreign)
        ]
        for listener in self._listeners.values():
            if listener.channel not in around and listener.channel not in bridges:
                continue
            if listener.kind is Kind.STREAM and self._is_party(listener.channel, channel, around):
                continue
            found.append(listener)
        return sorted(found, key=lambda each: each.seen)

    def mixers(self, channel: str) -> tuple[Foreign | str, ...]:
        """The MixMonitors of a channel, oldest first; of ours the id."""
        return tuple(self._mixers.get(channel, ()))

    def ours(self, channel: str) -> str:
        """The id of our MixMonitor on a channel; empty when there is none."""
        return next((each for each in self._mixers.get(channel, ()) if isinstance(each, str)), "")

    def _is_party(self, stream: str, channel: str, around: set[str]) -> bool:
        """Whether a stream is the only one that the customer talks to, so that it is who was called."""
        # Ends of local channels stand for nobody.
        return all(each in {stream, channel} or each in self._stems for each in around)

    # ------------------------------------------------------------------ one event each

    def _entered(self, event: Event) -> str:
        channel, name = self._name(event), event.get("Channel", "")
        if event.get("BridgeTechnology") == "holding_bridge":
            self._parked.add(channel)
        else:
            self._parked.discard(channel)
        if name.startswith(STREAMS) and not is_ours(channel, name):
            self._add(Kind.STREAM, ("stream", channel), channel, channel)
        return channel

    def _left(self, event: Event) -> str:
        self._parked.discard(event.get("Uniqueid", ""))
        return ""

    def _gone(self, event: Event) -> str:
        channel = event.get("Uniqueid", "")
        for mixer in self._mixers.pop(channel, ()):
            if isinstance(mixer, Foreign):
                _over(mixer)
        self._expected.pop(channel, None)
        self._parked.discard(channel)
        stem = self._stems.pop(channel, "")
        if stem:
            self._halves[stem].discard(channel)
            if not self._halves[stem]:
                del self._halves[stem]
        for key in [key for key, each in self._listeners.items() if channel in (each.channel, each.handle)]:
            self._remove(*key)
        return ""

    def _mixer_started(self, event: Event) -> str:
        channel = self._name(event)
        self._mixers[channel].append(Foreign(kind=Kind.MIXMONITOR, channel=channel, seen=time.monotonic()))
        return channel

    def _monitor_started(self, event: Event) -> str:
        channel = self._name(event)
        self._add(Kind.MONITOR, ("monitor", channel), channel, "")
        return channel

    def _monitor_stopped(self, event: Event) -> str:
        return self._remove("monitor", event.get("Uniqueid", ""))

    def _spied(self, event: Event) -> str:
        spy, name = event.get("SpyerUniqueid", ""), event.get("SpyerChannel", "")
        channel = event.get("SpyeeUniqueid", "")
        if not is_ours(spy, name):
            kind = Kind.SNOOP if name.startswith("Snoop/") else Kind.SPY
            self._add(kind, ("spy", spy, channel), channel, spy)
        return channel

    def _spied_no_more(self, event: Event) -> str:
        return self._remove("spy", event.get("SpyerUniqueid", ""), event.get("SpyeeUniqueid", ""))

    def _conference_recorded(self, event: Event) -> str:
        bridge = event.get("BridgeUniqueid", "")
        self._add(Kind.CONFERENCE, ("conference", bridge), bridge, event.get("Conference", ""))
        return self._someone_in(bridge)

    def _conference_recorded_no_more(self, event: Event) -> str:
        return self._remove("conference", event.get("BridgeUniqueid", ""))

    def _add(self, kind: Kind, key: tuple[str, ...], channel: str, handle: str) -> None:
        found = Foreign(kind=kind, channel=channel, handle=handle, seen=time.monotonic())
        self._listeners.setdefault(key, found)

    def _remove(self, *key: str) -> str:
        if found := self._listeners.pop(key, None):
            _over(found)
        return ""

    def _name(self, event: Event) -> str:
        """The channel that an event is about; both ends of a local channel are remembered."""
        channel, name = event.get("Uniqueid", ""), event.get("Channel", "")
        stem, dot, _ = name.rpartition(";")
        if dot and name.startswith("Local/"):
            self._stems[channel] = stem
            self._halves[stem].add(channel)
        return channel

    def _someone_in(self, bridge: str) -> str:
        return next(iter(self._bridges.in_bridge(bridge)), "")


def _over(found: Foreign) -> None:
    """Note when it ended, whoever ended it."""
    if found.stopped_ms is None:
        found.stopped_ms = found.age_ms()


_HEARD: Mapping[str, Callable[[Census, Event], str]] = {
    "BridgeEnter": Census._entered,
    "BridgeLeave": Census._left,
    "ChanSpyStart": Census._spied,
    "ChanSpyStop": Census._spied_no_more,
    "ConfbridgeRecord": Census._conference_recorded,
    "ConfbridgeStopRecord": Census._conference_recorded_no_more,
    "Hangup": Census._gone,
    "MixMonitorStart": Census._mixer_started,
    "MonitorStart": Census._monitor_started,
    "MonitorStop": Census._monitor_stopped,
}
