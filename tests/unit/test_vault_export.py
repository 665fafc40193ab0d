"""What leaves the vault: the same samples, the tone where it was played, and what an auditor hears."""

from __future__ import annotations

import itertools
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import soundfile

from callguard.errors import RecordingError
from callguard.lab.audio import tone as a_tone
from callguard.recording.evidence import evidence
from callguard.vault import PROFILES, Expected, Mark, Reading, RecordingKey, Vault, VaultError, audit, export
from callguard.vault.keytones import COLUMNS, ROWS, key_tones, rests
from callguard.vault.tone import Heard, amiss, cadence, find
from fakes.sealing import CALL, NAME, a_vault, speech

RATE = 8000
BLOCK = 5 * RATE


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return a_vault(tmp_path)


def mark(serial: int, kind: str, start: int, end: int | None = None, **detail: str) -> Mark:
    return Mark(serial=serial, kind=kind, start=start, end=end, detail=detail)


def record(
    vault: Vault, said: np.ndarray, marks: tuple[Mark, ...] = (), head: bytes = b"", name: str = NAME
) -> Reading:
    writing = vault.begin(name, {}, head, [mark(0, "announcement", 0)], RecordingKey.generate().raw)
    for at in range(0, len(said), BLOCK):
        writing.seal(said[at : at + BLOCK].tobytes())
    writing.finish(marks)
    return vault.open(name)


def quiet_talk(seconds: float, seed: int = 3) -> np.ndarray:
    """Noise at about the level of a quiet line, in which nothing is periodic."""
    return np.random.default_rng(seed).normal(0, 300, (round(seconds * RATE), 2)).astype(np.int16)


@pytest.mark.parametrize("form", ["wav", "flac"])
def test_wav_and_flac_hold_exactly_what_was_sealed(vault: Vault, tmp_path: Path, form: str) -> None:
    said = speech(2 * BLOCK + 77)
    done = export([record(vault, said)], tmp_path / "out", form=form)  # type: ignore[arg-type]
    samples, rate = soundfile.read(done.path, dtype="int16")
    assert rate == RATE and np.array_equal(samples, said)
    assert done.sha256 == sha256(done.path.read_bytes()).hexdigest()
    assert done.seconds == len(said) / RATE
    assert done.path.stat().st_mode & 0o077 == 0


def test_opus_holds_both_parties_apart(vault: Vault, tmp_path: Path) -> None:
    seconds = np.arange(4 * RATE) / RATE
    said = np.stack([8000 * np.sin(2 * np.pi * 500 * seconds), 8000 * np.sin(2 * np.pi * 900 * seconds)], 1)
    done = export([record(vault, said.astype(np.int16))], tmp_path / "out.opus", form="opus")
    samples, rate = soundfile.read(done.path)
    assert soundfile.info(done.path).subtype == "OPUS"
    for channel, hz in enumerate((500, 900)):
        spectrum = np.abs(np.fft.rfft(samples[rate : 2 * rate, channel]))
        assert abs(int(np.argmax(spectrum)) - hz) <= 2


def test_mono_adds_both_parties_up_without_wrapping_around(vault: Vault, tmp_path: Path) -> None:
    said = np.full((RATE, 2), 30000, dtype=np.int16)
    said[100] = (1000, -300)
    done = export([record(vault, said)], tmp_path / "out.wav", mono=True)
    samples, _ = soundfile.read(done.path, dtype="int16")
    assert samples.ndim == 1 and samples[100] == 700 and samples[0] == 32767


def test_an_export_never_replaces_a_file_and_leaves_none_when_it_fails(vault: Vault, tmp_path: Path) -> None:
    reading = record(vault, speech(2 * BLOCK))
    (tmp_path / "there").write_text("precious")
    with pytest.raises(VaultError, match="choose another file"):
        export([reading], tmp_path / "there")
    assert (tmp_path / "there").read_text() == "precious"
    block = reading.directory / "00000002.block"
    block.write_bytes(block.read_bytes()[:-1] + b"\0")
    with pytest.raises(VaultError):
        export([reading], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_announcement_stands_at_the_head_on_the_side_that_the_caller_heard(
    vault: Vault, tmp_path: Path
) -> None:
    prompt = (a_tone(440, 1.0) * 32767).astype(np.int16)
    soundfile.write(tmp_path / "prompt.wav", prompt, RATE, subtype="PCM_16")
    proof = evidence([tmp_path / "prompt.wav"])
    assert proof.sha256 == (sha256((tmp_path / "prompt.wav").read_bytes()).hexdigest(),)
    said = speech(RATE)
    reading = record(vault, said, head=proof.pcm)
    samples, _ = soundfile.read(export([reading], tmp_path / "with").path, dtype="int16")
    assert not samples[:RATE, 0].any() and np.array_equal(samples[:RATE, 1], prompt)
    assert np.array_equal(samples[RATE:], said)
    samples, _ = soundfile.read(export([reading], tmp_path / "without", head=False).path, dtype="int16")
    assert np.array_equal(samples, said)
    finished = reading.finished()
    assert finished is not None and finished.samples == RATE  # the head is not counted with the call
    assert reading.head()[1][0].kind == "announcement"


def test_evidence_in_another_form_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "wide.wav", np.zeros(16000), 16000)
    with pytest.raises(RecordingError, match="mono at 8000 Hz"):
        evidence([tmp_path / "wide.wav"])


def test_the_segments_of_a_call_are_exported_as_one(vault: Vault, tmp_path: Path) -> None:
    parts = [speech(4000, number) for number in range(1, 12)]
    for number, part in enumerate(parts, 1):
        record(vault, part, name=f"{CALL}-{number}")
    names = vault.of_call(CALL)
    assert names == [f"{CALL}-{number}" for number in range(1, 12)]
    done = export([vault.open(name) for name in names], tmp_path / "call.wav")
    samples, _ = soundfile.read(done.path, dtype="int16")
    assert np.array_equal(samples, np.concatenate(parts))


@pytest.mark.parametrize("name", PROFILES)
def test_the_tone_is_laid_in_where_it_was_played_and_found_there_again(
    vault: Vault, tmp_path: Path, name: str
) -> None:
    tone = PROFILES[name]
    starts = [BLOCK - 800, *range(BLOCK - 800 + 15 * RATE, 60 * RATE, 15 * RATE)]  # one across two blocks
    marks = tuple(mark(n, "tone", start) for n, start in enumerate(starts, 1))
    reading = record(vault, quiet_talk(60), marks)
    samples, _ = soundfile.read(export([reading], tmp_path / "with", tone=tone).path, dtype="int16")
    for channel in range(2):
        found = find(samples[:, channel], 1400)
        assert len(found) == len(starts)
        for one, start in zip(found, starts, strict=True):
            assert abs(one.start - start / RATE) < 0.02
            assert abs(one.seconds - tone.seconds) < 0.03
            assert abs(one.hz - 1400) < 14 and abs(one.dbfs - tone.dbfs) < 1.5
        assert all(abs(gap - 15) < 0.02 for gap in cadence(found))
    plain, _ = soundfile.read(export([reading], tmp_path / "without").path, dtype="int16")
    assert find(plain[:, 0], 1400) == []


def test_each_key_of_a_telephone_is_heard_and_speech_is_none() -> None:
    for low in ROWS:
        for high in COLUMNS:
            talk = quiet_talk(2, seed=int(low + high))[:, 0].astype(np.float64)
            pair = (a_tone(low, 0.08, dbfs=-15) + a_tone(high, 0.08, dbfs=-13)) * 32767
            talk[4000 : 4000 + len(pair)] += pair
            (found,) = key_tones(np.clip(talk, -32768, 32767).astype(np.int16))
            assert abs(found[0] - 0.5) < 0.03 and 0.05 < found[1] < 0.12
    assert key_tones(quiet_talk(20)[:, 0]) == []
    assert key_tones((a_tone(1400, 2.0) * 32767).astype(np.int16)) == []


@pytest.mark.parametrize("milliseconds", [15, 20, 30])
def test_the_rest_of_a_key_at_the_edge_of_an_erasure_is_heard(milliseconds: int) -> None:
    long = milliseconds / 1000
    for place, (low, high) in enumerate(itertools.product(ROWS, COLUMNS)):
        talk = quiet_talk(4, seed=place)[:, 0].astype(np.float64)
        talk[2 * RATE : 3 * RATE] = 0
        pair = (a_tone(low, long, dbfs=-15) + a_tone(high, long, dbfs=-13)) * 32767
        before = talk.copy()
        before[2 * RATE - len(pair) : 2 * RATE] = pair
        after = talk.copy()
        after[3 * RATE : 3 * RATE + len(pair)] = pair
        for said, edges in ((talk, []), (before, [2.0]), (after, [3.0])):
            assert rests(said.astype(np.int16), [(2 * RATE, 3 * RATE)]) == edges
    assert rests(before.astype(np.int16), []) == []


def test_an_audit_finds_speech_in_a_pause_and_silence_outside_of_one(vault: Vault) -> None:
    said = quiet_talk(30)
    said[said == 0] = 1
    said[8 * RATE : 10 * RATE] = 0
    marks = (mark(1, "pause", 8 * RATE, 10 * RATE),)
    good = record(vault, said, marks)
    verdict = good.verify()
    right = Expected(silences=((8 * RATE, 10 * RATE),), seconds=30.0, sha256=verdict.sha256)
    assert audit(good, right) == []
    said[9 * RATE, 1] = 5
    said[20 * RATE : 24 * RATE] = 0
    bad = record(vault, said, marks, name=f"{CALL}-2")
    told = [finding.what for finding in audit(bad, right)]
    assert any("hash" in what for what in told)
    assert any("1 samples are not silent from 9.000 s on" in what for what in told)
    assert any("dead from 20.00 s to 24.00 s" in what for what in told)
    assert len(told) == 3


def test_a_mark_says_which_tone_was_played_how_long_and_who_heard_it(vault: Vault, tmp_path: Path) -> None:
    said = {"frequency": "1000", "level": "-26"}
    marks = (
        mark(1, "tone", 2 * RATE, 2 * RATE + 4000, **said, heard="caller"),
        mark(2, "tone", BLOCK - 1600, BLOCK + 1600, **said, heard="agent"),
        mark(3, "tone", 8 * RATE, 8 * RATE + 800, **said, heard="both"),
        mark(4, "tone", 9 * RATE, 9 * RATE + 800, **said, heard="nobody"),
    )
    reading = record(vault, quiet_talk(12), marks)
    whole = export([reading], tmp_path / "laid.wav", tone=PROFILES["fs1037c"])
    samples, _ = soundfile.read(whole.path, dtype="int16")
    agents, callers = (find(samples[:, channel], 1000) for channel in (0, 1))
    assert [round(each.start, 1) for each in callers] == [2.0, 8.0]
    assert [round(each.start, 1) for each in agents] == [4.8, 8.0]
    assert [round(each.seconds, 1) for each in callers] == [0.5, 0.1]
    assert [round(each.seconds, 1) for each in agents] == [0.4, 0.1]
    assert all(abs(each.dbfs + 26) < 1 for each in (*agents, *callers))


def tones(*starts: float, hz: float = 1400, seconds: float = 0.5, dbfs: float = -20) -> list[Heard]:
    return [Heard(start, seconds, hz, dbfs) for start in starts]


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (tones(0.2, 15.2, 30.24), []),
        (tones(0.2, 15.3), ["no tone for 15.10 s from 0.20 s on"]),
        (tones(0.2, 12.2), ["a tone only 12.00 s after the one at 0.20 s"]),
        (tones(0.2, hz=1380), ["at 0.20 s 1380 Hz instead of 1400"]),
        (tones(0.2, seconds=0.45), ["at 0.20 s 0.450 s long instead of 0.5"]),
        (tones(0.2, dbfs=-24), ["at 0.20 s -24.0 dBFS instead of -20"]),
    ],
)
def test_tones_that_are_not_as_the_profile_says_are_told(found: list[Heard], told: list[str]) -> None:
    assert amiss(found, PROFILES["fs1037c"]) == told


def test_tones_begin_anew_after_a_pause_and_never_sound_in_one() -> None:
    tone, pause = PROFILES["fs1037c"], [(20.0, 33.0)]
    assert amiss(tones(0.2, 15.2, 33.2, 48.2), tone, silent=pause, until=63.0) == []
    assert amiss(tones(0.2, 15.2, 30.2), tone, silent=pause) == ["at 30.20 s while nothing may sound"]
    assert amiss(tones(0.2, 15.2), tone, until=31.0) == ["no tone for 15.80 s from 15.20 s on"]


def test_an_audit_finds_key_tones_without_telling_the_key(vault: Vault) -> None:
    said = quiet_talk(6).astype(np.float64)
    pair = (a_tone(ROWS[1], 0.1) + a_tone(COLUMNS[1], 0.1)) * 16000
    said[16000 : 16000 + len(pair), 0] += pair
    (finding,) = audit(record(vault, said.astype(np.int16)), Expected())
    assert "key tone of the caller is left at 2.0" in finding.what


def test_an_audit_finds_missing_seconds_and_a_late_tone(vault: Vault) -> None:
    reading = record(vault, quiet_talk(60), (mark(1, "tone", 0), mark(2, "tone", 15 * RATE)))
    told = [finding.what for finding in audit(reading, Expected(seconds=66.0, tone=PROFILES["fs1037c"]))]
    assert len(told) == 2 and "66.0 s" in told[0] and "no warning tone for 45.0 s from 15.0 s on" in told[1]
    # While paused nobody has to be warned.
    silent = Expected(silences=((20 * RATE, 50 * RATE),), tone=PROFILES["fs1037c"])
    assert not any("warning tone" in finding.what for finding in audit(reading, silent))
