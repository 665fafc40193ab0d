"""What is counted and how it is summed up; nothing here does anything."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class BenchError(Exception):
    """The bench could not measure; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many calls sipp placed, and how they ended as far as signalling goes."""

    placed: int
    good: int
    bad: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One way under one load, once."""

    rate: int  #: calls per second
    calls: int
    failed: int  #: by SIP, or because nothing was captured after a yes
    controller_ms: float  #: CPU per call
    asterisk_ms: float  #: CPU per call
    first_packet_ms: tuple[float, ...]  #: from INVITE to the first packet of the prompt, one a call
    prompt_ms: tuple[
        float, ...
    ] = ()  #: from StasisStart to the start of the first prompt, where callguard answers

    @property
    def total_ms(self) -> float:
        """CPU per call of everybody but the callers."""
        return self.controller_ms + self.asterisk_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One way at one rate over all rounds: medians, except for what failed."""

    rate: int
    rounds: int
    calls: int
    failed: int
    controller_ms: float
    asterisk_ms: float
    total_ms: float
    p50_ms: float
    p99_ms: float
    prompt_p50_ms: float
    prompt_p99_ms: float


def summed_up(steps: Sequence[Step]) -> Summary:
    """Several rounds of the same as one."""
    return Summary(
        rate=steps[0].rate,
        rounds=len(steps),
        calls=sum(step.calls for step in steps),
        failed=sum(step.failed for step in steps),
        controller_ms=statistics.median(step.controller_ms for step in steps),
        asterisk_ms=statistics.median(step.asterisk_ms for step in steps),
        total_ms=statistics.median(step.total_ms for step in steps),
        p50_ms=statistics.median(quantile(step.first_packet_ms, 0.50) for step in steps),
        p99_ms=statistics.median(quantile(step.first_packet_ms, 0.99) for step in steps),
        prompt_p50_ms=statistics.median(quantile(step.prompt_ms, 0.50) for step in steps),
        prompt_p99_ms=statistics.median(quantile(step.prompt_ms, 0.99) for step in steps),
    )


def quantile(values: Iterable[float], share: float) -> float:
    """The value that this share of the values does not exceed (nearest rank); NaN when there are none."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def ratio(value: float, base: float) -> float | None:
    """How many times the base; None where that says nothing."""
    return value / base if base > 0 and math.isfinite(value) and math.isfinite(base) else None


def tally_of(statistics_file: str) -> Tally:
    """Read the last line of sipp's statistics (``-trace_stat``).

    Raises:
        BenchError: it is not a file of statistics, or holds no line of figures.
    """
    rows = [row for row in csv.reader(io.StringIO(statistics_file), delimiter=";") if row]
    if len(rows) < 2:
        raise BenchError("sipp wrote no statistics; look at its output beside them")
    last = dict(zip(rows[0], rows[-1], strict=False))
    try:
        return Tally(
            placed=int(last["TotalCallCreated"]),
            good=int(last["SuccessfulCall(C)"]),
            bad=int(last["FailedCall(C)"]),
        )
    except (KeyError, ValueError) as error:
        raise BenchError(f"sipp's statistics have no figure {error}; is this sipp 3.6 or newer?") from error


def invitations(log: str) -> dict[int, float]:
    """Read when each call began from the lines of our scenario: number of the call, and seconds since 1970.

    sipp writes a moment as date, time and seconds since 1970, in tabs.
    """
    begun: dict[int, float] = {}
    for line in log.splitlines():
        words = line.split()
        if len(words) >= 3 and words[0] == "invite":
            begun[int(words[1])] = float(words[-1])
    return begun


def plain(value: Any) -> Any:
    """A value as JSON can hold it: numbers of three decimals, nothing for what is not a number."""
    if isinstance(value, float):
        return round(value, 3) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value
