"""Several parties, one rule: evidence, strictness, retention, languages, tones and bases."""

import pytest

from callguard.law import Evidence, Flag, Form, PartyFacts, Rule, load_table, rule_for
from callguard.law.words import BeepRole
from rules import proves

TABLE = load_table()
CALIFORNIA, NEW_YORK = "+14155550123", "+12125551234"


def ruling(*codes, role="caller"):
    return rule_for(TABLE, [PartyFacts(role=role, record=code) for code in codes])


def one(**known):
    return rule_for(TABLE, [PartyFacts(role="caller", **known)]).parties[0]


def test_the_best_evidence_is_named_when_all_agree():
    assert one(record="US-CA", chosen="US-CA", number=CALIFORNIA).evidence is Evidence.RECORD
    assert one(chosen="US-CA", number=CALIFORNIA).evidence is Evidence.CHOSEN
    assert one(number=CALIFORNIA).evidence is Evidence.NUMBER
    assert one(site="US-CA").evidence is Evidence.SITE


def test_evidence_that_disagrees_applies_twice():
    found = one(record="US-NY", number=CALIFORNIA)
    assert {place.jurisdiction for place in found.considered} == {"US-NY", "US-CA"}
    assert (found.jurisdiction, found.rule, found.form) == ("US-CA", Rule.ALL_PARTY, Form.IMPLIED)
    assert one(record="US-CA", number=NEW_YORK).rule is Rule.ALL_PARTY


def test_rule_and_form_may_come_from_different_evidence():
    found = one(record="FR", chosen="DK")  # all-party and implied, notice and explicit
    assert (found.rule, found.form) == (Rule.ALL_PARTY, Form.EXPLICIT)


def test_a_country_does_not_contradict_its_part():
    found = one(record="US", number=NEW_YORK)
    assert [place.jurisdiction for place in found.considered] == ["US-NY"]
    assert one(record="EU", number="+33123456789").jurisdiction == "FR"


def test_an_american_of_unknown_state_gets_what_satisfies_every_state():
    found = rule_for(TABLE, [PartyFacts(role="caller", record="US")])
    assert (found.rule, found.form) == (Rule.ALL_PARTY, Form.EXPLICIT)
    assert Flag.ANNOUNCEMENT_IN_RECORDING in found.flags
    for state in (entry for entry in TABLE.jurisdictions.values() if entry.parent == "US"):
        assert found.flags >= state.flags, state.code


def test_a_european_of_unknown_state_is_asked():
    assert ruling("EU").form is Form.EXPLICIT


@pytest.mark.parametrize("code", ["XX", "Mars", "AR", "U$", "12"])
def test_a_record_that_the_table_does_not_know_is_the_unknown(code):
    assert one(record=code).form is Form.EXPLICIT
    assert one(record=code, number=NEW_YORK).form is Form.EXPLICIT


def test_an_empty_record_is_no_record():
    assert one(record=" ", chosen="", number=NEW_YORK).form is Form.NOTICE


@pytest.mark.parametrize(
    ("text", "code"),
    [("us-ca", "US-CA"), ("US_CA", "US-CA"), ("uk", "GB"), (" de ", "DE"), ("PR", "US-PR"), ("NO", "NO")],
)
def test_records_write_codes_in_many_ways(text, code):
    assert one(record=text).jurisdiction == code


def test_a_withheld_number_does_not_weaken_or_raise_what_the_record_says():
    assert one(record="US-NY", number="anonymous").jurisdiction == "US-NY"
    assert one(record="US-NY", number="+18005550123").form is Form.NOTICE


def test_nobody_at_all_is_one_unknown_party():
    assert rule_for(TABLE, []).form is Form.EXPLICIT


def test_the_site_of_agent_and_recorder_are_parties():
    parties = [PartyFacts(role="caller", number=NEW_YORK), PartyFacts(role="agent", site="DE")]
    found = rule_for(TABLE, parties)
    assert (found.rule, found.form) == (Rule.ALL_PARTY, Form.EXPLICIT)
    assert Flag.AGENT_CONSENT in found.flags
    assert found.jurisdictions == ("US-NY", "DE")


@proves("s0-contractors")
def test_an_agent_elsewhere_brings_that_law_whoever_employs_them():
    assert ruling("US-NY").form is Form.NOTICE
    parties = [PartyFacts(role="caller", record="US-NY"), PartyFacts(role="agent", site="US-WA")]
    assert Flag.ANNOUNCEMENT_IN_RECORDING in rule_for(TABLE, parties).flags


@proves("s0-direction")
def test_who_dialled_makes_no_difference():
    there = rule_for(
        TABLE, [PartyFacts(role="caller", record="FI"), PartyFacts(role="called", record="US-CT")]
    )
    back = rule_for(
        TABLE, [PartyFacts(role="caller", record="US-CT"), PartyFacts(role="called", record="FI")]
    )
    assert (there.rule, there.form, there.flags, there.beep) == (back.rule, back.form, back.flags, back.beep)


def test_a_clash_of_retention_is_handed_to_a_human():
    found = ruling("HU", "FR", "BE")
    assert found.conflict is not None
    assert (found.conflict.min_days, found.conflict.max_days) == (1825, 30)
    assert (found.conflict.min_by, found.conflict.max_by) == (("HU",), ("FR", "BE"))
    assert found.retention_min_days is None
    assert found.retention_max_days is None
    assert "HU" in str(found.conflict)


def test_retention_is_the_longest_minimum_and_the_shortest_maximum():
    assert (ruling("BE", "FR").retention_max_days, ruling("BR", "CA-BC").retention_min_days) == (30, 365)
    assert ruling("BR", "FR").conflict is None
    assert (ruling("BR", "FR").retention_min_days, ruling("BR", "FR").retention_max_days) == (90, 180)


def test_languages_come_in_the_order_of_the_parties_and_french_first_where_quebec_is_on_the_line():
    assert ruling("DE", "GB").languages == ("de", "en", "cy")
    assert ruling("US-NY", "CA-QC").languages == ("fr", "en")
    assert ruling("CA-QC").languages == ("fr", "en")


def test_a_tone_is_worth_the_least_that_any_party_gives_it():
    assert ruling("US-CT").beep.role is BeepRole.SUFFICES
    assert ruling("US-CT").beep.interval_s == 15
    assert ruling("US-CT", "US-NY").beep.role is BeepRole.SUFFICES
    assert ruling("US-CT", "GB").beep.role is BeepRole.NOTICE_ONLY
    assert ruling("US-CT", "US-CA").beep.role is BeepRole.NO


def test_a_lawful_basis_is_one_that_every_party_knows():
    assert ruling("DE").bases[0] == "consent"
    assert ruling("DE", "US-NY").bases == ruling("DE").bases
    assert ruling("DE", "CA-ON").bases == ("consent",)
    assert ruling("US-NY").bases == ()


def test_the_table_stands_in_every_ruling():
    assert ruling("DE").table == f"{TABLE.version} sha256:{TABLE.sha256}"


@proves("s3-federal")
def test_american_federal_law_is_content_with_one_party_and_never_decides_alone():
    federal = TABLE.jurisdictions["US"]
    assert federal.law_rule is Rule.ONE_PARTY
    assert TABLE.effective("US").rule is Rule.ALL_PARTY


@proves("s3-twelve")
def test_twelve_states_and_the_disputed_ones_want_all_parties():
    twelve = ["CA", "CT", "FL", "IL", "MD", "MA", "MI", "MT", "NV", "NH", "PA", "WA"]
    states = {code: entry for code, entry in TABLE.jurisdictions.items() if entry.parent == "US"}
    assert {code for code, entry in states.items() if entry.law_rule is Rule.ALL_PARTY} >= {
        f"US-{s}" for s in twelve
    }
    everyone = {code.removeprefix("US-") for code, entry in states.items() if entry.rule is Rule.ALL_PARTY}
    assert everyone == {*twelve, "DE", "OR", "VT", "PR", "GU", "VI", "AS", "MP"}
    assert len(states) == 50 + 1 + 5


@proves("s3-calif")
def test_california_cites_its_penal_code_and_reaches_recorders_elsewhere():
    entry = TABLE.jurisdictions["US-CA"]
    assert "Cal. Penal Code § 632" in entry.statutes
    assert entry.law_rule is Rule.ALL_PARTY
    parties = [PartyFacts(role="caller", record="US-CA"), PartyFacts(role="recorder", site="US-GA")]
    assert rule_for(TABLE, parties).rule is Rule.ALL_PARTY


@proves("s3-fcc")
def test_a_tone_alone_suffices_in_connecticut_only_and_the_old_rule_is_marked_as_deleted():
    suffices = [entry.code for entry in TABLE.jurisdictions.values() if entry.beep.role is BeepRole.SUFFICES]
    assert suffices == ["US-CT"]
    assert any("64.501" in text and "deleted" in text for text in TABLE.jurisdictions["US"].statutes)
