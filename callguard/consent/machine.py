"""The consent machine: ``advance(call, event)`` gives the next call and the orders that follow.

Rules of this room
------------------
Everything that a regulator would ask about is decided here and nowhere else. Nothing here does
I/O, reads a clock, or draws a random number: time comes in as ``event.at``, waiting goes out as
``StartTimer`` and comes back as ``TimeUp``. So a call of half a minute is tested in microseconds,
and a ledger can be replayed to the call it tells of.

Theory of operation
-------------------
The dialogue is the table below: one row a state, one entry an event that means something there.
What is not in the table changes nothing. A caller's objection is honoured from the first second;
a yes counts only after the announcement was heard to its end. What is said is heard from the question
to the decision, and in the announcement where the plan lets a spoken no cut it. A decision is
committed before it takes effect, and each state in which the caller is ours keeps a timer running, so
that no path waits for ever. Once the caller is handed back to the dialplan, ``talking`` takes over.

Invariants (each has a property test over long random event sequences)
----------------------------------------------------------------------
1. ``StartCapture`` is never ordered before the consent entry that allows it is durable.
2. After a party's refusal nothing captures while that party is on the call, until it consents anew.
3. A prompt cut short is not a notice. Silence is not consent where the plan asks for an answer.
4. A fault ends in an unrecorded call, never in a dropped or silent one. No path waits for ever.
5. While paused, only a resume by someone allowed to, or the queue's choice at time-out, captures.
6. The entries replay to the same standing (``replay``).
7. The caller is heard in the dialogue only, and only where the plan allows speech. What was said is kept
   after a spoken yes alone, and that yes was begun after the question was over.

Decided 2026-11: a table of functions instead of a state-machine library. A library of
string-named callbacks lost, because the table would have been hidden in it.

Decided 2026-11: a yes that is said into the question is asked for again. The question itself says what would
be a yes, and a loudspeaker sends it back. Telling echoes from callers by their sound lost: it would have to
be right each time. A no, and any key, counts there.

Decided 2026-11: a key for yes waits while the caller is saying something, because that may be a no. Who
presses and says nothing is not kept waiting.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from callguard.consent import capturing, pausing, talking
from callguard.consent.actions import (
    Action,
    Commit,
    End,
    Hear,
    Listen,
    Play,
    Route,
    StartCapture,
    StopHearing,
    StopPlaying,
    Timer,
)
from callguard.consent.call import Call, State, fired, start_timer, stop_timers
from callguard.consent.events import (
    CallArrived,
    DigitPressed,
    EntryDurable,
    Event,
    Failed,
    ForeignRecorder,
    HearingFailed,
    HungUp,
    PromptFinished,
    RecordingSwitchedOff,
    Recovered,
    SpeechBegan,
    SpeechHeard,
    TimeUp,
    WithdrawalAsked,
)
from callguard.consent.words import (
    Answer,
    Form,
    Heard,
    Meaning,
    OnRefusal,
    Outcome,
    Party,
    Plan,
    Prompt,
    Spoken,
)

#: What ``advance`` returns.
Step = tuple[Call, tuple[Action, ...]]
Rule = Callable[[Call, Any], Step]

NO_ANSWER = Answer(kind="none")
SILENCE = Answer(kind="silence")

#: Where these are the reason why nothing is captured, nothing has to be said either.
#: A refusal here is one from before the call, which callguard was told of.
UNTOLD = frozenset({Outcome.SWITCHED_OFF, Outcome.NOT_ALLOWED, Outcome.FAULT, Outcome.REFUSED})

#: A prompt that must be heard and was cut short by something other than the caller is played once more.
REPLAYS = 1

#: The last word of a question is heard so much before its playback is said to be over (a jitter buffer, and
#: the silence behind the word): a yes that begins in that time is no talking over it (seconds).
OVERLAP = 0.3

#: Why keys are all that is offered.
UNCLEAR, LOST = "unclear", "failed"


def advance(call: Call, event: Event) -> Step:
    """Take one event in. Pure: the same call and event always give the same result."""
    if isinstance(event, TimeUp):
        call, timer = fired(call, event.timer)
        if timer is None:
            return call, ()
        return TIMERS[timer](call, event)
    if call.state is State.TALKING:
        return talking.advance(call, event)
    rule = TABLE.get((call.state, type(event)))
    return rule(call, event) if rule else (call, ())


# --------------------------------------------------------------------------- the beginning


def arrive(call: Call, event: CallArrived) -> Step:
    """A caller is ours: decide at once where nothing has to be said, else begin to speak."""
    plan = event.plan
    call = call.with_(plan=plan)
    if plan.exempt:
        return decide(call, Outcome.EXEMPT, event.at)
    if not plan.capture and plan.uncaptured in UNTOLD:
        before = plan.uncaptured is Outcome.REFUSED
        return decide(call, plan.uncaptured, event.at, Answer(kind="prior") if before else NO_ANSWER)
    if plan.announcement is None:
        if plan.form is Form.NONE:
            return told(call, event)
        return fault(call, event.at, "no announcement")
    step = say(call, State.ANNOUNCING, event.at, plan.announcement)
    return heard_too(step) if plan.spoken is not None and plan.spoken.in_announcement else step


def say(call: Call, state: State, at: float, *prompts: Prompt) -> Step:
    """Play prompts in ``state``, with a timer for a playback that does not end."""
    if any(not prompt.media for prompt in prompts):
        return fault(call, at, "unplayable prompt")
    number = call.said + 1
    play = Play(play=number, prompts=prompts)
    heard = tuple(Heard(prompt=prompt, started=at) for prompt in prompts)
    call = call.with_(state=state, playing=number, said=number, heard=call.heard + heard)
    call, timer = start_timer(call, Timer.PROMPT, play.seconds + call.agreed.slack_seconds)
    return call, (*timer, play)


def finish_hearing(call: Call, event: PromptFinished) -> Step | None:
    """Note how the present playback ended; None when the event is about another one."""
    if event.play != call.playing:
        return None
    heard = tuple(
        entry
        if entry.ended is not None
        else Heard(prompt=entry.prompt, started=entry.started, ended=event.at, completely=event.completely)
        for entry in call.heard
    )
    return stop_timers(call.with_(heard=heard, playing=0), Timer.PROMPT)


def hush(call: Call, at: float) -> Step:
    """End the playback under way and every timer of the dialogue; the prompt counts as cut."""
    stopped = (StopPlaying(play=call.playing),) if call.playing else ()
    ended = finish_hearing(call, PromptFinished(at=at, play=call.playing, completely=False))
    call = ended[0] if ended and call.playing else call
    before = ended[1] if ended else ()
    call, cancelled = stop_timers(call)
    return call, (*stopped, *before, *cancelled)


# --------------------------------------------------------------------------- the announcement


def announced(call: Call, event: PromptFinished) -> Step:
    """The announcement is over: heard to its end, or cut short and told once more."""
    done = finish_hearing(call, event)
    if done is None:
        return call, ()
    call, actions = done
    if not event.completely:
        if call.cuts >= REPLAYS or call.agreed.announcement is None:
            return then(actions, decide(call, Outcome.CUT, event.at))
        again = say(call.with_(cuts=call.cuts + 1), State.ANNOUNCING, event.at, call.agreed.announcement)
        return then(actions, again)
    return then(actions, told(call, event))


def told(call: Call, event: Event) -> Step:
    """The caller knows. What does the plan want besides?"""
    plan = call.agreed
    if not plan.capture:
        return decide(call, plan.uncaptured, event.at)
    if plan.prior:
        return decide(call, Outcome.PRIOR, event.at, Answer(kind="prior", at=event.at))
    if plan.duty and not plan.no_keys:
        return decide(call, Outcome.DUTY, event.at)
    if plan.form is Form.NONE and not plan.duty:
        return decide(call, Outcome.NOT_REQUIRED, event.at)
    if plan.form is Form.NOTICE and not plan.duty:
        return decide(call, Outcome.NOTIFIED, event.at)
    if plan.form is Form.IMPLIED or plan.duty:
        return start_timer(call.with_(state=State.LEAVING), Timer.LEAVE, plan.leave_seconds)
    return ask(call, event.at)


def objected(call: Call, event: DigitPressed | SpeechHeard) -> Step:
    """Before and beside the question only a no counts, and it always does."""
    if is_no(call.agreed, event):
        return decide(call, Outcome.REFUSED, event.at, answer_of(event))
    return call, ()


# --------------------------------------------------------------------------- the question


def ask(call: Call, at: float, first: Prompt | None = None) -> Step:
    """Put the question (again), after ``first`` if there is something to say before it."""
    plan = call.agreed
    if plan.question is None:
        return fault(call, at, "no question")
    spoken = speech(call)
    question = plan.question if spoken is None else spoken.question
    prompts = (question,) if first is None else (first, question)
    call = call.with_(asked=call.asked + 1, early="", talked_over=False)
    step = say(call, State.ASKING, at, *prompts)
    return heard_too(step) if plan.keys_cut_question else step


def asked(call: Call, event: PromptFinished) -> Step:
    """The question is over; now the answer window opens."""
    done = finish_hearing(call, event)
    if done is None:
        return call, ()
    call, actions = done
    if not event.completely and call.agreed.form is Form.OPT_OUT:
        # Silence would be taken for consent here, so the offer itself must have been heard.
        if call.cuts >= REPLAYS:
            return then(actions, decide(call, Outcome.CUT, event.at))
        call = call.with_(cuts=call.cuts + 1, asked=call.asked - 1)
        return then(actions, ask(call, event.at))
    if call.early:
        early = DigitPressed(at=event.at, party=Party.CALLER, digit=call.early)
        return then(actions, judge(call.with_(state=State.LISTENING, early=""), early))
    spoken = speech(call)
    if call.talked_over and spoken is not None and call.asked < call.agreed.attempts:
        return then(actions, ask_again(call, event.at, Outcome.UNCLEAR, spoken.unheard))
    seconds = spoken.seconds if spoken is not None and call.speaking else call.agreed.answer_seconds
    step = heard_too((call, actions))
    return then(step[1], await_answer(step[0], seconds))


def await_answer(call: Call, seconds: float) -> Step:
    """Open the answer window."""
    call, timer = start_timer(call.with_(state=State.LISTENING), Timer.ANSWER, seconds)
    return call, (Listen(seconds=seconds), *timer)


def judge(call: Call, event: DigitPressed) -> Step:
    """An answer to the question, or a key that is none."""
    plan = call.agreed
    if event.party is not Party.CALLER:
        return call, ()
    if is_no(plan, event):
        return decide(call, Outcome.REFUSED, event.at, answer_of(event))
    if call.state is State.ASKING and not plan.keys_cut_question:
        return call.with_(early=event.digit), ()
    if event.digit not in plan.yes_keys:
        return ask_again(call, event.at, Outcome.INVALID, plan.invalid)
    spoken = speech(call)
    if spoken is None or not call.speaking:
        return decide(call, Outcome.GRANTED, event.at, answer_of(event))
    if call.early:
        return call, ()
    call, hushed = hush(call.with_(early=event.digit), event.at)
    return then(hushed, await_answer(call, spoken.seconds))


def ask_again(
    call: Call, at: float, outcome: Outcome, first: Prompt | None, answer: Answer = NO_ANSWER
) -> Step:
    """Put the question once more while attempts are left; else ``outcome``, which is never a yes.

    Who spoke and was not understood is asked once besides, for a key.
    """
    lost: tuple[Action, ...] = ()
    if call.asked >= call.agreed.attempts:
        if outcome is not Outcome.UNCLEAR or speech(call) is None:
            return decide(call, outcome, at, answer)
        call, lost = stop_hearing(call.with_(deaf=UNCLEAR))
    call, actions = hush(call, at)
    return then((*lost, *actions), ask(call, at, first))


def silent(call: Call, event: TimeUp) -> Step:
    """The answer window closed. Silence is consent only where the plan says that it is."""
    spoken = speech(call)
    if call.early:
        # Pressed, while something was said that was never understood.
        pressed = Answer(kind="key", value=call.early, at=event.at)
        return decide(call, Outcome.GRANTED, event.at, pressed)
    if call.speaking and spoken is not None:
        return ask_again(call.with_(speaking=False), event.at, Outcome.UNCLEAR, spoken.unheard)
    if call.agreed.form is Form.OPT_OUT and call.deaf != UNCLEAR:
        return decide(call, Outcome.IMPLIED, event.at, SILENCE)
    outcome = Outcome.UNCLEAR if call.deaf == UNCLEAR else Outcome.NO_INPUT
    return ask_again(call, event.at, outcome, None, SILENCE)


def stayed(call: Call, event: TimeUp) -> Step:
    """Told, free to leave, still here: implied consent, or the duty that was told of."""
    return decide(call, Outcome.DUTY if call.agreed.duty else Outcome.IMPLIED, event.at, SILENCE)


def is_no(plan: Plan, event: DigitPressed | SpeechHeard) -> bool:
    """Whether this is a no; a key that stands for both is one."""
    if isinstance(event, DigitPressed):
        return event.party is Party.CALLER and event.digit in plan.no_keys
    return event.meaning is Meaning.NO


def answer_of(event: DigitPressed | SpeechHeard) -> Answer:
    """The answer as the ledger keeps it."""
    if isinstance(event, DigitPressed):
        return Answer(kind="key", value=event.digit, at=event.at)
    return Answer(kind="speech", value=event.meaning, confidence=event.confidence, at=event.at)


# --------------------------------------------------------------------------- what the caller says


def speech(call: Call) -> Spoken | None:
    """How the caller may speak; None where keys are all there is, or all that is left."""
    return None if call.deaf else call.agreed.spoken


def heard_too(step: Step) -> Step:
    """Hear the caller from now on, if that is allowed and not done yet."""
    call, actions = step
    spoken = speech(call) if call.state in HEARD else None
    if spoken is None or call.hearing:
        return step
    return call.with_(hearing=True), (*actions, Hear(language=spoken.language))


def stop_hearing(call: Call, *, keep: bool = False) -> Step:
    """Hear the caller no more."""
    if not call.hearing:
        return call, ()
    return call.with_(hearing=False, speaking=False), (StopHearing(keep=keep),)


def speaking(call: Call, event: SpeechBegan) -> Step:  # noqa: ARG001 - every rule takes its event
    """The caller began to say something, and may take the time for it."""
    spoken = speech(call)
    if spoken is None or not call.hearing or call.speaking:
        return call, ()
    call = call.with_(speaking=True)
    if call.state is not State.LISTENING:
        return call, ()
    return await_answer(call, spoken.seconds)


def understood(call: Call, event: SpeechHeard) -> Step:
    """What the caller said was an answer, or none. A no always is one."""
    plan, spoken = call.agreed, speech(call)
    if is_no(plan, event):
        return decide(call, Outcome.REFUSED, event.at, answer_of(event))
    if spoken is None or not call.hearing:
        return call, ()
    call = call.with_(speaking=False)
    agreed = event.meaning is Meaning.YES
    if call.state is State.ASKING:
        return call.with_(talked_over=call.talked_over or agreed), ()
    if call.early:
        pressed = Answer(kind="key", value=call.early, at=event.at)
        return decide(call, Outcome.GRANTED, event.at, pressed)
    question = call.heard[-1] if call.heard else None
    # Who heard half of the question may have agreed to anything.
    ended = question.ended if question is not None and question.completely else None
    if not agreed or ended is None or event.began < ended - OVERLAP:
        return ask_again(call, event.at, Outcome.UNCLEAR, spoken.unheard)
    # Read back, with the way to take it back; so that way has to work.
    stops = spoken.withdraw_keys
    plan = replace(
        plan,
        thanks=spoken.thanks,
        no_keys=plan.no_keys | stops,
        withdraw_keys=plan.withdraw_keys | stops,
    )
    return decide(call.with_(plan=plan), Outcome.GRANTED, event.at, answer_of(event))


def misheard(call: Call, event: HearingFailed) -> Step:
    """Nobody hears the caller any more: whoever was told to speak is asked for a key instead, at once."""
    if not call.hearing:
        return call, ()
    call, stopped = stop_hearing(call.with_(deaf=LOST))
    if call.state not in {State.ASKING, State.LISTENING}:
        return call, stopped
    if call.early:
        pressed = DigitPressed(at=event.at, party=Party.CALLER, digit=call.early)
        return then(stopped, judge(call.with_(early=""), pressed))
    call, hushed = hush(call.with_(asked=call.asked - 1), event.at)
    return then((*stopped, *hushed), ask(call, event.at))


# --------------------------------------------------------------------------- the decision


def decide(call: Call, outcome: Outcome, at: float, answer: Answer = NO_ANSWER) -> Step:
    """Commit the outcome and wait, for a bounded time, until the ledger holds it."""
    call, deaf = stop_hearing(call, keep=outcome is Outcome.GRANTED and answer.kind == "speech")
    call, hushed = hush(call, at)
    call, entry = capturing.consent_entry(call, outcome, at, answer)
    call = call.with_(state=State.COMMITTING, pending=entry.number)
    call, timer = start_timer(call, Timer.COMMIT, call.agreed.commit_seconds)
    return call, (*deaf, *hushed, Commit(entry=entry), *timer)


def durable(call: Call, event: EntryDurable) -> Step:
    """The decision is on disk: say the last words, or go on at once."""
    if event.number != call.pending:
        return call, ()
    call, cancelled = stop_timers(call)
    call = call.with_(pending=0, allowed_by=event.number if call.consented else 0)
    last = last_words(call)
    if last is None:
        return then(cancelled, depart(call, event.at))
    return then(cancelled, say(call, State.CLOSING, event.at, last))


def last_words(call: Call) -> Prompt | None:
    """What the caller hears after the decision."""
    plan = call.agreed
    if call.outcome is Outcome.GRANTED:
        return plan.thanks
    if call.outcome is Outcome.REFUSED and (plan.duty or plan.on_refusal is OnRefusal.ALTERNATIVES):
        return plan.alternatives
    if call.outcome in {Outcome.REFUSED, Outcome.NO_INPUT, Outcome.INVALID, Outcome.UNCLEAR, Outcome.CUT}:
        return plan.unrecorded
    return None


def closed(call: Call, event: PromptFinished) -> Step:
    """The last words are over, however they ended."""
    done = finish_hearing(call, event)
    if done is None:
        return call, ()
    return then(done[1], depart(done[0], event.at))


def changed_mind(call: Call, event: DigitPressed | SpeechHeard) -> Step:
    """A no after a yes still counts, as long as the caller has not been handed on."""
    return objected(call, event) if call.consented else (call, ())


def depart(call: Call, at: float) -> Step:
    """Hand the caller back: to the queue the outcome leads to, or to the end of the call."""
    plan = call.agreed
    outcome = call.outcome or Outcome.FAULT
    call, cancelled = stop_timers(call)
    if outcome is Outcome.REFUSED and (plan.duty or plan.on_refusal is OnRefusal.ALTERNATIVES):
        return call.with_(state=State.ENDED), (*cancelled, End(outcome=outcome))
    call = call.with_(state=State.TALKING)
    if call.allowed_by and not call.holds:
        call, entry = capturing.capture_ordered(call, at)
        call, timer = start_timer(call, Timer.CONFIRM, plan.confirm_seconds)
        route = Route(queue=plan.recorded_queue, outcome=outcome, capture=True)
        return call, (*cancelled, StartCapture(allowed_by=call.allowed_by), entry, route, *timer)
    usual = {Outcome.NOT_SAMPLED, Outcome.SWITCHED_OFF, Outcome.AGENT_ASKS}
    same = outcome in usual or (plan.on_refusal is OnRefusal.SAME_QUEUE and outcome is not Outcome.EXEMPT)
    queue = plan.recorded_queue if same else plan.unrecorded_queue
    return call, (*cancelled, Route(queue=queue, outcome=outcome, capture=False))


# --------------------------------------------------------------------------- what goes wrong


def fault(call: Call, at: float, note: str) -> Step:
    """Something failed: the caller goes on unrecorded now; the entry is written but not waited for."""
    call, deaf = stop_hearing(call)
    call, hushed = hush(call, at)
    call, entry = capturing.consent_entry(call, Outcome.FAULT, at, NO_ANSWER, note)
    return then((*deaf, *hushed, Commit(entry=entry)), depart(call.with_(pending=0), at))


def failed(call: Call, event: Failed) -> Step:
    """A part of the house failed during the dialogue."""
    return fault(call, event.at, f"{event.fault}: {event.detail}" if event.detail else event.fault.value)


def recovered(call: Call, event: Recovered) -> Step:
    """A controller took over in the middle of the dialogue: nothing can be assumed heard."""
    return fault(call, event.at, "taken over after a crash")


def overdue(call: Call, event: TimeUp) -> Step:
    """A playback or the ledger took longer than it may."""
    if call.state is State.CLOSING:
        call, hushed = hush(call, event.at)
        return then(hushed, depart(call, event.at))
    return fault(
        call, event.at, "ledger too slow" if call.state is State.COMMITTING else "playback did not end"
    )


def switched_off(call: Call, event: RecordingSwitchedOff) -> Step:
    """All recording on the PBX was stopped while this caller was being asked."""
    if call.state in {State.COMMITTING, State.CLOSING} and not call.consented:
        return call, ()
    return decide(call, Outcome.SWITCHED_OFF, event.at)


def withdrawn(call: Call, event: WithdrawalAsked) -> Step:
    """Somebody withdraws on the caller's behalf before the caller was handed on."""
    return decide(call, Outcome.REFUSED, event.at, Answer(kind="withdrawal", value=event.by, at=event.at))


def hung_up(call: Call, event: HungUp) -> Step:
    """The caller left: an outcome of its own, unless a decision stands already. Nothing is captured."""
    call, deaf = stop_hearing(call)
    call, cancelled = hush(call, event.at)
    cancelled = tuple(action for action in cancelled if not isinstance(action, StopPlaying))
    if call.outcome is None and call.plan is not None:
        call, entry = capturing.consent_entry(call, Outcome.HUNG_UP, event.at, NO_ANSWER)
        cancelled = (*cancelled, Commit(entry=entry))
    return call.with_(state=State.ENDED), (*deaf, *cancelled)


def then(before: tuple[Action, ...], step: Step) -> Step:
    """The orders given so far, and after them those of ``step``."""
    return step[0], (*before, *step[1])


#: States in which what the caller says can be an answer.
HEARD = frozenset({State.ANNOUNCING, State.LEAVING, State.ASKING, State.LISTENING})

#: The life of a dialogue, on one screen. ``talking.TABLE`` is what follows it.
TABLE: dict[tuple[State, type[Event]], Rule] = {
    (State.NEW, CallArrived): arrive,
    (State.NEW, HungUp): hung_up,
    (State.NEW, ForeignRecorder): talking.foreign,
    (State.ANNOUNCING, PromptFinished): announced,
    (State.ANNOUNCING, DigitPressed): objected,
    (State.ANNOUNCING, SpeechHeard): objected,
    (State.LEAVING, DigitPressed): objected,
    (State.LEAVING, SpeechHeard): objected,
    (State.ASKING, PromptFinished): asked,
    (State.ASKING, DigitPressed): judge,
    (State.ASKING, SpeechHeard): understood,
    (State.LISTENING, DigitPressed): judge,
    (State.LISTENING, SpeechHeard): understood,
    (State.COMMITTING, EntryDurable): durable,
    (State.COMMITTING, DigitPressed): changed_mind,
    (State.COMMITTING, SpeechHeard): changed_mind,
    (State.CLOSING, PromptFinished): closed,
    (State.CLOSING, DigitPressed): changed_mind,
    (State.CLOSING, SpeechHeard): changed_mind,
    **{
        (state, event): rule
        for state in HEARD
        for event, rule in ((SpeechBegan, speaking), (HearingFailed, misheard))
    },
    **{
        (state, event): rule
        for state in (
            State.ANNOUNCING,
            State.LEAVING,
            State.ASKING,
            State.LISTENING,
            State.COMMITTING,
            State.CLOSING,
        )
        for event, rule in (
            (HungUp, hung_up),
            (Failed, failed),
            (Recovered, recovered),
            (RecordingSwitchedOff, switched_off),
            (WithdrawalAsked, withdrawn),
            (ForeignRecorder, talking.foreign),
        )
    },
}

#: What follows when a timer runs out.
TIMERS: dict[Timer, Rule] = {
    Timer.PROMPT: overdue,
    Timer.ANSWER: silent,
    Timer.LEAVE: stayed,
    Timer.COMMIT: overdue,
    Timer.CONFIRM: capturing.unconfirmed,
    Timer.PAUSE: pausing.over,
    Timer.WARN: pausing.soon_over,
}
