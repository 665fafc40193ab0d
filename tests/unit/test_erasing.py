"""What was recorded before a pause is erased to the sample, in whatever order pause, proof and end come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from callguard.controller import recorder
from callguard.controller.recorder import Recorder
from callguard.controller.tape import LooseTape, SealedTape
from callguard.errors import AsteriskError
from callguard.lab import audio
from callguard.recording import Measures, Sealer, Spool, Strand
from callguard.recording.spool import RATE
from fakes.sealing import CALL, NAME, a_sealer, a_vault, heard, until
from fakes.talking import Talking, spoken

MEASURES = Measures(look_back=0.5, block=0.1, tick=0.02, settle=0.2)
#: What a moment may be off by: the clock of the fake, and how coarse the kernel stamps.
CLOSE = 0.06


@dataclass
class Call:
    """A call that is recorded, and what its recorder tells."""

    pbx: Talking
    sealer: Sealer
    vault: object
    told: list[tuple[object, ...]] = field(default_factory=list)
    recorder: Recorder = field(init=False)

    def __post_init__(self) -> None:
        self.ami = self.pbx
        self.recorder = Recorder(self, "channel", confirm=1.0, guard=0.1)  # type: ignore[arg-type]

    async def begin(self) -> None:
        await self.sealer.begin(NAME, self.pbx.asterisk.paths, {})
        self.tape = SealedTape(self.sealer, NAME)
        await self.recorder.begun("0x1", self.tape)
        self.pbx.start()

    def recorder_is(self, state: str, offset: int) -> None:
        self.told.append((state,))

    def proven(self, offset: int, until: int, *, whole: bool) -> None:
        self.told.append(("proven", whole))

    def erased(self, offset: int, until: int, why: str) -> None:
        self.told.append(("erased", offset, until, why))

    def unproven(self, detail: str) -> None:
        self.told.append(("unproven", detail))

    async def over(self) -> np.ndarray:
        """The call ends; what its recording says, of both parties the same."""
        await self.pbx.end()
        await self.recorder.ended()
        await self.sealer.finish(NAME)
        both = heard(self.vault)  # type: ignore[arg-type]
        assert np.array_equal(both[:, 0], both[:, 1]) or self.pbx.sounds
        assert ("unproven",) not in [each[:1] for each in self.told]
        return both[:, 0]

    def spans(self) -> list[tuple[int, int]]:
        return [(each[1], each[2]) for each in self.told if each[0] == "erased"]  # type: ignore[misc]


@pytest.fixture
async def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Call]:
    monkeypatch.setattr(recorder, "REGULAR", 0.02)
    monkeypatch.setattr(recorder, "LAST", 0.1)
    with TemporaryDirectory(dir="/dev/shm") as directory:
        spool = Spool(directory=Path(directory) / "spool")
        spool.prepare()
        vault = a_vault(tmp_path)
        sealer = a_sealer(vault, spool, measures=MEASURES)
        await sealer.start()
        call = Call(Talking(spool), sealer, vault)
        await call.begin()
        yield call
        await call.pbx.end()
        await sealer.close()


def silent(samples: np.ndarray) -> list[tuple[int, int]]:
    """The spans of zeros."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], samples == 0, [0]]).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def whole_but(samples: np.ndarray, *spans: tuple[int, int]) -> None:
    """Everything that was said is there, and what is not is exactly this."""
    assert silent(samples) == list(spans)
    said = spoken(0, len(samples))
    said[samples == 0] = 0
    assert np.array_equal(samples, said)


async def test_all_from_a_sample_on_is_erased_up_to_the_pause(call: Call) -> None:
    await asyncio.sleep(0.7)
    first = call.pbx.now() - 3000
    call.tape.guard(first)
    await call.recorder.erase_from(first, "card digits")
    call.tape.guard(None)
    await call.recorder.pause()
    paused = call.pbx.now()
    await until(lambda: ("proven", False) in call.told)
    (span,) = call.spans()
    assert span[0] == first
    call.recorder.resume()
    await until(lambda: ("proven", True) in call.told)
    samples = await call.over()
    (gap,) = silent(samples)
    whole_but(samples, gap)
    assert gap[0] == first
    assert gap[1] > paused


async def test_a_moment_is_found_among_the_samples_that_come_later(call: Call) -> None:
    await asyncio.sleep(0.6)
    at = time.monotonic()
    first = call.pbx.now()
    feared = call.tape.samples()
    await asyncio.sleep(0.3)
    await call.recorder.erase_from(feared, "card digits", moment=at)
    await call.recorder.pause()
    await until(lambda: ("proven", False) in call.told)
    samples = await call.over()
    (gap,) = silent(samples)
    assert first - CLOSE * RATE <= gap[0] <= first
    assert gap[1] == len(samples)


async def test_a_drop_and_an_erasure_before_one_pause_take_the_earlier_of_the_two(call: Call) -> None:
    await asyncio.sleep(0.7)
    first = call.pbx.now() - 1600
    await call.recorder.erase_from(first, "card digits")
    await call.recorder.pause()
    paused = call.pbx.now()
    await call.recorder.erase_last(0.4, "an agent asked")
    await until(lambda: ("proven", False) in call.told)
    samples = await call.over()
    (gap,) = silent(samples)
    assert paused - 0.4 * RATE - 2 * recorder.LATEST * RATE <= gap[0] <= paused - 0.4 * RATE


async def test_a_drop_alone_is_not_taken_for_a_recorder_that_went_on(call: Call) -> None:
    await asyncio.sleep(0.8)
    await call.recorder.pause()
    await call.recorder.erase_last(0.3, "an agent asked")
    await until(lambda: ("proven", False) in call.told)
    assert not call.pbx.stopped
    await call.over()


async def test_what_is_found_in_a_pause_that_is_proven_already_is_erased_at_once(call: Call) -> None:
    await asyncio.sleep(0.5)
    first = call.pbx.now() - 800
    call.tape.guard(first)
    await call.recorder.pause()
    await until(lambda: ("proven", False) in call.told)
    begin = call.recorder._pause.begin
    await call.recorder.erase_from(first, "card digits")
    call.tape.guard(None)
    assert call.spans()[-1] == (first, begin)
    samples = await call.over()
    assert silent(samples)[0][0] == first


async def test_a_pause_that_is_not_confirmed_leaves_nothing_of_it_either(call: Call) -> None:
    await asyncio.sleep(0.5)
    first = call.tape.samples() - 800  # what has not come by then is erased anyway
    await call.recorder.erase_from(first, "card digits")
    call.pbx.refuses = True
    with pytest.raises(AsteriskError):
        await call.recorder.pause()
    assert call.pbx.stopped
    samples = await call.over()
    assert silent(samples) == [(first, len(samples))]


async def test_a_call_that_ends_before_the_pause_keeps_nothing_of_it(call: Call) -> None:
    await asyncio.sleep(0.5)
    first = call.pbx.now() - 800
    await call.recorder.erase_from(first, "card digits")
    await asyncio.sleep(0.4)
    samples = await call.over()
    whole_but(samples, (first, len(samples)))


async def test_what_goes_back_further_than_a_hot_key_is_on_hold_until_it_is_erased(call: Call) -> None:
    await asyncio.sleep(0.3)
    first = call.pbx.now()
    call.tape.guard(first)
    await asyncio.sleep(recorder.HOT_KEY + 0.6)
    await call.recorder.erase_from(first, "card digits")
    call.tape.guard(None)
    await asyncio.sleep(0.5)
    await call.recorder.pause()
    await until(lambda: ("proven", False) in call.told)
    assert call.spans()[-1][0] == first
    samples = await call.over()
    whole_but(samples, (first, len(samples)))


async def test_a_recording_that_is_stopped_before_the_pause_keeps_nothing_of_it(call: Call) -> None:
    await asyncio.sleep(0.5)
    first = call.pbx.now() - 800
    await call.recorder.erase_from(first, "card digits")
    await call.recorder.stop()
    samples = await call.over()
    whole_but(samples, (first, len(samples)))


async def test_the_erasure_outlives_a_controller(call: Call) -> None:
    await asyncio.sleep(0.5)
    first = call.pbx.now() - 800
    await call.recorder.erase_from(first, "card digits")
    await call.recorder.pause()
    await call.recorder._quiet()  # as a crash does
    silence, held = call.sealer.silenced(NAME)
    call.recorder = Recorder(call, "channel", confirm=1.0, guard=0.1)  # type: ignore[arg-type]
    call.recorder.taken_up("0x1", call.tape, silence, held)
    await call.recorder.pause()
    await until(lambda: ("proven", False) in call.told)
    samples = await call.over()
    assert silent(samples) == [(first, len(samples))]


async def test_a_second_run_soon_after_a_resume_is_erased_up_to_the_second_pause(call: Call) -> None:
    await asyncio.sleep(0.5)
    await call.recorder.pause()
    await asyncio.sleep(0.2)
    call.recorder.resume()
    await until(lambda: call.told[-1] == ("on",) or ("on",) in call.told)
    await asyncio.sleep(0.15)
    first = call.pbx.now()
    await asyncio.sleep(0.15)
    await call.recorder.erase_from(first, "card digits")
    await call.recorder.pause()
    await until(lambda: any(each[0] == "erased" and each[1] == first for each in call.told))
    samples = await call.over()
    assert not samples[first:].any()
    assert samples[first - 400 : first].all()


async def test_the_rest_of_a_sounding_hot_key_before_a_pause_is_erased_and_nothing_else(call: Call) -> None:
    await asyncio.sleep(0.4)
    tone = audio.tone(941, 0.02, dbfs=-13) + audio.tone(1209, 0.02, dbfs=-13)
    at = time.monotonic() + 0.5  # ahead of what is being written, however busy the machine
    call.pbx.sounds.append((at, (tone * 32767).astype(np.int16)))
    await asyncio.sleep(1.0)
    await call.recorder.pause()
    await until(lambda: ("proven", False) in call.told)
    (rest,) = [each for each in call.told if each[-1] == "a hot key that sounded"]
    first, last = rest[1:3]
    place = round((at - call.pbx.began) * RATE)
    assert place - 300 <= first <= place
    assert place + len(tone) <= last <= place + len(tone) + 300
    samples = await call.over()
    assert silent(samples)[0] == (first, last)


async def test_without_a_vault_it_is_erased_where_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "REGULAR", 0.02)
    monkeypatch.setattr(recorder, "LAST", 0.1)
    with TemporaryDirectory(dir="/dev/shm") as directory:
        spool = Spool(directory=Path(directory) / "spool")
        spool.prepare()
        call = Call(Talking(spool), None, None)  # type: ignore[arg-type]
        await call.recorder.begun("0x1", LooseTape.of(spool, CALL, 1))
        call.pbx.start()
        await asyncio.sleep(0.7)
        first = call.pbx.now() - 3000
        await call.recorder.erase_from(first, "card digits")
        await call.recorder.pause()
        await until(lambda: ("proven", False) in call.told)
        await call.pbx.end()
        await call.recorder.ended()
        for path in call.pbx.asterisk.paths:
            samples = np.frombuffer(path.read_bytes(), "<i2").copy()
            whole_but(samples, (first, len(samples)))


async def test_when_samples_came_is_told_by_the_kernel_however_late_they_are_looked_for(
    tmp_path: Path,
) -> None:
    paths = tmp_path / "in.sln", tmp_path / "out.sln"
    for path in paths:
        path.touch()
    strand = Strand(paths=paths)
    assert strand.arrived()[0] == 0
    for path in paths:
        path.write_bytes(bytes(1600))
    written = time.monotonic()
    await asyncio.sleep(0.3)
    there, came = strand.arrived()
    assert there == 800
    assert written - 0.01 <= came <= written + 0.03
    # What is erased stamps the files as well.
    strand.wipe(0, 400)
    assert strand.arrived() == (there, came)
    strand.close()


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_clock_that_is_set_makes_no_sample_older_than_it_is(
    tmp_path: Path, hours, monkeypatch
) -> None:
    paths = tmp_path / "in.sln", tmp_path / "out.sln"
    for path in paths:
        path.touch()
    strand = Strand(paths=paths)
    assert strand.arrived()[0] == 0
    real = time.time
    monkeypatch.setattr("callguard.recording.strand.time.time", lambda: real() + 3600 * hours)
    await asyncio.sleep(0.1)
    before = time.monotonic()
    for path in paths:
        path.write_bytes(bytes(1600))
    there, came = strand.arrived()
    assert there == 800
    assert before <= came <= time.monotonic()
    strand.close()
