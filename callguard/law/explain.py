"""Why this call is handled as it is: a plain structure for people, logs and other programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from callguard.law.ruling import PartyRuling, Ruling
from callguard.law.terms import Admission


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptText:
    """The exact words that are spoken, as whoever renders the prompts gives them."""

    name: str
    language: str
    text: str


def explain(
    ruling: Ruling, prompts: Sequence[PromptText] = (), admission: Admission | None = None
) -> dict[str, Any]:
    """The ruling of one call as JSON can hold it. Codes are those of the table.

    Args:
        ruling: what :func:`callguard.law.rule_for` found.
        prompts: what is spoken, in order.
        admission: what became of the queue's terms, when a queue is known.
    """
    form = admission.form if admission else ruling.form
    plan: dict[str, Any] = {
        "rule": str(ruling.rule),
        "form": str(form),
        "flags": sorted(str(flag) for flag in ruling.flags),
        "languages": list(ruling.languages),
        "retention_days": {"min": ruling.retention_min_days, "max": ruling.retention_max_days},
        "prompts": [
            {"name": prompt.name, "language": prompt.language, "text": prompt.text} for prompt in prompts
        ],
        "conflict": str(ruling.conflict) if ruling.conflict else None,
        "table": ruling.table,
    }
    if admission:
        plan |= {
            "capture": admission.capture,
            "purposes": list(admission.purposes),
            "basis": admission.basis,
            "duty": admission.duty,
            "exception": str(admission.exception) if admission.exception else None,
            "on_refusal": str(admission.refusal),
            "kept_days": admission.retention_days,
            "objections": [
                {"what": objection.what, "fix": objection.fix, "forbids": objection.forbids}
                for objection in admission.objections
            ],
        }
    return {"parties": [_party(party) for party in ruling.parties], "plan": plan}


def _party(party: PartyRuling) -> dict[str, Any]:
    return {
        "role": party.role,
        "number": party.number,
        "jurisdiction": party.jurisdiction,
        "evidence": str(party.evidence),
        "rule": str(party.rule),
        "form": str(party.form),
        "statute": list(party.statute),
        "source": list(party.source),
        "considered": [
            {"jurisdiction": one.jurisdiction, "evidence": str(one.evidence)} for one in party.considered
        ],
        "note": party.note,
    }


def plain(value: Any) -> Any:
    """Any value of this room as JSON can hold it, sets in the order of the alphabet."""
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, frozenset):
        return sorted(map(plain, value))
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, StrEnum | date) else value
