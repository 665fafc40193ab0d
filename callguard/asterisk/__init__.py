"""The only room that knows Asterisk: ARI and AMI, as values and verbs in the words of the trade.

    AriLink  holds an Ari, and brings it back when it is lost
    Ari      one live connection: events in over a websocket, requests out over the same or over HTTP
    Ami      the manager interface, for what ARI cannot do to a channel outside Stasis

Rules of this room. Nothing is sent twice. Every request has a deadline. A reading loop only reads, parses and
hands over. What a caller can choose is passed on as it came, never interpreted, and never becomes part of a
path or a header unescaped. Credentials reach no error, no log and no repr.

Decisions
=========

2026-11  Our own ARI client, on aiohttp.
    Nothing living fits: ari (ari-py) does not import on Python 3; aioari was given up by its author for
    asyncari, which builds its methods at run time, does not come back after a loss, and cancels every call
    when one handler takes over 1.5 s. A dozen verbs of ours are easier to read than any of them.

2026-11  Requests over the websocket where Asterisk takes them, over HTTP elsewhere and as the way round.
    On 22.10.1 a request costs us 12 to 27 us of CPU over the websocket and 54 to 62 us over kept HTTP
    connections. Asterisk is asked on connect with a first request; versions before 20.14, 21.9 and 22.4 pass
    it over in silence. Requests of one websocket are carried out in turn, so one that waits (a variable set
    while a playback runs waits for its end) would hold up every call: requests that need a channel which
    listens to a playback of ours go over HTTP, and so does everything while the oldest request is overdue.
    Lost: websocket only (one slow request stops all calls), HTTP only (twice the CPU).

2026-11  The event filter always lets RESTResponse and ApplicationReplaced pass, and is set over HTTP.
    On 22.10.1 the filter swallows the answers to our own requests, and the notice that another process took
    the application over, unless it names them; and it outlives the connection that set it.
    Lost: setting it with the first request over the websocket, whose answer it may swallow.

2026-11  Inbound websocket (we connect to Asterisk), not outbound.
    A persistent outbound websocket queues events while we are away, but without bound, and Stasis() goes on
    taking callers whom nobody serves: they would hear silence. With the inbound one Stasis() fails at once
    and the dialplan goes on unrecorded. What was missed is read from the channels when we are back.

2026-11  Own liveness instead of aiohttp's heartbeat.
    Asterisk answers a ping on the thread that carries out requests, so a slow request looks like a dead
    line. The line is dead when nothing arrives for `heartbeat` seconds, unless a request is under way and
    HTTP still answers; a dead network is seen by the kernel (TCP_USER_TIMEOUT).
    Lost: the heartbeat of aiohttp, which would cut the line whenever a request waits for a long prompt.

2026-11  AMI on panoramisk 1.4: its protocol, actions and messages, not its Manager.
    Overridden in `ami_protocol`: cutting into messages is done on bytes (panoramisk decodes each TCP segment
    by itself and drops a character that is cut in two); closing fails what was not answered (panoramisk keeps
    it and sends it again on the next connection, which for a stop or a mute is the wrong action at the wrong
    time); sending refuses line breaks, NUL and lines of more than 1022 bytes (Asterisk drops the beginning of
    a longer line and takes the rest for a new header); a list that was refused is an answer (panoramisk waits
    for its end). Its Manager would bring back the second fault, callbacks in tasks nobody owns, and a fixed
    interval of reconnecting; `link` does that instead, the same way for both interfaces.
    Lost: panoramisk as it is; a client of our own (its reading of messages is good).
"""

from callguard.asterisk.ami import Ami
from callguard.asterisk.ari import Ari
from callguard.asterisk.errors import (
    AmiLogin,
    AmiLost,
    AmiRefused,
    AmiTimeout,
    AriLogin,
    AriLost,
    AriRefused,
    AriTimeout,
    AriUnreadable,
)
from callguard.asterisk.link import AriLink
from callguard.asterisk.settings import AmiSettings, AriSettings
from callguard.asterisk.verbs import AsteriskInfo

__all__ = [
    "Ami",
    "AmiLogin",
    "AmiLost",
    "AmiRefused",
    "AmiSettings",
    "AmiTimeout",
    "Ari",
    "AriLink",
    "AriLogin",
    "AriLost",
    "AriRefused",
    "AriSettings",
    "AriTimeout",
    "AriUnreadable",
    "AsteriskInfo",
]
