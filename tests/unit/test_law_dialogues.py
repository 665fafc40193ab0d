"""Every jurisdiction's whole dialogue, in the core and in words: what its law wants is said and done."""

from dataclasses import replace

import pytest

from callguard.cli.explaining import explanation
from callguard.config import loads
from callguard.consent import Call, Outcome, Party, Plan, advance
from callguard.consent import Form as CoreForm
from callguard.consent import actions as do
from callguard.consent import events as ev
from callguard.controller.planning import basis_of
from callguard.controller.terms import terms_of
from callguard.law import Flag, Form, PartyFacts, admit, demands, load_table, rule_for
from plans import prompt
from rules import proves

TABLE = load_table()
CODES = sorted(TABLE.jurisdictions)
CONFIG = loads("""
site: {name: Acme, country: US, jurisdiction: US-NY, agent_consents: [US-NY]}
asterisk: {ari: {password: a}, ami: {password: b}}
dialogue: {languages: [en, fr, es, de]}
queues:
  sales: {purposes: [quality], lawful_basis: consent, retention_days: 30, sample_percent: 50}
""")
WORDS = {"en": "check the quality", "fr": "qualité", "es": "calidad", "de": "Servicequalität"}


def ruling_of(code):
    return rule_for(TABLE, [PartyFacts(role="caller", record=code)])


def plan_of(code):
    """The plan that this law asks for, with prompts that last two seconds."""
    ruling = ruling_of(code)
    form = CoreForm(demands(ruling).form.value)
    return Plan(
        form=form,
        basis=basis_of(ruling),
        recorded_queue="sales",
        unrecorded_queue="sales-unrecorded",
        announcement=prompt("announcement"),
        question=prompt("question"),
    )


class Line:
    """A caller on the line: hears what is ordered, presses one key when asked, and keeps every order."""

    def __init__(self, plan, *, key=None, cut=False, objects=False):
        self.call, self.orders, self.now = Call(id="call-1"), [], 0.0
        self.key, self.cut, self.objects = key, cut, objects
        self.happen(ev.CallArrived(at=0.0, plan=plan))

    def happen(self, event):
        self.call, orders = advance(self.call, event)
        self.orders += orders
        self.now += 1.0
        for order in orders:
            match order:
                case do.Play() if self.objects:
                    self.press("2")
                case do.Play(play=number):
                    self.happen(ev.PromptFinished(at=self.now, play=number, completely=not self.cut))
                case do.Listen() if self.key:
                    self.press(self.key)
                case do.Commit(entry=entry):
                    self.happen(ev.EntryDurable(at=self.now, number=entry.number))
                case do.StartTimer(timer=do.Timer.ANSWER | do.Timer.LEAVE, serial=serial):
                    self.happen(ev.TimeUp(at=self.now, timer=serial))

    def press(self, digit, party=Party.CALLER):
        self.happen(ev.DigitPressed(at=self.now, party=party, digit=digit))

    def places(self, kind):
        return [place for place, order in enumerate(self.orders) if isinstance(order, kind)]

    @property
    def captured(self):
        return bool(self.places(do.StartCapture))

    @property
    def entry(self):
        return next(order.entry for order in self.orders if isinstance(order, do.Commit))


# --------------------------------------------------------------------------- the core


@proves("s0-inform", "s2-announce", "s1-systematic", "s1-third-party")
@pytest.mark.parametrize("code", CODES)
def test_everybody_is_told_to_the_end_before_anything_is_captured(code):
    line = Line(plan_of(code), key="1")
    assert line.captured
    assert line.places(do.Play)[0] < line.places(do.Commit)[0] < line.places(do.StartCapture)[0]
    assert line.entry.heard[0].completely


@proves("s0-implied")
@pytest.mark.parametrize("code", CODES)
def test_a_notice_that_was_cut_short_is_none(code):
    line = Line(plan_of(code), cut=True)
    assert not line.captured
    assert line.entry.outcome is Outcome.CUT


@proves("s2-explicit")
@pytest.mark.parametrize("code", CODES)
def test_silence_is_consent_only_where_the_law_lets_it_be(code):
    assert Line(plan_of(code)).captured is (plan_of(code).form is not CoreForm.EXPLICIT)


@proves("s0-object", "s3-refuse", "s2-route")
@pytest.mark.parametrize(
    ("code", "when"),
    [(code, {"objects": True}) for code in CODES]
    + [(code, {"key": "2"}) for code in CODES if TABLE.effective(code).form is Form.EXPLICIT],
)
def test_a_no_is_honoured_from_the_first_second_on(code, when):
    line = Line(plan_of(code), **when)
    assert not line.captured
    assert line.entry.outcome is Outcome.REFUSED
    (route,) = (order for order in line.orders if isinstance(order, do.Route))
    assert (route.queue, route.capture) == ("sales-unrecorded", False)


@proves("s2-log", "s1-methods", "s0-consent-ways")
@pytest.mark.parametrize("code", CODES)
def test_the_entry_keeps_what_was_heard_how_it_was_answered_and_by_which_law(code):
    entry = Line(plan_of(code), key="1").entry
    assert [heard.prompt.name for heard in entry.heard][:1] == ["announcement"]
    assert entry.basis.jurisdictions == (code,)
    assert entry.basis.table == TABLE.identity
    assert entry.basis.statutes == TABLE.effective(code).statutes
    assert entry.answer.kind == {"explicit": "key", "notice": "none"}.get(entry.form.value, "silence")


@proves("s2-optout", "s3-agent-control")
@pytest.mark.parametrize("by", [Party.CALLER, Party.AGENT])
def test_either_side_stops_the_recording_later_in_the_call(by):
    line = Line(plan_of("US-CA"))
    assert line.captured
    line.happen(ev.WithdrawalAsked(at=line.now, by=by))
    assert line.places(do.StopCapture)


@proves("s2-sensitive", "s0-incidental")
def test_a_pause_keeps_what_is_said_meanwhile_out_of_the_recording():
    line = Line(plan_of("US-CA"))
    line.happen(ev.CaptureConfirmed(at=line.now, state=ev.CaptureState.ON, offset=0))
    line.happen(ev.PauseAsked(at=line.now, by="agent", allowed=True))
    assert line.places(do.PauseCapture)


@proves("s1-all-parties")
def test_recording_waits_for_somebody_who_joins_untold():
    line = Line(plan_of("GB"))
    line.happen(ev.CaptureConfirmed(at=line.now, state=ev.CaptureState.ON, offset=0))
    line.happen(ev.PartyJoined(at=line.now, who="second"))
    assert line.call.holds
    assert line.places(do.PauseCapture) or line.places(do.StopCapture)


@proves("s3-sampling")
def test_somebody_who_is_not_sampled_is_told_all_the_same():
    line = Line(replace(plan_of("US-CA"), capture=False, uncaptured=Outcome.NOT_SAMPLED))
    assert line.places(do.Play)
    assert not line.captured
    assert line.entry.outcome is Outcome.NOT_SAMPLED


# --------------------------------------------------------------------------- the words


@pytest.fixture(scope="module")
def said():
    """Code -> the plan of such a call to a queue that speaks English, French, Spanish and German."""
    answers = {}
    for code in CODES:
        parties = [PartyFacts(role="caller", record=code)]
        answers[code] = explanation(TABLE, CONFIG, parties, "sales")["plan"]
    return answers


@proves("s0-purpose")
@pytest.mark.parametrize("code", CODES)
def test_the_announcement_says_who_records_what_for_and_what_else_the_law_wants(code, said):
    plan, ruling = said[code], ruling_of(code)
    announced = [prompt for prompt in plan["prompts"] if prompt["name"] == "announcement"]
    assert announced
    for told in announced:
        assert "Acme" in told["text"]
        assert WORDS[told["language"]] in told["text"]
        if Flag.STATE_RETENTION in ruling.flags:
            # The queue's thirty days, or what the law makes of them.
            kept = admit(TABLE, ruling, terms_of(CONFIG, "sales")).retention_days
            assert str(kept) in told["text"]


@pytest.mark.parametrize("code", CODES)
def test_the_words_are_in_the_languages_of_the_law_as_far_as_the_queue_speaks_them(code, said):
    entry = TABLE.jurisdictions[code]
    spoken = list(dict.fromkeys(prompt["language"] for prompt in said[code]["prompts"]))
    known = [primary for language in entry.languages if (primary := language.partition("-")[0]) in WORDS]
    assert spoken == (known[: entry.announce_languages] or ["en"])


@pytest.mark.parametrize("code", CODES)
def test_the_words_fit_the_form(code, said):
    names = [prompt["name"] for prompt in said[code]["prompts"]]
    form = Form(said[code]["form"])
    assert ("question" in names) is (form is Form.EXPLICIT)
    assert ("leave" in names) is (form is Form.IMPLIED)
    admission = admit(TABLE, ruling_of(code), terms_of(CONFIG, "sales"))
    assert form is admission.form
    assert form.strictness >= ruling_of(code).form.strictness


@pytest.mark.parametrize(
    "code",
    [code for code in CODES if TABLE.jurisdictions[code].flags & {Flag.EQUAL_SERVICE, Flag.NO_PENALTY}],
)
def test_a_refusal_is_said_to_change_nothing_where_the_law_wants_it(code, said):
    question = next(prompt for prompt in said[code]["prompts"] if prompt["name"] == "question")
    assert "no difference" in question["text"]
