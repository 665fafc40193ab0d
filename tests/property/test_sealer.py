"""In whatever order things come, the vault holds what was said, less what was erased, and once."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from callguard.errors import RecordingError
from callguard.recording import Measures, Sealer, Spool
from callguard.vault import Vault
from fakes.sealing import NAME, Asterisk, Ear, a_sealer, a_vault, heard, speech

SAID = speech(60000)
MEASURES = Measures(look_back=0.25, block=0.125, settle=0.0)  # 2000 and 1000 samples

moments = st.integers(-6000, 2500)  # relative to what has arrived
steps = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 5000)),
    st.tuples(st.just("skew"), st.integers(1, 300)),
    st.just(("look",)),
    st.tuples(st.just("put_on_hold"), moments),
    st.just(("release",)),
    st.tuples(st.just("erase"), moments, st.integers(1, 4000)),
    st.tuples(st.just("zeros"), moments, st.integers(1, 3000)),
    st.tuples(st.just("mark"), moments),
    st.just(("restart",)),
)


@dataclass
class Call:
    """A capture, and what has to come of it."""

    vault: Vault
    spool: Spool
    sealer: Sealer
    asterisk: Asterisk
    arrived: list[int] = field(default_factory=lambda: [0, 0])
    expected: np.ndarray = field(default_factory=SAID.copy)
    hold: int | None = None
    marks: int = 0

    async def step(self, kind: str, *given: int) -> None:
        await getattr(self, kind)(*given)

    async def append(self, count: int) -> None:
        goal = min(max(self.arrived) + count, len(SAID))
        for channel in range(2):
            self.asterisk.append_side(channel, SAID[self.arrived[channel] : goal, channel])
            self.arrived[channel] = goal

    async def skew(self, count: int) -> None:
        goal = min(self.arrived[0] + count, len(SAID))
        self.asterisk.append_side(0, SAID[self.arrived[0] : goal, 0])
        self.arrived[0] = goal

    async def look(self) -> None:
        before = self.vault.samples(NAME)
        if self.sealer.measures.keys:
            await self.sealer.look()  # what arrived is listened to first
        await self.sealer.look()
        sealed, there = self.vault.samples(NAME), min(self.arrived)
        assert before <= sealed
        assert sealed <= max(before, there - 2000)
        if self.hold is not None:
            assert sealed <= max(before, self.hold)
        elif there - 2000 - sealed >= 8000:
            raise AssertionError("it does not keep up")

    async def put_on_hold(self, at: int) -> None:
        first = max(0, min(self.arrived) + at)
        got = self.sealer.hold(NAME, first)
        assert got == max(first, self.vault.samples(NAME))
        self.hold = got if self.hold is None else min(self.hold, got)

    async def release(self) -> None:
        self.sealer.release(NAME)
        self.hold = None

    async def erase(self, at: int, count: int) -> None:
        first = max(0, min(self.arrived) + at)
        last = first + count
        start = max(first, self.vault.samples(NAME))
        self.expected[start:last] = 0
        if start == first:
            assert await self.sealer.erase(NAME, first, last) == count
        else:
            with contextlib.suppress(RecordingError):
                await self.sealer.erase(NAME, first, last)
                raise AssertionError("it did not say that part was sealed")
        self.marks += start < last

    async def zeros(self, at: int, count: int) -> None:
        first = max(0, min(self.arrived) + at)
        last = first + count
        if first >= self.vault.samples(NAME) and last <= min(self.arrived):
            silent = not self.expected[first:last].any()
            assert (await self.sealer.sounds(NAME, first, last) is None) == silent
        else:
            with contextlib.suppress(RecordingError):
                await self.sealer.sounds(NAME, first, last)
                raise AssertionError("it spoke of what it cannot know")

    async def mark(self, at: int) -> None:
        self.sealer.mark(NAME, "tone", max(0, min(self.arrived) + at))
        self.marks += 1

    async def restart(self) -> None:
        await self.sealer.close()
        self.sealer = a_sealer(self.vault, self.spool, Ear(), self.sealer.measures)
        assert (await self.sealer.recover()).resumed == (NAME,)

    async def finish(self) -> None:
        length = max(self.arrived)
        for channel in range(2):
            self.expected[self.arrived[channel] :, channel] = 0
        if self.hold is not None and self.hold < length:
            self.expected[self.hold :] = 0
            self.marks += 1
        self.marks += abs(self.arrived[0] - self.arrived[1]) > 160
        self.asterisk.close()
        finished = await self.sealer.finish(NAME)
        await self.sealer.close()
        assert finished.samples == length
        assert np.array_equal(heard(self.vault), self.expected[:length])
        verdict = self.vault.open(NAME).verify()
        assert verdict.sound and verdict.complete
        assert len(self.vault.open(NAME).marks()) == self.marks
        assert [path for path in self.spool.directory.rglob("*") if path.is_file()] == []


async def live(directory: Path, happens: list[tuple[str | int, ...]], *, keys: bool) -> None:
    spool = Spool(directory=directory / "spool")
    spool.prepare()
    vault = a_vault(directory)
    sealer = a_sealer(vault, spool, Ear(), replace(MEASURES, keys=keys))
    call = Call(vault, spool, sealer, Asterisk(spool))
    await call.sealer.begin(NAME, call.asterisk.paths, {})
    for kind, *numbers in happens:
        await call.step(str(kind), *map(int, numbers))
    await call.finish()


@settings(max_examples=100, deadline=None)
@given(st.lists(steps, min_size=10, max_size=60), st.booleans())
def test_any_order_of_events_seals_what_was_said_less_what_was_erased(
    happens: list[tuple[str | int, ...]], keys: bool
) -> None:
    with TemporaryDirectory(dir="/dev/shm") as directory:
        asyncio.run(live(Path(directory), happens, keys=keys))
