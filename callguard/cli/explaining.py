"""One call explained without a PBX: its parties, from command line and configuration, and its words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from callguard.cli.prompts import texts_of
from callguard.config import Config, loads
from callguard.consent.words import Form
from callguard.controller.planning import facts_for
from callguard.controller.terms import terms_of
from callguard.law import (
    Admission,
    PartyFacts,
    PromptText,
    Ruling,
    Table,
    admit,
    announce_in,
    explain,
    rule_for,
)

#: A site that has said nothing about itself, to explain the law alone.
NOBODY = """
site: {name: this company, country: US}
asterisk: {ari: {password: unused}, ami: {password: unused}}
queues: {calls: {}}
"""


def parties_of(
    config: Config | None,
    *,
    caller: str,
    called: str | None = None,
    record: str | None = None,
    chosen: str | None = None,
    agent: str | None = None,
    recorder: str | None = None,
    queue: str | None = None,
) -> list[PartyFacts]:
    """Everybody on the call. What the command line does not say of our own side, the configuration does."""
    if config:
        recorder = recorder or config.site.recorder
        agent = agent or (config.queues[queue].agents if queue else None) or config.site.agents or recorder
    found = [PartyFacts(role="caller", number=caller, record=record, chosen=chosen)]
    if called is not None or config:
        found.append(PartyFacts(role="called", number=called, site=recorder if config else None))
    found += [
        PartyFacts(role=role, site=site) for role, site in (("agent", agent), ("recorder", recorder)) if site
    ]
    return found


def explanation(
    table: Table, config: Config | None, parties: list[PartyFacts], queue: str | None
) -> dict[str, Any]:
    """The structure of ``callguard law explain --json``.

    Raises:
        PromptError: the words of the plan cannot be said, with the reason.
    """
    ruling = rule_for(table, parties, region=config.site.country if config else None)
    admission = admit(table, ruling, terms_of(config, queue)) if config and queue else None
    spoken = tuple(_words(config or loads(NOBODY), queue, ruling, admission))
    return explain(ruling, spoken, admission)


def _words(
    config: Config, queue: str | None, ruling: Ruling, admission: Admission | None
) -> Iterator[PromptText]:
    """Every prompt that such a call can hear, in the order in which it can hear them."""
    texts = texts_of(config)
    named = queue or next(iter(config.queues))
    form = Form((admission.form if admission else ruling.form).value)
    facts = facts_for(config, named, ruling.flags)
    if admission and admission.purposes:
        facts = replace(facts, purposes=admission.purposes)
    # Nobody configured a language for the law alone: then every shipped one is spoken, English by default.
    served = config.languages(named) if queue else tuple(dict.fromkeys(("en", *texts.languages)))
    names = {
        Form.NONE: (),
        Form.NOTICE: ("announcement",),
        Form.IMPLIED: ("announcement", "leave"),
        Form.OPT_OUT: ("announcement", "question-opt-out", "invalid", "thanks"),
        Form.EXPLICIT: ("announcement", "question", "invalid", "thanks"),
    }[form]
    if form is not Form.NONE:
        names = (*names, "alternatives") if facts.alternatives else (*names, "unrecorded")
    for name in names:
        for language in announce_in(ruling, served).languages:
            yield PromptText(name=name, language=language, text=texts.render(name, language, facts))
