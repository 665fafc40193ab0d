"""What callguard asks of Asterisk over ARI, one verb each; how a request travels is not decided here."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from callguard.asterisk.asking import Query
from callguard.asterisk.errors import AriRefused, AriUnreadable
from callguard.asterisk.events import Channel, channel_of
from callguard.asterisk.playing import Playing

#: Event types that are let through whatever else is filtered. The filter of Asterisk 22.10.1 swallows the
#: answers to our own requests (``RESTResponse``) and the notice that another process took over, unless they
#: are named.
INDISPENSABLE = ("RESTResponse", "ApplicationReplaced", "PlaybackFinished")


class Ears(StrEnum):
    """Who hears what is whispered into a channel. The values are ARI's directions."""

    PARTY = "out"  #: the party on the channel
    OTHERS = "in"  #: whoever it talks to
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Packets:
    """How many packets of sound have travelled between a channel and its party so far."""

    sent: int  #: to the party
    received: int  #: from it


@dataclass(frozen=True, slots=True, kw_only=True)
class AsteriskInfo:
    """Which Asterisk this is."""

    version: str  #: as the package calls itself, such as ``22.10.1+dfsg``
    entity: str
    started: str  #: ISO 8601
    reloaded: str  #: ISO 8601
    built: str
    language: str  #: the default language of prompts


class AriVerbs(ABC):
    """The verbs; all raise AriTimeout, AriRefused, AriLost or AriUnreadable.

    Ids of playbacks are chosen by the caller of these methods, so that what happens can be told apart even
    when the event comes before the answer, and so that another process can stop a playback it did not
    start.
    """

    app: str
    _playing: Playing

    @abstractmethod
    async def request(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: object | None = None,
        deadline: float | None = None,
        *,
        channel: str | None = None,
        apart: bool = False,
    ) -> Any:
        """Make one request; see `Ari.request`."""

    async def play(self, channel: str, media: Sequence[str], playback: str) -> None:
        """Play these files, in order, to a channel.

        Asterisk answers before it has opened a file. A missing file shows as a PlaybackFinished with the
        state ``failed``, but only when it is the last (see there): a list is for files that were checked.
        """
        path = f"{_channel(channel)}/play/{_id(playback)}"
        self._playing.began(playback, channel)
        try:
            await self.request("POST", path, body={"media": list(media)})
        except AriRefused:
            self._playing.ended(playback)
            raise

    async def stop_playback(self, playback: str) -> None:
        """Stop a playback, all its files; one that is already over is fine."""
        try:
            await self.request("DELETE", f"playbacks/{_id(playback)}")
        except AriRefused as error:
            if error.status != 404:
                raise
        self._playing.ended(playback)

    async def originate(
        self,
        channel: str,
        endpoint: str,
        extension: str,
        *,
        context: str,
        caller_id: str,
        seconds: int,
        variables: Mapping[str, str],
    ) -> None:
        """Call somebody, and let the dialplan go on with whoever answers. Answered when it rings, or before.

        Args:
            channel: The id of the new channel. Asterisk refuses one that another channel's id begins with,
                in capitals or not (tried on 22.10.1), so ids of one kind are of one length.
            endpoint: Whom to call (``PJSIP/211``).
            extension: Where the dialplan goes on.
            context: Where that extension is.
            caller_id: The number that is shown to them.
            seconds: How long it may ring.
            variables: Of the new channel.
        """
        query: dict[str, str | int] = {
            "endpoint": endpoint,
            "context": context,
            "extension": extension,
            "priority": 1,
            "callerId": caller_id,
            "timeout": seconds,
        }
        await self.request("POST", _channel(channel), query, {"variables": dict(variables)})

    async def snoop(self, channel: str, snoop: str, ears: Ears) -> None:
        """Make a channel that whispers into another one, and hears nothing of it.

        It is handed to us by a StasisStart of its own, and only then takes a playback.

        Args:
            channel: The channel to whisper into.
            snoop: The id of the new channel.
            ears: Who hears it.
        """
        query = {"whisper": ears.value, "spy": "none", "app": self.app}
        await self.request("POST", f"{_channel(channel)}/snoop/{_id(snoop)}", query)

    async def spy(self, channel: str, snoop: str) -> None:
        """Make a channel that hears what the party on another one says, and whispers nothing.

        It is handed to us by a StasisStart of its own, and only then can be bridged.

        Args:
            channel: The channel to listen to.
            snoop: The id of the new channel.
        """
        query = {"spy": "in", "whisper": "none", "app": self.app}
        await self.request("POST", f"{_channel(channel)}/snoop/{_id(snoop)}", query)

    async def external_media(self, channel: str, **query: str) -> dict[str, str]:
        """Make a channel that sends its sound to a program; returns what its driver tells of it.

        Args:
            channel: The id of the new channel.
            query: What ARI wants to know besides: ``format``, ``external_host`` ...
        """
        answer = await self.request(
            "POST", "channels/externalMedia", {"channelId": channel, "app": self.app, **query}
        )
        told = answer.get("channelvars") if isinstance(answer, dict) else None
        if not isinstance(told, dict):
            raise AriUnreadable("Asterisk made an external media channel and does not tell how it is reached")
        return {str(name): str(value) for name, value in told.items()}

    async def make_bridge(self, bridge: str) -> None:
        """Make a bridge that mixes."""
        await self.request("POST", f"bridges/{_id(bridge)}", {"type": "mixing"})

    async def join(self, bridge: str, channels: Iterable[str]) -> None:
        """Put channels, which are in Stasis, into a bridge."""
        await self.request("POST", f"bridges/{_id(bridge)}/addChannel", {"channel": ",".join(channels)})

    async def remove_bridge(self, bridge: str) -> None:
        """Remove a bridge; one that is already gone is fine."""
        try:
            await self.request("DELETE", f"bridges/{_id(bridge)}")
        except AriRefused as error:
            if error.status != 404:
                raise

    async def bridges(self) -> list[str]:
        """The ids of all bridges of the PBX."""
        answer = await self.request("GET", "bridges")
        if not isinstance(answer, list):
            raise AriUnreadable(
                "Asterisk was asked for its bridges and answered with something else than a list"
            )
        return [str(each.get("id", "")) for each in answer if isinstance(each, dict)]

    async def stop_recording(self, name: str) -> None:
        """Stop a recording over ARI, whoever began it, and keep its file; one that is over is fine.

        It waits for nobody: while a channel is recorded, whatever else is asked of it waits for the end.
        """
        try:
            await self.request("POST", f"recordings/live/{_id(name)}/stop", apart=True)
        except AriRefused as error:
            if error.status != 404:
                raise

    async def packets(self, channel: str) -> Packets | None:
        """Count the packets of sound of a channel; None where nobody counts: it is gone, or has no RTP."""
        path = f"{_channel(channel)}/rtp_statistics"
        try:
            answer = await self.request("GET", path)
        except AriRefused as error:
            if error.status == 404:
                return None
            raise
        match answer:
            case {"txcount": int(sent), "rxcount": int(received)}:
                return Packets(sent=sent, received=received)
        raise AriUnreadable(f"Asterisk was asked for {path} and answered without counts")

    async def device_states(self) -> dict[str, str]:
        """The states of all devices that are controlled over ARI: name -> state."""
        answer = await self.request("GET", "deviceStates")
        if not isinstance(answer, list):
            raise AriUnreadable(
                "Asterisk was asked for device states and answered with something else than a list"
            )
        states = {}
        for each in answer:
            match each:
                case {"name": str(name), "state": str(state)}:
                    states[name] = state
        return states

    async def set_device_state(self, device: str, state: str) -> None:
        """Set the state of a device, which begins with ``Stasis:``; Asterisk keeps it over a restart."""
        await self.request("PUT", f"deviceStates/{_id(device)}", {"deviceState": state})

    async def set_variable(self, channel: str, name: str, value: str) -> None:
        """Set a channel variable or write a dialplan function; waits while a playback runs on the channel."""
        await self.request(
            "POST", f"{_channel(channel)}/variable", {"variable": name, "value": value}, channel=channel
        )

    async def variable(self, channel: str, name: str) -> str | None:
        """Read a channel variable or a dialplan function; None when it is not set."""
        try:
            answer = await self.request("GET", f"{_channel(channel)}/variable", {"variable": name})
        except AriRefused as error:
            # 404 stands for two things, and only the words tell them apart: no such channel, no such
            # variable.
            if error.status == 404 and "variable was not found" in error.message.lower():
                return None
            raise
        return _value(answer, name)

    async def global_variable(self, name: str) -> str:
        """Read a global variable; empty when it is not set (Asterisk does not tell the two apart)."""
        return _value(await self.request("GET", "asterisk/variable", {"variable": name}), name)

    async def go_on(
        self,
        channel: str,
        context: str | None = None,
        extension: str | None = None,
        priority: int | None = None,
    ) -> None:
        """Give a channel back to the dialplan, there or where it left off.

        It waits while a playback runs on the channel.
        """
        query: dict[str, str | int] = {}
        if context is not None:
            query["context"] = context
        if extension is not None:
            query["extension"] = extension
        if priority is not None:
            query["priority"] = priority
        await self.request("POST", f"{_channel(channel)}/continue", query, channel=channel)

    async def answer(self, channel: str) -> None:
        """Answer a channel; waits while a playback runs on it."""
        await self.request("POST", f"{_channel(channel)}/answer", channel=channel)

    async def hangup(self, channel: str, reason: str = "normal") -> None:
        """End a channel; one that is already gone is fine. The reason is one of ARI's words for it."""
        try:
            await self.request("DELETE", _channel(channel), {"reason": reason})
        except AriRefused as error:
            if error.status != 404:
                raise

    async def channels(self) -> list[Channel]:
        """All channels of the PBX, ours and others'."""
        answer = await self.request("GET", "channels")
        if not isinstance(answer, list):
            raise AriUnreadable(
                "Asterisk was asked for its channels and answered with something else than a list"
            )
        return [channel_of(each) for each in answer]

    async def channels_of(self, app: str) -> set[str]:
        """The channels that an application hears of: those it was given, and those it subscribed to.

        By id. An application that is gone still has those that it was given.
        """
        try:
            answer = await self.request("GET", f"applications/{_id(app)}")
        except AriRefused as error:
            if error.status == 404:
                return set()
            raise
        found = answer.get("channel_ids") if isinstance(answer, dict) else None
        if not isinstance(found, list):
            raise AriUnreadable("Asterisk was asked for an application and did not list its channels")
        return {str(each) for each in found}

    async def claim(self, channel: str) -> bool:
        """Claim a channel that was broadcast: True when it is ours, False when others won or it is over."""
        try:
            await self.request("POST", "events/claim", {"channelId": channel, "application": self.app})
        except AriRefused as error:
            if error.status in (404, 409):
                return False
            raise
        return True

    async def subscribe(self, source: str) -> None:
        """Hear the events of a source (``channel:<id>``, ``bridge:<id>``, ...) even outside Stasis."""
        await self.request("POST", f"applications/{_id(self.app)}/subscription", {"eventSource": source})

    async def unsubscribe(self, source: str) -> None:
        """Hear no more of a source; one that is gone or was not subscribed is fine."""
        try:
            await self.request(
                "DELETE", f"applications/{_id(self.app)}/subscription", {"eventSource": source}
            )
        except AriRefused as error:
            if error.status not in (404, 409, 422):
                raise

    async def filter_events(self, types: Iterable[str]) -> None:
        """Let only these types of events arrive, and those without which nothing works."""
        await self.request("PUT", *event_filter(self.app, types))

    async def asterisk_info(self) -> AsteriskInfo:
        """Ask which Asterisk this is."""
        answer = await self.request("GET", "asterisk/info")
        sections: dict[str, dict[str, Any]] = {}
        for name in ("system", "status", "build", "config"):
            section = answer.get(name) if isinstance(answer, dict) else None
            sections[name] = section if isinstance(section, dict) else {}
        return AsteriskInfo(
            version=str(sections["system"].get("version", "")),
            entity=str(sections["system"].get("entity_id", "")),
            started=str(sections["status"].get("startup_time", "")),
            reloaded=str(sections["status"].get("last_reload_time", "")),
            built=str(sections["build"].get("date", "")),
            language=str(sections["config"].get("default_language", "")),
        )


def event_filter(app: str, types: Iterable[str]) -> tuple[str, None, object]:
    """Path, query and body of the request that sets the event filter."""
    wanted = dict.fromkeys((*INDISPENSABLE, *types))
    return f"applications/{_id(app)}/eventFilter", None, {"allowed": [{"type": kind} for kind in wanted]}


@functools.lru_cache(maxsize=1024)
def _id(value: str) -> str:
    """An id as one segment of a path, whatever characters it has."""
    if value in ("", ".", "..") or "\0" in value:
        raise AriRefused(400, "-", "-", f"not sent, {value!r} cannot be the id of anything in Asterisk")
    return quote(value, safe="", errors="replace")


def _channel(channel: str) -> str:
    return f"channels/{_id(channel)}"


def _value(answer: object, name: str) -> str:
    value = answer.get("value") if isinstance(answer, dict) else None
    if not isinstance(value, str):
        raise AriUnreadable(f"Asterisk was asked for the variable {name} and answered without a value")
    return value
