"""A caller's dialogue without a PBX: the pure core, a clock, and somebody who presses keys.

The same core decides here as on real calls. What Asterisk and the ledger would do is done at once: a prompt
lasts as long as its audio, an entry is durable when it is ordered.
"""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from callguard.consent import Call, Plan, State, advance
from callguard.consent import actions as do
from callguard.consent import events as ev
from callguard.consent.call import DIALOGUE
from callguard.consent.words import Party, Prompt

KEYS = frozenset("0123456789*#")
_THINKING = 1.0  # seconds after which a scripted key is pressed in an open window
_INTERRUPTING = 0.5  # the part of a prompt that is heard before a scripted interruption


class Moment(Enum):
    """What a caller can do at this moment."""

    HEARING = auto()  #: a prompt plays; a key cuts in
    WINDOW = auto()  #: silence: an answer is awaited, or the chance to leave
    WAITING = auto()  #: nothing to do but wait


@dataclass(frozen=True, slots=True)
class Turn:
    """The caller did something after so many seconds: pressed a key, or hung up (an empty key)."""

    after: float
    key: str


class Caller(Protocol):
    """Whoever is on the line."""

    def turn(self, moment: Moment, seconds: float) -> Turn | None:
        """What the caller does within so many seconds, or None when they pass."""


class Scripted:
    """A caller who follows a script, in no time.

    Each step waits for the next open window: a key is pressed in it, ``w`` lets it pass, ``h`` hangs up.
    With ``i`` before it, a key or ``h`` comes while the next prompt plays. After the last step the caller
    is silent.
    """

    def __init__(self, script: str) -> None:
        self._steps = deque(steps_of(script))

    def turn(self, moment: Moment, seconds: float) -> Turn | None:
        """See ``Caller``."""
        if not self._steps or moment is Moment.WAITING:
            return None
        interrupts = self._steps[0].startswith("i")
        if interrupts != (moment is Moment.HEARING):
            return None
        step = self._steps.popleft()[-1]
        if step == "w":
            return None
        after = seconds * _INTERRUPTING if interrupts else min(_THINKING, seconds / 2)
        return Turn(after, "" if step == "h" else step)


def steps_of(script: str) -> Iterator[str]:
    """The steps of a script; commas and spaces may stand between them.

    Raises:
        ValueError: which character is no step.
    """
    waiting = ""
    for character in script.replace(",", "").replace(" ", ""):
        if character == "i" and not waiting:
            waiting = "i"
        elif character in KEYS or character == "h" or (character == "w" and not waiting):
            yield waiting + character
            waiting = ""
        else:
            raise ValueError(f"{waiting + character!r} is no step")
    if waiting:
        raise ValueError("'i' at the end; a key or h must follow it")


class Keyboard:
    """A caller at the terminal, in real time. Keys of the telephone, ``h`` or Ctrl-D to hang up."""

    def turn(self, moment: Moment, seconds: float) -> Turn | None:  # noqa: ARG002 - a key counts at any moment
        """See ``Caller``."""
        begun = time.monotonic()
        while (left := begun + seconds - time.monotonic()) > 0:
            if not select.select([sys.stdin], [], [], left)[0]:
                break
            key = os.read(sys.stdin.fileno(), 1).decode(errors="replace")
            if key in KEYS:
                return Turn(time.monotonic() - begun, key)
            if key in {"h", "\x04", ""}:
                return Turn(time.monotonic() - begun, "")
        return None


@contextmanager
def keyboard() -> Iterator[Keyboard]:
    """The terminal, giving keys one by one, and as it was afterwards."""
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield Keyboard()
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that happened. ``at``: seconds since the call arrived."""

    at: float
    who: str  #: "callguard" or "caller"
    what: str  #: "says", "waits", "presses", "hangs up"
    prompt: Prompt | None = None
    key: str = ""
    seconds: float = 0.0


@dataclass(slots=True)
class Sitting:
    """One dialogue from the arrival of the call to its end."""

    call: Call
    told: Callable[[Line], None]
    at: float = 0.0
    lines: list[Line] = field(default_factory=list)
    entries: list[do.CallEntry] = field(default_factory=list)
    route: do.Route | None = None
    end: do.End | None = None
    _timers: dict[int, float] = field(default_factory=dict)
    _playing: tuple[int, float] | None = None  # playback and the time at which it ends
    _durable: deque[int] = field(default_factory=deque)

    def run(self, plan: Plan, caller: Caller) -> None:
        """Live through the dialogue."""
        self._feed(ev.CallArrived(at=self.at, plan=plan))
        while self.call.state in DIALOGUE:
            if self._durable:
                self._feed(ev.EntryDurable(at=self.at, number=self._durable.popleft()))
            else:
                self._live(caller)

    def _live(self, caller: Caller) -> None:
        """Let time pass until the caller does something or the next thing is due."""
        due = min(self._timers.values(), default=self.at)
        if self._playing is not None:
            due = min(due, self._playing[1])
        turn = caller.turn(self._moment(), due - self.at)
        if turn is not None:
            self.at += turn.after
            self._act(turn)
            return
        self.at = due
        if self._playing is not None and self._playing[1] <= due:
            play, self._playing = self._playing[0], None
            self._feed(ev.PromptFinished(at=due, play=play, completely=True))
            return
        serial = min(self._timers, key=lambda one: self._timers[one])
        del self._timers[serial]
        self._feed(ev.TimeUp(at=due, timer=serial))

    def _moment(self) -> Moment:
        if self._playing is not None:
            return Moment.HEARING
        return Moment.WINDOW if self.call.state in {State.LISTENING, State.LEAVING} else Moment.WAITING

    def _act(self, turn: Turn) -> None:
        if turn.key:
            self._tell(Line(at=self.at, who="caller", what="presses", key=turn.key))
            self._feed(ev.DigitPressed(at=self.at, party=Party.CALLER, digit=turn.key))
        else:
            self._tell(Line(at=self.at, who="caller", what="hangs up"))
            self._feed(ev.HungUp(at=self.at))

    def _tell(self, line: Line) -> None:
        self.lines.append(line)
        self.told(line)

    def _feed(self, event: ev.Event) -> None:
        self.call, actions = advance(self.call, event)
        for action in actions:
            self._carry_out(action)

    def _carry_out(self, action: do.Action) -> None:
        match action:
            case do.Play():
                begins = self.at
                for prompt in action.prompts:
                    self._tell(Line(at=begins, who="callguard", what="says", prompt=prompt))
                    begins += prompt.seconds
                self._playing = (action.play, begins)
            case do.StopPlaying():
                self._playing = None
            case do.Listen():
                self._tell(Line(at=self.at, who="callguard", what="waits", seconds=action.seconds))
            case do.StartTimer():
                self._timers[action.serial] = self.at + action.seconds
                if action.timer is do.Timer.LEAVE:
                    self._tell(Line(at=self.at, who="callguard", what="waits", seconds=action.seconds))
            case do.CancelTimer():
                self._timers.pop(action.serial, None)
            case do.Commit():
                self.entries.append(action.entry)
                self._durable.append(action.entry.number)
            case do.Route():
                self.route = action
            case do.End():
                self.end = action
