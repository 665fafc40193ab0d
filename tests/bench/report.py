"""The tables, and the file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .figures import plain, ratio
from .running import Found, Schedule
from .ways import BASE, OVER_HTTP, Way

#: At which rate the ratios are taken, where it was measured; else at the highest.
USUAL_RATE = 100
NOTE = "Only ratios within one run compare; absolute figures are of this machine and this moment."
FIRST_PACKET = "from INVITE to the first packet of the prompt at the caller, ms (median of the rounds)"


def ratios(found: Mapping[str, Found], rate: int) -> dict[str, dict[str, float | None]]:
    """Each way against the pure dialplan and against callguard over HTTP."""
    summaries = {name: each.summary(rate) for name, each in found.items()}
    base, http = summaries.get(BASE), summaries.get(OVER_HTTP)
    told: dict[str, dict[str, float | None]] = {}
    for name, each in summaries.items():
        told[name] = {
            "total_to_dialplan": ratio(each.total_ms, base.total_ms) if base else None,
            "p50_to_dialplan": ratio(each.p50_ms, base.p50_ms) if base else None,
            "p99_to_dialplan": ratio(each.p99_ms, base.p99_ms) if base else None,
            "controller_to_http": ratio(each.controller_ms, http.controller_ms) if http else None,
            "total_to_http": ratio(each.total_ms, http.total_ms) if http else None,
        }
    return told


def show(
    console: Console, ways: Sequence[Way], found: Mapping[str, Found], schedule: Schedule, machine: str
) -> None:
    """Print everything."""
    rate = rate_of(schedule)
    console.print(_ratios(ways, ratios(found, rate), rate))
    console.print(_absolute(ways, found, schedule))
    console.print(_latency(ways, found, schedule))
    if any(way.site for way in ways):
        console.print(_prompts(ways, found, schedule))
    console.print(f"{machine}. {NOTE}")


def rate_of(schedule: Schedule) -> int:
    """The rate that ratios are taken at."""
    return USUAL_RATE if USUAL_RATE in schedule.rates else max(schedule.rates)


def write(
    path: Path, ways: Sequence[Way], found: Mapping[str, Found], schedule: Schedule, machine: str
) -> None:
    """Write everything as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rate = rate_of(schedule)
    told = {
        "note": NOTE,
        "machine": machine,
        "schedule": asdict(schedule),
        "ratios_at": rate,
        "ratios": ratios(found, rate),
        "ways": {way.name: _figures(way, found[way.name]) for way in ways},
    }
    path.write_text(json.dumps(plain(told), indent=1) + "\n")


def _figures(way: Way, found: Found) -> dict[str, Any]:
    return {
        "what": way.what,
        "rates": {rate: asdict(found.summary(rate)) for rate in found.steps},
        "highest_rate_without_a_failed_call": found.peak,
        "peaks": [
            {"rate": step.rate, "calls": step.calls, "failed": step.failed} for step in found.peak_steps
        ],
        "controller_kib_per_held_call": found.held_kib,
        "asterisk_kib_per_held_call": found.asterisk_held_kib,
    }


def _ratios(ways: Sequence[Way], told: Mapping[str, Mapping[str, float | None]], rate: int) -> Table:
    table = Table(title=f"Ratios at {rate} calls/s", title_justify="left")
    table.add_column("way")
    for heading in (
        "CPU of all to dialplan",
        "p50 to dialplan",
        "p99 to dialplan",
        "controller CPU to HTTP",
        "CPU of all to HTTP",
    ):
        table.add_column(heading, justify="right")
    for way in ways:
        table.add_row(way.name, *(_number(value, 2) for value in told[way.name].values()))
    return table


def _absolute(ways: Sequence[Way], found: Mapping[str, Found], schedule: Schedule) -> Table:
    rates = " / ".join(map(str, schedule.rates))
    table = Table(title=f"CPU in ms per call at {rates} calls/s, and limits", title_justify="left")
    table.add_column("way")
    for heading in ("controller", "Asterisk", "failed", "highest rate", "KiB held", "Asterisk KiB held"):
        table.add_column(heading, justify="right")
    for way in ways:
        each = found[way.name]
        all_rates = [each.summary(rate) for rate in schedule.rates]
        failed = sum(summary.failed for summary in all_rates)
        table.add_row(
            way.name,
            " / ".join(_number(summary.controller_ms, 2) for summary in all_rates),
            " / ".join(_number(summary.asterisk_ms, 1) for summary in all_rates),
            f"{failed} of {sum(summary.calls for summary in all_rates)}",
            _peak(each, schedule),
            _number(each.held_kib, 1),
            _number(each.asterisk_held_kib, 0),
        )
    return table


def _latency(ways: Sequence[Way], found: Mapping[str, Found], schedule: Schedule) -> Table:
    table = Table(title=f"p50 / p99 {FIRST_PACKET}", title_justify="left")
    table.add_column("way")
    for rate in schedule.rates:
        table.add_column(f"{rate} calls/s", justify="right")
    table.add_column("what it is")
    for way in ways:
        summaries = [found[way.name].summary(rate) for rate in schedule.rates]
        times = (f"{_number(each.p50_ms, 1)} / {_number(each.p99_ms, 1)}" for each in summaries)
        table.add_row(way.name, *times, way.what)
    return table


def _prompts(ways: Sequence[Way], found: Mapping[str, Found], schedule: Schedule) -> Table:
    title = "p50 / p99 from StasisStart to the start of the first prompt, ms (median of the rounds)"
    table = Table(title=title, title_justify="left")
    table.add_column("way")
    for rate in schedule.rates:
        table.add_column(f"{rate} calls/s", justify="right")
    for way in ways:
        if way.site:
            summaries = [found[way.name].summary(rate) for rate in schedule.rates]
            table.add_row(
                way.name,
                *(
                    f"{_number(each.prompt_p50_ms, 1)} / {_number(each.prompt_p99_ms, 1)}"
                    for each in summaries
                ),
            )
    return table


def _peak(found: Found, schedule: Schedule) -> str:
    if not schedule.peaks or not found.peak_steps:
        return "-"
    if found.peak is None:
        return f"under {min(schedule.lower)}/s"
    return f"{found.peak}/s" + (" or more" if found.peak == schedule.peaks[-1] else "")


def _number(value: float | None, places: int) -> str:
    return "-" if value is None else f"{value:.{places}f}"
