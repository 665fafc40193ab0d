"""When a spoken yes counts, in the core: after a question that was heard to its end, and not into it."""

from __future__ import annotations

import pytest

from callguard.consent import Call, Form, Outcome, Party, Plan, State, advance
from callguard.consent import actions as do
from callguard.consent import events as ev
from callguard.consent.machine import OVERLAP
from callguard.consent.words import Meaning, Spoken
from plans import BASIS, prompt

PLAN = Plan(
    form=Form.EXPLICIT,
    basis=BASIS,
    recorded_queue="sales",
    unrecorded_queue="open",
    announcement=prompt("announcement"),
    question=prompt("question"),
    attempts=3,
    spoken=Spoken(
        language="en",
        question=prompt("question"),
        unheard=prompt("unheard"),
        thanks=prompt("thanks"),
        withdraw_keys=frozenset("*"),
    ),
)


class Caller:
    """Somebody who is asked, one second after the other."""

    def __init__(self) -> None:
        self.call, self.now, self.playing = Call(id="call"), 0.0, 0
        self.orders: list[do.Action] = []
        self.happen(ev.CallArrived(at=0.0, plan=PLAN))
        self.hears()

    def happen(self, event: ev.Event) -> None:
        self.now += 1.0
        self.call, orders = advance(self.call, event)
        self.orders += orders
        self.playing = next((each.play for each in orders if isinstance(each, do.Play)), self.playing)

    def hears(self, *, completely: bool = True) -> None:
        self.happen(ev.PromptFinished(at=self.now, play=self.playing, completely=completely))

    def presses(self, digit: str) -> None:
        self.happen(ev.DigitPressed(at=self.now, party=Party.CALLER, digit=digit))

    def says(self, meaning: Meaning, *, began: float | None = None) -> None:
        began = self.now if began is None else began
        self.happen(ev.SpeechHeard(at=self.now, meaning=meaning, confidence=0.99, began=began))

    @property
    def outcomes(self) -> list[Outcome]:
        return [each.entry.outcome for each in self.orders if isinstance(each, do.Commit)]


def test_a_yes_after_the_question_counts() -> None:
    caller = Caller()
    caller.hears()
    caller.says(Meaning.YES)
    assert caller.outcomes == [Outcome.GRANTED]


def test_a_yes_after_half_a_question_is_asked_again() -> None:
    caller = Caller()
    caller.hears(completely=False)
    caller.says(Meaning.YES)
    assert caller.outcomes == []
    assert caller.call.state is State.ASKING
    caller.hears()
    caller.says(Meaning.YES)
    assert caller.outcomes == [Outcome.GRANTED]


def test_a_question_that_was_heard_before_does_not_make_up_for_half_of_its_repetition() -> None:
    caller = Caller()
    caller.hears()
    caller.presses("3")
    caller.hears(completely=False)
    caller.says(Meaning.YES)
    assert caller.outcomes == []
    assert caller.call.state is State.ASKING


@pytest.mark.parametrize(("early", "counts"), [(OVERLAP - 0.01, True), (OVERLAP + 0.01, False)])
def test_a_yes_may_begin_in_the_last_breath_of_the_question_and_no_earlier(
    early: float, counts: bool
) -> None:
    caller = Caller()
    over = caller.now
    caller.hears()
    caller.says(Meaning.YES, began=over - early)
    assert caller.outcomes == ([Outcome.GRANTED] if counts else [])


def test_a_no_counts_whatever_was_heard_of_the_question() -> None:
    caller = Caller()
    caller.hears(completely=False)
    caller.says(Meaning.NO)
    assert caller.outcomes == [Outcome.REFUSED]
