"""Whatever is recorded is listened to for keys before it is sealed, also when nobody looks after the call."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from callguard.controller.cardguard import CardGuard
from callguard.controller.sealing import Keeper
from callguard.lab import audio
from callguard.recording import CARD, Measures, Sealer, Spool
from callguard.recording.capture import Capture
from callguard.recording.keytones import Tone
from callguard.vault import Vault
from fakes.sealing import CALL, NAME, Asterisk, Ear, a_sealer, a_vault, heard, speech, until

RATE = audio.RATE
MEASURES = Measures(look_back=0.5, block=0.25, tick=0.01, settle=0.2, keys=True)


def keyed(keys: int, silence: float = 0.1) -> np.ndarray:
    """The caller keys; the agent says nothing."""
    tone = audio.tone(770, 0.1, dbfs=-13) + audio.tone(1336, 0.1, dbfs=-13)
    gap = np.zeros(round(silence * RATE))
    caller = np.concatenate([np.concatenate([tone, gap]) for _ in range(keys)])
    return np.stack([(caller * 32767).astype(np.int16), np.zeros(len(caller), np.int16)], axis=1)


def quiet(seconds: float) -> np.ndarray:
    """Both say something softly, and never an exact zero."""
    return speech(round(seconds * RATE)) // 300 * 2 + 1


@pytest.fixture
def spool() -> Any:
    with TemporaryDirectory(dir="/dev/shm") as directory:
        spool = Spool(directory=Path(directory) / "spool")
        spool.prepare()
        yield spool


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return a_vault(tmp_path)


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
async def sealer(vault: Vault, spool: Spool, ear: Ear) -> AsyncIterator[Sealer]:
    sealer = a_sealer(vault, spool, ear, MEASURES)
    await sealer.start()
    yield sealer
    await sealer.close()


async def test_keys_are_told_of_with_their_place_and_the_moment_of_their_samples(
    sealer: Sealer, ear: Ear, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, float]] = []
    monkeypatch.setattr(
        ear, "keyed", lambda name, tones, arrived: (told.append(arrived), ear.keys.extend(tones))
    )
    asterisk = Asterisk(spool)
    await sealer.begin(NAME, asterisk.paths, {})
    before = time.monotonic()
    asterisk.append(np.concatenate([quiet(1.0), keyed(3), quiet(1.0)]))
    after = time.monotonic()
    await until(lambda: told)
    assert [abs(tone.start - 8000 - 1600 * number) < 100 for number, tone in enumerate(ear.keys)] == [
        True
    ] * 3
    ((there, came),) = told
    assert there == 2.6 * RATE
    assert before - 0.02 <= came <= after + 0.03


async def test_nothing_is_sealed_that_was_not_listened_to(
    sealer: Sealer, vault: Vault, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_up, listen = threading.Event(), Capture.listen

    def slowly(capture: Capture, end: int) -> list[Tone]:
        held_up.wait(5)
        return listen(capture, end)

    monkeypatch.setattr(Capture, "listen", slowly)
    asterisk = Asterisk(spool)
    await sealer.begin(NAME, asterisk.paths, {})
    asterisk.append(quiet(4.0))
    await asyncio.sleep(0.2)
    assert vault.samples(NAME) == 0
    held_up.set()
    await until(lambda: vault.samples(NAME) >= 3.25 * RATE)


async def test_what_is_put_on_hold_when_a_key_is_told_of_is_never_sealed_first(
    sealer: Sealer, ear: Ear, vault: Vault, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hold(name: str, tones: list[Tone], arrived: tuple[int, float]) -> None:
        for tone in tones:
            assert sealer.hold(name, tone.start - 800, CARD) == tone.start - 800

    monkeypatch.setattr(ear, "keyed", hold)
    asterisk = Asterisk(spool)
    await sealer.begin(NAME, asterisk.paths, {})
    # In pieces that cut keys in two.
    said = np.concatenate([quiet(3.0), keyed(1), quiet(3.0)])
    for at in range(0, len(said), 1234):
        asterisk.append(said[at : at + 1234])
        await asyncio.sleep(0.02)
    assert sealer.held(NAME, CARD) == pytest.approx(3.0 * RATE - 800, abs=160)
    await until(lambda: vault.samples(NAME) > 2.5 * RATE)
    assert vault.samples(NAME) <= 3.0 * RATE - 800


async def test_a_key_of_which_only_the_beginning_was_listened_to_is_not_sealed_up_to_its_middle(
    sealer: Sealer, ear: Ear, vault: Vault, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    free, listen = threading.Event(), Capture.listen
    free.set()
    places: list[int] = []

    def slowly(capture: Capture, end: int) -> list[Tone]:
        free.wait(5)
        return listen(capture, end)

    def hold(name: str, tones: list[Tone], arrived: tuple[int, float]) -> None:
        places.extend(sealer.hold(name, tone.start - 800, CARD) - (tone.start - 800) for tone in tones)

    monkeypatch.setattr(Capture, "listen", slowly)
    monkeypatch.setattr(ear, "keyed", hold)
    asterisk, said = Asterisk(spool), np.concatenate([quiet(2.0), keyed(1), quiet(3.0)])
    await sealer.begin(NAME, asterisk.paths, {})
    cut = 2 * RATE + 200
    asterisk.append(said[:cut])
    await until(lambda: vault.samples(NAME) >= cut - 0.75 * RATE)
    free.clear()
    asterisk.append(said[cut:])
    await asyncio.sleep(0.2)
    free.set()
    await until(lambda: places)
    assert places == [0]


async def test_the_end_is_listened_to_before_it_is_sealed_also_where_one_side_is_longer(
    sealer: Sealer, ear: Ear, vault: Vault, spool: Spool
) -> None:
    asterisk = Asterisk(spool)
    await sealer.begin(NAME, asterisk.paths, {})
    asterisk.append(quiet(0.5))
    asterisk.append_side(0, keyed(4)[:, 0])
    asterisk.close()
    await sealer.finish(NAME)
    assert len(ear.keys) == 4


async def test_a_spool_that_cannot_be_read_is_an_alert_and_nothing_of_it_is_sealed(
    sealer: Sealer, ear: Ear, vault: Vault, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(capture: Capture, end: int) -> list[Tone]:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Capture, "listen", broken)
    asterisk = Asterisk(spool)
    await sealer.begin(NAME, asterisk.paths, {})
    asterisk.append(quiet(3.0))
    await until(lambda: ear.alerts)
    assert "cannot be read" in ear.alerts[0][1]
    assert vault.samples(NAME) == 0


# ---------------------------------------------------------------------- what a controller before left


@dataclass
class House:
    """A keeper, and what it tells."""

    vault: Vault
    spool: Spool
    notes: list[Any] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def own(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def keeper(self) -> Keeper:
        return Keeper(
            self.vault,
            self.spool,
            MEASURES,
            note=lambda body, call: self.notes.append(body),
            alert=lambda what, detail, call: self.alerts.append(what),
            stop=lambda call, fault, detail: None,
            own=self.own,
            guard=lambda: CardGuard(digits=6, window=20.0),
        )

    def told(self, kind: str) -> list[Any]:
        return [note for note in self.notes if note.kind == kind]


@pytest.mark.parametrize(("keys", "gone"), [(8, True), (3, False)])
async def test_a_number_in_a_recording_that_nobody_looks_after_is_erased(
    vault: Vault, spool: Spool, keys: int, gone: bool
) -> None:
    said = np.concatenate([quiet(1.0), keyed(keys), quiet(0.3)])
    await left_behind(vault, spool, lambda asterisk: asterisk.append(said))
    house = House(vault, spool)
    keeper = house.keeper()
    await keeper.start()
    await keeper.recover()
    await asyncio.sleep(0.1)  # it is listened to before it is known whose it is
    await keeper.take_up(alive=set())
    await until(lambda: house.told("capture.stopped"))
    await keeper.close()
    samples = heard(vault)
    assert len(samples) == len(said)
    first = RATE - 0.1 * RATE
    if not gone:
        assert np.array_equal(samples, said)
        assert (house.told("capture.erased"), house.alerts) == ([], [])
        return
    assert house.alerts == ["card guard: a number was keyed, and erased"]
    assert {note.reason for note in house.told("capture.erased")} == {"card digits"}
    begin = int(np.flatnonzero(~samples.any(axis=1))[0])
    assert first - 160 <= begin <= first
    assert np.array_equal(samples[:begin], said[:begin])
    assert not samples[begin:].any()


async def left_behind(vault: Vault, spool: Spool, say: Callable[[Asterisk], None]) -> None:
    """A run that was killed in the middle of a call, and a call that went on and ended."""
    sealer = a_sealer(vault, spool, Ear(), MEASURES)
    await sealer.start()
    asterisk = Asterisk(spool, CALL)
    await sealer.begin(NAME, asterisk.paths, {"channel": "gone"})
    await sealer.close()
    say(asterisk)
    asterisk.close()
