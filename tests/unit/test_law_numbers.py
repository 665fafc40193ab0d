"""Numbers to places, against facts that were written down independently of the library."""

import time

import pytest

from callguard.law import Evidence, PartyFacts, e164, load_table, locate, rule_for, warm_up
from callguard.law.numbers import dialled
from tests.unit.area_codes import CANADA, ELSEWHERE, PLACELESS, TERRITORIES, UNITED_STATES, UNKNOWN_TO_LIBRARY

TABLE = load_table()
#: Every 47th exchange is enough here; `slow` below takes all of them.
EXCHANGES = range(200, 1000, 47)
EVERYTHING = range(200, 1000)


def party(number, **known):
    return rule_for(TABLE, [PartyFacts(role="caller", number=number, **known)]).parties[0]


def places(area, exchanges=EXCHANGES):
    """Codes of the valid numbers of an area code."""
    found = [locate(f"+1{area}{exchange}0123") for exchange in exchanges]
    return {TABLE.place(place.region, place.part) for place in found if place.region}


def expected(plan):
    return [(code, area) for code, areas in plan.items() for area in areas.split()]


def test_there_are_359_area_codes_of_the_united_states_and_56_of_canada():
    assert len(expected(UNITED_STATES)) == 359
    assert len(expected(CANADA)) == 56


def test_every_area_code_of_the_united_states_names_its_state():
    for state, area in expected(UNITED_STATES):
        assert places(area) == {f"US-{state}"}, area


def test_every_area_code_of_canada_names_its_province_or_the_federal_rule_where_it_is_shared():
    for codes, area in expected(CANADA):
        possible = set(codes.split())
        found = places(area)
        assert found, area
        assert found <= (possible if len(possible) == 1 else possible | {"CA"}), area


def test_every_territory_is_a_jurisdiction_of_its_own():
    for code, area in expected(TERRITORIES):
        assert places(area, EVERYTHING) == {code}


@pytest.mark.parametrize("area", ELSEWHERE.split())
def test_plus_one_is_not_the_united_states(area):
    assert places(area, EVERYTHING) == {"ZZ"}


@pytest.mark.parametrize("area", PLACELESS.split())
def test_numbers_of_services_name_no_place(area):
    assert places(area, EVERYTHING) == set()
    assert party(f"+1{area}5550123").jurisdiction == "ZZ"


def test_area_codes_newer_than_the_library_fall_to_the_strictest_entry():
    for state, area in expected(UNKNOWN_TO_LIBRARY):
        assert places(area) in ({f"US-{state}"}, set()), area


@pytest.mark.slow
def test_every_exchange_of_every_area_code_names_its_state():
    for state, area in expected(UNITED_STATES):
        # One exchange of 201 is described as New York; both sides of the Hudson then apply the same rule.
        allowed = {f"US-{state}"} | ({"US-NY"} if area == "201" else set())
        assert places(area, EVERYTHING) <= allowed, area


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("+14155550123", "US-CA"),
        ("+12125551234", "US-NY"),
        ("+12065550123", "US-WA"),  # described as "Washington State"
        ("+12025550123", "US-DC"),  # described as "Washington D.C."
        ("+15145550123", "CA-QC"),
        ("+12572000123", "CA-BC"),  # described as "British Colombia"
        ("+18675360123", "CA-YT"),  # described as "Watson Lake"
        ("+18672000123", "CA"),  # three territories under one rule
        ("+19022000123", "CA"),  # two provinces under one rule
        ("+442071838750", "GB"),
        ("+447911123456", "GG"),
        ("+447797712345", "JE"),
        ("+447624123456", "IM"),
        ("+4930123456", "DE"),
        ("+33612345678", "FR"),
        ("+4722123456", "NO"),
        ("+61412345678", "AU"),
        ("+61212345678", "AU"),  # no prefix tells the state
        ("+358181234567", "FI"),  # Aland
        ("+4779021234", "NO"),  # Svalbard
        ("+17875550123", "US-PR"),
        ("+16715550123", "US-GU"),
        ("+541112345678", "ZZ"),  # a place that the table does not know
    ],
)
def test_a_number_is_evidence_of_its_place(number, code):
    found = party(number)
    assert (found.jurisdiction, found.evidence) == (code, Evidence.NUMBER)


@pytest.mark.parametrize(
    "number",
    [
        None,
        "",
        " ",
        "anonymous",
        "unknown",
        "Restricted",
        "asterisk",
        "+",
        "+1",
        "+1415",
        "+33123",  # its country has one region, which needs no valid number to be found
        "1001",
        "0014155552671",
        "4155550123",
        "+18005550123",
        "+18885550123",
        "+19005551234",
        "+15005550123",
        "+80012345678",
        "+881612345678",
        "+16005550123",
        "+498001234567",
        "sip:",
        "sip:10.0.0.1",
        "sip:alice@example.com",
        "sip:anonymous@anonymous.invalid",
        "tel:",
        "+1415555012345678",
        "call 4155550123 now",
        "${EXTEN}",
        "|rm -rf|",
        "9" * 10_000,
        "\x00+14155550123",
        "+1\n4155550123",
        "<script>",
        "'; drop table calls; --",
    ],
)
def test_what_names_no_place_is_asked_explicitly(number):
    found = party(number)
    assert (found.jurisdiction, found.evidence, found.form) == ("ZZ", Evidence.NONE, "explicit")
    assert found.note


@pytest.mark.parametrize(
    "number",
    [
        "sip:+14155552671@pbx.example",
        "sips:+14155552671@pbx.example:5061;transport=tls",
        "sip:+14155552671;npdi;rn=+12125550100@pbx.example;user=phone",
        "sip:+14155552671:secret@pbx.example",
        "sip:%2B14155552671@pbx.example",
        '"Bob <x>" <sip:+14155552671@pbx.example>;tag=1',
        "tel:+1-415-555-2671",
        "tel:+14155552671;ext=12",
        "tel:555-2671;phone-context=+1-415",
        "+14155552671;npdi",
        "+14155552671;rn=+12125550100",
        "+1 (415) 555-2671",
        "SIP:+14155552671@PBX",
    ],
)
def test_only_the_number_in_an_address_counts(number):
    assert party(number).jurisdiction == "US-CA"
    assert e164(number) == "+14155552671"


def test_a_national_number_is_read_in_the_country_of_the_site():
    facts = [PartyFacts(role="caller", number="0301234567")]
    assert rule_for(TABLE, facts, region="DE").parties[0].jurisdiction == "DE"
    assert rule_for(TABLE, facts, region="de").parties[0].jurisdiction == "DE"
    assert rule_for(TABLE, facts).parties[0].jurisdiction == "ZZ"


def test_a_wrong_trunk_prefix_is_not_repaired():
    facts = [PartyFacts(role="caller", number="0014155552671")]
    assert rule_for(TABLE, facts, region="US").parties[0].jurisdiction == "ZZ"


def test_a_password_in_an_address_is_not_part_of_the_number():
    assert dialled("sip:+14155552671:4711@host") == "+14155552671"


def test_warming_up_takes_the_data_off_the_call_path():
    warm_up()
    began = time.perf_counter()
    assert warm_up() < 0.05
    party("+14155550123")
    assert time.perf_counter() - began < 0.1
