"""Whatever else records or listens is found, told, and ended where nothing may be captured.

The events are those of a real Asterisk (``recorder_events.txt``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from callguard.asterisk import Ami, AmiSettings, AriLink, AriSettings
from callguard.asterisk.versions import Quirk
from callguard.consent import Call, Capture, State
from callguard.controller import latch as latches
from callguard.controller.foreign import Foreign
from callguard.controller.latch import ATTEMPTS, MOST_TOLD, Latch
from callguard.controller.membership import Bridges
from fakes.ami_server import FakeAmi
from fakes.asterisk_http import FakeAsterisk
from fakes.recording_pbx import DENIED, RecordingPbx, event, recorded, titles
from fakes.waiting import until

Said = dict[str, str]


@dataclass
class Talk:
    """A conversation, as far as the latch knows one."""

    call: Call
    found: list[Foreign] = field(default_factory=list)
    lost: int = 0

    def violated(self, found: Foreign) -> None:
        self.found.append(found)

    def recorder_lost(self) -> None:
        self.lost += 1

    def becomes(self, capture: Capture) -> None:
        self.call = self.call.with_(capture=capture)


@dataclass
class Scene:
    """A latch, the PBX it watches, and the calls there are."""

    pbx: RecordingPbx
    ami: Ami
    latch: Latch
    bridges: Bridges
    talks: dict[str, Talk]
    alerts: list[tuple[str, str, str]]
    heard: int = 0

    def call(self, channel: str, capture: Capture = Capture.OFF) -> Talk:
        self.talks[channel] = Talk(Call(id=f"call-{channel}", state=State.TALKING, capture=capture))
        return self.talks[channel]

    async def say(self, *events: Said) -> None:
        """Say these, and wait until they were heard."""
        goal = self.heard + len(events)
        await self.pbx.say(*events)
        await until(lambda: self.heard >= goal)

    async def ours(self, channel: str) -> str:
        """The dialplan starts our recorder; its id."""
        claim = event(
            "UserEvent", "UserEvent=CallguardCapture", f"Uniqueid={channel}", f"Call=call-{channel}"
        )
        await self.say(started(channel))
        identity = self.pbx.mixers[channel][-1]
        await self.say(claim | {"MixMonitorID": identity})
        return identity

    def words(self, channel: str) -> list[str]:
        return [each.words(channel) for each in self.talks[channel].found]

    async def quiet(self) -> None:
        """Wait until all tasks of the latch are done."""
        await until(lambda: not _tasks)

    @property
    def orders(self) -> list[str]:
        return [each["Action"] for each in self.pbx.actions if each["Action"] != "Login"]


_tasks: set[asyncio.Task[None]] = set()


def own(work: Coroutine[Any, Any, None], name: str) -> None:
    task = asyncio.get_running_loop().create_task(work, name=name)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    task.add_done_callback(lambda done: None if done.cancelled() else done.result())


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with RecordingPbx() as pbx:
        bridges, talks, alerts = Bridges(), {}, []
        box: list[Scene] = []

        def hear(said: Any) -> None:
            match said.get("Event"):
                case "BridgeEnter":
                    bridges.entered(said)
                case "BridgeLeave":
                    bridges.left(said)
                case "Hangup":
                    bridges.gone(said["Uniqueid"])
            box[0].latch.hear(said)
            box[0].heard += 1

        settings = AmiSettings(
            port=pbx.port, username=pbx.username, password=pbx.secret, deadline=0.2, heartbeat=30
        )
        ami = Ami(settings, on_event=hear)
        latch = Latch(
            ami=ami,
            ari=lambda: None,
            bridges=bridges,
            conversations=talks,
            own=own,
            alert=lambda *words: alerts.append(words),
        )
        box.append(Scene(pbx, ami, latch, bridges, talks, alerts))
        await ami.start()
        yield box[0]
        await ami.stop()


def started(channel: str) -> Said:
    return event("MixMonitorStart", f"Uniqueid={channel}", f"Channel=PJSIP/x-{channel}")


def entered(channel: str, bridge: str = "b", name: str = "", **more: str) -> Said:
    said = event("BridgeEnter", f"Uniqueid={channel}", f"BridgeUniqueid={bridge}")
    return said | {"Channel": name or f"PJSIP/x-{channel}"} | more


def stopped(channel: str) -> Said:
    return event("MixMonitorStop", f"Uniqueid={channel}")


def unmuted(channel: str) -> Said:
    return event("MixMonitorMute", f"Uniqueid={channel}", "State=0", "Direction=both")


def together(*channels: str, bridge: str = "b") -> list[Said]:
    return [entered(channel, bridge) for channel in channels]


# --------------------------------------------------------------------------- every way to record

MIXER, THEIRS = "MixMonitor on the caller's channel", "MixMonitor on the agent's channel"

#: What a refused call is told of, and what is hung up for it.
WAYS: dict[str, tuple[list[str], list[str]]] = {
    "queue with monitor-format": ([MIXER], []),
    "automixmon pressed by the agent": ([MIXER], []),
    "automixmon pressed by the caller": ([THEIRS], []),
    "record button of the agent's telephone": ([MIXER], []),
    "mixmonitor start on both channels, then muted, unmuted and stopped on the agent's": (
        [MIXER, THEIRS, "MixMonitor made to speak again on the agent's channel"],
        [],
    ),
    "action MixMonitor": ([MIXER], []),
    "MixMonitor in the dialplan": ([MIXER], []),
    "MixMonitor on the agent's channel before it is connected": ([THEIRS], []),
    "MixMonitor on a local channel between caller and agent": ([THEIRS], []),
    "ChanSpy on the caller, then on the agent": (
        ["ChanSpy on the caller's channel", "ChanSpy on the agent's channel"],
        ["1.2", "1.3"],
    ),
    "ARI snoop of others, then a whisper of ours": (["ARI snoop on the caller's channel"], ["tap-1"]),
    "conference that is recorded from its beginning": (
        ["conference recording of the conversation"],
        ["/^CBRec\\/room-[0-9a-f]*$/"],
    ),
    "conference that is recorded later": (
        ["conference recording of the conversation"],
        ["/^CBRec\\/room2-[0-9a-f]*$/"],
    ),
    "streams in a bridge of another ARI application": ([], []),
    "PERIODIC_HOOK": ([], []),
    "MixMonitor with beeps of its own": ([MIXER], []),
}


def of_the_call(title: str) -> tuple[str, list[Said]]:
    """The caller's channel, and the events until somebody leaves the call."""
    said = recorded(title)
    caller = next(each["Uniqueid"] for each in said if each.get("Channel", "").startswith("PJSIP/trunk"))
    over = next(n for n, each in enumerate(said) if each["Event"] == "BridgeLeave")
    return caller, said[:over]


def test_there_is_something_to_expect_of_each_way() -> None:
    assert list(WAYS) == titles()


@pytest.mark.parametrize("title", WAYS)
async def test_on_a_refused_call_it_is_told_and_ended(scene: Scene, title: str) -> None:
    caller, events = of_the_call(title)
    talk = scene.call(caller)
    for said in events:
        await scene.say(said)
        await scene.quiet()
    words, hung = WAYS[title]
    assert scene.words(caller) == words
    assert all(each.stopped_ms is not None and each.stopped_ms < 1000 for each in talk.found)
    assert scene.pbx.recording == []
    assert scene.pbx.hung == hung
    assert scene.alerts == []


@pytest.mark.parametrize("title", WAYS)
async def test_on_a_captured_call_it_is_told_and_left_alone(
    scene: Scene, title: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latches, "CLAIM_SECONDS", 0.01)
    caller, events = of_the_call(title)
    scene.call(caller, Capture.ON)
    await scene.say(*events)
    words = [each for each in WAYS[title][0] if "speak again" not in each]
    await until(lambda: sorted(scene.words(caller)) == sorted(words))
    assert scene.orders == []


@pytest.mark.parametrize("title", WAYS)
async def test_on_nobody_s_call_it_is_nobody_s_business(scene: Scene, title: str) -> None:
    scene.call("another")
    await scene.say(*recorded(title))
    await scene.quiet()
    assert (scene.words("another"), scene.orders) == ([], [])


async def test_all_of_them_are_stopped_until_none_is_left(scene: Scene) -> None:
    scene.call("1")
    await scene.say(*together("1", "2"), *[started("1")] * 3, *[started("2")] * 2)
    await until(lambda: not scene.pbx.recording)
    await scene.quiet()
    assert len(scene.words("1")) == 5


async def test_what_starts_again_and_again_is_stopped_and_told_so_many_times_only(scene: Scene) -> None:
    scene.call("1")
    for _ in range(MOST_TOLD + 3):
        await scene.say(started("1"))
    await until(lambda: not scene.pbx.recording)
    assert len(scene.words("1")) == MOST_TOLD


async def test_a_caller_in_the_dialogue_is_recorded_by_nobody(scene: Scene) -> None:
    talk = scene.call("1")
    talk.call = talk.call.with_(state=State.ASKING)
    await scene.say(started("1"))
    await until(lambda: not scene.pbx.recording)
    assert scene.words("1") == [MIXER]


async def test_what_records_before_the_caller_is_asked_is_found_when_the_call_begins(scene: Scene) -> None:
    await scene.say(started("1"))
    scene.call("1")
    scene.latch.look("1")
    await until(lambda: not scene.pbx.recording)
    assert scene.words("1") == [MIXER]


# --------------------------------------------------------------------------- which is ours


async def test_ours_is_what_the_dialplan_announces(scene: Scene) -> None:
    scene.call("1", Capture.ORDERED)
    await scene.ours("1")
    await asyncio.sleep(latches.CLAIM_SECONDS + 0.05)
    assert (scene.words("1"), scene.orders) == ([], [])


async def test_what_nobody_announces_is_not_ours(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latches, "CLAIM_SECONDS", 0.02)
    scene.call("1", Capture.ORDERED)
    await scene.say(started("1"))
    assert scene.words("1") == []
    await until(lambda: scene.words("1") == [MIXER])


@pytest.mark.parametrize("call", ["call-2", ""])
async def test_an_announcement_for_another_call_claims_nothing(
    scene: Scene, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latches, "CLAIM_SECONDS", 0.02)
    scene.call("1", Capture.ORDERED)
    forged = event(
        "UserEvent", "UserEvent=CallguardCapture", "Uniqueid=1", f"Call={call}", "MixMonitorID=0x1"
    )
    await scene.say(started("1"), forged)
    await until(lambda: scene.words("1") == [MIXER])


async def test_one_of_others_beside_ours_is_told_whichever_came_first(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latches, "CLAIM_SECONDS", 0.02)
    scene.call("1", Capture.ORDERED)
    await scene.say(started("1"))
    await scene.ours("1")
    await scene.say(started("1"))
    await until(lambda: scene.words("1") == [MIXER, MIXER])
    assert scene.orders == []


async def test_our_whispers_and_asterisks_beeps_are_no_listeners(scene: Scene) -> None:
    scene.call("1")
    for spy, name in (
        ("callguard-aside-7", "Snoop/1-0"),
        ("9", "Local/hook@__func_periodic_hook_context__-1;2"),
    ):
        said = event("ChanSpyStart", f"SpyerUniqueid={spy}", "SpyeeUniqueid=1")
        await scene.say(said | {"SpyerChannel": name})
    await scene.say(*together("1", "2"), entered("callguard-ear", name="WebSocket/INCOMING/1"))
    assert (scene.words("1"), scene.orders) == ([], [])


# --------------------------------------------------------------------------- who hears whom


async def test_what_begins_on_the_agents_channel_counts_once_the_two_talk(scene: Scene) -> None:
    scene.call("1")
    await scene.say(started("2"))
    await scene.quiet()
    assert scene.orders == []
    await scene.say(*together("1", "2"))
    await until(lambda: not scene.pbx.recording)
    assert scene.words("1") == [THEIRS]


async def test_an_agent_who_left_may_be_recorded(scene: Scene) -> None:
    scene.call("1")
    await scene.say(*together("1", "2"), event("BridgeLeave", "Uniqueid=2", "BridgeUniqueid=b"), started("2"))
    await scene.quiet()
    assert (scene.words("1"), scene.orders) == ([], [])


async def test_those_who_are_parked_together_do_not_hear_each_other(scene: Scene) -> None:
    scene.call("1")
    lot = [entered(channel, "lot", BridgeTechnology="holding_bridge") for channel in ("1", "2")]
    await scene.say(*lot, started("2"))
    await scene.quiet()
    assert (scene.words("1"), scene.orders) == ([], [])


async def test_two_customers_on_one_call_each_have_their_say(scene: Scene) -> None:
    scene.call("1", Capture.ON)
    scene.call("2")
    await scene.say(*together("1", "2", "3"), started("3"))
    await until(lambda: not scene.pbx.recording)
    assert (scene.words("1"), scene.words("2")) == ([THEIRS], [THEIRS])


async def test_ours_on_one_customer_is_no_stranger_to_the_other(scene: Scene) -> None:
    scene.call("1", Capture.ON)
    await scene.ours("1")
    scene.call("2")
    await scene.say(*together("1", "2", "3"))
    await scene.quiet()
    assert (scene.words("2"), scene.orders) == ([], [])


async def test_a_stream_listens_unless_it_is_who_was_called(scene: Scene) -> None:
    scene.call("1")
    stream = entered("em", name="AudioSocket/127.0.0.1:9-1", BridgeType="stasis")
    await scene.say(entered("1"), stream)
    await scene.quiet()
    assert (scene.words("1"), scene.pbx.hung) == ([], [])
    await scene.say(entered("2"))
    await until(lambda: scene.pbx.hung)
    assert (scene.words("1"), scene.pbx.hung) == (["audio stream of the conversation"], ["em"])


async def test_a_room_with_a_strange_name_is_ended_and_no_other(scene: Scene) -> None:
    scene.call("1")
    room = "a.b*[c]/^$|(d)+?{e}\\"
    await scene.say(entered("1"), event("ConfbridgeRecord", "BridgeUniqueid=b", f"Conference={room}"))
    await until(lambda: scene.pbx.hung)
    escaped = "a\\.b\\*\\[c\\]\\/\\^\\$\\|\\(d\\)\\+\\?\\{e\\}\\\\"
    assert scene.pbx.hung == [f"/^CBRec\\/{escaped}-[0-9a-f]*$/"]


async def test_monitor_of_older_releases_is_stopped(scene: Scene) -> None:
    scene.call("1")
    await scene.say(event("MonitorStart", "Uniqueid=1", "Channel=SIP/1"))
    await scene.quiet()
    assert (scene.words("1"), scene.orders) == (["Monitor on the caller's channel"], ["StopMonitor"])


# --------------------------------------------------------------------------- pauses


async def test_a_pause_silences_all_that_was_allowed(scene: Scene) -> None:
    talk = scene.call("1", Capture.ON)
    ours = await scene.ours("1")
    spy = event("ChanSpyStart", "SpyerUniqueid=9", "SpyerChannel=PJSIP/boss-1", "SpyeeUniqueid=2")
    await scene.say(*together("1", "2", "3"), started("1"), started("2"), spy)
    talk.becomes(Capture.PAUSED)
    await scene.latch.silence("1")
    assert scene.pbx.recording == []
    assert ours in scene.pbx.mixers["1"] and len(scene.pbx.mixers["1"]) == 2 and scene.pbx.mixers["2"]
    assert scene.pbx.hung == ["9"]
    # No channel without a recorder is touched: some releases lock up.
    assert {each["Channel"] for each in scene.pbx.actions if each["Action"] == "MixMonitorMute"} == {"1", "2"}
    # And what is silent is left there.
    await scene.say(entered("4"))
    await scene.quiet()
    assert len(scene.pbx.mixers["1"]) == 2


async def test_where_a_mute_reaches_only_one_a_pause_stops_those_of_others(scene: Scene) -> None:
    talk = scene.call("1", Capture.ON)
    ours = await scene.ours("1")
    await scene.say(*together("1", "2"), started("1"), started("1"), started("2"), started("2"))
    scene.ami.quirks = frozenset({Quirk.MUTES_OLDEST})
    talk.becomes(Capture.PAUSED)
    await scene.latch.silence("1")
    assert (scene.pbx.mixers["1"], scene.pbx.mixers["2"]) == ([ours], [])
    assert all(each.stopped_ms is not None for each in talk.found)


async def test_what_begins_during_a_pause_is_ended_and_ours_stays(scene: Scene) -> None:
    talk = scene.call("1", Capture.ON)
    await scene.say(started("1"))
    older = scene.pbx.mixers["1"][0]
    ours = await scene.ours("1")
    await scene.say(*together("1", "2"))
    talk.becomes(Capture.PAUSED)
    await scene.latch.silence("1")
    await scene.say(started("1"), started("1"), started("2"))
    await until(lambda: scene.pbx.mixers["1"] == [older, ours] and not scene.pbx.mixers["2"])
    await scene.quiet()
    assert scene.pbx.muted >= {older, ours}
    assert talk.lost == 0
    assert scene.words("1") == [MIXER, MIXER, MIXER, THEIRS]
    # Stops that Asterisk told of late took nothing else off the list.
    await scene.say(started("1"))
    await until(lambda: scene.pbx.mixers["1"] == [older, ours])


async def test_ours_may_start_when_the_pause_is_there_already(scene: Scene) -> None:
    talk = scene.call("1", Capture.PAUSED)
    await scene.say(started("1"))
    # Whoever it is is silent at once, and nobody is stopped before the dialplan had time to speak.
    await until(lambda: scene.pbx.muted)
    claim = event("UserEvent", "UserEvent=CallguardCapture", "Uniqueid=1", "Call=call-1", "MixMonitorID=0x1")
    await scene.say(claim)
    await asyncio.sleep(latches.CLAIM_SECONDS + 0.05)
    assert (talk.found, scene.pbx.mixers["1"]) == ([], ["0x1"])


async def test_a_stop_that_hit_ours_is_found_out(scene: Scene) -> None:
    talk = scene.call("1", Capture.ON)
    ours = await scene.ours("1")
    talk.becomes(Capture.PAUSED)
    # They started in another order than the events told.
    scene.pbx.mixers["1"].remove(ours)
    await scene.say(started("1"))
    await until(lambda: talk.lost)


async def test_a_stop_that_gets_no_answer_is_not_repeated_where_it_could_hit_ours(scene: Scene) -> None:
    talk = scene.call("1", Capture.ON)
    ours = await scene.ours("1")
    talk.becomes(Capture.PAUSED)
    scene.pbx.unanswered.add("StopMixMonitor")
    await scene.say(started("1"), started("1"))
    await until(lambda: "StopMixMonitor" in scene.orders)
    await scene.quiet()
    # Both are silent, whatever became of the orders, and there is no order for more than there are.
    assert scene.pbx.recording == []
    assert scene.orders.count("StopMixMonitor") == 2
    assert (talk.lost, ours in scene.pbx.mixers["1"]) == (0, True)


async def test_nobody_else_lets_a_paused_recorder_speak(scene: Scene) -> None:
    talk = scene.call("1", Capture.ON)
    ours = await scene.ours("1")
    talk.becomes(Capture.PAUSED)
    await scene.latch.silence("1")
    scene.pbx.muted.clear()
    await scene.say(unmuted("1"))
    await until(lambda: scene.pbx.muted == {ours})
    await scene.quiet()
    assert scene.words("1") == ["MixMonitor made to speak again on the caller's channel"]
    assert talk.found[0].stopped_ms is not None
    # Each time anew.
    await scene.say(unmuted("1"))
    await until(lambda: len(talk.found) == 2)


async def test_our_own_resume_is_no_violation_even_when_the_next_pause_is_there_already(scene: Scene) -> None:
    talk = scene.call("1", Capture.ON)
    await scene.ours("1")
    scene.latch.resuming("1")
    talk.becomes(Capture.PAUSED)
    await scene.say(unmuted("1"))
    assert (talk.found, scene.orders) == ([], [])
    await scene.say(unmuted("1"))
    await until(lambda: talk.found)


async def test_silence_tells_when_it_could_not(scene: Scene) -> None:
    scene.call("1", Capture.PAUSED)
    await scene.ours("1")
    scene.pbx.unanswered.add("MixMonitorMute")
    with pytest.raises(TimeoutError):
        await scene.latch.silence("1")


# --------------------------------------------------------------------------- our recorder and others


async def test_a_withdrawal_ends_what_was_allowed_before(scene: Scene) -> None:
    talk = scene.call("1", Capture.ON)
    ours = await scene.ours("1")
    await scene.say(*together("1", "2"), started("1"), started("2"))
    talk.becomes(Capture.STOPPED)
    await scene.ami.stop_mixmonitor("1", ours)
    await until(lambda: not scene.pbx.recording)
    assert (talk.lost, scene.alerts) == (0, [])


async def test_a_key_of_others_that_stops_ours_is_told(scene: Scene) -> None:
    talk = scene.call("1", Capture.ON)
    await scene.ours("1")
    await scene.say(stopped("1"))
    assert talk.lost == 1


async def test_a_new_segment_of_ours_is_ours_and_the_old_one_is_not_missed(scene: Scene) -> None:
    talk = scene.call("1", Capture.ON)
    old = await scene.ours("1")
    await scene.say(started("1"))
    theirs = scene.pbx.mixers["1"][-1]
    await scene.ami.stop_mixmonitor("1", old)
    new = await scene.ours("1")
    await scene.quiet()
    assert (talk.lost, scene.latch._census.ours("1"), scene.ami.own_stops) == (0, new, set())
    talk.becomes(Capture.PAUSED)
    await scene.latch.silence("1")
    await scene.say(started("1"))
    await until(lambda: scene.pbx.mixers["1"] == [theirs, new])
    await scene.quiet()
    assert talk.lost == 0


async def test_others_who_stop_their_own_are_left_alone(scene: Scene) -> None:
    talk = scene.call("1", Capture.ON)
    await scene.ours("1")
    await scene.say(started("1"), stopped("1"))
    talk.becomes(Capture.PAUSED)
    await scene.say(entered("1"))
    await scene.quiet()
    assert (talk.lost, scene.orders) == (0, [])


# --------------------------------------------------------------------------- trouble


async def test_an_order_that_is_not_answered_is_repeated_and_then_somebody_is_called(scene: Scene) -> None:
    talk = scene.call("1")
    scene.pbx.unanswered.add("StopMixMonitor")
    await scene.say(started("1"))
    await until(lambda: scene.alerts)
    assert scene.orders == ["StopMixMonitor"] * ATTEMPTS
    assert scene.alerts[0][0] == "foreign recorder not stopped" and scene.alerts[0][2] == "call-1"
    assert "within 0.2 s" in scene.alerts[0][1]
    assert talk.found[0].stopped_ms is None
    # The next thing that happens is another chance.
    scene.pbx.unanswered.clear()
    await scene.say(started("1"))
    await until(lambda: not scene.pbx.recording and not _tasks)
    assert talk.found[0].stopped_ms is not None


@pytest.mark.parametrize("action", ["StopMixMonitor", "Hangup"])
async def test_a_missing_right_is_not_taken_for_an_end(scene: Scene, action: str) -> None:
    scene.call("1")
    scene.pbx.scripted[action] = lambda _: DENIED
    spy = event("ChanSpyStart", "SpyerUniqueid=9", "SpyerChannel=PJSIP/boss-1", "SpyeeUniqueid=1")
    await scene.say(started("1"), spy)
    await until(lambda: scene.alerts)
    assert "Permission denied" in scene.alerts[0][1]


async def test_what_began_while_ami_was_away_is_found(scene: Scene) -> None:
    refused, captured, paused = scene.call("1"), scene.call("2", Capture.ON), scene.call("3", Capture.ON)
    ours = [await scene.ours("2"), await scene.ours("3")]
    paused.becomes(Capture.PAUSED)
    # Of these nobody told.
    for channel in ("1", "2", "3", "11", "12", "13"):
        scene.pbx.mixers[channel].append(f"theirs-{channel}")
    status = []
    for customer, agent in (("1", "11"), ("2", "12"), ("3", "13")):
        for channel in (customer, agent):
            said = entered(channel, f"b{customer}")
            scene.bridges.entered(said)
            status.append(said)
    status += [
        {"Uniqueid": "9", "Channel": "PJSIP/boss-9", "Application": "ChanSpy", "Data": "PJSIP/x-11,q"},
        {"Uniqueid": "tap", "Channel": "Snoop/1-00000003"},
        {"Uniqueid": "callguard-aside-1", "Channel": "Snoop/1-00000004"},
    ]
    await scene.latch.catch_up(status)
    await scene.quiet()
    assert scene.pbx.mixers["1"] == scene.pbx.mixers["11"] == []
    assert sorted(scene.pbx.hung) == ["9", "tap"]
    assert sorted(scene.words("1")) == [
        "ARI snoop on the caller's channel", "ChanSpy on the agent's channel", THEIRS, MIXER
    ]  # fmt: skip
    assert all(each.stopped_ms is not None for each in refused.found)
    # A captured call is left alone until it is paused; a paused one is silent, on every channel.
    assert (captured.found, scene.pbx.muted >= {ours[1], "theirs-3", "theirs-13"}) == ([], True)
    assert set(scene.pbx.recording) == {ours[0], "theirs-2", "theirs-12"}
    captured.becomes(Capture.PAUSED)
    await scene.latch.silence("2")
    assert scene.pbx.recording == []
    assert {"theirs-2", ours[0]} <= set(scene.pbx.mixers["2"])


async def test_nothing_is_remembered_of_calls_that_are_over(scene: Scene) -> None:
    for title in titles():
        caller, _ = of_the_call(title)
        scene.call(caller)
        await scene.say(*recorded(title))
        await scene.quiet()
        for channel in [*scene.pbx.names, *scene.talks, "em-1", "as-1"]:
            await scene.say(event("Hangup", f"Uniqueid={channel}"))
        scene.talks.clear()
    census = scene.latch._census
    for known in (census._mixers, census._listeners, census._halves, census._stems, census._parked):
        assert not known
    for known in (census._expected, scene.latch._told, scene.latch._turns, scene.latch._resumes):
        assert not known


# --------------------------------------------------------------------------- over ARI


async def test_a_recording_over_ari_is_stopped_by_its_name() -> None:
    async with FakeAsterisk() as asterisk, FakeAmi() as pbx:
        settings = AriSettings(
            url=asterisk.url, app="callguard", username="callguard", password=asterisk.password
        )
        link = AriLink(settings, on_event=lambda _: None)
        await link.start()
        await until(lambda: link.ari)
        bridges = Bridges()
        talk = Talk(Call(id="c", state=State.TALKING))
        latch = Latch(
            ami=Ami(AmiSettings(port=pbx.port, username="", password="")),
            ari=lambda: link.ari,
            bridges=bridges,
            conversations={"1": talk},
            own=own,
            alert=lambda *words: pytest.fail(str(words)),
        )
        said = entered("1", "b1", BridgeType="stasis")
        bridges.entered(said)
        latch.hear(said)  # that the fake one knows neither bridge nor channel keeps it from nothing
        await until(lambda: not _tasks)
        asked = [each.query["eventSource"] for each in asterisk.requests if "subscription" in each.path]
        assert asked == ["bridge:b1", "channel:1"]
        latch.recording("theirs/1 of 2", "bridge:b1", began=True)
        latch.recording("far away", "channel:77", began=True)
        await until(lambda: talk.found and talk.found[0].stopped_ms is not None)
        (stop,) = [each for each in asterisk.requests if "recordings" in each.path]
        # Over HTTP: on the websocket it would wait for requests that wait for the end of the recording.
        assert (stop.path, stop.transport) == ("recordings/live/theirs/1 of 2/stop", "http")
        assert talk.found[0].words("1") == "ARI recording of the conversation"
        latch.recording("theirs/1 of 2", "bridge:b1", began=False)
        assert len(talk.found) == 1
        await link.stop()
