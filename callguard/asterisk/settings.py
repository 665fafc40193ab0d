"""How to reach Asterisk: plain values; the configuration file is read elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

#: The event types a call needs, from when it arrives until it is gone. Without a filter each call brings
#: dozens of ChannelVarset events (measured on 22.10.1).
CALL_EVENTS = (
    "CallBroadcast",
    "ChannelDestroyed",
    "ChannelDtmfReceived",
    "ChannelHangupRequest",
    "ChannelUserevent",
    "PlaybackFinished",
    "PlaybackStarted",
    "RecordingFailed",
    "RecordingFinished",
    "RecordingStarted",
    "StasisEnd",
    "StasisStart",
)

#: The AMI events callguard acts on: recorders coming and going, parties joining and leaving, keys.
RECORDING_EVENTS = (
    "AttendedTransfer",
    "BlindTransfer",
    "BridgeEnter",
    "BridgeLeave",
    "ChanSpyStart",
    "ChanSpyStop",
    "ConfbridgeRecord",
    "ConfbridgeStopRecord",
    "DTMFBegin",
    "DTMFEnd",
    "Hangup",
    "MixMonitorMute",
    "MixMonitorStart",
    "MixMonitorStop",
    "MonitorStart",
    "MonitorStop",
    "UserEvent",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AriSettings:
    """Where ARI is and how to talk to it. Times in seconds."""

    app: str  #: the Stasis application this process answers for
    username: str
    password: str = field(repr=False)
    url: str = "http://127.0.0.1:8088"  #: scheme, host, port and prefix of Asterisk's HTTP server
    deadline: float = 2.0  #: how long a request may take unless it says otherwise
    allowed_events: tuple[str, ...] = CALL_EVENTS
    #: ``auto`` asks Asterisk whether it takes requests over the websocket and goes round a blocked one over
    #: HTTP; the other two are for measurements and do neither.
    transport: Literal["auto", "websocket", "http"] = "auto"
    heartbeat: float = 3.0  #: a line on which nothing has arrived for this long is dead

    @property
    def base(self) -> str:
        """The URL that ARI's own paths are appended to, without a slash at its end."""
        url = self.url.rstrip("/")
        return url if url.endswith("/ari") else f"{url}/ari"


@dataclass(frozen=True, slots=True, kw_only=True)
class AmiSettings:
    """Where AMI is and how to talk to it. Times in seconds."""

    username: str
    password: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 5038
    deadline: float = 1.0  #: how long an action may take unless it says otherwise
    #: Events by any other name are dropped before they are read. Thin them out in manager.conf as well
    #: (``eventfilter``), so that Asterisk need not send them.
    allowed_events: tuple[str, ...] = RECORDING_EVENTS
    heartbeat: float = 3.0  #: a line on which nothing has arrived for this long is dead
