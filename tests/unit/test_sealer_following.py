"""The sealer follows a growing capture: look-back, hold, erase, memory, end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from callguard.errors import RecordingError
from callguard.recording import Measures, Sealer, Spool
from callguard.recording.strand import Strand
from callguard.vault import Destroyed, Vault
from fakes.sealing import CALL, FLUSH, NAME, Asterisk, Ear, a_sealer, a_vault, heard, speech, until


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return a_vault(tmp_path)


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
async def sealer(vault: Vault, spool: Spool, ear: Ear) -> AsyncIterator[Sealer]:
    sealer = a_sealer(vault, spool, ear)
    await sealer.start()
    yield sealer
    await sealer.close()


async def test_a_call_is_sealed_sample_by_sample_and_leaves_nothing_in_the_spool(
    sealer: Sealer, vault: Vault, spool: Spool
) -> None:
    asterisk, said = Asterisk(spool), speech(5 * FLUSH + 321)
    await sealer.begin(NAME, asterisk.paths, {"purpose": "quality", "queue": "sales"})
    for at in range(0, len(said), FLUSH):
        asterisk.append(said[at : at + FLUSH])
    asterisk.close()
    finished = await sealer.finish(NAME)
    assert finished.samples == len(said)
    assert np.array_equal(heard(vault), said)
    verdict = vault.open(NAME).verify()
    assert verdict.sound and verdict.complete and verdict.sha256 == finished.sha256
    assert vault.header(NAME).retention.purpose == "quality"
    assert [path for path in spool.directory.rglob("*") if path.is_file()] == []


async def test_the_newest_seconds_are_never_sealed_while_the_call_goes_on(
    sealer: Sealer, vault: Vault, spool: Spool
) -> None:
    asterisk, said = Asterisk(spool), speech(4 * FLUSH)
    await sealer.begin(NAME, asterisk.paths, {})
    asterisk.append(said)
    expected = (len(said) - 8000) // 4000 * 4000
    await until(lambda: vault.samples(NAME) >= expected)
    await asyncio.sleep(0.1)
    assert vault.samples(NAME) == expected
    assert sealer.samples(NAME) == len(said)


async def test_memory_stays_bounded_by_the_look_back_however_long_the_call(
    sealer: Sealer, spool: Spool
) -> None:
    asterisk, peak = Asterisk(spool), 0
    await sealer.begin(NAME, asterisk.paths, {})
    for turn in range(120):
        asterisk.append(speech(FLUSH, turn))
        await until(lambda: sealer.behind() == 0)
        peak = max(peak, sealer.memory())
    assert sealer.samples(NAME) == 120 * FLUSH
    # One second of look-back, half a second of block, one flush of 2.05 s, and a page for each file.
    assert peak <= (1.0 + 0.5 + 2.05) * 32000 + 2 * 4096
    asterisk.close()
    await sealer.finish(NAME)


async def test_what_is_on_hold_is_sealed_only_after_the_release(
    sealer: Sealer, vault: Vault, spool: Spool
) -> None:
    asterisk, said = Asterisk(spool), speech(4 * FLUSH)
    await sealer.begin(NAME, asterisk.paths, {})
    assert sealer.hold(NAME, 6000) == 6000
    asterisk.append(said)
    await until(lambda: vault.samples(NAME) == 4000)
    await asyncio.sleep(0.1)
    assert vault.samples(NAME) == 4000
    sealer.release(NAME)
    await until(lambda: vault.samples(NAME) > 6000)
    asterisk.close()
    await sealer.finish(NAME)
    assert np.array_equal(heard(vault), said)


async def test_a_hold_that_comes_too_late_says_from_where_it_counts(
    sealer: Sealer, vault: Vault, spool: Spool
) -> None:
    asterisk = Asterisk(spool)
    await sealer.begin(NAME, asterisk.paths, {})
    asterisk.append(speech(4 * FLUSH))
    await until(lambda: vault.samples(NAME) == 56000)
    assert sealer.hold(NAME, 100) == 56000


async def test_what_was_never_verified_is_sealed_as_silence(
    sealer: Sealer, vault: Vault, spool: Spool
) -> None:
    asterisk, said = Asterisk(spool), speech(2 * FLUSH)
    await sealer.begin(NAME, asterisk.paths, {})
    sealer.hold(NAME, 9000)
    asterisk.append(said)
    asterisk.close()
    await sealer.finish(NAME)
    said[9000:] = 0
    assert np.array_equal(heard(vault), said)
    (mark,) = vault.open(NAME).marks()
    assert (mark.kind, mark.start, mark.end) == ("erased", 9000, len(said))


async def test_an_erased_span_is_zero_in_the_spool_and_in_the_vault(
    sealer: Sealer, vault: Vault, spool: Spool
) -> None:
    asterisk, said = Asterisk(spool), speech(2 * FLUSH)
    await sealer.begin(NAME, asterisk.paths, {})
    asterisk.append(said[:FLUSH])
    start, end = FLUSH - 5000, FLUSH + 3000  # reaches into what Asterisk still has in its buffer
    assert await sealer.erase(NAME, start, end, why="card digits") == end - start
    for channel, path in enumerate(asterisk.paths):
        raw = np.frombuffer(path.read_bytes(), dtype="<i2")
        assert not raw[start:].any() and raw[start - 1] == said[start - 1, channel]
    assert await sealer.sounds(NAME, start, FLUSH) is None
    assert await sealer.sounds(NAME, start - 1, FLUSH) is not None
    asterisk.append(said[FLUSH:])
    asterisk.close()
    await sealer.finish(NAME)
    said[start:end] = 0
    assert np.array_equal(heard(vault), said)
    assert [(m.kind, m.start, m.end, m.detail["why"]) for m in vault.open(NAME).marks()] == [
        ("erased", start, end, "card digits")
    ]


async def test_what_arrives_later_of_an_erased_span_is_wiped_in_the_spool_too(
    sealer: Sealer, spool: Spool
) -> None:
    asterisk, said = Asterisk(spool), speech(2 * FLUSH)
    await sealer.begin(NAME, asterisk.paths, {})
    sealer.hold(NAME, 0)
    await sealer.erase(NAME, 0, FLUSH + 3000)
    asterisk.append(said)
    await until(lambda: not any(asterisk.paths[0].read_bytes()[: 2 * (FLUSH + 3000)]))
    raw = np.frombuffer(asterisk.paths[1].read_bytes(), dtype="<i2")
    assert not raw[: FLUSH + 3000].any() and raw[FLUSH + 3000 :].all()


async def test_erasing_what_is_sealed_says_how_much_was_erased(
    sealer: Sealer, vault: Vault, spool: Spool
) -> None:
    asterisk, said = Asterisk(spool), speech(4 * FLUSH)
    await sealer.begin(NAME, asterisk.paths, {})
    asterisk.append(said)
    await until(lambda: vault.samples(NAME) == 56000)
    with pytest.raises(RecordingError, match=r"first 6000 of 10000 samples .* 4000 were erased"):
        await sealer.erase(NAME, 50000, 60000)
    asterisk.close()
    await sealer.finish(NAME)
    said[56000:60000] = 0
    assert np.array_equal(heard(vault), said)


async def test_silence_can_only_be_proven_of_what_is_there_and_not_sealed(
    sealer: Sealer, vault: Vault, spool: Spool
) -> None:
    asterisk = Asterisk(spool)
    await sealer.begin(NAME, asterisk.paths, {})
    asterisk.append(speech(4 * FLUSH))
    with pytest.raises(RecordingError, match="yet to come"):
        await sealer.sounds(NAME, 4 * FLUSH - 10, 4 * FLUSH + 1)
    await until(lambda: vault.samples(NAME) == 56000)
    # What was sealed reads as zeros in the spool: it must not pass for silence.
    with pytest.raises(RecordingError, match="is sealed up to sample 56000"):
        await sealer.sounds(NAME, 0, 4000)


async def test_a_side_that_ends_earlier_is_padded_and_marked(
    sealer: Sealer, vault: Vault, spool: Spool
) -> None:
    asterisk, said = Asterisk(spool), speech(FLUSH)
    await sealer.begin(NAME, asterisk.paths, {})
    asterisk.append_side(0, said[:, 0])
    asterisk.append_side(1, said[:9000, 1])
    asterisk.close()
    await sealer.finish(NAME)
    said[9000:, 1] = 0
    assert np.array_equal(heard(vault), said)
    (mark,) = vault.open(NAME).marks()
    assert (mark.kind, mark.start, mark.end, mark.detail) == ("gap", 9000, FLUSH, {"party": "agent"})


async def test_finish_waits_until_asterisk_closed_its_files(vault: Vault, spool: Spool, ear: Ear) -> None:
    asterisk, said = Asterisk(spool), speech(2 * FLUSH)
    sealer = a_sealer(vault, spool, ear, Measures(look_back=1, block=0.5, tick=0.01, settle=30))
    await sealer.start()
    await sealer.begin(NAME, asterisk.paths, {})
    asterisk.append(said[:FLUSH])
    finishing = asyncio.create_task(sealer.finish(NAME))
    await until(lambda: finishing.done() or vault.samples(NAME) == 0)
    asterisk.append(said[FLUSH:])
    assert not finishing.done()
    asterisk.close()
    await finishing
    await sealer.close()
    assert np.array_equal(heard(vault), said)


async def test_a_file_that_nobody_closes_is_complete_when_it_grows_no_more(
    sealer: Sealer, vault: Vault, spool: Spool
) -> None:
    asterisk, said = Asterisk(spool), speech(FLUSH)
    await sealer.begin(NAME, asterisk.paths, {})
    asterisk.append(said)
    await sealer.finish(NAME, missing="up to 2 s: Asterisk crashed")
    verdict = vault.open(NAME).verify()
    assert verdict.complete and verdict.missing == "up to 2 s: Asterisk crashed"
    asterisk.close()


async def test_marks_come_back_once_and_in_order(sealer: Sealer, vault: Vault, spool: Spool) -> None:
    asterisk = Asterisk(spool)
    await sealer.begin(NAME, asterisk.paths, {})
    sealer.mark(NAME, "tone", 4000, profile="fs1037c")
    asterisk.append(speech(4 * FLUSH))
    await until(lambda: vault.samples(NAME) > 0)
    sealer.mark(NAME, "pause", 60000, 61000, by="agent")
    sealer.mark(NAME, "party", 59000, who="102")
    asterisk.close()
    await sealer.finish(NAME)
    marks = vault.open(NAME).marks()
    assert [(mark.kind, mark.start) for mark in marks] == [("tone", 4000), ("party", 59000), ("pause", 60000)]
    assert marks[2].detail == {"by": "agent"} and marks[2].end == 61000


async def test_discard_destroys_the_spool_and_the_key(sealer: Sealer, vault: Vault, spool: Spool) -> None:
    asterisk = Asterisk(spool)
    await sealer.begin(NAME, asterisk.paths, {})
    asterisk.append(speech(4 * FLUSH))
    await until(lambda: vault.samples(NAME) > 0)
    certificate = await sealer.discard(NAME, by="caller", reason="withdrawn")
    assert vault.certificate(NAME) == certificate
    assert [path for path in spool.directory.rglob("*") if path.is_file()] == []
    with pytest.raises(Destroyed, match="by caller"):
        vault.open(NAME)
    assert not list(vault.keys.rglob("*.key"))
    asterisk.close()


async def test_a_full_vault_is_told_once_and_sealed_when_there_is_room_again(
    sealer: Sealer, vault: Vault, spool: Spool, ear: Ear
) -> None:
    asterisk, said = Asterisk(spool), speech(6 * FLUSH)
    await sealer.begin(NAME, asterisk.paths, {})
    directory = vault.open(NAME).directory
    moved = directory.with_name("away")
    directory.rename(moved)
    directory.touch()  # writing into it fails, as on a broken disk
    asterisk.append(said[: 3 * FLUSH])
    await until(lambda: ear.alerts)
    asterisk.append(said[3 * FLUSH :])
    await asyncio.sleep(0.1)
    assert len(ear.alerts) == 1 and ear.alerts[0][2] == NAME
    asterisk.close()
    with pytest.raises(RecordingError, match="stays in the spool"):
        await sealer.finish(NAME)
    directory.unlink()
    moved.rename(directory)
    await until(lambda: NAME in ear.done)
    assert np.array_equal(heard(vault), said)
    assert vault.open(NAME).verify().sound


class HungDisk:
    """A vault on a disk that does not answer until it is told to; all else is the real one."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self.answers, self.asked = threading.Event(), threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vault, name)

    def begin(self, *given: Any) -> Any:
        writing = self._vault.begin(*given)
        seal = writing.seal

        def slow(*block: Any) -> None:
            self.asked.set()
            self.answers.wait()
            seal(*block)

        writing.seal = slow  # type: ignore[method-assign]
        return writing


async def test_a_disk_that_hangs_keeps_nothing_from_being_erased_or_watched(
    vault: Vault, spool: Spool, ear: Ear
) -> None:
    disk = HungDisk(vault)
    sealer = Sealer(disk, spool, ear, Measures(look_back=1, block=0.5, limit=5, tick=0.01, settle=0.1))
    await sealer.start()
    asterisk, said = Asterisk(spool), speech(4 * FLUSH)
    await sealer.begin(NAME, asterisk.paths, {})
    asterisk.append(said[: 2 * FLUSH])
    await until(disk.asked.is_set)
    assert sealer.hold(NAME, 0) == 4000  # the block that hangs may be in the vault or not
    async with asyncio.timeout(2):
        assert await sealer.erase(NAME, 20000, 30000) == 10000
        assert await sealer.sounds(NAME, 20000, 30000) is None
    part = asyncio.create_task(sealer.erase(NAME, 3000, 5000))
    asterisk.append(said[2 * FLUSH :])
    await until(lambda: ear.overflows)
    assert not any(asterisk.paths[0].read_bytes()[2 * 20000 : 2 * 30000])
    assert not part.done()
    disk.answers.set()
    with pytest.raises(RecordingError, match=r"first 1000 of 2000 samples .* 1000 were erased"):
        await part
    sealer.release(NAME)
    asterisk.close()
    await sealer.finish(NAME)
    await sealer.close()
    said[20000:30000] = said[4000:5000] = 0
    assert np.array_equal(heard(vault), said)


async def test_a_spool_that_holds_its_limit_asks_to_stop_capturing_once(
    vault: Vault, spool: Spool, ear: Ear
) -> None:
    sealer = a_sealer(vault, spool, ear, Measures(look_back=1, block=0.5, limit=3, tick=0.01, settle=0.1))
    await sealer.start()
    asterisk = Asterisk(spool)
    await sealer.begin(NAME, asterisk.paths, {})
    sealer.hold(NAME, 0)
    asterisk.append(speech(2 * FLUSH))
    await until(lambda: ear.overflows)
    await asyncio.sleep(0.1)
    assert ear.overflows == [NAME]
    asterisk.close()
    await sealer.close()


async def test_the_event_loop_is_not_held_up_by_fifty_captures(
    sealer: Sealer, vault: Vault, spool: Spool
) -> None:
    calls = [Asterisk(spool, f"{CALL[:-2]}{number:02d}") for number in range(50)]
    names = [f"{CALL[:-2]}{number:02d}-1" for number in range(50)]
    for name, asterisk in zip(names, calls, strict=True):
        await sealer.begin(name, asterisk.paths, {})
    for asterisk in calls:
        asterisk.append(speech(2 * FLUSH))
        asterisk.close()
    finishing = asyncio.gather(*(sealer.finish(name) for name in names))
    clock, turns = asyncio.get_running_loop().time, 0
    before = clock()
    while not finishing.done():
        await asyncio.sleep(0)
        turns += 1
    # Not a time but a share: a loop that waited for the disk would turn a few times for each recording.
    assert turns / 50 > 20 or clock() - before < 0.1
    assert all(done.samples == 2 * FLUSH for done in await finishing)


async def test_only_the_thread_that_looks_at_the_files_closes_them(
    sealer: Sealer, spool: Spool, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another thread's close makes the number free for a file of the vault, which the look would then wipe.
    closing = []
    really = Strand.close

    def close(self: Strand) -> None:
        closing.append(threading.current_thread())
        really(self)

    monkeypatch.setattr(Strand, "close", close)
    for number, order in enumerate(("finish", "discard"), 1):
        asterisk, name = Asterisk(spool, f"{CALL}{number}"), f"{CALL}-{number}"
        await sealer.begin(name, asterisk.paths, {})
        asterisk.append(speech(FLUSH))
        asterisk.close()
        await (sealer.finish(name) if order == "finish" else sealer.discard(name, by="", reason=""))
    assert len(closing) >= 2 and set(closing) == {threading.main_thread()}
    assert ear.alerts == []


async def test_a_waiter_who_gives_up_does_not_break_what_is_under_way(
    sealer: Sealer, vault: Vault, spool: Spool
) -> None:
    asterisk, said = Asterisk(spool), speech(2 * FLUSH)
    await sealer.begin(NAME, asterisk.paths, {})
    asterisk.append(said)
    asterisk.close()
    finishing = asyncio.create_task(sealer.finish(NAME))
    await asyncio.sleep(0)
    finishing.cancel()
    await until(lambda: not sealer.captures)
    assert np.array_equal(heard(vault), said)
