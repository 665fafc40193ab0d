"""What Asterisk says over ARI becomes values, whatever is in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callguard.asterisk import wire
from callguard.asterisk.errors import AriUnreadable
from callguard.asterisk.events import (
    ApplicationReplaced,
    CallBroadcast,
    Channel,
    ChannelDestroyed,
    ChannelDtmfReceived,
    ChannelHangupRequest,
    PlaybackFinished,
    PlaybackStarted,
    RecordingFinished,
    RecordingStarted,
    StasisEnd,
    StasisStart,
    Unknown,
    Userevent,
    parse,
)

HOSTILE = [
    "quote \" and ' and \\",
    "${SYSTEM(reboot)} $[1+1]",
    "a,b|c^d",
    "line\r\nbreak\nand\ttab",
    "x" * 10_000,
    "Zoë 漢字 🙂",
    "\u2028\u0000\x7f",
]

#: As Asterisk 22.10.1 sent it.
BROADCAST = {
    "type": "CallBroadcast",
    "timestamp": "2026-11-21T20:38:48.617+0000",
    "channel": {
        "id": "c1",
        "name": "Local/far@in-00000000;1",
        "state": "Up",
        "protocol_id": "",
        "caller": {"name": 'Zoë "q" ${X}\n,|^', "number": "0123"},
        "connected": {"name": "", "number": ""},
        "accountcode": "",
        "dialplan": {
            "context": "in",
            "exten": "bcast",
            "priority": 2,
            "app_name": "StasisBroadcast",
            "app_data": "2000,^callguard.*,inbound:sales",
        },
        "creationtime": "2026-11-21T20:38:48.617+0000",
        "language": "en",
    },
    "caller": "0123",
    "called": "bcast",
    "asterisk_id": "02:fc:00:00:00:01",
    "application": "callguard",
}


def say(**event: Any) -> Any:
    return parse(json.dumps(event))


def test_a_broadcast_of_a_real_asterisk_is_read_in_full() -> None:
    assert parse(json.dumps(BROADCAST).encode()) == CallBroadcast(
        channel=Channel(
            id="c1",
            name="Local/far@in-00000000;1",
            state="Up",
            caller_number="0123",
            caller_name='Zoë "q" ${X}\n,|^',
            dialplan_context="in",
            dialplan_exten="bcast",
            dialplan_priority=2,
            app_name="StasisBroadcast",
            app_data="2000,^callguard.*,inbound:sales",
            language="en",
            created="2026-11-21T20:38:48.617+0000",
        ),
        caller="0123",
        called="bcast",
    )


@pytest.mark.parametrize(
    ("event", "value"),
    [
        (
            {"type": "StasisStart", "args": ["inbound", "sales"], "replace_channel": {"id": "old"}},
            StasisStart(channel=Channel(id="c"), args=("inbound", "sales"), replaces=Channel(id="old")),
        ),
        ({"type": "StasisEnd"}, StasisEnd(channel=Channel(id="c"))),
        (
            {"type": "ChannelDtmfReceived", "digit": "#"},
            ChannelDtmfReceived(channel=Channel(id="c"), digit="#"),
        ),
        (
            {"type": "ChannelHangupRequest", "cause": 16},
            ChannelHangupRequest(channel=Channel(id="c"), cause=16),
        ),
        (
            {"type": "ChannelDestroyed", "cause": 16, "cause_txt": "Normal Clearing"},
            ChannelDestroyed(channel=Channel(id="c"), cause=16, cause_text="Normal Clearing"),
        ),
        (
            {
                "type": "PlaybackStarted",
                "playback": {"id": "p", "target_uri": "channel:a:b", "media_uri": "sound:x"},
            },
            PlaybackStarted(playback="p", channel="a:b", media="sound:x"),
        ),
        (
            {
                "type": "PlaybackFinished",
                "playback": {"id": "p", "target_uri": "bridge:b", "state": "failed"},
            },
            PlaybackFinished(playback="p", state="failed", channel=""),
        ),
        ({"type": "ApplicationReplaced"}, ApplicationReplaced()),
        (
            {"type": "ChannelUserevent", "eventname": "cgRec", "userevent": {"UUID": "7", "odd": [1]}},
            Userevent(name="cgRec", fields={"UUID": "7", "odd": ""}, channel=Channel(id="c")),
        ),
        (
            {"type": "RecordingStarted", "recording": {"name": "a/b c", "target_uri": "bridge:b"}},
            RecordingStarted(name="a/b c", target="bridge:b"),
        ),
        (
            {"type": "RecordingFailed", "recording": {"name": "r", "target_uri": "channel:c"}},
            RecordingFinished(name="r", target="channel:c"),
        ),
        ({"type": "PeerStatusChange"}, Unknown(type="PeerStatusChange")),
    ],
)
def test_each_event_is_read_and_unknown_fields_are_passed_over(event: dict[str, Any], value: object) -> None:
    assert say(**{"channel": {"id": "c", "new": {}}, "unheard_of": {"a": [1]}, **event}) == value


def test_missing_fields_are_empty() -> None:
    assert say(type="StasisStart", channel={"id": "c"}) == StasisStart(channel=Channel(id="c"))
    assert say(type="ChannelUserevent") == Userevent(name="")
    assert say(type="CallBroadcast", channel={"id": "c"}) == CallBroadcast(channel=Channel(id="c"))


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_caller_can_choose_stays_as_it_came(text: str) -> None:
    event = say(
        type="ChannelDtmfReceived",
        digit=text,
        channel={"id": "c", "caller": {"name": text, "number": text}, "dialplan": {"exten": text}},
    )
    channel = event.channel
    assert (event.digit, channel.caller_name, channel.caller_number, channel.dialplan_exten) == (text,) * 4


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe",
        b"not json",
        b'{"type":"StasisStart","chan',
        b"[]",
        b"7",
        b"null",
        b"{}",
        b'{"type":7}',
        b'{"type":"StasisStart"}',
        b'{"type":"StasisEnd","channel":"c"}',
        b'{"type":"StasisEnd","channel":{"id":7}}',
        b'{"type":"PlaybackFinished","playback":{}}',
        b'{"type":"RecordingStarted","recording":{}}',
        b"[" * 200_000,
        b"9" * 5000,
    ],
)
def test_garbage_is_one_clear_error(raw: bytes) -> None:
    with pytest.raises(AriUnreadable, match="Asterisk"):
        parse(raw)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(raw: bytes) -> None:
    try:
        parse(raw)
    except AriUnreadable:
        return


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
_TYPES = st.sampled_from(
    ["StasisStart", "StasisEnd", "PlaybackFinished", "ChannelUserevent", "CallBroadcast", "ChannelDestroyed"]
)
_FIELDS = st.sampled_from(
    ["channel", "args", "playback", "userevent", "replace_channel", "cause", "eventname"]
)
_CHANNELS = st.fixed_dictionaries(
    {"id": st.text(max_size=3) | _JSON},
    optional={"caller": _JSON, "dialplan": _JSON, "name": _JSON, "connected": _JSON},
)


@given(_TYPES, st.dictionaries(_FIELDS, _JSON | _CHANNELS))
def test_no_object_raises_anything_else(kind: str, fields: dict[str, Any]) -> None:
    try:
        parse(json.dumps({"type": kind, **fields}))
    except AriUnreadable:
        return


@pytest.mark.parametrize("backend", ["orjson", "standard library"])
@pytest.mark.parametrize("text", HOSTILE)
def test_json_survives_the_wire_with_and_without_orjson(
    backend: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if backend == "orjson":
        orjson = pytest.importorskip("orjson")
        monkeypatch.setattr(wire, "_loads", orjson.loads)
        monkeypatch.setattr(wire, "_dumps", orjson.dumps)
    else:
        monkeypatch.setattr(wire, "_loads", wire._std_loads)
        monkeypatch.setattr(wire, "_dumps", wire._std_dumps)
    assert wire.loads(wire.dumps({text: [text]})) == {text: [text]}
    for bad in (b"[" * 200_000, b"\xff", b"{"):
        with pytest.raises(ValueError):
            wire.loads(bad)
    for unwritable in ("\ud800", object()):
        with pytest.raises(ValueError):
            wire.dumps(unwritable)
