"""One call explained without a PBX: its parties, from command line and configuration, and its words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from callguard.cli.prompts import texts_of
from callguard.config import Config, loads
from callguard.consent.words import Plan
from callguard.controller.planning import Planner
from callguard.controller.terms import agents_at, terms_of
from callguard.law import PartyFacts, PromptText, Ruling, Table, admit, demands, explain, rule_for
from callguard.prompts.script import Script

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
    if config is not None and queue is not None:
        script = Script(texts_of(config))
        planned = Planner(config, table, script).for_parties(queue, parties)
        answer = explain(planned.ruling, tuple(words_of(planned.plan, script)), planned.admission)
        answer["plan"]["concern"] = planned.concern or None
        return answer
    ruling = rule_for(table, parties, region=config.site.country if config else None)
    return explain(ruling, tuple(_law_alone(table, ruling, config or loads(NOBODY))), None)


def _law_alone(table: Table, ruling: Ruling, config: Config) -> Iterator[PromptText]:
    """What the law wants said, whatever a queue is set up to do: its form, in every shipped language."""
    texts = texts_of(config)
    script = Script(texts)
    named, settings = next(iter(config.queues.items()))
    # Nobody named a queue, so nobody named languages: every shipped one is spoken, English by default.
    served = tuple(dict.fromkeys(("en", *texts.languages)))
    site = config.site.model_copy(update={"agent_consents": (agents_at(config, named),)})
    queues = {named: settings.model_copy(update={"languages": served})}
    planner = Planner(config.model_copy(update={"site": site, "queues": queues}), table, script)
    terms = terms_of(planner.config, named)
    admission = replace(
        admit(table, ruling, terms),
        capture=True,
        form=demands(ruling).form,
        purposes=terms.purposes,
        duty=False,
        refusal=terms.refusal,
    )
    yield from words_of(planner.admitted(named, ruling, admission).plan, script)


def words_of(plan: Plan, script: Script) -> Iterator[PromptText]:
    """Every prompt that such a call can hear, in the order in which it can hear them."""
    prompts = [
        plan.announcement,
        plan.question,
        plan.invalid,
        plan.thanks,
        plan.unrecorded,
        plan.alternatives,
    ]
    if plan.spoken is not None:
        prompts += [plan.spoken.question, plan.spoken.unheard, plan.spoken.thanks]
    for prompt in prompts:
        if prompt is not None:
            for name, language, text in script.parts(prompt):
                yield PromptText(name=name, language=language, text=text)
