"""``python -m tests.speech.learn``: make ``telephone.npz`` from the voices of the training side.

The same utterance is brought to a wideband leg, where pocketsphinx computes its features, and to a telephone,
clean and in noise; a small network learns to get from one to the other. No held-out voice is touched.
"""

from __future__ import annotations

import struct
import sys
import tempfile
from pathlib import Path

import numpy as np
from pocketsphinx import Decoder, get_model_path

from callguard.speech.english.telephone import CEPSTRA, NETWORK, bands, with_context

from .corpus import Clip, answer_span, audio, corpus, crowd_of
from .line import NARROW
from .voices import WIDE

NEURONS = 128
EPOCHS = 12
NOISY = (20.0, 15.0, 10.0, 25.0)


def wideband(decoder: Decoder, directory: Path, pcm: bytes) -> np.ndarray:
    """Pocketsphinx's own features; it only gives them away as a log."""
    decoder.start_utt()
    decoder.process_raw(pcm, no_search=True, full_utt=True)
    decoder.end_utt()
    (path,) = directory.iterdir()
    raw = path.read_bytes()
    path.unlink()
    count = len(raw) // 4 - 1
    order = "<" if struct.unpack("<i", raw[:4])[0] == count else ">"
    return np.frombuffer(raw[4:], f"{order}f4").reshape(-1, CEPSTRA).astype(np.float32)


def pairs(clips: list[Clip]) -> tuple[np.ndarray, np.ndarray]:
    """Everything that is learnt from."""
    crowd = crowd_of(clips)
    given, wanted = [], []
    with tempfile.TemporaryDirectory(prefix="callguard-learn-") as name:
        directory = Path(name)
        decoder = Decoder(hmm=get_model_path("en-us/en-us"), lm=None, loglevel="FATAL", mfclogdir=name)
        decoder.add_fsg("any", decoder.parse_jsgf("#JSGF V1.0;\ngrammar g;\npublic <any> = yes;\n"))
        decoder.activate_search("any")
        for number, clip in enumerate(clips):
            began, ended = answer_span(clip)
            cut = audio(clip, rate=WIDE)[round(began * WIDE) * 2 : round(ended * WIDE) * 2]
            target = wideband(decoder, directory, cut)
            for snr in (None, NOISY[number % len(NOISY)]):
                heard = audio(clip, snr=snr, crowd=crowd)[
                    round(began * NARROW) * 2 : round(ended * NARROW) * 2
                ]
                seen = with_context(bands(heard))
                count = min(len(seen), len(target))
                given.append(seen[:count])
                wanted.append(target[:count] - target[:count].mean(axis=0))
    return np.concatenate(given), np.concatenate(wanted)


def learn(given: np.ndarray, wanted: np.ndarray) -> dict[str, np.ndarray]:
    """A linear map, and one layer of corrections; Adam, from a fixed seed."""
    chance = np.random.default_rng(0)
    mean, deviation, scale = given.mean(axis=0), given.std(axis=0) + 1e-6, wanted.std(axis=0)
    given, wanted = (given - mean) / deviation, wanted / scale
    size = given.shape[1]
    straight = np.linalg.solve(given.T @ given + 1e3 * np.eye(size), given.T @ wanted)
    weights = [
        chance.normal(0, size**-0.5, (size, NEURONS)),
        np.zeros(NEURONS),
        np.zeros((NEURONS, CEPSTRA)),
        np.zeros(CEPSTRA),
        straight,
    ]
    weights = [each.astype(np.float32) for each in weights]
    first, second = ([np.zeros_like(each) for each in weights] for _ in range(2))
    step = 0
    for epoch in range(EPOCHS):
        order, rate = chance.permutation(len(given)), 2e-3 * 0.5 ** (epoch // 3)
        for at in range(0, len(order), 512):
            chosen = order[at : at + 512]
            seen = given[chosen]
            sums = seen @ weights[0] + weights[1]
            inner = np.maximum(sums, 0)
            wrong = (inner @ weights[2] + weights[3] + seen @ weights[4] - wanted[chosen]) * 2 / len(chosen)
            back = (wrong @ weights[2].T) * (sums > 0)
            slopes = [seen.T @ back, back.sum(axis=0), inner.T @ wrong, wrong.sum(axis=0), seen.T @ wrong]
            step += 1
            for n, slope in enumerate(slopes):
                first[n] += 0.1 * (slope - first[n])
                second[n] += 0.001 * (slope * slope - second[n])
                stride = np.sqrt(second[n] / (1 - 0.999**step)) + 1e-8
                weights[n] -= rate * (first[n] / (1 - 0.9**step)) / stride
    inner = np.maximum(given @ weights[0] + weights[1], 0) @ weights[2] + weights[3] + given @ weights[4]
    sys.stdout.write(f"explained: {1 - float(np.mean(np.square(inner - wanted))):.3f} of the variance\n")
    names = ("inner", "inner_bias", "outer", "outer_bias", "straight")
    made = dict(zip(names, weights, strict=True)) | {"mean": mean, "deviation": deviation, "scale": scale}
    return {name: each.astype(np.float32) for name, each in made.items()}


if __name__ == "__main__":
    spoken = [clip for clip in corpus(held_out=False) if clip.utterance]
    np.savez_compressed(NETWORK, **learn(*pairs(spoken)))
