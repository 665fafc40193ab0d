"""Strictness over every pair of jurisdictions, and over anything that a PBX might hand us."""

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from callguard.law import (
    PartyFacts,
    Refusal,
    Terms,
    admit,
    demands,
    explain,
    load_table,
    locate,
    plain,
    rule_for,
)
from callguard.law.flags import ANSWERS

TABLE = load_table()
CODES = sorted(TABLE.jurisdictions)


def alone(code):
    return rule_for(TABLE, [PartyFacts(role="caller", record=code)])


ALONE = {code: alone(code) for code in CODES}


def at_least(whole, part):
    """What it means that one ruling is at least as strict as another."""
    assert whole.rule.strictness >= part.rule.strictness
    assert whole.form.strictness >= part.form.strictness
    assert whole.flags >= part.flags
    assert set(whole.languages) >= set(part.languages)
    assert whole.beep.role.strictness >= part.beep.role.strictness
    if whole.conflict is None:
        if part.retention_max_days is not None:
            assert whole.retention_max_days is not None
            assert whole.retention_max_days <= part.retention_max_days
        if part.retention_min_days is not None:
            assert whole.retention_min_days is not None
            assert whole.retention_min_days >= part.retention_min_days
    if part.bases:
        assert set(whole.bases) <= set(part.bases)
        assert "consent" in whole.bases


def test_all_128_are_there():
    assert len(CODES) == 128


def test_every_pair_is_at_least_as_strict_as_each_of_the_two():
    for first, second in product(CODES, CODES):
        parties = [PartyFacts(role="caller", record=first), PartyFacts(role="called", record=second)]
        both = rule_for(TABLE, parties)
        for code in (first, second):
            at_least(both, ALONE[code])
            entry = TABLE.jurisdictions[code]
            assert both.rule.strictness >= entry.rule.strictness
            assert both.form.strictness >= entry.form.strictness
        lows = {ALONE[code].retention_min_days for code in (first, second)} - {None}
        highs = {ALONE[code].retention_max_days for code in (first, second)} - {None}
        assert (both.conflict is not None) == bool(lows and highs and max(lows) > min(highs))


def test_every_pair_of_evidence_is_at_least_as_strict_as_each_of_the_two():
    for first, second in product(CODES, CODES):
        both = rule_for(TABLE, [PartyFacts(role="caller", record=first, chosen=second)])
        for code, other in ((first, second), (second, first)):
            # The more exact evidence stands for the whole that it lies in.
            if not TABLE.within(other, code):
                at_least(both, ALONE[code])


def test_the_fallback_is_as_strict_as_the_strictest():
    for ruling in ALONE.values():
        assert ALONE["ZZ"].rule.strictness >= ruling.rule.strictness
        assert ALONE["ZZ"].form.strictness >= ruling.form.strictness


numbers = st.one_of(
    st.none(),
    st.text(max_size=40),
    st.from_regex(r"\+?[0-9 ()\-.]{1,18}", fullmatch=True),
    st.integers(200, 999).map(lambda area: f"+1{area}5550123"),
    st.sampled_from(
        ["anonymous", "sip:+14155552671;npdi@host", "tel:+4930123456", "+18005550123", "+447911123456"]
    ),
)
codes = st.one_of(st.none(), st.sampled_from(CODES), st.text(max_size=8))
parties = st.lists(
    st.builds(
        PartyFacts,
        role=st.sampled_from(["caller", "called", "agent", "recorder", "joined"]),
        number=numbers,
        record=codes,
        chosen=codes,
        site=codes,
    ),
    max_size=5,
)
regions = st.one_of(st.none(), st.sampled_from(["US", "DE", "gb", "XX", ""]))


@settings(max_examples=300, deadline=None)
@given(parties, parties, regions)
def test_somebody_who_joins_never_weakens_the_rule(before, joining, region):
    first = rule_for(TABLE, before, region=region) if before else None
    both = rule_for(TABLE, before + joining, region=region)
    if first:
        at_least(both, first)
    assert explain(both)["plan"]["rule"] == both.rule


@settings(max_examples=200, deadline=None)
@given(parties, st.randoms(use_true_random=False), regions)
def test_the_order_of_the_parties_changes_nothing_but_the_order(facts, random, region):
    shuffled = list(facts)
    random.shuffle(shuffled)
    one, other = (rule_for(TABLE, some, region=region) for some in (facts, shuffled))
    assert (one.rule, one.form, one.flags, one.beep) == (other.rule, other.form, other.flags, other.beep)
    assert (one.retention_min_days, one.retention_max_days) == (
        other.retention_min_days,
        other.retention_max_days,
    )
    assert set(one.languages) == set(other.languages)
    assert set(one.jurisdictions) == set(other.jurisdictions)


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=300), regions)
def test_no_text_upsets_the_reading_of_a_number(text, region):
    place = locate(text, region)
    assert place.region is None or len(place.region) == 2
    assert place.region is not None or place.why


terms = st.builds(
    Terms,
    purposes=st.lists(
        st.sampled_from(["quality", "training", "proof-of-contract", "dispute-resolution", "voiceprint"]),
        min_size=1,
        max_size=4,
        unique=True,
    ).map(tuple),
    basis=st.sampled_from([None, "consent", "legitimate_interests", "legal_obligation", "quality"]),
    sample_percent=st.sampled_from([100.0, 20.0]),
    refusal=st.sampled_from(Refusal),
    alternatives=st.booleans(),
    retention_days=st.one_of(st.none(), st.integers(1, 4000)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(CODES), min_size=1, max_size=3), terms)
def test_no_terms_without_approval_weaken_the_law(where, wanted):
    facts = [
        PartyFacts(role=role, record=code)
        for role, code in zip(("caller", "agent", "recorder"), where, strict=False)
    ]
    ruling = rule_for(TABLE, facts)
    admission = admit(TABLE, ruling, wanted)
    assert admission.form.strictness >= demands(ruling).form.strictness
    assert set(admission.purposes) <= set(wanted.purposes)
    assert not admission.duty
    assert admission.exception is None
    assert admission.capture == (not any(objection.forbids for objection in admission.objections))
    assert admission.purposes or not admission.capture
    if admission.retention_days is not None and ruling.retention_max_days is not None:
        assert admission.retention_days <= ruling.retention_max_days
    assert plain(admission)["form"] == admission.form


def test_every_flag_of_the_table_has_an_answer():
    used = {flag for entry in TABLE.jurisdictions.values() for flag in entry.flags}
    assert used <= set(ANSWERS)
