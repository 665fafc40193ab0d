"""Arithmetic on speech: level, silence, rate. Samples are mono, floating point, full scale 1.0.

numpy is loaded inside the functions: nothing here runs while a caller waits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float64]
else:
    Samples = Any

_FRAME = 0.010  # seconds; energy is judged over frames of this length
_HANGOVER = 20  # frames; ITU-T P.56 keeps a pause of up to 200 ms as part of the speech around it
_MARGIN = 15.9  # dB; ITU-T P.56: speech is what lies less than this below the active level
_EDGE = 24.0  # dB below the active level at which a word has begun or ended (soft consonants are that low)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """Where and how loud the speech is."""

    level: (
        float  #: active speech level in dBov, after the manner of ITU-T P.56 (0 dBov: full-scale square wave)
    )
    active: float  #: seconds of speech
    start: float  #: seconds before the first sound of it
    end: float  #: seconds after the last sound of it
    movement: float  #: dB between its loud and its soft frames; speech moves, tone and noise do not


def speech_in(samples: Samples, rate: int) -> Speech | None:
    """What speech there is, or None when the samples are digital silence or shorter than a frame."""
    import numpy as np

    size = int(rate * _FRAME)
    count = len(samples) // size
    if count == 0:
        return None
    power = np.square(samples[: count * size].reshape(count, size)).mean(axis=1)
    level = float(power.mean())
    if level <= 0.0:
        return None
    active = np.ones(count, dtype=bool)
    for _ in range(20):
        loud = power > level * 10 ** (-_MARGIN / 10)
        active = np.convolve(loud, np.ones(_HANGOVER + 1), "full")[:count] > 0
        refined = float(power[active].mean())
        if abs(refined - level) <= level * 1e-4:
            break
        level = refined
    heard = np.flatnonzero(power > level * 10 ** (-_EDGE / 10))
    soft, strong = np.percentile(10 * np.log10(power[active] + 1e-12), (20, 95))
    return Speech(
        level=10 * math.log10(level),
        active=float(active.sum()) * _FRAME,
        start=float(heard[0]) * size / rate,
        end=(len(samples) - float(heard[-1] + 1) * size) / rate,
        movement=float(strong - soft),
    )


def resampled(samples: Samples, rate: int, wanted: int) -> Samples:
    """The same sound at another rate, without what the new rate cannot carry.

    Works on the whole spectrum at once. The upper 10 % of the band fades out instead of ending at once,
    so that no ringing is heard around consonants.
    """
    import numpy as np

    if rate == wanted:
        return samples
    step = rate // math.gcd(rate, wanted)
    margin = rate // 10  # the transform is circular: silence keeps the end from leaking into the start
    length = -(-(len(samples) + 2 * margin) // step) * step
    padded = np.zeros(length)
    padded[margin : margin + len(samples)] = samples
    spectrum = np.fft.rfft(padded)
    count = length // step * (wanted // math.gcd(rate, wanted))
    band = np.zeros(count // 2 + 1, dtype=complex)
    kept = min(len(band), len(spectrum))
    band[:kept] = spectrum[:kept]
    highest = min(rate, wanted) / 2
    frequency = np.arange(len(band)) * (wanted / count)
    fade = np.clip((highest - frequency) / (0.1 * highest), 0.0, 1.0)
    band *= 0.5 - 0.5 * np.cos(np.pi * fade)
    whole = np.fft.irfft(band, count) * (count / length)
    begin = round(margin * wanted / rate)
    return np.asarray(whole[begin : begin + round(len(samples) * wanted / rate)])


def levelled(samples: Samples, rate: int, target: float, highest: float) -> Samples:
    """The same speech at the target level in dBov, with no peak above `highest` dBov."""
    import numpy as np

    centred = np.asarray(samples - samples.mean())
    speech = speech_in(centred, rate)
    if speech is None:
        return samples
    gain = 10 ** ((target - speech.level) / 20)
    peak = float(np.abs(centred).max()) * gain
    return np.asarray(centred * (gain * min(1.0, 10 ** (highest / 20) / peak)))


def framed(samples: Samples, rate: int, before: float, after: float) -> Samples:
    """The speech with exactly so many seconds of digital silence before and after it."""
    import numpy as np

    speech = speech_in(samples, rate)
    if speech is None:
        return samples
    keep = int(0.02 * rate)  # the onset of a soft consonant lies below the threshold that found the word
    first = max(0, round(speech.start * rate) - keep)
    last = min(len(samples), len(samples) - round(speech.end * rate) + keep)
    word = samples[first:last].copy()
    ramp = min(int(0.005 * rate), len(word) // 2)
    word[:ramp] *= np.linspace(0, 1, ramp)
    word[len(word) - ramp :] *= np.linspace(1, 0, ramp)
    return np.concatenate([np.zeros(round(before * rate)), word, np.zeros(round(after * rate))])
