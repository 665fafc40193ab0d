"""Keys are heard as a telephone line carries them, and speech is not taken for them."""

from __future__ import annotations

import itertools
import subprocess

import numpy as np
import pytest

from callguard.lab import audio
from callguard.lab.counting import AGENT, CALLER
from callguard.recording.keytones import COLUMNS, ROWS, Keytones, Tone, rests

RATE = audio.RATE
KEYS = [(row, column) for row in ROWS for column in COLUMNS]


def key(row, column, seconds=0.1, *, dbfs=-13.0, twist=0.0, off=0.0):
    """One key: its level is that of the mean of both tones, twist says how much stronger the column is."""
    low = audio.tone(row * (1 + off), seconds, dbfs=dbfs - twist / 2)
    return low + audio.tone(column * (1 + off), seconds, dbfs=dbfs + twist / 2)


def line(keys, gap=0.1, *, snr=None, dbfs=-13.0, **how):
    """All of these keys, one after the other, as mu-law; noise so many dB below both tones together."""
    parts = [np.zeros(1234)]
    for one in keys:
        parts += [key(*one, dbfs=dbfs, **how), np.zeros(round(gap * RATE))]
    samples = np.concatenate([*parts, np.zeros(RATE // 4)])
    if snr is not None:
        power = 10 ** (dbfs / 10)
        samples += np.random.default_rng(1).normal(size=len(samples)) * np.sqrt(power * 10 ** (-snr / 10))
    return telephone(samples)


def telephone(samples):
    heard = audio.from_ulaw(audio.to_ulaw(np.clip(samples, -0.99, 0.99).astype(np.float32)))
    return (heard * 32767).astype("<i2")


def heard(caller, other=None, piece=16384) -> list[Tone]:
    both = np.stack([caller, np.zeros_like(caller) if other is None else other], axis=1)
    ear = Keytones()
    pieces = (ear.hear(both[at : at + piece].tobytes()) for at in range(0, len(both), piece))
    return list(itertools.chain.from_iterable(pieces))


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"dbfs": -3.0},
        {"dbfs": -25.0},
        {"dbfs": -48.0},
        {"twist": 8.0},
        {"twist": -8.0},
        {"off": 0.018},
        {"off": -0.018},
        {"seconds": 0.04, "gap": 0.04},
        {"seconds": 0.04, "gap": 0.04, "off": 0.015, "snr": 15.0},
        {"seconds": 0.5},
        {"snr": 15.0},
        {"snr": 5.0},
        {"dbfs": -30.0, "twist": 6.0, "off": 0.018, "snr": 12.0, "seconds": 0.05},
    ],
    ids=str,
)
def test_each_of_sixteen_keys_is_heard_once(how):
    assert len(heard(line(KEYS, **how))) == len(KEYS)


@pytest.mark.parametrize("piece", [79, 80, 161, 1000, 16384])
def test_it_makes_no_difference_how_samples_come(piece):
    samples = line(KEYS)
    assert [tone.start for tone in heard(samples, piece=piece)] == [tone.start for tone in heard(samples)]


def test_it_is_told_where_a_key_is_and_whose_it_is():
    caller, other = line(KEYS[:3]), line(KEYS[3:6], gap=0.13)
    tones = heard(caller, other[: len(caller)])
    assert [tone.side for tone in tones] == [0, 1, 0, 1, 0, 1]
    for number, tone in enumerate(each for each in tones if each.side == 0):
        assert abs(tone.start - 1234 - number * 1600) <= 100
        assert abs(tone.end - tone.start - 800) <= 200


@pytest.mark.parametrize(
    "how",
    [
        {"seconds": 0.01},
        {"off": 0.035},
        {"off": -0.035},
        {"twist": 14.0},
        {"dbfs": -60.0},
        {"snr": -5.0},
    ],
    ids=str,
)
def test_what_is_no_key_is_not_heard(how):
    assert heard(line(KEYS, **how)) == []


@pytest.mark.parametrize("hz", [*ROWS, *COLUMNS, 350, 425, 440, 1100, 1400, 2100])
def test_single_tones_are_no_keys(hz):
    assert heard(telephone(audio.tone(hz, 2.0))) == []


def test_noise_silence_and_music_of_many_tones_are_no_keys():
    random = np.random.default_rng(2)
    assert heard(np.zeros(40000, "<i2")) == []
    assert heard((random.normal(size=80000) * 3000).astype("<i2")) == []
    chords = [
        sum(
            audio.tone(220 * 2 ** (note / 12) * part, 0.5, dbfs=-20 - 6 * part)
            for note in chord
            for part in (1, 2, 3, 4)
        )
        for chord in ((0, 4, 7), (2, 5, 9), (7, 11, 14), (20, 24, 27), (21, 30, 33))
    ]
    assert heard(telephone(np.concatenate(chords))) == []
    for family in (CALLER, AGENT):
        assert heard(telephone(family.speech(0, 500))) == []


WORDS = (
    "My order has not arrived, and I would like to know where it is. I called on Monday, and a colleague of "
    "yours said that it was on its way. Please tell me what to do now. The number of the house is forty two."
)


@pytest.mark.parametrize("voice", ["en-us", "en-gb+f3", "de+m3", "fr+f2", "es"])
def test_speech_is_hardly_ever_a_key_and_never_a_number(voice, tmp_path):
    path = tmp_path / "words.wav"
    subprocess.run(["espeak-ng", "-v", voice, "-w", str(path), WORDS], check=True)
    assert len(heard(spoken(path))) <= 1


def spoken(path):
    import soundfile

    samples, rate = soundfile.read(path, dtype="float32")
    count = round(len(samples) * RATE / rate)
    spectrum = np.fft.rfft(samples)[: count // 2 + 1]
    spectrum[: round(200 * len(samples) / rate)] = 0
    slow = np.fft.irfft(spectrum, count)
    return telephone(slow / np.abs(slow).max() / 2)


# ---------------------------------------------------------------------- the rest of a key


@pytest.mark.parametrize("dbfs", [-13.0, -30.0])
@pytest.mark.parametrize("ms", [15, 20, 40])
def test_the_rest_of_a_key_is_found_with_all_of_it(ms, dbfs):
    for number, one in enumerate(KEYS):
        at = 1000 + 37 * number
        samples = np.zeros(4000, np.float32)
        samples[at : at + ms * 8] = key(*one, ms / 1000, dbfs=dbfs)
        ((first, last),) = rests(telephone(samples))
        assert at - 300 <= first <= at
        assert at + ms * 8 <= last <= at + ms * 8 + 300


def test_less_than_the_rest_of_a_key_and_speech_are_none(tmp_path):
    samples = np.zeros(4000, np.float32)
    samples[1000:1064] = key(*KEYS[5], 0.008)
    assert rests(telephone(samples)) == []
    assert rests(np.zeros(50, "<i2")) == []
    path = tmp_path / "words.wav"
    subprocess.run(["espeak-ng", "-v", "en-us", "-w", str(path), WORDS], check=True)
    assert rests(spoken(path)) == []
    for family in (CALLER, AGENT):
        assert rests(telephone(family.speech(0, 500))) == []
