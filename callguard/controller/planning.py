"""Who calls, whom, and for which queue -> the plan of the call. Here the law meets the site's own choices.

The plan is made in memory while the caller waits, so nothing here touches a disk: the table of
jurisdictions and the library of prompts were loaded before.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace

from callguard.config import Config
from callguard.consent.words import Basis, Form, OnRefusal, Outcome, Plan, Prompt
from callguard.law import Flag, PartyFacts, Ruling, Table, rule_for
from callguard.prompts.build import Needed
from callguard.prompts.facts import Duration, Facts
from callguard.prompts.library import Library, in_turn

#: Flags of the law that change what is said. ``needed`` builds a prompt for every mixture of them.
SPOKEN = (Flag.STATE_RETENTION, Flag.EQUAL_SERVICE)
EQUAL = frozenset({Flag.EQUAL_SERVICE, Flag.NO_PENALTY})

#: From the mildest to the strictest.
FORMS = tuple(Form)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is known of a call when it arrives. The numbers are as the PBX gave them: anything."""

    queue: str
    caller: str
    called: str = ""
    customer: str | None = None  #: code of the customer's own address, from the dialplan


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The plan, and what it rests on."""

    plan: Plan
    ruling: Ruling
    concern: str = ""  #: why nothing may be captured although nobody refused


class Planner:
    """Makes plans. Replaced as a whole when configuration, table or prompts change."""

    def __init__(self, config: Config, table: Table, library: Library) -> None:
        self.config = config
        self.table = table
        self.library = library

    def plan(self, request: Request, *, switched_off: bool = False) -> Planned:
        """The plan for a call.

        Raises:
            PromptError: a prompt that the plan needs was not built or is damaged: nothing may be captured.
        """
        config, queue = self.config, self.config.queues[request.queue]
        ruling = rule_for(self.table, self._parties(request), region=config.site.country)
        form = max(Form(ruling.form.value), Form(queue.minimum_form), key=FORMS.index)
        silent = Plan(
            form=form,
            basis=basis_of(ruling),
            recorded_queue=config.recorded_queue(request.queue),
            unrecorded_queue=config.unrecorded_queue(request.queue),
            on_refusal=OnRefusal(queue.on_refusal),
            capture=False,
            uncaptured=Outcome.SWITCHED_OFF,
        )
        if switched_off:
            return Planned(plan=silent, ruling=ruling)
        if ruling.conflict is not None:
            plan = replace(silent, uncaptured=Outcome.FAULT)
            return Planned(plan=plan, ruling=ruling, concern=str(ruling.conflict))
        return Planned(plan=self._speaking(silent, request.queue, ruling), ruling=ruling)

    def unplanned(self, queue: str) -> Plan:
        """A plan that says nothing and captures nothing, for calls that cannot be planned."""
        basis = Basis(jurisdictions=(), rule="", table=self.table.identity)
        return Plan(
            form=Form.EXPLICIT,
            basis=basis,
            recorded_queue=self.config.recorded_queue(queue),
            unrecorded_queue=self.config.unrecorded_queue(queue),
            capture=False,
            uncaptured=Outcome.FAULT,
        )

    def _parties(self, request: Request) -> list[PartyFacts]:
        site = self.config.site
        agents = self.config.queues[request.queue].agents or site.agents or site.recorder
        return [
            PartyFacts(role="caller", number=request.caller, record=request.customer),
            # Our own number is evidence of where we are; one that says nothing leaves our site.
            PartyFacts(role="called", number=request.called or None, site=site.recorder),
            PartyFacts(role="agent", site=agents),
            PartyFacts(role="recorder", site=site.recorder),
        ]

    def _languages(self, queue: str, ruling: Ruling) -> tuple[str, ...]:
        """The languages to speak, in order: the queue's first, and whatever the law puts before it."""
        usual = self.config.languages(queue)[:1]
        if Flag.FRENCH_FIRST in ruling.flags:
            return tuple(dict.fromkeys(("fr", *usual)))
        return usual

    def _speaking(self, silent: Plan, queue: str, ruling: Ruling) -> Plan:
        """The plan with everything that is said and asked on such a call."""
        form, dialogue = silent.form, self.config.dialogue
        facts = facts_for(self.config, queue, ruling.flags)
        languages = self._languages(queue, ruling)

        def say(*names: str) -> Prompt:
            return in_turn([self.library.prompt(name, lang, facts) for lang in languages for name in names])

        asks = form in {Form.EXPLICIT, Form.OPT_OUT}
        question = "question-opt-out" if form is Form.OPT_OUT else "question"
        announcement = ("announcement", "leave") if form is Form.IMPLIED else ("announcement",)
        return replace(
            silent,
            capture=True,
            announcement=None if form is Form.NONE else say(*announcement),
            question=say(question) if asks else None,
            invalid=say("invalid") if asks else None,
            thanks=say("thanks") if asks and dialogue.thank else None,
            unrecorded=say("unrecorded") if dialogue.say_unrecorded else None,
            alternatives=say("alternatives") if facts.alternatives else None,
            yes_keys=frozenset({dialogue.yes_key}),
            no_keys=frozenset({dialogue.no_key}),
            attempts=dialogue.attempts,
            answer_seconds=dialogue.answer_seconds,
            leave_seconds=dialogue.leave_seconds,
            commit_seconds=dialogue.commit_seconds,
            confirm_seconds=dialogue.confirm_seconds,
            keys_cut_question=dialogue.keys_cut_question,
        )


def basis_of(ruling: Ruling) -> Basis:
    """Why this plan, for the ledger."""
    return Basis(
        jurisdictions=ruling.jurisdictions,
        rule=ruling.rule.value,
        table=ruling.table,
        statutes=ruling.statutes,
        flags=frozenset(flag.value for flag in ruling.flags),
    )


def facts_for(config: Config, queue: str, flags: frozenset[Flag]) -> Facts:
    """What has to be said on a call to this queue under a law with these flags."""
    settings, dialogue = config.queues[queue], config.dialogue
    elsewhere = settings.on_refusal == "alternatives"
    return Facts(
        controller=config.site.name,
        purposes=settings.purposes,
        retention=Duration.of_days(settings.retention_days) if Flag.STATE_RETENTION in flags else None,
        equal_service=bool(flags & EQUAL) and not elsewhere,
        yes_key=dialogue.yes_key,
        no_key=dialogue.no_key,
        alternatives=(settings.alternatives or "") if elsewhere else "",
    )


def needed(config: Config) -> Iterable[Needed]:
    """Every prompt that some call to some queue can need, for `callguard prompts build`."""
    mixtures = [
        frozenset(chosen)
        for count in range(len(SPOKEN) + 1)
        for chosen in itertools.combinations(SPOKEN, count)
    ]
    for queue in config.queues:
        # French may have to come first wherever a caller can ring from.
        for language in dict.fromkeys((config.languages(queue)[0], "fr")):
            for flags in mixtures:
                facts = facts_for(config, queue, flags)
                for name in NAMES:
                    if name != "alternatives" or facts.alternatives:
                        yield Needed(name=name, language=language, facts=facts)


NAMES = (
    "announcement",
    "leave",
    "question",
    "question-opt-out",
    "invalid",
    "thanks",
    "unrecorded",
    "alternatives",
)
