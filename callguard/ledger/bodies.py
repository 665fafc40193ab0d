"""What each kind of entry says. Frozen values; units stand in the field's comment.

A body has a ``kind`` (fixed, or one of a few) and fields that are text, whole numbers, booleans,
or tuples and mappings of those. Fields that are ``None`` are not stored. Adding a field is safe:
old entries simply lack it. Renaming or giving a field another meaning needs a new kind.

There is no field for digits that a caller keyed, except the one key that answered the question.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Protocol

from callguard.consent.words import Form, Outcome
from callguard.errors import LedgerError
from callguard.ledger.kinds import Kind
from callguard.ledger.payments import CaseAssigned, Payment
from callguard.ledger.placing import CallPlaced


class Body(Protocol):
    """What an entry says: any of the classes below."""

    @property
    def kind(self) -> Kind:
        """What the entry is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A call reached us."""

    kind: ClassVar[Kind] = Kind.CALL_ARRIVED
    channel: str  #: Asterisk's channel id
    caller: str  #: E.164 where known, else as the PBX gave it
    called: str
    queue: str = ""
    language: str = ""
    direction: str = "in"  #: "in" or "out"
    case: str | None = None  #: the CRM's own number for this call, if it gave one


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenUp:
    """Another controller of the pool goes on with the call: the one that wrote this entry."""

    kind: ClassVar[Kind] = Kind.CALL_TAKEN_UP
    before: str  #: which controller it was that died or hung


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruled:
    """Which law was applied to whom on what evidence, and what the queue may record on this call."""

    kind: ClassVar[Kind] = Kind.CALL_RULED
    parties: tuple[Mapping[str, Any], ...]  #: each: role, jurisdiction, evidence
    form: str
    table: str  #: version and hash of the table of jurisdictions
    allowed: bool = True  #: whether the law lets the queue record this call at all
    purposes: tuple[str, ...] = ()
    basis: str | None = None  #: the lawful basis
    duty: bool = False
    exception: str | None = None
    kept_days: int | None = None
    sampled: bool | None = None  #: ``None``: the queue takes no sample
    objections: tuple[str, ...] = ()  #: what the law did not bear of the queue's settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An announcement or a question that was played to a party."""

    kind: Kind  #: ANNOUNCEMENT_PLAYED or QUESTION_ASKED
    prompt: str
    language: str
    sha256: str  #: of exactly the audio that was played
    length_ms: int
    heard_ms: int
    completely: bool
    party: str = "caller"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a party did about the question."""

    kind: ClassVar[Kind] = Kind.ANSWER
    form: str  #: "key", "speech", "button", "silence", "prior", "none"
    value: str = ""  #: the one key, or the meaning of what was said; never more
    confidence: int = 1000  #: per mille
    party: str = "caller"
    attempt: int = 1

    def __post_init__(self) -> None:
        refuse_digits(self.form, self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """The decision, with everything that it rests on. Durable before capture may start."""

    kind: ClassVar[Kind] = Kind.CONSENT
    number: int  #: the how-many-th entry of the core for this call, from 1
    party: str  #: "caller", "agent", or the name of one who joined
    outcome: Outcome
    form: Form
    queue: str
    jurisdictions: tuple[str, ...]  #: the caller's first
    rule: str
    table: str  #: version and hash of the table of jurisdictions
    statutes: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    heard: tuple[Mapping[str, Any], ...] = ()
    answer: Mapping[str, Any] = field(default_factory=dict)
    attempts: int = 0
    decided_us: int = 0  #: monotonic
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.answer:
            refuse_digits(str(self.answer["form"]), str(self.answer["value"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """Where the dialplan was told to take the call."""

    kind: ClassVar[Kind] = Kind.ROUTED
    queue: str
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """A change of capture. ``offset`` and ``until`` count samples from the start of the segment."""

    kind: Kind  #: one of the CAPTURE_ kinds
    number: int = 0  #: the how-many-th entry of the core for this call; 0: not from the core
    recording: str = ""  #: our UUID of the recording
    segment: int = 1
    offset: int | None = None
    until: int | None = None  #: of an erasure or a verified pause: the first sample after it
    rate: int | None = None  #: samples per second
    by: str = ""  #: who or what caused it: an agent, a party, a timer, a program
    reason: str = ""
    hold: str = ""  #: the reason not to capture that this put on
    shred: bool = False
    sha256: str | None = None  #: of the finished audio, once there is one


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A reason not to capture came or went, without the recorder having to change."""

    kind: Kind  #: HOLD_SET or HOLD_LIFTED
    number: int
    hold: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyChanged:
    """Somebody came to the call or left it."""

    kind: Kind  #: PARTY_JOINED or PARTY_LEFT
    party: str
    channel: str
    phone: str = ""
    agent: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """Another recorder was found on a call that must not be recorded."""

    kind: ClassVar[Kind] = Kind.VIOLATION
    number: int = 0  #: the how-many-th entry of the core for this call; 0: not from the core
    recorder: str
    allowed: bool = False  #: whether the call was being captured by consent at that time
    channel: str = ""
    stopped_ms: int | None = None  #: how long after it was seen it was stopped; None: it was not
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescued:
    """A caller was led out of the dialogue because something of ours failed."""

    kind: ClassVar[Kind] = Kind.RESCUED
    channel: str
    queue: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something of ours or of the PBX failed."""

    kind: ClassVar[Kind] = Kind.FAULT
    where: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The call is over."""

    kind: ClassVar[Kind] = Kind.CALL_ENDED
    outcome: Outcome
    captured_ms: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Somebody looked at, played, or took something out."""

    kind: Kind  #: ACCESS or EXPORT
    who: str
    role: str
    purpose: str
    what: str  #: "play", "show", "search", "download", "evidence", ...
    recording: str | None = None
    sha256: str | None = None  #: of what left the house
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """A recording was held, released, kept longer or destroyed."""

    kind: ClassVar[Kind] = Kind.RETENTION
    action: str  #: "hold", "release", "extend", "delete", "shred"
    recording: str
    by: str
    reason: str = ""
    until: str | None = None  #: RFC 3339 date
    certificate: str | None = None  #: SHA-256 of the certificate of destruction


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The configuration or the table of jurisdictions became another one."""

    kind: Kind  #: CONFIG_CHANGED or TABLE_CHANGED
    version: str
    sha256: str
    by: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterChanged:
    """The register of prior consents became another one."""

    kind: ClassVar[Kind] = Kind.REGISTER_CHANGED
    action: str  #: "import", "withdraw", "expire", "prefer", "remember"
    by: str
    phone: str = ""  #: E.164, where it concerns one person
    purposes: tuple[str, ...] = ()  #: none: all of them
    count: int = 0  #: consents that came or went
    refused: int = 0  #: rows of an import that were not taken
    sha256: str | None = None  #: of the imported file, or of the consents that expired
    until: str | None = None  #: RFC 3339 date
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """A controller began or ended its work."""

    kind: Kind  #: CONTROLLER_STARTED or CONTROLLER_STOPPED
    version: str
    host: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """All recording on the PBX was stopped, or allowed again."""

    kind: Kind  #: RECORDING_OFF or RECORDING_ON
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChanged:
    """From the next entry on, another key signs."""

    kind: ClassVar[Kind] = Kind.KEY_CHANGED
    old: str  #: the public key that signed until here (signed-note verifier key)
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """The database was away; the ``late`` entries before this one became durable only now."""

    kind: ClassVar[Kind] = Kind.RECOVERED
    since: str  #: RFC 3339, when the first entry could not be written
    late: int
    lost: int  #: entries that no longer fitted into memory and were dropped
    detail: str = ""


AnyBody = (
    Arrived
    | Ruled
    | Said
    | Answered
    | Consent
    | Routed
    | Capture
    | Hold
    | PartyChanged
    | CaseAssigned
    | CallPlaced
    | TakenUp
    | Payment
    | Violation
    | Rescued
    | Fault
    | Ended
    | Access
    | Retention
    | Changed
    | RegisterChanged
    | Controller
    | Switch
    | KeyChanged
    | Recovered
)

_CLASSES: dict[Kind, type[Any]] = {
    Kind.ANNOUNCEMENT_PLAYED: Said,
    Kind.QUESTION_ASKED: Said,
    Kind.CAPTURE_ORDERED: Capture,
    Kind.CAPTURE_STARTED: Capture,
    Kind.CAPTURE_CONFIRMED: Capture,
    Kind.CAPTURE_PAUSED: Capture,
    Kind.CAPTURE_VERIFIED: Capture,
    Kind.CAPTURE_EXTENDED: Capture,
    Kind.CAPTURE_RESUMED: Capture,
    Kind.CAPTURE_STOPPED: Capture,
    Kind.CAPTURE_ERASED: Capture,
    Kind.CAPTURE_FAILED: Capture,
    Kind.HOLD_SET: Hold,
    Kind.HOLD_LIFTED: Hold,
    Kind.PARTY_JOINED: PartyChanged,
    Kind.PARTY_LEFT: PartyChanged,
    Kind.ACCESS: Access,
    Kind.EXPORT: Access,
    Kind.CONFIG_CHANGED: Changed,
    Kind.TABLE_CHANGED: Changed,
    Kind.CONTROLLER_STARTED: Controller,
    Kind.CONTROLLER_STOPPED: Controller,
    Kind.RECORDING_OFF: Switch,
    Kind.RECORDING_ON: Switch,
    **{c.kind: c for c in (Arrived, Answered, Consent, Routed, Violation, Rescued, Fault, Ended, Retention)},
    **{c.kind: c for c in (KeyChanged, Recovered, RegisterChanged, Ruled, TakenUp)},
    **{c.kind: c for c in (CallPlaced, CaseAssigned, Payment)},
}
_NAMES: dict[type[Any], tuple[str, ...]] = {
    c: tuple(f.name for f in fields(c) if f.name != "kind") for c in _CLASSES.values()
}


def fields_of(body: Body) -> list[tuple[str, object]]:
    """The fields of ``body`` by name, without its kind.

    Raises:
        LedgerError: the body is of no known class, or says a kind that its class cannot say.
    """
    names = _NAMES.get(type(body))
    if names is None or _CLASSES.get(body.kind) is not type(body):
        raise LedgerError(
            f"{type(body).__name__} cannot stand in the ledger as {body.kind!r}: use the class that "
            "callguard.ledger.bodies names for this kind"
        )
    return [(name, getattr(body, name)) for name in names]


def body_of(kind: str, content: Mapping[str, Any]) -> AnyBody | None:
    """Read a stored body back; ``None`` for a kind that this version does not know.

    Fields that this version does not know are passed over, so an older program can read a newer ledger.
    """
    try:
        known = Kind(kind)
    except ValueError:
        return None
    made = _CLASSES[known]
    given = {n: _frozen(content[n]) for n in _NAMES[made] if n in content}
    if "outcome" in given:
        given["outcome"] = Outcome(given["outcome"])
    if made is Consent:
        given["form"] = Form(given["form"])
    body: AnyBody = made(kind=known, **given) if "kind" in made.__slots__ else made(**given)
    return body


def refuse_digits(form: str, value: str) -> None:
    """Refuse an answer that holds more than the one key that counts.

    Raises:
        LedgerError: more than one key, or a spoken answer with digits in it.
    """
    if (form in {"key", "button"} and len(value) > 1) or (len(value) > 1 and any(c.isdigit() for c in value)):
        raise LedgerError(
            "an answer may hold one key or one word, never the digits that a party keyed or spoke"
        )


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_frozen(member) for member in value)
    if isinstance(value, dict):
        return {name: _frozen(member) for name, member in value.items()}
    return value
