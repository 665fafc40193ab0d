"""What the core orders. The shell carries actions out in the order given, and only those."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from callguard.consent.words import ConsentEntry, Outcome, Prompt


class Timer(StrEnum):
    """What a timer is for. At most one of each runs on a call."""

    PROMPT = "prompt"  #: a playback that does not end
    ANSWER = "answer"  #: silence after the question
    LEAVE = "leave"  #: the chance to hang up after the announcement
    COMMIT = "commit"  #: the ledger
    CONFIRM = "confirm"  #: the recorder's word that it runs, or that it paused
    PAUSE = "pause"  #: the end of a pause
    WARN = "warn"  #: the moment to tell that a pause ends soon


class Change(StrEnum):
    """A change of capture, as the ledger keeps it."""

    ORDERED = "ordered"
    STARTED = "started"
    PAUSED = "paused"
    PAUSE_CONFIRMED = "pause-confirmed"
    VERIFIED = "verified"  #: the samples of a pause were seen, and are zero
    EXTENDED = "extended"
    RESUMED = "resumed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureEntry:
    """A capture change, with why and by whom; ``offset`` in samples where the recorder gave one."""

    number: int
    change: Change
    why: str
    by: str = ""
    offset: int | None = None
    until: int | None = None  #: for what was verified: the first sample after it
    shred: bool = False
    hold: str = ""  #: what was put on or taken off: ``payment``, ``untold:<who>``, ``refused:<who>``
    segment: int = 0  #: the segment that was verified; 0: the one under way


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldEntry:
    """A reason not to capture came (``on``) or went, without the recorder having to change."""

    number: int
    hold: str
    on: bool
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViolationEntry:
    """A recorder that had no right to be there."""

    number: int
    recorder: str
    allowed: bool  #: whether the call was being captured by consent at that time


#: Whatever the core commits. Numbers run from 1 without gaps within a call.
CallEntry = ConsentEntry | CaptureEntry | HoldEntry | ViolationEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """An order of the core."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Play(Action):
    """Play these prompts one after the other to the caller, as playback ``play`` of this call."""

    play: int
    prompts: tuple[Prompt, ...]

    @property
    def seconds(self) -> float:
        """How long they last together."""
        return sum(prompt.seconds for prompt in self.prompts)


@dataclass(frozen=True, slots=True, kw_only=True)
class StopPlaying(Action):
    """End playback ``play`` now. Always ordered before anything that Asterisk would queue behind it."""

    play: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen(Action):
    """From now on an answer is awaited for ``seconds``."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hear(Action):
    """From now on hear what the caller says, in memory only, until ``StopHearing``."""

    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopHearing(Action):
    """Hear nothing any more. ``keep``: what was last understood as a yes is evidence; all else is wiped."""

    keep: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTimer(Action):
    """Call back with ``TimeUp(timer=serial)`` after ``seconds``."""

    timer: Timer
    serial: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelTimer(Action):
    """The timer with this serial is no longer of interest."""

    serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit(Action):
    """Make this entry durable and answer with ``EntryDurable``."""

    entry: CallEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class StartCapture(Action):
    """The gate opens: entry ``allowed_by`` is durable."""

    allowed_by: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseCapture(Action):
    """Silence the recorder, both directions."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseLast(Action):
    """Destroy the newest ``seconds`` before the pause, which are not sealed yet."""

    seconds: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeCapture(Action):
    """Let the recorder write again."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSegment(Action):
    """The parties changed: what is recorded from here on is a segment of its own.

    One that is paused begins when it goes on.
    """

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopCapture(Action):
    """End the recording; ``shred``: destroy what was captured."""

    why: str
    shred: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Action):
    """Send the caller on. The dialplan starts the recorder only when ``capture`` is set."""

    queue: str
    outcome: Outcome
    capture: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class End(Action):
    """The alternatives were heard: end the call politely."""

    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Lamp(Action):
    """Show the agent what the recorder does: ``off``, ``recording``, ``paused``, ``fault``."""

    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Whisper(Action):
    """Tell one party only."""

    who: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert(Action):
    """Somebody has to look at this."""

    what: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopForeign(Action):
    """Stop a recorder that has no right to be on this call."""

    recorder: str
