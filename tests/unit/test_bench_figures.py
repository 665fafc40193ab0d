import math

import pytest

from bench.calling import caller, scenario_for
from bench.ear import FIRST_PORT, key_packet, port_of
from bench.figures import (
    BenchError,
    Step,
    invitations,
    plain,
    quantile,
    ratio,
    summed_up,
    tally_of,
)

HEAD = "StartTime;TotalCallCreated;SuccessfulCall(P);SuccessfulCall(C);FailedCall(P);FailedCall(C)\n"


def step(**changes):
    figures = {
        "rate": 50,
        "calls": 200,
        "failed": 0,
        "controller_ms": 1.0,
        "asterisk_ms": 5.0,
        "first_packet_ms": (2.0, 3.0, 4.0),
    }
    return Step(**(figures | changes))


def test_the_last_line_of_sipps_statistics_is_what_counts():
    tally = tally_of(HEAD + "t;10;5;5;0;0\n" + "t;200;3;197;1;3\n")
    assert (tally.placed, tally.good, tally.bad) == (200, 197, 3)


@pytest.mark.parametrize("text", ["", HEAD, "a;b\n1;2\n", HEAD + "t;many;0;0;0;0\n"])
def test_what_is_no_statistics_is_said_to_be_none(text):
    with pytest.raises(BenchError, match="sipp"):
        tally_of(text)


def test_when_calls_began_is_read_from_the_log():
    log = (
        "invite 1 2026-11-21\t21:20:08.123456\t1795296008.123456\n"
        "something else\n"
        "invite 2 2026-11-21\t21:20:08.143456\t1795296008.143456\n"
    )
    assert invitations(log) == {1: 1795296008.123456, 2: 1795296008.143456}


def test_quantiles_are_values_that_were_measured():
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert (quantile(values, 0.5), quantile(values, 0.99), quantile(values, 0.0)) == (3.0, 5.0, 1.0)
    assert math.isnan(quantile([], 0.5))


def test_rounds_are_medians_but_failures_add_up():
    rounds = [
        step(controller_ms=1.0, failed=1),
        step(controller_ms=9.0, asterisk_ms=2.0),
        step(controller_ms=2.0, failed=2),
    ]
    summary = summed_up(rounds)
    assert (summary.controller_ms, summary.asterisk_ms, summary.total_ms) == (2.0, 5.0, 7.0)
    assert (summary.failed, summary.calls, summary.rounds) == (3, 600, 3)


def test_a_ratio_to_nothing_says_nothing():
    assert ratio(3.0, 2.0) == 1.5
    assert ratio(3.0, 0.0) is None
    assert ratio(math.nan, 2.0) is None


def test_json_gets_no_number_that_it_cannot_hold():
    assert plain({100: (1.23456, math.nan), "a": None}) == {"100": [1.235, None], "a": None}


def test_a_key_is_pressed_as_rfc_4733_wants_it():
    first = key_packet(0, 1234, 99, 0, first=True, over=False)
    last = key_packet(4, 1234, 99, 800, first=False, over=True)
    assert first.hex() == "80e50000000004d200000063" + "010a0000"
    assert last.hex() == "80650004000004d200000063" + "018a0320"


def test_every_call_has_an_ear_and_a_number_of_its_own():
    assert [port_of(call) for call in (1, 2, 2500)] == [FIRST_PORT, FIRST_PORT + 4, FIRST_PORT + 9996]
    assert len({caller(call) for call in range(1, 2501)}) == 2500


def test_nothing_is_left_to_fill_in_for_sipp_but_its_own_words():
    text = scenario_for(7)
    assert 'timeout="7000"' in text
    assert "m=audio [auto_media_port] RTP/AVP 0 101" in text
    assert not {"ADDRESS", "EVENT", "PATIENCE"} & set(text.replace('"', " ").split())
