"""Whatever is changed, moved, cut off or put in from elsewhere in the vault is noticed."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from callguard.vault import Damaged, RecordingKey, Vault, VaultError
from callguard.vault.writing import TRAILER_NAME, block_name
from fakes.sealing import CALL, NAME, a_vault, heard, speech

BLOCKS = 4
LENGTH = 4000
OTHER = f"{CALL}-2"


def written(vault: Vault, name: str, seed: int = 1, *, finish: bool = True) -> np.ndarray:
    said = speech(BLOCKS * LENGTH, seed)
    writing = vault.begin(name, {"purpose": "quality"}, b"", [], RecordingKey.generate().raw)
    for at in range(0, len(said), LENGTH):
        writing.seal(said[at : at + LENGTH].tobytes())
    if finish:
        writing.finish()
    return said


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return a_vault(tmp_path)


def sound(vault: Vault) -> bool:
    """Whether the recording passes as whole, unchanged and complete."""
    try:
        verdict = vault.open(NAME).verify()
    except VaultError:
        return False
    return verdict.sound and verdict.complete


def places(size: int) -> list[int]:
    """The whole front of a file, its tag, and a sample of what lies between."""
    between = random.Random(7).sample(range(80, size - 16), min(24, max(0, size - 96)))
    return sorted({*range(min(80, size)), *range(max(0, size - 16), size), *between})


@pytest.mark.parametrize("file", [block_name(0), block_name(1), block_name(3), TRAILER_NAME, "header.json"])
def test_each_changed_byte_is_noticed(vault: Vault, file: str) -> None:
    written(vault, NAME)
    path = vault.open(NAME).directory / file
    whole = path.read_bytes()
    unseen = []
    for at in range(len(whole)) if file == "header.json" else places(len(whole)):
        for flip in (0x01, 0x80):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :])
            if sound(vault):
                unseen.append((at, flip))
    path.write_bytes(whole)
    assert unseen == []
    assert sound(vault)


def test_each_changed_letter_of_the_wrapped_key_is_noticed(vault: Vault) -> None:
    written(vault, NAME)
    path = vault.keys / NAME[:2] / f"{NAME}.key"
    whole = path.read_text()
    wrapped = json.loads(whole)["wraps"][0]["key"]
    for at, letter in enumerate(wrapped):
        other = wrapped[:at] + ("A" if letter != "A" else "B") + wrapped[at + 1 :]
        path.write_text(whole.replace(wrapped, other))
        with pytest.raises(VaultError, match="wrapped key was changed"):
            vault.open(NAME)


@pytest.mark.parametrize("file", [block_name(0), block_name(2), block_name(BLOCKS), TRAILER_NAME])
def test_each_truncation_and_each_addition_is_noticed(vault: Vault, file: str) -> None:
    written(vault, NAME)
    path = vault.open(NAME).directory / file
    whole = path.read_bytes()
    for length in {0, 1, 44, 60, len(whole) // 2, len(whole) - 1}:
        path.write_bytes(whole[:length])
        assert not sound(vault), length
    path.write_bytes(whole + b"\0")
    assert not sound(vault)


def swap(directory: Path) -> None:
    first, second = directory / block_name(1), directory / block_name(2)
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)


def drop_middle(directory: Path) -> None:
    (directory / block_name(2)).unlink()


def drop_last(directory: Path) -> None:
    (directory / block_name(BLOCKS)).unlink()


def close_gap(directory: Path) -> None:
    (directory / block_name(2)).unlink()
    for number in range(3, BLOCKS + 1):
        (directory / block_name(number)).rename(directory / block_name(number - 1))


def drop_head(directory: Path) -> None:
    (directory / block_name(0)).unlink()


def double(directory: Path) -> None:
    shutil.copy(directory / block_name(BLOCKS), directory / block_name(BLOCKS + 1))


def block_as_trailer(directory: Path) -> None:
    shutil.copy(directory / block_name(BLOCKS), directory / TRAILER_NAME)


@pytest.mark.parametrize(
    "crime", [swap, drop_middle, drop_last, close_gap, drop_head, double, block_as_trailer]
)
def test_another_order_is_noticed(vault: Vault, crime: Callable[[Path], None]) -> None:
    written(vault, NAME)
    reading = vault.open(NAME)
    assert sound(vault)
    crime(reading.directory)
    verdict = reading.verify()
    assert verdict.findings
    with pytest.raises(Damaged):
        b"".join(reading.pcm())
        reading.marks()


def test_a_block_in_the_place_of_another_is_named(vault: Vault) -> None:
    written(vault, NAME)
    reading = vault.open(NAME)
    swap(reading.directory)
    first, second, *_ = reading.verify().findings
    assert first.where.endswith("00000001.block") and first.what == "is block 2 of the recording"
    assert second.where.endswith("00000002.block") and second.what == "is block 1 of the recording"


def test_a_recording_without_its_trailer_says_that_its_end_is_missing(vault: Vault) -> None:
    said = written(vault, NAME)
    reading = vault.open(NAME)
    (reading.directory / TRAILER_NAME).unlink()
    (reading.directory / block_name(BLOCKS)).unlink()
    verdict = reading.verify()
    assert not verdict.complete and "end" in verdict.missing
    assert np.array_equal(heard(vault), said[:-LENGTH])


@pytest.mark.parametrize("file", [block_name(0), block_name(1), TRAILER_NAME, "header.json"])
def test_a_file_of_another_recording_is_noticed(vault: Vault, file: str) -> None:
    key = RecordingKey.generate().raw
    for name in (NAME, OTHER):  # under the same key even: the id alone tells them apart
        writing = vault.begin(name, {}, b"", [], key)
        for at in range(BLOCKS):
            writing.seal(speech(LENGTH, at).tobytes())
        writing.finish()
    other = vault.open(OTHER).directory / file
    shutil.copy(other, vault.open(NAME).directory / file)
    assert not sound(vault)


def test_an_older_try_at_the_same_block_is_noticed(vault: Vault) -> None:
    key = RecordingKey.generate().raw
    writing = vault.begin(NAME, {}, b"", [], key)
    writing.seal(speech(LENGTH, 1).tobytes())
    path = vault.open(NAME).directory / block_name(1)
    before_the_erasure = path.read_bytes()
    path.unlink()  # as if the disk had refused it, though it had not
    again = vault.resume(NAME, key)
    assert again is not None and again.samples == 0
    again.seal(speech(LENGTH, 2).tobytes())
    again.seal(speech(LENGTH, 3).tobytes())
    again.finish()
    assert sound(vault)
    path.write_bytes(before_the_erasure)
    assert [str(finding) for finding in vault.open(NAME).verify().findings]
    with pytest.raises(Damaged, match="does not follow"):
        list(vault.open(NAME).pcm())


def test_the_key_of_another_recording_opens_nothing(vault: Vault) -> None:
    written(vault, NAME)
    written(vault, OTHER)
    shelf = vault.keys / NAME[:2]
    shutil.copy(shelf / f"{OTHER}.key", shelf / f"{NAME}.key")
    with pytest.raises(VaultError, match="that of another recording"):
        vault.open(NAME)
    content = (shelf / f"{OTHER}.key").read_text().replace(OTHER, NAME)
    (shelf / f"{NAME}.key").write_text(content)
    with pytest.raises(VaultError, match="wrapped key was changed, or belongs to another recording"):
        vault.open(NAME)


def test_an_untouched_recording_is_sound_and_names_its_hash(vault: Vault) -> None:
    said = written(vault, NAME)
    verdict = vault.open(NAME).verify()
    assert verdict.sound and verdict.complete and verdict.samples == len(said)
    finished = vault.open(NAME).finished()
    assert finished is not None and finished.sha256 == verdict.sha256
    assert np.array_equal(heard(vault), said)


def test_no_nonce_is_used_twice_even_when_a_block_is_sealed_again(vault: Vault) -> None:
    nonces = set()
    for seed in range(3):
        written(vault, NAME, seed)
        directory = vault.open(NAME).directory
        nonces |= {path.read_bytes()[44:56] for path in directory.glob("*.block")}
        shutil.rmtree(directory)
    assert len(nonces) == 3 * (BLOCKS + 1)


def test_no_sample_and_no_key_lies_in_the_vault_in_the_clear(vault: Vault) -> None:
    key = RecordingKey.generate()
    writing = vault.begin(NAME, {}, speech(800, 9).tobytes(), [], key.raw)
    writing.seal(np.tile(speech(8), (500, 1)).tobytes())
    writing.finish()
    stored = b"".join(path.read_bytes() for path in vault.recordings.parent.rglob("*") if path.is_file())
    assert key.raw not in stored and key.derive("blocks") not in stored
    assert b"fLaC" not in stored and speech(8).tobytes() not in stored
