"""What a queue wants to record for, held against the law of the call.

Decided 2026-11, **what a law does not allow is taken away, never argued with**: a purpose is dropped, a form
is raised, a basis falls back to consent, or the call is not recorded, and each of these leaves an objection
that says what to configure. Refusing to start lost, because one caller from elsewhere would then need a new
configuration; recording with a warning lost, because nobody reads warnings about calls that worked.

Exceptions (debt, fraud, accuracy) and duties to record are off unless a named person approved them with a
reason. They loosen only the laws that know them: a caller from anywhere else is asked as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from callguard.law.demands import Demands, Say, demands
from callguard.law.flags import Flag
from callguard.law.ruling import Ruling
from callguard.law.table import Table
from callguard.law.terms import Admission, ExceptionKind, Objection, Refusal, Terms
from callguard.law.words import Form, Jurisdiction

#: Purposes that are no basis by themselves, and need consent where ``training_requires_consent`` is set.
SELF_SERVING = frozenset({"training", "quality"})
#: Purposes that are evidence of business.
EVIDENCE = frozenset({"proof-of-contract", "dispute-resolution", "legal-duty"})
#: Purposes that callguard refuses: it makes no voiceprints.
REFUSED = frozenset({"voiceprint", "identity", "biometrics"})
CONSENT, LEGAL_OBLIGATION = "consent", "legal_obligation"
#: Lawful bases under which a duty to record can stand; Swiss law calls it ``law``.
_DUTY_BASES = frozenset({LEGAL_OBLIGATION, "law"})
#: The list entry by which Canadian laws know the exceptions below (PIPEDA, s. 7).
_EXCEPTION_BASIS = "pipeda_exception"
#: Parties on the business's side: laws about staff look at these.
OURS = frozenset({"agent", "recorder"})


def admit(table: Table, ruling: Ruling, terms: Terms) -> Admission:
    """Hold a queue's terms against the ruling of one call. Pure."""
    entries = tuple(table.effective(code) for code in ruling.jurisdictions)
    asked = demands(ruling)
    objections: list[Objection] = []
    duty = _duty(entries, terms, objections)
    exception = _exception(ruling, entries, terms, objections)
    basis = LEGAL_OBLIGATION if duty else terms.basis
    if basis is None and Flag.LAWFUL_BASIS in ruling.flags:
        basis = CONSENT
        objections.append(
            Objection(
                flag=Flag.LAWFUL_BASIS,
                what="the queue names no lawful basis: consent is taken, and asked for",
                fix="set lawful_basis on the queue",
            )
        )
    objections += _against_basis(entries, terms)
    form = _form(entries, terms, basis=basis, duty=duty, exception=exception)
    consented = form is Form.EXPLICIT and basis in {None, CONSENT}
    purposes = _purposes(ruling, terms, consented=consented, into=objections)
    objections += _against_call(ruling, entries, terms, asked, duty=duty)
    return Admission(
        capture=not any(objection.forbids for objection in objections),
        form=form,
        purposes=purposes,
        basis=basis,
        duty=duty,
        exception=exception,
        refusal=_refusal(asked, terms, duty=duty),
        retention_days=retention_days(ruling, terms.retention_days),
        demands=replace(asked, form=form),
        objections=tuple(objections),
    )


def retention_days(ruling: Ruling, wanted: int | None) -> int | None:
    """How long to keep: what the queue wants, within what the laws allow and ask. In a conflict, nothing."""
    if ruling.conflict:
        return None
    low, high = ruling.retention_min_days, ruling.retention_max_days
    days = wanted if wanted is not None else high
    if days is not None and high is not None:
        days = min(days, high)
    if low is not None:
        days = max(days if days is not None else low, low)
    return days


def _duty(entries: tuple[Jurisdiction, ...], terms: Terms, into: list[Objection]) -> bool:
    if terms.duty is None:
        if terms.basis in _DUTY_BASES:
            into.append(
                Objection(
                    flag=None,
                    what=f"the basis {terms.basis} without a duty that somebody answers for",
                    fix="give the queue a duty with approved_by and reason",
                    forbids=True,
                )
            )
        return False
    if not terms.duty:
        into.append(
            Objection(
                flag=None,
                what="a duty to record without approver and reason",
                fix="give it approved_by (a person) and reason",
            )
        )
        return False
    if any(_knows_duty(entry) for entry in entries):
        return True
    into.append(
        Objection(
            flag=Flag.MANDATORY_SECTORS,
            what="no law of the parties knows a duty to record",
            fix="drop the duty, or override the jurisdiction whose law imposes it",
        )
    )
    return False


def _knows_duty(entry: Jurisdiction) -> bool:
    return Flag.MANDATORY_SECTORS in entry.flags or bool(_DUTY_BASES & set(entry.bases))


def _exception(
    ruling: Ruling, entries: tuple[Jurisdiction, ...], terms: Terms, into: list[Objection]
) -> ExceptionKind | None:
    if terms.exception is None:
        return None
    flag = None
    if not terms.exception_approval:
        what, fix = "without approver and reason", "give it approved_by (a person) and reason"
    elif not any(_EXCEPTION_BASIS in entry.bases for entry in entries):
        what, fix = "is known to no law of the parties", "nothing to do: the caller is asked as ever"
    elif Flag.PURPOSE_BOUND in ruling.flags and len(terms.purposes) > 1:
        flag = Flag.PURPOSE_BOUND
        what, fix = "is lost when there is a second purpose", "give that queue a single purpose"
    else:
        return terms.exception
    into.append(Objection(flag=flag, what=f"the exception {terms.exception} {what}", fix=fix))
    return None


def _form(
    entries: tuple[Jurisdiction, ...],
    terms: Terms,
    *,
    basis: str | None,
    duty: bool,
    exception: ExceptionKind | None,
) -> Form:
    """The strictest form, each law loosened only by what it knows itself."""
    forms = [terms.minimum_form]
    for entry in entries:
        if duty and _knows_duty(entry):
            forms.append(Form.NOTICE)
        elif exception and _EXCEPTION_BASIS in entry.bases:
            forms.append(Form.NOTICE if exception is ExceptionKind.DEBT else Form.NONE)
        else:
            forms.append(_entry_form(entry, terms, basis))
    return max(forms, key=lambda form: form.strictness)


def _entry_form(entry: Jurisdiction, terms: Terms, basis: str | None) -> Form:
    if Flag.LAWFUL_BASIS in entry.flags and basis == CONSENT:
        return Form.EXPLICIT  # GDPR 4(11) and 7: consent is an act; staying on the line is none
    if Flag.TRAINING_CONSENT in entry.flags and SELF_SERVING & set(terms.purposes):
        return Form.EXPLICIT
    if entry.flags & {Flag.ACTIVE_OPT_IN, Flag.CONSENT_BEFORE_CAPTURE}:
        return Form.EXPLICIT
    return entry.form


def _against_basis(entries: tuple[Jurisdiction, ...], terms: Terms) -> Iterator[Objection]:
    basis = terms.basis
    if basis is None:
        return
    if basis in SELF_SERVING | EVIDENCE:
        yield Objection(
            flag=Flag.LAWFUL_BASIS,
            what=f"{basis} is a purpose and no lawful basis",
            fix="name one of the lawful bases, or leave it out and ask for consent",
            forbids=True,
        )
        return
    refusing = [
        entry.code for entry in entries if Flag.LAWFUL_BASIS in entry.flags and basis not in entry.bases
    ]
    if refusing:
        yield Objection(
            flag=Flag.LAWFUL_BASIS,
            what=f"{basis} is no lawful basis in {', '.join(refusing)}",
            fix="name one that `callguard law show` lists for it",
            forbids=True,
        )


def _purposes(ruling: Ruling, terms: Terms, *, consented: bool, into: list[Objection]) -> tuple[str, ...]:
    """The purposes that are left, each loss with its objection; none left forbids the recording."""
    left = terms.purposes

    def only(flag: Flag | None, keep: Callable[[str], bool], why: str, fix: str) -> None:
        nonlocal left
        lost = [purpose for purpose in left if not keep(purpose)]
        left = tuple(purpose for purpose in left if keep(purpose))
        if lost:
            into.append(Objection(flag=flag, what=f"{', '.join(lost)} {why}", fix=fix, forbids=not left))

    only(
        None, lambda p: p not in REFUSED, "would need a voiceprint", "drop that purpose: callguard makes none"
    )
    if Flag.START_LATE in ruling.flags:
        only(
            Flag.START_LATE,
            lambda p: p != "proof-of-contract",
            "may be recorded only from the moment that the talk turns to the contract",
            "record the conclusion of contracts on a queue of its own, transferred to at that moment",
        )
    if Flag.EVIDENCE_ONLY in ruling.flags and not consented:
        only(
            Flag.EVIDENCE_ONLY,
            lambda p: p in EVIDENCE,
            "is more than evidence of business",
            "set lawful_basis: consent on the queue, so that the caller is asked",
        )
    if Flag.CONSENT_PER_PURPOSE in ruling.flags and left:
        first = left[0]
        only(
            Flag.CONSENT_PER_PURPOSE,
            lambda p: p == first,
            "would need a consent of its own",
            "put the purpose that matters most in front",
        )
    return left


def _against_call(
    ruling: Ruling, entries: tuple[Jurisdiction, ...], terms: Terms, asked: Demands, *, duty: bool
) -> Iterator[Objection]:
    """What forbids recording this call altogether."""
    if ruling.conflict:
        yield Objection(
            flag=None, what=str(ruling.conflict), fix="decide it in an override, with approver", forbids=True
        )
    blanket = terms.sample_percent >= 100 and not terms.every_call and not duty
    if Flag.NO_BLANKET in ruling.flags and blanket:
        yield Objection(
            flag=Flag.NO_BLANKET,
            what="every call of the queue would be recorded",
            fix="set sample_percent below 100, or every_call with approved_by and reason",
            forbids=True,
        )
    if Say.RETENTION in asked.say and retention_days(ruling, terms.retention_days) is None:
        yield Objection(
            flag=Flag.STATE_RETENTION,
            what="how long the recording is kept has to be said",
            fix="set retention_days on the queue",
            forbids=not ruling.conflict,
        )
    ours = {
        considered.jurisdiction
        for party in ruling.parties
        if party.role in OURS
        for considered in party.considered
    }
    staffed = [entry.code for entry in entries if Flag.STAFF_LINE in entry.flags and entry.code in ours]
    if staffed and not terms.staff_line:
        yield Objection(
            flag=Flag.STAFF_LINE,
            what=f"staff in {', '.join(staffed)} have no phone that is not recorded",
            fix="name one in the configuration",
            forbids=True,
        )


def _refusal(asked: Demands, terms: Terms, *, duty: bool) -> Refusal:
    """What a refuser gets: a duty outweighs equal service, and nobody is sent to ways that do not exist."""
    if duty:
        return Refusal.ALTERNATIVES
    if terms.refusal is Refusal.ALTERNATIVES and (asked.serve_refusers or not terms.alternatives):
        return Refusal.UNRECORDED_QUEUE
    return terms.refusal
