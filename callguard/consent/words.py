"""The words of the core: parties, forms of consent, outcomes, and the plan for one call.

Everything here is a value. Nothing here knows Asterisk, a file or a clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Party(StrEnum):
    """Who is on the line."""

    CALLER = "caller"  #: the person on the recorded, customer-side channel
    AGENT = "agent"  #: the person answering for the business
    JOINED = "joined"  #: anyone who came later (transfer, conference, pick-up)


class Form(StrEnum):
    """What the law of the call wants before capture. Ordered by strictness."""

    NONE = "none"  #: nothing has to be said
    NOTICE = "notice"  #: an announcement heard to its end
    IMPLIED = "implied-by-continuing"  #: announcement, a chance to leave; staying is consent
    OPT_OUT = "opt-out"  #: announcement and an offered refusal; silence is consent
    EXPLICIT = "explicit"  #: a yes; silence is never consent


class Outcome(StrEnum):
    """How the question of recording ended. Each is kept apart in the ledger."""

    GRANTED = "granted"  #: an explicit yes
    NOTIFIED = "notified"  #: told to the end, no answer needed
    IMPLIED = "implied"  #: told to the end, had the chance to leave or object, stayed
    NOT_REQUIRED = "not-required"  #: the plan asks for nothing
    PRIOR = "prior-consent"  #: a consent on the register
    DUTY = "legal-duty"  #: told, and recording is a duty
    REFUSED = "refused"  #: a no
    WITHDRAWN = "withdrawn"  #: a yes taken back later in the call
    NO_INPUT = "no-input"  #: asked, and silence
    INVALID = "invalid-input"  #: asked, and only keys that mean nothing
    UNCLEAR = "low-confidence-speech"  #: something was said, not clearly enough
    CUT = "prompt-cut-short"  #: the announcement was not heard to its end
    HUNG_UP = "hung-up"  #: left during the dialogue
    EXEMPT = "exempt"  #: emergency or configured number: never asked, never recorded
    AGENT_ASKS = "agent-asks"  #: nothing is said; the agent reads it out, and confirms by key
    NOT_SAMPLED = "not-sampled"  #: told, but this call is not among the sampled ones
    NOT_ALLOWED = "not-allowed"  #: the law of the call forbids what the site is set up to do
    SWITCHED_OFF = "switched-off"  #: recording is stopped on the whole PBX
    FAULT = "system-fault"  #: something of ours or of the PBX failed


#: The outcomes that allow capture. Every other outcome forbids it.
CAPTURING = frozenset(
    {Outcome.GRANTED, Outcome.NOTIFIED, Outcome.IMPLIED, Outcome.NOT_REQUIRED, Outcome.PRIOR, Outcome.DUTY}
)


class OnRefusal(StrEnum):
    """What a queue does with a caller who does not want to be recorded."""

    UNRECORDED_QUEUE = "unrecorded-queue"  #: another queue, whose agents expect unrecorded calls
    SAME_QUEUE = "same-queue"  #: the same agents, nothing captured
    ALTERNATIVES = "alternatives"  #: hears the other ways (shop, letter, online), then the call ends


class Meaning(StrEnum):
    """What a spoken answer was understood to mean."""

    YES = "yes"
    NO = "no"
    UNCLEAR = "unclear"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """Why this plan: what an auditor asks first."""

    jurisdictions: tuple[str, ...]  #: codes of the parties' jurisdictions, caller first
    rule: str  #: the strictest rule that was applied
    table: str  #: version and hash of the table of jurisdictions
    statutes: tuple[str, ...] = ()
    flags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One thing to say, already chosen for this call.

    ``media`` is what Asterisk plays (in order), ``sha256`` the hash of exactly that audio,
    ``seconds`` its length. A prompt without media cannot be played and forbids capture.
    """

    name: str
    language: str
    media: tuple[str, ...]
    sha256: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """How a caller may answer by voice as well as by key."""

    language: str  #: in which an answer is understood
    question: Prompt  #: put instead of the plan's own, as long as it makes sense to speak
    unheard: Prompt  #: said after something that was no clear answer
    thanks: Prompt  #: reads a spoken yes back, with the way to withdraw it
    withdraw_keys: frozenset[str]  #: those that ``thanks`` tells of
    seconds: float = 9.0  #: how long it may take until what somebody began to say is understood
    in_announcement: bool = False  #: a spoken no is listened for in the announcement, and cuts it short


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What has to happen on this call before anything may be captured. Times in seconds."""

    form: Form
    basis: Basis
    recorded_queue: str
    unrecorded_queue: str
    on_refusal: OnRefusal = OnRefusal.UNRECORDED_QUEUE
    purposes: tuple[str, ...] = ()  #: what the recording may be used for, as announced
    retention_days: int | None = None  #: how long it is kept
    announcement: Prompt | None = None  #: told to its end; a cut announcement is no notice
    question: Prompt | None = None  #: asked after it; a key may cut it short
    invalid: Prompt | None = None  #: said after a key that means nothing
    thanks: Prompt | None = None  #: said after a yes, with the way to withdraw
    unrecorded: Prompt | None = None  #: said after a refusal or silence: you will not be recorded
    alternatives: Prompt | None = None  #: the other ways, for ``OnRefusal.ALTERNATIVES``
    yes_keys: frozenset[str] = frozenset({"1"})
    no_keys: frozenset[str] = frozenset({"2"})
    withdraw_keys: frozenset[str] = frozenset()  #: the caller was told that these stop the recording later
    shred_withdrawn: bool = False  #: a withdrawal destroys what was captured before it
    attempts: int = 2  #: how often the question is put, at least once
    answer_seconds: float = 6.0  #: silence allowed after the question
    leave_seconds: float = 1.5  #: for IMPLIED: time to hang up or object after the announcement
    commit_seconds: float = 2.0  #: how long the ledger may take before the call goes on unrecorded
    slack_seconds: float = 3.0  #: how much longer than its length a prompt may take
    confirm_seconds: float = 5.0  #: how long the recorder may take to say that it does as ordered
    pause_seconds: float = 180.0  #: how long a pause lasts that nobody ends
    warn_seconds: float = 20.0  #: how long before that the agent is told
    resume_after_pause: bool = False  #: the queue's choice when a pause was not ended: go on capturing
    keys_cut_question: bool = True  #: barge-in: a key (or a spoken no) in the question counts at once
    spoken: Spoken | None = None  #: None: nobody listens, and no prompt offers to speak
    capture: bool = True  #: False: the dialogue runs but nothing is captured (see ``uncaptured``)
    uncaptured: Outcome = Outcome.NOT_SAMPLED  #: the outcome when ``capture`` is False
    prior: bool = False  #: a prior consent is on the register
    duty: bool = False  #: recording is a duty: told, not asked; who refuses is never served unrecorded
    exempt: bool = False  #: bypass: no dialogue, no capture


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A prompt that was played, as the ledger keeps it."""

    prompt: Prompt
    started: float  #: monotonic seconds
    ended: float | None = None
    completely: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the party did about the question."""

    kind: str  #: "key", "speech", "silence", "prior", "none"
    value: str = ""  #: the key that counts (yes or no key only), or the meaning
    confidence: float = 1.0
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentEntry:
    """The entry that must be durable before capture may start."""

    number: int  #: the how-many-th consent entry of this call, from 1
    who: str  #: ``caller``, ``agent``, or the name of a party who joined
    outcome: Outcome
    basis: Basis
    form: Form
    heard: tuple[Heard, ...]
    answer: Answer
    attempts: int
    decided: float  #: monotonic seconds
    queue: str
    notes: tuple[str, ...] = field(default=())
