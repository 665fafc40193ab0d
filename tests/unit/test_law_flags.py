"""No flag without an answer, and no answer that only says so: each one is turned on alone and has to show."""

from dataclasses import replace
from pathlib import Path

import pytest

from callguard.law import (
    ANSWERS,
    Approval,
    BeepRole,
    ExceptionKind,
    Flag,
    Form,
    PartyFacts,
    Refusal,
    Rule,
    Say,
    Terms,
    admit,
    announce_in,
    demands,
    load_table,
    rule_for,
)
from callguard.law.flags import Handling, markdown
from callguard.law.words import Beep, Retention
from rules import proves

TABLE = load_table()
APPROVAL = Approval(approved_by="M. Ortiz", reason="counsel's opinion")
PLAIN = replace(
    TABLE.jurisdictions["NZ"],
    rule=Rule.NOTICE,
    form=Form.NONE,
    flags=frozenset(),
    bases=("consent", "contract", "pipeda_exception"),
    languages=("en", "fr", "de"),
    beep=Beep(role=BeepRole.SUFFICES, interval_s=15),
    retention=Retention(max_days=90),
)
#: Queues that between them touch everything that a flag can object to.
QUEUES = [
    Terms(purposes=("quality", "proof-of-contract")),
    Terms(purposes=("quality",), refusal=Refusal.ALTERNATIVES, alternatives=True),
    Terms(purposes=("legal-duty",), duty=APPROVAL),
    Terms(purposes=("fraud", "quality"), exception=ExceptionKind.FRAUD, exception_approval=APPROVAL),
]


def seen(*flags):
    """Everything that the controller is told about a call under a law with these flags."""
    entry = replace(PLAIN, flags=frozenset(flags))
    table = replace(TABLE, jurisdictions={**TABLE.jurisdictions, "NZ": entry})
    parties = [PartyFacts(role="caller", record="NZ"), PartyFacts(role="agent", site="NZ")]
    ruling = rule_for(table, parties)
    admitted = [replace(admit(table, ruling, terms), demands=demands(ruling)) for terms in QUEUES]
    return demands(ruling), announce_in(ruling, ("de", "en", "fr")), admitted


NOTHING = seen()


def test_every_flag_has_an_answer():
    assert set(ANSWERS) == set(Flag)
    assert all(answer.means and answer.does for answer in ANSWERS.values())


@pytest.mark.parametrize(
    "flag", [flag for flag, answer in ANSWERS.items() if answer.handling is Handling.DEMANDED]
)
def test_what_is_demanded_changes_what_is_said_or_done_on_the_call(flag):
    assert seen(flag)[:2] != NOTHING[:2]


@pytest.mark.parametrize(
    "flag", [flag for flag, answer in ANSWERS.items() if answer.handling is Handling.JUDGED]
)
def test_what_is_judged_changes_what_a_queue_may_do(flag):
    assert seen(flag)[2] != NOTHING[2]


@pytest.mark.parametrize(
    "flag",
    [flag for flag, answer in ANSWERS.items() if answer.handling in {Handling.ALWAYS, Handling.ADVISORY}],
)
def test_what_is_always_done_or_only_told_does_not_depend_on_the_flag(flag):
    assert seen(flag) == NOTHING


def test_what_is_tabled_changes_the_entry_that_applies():
    tabled = [flag for flag, answer in ANSWERS.items() if answer.handling is Handling.TABLED]
    assert tabled == [Flag.STATE_LAW_STRICTER]
    assert TABLE.effective("US") != TABLE.jurisdictions["US"]


def test_the_readme_can_show_every_flag_and_says_which_are_only_advice():
    text = markdown()
    assert all(f"| `{flag}` |" in text for flag in Flag)
    advice = [line for line in text.splitlines() if "advisory only" in line]
    assert len(advice) == sum(not answer.handling.enforced for answer in ANSWERS.values())


def alone(code):
    return rule_for(TABLE, [PartyFacts(role="caller", record=code)])


def test_what_has_to_be_said_follows_the_law():
    assert demands(alone("BE")).say >= {Say.CONTROLLER, Say.PURPOSE, Say.RETENTION, Say.OBJECTION}
    assert Say.EQUAL_SERVICE in demands(alone("NO")).say
    assert Say.EQUAL_SERVICE in demands(alone("SI")).say
    assert Say.WITHDRAWAL in demands(alone("DK")).say
    assert demands(alone("US-NY")).say == frozenset()


@pytest.mark.parametrize(("code", "kept"), [("US-WA", True), ("US-CT", True), ("ZZ", True), ("US-CA", False)])
def test_the_announcement_stands_in_the_recording_where_the_law_wants_it(code, kept):
    assert demands(alone(code)).announcement_in_recording is kept


def test_an_agent_agrees_in_germany_too():
    assert demands(alone("DE")).agent_consent
    assert not demands(alone("GB")).agent_consent


def test_a_tone_replaces_words_only_where_every_party_takes_it():
    assert demands(alone("US-CT")).tone_may_replace
    assert demands(alone("US-CT")).tone_interval_s == 15
    both = rule_for(
        TABLE, [PartyFacts(role="caller", record="US-CT"), PartyFacts(role="agent", site="US-CA")]
    )
    assert not demands(both).tone_may_replace
    assert demands(both).tone_interval_s is None


def test_pennsylvania_destroys_within_the_year():
    assert demands(alone("US-PA")).destroy_days == 365


@pytest.mark.parametrize(
    ("code", "served", "spoken", "missing"),
    [
        ("CA-QC", ("en", "fr"), ("fr", "en"), ()),
        ("CA-QC", ("en",), ("en",), ("fr",)),
        ("US-PR", ("en", "es"), ("es", "en"), ()),
        ("US-PR", ("en",), ("en",), ()),
        ("IN", ("en", "hi"), ("en", "hi"), ()),
        ("ES", ("en", "es"), ("es",), ()),
        ("BR", ("en", "pt"), ("pt",), ()),
        ("JP", ("en", "fr"), ("en",), ()),
        ("ZZ", ("de", "en"), ("de",), ()),
        ("CH", ("it", "fr"), ("fr",), ()),
    ],
)
def test_a_caller_hears_their_own_languages_as_far_as_the_queue_speaks_them(code, served, spoken, missing):
    found = announce_in(alone(code), served)
    assert (found.languages, found.missing) == (spoken, missing)


def test_french_comes_first_for_everybody_when_quebec_is_on_the_line():
    parties = [PartyFacts(role="caller", record="US-NY"), PartyFacts(role="recorder", site="CA-QC")]
    assert announce_in(rule_for(TABLE, parties), ("en", "fr")).languages == ("fr", "en")


@proves("s1-website")
def test_a_written_notice_spares_nobody_the_spoken_one():
    assert demands(alone("NO")).form is Form.EXPLICIT
    assert Say.WEBSITE in demands(alone("NO")).say
    assert ANSWERS[Flag.WEBSITE_INSUFFICIENT].handling is Handling.ALWAYS


def test_the_readme_says_what_is_done_about_each_flag():
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    before, _, rest = readme.partition("<!-- flags -->\n")
    inside, _, after = rest.partition("<!-- /flags -->")
    assert before and after, "README.md has lost its markers <!-- flags --> and <!-- /flags -->"
    # What belongs there: python -c 'from callguard.law.flags import markdown; print(markdown(), end="")'
    assert inside == markdown()
