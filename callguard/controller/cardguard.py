"""The card guard: when keys that are pressed on a recorded call are taken for a number. It knows no digits.

A party who presses so many keys within a window is taken to key a card number. All of it has to go, and the
first keys were recorded before the last ones told what they are. So nothing from the first key on may become
durable until either the window has passed, or the number is complete and everything from there on is erased.

A key is known from two sources: Asterisk tells of it at once, or it is heard in the samples, some seconds
later. One that is known from both counts once. A key that is pressed while nothing is captured is not in the
recording, and so is nothing to erase; but it counts: a pause that begins in the middle of a number, or ends
in it, leaves no part of that number behind.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field, replace

from callguard.recording.keytones import Tone
from callguard.recording.spool import RATE

#: How much earlier than it was told a key may have begun to sound (seconds): Asterisk listens for 50 ms
#: before it takes a sound for a key.
TOLD_LATE = 0.25

#: How much earlier than it was heard it may have (seconds).
HEARD_LATE = 0.1

#: How far apart the two forms of one key may be told (seconds). Two keys are 0.1 s apart and more.
APART = 0.08


#: How a key is known: Asterisk told of it, or it was heard.
TOLD, HEARD = frozenset({"told"}), frozenset({"heard"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key was pressed, whichever. Times are monotonic seconds.

    Make one with `told` or `heard`.
    """

    side: int  #: 0: by the caller, 1: by anybody else on the call
    at: float  #: when it was told, or began to sound
    until: float  #: up to when it sounded
    since: float  #: nothing of it sounded before this moment
    segment: int  #: of the recording
    first: int  #: nor before this sample of that segment
    exact: bool  #: that sample is the one of that moment; else it is known with later samples only
    loose: bool = True  #: it may be in the recording, and nobody has erased it
    forms: frozenset[str] = TOLD | HEARD  #: how it is known

    @classmethod
    def told(cls, side: int, at: float, segment: int, arrived: tuple[int, float], *, loose: bool) -> Key:
        """Asterisk told of it.

        Args:
            side: whose.
            at: when it began.
            segment: which one is under way.
            arrived: how many samples of it there are, and when the newest came.
            loose: whether the call is being captured.
        """
        (there, came), since = arrived, at - TOLD_LATE
        # What had come by then was written before the key was pressed; what comes after it tells exactly.
        first = max(0, there - round(max(0.0, came - since) * RATE))
        return cls(
            side=side,
            at=at,
            until=at,
            since=since,
            segment=segment,
            first=first,
            exact=False,
            loose=loose,
            forms=TOLD,
        )

    @classmethod
    def heard(cls, tone: Tone, segment: int, arrived: tuple[int, float]) -> Key:
        """It was found in the samples, of which so many were there when the newest came."""
        there, came = arrived
        at = came - (there - tone.start) / RATE
        return cls(
            side=tone.side,
            at=at,
            until=came - (there - tone.end) / RATE,
            since=at - HEARD_LATE,
            segment=segment,
            first=max(0, tone.start - round(HEARD_LATE * RATE)),
            exact=True,
            forms=HEARD,
        )

    def same(self, other: Key) -> bool:
        """Whether the other one is this key in its other form."""
        if {self.forms, other.forms} != {TOLD, HEARD}:
            return False
        sound, word = (self, other) if self.forms == HEARD else (other, self)
        return sound.at - APART <= word.at <= sound.until + APART

    def joined(self, other: Key) -> Key:
        """One key, of its two forms; what was heard says exactly where it is, and that it is there."""
        sound, word = (self, other) if self.forms == HEARD else (other, self)
        return replace(sound, at=word.at, forms=TOLD | HEARD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Where a number begins in a segment: at a sample; or at a moment, which is no earlier than that."""

    segment: int
    first: int
    moment: float | None = None

    def holds(self, key: Key) -> bool:
        """Whether all of a key comes after it."""
        after = key.first >= self.first if self.moment is None else key.since >= self.moment
        return key.segment == self.segment and after


#: What has to be erased: in a segment from the earlier one of its parts on.
Number = tuple[Part, ...]


@dataclass(slots=True, kw_only=True)
class CardGuard:
    """Counts the keys of one call.

    Args:
        digits: so many keys of one party ...
        window: ... within so many seconds are a number.
    """

    digits: int
    window: float
    _keys: dict[int, list[Key]] = field(default_factory=lambda: {0: [], 1: []})
    _newest: Number = ()  #: what was erased last
    _until: float = float("-inf")  #: and what was pressed up to this moment

    def pressed(self, key: Key) -> Number:
        """A party pressed a key; returns what has to be erased if that makes a number, else nothing."""
        if key.at <= self._until:
            key = self._without(key)
        keys = self._keys[key.side]
        twin = next((other for other in keys if key.same(other)), None)
        if twin is not None:
            keys.remove(twin)
            key = key.joined(twin)
        insort(keys, key, key=lambda each: each.at)
        return self._number(keys, keys.index(key))

    def resumed(self, at: float) -> None:
        """The call is captured again: what is pressed from now on is in the recording."""
        self._until = min(self._until, at)

    def passed(self, known: float) -> None:
        """Every key that was pressed up to this moment is known by now: forget those that cannot count."""
        for side, keys in self._keys.items():
            self._keys[side] = [key for key in keys if key.at >= known - self.window]

    def hold(self, segment: int) -> int | None:
        """From which sample of a segment on nothing may become durable; None: all may."""
        return min((key.first for key in self._loose(segment)), default=None)

    def last(self, segment: int) -> float | None:
        """When the newest key was pressed that may still be part of a number in a segment."""
        return max((key.at for key in self._loose(segment)), default=None)

    def left_behind(self, segment: int, first: int, at: float) -> None:
        """A controller before this one held a segment for keys, nobody knows how many: for all but one."""
        for side, keys in self._keys.items():
            key = Key(side=side, at=at, until=at, since=at, segment=segment, first=first, exact=True)
            keys.extend([key] * (self.digits - 1))

    def _number(self, keys: list[Key], place: int) -> Number:
        """What is in the recording of every window that has enough keys, and this one among them."""
        within: set[int] = set()
        for first in range(max(0, place - self.digits + 1), min(place, len(keys) - self.digits) + 1):
            last = first + self.digits - 1
            if keys[last].at - keys[first].at <= self.window:
                within.update(range(first, last + 1))
        earliest: dict[tuple[int, bool], Part] = {}
        for key in (keys[each] for each in sorted(within)):
            # What is exact and what is not yet cannot be compared; each has an earliest of its own.
            known = earliest.get((key.segment, key.exact))
            if key.loose and (known is None or not known.holds(key)):
                moment = None if key.exact else key.since
                part = Part(segment=key.segment, first=key.first, moment=moment)
                earliest[key.segment, key.exact] = part
        if not earliest:
            return ()
        self._newest, self._until = tuple(earliest.values()), float("inf")
        for side, each in self._keys.items():
            self._keys[side] = [self._without(key) for key in each]
        return self._newest

    def _without(self, key: Key) -> Key:
        """The key, as it is after the newest number was erased."""
        gone = any(part.holds(key) for part in self._newest)
        return replace(key, loose=False) if key.loose and gone else key

    def _loose(self, segment: int) -> list[Key]:
        return [key for keys in self._keys.values() for key in keys if key.loose and key.segment == segment]
