"""What a queue may record for: bases, purposes, exceptions, duties, samples and staff lines."""

import pytest

from callguard.law import (
    Approval,
    ExceptionKind,
    Flag,
    Form,
    PartyFacts,
    Refusal,
    Terms,
    admit,
    load_table,
    retention_days,
    rule_for,
    sampled,
)
from rules import proves

TABLE = load_table()
APPROVAL = Approval(approved_by="M. Ortiz", reason="counsel's opinion of 3 November 2026")
NOBODY = Approval(approved_by="M. Ortiz", reason=" ")


def admitted(code, *, agent=None, **terms):
    parties = [PartyFacts(role="caller", record=code)]
    parties += [PartyFacts(role="agent", site=agent)] if agent else []
    return admit(TABLE, rule_for(TABLE, parties), Terms(**({"purposes": ("quality",)} | terms)))


def against(admission):
    return {objection.flag for objection in admission.objections}


@proves("s4-basis")
@pytest.mark.parametrize("code", ["GB", "IE", "PL", "IS"])
def test_without_a_lawful_basis_the_caller_is_asked(code):
    found = admitted(code)
    assert (found.basis, found.form, found.capture) == ("consent", Form.EXPLICIT, True)
    assert against(found) == {Flag.LAWFUL_BASIS}
    named = admitted(code, basis="legitimate_interests")
    assert named.form is rule_for(TABLE, [PartyFacts(role="caller", record=code)]).form
    assert named.objections == ()


@proves("s4-basis")
def test_a_basis_that_the_law_does_not_list_forbids_recording():
    found = admitted("DE", basis="overriding_interest")
    assert not found.capture
    assert against(found) == {Flag.LAWFUL_BASIS}


@proves("s4-no-training-basis")
@pytest.mark.parametrize("purpose", ["training", "quality"])
def test_training_and_quality_are_no_bases(purpose):
    found = admitted("FR", basis=purpose, purposes=(purpose,), sample_percent=10)
    assert not found.capture
    assert "no lawful basis" in found.objections[0].what


@proves("s4-no-training-basis")
@pytest.mark.parametrize("code", ["DK", "NO"])
def test_training_on_legitimate_interest_still_needs_a_yes_where_the_law_wants_consent(code):
    assert admitted(code, basis="legitimate_interests", purposes=("training",)).form is Form.EXPLICIT


def test_consent_under_the_gdpr_is_an_act():
    assert admitted("GB", basis="consent").form is Form.EXPLICIT
    assert admitted("US-CA", basis="consent").form is Form.IMPLIED


def test_evidence_of_business_is_all_that_a_greek_recording_is_for_without_a_yes():
    found = admitted("GR", basis="legitimate_interests", purposes=("quality", "dispute-resolution"))
    assert found.purposes == ("dispute-resolution",)
    assert not admitted("GR", basis="legitimate_interests").capture
    assert admitted("GR", basis="consent").purposes == ("quality",)


def test_a_swiss_caller_who_is_asked_anyway_may_agree_to_more_than_evidence():
    found = admitted("CH")
    assert (found.form, found.purposes, found.capture) == (Form.EXPLICIT, ("quality",), True)


def test_one_yes_is_for_one_purpose_in_quebec():
    found = admitted("CA-QC", purposes=("training", "quality", "complaints"))
    assert found.purposes == ("training",)
    assert against(found) == {Flag.CONSENT_PER_PURPOSE}


def test_a_contract_is_not_recorded_from_the_beginning_in_france():
    terms = {"basis": "contract", "sample_percent": 10}
    assert admitted("FR", purposes=("quality", "proof-of-contract"), **terms).purposes == ("quality",)
    assert not admitted("FR", purposes=("proof-of-contract",), **terms).capture


@proves("s3-sampling")
def test_not_every_call_is_recorded_in_france_unless_somebody_answers_for_it():
    assert against(admitted("FR", basis="legitimate_interests")) == {Flag.NO_BLANKET}
    assert not admitted("FR", basis="legitimate_interests").capture
    assert admitted("FR", basis="legitimate_interests", sample_percent=20).capture
    assert admitted("FR", basis="legitimate_interests", every_call=APPROVAL).capture
    assert not admitted("FR", basis="legitimate_interests", every_call=NOBODY).capture


@proves("s0-voiceprint")
@pytest.mark.parametrize("purpose", ["voiceprint", "identity", "biometrics"])
def test_a_voiceprint_is_refused(purpose):
    assert not admitted("US-NY", purposes=(purpose,)).capture
    assert admitted("US-NY", purposes=("quality", purpose)).purposes == ("quality",)


@proves("s0-no-false-qa", "s0-appropriate")
def test_what_is_announced_and_tagged_is_one_list_and_never_more_than_was_configured():
    wanted = ("quality", "marketing")
    for code in TABLE.jurisdictions:
        found = admitted(code, purposes=wanted, basis="consent", sample_percent=50)
        assert found.purposes == wanted[: len(found.purposes)]


@proves("s0-no-consent")
@pytest.mark.parametrize(
    ("kind", "form"),
    [
        (ExceptionKind.DEBT, Form.NOTICE),
        (ExceptionKind.FRAUD, Form.NONE),
        (ExceptionKind.ACCURACY, Form.NONE),
    ],
)
def test_an_exception_is_off_until_somebody_answers_for_it(kind, form):
    assert admitted("CA-ON").form is Form.IMPLIED
    assert admitted("CA-ON", exception=kind).form is Form.IMPLIED
    assert admitted("CA-ON", exception=kind, exception_approval=NOBODY).form is Form.IMPLIED
    found = admitted("CA-ON", exception=kind, exception_approval=APPROVAL)
    assert (found.form, found.exception) == (form, kind)


@proves("s0-no-consent")
def test_an_exception_loosens_only_the_law_that_knows_it():
    known = {"exception": ExceptionKind.FRAUD, "exception_approval": APPROVAL}
    assert admitted("US-CA", **known).form is Form.IMPLIED
    assert admitted("US-CA", **known).exception is None
    assert admitted("CA-ON", agent="US-WA", **known).form is Form.IMPLIED
    assert admitted("ZZ", **known).form is Form.EXPLICIT


def test_an_exception_is_lost_on_a_second_purpose_where_the_law_says_so():
    known = {"exception": ExceptionKind.FRAUD, "exception_approval": APPROVAL}
    found = admitted("CA-ON", agent="US-PA", purposes=("fraud", "quality"), **known)
    assert found.exception is None
    assert Flag.PURPOSE_BOUND in against(found)


def test_where_recording_is_a_duty_a_refuser_is_not_served_unrecorded():
    found = admitted("HU", agent="HU", duty=APPROVAL, purposes=("legal-duty",))
    assert (found.duty, found.form, found.basis) == (True, Form.NOTICE, "legal_obligation")
    assert found.refusal is Refusal.ALTERNATIVES
    assert found.retention_days == 1825


def test_a_duty_needs_somebody_who_answers_for_it_and_a_law_that_knows_it():
    assert not admitted("HU", duty=NOBODY).duty
    assert not admitted("US-NY", duty=APPROVAL).duty
    assert not admitted("HU", basis="legal_obligation").capture


def test_a_duty_at_home_does_not_silence_the_question_to_a_stranger():
    found = admitted("ZZ", agent="HU", duty=APPROVAL)
    assert (found.duty, found.form) == (True, Form.EXPLICIT)


@proves("s3-alternative")
def test_the_queue_decides_what_a_refuser_is_offered_as_far_as_the_law_lets_it():
    for refusal in Refusal:
        assert admitted("US-CA", refusal=refusal, alternatives=True).refusal is refusal
    ends = {"refusal": Refusal.ALTERNATIVES}
    assert admitted("US-CA", **ends).refusal is Refusal.UNRECORDED_QUEUE  # there is nothing to tell of
    assert admitted("NO", **ends, alternatives=True).refusal is Refusal.UNRECORDED_QUEUE  # equal service


@proves("s1-staff-line")
def test_staff_in_britain_and_france_have_a_phone_that_is_not_recorded():
    terms = {"basis": "legitimate_interests", "sample_percent": 10}
    assert Flag.STAFF_LINE in against(admitted("US-NY", agent="GB", **terms))
    assert not admitted("US-NY", agent="GB", **terms).capture
    assert admitted("US-NY", agent="GB", staff_line=True, **terms).capture
    assert admitted("GB", agent="US-NY", **terms).capture  # a British caller is not staff


def test_how_long_it_is_kept_has_to_be_known_where_it_has_to_be_said():
    found = admitted("BR")
    assert found.retention_days == 90
    assert admitted("LU", basis="consent").capture is False
    assert admitted("LU", basis="consent", retention_days=60).capture


@pytest.mark.parametrize(
    ("codes", "wanted", "days"),
    [
        (("US-NY",), None, None),
        (("US-NY",), 90, 90),
        (("FR",), 90, 90),
        (("FR",), 900, 180),
        (("FR",), None, 180),
        (("HU",), 90, 1825),
        (("HU",), None, 1825),
        (("HU",), 4000, 4000),
        (("BR", "FR"), 30, 90),
        (("HU", "FR"), 90, None),
    ],
)
def test_retention_is_what_the_queue_wants_within_what_the_laws_allow(codes, wanted, days):
    ruling = rule_for(TABLE, [PartyFacts(role="caller", record=code) for code in codes])
    assert retention_days(ruling, wanted) == days


def test_a_clash_of_retention_forbids_recording_until_a_human_decides():
    found = admitted("HU", agent="FR", basis="consent", sample_percent=10, staff_line=True)
    assert not found.capture
    assert any("counsel" in objection.what for objection in found.objections)


@proves("s3-sampling")
def test_the_same_call_is_always_drawn_alike_and_the_share_is_as_configured():
    calls = [f"call-{number}" for number in range(20_000)]
    drawn = [call for call in calls if sampled(call, 20)]
    assert drawn == [call for call in calls if sampled(call, 20)]
    assert 0.18 < len(drawn) / len(calls) < 0.22
    assert set(drawn) <= {call for call in calls if sampled(call, 30)}


def test_the_ends_of_the_share_are_exact():
    assert not any(sampled(f"{number}", 0) for number in range(1000))
    assert all(sampled(f"{number}", 100) for number in range(1000))
    for percent in (-1, 101, float("nan")):
        with pytest.raises(ValueError, match="within"):
            sampled("call", percent)
