"""The configuration of a queue in the words of the law, and the law's answer in those of the ledger."""

from __future__ import annotations

from callguard.config import Config
from callguard.config.models import Approved
from callguard.law import Admission, Approval, ExceptionKind, Form, Refusal, Ruling, Terms
from callguard.ledger.bodies import Ruled


def terms_of(config: Config, queue: str) -> Terms:
    """What the configuration says about a queue, for :func:`callguard.law.admit`."""
    settings = config.queues[queue]
    exception = settings.exception
    return Terms(
        purposes=settings.purposes,
        basis=settings.lawful_basis,
        minimum_form=Form(settings.minimum_form),
        sample_percent=settings.sample_percent,
        every_call=_approval(settings.every_call),
        exception=ExceptionKind(exception.kind) if exception else None,
        exception_approval=_approval(exception),
        duty=_approval(settings.duty),
        refusal=Refusal(settings.on_refusal),
        alternatives=settings.alternatives is not None,
        retention_days=settings.retention_days,
        staff_line=bool(config.site.staff_lines),
    )


def agents_at(config: Config, queue: str) -> str:
    """The jurisdiction that the queue's agents are in."""
    return config.queues[queue].agents or config.site.agents or config.site.recorder


def agents_agreed(config: Config, queue: str) -> bool:
    """Whether the queue's agents have agreed to being recorded, where a law wants that of them too."""
    return agents_at(config, queue) in config.site.agent_consents


def other_ways(config: Config, queue: str, *, duty: bool) -> str:
    """The key of ``prompts.alternatives`` that a refuser of this queue hears; empty: there is none."""
    settings = config.queues[queue]
    named = (settings.other_channel or settings.alternatives) if duty else settings.alternatives
    return named or ""


def ruled(ruling: Ruling, admission: Admission, *, sampled: bool | None = None) -> Ruled:
    """What was decided on a call before anybody was asked, for the ledger and `callguard law coverage`."""
    exception = admission.exception
    return Ruled(
        parties=tuple(
            {"role": party.role, "jurisdiction": party.jurisdiction, "evidence": str(party.evidence)}
            for party in ruling.parties
        ),
        form=str(admission.form),
        table=ruling.table,
        allowed=admission.capture,
        purposes=admission.purposes,
        basis=admission.basis,
        duty=admission.duty,
        exception=None if exception is None else str(exception),
        kept_days=admission.retention_days,
        sampled=sampled,
        objections=tuple(objection.what for objection in admission.objections),
    )


def _approval(given: Approved | None) -> Approval | None:
    return Approval(approved_by=given.approved_by, reason=given.reason) if given else None
