"""Speech that counts, through what telephony does to it: codecs, cuts anywhere, shifts, other voices."""

import numpy as np
import pytest

from callguard.lab import audio
from callguard.lab.counting import AGENT, CALLER, FRAME, NUMBERS, Family

FAMILIES = pytest.mark.parametrize("family", [CALLER, AGENT], ids=lambda each: each.name)
KEYS_HZ = (697, 770, 852, 941, 1209, 1336, 1477, 1633)


def on_the_phone(samples: audio.Samples) -> audio.Samples:
    return audio.from_ulaw(audio.to_ulaw(samples))


def silence(samples: int) -> audio.Samples:
    return np.zeros(samples, dtype=np.float32)


@FAMILIES
def test_every_number_is_read_through_mu_law(family: Family) -> None:
    reading = family.read(on_the_phone(family.speech(0, NUMBERS)))
    assert (reading.numbers == np.arange(NUMBERS)).all()
    # A frame of one tone alone looks nearly the same a few samples later.
    beside = np.abs(reading.starts - np.arange(NUMBERS) * FRAME)
    assert np.count_nonzero(beside) <= 2
    assert beside.max() <= 10
    assert reading.ambiguous() <= 1
    assert reading.jumps() == []


@FAMILIES
@pytest.mark.parametrize("cut", [1, 37, 80, 159])
def test_a_recording_may_begin_and_end_anywhere(family: Family, cut: int) -> None:
    reading = family.read(on_the_phone(family.speech(700, 100))[cut : 98 * FRAME + cut])
    whole = reading.within(FRAME - cut, 97 * FRAME)
    assert whole.tolist() == list(range(701, 797))
    # Three quarters of a frame are enough to read it; less is ambiguous, at most once at each end.
    assert set(reading.numbers) - set(whole) <= {700, 797, 798}
    assert reading.ambiguous() <= 2


@FAMILIES
@pytest.mark.parametrize("shift", [0.25, 0.5, 0.8])
def test_a_shift_by_part_of_a_sample_changes_nothing(family: Family, shift: float) -> None:
    speech = family.speech(3000, 200)
    turned = np.fft.rfft(speech) * np.exp(-2j * np.pi * np.fft.rfftfreq(len(speech)) * shift)
    shifted = np.fft.irfft(turned, len(speech)).astype(np.float32)
    reading = family.read(on_the_phone(shifted))
    # The shift turns the ends over into each other.
    assert reading.numbers.tolist()[1:-1] == list(range(3001, 3199))
    # Where a frame begins is then known to a few periods of its tones: about a millisecond.
    assert np.abs(reading.starts - np.arange(200) * FRAME)[1:-1].max() <= 10


@FAMILIES
def test_both_are_read_where_they_speak_at_once(family: Family) -> None:
    other = AGENT if family is CALLER else CALLER
    mixed = family.speech(100, 60)
    mixed[5 * FRAME + 77 : 55 * FRAME + 77] += other.speech(20_000, 50)
    reading = family.read(on_the_phone(mixed))
    assert reading.numbers.tolist() == list(range(100, 160))
    crosstalk = other.read(on_the_phone(mixed))
    assert crosstalk.numbers.tolist() == list(range(20_000, 20_050))


@FAMILIES
def test_nothing_is_read_where_the_other_one_or_nobody_speaks(family: Family) -> None:
    other = AGENT if family is CALLER else CALLER
    assert len(family.read(on_the_phone(other.speech(0, 3000))).starts) == 0
    noise = np.random.default_rng(1).normal(0, 0.1, 30 * audio.RATE).astype(np.float32)
    assert len(family.read(noise).starts) == 0
    assert family.read(silence(0)).seconds == 0
    assert family.read(silence(10)).seconds == 0
    assert family.read(audio.tone(500, 5)).seconds == 0


@FAMILIES
def test_one_tone_too_many_or_too_few_is_not_another_number(family: Family) -> None:
    speech = family.speech(4321, 1)
    for hz in family.hz:
        wrong = speech + audio.tone(hz, FRAME / audio.RATE, dbfs=20 * np.log10(0.04))
        assert 4321 in family.read(np.concatenate([silence(80), speech, silence(80)])).numbers
        assert len(family.read(np.concatenate([silence(80), wrong, silence(80)])).numbers) <= 1
        assert 4321 not in family.read(wrong).numbers or audio.tone_level(speech, audio.RATE, hz) > -60


@FAMILIES
@pytest.mark.parametrize("left", [0, 1, 15, 40, 90, 140, 159])
def test_the_part_of_a_frame_at_a_cut_is_known_for_what_it_is(family: Family, left: int) -> None:
    speech = on_the_phone(family.speech(500, 40))
    cut = 30 * FRAME + left
    recording = np.concatenate([speech[:cut], silence(1000), speech[cut + 200 :]])
    reading = family.read(recording)
    until = reading.spoken_until(cut + 300)
    since = reading.spoken_from(cut + 700)
    assert until == pytest.approx(530 + left / FRAME, abs=0.02)
    assert since == pytest.approx(531.25 + left / FRAME, abs=0.02)


@FAMILIES
def test_something_else_at_a_cut_is_not_taken_for_the_next_frame(family: Family) -> None:
    speech, later = (on_the_phone(family.speech(number, 3)) for number in (500, 900))
    reading = family.read(np.concatenate([speech, later[:60], silence(500)]))
    assert reading.spoken_until(700) is None
    reading = family.read(np.concatenate([silence(500), later[100:FRAME], speech]))
    assert reading.spoken_from(300) is None
    assert family.read(silence(1000)).spoken_until(500) is None
    assert family.read(silence(1000)).spoken_from(500) is None


@FAMILIES
def test_what_is_missing_in_between_is_a_jump(family: Family) -> None:
    speech = family.speech(NUMBERS - 10, 40)
    reading = family.read(np.concatenate([speech[: 20 * FRAME], speech[25 * FRAME :]]))
    assert reading.jumps() == [(9, 15)]
    assert reading.within(0, 3 * FRAME).tolist() == [NUMBERS - 10, NUMBERS - 9, NUMBERS - 8]


def test_no_tone_is_near_one_of_a_key() -> None:
    for hz in (*CALLER.hz, *AGENT.hz):
        assert min(abs(hz / key - 1) for key in KEYS_HZ) > 0.035
    assert not set(CALLER.hz) & set(AGENT.hz)
