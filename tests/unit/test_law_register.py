"""The register of prior consents: every row is taken or refused with its line and its reason."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callguard.law import Withdrawal, prior_consent, read_register, standing
from rules import proves

TODAY = date(2026, 11, 21)
PURPOSES = ("quality", "training", "fraud")
HEADING = "number,purposes,given,expires,channel,reference,withdrawn"
GOOD = "+14155550123,quality training,2026-03-01,2027-03-01,written,contract 4711,"


def imported(*rows, heading=HEADING, region=None):
    return read_register(
        [f"{line}\n" for line in (heading, *rows)], purposes=PURPOSES, today=TODAY, region=region
    )


def test_a_good_row_is_taken():
    (consent,) = imported(GOOD).accepted
    assert consent.number == "+14155550123"
    assert consent.purposes == {"quality", "training"}
    assert consent.reference == "contract 4711"


@proves("s0-consent-ways")
@pytest.mark.parametrize("channel", ["written", "spoken", "keyed"])
def test_the_way_of_agreeing_is_kept(channel):
    (consent,) = imported(GOOD.replace("written", channel)).accepted
    assert consent.channel == channel


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (GOOD.replace("+14155550123", "4155550123"), "no phone number"),
        (GOOD.replace("+14155550123", "+1415"), "no phone number"),
        (GOOD.replace("+14155550123", ""), "no phone number"),
        (GOOD.replace("quality training", ""), "no purposes"),
        (GOOD.replace("training", "marketing"), "unknown purpose marketing"),
        (GOOD.replace("2026-03-01", "1.3.2026"), "no date"),
        (GOOD.replace("2026-03-01", "2026-12-01"), "not come yet"),
        (GOOD.replace("2027-03-01", "2026-03-01"), "not after it was given"),
        (GOOD.replace("2027-03-01", "2026-11-21"), "expired"),
        (GOOD.replace("2027-03-01", ""), "no date"),
        (GOOD.replace("written", "email"), "no channel"),
        (GOOD.replace("contract 4711", " "), "no reference"),
        (GOOD + "2026-01-01", "before it was given"),
        (GOOD + ",more", "more fields"),
        ("+14155550123", "no purposes"),
        ("", ""),
    ],
)
def test_a_bad_row_is_refused_with_its_line_and_reason(row, reason):
    found = imported(GOOD.replace("0123", "0199"), row)
    assert len(found.accepted) == 1
    if row:
        assert [(refused.line, reason in refused.reason) for refused in found.refused] == [(3, True)], (
            found.refused
        )


def test_a_row_that_stands_twice_is_taken_once():
    found = imported(GOOD, GOOD)
    assert len(found.accepted) == 1
    assert [refused.line for refused in found.refused] == [3]


def test_numbers_in_national_format_are_read_in_the_country_of_the_site():
    (consent,) = imported(GOOD.replace("+14155550123", "(415) 555-0123"), region="US").accepted
    assert consent.number == "+14155550123"


@pytest.mark.parametrize(
    "heading", ["", "number;purposes", "number,purposes,given,expires,channel", HEADING + ",colour"]
)
def test_a_file_with_another_heading_is_refused_as_a_whole(heading):
    found = imported(GOOD, heading=heading)
    assert found.accepted == ()
    assert [refused.line for refused in found.refused] == [1]


def test_an_unclosed_quote_ends_the_reading_there():
    found = imported(GOOD, '+14155550199,"quality')
    assert len(found.accepted) == 1
    assert "not CSV" in found.refused[0].reason


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=60), max_size=5))
def test_no_file_upsets_the_reading(lines):
    found = read_register(lines, purposes=PURPOSES, today=TODAY)
    assert found.accepted == ()


def test_a_consent_counts_for_its_purposes_and_its_time():
    register = imported(GOOD).accepted
    number = "+14155550123"
    assert prior_consent(register, number, ["quality"], TODAY) is register[0]
    assert prior_consent(register, number, ["quality", "training"], date(2026, 3, 1)) is register[0]
    assert prior_consent(register, number, ["quality", "fraud"], TODAY) is None
    assert prior_consent(register, number, ["quality"], date(2026, 2, 28)) is None
    assert prior_consent(register, number, ["quality"], date(2027, 3, 1)) is None
    assert prior_consent(register, "+14155550124", ["quality"], TODAY) is None


def test_nobody_has_consented_who_withholds_the_number_or_is_asked_for_nothing():
    register = imported(GOOD).accepted
    assert prior_consent(register, None, ["quality"], TODAY) is None
    assert prior_consent(register, "", ["quality"], TODAY) is None
    assert prior_consent(register, "+14155550123", [], TODAY) is None


@proves("s2-optout")
def test_a_withdrawn_consent_no_longer_counts_from_that_day_on():
    register = imported(GOOD + "2026-10-01").accepted
    assert prior_consent(register, "+14155550123", ["quality"], date(2026, 9, 30)) is not None
    assert prior_consent(register, "+14155550123", ["quality"], date(2026, 10, 1)) is None


def test_a_row_that_was_withdrawn_since_is_refused():
    withdrawals = [Withdrawal(number="+14155550123", purpose="training", day=date(2026, 3, 1))]
    lines = [f"{line}\n" for line in (HEADING, GOOD, GOOD.replace("2026-03-01", "2026-03-02"))]
    found = read_register(lines, purposes=PURPOSES, today=TODAY, withdrawals=withdrawals)
    assert [(row.line, "training was withdrawn on 2026-03-01" in row.reason) for row in found.refused] == [
        (2, True)
    ]
    assert [consent.given for consent in found.accepted] == [date(2026, 3, 2)]


def test_a_withdrawal_that_has_not_come_yet_is_refused():
    assert "not come yet" in imported(GOOD + "2026-12-01").refused[0].reason


def test_what_is_left_after_withdrawals_stands():
    (consent,) = imported(GOOD).accepted
    number, day = consent.number, date(2026, 5, 1)

    def left(*withdrawals):
        return [one.purposes for one in standing([consent], withdrawals)]

    assert left() == [{"quality", "training"}]
    assert left(Withdrawal(number=number, purpose="quality", day=day)) == [{"training"}]
    assert left(Withdrawal(number=number, purpose="", day=day)) == []
    assert left(Withdrawal(number=number, purpose="", day=date(2026, 2, 28))) == [{"quality", "training"}]
    assert left(Withdrawal(number="+14155550124", purpose="", day=day)) == [{"quality", "training"}]
