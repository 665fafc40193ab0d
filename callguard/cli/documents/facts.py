"""What the live configuration, the table and the prompts say about a site, for its written documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from callguard.cli.explaining import parties_of, words_of
from callguard.cli.prompts import texts_of
from callguard.config import Config, Queue
from callguard.controller.planning import Planned, Planner
from callguard.controller.terms import agents_at
from callguard.law import ANSWERS, UNKNOWN, Jurisdiction, PromptText, Refusal, Table
from callguard.law.flags import Answer, Flag
from callguard.law.words import Confidence
from callguard.prompts.script import Script


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """How a queue treats callers from some places: alike, so told once."""

    places: tuple[str, ...]  #: codes
    form: str
    recorded: bool
    why_not: str  #: why they are not recorded at all
    purposes: tuple[str, ...]
    basis: str | None
    duty: bool
    exception: str | None
    refusal: Refusal
    kept_days: int | None
    words: tuple[PromptText, ...]  #: exactly what they can hear, in order
    concerns: tuple[str, ...]  #: what the law takes from the queue's settings without forbidding


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFacts:
    """One queue."""

    name: str
    settings: Queue
    recorded: str  #: Asterisk's queue for those who agreed
    unrecorded: str  #: and for everybody else
    agents: str  #: code of the place where they are
    languages: tuple[str, ...]
    treatments: tuple[Treatment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFacts:
    """Everything that the documents rest on."""

    config: Config
    table: Table
    made: date
    queues: tuple[QueueFacts, ...]
    places: tuple[Jurisdiction, ...]  #: whose law is applied: ours first, then the callers'
    counted: bool  #: whether the callers' places were taken from past calls
    flags: Mapping[Flag, Answer]  #: of all these places
    overdue: tuple[str, ...]  #: codes of entries that counsel should read again
    blanks: tuple[str, ...]  #: keys of the configuration that would name somebody, and do not


def site_facts(
    config: Config, table: Table, callers: Sequence[str], *, made: date, counted: bool = False
) -> SiteFacts:
    """Work out how callers are treated.

    Args:
        config: the live configuration.
        table: the table of jurisdictions in force.
        callers: codes of the places that callers come from; callers from nowhere are always looked at.
        made: the day on the documents.
        counted: whether the callers' places are those of past calls.

    Raises:
        PromptError: the words of a queue cannot be said, with the reason.
    """
    script = Script(texts_of(config))
    planner = Planner(config, table, script)
    codes = tuple(dict.fromkeys((*(table.resolve(code) for code in callers), UNKNOWN)))
    queues = tuple(_queue(planner, script, name, codes) for name in config.queues)
    ours = (config.site.recorder, *(queue.agents for queue in queues))
    places = tuple(
        table.effective(code) for code in dict.fromkeys((*(table.resolve(one) for one in ours), *codes))
    )
    used = frozenset[Flag]().union(*(place.flags for place in places))
    return SiteFacts(
        config=config,
        table=table,
        made=made,
        queues=queues,
        places=places,
        counted=counted,
        flags={flag: answer for flag, answer in sorted(ANSWERS.items()) if flag in used},
        overdue=tuple(
            place.code
            for place in places
            if place.code != UNKNOWN and (place.review_by < made or place.confidence is Confidence.LOW)
        ),
        blanks=tuple(
            f"policy.{key}" for key in ("owner", "contact", "officer") if getattr(config.policy, key) is None
        ),
    )


def _queue(planner: Planner, script: Script, name: str, codes: Sequence[str]) -> QueueFacts:
    config = planner.config
    alike: dict[tuple[tuple[str, Any], ...], list[str]] = {}
    for code in codes:
        planned = planner.for_parties(name, parties_of(config, caller="", record=code, queue=name))
        alike.setdefault(tuple(_treatment(planned, script).items()), []).append(code)
    return QueueFacts(
        name=name,
        settings=config.queues[name],
        recorded=config.recorded_queue(name),
        unrecorded=config.unrecorded_queue(name),
        agents=agents_at(config, name),
        languages=config.languages(name),
        treatments=tuple(Treatment(places=tuple(places), **dict(how)) for how, places in alike.items()),
    )


def _treatment(planned: Planned, script: Script) -> dict[str, Any]:
    admission = planned.admission
    return {
        "form": str(admission.form),
        "recorded": planned.plan.capture,
        "why_not": planned.concern,
        "purposes": admission.purposes,
        "basis": admission.basis,
        "duty": admission.duty,
        "exception": None if admission.exception is None else str(admission.exception),
        "refusal": admission.refusal,
        "kept_days": admission.retention_days,
        "words": tuple(words_of(planned.plan, script)),
        "concerns": tuple(
            f"{objection.what}: {objection.fix}"
            for objection in admission.objections
            if not objection.forbids
        ),
    }
