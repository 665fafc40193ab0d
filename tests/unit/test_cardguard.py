"""When keys are a number, what has to go with it, and what stays; whichever way word of them comes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import pytest

from callguard.consent import Call, Capture, Form, Plan, State, advance
from callguard.consent import actions as do
from callguard.consent import events as ev
from callguard.consent.words import Basis
from callguard.controller import entrance
from callguard.controller.cardguard import HEARD_LATE, TOLD_LATE, CardGuard, Key
from callguard.controller.entrance import Entrance
from callguard.controller.keypad import CARD_DIGITS, GUARD, Keypad
from callguard.errors import RecordingError
from callguard.recording.keytones import Tone
from callguard.recording.spool import RATE
from fakes.waiting import until

#: The samples of a segment that began at 0 s came every 2 s.
PIECE = 2.0


def arrived(at):
    pieces = int(at // PIECE)
    return round(pieces * PIECE * RATE), pieces * PIECE


def told(at, *, side=0, captured=True, segment=1):
    return Key.told(side, at, segment, arrived(at), loose=captured)


def heard(at, *, side=0, length=0.1, segment=1):
    tone = Tone(side, round(at * RATE), round((at + length) * RATE))
    return Key.heard(tone, segment, arrived(at + length + PIECE))


def guard(digits=6, window=20.0):
    return CardGuard(digits=digits, window=window)


def first_of(number):
    """From which second on the recording is erased: samples come without a gap here."""
    return min(part.first / RATE if part.moment is None else part.moment for part in number)


# ---------------------------------------------------------------------- what is a number


@pytest.mark.parametrize("form", [told, heard])
def test_the_sixth_key_within_the_window_makes_a_number_from_the_first_one_on(form):
    guard_ = guard()
    for at in range(3, 8):
        assert guard_.pressed(form(at)) == ()
    number = guard_.pressed(form(8))
    assert first_of(number) <= 3 - HEARD_LATE


@pytest.mark.parametrize("form", [told, heard])
def test_keys_that_are_further_apart_are_no_number(form):
    guard_ = guard()
    assert [guard_.pressed(form(4.1 * number)) for number in range(30)] == [()] * 30


def test_each_party_is_counted_alone():
    guard_ = guard()
    keys = [told(number, side=number % 2) for number in range(3, 13)]
    assert [guard_.pressed(key) for key in keys] == [()] * 10
    assert guard_.pressed(told(13, side=1)) != ()


@pytest.mark.parametrize("late", [-0.03, 0.0, 0.05, 0.12])
def test_a_key_that_is_told_and_heard_counts_once(late):
    guard_ = guard()
    for at in range(5):
        assert guard_.pressed(told(3 + 0.3 * at + late)) == ()
    for at in range(5):
        assert guard_.pressed(heard(3 + 0.3 * at)) == ()
    assert guard_.pressed(told(4.5 + late)) != ()


def test_keys_of_which_some_are_told_and_the_others_are_heard_are_one_number():
    guard_ = guard()
    for at in range(5):
        assert guard_.pressed((told if at % 2 else heard)(3 + 0.2 * at)) == ()
    number = guard_.pressed(told(4.0))
    assert first_of(number) == pytest.approx(3 - HEARD_LATE)


def test_keys_that_are_heard_after_later_ones_complete_a_number_as_well():
    guard_ = guard()
    for at in (3.6, 3.9, 4.2, 4.5, 3.0):
        assert guard_.pressed(heard(at)) == ()
    assert first_of(guard_.pressed(heard(3.3))) == pytest.approx(3.0 - HEARD_LATE)


# ---------------------------------------------------------------------- where it is


def test_what_is_told_may_be_anywhere_after_what_had_come_and_is_found_by_its_moment():
    key = told(5.0)
    assert (key.first, key.exact, key.since) == (4 * RATE, False, 5.0 - TOLD_LATE)


def test_a_key_that_was_told_right_after_samples_came_may_have_begun_in_them():
    assert told(4.05).first == pytest.approx((4.05 - TOLD_LATE) * RATE, abs=1)


def test_what_is_heard_says_exactly_where_a_key_is():
    guard_ = guard()
    guard_.pressed(told(5.0))
    guard_.pressed(heard(4.96))
    for at in range(4):
        guard_.pressed(told(6.0 + at))
    number = guard_.pressed(told(10.0))
    assert number[0].first / RATE == pytest.approx(4.96 - HEARD_LATE)
    assert number[0].moment is None


def test_keys_hold_the_recording_until_the_window_has_passed():
    guard_ = guard()
    assert guard_.hold(1) is None
    guard_.pressed(heard(3))
    guard_.pressed(heard(8))
    assert guard_.hold(1) / RATE == pytest.approx(3 - HEARD_LATE)
    guard_.passed(23.5)
    assert guard_.hold(1) / RATE == pytest.approx(8 - HEARD_LATE)
    guard_.passed(28.5)
    assert guard_.hold(1) is None


def test_what_was_erased_is_held_no_longer():
    guard_ = guard()
    for at in range(6):
        guard_.pressed(told(3 + at))
    assert guard_.hold(1) is None


def test_a_number_that_was_keyed_across_segments_is_erased_in_both():
    guard_ = guard()
    for at in range(3):
        guard_.pressed(told(13 + at, segment=1))
    for at in range(3):
        number = guard_.pressed(told(16 + at, segment=2))
    assert [part.segment for part in number] == [1, 2]


# ---------------------------------------------------------------------- pauses


def test_what_is_keyed_in_the_guards_own_pause_changes_nothing():
    guard_ = guard()
    for at in range(6):
        number = guard_.pressed(told(3 + 0.2 * at))
    assert number != ()
    assert [guard_.pressed(told(4.2 + 0.2 * at, captured=False)) for at in range(10)] == [()] * 10
    assert [guard_.pressed(heard(2.97 + 0.2 * at)) for at in range(6)] == [()] * 6


def test_a_number_whose_first_keys_were_recorded_before_an_agents_pause_is_erased():
    guard_ = guard()
    for at in range(3):
        assert guard_.pressed(told(3 + at)) == ()
    for at in range(2):
        assert guard_.pressed(told(6 + at, captured=False)) == ()
    assert first_of(guard_.pressed(told(8, captured=False))) <= 3


def test_a_number_that_was_keyed_in_a_pause_alone_changes_nothing():
    guard_ = guard()
    assert [guard_.pressed(told(3 + at, captured=False)) for at in range(16)] == [()] * 16


def test_the_rest_of_a_number_after_a_resume_is_a_number():
    guard_ = guard()
    for at in range(6):
        guard_.pressed(told(3 + at / 4))
    for at in range(6):
        guard_.pressed(told(4.5 + at / 4, captured=False))
    guard_.resumed(9)
    assert guard_.pressed(heard(10)) != ()


def test_what_is_heard_late_of_keys_before_the_resume_was_erased_already():
    guard_ = guard()
    for at in range(6):
        guard_.pressed(told(3 + at / 4))
    guard_.resumed(5)
    assert [guard_.pressed(heard(3 + at / 4)) for at in range(6)] == [()] * 6


@pytest.mark.parametrize("early", [2.5, 4.5, 5.2])
def test_a_key_that_nobody_told_of_before_the_first_one_makes_the_number_begin_earlier(early):
    guard_ = guard()
    for at in range(6):
        guard_.pressed(told(5.5 + at / 10))
    assert first_of(guard_.pressed(heard(early))) == pytest.approx(early - HEARD_LATE)


def test_after_a_crash_with_keys_on_hold_the_next_key_completes_a_number():
    guard_ = guard()
    guard_.left_behind(1, 16000, 10.0)
    assert guard_.hold(1) == 16000
    assert guard_.pressed(told(12))[0].first == 16000
    guard_ = guard()
    guard_.left_behind(1, 16000, 10.0)
    guard_.passed(31)
    assert guard_.hold(1) is None
    assert guard_.pressed(told(32)) == ()


# ---------------------------------------------------------------------- where keys come in


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(entrance, "time", clock)
    return clock


class Phone:
    def __init__(self, codes=("*4", "*6", "*77"), *, has_codes=True):
        self.entrance, self.has_codes = Entrance(codes), has_codes

    def press(self, keys, **more):
        """Down and up; when keys were pressed that count."""
        found = []
        for key in keys:
            for kind in ("DTMFBegin", "DTMFEnd"):
                event = {"Event": kind, "Uniqueid": "c", "Digit": key, "DurationMs": "80", **more}
                found += self.entrance.take(event, has_codes=self.has_codes)
        return found


def test_a_key_counts_once_and_when_it_goes_down(clock):
    assert Phone().press("5") == [100.0]


def test_a_key_that_only_goes_up_began_as_long_before_as_it_says(clock):
    event = {"Event": "DTMFEnd", "Uniqueid": "c", "Digit": "5", "DurationMs": "250"}
    assert Entrance(()).take(event, has_codes=False) == [99.75]
    assert Entrance(()).take({**event, "DurationMs": "?"}, has_codes=False) == [100.0]


@pytest.mark.parametrize(
    ("keys", "count"),
    [
        ("*4", 0),
        ("*4*6*77", 0),
        ("*5", 0),
        ("4111", 4),
        ("**4", 0),
        ("*7*4", 0),
        ("12*6345", 5),
        ("*", 0),
        ("*1", 0),
        ("#14155550100", 0),
    ],
)
def test_hot_keys_of_agents_are_no_keys(clock, keys, count):
    assert len(Phone().press(keys)) == count
    assert len(Phone(has_codes=False).press(keys)) == len(keys)


def test_an_agent_who_passes_a_call_on_dials_and_keys_no_card(clock):
    phone = Phone()
    assert phone.press("*2") == []
    for second in (3.0, 6.0, 9.0):
        clock.now = 100.0 + second
        assert phone.press("6") == []
    clock.now = 120.0
    assert phone.press("4") == [120.0]


def test_nothing_stays_of_a_channel_that_is_gone():
    phone = Phone()
    phone.press("*")
    phone.entrance.gone("c")
    assert phone.entrance._phones == {}


# ---------------------------------------------------------------------- the keypad


@dataclass
class Tape:
    """What the keypad sees of a segment."""

    left: int | None = None
    holds: list[int | None] = field(default_factory=list)
    gone: bool = False

    def arrived(self):
        if self.gone:
            raise RecordingError("over")
        return 0, time.monotonic()

    def guarded(self):
        return self.left

    def guard(self, first):
        self.holds.append(first)


@dataclass
class Segment:
    number: int
    tape: Tape = field(default_factory=Tape)
    erased: list[tuple[int, str]] = field(default_factory=list)
    slow: asyncio.Event | None = None

    async def erase_from(self, first, why, *, moment):
        if self.slow is not None:
            await self.slow.wait()
        self.erased.append((first, why))


class Room:
    def __init__(self, guard_=None, window=20.0):
        self.fired, self.tasks = 0, set()
        self.pad = Keypad(guard_ or guard(window=window), self.fire, self.own)
        self.segment = Segment(1)
        self.pad.begun(self.segment, listened=False)

    def fire(self):
        self.fired += 1

    def own(self, work, name):
        task = asyncio.create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def press(self, times=1):
        for _ in range(times):
            self.pad.told(0, time.monotonic(), captured=True)


async def test_a_number_is_erased_paused_for_and_then_no_longer_held():
    room = Room()
    room.press(5)
    assert (room.fired, room.segment.tape.holds[-1]) == (0, 0)
    room.segment.slow = asyncio.Event()
    room.press()
    await asyncio.sleep(0)
    assert (room.fired, room.segment.tape.holds[-1]) == (1, 0)
    room.segment.slow.set()
    await until(lambda: room.segment.erased == [(0, CARD_DIGITS)])
    assert room.segment.tape.holds[-1] is None


async def test_where_no_guard_is_wanted_nothing_is_counted():
    room = Room()
    room.pad = Keypad(None, room.fire, room.own)
    room.pad.begun(room.segment, listened=True)
    room.press(20)
    room.pad.heard(1, [], (0, 0.0))
    room.pad.resumed()
    await room.pad.over(1)
    assert (room.fired, room.segment.tape.holds) == (0, [])


async def test_keys_before_anything_is_recorded_or_after_are_ignored():
    room = Room()
    room.segment.tape.gone = True
    room.press(10)
    room.pad = Keypad(guard(), room.fire, room.own)
    room.press(10)
    assert room.fired == 0


async def test_a_segment_that_is_over_waits_for_what_may_become_a_number():
    room = Room()
    room.press(3)
    over = asyncio.create_task(room.pad.over(1))
    second = Segment(2)
    room.pad.begun(second, listened=False)
    await asyncio.sleep(0.05)
    assert not over.done()
    room.press(3)
    await over
    assert (room.fired, len(room.segment.erased), len(second.erased)) == (1, 1, 1)
    assert room.segment.tape.holds[-1] is None


async def test_when_the_call_is_over_nothing_is_waited_for():
    room = Room()
    room.press(3)
    over = asyncio.create_task(room.pad.over(1))
    await asyncio.sleep(0)
    room.pad.call_over()
    async with asyncio.timeout(1):
        await over
    assert room.segment.erased == []
    assert room.segment.tape.holds[-1] is None


async def test_a_segment_is_not_over_before_it_is_erased():
    room = Room()
    room.segment.slow = asyncio.Event()
    room.press(6)
    room.pad.call_over()
    over = asyncio.create_task(room.pad.over(1))
    await asyncio.sleep(0.05)
    assert not over.done()
    room.segment.slow.set()
    async with asyncio.timeout(1):
        await over
    assert room.segment.erased


async def test_what_a_controller_before_held_is_still_held():
    room = Room()
    left = Segment(2, Tape(left=4000))
    room.pad.begun(left, listened=True)
    assert left.tape.holds == [4000]
    room.press()
    await until(lambda: left.erased)
    assert (left.erased[0], room.fired) == ((4000, CARD_DIGITS), 1)


# ---------------------------------------------------------------------- what the agent hears of it


@pytest.mark.parametrize(("why", "said"), [(CARD_DIGITS, "card-digits"), ("payment", "paused")])
def test_the_agent_is_told_that_it_was_the_card_guard(why, said):
    basis = Basis(jurisdictions=("ZZ",), rule="one-party", table="test")
    plan = Plan(form=Form.NOTICE, basis=basis, recorded_queue="sales", unrecorded_queue="open")
    call = Call(id="c", plan=plan, state=State.TALKING, capture=Capture.ON, allowed_by=1)
    call, actions = advance(call, ev.PauseAsked(at=1.0, by=GUARD, allowed=True, why=why))
    assert any(isinstance(action, do.PauseCapture) for action in actions)
    paused = ev.CaptureConfirmed(at=1.1, state=ev.CaptureState.PAUSED, offset=0)
    _, actions = advance(call, paused)
    assert [action.what for action in actions if isinstance(action, do.Whisper)] == [said]
