"""The invariants of the core, over long random event sequences.

The number of events is set by CALLGUARD_CORE_EVENTS; `make invariants` asks for a million.
"""

import os
from collections import Counter
from dataclasses import replace
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from callguard.consent import (
    CAPTURING,
    Call,
    Capture,
    Form,
    OnRefusal,
    Outcome,
    Party,
    Plan,
    State,
    advance,
    replay,
    standing,
)
from callguard.consent import actions as do
from callguard.consent import events as ev
from callguard.consent.call import DIALOGUE
from callguard.consent.machine import HEARD, OVERLAP
from callguard.consent.words import ConsentEntry, Meaning, Spoken
from plans import BASIS, prompt

EVENTS = int(os.environ.get("CALLGUARD_CORE_EVENTS", "60000"))
STEPS = 100
EVENTS_A_RUN = 65  # of a hundred steps some pass without an event

WHO = st.sampled_from(["agent", "second", "third"])


maybe = st.sampled_from([None, "x"])

SPOKEN = Spoken(
    language="en",
    question=prompt("question"),
    unheard=prompt("invalid"),
    thanks=prompt("thanks"),
    withdraw_keys=frozenset("*"),
)

plans = st.builds(
    lambda form, refusal, announcement, question, extras, attempts, keys, capture, uncaptured, more: Plan(
        form=form,
        basis=BASIS,
        recorded_queue="sales",
        unrecorded_queue="open",
        on_refusal=refusal,
        announcement=prompt("announcement") if announcement else None,
        question=prompt("question") if question else None,
        thanks=prompt("thanks") if extras else None,
        unrecorded=prompt("unrecorded") if extras else None,
        alternatives=prompt("alternatives") if extras else None,
        invalid=prompt("invalid") if extras else None,
        attempts=attempts,
        keys_cut_question=keys,
        spoken=more[1],
        capture=capture,
        uncaptured=uncaptured,
        prior=more[0] == "prior",
        duty=more[0] == "duty",
        exempt=more[0] == "exempt",
        resume_after_pause=extras,
        withdraw_keys=frozenset("*") if extras else frozenset(),
        shred_withdrawn=keys,
    ),
    form=st.sampled_from([*Form, Form.EXPLICIT, Form.EXPLICIT, Form.OPT_OUT]),
    refusal=st.sampled_from(OnRefusal),
    announcement=st.sampled_from([True] * 9 + [False]),
    question=st.sampled_from([True] * 9 + [False]),
    extras=st.booleans(),
    attempts=st.integers(1, 3),
    keys=st.booleans(),
    capture=st.sampled_from([True] * 9 + [False]),
    uncaptured=st.sampled_from(
        [Outcome.NOT_SAMPLED, Outcome.SWITCHED_OFF, Outcome.NOT_ALLOWED, Outcome.AGENT_ASKS]
    ),
    more=st.tuples(
        st.sampled_from([*[""] * 9, "prior", "duty", "exempt"]),
        st.sampled_from([None, SPOKEN, SPOKEN, replace(SPOKEN, in_announcement=True)]),
    ),
)


DIALOGUE_EVENTS = [
    *["prompt_ends"] * 12,
    *["digit"] * 6,
    *["time_up"] * 6,
    *["ledger_catches_up"] * 6,
    *["speech"] * 5,
    *["speech_begins"] * 3,
    "hearing_fails",
    "stale_prompt_ends",
    "stale_timer",
    "fault",
    "hang_up",
    "switch_off",
    "recover",
    "withdrawal",
]
TALKING_EVENTS = [
    *["ledger_catches_up"] * 6,
    *["recorder_obeys"] * 5,
    *["digit"] * 2,
    *["somebody_joins"] * 3,
    *["somebody_answers"] * 5,
    *["somebody_leaves"] * 2,
    *["pause_asked"] * 3,
    *["resume_asked"] * 3,
    "extend_asked",
    "samples_seen",
    *["time_up"] * 3,
    "recorder_says",
    "stale_timer",
    "withdrawal",
    "foreign_recorder",
    "fault",
    "hang_up",
    "switch_off",
    "recover",
]


class Core(RuleBasedStateMachine):
    """A caller, agents, a recorder, a ledger and much bad luck, all at random."""

    events = 0
    seen: ClassVar[Counter[str]] = Counter()

    @initialize(plan=plans)
    def first_call(self, plan):
        self.arrive(plan)

    def arrive(self, plan):
        self.talked = 0
        self.hearing = False  # our own book of whether orders let the caller be heard
        self.kept = False  # and of whether what was said was kept
        self.call = Call(id="c")
        self.now = 0.0
        self.ledger = {}  # every entry ordered, by number
        self.safe = set()  # numbers the core was told are durable
        self.refused = set()  # our own book of who said no
        self.capturing = False  # our own book of whether orders let the recorder write
        self.payment = False
        self.reported = False  # somebody was told that a pause was not ended
        self.faulted = False
        self.departures = 0
        self.feed(ev.CallArrived(at=0.0, plan=plan))

    def feed(self, event):
        type(self).events += 1
        self.now += 0.01
        self.talked += self.call.state is State.TALKING
        before = self.call
        self.call, actions = advance(before, event)
        assert (self.call, actions) == advance(before, event), "the core is not a function"
        note(f"{event} -> {self.call.state} {actions}")
        if isinstance(event, ev.Failed | ev.Recovered) and before.state in DIALOGUE:
            self.faulted = True
            assert self.call.state is State.TALKING, "a fault keeps the caller waiting"
        for action in actions:
            self.obey(action, event, before)
        assert self.hearing == self.call.hearing
        assert not self.hearing or (self.call.state in HEARD and self.call.plan.spoken), "invariant 7"
        if self.call.capture in {Capture.OFF, Capture.STOPPED}:
            self.capturing = False

    def obey(self, action, event, before):
        match action:
            case do.Commit(entry=entry):
                assert entry.number not in self.ledger
                self.ledger[entry.number] = entry
                if isinstance(entry, ConsentEntry):
                    type(self).seen[entry.outcome] += 1
                    self.kept = self.kept and (entry.who != "caller" or entry.answer.kind == "speech")
                    self.check_entry(entry, event)
                    if entry.outcome in {Outcome.REFUSED, Outcome.WITHDRAWN}:
                        self.refused.add(entry.who)
            case do.StartCapture(allowed_by=number):
                assert number in self.safe, "invariant 1: capture before its entry is durable"
                allowed = self.ledger[number]
                assert allowed.outcome in CAPTURING
                later = [
                    e
                    for n, e in self.ledger.items()
                    if n > number and isinstance(e, ConsentEntry) and e.who == "caller"
                ]
                assert not [e for e in later if e.outcome not in CAPTURING], "a later decision forbids it"
                assert not self.refused, "invariant 2: capture after a refusal"
                assert not (self.faulted and allowed.answer.kind != "later"), (
                    "invariant 4: capture after a fault"
                )
                self.capturing = True
            case do.Alert(what="pause not ended"):
                self.reported = True
            case do.ResumeCapture():
                assert not self.refused, "invariant 2: resumed after a refusal"
                assert not self.payment, "invariant 5: resumed in a payment pause"
                self.capturing = True
            case do.PauseCapture() | do.StopCapture():
                self.capturing = False
            case do.Route(capture=capture):
                type(self).seen["captured"] += capture
                self.departures += 1
                assert capture == self.capturing
                assert not (self.call.plan.duty and action.outcome is Outcome.REFUSED), (
                    "a duty served unrecorded"
                )
            case do.End():
                self.departures += 1
            case do.Hear():
                assert not self.hearing
                in_announcement = self.call.plan.spoken.in_announcement
                assert before.state is not State.NEW or in_announcement, "invariant 7: heard too early"
                self.hearing = True
            case do.StopHearing(keep=keep):
                assert self.hearing
                type(self).seen["kept"] += keep
                self.hearing, self.kept = False, keep

    def check_entry(self, entry, event):
        """Invariant 3, on the entry itself."""
        plan = self.call.plan
        told = any(h.completely for h in entry.heard if h.prompt.name == "announcement")
        if entry.who != "caller" or entry.answer.kind == "later":
            return
        if entry.outcome in CAPTURING and plan.announcement is not None:
            assert told, "capture allowed though the announcement was not heard to its end"
        if entry.outcome in CAPTURING and plan.announcement is None:
            assert plan.form is Form.NONE
        if plan.form is Form.EXPLICIT and not (plan.prior or plan.duty):
            assert entry.outcome not in {Outcome.IMPLIED, Outcome.NOTIFIED, Outcome.NOT_REQUIRED}
        if entry.outcome is Outcome.GRANTED:
            assert entry.answer.kind in {"key", "speech"}
            assert entry.answer.value in plan.yes_keys | {"yes"}
        if entry.outcome is Outcome.GRANTED and entry.answer.kind == "speech":
            assert isinstance(event, ev.SpeechHeard) and event.meaning is Meaning.YES
            question = [heard for heard in entry.heard if heard.prompt.name == "question"][-1]
            assert question.completely and event.began >= question.ended - OVERLAP, "a yes said into it"
            assert plan.thanks is plan.spoken.thanks and "*" in plan.withdraw_keys
            assert self.kept
        else:
            assert not self.hearing, "invariant 7: heard after the decision"
        if entry.outcome is Outcome.IMPLIED and plan.form is Form.OPT_OUT:
            assert any(h.completely for h in entry.heard if h.prompt.name == "question")
        if isinstance(event, ev.TimeUp) and plan.form is Form.EXPLICIT:
            # A duty is no consent: the outcome says which of the two it was.
            assert entry.outcome not in CAPTURING - {Outcome.DUTY}, "silence taken for consent"

    # ------------------------------------------------------------------ what may happen
    # One rule, weighted by where the call is: with a rule for each event, Hypothesis leaves most of
    # them out of most runs, and few callers would ever get as far as a capture.

    @precondition(lambda self: self.call.state is State.ENDED or self.talked > 15)
    @rule(plan=plans)
    def next_call(self, plan):
        self.to_its_end()
        self.arrive(plan)

    @rule(data=st.data())
    def something_happens(self, data):
        likely, rare = (
            (DIALOGUE_EVENTS, TALKING_EVENTS)
            if self.call.state in DIALOGUE
            else (TALKING_EVENTS, DIALOGUE_EVENTS)
        )
        events = rare if data.draw(st.integers(0, 19)) == 19 else likely
        getattr(self, data.draw(st.sampled_from(events)))(data.draw)

    def prompt_ends(self, draw):
        completely = draw(st.sampled_from([True, True, True, True, False]))
        self.feed(ev.PromptFinished(at=self.now, play=self.call.playing, completely=completely))

    def stale_prompt_ends(self, draw):
        play = draw(st.integers(0, 4))
        if play != self.call.playing:
            before = self.call
            self.feed(ev.PromptFinished(at=self.now, play=play, completely=True))
            assert self.call == before

    def digit(self, draw):
        digit = draw(st.sampled_from("1112344#*90"))
        party = draw(st.sampled_from([Party.CALLER] * 4 + [Party.AGENT]))
        self.feed(ev.DigitPressed(at=self.now, party=party, digit=digit))

    def speech(self, draw):
        meaning = draw(st.sampled_from([*Meaning, Meaning.YES]))
        began = self.now - draw(st.sampled_from([0.0, 0.0, 1.0]))
        self.feed(ev.SpeechHeard(at=self.now, meaning=meaning, confidence=0.9, began=began))

    def speech_begins(self, draw):
        self.feed(ev.SpeechBegan(at=self.now))

    def hearing_fails(self, draw):
        self.feed(ev.HearingFailed(at=self.now))

    def time_up(self, draw):
        if not self.call.running:
            return
        run = draw(st.sampled_from(sorted(self.call.running, key=lambda r: r.serial)))
        # What these wait for nearly always comes first.
        if run.timer in {do.Timer.PROMPT, do.Timer.COMMIT, do.Timer.CONFIRM} and draw(st.integers(0, 9)) < 9:
            return
        if run.timer is do.Timer.PAUSE and self.call.plan.resume_after_pause:
            self.payment = False  # the queue's declared choice
        self.feed(ev.TimeUp(at=self.now, timer=run.serial))

    def stale_timer(self, draw):
        serial = draw(st.integers(0, 30))
        if serial not in {run.serial for run in self.call.running}:
            before = self.call
            self.feed(ev.TimeUp(at=self.now, timer=serial))
            assert self.call == before

    def ledger_catches_up(self, draw):
        for number in sorted(set(self.ledger) - self.safe):
            self.safe.add(number)
            self.believe(self.ledger[number])
            self.feed(ev.EntryDurable(at=self.now, number=number))

    def believe(self, entry):
        """A durable yes ends a refusal by the same party, unless that party said no again since."""
        if isinstance(entry, ConsentEntry) and entry.outcome in CAPTURING:
            since = [e for n, e in self.ledger.items() if n > entry.number and isinstance(e, ConsentEntry)]
            if not [e for e in since if e.who == entry.who and e.outcome not in CAPTURING]:
                self.refused.discard(entry.who)

    def recorder_says(self, draw):
        self.feed(ev.CaptureConfirmed(at=self.now, state=draw(st.sampled_from(ev.CaptureState)), offset=8000))

    def recorder_obeys(self, draw):
        state = {Capture.ORDERED: ev.CaptureState.ON, Capture.PAUSED: ev.CaptureState.PAUSED}.get(
            self.call.capture
        )
        if state:
            self.feed(ev.CaptureConfirmed(at=self.now, state=state, offset=8000))

    def somebody_joins(self, draw):
        plan = self.call.plan
        if plan is not None and draw(st.integers(0, 4)) == 0:
            stricter = [form for form in Form if list(Form).index(form) >= list(Form).index(plan.form)]
            plan = replace(plan, form=draw(st.sampled_from(stricter)))
        else:
            plan = None
        self.feed(
            ev.PartyJoined(
                at=self.now,
                who=draw(WHO),
                told=draw(st.booleans()),
                back=draw(st.booleans()),
                never=draw(st.integers(0, 9)) == 0,
                plan=plan,
            )
        )

    def somebody_answers(self, draw):
        who = draw(st.one_of(WHO, st.just("caller")))
        agreed = draw(st.sampled_from([True, True, False]))
        if not agreed and self.call.state is State.TALKING:
            self.refused.add(who)
        self.feed(ev.PartyAnswered(at=self.now, who=who, agreed=agreed))

    def somebody_leaves(self, draw):
        who = draw(WHO)
        if self.call.state is State.TALKING:
            self.refused.discard(who)
        self.feed(ev.PartyLeft(at=self.now, who=who))

    def pause_asked(self, draw):
        allowed = draw(st.sampled_from([True, True, False]))
        if (
            allowed
            and self.call.state is State.TALKING
            and self.call.capture not in {Capture.OFF, Capture.STOPPED}
        ):
            if not self.payment:
                self.reported = False
            self.payment = True
        self.feed(
            ev.PauseAsked(
                at=self.now, by="agent", allowed=allowed, drop_last=draw(st.sampled_from([0.0, 5.0]))
            )
        )

    def extend_asked(self, draw):
        before = self.call
        self.feed(ev.ExtendAsked(at=self.now, by="agent", seconds=60.0))
        assert not (before.extended and self.call != before), "a pause was made longer twice"

    def samples_seen(self, draw):
        self.feed(ev.CaptureVerified(at=self.now, offset=8000, until=16000))

    def resume_asked(self, draw):
        allowed = draw(st.booleans())
        if allowed and self.call.state is State.TALKING:
            self.payment = False
        self.feed(ev.ResumeAsked(at=self.now, by="agent", allowed=allowed))

    def withdrawal(self, draw):
        by = draw(st.sampled_from([Party.CALLER, Party.AGENT]))
        self.feed(ev.WithdrawalAsked(at=self.now, by=by, shred=draw(st.booleans())))

    def foreign_recorder(self, draw):
        self.feed(ev.ForeignRecorder(at=self.now, recorder="*1"))

    def fault(self, draw):
        self.feed(ev.Failed(at=self.now, fault=draw(st.sampled_from(ev.Fault))))

    def hang_up(self, draw):
        self.feed(ev.HungUp(at=self.now))

    def switch_off(self, draw):
        self.feed(ev.RecordingSwitchedOff(at=self.now, by="admin"))

    def recover(self, draw):
        silent = draw(st.booleans())
        if silent and self.call.state is State.TALKING and self.call.captures:
            self.payment = True  # the recorder had been told to be silent before the crash
        self.reported = False
        self.feed(ev.Recovered(at=self.now, paused=silent))

    # ------------------------------------------------------------------ what must hold

    @invariant()
    def something_is_about_to_happen(self):
        if getattr(self, "call", None) and self.call.state in DIALOGUE:
            assert self.call.running, f"invariant 4: {self.call.state} may wait for ever"

    @invariant()
    def nobody_departs_twice(self):
        assert getattr(self, "departures", 0) <= 1

    @invariant()
    def nothing_captures_on_hold(self):
        if getattr(self, "call", None) and self.call.captures:
            assert self.call.allowed_by in self.safe or self.call.capture is Capture.OFF
            assert not self.call.holds
            assert not self.refused

    @invariant()
    def no_pause_is_forgotten(self):
        call = getattr(self, "call", None)
        if call and call.capture is Capture.PAUSED and "payment" in call.holds and not self.reported:
            assert do.Timer.PAUSE in {run.timer for run in call.running}

    @invariant()
    def the_entries_replay(self):
        if not getattr(self, "call", None) or (self.call.state is State.ENDED and self.call.awaited):
            return  # a yes that became durable after the hang-up allows nothing any more
        if self.safe == set(self.ledger):
            told = replay(self.ledger[n] for n in sorted(self.ledger))
            assert told == standing(self.call), "invariant 6"

    def teardown(self):
        self.to_its_end()

    def to_its_end(self):
        """Left to its timers alone, every dialogue comes to an end (invariant 4)."""
        call = getattr(self, "call", None)
        steps = 0
        while call is not None and call.state in DIALOGUE:
            first = min(call.running, key=lambda run: run.serial)
            call, _ = advance(call, ev.TimeUp(at=self.now, timer=first.serial))
            steps += 1
            assert steps < 20, "a dialogue that its timers do not end"


@pytest.mark.timeout(400)
def test_the_core_keeps_its_invariants():
    before = Core.events
    run_state_machine_as_test(
        Core,
        settings=settings(
            max_examples=max(1, EVENTS // EVENTS_A_RUN),
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
            database=None,
            # The few of every day are always the same ones; `make invariants` draws new ones each time.
            derandomize="CALLGUARD_CORE_EVENTS" not in os.environ,
        ),
    )
    print(f"\n{Core.events - before} events through the core: {dict(Core.seen)}")
    missing = [outcome for outcome in Outcome if not Core.seen[outcome]]
    assert not missing, f"the random calls never came to {missing}, so nothing was shown about them"
    assert Core.seen["captured"] > EVENTS / 2000
    assert Core.seen["kept"] > EVENTS / 20000
