"""The lab's ear: levels and times of tones, against tones whose level and time are known."""

from pathlib import Path

import numpy as np
import pytest

from callguard.lab import audio
from callguard.lab.counting import AGENT, CALLER


def silence(seconds: float) -> audio.Samples:
    return np.zeros(round(seconds * audio.RATE), dtype=np.float32)


@pytest.mark.parametrize("dbfs", [-3.0, -12.0, -40.0])
@pytest.mark.parametrize("hz", [300, 520, 1100, 1500, 3300])
def test_a_tone_has_the_level_it_was_made_with(hz: float, dbfs: float) -> None:
    samples = audio.tone(hz, 1, dbfs=dbfs)
    assert audio.tone_level(samples, audio.RATE, hz) == pytest.approx(dbfs, abs=0.1)
    assert audio.peak_level(samples) == pytest.approx(dbfs, abs=0.3)


def test_another_tone_is_not_heard() -> None:
    samples = audio.tone(520, 1, dbfs=-3)
    for hz in (300, 1100, 1500):
        assert audio.tone_level(samples, audio.RATE, hz) < -80
        assert audio.seconds_of_tone(samples, audio.RATE, hz) == 0


def test_a_tone_is_found_in_time_and_amid_another() -> None:
    samples = np.concatenate([silence(0.5), audio.tone(1100, 0.3), silence(0.2)])
    samples += audio.tone(520, 1, dbfs=-6)
    assert audio.onset(samples, audio.RATE, 1100) == pytest.approx(0.5)
    assert audio.seconds_of_tone(samples, audio.RATE, 1100) == pytest.approx(0.3)
    assert audio.seconds_of_tone(samples, audio.RATE, 520) == pytest.approx(1.0)
    assert audio.onset(samples, audio.RATE, 1500) is None


def test_nothing_is_silent() -> None:
    for samples in (silence(0), silence(0.01), silence(1)):
        assert audio.peak_level(samples) == audio.SILENCE_DBFS
        assert audio.tone_level(samples, audio.RATE, 520) == audio.SILENCE_DBFS
        assert audio.seconds_of_tone(samples, audio.RATE, 520) == 0
        assert audio.onset(samples, audio.RATE, 520) is None


def test_what_is_written_is_read_again_up_to_the_last_whole_sample(tmp_path: Path) -> None:
    path = tmp_path / "tone.sln"
    samples = audio.tone(520, 0.1)
    audio.write_sln(path, samples)
    with path.open("ab") as file:
        file.write(b"\x01")
    read, rate = audio.read_sln(path)
    assert rate == 8000
    assert read == pytest.approx(samples, abs=1 / 16384)


def test_a_file_that_is_played_in_turns_joins_without_a_click() -> None:
    turn = audio.tone(1100, 20)
    assert turn[0] == pytest.approx(0, abs=1e-6)
    assert turn[0] - turn[-1] == pytest.approx(turn[1] - turn[0], abs=1e-3)


@pytest.mark.parametrize("milliseconds", [2, 20, 100])
def test_the_sound_of_a_key_is_found_amid_speech_and_a_rest_of_it_too(milliseconds: int) -> None:
    speech = CALLER.speech(200, 1000)
    assert audio.sounding_keys(speech, audio.RATE) == []
    assert audio.sounding_keys(AGENT.speech(200, 1000), audio.RATE) == []
    key = audio.tone(770, milliseconds / 1000, dbfs=-13) + audio.tone(1336, milliseconds / 1000, dbfs=-13)
    speech[8003 : 8003 + len(key)] = key
    found = audio.sounding_keys(speech, audio.RATE)
    assert found
    # Of a rest it cannot be told which key it was.
    assert milliseconds == 2 or {key for _, key in found} == {"5"}
    assert all(0.98 <= second <= 1.0 + milliseconds / 1000 for second, _ in found)


def test_one_tone_alone_is_no_key() -> None:
    assert audio.sounding_keys(audio.tone(770, 1) + audio.tone(520, 1), audio.RATE) == []
    assert audio.sounding_keys(silence(0.001), audio.RATE) == []
