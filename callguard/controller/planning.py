"""Who calls, whom, and for which queue -> the plan of the call. Here the law meets the site's own choices.

The plan is made in memory while the caller waits, so nothing here touches a disk: the table of
jurisdictions, the register of consents and the library of prompts were loaded before. Plans for the
same queue and the same places are the same, so they are made once; only what depends on the very call
(sampling, a prior consent) is added each time.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import structlog

from callguard.config import Config
from callguard.consent.words import Basis, Form, OnRefusal, Outcome, Plan, Prompt, Spoken
from callguard.controller.register import Register
from callguard.controller.terms import agents_agreed, agents_at, other_ways, terms_of
from callguard.controller.tones import tone_interval
from callguard.errors import PromptError
from callguard.law import (
    Admission,
    Flag,
    PartyFacts,
    Refusal,
    Ruling,
    Say,
    Table,
    admit,
    announce_in,
    locate,
    rule_for,
    sampled,
)
from callguard.prompts.build import Needed
from callguard.prompts.facts import Duration, Facts
from callguard.prompts.library import Library, in_turn
from callguard.prompts.phrasing import TO_AGENTS
from callguard.speech import Limits

log = structlog.get_logger(__name__)

#: How many plans are kept. A site sees a few dozen places; a flood of odd numbers must not fill memory.
KEPT_PLANS = 2000

#: What a recogniser's result may need besides on its way to the decision (seconds).
SPEECH_SLACK = 1.0

#: Forms in which a person who says nothing has agreed.
SILENT = frozenset({Form.NOTICE.value, Form.IMPLIED.value, Form.OPT_OUT.value})

#: A number with fewer digits is an extension, not a line of the public network (E.164 has none that short
#: with its area code).
SHORTEST_NUMBER = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is known of a call when it arrives. The numbers are as the PBX gave them: anything."""

    queue: str
    caller: str
    called: str = ""
    customer: str | None = None  #: code of the customer's own address, from the dialplan
    outbound: bool = False  #: we called; ``caller`` is then who was called, and ``called`` is nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The plan, and what it rests on."""

    plan: Plan
    ruling: Ruling
    admission: Admission
    concern: str = ""  #: why nothing may be captured although nobody refused
    sampled: bool | None = None  #: whether this call is among those that are recorded; None: nobody asked


class Planner:
    """Makes plans. Replaced as a whole when configuration, table or prompts change."""

    def __init__(
        self, config: Config, table: Table, library: Library, register: Register | None = None
    ) -> None:
        self.config = config
        self.table = table
        self.library = library
        self._register = register
        self._terms = {queue: terms_of(config, queue) for queue in config.queues}
        self._kept: dict[tuple[object, ...], Planned] = {}
        #: Whether somebody listens to callers in a language now. Until it is set, nobody does.
        self.hears: Callable[[str], bool] = lambda _: False

    def plan(self, request: Request, call: str, *, switched_off: bool = False) -> Planned:
        """The plan for a call; ``call`` is its id, by which sampling is decided.

        Raises:
            PromptError: a prompt that the plan needs was not built or is damaged: nothing may be captured.
        """
        now = datetime.now(UTC)
        wish = self._register.preference(request.caller, now) if self._register else None
        planned = self._for_places(request, wish.language if wish else None)
        if switched_off:
            return replace(planned, plan=silent(planned.plan, Outcome.SWITCHED_OFF))
        plan = planned.plan
        if not plan.capture:
            return planned
        if wish is not None and wish.never and not plan.duty:
            return replace(planned, plan=silent(plan, Outcome.REFUSED))
        if self.config.queues[request.queue].announced_by == "agent" and not request.outbound:
            return replace(planned, plan=silent(plan, Outcome.AGENT_ASKS))
        chosen = sampled(call, self.config.queues[request.queue].sample_percent)
        if not chosen:
            plan = replace(plan, capture=False, uncaptured=Outcome.NOT_SAMPLED)
        elif self._register and self._register.prior(request.caller, planned.admission.purposes, now):
            plan = replace(plan, prior=True)
        if plan.spoken is not None and not self.hears(plan.spoken.language):
            plan = replace(plan, spoken=None)
        return replace(planned, plan=plan, sampled=chosen)

    def for_parties(
        self,
        queue: str,
        parties: Sequence[PartyFacts],
        language: str | None = None,
        *,
        machines: bool = False,
    ) -> Planned:
        """The plan for these parties, whoever they are.

        Args:
            queue: of the configuration.
            parties: everybody, and where it is recorded.
            language: that the customer wishes.
            machines: whether an answering machine may be what listens. It hears an announcement as patiently
                as a person, so silence is no consent then.

        Raises:
            PromptError: see ``plan``.
        """
        ruling = rule_for(self.table, parties, region=self.config.site.country)
        admission = admit(self.table, ruling, self._terms[queue])
        if machines and admission.form.value in SILENT and not admission.duty:
            admission = replace(admission, form=type(admission.form)(Form.EXPLICIT.value))
        return self.admitted(queue, ruling, admission, language)

    def aside(self, name: str, queue: str) -> Prompt:
        """What an agent of this queue is told, and nobody else hears.

        Raises:
            PromptError: it was not built or is damaged.
        """
        language = self.config.languages(queue)[0]
        return self.library.prompt(name, language, Facts(controller=self.config.site.name, purposes=()))

    def joined(self, request: Request, number: str) -> Planned:
        """The plan for a call that one more party comes to, for what that party is told and asked.

        Raises:
            PromptError: see ``plan``.
        """
        # A short number is an extension of the PBX: whoever has it sits where the agents do.
        if sum(character.isdigit() for character in number) >= SHORTEST_NUMBER:
            newcomer = PartyFacts(role="joined", number=number)
        else:
            newcomer = PartyFacts(role="joined", site=agents_at(self.config, request.queue))
        return self.for_parties(request.queue, [*self.parties(request), newcomer])

    def admitted(
        self, queue: str, ruling: Ruling, admission: Admission, language: str | None = None
    ) -> Planned:
        """The plan for a call that the law admits on these terms, in the caller's language if it is served.

        Raises:
            PromptError: see ``plan``.
        """
        config = self.config
        plan = Plan(
            form=Form(admission.form.value),
            basis=basis_of(ruling),
            recorded_queue=config.recorded_queue(queue),
            unrecorded_queue=config.unrecorded_queue(queue),
            on_refusal=OnRefusal(admission.refusal.value),
            purposes=admission.purposes,
            retention_days=admission.retention_days,
            duty=admission.duty,
            **self._pauses(queue),
            capture=False,
            uncaptured=Outcome.NOT_ALLOWED,
        )
        forbidden = [
            f"{objection.what}; {objection.fix}" for objection in admission.objections if objection.forbids
        ]
        served = config.languages(queue)
        spoken = announce_in(ruling, served)
        if spoken.missing:
            forbidden.append(
                f"the announcement has to be in {', '.join(spoken.missing)}; add it to the queue's languages"
            )
        if admission.demands.agent_consent and not agents_agreed(config, queue):
            forbidden.append(
                "agents there have to agree to being recorded; collect their consent and name the place in "
                "site.agent_consents"
            )
        if not admission.capture or forbidden:
            return Planned(plan=plan, ruling=ruling, admission=admission, concern=". ".join(forbidden))
        facts = facts_for(config, queue, admission)
        languages = spoken.languages
        if language in served:
            # The caller's own wish, beside what a law wants said in certain languages.
            asked = admission.demands
            bound = asked.french_first or asked.language_choice or len(languages) > 1
            languages = tuple(dict.fromkeys((*languages, language))) if bound else (language,)
        plan = self._speaking(plan, facts, languages)
        return Planned(plan=plan, ruling=ruling, admission=admission)

    def unplanned(self, queue: str, *, exempt: bool = False) -> Plan:
        """A plan that says nothing and captures nothing, for calls that cannot or need not be planned."""
        return Plan(
            form=Form.EXPLICIT,
            basis=Basis(jurisdictions=(), rule="", table=self.table.identity),
            recorded_queue=self.config.recorded_queue(queue),
            unrecorded_queue=self.config.unrecorded_queue(queue),
            capture=False,
            uncaptured=Outcome.FAULT,
            exempt=exempt,
            **self._pauses(queue),
        )

    def _pauses(self, queue: str) -> dict[str, Any]:
        """How long a pause on this queue's calls lasts, and what comes after it."""
        pause = self.config.pause
        return {
            "pause_seconds": pause.seconds,
            "warn_seconds": pause.warn_seconds,
            "resume_after_pause": self.config.queues[queue].after_pause == "resume",
        }

    def parties(self, request: Request) -> list[PartyFacts]:
        """Everybody on the call, and where it is recorded."""
        site = self.config.site
        if request.outbound:
            return [
                PartyFacts(role="called", number=request.caller, record=request.customer),
                PartyFacts(role="agent", site=agents_at(self.config, request.queue)),
                PartyFacts(role="recorder", site=site.recorder),
            ]
        return [
            PartyFacts(role="caller", number=request.caller, record=request.customer),
            # Our own number is evidence of where we are; one that says nothing leaves our site.
            PartyFacts(role="called", number=request.called or None, site=site.recorder),
            PartyFacts(role="agent", site=agents_at(self.config, request.queue)),
            PartyFacts(role="recorder", site=site.recorder),
        ]

    def _for_places(self, request: Request, language: str | None) -> Planned:
        region = self.config.site.country
        caller, called = locate(request.caller, region), locate(request.called, region)
        key = (request.queue, caller, called, request.customer, language, request.outbound)
        planned = self._kept.get(key)
        if planned is None:
            planned = self.for_parties(
                request.queue, self.parties(request), language, machines=request.outbound
            )
            if len(self._kept) < KEPT_PLANS:
                self._kept[key] = planned
        return planned

    def _speaking(self, plan: Plan, facts: Facts, languages: tuple[str, ...]) -> Plan:
        """The plan with everything that is said and asked on such a call."""
        form, dialogue = plan.form, self.config.dialogue

        def say(*names: str) -> Prompt:
            return in_turn([self.library.prompt(name, lang, facts) for lang in languages for name in names])

        asks = form in {Form.EXPLICIT, Form.OPT_OUT} and not plan.duty
        question = "question-opt-out" if form is Form.OPT_OUT else "question"
        # Who must be recorded can only leave, and only where there is another way to go to.
        leaves = bool(facts.alternatives) if plan.duty else form is Form.IMPLIED
        announcement = ("announcement", "leave") if leaves else ("announcement",)
        stops = frozenset({facts.objection_key, facts.withdraw_key} - {""})
        no_keys = frozenset({dialogue.no_key}) | stops
        return replace(
            plan,
            capture=True,
            announcement=None if form is Form.NONE and not plan.duty else say(*announcement),
            question=say(question) if asks else None,
            invalid=say("invalid") if asks else None,
            thanks=say("thanks") if asks and (dialogue.thank or facts.withdraw_key) else None,
            unrecorded=say("unrecorded") if dialogue.say_unrecorded and not plan.duty else None,
            alternatives=say("alternatives") if facts.alternatives else None,
            yes_keys=frozenset({dialogue.yes_key}),
            no_keys=frozenset() if plan.duty and not leaves else no_keys,
            withdraw_keys=stops,
            shred_withdrawn=Flag.STOP_ON_OBJECTION.value in plan.basis.flags,
            attempts=dialogue.attempts,
            answer_seconds=dialogue.answer_seconds,
            leave_seconds=dialogue.leave_seconds,
            commit_seconds=dialogue.commit_seconds,
            confirm_seconds=dialogue.confirm_seconds,
            keys_cut_question=dialogue.keys_cut_question,
            spoken=self._spoken(question, facts, languages) if asks else None,
        )

    def _spoken(self, question: str, facts: Facts, languages: tuple[str, ...]) -> Spoken | None:
        """How the caller may answer by voice, if one language is spoken and somebody may listen to it."""
        speech, withdraw = self.config.speech, self.config.dialogue.withdraw_key
        if len(languages) != 1 or languages[0] not in listened(self.config):
            return None
        [language] = languages
        facts = replace(facts, spoken=True)
        try:
            prompts = [self.library.prompt(name, language, facts) for name in (question, "invalid")]
            thanks = self.library.prompt("thanks", language, replace(facts, withdraw_key=withdraw))
        except PromptError as error:
            log.warning("callers answer by keys only", language=language, why=str(error))
            return None
        return Spoken(
            language=language,
            question=prompts[0],
            unheard=prompts[1],
            thanks=thanks,
            withdraw_keys=frozenset({withdraw}),
            seconds=Limits().longest + speech.pause_seconds + speech.patience_seconds + SPEECH_SLACK,
            in_announcement=speech.interrupt_announcement,
        )


def listened(config: Config) -> frozenset[str]:
    """The languages in which callers may answer by voice, as far as the configuration goes."""
    return frozenset(config.speech.languages) if config.speech.enabled else frozenset()


def silent(plan: Plan, outcome: Outcome) -> Plan:
    """The same call, about which nothing is said and of which nothing is captured."""
    return replace(plan, capture=False, uncaptured=outcome)


def basis_of(ruling: Ruling) -> Basis:
    """Why this plan, for the ledger."""
    return Basis(
        jurisdictions=ruling.jurisdictions,
        rule=ruling.rule.value,
        table=ruling.table,
        statutes=ruling.statutes,
        flags=frozenset(flag.value for flag in ruling.flags),
    )


def facts_for(config: Config, queue: str, admission: Admission) -> Facts:
    """What has to be said on a call to this queue that was admitted on these terms."""
    settings, dialogue, say = config.queues[queue], config.dialogue, admission.demands.say
    asks = admission.form.value in {Form.EXPLICIT, Form.OPT_OUT} and not admission.duty
    objects = Say.OBJECTION in say and not admission.duty and not asks
    withdraws = say & {Say.OBJECTION, Say.WITHDRAWAL} and asks
    return Facts(
        controller=config.site.name,
        purposes=admission.purposes or settings.purposes,
        retention=(
            Duration.of_days(admission.retention_days)
            if Say.RETENTION in say and admission.retention_days
            else None
        ),
        duty=admission.duty,
        equal_service=Say.EQUAL_SERVICE in say and not admission.duty,
        tone=tone_interval(config, admission) is not None and config.tone.heard_by != "agent",
        website=(config.law.website or "") if Say.WEBSITE in say else "",
        yes_key=dialogue.yes_key,
        no_key=dialogue.no_key,
        objection_key=dialogue.withdraw_key if objects else "",
        withdraw_key=dialogue.withdraw_key if withdraws else "",
        alternatives=(
            other_ways(config, queue, duty=admission.duty)
            if admission.refusal is Refusal.ALTERNATIVES
            else ""
        ),
    )


def needed(config: Config, table: Table) -> Iterable[Needed]:
    """Every prompt that some call to some queue can need, for `callguard prompts build`."""
    for queue in config.queues:
        for language in config.languages(queue):
            for name, facts in _variants(config, table, queue):
                yield Needed(name=name, language=language, facts=facts)
            if language in listened(config):
                for name, facts in _spoken_variants(config, queue):
                    yield Needed(name=name, language=language, facts=facts)
        for name in TO_AGENTS:
            yield Needed(name=name, language=config.languages(queue)[0], facts=Facts())


def _variants(config: Config, table: Table, queue: str) -> Iterator[tuple[str, Facts]]:
    """Each prompt with each mixture of facts that a law can make of this queue's terms."""
    settings, dialogue = config.queues[queue], config.dialogue
    usual = Facts(
        controller=config.site.name,
        purposes=settings.purposes,
        yes_key=dialogue.yes_key,
        no_key=dialogue.no_key,
    )
    for purposes, retention, duty, tone, website, objection in itertools.product(
        _subsets(settings.purposes),
        (None, *_retentions(table, settings.retention_days)),
        {False, settings.duty is not None},
        _told_of_tones(config),
        {"", config.law.website or ""},
        ("", dialogue.withdraw_key),
    ):
        yield (
            "announcement",
            replace(
                usual,
                purposes=purposes,
                retention=retention,
                duty=duty,
                tone=tone,
                website=website,
                objection_key=objection,
            ),
        )
    elsewhere = {other_ways(config, queue, duty=duty) for duty in (False, settings.duty is not None)}
    for equal, alternatives in itertools.product((False, True), {"", *elsewhere}):
        for name in ("leave", "question", "question-opt-out"):
            yield name, replace(usual, equal_service=equal, alternatives=alternatives)
    for key in ("", dialogue.withdraw_key):
        yield "thanks", replace(usual, withdraw_key=key)
    for name in ("invalid", "unrecorded"):
        yield name, usual
    for alternatives in elsewhere - {""}:
        yield "alternatives", replace(usual, alternatives=alternatives)


def _spoken_variants(config: Config, queue: str) -> Iterator[tuple[str, Facts]]:
    """What is said besides to callers who may answer by voice."""
    dialogue = config.dialogue
    usual = Facts(yes_key=dialogue.yes_key, no_key=dialogue.no_key, spoken=True)
    elsewhere = {other_ways(config, queue, duty=duty) for duty in (False, True)}
    for equal, alternatives in itertools.product((False, True), {"", *elsewhere}):
        for name in ("question", "question-opt-out"):
            yield name, replace(usual, equal_service=equal, alternatives=alternatives)
    yield "invalid", usual
    yield "thanks", replace(usual, withdraw_key=dialogue.withdraw_key)


def _told_of_tones(config: Config) -> tuple[bool, ...]:
    """Whether callers can be told of a warning tone, and whether they can be not told."""
    if config.tone.when == "never" or config.tone.heard_by == "agent":
        return (False,)
    return (True,) if config.tone.when == "always" else (False, True)


def _subsets(purposes: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """What the law can leave of a queue's purposes, in their order."""
    for count in range(len(purposes), 0, -1):
        yield from itertools.combinations(purposes, count)


def _retentions(table: Table, wanted: int) -> set[Duration]:
    """What the laws can make of the time that a queue wants to keep recordings."""
    lows = {entry.retention.min_days or 0 for entry in table.jurisdictions.values()}
    highs = {entry.retention.max_days or wanted for entry in table.jurisdictions.values()}
    days = {max(min(wanted, high), low) for low, high in itertools.product(lows, highs) if low <= high}
    return {Duration.of_days(each) for each in days | {wanted}}
