"""A desk for tests: real calls in memory, whose recorders obey, take their time, or do not obey."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from callguard.controller.desk import (
    By,
    DeskError,
    Lamp,
    NoSuchCall,
    NotAllowedNow,
    NotConfirmed,
    NotPlaced,
    NotRecorded,
    NotUnique,
    Placed,
    Standing,
    Target,
)
from callguard.controller.figures import Figures, Sealing


def a_call(call: str = "c-1", **more: object) -> Standing:
    """A recorded call at the telephone 211."""
    known = {
        "call": call,
        "channel": f"pbx-{call}",
        "caller": "+15125550100",
        "queue": "sales",
        "agents": ("211",),
        "case": "",
        "lamp": Lamp.RECORDING,
    }
    return Standing(**{**known, **more})  # type: ignore[arg-type]


WELL = Figures(
    ari=True,
    ami=True,
    ledger=True,
    recording_off=False,
    alerts=2,
    unresumed=1,
    sealing=Sealing(recordings=3, behind=0.25, memory=4096),
)


@dataclass
class FakeDesk:
    """Does what the protocol says, and remembers what was done."""

    standing: dict[str, Standing] = field(default_factory=dict)
    done: list[tuple[str, ...]] = field(default_factory=list)  #: verb, call, by, and what was said with it
    obeys: bool = True  #: whether recorders do as they are told
    free: asyncio.Event = field(default_factory=asyncio.Event)  #: cleared: recorders take their time
    under_way: int = 0
    fault: Exception | None = None  #: what every order raises
    now: Figures = WELL

    def __post_init__(self) -> None:
        self.free.set()

    def add(self, *calls: Standing) -> None:
        """Let there be calls."""
        self.standing |= {call.call: call for call in calls}

    def figures(self) -> Figures:
        return self.now

    def calls(self) -> list[Standing]:
        return list(self.standing.values())

    def find(self, target: Target) -> Standing:
        found = [
            each
            for each in self.standing.values()
            if {
                By.CALL: each.call == target.value,
                By.CHANNEL: each.channel == target.value,
                By.EXTENSION: target.value in each.agents,
                By.CASE: each.case == target.value,
            }[target.by]
        ]
        if not found:
            raise NoSuchCall(f"no live call has the {target.by.value} {target.value!r}")
        if len(found) > 1:
            raise NotUnique(f"{len(found)} live calls have the {target.by.value} {target.value!r}")
        return found[0]

    async def _order(self, verb: str, target: Target, *said: object) -> Standing:
        standing = self.find(target)
        self.under_way += 1
        await self.free.wait()
        self.under_way -= 1
        if self.fault is not None:
            raise self.fault
        self.done.append((verb, standing.call, *map(str, said)))
        return self.find(target)

    def _now(self, standing: Standing, **changes: object) -> Standing:
        changed = self.standing[standing.call] = replace(standing, **changes)  # type: ignore[arg-type]
        return changed

    async def pause(
        self, target: Target, *, by: str, seconds: float | None = None, drop_last: float = 0.0
    ) -> Standing:
        standing = await self._order("pause", target, by, seconds, drop_last)
        if standing.lamp is Lamp.PAUSED:
            return standing
        if standing.lamp is not Lamp.RECORDING:
            raise NotRecorded("this call is not being recorded")
        if not self.obeys:
            self._now(standing, lamp=Lamp.FAULT)
            raise NotConfirmed("Asterisk did not confirm the pause, so the recording was ended")
        return self._now(
            standing,
            lamp=Lamp.PAUSED,
            seconds_left=seconds or 180.0,
            extended=False,
            erased_seconds=drop_last,
        )

    async def resume(self, target: Target, *, by: str) -> Standing:
        standing = await self._order("resume", target, by)
        if standing.lamp is not Lamp.PAUSED:
            raise NotRecorded("there is no pause to end")
        return self._now(standing, lamp=Lamp.RECORDING, seconds_left=None, erased_seconds=0.0)

    async def extend(self, target: Target, *, by: str, reason: str) -> Standing:
        standing = await self._order("extend", target, by, reason)
        if standing.lamp is not Lamp.PAUSED or standing.extended:
            raise NotAllowedNow("a pause is extended once")
        return self._now(standing, extended=True, seconds_left=120.0)

    async def withdraw(self, target: Target, *, by: str, shred: bool) -> Standing:
        standing = await self._order("withdraw", target, by, shred)
        if standing.lamp is Lamp.OFF:
            raise NotRecorded("this call is not being recorded")
        return self._now(standing, lamp=Lamp.OFF, seconds_left=None)

    async def assign(self, target: Target, *, by: str, case: str) -> Standing:
        return self._now(await self._order("assign", target, by, case), case=case)

    async def paid(self, target: Target, *, by: str, reference: str) -> Standing:
        return await self._order("paid", target, by, reference)

    async def place(self, *, agent: str, number: str, queue: str, by: str) -> Placed:
        if self.fault is not None:
            raise self.fault
        self.done.append(("call", agent, number, queue, by))
        return Placed(channel="callguard-call-1", agent=agent, number=number, queue=queue)


#: All that a desk may say, for tests that go through all of it.
SAYINGS: tuple[type[DeskError], ...] = (
    NoSuchCall,
    NotUnique,
    NotRecorded,
    NotAllowedNow,
    NotConfirmed,
    NotPlaced,
    DeskError,
)
