"""Rounds, the search for the highest rate, and memory."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from . import usage
from .calling import call
from .ear import MOST_CALLS, Ear
from .figures import Step, Summary, summed_up
from .house import House
from .ways import Way

#: A few calls before anything counts: caches, and code that runs for the first time.
WARM_RATE, WARM_CALLS = 20, 10
#: Seconds that callers are held for the figure of memory, at most.
HOLD = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How much of everything."""

    rates: tuple[int, ...] = (20, 50, 100)
    rounds: int = 2
    seconds: int = 3  #: of new calls, in each step
    peaks: tuple[int, ...] = (200, 250, 300)  #: tried in turn until one fails twice
    lower: tuple[int, ...] = (150, 100)  #: tried where not even the first of them works
    peak_seconds: int = 3
    held: int = 300  #: callers held in the dialogue for the figure of memory; 0 for none


@dataclass(slots=True)
class Found:
    """What was found about one way."""

    steps: dict[int, list[Step]] = field(default_factory=lambda: defaultdict(list))
    peak: int | None = None  #: calls per second without a failed one; None when it was not looked for
    peak_steps: list[Step] = field(default_factory=list)
    held_kib: float | None = None  #: controller's memory for one held call
    asterisk_held_kib: float | None = None

    def summary(self, rate: int) -> Summary:
        """All rounds at one rate."""
        return summed_up(self.steps[rate])


class Bench:
    """Measures ways on one PBX."""

    def __init__(
        self, house: House, ways: Sequence[Way], schedule: Schedule, agi: int, tell: Callable[[str], None]
    ) -> None:
        self._house = house
        self._ways = ways
        self._schedule = schedule
        self._agi = agi
        self._tell = tell
        self.found = {way.name: Found() for way in ways}

    async def run(self) -> None:
        """Everything, the ways in turn within each round."""
        rounds = self._schedule.rounds
        for number in range(1, rounds + 1):
            for way in self._ways:
                await self._round(way, f"round {number} of {rounds}: {way.name}", last=number == rounds)

    async def _round(self, way: Way, title: str, *, last: bool) -> None:
        found, schedule = self.found[way.name], self._schedule
        with Ear(self._house.press_after) as ear:
            async with way.run(self._house, self._agi) as pid:
                self._tell(title)
                await self._step(way, ear, pid, WARM_RATE, WARM_CALLS)
                for rate in schedule.rates:
                    self._tell(f"{title}, {rate} calls/s")
                    step = await self._step(way, ear, pid, rate, rate * schedule.seconds)
                    found.steps[rate].append(step)
                if last and way.limits and schedule.held:
                    self._tell(f"{way.name}: memory for {schedule.held} held calls")
                    await self._hold(way, ear, pid, found)
                if last and way.limits and schedule.peaks:
                    await self._climb(way, ear, pid, found)

    async def _step(self, way: Way, ear: Ear, pid: int | None, rate: int, calls: int) -> Step:
        calls = min(calls, MOST_CALLS)
        await self._house.captured()
        ear.forget()
        asterisk = self._house.lab.pbx.pid
        before = _cpu(pid), usage.cpu_seconds(asterisk)
        tally, begun = await call(sip=self._house.sip, number=way.number, rate=rate, calls=calls)
        after = _cpu(pid), usage.cpu_seconds(asterisk)
        captured = await self._house.captured()
        prompts = await self._house.sites[way.site].first_prompts() if way.site else []
        waits = (1000 * (heard - begun[n]) for n, heard in ear.first.items() if n in begun)
        return Step(
            rate=rate,
            calls=calls,
            failed=max(calls - tally.good, calls - captured),
            controller_ms=1000 * (after[0] - before[0]) / calls,
            asterisk_ms=1000 * (after[1] - before[1]) / calls,
            first_packet_ms=tuple(waits),
            prompt_ms=tuple(1000 * each for each in prompts[-calls:]),
        )

    async def _climb(self, way: Way, ear: Ear, pid: int | None, found: Found) -> None:
        """Find the highest rate without a failed call."""
        for rate in self._schedule.peaks:
            if not await self._holds(way, ear, pid, found, rate):
                break
            found.peak = rate
        for rate in self._schedule.lower if found.peak is None else ():
            if await self._holds(way, ear, pid, found, rate):
                found.peak = rate
                break

    async def _holds(self, way: Way, ear: Ear, pid: int | None, found: Found, rate: int) -> bool:
        """Whether a rate can be held; a machine that hiccups gets a second try."""
        self._tell(f"{way.name}: does {rate} calls/s work without a failed call?")
        for _ in range(2):
            step = await self._step(way, ear, pid, rate, rate * self._schedule.peak_seconds)
            found.peak_steps.append(step)
            if not step.failed:
                return True
        return False

    async def _hold(self, way: Way, ear: Ear, pid: int | None, found: Found) -> None:
        """Let callers wait for the question's answer, and see what that costs in memory."""
        pressing, ear.press_after = ear.press_after, None
        ear.forget()
        asterisk = self._house.lab.pbx.pid
        held = self._schedule.held
        before = _resident(pid), usage.resident_bytes(asterisk)
        async with asyncio.TaskGroup() as group:
            callers = group.create_task(
                call(sip=self._house.sip, number=way.number, rate=100, calls=held, patience=HOLD)
            )
            await asyncio.sleep(held / 100 + self._house.press_after)
            after = _resident(pid), usage.resident_bytes(asterisk)
            await callers
        found.held_kib = (after[0] - before[0]) / held / 1024
        found.asterisk_held_kib = (after[1] - before[1]) / held / 1024
        ear.press_after = pressing
        await self._house.captured()


def _cpu(pid: int | None) -> float:
    return usage.cpu_seconds(pid) if pid is not None else 0.0


def _resident(pid: int | None) -> int:
    return usage.resident_bytes(pid) if pid is not None else 0
