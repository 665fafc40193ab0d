"""The judge of pauses, on recordings of which every frame is known: it must find what is wrong."""

import numpy as np
import pytest

from callguard.lab import audio
from callguard.lab.counting import AGENT, CALLER, FRAME
from callguard.lab.voices import key_sound
from callguard.lab.wire import Sent
from tests.capturing import Recorded, Side

FRAMES = 300
#: The first frame's packet left at this moment, and one each 20 ms after it.
BEGAN = 1000.0
#: Frames 100 to 149 are not recorded: the key was up with frame 99, and the resume key with frame 130.
CUT, AGAIN = 100, 150
UP, RESUMED = BEGAN + 0.02 * (CUT - 1), BEGAN + 0.02 * 130


def sent():
    return Sent(np.arange(FRAMES), BEGAN + 0.02 * np.arange(FRAMES))


def spoken(family):
    return audio.from_ulaw(audio.to_ulaw(family.speech(0, FRAMES)))


def recorded(caller=None, agent=None):
    """A recording with a clean pause, changed as told: from sample, to sample, what is there instead."""
    sides = []
    for family, changes in ((CALLER, caller), (AGENT, agent)):
        samples = spoken(family)
        samples[CUT * FRAME : AGAIN * FRAME] = 0
        for start, end, instead in changes or []:
            samples[start:end] = instead
        sides.append(Side(family.read(samples), sent()))
    return Recorded("a-call", *sides, audio.RATE)


def pause(found):
    return found.pause(UP - 0.1, UP, RESUMED)


def test_a_clean_pause_is_one_silence_with_its_edges_to_the_millisecond():
    found = pause(recorded())
    assert (found.silences, found.start, found.end) == (1, CUT * FRAME, AGAIN * FRAME)
    assert found.late == pytest.approx(0.0, abs=0.001)
    assert found.late_after_down == pytest.approx(0.1, abs=0.001)
    # Frame 150 began to be said 20 ms before its packet left.
    assert found.early == pytest.approx(0.02 * 19, abs=0.001)


@pytest.mark.parametrize("side", ["caller", "agent"])
@pytest.mark.parametrize("samples", [40, 160, 400])
def test_speech_that_goes_on_after_the_key_is_late_whoever_says_it(side, samples):
    family = CALLER if side == "caller" else AGENT
    first, last = CUT * FRAME, CUT * FRAME + samples
    found = pause(recorded(**{side: [(first, last, spoken(family)[first:last])]}))
    assert found.silences == 1
    assert found.late == pytest.approx(samples / audio.RATE, abs=0.001)


@pytest.mark.parametrize("side", ["caller", "agent"])
def test_speech_from_before_the_resume_is_early(side):
    family = CALLER if side == "caller" else AGENT
    first, last = 125 * FRAME + 80, AGAIN * FRAME
    found = pause(recorded(**{side: [(first, last, spoken(family)[first:last])]}))
    assert found.early == pytest.approx(0.02 * (125 - 131) + 0.01, abs=0.001)


def test_one_frame_in_the_middle_of_a_pause_makes_two_silences():
    first, last = 120 * FRAME, 121 * FRAME
    found = pause(recorded(agent=[(first, last, spoken(AGENT)[first:last])]))
    assert found.silences == 2


def test_a_pause_that_never_was_is_no_silence():
    first, last = CUT * FRAME, AGAIN * FRAME
    whole = {"caller": [(first, last, spoken(CALLER)[first:last])]}
    assert pause(recorded(**whole)).silences == 0


def test_noise_after_the_key_cannot_be_read_and_so_is_not_taken_for_silence():
    noise = np.random.default_rng(1).normal(0, 0.1, 400).astype(np.float32)
    found = pause(recorded(caller=[(CUT * FRAME, CUT * FRAME + 400, noise)]))
    assert found.silences != 1 or found.late is None


def test_crosstalk_and_the_sound_of_a_key_are_found():
    clean = recorded()
    assert (clean.crosstalk(), clean.sounding_keys()) == (0, [])
    first, last = 10 * FRAME, 13 * FRAME
    mixed = spoken(CALLER)[first:last] + spoken(AGENT)[first:last]
    assert recorded(caller=[(first, last, mixed)]).crosstalk() == 3
    key = key_sound("7", 0.01)
    assert recorded(agent=[(first, first + len(key), key)]).sounding_keys()


def test_what_was_said_before_anybody_listened_or_never_is_told_apart():
    side = Side(CALLER.read(spoken(CALLER)), Sent(np.arange(50, 200), BEGAN + 0.02 * np.arange(50, 200)))
    times = side.times
    assert (times[:50] == -np.inf).all()
    assert times[50] == BEGAN + 1.0
    assert (times[200:] == np.inf).all()
