"""What can happen on a call. Events are facts: the core decides what follows from them.

``at`` is monotonic seconds; the core never reads a clock. An event that means nothing in the
call's present state changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from callguard.consent.words import Answer, Heard, Meaning, Outcome, Party, Plan


class Fault(StrEnum):
    """What failed. Every one of them ends in an unrecorded call that goes on."""

    ASTERISK = "asterisk"  #: a request was refused, timed out, or the link was lost
    LEDGER = "ledger"  #: the entry could not be made durable
    PROMPT = "prompt"  #: a prompt could not be played
    CAPTURE = "capture"  #: the recorder did not do what was ordered
    SPOOL = "spool"  #: no room, or no memory-backed place, to capture into
    CONTROLLER = "controller"  #: anything of ours that should not have happened


class CaptureState(StrEnum):
    """What the recorder does, as the recorder itself said."""

    OFF = "off"
    ON = "on"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something happened at ``at`` (monotonic seconds)."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallArrived(Event):
    """A caller was handed to us, and this is the plan for the call."""

    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFinished(Event):
    """Playback ``play`` is over; ``completely`` only when it was heard to its end."""

    play: int
    completely: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitPressed(Event):
    """A party pressed a key. The digit lives only as long as this event unless it is an answer."""

    party: Party
    digit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechBegan(Event):
    """The caller began to say something; ``SpeechHeard`` follows when that is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechHeard(Event):
    """The caller said something, and this is what it was taken to mean (confidence 0..1)."""

    meaning: Meaning
    confidence: float
    began: float  #: when the caller began to say it, monotonic seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class HearingFailed(Event):
    """Nobody hears any more what the caller says."""

    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeUp(Event):
    """The timer with this serial ran out. A timer that was replaced is ignored."""

    timer: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryDurable(Event):
    """The call's entry ``number`` is safely on disk."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureConfirmed(Event):
    """The recorder is in ``state``; ``offset`` is the sample at which it came to be so."""

    state: CaptureState
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyJoined(Event):
    """Somebody else is on the call."""

    who: str
    told: bool = False  #: has already heard the announcement, and agreed to it where that is needed
    back: bool = False  #: was on this call before
    never: bool = False  #: uses a telephone that is never recorded
    plan: Plan | None = None  #: that of the call from now on, where this party's law makes it stricter


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyAnswered(Event):
    """A party who joined, or the caller anew, said yes or no to being recorded."""

    who: str
    agreed: bool
    outcome: Outcome = Outcome.GRANTED  #: of one who agreed: asked, or only told where that is enough
    answer: Answer | None = None
    heard: tuple[Heard, ...] = ()  #: what was said to that party


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyLeft(Event):
    """A party is no longer on the call."""

    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureVerified(Event):
    """Both parties' samples from ``offset`` up to ``until`` are in the spool, and they are zero."""

    offset: int
    until: int
    segment: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseAsked(Event):
    """An agent (``allowed``) or somebody who may not, asked for a pause."""

    by: str
    allowed: bool
    seconds: float | None = None  #: when the queue's choice applies; None: the plan's time
    drop_last: float = 0.0  #: seconds before it that are to be destroyed as well
    why: str = "payment"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendAsked(Event):
    """Somebody needs a running pause to last ``seconds`` from now on."""

    by: str
    seconds: float
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeAsked(Event):
    """Somebody asked to go on recording after a pause."""

    by: str
    allowed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalAsked(Event):
    """A party takes consent back; ``shred``: what was captured has to go as well."""

    by: Party
    shred: bool = False
    through: str = ""  #: who did it for that party, or how


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignRecorder(Event):
    """A recorder that is not ours was seen on this call."""

    recorder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingSwitchedOff(Event):
    """Somebody stopped all recording on the PBX."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Event):
    """Something failed; see ``Fault``."""

    fault: Fault
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HungUp(Event):
    """The customer's channel is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered(Event):
    """A controller took this call over after a crash; what it was doing is not known."""

    paused: bool = False  #: the recorder was told to be silent, whatever the entries say
    pause_left: float | None = None  #: seconds that a pause still had; None: the plan's time
