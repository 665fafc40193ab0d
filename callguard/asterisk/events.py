"""What Asterisk says over ARI, as values.

Unknown fields are passed over and missing ones read as empty, so that a newer or older Asterisk is understood
as far as it goes; only an event that does not say what it is about is unreadable. Text that a caller can
choose (names, numbers, digits) stays exactly as it came and is never interpreted here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from callguard.asterisk import wire
from callguard.asterisk.errors import AriUnreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One channel, as it was when Asterisk spoke of it."""

    id: str  #: the Uniqueid of AMI
    name: str = ""
    state: str = ""
    caller_number: str = ""
    caller_name: str = ""
    connected_number: str = ""
    connected_name: str = ""
    account: str = ""
    dialplan_context: str = ""
    dialplan_exten: str = ""
    dialplan_priority: int = 0
    app_name: str = ""  #: the dialplan application it is in: ``Stasis`` for one that waits for us
    app_data: str = ""
    language: str = ""
    created: str = ""  #: ISO 8601 with the zone of the PBX, as it came
    protocol_id: str = ""  #: the Call-ID of a SIP call


@dataclass(frozen=True, slots=True, kw_only=True)
class StasisStart:
    """A channel was handed over to us."""

    channel: Channel
    args: tuple[str, ...] = ()
    replaces: Channel | None = None  #: the channel whose place it takes, after a transfer


@dataclass(frozen=True, slots=True, kw_only=True)
class StasisEnd:
    """A channel is no longer ours: it went on in the dialplan, or it is ending."""

    channel: Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackStarted:
    """One file of a playback begins; a playback of several files starts several times."""

    playback: str
    channel: str  #: id of the channel that hears it, empty for a bridge
    media: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackFinished:
    """A playback is over.

    ``state`` is ``done`` or ``failed``. It speaks of the last file only: a playback of several files of which
    an earlier one is missing ends as ``done`` (22.10.1), and one that was stopped early ends as ``done`` too.
    A stop that meets a failing file can finish the same playback twice: the first time counts.
    """

    playback: str
    state: str
    channel: str = ""  #: id of the channel that heard it, empty for a bridge


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelDtmfReceived:
    """A key was pressed and let go."""

    channel: Channel
    digit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelHangupRequest:
    """A channel is about to end."""

    channel: Channel
    cause: int = 0  #: Q.850


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelDestroyed:
    """A channel has ended."""

    channel: Channel
    cause: int = 0  #: Q.850
    cause_text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBroadcast:
    """A channel waits in StasisBroadcast for whoever claims it first (from 20.17, 22.7 and 23.1)."""

    channel: Channel
    caller: str = ""
    called: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationReplaced:
    """Another connection took over our application: whoever reads this must stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Userevent:
    """A UserEvent of the dialplan on a channel we are subscribed to."""

    name: str
    fields: Mapping[str, str] = field(default_factory=dict)
    channel: Channel | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStarted:
    """Somebody records over ARI, on a channel or a bridge we hear of."""

    name: str
    target: str  #: ``channel:<id>`` or ``bridge:<id>``


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFinished:
    """A recording over ARI is over, well or not."""

    name: str
    target: str  #: ``channel:<id>`` or ``bridge:<id>``


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """An event of a type that nobody here waits for."""

    type: str


Event = (
    StasisStart
    | StasisEnd
    | PlaybackStarted
    | PlaybackFinished
    | ChannelDtmfReceived
    | ChannelHangupRequest
    | ChannelDestroyed
    | CallBroadcast
    | ApplicationReplaced
    | Userevent
    | RecordingStarted
    | RecordingFinished
    | Unknown
)


def parse(raw: bytes | str) -> Event:
    """Read one event.

    Raises:
        AriUnreadable: It is not JSON, not an object, has no type, or does not say which channel or playback
            it is about.
    """
    return event_of(read_object(raw))


def read_object(raw: bytes | str) -> dict[str, Any]:
    """Read one JSON object.

    Raises:
        AriUnreadable: It is anything else.
    """
    try:
        value = wire.loads(raw)
    except ValueError as error:
        raise AriUnreadable(f"Asterisk sent {len(raw)} bytes over ARI that are not JSON: {error}") from error
    if not isinstance(value, dict):
        raise AriUnreadable(f"Asterisk sent a JSON {type(value).__name__} over ARI where an object was due")
    return value


def event_of(message: Mapping[str, Any]) -> Event:
    """Make an event of what was read. Raises AriUnreadable as `parse` does."""
    kind = message.get("type")
    if not isinstance(kind, str) or not kind:
        raise AriUnreadable("Asterisk sent an object without a type over ARI")
    build = _BUILDERS.get(kind)
    return build(message) if build is not None else Unknown(type=kind)


def channel_of(value: object) -> Channel:
    """Make a channel of what ARI says about one.

    Raises:
        AriUnreadable: It has no id.
    """
    raw = _object(value)
    identity = raw.get("id")
    if not isinstance(identity, str) or not identity:
        raise AriUnreadable("Asterisk spoke of a channel over ARI without saying which (no id)")
    caller = _object(raw.get("caller"))
    connected = _object(raw.get("connected"))
    dialplan = _object(raw.get("dialplan"))
    return Channel(
        id=identity,
        name=_text(raw.get("name")),
        state=_text(raw.get("state")),
        caller_number=_text(caller.get("number")),
        caller_name=_text(caller.get("name")),
        connected_number=_text(connected.get("number")),
        connected_name=_text(connected.get("name")),
        account=_text(raw.get("accountcode")),
        dialplan_context=_text(dialplan.get("context")),
        dialplan_exten=_text(dialplan.get("exten")),
        dialplan_priority=_number(dialplan.get("priority")),
        app_name=_text(dialplan.get("app_name")),
        app_data=_text(dialplan.get("app_data")),
        language=_text(raw.get("language")),
        created=_text(raw.get("creationtime")),
        protocol_id=_text(raw.get("protocol_id")),
    )


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else ""


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _maybe_channel(value: object) -> Channel | None:
    return channel_of(value) if isinstance(value, dict) and value.get("id") else None


def _playback(message: Mapping[str, Any]) -> tuple[str, str, Mapping[str, Any]]:
    raw = _object(message.get("playback"))
    identity = _text(raw.get("id"))
    if not identity:
        raise AriUnreadable("Asterisk spoke of a playback over ARI without saying which (no id)")
    kind, _, target = _text(raw.get("target_uri")).partition(":")
    return identity, target if kind == "channel" else "", raw


def _stasis_start(message: Mapping[str, Any]) -> Event:
    args = message.get("args")
    return StasisStart(
        channel=channel_of(message.get("channel")),
        args=tuple(_text(arg) for arg in args) if isinstance(args, list) else (),
        replaces=_maybe_channel(message.get("replace_channel")),
    )


def _stasis_end(message: Mapping[str, Any]) -> Event:
    return StasisEnd(channel=channel_of(message.get("channel")))


def _playback_started(message: Mapping[str, Any]) -> Event:
    identity, channel, raw = _playback(message)
    return PlaybackStarted(playback=identity, channel=channel, media=_text(raw.get("media_uri")))


def _playback_finished(message: Mapping[str, Any]) -> Event:
    identity, channel, raw = _playback(message)
    return PlaybackFinished(playback=identity, channel=channel, state=_text(raw.get("state")))


def _dtmf(message: Mapping[str, Any]) -> Event:
    return ChannelDtmfReceived(channel=channel_of(message.get("channel")), digit=_text(message.get("digit")))


def _hangup_request(message: Mapping[str, Any]) -> Event:
    return ChannelHangupRequest(
        channel=channel_of(message.get("channel")), cause=_number(message.get("cause"))
    )


def _destroyed(message: Mapping[str, Any]) -> Event:
    return ChannelDestroyed(
        channel=channel_of(message.get("channel")),
        cause=_number(message.get("cause")),
        cause_text=_text(message.get("cause_txt")),
    )


def _broadcast(message: Mapping[str, Any]) -> Event:
    return CallBroadcast(
        channel=channel_of(message.get("channel")),
        caller=_text(message.get("caller")),
        called=_text(message.get("called")),
    )


def _replaced(_: Mapping[str, Any]) -> Event:
    return ApplicationReplaced()


def _userevent(message: Mapping[str, Any]) -> Event:
    fields = _object(message.get("userevent"))
    return Userevent(
        name=_text(message.get("eventname")),
        fields={key: _text(value) for key, value in fields.items()},
        channel=_maybe_channel(message.get("channel")),
    )


def _recording(message: Mapping[str, Any]) -> dict[str, str]:
    raw = _object(message.get("recording"))
    name = _text(raw.get("name"))
    if not name:
        raise AriUnreadable("Asterisk spoke of a recording over ARI without saying which (no name)")
    return {"name": name, "target": _text(raw.get("target_uri"))}


def _recording_started(message: Mapping[str, Any]) -> Event:
    return RecordingStarted(**_recording(message))


def _recording_finished(message: Mapping[str, Any]) -> Event:
    return RecordingFinished(**_recording(message))


_BUILDERS: Mapping[str, Callable[[Mapping[str, Any]], Event]] = {
    "ApplicationReplaced": _replaced,
    "CallBroadcast": _broadcast,
    "ChannelDestroyed": _destroyed,
    "ChannelDtmfReceived": _dtmf,
    "ChannelHangupRequest": _hangup_request,
    "ChannelUserevent": _userevent,
    "PlaybackFinished": _playback_finished,
    "PlaybackStarted": _playback_started,
    "RecordingFailed": _recording_finished,
    "RecordingFinished": _recording_finished,
    "RecordingStarted": _recording_started,
    "StasisEnd": _stasis_end,
    "StasisStart": _stasis_start,
}
