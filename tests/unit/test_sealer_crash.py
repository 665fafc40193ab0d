"""The sealer is killed, again and again, while Asterisk goes on: every sample is in the vault, and once."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from callguard.recording import Spool
from fakes.sealing import DIGIT, EVERY, FLUSH, NAME, Asterisk, Ear, a_sealer, a_vault, heard, speech, until

KILLS = int(os.environ.get("CALLGUARD_SEALER_KILLS", "8"))
TESTS = Path(__file__).parents[1]


def start(module: str, *words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, words)],
        cwd=TESTS,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_killed_at_random_moments_it_loses_no_sample_and_doubles_none(tmp_path: Path) -> None:
    chance = random.Random(5)
    said = speech(KILLS * 3 * FLUSH + 1234)
    with TemporaryDirectory(dir="/dev/shm") as directory:
        spool = Spool(directory=Path(directory) / "spool")
        spool.prepare()
        vault = a_vault(tmp_path)
        asterisk = start("fakes.appending_process", spool.directory, KILLS * 0.8, len(said))
        progress = []
        for _ in range(KILLS):
            sealer = start("fakes.sealing_process", tmp_path, spool.directory)
            assert sealer.stdout is not None
            assert sealer.stdout.readline() == "up\n", sealer.stderr and sealer.stderr.read()
            time.sleep(chance.uniform(0, 0.25))  # not to win a race: the moment of the crash
            sealer.kill()
            sealer.communicate()
            progress.append(vault.samples(NAME) if vault.is_begun(NAME) else 0)
        asterisk.communicate(timeout=60)
        (tmp_path / "over").touch()
        sealer = start("fakes.sealing_process", tmp_path, spool.directory)
        _, wrong = sealer.communicate(timeout=60)
        assert sealer.returncode == 0, wrong
        left = [path for path in spool.directory.rglob("*") if path.is_file()]
    for digit in range(0, len(said), EVERY):
        said[digit : digit + DIGIT] = 0
    assert np.array_equal(heard(vault), said)
    verdict = vault.open(NAME).verify()
    assert verdict.sound and verdict.complete and not verdict.missing
    assert left == []
    # The crashes came while it was at work, not before or after.
    assert len({samples for samples in progress if 0 < samples < len(said)}) >= KILLS // 2


async def test_a_crash_between_the_last_block_and_its_state_doubles_no_mark(tmp_path: Path) -> None:
    with TemporaryDirectory(dir="/dev/shm") as directory:
        spool = Spool(directory=Path(directory) / "spool")
        spool.prepare()
        vault, asterisk = a_vault(tmp_path), Asterisk(spool)
        first = a_sealer(vault, spool)
        await first.start()
        await first.begin(NAME, asterisk.paths, {})
        first.mark(NAME, "tone", 10)
        state = next(spool.directory.rglob("*.json"))
        before = state.read_bytes()
        asterisk.append(speech(2 * FLUSH))
        await until(lambda: vault.samples(NAME) > 0)
        await first.close()
        state.write_bytes(before)
        second = a_sealer(vault, spool)
        await second.start()
        assert (await second.recover()).resumed == (NAME,)
        asterisk.close()
        await second.finish(NAME)
        await second.close()
    assert [mark.kind for mark in vault.open(NAME).marks()] == ["tone"]


async def test_a_crash_after_the_trailer_only_has_the_spool_emptied(tmp_path: Path) -> None:
    with TemporaryDirectory(dir="/dev/shm") as directory:
        spool = Spool(directory=Path(directory) / "spool")
        spool.prepare()
        vault, asterisk = a_vault(tmp_path), Asterisk(spool)
        first = a_sealer(vault, spool)
        await first.start()
        await first.begin(NAME, asterisk.paths, {})
        state = next(spool.directory.rglob("*.json"))
        before = state.read_bytes()
        asterisk.append(speech(FLUSH))
        asterisk.close()
        await first.finish(NAME)
        await first.close()
        state.write_bytes(before)
        second = a_sealer(vault, spool)
        await second.start()
        assert (await second.recover()).complete == (NAME,)
        assert second.captures == ()
        await second.close()
        assert [path for path in spool.directory.rglob("*") if path.is_file()] == []


async def test_a_discard_that_a_crash_interrupted_is_done_to_its_end(tmp_path: Path) -> None:
    with TemporaryDirectory(dir="/dev/shm") as directory:
        spool = Spool(directory=Path(directory) / "spool")
        spool.prepare()
        vault, asterisk = a_vault(tmp_path), Asterisk(spool)
        first = a_sealer(vault, spool)
        await first.start()
        await first.begin(NAME, asterisk.paths, {})
        asterisk.append(speech(2 * FLUSH))
        await until(lambda: vault.samples(NAME) > 0)
        keys = vault.keys.rename(tmp_path / "away")  # the vault cannot destroy it now
        vault.keys.touch()
        try:
            await first.discard(NAME, by="caller", reason="withdrawn")
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not be success
            assert "tried again" in str(error)
        assert not any(path.exists() for path in asterisk.paths)
        await first.close()
        vault.keys.unlink()
        keys.rename(vault.keys)
        second = a_sealer(vault, spool)
        await second.start()
        assert (await second.recover()).destroyed == (NAME,)
        await until(lambda: not second.captures)
        await second.close()
    assert vault.is_destroyed(NAME) and not list(vault.keys.rglob("*.key"))


async def test_what_grew_while_nobody_looked_can_be_held_back_until_somebody_knows_what_happened(
    tmp_path: Path,
) -> None:
    with TemporaryDirectory(dir="/dev/shm") as directory:
        spool = Spool(directory=Path(directory) / "spool")
        spool.prepare()
        vault, asterisk, said = a_vault(tmp_path), Asterisk(spool), speech(6 * FLUSH)
        first = a_sealer(vault, spool)
        await first.start()
        await first.begin(NAME, asterisk.paths, {})
        asterisk.append(said[: 2 * FLUSH])
        await until(lambda: vault.samples(NAME) == 24000)
        await first.close()
        asterisk.append(said[2 * FLUSH :])
        second = a_sealer(vault, spool)
        assert (await second.recover(hold=True)).resumed == (NAME,)
        await second.look()
        assert vault.samples(NAME) == 24000
        await second.erase(NAME, 24000, 50000, why="refused while callguard was away")
        second.release(NAME)
        await second.look()
        assert vault.samples(NAME) > 50000
        asterisk.close()
        await second.finish(NAME)
        await second.close()
        said[24000:50000] = 0
        assert np.array_equal(heard(vault), said)


async def test_files_that_nobody_began_to_seal_are_told(tmp_path: Path) -> None:
    with TemporaryDirectory(dir="/dev/shm") as directory:
        spool = Spool(directory=Path(directory) / "spool")
        spool.prepare()
        asterisk = Asterisk(spool)
        sealer = a_sealer(a_vault(tmp_path), spool)
        await sealer.start()
        assert (await sealer.recover()).orphans == tuple(sorted(asterisk.paths))
        await sealer.close()


async def test_after_a_power_cut_the_lost_end_is_reported(tmp_path: Path) -> None:
    vault, ear = a_vault(tmp_path), Ear()
    said = speech(4 * FLUSH)
    with TemporaryDirectory(dir="/dev/shm") as directory:
        spool = Spool(directory=Path(directory) / "spool")
        spool.prepare()
        first, asterisk = a_sealer(vault, spool), Asterisk(spool)
        await first.start()
        await first.begin(NAME, asterisk.paths, {})
        asterisk.append(said)
        await until(lambda: vault.samples(NAME) == 56000)
        await first.close()
    with TemporaryDirectory(dir="/dev/shm") as directory:
        spool = Spool(directory=Path(directory) / "spool")
        spool.prepare()
        second = a_sealer(vault, spool, ear)
        await second.start()
        assert (await second.recover()).resumed == ()
        assert await second.close_lost() == {NAME: "the end: the spool was lost"}
        assert await second.close_lost() == {}
        await second.close()
    verdict = vault.open(NAME).verify()
    assert verdict.sound and verdict.complete and verdict.missing == "the end: the spool was lost"
    assert np.array_equal(heard(vault), said[:56000])
