"""What is wrong with pauses and payments, as the ledger tells it; card numbers never get into it."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from callguard.cli import callguard
from callguard.consent import Call, Form, Plan, advance
from callguard.consent import actions as do
from callguard.consent import events as ev
from callguard.consent.words import Basis, Outcome, Party
from callguard.errors import LedgerError
from callguard.ledger import Entry, Kind, body_for, open_ledger
from callguard.ledger.bodies import Capture, Ended, Fault, Hold
from callguard.ledger.pauses import OVERRUN, End
from callguard.ledger.payments import Payment, holds_card_number

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
BASIS = Basis(jurisdictions=("ZZ",), rule="all-party", table="test")


def capture(kind, number=1, **more):
    return Capture(kind=kind, number=number, **more)


STARTED = capture(Kind.CAPTURE_STARTED)
PAUSED = capture(Kind.CAPTURE_PAUSED, hold="payment", by="agent desk-211", reason="payment")
CONFIRMED = capture(Kind.CAPTURE_CONFIRMED)
VERIFIED = capture(Kind.CAPTURE_VERIFIED, offset=8000, until=16000)
LIFTED = Hold(kind=Kind.HOLD_LIFTED, number=9, hold="payment", by="agent desk-211")
BY_CLOCK = Hold(kind=Kind.HOLD_LIFTED, number=9, hold="payment", by="queue")
RESUMED = capture(Kind.CAPTURE_RESUMED)
HUNG_UP = capture(Kind.CAPTURE_STOPPED, reason="hung up")
SEALED = capture(Kind.CAPTURE_STOPPED, 0, reason="sealed", sha256="0" * 64)
ENDED = Ended(outcome=Outcome.GRANTED)
PAID = Payment(reference="order 17", by="program crm", paused=True)


@pytest.fixture
def site(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "site: {name: Acme, country: US}\n"
        "asterisk: {ari: {password: x}, ami: {password: x}}\n"
        "queues: {sales: {}}\n"
        f"ledger: {{url: 'sqlite:///{tmp_path}/ledger.db'}}\n"
    )
    return path


def written(site, *calls, step=10.0):
    """Write calls down, a body every ``step`` seconds, one call an hour."""

    async def write():
        async with await open_ledger(f"sqlite:///{site.parent}/ledger.db") as ledger:
            for number, bodies in enumerate(calls):
                for place, body in enumerate(bodies):
                    at = NOON + timedelta(hours=number, seconds=place * step)
                    await ledger.append(Entry(body=body, utc=at, monotonic=0.0, call=f"c-{number}"))

    asyncio.run(write())


def report(site, *words):
    result = CliRunner().invoke(callguard, ["pauses", "-c", str(site), "--json", *words])
    assert result.exit_code in {0, 1}, result.output
    found = json.loads(result.output)
    odd = [each for each in (*found["pauses"], *found["payments"]) if each["wrong"]]
    assert result.exit_code == bool(odd)
    return found


def test_a_pause_and_a_payment_in_order_are_nothing_to_look_at(site):
    written(site, [STARTED, PAUSED, CONFIRMED, VERIFIED, PAID, LIFTED, RESUMED, HUNG_UP, SEALED, ENDED])
    found = report(site)
    assert found["pauses"] == [
        {
            "call": "c-0",
            "began": "2026-11-21T12:00:10+00:00",
            "by": "agent desk-211",
            "seconds": 40.0,
            "end": "resumed",
            "ended_by": "agent desk-211",
            "confirmed": True,
            "verified": True,
            "extended": False,
            "wrong": [],
        }
    ]
    assert [(paid["reference"], paid["wrong"]) for paid in found["payments"]] == [("order 17", [])]


@pytest.mark.parametrize(
    ("bodies", "end", "wrong"),
    [
        ([PAUSED, CONFIRMED, HUNG_UP, ENDED], "call", ["was never resumed: the call ended"]),
        ([PAUSED, CONFIRMED, ENDED], "call", ["was never resumed: the call ended"]),
        ([PAUSED, CONFIRMED, BY_CLOCK, RESUMED, ENDED], "clock", ["was ended by the clock, by nobody"]),
        (
            [PAUSED, capture(Kind.CAPTURE_STOPPED, reason="not confirmed"), ENDED],
            "stopped",
            ["ended with the recording: not confirmed"],
        ),
        (
            [PAUSED, CONFIRMED, Fault(where=OVERRUN), HUNG_UP, ENDED],
            "call",
            ["was never resumed: the call ended", "went on after its time"],
        ),
        ([PAUSED, CONFIRMED, capture(Kind.CAPTURE_STOPPED, reason="withdrawn"), ENDED], "withdrawn", []),
        ([PAUSED, CONFIRMED], "open", []),
    ],
    ids=["hung up", "ended", "clock", "not confirmed", "overran", "withdrawn", "goes on"],
)
def test_each_bad_end_of_a_pause_is_told(site, bodies, end, wrong):
    written(site, [STARTED, *bodies])
    [pause] = report(site, "--longer-than", "3600")["pauses"]
    assert (pause["end"], pause["wrong"]) == (end, wrong)


def test_a_long_pause_is_told_and_how_long_is_for_the_site_to_say(site):
    written(site, [STARTED, PAUSED, LIFTED], step=200)
    assert report(site)["pauses"][0]["wrong"] == ["lasted 200 s"]
    assert report(site, "--longer-than", "200")["pauses"][0]["wrong"] == []


def test_pressing_twice_is_one_pause_and_waiting_for_a_party_is_none(site):
    again = Hold(kind=Kind.HOLD_SET, number=5, hold="payment", by="agent desk-211")
    party = capture(Kind.CAPTURE_PAUSED, hold="untold:second", by="second")
    gone = Hold(kind=Kind.HOLD_LIFTED, number=6, hold="untold:second")
    written(site, [STARTED, PAUSED, again, party, VERIFIED, gone, LIFTED, party, gone, ENDED])
    [pause] = report(site)["pauses"]
    assert (pause["seconds"], pause["end"], pause["verified"]) == (50.0, "resumed", False)


def test_a_pause_that_began_while_a_party_was_not_told_counts(site):
    party = capture(Kind.CAPTURE_PAUSED, hold="untold:second", by="second")
    asked = Hold(kind=Kind.HOLD_SET, number=5, hold="payment", by="phone 211")
    written(site, [STARTED, party, asked, PAID, ENDED])
    found = report(site)
    assert (found["pauses"][0]["by"], found["pauses"][0]["end"]) == ("phone 211", "call")
    assert found["payments"][0]["wrong"] == []


@pytest.mark.parametrize(
    ("bodies", "exposed"),
    [
        ([STARTED, PAID], [True]),
        ([STARTED, PAUSED, PAID, PAID, LIFTED], [False, False]),
        ([STARTED, PAUSED, LIFTED, PAID], [False]),
        ([STARTED, PAUSED, LIFTED, PAID, PAID], [False, True]),
        ([STARTED, PAUSED, PAID, LIFTED, PAID], [False, False]),
        ([STARTED, PAUSED, LIFTED, PAID, PAUSED, LIFTED, PAID], [False, False]),
        ([PAID], [False]),
        ([STARTED, HUNG_UP, PAID], [True]),
        ([STARTED, PAUSED, PAID, HUNG_UP, PAID], [False, False]),
    ],
    ids=[
        "none",
        "two in one",
        "told afterwards",
        "the second without",
        "told before and after",
        "one each",
        "not recorded",
        "recorded before",
        "told after the call",
    ],
)
def test_a_payment_needs_a_pause_of_its_own_where_the_call_is_recorded(site, bodies, exposed):
    written(site, bodies)
    payments = report(site, "--longer-than", "9999")["payments"]
    assert [each["wrong"] == ["was not paused for"] for each in payments] == exposed


def test_the_time_that_is_asked_for(site):
    written(site, *[[STARTED, PAUSED, LIFTED, PAID, ENDED]] * 5)
    found = report(site, "--since", "2026-11-21 13:00:00", "--until", "2026-11-21 15:00:00")
    assert [each["call"] for each in found["pauses"]] == ["c-1", "c-2"]
    assert [each["call"] for each in found["payments"]] == ["c-1", "c-2"]
    # The rest of a call is looked at although it lies outside.
    found = report(site, "--since", "2026-11-21 13:00:30")
    assert (found["payments"][0]["call"], found["payments"][0]["wrong"]) == ("c-1", [])


def test_people_get_a_table_of_what_is_wrong_and_all_of_it_if_they_ask(site):
    written(site, [STARTED, PAUSED, LIFTED], [STARTED, PAUSED, ENDED], [STARTED, PAID])
    result = CliRunner().invoke(callguard, ["pauses", "-c", str(site)])
    assert result.exit_code == 1
    assert "c-1" in result.output
    assert "c-0" not in result.output
    assert "order 17" in result.output
    assert "2 pauses, 1 to look at; 1 payments, 1 without a pause" in result.output
    assert "c-0" in CliRunner().invoke(callguard, ["pauses", "-c", str(site), "--all"]).output


def test_an_empty_ledger_is_nothing_to_look_at(site):
    written(site)
    assert report(site) == {"pauses": [], "payments": []}


# ---------------------------------------------------------------------- what the core writes


def lived(*happened):
    """The bodies that the real core writes about a recorded call to which this happens."""
    plan = Plan(form=Form.NONE, basis=BASIS, recorded_queue="sales", unrecorded_queue="open")
    call, bodies, waiting = Call(id="c"), [], [ev.CallArrived(at=0.0, plan=plan)]
    script, timers = list(happened), {}
    while waiting or script:
        event = waiting.pop(0) if waiting else script.pop(0)
        if event == "time":
            event = ev.TimeUp(at=0.0, timer=timers[do.Timer.PAUSE])
        call, actions = advance(call, event)
        for action in actions:
            match action:
                case do.Commit():
                    bodies.append(body_for(action.entry))
                    waiting.append(ev.EntryDurable(at=0.0, number=action.entry.number))
                case do.StartTimer():
                    timers[action.timer] = action.serial
                case do.StartCapture() | do.ResumeCapture():
                    waiting.append(ev.CaptureConfirmed(at=0.0, state=ev.CaptureState.ON, offset=0))
                case do.PauseCapture():
                    waiting.append(ev.CaptureConfirmed(at=0.0, state=ev.CaptureState.PAUSED, offset=0))
                case do.Alert():
                    bodies.append(Fault(where=action.what))
    return bodies


ASKED = ev.PauseAsked(at=0.0, by="agent desk-211", allowed=True)
GOES_ON = ev.ResumeAsked(at=0.0, by="agent desk-211", allowed=True)


@pytest.mark.parametrize(
    ("happened", "end", "overran"),
    [
        ([ASKED, GOES_ON], End.RESUMED, False),
        ([ASKED, ev.HungUp(at=0.0)], End.CALL, False),
        ([ASKED, "time", ev.HungUp(at=0.0)], End.CALL, True),
        ([ASKED, ev.WithdrawalAsked(at=0.0, by=Party.CALLER)], End.WITHDRAWN, False),
        ([ASKED, ev.Failed(at=0.0, fault=ev.Fault.CAPTURE, detail="not verified")], End.STOPPED, False),
        ([ASKED], End.OPEN, False),
    ],
    ids=["resumed", "hung up", "overran", "withdrawn", "fault", "open"],
)
def test_the_words_of_the_core_are_understood(site, happened, end, overran):
    written(site, lived(*happened))
    [pause] = report(site, "--longer-than", "9999")["pauses"]
    assert pause["end"] == end.value
    assert ("went on after its time" in pause["wrong"]) is overran
    assert (pause["by"], pause["confirmed"]) == ("agent desk-211", True)


# ---------------------------------------------------------------------- card numbers

CARDS = [
    "4111111111111111",
    "4111 1111 1111 1111",
    "4111-1111-1111-1111",
    "4111.1111.1111.1111",
    "5500 0000 0000 0004",
    "378282246310005",
    "3782 822463 10005",
    "30569309025904",
    "6011000990139424",
    "6304000000000000",
    "4222222222222",
    "ref 4111111111111111 paid",
    "REF4111111111111111X",
    "4111\u00a01111\u20111111 1111".replace("\u2011", "-"),
    "４１１１１１１１１１１１１１１１",
    "٤١١١١١١١١١١١١١١١",
    "41111111111111111228123",
    "4111111111111111 12/28 123",
]


@pytest.mark.parametrize("reference", CARDS)
def test_what_looks_like_a_card_number_is_refused_and_not_repeated(reference):
    with pytest.raises(LedgerError) as caught:
        Payment(reference=reference, by="crm", paused=True)
    assert "4111" not in str(caught.value)
    assert reference not in str(caught.value)


@pytest.mark.parametrize(
    "reference",
    [
        "order 17",
        "INV-2026-000123",
        "pi_3OabcDEF12345678",
        "4111111111111112",
        "12345678901",
        "8f14e45fceea167a",
        "2026-11-21 10:32",
        "",
    ],
)
def test_ordinary_references_are_kept(reference):
    assert Payment(reference=reference, by="crm", paused=True).reference == reference


def with_check_digit(digits):
    total = sum(
        value - 9 if value > 9 else value
        for place, digit in enumerate(reversed(digits))
        for value in [int(digit) << (1 - place % 2)]
    )
    return digits + str(-total % 10)


@given(
    st.text("0123456789", min_size=11, max_size=18).map(with_check_digit),
    st.text(" -./", max_size=3),
    st.text("abcXYZ#:", max_size=5),
    st.integers(2, 6),
)
def test_no_card_number_gets_by_in_groups_or_between_letters(number, between, around, size):
    groups = between.join(number[at : at + size] for at in range(0, len(number), size))
    assert holds_card_number(f"{around}{groups}{around}")


@given(st.text("0123456789", max_size=11))
def test_short_numbers_are_no_card_numbers(number):
    assert not holds_card_number(f"no. {number}")
