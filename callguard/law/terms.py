"""What the configuration says about one queue, and what becomes of it on one call."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from callguard.law.demands import Demands
from callguard.law.flags import Flag
from callguard.law.words import Form


class ExceptionKind(StrEnum):
    """Why consent is not needed, where a law knows such exceptions."""

    DEBT = "debt"  #: collecting a debt; the caller is still told
    FRAUD = "fraud"  #: looking into a possible fraud; telling would warn
    ACCURACY = "accuracy"  #: knowing would spoil the accuracy of what is said


class Refusal(StrEnum):
    """What happens to somebody who refuses. The words of the core."""

    UNRECORDED_QUEUE = "unrecorded-queue"
    SAME_QUEUE = "same-queue"
    ALTERNATIVES = "alternatives"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Somebody answers for it. Both are asked for; empty text is no approval."""

    approved_by: str
    reason: str

    def __bool__(self) -> bool:
        return bool(self.approved_by.strip() and self.reason.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the configuration says about one queue."""

    purposes: tuple[str, ...]  #: the main one first
    basis: str | None = None
    minimum_form: Form = Form.NONE
    sample_percent: float = 100.0
    every_call: Approval | None = None  #: why all calls are needed, where a law wants a sample
    exception: ExceptionKind | None = None
    exception_approval: Approval | None = None
    duty: Approval | None = None  #: recording is a duty on this queue
    refusal: Refusal = Refusal.UNRECORDED_QUEUE
    alternatives: bool = False  #: there is something to tell refusers of
    retention_days: int | None = None
    staff_line: bool = False  #: staff have a phone that is never recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """Something in a queue's terms that the law of the call does not bear."""

    flag: Flag | None
    what: str
    fix: str
    forbids: bool = False  #: the call is not recorded; otherwise it is recorded on the stricter terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """The terms on which this call may be recorded, if it may."""

    capture: bool
    form: Form
    purposes: tuple[str, ...]  #: announced, and tagged on the recording
    basis: str | None
    duty: bool  #: told, not asked, and a refuser is not served unrecorded
    exception: ExceptionKind | None  #: applied to at least one party
    refusal: Refusal
    retention_days: int | None  #: how long the recording is kept; ``None``: no law and no queue says
    demands: Demands
    objections: tuple[Objection, ...]
