"""What a controller makes of the calls that another one left: how long their pauses still last."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from callguard.config import Config
from callguard.controller.recovery import LEAST_PAUSE, _pause_left
from callguard.controller.taping import may_be_kept
from callguard.ledger import Kind, Stored

CONFIG = Config.model_validate(
    {
        "site": {"name": "Us", "country": "US"},
        "asterisk": {"ari": {"password": "p"}, "ami": {"password": "p"}},
        "queues": {"sales": {}},
        "pause": {"seconds": 180, "extend_seconds": 60},
    }
)
PLANNER = type("Planner", (), {"config": CONFIG})()


def entry(kind: Kind, seconds_ago: float, *, clock_set: float = 0.0) -> Stored:
    """An entry of some time ago; the clock of the day was set by so many seconds since."""
    return Stored(
        position=1,
        leaf=b"",
        text="",
        call="c",
        kind=str(kind),
        by="callguard/1",
        utc=datetime.now(UTC) - timedelta(seconds=seconds_ago + clock_set),
        monotonic=time.monotonic() - seconds_ago,
        content={},
    )


@pytest.mark.parametrize("clock_set", [0.0, 3600.0, -3600.0])
def test_a_pause_goes_on_by_a_clock_that_nobody_sets(clock_set: float) -> None:
    left = _pause_left([entry(Kind.CAPTURE_PAUSED, 30, clock_set=clock_set)], PLANNER)
    assert left == pytest.approx(150, abs=1)


def test_one_that_was_made_longer_counts_from_then() -> None:
    entries = [entry(Kind.CAPTURE_PAUSED, 170), entry(Kind.CAPTURE_EXTENDED, 20)]
    assert _pause_left(entries, PLANNER) == pytest.approx(40, abs=1)


def test_one_that_should_be_over_lasts_a_moment_longer() -> None:
    assert _pause_left([entry(Kind.CAPTURE_PAUSED, 500)], PLANNER) == LEAST_PAUSE


def test_where_no_pause_is_known_none_is_left() -> None:
    assert _pause_left([], PLANNER) is None


@pytest.mark.parametrize(
    ("stopped", "pauses", "holds", "kept"),
    [
        ("", 0, (), True),
        ("not confirmed", 0, (), True),
        ("withdrawn", 0, (), False),
        ("switched-off", 0, (), False),
        ("not confirmed", 1, (), False),
        ("not confirmed", 0, ("refused:agent",), False),
    ],
)
def test_what_nobody_steered_is_kept_where_nothing_took_the_consent_back(
    stopped, pauses, holds, kept
) -> None:
    assert may_be_kept(stopped, pauses, holds) is kept
