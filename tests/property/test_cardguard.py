"""Whatever is keyed, and whoever pauses: nothing of a number stays in the recording, and no more goes.

A recording is modelled in seconds: samples come in pieces of 2.048 s, are listened to a little later, and are
sealed when they may be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from callguard.controller.cardguard import HEARD_LATE, TOLD_LATE, CardGuard, Key, Number
from callguard.recording.keytones import Tone
from callguard.recording.spool import RATE

DIGITS, WINDOW, LOOK_BACK = 4, 6.0, 3.0
PIECE = 16384 / RATE
#: How long a key sounds, and how much of it has to be there to be heard.
LENGTH, TELLING = 0.1, 0.04
#: How far apart keys and all else are; and how much a window may be off by when keys are told late.
APART, BLUR = 0.25, 0.25


@dataclass(frozen=True)
class Press:
    at: float
    side: int
    told: float | None  #: how much later Asterisk tells of it
    sounds: bool


@dataclass
class Recording:
    """One call: what is captured, erased, sealed."""

    guard: CardGuard = field(default_factory=lambda: CardGuard(digits=DIGITS, window=WINDOW))
    paused: float | None = None
    pauses: list[tuple[float, float]] = field(default_factory=list)
    erased: list[tuple[float, float]] = field(default_factory=list)
    seen: set[Press] = field(default_factory=set)  #: what was listened to
    heard: set[Press] = field(default_factory=set)  #: and was there
    came: float = 0.0
    listened: float = 0.0
    sealed: float = 0.0
    fired: int = 0

    def audible(self, start: float, end: float) -> float:
        """How much of a span is captured and was not erased."""
        gone = [*self.pauses, *self.erased, *([] if self.paused is None else [(self.paused, end)])]
        edges = sorted({start, end, *(edge for span in gone for edge in span if start < edge < end)})
        parts = [(a, b) for a, b in pairwise(edges) if not any(x <= a and b <= y for x, y in gone)]
        return round(sum(b - a for a, b in parts), 6)

    def fire(self, number: Number, now: float) -> None:
        if not number:
            return
        self.fired += 1
        if self.paused is None:
            self.paused = now
        for part in number:
            start = part.first / RATE
            start = start if part.moment is None else max(start, part.moment)
            assert self.sealed <= start + 1e-4, "it was sealed before it was known"
            if start < self.paused:
                self.erased.append((start, self.paused))
        assert self.guard.hold(1) is None or self.guard.hold(1) / RATE <= now

    def told(self, press: Press, now: float) -> None:
        arrived = round(self.came * RATE), self.came
        key = Key.told(press.side, now, 1, arrived, loose=self.paused is None)
        self.fire(self.guard.pressed(key), now)

    def comes(self, presses: list[Press], there: float, now: float) -> None:
        """A piece came, and is listened to."""
        self.came = there
        arrived = round(there * RATE), there
        fresh = [press for press in presses if press.sounds and press not in self.seen]
        fresh = [press for press in fresh if press.at + TELLING <= there]
        self.seen.update(fresh)
        heard = [press for press in fresh if self.audible(press.at, press.at + TELLING) == TELLING]
        self.heard.update(heard)
        for press in heard:
            end = min(press.at + LENGTH, there)
            tone = Tone(press.side, round(press.at * RATE), round(end * RATE))
            self.fire(self.guard.pressed(Key.heard(tone, 1, arrived)), now)
        self.listened = there
        self.guard.passed(there)
        self.seal()

    def seal(self) -> None:
        hold = self.guard.hold(1)
        limit = min(self.came - LOOK_BACK, self.listened - 0.25, 1e9 if hold is None else hold / RATE)
        self.sealed = max(self.sealed, limit)

    def pause(self, now: float) -> None:
        self.paused = now if self.paused is None else self.paused

    def resume(self, now: float) -> None:
        if self.paused is not None:
            self.pauses.append((self.paused, now))
            self.paused = None
            self.guard.resumed(now)


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[float, str, Press | None]]:
    """What happens, in time: keys, and pauses and resumes of an agent."""
    now, story = 3.0, []
    for _ in range(draw(st.integers(1, 30))):
        now += draw(st.one_of(st.floats(APART, 1.0), st.floats(APART, 5.0)))
        what = draw(st.sampled_from(["key"] * 6 + ["pause", "resume", "resume"]))
        if what == "key":
            told = draw(st.none() | st.floats(0.0, 0.06))
            sounds = told is None or draw(st.booleans())
            press = Press(now, draw(st.integers(0, 1)), told, sounds)
            story.append((now + (told or 0.0), "told" if told is not None else "only sounds", press))
        else:
            story.append((now, what, None))
    return story


def live(story: list[tuple[float, str, Press | None]], delay: float) -> tuple[Recording, list[Press]]:
    recording, presses = Recording(), []
    pieces = 1
    end = story[-1][0] + WINDOW + 3 * PIECE
    for now, what, press in [*story, (end, "end", None)]:
        while pieces * PIECE + delay <= now:
            recording.comes(presses, pieces * PIECE, pieces * PIECE + delay)
            pieces += 1
        recording.seal()
        if press is not None:
            presses.append(press)
            if what == "told":
                recording.told(press, now)
        elif what == "pause":
            recording.pause(now)
        elif what == "resume":
            recording.resume(now)
    return recording, presses


def numbers(presses: list[Press], window: float) -> set[Press]:
    """Those that are among enough keys of one party within the window."""
    found: set[Press] = set()
    for side in (0, 1):
        keys = [press for press in presses if press.side == side]
        for first in range(len(keys) - DIGITS + 1):
            run = keys[first : first + DIGITS]
            if run[-1].at - run[0].at <= window:
                found.update(run)
    return found


@settings(max_examples=300, deadline=None)
@given(stories(), st.floats(0.0, 0.5))
def test_nothing_of_a_number_stays_and_without_one_nothing_goes(
    story: list[tuple[float, str, Press | None]], delay: float
) -> None:
    recording, presses = live(story, delay)
    known = [press for press in presses if press.told is not None or press in recording.heard]
    for press in numbers(known, WINDOW - BLUR):
        if press.sounds:
            assert recording.audible(press.at, press.at + LENGTH) == 0, press
    if not numbers(presses, WINDOW + BLUR):
        assert (recording.erased, recording.fired) == ([], 0)
    # What goes begins no earlier than its first key, less what one may be told late.
    earliest = {press.at - max(TOLD_LATE, HEARD_LATE) for press in numbers(presses, WINDOW + BLUR)}
    for start, _ in recording.erased:
        assert any(start >= each - 0.01 for each in earliest)
    assert recording.sealed > story[-1][0] - 0.3, "something is held for ever"
